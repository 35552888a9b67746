"""Section 3.1's nonlinearity and what it is compared with: f(x) = max(0, x), tanh(x), and others that readers ask for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

ActivationName = Literal["relu", "tanh", "sigmoid", "threshold", "straight_through", "leaky_relu", "elu", "gelu"]


class _Threshold(torch.autograd.Function):
    """1 above 0, else 0. Its gradient is 0 everywhere; `straight_through` passes on the one that arrives."""

    @staticmethod
    def forward(x: Tensor, straight_through: bool) -> Tensor:
        return (x > 0).to(x.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, bool], output: Tensor) -> None:
        ctx.straight_through = inputs[1]

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        return g if ctx.straight_through else torch.zeros_like(g), None


ACTIVATIONS: dict[ActivationName, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "threshold": lambda x: _Threshold.apply(x, False),
    "straight_through": lambda x: _Threshold.apply(x, True),
    "leaky_relu": F.leaky_relu,  # 0.01 x below 0
    "elu": F.elu,
    "gelu": F.gelu,
}

MONOTONE: frozenset[ActivationName] = frozenset({"relu", "tanh", "sigmoid", "leaky_relu", "elu"})
"""Those that commute with taking a maximum: values rise with their inputs, and where they stay level no gradient passes."""
