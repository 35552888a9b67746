"""One curve of Figure 1: let the learning rates race on a seed of their own, and train the judged seeds with the fastest."""

import shutil

from stages.running import Bar, run_stage, side_by_side
from stages.settings import StudySettings
from study import storage
from study.checking import plain
from study.data.packed import read_index
from study.measuring import convergence
from study.measuring.race import Heat, Trained, choice, fastest, heats, race_is_over, raced
from study.provenance import Record
from study.training import outputs
from study.training.checkpoint import disk_use
from study.training.run import recorded


def converge(settings: StudySettings, record: Record, name: str) -> None:
    curve, index, folder = settings.curves[name], read_index(settings.packed), settings.results / "converge" / name
    shutil.rmtree(folder, ignore_errors=True)
    tried = race(settings, name) if len(curve.rates) > 1 else {}
    rate = fastest(tried, curve.threshold) if tried else curve.rates[0]
    chosen = choice(tried, curve.threshold) if tried else f"{rate:g} is the only rate, which nothing says to be the fastest"
    print(f"{name}: {chosen}", flush=True)
    judged = dict(zip(curve.seeds, train(settings, name, [(seed, rate) for seed in curve.seeds]), strict=True))
    rows = [row for one in (*tried.values(), *judged.values()) for row in one.rows]
    storage.write_csv(folder / "curves.csv", outputs.CONVERGENCE, rows)
    storage.write_csv(folder / "figure1.csv", ("epoch", "training_error"), convergence.mean_curve(judged))
    storage.write_json(folder / "metrics.json", convergence.measure(curve, tried, judged))
    record.add(curve=plain(curve), data_sha256=index["sha256"], **convergence.recorded_times(curve, judged))
    record.add(**recorded({seed: one.end for seed, one in judged.items() if one.end}))
    print(disk_use(), flush=True)


def race(settings: StudySettings, name: str) -> dict[float, Trained]:
    """Train all rates until one has crossed the threshold and no other can be faster."""
    curve = settings.curves[name]
    trials: dict[float, Trained] = {}
    for heat in heats(curve.epochs):
        left = [rate for rate in curve.rates if rate not in trials or not trials[rate].end]
        trials |= zip(left, train(settings, name, [(curve.race_seed, rate) for rate in left], heat), strict=True)
        if race_is_over(trials):
            break
    return raced({rate: trials[rate] for rate in curve.rates})


def train(settings: StudySettings, name: str, pairs: list[tuple[int, float]], heat: Heat | None = None) -> list[Trained]:
    """Train each pair of seed and rate; in a heat of the race as far as it goes."""
    curve, folder, pictures = settings.curves[name], settings.results / "converge" / name, read_index(settings.packed)["pictures"]
    epochs = heat.stop - heat.start if heat else curve.epochs
    total = len(pairs) * epochs * (curve.pictures or pictures["train"] + pictures["validation"])
    each = [
        (curve, settings.machine, settings.packed, folder / outputs.seed_folder(seed), name, seed, rate, heat)
        for seed, rate in pairs
    ]
    with Bar(f"{name}, race to epoch {heat.stop}" if heat else name, total) as bar:
        return side_by_side(convergence.train_curve, each, settings.machine, bar)


if __name__ == "__main__":
    run_stage("converge", converge, "curves")
