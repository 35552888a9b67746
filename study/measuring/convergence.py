"""Figure 1: how many epochs until the training error is 25%, for ReLUs and for tanh.

As in its caption: no regularisation of any kind, and the learning rate chosen for each activation on its own, to make
training as fast as possible. Every rate of a declared list is tried from the first seed; the one that crosses first
serves all seeds. A curve that never crosses is kept and counted as censored.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from study.data.feeding import NO_AUGMENTATION, Feed
from study.data.packed import read_index
from study.machine import MachineSettings, asked_to_end, set_up
from study.network.building import NetworkSettings, build
from study.training.checkpoint import Checkpoints, identity
from study.training.loop import Watch, train
from study.training.run import Tell, Teller
from study.training.update import LearningSettings, RateSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class CurveSettings:
    """One curve of Figure 1. `threshold` is a training error; `epochs` the most that a training may take.
    `pictures`: the first so many of training and validation set together; all of them if not given."""

    network: NetworkSettings
    rates: tuple[float, ...]
    seeds: tuple[int, ...]
    epochs: int
    batch: int = 128
    threshold: float = 0.25
    pictures: int | None = None

    def __post_init__(self) -> None:
        if not self.rates or min(self.rates) <= 0:
            raise ValueError(f"rates is {list(self.rates)}; name the learning rates to try, all positive")
        if not self.seeds:
            raise ValueError("seeds is empty; name at least one")
        if not 0 < self.threshold < 1:
            raise ValueError(f"threshold is {self.threshold}; it is a fraction, the paper has 0.25")

    def learning(self, rate: float) -> LearningSettings:
        """Constant rate, no weight decay."""
        steady = RateSettings(initial=rate, rule="epochs", at=())
        return LearningSettings(epochs=self.epochs, batch=self.batch, weight_decay=0.0, rate=steady)


def train_curve(
    settings: CurveSettings, machine: MachineSettings, packed: Path, name: str, seed: int, rate: float, tell: Tell
) -> dict[str, Any]:
    """Train until the threshold is crossed, or for `settings.epochs`.

    Returns rows of outputs.CONVERGENCE, the training errors by epoch, and the seconds of the epochs.
    """
    here, index = set_up(machine), read_index(packed)
    network = build(settings.network, len(index["classes"]), here)
    feed = Feed(packed, ("train", "validation"), settings.network.crop, here.devices[0], NO_AUGMENTATION, settings.pictures)
    shaping = identity(
        kind="converge", curve=asdict(settings), data=index["sha256"], machine=asdict(machine), seed=seed, rate=rate
    )
    teller = Teller(tell, f"{name} seed {seed}", settings.epochs)
    with Checkpoints(shaping).held() as checkpoints:
        watch = Watch(
            step=teller.step,
            epoch=teller.epoch,
            seconds=time.monotonic,
            stop=lambda progress: progress.curve[-1][4] <= settings.threshold,
            asked_to_end=asked_to_end,
        )
        progress = train(network, feed, None, settings.learning(rate), seed, checkpoints, watch)
        checkpoints.discard()
    rows = [[seed, rate, row[0], row[1], row[3], row[4]] for row in progress.curve]
    return {"rows": rows, "errors": [row[4] for row in progress.curve], "epoch_seconds": teller.seconds}


def epochs_to(threshold: float, errors: list[float]) -> float | None:
    """Epochs until the error falls to the threshold, between epochs by straight line; None if it never does.

    `errors[i]` is the error during epoch i + 1, and so stands for its middle, i + 0.5 epochs of training.
    """
    for epoch, error in enumerate(errors):
        if error <= threshold:
            if epoch == 0:
                return 0.5
            before = errors[epoch - 1]
            return epoch - 0.5 + (before - threshold) / (before - error)
    return None


def fastest(tried: dict[float, list[float]], threshold: float) -> float:
    """The rate that crosses the threshold first; if none does, the one whose error ends lowest."""
    crossing = {rate: epochs for rate, errors in tried.items() if (epochs := epochs_to(threshold, errors)) is not None}
    if crossing:
        return min(crossing, key=lambda rate: crossing[rate])
    return min(tried, key=lambda rate: tried[rate][-1] if tried[rate] else 1.0)


def measure(settings: CurveSettings, tried: dict[float, list[float]], by_seed: dict[int, list[float]]) -> dict[str, Any]:
    """The content of converge/<curve>/metrics.json."""
    epochs = {seed: epochs_to(settings.threshold, errors) for seed, errors in by_seed.items()}
    return {
        "activation": settings.network.activation,
        "threshold": settings.threshold,
        "chosen_rate": fastest(tried, settings.threshold),
        "tried": [{"rate": rate, "epochs_to_threshold": epochs_to(settings.threshold, e)} for rate, e in tried.items()],
        "seeds": {str(s): {"epochs_to_threshold": epochs[s], "epochs": len(by_seed[s])} for s in by_seed},
    }


def mean_curve(by_seed: dict[int, list[float]]) -> list[list[float]]:
    """Rows (epoch, training error): the mean over the seeds that were still training."""
    longest = max(len(errors) for errors in by_seed.values())
    rows = []
    for epoch in range(longest):
        here = [errors[epoch] for errors in by_seed.values() if epoch < len(errors)]
        rows.append([epoch + 1, sum(here) / len(here)])
    return rows
