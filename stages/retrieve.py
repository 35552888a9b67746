"""Nearest training pictures of test pictures: by features, by those of the untrained network, and by pixels (Figure 4)."""

from typing import Any

import numpy as np

from stages.running import Bar, run_stage, side_by_side
from stages.settings import StudySettings
from study import files, storage
from study.data.feeding import Feed
from study.data.packed import PackedSplit, read_index
from study.machine import derived_seed, set_up
from study.measuring import pixels
from study.measuring.neighbours import Found, matches, measure, search_features, table
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
    trained = load_network(run, classes, settings.results / "train" / wanted.run / outputs.seed_folder(seed), machine)
    rows, distances = search_features(trained, train, test if keep else asked, wanted, tell, keep)
    untrained = build(run.network, classes, machine)
    untrained.initialise(derived_seed(seed, "weights"))
    by_untrained, _ = search_features(untrained, train, asked, wanted, tell)
    return Found(by_features=rows, by_untrained=by_untrained, distances=distances)


def retrieve(settings: StudySettings, record: Record) -> None:
    wanted, index, folder = settings.retrieve, read_index(settings.packed), settings.results / "retrieve"
    trained, crop = settings.results / "train" / wanted.run, settings.runs[wanted.run].network.crop
    seeds = wanted.measured(settings.runs[wanted.run].seeds)
    diverged = [seed for seed in seeds if seed in outputs.diverged_seeds(trained)]
    finished = [seed for seed in seeds if seed not in diverged]
    train, test = (PackedSplit(settings.packed, split) for split in ("train", "test"))
    labels, known, rows = test.labels[: wanted.queries], train.labels, []
    with Bar("retrieval", len(finished) * 2 * (len(train) + len(labels)) + len(train)) as bar:
        each = [(settings, seed) for seed in finished]
        found = dict(zip(finished, side_by_side(search, each, settings.machine, bar), strict=True)) if finished else {}
        if found:
            asked = pixels.centre_patches(test, np.arange(len(labels)), crop)
            others = [near for one in found.values() for near in (one.by_features, one.by_untrained)]
            by_pixels, far = pixels.compare(asked, train, crop, others, set_up(settings.machine).devices[0], bar.tell)
    for number, (seed, one) in enumerate(found.items()):
        rows += matches(seed, labels, known, one, by_pixels, far[2 * number : 2 * number + 2])
        if seed == wanted.seed:
            storage.write_csv(folder / "neighbours.csv", files.NEIGHBOURS, table(labels, known, one, by_pixels))
    if rows:
        storage.write_csv(folder / "matches.csv", files.MATCHES, rows)
    metrics = measure(wanted, labels, known, rows, diverged)
    storage.write_json(folder / "metrics.json", metrics)
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
    return f"same class among {metrics['neighbours']} neighbours: {told}, chance {metrics['chance']:.1%}"


if __name__ == "__main__":
    run_stage("retrieve", retrieve)
