"""The network in numpy against the one that is trained, variant by variant, and its parts against plain loops."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
import torch

from dashboard import rendering
from study import in_numpy
from study.checking import plain
from study.network.activations import ActivationName
from study.network.alexnet import AlexNet
from study.network.four_layer import FourLayer, FourLayerSettings
from study.network.normalisation import NormalisationName, ResponseSettings, response_normalisation, spatial_normalisation
from study.network.settings import AlexNetSettings

SMALL = AlexNetSettings(crop=55, stride=2, kernels=(8, 8, 12, 12, 8), neurons=(16, 12), deviation=0.05, deviation_conv345=0.1)
VARIANTS: dict[str, dict[str, Any]] = {
    "as printed": {},
    "one column": {"columns": 1},
    "no communication": {"communication": False},
    "no normalisation": {"normalisation": "none"},
    "batch normalisation": {"normalisation": "batch"},
    "released order": {"activation_1": "after_pooling", "spatial_normalisation": True},
    "local pooling": {"pooling": "local", "paddings": (1, 1, 1, 0)},
    "average pooling": {"pooling": "average"},
    "no dropout": {"dropout": 0.0},
    "small input": {"input_scale": 0.017},
    **{f"without {name}": {"without": name} for name in in_numpy.CONVOLUTIONS},
    **{name: {"activation": name} for name in get_args(ActivationName)},
}


def made(settings: AlexNetSettings) -> tuple[AlexNet, in_numpy.AlexNet]:
    torch.manual_seed(0)
    network = AlexNet(settings, 5)
    network.initialise(3)
    with torch.no_grad():  # biases and running statistics that are no zeros and ones
        for value in network.state_dict().values():
            if value.dim() == 1:
                value.copy_(torch.rand_like(value) + 0.1)
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    return network.eval(), in_numpy.AlexNet(settings=plain(settings), weights=weights)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_network_in_numpy_answers_as_the_trained_one_does(variant: str) -> None:
    network, ours = made(replace(SMALL, **VARIANTS[variant]))
    patch = np.random.default_rng(1).normal(0, 60, (55, 55, 3)).astype(np.float32)
    with torch.no_grad():
        pictures = torch.from_numpy(patch).permute(2, 0, 1)[None]
        features = torch.cat(network.features(pictures), dim=1)[0].numpy()
        logits = network(pictures)[0].numpy()
    hidden = ours.hidden(ours.layers(patch)["pool5"])
    np.testing.assert_allclose(hidden, features, rtol=2e-4, atol=2e-4 * np.abs(features).max())
    np.testing.assert_allclose(ours.logits(hidden), logits, rtol=2e-4, atol=2e-4 * np.abs(logits).max())
    assert ours.probabilities(patch).sum() == pytest.approx(1)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("normalisation", ["none", "response", "batch"])
def test_the_four_layer_network_in_numpy_answers_as_the_trained_one_does(
    normalisation: NormalisationName, activation: str
) -> None:
    settings = FourLayerSettings(
        architecture="four_layer", crop=24, kernels=(8, 6, 4, 5), normalisation=normalisation, activation=activation
    )
    network = FourLayer(settings, 5, torch.device("cpu"))
    network.initialise(3)
    with torch.no_grad():  # biases and running statistics that are no zeros and ones, and answers far from 0
        for value in network.state_dict().values():
            if value.dim() == 1:
                value.copy_(torch.rand_like(value) + 0.1)
            elif value.dim() > 1:
                value.copy_(torch.randn_like(value) / 4)
    ours = in_numpy.build(plain(settings), {name: value.numpy() for name, value in network.state_dict().items()})
    patch = np.random.default_rng(1).normal(0, 1, (24, 24, 3)).astype(np.float32)
    with torch.no_grad():
        pictures = torch.from_numpy(patch).permute(2, 0, 1)[None]
        features = network.eval().features(pictures)[0][0].numpy()
        logits = network(pictures)[0].numpy()
    hidden = ours.features(patch)
    assert np.abs(features).max() > 0.1
    np.testing.assert_allclose(hidden, features, rtol=2e-4, atol=2e-4 * np.abs(features).max())
    np.testing.assert_allclose(ours.logits(hidden), logits, rtol=2e-4, atol=2e-4 * np.abs(logits).max())
    assert ours.probabilities(patch).sum() == pytest.approx(1)


def test_masks_take_the_place_of_halving() -> None:
    network, ours = made(SMALL)
    pool5 = np.random.default_rng(2).random(8 * 2 * 2).astype(np.float32)
    six, seven = ours.neurons()
    assert (six, seven) == (16, 12)
    everything, nothing = (np.ones(six), np.ones(seven)), (np.zeros(six), np.zeros(seven))
    assert not ours.hidden(pool5, nothing).any()
    without = in_numpy.AlexNet(settings=plain(replace(SMALL, dropout=0.0)), weights=ours.weights)
    np.testing.assert_allclose(ours.hidden(pool5, everything), without.hidden(pool5), rtol=1e-6)  # float32 rounds


@pytest.mark.parametrize("n", [1, 3, 5, 9])
def test_response_normalisation_is_the_formula_s(n: int) -> None:
    a = np.random.default_rng(n).normal(0, 30, (8, 4, 5)).astype(np.float32)
    for columns in (1, 2):
        parts = [torch.from_numpy(part)[None] for part in np.split(a, columns)]
        printed = torch.cat([response_normalisation(p, ResponseSettings(n=n, alpha=1e-3)) for p in parts], dim=1)[0]
        ours = in_numpy.response_normalisation(a, n=n, alpha=1e-3, columns=columns)
        np.testing.assert_allclose(ours, printed.numpy(), rtol=1e-5)


def test_spatial_normalisation_is_the_formula_s() -> None:
    a = np.random.default_rng(0).normal(0, 30, (3, 7, 7)).astype(np.float32)
    printed = spatial_normalisation(torch.from_numpy(a)[None], ResponseSettings(k=1.0, n=5, alpha=1e-3 / 25))[0]
    np.testing.assert_allclose(in_numpy.spatial_normalisation(a), printed.numpy(), rtol=1e-5)


def test_what_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match="resnet"):
        in_numpy.build({"architecture": "resnet"}, {})
    with pytest.raises(ValueError, match="softsign"):
        in_numpy.activate(np.zeros(1), "softsign")


def test_masks_are_drawn_by_the_networks_own_dropout() -> None:
    """Without dropout every thinned network is the whole one; with little they lie nearer to it than with much."""
    pool5, far = np.random.default_rng(2).random(8 * 2 * 2).astype(np.float32), {}
    for dropout in (0.0, 0.1, 0.5):
        _, ours = made(replace(SMALL, dropout=dropout))
        mean, whole = rendering.mean_of_masks(ours, pool5, 200), in_numpy.softmax(ours.logits(ours.hidden(pool5)))
        far[dropout] = float((mean * (np.log(mean) - np.log(whole))).sum())
    assert far[0.0] == pytest.approx(0, abs=1e-6) and far[0.1] < far[0.5]
