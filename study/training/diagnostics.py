"""What a training measures of its layers after every epoch: why units die, saturate or learn, and what normalisation does.

All of it is measured on one batch that never changes: pictures at even distances through a set, their central patches without
augmentation, in the mode of the test (no dropout; batch normalisation by its running statistics), with the weights' own digits.
It reads the weights of the network that trains and touches nothing else of it, nor any random number that a training draws.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from study.data.feeding import Feed
from study.machine import Machine
from study.network.activations import ACTIVATIONS, ActivationName
from study.network.building import Network, build
from study.network.normalisation import ResponseNormalisation, ResponseSettings

PICTURES, SHARE = 64, 125  # at most so many pictures, and one in so many of an epoch's: it then costs less than 2% of a training
FLAT = 0.05  # an output is saturated where its activation's slope is at most this share of the steepest
EVERY = 2  # divisors are measured in every second row and column of the maps, which is a quarter of their cost


@dataclass(slots=True)
class LayerOutputs:
    """What was seen of a layer in one pass, a tensor a column: its weighted sums, and the divisors of its normalisation.

    `shared`: its weights are kernels, whose units are maps; otherwise every output is a unit.
    """

    shared: bool
    sums: list[Tensor] = field(default_factory=list)
    divisors: list[Tensor] = field(default_factory=list)


class Measured(NamedTuple):
    """Rows of outputs.LAYERS, a layer each in the order of the network; and the mean loss of the batch."""

    rows: list[list[Any]]
    loss: float


class Diagnostics:
    """Measures the layers of `network` on a batch of `feed`, whose size follows from the `pictures` of an epoch.

    A second network shares the weights of the first. It has each column apart, so that every layer is a module whose outputs
    a hook sees, and it is neither compiled nor rounded to bfloat16.
    """

    def __init__(self, network: Network, machine: Machine, feed: Feed, pictures: int) -> None:
        self.pictures, self.labels = feed.sample(max(1, min(PICTURES, pictures // SHARE)))
        apart = machine.devices if len(machine.devices) > 1 else machine.devices * 2
        precision = "float32" if machine.precision == "bfloat16" else machine.precision
        plain = replace(machine, devices=apart, precision=precision, compiled=False)
        self._network = build(network.settings, network.classes, plain).eval()
        self._network.load_state_dict(network.state_dict(), assign=True)  # the same memory, which the training changes
        self._activation: ActivationName = network.settings.activation
        self._seen: dict[str, LayerOutputs] = {}  # by layer, in the order of the pass
        self._layer = ""  # the last one seen
        for name, module in self._network.named_modules():
            if isinstance(module, ResponseNormalisation):
                module.register_forward_hook(self._see_normalisation)
            elif "weight" in module._parameters and not isinstance(module, nn.BatchNorm2d):
                module.register_forward_hook(self._seeing(name.rpartition(".")[2]))

    def measure(self, epoch: int) -> Measured:
        """Measure the network as it is now, after `epoch`."""
        self._seen.clear()
        logits = self._network(self.pictures)
        loss = F.cross_entropy(logits, self.labels)
        gradients = self._gradients(loss)
        last, rows = next(reversed(self._seen)), []  # the last layer's sums are the logits
        for layer, seen in self._seen.items():
            sums = torch.cat([part.to(logits.device) for part in seen.sums], dim=1)
            flat = unit_shares(sums, self._activation, seen.shared) if layer != last else (None, None)
            spread = float(sums.std(correction=0))
            rows.append([epoch, layer, *flat, spread, gradients.get(layer, 0.0), *_mean_and_percentile(seen.divisors)])
        return Measured(rows, loss.item())

    def _seeing(self, layer: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def see(module: nn.Module, inputs: Any, output: Tensor) -> None:
            self._layer = layer
            self._seen.setdefault(layer, LayerOutputs(isinstance(module, nn.Conv2d))).sums.append(output.detach())

        return see

    def _see_normalisation(self, module: ResponseNormalisation, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        """A normalisation belongs to the layer that was computed before it."""
        maps = inputs[0].detach()[:, :, ::EVERY, ::EVERY]
        self._seen[self._layer].divisors.append(divisor(maps, module.constants).flatten())

    def _gradients(self, loss: Tensor) -> dict[str, float]:
        """The norm of the loss's gradient by the weights and biases of a layer, all columns together."""
        names, weights = zip(*self._network.named_parameters(), strict=True)
        squares: dict[str, float] = {}
        for name, gradient in zip(names, torch.autograd.grad(loss, weights, allow_unused=True), strict=True):
            layer = name.split(".")[-2]
            squares[layer] = squares.get(layer, 0.0) + (float(gradient.norm()) ** 2 if gradient is not None else 0.0)
        return {layer: square**0.5 for layer, square in squares.items()}


def unit_shares(sums: Tensor, activation: ActivationName, shared: bool) -> tuple[float, float]:
    """Of weighted sums (pictures, units or maps, ...): the share of dead units, and the share of saturated outputs.

    An output is saturated where its activation is flat (FLAT): a ReLU below 0, a tanh near -1 and 1. A unit is dead that is
    saturated everywhere on the batch, so that its weights get next to no gradient: for ReLUs, one that is never active.
    """
    flat = slope(sums, activation).abs() <= FLAT * steepest(activation)
    by_unit = flat.permute(0, 2, 3, 1).flatten(0, 2) if shared else flat.flatten(1)
    dead = by_unit.all(dim=0)
    return int(dead.sum()) / dead.numel(), int(flat.sum()) / flat.numel()


def slope(sums: Tensor, activation: ActivationName) -> Tensor:
    """The derivative of an activation as back-propagation sees it, at every weighted sum."""
    at = sums.detach().requires_grad_()
    (found,) = torch.autograd.grad(ACTIVATIONS[activation](at).sum(), at)
    return found


@cache
def steepest(activation: ActivationName) -> float:
    """An activation's largest slope: 1 for ReLU and tanh, 1/4 for the sigmoid, 0 for the threshold."""
    return float(slope(torch.linspace(-8, 8, 1601, dtype=torch.float64), activation).abs().max())


def divisor(maps: Tensor, constants: ResponseSettings) -> Tensor:
    """What section 3.3 divides each response by: (k + alpha * sum over n neighbouring maps of a^2) ^ beta, in maps' shape."""
    squares = (maps * maps).flatten(2)[:, None]  # B 1 maps positions
    reach = constants.n // 2
    sums = F.avg_pool2d(squares, (constants.n, 1), stride=1, padding=(reach, 0), divisor_override=1)
    return sums.mul_(constants.alpha).add_(constants.k).pow_(constants.beta).reshape(maps.shape)


def _mean_and_percentile(parts: list[Tensor]) -> tuple[float | None, float | None]:
    """The mean and the 99th percentile; None for both where nothing was normalised."""
    if not parts:
        return None, None
    values = torch.cat([part.cpu() for part in parts])
    return float(values.mean()), float(values.kthvalue(max(1, round(0.99 * len(values)))).values)
