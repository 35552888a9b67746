"""Where a training stands: everything that a checkpoint holds besides weights and velocities."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor

from study.training import outputs

Status = Literal["training", "finished", "diverged"]


@dataclass(slots=True)
class Progress:
    """Errors are fractions. `curve` and `layers` hold rows in the order of outputs.CURVE and outputs.LAYERS.

    Seconds are those of the training steps, the reading of pictures included; validation, measurements and checkpoints are
    left out. Processor seconds are those of all threads, and of all replicas together. `kernels` are the first layer's, in
    float16, by epoch (0 is the initialisation). `capabilities` names the processors that took part, in the order of time.
    """

    epoch: int = 1
    batch: int = 0  # batches done in this epoch
    iteration: int = 0
    loss: float = 0.0  # sums over this epoch's pictures so far
    wrong: int = 0
    seen: int = 0
    seconds: float = 0.0  # of this epoch so far
    processor_seconds: float = 0.0
    curve: list[list[Any]] = field(default_factory=list)
    epoch_seconds: list[float] = field(default_factory=list)
    epoch_processor_seconds: list[float] = field(default_factory=list)
    layers: list[list[Any]] = field(default_factory=list)
    kernels: dict[int, Tensor] = field(default_factory=dict)
    capabilities: list[str] = field(default_factory=list)
    status: Status = "training"

    def count(self, pictures: int, loss: float, wrong: float, seconds: float, processor_seconds: float) -> None:
        """A batch is done; `loss` and `wrong` are sums over its pictures."""
        self.loss, self.wrong, self.seen = self.loss + loss, self.wrong + int(wrong), self.seen + pictures
        self.batch, self.iteration = self.batch + 1, self.iteration + 1
        self.seconds, self.processor_seconds = self.seconds + seconds, self.processor_seconds + processor_seconds

    def close_epoch(self, row: list[Any], processor_seconds: float) -> None:
        """The epoch is done: `row` is its row of the curve, `processor_seconds` those of all replicas."""
        self.curve.append(row)
        self.epoch_seconds.append(round(self.seconds, 3))
        self.epoch_processor_seconds.append(round(processor_seconds, 3))
        self.epoch, self.batch, self.loss, self.wrong, self.seen = self.epoch + 1, 0, 0.0, 0, 0
        self.seconds = self.processor_seconds = 0.0

    def keep(self, epoch: int, layers: list[list[Any]], kernels: Tensor) -> None:
        """What was measured of the layers after `epoch`, and, at some epochs, the first layer's kernels."""
        self.layers += layers
        if epoch in outputs.KERNEL_EPOCHS:
            self.kernels[epoch] = kernels.half()

    def go_on_with(self, capability: str, report: Callable[[str], None]) -> None:
        """The training goes on, or begins, on processors of this capability."""
        if self.capabilities and self.capabilities[-1] != capability:
            before = self.capabilities[-1]
            report(f"was trained with {before} so far and goes on with {capability}: its bits are those of neither alone")
        if self.capabilities[-1:] != [capability]:
            self.capabilities.append(capability)


class Stopwatch:
    """Wall and processor seconds since the last lap."""

    def __init__(self) -> None:
        self._last = time.perf_counter(), time.process_time()

    def lap(self) -> tuple[float, float]:
        before, self._last = self._last, (time.perf_counter(), time.process_time())
        return self._last[0] - before[0], self._last[1] - before[1]
