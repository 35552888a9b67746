"""One curve of Figure 1: try the learning rates from the first seed, take the fastest, train all seeds with it."""

from typing import Any

from stages.running import Bar, run_stage, side_by_side
from stages.settings import StudySettings
from study import storage
from study.checking import plain
from study.data.packed import read_index
from study.measuring.convergence import fastest, mean_curve, measure, train_curve
from study.provenance import Record
from study.training import outputs


def converge(settings: StudySettings, record: Record, name: str) -> None:
    curve, index, folder = settings.curves[name], read_index(settings.packed), settings.results / "converge" / name
    pictures = curve.pictures or index["pictures"]["train"] + index["pictures"]["validation"]
    first = curve.seeds[0]

    def trained(title: str, pairs: list[tuple[int, float]]) -> dict[tuple[int, float], dict[str, Any]]:
        each = [(curve, settings.machine, settings.packed, f"{name} rate {rate:g}", seed, rate) for seed, rate in pairs]
        with Bar(f"{name}, {title}", len(pairs) * curve.epochs * pictures) as bar:
            return dict(zip(pairs, side_by_side(train_curve, each, settings.machine, bar), strict=True))

    trials = trained("trying rates", [(first, rate) for rate in curve.rates]) if len(curve.rates) > 1 else {}
    tried = {rate: trial["errors"] for (_, rate), trial in trials.items()}
    rate = fastest(tried, curve.threshold) if tried else curve.rates[0]
    left = [(seed, rate) for seed in curve.seeds if (seed, rate) not in trials]
    done = trials | (trained(f"rate {rate:g}", left) if left else {})
    tried = tried or {rate: done[first, rate]["errors"]}
    by_seed = {seed: done[seed, rate]["errors"] for seed in curve.seeds}
    storage.write_csv(folder / "curves.csv", outputs.CONVERGENCE, [row for one in done.values() for row in one["rows"]])
    storage.write_csv(folder / "figure1.csv", ("epoch", "training_error"), mean_curve(by_seed))
    storage.write_json(folder / "metrics.json", measure(curve, tried, by_seed))
    seconds = {seed: done[seed, rate]["epoch_seconds"] for seed in curve.seeds}
    record.add(curve=plain(curve), data_sha256=index["sha256"], epoch_seconds=seconds)


if __name__ == "__main__":
    run_stage("converge", converge, "curves")
