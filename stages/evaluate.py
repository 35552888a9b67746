"""Top-1 and top-5 error of one run on the test set: ten patches, centre patch, every seed and their average."""

import shutil
from pathlib import Path
from typing import Any

from stages.running import Bar, run_stage, side_by_side
from stages.settings import StudySettings
from study import files, storage
from study.data.feeding import Feed
from study.data.packed import PackedSplit, read_index
from study.machine import set_up
from study.measuring.evaluation import Prediction, average, predict, write_evaluation
from study.provenance import Record
from study.training import outputs
from study.training.reporting import Report
from study.training.run import load_network


def predict_seed(settings: StudySettings, name: str, seed: int, keep: Path | None, tell: Report) -> Prediction:
    """What one seed's network predicts; all of its probabilities stay in the file `keep`, if it is given."""
    run, machine, index = settings.runs[name], set_up(settings.machine), read_index(settings.packed)
    feed = Feed(settings.packed, ("test",), run.network.crop, machine.devices[0], run.augmentation)
    trained = settings.results / "train" / name / outputs.seed_folder(seed)
    network = load_network(run, len(index["classes"]), trained, machine)
    return predict(network, feed, settings.evaluate.batch, tell, keep)


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
        each = [(settings, name, seed, keep if averaged else None) for seed, keep in zip(seeds, kept, strict=True)]
        found = side_by_side(predict_seed, each, settings.machine, bar) if seeds else []
        made = {keep.stem: prediction for keep, prediction in zip(kept, found, strict=True)}
        if averaged:
            made[files.AVERAGED] = average(kept)
        write_evaluation(folder, name, made, labels, index["class_names"], diverged)
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
