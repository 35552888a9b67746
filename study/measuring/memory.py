"""Peak memory of a training step, counted without running it (section 3.2: "a single GTX 580 GPU has only 3GB of memory").

The step is traced without values, on pretended devices, and the bytes of the tensors that are alive on each are counted:
exact for the tensors in float32, velocities and pictures included; blind to a kernel's workspace.
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

from study.network.alexnet import AlexNet
from study.network.settings import AlexNetSettings
from study.training.update import LearningSettings, Momentum

STEPS = 2  # velocities and slopes of the first are there in the second


class Alive(TorchDispatchMode):
    """Counts the bytes of the storages that are alive, by device, while operations run under it."""

    def __init__(self) -> None:
        super().__init__()
        self.now: dict[str, int] = {}  # bytes by device
        self.peak: dict[str, int] = {}
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


def peak_of_a_step(settings: AlexNetSettings, classes: int, batch: int, devices: int) -> list[int]:
    """Bytes at the peak of a step on each of so many pretended devices. The CPU's numbers serve as their names."""
    names = [torch.device("cpu", number) for number in range(devices)]
    network = AlexNet(settings, classes, [torch.device("meta")] * devices)
    with FakeTensorMode(), Alive() as alive:
        _place(network, names)
        rule = Momentum(network, LearningSettings())
        rule.start_epoch(1, divisions=0)
        size = (batch, 3, settings.crop, settings.crop)
        pictures = torch.empty(size, dtype=torch.float32, device=names[0]).contiguous(memory_format=torch.channels_last)
        labels = torch.zeros(batch, dtype=torch.int64, device=names[0])
        for _ in range(STEPS):
            _step(network, rule, pictures, labels)
    return [alive.peak[str(name)] for name in names]


def _place(network: AlexNet, devices: Sequence[torch.device]) -> None:
    """Give every column parameters without values on its device, in the layout that they have."""
    for number, module in enumerate(network.columns):
        column: Any = module
        column.device = devices[number % len(devices)]
        for layer in column.modules():
            for name, weight in list(layer.named_parameters(recurse=False)):
                there = torch.empty_strided(weight.shape, weight.stride(), dtype=torch.float32, device=column.device)
                setattr(layer, name, nn.Parameter(there))
            for name, buffer in list(layer.named_buffers(recurse=False)):
                setattr(layer, name, torch.empty(buffer.shape, dtype=buffer.dtype, device=column.device))


def _step(network: AlexNet, rule: Momentum, pictures: torch.Tensor, labels: torch.Tensor) -> None:
    loss = F.cross_entropy(network(pictures), labels, reduction="sum")
    (loss / len(labels)).backward()
    rule.update()
    network.zero_grad()
