"""The four-layer network of Figure 1 and of section 3.3's CIFAR-10 experiment: two convolutions, two local layers.

Footnote 3 of the paper points to the parameter files of cuda-convnet: `layers-conv-local-13pct.cfg` and, with response
normalisation, `layers-conv-local-11pct.cfg`. "Four layers" counts the hidden ones; fc10 follows (assumption A8). A local
layer is a convolution whose kernels are not shared between positions. `as_printed.py` has the same network to read.

    B batch   C classes   k1..k4 kernels   shapes behind a line: 32-pixel pictures / 24-pixel crops of them
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from study.network.activations import ACTIVATIONS, MONOTONE, ActivationName
from study.network.geometry import windows
from study.network.normalisation import (
    NoNormalisation,
    NormalisationName,
    ResponseSettings,
    make_normalisation,
    reset_batch_normalisation,
)

DEVIATIONS = {"conv1": 1e-4, "conv2": 0.01, "local3": 0.04, "local4": 0.04, "fc10": 0.01}  # initW of the released files
PART = 16  # pictures whose maps of conv1 stay in a CPU's cache until they are pooled


@dataclass(frozen=True, kw_only=True, slots=True)
class FourLayerSettings:
    """`crop` in pixels. `response` is the 11% file's: alpha 1e-3 over a window of 9 maps, so 1e-3 / 9 on the sum."""

    architecture: Literal["four_layer"]
    crop: int = 24
    kernels: tuple[int, int, int, int] = (64, 64, 32, 32)
    activation: ActivationName = "relu"
    normalisation: NormalisationName = "none"
    response: ResponseSettings = field(default_factory=lambda: ResponseSettings(k=1.0, n=9, alpha=1e-3 / 9, beta=0.75))

    def __post_init__(self) -> None:
        if self.crop < 8:
            raise ValueError(f"crop is {self.crop}, but two poolings of stride 2 need 8 pixels or more; the paper has 24")
        if min(self.kernels) < 1:
            raise ValueError(
                f"kernels is {list(self.kernels)}, but each layer has one or more; the released file has 64, 64, 32, 32"
            )


def _blocks(x: Tensor, rows: int) -> Iterator[tuple[slice, Tensor]]:
    """`rows` rows of positions after the other: which of all positions they are, and the rows of `x` that their kernels read."""
    side = x.shape[0] - 2
    for top in range(0, side, rows):
        below = min(top + rows, side)
        yield slice(top * side, below * side), x[top : below + 2]


def _patches(block: Tensor) -> Tensor:
    """What each position's kernels read: (rows + 2, side + 2, inputs, B) -> (rows * side, inputs * 9, B)."""
    read = block.unfold(0, 3, 1).unfold(1, 3, 1)  # rows side inputs B 3 3
    return read.permute(0, 1, 2, 4, 5, 3).reshape(-1, block.shape[2] * 9, block.shape[3])


def _add_patches(block: Tensor, patches: Tensor) -> None:
    """The transpose of `_patches`: add each position's part to where it was read."""
    rows, side = block.shape[0] - 2, block.shape[1] - 2
    parts = patches.view(rows, side, block.shape[2], 3, 3, block.shape[3])
    for y in range(3):
        for x in range(3):
            block[y : y + rows, x : x + side] += parts[:, :, :, y, x]


class _LocalProduct(torch.autograd.Function):
    """Padded maps (side + 2, side + 2, inputs, B) and weights (side * side, inputs * 9, maps) -> (side, side, maps, B).

    Pictures stand last, as in cuda-convnet: what a position reads of all pictures is then a matrix (inputs * 9, B) made of
    whole rows, and no factor of a product is copied into another order. `rows` of positions are computed at a time, on a CPU
    so few that what they read stays in its cache. The backward pass gathers that once more, which costs less than to keep it.
    """

    @staticmethod
    def forward(x: Tensor, weight: Tensor, rows: int) -> Tensor:
        side = x.shape[0] - 2
        y = x.new_empty(side * side, weight.shape[2], x.shape[3])
        for positions, block in _blocks(x, rows):
            torch.bmm(weight[positions].transpose(1, 2), _patches(block), out=y[positions])
        return y.unflatten(0, (side, side))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, int], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[:2])
        ctx.rows = inputs[2]

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor, None]:
        x, weight = ctx.saved_tensors
        g = g.contiguous().flatten(0, 1)  # side * side, maps, B
        dx, dw = torch.zeros_like(x), torch.empty_like(weight)
        for (positions, block), (_, dblock) in zip(_blocks(x, ctx.rows), _blocks(dx, ctx.rows), strict=True):
            torch.bmm(_patches(block), g[positions].transpose(1, 2), out=dw[positions])
            _add_patches(dblock, torch.bmm(weight[positions], g[positions]))
        return dx, dw, None


class LocallyConnected(nn.Module):
    """3x3 kernels with zero padding of 1, others at every position: (B, inputs, side, side) -> (B, maps, side, side).

    `as_printed.local` is the form to read. What it returns has the pictures last in memory, which the next one takes as it is.
    """

    def __init__(self, inputs: int, maps: int, side: int) -> None:
        super().__init__()
        self.side = side
        self.weight = nn.Parameter(torch.empty(side * side, inputs * 9, maps))
        self.bias = nn.Parameter(torch.empty(maps, side, side))

    def forward(self, x: Tensor) -> Tensor:
        padded = F.pad(x.permute(2, 3, 1, 0).contiguous(), (0, 0, 0, 0, 1, 1, 1, 1))
        rows = 1 if x.device.type == "cpu" else self.side  # a GPU is slowed by many small products
        y = _LocalProduct.apply(padded, self.weight.to(x.dtype), rows)
        return (y + self.bias.to(x.dtype).permute(1, 2, 0)[..., None]).permute(3, 2, 0, 1)


class FourLayer(nn.Module):
    """conv1, conv2, local3, local4, fc10. `forward`: (B, 3, crop, crop) on the 0-255 scale minus mean -> (B, C).

    On a CPU, conv1 is called for a part of the batch at a time in training, and for all of it in the test.
    """

    def __init__(self, settings: FourLayerSettings, classes: int, device: torch.device, compiled: bool = False) -> None:
        super().__init__()
        k1, k2, k3, k4 = settings.kernels
        side = windows(windows(settings.crop, 3, 2), 3, 2)  # after two poolings
        self.settings, self.classes, self.input_device = settings, classes, device
        self.activation = ACTIVATIONS[settings.activation]
        self.conv1 = nn.Conv2d(3, k1, 5, padding=2)
        self.conv2 = nn.Conv2d(k1, k2, 5, padding=2)
        self.local3 = LocallyConnected(k2, k3, side)
        self.local4 = LocallyConnected(k3, k4, side)
        self.fc10 = nn.Linear(k4 * side * side, classes)
        self.pool = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.normalise1, self.normalise2 = (
            make_normalisation(settings.normalisation, settings.response, maps, compiled) for maps in (k1, k2)
        )
        self.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def initialise(self, seed: int) -> None:
        """Gaussian weights with the released files' deviations, biases 0, drawn on the CPU."""
        generator = torch.Generator().manual_seed(seed)
        for name, deviation in DEVIATIONS.items():
            layer = getattr(self, name)
            with torch.no_grad():
                values = torch.empty(layer.weight.shape, dtype=torch.float32).normal_(0, deviation, generator=generator)
                layer.weight.copy_(values)
                layer.bias.zero_()
        reset_batch_normalisation(self)

    def draw_dropout_from(self, seed: int, rows: slice = slice(None), batch: int = 0) -> None:
        """This network has no dropout; the loop need not know."""

    def forward(self, pictures: Tensor) -> Tensor:
        return self.classify(self.features(pictures))

    def features(self, pictures: Tensor) -> list[Tensor]:
        """The last hidden layer, (B, k4 * side * side), in a list of one as there is one column."""
        x = self._layer_1(pictures.to(self.conv1.weight.dtype))  # B k1 16 16 / B k1 12 12
        x = self._layer_2(self.normalise1(x))  # B k2 8 8 / B k2 6 6
        x = self.activation(self.local3(x))  # B k3 8 8 / B k3 6 6
        x = self.activation(self.local4(x))  # B k4 8 8 / B k4 6 6
        return [x.flatten(1)]

    def _layer_1(self, pictures: Tensor) -> Tensor:
        """conv1, activation, pooling; PART pictures at a time where that is faster."""
        parts = pictures.split(PART) if self.training and pictures.device.type == "cpu" else [pictures]
        return torch.cat([self._activate_and_pool(self.conv1(part)) for part in parts])

    def _layer_2(self, x: Tensor) -> Tensor:
        """conv2, activation, normalisation, pooling."""
        if isinstance(self.normalise2, NoNormalisation):
            return self._activate_and_pool(self.conv2(x))
        return self.pool(self.normalise2(self.activation(self.conv2(x))))

    def _activate_and_pool(self, x: Tensor) -> Tensor:
        """Pooling first leaves a quarter of the activations to be computed; the result is the same where they are monotone."""
        return self.activation(self.pool(x)) if self.settings.activation in MONOTONE else self.pool(self.activation(x))

    def classify(self, features: list[Tensor]) -> Tensor:
        return self.fc10(features[0])

    def kernels(self) -> Tensor:
        """First-layer kernels (k1, 5, 5, 3) in float32 on the CPU."""
        return self.conv1.weight.detach().float().cpu().permute(0, 2, 3, 1).contiguous()
