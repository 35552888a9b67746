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
    """A learning rate that starts at `initial` and is divided by 10 now and then.

    `rule: validation` divides it when the validation error stops improving, which is after `patience` epochs without a new
    best, and `divisions` times at the most (section 5). `rule: epochs` divides it before each epoch in `at`, from 1.
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
    """How often the rate has been divided before the next epoch, from the validation errors of all epochs so far.

    An error of None was not measured, and is no new best.
    """
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
    """How a training learns (section 5). The defaults are the text's, which treats all layers, weights and biases alike.

    The released code does not (assumptions A10 and A15). There the biases' rate starts at `bias_rate` times the weights', and
    of the divisions of the rate it follows those whose numbers stand in `bias_divisions` (from 1; all where not given);
    `bias_decay` says whether biases decay. `undecayed` names layers without weight decay. conv1 learns at a tenth of the rate
    from the epoch `conv1_slowed` on, and not at all from `conv1_frozen` on.
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
    """The two lines of section 5 as they are printed, the reference of `Momentum`. Returns the next velocity and weight."""
    velocity = momentum * velocity - decay * rate * weight - rate * slope
    return velocity, weight + velocity


@dataclass(frozen=True, slots=True)
class Group:
    """The parameters that share a rate and a decay: those of conv1 or of the other layers, weights or biases."""

    conv1: bool
    bias: bool
    decay: float

    def rate(self, settings: LearningSettings, epoch: int, divisions: int) -> float:
        """The learning rate in an epoch (from 1), where that of the weights has been divided so often."""
        if self.conv1 and settings.conv1_frozen is not None and epoch >= settings.conv1_frozen:
            return 0.0
        if self.bias and settings.bias_divisions is not None:
            divisions = sum(number <= divisions for number in settings.bias_divisions)
        slow = self.conv1 and settings.conv1_slowed is not None and epoch >= settings.conv1_slowed
        return settings.rate.initial * (settings.bias_rate if self.bias else 1.0) / 10 ** (divisions + slow)


class Momentum:
    """The printed rule for all parameters of a network; `velocities` stand in the order of its parameters.

    torch's fused SGD does this in one pass over the weights. So that the rate is inside the velocity, it gets a rate of 1 and
    gradients times eps, by way of its scale for gradients, which is a float32; its velocities have the opposite sign.
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
        """Set the rates for an epoch (from 1), where the rate has been divided so often. Returns the rate of the weights."""
        self._rates = {group: group.rate(self.settings, epoch, divisions) for group, _ in self._groups}
        return self.settings.rate.initial / 10**divisions

    @torch.no_grad()
    def update(self) -> None:
        """One step of the printed rule, with the gradients in the parameters' `.grad`."""
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
    """The group of a parameter, which is named like `columns.0.conv1.bias`."""
    layer, _, kind = parameter.rpartition(".")
    layer, bias = layer.rpartition(".")[2], kind == "bias"
    decays = layer not in settings.undecayed and (settings.bias_decay or not bias)
    return Group(layer == "conv1", bias, settings.weight_decay if decays else 0.0)
