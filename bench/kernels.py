"""The kernels of a training step, each measured alone: their sum is what a step without anything between them would take.

Convolutions over both columns' weights side by side, the fully connected layers a column each, normalisations, ReLUs,
poolings and dropout, forward and backward, on the inputs that the network itself gives them; and the update.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.ours import Ours
from bench.timing import clocked
from study.network.alexnet import AlexNet, Column
from study.network.normalisation import normalise

Layer = Callable[[Tensor], Tensor | list[Tensor]]  # a list where each column has a kernel of its own
Piece = tuple[str, Layer, Sequence[Tensor]]  # its name and its weights
POOLED = ("conv1", "conv2", "conv5")


class Alone:
    """Runs every kernel of a step by itself, and returns the sum of their seconds; `rounds` keeps each round's by name."""

    def __init__(self, ours: Ours) -> None:
        self.ours, self.device = ours, ours.network.input_device
        self.cast = torch.autocast(self.device.type, torch.bfloat16, enabled=ours.declared.precision == "bfloat16")
        ours.prepare()
        ours.network.train()
        self.slopes = [torch.randn_like(weight) for weight in ours.network.parameters()]
        self.rounds: list[dict[str, float]] = []
        self.clocks = self._clocks()
        self.clocks.append(("update", clocked(ours.rule.update, self.device, self._give_slopes)))

    def __call__(self) -> float:
        seconds: dict[str, float] = {}
        for name, clock in self.clocks:
            seconds[name] = seconds.get(name, 0.0) + clock()
        self.ours.network.zero_grad()
        self.rounds.append(seconds)
        return sum(seconds.values())

    def medians(self) -> dict[str, float]:
        """Seconds by name, the dearest first. The rounds of the warm-up are few enough not to move a median far."""
        found = {name: statistics.median(seconds[name] for seconds in self.rounds) for name in self.rounds[0]}
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    def _clocks(self) -> list[tuple[str, Callable[[], float]]]:
        """One a kernel, with its input from the kernel before."""
        network, found = self.ours.network, []
        x = F.pad(self.ours.pictures, (0, network.overhang, 0, network.overhang))
        for name, layer, weights in pieces(network):
            x = x.detach().flatten(1) if name == "fc6" else x.detach()
            x.requires_grad_(name != "conv1")  # nothing asks for the slopes of pictures
            with self.cast:
                y = layer(x)
            parts = y if isinstance(y, list) else [y]
            work = self._both_ways(layer, x, [*weights, *[x] * x.requires_grad], [torch.randn_like(part) for part in parts])
            found.append((name, clocked(work, self.device, self.ours.prepare)))
            x = torch.cat(parts, dim=1)
        return found

    def _both_ways(self, layer: Layer, x: Tensor, leaves: list[Tensor], slopes: list[Tensor]) -> Callable[[], object]:
        def work() -> object:
            with self.cast:
                y = layer(x)
            return torch.autograd.grad(y, leaves, slopes)

        return work

    def _give_slopes(self) -> None:
        self.ours.prepare()
        for weight, slope in zip(self.ours.network.parameters(), self.slopes, strict=True):
            weight.grad = slope


def pieces(network: AlexNet) -> list[Piece]:
    """The text's network on one device, kernel by kernel."""
    (columns,) = network.columns_by_device
    found: list[Piece] = []
    for name in network.settings.convolutions:
        found += [_convolution(columns, name), ("relu", network.activation, ())]
        if name in network.settings.normalised:
            found.append(_normalisation(columns, f"normalise{name[-1]}"))
        if name in POOLED:
            found.append(("pool", network.pool, ()))
    for name in ("fc6", "fc7"):
        found += [_fully_connected(columns, name), ("relu", network.activation, ()), ("dropout", columns[0].drop, ())]
    return [*found, _fully_connected(columns, "fc8")]


def _convolution(columns: list[Column], name: str) -> Piece:
    """With the columns' weights already side by side: putting them there is no part of the kernel."""
    layers = [column.get_submodule(name) for column in columns]
    weight, bias = (
        torch.cat([layer.get_parameter(kind).detach() for layer in layers]).requires_grad_() for kind in ("weight", "bias")
    )
    first, groups = layers[0], 1 if name in ("conv1", "conv3") else len(columns)
    assert isinstance(first, nn.Conv2d)
    stride, padding = first.stride, first.padding
    return name, lambda x: F.conv2d(x, weight, bias, stride, padding, groups=groups), (weight, bias)


def _normalisation(columns: list[Column], name: str) -> Piece:
    layers = [column.get_submodule(name) for column in columns]
    return name, lambda x: normalise(layers, x), ()


def _fully_connected(columns: list[Column], name: str) -> Piece:
    layers = [column.get_submodule(name) for column in columns]
    return name, lambda x: [layer(x) for layer in layers], [weight for layer in layers for weight in layer.parameters()]
