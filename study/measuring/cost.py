"""What a training step costs: its time with and without section 4.1's augmentation, its memory, what crosses (section 3.2).

The paper calls augmentation "computationally free". What is timed is the training loop itself, on a feed that changes
its way with every epoch, so that a neighbour on the machine meets all ways alike. Memory is counted without running.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

from study.data.feeding import NO_AUGMENTATION, Feed, all_rows
from study.data.packed import read_index
from study.machine import MachineSettings, set_up
from study.measuring.memory import peak_of_a_step
from study.network.alexnet import AlexNet
from study.network.building import build
from study.network.settings import AlexNetSettings, sides
from study.training.checkpoint import Checkpoints
from study.training.loop import Callbacks, train
from study.training.progress import Progress
from study.training.run import RunSettings
from study.training.update import RateSettings

WAYS = ("one batch again", "read", "augmented")
WARM_UP = 1  # rounds that do not count
TIMED_RATE = 1e-6  # a training from scratch on few pictures could diverge, and infinities have other speeds
PAPER_BATCH, PAPER_CLASSES = 128, 1000  # section 5


@dataclass(frozen=True, kw_only=True, slots=True)
class CostSettings:
    """`run` is timed for up to `steps` a round and way; `rounds` are the units of the test."""

    run: str
    steps: int = 10
    rounds: int = 10

    def __post_init__(self) -> None:
        if self.steps < 1 or self.rounds < 2:
            raise ValueError(f"steps is {self.steps} and rounds {self.rounds}; give one step and two rounds, or more")

    @property
    def epochs(self) -> int:
        return (self.rounds + WARM_UP) * len(WAYS)


class InTurns:
    """A feed for the training loop: in turn one batch again and again, pictures as they are, and augmented ones."""

    def __init__(self, plain: Feed, augmented: Feed, batch: int) -> None:
        self.plain, self.augmented = plain, augmented
        self._again = next(augmented.training_batches(0, 1, batch))

    def __len__(self) -> int:
        return len(self.plain)

    def training_batches(
        self, seed: int, epoch: int, batch: int, start: int = 0, rows: Callable[[int], slice] = all_rows
    ) -> Iterator[tuple[int, slice, Tensor, Tensor]]:
        way = WAYS[(epoch - 1) % len(WAYS)]
        if way == "one batch again":
            return iter([self._again] * (len(self) // batch))
        return (self.plain if way == "read" else self.augmented).training_batches(seed, epoch, batch, start, rows)


def fitting(settings: CostSettings, run: RunSettings, pictures: int) -> CostSettings:
    """With no more steps a round than `pictures` make batches. Raises ValueError where they are not even one."""
    if pictures < run.learning.batch:
        raise ValueError(f"learning.batch is {run.learning.batch}, more than the {pictures} training pictures; lower it")
    return replace(settings, steps=min(settings.steps, pictures // run.learning.batch))


def time_steps(
    run: RunSettings, machine: MachineSettings, packed: Path, settings: CostSettings, tell: Callable[[int], None]
) -> list[list[Any]]:
    """Rows of files.COSTS. The study must have as many training pictures as the steps of a round take: see `fitting`."""
    here, index = set_up(machine), read_index(packed)
    pictures = settings.steps * run.learning.batch
    network = build(run.network, len(index["classes"]), here)
    plain, augmented = (
        Feed(packed, ("train",), run.network.crop, here.devices[0], how, first=pictures)
        for how in (replace(NO_AUGMENTATION, mean=run.augmentation.mean), run.augmentation)
    )
    learning = replace(run.learning, epochs=settings.epochs, rate=RateSettings(initial=TIMED_RATE, rule="epochs", at=()))
    rows: list[list[Any]] = []
    began = [time.perf_counter()]

    def epoch(progress: Progress) -> None:
        _wait_for(here.devices[0])
        number, way = divmod(len(progress.curve) - 1, len(WAYS))
        now = time.perf_counter()
        if number >= WARM_UP:
            rows.append([number - WARM_UP, WAYS[way], (now - began[0]) / settings.steps])
        tell(pictures)
        began[0] = time.perf_counter()

    callbacks = Callbacks(on_epoch=epoch, clock=lambda: 0.0)  # a clock that stands: nothing is saved
    feed: Any = InTurns(plain, augmented, run.learning.batch)
    train(network, feed, None, learning, 0, Checkpoints("cost"), callbacks)
    return rows


def two_devices(run: RunSettings, machine: MachineSettings) -> MachineSettings:
    """The machine on which the share of communication is measured: the declared one; where that is a CPU alone, a CPU that
    holds the columns apart, as two devices would, so that what crosses is copied."""
    apart = machine.devices == ("cpu",) and isinstance(run.network, AlexNetSettings) and run.network.columns == 2
    return replace(machine, devices=("cpu", "cpu")) if apart else machine


def median_seconds(rows: list[list[Any]]) -> dict[str, float]:
    """Of a step, by way, from rows of files.COSTS."""
    return {way: median(row[2] for row in rows if row[1] == way) for way in WAYS}


def measure(
    run: RunSettings, classes: int, settings: CostSettings, timed: Mapping[MachineSettings, list[list[Any]]]
) -> dict[str, Any]:
    """The content of cost/metrics.json: medians in seconds, bytes at the peak of a step, and what crosses.

    `timed`: rows of files.COSTS on the declared machine, the first, and on that of `two_devices`, where it is another one.
    """
    machine, apart = next(iter(timed)), two_devices(run, next(iter(timed)))
    seconds = median_seconds(timed[machine])
    return {
        "run": settings.run,
        "batch": run.learning.batch,
        "steps": settings.steps,
        "rounds": settings.rounds,
        "devices": list(machine.devices),
        "threads": machine.threads,
        "seconds": seconds,
        "memory": _memory(run.network, classes, run.learning.batch),
        "memory_of_the_paper": _memory(AlexNetSettings(), PAPER_CLASSES, PAPER_BATCH),
        "exchange": exchange(run, apart, classes, median_seconds(timed[apart])["one batch again"]),
    }


def _memory(network: Any, classes: int, batch: int) -> dict[str, list[int]] | None:
    """Bytes at the peak of a step on one device, and on each of two; None for a network without columns."""
    if not isinstance(network, AlexNetSettings):
        return None
    return {str(devices): peak_of_a_step(network, classes, batch, devices) for devices in range(1, network.columns + 1)}


def exchange(run: RunSettings, machine: MachineSettings, classes: int, step: float, times: int = 5) -> dict[str, Any] | None:
    """Numbers that cross in a step, the seconds that takes, and their share of `step`; None where all columns share a device.

    Every activation that crosses forward has a gradient that crosses back.
    """
    if len(machine.devices) < 2 or not isinstance(run.network, AlexNetSettings) or run.network.columns < 2:
        return None
    network = build(run.network, classes, set_up(machine))
    assert isinstance(network, AlexNet)
    crossing = [
        [torch.zeros(run.learning.batch, *shape, device=columns[0].device) for columns in network.columns_by_device]
        for shape in _crossing(run.network)
    ]
    found = []
    for _ in range(times):
        began = time.perf_counter()
        for parts in crossing:
            network.communicate(parts)
        for columns in network.columns_by_device:
            _wait_for(columns[0].device)
        found.append(2 * (time.perf_counter() - began))
    numbers = 2 * sum(part.numel() for parts in crossing for part in parts) if run.network.communication else 0
    return {"devices": list(machine.devices), "numbers": numbers, "seconds": median(found), "share": median(found) / step}


def _crossing(network: AlexNetSettings) -> list[tuple[int, ...]]:
    """Shapes of a column's part of what crosses, a picture: pool2, pool5 and layer 6, and layer 7 before the last one."""
    side = sides(network)
    pool2, pool5 = side[3], side[7]
    k2, k5 = (width // network.columns for width in (network.kernels[1], network.kernels[4]))
    return [(k2, pool2, pool2), (k5, pool5, pool5), *((width // network.columns,) for width in network.neurons)]


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
