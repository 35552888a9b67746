"""Section 3's numbers and laws: parameters, maps, which channels see which, and what crosses between the columns."""

import dataclasses

import pytest
import torch

from study.data.feeding import AugmentationSettings
from study.network.alexnet import AlexNet, AlexNetSettings, convolve, maps_after_pooling, overhang, parameters_of
from study.network.four_layer import FourLayer, FourLayerSettings
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


@pytest.mark.parametrize(
    ("crop", "stride", "pooling", "maps", "over"),
    [
        (224, 4, "overlapping", (27, 13, 6), 3),
        (55, 2, "overlapping", (11, 5, 2), 0),
        (55, 2, "local", (11, 5, 2), 0),
    ],
)
def test_maps(crop: int, stride: int, pooling: str, maps: tuple[int, int, int], over: int) -> None:
    assert overhang(crop, stride) == over
    assert maps_after_pooling(AlexNetSettings(crop=crop, stride=stride, pooling=pooling)) == maps  # type: ignore[arg-type]


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


def _network(settings: AlexNetSettings = SMALL, classes: int = 5) -> AlexNet:
    network = AlexNet(dataclasses.replace(settings, dropout=0.0), classes, [CPU]).double()
    network.initialise(7)
    return network


def _seen_by(network: AlexNet, layer: str, outputs: slice) -> torch.Tensor:
    """Which input maps of a layer's block reach some of its output maps, by gradient."""
    sizes = {"conv2": (8, 11), "conv3": (16, 5), "conv4": (24, 5), "conv5": (24, 5)}
    maps, side = sizes[layer]
    x = torch.randn(1, maps, side, side, dtype=torch.float64, requires_grad=True)
    layers = [getattr(column, layer) for column in network.columns]
    y = convolve(layers, x, groups=1 if layer == "conv3" else 2)
    y[:, outputs].sum().backward()
    return x.grad.abs().sum(dim=(0, 2, 3)) > 0  # type: ignore[union-attr]


@pytest.mark.parametrize("layer", ["conv2", "conv4", "conv5"])
def test_a_column_sees_only_its_own_maps(layer: str) -> None:
    network = _network()
    out = getattr(network.columns[0], layer).weight.shape[0]
    seen = _seen_by(network, layer, slice(0, out))
    half = len(seen) // 2
    assert seen[:half].all() and not seen[half:].any()


def test_conv3_sees_both_columns() -> None:
    assert _seen_by(_network(), "conv3", slice(0, 12)).all()


def test_normalisation_never_crosses_columns() -> None:
    network = _network()
    x = torch.randn(2, 8, 6, 6, dtype=torch.float64) * 50
    changed = x.clone()
    changed[:, 4:] *= 3
    one, other = network.normalise(x, 2), network.normalise(changed, 2)
    assert torch.equal(one[:, :4], other[:, :4])
    assert not torch.equal(network.normalise(x, 1)[:, :4], network.normalise(changed, 1)[:, :4])


def test_side_by_side_equals_column_by_column() -> None:
    """Columns computed together on one device give what a network of two devices computes column by column."""
    network = _network()
    apart = _network()
    apart.places = [[column] for column in apart.columns]
    x = torch.randn(3, 3, 55, 55, dtype=torch.float64) * 60
    together, separate = network(x), apart(x)
    torch.testing.assert_close(together, separate, rtol=1e-10, atol=1e-12)
    together.square().sum().backward()
    separate.square().sum().backward()
    for one, other in zip(network.parameters(), apart.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-10, atol=1e-12)


def test_initialisation_of_section_5() -> None:
    network = AlexNet(AlexNetSettings(), 10, [CPU])
    network.initialise(1)
    column = network.columns[0]
    assert column.fc7.weight.std().item() == pytest.approx(0.01, rel=0.01)
    assert column.conv1.weight.std().item() == pytest.approx(0.01, rel=0.05)
    ones = {name for name in PARAMETERS if (getattr(column, name).bias == 1).all()}
    zeros = {name for name in PARAMETERS if (getattr(column, name).bias == 0).all()}
    assert ones == {"conv2", "conv4", "conv5", "fc6", "fc7"} and zeros == {"conv1", "conv3", "fc8"}


def test_narrow_layers_start_wider() -> None:
    """Assumption A3: the deviation grows with the square root of the paper's fan-in over ours."""
    network = AlexNet(AlexNetSettings(neurons=(1024, 1024)), 10, [CPU])
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
        ({"crop": 40}, "nothing is left"),
        ({"deviation": 0.0}, "alike"),
    ],
)
def test_impossible_networks_are_refused(wrong: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        AlexNetSettings(**wrong)


def test_two_devices_for_one_column_are_refused() -> None:
    with pytest.raises(ValueError, match="one device, or one a column"):
        AlexNet(AlexNetSettings(columns=1, kernels=(8, 16, 24, 24, 16)), 5, [CPU, CPU])


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


def test_locally_connected_with_equal_kernels_is_a_convolution() -> None:
    network = FourLayer(FourLayerSettings(architecture="four_layer"), 10, CPU).double()
    local = network.local3
    kernel = torch.randn(32, 64, 3, 3, dtype=torch.float64)
    with torch.no_grad():
        local.weight.copy_(kernel.reshape(32, -1).T.expand_as(local.weight))
        local.bias.zero_()
    x = torch.randn(2, 64, 6, 6, dtype=torch.float64)
    torch.testing.assert_close(local(x), torch.nn.functional.conv2d(x, kernel, padding=1))


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
