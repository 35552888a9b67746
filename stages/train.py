"""Train one run of the study from each of its seeds."""

from stages.running import Bar, follows, run_stage, side_by_side, with_replicas
from stages.settings import StudySettings
from study import storage
from study.checking import plain
from study.data.packed import read_index
from study.provenance import Record
from study.training import outputs
from study.training.run import train_seed


def train(settings: StudySettings, record: Record, name: str) -> None:
    with_replicas(settings.machine)
    run, index, folder = settings.runs[name], read_index(settings.packed), settings.results / "train" / name
    total = len(run.seeds) * run.learning.epochs * index["pictures"]["train"]
    each = [(run, settings.machine, settings.packed, folder / outputs.seed_folder(s), name, s) for s in run.seeds]
    with Bar(name, total) as bar:
        trained = side_by_side(train_seed, each, settings.machine, bar)
    if follows():
        return
    by_seed = {str(seed): one["summary"] for seed, one in zip(run.seeds, trained, strict=True)}
    storage.write_json(folder / "metrics.json", {"run": name, "parameters": trained[0]["parameters"], "seeds": by_seed})
    record.add(run=plain(run), data_sha256=index["sha256"], epoch_seconds=[one["epoch_seconds"] for one in trained])


if __name__ == "__main__":
    run_stage("train", train, "runs")
