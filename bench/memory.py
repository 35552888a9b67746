"""Peak memory of a training step on one device and on two, a column each, against the 3 GB of the paper's GTX 580.

On CUDA it is what the allocator hands out; elsewhere it is counted without running (study/measuring/memory.py).
"""

from __future__ import annotations

from typing import Any

import torch

from bench.ours import Ours, declare
from bench.table import Cell, Table
from bench.timing import Scope
from study.measuring.memory import STEPS, peak_of_a_step

GTX_580 = 3 * 2**30  # bytes of one of the paper's two GPUs (section 3.2)
MIB = 2**20
PEAK = dict[str, int]  # bytes by device


def traced(scope: Scope, devices: int) -> PEAK:
    peaks = peak_of_a_step(scope.network, scope.classes, scope.batch, devices)
    return {f"device {number}": peak for number, peak in enumerate(peaks, start=1)}


def on_cuda(scope: Scope, devices: tuple[str, ...], precision: Any = "float32") -> PEAK:
    """Bytes at the peak of a real step, by the allocator's account."""
    ours = Ours(scope, scope.network, declare(scope, precision, scope.compiled, devices))
    for name in devices:
        torch.cuda.reset_peak_memory_stats(name)
    for _ in range(STEPS):
        ours.step()
    return {name: torch.cuda.max_memory_allocated(name) for name in devices}


def measure(scope: Scope) -> list[Table]:
    rows, notes = _rows("traced", traced(scope, 1)), []
    if scope.network.columns == 2:
        rows += _rows("traced", traced(scope, 2))
    notes.append("Traced: tensors alive in float32, parameters, velocities and pictures included; workspaces of kernels are not.")
    if torch.cuda.is_available():
        rows += _rows("CUDA's allocator", on_cuda(scope, ("cuda:0",)))
    if torch.cuda.device_count() > 1:
        rows += _rows("CUDA's allocator", on_cuda(scope, ("cuda:0", "cuda:1")))
    else:
        notes.append("This machine has no two GPUs: what two devices need is traced.")
    return [
        Table(
            title=f"Peak memory of a training step, batch {scope.batch}",
            columns=("counted by", "devices", "one holds", "MiB", "% of a GTX 580's 3 GB"),
            rows=tuple(rows),
            notes=tuple(notes),
        )
    ]


def _rows(how: str, peak: PEAK) -> list[tuple[Cell, ...]]:
    held = ("column 1", "column 2") if len(peak) > 1 else ("all columns",)
    return [(how, str(len(peak)), what, size / MIB, 100 * size / GTX_580) for what, size in zip(held, peak.values(), strict=True)]
