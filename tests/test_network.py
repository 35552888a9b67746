"""Section 3's numbers: parameters, maps, initialisation, dropout; and the network of footnote 3."""

import dataclasses

import pytest
import torch

from study.data.feeding import AugmentationSettings
from study.machine import Machine
from study.network.alexnet import AlexNet, parameters_of
from study.network.building import build
from study.network.four_layer import PART, FourLayer, FourLayerSettings, LocallyConnected, _LocalProduct
from study.network.geometry import overhang
from study.network.settings import AlexNetSettings, sides
from study.paper import numbers
from study.training.update import LearningSettings

PARAMETERS = {
    "conv1": 34_944,
    "conv2": 307_456,
    "conv3": 885_120,
    "conv4": 663_936,
    "conv5": 442_624,
    "fc6": 37_752_832,
    "fc7": 16_781_312,
    "fc8": 4_097_000,
}
CPU = torch.device("cpu")
SMALL = AlexNetSettings(crop=55, stride=2, kernels=(8, 16, 24, 24, 16), neurons=(32, 32))


@pytest.fixture(scope="module")
def paper() -> AlexNet:
    return AlexNet(AlexNetSettings(), 1000, [torch.device("meta")])


@pytest.mark.parametrize(("layer", "parameters"), PARAMETERS.items())
def test_parameters_of_each_layer(paper: AlexNet, layer: str, parameters: int) -> None:
    assert parameters_of(paper, layer) == parameters


def test_parameters_in_total(paper: AlexNet) -> None:
    assert sum(PARAMETERS.values()) == 60_965_224
    assert sum(p.numel() for p in paper.parameters()) == 60_965_224


def test_one_full_width_column_is_the_ungrouped_network() -> None:
    network = AlexNet(AlexNetSettings(columns=1), 1000, [torch.device("meta")])
    assert sum(p.numel() for p in network.parameters()) == 62_378_344


def test_half_width_column_of_run_145_half() -> None:
    settings = AlexNetSettings(columns=1, kernels=(48, 128, 192, 192, 256))
    network = AlexNet(settings, 1000, [torch.device("meta")])
    assert round(sum(p.numel() for p in network.parameters()) / 1e6, 1) == 59.8


RUN_147 = {"pooling": "local", "paddings": (1, 1, 1, 0)}


@pytest.mark.parametrize(
    ("changed", "maps", "over"),
    [
        ({}, (55, 27, 27, 13, 13, 13, 13, 6), 3),
        (RUN_147, (55, 28, 26, 13, 13, 13, 11, 6), 3),  # the author's run without overlap has equal maps after pooling 2 and 5
        ({"without": "conv1"}, (55, 27, 27, 13, 13, 13, 13, 6), 3),
        ({"without": "conv4"}, (55, 27, 27, 13, 13, 13, 13, 6), 3),
        ({"crop": 55, "stride": 2}, (23, 11, 11, 5, 5, 5, 5, 2), 0),
        ({"crop": 55, "stride": 2, **RUN_147}, (23, 12, 10, 5, 5, 5, 3, 2), 0),
    ],
)
def test_maps(changed: dict, maps: tuple[int, ...], over: int) -> None:
    settings = AlexNetSettings(**changed)
    assert overhang(settings.crop, 11, settings.stride) == over
    assert sides(settings) == maps


def test_shapes_of_the_full_network() -> None:
    network = AlexNet(AlexNetSettings(), 1000, [CPU]).eval()
    shapes = {}

    def record(name):
        return lambda _, __, out: shapes.update({name: tuple(out.shape)} if name not in shapes else {})

    network.pool.register_forward_hook(record("pool1"))
    network.columns[0].fc6.register_forward_hook(record("fc6 of a column"))
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 224, 224)).shape == (1, 1000)
    assert shapes == {"pool1": (1, 96, 27, 27), "fc6 of a column": (1, 2048)}


def test_initialisation_of_section_5() -> None:
    network = AlexNet(AlexNetSettings(), 10, [CPU])
    network.initialise(1)
    column = network.columns[0]
    assert column.fc7.weight.std().item() == pytest.approx(0.01, rel=0.01)
    assert column.conv1.weight.std().item() == pytest.approx(0.01, rel=0.05)
    ones = {name for name in PARAMETERS if (getattr(column, name).bias == 1).all()}
    zeros = {name for name in PARAMETERS if (getattr(column, name).bias == 0).all()}
    assert ones == {"conv2", "conv4", "conv5", "fc6", "fc7"} and zeros == {"conv1", "conv3", "fc8"}


def test_narrow_layers_start_wider_where_asked() -> None:
    """Assumption A3: the deviation grows with the square root of the paper's fan-in over ours."""
    network = AlexNet(AlexNetSettings(neurons=(1024, 1024)), 10, [CPU])
    network.initialise(1)
    assert network.columns[0].fc7.weight.std().item() == pytest.approx(0.01, rel=0.01)
    network = AlexNet(AlexNetSettings(neurons=(1024, 1024), fan_in_scaling=True), 10, [CPU])
    network.initialise(1)
    assert network.columns[0].fc7.weight.std().item() == pytest.approx(0.02, rel=0.01)


def test_dropout_as_printed() -> None:
    network = AlexNet(SMALL, 5, [CPU])
    drop = network.columns[0].drop
    x = torch.full((1000, 32), 3.0)
    network.draw_dropout_from(3)
    drop.train()
    dropped = drop(x)
    assert set(dropped.unique().tolist()) == {0.0, 3.0}
    assert (dropped == 0).float().mean().item() == pytest.approx(0.5, abs=0.02)
    network.draw_dropout_from(3)
    assert torch.equal(drop(x), dropped)
    drop.eval()
    assert (drop(x) == 1.5).all()


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"dropout": 1.0}, "probability"),
        ({"kernels": (95, 256, 384, 384, 256)}, "do not divide"),
        ({"crop": 20}, "nothing is left"),
        ({"deviation": 0.0}, "alike"),
        ({"input_scale": 0.0}, "multiplies"),
        ({"paddings": (2, 1, 1, -1)}, "0 or more"),
    ],
)
def test_impossible_networks_are_refused(wrong: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        AlexNetSettings(**wrong)


@pytest.mark.parametrize(("crop", "side"), [(24, 6), (32, 8)])
def test_four_layer_network_of_footnote_3(crop: int, side: int) -> None:
    network = FourLayer(FourLayerSettings(architecture="four_layer", crop=crop), 10, CPU)
    network.initialise(1)
    counts = {
        name: sum(p.numel() for p in getattr(network, name).parameters()) for name in ("conv1", "conv2", "local3", "local4")
    }
    local3 = side * side * (64 * 9 * 32 + 32)  # every position its own kernels
    assert counts == {"conv1": 4864, "conv2": 102464, "local3": local3, "local4": side * side * (32 * 9 * 32 + 32)}
    assert network(torch.zeros(2, 3, crop, crop)).shape == (2, 10)


def test_the_four_layer_networks_parameters_keep_their_names_and_first_values() -> None:
    """What is in a file of weights, and what a seed stands for."""
    network = FourLayer(FourLayerSettings(architecture="four_layer"), 10, CPU)
    network.initialise(1)
    layers = ("conv1", "conv2", "local3", "local4", "fc10")
    assert list(network.state_dict()) == [f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")]
    assert network.local3.weight.shape == (36, 576, 32) and network.local3.bias.shape == (32, 6, 6)
    drawn = torch.Generator().manual_seed(1)
    for layer, deviation in (("conv1", 1e-4), ("conv2", 0.01), ("local3", 0.04), ("local4", 0.04), ("fc10", 0.01)):
        weight = network.get_parameter(f"{layer}.weight")
        assert torch.equal(weight, torch.empty(weight.shape).normal_(0, deviation, generator=drawn))


def _local(inputs: int, maps: int, side: int) -> LocallyConnected:
    local = LocallyConnected(inputs, maps, side).double()
    with torch.no_grad():
        for weight in local.parameters():
            weight.normal_()
    return local


def test_locally_connected_with_equal_kernels_is_a_convolution() -> None:
    local = _local(64, 32, 6)
    kernel = torch.randn(32, 64, 3, 3, dtype=torch.float64)
    with torch.no_grad():
        local.weight.copy_(kernel.reshape(32, -1).T.expand_as(local.weight))
        local.bias.zero_()
    x = torch.randn(2, 64, 6, 6, dtype=torch.float64)
    torch.testing.assert_close(local(x), torch.nn.functional.conv2d(x, kernel, padding=1))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_gradients_of_a_local_layer_by_differences(layout: torch.memory_format) -> None:
    local = _local(2, 3, 5)
    x = torch.randn(2, 2, 5, 5, dtype=torch.float64).contiguous(memory_format=layout).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, *_: local(x), (x, *local.parameters()))


@pytest.mark.parametrize("rows", [2, 3, 5])
def test_a_local_layer_is_the_same_however_many_rows_are_computed_at_a_time(rows: int) -> None:
    """One on a CPU, all on other devices."""
    x = torch.randn(7, 7, 2, 4, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(25, 18, 3, dtype=torch.float64, requires_grad=True)
    one, some = (_LocalProduct.apply(x, weight, number) for number in (1, rows))
    torch.testing.assert_close(some, one)
    slopes = torch.randn_like(one)
    for found, expected in zip(*(torch.autograd.grad(y, (x, weight), slopes) for y in (some, one)), strict=True):
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("normalisation", ["none", "response", "batch"])
def test_the_four_layer_network_trains_rounded_and_deterministic(normalisation: str) -> None:
    """bfloat16 by autocast stays near float32, and what torch may check of determinism is allowed."""
    settings = FourLayerSettings(architecture="four_layer", normalisation=normalisation)  # type: ignore[arg-type]
    pictures, labels = torch.randn(PART + 4, 3, 24, 24) * 60, torch.arange(PART + 4) % 10
    losses, was = [], torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        for precision in ("float32", "bfloat16"):
            network = build(settings, 10, Machine(precision=precision))  # type: ignore[arg-type]
            network.initialise(1)
            loss = torch.nn.functional.cross_entropy(network(pictures), labels)
            loss.backward()
            assert all(w.grad is not None and w.grad.dtype == torch.float32 for w in network.parameters())
            assert all(w.grad.isfinite().all() and w.grad.any() for w in network.parameters())  # type: ignore[union-attr]
            losses.append(loss.item())
    finally:
        torch.use_deterministic_algorithms(was)
    assert losses[1] == pytest.approx(losses[0], rel=0.02)


def test_batch_normalisation_in_the_four_layer_network_sees_the_whole_batch() -> None:
    """Though conv1 takes a part of the batch at a time: each map of layer 1 has mean 0 and variance 1 over all pictures."""
    network, plain = (
        FourLayer(FourLayerSettings(architecture="four_layer", normalisation=name), 10, CPU) for name in ("batch", "none")
    )
    network.initialise(1)
    more = sum(p.numel() for p in network.parameters()) - sum(p.numel() for p in plain.parameters())
    assert more == 2 * (64 + 64)  # a scale and a shift for each map of layers 1 and 2
    normalised: list[torch.Tensor] = []
    network.normalise1.register_forward_hook(lambda module, inputs, output: normalised.append(output))
    network(torch.randn(3 * PART, 3, 24, 24) * 60)
    (maps,) = normalised
    torch.testing.assert_close(maps.mean(dim=(0, 2, 3)), torch.zeros(64), atol=1e-4, rtol=0)
    torch.testing.assert_close(maps.var(dim=(0, 2, 3), correction=0), torch.ones(64), atol=0.1, rtol=0)


def test_the_defaults_are_the_papers_numbers() -> None:
    """What settings fall back to is what study/paper/ says, so that the two cannot drift apart."""
    network, learning = AlexNetSettings(), LearningSettings()
    assert (network.crop, network.stride, network.columns) == (numbers.CROP, numbers.STRIDE, numbers.COLUMNS)
    assert (network.kernels, network.neurons) == (numbers.KERNELS, numbers.NEURONS)
    assert dataclasses.asdict(network.response) == numbers.RESPONSE
    assert network.dropout == numbers.DROPOUT and network.bias == numbers.POSITIVE_BIAS
    assert network.deviation == network.deviation_conv345 == numbers.DEVIATION
    assert (learning.epochs, learning.batch) == (numbers.CYCLES, numbers.BATCH)
    assert (learning.momentum, learning.weight_decay) == (numbers.MOMENTUM, numbers.WEIGHT_DECAY)
    assert (learning.rate.initial, learning.rate.divisions) == (numbers.RATE, numbers.RATE_DIVISIONS)
    assert AugmentationSettings().colour_deviation == numbers.COLOUR_DEVIATION
