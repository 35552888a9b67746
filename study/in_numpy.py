"""The paper's two networks in numpy, for one picture: to look inside a trained one where torch is not installed.

Plain functions on the values of one picture, and two networks that call them: `AlexNet` (study/network/alexnet.py) and
`FourLayer` (study/network/four_layer.py). A test holds each to the network that is trained, for every variant. They are for
looking, not for speed: the quarter AlexNet takes some 4 ms a picture (2 cores of an AMD EPYC).

    maps (n, h, w) float32, those of column 1 first     kernels (n, h, w, inputs), as kernels.npy has them
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from study.network.geometry import windows

CONVOLUTIONS = ("conv1", "conv2", "conv3", "conv4", "conv5")


def convolve(x: np.ndarray, kernels: np.ndarray, bias: np.ndarray | float = 0.0, stride: int = 1, padding: int = 0) -> np.ndarray:
    """Section 3.5: maps (c, h, w) through kernels (n, kh, kw, c) -> (n, h', w'). Windows that hang over the right and bottom
    edge read zeros, as in the released code (assumption A1)."""
    size, count = kernels.shape[1], windows(x.shape[1], kernels.shape[1], stride, padding)
    over = (count - 1) * stride + size - x.shape[1] - padding
    padded = np.pad(x, ((0, 0), (padding, max(over, 0)), (padding, max(over, 0))))
    views = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(1, 2))[:, ::stride, ::stride]
    views = views[:, :count, :count]
    rows = views.transpose(1, 2, 3, 4, 0).reshape(count * count, -1)  # a row a window, in the order of a kernel's numbers
    maps = rows @ kernels.reshape(len(kernels), -1).T
    return np.asarray(maps.T.reshape(len(kernels), count, count) + np.reshape(bias, (-1, 1, 1)), dtype=np.float32)


def response_normalisation(
    a: np.ndarray, k: float = 2.0, n: int = 5, alpha: float = 1e-4, beta: float = 0.75, columns: int = 1
) -> np.ndarray:
    """Section 3.3: every map over its divisor (maps, ...) -> the same; no column sees another's maps."""
    return np.asarray(a / divisors(a, k, n, alpha, beta, columns), dtype=np.float32)


def divisors(a: np.ndarray, k: float, n: int, alpha: float, beta: float, columns: int = 1) -> np.ndarray:
    """What response normalisation divides by: (k + alpha x the sum of squares over n neighbouring maps) ^ beta."""
    parts = [_window_sums(np.square(part, dtype=np.float64), n) for part in np.split(a, columns)]
    return np.asarray((k + alpha * np.concatenate(parts)) ** beta)


def _window_sums(squares: np.ndarray, n: int) -> np.ndarray:
    """Sums over the n maps around each map, cut off at the first and last."""
    reach, before = n // 2, np.zeros_like(squares[:1])
    running = np.concatenate([before, np.cumsum(squares, axis=0)])
    at = np.arange(len(squares))
    return running[np.minimum(at + reach + 1, len(squares))] - running[np.maximum(at - reach, 0)]


def spatial_normalisation(a: np.ndarray, k: float = 1.0, n: int = 5, alpha: float = 1e-3 / 25, beta: float = 0.75) -> np.ndarray:
    """The released code's second normalisation: over n x n positions of the same map (assumption A14)."""
    reach, squares = n // 2, np.square(a, dtype=np.float64)
    padded = np.pad(squares, ((0, 0), (reach, reach), (reach, reach)))
    sums = np.lib.stride_tricks.sliding_window_view(padded, (n, n), axis=(1, 2)).sum(axis=(3, 4))
    return np.asarray(a / (k + alpha * sums) ** beta, dtype=np.float32)


def pool(a: np.ndarray, size: int = 3, stride: int = 2, average: bool = False) -> np.ndarray:
    """Section 3.4: the largest of each window (or its mean); what hangs over the edge is left out (assumption A19)."""
    count = windows(a.shape[1], size, stride)
    over = (count - 1) * stride + size - a.shape[1]
    outside = np.nan if average else -np.inf
    padded = np.pad(a, ((0, 0), (0, max(over, 0)), (0, max(over, 0))), constant_values=outside)
    views = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(1, 2))[:, ::stride, ::stride][:, :count, :count]
    return np.asarray(np.nanmean(views, axis=(3, 4)) if average else views.max(axis=(3, 4)), dtype=np.float32)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities (..., classes) of logits."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def activate(x: np.ndarray, name: str) -> np.ndarray:
    """Section 3.1's nonlinearity, or another that was trained. Raises ValueError for one that is not known here."""
    if name == "relu":
        return np.maximum(x, 0)
    if name == "tanh":
        return np.tanh(x)
    if name == "sigmoid":
        return np.asarray((1 + np.tanh(x / 2)) / 2)  # 1 / (1 + exp(-x)), which would overflow
    if name in ("threshold", "straight_through"):
        return (x > 0).astype(np.float32)
    if name == "leaky_relu":
        return np.where(x > 0, x, 0.01 * x)
    if name == "elu":
        return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))
    if name == "gelu":
        return np.asarray(x * 0.5 * (1 + np.vectorize(math.erf, otypes=[np.float32])(x / math.sqrt(2))), dtype=np.float32)
    raise ValueError(f"the activation {name!r} is not known here")


def batch_normalisation(a: np.ndarray, weights: Mapping[str, np.ndarray], where: str) -> np.ndarray:
    """Batch normalisation in the test: by the means and variances that were kept in training under the names `where`."""
    mean, variance, scale, shift = (
        weights[f"{where}.{name}"][:, None, None] for name in ("running_mean", "running_var", "weight", "bias")
    )
    return np.asarray((a - mean) / np.sqrt(variance + 1e-5) * scale + shift, dtype=np.float32)


def local(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """A locally connected layer of 3 x 3 kernels, others at every place: maps (c, h, w), weight (h * w, c * 9, n) and bias
    (n, h, w) -> (n, h, w)."""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    views = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))  # c h w 3 3
    read = views.transpose(1, 2, 0, 3, 4).reshape(len(weight), 1, -1)
    return np.asarray((read @ weight)[:, 0].T.reshape(bias.shape) + bias, dtype=np.float32)


def first_layer(settings: Mapping[str, Any]) -> tuple[int, int]:
    """Stride and padding of conv1 in the network that has these settings."""
    return (1, 2) if settings.get("architecture") == "four_layer" else (int(settings.get("stride", 4)), 0)


def build(settings: Mapping[str, Any], weights: Mapping[str, np.ndarray]) -> AlexNet | FourLayer:
    """The trained network of which these are the settings and weights. Raises ValueError for one that is not known here."""
    name = settings.get("architecture", "alexnet")
    if name not in ("alexnet", "four_layer"):
        raise ValueError(f"the network {name!r} is not known here")
    return (FourLayer if name == "four_layer" else AlexNet)(settings=settings, weights=weights)


@dataclass(frozen=True, kw_only=True, slots=True)
class AlexNet:
    """A trained AlexNet: `settings` as a training's record holds them (its run's network), `weights` by the names of its
    state_dict ("columns.0.conv1.weight"), each as torch keeps it."""

    settings: Mapping[str, Any]
    weights: Mapping[str, np.ndarray]
    columns: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", int(self.settings.get("columns", 2)))

    def layers(self, patch: np.ndarray) -> dict[str, np.ndarray]:
        """What each layer makes of a patch (crop, crop, RGB), raw values minus the mean: maps by the names of the layers, of
        `conv1` with `relu1`, `normalise1` and `pool1` after it, up to `pool5`; columns one after the other."""
        s, made = self.settings, {}
        names = [name for name in CONVOLUTIONS if name != s.get("without", "nothing")]
        paired = 1 if s.get("without") in ("conv1", "conv2") else 2  # layers with normalisation and pooling
        paddings = dict(zip(CONVOLUTIONS[1:], s.get("paddings", (2, 1, 1, 1)), strict=True))
        x = patch.transpose(2, 0, 1).astype(np.float32) * np.float32(s.get("input_scale", 1.0))
        for number, name in enumerate(names, start=1):
            first, apart = number == 1, number - 1 != paired or not s.get("communication", True)
            read = [x] * self.columns if first or not apart else np.split(x, self.columns)
            stride, padding = first_layer(s) if first else (1, paddings[name])
            x = np.concatenate(
                [
                    convolve(part, self._kernels(column, name), self.weights[f"columns.{column}.{name}.bias"], stride, padding)
                    for column, part in enumerate(read)
                ]
            )
            made[name] = x
            if number <= paired:
                x = self._finish(x, number, made)
                if paired == 1:  # all poolings stay where a layer is taken out (assumption A13)
                    made["pool2"] = x = self._pool(x)
            else:
                made[f"relu{name[-1]}"] = x = activate(x, s.get("activation", "relu"))
        made["pool5"] = self._pool(x)
        return made

    def _finish(self, x: np.ndarray, number: int, made: dict[str, np.ndarray]) -> np.ndarray:
        """ReLU, normalisation and pooling of layers 1 and 2, in the order of the settings."""
        name = str(self.settings.get("activation", "relu"))
        if number == 1 and self.settings.get("activation_1") == "after_pooling":
            made["normalise1"] = self._normalise(x, 1)
            made["pool1"] = made["relu1"] = activate(self._pool(made["normalise1"]), name)
            return made["pool1"]
        made[f"relu{number}"] = activate(x, name)
        made[f"normalise{number}"] = self._normalise(made[f"relu{number}"], number)
        made[f"pool{number}"] = self._pool(made[f"normalise{number}"])
        return made[f"pool{number}"]

    def _normalise(self, a: np.ndarray, number: int) -> np.ndarray:
        kind = self.settings.get("normalisation", "response")
        spatial = bool(self.settings.get("spatial_normalisation")) and number == 2
        if kind == "response":
            a = response_normalisation(a, **self.settings.get("response", {}), columns=self.columns)
        elif kind == "batch":
            a = np.concatenate(
                [
                    batch_normalisation(part, self.weights, f"columns.{column}.normalise{number}{'.0' if spatial else ''}")
                    for column, part in enumerate(np.split(a, self.columns))
                ]
            )
        return spatial_normalisation(a) if spatial else a

    def _pool(self, a: np.ndarray) -> np.ndarray:
        kind = self.settings.get("pooling", "overlapping")
        return pool(a, size=2 if kind == "local" else 3, average=kind == "average")

    def _kernels(self, column: int, name: str) -> np.ndarray:
        return np.ascontiguousarray(self.weights[f"columns.{column}.{name}.weight"].transpose(0, 2, 3, 1))

    def hidden(self, pool5: np.ndarray, kept: tuple[np.ndarray, np.ndarray] | None = None) -> np.ndarray:
        """Layers 6 and 7 of what `layers` gives as `pool5`: (neurons,), column 1 first. In the test every output is halved;
        `kept` are a training's masks of layers 6 and 7 in place of that, ones and zeros (section 4.2)."""
        x, p = pool5.reshape(-1), float(self.settings.get("dropout", 0.5))
        for number, name in enumerate(("fc6", "fc7")):
            x = self.layer(name, x) * (kept[number] if kept is not None else 1 - p)
        return x

    def layer(self, name: str, x: np.ndarray) -> np.ndarray:
        """`fc6` or `fc7` with its nonlinearity, before dropout: (..., inputs) -> (..., neurons), column 1 first."""
        read = [x] * self.columns if self.settings.get("communication", True) else np.split(x, self.columns, axis=-1)
        parts = [self._linear(column, name, part) for column, part in enumerate(read)]
        return activate(np.concatenate(parts, axis=-1), str(self.settings.get("activation", "relu")))

    def logits(self, hidden: np.ndarray) -> np.ndarray:
        """Layer 8, which reads all of layer 7: (..., neurons) -> (..., classes)."""
        return np.concatenate([self._linear(column, "fc8", hidden) for column in range(self.columns)], axis=-1)

    def _linear(self, column: int, name: str, x: np.ndarray) -> np.ndarray:
        where = f"columns.{column}.{name}"
        return np.asarray(x @ self.weights[f"{where}.weight"].T + self.weights[f"{where}.bias"], dtype=np.float32)

    def neurons(self) -> tuple[int, int]:
        """How many neurons layers 6 and 7 have, columns together."""
        six, seven = (
            sum(len(self.weights[f"columns.{column}.{name}.bias"]) for column in range(self.columns)) for name in ("fc6", "fc7")
        )
        return six, seven

    def features(self, patch: np.ndarray) -> np.ndarray:
        """The last hidden layer of a patch in the test: (neurons,)."""
        return self.hidden(self.layers(patch)["pool5"])

    def probabilities(self, patch: np.ndarray) -> np.ndarray:
        """The network's answer to a patch in the test: (classes,)."""
        return softmax(self.logits(self.features(patch)))


@dataclass(frozen=True, kw_only=True, slots=True)
class FourLayer:
    """A trained network of Figure 1, of one column and without dropout; `settings` and `weights` as AlexNet has them."""

    settings: Mapping[str, Any]
    weights: Mapping[str, np.ndarray]

    def layers(self, patch: np.ndarray) -> dict[str, np.ndarray]:
        """What each layer makes of a patch (crop, crop, RGB), raw values minus the mean: maps by the names of the layers."""
        w, name, made = self.weights, str(self.settings.get("activation", "relu")), {}
        made["conv1"] = x = convolve(
            patch.transpose(2, 0, 1), self._kernels("conv1"), w["conv1.bias"], *first_layer(self.settings)
        )
        made["relu1"] = x = activate(x, name)
        made["pool1"] = x = pool(x)
        made["normalise1"] = x = self._normalise(x, 1)
        made["conv2"] = x = convolve(x, self._kernels("conv2"), w["conv2.bias"], padding=2)
        made["relu2"] = x = activate(x, name)
        made["normalise2"] = x = self._normalise(x, 2)
        made["pool2"] = x = pool(x)
        for number in (3, 4):
            made[f"local{number}"] = x = local(x, w[f"local{number}.weight"], w[f"local{number}.bias"])
            made[f"relu{number}"] = x = activate(x, name)
        return made

    def _kernels(self, name: str) -> np.ndarray:
        return np.ascontiguousarray(self.weights[f"{name}.weight"].transpose(0, 2, 3, 1))

    def _normalise(self, a: np.ndarray, number: int) -> np.ndarray:
        kind = self.settings.get("normalisation", "none")
        if kind == "response":
            return response_normalisation(a, **self.settings["response"])
        return batch_normalisation(a, self.weights, f"normalise{number}") if kind == "batch" else a

    def features(self, patch: np.ndarray) -> np.ndarray:
        """The last hidden layer of a patch: (neurons,)."""
        return self.layers(patch)["relu4"].reshape(-1)

    def logits(self, hidden: np.ndarray) -> np.ndarray:
        """fc10: (..., neurons) -> (..., classes)."""
        return np.asarray(hidden @ self.weights["fc10.weight"].T + self.weights["fc10.bias"], dtype=np.float32)

    def probabilities(self, patch: np.ndarray) -> np.ndarray:
        """The network's answer to a patch: (classes,)."""
        return softmax(self.logits(self.features(patch)))
