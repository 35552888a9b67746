"""Errors of a linear classifier on hand-made features of the study's own pictures (section 6, Table 1)."""

from functools import partial

from stages.running import run_stage
from stages.settings import StudySettings
from study import files, storage
from study.data.packed import PackedSplit, read_index
from study.machine import set_up
from study.measuring.hand_made import batches, fit, predict, table
from study.provenance import Record


def hand_made(settings: StudySettings, record: Record) -> None:
    set_up(settings.machine)
    wanted, index, folder = settings.hand_made, read_index(settings.packed), settings.results / "hand_made"
    train, validation, test = (PackedSplit(settings.packed, split) for split in ("train", "validation", "test"))
    print(f"describing {len(train) + len(validation) + len(test):,} pictures by gradients and colours", flush=True)
    of_train, of_validation = (partial(batches, split, wanted.batch) for split in (train, validation))
    fitted = fit(of_train, of_validation, len(index["classes"]), wanted)
    rows, metrics = table(fitted, predict(fitted, batches(test, wanted.batch), wanted), test.labels)
    storage.write_csv(folder / "predictions.csv", files.HAND_MADE, rows)
    storage.write_json(folder / "metrics.json", metrics)
    print(f"hand-made features: top-1 {metrics['top1_error']:.1%}, top-5 {metrics['top5_error']:.1%}", flush=True)
    record.add(data_sha256=index["sha256"])


if __name__ == "__main__":
    run_stage("hand_made", hand_made)
