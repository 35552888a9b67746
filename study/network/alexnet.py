"""The network of section 3 as it is trained. One class serves both recipes, every scale and every variant; `as_printed.py` has
the paper's network alone, in forty lines to be read beside section 3.

    B batch   C classes   k1..k5 kernels of conv1..conv5   n6, n7 neurons of fc6, fc7
    shapes behind a line: the full network / the built-in pictures' network at a quarter of the kernels

Figure 2: two columns of kernels, each on its own GPU. conv2, conv4 and conv5 see only their own column; conv3 and the
fully connected layers see both. Only there do activations cross between devices, in `exchange`.
Columns that share a device are computed side by side, by grouped convolutions over the same parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from study.network.activations import ACTIVATIONS
from study.network.geometry import overhang
from study.network.normalisation import (
    InTurn,
    SpatialNormalisation,
    make_normalisation,
    normalise,
    reset_batch_normalisation,
)
from study.network.settings import CONVOLUTIONS, AlexNetSettings, sides

FAN_IN = {
    "conv1": 363,
    "conv2": 1200,
    "conv3": 2304,
    "conv4": 1728,
    "conv5": 1728,
    "fc6": 9216,
    "fc7": 4096,
    "fc8": 4096,
}  # of the paper's network: inputs to one neuron
POSITIVE_BIAS = ("conv2", "conv4", "conv5", "fc6", "fc7")  # section 5: the others start at 0
POOLS: dict[str, Callable[[], nn.Module]] = {
    "overlapping": lambda: nn.MaxPool2d(3, stride=2, ceil_mode=True),  # section 3.4: z = 3, s = 2
    "local": lambda: nn.MaxPool2d(2, stride=2, ceil_mode=True),  # z = s = 2
    "average": lambda: nn.AvgPool2d(3, stride=2, ceil_mode=True),
}


class Dropout(nn.Module):
    """Section 4.2 as printed: in training a neuron's output is 0 with probability p; in the test it is times 1 - p.

    The mask is drawn for the whole batch, of which this process computes `rows`: replicas that share a batch share its mask.
    """

    def __init__(self, p: float, generator: torch.Generator) -> None:
        super().__init__()
        self.p, self.generator = p, generator
        self.rows, self.batch = slice(None), 0

    def forward(self, x: Tensor) -> Tensor:
        if not self.p:
            return x
        if not self.training:
            return x * (1 - self.p)
        mask = x.new_empty(self.batch or len(x), *x.shape[1:]).bernoulli_(1 - self.p, generator=self.generator)
        return x * mask[self.rows]


class Column(nn.Module):
    """What one GPU holds in Figure 2: a column's share of the kernels and neurons of every layer."""

    def __init__(self, settings: AlexNetSettings, classes: int, device: torch.device, compiled: bool) -> None:
        super().__init__()
        s = settings
        columns_read = s.columns if s.communication else 1  # by a layer where the arrows of Figure 2 cross
        share = dict(zip(CONVOLUTIONS, (width // s.columns for width in s.kernels), strict=True))
        n6, n7 = (width // s.columns for width in s.neurons)
        self.device, self.generator = device, torch.Generator(device if device.type != "meta" else "cpu")
        self.drop = Dropout(s.dropout, self.generator)
        layer: nn.Module
        with device:
            maps = 3  # of its own column, or of the pictures, that the next layer reads
            for name, padding in zip(CONVOLUTIONS, (0, *s.paddings), strict=True):
                if name == s.without:
                    continue
                if name == s.convolutions[0]:
                    layer = nn.Conv2d(maps, share[name], 11, stride=s.stride)
                elif name == s.convolutions[len(s.normalised)]:  # conv3, or what is in its place
                    layer = nn.Conv2d(maps * columns_read, share[name], 3, padding=padding)
                else:
                    layer = nn.Conv2d(maps, share[name], 5 if name == "conv2" else 3, padding=padding)
                self.add_module(name, layer)
                maps = share[name]
            self.fc6 = nn.Linear(maps * columns_read * sides(s)[-1] ** 2, n6)
            self.fc7 = nn.Linear(n6 * columns_read, n7)
            self.fc8 = nn.Linear(s.neurons[1], classes)
            for number, name in enumerate(s.normalised, start=1):
                layer = make_normalisation(s.normalisation, s.response, share[name], compiled)
                if s.spatial_normalisation and number == 2:  # the released code's stands in layer 2 alone (assumption A14)
                    layer = InTurn([layer, SpatialNormalisation()])
                self.add_module(f"normalise{number}", layer)


def layer_in(columns: list[Column], name: str) -> list[Any]:
    """The layer of that name in each of the columns."""
    return [getattr(column, name) for column in columns]


def convolve(layers: list[nn.Conv2d], x: Tensor, groups: int) -> Tensor:
    """A layer's shares of all columns of a device in one convolution; `groups` 1 where every column reads all of x."""
    if len(layers) == 1:
        return layers[0](x)
    weight = torch.cat([layer.weight for layer in layers])
    bias = torch.cat([layer.bias for layer in layers])  # type: ignore[misc]
    return F.conv2d(x, weight, bias, layers[0].stride, layers[0].padding, groups=groups)


class AlexNet(nn.Module):
    """Eight learned layers in one or two columns. `forward`: (B, 3, crop, crop) on the 0-255 scale minus mean -> (B, C).

    `devices` names one device, or one a column. The parameters carry the same names wherever they live.
    """

    def __init__(
        self,
        settings: AlexNetSettings,
        classes: int,
        devices: Sequence[torch.device] = (torch.device("cpu"),),
        compiled: bool = False,
    ) -> None:
        super().__init__()
        if len(devices) not in (1, settings.columns):
            raise ValueError(f"{len(devices)} devices for {settings.columns} column(s); give one device, or one a column")
        self.settings, self.classes = settings, classes
        shares = [classes // settings.columns + (i < classes % settings.columns) for i in range(settings.columns)]
        where = [devices[i % len(devices)] for i in range(settings.columns)]
        columns = [Column(settings, n, device, compiled) for n, device in zip(shares, where, strict=True)]
        self.columns = nn.ModuleList(columns)
        self.columns_by_device = [columns] if len(devices) == 1 else [[column] for column in columns]
        self.to(memory_format=torch.channels_last)
        self.activation = ACTIVATIONS[settings.activation]
        self.pool = POOLS[settings.pooling]()
        self.overhang = overhang(settings.crop, 11, settings.stride)

    @property
    def input_device(self) -> torch.device:
        return self.columns_by_device[0][0].device

    def initialise(self, seed: int) -> None:
        """N(0, 0.01) and the biases of section 5, drawn on the CPU in float32 so that every placement starts alike.

        With `fan_in_scaling` the deviation grows with the square root of the ratio of the paper's fan-in to ours, so that
        narrow layers pass on as much signal as the paper's (assumption A3); at the paper's sizes the factor is 1.
        """
        generator = torch.Generator().manual_seed(seed)
        for column in self.columns:
            for name in (*self.settings.convolutions, "fc6", "fc7", "fc8"):
                layer = getattr(column, name)
                deviation = self.settings.deviation_conv345 if name in CONVOLUTIONS[2:] else self.settings.deviation
                if self.settings.fan_in_scaling:
                    deviation *= math.sqrt(FAN_IN[name] / layer.weight[0].numel())
                values = torch.empty(layer.weight.shape, dtype=torch.float32).normal_(0, deviation, generator=generator)
                with torch.no_grad():
                    layer.weight.copy_(values)
                    layer.bias.fill_(self.settings.bias if name in POSITIVE_BIAS else 0.0)
        reset_batch_normalisation(self)

    def draw_dropout_from(self, seed: int, rows: slice = slice(None), batch: int = 0) -> None:
        """Make the next pass draw its dropout from `seed`: a step's masks then depend on nothing that went before.

        Where replicas share a batch of `batch` pictures, this one computes `rows` of them.
        """
        for number, column in enumerate(column for columns in self.columns_by_device for column in columns):
            column.generator.manual_seed(seed + number)
            column.drop.rows, column.drop.batch = rows, batch

    def forward(self, pictures: Tensor) -> Tensor:
        return self.classify(self.features(pictures))

    def features(self, pictures: Tensor) -> list[Tensor]:
        """The last hidden layer after its ReLU, which Figure 4 compares: a tensor (B, neurons of its columns) for each device."""
        return self.hidden(self.convolved(pictures))

    def convolved(self, pictures: Tensor) -> list[Tensor]:
        """Layers 1 to 5: for each device what its columns read of them, (B, 9216) where the columns communicate."""
        maps = [self._layers_1_and_2(columns, pictures) for columns in self.columns_by_device]
        maps = self.communicate(maps)
        maps = [self._layers_3_to_5(columns, x) for columns, x in zip(self.columns_by_device, maps, strict=True)]
        return [x.flatten(1) for x in self.communicate(maps)]  # B 9216 / B 256

    def hidden(self, maps: list[Tensor]) -> list[Tensor]:
        """Layers 6 and 7, the ones with dropout, from what `convolved` returns."""
        layer_6 = [self._hidden_layer(columns, "fc6", x) for columns, x in zip(self.columns_by_device, maps, strict=True)]
        layer_6 = self.communicate(layer_6)
        return [self._hidden_layer(columns, "fc7", x) for columns, x in zip(self.columns_by_device, layer_6, strict=True)]

    def classify(self, features: list[Tensor]) -> Tensor:
        """Layer 8, which reads all of layer 7 in every column: logits (B, C) on the input's device."""
        features = self.exchange(features)
        logits = [column.fc8(x) for columns, x in zip(self.columns_by_device, features, strict=True) for column in columns]
        return torch.cat([part.to(self.input_device) for part in logits], dim=1)  # B C

    def _layers_1_and_2(self, columns: list[Column], pictures: Tensor) -> Tensor:
        """The columns of a device side by side: none sees the other's maps."""
        first, *second = self.settings.normalised
        x = pictures.to(columns[0].device, columns[0].fc6.weight.dtype)
        x = x if self.settings.input_scale == 1 else x * self.settings.input_scale
        x = F.pad(x, (0, self.overhang, 0, self.overhang))  # B 3 227 227 / B 3 55 55
        x = convolve(layer_in(columns, first), x, groups=1)  # B k1 55 55 / B k1 23 23
        x = self._finish_layer_1(columns, x)  # B k1 27 27 / B k1 11 11
        for name in second:
            x = convolve(layer_in(columns, name), x, groups=len(columns))  # B k2 27 27 / B k2 11 11
            x = normalise(layer_in(columns, "normalise2"), self.activation(x))
        return self.pool(x)  # B k2 13 13 / B k2 5 5

    def _finish_layer_1(self, columns: list[Column], x: Tensor) -> Tensor:
        """Sections 3.3 and 3.4: ReLU, normalisation, pooling. The released code's ReLU comes last (assumption A14)."""
        if self.settings.activation_1 == "after_pooling":
            return self.activation(self.pool(normalise(layer_in(columns, "normalise1"), x)))
        return self.pool(normalise(layer_in(columns, "normalise1"), self.activation(x)))

    def _layers_3_to_5(self, columns: list[Column], x: Tensor) -> Tensor:
        """conv3 reads all maps of layer 2, conv4 and conv5 their own column's."""
        groups = 1 if self.settings.communication else len(columns)
        for name in self.settings.convolutions[len(self.settings.normalised) :]:
            x = self.activation(convolve(layer_in(columns, name), x, groups))  # B k3 13 13 / B k3 5 5, to k5
            groups = len(columns)
        return self.pool(x)  # B k5 6 6 / B k5 2 2

    def _hidden_layer(self, columns: list[Column], name: str, x: Tensor) -> Tensor:
        """fc6 or fc7 of the columns of a device; each reads all of x, or its own column's part of it."""
        read = [x] * len(columns) if self.settings.communication else x.chunk(len(columns), dim=1)
        parts = [
            column.drop(self.activation(layer(own)))
            for column, layer, own in zip(columns, layer_in(columns, name), read, strict=True)
        ]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def communicate(self, parts: list[Tensor]) -> list[Tensor]:
        """`exchange`, unless the settings keep the columns apart up to fc8."""
        return self.exchange(parts) if self.settings.communication else parts

    def exchange(self, parts: list[Tensor]) -> list[Tensor]:
        """The arrows across Figure 2: from a part on each device to all parts, in the order of the columns, on every device."""
        if len(parts) == 1:
            return parts
        return [torch.cat([part.to(columns[0].device) for part in parts], dim=1) for columns in self.columns_by_device]

    def kernels(self) -> Tensor:
        """First-layer kernels (k1, 11, 11, 3) in float32 on the CPU, column 1 first (Figure 3)."""
        first = self.settings.convolutions[0]
        weights = [getattr(column, first).weight.detach().float().cpu() for column in self.columns]
        return torch.cat(weights).permute(0, 2, 3, 1).contiguous()


def parameters_of(network: AlexNet, layer: str) -> int:
    """Weights and biases of one layer (`conv1` .. `fc8`), over all columns."""
    layers = [getattr(column, layer) for column in network.columns]
    return sum(p.numel() for part in layers for p in part.parameters())
