"""Local response normalisation (section 3.3), readable and fast, and what stands in its place.

    b_i = a_i / (k + alpha * sum of a_j^2 over the n neighbours j of i) ^ beta          k = 2, n = 5, alpha = 1e-4, beta = 0.75

The sum runs over neighbouring kernel maps at the same position, cut off at the first and the last map. `alpha` here is
the coefficient on the sum, as the formula is printed (assumption A4: the released code divides it by n, and so does
torch.nn.LocalResponseNorm). The released code has a second one after layer 2, over the 5x5 neighbourhood in the same map
(assumption A14). All act on (batch, maps, height, width); each column normalises its own maps only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

NormalisationName = Literal["response", "batch", "none"]


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
        if self.beta < 0:
            raise ValueError(f"beta is {self.beta}, but it is an exponent of 0 or more; the paper has 0.75")


SPATIAL = ResponseSettings(k=1.0, n=5, alpha=1e-3 / 25, beta=0.75)  # cnorm2 of layers-145.cfg; n counts rows and columns


def response_normalisation(a: Tensor, constants: ResponseSettings) -> Tensor:
    """The formula as printed, term by term: the form to read, and the reference of the fast one."""
    maps, reach = a.shape[1], constants.n // 2
    b = []
    for i in range(maps):
        neighbours = a[:, max(0, i - reach) : min(maps, i + reach + 1)]
        divisor = (constants.k + constants.alpha * (neighbours**2).sum(dim=1)) ** constants.beta
        b.append(a[:, i] / divisor)
    return torch.stack(b, dim=1)


def spatial_normalisation(a: Tensor, constants: ResponseSettings) -> Tensor:
    """The same with the n x n positions around each in the same map for neighbours, cut off at the edges."""
    height, width, reach = *a.shape[2:], constants.n // 2
    b = torch.empty_like(a)
    for y in range(height):
        for x in range(width):
            neighbours = a[:, :, max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1]
            divisor = (constants.k + constants.alpha * (neighbours**2).sum(dim=(2, 3))) ** constants.beta
            b[:, :, y, x] = a[:, :, y, x] / divisor
    return b


Window = Callable[[Tensor], Tensor]  # sums over each element's neighbours; must be its own transpose


def _over_maps(x: Tensor, n: int, columns: int) -> Tensor:
    """Sum over the n maps around each map of the same column: a 1x1 convolution with a band of ones.

    Not 3-D pooling, as in torch.nn.LocalResponseNorm, whose backward pass on CUDA is not deterministic.
    """
    maps = torch.arange(x.shape[1] // columns, device=x.device)
    band = ((maps[:, None] - maps[None, :]).abs() <= n // 2).to(x.dtype)
    return F.conv2d(x, band.repeat(columns, 1)[:, :, None, None], groups=columns)


def _over_last(x: Tensor, n: int) -> Tensor:
    """The same sum as shifted copies of maps that stand last, a column apart: a compiler makes one loop of it."""
    nothing, maps = torch.zeros_like(x[..., : n // 2]), x.shape[-1]
    padded = torch.cat([nothing, x, nothing], dim=-1)
    summed = padded[..., :maps]
    for shift in range(1, n):
        summed = summed + padded[..., shift : shift + maps]
    return summed


def _over_positions(x: Tensor, n: int) -> Tensor:
    """Sum over the n x n positions around each position of the same map."""
    return F.avg_pool2d(x, n, stride=1, padding=n // 2, divisor_override=1)


def _power(divisor: Tensor, beta: float) -> Tensor:
    """divisor ^ -beta; at the paper's 0.75 by square roots, which cost a fraction of a general power."""
    if beta == 0.75:
        root = divisor.rsqrt()
        return root.sqrt().mul_(root)
    return divisor**-beta


def _forward(a: Tensor, c: ResponseSettings, window: Window) -> Tensor:
    wide = a.float() if a.dtype == torch.bfloat16 else a  # squares of 8 digits would lose the small neighbours
    return _power(window(wide * wide).mul_(c.alpha).add_(c.k), c.beta).mul_(wide).to(a.dtype)


def _backward(a: Tensor, g: Tensor, c: ResponseSettings, window: Window) -> Tensor:
    """With d = k + alpha W(a^2), W the window sum: da = g d^-beta - 2 alpha beta a W(g a d^(-beta - 1))."""
    wide, slope = (x.float() if x.dtype == torch.bfloat16 else x for x in (a, g))
    divisor = window(wide * wide).mul_(c.alpha).add_(c.k)
    direct = _power(divisor, c.beta).mul_(slope)
    through_neighbours = window((direct * wide).div_(divisor)).mul_(wide)
    return direct.sub_(through_neighbours, alpha=2 * c.alpha * c.beta).to(g.dtype)


@cache
def _kernels(compiled: bool) -> tuple[Callable[..., Tensor], Callable[..., Tensor]]:
    """The two passes; each one kernel where they are compiled."""
    return (torch.compile(_forward), torch.compile(_backward)) if compiled else (_forward, _backward)


class _FastResponse(torch.autograd.Function):
    """Keeps its input alone and computes the divisor again in the backward pass: a fraction of the memory moved."""

    @staticmethod
    def forward(a: Tensor, constants: ResponseSettings, window: Window, compiled: bool) -> Tensor:
        return _kernels(compiled)[0](a, constants, window)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ResponseSettings, Window, bool], output: Tensor) -> None:
        a, *ctx.rest = inputs
        ctx.save_for_backward(a)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None, None, None]:
        constants, window, compiled = ctx.rest
        return _kernels(compiled)[1](*ctx.saved_tensors, g, constants, window), None, None, None


class ResponseNormalisation(nn.Module):
    """The fast form as a layer, which a test holds to `response_normalisation`.

    Where several columns share a device their maps stand one column after the other, and none sees another's.
    `compiled` is declared in `machine`; without it, and without a compiler, the same sums run as plain operations.
    """

    def __init__(self, constants: ResponseSettings, compiled: bool = False) -> None:
        super().__init__()
        self.constants, self.compiled = constants, compiled

    def forward(self, a: Tensor, columns: int = 1) -> Tensor:
        n = self.constants.n
        if not self.compiled:
            return _FastResponse.apply(a, self.constants, partial(_over_maps, n=n, columns=columns), False)
        last = a.permute(0, 2, 3, 1).unflatten(-1, (columns, -1))  # outside of the kernel, which need not know columns
        return _FastResponse.apply(last, self.constants, partial(_over_last, n=n), True).flatten(-2).permute(0, 3, 1, 2)


class SpatialNormalisation(nn.Module):
    """The released code's second normalisation, which a test holds to `spatial_normalisation`."""

    def __init__(self, constants: ResponseSettings = SPATIAL) -> None:
        super().__init__()
        self.constants = constants

    def forward(self, a: Tensor, columns: int = 1) -> Tensor:
        return _FastResponse.apply(a, self.constants, partial(_over_positions, n=self.constants.n), False)


class BatchNormalisation(nn.BatchNorm2d):
    """What later networks have in its place (Ioffe and Szegedy 2015), with learned scale and shift; each column has its own."""


class NoNormalisation(nn.Module):
    """The variant without: the same call, nothing done."""

    def forward(self, a: Tensor, columns: int = 1) -> Tensor:
        return a


class InTurn(nn.ModuleList):
    """Several normalisations, which `normalise` applies one after the other."""


def make_normalisation(name: NormalisationName, constants: ResponseSettings, maps: int, compiled: bool) -> nn.Module:
    """The normalisation of that name for a layer of so many maps; `constants` and `compiled` are for the response one."""
    if name == "response":
        return ResponseNormalisation(constants, compiled)
    return BatchNormalisation(maps) if name == "batch" else NoNormalisation()


def reset_batch_normalisation(network: nn.Module) -> None:
    """Every batch normalisation as at the start: a scale of 1, a shift of 0, and no statistics of pictures."""
    for layer in network.modules():
        if isinstance(layer, BatchNormalisation):
            layer.reset_parameters()


def normalise(layers: list[nn.Module], a: Tensor) -> Tensor:
    """The same layer of all columns of a device, whose maps stand in `a` one column after the other."""
    if isinstance(layers[0], InTurn):
        for step in zip(*(cast(InTurn, layer) for layer in layers), strict=True):
            a = normalise(list(step), a)
        return a
    if isinstance(layers[0], BatchNormalisation):
        maps = a.chunk(len(layers), dim=1)
        return torch.cat([layer(own) for layer, own in zip(layers, maps, strict=True)], dim=1)
    return layers[0](a, len(layers))
