"""Top-1 and top-5 error of one run on the test set: ten patches, centre patch, every seed and their average."""

import shutil
from pathlib import Path

from stages.running import Bar, run_stage, side_by_side
from stages.settings import StudySettings
from study import files, storage
from study.data.feeding import Feed
from study.data.packed import PackedSplit, read_index
from study.machine import set_up
from study.measuring.evaluation import Prediction, average, predict, write_evaluation
from study.provenance import Record
from study.training import outputs
from study.training.run import Tell, load_network


def predict_seed(settings: StudySettings, name: str, seed: int, scratch: Path, tell: Tell) -> Path:
    """The probabilities of one seed's network, in a folder of their own."""
    run, machine, index = settings.runs[name], set_up(settings.machine), read_index(settings.packed)
    feed = Feed(settings.packed, ("test",), run.network.crop, machine.devices[0], run.augmentation)
    trained = settings.results / "train" / name / outputs.seed_folder(seed)
    network = load_network(run, len(index["classes"]), trained, machine)
    folder = scratch / outputs.seed_folder(seed)
    predict(network, feed, settings.evaluate.batch, tell, folder)
    return folder


def evaluate(settings: StudySettings, record: Record, name: str) -> None:
    seeds, index = settings.runs[name].seeds, read_index(settings.packed)
    labels = PackedSplit(settings.packed, "test").labels
    folder = settings.results / "evaluate" / name
    scratch = storage.WORK / f"evaluate-{settings.study}-{name}"
    shutil.rmtree(scratch, ignore_errors=True)  # of an evaluation that was ended
    with Bar(f"{name}, ten patches", len(labels) * len(seeds)) as bar:
        each = [(settings, name, seed, scratch) for seed in seeds]
        made = side_by_side(predict_seed, each, settings.machine, bar)
        predictions = {kept.name: Prediction.kept(kept) for kept in made}
        predictions[files.AVERAGED] = average(list(predictions.values()), scratch / files.AVERAGED)
        write_evaluation(folder, name, predictions, labels, index["class_names"])
    del predictions  # which map the files
    shutil.rmtree(scratch, ignore_errors=True)
    error = storage.read_json(folder / "metrics.json")["ten_patches"]
    print(f"{name}: top-1 {error['top1_error']:.1%}, top-5 {error['top5_error']:.1%} from ten patches", flush=True)
    weights = (settings.results / "train" / name / outputs.seed_folder(seed) / "weights.safetensors" for seed in seeds)
    record.inputs(*weights)
    record.add(data_sha256=index["sha256"])


if __name__ == "__main__":
    run_stage("evaluate", evaluate, "runs")
