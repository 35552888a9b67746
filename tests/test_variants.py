"""Every variant is a line of settings, and does what its line says; and the two recipes differ where they should."""

import copy
import dataclasses
import math
from typing import Any, get_args, get_type_hints

import pytest
import torch

from stages.settings import resolve
from study.machine import Machine
from study.network.activations import ACTIVATIONS
from study.network.alexnet import AlexNet
from study.network.building import NetworkSettings, build
from study.network.four_layer import FourLayerSettings
from study.network.normalisation import BatchNormalisation, InTurn, ResponseNormalisation, SpatialNormalisation
from study.network.settings import AlexNetSettings
from tests.test_settings import PARAMS

SMALL = AlexNetSettings(crop=55, stride=2, kernels=(8, 16, 24, 24, 16), neurons=(32, 32), deviation_conv345=0.03)
META = [torch.device("meta")]

# Parameters of the full network with 1,000 classes, counted by hand from the layers' sizes.
PARAMETERS: list[tuple[dict[str, Any], int]] = [
    ({}, 60_965_224),
    ({"columns": 1}, 62_378_344),  # one large GPU, no groups
    ({"columns": 1, "kernels": (48, 128, 192, 192, 256)}, 59_798_312),  # run 145-half
    ({"communication": False, "kernels": (96, 320, 384, 384, 256), "neurons": (8192, 4096)}, 60_714_408),  # run 150
    ({"normalisation": "batch"}, 60_965_224 + 2 * (96 + 256)),
    ({"pooling": "local", "paddings": (1, 1, 1, 0)}, 60_965_224),  # run 147
    ({"pooling": "average"}, 60_965_224),
    ({"spatial_normalisation": True, "activation_1": "after_pooling"}, 60_965_224),
    ({"without": "conv1"}, 60_965_224 - 34_944 - 307_456 + 256 * (363 + 1)),
    ({"without": "conv2"}, 60_965_224 - 307_456 - 885_120 + 384 * (9 * 96 + 1)),
    ({"without": "conv3"}, 60_965_224 - 885_120 - 663_936 + 384 * (9 * 256 + 1)),
    ({"without": "conv4"}, 60_965_224 - 663_936),  # conv5 reads 192 maps either way
    ({"without": "conv5"}, 60_965_224 - 442_624 + 4096 * 36 * (384 - 256)),
]


@pytest.mark.parametrize(("line", "parameters"), PARAMETERS)
def test_parameters_of_a_variant(line: dict[str, Any], parameters: int) -> None:
    network = AlexNet(AlexNetSettings(**line), 1000, META)
    assert sum(p.numel() for p in network.parameters()) == parameters


VARIANTS: list[dict[str, Any]] = [line for line, _ in PARAMETERS if "kernels" not in line] + [
    {"communication": False},
    {"dropout": 0.0},
    {"bias": 0.1},
    {"bias": 0.0},
    {"input_scale": 1 / 255},
    {"normalisation": "none"},
    {"normalisation": "none", "spatial_normalisation": True},
    {"normalisation": "batch", "spatial_normalisation": True},
    *({"activation": name} for name in ACTIVATIONS),
]


def test_every_choice_has_a_variant() -> None:
    """The guard: a choice added to the settings must be added above."""
    tried = {(name, value) for line in VARIANTS for name, value in line.items()}
    for name, hint in get_type_hints(AlexNetSettings).items():
        default = getattr(SMALL, name)
        missing = [
            value for value in get_args(hint) if isinstance(value, str) and value != default and (name, value) not in tried
        ]
        assert not missing, f"{name}: {missing}"


@pytest.mark.parametrize("line", VARIANTS, ids=str)
def test_a_variant_trains_a_step_on_one_device_and_on_two(line: dict[str, Any]) -> None:
    settings = dataclasses.replace(SMALL, **line)
    pictures, losses = torch.randn(4, 3, 55, 55) * 60, []
    for devices in (1, settings.columns):
        network = AlexNet(settings, 5, [torch.device("cpu")] * devices).double()
        network.initialise(1)
        network.draw_dropout_from(2)
        loss = torch.nn.functional.cross_entropy(network(pictures), torch.arange(4))
        loss.backward()
        assert all(w.grad is not None and w.grad.isfinite().all() for w in network.parameters())
        losses.append(loss.item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-10) and math.isfinite(losses[0])


def test_the_threshold_passes_no_gradient_and_the_straight_through_one_does() -> None:
    x = torch.tensor([-2.0, 0.0, 0.5, 3.0], requires_grad=True)
    weights = torch.tensor([1.0, 2.0, 3.0, 4.0])
    for name, gradient in (("threshold", torch.zeros(4)), ("straight_through", weights)):
        y = ACTIVATIONS[name](x)  # type: ignore[index]
        assert y.tolist() == [0, 0, 1, 1]
        assert torch.equal(torch.autograd.grad((y * weights).sum(), x)[0], gradient)


def test_input_scale_acts_before_conv1_and_in_the_test_too() -> None:
    plain, scaled = (AlexNet(dataclasses.replace(SMALL, input_scale=s), 5).double().eval() for s in (1.0, 0.5))
    plain.initialise(1)
    scaled.initialise(1)
    pictures = torch.randn(2, 3, 55, 55, dtype=torch.float64) * 60
    torch.testing.assert_close(scaled(pictures), plain(pictures / 2))


def test_layer_1_of_the_released_code_normalises_before_its_relu() -> None:
    """Negative responses then count in their neighbours' divisors, so the order shows."""
    text, code = (AlexNet(dataclasses.replace(SMALL, activation_1=a), 5) for a in ("before_normalisation", "after_pooling"))
    x = torch.randn(2, 8, 23, 23) * 300
    by_text, by_code = (network._finish_layer_1(list(network.columns), x) for network in (text, code))  # type: ignore[arg-type]
    normalised = torch.cat([text.columns[0].normalise1(half) for half in x.chunk(2, dim=1)], dim=1)
    torch.testing.assert_close(by_code, torch.relu(text.pool(normalised)))
    assert not torch.allclose(by_text, by_code, rtol=1e-3)


def test_where_normalisations_stand() -> None:
    def kinds(**line: Any) -> list[Any]:
        column = AlexNet(dataclasses.replace(SMALL, **line), 5, META).columns[0]
        return [type(column.normalise1), type(column.normalise2)]

    assert kinds() == [ResponseNormalisation] * 2
    assert kinds(normalisation="batch") == [BatchNormalisation] * 2
    assert kinds(spatial_normalisation=True) == [ResponseNormalisation, InTurn]
    after = AlexNet(dataclasses.replace(SMALL, spatial_normalisation=True), 5, META).columns[0].normalise2
    assert [type(layer) for layer in after] == [ResponseNormalisation, SpatialNormalisation]


@pytest.mark.parametrize("settings", [SMALL, FourLayerSettings(architecture="four_layer", crop=12, kernels=(4, 4, 4, 4))])
def test_an_initialised_network_knows_nothing_of_what_it_saw_before(settings: NetworkSettings) -> None:
    """The running statistics of batch normalisation too."""
    network = build(dataclasses.replace(settings, normalisation="batch"), 5, Machine())
    network.initialise(1)
    fresh = copy.deepcopy(network.state_dict())
    network(torch.randn(4, 3, settings.crop, settings.crop) * 60)
    changed = network.state_dict()
    assert any(not torch.equal(changed[name], value) for name, value in fresh.items())
    network.initialise(1)
    assert all(torch.equal(network.state_dict()[name], value) for name, value in fresh.items())


def _run(**lines: Any) -> Any:
    params = copy.deepcopy(PARAMS)
    params["train"] = {"network": {"architecture": "alexnet"}, "seeds": [0]}
    params["runs"] = {"base": {"network": {"crop": 39}, **lines}}
    params["retrieve"]["run"] = "base"
    return resolve(params).runs["base"]


def test_the_papers_recipe_is_the_settings_own_defaults() -> None:
    run = _run()
    assert dataclasses.replace(run.network, crop=224) == AlexNetSettings()
    assert run.augmentation.alike == 1 and run.learning.bias_divisions is None


def test_the_released_codes_recipe() -> None:
    run = _run(recipe="code145", learning={"epochs": 7})
    network, learning, augmentation = run.network, run.learning, run.augmentation
    assert (network.response.alpha, network.deviation_conv345, network.deviation) == (2e-5, 0.03, 0.01)
    assert network.activation_1 == "after_pooling" and network.spatial_normalisation
    assert (learning.bias_rate, learning.bias_divisions, learning.bias_decay) == (2.0, (3,), False)
    assert (learning.conv1_slowed, learning.conv1_frozen, learning.rate.at) == (68, 72, (23, 51, 78))
    assert learning.epochs == 7, "a run's own line stands over its recipe"
    assert (augmentation.colour, augmentation.colour_divisor, augmentation.colour_until) == ("deviations", 1.1, 67)
    assert (augmentation.alike, augmentation.mean) == (32, "centre")


def test_an_unknown_recipe_is_refused() -> None:
    with pytest.raises(ValueError, match="runs.base.recipe is 'caffe'; use one of: paper, code145"):
        _run(recipe="caffe")
