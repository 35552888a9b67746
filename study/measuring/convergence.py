"""Figure 1: how many epochs until the training error is 25%, for ReLUs and for tanh.

As in its caption: no regularisation of any kind, and the learning rate chosen for each activation on its own, to make
training as fast as possible. The rates of a declared list race on a seed that is not judged; the one that crosses the
threshold first serves all seeds. A curve that never crosses is kept and counted as censored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from study.data.feeding import NO_AUGMENTATION, Feed
from study.data.packed import read_index
from study.machine import MachineSettings, asked_to_end, set_up
from study.measuring.race import Heat, Trained, epochs_to, fastest
from study.network.building import Network, NetworkSettings, build
from study.training.checkpoint import Checkpoints, identity
from study.training.code import TRAINING_CODE, source_hash
from study.training.diagnostics import Diagnostics
from study.training.loop import Callbacks, train
from study.training.progress import Progress
from study.training.reporting import Report, Reporter
from study.training.run import check_seeds, ending, write_diagnostics
from study.training.update import LearningSettings, RateSettings

CODE = source_hash(["measuring/convergence.py", "measuring/race.py"]) + TRAINING_CODE  # these shape the trainings of a curve too


@dataclass(frozen=True, kw_only=True, slots=True)
class CurveSettings:
    """One curve of Figure 1. `threshold` is a training error; `epochs` the most that a training may take.

    `race_seed` is the seed from which the rates race; it is none of the judged `seeds`, since the winner's luck is chosen
    with it. `pictures`: the first so many of training and validation set together; all of them if not given.
    """

    network: NetworkSettings
    rates: tuple[float, ...]
    seeds: tuple[int, ...]
    epochs: int
    race_seed: int = 1000
    batch: int = 128
    threshold: float = 0.25
    pictures: int | None = None

    def __post_init__(self) -> None:
        check_seeds(self.seeds)
        if not self.rates or min(self.rates) <= 0 or len(set(self.rates)) != len(self.rates):
            raise ValueError(f"rates is {list(self.rates)}; name the learning rates to try, all positive and each once")
        if self.race_seed < 0 or self.race_seed in self.seeds:
            raise ValueError(f"race_seed is {self.race_seed}; give a seed from 0 on that is none of the judged seeds")
        if self.epochs < 1 or self.batch < 1 or (self.pictures is not None and self.pictures < 1):
            raise ValueError(f"epochs is {self.epochs}, batch {self.batch} and pictures {self.pictures}; all are 1 or more")
        if not 0 < self.threshold < 1:
            raise ValueError(f"threshold is {self.threshold}; it is a fraction, the paper has 0.25")

    def learning(self, rate: float) -> LearningSettings:
        """Constant rate, no weight decay."""
        steady = RateSettings(initial=rate, rule="epochs", at=())
        return LearningSettings(epochs=self.epochs, batch=self.batch, weight_decay=0.0, rate=steady)


def train_curve(
    settings: CurveSettings,
    machine: MachineSettings,
    packed: Path,
    folder: Path,
    name: str,
    seed: int,
    rate: float,
    heat: Heat | None,
    report: Report,
) -> Trained:
    """Train until the threshold is crossed, or for `settings.epochs`, and write the folder of the seed.

    In a heat of the race the folder is not written, and the training pauses after the heat, or as soon as it cannot win any
    more, since another rate has crossed the threshold in as many epochs. Raises as `train_seed` does.
    """
    index = read_index(packed)
    there = index["pictures"]["train"] + index["pictures"]["validation"]
    if settings.pictures is not None and settings.pictures > there:
        raise ValueError(f"pictures is {settings.pictures}, but training and validation set have {there} together; lower it")
    pictures = settings.pictures or there
    announced = range(heat.start + 1, heat.stop + 1) if heat else None
    reporter = Reporter(report, f"{name} rate {rate:g} seed {seed}", settings.epochs, pictures, announced)
    stored = partial(_checkpoints, settings, machine, index["sha256"], seed, report=reporter.line)
    rivals = [stored(other) for other in settings.rates if other != rate] if heat else []

    def pause(progress: Progress) -> bool:
        return heat is not None and len(progress.curve) >= min([heat.stop, *filter(None, map(_epochs_to_win, rivals))])

    with stored(rate).locked() as checkpoints:
        end = checkpoints.finished() if heat else checkpoints.restore(folder)
        reused = end is not None
        if end is None:
            network, progress = _train(settings, machine, packed, seed, rate, checkpoints, reporter, pause)
            rows = [[seed, rate, row[0], row[1], row[3], row[4]] for row in progress.curve]
            if progress.status == "training":
                return Trained(rows)
            end = ending(network, progress) | {"rows": rows, "crossed": _crossed(settings, progress)}
            checkpoints.finish(end, lambda kept: write_diagnostics(kept, network, progress))
            if not heat:
                checkpoints.restore(folder)
    reporter.ended(end["summary"], reused, "this rate has lost" if heat else "it has no epochs to count; give smaller rates")
    return Trained(end["rows"], end["crossed"], end["summary"]["status"] == "diverged", end | {"reused": reused})


def _checkpoints(
    settings: CurveSettings, machine: MachineSettings, pictures: str, seed: int, rate: float, report: Callable[[str], None]
) -> Checkpoints:
    """Of the training of one seed at one rate: neither the other seeds nor the other rates shape it."""
    shaping = {name: value for name, value in asdict(settings).items() if name not in ("seeds", "rates", "race_seed")}
    training = identity(kind="converge", curve=shaping, pictures=pictures, machine=asdict(machine), seed=seed, rate=rate)
    return Checkpoints(training, CODE, report)


def _train(
    settings: CurveSettings,
    declared: MachineSettings,
    packed: Path,
    seed: int,
    rate: float,
    checkpoints: Checkpoints,
    reporter: Reporter,
    pause: Callable[[Progress], bool],
) -> tuple[Network, Progress]:
    machine = set_up(declared)
    network = build(settings.network, len(read_index(packed)["classes"]), machine)
    splits, crop = ("train", "validation"), settings.network.crop
    feed = Feed(packed, splits, crop, machine.devices[0], NO_AUGMENTATION, settings.pictures)
    diagnostics = Diagnostics(network, machine, feed, len(feed))
    callbacks = Callbacks(
        reporter.step, reporter.epoch, reporter.resumed, partial(_crossed, settings), pause, asked_to_end=asked_to_end
    )
    learning = settings.learning(rate)
    return network, train(network, feed, None, learning, seed, checkpoints, callbacks, diagnostics=diagnostics)


def _crossed(settings: CurveSettings, progress: Progress) -> bool:
    return bool(progress.curve) and progress.curve[-1][4] <= settings.threshold


def _epochs_to_win(rival: Checkpoints) -> int | None:
    """After how many epochs a training that is kept has crossed the threshold; None if it has not."""
    end = rival.finished()
    return len(end["rows"]) if end and end["crossed"] else None


def seconds_to(epochs: float | None, epoch_seconds: Sequence[float]) -> float | None:
    """Seconds that so many epochs took, of an epoch in part the same part; None for None."""
    if epochs is None:
        return None
    whole = int(epochs)
    return sum(epoch_seconds[:whole]) + (epochs - whole) * (epoch_seconds[whole] if epochs > whole else 0.0)


def recorded_times(settings: CurveSettings, judged: Mapping[int, Trained]) -> dict[str, dict[str, float | None]]:
    """Seconds and processor seconds to the threshold by seed, None where it was not crossed."""
    times: dict[str, dict[str, float | None]] = {"seconds_to_threshold": {}, "processor_seconds_to_threshold": {}}
    for seed, trained in judged.items():
        epochs, end = epochs_to(settings.threshold, trained.errors), trained.end or {}
        times["seconds_to_threshold"][str(seed)] = seconds_to(epochs, end["epoch_seconds"])
        times["processor_seconds_to_threshold"][str(seed)] = seconds_to(epochs, end["epoch_processor_seconds"])
    return times


def measure(settings: CurveSettings, tried: Mapping[float, Trained], judged: Mapping[int, Trained]) -> dict[str, Any]:
    """The content of converge/<curve>/metrics.json; `tried` is empty where there is one rate alone, and no race.

    `at_edge`: the rate is the smallest or the largest of the list, so that one outside of it may be faster.
    """
    rate = fastest(tried, settings.threshold) if tried else settings.rates[0]
    return {
        "activation": settings.network.activation,
        "threshold": settings.threshold,
        "chosen_rate": rate,
        "at_edge": rate in (min(settings.rates), max(settings.rates)),
        "race_seed": settings.race_seed if tried else None,
        "tried": [{"rate": rate} | _of_trial(settings, trial) for rate, trial in tried.items()],
        "seeds": {str(seed): _of_judged(settings, trained) for seed, trained in judged.items()},
        "diverged": [seed for seed, trained in judged.items() if trained.diverged],
    }


def _of_trial(settings: CurveSettings, trial: Trained) -> dict[str, Any]:
    stopped = "stopped" if len(trial.rows) < settings.epochs else "not crossed"
    status = "diverged" if trial.diverged else "crossed" if trial.crossed else stopped
    return {"status": status} | _times(settings, trial)


def _of_judged(settings: CurveSettings, trained: Trained) -> dict[str, Any]:
    return {"status": "diverged" if trained.diverged else "finished"} | _times(settings, trained)


def _times(settings: CurveSettings, trained: Trained) -> dict[str, Any]:
    return {"epochs_to_threshold": epochs_to(settings.threshold, trained.errors), "epochs": len(trained.rows)}


def mean_curve(judged: Mapping[int, Trained]) -> list[list[float]]:
    """Rows (epoch, training error): the mean over the seeds that were still training; none where a seed has diverged."""
    if any(trained.diverged for trained in judged.values()):
        return []
    by_seed = [trained.errors for trained in judged.values()]
    rows = []
    for epoch in range(max(map(len, by_seed))):
        errors = [each[epoch] for each in by_seed if epoch < len(each)]
        rows.append([epoch + 1, sum(errors) / len(errors)])
    return rows
