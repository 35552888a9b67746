"""Section 5's update and its learning rates.

    v <- 0.9 v - 0.0005 eps w - eps <dL/dw>        w <- w + v

eps stands inside v, so that a lowered rate acts at once on the gradient but fades from the velocity over some ten steps;
torch.optim.SGD keeps eps outside and differs there (assumption A6).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

LAYERS = (  # of both networks
    "conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8", "normalise1", "normalise2", "local3", "local4", "fc10",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class RateSettings:
    """`validation`: divide by 10 when the validation error stops improving, `divisions` times (section 5).

    It has stopped when `patience` epochs brought no new best. `epochs`: divide before the epochs in `at` (from 1).
    """

    initial: float = 0.01
    rule: Literal["validation", "epochs"] = "validation"
    patience: int = 5
    divisions: int = 3
    at: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.initial <= 0:
            raise ValueError(f"initial is {self.initial}, but a learning rate is positive; the paper has 0.01")
        if self.patience < 1 or self.divisions < 0:
            raise ValueError(f"patience is {self.patience} and divisions {self.divisions}; give 1 or more, and 0 or more")
        if list(self.at) != sorted(set(self.at)) or min(self.at, default=1) < 1:
            raise ValueError(f"at is {list(self.at)}, but epochs are counted from 1 and stand once each and in order")


def divisions_after(settings: RateSettings, validation_errors: Sequence[float | None]) -> int:
    """How often the rate is divided by the next epoch, from the validation errors of all epochs so far (None: not measured)."""
    if settings.rule == "epochs":
        return sum(epoch <= len(validation_errors) + 1 for epoch in settings.at)
    divisions, best, since = 0, float("inf"), 0
    for error in validation_errors:
        best, since = (error, 0) if error is not None and error < best else (best, since + 1)
        if since >= settings.patience and divisions < settings.divisions:
            divisions, since = divisions + 1, 0
    return divisions


@dataclass(frozen=True, kw_only=True, slots=True)
class LearningSettings:
    """Section 5; the defaults are the text's, which treats all layers, weights and biases alike.

    The released code does not (assumptions A10 and A15). `bias_rate` is a multiple of the weights' initial rate and follows
    the weights' divisions in `bias_divisions` (from 1; all if not given). `undecayed` names layers without weight decay.
    conv1 learns at a tenth from the epoch `conv1_slowed` on and not at all from `conv1_frozen` on.
    """

    epochs: int = 90
    batch: int = 128
    momentum: float = 0.9
    weight_decay: float = 0.0005
    undecayed: tuple[str, ...] = ()
    bias_rate: float = 1.0
    bias_divisions: tuple[int, ...] | None = None
    bias_decay: bool = True
    conv1_slowed: int | None = None
    conv1_frozen: int | None = None
    rate: RateSettings = field(default_factory=RateSettings)

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 1:
            raise ValueError(f"epochs is {self.epochs} and batch {self.batch}; both are 1 or more")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum is {self.momentum}; it is at least 0 and below 1, the paper has 0.9")
        if self.weight_decay < 0 or self.bias_rate < 0:
            raise ValueError(f"weight_decay is {self.weight_decay} and bias_rate {self.bias_rate}; neither is negative")
        for name in self.undecayed:
            if name not in LAYERS:
                raise ValueError(f"undecayed names {name!r}, which is no layer; use some of: {', '.join(LAYERS)}")
        epochs = {"conv1_slowed": self.conv1_slowed, "conv1_frozen": self.conv1_frozen}
        for name, number in {"bias_divisions": min(self.bias_divisions or (1,)), **epochs}.items():
            if number is not None and number < 1:
                raise ValueError(f"{name} is {number}, but it is counted from 1; raise it, or leave it out")


def printed_update(
    velocity: Tensor, weight: Tensor, slope: Tensor, rate: float, momentum: float, decay: float
) -> tuple[Tensor, Tensor]:
    """The two lines of section 5, to read and as the reference of `Momentum`: the next velocity and the next weight."""
    velocity = momentum * velocity - decay * rate * weight - rate * slope
    return velocity, weight + velocity


@dataclass(frozen=True, slots=True)
class Group:
    """Parameters that share a rate and a decay."""

    conv1: bool
    bias: bool
    decay: float

    def rate(self, settings: LearningSettings, epoch: int, divisions: int) -> float:
        if self.conv1 and settings.conv1_frozen is not None and epoch >= settings.conv1_frozen:
            return 0.0
        if self.bias and settings.bias_divisions is not None:
            divisions = sum(number <= divisions for number in settings.bias_divisions)
        slow = self.conv1 and settings.conv1_slowed is not None and epoch >= settings.conv1_slowed
        return settings.rate.initial * (settings.bias_rate if self.bias else 1.0) / 10 ** (divisions + slow)


class Momentum:
    """The printed rule over all parameters of a network; `velocities` stand in the order of its parameters.

    torch's fused SGD does it in one pass over the weights. To have the rate inside the velocity it is told a rate of 1 and
    gradients times eps, by way of its scale for gradients, which has float32's digits; its velocities have the opposite sign.
    """

    def __init__(self, network: nn.Module, settings: LearningSettings) -> None:
        self.weights = list(network.parameters())
        self.velocities = [torch.zeros_like(weight) for weight in self.weights]
        self.settings = settings
        self._groups: dict[tuple[Group, torch.device], list[int]] = {}
        self._rates: dict[Group, float] = {}
        for number, (name, weight) in enumerate(network.named_parameters()):
            self._groups.setdefault((_group(name, settings), weight.device), []).append(number)

    def start_epoch(self, epoch: int, divisions: int) -> float:
        """Set every group's rate for an epoch (from 1); returns the rate of the weights."""
        self._rates = {group: group.rate(self.settings, epoch, divisions) for group, _ in self._groups}
        return self.settings.rate.initial / 10**divisions

    @torch.no_grad()
    def update(self) -> None:
        """One step from the gradients in `.grad`."""
        for (group, device), numbers in self._groups.items():
            rate = self._rates[group]
            divisor = torch.tensor(1 / rate if rate else torch.inf, dtype=torch.float32, device=device)
            torch._fused_sgd_(
                [self.weights[i] for i in numbers],
                [slope for i in numbers if (slope := self.weights[i].grad) is not None],
                [self.velocities[i] for i in numbers] if self.settings.momentum else [],
                weight_decay=group.decay * rate,
                momentum=self.settings.momentum,
                lr=1.0,
                dampening=0.0,
                nesterov=False,
                maximize=False,
                is_first_step=False,
                grad_scale=divisor,
            )


def _group(parameter: str, settings: LearningSettings) -> Group:
    """For a parameter named like `columns.0.conv1.bias`."""
    layer, _, kind = parameter.rpartition(".")
    layer, bias = layer.rpartition(".")[2], kind == "bias"
    decays = layer not in settings.undecayed and (settings.bias_decay or not bias)
    return Group(layer == "conv1", bias, settings.weight_decay if decays else 0.0)
