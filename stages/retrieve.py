"""Nearest training pictures of test pictures: by features, trained and untrained, by colours and by pixels (Figure 4)."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from stages.running import Bar, run_stage, side_by_side
from stages.settings import StudySettings
from study import storage
from study.data.feeding import Feed
from study.data.packed import PackedSplit, read_index
from study.machine import derived_seed, set_up
from study.measuring import pixels
from study.measuring.neighbours import Beside, Found, search_colours, search_features, write_retrieval
from study.measuring.ranking import Ranking
from study.network.building import build
from study.provenance import Record
from study.training import outputs
from study.training.reporting import Report
from study.training.run import load_network


def search(settings: StudySettings, seed: int, tell: Report) -> Found:
    """What the features of a seed's network find, and those of the same network before its training."""
    wanted, machine, classes = settings.retrieve, set_up(settings.machine), len(read_index(settings.packed)["classes"])
    run, keep = settings.runs[wanted.run], settings.results / "retrieve" if seed == wanted.seed else None
    train, test, asked = (
        Feed(settings.packed, (split,), run.network.crop, machine.devices[0], run.augmentation, first=first)
        for split, first in (("train", None), ("test", None), ("test", wanted.queries))
    )
    labels, known = asked.labels.numpy(), train.labels.numpy()
    trained = load_network(run, classes, settings.results / "train" / wanted.run / outputs.seed_folder(seed), machine)
    ranking = Ranking(labels, known, scratch(settings, f"features-{seed}"))
    rows, distances = search_features(trained, train, test if keep else asked, wanted, tell, keep, ranking)
    average = {"features": ranking.average_precisions()}
    untrained = build(run.network, classes, machine)
    untrained.initialise(derived_seed(seed, "weights"))
    ranking = Ranking(labels, known, scratch(settings, f"untrained-{seed}"))
    by_untrained, _ = search_features(untrained, train, asked, wanted, tell, ranking=ranking)
    average["untrained"] = ranking.average_precisions()
    return Found(by_features=rows, by_untrained=by_untrained, distances=distances, average=average)


def scratch(settings: StudySettings, name: str) -> Path:
    """Where distances wait until all pictures have passed."""
    return storage.WORK / f"retrieve-{settings.study}" / name


def retrieve(settings: StudySettings, record: Record) -> None:
    wanted, index, folder = settings.retrieve, read_index(settings.packed), settings.results / "retrieve"
    trained, crop = settings.results / "train" / wanted.run, settings.runs[wanted.run].network.crop
    seeds = wanted.measured(settings.runs[wanted.run].seeds)
    diverged = [seed for seed in seeds if seed in outputs.diverged_seeds(trained)]
    finished = [seed for seed in seeds if seed not in diverged]
    train, test = (PackedSplit(settings.packed, split) for split in ("train", "test"))
    labels, known, beside = test.labels[: wanted.queries], train.labels, None
    with Bar("retrieval", len(finished) * 2 * (len(train) + len(labels)) + len(train)) as bar:
        each = [(settings, seed) for seed in finished]
        found = dict(zip(finished, side_by_side(search, each, settings.machine, bar), strict=True)) if finished else {}
        if found:
            asked, device = pixels.centre_patches(test, np.arange(len(labels)), crop), set_up(settings.machine).devices[0]
            near = [rows for one in found.values() for rows in (one.by_features, one.by_untrained)]
            near = [rows[:, : wanted.neighbours] for rows in near]
            rankings = {by: Ranking(labels, known, scratch(settings, by)) for by in ("pixels", "colours")}
            by_pixels, far = pixels.compare(asked, train, crop, near, wanted.found, device, bar.tell, rankings["pixels"].add)
            by_colours = search_colours(asked, train, wanted, crop, rankings["colours"])
            average = {by: ranking.average_precisions() for by, ranking in rankings.items()}
            beside = Beside(by_pixels=by_pixels, by_colours=by_colours, average=average, far=far)
    shutil.rmtree(scratch(settings, ""), ignore_errors=True)
    metrics = write_retrieval(folder, wanted, found, beside, labels, known, diverged)
    print(said(metrics), flush=True)
    record.inputs(*(trained / outputs.seed_folder(seed) / "weights.safetensors" for seed in finished))
    record.add(data_sha256=index["sha256"])


def said(metrics: dict[str, Any]) -> str:
    """One line of what came out."""
    if metrics["diverged"]:
        of = f"{len(metrics['diverged'])} of {len(metrics['diverged']) + len(metrics.get('seeds', {}))} seeds"
        return f"{metrics['run']} diverged in {of} ({', '.join(map(str, metrics['diverged']))}); nothing is computed on these"
    shares = ((name, f"{name}_match") for name in ("features", "untrained", "pixels"))
    told = ", ".join(f"{name} {metrics[key]:.1%}" for name, key in shares)
    average = metrics["precision"]["features"]["average"].get("mean", float("nan"))
    return (
        f"same class among {metrics['neighbours']} neighbours: {told}, chance {metrics['chance']:.1%}; "
        f"mean average precision by features {average:.1%}"
    )


if __name__ == "__main__":
    run_stage("retrieve", retrieve)
