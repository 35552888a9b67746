"""Which network a run's settings ask for, on which devices. The one place that knows both architectures."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from study.network.alexnet import AlexNet, AlexNetSettings
from study.network.four_layer import FourLayer, FourLayerSettings

NetworkSettings = AlexNetSettings | FourLayerSettings
Network = AlexNet | FourLayer


def build(settings: NetworkSettings, classes: int, devices: Sequence[torch.device]) -> Network:
    """A network with uninitialised weights; `initialise(seed)` or `load_state_dict` fills them."""
    if isinstance(settings, FourLayerSettings):
        return FourLayer(settings, classes, devices[0])
    return AlexNet(settings, classes, devices[: settings.columns])
