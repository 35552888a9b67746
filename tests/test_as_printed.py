"""The networks that are trained against the ones to be read (study/as_printed.py): values and all gradients."""

import dataclasses
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from study import as_printed
from study.checking import checked
from study.network.activations import ACTIVATIONS, ActivationName
from study.network.alexnet import AlexNet
from study.network.four_layer import PART, FourLayer, FourLayerSettings
from study.network.normalisation import response_normalisation
from study.network.settings import AlexNetSettings
from study.training.recipes import RECIPES, Recipe

CPU = torch.device("cpu")
PRINTED = {"paper": as_printed.alexnet, "code145": as_printed.alexnet_145}
QUARTER = {"crop": 55, "stride": 2, "kernels": [24, 64, 96, 96, 64], "neurons": [1024, 1024]}
SEED = 5

Outcome = tuple[Tensor, dict[str, Tensor]]


def _alexnet(recipe: Recipe, line: dict, classes: int) -> AlexNet:
    settings = checked(AlexNetSettings, RECIPES[recipe].get("network", {}) | line, recipe)
    return _with_signal_in_every_layer(AlexNet(settings, classes, [CPU]))


def _with_signal_in_every_layer(network):
    """In float64, with weights that let every layer pass its signal on, so that no gradient is near 0."""
    generator = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        for name, weight in network.double().named_parameters():
            inputs = weight.shape[1] if "local" in name else weight[0].numel()
            deviation = 0.1 if name.endswith("bias") else (2 / inputs) ** 0.5
            weight.copy_(torch.randn(weight.shape, generator=generator, dtype=weight.dtype) * deviation)
    return network


def _pictures(count: int, side: int) -> Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(SEED), dtype=torch.float64) * 60


def _outcome(logits: Tensor, weights: dict[str, Tensor]) -> Outcome:
    loss = F.cross_entropy(logits, torch.arange(len(logits)) % logits.shape[1])
    return logits.detach(), dict(zip(weights, torch.autograd.grad(loss, list(weights.values())), strict=True))


def _assert_same(network: nn.Module, printed: Callable[[dict[str, Tensor], Tensor], Tensor], pictures: Tensor) -> None:
    """The same logits, and the same gradient of every parameter, relative to its largest element."""
    found = _outcome(network(pictures), dict(network.named_parameters()))
    weights = {name: weight.detach().requires_grad_() for name, weight in network.state_dict().items()}
    expected = _outcome(printed(weights, pictures), weights)
    torch.testing.assert_close(found[0], expected[0], rtol=1e-10, atol=1e-10)
    for name, gradient in expected[1].items():
        largest = gradient.abs().max()
        assert largest > 1e-9, f"the gradient of {name} shows nothing"
        assert (found[1][name] - gradient).abs().max() < 1e-10 * largest, name


def _masks(network: AlexNet, batch: int) -> tuple[Tensor, Tensor]:
    """The masks that the network draws for layers 6 and 7, a column after the other (B, n)."""
    drawn = []
    for number, _ in enumerate(network.columns):
        generator = torch.Generator().manual_seed(SEED + number)
        widths = (n // len(network.columns) for n in network.settings.neurons)
        drawn.append([torch.empty(batch, n, dtype=torch.float64).bernoulli_(0.5, generator=generator) for n in widths])
    layer_6, layer_7 = (torch.cat(parts, dim=1) for parts in zip(*drawn, strict=True))
    return layer_6, layer_7


@pytest.mark.parametrize("recipe", PRINTED)
def test_the_quarter_network_is_the_printed_one(recipe: Recipe) -> None:
    """In training, with the masks of its dropout, and in the test."""
    network, pictures = _alexnet(recipe, QUARTER, classes=24), _pictures(4, 55)
    network.draw_dropout_from(SEED)
    _assert_same(network, partial(PRINTED[recipe], kept=_masks(network, 4), stride=2), pictures)
    _assert_same(network.eval(), partial(PRINTED[recipe], stride=2), pictures)


@pytest.mark.parametrize("recipe", ["paper", pytest.param("code145", marks=pytest.mark.slow)])
def test_the_full_network_is_the_printed_one(recipe: Recipe) -> None:
    network = _alexnet(recipe, {}, classes=1000)
    _assert_same(network.eval(), PRINTED[recipe], _pictures(1, 224))


def test_the_recipes_differ_as_printed_too() -> None:
    """Else the two tests above could not tell one order from the other."""
    network, pictures = _alexnet("paper", QUARTER, classes=24), _pictures(2, 55)
    weights = network.state_dict()
    text, code = (printed(weights, pictures, stride=2) for printed in PRINTED.values())
    assert (text - code).abs().max() > 1e-3 * text.abs().max()


def _four_layer(**line: object) -> FourLayer:
    settings = checked(FourLayerSettings, {"architecture": "four_layer", **line}, "four_layer")
    return _with_signal_in_every_layer(FourLayer(settings, 10, CPU))


@pytest.mark.parametrize("crop", [24, 32])
@pytest.mark.parametrize("normalisation", ["none", "response"])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_the_four_layer_network_is_the_one_of_footnote_3(crop: int, normalisation: str, activation: ActivationName) -> None:
    """In training, where a CPU takes its pictures in parts, and in the test."""
    network = _four_layer(crop=crop, normalisation=normalisation, activation=activation)
    normalise = partial(response_normalisation, constants=network.settings.response)
    printed = partial(
        as_printed.four_layer, f=ACTIVATIONS[activation], **{"normalise": normalise} if normalisation == "response" else {}
    )
    pictures = _pictures(PART + 3, crop)
    _assert_same(network, printed, pictures)
    _assert_same(network.eval(), printed, pictures)


@pytest.mark.parametrize("activation", [name for name in ACTIVATIONS if name != "threshold"])  # which passes no gradient
def test_pooling_before_or_after_the_activation_is_the_same(activation: ActivationName) -> None:
    network = _four_layer(crop=12, kernels=[6, 6, 4, 4], activation=activation)
    _assert_same(network, partial(as_printed.four_layer, f=ACTIVATIONS[activation]), _pictures(3, 12))


@pytest.mark.parametrize("crop", [8, 13, 18, 21, 27])
def test_the_four_layer_network_at_any_size(crop: int) -> None:
    network = _four_layer(crop=crop, kernels=[4, 4, 4, 4])
    _assert_same(network, as_printed.four_layer, _pictures(2, crop))


def test_a_difference_in_one_constant_is_seen() -> None:
    """The comparison itself: another alpha, of one part in a million, does not pass."""
    network = _alexnet("paper", QUARTER, classes=24).eval()
    other = dataclasses.replace(network.settings, response=dataclasses.replace(network.settings.response, alpha=1.000001e-4))
    changed = AlexNet(other, 24, [CPU]).double().eval()
    changed.load_state_dict(network.state_dict())
    with pytest.raises(AssertionError):
        _assert_same(changed, partial(as_printed.alexnet, stride=2), _pictures(2, 55))
