"""Peak memory of a training step on one device and on two, a column each, against the 3 GB of the paper's GTX 580.

On CUDA it is what the allocator hands out. Elsewhere the step is traced without values, on two pretended devices, and the
bytes of the tensors that are alive on each are counted: exact for the tensors, blind to a kernel's workspace.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from bench.ours import Ours, declare
from bench.table import Cell, Table
from bench.timing import Scope
from study.network.alexnet import AlexNet
from study.training.update import LearningSettings, Momentum

GTX_580 = 3 * 2**30  # bytes of one of the paper's two GPUs (section 3.2)
STEPS = 2  # velocities and slopes of the first are there in the second
MIB = 2**20
PEAK = dict[str, int]  # bytes by device


class Alive(TorchDispatchMode):
    """Counts the bytes of the storages that are alive, by device, while operations run under it."""

    def __init__(self) -> None:
        super().__init__()
        self.now: PEAK = {}
        self.peak: PEAK = {}
        self._seen: weakref.WeakSet[Any] = weakref.WeakSet()

    def __torch_dispatch__(self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor):
                self._count(str(leaf.device), leaf.untyped_storage())
        return result

    def _count(self, device: str, storage: torch.UntypedStorage) -> None:
        if storage in self._seen:
            return
        self._seen.add(storage)
        self._change(device, storage.nbytes())
        weakref.finalize(storage, self._change, device, -storage.nbytes()).atexit = False

    def _change(self, device: str, by: int) -> None:
        self.now[device] = self.now.get(device, 0) + by
        self.peak[device] = max(self.peak.get(device, 0), self.now[device])


def traced(scope: Scope, devices: int) -> PEAK:
    """Bytes at the peak of a step on so many pretended devices. The CPU's numbers serve as their names."""
    names = [torch.device("cpu", number) for number in range(devices)]
    network = AlexNet(scope.network, scope.classes, [torch.device("meta")] * devices)
    with FakeTensorMode(), Alive() as alive:
        _place(network, names)
        rule = Momentum(network, LearningSettings())
        rule.start_epoch(1, divisions=0)
        size = (scope.batch, 3, scope.network.crop, scope.network.crop)
        pictures = torch.empty(size, device=names[0]).contiguous(memory_format=torch.channels_last)
        labels = torch.zeros(scope.batch, dtype=torch.int64, device=names[0])
        for _ in range(STEPS):
            _step(network, rule, pictures, labels)
    return {str(name): alive.peak[str(name)] for name in names}


def _place(network: AlexNet, devices: Sequence[torch.device]) -> None:
    """Give every column parameters without values on its device, in the layout that they have."""
    for number, module in enumerate(network.columns):
        column: Any = module
        column.device = devices[number % len(devices)]
        for layer in column.modules():
            for name, weight in list(layer.named_parameters(recurse=False)):
                there = torch.empty_strided(weight.shape, weight.stride(), device=column.device)
                setattr(layer, name, nn.Parameter(there))


def _step(network: AlexNet, rule: Momentum, pictures: torch.Tensor, labels: torch.Tensor) -> None:
    loss = F.cross_entropy(network(pictures), labels, reduction="sum")
    (loss / len(labels)).backward()
    rule.update()
    network.zero_grad()


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
