"""The paper's networks to be read beside its section 3: a line an operation, plain functions, no devices, no variants.

Nothing is trained with this file. A test holds the networks that are trained, `alexnet.py` and `four_layer.py`, to it, by values
and by the gradients of all parameters. `w` holds the weights by the names of their state_dict: "columns.0.conv1.weight".

    B batch   the comment after a line gives its shape for the full network; where columns are apart, that of one column
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn.functional import conv2d, linear, max_pool2d, pad, relu

from study.network.normalisation import SPATIAL, ResponseSettings, response_normalisation, spatial_normalisation

Weights = Mapping[str, Tensor]
COLUMNS = ("columns.0.", "columns.1.")  # section 3.2: half of the kernels and neurons on each of two GPUs
PAPER = ResponseSettings(k=2, n=5, alpha=1e-4, beta=0.75)  # section 3.3
CODE145 = ResponseSettings(k=2, n=5, alpha=1e-4 / 5, beta=0.75)  # assumption A4


def alexnet(w: Weights, pictures: Tensor, kept: tuple[Tensor, Tensor] | None = None, stride: int = 4) -> Tensor:
    """Logits (B, 1000) of pictures (B, 3, 224, 224), raw values from 0 to 255 minus the mean.

    `kept`: in training the masks of dropout for layers 6 and 7, (B, 4096) zeros and ones. `stride`: smaller for smaller pictures.
    """
    maps = []
    for column in COLUMNS:
        x = conv(w, column + "conv1", overhanging(pictures, stride), stride=stride)  # 3.5: 11x11x3, stride 4   B 48 55 55
        x = relu(x)  # 3.1: max(0, x)
        x = response_normalisation(x, PAPER)  # 3.3: over neighbouring kernel maps, of the same GPU (assumption A23)
        x = max_pool2d(x, 3, stride=2)  # 3.4: overlapping, z = 3 and s = 2   B 48 27 27
        x = conv(w, column + "conv2", x, padding=2)  # 3.5: 5x5x48, of the maps on the same GPU   B 128 27 27
        x = relu(x)
        x = response_normalisation(x, PAPER)
        maps.append(max_pool2d(x, 3, stride=2))  # B 128 13 13
    return layers_3_to_8(w, maps, kept)


def alexnet_145(w: Weights, pictures: Tensor, kept: tuple[Tensor, Tensor] | None = None, stride: int = 4) -> Tensor:
    """The same in the order of the released layers-145.cfg, whose layers 1 and 2 differ from the text (assumption A14)."""
    maps = []
    for column in COLUMNS:
        x = conv(w, column + "conv1", overhanging(pictures, stride), stride=stride)  # conv1 has no neuron
        x = response_normalisation(x, CODE145)  # rnorm1
        x = max_pool2d(x, 3, stride=2)  # pool1
        x = relu(x)  # which has the neuron
        x = conv(w, column + "conv2", x, padding=2)
        x = relu(x)
        x = response_normalisation(x, CODE145)  # rnorm2
        x = spatial_normalisation(x, SPATIAL)  # cnorm2: over neighbouring positions of the same map
        maps.append(max_pool2d(x, 3, stride=2))  # pool2
    return layers_3_to_8(w, maps, kept)


def layers_3_to_8(w: Weights, maps: list[Tensor], kept: tuple[Tensor, Tensor] | None) -> Tensor:
    """From the maps of layer 2 after their pooling, a tensor a column, to the logits."""
    both, maps = torch.cat(maps, dim=1), []  # 3.5: layer 3 reads all maps of layer 2   B 256 13 13
    for column in COLUMNS:
        x = relu(conv(w, column + "conv3", both, padding=1))  # 3.5: 3x3x256   B 192 13 13
        x = relu(conv(w, column + "conv4", x, padding=1))  # 3.5: 3x3x192, of the same GPU   B 192 13 13
        x = relu(conv(w, column + "conv5", x, padding=1))  # 3.5: 3x3x192, of the same GPU   B 128 13 13
        maps.append(max_pool2d(x, 3, stride=2))  # B 128 6 6
    x = torch.cat(maps, dim=1).flatten(1)  # B 9216
    x = dropout(relu(fully_connected(w, "fc6", x)), kept and kept[0])  # 4.2: in the first two of them   B 4096
    x = dropout(relu(fully_connected(w, "fc7", x)), kept and kept[1])  # B 4096
    return fully_connected(w, "fc8", x)  # B 1000


def conv(w: Weights, layer: str, x: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
    return conv2d(x, w[layer + ".weight"], w[layer + ".bias"], stride, padding)


def overhanging(pictures: Tensor, stride: int) -> Tensor:
    """224 pixels at stride 4 make 55 windows, of which the last hangs over the edge and reads zeros (assumption A1)."""
    over = -(pictures.shape[-1] - 11) % stride  # B 3 227 227
    return pad(pictures, (0, over, 0, over))


def fully_connected(w: Weights, layer: str, x: Tensor) -> Tensor:
    """3.5: every neuron, on whichever GPU, reads all neurons of the layer before."""
    return torch.cat([linear(x, w[column + layer + ".weight"], w[column + layer + ".bias"]) for column in COLUMNS], dim=1)


def dropout(x: Tensor, kept: Tensor | None) -> Tensor:
    """4.2: in training half of the outputs are zero; in the test all are there, times 0.5."""
    return x * (0.5 if kept is None else kept)


def four_layer(
    w: Weights, pictures: Tensor, f: Callable[[Tensor], Tensor] = relu, normalise: Callable[[Tensor], Tensor] = lambda x: x
) -> Tensor:
    """Figure 1 and footnote 3: logits (B, 10) of pictures (B, 3, 32, 32), or crops of them. `f` is relu, or tanh.

    By layers-conv-local-13pct.cfg; where layers-conv-local-11pct.cfg normalises, `normalise` does.
    """
    x = f(conv(w, "conv1", pictures, padding=2))  # 64 kernels of 5x5x3   B 64 32 32
    x = normalise(max_pool2d(x, 3, stride=2, ceil_mode=True))  # pool1, rnorm1   B 64 16 16
    x = normalise(f(conv(w, "conv2", x, padding=2)))  # 64 kernels of 5x5x64, rnorm2   B 64 16 16
    x = max_pool2d(x, 3, stride=2, ceil_mode=True)  # pool2   B 64 8 8
    x = f(local(w, "local3", x))  # 32 kernels of 3x3x64 at each of 64 positions   B 32 8 8
    x = f(local(w, "local4", x))  # 32 kernels of 3x3x32 at each of 64 positions   B 32 8 8
    return linear(x.flatten(1), w["fc10.weight"], w["fc10.bias"])


def local(w: Weights, layer: str, x: Tensor) -> Tensor:
    """A convolution whose kernels differ from position to position: weights (positions, inputs * 9, maps)."""
    side, windows = x.shape[-1], pad(x, (1, 1, 1, 1))
    positions = [
        windows[:, :, y : y + 3, x : x + 3].flatten(1) @ w[layer + ".weight"][y * side + x]
        for y in range(side)
        for x in range(side)
    ]
    return torch.stack(positions, dim=2).unflatten(2, (side, side)) + w[layer + ".bias"]
