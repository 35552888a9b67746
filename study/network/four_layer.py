"""The four-layer network of Figure 1 and of section 3.3's CIFAR-10 experiment: two convolutions, two local layers.

Footnote 3 of the paper points to the parameter files of cuda-convnet: `layers-conv-local-13pct.cfg` and, with response
normalisation, `layers-conv-local-11pct.cfg`. "Four layers" counts the hidden ones; fc10 follows (assumption A8). A local
layer is a convolution whose kernels are not shared between positions.

    B batch   C classes   shapes behind a line: 32-pixel pictures / 24-pixel crops of them
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from study.network.activations import ACTIVATIONS, ActivationName
from study.network.normalisation import NoNormalisation, ResponseNormalisation, ResponseSettings

DEVIATIONS = {"conv1": 1e-4, "conv2": 0.01, "local3": 0.04, "local4": 0.04, "fc10": 0.01}  # initW of the released files


@dataclass(frozen=True, kw_only=True, slots=True)
class FourLayerSettings:
    """`crop` in pixels. `response` is the 11% file's: alpha 1e-3 over a window of 9 maps, so 1e-3 / 9 on the sum."""

    architecture: Literal["four_layer"]
    crop: int = 24
    kernels: tuple[int, int, int, int] = (64, 64, 32, 32)
    activation: ActivationName = "relu"
    normalisation: Literal["response", "none"] = "none"
    response: ResponseSettings = field(default_factory=lambda: ResponseSettings(k=1.0, n=9, alpha=1e-3 / 9, beta=0.75))

    def __post_init__(self) -> None:
        if self.crop < 8:
            raise ValueError(f"crop is {self.crop}, but two poolings of stride 2 need 8 pixels or more; the paper has 24")
        if min(self.kernels) < 1:
            raise ValueError(
                f"kernels is {list(self.kernels)}, but each layer has one or more; the released file has 64, 64, 32, 32"
            )


class LocallyConnected(nn.Module):
    """3x3 kernels with zero padding of 1, others at every position: (B, inputs, side, side) -> (B, maps, side, side)."""

    def __init__(self, inputs: int, maps: int, side: int) -> None:
        super().__init__()
        self.side = side
        self.weight = nn.Parameter(torch.empty(side * side, inputs * 9, maps))
        self.bias = nn.Parameter(torch.empty(maps, side, side))

    def forward(self, x: Tensor) -> Tensor:
        patches = F.unfold(x, 3, padding=1).permute(2, 0, 1)  # positions B inputs*9
        y = torch.bmm(patches, self.weight)  # positions B maps
        return y.permute(1, 2, 0).unflatten(2, (self.side, self.side)) + self.bias


class FourLayer(nn.Module):
    """conv1, conv2, local3, local4, fc10. `forward`: (B, 3, crop, crop) on the 0-255 scale minus mean -> (B, C)."""

    def __init__(self, settings: FourLayerSettings, classes: int, device: torch.device, compiled: bool = False) -> None:
        super().__init__()
        k1, k2, k3, k4 = settings.kernels
        side = (settings.crop + 3) // 4  # two poolings, each of which halves and rounds up
        self.settings, self.classes, self.input_device = settings, classes, device
        self.activation = ACTIVATIONS[settings.activation]
        self.conv1 = nn.Conv2d(3, k1, 5, padding=2)
        self.conv2 = nn.Conv2d(k1, k2, 5, padding=2)
        self.local3 = LocallyConnected(k2, k3, side)
        self.local4 = LocallyConnected(k3, k4, side)
        self.fc10 = nn.Linear(k4 * side * side, classes)
        self.pool = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        responds = settings.normalisation == "response"
        self.normalise = ResponseNormalisation(settings.response, compiled) if responds else NoNormalisation()
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

    def draw_dropout_from(self, seed: int, rows: slice = slice(None), batch: int = 0) -> None:
        """This network has no dropout; the loop need not know."""

    def forward(self, pictures: Tensor) -> Tensor:
        return self.classify(self.features(pictures))

    def features(self, pictures: Tensor) -> list[Tensor]:
        """The last hidden layer, (B, k4 * side * side), in a list of one as there is one column."""
        x = self.normalise(
            self.pool(self.activation(self.conv1(pictures.to(self.conv1.weight.dtype))))
        )  # B k1 16 16 / B k1 12 12
        x = self.pool(self.normalise(self.activation(self.conv2(x))))  # B k2 8 8 / B k2 6 6
        x = self.activation(self.local3(x))  # B k3 8 8 / B k3 6 6
        x = self.activation(self.local4(x))  # B k4 8 8 / B k4 6 6
        return [x.flatten(1)]

    def classify(self, features: list[Tensor]) -> Tensor:
        return self.fc10(features[0])

    def kernels(self) -> Tensor:
        """First-layer kernels (k1, 5, 5, 3) in float32 on the CPU."""
        return self.conv1.weight.detach().float().cpu().permute(0, 2, 3, 1).contiguous()
