"""The network of section 3, written to be read next to it. One class serves both scales and every variant.

    B batch   C classes   k1..k5 kernels of conv1..conv5   n6, n7 neurons of fc6, fc7
    shapes behind a line: the full network / the built-in pictures' network at a quarter of the kernels

Figure 2: two columns of kernels, each on its own GPU. conv2, conv4 and conv5 see only their own column; conv3 and the
fully connected layers see both. Only there do activations cross, in `_exchange`.
Columns that share a device are computed side by side, by grouped convolutions over the same parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from study.network.normalisation import NoNormalisation, ResponseNormalisation, ResponseSettings

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
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": F.relu, "tanh": torch.tanh}


@dataclass(frozen=True, kw_only=True, slots=True)
class AlexNetSettings:
    """Section 3 and the initialisation of section 5; the defaults are the text's. `crop` and `stride` are in pixels.

    `kernels` and `neurons` count both columns together. `deviation_conv345` is apart because the released
    configuration starts those layers at 0.03 (assumption A2).
    """

    architecture: Literal["alexnet"] = "alexnet"
    crop: int = 224
    stride: int = 4
    kernels: tuple[int, int, int, int, int] = (96, 256, 384, 384, 256)
    neurons: tuple[int, int] = (4096, 4096)
    columns: Literal[1, 2] = 2
    activation: Literal["relu", "tanh"] = "relu"
    normalisation: Literal["response", "none"] = "response"
    response: ResponseSettings = field(default_factory=ResponseSettings)
    pooling: Literal["overlapping", "local"] = "overlapping"
    dropout: float = 0.5
    deviation: float = 0.01
    deviation_conv345: float = 0.01
    bias: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}, but it is a probability below 1; the paper has 0.5")
        for width in self.kernels + self.neurons:
            if width < self.columns or width % self.columns:
                raise ValueError(f"{width} kernels or neurons do not divide over {self.columns} columns; change them")
        if self.deviation <= 0 or self.deviation_conv345 <= 0:
            raise ValueError("a deviation of 0 leaves all kernels alike; the paper has 0.01")
        if maps_after_pooling(self)[-1] < 1:
            raise ValueError(f"crop is {self.crop} at stride {self.stride}: nothing is left after pool5; enlarge it")


def overhang(crop: int, stride: int) -> int:
    """Pixels by which the last 11-pixel window of conv1 hangs over the right and bottom edge: 3 for 224 at stride 4.

    Released code, layer.py: modules = 1 + ceil((size - 11) / stride); what hangs over reads zeros (assumption A1).
    """
    return math.ceil((crop - 11) / stride) * stride + 11 - crop


def maps_after_pooling(settings: AlexNetSettings) -> tuple[int, int, int]:
    """Side of the maps after pool1, pool2 and pool5: 27, 13, 6 in the paper's network."""
    side = (settings.crop + overhang(settings.crop, settings.stride) - 11) // settings.stride + 1
    size = 3 if settings.pooling == "overlapping" else 2
    sides = []
    for _ in range(3):
        side = (side - size) // 2 + 1
        sides.append(side)
    return sides[0], sides[1], sides[2]


class Dropout(nn.Module):
    """Section 4.2 as printed: in training a neuron's output is 0 with probability p; in the test it is times 1 - p."""

    def __init__(self, p: float, generator: torch.Generator) -> None:
        super().__init__()
        self.p, self.generator = p, generator

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x * (1 - self.p)
        return x * torch.empty_like(x).bernoulli_(1 - self.p, generator=self.generator)


class Column(nn.Module):
    """What one GPU holds in Figure 2: a column's share of the kernels and neurons of every layer."""

    def __init__(self, settings: AlexNetSettings, classes: int, device: torch.device) -> None:
        super().__init__()
        share = [width // settings.columns for width in settings.kernels]
        n6, n7 = (width // settings.columns for width in settings.neurons)
        side = maps_after_pooling(settings)[-1]
        self.device, self.generator = device, torch.Generator(device if device.type != "meta" else "cpu")
        with device:
            self.conv1 = nn.Conv2d(3, share[0], 11, stride=settings.stride)
            self.conv2 = nn.Conv2d(share[0], share[1], 5, padding=2)
            self.conv3 = nn.Conv2d(settings.kernels[1], share[2], 3, padding=1)
            self.conv4 = nn.Conv2d(share[2], share[3], 3, padding=1)
            self.conv5 = nn.Conv2d(share[3], share[4], 3, padding=1)
            self.fc6 = nn.Linear(settings.kernels[4] * side * side, n6)
            self.fc7 = nn.Linear(settings.neurons[0], n7)
            self.fc8 = nn.Linear(settings.neurons[1], classes)
        self.activation = ACTIVATIONS[settings.activation]
        self.drop = Dropout(settings.dropout, self.generator) if settings.dropout else nn.Identity()

    def layer_6(self, x: Tensor) -> Tensor:
        return self.drop(self.activation(self.fc6(x)))  # B n6

    def layer_7(self, x: Tensor) -> Tensor:
        return self.drop(self.activation(self.fc7(x)))  # B n7


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

    def __init__(self, settings: AlexNetSettings, classes: int, devices: Sequence[torch.device] = (torch.device("cpu"),)) -> None:
        super().__init__()
        if len(devices) not in (1, settings.columns):
            raise ValueError(f"{len(devices)} devices for {settings.columns} column(s); give one device, or one a column")
        self.settings, self.classes = settings, classes
        where = [devices[i % len(devices)] for i in range(settings.columns)]
        shares = [classes // settings.columns + (i < classes % settings.columns) for i in range(settings.columns)]
        columns = [Column(settings, n, device) for n, device in zip(shares, where, strict=True)]
        self.columns = nn.ModuleList(columns)
        self.places = [[column for column in columns if column.device == device] for device in dict.fromkeys(where)]
        self.to(memory_format=torch.channels_last)
        responds = settings.normalisation == "response"
        self.normalise = ResponseNormalisation(settings.response) if responds else NoNormalisation()
        self.activation = ACTIVATIONS[settings.activation]
        self.pool = nn.MaxPool2d(3 if settings.pooling == "overlapping" else 2, stride=2)
        self.overhang = overhang(settings.crop, settings.stride)

    @property
    def input_device(self) -> torch.device:
        return self.places[0][0].device

    def initialise(self, seed: int) -> None:
        """N(0, 0.01) and the biases of section 5, drawn on the CPU so that every placement starts alike.

        The deviation grows with the square root of the ratio of the paper's fan-in to ours, so that narrow layers
        pass on as much signal as the paper's (assumption A3); at the paper's sizes the factor is 1.
        """
        generator = torch.Generator().manual_seed(seed)
        for column in self.columns:
            for name, fan_in in FAN_IN.items():
                layer = getattr(column, name)
                wide = self.settings.deviation_conv345 if name in ("conv3", "conv4", "conv5") else self.settings.deviation
                deviation = wide * math.sqrt(fan_in / layer.weight[0].numel())
                values = torch.empty(layer.weight.shape).normal_(0, deviation, generator=generator)
                with torch.no_grad():
                    layer.weight.copy_(values)
                    layer.bias.fill_(self.settings.bias if name in POSITIVE_BIAS else 0.0)

    def draw_dropout_from(self, seed: int) -> None:
        """Make the next pass draw its dropout from `seed`: a step's masks then depend on nothing that went before."""
        for number, column in enumerate(column for here in self.places for column in here):
            column.generator.manual_seed(seed + number)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.classify(self.features(pictures))

    def features(self, pictures: Tensor) -> list[Tensor]:
        """The last hidden layer after its ReLU, a tensor (B, n7) a column: what Figure 4 compares."""
        maps = [self._layers_1_and_2(here, pictures.to(here[0].device)) for here in self.places]
        maps = [self._layers_3_to_5(here, x) for here, x in zip(self.places, self._exchange(maps), strict=True)]
        both = [x.flatten(1) for x in self._exchange(maps)]  # B 9216 / B 256
        both = self._exchange([self._each(here, Column.layer_6, x) for here, x in zip(self.places, both, strict=True)])
        return [self._each(here, Column.layer_7, x) for here, x in zip(self.places, both, strict=True)]

    def classify(self, features: list[Tensor]) -> Tensor:
        both = self._exchange(features)
        logits = [c.fc8(x) for here, x in zip(self.places, both, strict=True) for c in here]
        return torch.cat([part.to(self.input_device) for part in logits], dim=1)  # B C

    def _layers_1_and_2(self, here: list[Column], x: Tensor) -> Tensor:
        """The columns that live `here`, side by side: neither sees the other's maps."""
        n = len(here)
        x = F.pad(x, (0, self.overhang, 0, self.overhang))  # B 3 227 227 / B 3 55 55
        x = convolve([c.conv1 for c in here], x, groups=1)  # B k1 55 55 / B k1 23 23
        x = self.pool(self.normalise(self.activation(x), n))  # B k1 27 27 / B k1 11 11
        x = convolve([c.conv2 for c in here], x, groups=n)  # B k2 27 27 / B k2 11 11
        return self.pool(self.normalise(self.activation(x), n))  # B k2 13 13 / B k2 5 5

    def _layers_3_to_5(self, here: list[Column], x: Tensor) -> Tensor:
        """conv3 reads all maps of layer 2, conv4 and conv5 their own column's."""
        n = len(here)
        x = self.activation(convolve([c.conv3 for c in here], x, groups=1))  # B k3 13 13 / B k3 5 5
        x = self.activation(convolve([c.conv4 for c in here], x, groups=n))  # B k4 13 13 / B k4 5 5
        x = self.activation(convolve([c.conv5 for c in here], x, groups=n))  # B k5 13 13 / B k5 5 5
        return self.pool(x)  # B k5 6 6 / B k5 2 2

    def _each(self, here: list[Column], layer: Callable[[Column, Tensor], Tensor], x: Tensor) -> Tensor:
        parts = [layer(column, x) for column in here]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def _exchange(self, parts: list[Tensor]) -> list[Tensor]:
        """The arrows across Figure 2: every device receives the others' part, in column order."""
        if len(parts) == 1:
            return parts
        return [torch.cat([part.to(here[0].device) for part in parts], dim=1) for here in self.places]

    def kernels(self) -> Tensor:
        """First-layer kernels (k1, 11, 11, 3) in float32 on the CPU, column 1 first (Figure 3)."""
        weights = [column.conv1.weight.detach().float().cpu() for here in self.places for column in here]
        return torch.cat(weights).permute(0, 2, 3, 1).contiguous()


def parameters_of(network: AlexNet, layer: str) -> int:
    """Weights and biases of one layer (`conv1` .. `fc8`), over all columns."""
    layers = [getattr(column, layer) for column in network.columns]
    return sum(p.numel() for part in layers for p in part.parameters())
