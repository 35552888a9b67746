"""What a run's networks make of the test set: top-1 and top-5 errors, of every seed and of their average; and what their first
kernels look for (Figure 3), and how the network is built (Figure 2)."""

import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from stages.running import Bar, run_stage, side_by_side
from stages.settings import StudySettings
from study import files, predictions, storage
from study.data.feeding import Feed
from study.data.packed import PackedSplit, read_index
from study.machine import set_up
from study.measuring import architecture, exciting, gabor
from study.measuring.evaluation import Prediction, average, predict, write_evaluation
from study.provenance import Record
from study.training import outputs
from study.training.reporting import Report
from study.training.run import load_network


class Evaluated(NamedTuple):
    """Of one seed: its predictions, and rows of files.KERNELS and files.PATCHES."""

    prediction: Prediction
    kernels: list[list[Any]]
    patches: list[list[Any]]


def kernels_by_epoch(trained: Path) -> dict[int, np.ndarray]:
    """The first kernels (n, h, w, RGB) of a seed by the epochs after which they were kept."""
    file = trained / "kernels-by-epoch.npz"
    try:
        kept = predictions.read_arrays(file, "kernels")
    except ValueError as problem:
        raise ValueError(
            f"{file} cannot be read: {problem}; `uv run dvc repro -f train@{trained.parent.name}` makes it again"
        ) from None
    return {int(epoch): kernels.astype(np.float32) for epoch, kernels in zip(kept["epochs"], kept["kernels"], strict=True)}


def evaluate_seed(settings: StudySettings, name: str, seed: int, keep: Path | None, untrained: bool, tell: Report) -> Evaluated:
    """What one seed's network predicts, and its first kernels, if asked for those before training too; all of its probabilities
    stay in the file `keep`, if it is given."""
    run, machine, index = settings.runs[name], set_up(settings.machine), read_index(settings.packed)
    feed = Feed(settings.packed, ("test",), run.network.crop, machine.devices[0], run.augmentation)
    trained = settings.results / "train" / name / outputs.seed_folder(seed)
    network = load_network(run, len(index["classes"]), trained, machine)
    prediction = predict(network, feed, settings.evaluate.batch, tell, keep)
    kept = kernels_by_epoch(trained)
    return Evaluated(prediction, gabor.described(seed, kept, untrained), exciting.exciting(network, feed, seed))


def evaluate(settings: StudySettings, record: Record, name: str) -> None:
    index, labels = read_index(settings.packed), PackedSplit(settings.packed, "test").labels
    trained, folder = settings.results / "train" / name, settings.results / "evaluate" / name
    diverged = outputs.diverged_seeds(trained)
    seeds = [seed for seed in settings.runs[name].seeds if seed not in diverged]
    averaged = len(seeds) > 1 and not diverged
    scratch = storage.WORK / f"evaluate-{settings.study}-{name}"
    shutil.rmtree(scratch, ignore_errors=True)  # of an evaluation that was ended
    with Bar(f"{name}, ten patches", len(labels) * len(seeds)) as bar:
        kept = [scratch / f"{outputs.seed_folder(seed)}.npy" for seed in seeds]
        each = [
            (settings, name, seed, keep if averaged else None, seed == seeds[0]) for seed, keep in zip(seeds, kept, strict=True)
        ]
        found = side_by_side(evaluate_seed, each, settings.machine, bar) if seeds else []
        made = {keep.stem: one.prediction for keep, one in zip(kept, found, strict=True)}
        if averaged:
            made[files.AVERAGED] = average(kept)
        write_evaluation(folder, name, made, labels, index["class_names"], diverged)
    for file, columns, rows in (
        ("kernels.csv", files.KERNELS, [row for one in found for row in one.kernels]),
        ("patches.csv", files.PATCHES, [row for one in found for row in one.patches]),
    ):
        storage.write_csv(folder / file, columns, rows)
    storage.write_json(folder / "network.json", architecture.of_settings(settings.runs[name].network, len(index["classes"])))
    shutil.rmtree(scratch, ignore_errors=True)
    print(_said(name, storage.read_json(folder / "metrics.json")), flush=True)
    record.inputs(*(trained / outputs.seed_folder(seed) / "weights.safetensors" for seed in seeds))
    record.add(data_sha256=index["sha256"])


def _said(name: str, metrics: dict[str, Any]) -> str:
    if diverged := metrics["diverged"]:
        of = f"{len(diverged)} of {len(diverged) + len(metrics['models'])} seeds ({', '.join(map(str, diverged))})"
        return f"{name}: diverged in {of}; the others are evaluated each by itself, without a mean"
    error = metrics["ten_patches"]
    return f"{name}: top-1 {error['top1_error']:.1%}, top-5 {error['top5_error']:.1%} from ten patches"


if __name__ == "__main__":
    run_stage("evaluate", evaluate, "runs")
