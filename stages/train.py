"""Train one run of the study from each of its seeds."""

import shutil

from stages.running import Bar, follows, run_stage, side_by_side, with_replicas
from stages.settings import StudySettings
from study import storage
from study.checking import plain
from study.data.packed import read_index
from study.provenance import Record
from study.training import outputs
from study.training.checkpoint import disk_use
from study.training.run import recorded, train_seed


def train(settings: StudySettings, record: Record, name: str) -> None:
    with_replicas(settings.machine)
    run, index, folder = settings.runs[name], read_index(settings.packed), settings.results / "train" / name
    if not follows():
        shutil.rmtree(folder, ignore_errors=True)
    total = len(run.seeds) * run.learning.epochs * round(run.share * index["pictures"]["train"])
    each = [(run, settings.machine, settings.packed, folder / outputs.seed_folder(s), name, s) for s in run.seeds]
    with Bar(name, total) as bar:
        ends = dict(zip(run.seeds, side_by_side(train_seed, each, settings.machine, bar), strict=True))
    if follows():
        return
    by_seed = {str(seed): end["summary"] for seed, end in ends.items()}
    parameters = ends[run.seeds[0]]["parameters"]
    storage.write_json(folder / "metrics.json", {"run": name, "parameters": parameters, "seeds": by_seed})
    record.add(run=plain(run), data_sha256=index["sha256"], **recorded(ends))
    print(disk_use(), flush=True)


if __name__ == "__main__":
    run_stage("train", train, "runs")
