"""Which network a run's settings ask for, on which machine. The one place that knows both architectures."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from study.machine import Machine
from study.network.alexnet import AlexNet
from study.network.four_layer import FourLayer, FourLayerSettings
from study.network.settings import AlexNetSettings

NetworkSettings = AlexNetSettings | FourLayerSettings
Network = AlexNet | FourLayer


def build(settings: NetworkSettings, classes: int, machine: Machine) -> Network:
    """A network with uninitialised weights; `initialise(seed)` or `load_state_dict` fills them."""
    network: Network
    if isinstance(settings, FourLayerSettings):
        network = FourLayer(settings, classes, machine.devices[0], machine.compiled)
    else:
        network = AlexNet(settings, classes, machine.devices[: settings.columns], machine.compiled)
    if machine.precision == "bfloat16":
        _round_to_bfloat16(network)
    return network


def _round_to_bfloat16(network: Any) -> None:
    """Autocast around the layers, not in them: they read as the paper does. The loss is computed in float32."""
    cast = torch.autocast(network.input_device.type, torch.bfloat16)
    features, classify = cast(network.features), cast(network.classify)

    def in_float32(last_hidden: list[Tensor]) -> Tensor:
        return classify(last_hidden).float()

    network.features, network.classify = features, in_float32
