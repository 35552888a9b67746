"""The settings of the network of section 3, whose defaults are the paper's, and the sizes of the maps that follow from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from study.network.activations import ActivationName
from study.network.geometry import windows
from study.network.normalisation import NormalisationName, ResponseSettings

CONVOLUTIONS = ("conv1", "conv2", "conv3", "conv4", "conv5")


@dataclass(frozen=True, kw_only=True, slots=True)
class AlexNetSettings:
    """Section 3 and the initialisation of section 5; the defaults are the text's. `crop` and `stride` are in pixels.

    `kernels` and `neurons` count all columns together; `paddings` are those of conv2 to conv5. `communication` off keeps
    the columns apart up to fc8 (the author's run 150). `without` takes one convolution out: the next layer reads what it
    read, and the windows of conv1 and all poolings stay (assumption A13). `input_scale` multiplies the 0-255 pictures.
    `deviation_conv345` is apart because the released configuration starts those layers at 0.03 (assumption A2).
    `fan_in_scaling` lets deviations grow as layers get narrower than the paper's (assumption A3).
    """

    architecture: Literal["alexnet"] = "alexnet"
    crop: int = 224
    stride: int = 4
    kernels: tuple[int, int, int, int, int] = (96, 256, 384, 384, 256)
    neurons: tuple[int, int] = (4096, 4096)
    paddings: tuple[int, int, int, int] = (2, 1, 1, 1)
    columns: Literal[1, 2] = 2
    communication: bool = True
    without: Literal["nothing", "conv1", "conv2", "conv3", "conv4", "conv5"] = "nothing"
    activation: ActivationName = "relu"
    activation_1: Literal["before_normalisation", "after_pooling"] = "before_normalisation"
    normalisation: NormalisationName = "response"
    response: ResponseSettings = field(default_factory=ResponseSettings)
    spatial_normalisation: bool = False
    pooling: Literal["overlapping", "local", "average"] = "overlapping"
    dropout: float = 0.5
    input_scale: float = 1.0
    deviation: float = 0.01
    deviation_conv345: float = 0.01
    fan_in_scaling: bool = False
    bias: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}, but it is a probability below 1; the paper has 0.5")
        for name, widths in (("kernels", self.kernels), ("neurons", self.neurons)):
            for width in widths:
                if width < self.columns or width % self.columns:
                    raise ValueError(
                        f"{name} is {list(widths)}, but {width} do not divide over {self.columns} column(s); change it"
                    )
        if self.deviation <= 0 or self.deviation_conv345 <= 0:
            raise ValueError(
                f"deviation is {self.deviation} and deviation_conv345 {self.deviation_conv345}, which leaves all kernels alike; "
                "both are above 0, the paper has 0.01"
            )
        if self.input_scale <= 0:
            raise ValueError(f"input_scale is {self.input_scale}, but it multiplies the pictures; the paper has 1")
        if min(self.paddings) < 0 or self.stride < 1:
            raise ValueError("paddings are 0 or more and stride is 1 or more; the paper has 2, 1, 1, 1 and 4")
        if min(sides(self)) < 1:
            raise ValueError(f"crop is {self.crop} at stride {self.stride}: nothing is left after pool5; enlarge it")

    @property
    def convolutions(self) -> list[str]:
        """The convolutional layers that are there, in order."""
        return [name for name in CONVOLUTIONS if name != self.without]

    @property
    def normalised(self) -> list[str]:
        """The convolutions of layers 1 and 2, which normalisation and pooling follow (section 3.5)."""
        return self.convolutions[: 1 if self.without in ("conv1", "conv2") else 2]


def sides(settings: AlexNetSettings) -> tuple[int, ...]:
    """Side of the maps after conv1, pool1, conv2, pool2, conv3, conv4, conv5 and pool5: 55, 27, 27, 13, 13, 13, 13, 6."""
    pool = 2 if settings.pooling == "local" else 3
    found = [windows(settings.crop, 11, settings.stride)]
    found.append(windows(found[-1], pool, 2))
    for name, window, padding in zip(CONVOLUTIONS[1:], (5, 3, 3, 3), settings.paddings, strict=True):
        there = name in settings.convolutions and name != settings.convolutions[0]
        found.append(windows(found[-1], window, 1, padding) if there else found[-1])
        if name in ("conv2", "conv5"):
            found.append(windows(found[-1], pool, 2))
    return tuple(found)
