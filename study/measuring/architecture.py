"""Figure 2, read from a built network: what stands in each layer, which maps see which, and what crosses between the columns.

Sizes of kernels, neurons and what they read are those of the weights that are there, so that the figure of an ablation shows
the ablation. Multiplications are those of a picture, forward. Receptive fields are in pixels of the input.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from study.network.alexnet import AlexNet
from study.network.building import Network, NetworkSettings
from study.network.four_layer import FourLayer
from study.network.geometry import windows
from study.network.settings import AlexNetSettings


def of_settings(settings: NetworkSettings, classes: int) -> dict[str, Any]:
    """`described` of a network built for its sizes alone, without values."""
    nowhere = torch.device("meta")
    built = (
        AlexNet(settings, classes, [nowhere]) if isinstance(settings, AlexNetSettings) else FourLayer(settings, classes, nowhere)
    )
    return described(built)


def described(network: Network) -> dict[str, Any]:
    """`columns`, `input` (pixels a side) and `layers`, one after the other.

    Of a layer: `name`; `kind` (convolution, local, normalisation, pooling, full); `maps` (or neurons) of all columns and their
    `side`; `field`, the side of a receptive field; and of what is learned `size` and `stride` of its kernels, `inputs` that one
    reads, `sees` (what these are: pictures, own or all maps), `parameters`, `multiplications`, and `crosses`: numbers that each
    column sends to the other before it.
    """
    layers = _alexnet(network) if isinstance(network, AlexNet) else _four_layer(network)
    field, jump, crop = 1, 1, network.settings.crop
    for layer in layers:
        if layer["kind"] == "full":
            field = crop
        elif layer["kind"] != "normalisation":
            field, jump = field + (layer["size"] - 1) * jump, jump * layer["stride"]
        layer["field"] = min(field, crop)
    return {"columns": getattr(network.settings, "columns", 1), "input": crop, "layers": layers}


def _alexnet(network: AlexNet) -> list[dict[str, Any]]:
    settings, found = network.settings, list[dict[str, Any]]()
    maps, side = 3, settings.crop  # of what the next layer could read, all columns together
    for number, name in enumerate(settings.convolutions, start=1):
        layers = [getattr(column, name) for column in network.columns]
        size, stride, padding = layers[0].kernel_size[0], layers[0].stride[0], layers[0].padding[0]
        read, side = side, windows(side, size, stride, padding)
        found.append(_learned(name, "convolution", layers, side, maps, read, size, stride, first=number == 1))
        maps = found[-1]["maps"]
        if name in settings.normalised:
            if settings.normalisation != "none":
                found.append({"name": settings.normalisation, "kind": "normalisation", "maps": maps, "side": side})
            found.append(_pooling(network, maps, side))
            if len(settings.normalised) == 1:  # all poolings stay where a layer is taken out (assumption A13)
                found.append(_pooling(network, maps, found[-1]["side"]))
            side = found[-1]["side"]
    found.append(_pooling(network, maps, side))
    side = found[-1]["side"]
    for name in ("fc6", "fc7", "fc8"):
        found.append(_learned(name, "full", [getattr(column, name) for column in network.columns], 1, maps, side, 1, 1))
        maps, side = found[-1]["maps"], 1
    return found


def _four_layer(network: FourLayer) -> list[dict[str, Any]]:
    found, maps, side = list[dict[str, Any]](), 3, network.settings.crop
    normalisation = network.settings.normalisation
    for number, name in enumerate(("conv1", "conv2"), start=1):
        layer: Any = getattr(network, name)
        read, side = side, windows(side, layer.kernel_size[0], layer.stride[0], layer.padding[0])
        found.append(_learned(name, "convolution", [layer], side, maps, read, layer.kernel_size[0], 1, first=number == 1))
        maps = found[-1]["maps"]
        after = [_pooling(network, maps, side)]
        side = after[0]["side"]
        if normalisation != "none":  # layer 1 is normalised after its pooling, layer 2 before
            of = {
                "name": normalisation,
                "kind": "normalisation",
                "maps": maps,
                "side": side if number == 1 else found[-1]["side"],
            }
            after.insert(1 if number == 1 else 0, of)
        found += after
    for name in ("local3", "local4"):
        found.append(_learned(name, "local", [getattr(network, name)], side, maps, side, 3, 1))
        maps = found[-1]["maps"]
    return [*found, _learned("fc10", "full", [network.fc10], 1, maps, side, 1, 1)]


def _pooling(network: Any, maps: int, side: int) -> dict[str, Any]:
    pool = network.pool
    after = windows(side, pool.kernel_size, pool.stride)
    kind = "average" if isinstance(pool, nn.AvgPool2d) else "overlapping" if pool.kernel_size > pool.stride else "local"
    return {"name": kind, "kind": "pooling", "maps": maps, "side": after, "size": pool.kernel_size, "stride": pool.stride}


def _learned(
    name: str, kind: str, layers: Sequence[Any], side: int, maps: int, read: int, size: int, stride: int, first: bool = False
) -> dict[str, Any]:
    """What the weights of a layer's columns say, before which there are `maps` maps with sides of `read`."""
    positions = side * side
    if kind == "local":  # positions, inputs * 9, maps
        made, inputs = sum(layer.weight.shape[2] for layer in layers), layers[0].weight.shape[1] // size**2
        products = sum(layer.weight.numel() for layer in layers)
    else:
        made, inputs = sum(len(layer.weight) for layer in layers), layers[0].weight[0].numel()
        inputs //= size**2 if kind == "convolution" else read**2
        products = positions * sum(layer.weight.numel() for layer in layers)
    sees = "pictures" if first else "all" if inputs == maps else "own"
    return {
        "name": name, "kind": kind, "maps": made, "side": side, "size": size, "stride": stride, "inputs": inputs, "sees": sees,
        "parameters": sum(weight.numel() for layer in layers for weight in layer.parameters()),
        "multiplications": products,
        "crosses": maps // len(layers) * read**2 if sees == "all" and len(layers) > 1 else 0,
    }  # fmt: skip
