"""Figure 2's columns: which maps each sees, and that one device, two devices and one device twice compute the same."""

import dataclasses

import pytest
import torch
from torch.nn import functional as F

from study.network.alexnet import AlexNet, convolve
from study.network.normalisation import normalise
from study.network.settings import AlexNetSettings

SMALL = AlexNetSettings(crop=55, stride=2, kernels=(8, 16, 24, 24, 16), neurons=(32, 32))
CODE = dataclasses.replace(SMALL, activation_1="after_pooling", spatial_normalisation=True)
CUDA, TWO = torch.cuda.is_available(), torch.cuda.device_count() > 1
PLACEMENTS = [
    ("cpu", "cpu"),
    pytest.param(("cuda:0", "cpu"), marks=pytest.mark.skipif(not CUDA, reason="no GPU")),
    pytest.param(("cuda:0", "cuda:0"), marks=pytest.mark.skipif(not CUDA, reason="no GPU")),
    pytest.param(("cuda:0", "cuda:1"), marks=pytest.mark.skipif(not TWO, reason="no two GPUs")),
]


def _network(
    settings: AlexNetSettings = SMALL, devices: tuple[str, ...] = ("cpu",), dtype: torch.dtype = torch.float64
) -> AlexNet:
    network = AlexNet(settings, 5, [torch.device(name) for name in devices]).to(dtype)
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
    layers = [column.get_submodule("normalise1") for column in network.columns]
    one, other = normalise(layers, x), normalise(layers, changed)
    assert torch.equal(one[:, :4], other[:, :4])
    assert not torch.equal(normalise(layers[:1], x)[:, :4], normalise(layers[:1], changed)[:, :4])


def _outputs_and_gradients(network: AlexNet, pictures: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
    network.train()
    network.draw_dropout_from(3)
    logits = network(pictures)
    F.cross_entropy(logits, torch.arange(len(logits)).to(logits.device) % 5).backward()
    return logits.detach().cpu(), [w.grad.cpu() for w in network.parameters()]  # type: ignore[union-attr]


def _distance(one: torch.Tensor, other: torch.Tensor) -> float:
    """Largest difference, relative to the largest value."""
    return ((one - other).abs().max() / other.abs().max().clamp(min=1e-300)).item()


@pytest.mark.parametrize("settings", [SMALL, CODE, dataclasses.replace(SMALL, communication=False)])
@pytest.mark.parametrize("devices", PLACEMENTS)
@pytest.mark.parametrize(("dtype", "close"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_two_devices_compute_what_one_does(
    settings: AlexNetSettings, devices: tuple[str, ...], dtype: torch.dtype, close: float
) -> None:
    """Columns side by side on one device against each on its own; dropout is off where the devices draw differently."""
    settings = settings if devices == ("cpu", "cpu") else dataclasses.replace(settings, dropout=0.0)
    one, two = _network(settings, dtype=dtype), _network(settings, devices, dtype)
    assert [len(columns) for columns in two.columns_by_device] == [1, 1] and len(one.columns_by_device) == 1
    pictures = torch.randn(6, 3, 55, 55, dtype=dtype) * 60
    expected, found = _outputs_and_gradients(one, pictures), _outputs_and_gradients(two, pictures)
    assert _distance(found[0], expected[0]) < close
    for gradient, other in zip(found[1], expected[1], strict=True):
        assert _distance(gradient, other) < close


def test_a_checkpoint_fits_every_placement() -> None:
    one, two = _network(), _network(devices=("cpu", "cpu"))
    two.load_state_dict({name: value + 1 for name, value in one.state_dict().items()})
    assert list(one.state_dict()) == list(two.state_dict())
    assert torch.equal(two.columns[1].conv3.weight, one.columns[1].conv3.weight + 1)


def test_the_elements_that_cross_are_figure_2s() -> None:
    """30,336 an image, direction and column: pool2, pool5, fc6 and fc7 of a column."""
    network = AlexNet(AlexNetSettings(), 1000, [torch.device("cpu"), torch.device("cpu")]).eval()
    network.initialise(1)
    sent: list[list[int]] = []
    exchange = network.exchange
    network.exchange = lambda parts: (sent.append([part.numel() for part in parts]), exchange(parts))[1]  # type: ignore[method-assign, func-returns-value]
    with torch.no_grad():
        network(torch.zeros(1, 3, 224, 224))
    assert sent == [[128 * 13 * 13] * 2, [128 * 6 * 6] * 2, [2048] * 2, [2048] * 2]
    assert [sum(column) for column in zip(*sent, strict=True)] == [30_336, 30_336]


def test_columns_that_do_not_communicate_meet_in_fc8_alone() -> None:
    network = _network(dataclasses.replace(SMALL, communication=False, dropout=0.0))
    pictures = torch.randn(2, 3, 55, 55, dtype=torch.float64) * 60
    network.features(pictures)[0][:, :16].sum().backward()  # column 1's neurons of the last hidden layer
    assert network.columns[0].conv1.weight.grad.abs().sum() > 0
    assert all(w.grad is None or not w.grad.any() for w in network.columns[1].parameters())


def test_two_devices_for_one_column_are_refused() -> None:
    with pytest.raises(ValueError, match="one device, or one a column"):
        _network(dataclasses.replace(SMALL, columns=1), ("cpu", "cpu"))
