"""The network of section 3, written to be read next to it. One class serves both recipes, every scale and every variant.

    B batch   C classes   k1..k5 kernels of conv1..conv5   n6, n7 neurons of fc6, fc7
    shapes behind a line: the full network / the built-in pictures' network at a quarter of the kernels

Figure 2: two columns of kernels, each on its own GPU. conv2, conv4 and conv5 see only their own column; conv3 and the
fully connected layers see both. Only there do activations cross, in `_exchange`.
Columns that share a device are computed side by side, by grouped convolutions over the same parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from study.network.activations import ACTIVATIONS
from study.network.geometry import overhang
from study.network.normalisation import (
    BatchNormalisation,
    InTurn,
    NoNormalisation,
    ResponseNormalisation,
    SpatialNormalisation,
    normalise,
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

    The mask is drawn for the whole batch, of which `rows` are here: replicas that share a batch share its mask.
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
        ways = s.columns if s.communication else 1  # columns that a layer reads where the arrows of Figure 2 cross
        share = dict(zip(CONVOLUTIONS, (width // s.columns for width in s.kernels), strict=True))
        n6, n7 = (width // s.columns for width in s.neurons)
        self.device, self.generator = device, torch.Generator(device if device.type != "meta" else "cpu")
        self.drop = Dropout(s.dropout, self.generator)
        self.activation = ACTIVATIONS[s.activation]
        with device:
            maps = 3  # that the layer reads
            for name, padding in zip(CONVOLUTIONS, (0, *s.paddings), strict=True):
                if name == s.without:
                    continue
                if name == s.convolutions[0]:
                    layer = nn.Conv2d(maps, share[name], 11, stride=s.stride)
                elif name == s.convolutions[len(s.below_pool2)]:  # conv3, or what is in its place
                    layer = nn.Conv2d(maps * ways, share[name], 3, padding=padding)
                else:
                    layer = nn.Conv2d(maps, share[name], 5 if name == "conv2" else 3, padding=padding)
                self.add_module(name, layer)
                maps = share[name]
            self.fc6 = nn.Linear(maps * ways * sides(s)[-1] ** 2, n6)
            self.fc7 = nn.Linear(n6 * ways, n7)
            self.fc8 = nn.Linear(s.neurons[1], classes)
            for number, name in enumerate(s.below_pool2, start=1):
                self.add_module(f"normalise{number}", normalisation(s, number, share[name], compiled))

    def layer_6(self, x: Tensor) -> Tensor:
        return self.drop(self.activation(self.fc6(x)))  # B n6

    def layer_7(self, x: Tensor) -> Tensor:
        return self.drop(self.activation(self.fc7(x)))  # B n7


def normalisation(settings: AlexNetSettings, number: int, maps: int, compiled: bool) -> nn.Module:
    """What follows convolution `number`; the released code's spatial one stands after layer 2 alone (assumption A14)."""
    layer: nn.Module = NoNormalisation()
    if settings.normalisation == "response":
        layer = ResponseNormalisation(settings.response, compiled)
    elif settings.normalisation == "batch":
        layer = BatchNormalisation(maps)
    return InTurn(layer, SpatialNormalisation()) if settings.spatial_normalisation and number == 2 else layer


def convolve(layers: list[nn.Conv2d], x: Tensor, groups: int) -> Tensor:
    """The same layer of all columns of a device in one convolution; `groups` 1 where every column reads all of x."""
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
        self.places = [columns] if len(devices) == 1 else [[column] for column in columns]
        self.to(memory_format=torch.channels_last)
        self.activation = ACTIVATIONS[settings.activation]
        self.pool = POOLS[settings.pooling]()
        self.overhang = overhang(settings.crop, 11, settings.stride)

    @property
    def input_device(self) -> torch.device:
        return self.places[0][0].device

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

    def draw_dropout_from(self, seed: int, rows: slice = slice(None), batch: int = 0) -> None:
        """Make the next pass draw its dropout from `seed`: a step's masks then depend on nothing that went before.

        Where replicas share a batch, `rows` of the `batch` are here.
        """
        for number, column in enumerate(column for here in self.places for column in here):
            column.generator.manual_seed(seed + number)
            column.drop.rows, column.drop.batch = rows, batch

    def forward(self, pictures: Tensor) -> Tensor:
        return self.classify(self.features(pictures))

    def features(self, pictures: Tensor) -> list[Tensor]:
        """The last hidden layer after its ReLU, a tensor (B, n7) a place: what Figure 4 compares."""
        return self.hidden(self.convolved(pictures))

    def convolved(self, pictures: Tensor) -> list[Tensor]:
        """Layers 1 to 5, as every place reads them."""
        maps = [self._layers_1_and_2(here, pictures) for here in self.places]
        maps = [self._layers_3_to_5(here, x) for here, x in zip(self.places, self.across(maps), strict=True)]
        return [x.flatten(1) for x in self.across(maps)]  # B 9216 / B 256

    def hidden(self, both: list[Tensor]) -> list[Tensor]:
        """Layers 6 and 7, the ones with dropout."""
        both = self.across([self._each(here, Column.layer_6, x) for here, x in zip(self.places, both, strict=True)])
        return [self._each(here, Column.layer_7, x) for here, x in zip(self.places, both, strict=True)]

    def classify(self, features: list[Tensor]) -> Tensor:
        both = self._exchange(features)
        logits = [c.fc8(x) for here, x in zip(self.places, both, strict=True) for c in here]
        return torch.cat([part.to(self.input_device) for part in logits], dim=1)  # B C

    def _layers_1_and_2(self, here: list[Column], pictures: Tensor) -> Tensor:
        """The columns that live `here`, side by side: neither sees the other's maps."""
        first, *second = self.settings.below_pool2
        x = pictures.to(here[0].device, here[0].fc6.weight.dtype)
        x = x if self.settings.input_scale == 1 else x * self.settings.input_scale
        x = F.pad(x, (0, self.overhang, 0, self.overhang))  # B 3 227 227 / B 3 55 55
        x = convolve([getattr(c, first) for c in here], x, groups=1)  # B k1 55 55 / B k1 23 23
        x = self._finish_layer_1(here, x)  # B k1 27 27 / B k1 11 11
        for name in second:
            x = convolve([getattr(c, name) for c in here], x, groups=len(here))  # B k2 27 27 / B k2 11 11
            x = normalise([c.get_submodule("normalise2") for c in here], self.activation(x))
        return self.pool(x)  # B k2 13 13 / B k2 5 5

    def _finish_layer_1(self, here: list[Column], x: Tensor) -> Tensor:
        """Sections 3.3 and 3.4: ReLU, normalisation, pooling. The released code's ReLU comes last (assumption A14)."""
        layers = [c.get_submodule("normalise1") for c in here]
        if self.settings.activation_1 == "after_pooling":
            return self.activation(self.pool(normalise(layers, x)))
        return self.pool(normalise(layers, self.activation(x)))

    def _layers_3_to_5(self, here: list[Column], x: Tensor) -> Tensor:
        """conv3 reads all maps of layer 2, conv4 and conv5 their own column's."""
        groups = 1 if self.settings.communication else len(here)
        for name in self.settings.convolutions[len(self.settings.below_pool2) :]:
            x = self.activation(convolve([getattr(c, name) for c in here], x, groups))  # B k3 13 13 / B k3 5 5, to k5
            groups = len(here)
        return self.pool(x)  # B k5 6 6 / B k5 2 2

    def _each(self, here: list[Column], layer: Callable[[Column, Tensor], Tensor], x: Tensor) -> Tensor:
        """A fully connected layer of the columns that live `here`; each reads all of x, or its own column's part."""
        given = [x] * len(here) if self.settings.communication else x.chunk(len(here), dim=1)
        parts = [layer(column, own) for column, own in zip(here, given, strict=True)]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def across(self, parts: list[Tensor]) -> list[Tensor]:
        """A part a place; each place receives the others' where Figure 2 has arrows."""
        return self._exchange(parts) if self.settings.communication else parts

    def _exchange(self, parts: list[Tensor]) -> list[Tensor]:
        """The arrows across Figure 2: every device receives the others' part, in column order."""
        if len(parts) == 1:
            return parts
        return [torch.cat([part.to(here[0].device) for part in parts], dim=1) for here in self.places]

    def kernels(self) -> Tensor:
        """First-layer kernels (k1, 11, 11, 3) in float32 on the CPU, column 1 first (Figure 3)."""
        first = self.settings.convolutions[0]
        weights = [getattr(column, first).weight.detach().float().cpu() for column in self.columns]
        return torch.cat(weights).permute(0, 2, 3, 1).contiguous()


def parameters_of(network: AlexNet, layer: str) -> int:
    """Weights and biases of one layer (`conv1` .. `fc8`), over all columns."""
    layers = [getattr(column, layer) for column in network.columns]
    return sum(p.numel() for part in layers for p in part.parameters())
