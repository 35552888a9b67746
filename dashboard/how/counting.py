"""What the parts of "How it works" count: parameters of variants, maps after pooling, a network whose columns are cut apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from study import in_numpy
from study.network.geometry import windows
from study.paper import numbers


def unshared() -> int:
    """Parameters of a layer with conv1's neurons and windows, each neuron with its own weights and bias."""
    return numbers.connections()


def pooled_parameters() -> dict[int, tuple[int, int]]:
    """By the size of pooling's windows, the side of the maps that fc6 reads and fc6's parameters; 0: no last pooling.

    Windows of 2 with the paper's paddings, on the paper's maps of 55.
    """
    maps, neurons = numbers.KERNELS[-1], numbers.NEURONS[0]
    found = {}
    for size in (3, 2):
        side = numbers.LAYERS[0].side
        for _ in range(3):  # conv2 to conv5 keep the size of what they read
            side = windows(side, size, numbers.POOLING_STRIDE)
        found[size] = (side, neurons * (maps * side * side + 1))
    last = numbers.LAYERS[4].side
    return found | {0: (last, neurons * (maps * last * last + 1))}


def networks() -> list[tuple[str, int, float]]:
    """The paper's network and others that readers ask about: name, parameters, share of the paper's."""
    layers = {layer.name: layer for layer in numbers.LAYERS}
    ungrouped = [replace(layer, inputs=2 * layer.inputs) if name in ("conv2", "conv4", "conv5") else layer
                 for name, layer in layers.items()]  # fmt: skip
    half = [
        replace(
            layer,
            outputs=layer.outputs if name == "fc8" else layer.outputs // 2,
            inputs=layer.inputs if name == "conv1" else layer.inputs // 2,
        )
        for name, layer in layers.items()
    ]
    kernels = {"conv1": 48, "conv2": 128, "conv3": 192, "conv4": 192, "conv5": 256}  # the last as many as with two
    column = [replace(layer, outputs=kernels.get(name, layer.outputs)) for name, layer in layers.items()]
    column[2] = replace(column[2], inputs=kernels["conv2"])
    whole = numbers.parameters()
    named = {
        "two columns (the paper)": numbers.LAYERS,
        "one large GPU, without groups": ungrouped,
        "one column with half of the kernels (section 3.2)": column,
        "half the width everywhere, two columns": half,
    }
    counted = {name: sum(layer.parameters for layer in of) for name, of in named.items()}
    return [(name, count, count / whole) for name, count in counted.items()]


def without_crossing(network: in_numpy.AlexNet) -> in_numpy.AlexNet:
    """The network with every weight at 0 by which a layer below fc8 reads the other column."""
    weights = dict(network.weights)
    for column in range(network.columns):
        for name in ("conv3", "fc6", "fc7"):
            key = f"columns.{column}.{name}.weight"
            if key not in weights:
                continue
            cut = np.array(weights[key])
            half = cut.shape[1] // network.columns
            keep = np.zeros(cut.shape[1], dtype=bool)
            keep[column * half : (column + 1) * half] = True
            cut[:, ~keep] = 0
            weights[key] = cut
    return in_numpy.AlexNet(settings=network.settings, weights=weights)
