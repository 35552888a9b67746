"""Section 5's update and its learning rate.

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
        if self.rule == "epochs" and list(self.at) != sorted(set(self.at)):
            raise ValueError(f"at is {list(self.at)}, but epochs stand once each and in order")


@dataclass(frozen=True, kw_only=True, slots=True)
class LearningSettings:
    """Section 5; the defaults are the text's.

    The released files give biases twice the rate and no decay (assumption A10), and some layers no decay at all:
    `bias_rate` is a multiple of the weights' rate, `undecayed` names layers.
    """

    epochs: int = 90
    batch: int = 128
    momentum: float = 0.9
    weight_decay: float = 0.0005
    undecayed: tuple[str, ...] = ()
    bias_rate: float = 1.0
    bias_decay: bool = True
    rate: RateSettings = field(default_factory=RateSettings)

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 1:
            raise ValueError(f"epochs is {self.epochs} and batch {self.batch}; both are 1 or more")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum is {self.momentum}; it is at least 0 and below 1, the paper has 0.9")


class Momentum:
    """The printed rule over all parameters of a network; `velocities` stand in the order of its parameters."""

    def __init__(self, network: nn.Module, settings: LearningSettings) -> None:
        self.weights = list(network.parameters())
        self.velocities = [torch.zeros_like(weight) for weight in self.weights]
        self.momentum = settings.momentum
        self._alike: dict[tuple[float, float], list[int]] = {}  # (multiple of the rate, decay) -> parameters
        for number, (name, _) in enumerate(network.named_parameters()):
            self._alike.setdefault(_rate_and_decay(name, settings), []).append(number)

    @torch.no_grad()
    def update(self, gradients: Sequence[Tensor], rate: float) -> None:
        for (multiple, decay), numbers in self._alike.items():
            velocities, weights, slopes = ([of[i] for i in numbers] for of in (self.velocities, self.weights, gradients))
            torch._foreach_mul_(velocities, self.momentum)
            if decay:
                torch._foreach_add_(velocities, weights, alpha=-decay * multiple * rate)
            torch._foreach_add_(velocities, slopes, alpha=-multiple * rate)
            torch._foreach_add_(weights, velocities)


def _rate_and_decay(parameter: str, settings: LearningSettings) -> tuple[float, float]:
    """For a parameter named like `columns.0.conv1.bias`."""
    layer, _, kind = parameter.rpartition(".")
    layer = layer.rpartition(".")[2]
    if kind == "bias":
        decays = settings.bias_decay and layer not in settings.undecayed
        return settings.bias_rate, settings.weight_decay if decays else 0.0
    return 1.0, 0.0 if layer in settings.undecayed else settings.weight_decay


def rate_after(settings: RateSettings, validation_errors: Sequence[float | None]) -> float:
    """The learning rate of the next epoch, from the validation errors of all epochs so far (None: not measured)."""
    if settings.rule == "epochs":
        divisions = sum(epoch <= len(validation_errors) + 1 for epoch in settings.at)
        return settings.initial / 10**divisions
    divisions, best, since = 0, float("inf"), 0
    for error in validation_errors:
        best, since = (error, 0) if error is not None and error < best else (best, since + 1)
        if since >= settings.patience and divisions < settings.divisions:
            divisions, since = divisions + 1, 0
    return settings.initial / 10**divisions
