"""Figures 2 and 3, measured: the built network's sizes, the fits to first kernels, the patches that excite them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from study import files
from study.data.feeding import NO_AUGMENTATION, Feed
from study.measuring import gabor
from study.measuring.architecture import described, of_settings
from study.measuring.exciting import COUNT, exciting
from study.network.alexnet import AlexNet
from study.network.four_layer import FourLayer, FourLayerSettings
from study.network.settings import AlexNetSettings
from study.paper import numbers
from tests.conftest import TINY

CPU = torch.device("cpu")
VARIANTS: dict[str, dict[str, Any]] = {
    "the paper's": {},
    "one column": {"columns": 1},
    "no communication": {"communication": False},
    "local pooling": {"pooling": "local", "paddings": (1, 1, 1, 0)},
    "average pooling": {"pooling": "average"},
    **{f"without {name}": {"without": name} for name in ("conv1", "conv2", "conv3", "conv4", "conv5")},
}


def test_the_printed_network() -> None:
    """Section 3.5 and the caption of Figure 2; conv1's neurons are the released code's."""
    made = of_settings(AlexNetSettings(), numbers.CLASSES)
    layers = {layer["name"]: layer for layer in made["layers"] if "inputs" in layer}
    assert made["columns"] == 2 and made["input"] ** 2 * 3 == numbers.FIGURE_2_INPUT
    for layer in numbers.LAYERS:
        one = layers[layer.name]
        assert one["parameters"] == layer.parameters and one["side"] == layer.side and one["maps"] == layer.outputs
    neurons = [layer["maps"] * layer["side"] ** 2 for layer in layers.values()]
    assert neurons[1:] == list(numbers.FIGURE_2_NEURONS[1:]) and neurons[0] == 55 * 55 * 96 != numbers.FIGURE_2_NEURONS[0]
    sees = {"conv1": "pictures", "conv2": "own", "conv3": "all", "conv4": "own", "conv5": "own"}
    assert {name: layer["sees"] for name, layer in layers.items()} == sees | dict.fromkeys(("fc6", "fc7", "fc8"), "all")
    assert sum(layer["crosses"] for layer in layers.values()) == numbers.exchanged()
    assert [layer["field"] for layer in made["layers"] if layer["kind"] == "convolution"] == [11, 51, 99, 131, 163]


@pytest.mark.parametrize("name", VARIANTS)
def test_what_is_said_is_what_the_built_network_does(name: str) -> None:
    """Its parameters, the sides after every pooling, and its multiplications, as torch counts them while it runs."""
    network = AlexNet(replace(TINY, normalisation="none", **VARIANTS[name]), 24).eval()
    network.initialise(0)
    made, sides = described(network), list[tuple[int, ...]]()
    network.pool.register_forward_hook(lambda module, given, out: sides.append((out.shape[1], out.shape[2])))
    with FlopCounterMode(display=False) as counted, torch.no_grad():
        network(torch.zeros(1, 3, TINY.crop, TINY.crop))
    assert sum(layer.get("parameters", 0) for layer in made["layers"]) == sum(p.numel() for p in network.parameters())
    assert [(layer["maps"], layer["side"]) for layer in made["layers"] if layer["kind"] == "pooling"] == sides
    assert 2 * sum(layer.get("multiplications", 0) for layer in made["layers"]) == counted.get_total_flops()
    assert of_settings(network.settings, 24) == made, "a network without values has the same sizes"
    cross = {layer["name"] for layer in made["layers"] if layer.get("crosses")}
    third = network.settings.convolutions[len(network.settings.normalised)]
    apart = "columns" in VARIANTS[name]
    assert cross == (set() if apart else {"fc8"} if name == "no communication" else {third, "fc6", "fc7", "fc8"})


@pytest.mark.parametrize("normalisation", ["none", "response"])
def test_the_four_layers(normalisation: Any) -> None:
    network = FourLayer(FourLayerSettings(architecture="four_layer", normalisation=normalisation), 10, CPU)
    made = described(network)
    assert sum(layer.get("parameters", 0) for layer in made["layers"]) == sum(p.numel() for p in network.parameters())
    assert [layer["side"] for layer in made["layers"] if "inputs" in layer] == [24, 12, 6, 6, 1]
    assert sum(layer["kind"] == "normalisation" for layer in made["layers"]) == 2 * (normalisation == "response")
    assert not any(layer.get("crosses") for layer in made["layers"])


def _planted(
    orientation: float, frequency: float, colour: list[float], deviation: float = 2.5, noise: float = 0.05
) -> np.ndarray:
    """Stripes at an angle, anticlockwise from lying ones, with y down."""
    y, x = np.mgrid[:11, :11] - 5.0
    across = np.radians(90 - orientation)
    wave = np.cos(2 * np.pi * frequency * (x * np.cos(across) + y * np.sin(across)) + 0.7)
    kernel = (np.exp(-(x**2 + y**2) / (2 * deviation**2)) * wave)[..., None] * np.array(colour)
    return kernel + noise * np.random.default_rng(1).normal(size=kernel.shape)


@pytest.mark.parametrize("orientation", [0, 35, 90, 140])
@pytest.mark.parametrize("frequency", [0.12, 0.3])
def test_a_planted_wave_is_found(orientation: float, frequency: float) -> None:
    found = gabor.fit(_planted(orientation, frequency, [1, 1, 1]))
    apart = abs(found.orientation - orientation) % 180
    assert min(apart, 180 - apart) < 3 and found.frequency == pytest.approx(frequency, abs=0.01)
    assert found.explained > 0.9 and found.colour < 0.05 and found.kind == "grey, selective"
    assert gabor.fit(_planted(orientation, frequency, [1, -1, 0])).kind == "coloured, selective"


def test_stripes_that_stand_are_at_90_degrees() -> None:
    kernel = np.zeros((11, 11, 3))
    kernel[:, 4:7] = 1
    kernel[:, 1:4] = kernel[:, 7:10] = -1
    assert gabor.fit(kernel).orientation == pytest.approx(90, abs=1)
    assert gabor.fit(kernel.transpose(1, 0, 2)).orientation % 180 == pytest.approx(0, abs=1)


def test_blobs_noise_and_nothing() -> None:
    assert gabor.fit(_planted(0, 0.0, [1, -1, 0])).kind == "coloured blob"
    assert gabor.fit(_planted(0, 0.0, [1, 1, 1])).kind == "grey blob"
    random = np.random.default_rng(0)
    of_noise = [gabor.fit(random.normal(size=(11, 11, 3))) for _ in range(10)]
    assert max(one.explained for one in of_noise) < 0.2 and {one.kind for one in of_noise} == {"neither"}
    assert gabor.fit(np.zeros((5, 5, 3))).explained == 0


def test_an_envelope_that_has_left_the_kernel_explains_nothing() -> None:
    """The search may go there, and comes back."""
    kernel = np.zeros((11, 11, 3))
    kernel[0, 0] = 1e-6
    assert 0 <= gabor.fit(kernel).explained <= 1
    y, x = np.mgrid[:11, :11]
    assert not gabor._basis(np.array([900.0, 900, -9, -9, 0, 0.5]), x.ravel(), y.ravel(), 11).any()


def test_the_explained_share_is_that_of_the_fitted_kernel() -> None:
    kernel = _planted(30, 0.2, [1, 0.5, -0.5], noise=0.4)
    found = gabor.fit(kernel)
    share = 1 - np.square(kernel - found.fitted).sum() / np.square(kernel).sum()
    assert found.explained == pytest.approx(share) and 0.2 < share < 0.8
    larger = gabor.fit(100 * kernel)
    assert larger.explained == pytest.approx(share, abs=1e-6) and larger.orientation == pytest.approx(found.orientation, abs=0.1)


def test_kernels_at_the_end_and_at_the_start() -> None:
    start, end = np.random.default_rng(0).normal(size=(2, 11, 11, 3)), np.stack([_planted(45, 0.2, [1, 1, 1])] * 2)
    rows = gabor.described(4, {0: start, 3: start, 9: end})
    assert [row[:3] for row in rows] == [[4, "end", 0], [4, "end", 1], [4, "start", 0], [4, "start", 1]]
    assert [row[-1] for row in rows] == ["grey, selective"] * 2 + ["neither"] * 2
    assert all(len(row) == len(files.KERNELS) and row[-1] in files.KINDS for row in rows)
    assert len(gabor.described(4, {9: end})) == 2, "where the start was not kept"
    assert len(gabor.described(4, {0: start, 9: end}, untrained=False)) == 2


def test_the_patches_that_excite_most_are_those_of_every_answer(tiny_set: Path) -> None:
    network = AlexNet(replace(TINY, input_scale=0.5), 24)
    network.initialise(3)
    feed = Feed(tiny_set, ("train",), TINY.crop, CPU, NO_AUGMENTATION)
    rows = exciting(network, feed, 7)
    pictures, kernels = feed.take(np.arange(len(feed))).double(), network.kernels().double()
    edge, size, stride = (feed.size - TINY.crop) // 2, kernels.shape[1], TINY.stride
    for number in (0, len(kernels) - 1):
        of_kernel = [row for row in rows if row[1] == number]
        assert [row[2] for row in of_kernel] == list(range(1, COUNT + 1)) and {row[0] for row in of_kernel} == {7}
        best = []
        for picture in (pictures - feed.mean.double()) * 0.5:
            windows = picture[edge : edge + TINY.crop, edge : edge + TINY.crop].unfold(0, size, stride).unfold(1, size, stride)
            best.append(float(torch.einsum("yxchw,hwc->yx", windows, kernels[number]).max()))
        assert [row[3] for row in of_kernel] == np.argsort(-np.array(best), kind="stable")[:COUNT].tolist()
        for _, _, _, row, y, x, answer in of_kernel[:2]:
            patch = (pictures[row] - feed.mean.double())[y : y + size, x : x + size] * 0.5
            assert float((patch * kernels[number]).sum()) == pytest.approx(answer, rel=1e-3)
