"""Local response normalisation (section 3.3), readable and fast.

    b_i = a_i / (k + alpha * sum of a_j^2 over the n neighbours j of i) ^ beta          k = 2, n = 5, alpha = 1e-4, beta = 0.75

The sum runs over neighbouring kernel maps at the same position, cut off at the first and the last map. `alpha` here is
the coefficient on the sum, as the formula is printed (assumption A4: the released code divides it by n, and so does
torch.nn.LocalResponseNorm). Both forms act on (batch, maps, height, width); each column normalises its own maps only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True, kw_only=True, slots=True)
class ResponseSettings:
    """The constants of section 3.3, chosen there on a validation set. `alpha` multiplies the sum of squares."""

    k: float = 2.0
    n: int = 5
    alpha: float = 1e-4
    beta: float = 0.75

    def __post_init__(self) -> None:
        if self.n < 1 or self.n % 2 == 0:
            raise ValueError(f"n is {self.n}, but a window around a map holds an odd number of maps; the paper has 5")
        if self.k <= 0 or self.alpha < 0:
            raise ValueError(f"k is {self.k} and alpha {self.alpha}; k must be positive and alpha not negative")


def response_normalisation(a: Tensor, constants: ResponseSettings) -> Tensor:
    """The formula as printed, term by term: the form to read, and the reference of the fast one."""
    maps, reach = a.shape[1], constants.n // 2
    b = []
    for i in range(maps):
        neighbours = a[:, max(0, i - reach) : min(maps, i + reach + 1)]
        divisor = (constants.k + constants.alpha * (neighbours**2).sum(dim=1)) ** constants.beta
        b.append(a[:, i] / divisor)
    return torch.stack(b, dim=1)


def _window_sum(x: Tensor, n: int, columns: int) -> Tensor:
    """Sum over the n maps around each map of the same column: a 1x1 convolution with a band of ones.

    Not 3-D pooling, as in torch.nn.LocalResponseNorm, whose backward pass on CUDA is not deterministic.
    """
    maps = torch.arange(x.shape[1] // columns, device=x.device)
    band = ((maps[:, None] - maps[None, :]).abs() <= n // 2).to(x.dtype)
    return F.conv2d(x, band.repeat(columns, 1)[:, :, None, None], groups=columns)


def _power(divisor: Tensor, beta: float) -> Tensor:
    """divisor ^ -beta; at the paper's 0.75 by square roots, which cost a fraction of a general power."""
    if beta == 0.75:
        root = divisor.rsqrt()
        return root * root.sqrt()
    return divisor**-beta


class _FastResponse(torch.autograd.Function):
    """Keeps its input alone and computes the divisor again in the backward pass: a fraction of the memory moved.

    With d = k + alpha W(a^2), W the window sum (which is its own transpose):
    da = g d^-beta - 2 alpha beta a W(g a d^(-beta - 1)).
    """

    @staticmethod
    def forward(a: Tensor, constants: ResponseSettings, columns: int) -> Tensor:
        return _power(_divisor(a, constants, columns), constants.beta).mul_(a)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ResponseSettings, int], output: Tensor) -> None:
        a, ctx.constants, ctx.columns = inputs
        ctx.save_for_backward(a)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None, None]:
        (a,) = ctx.saved_tensors
        c = ctx.constants
        divisor = _divisor(a, c, ctx.columns)
        direct = _power(divisor, c.beta).mul_(g)
        through_neighbours = _window_sum((direct * a).div_(divisor), c.n, ctx.columns).mul_(a)
        return direct.sub_(through_neighbours, alpha=2 * c.alpha * c.beta), None, None


def _divisor(a: Tensor, c: ResponseSettings, columns: int) -> Tensor:
    return _window_sum(a * a, c.n, columns).mul_(c.alpha).add_(c.k)


class ResponseNormalisation(nn.Module):
    """The fast form as a layer, which a test holds to `response_normalisation`.

    Where several columns share a device their maps stand one column after the other, and none sees another's.
    """

    def __init__(self, constants: ResponseSettings) -> None:
        super().__init__()
        self.constants = constants

    def forward(self, a: Tensor, columns: int = 1) -> Tensor:
        return _FastResponse.apply(a, self.constants, columns)

    def extra_repr(self) -> str:
        c = self.constants
        return f"k={c.k}, n={c.n}, alpha={c.alpha}, beta={c.beta}"


class NoNormalisation(nn.Module):
    """The variant without: the same call, nothing done."""

    def forward(self, a: Tensor, columns: int = 1) -> Tensor:
        return a
