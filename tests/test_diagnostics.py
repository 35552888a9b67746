"""What trainings measure of their layers: against references, in every variant, and without a trace in what they train."""

import csv
import dataclasses
import hashlib
import shutil
import time
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from study import storage
from study.data.feeding import NO_AUGMENTATION, AugmentationSettings, Feed
from study.machine import Machine, set_up
from study.network.building import Network, NetworkSettings, build
from study.network.four_layer import FourLayerSettings
from study.training import loop, outputs
from study.training.checkpoint import Checkpoints
from study.training.diagnostics import Diagnostics, slope, steepest, unit_shares
from study.training.progress import Stopwatch
from study.training.recipes import CODE145
from study.training.run import RunSettings, train_seed
from tests.conftest import LEARNING, MACHINE, TINY

CPU = torch.device("cpu")
FOUR = FourLayerSettings(architecture="four_layer", crop=24, kernels=(8, 8, 4, 4))
LAYERS = ["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"]


def _tiny(**changes: object) -> NetworkSettings:
    return dataclasses.replace(TINY, **changes)


CODE = _tiny(activation_1="after_pooling", spatial_normalisation=CODE145["network"]["spatial_normalisation"])
NETWORKS: dict[str, NetworkSettings] = {
    "base": TINY,
    "released code": CODE,
    "batch normalisation": _tiny(normalisation="batch"),
    "no normalisation": _tiny(normalisation="none"),
    "tanh": _tiny(activation="tanh"),
    "threshold": _tiny(activation="threshold"),
    "gelu": _tiny(activation="gelu"),
    "one column": _tiny(columns=1),
    "no communication": _tiny(communication=False),
    "average pooling": _tiny(pooling="average", input_scale=0.02),
    **{f"without {layer}": _tiny(without=layer) for layer in LAYERS[:5]},
    "four layers": FOUR,
    "four layers, response normalisation": dataclasses.replace(FOUR, normalisation="response", activation="tanh"),
}
MACHINES = {
    "two devices": dataclasses.replace(MACHINE, devices=("cpu", "cpu")),
    "bfloat16": dataclasses.replace(MACHINE, precision="bfloat16"),
    "float64": dataclasses.replace(MACHINE, precision="float64"),
    "compiled": dataclasses.replace(MACHINE, compiled=True),
}
COMPILERS = [command for command in ("g++", "clang++") if shutil.which(command)]
MARKS = {
    "compiled": [
        pytest.mark.slow,
        pytest.mark.filterwarnings("ignore"),  # torch's compiler warns
        pytest.mark.skipif(not COMPILERS, reason="no C++ compiler"),
    ]
}
CASES = [(name, "cpu") for name in NETWORKS]
CASES += [pytest.param("base", name, marks=MARKS.get(name, ())) for name in MACHINES]  # type: ignore[misc]


def _trained(name: str, machine: str, packed: Path, measured: bool) -> tuple[Network, loop.Progress]:
    """Two epochs of 48 pictures, from the same seed."""
    applied = set_up(MACHINES.get(machine, MACHINE))
    network = build(NETWORKS[name], 24, applied)
    feed, validation = (
        Feed(packed, (split,), network.settings.crop, CPU, AugmentationSettings(), 48) for split in ("train", "validation")
    )
    learning = dataclasses.replace(LEARNING, epochs=2)
    diagnostics = Diagnostics(network, applied, validation, 2000) if measured else None
    progress = loop.train(network, feed, validation, learning, 0, Checkpoints("none"), loop.Callbacks(), diagnostics=diagnostics)
    return network, progress


@pytest.mark.parametrize(("name", "machine"), CASES)
def test_measuring_leaves_no_trace_in_what_is_trained(name: str, machine: str, tiny_set: Path) -> None:
    """Weights, running statistics and losses are the same bits; and every layer of every variant is measured."""
    plain, (network, progress) = _trained(name, machine, tiny_set, False), _trained(name, machine, tiny_set, True)
    for one, other in zip(plain[0].state_dict().items(), network.state_dict().items(), strict=True):
        assert one[0] == other[0] and torch.equal(one[1], other[1]), one[0]
    assert plain[1].curve == progress.curve and not plain[1].layers
    named = [key.split(".")[-2] for key, value in network.named_parameters() if key.endswith("weight")]
    layers = [layer for layer in dict.fromkeys(named) if not layer.startswith("normalise")]
    assert [row[:2] for row in progress.layers] == [[epoch, layer] for epoch in (0, 1, 2) for layer in layers]
    for row in progress.layers:
        found = dict(zip(outputs.LAYERS, row, strict=True))
        assert found["deviation"] > 0 and found["gradient"] >= 0
        assert (found["dead"] is None) == (found["layer"] in ("fc8", "fc10"))
        responds = getattr(network.settings, "normalisation", "none") == "response" and found["layer"] in layers[:2]
        if name == "without conv1" or name == "without conv2":  # pool2 follows the first convolution left, and one normalisation
            responds = responds and found["layer"] == layers[0]
        assert (found["divisor"] is not None) == responds, row


def test_sums_and_divisors_are_those_of_a_reference(tiny_set: Path) -> None:
    """The first two layers of two columns, computed here as the formula is printed."""
    network = build(TINY, 24, Machine())
    network.initialise(5)
    feed = Feed(tiny_set, ("validation",), 55, CPU, AugmentationSettings())
    rows = {
        row[1]: dict(zip(outputs.LAYERS, row, strict=True)) for row in Diagnostics(network, Machine(), feed, 2000).measure(0).rows
    }
    pictures, _ = feed.sample(16)
    both: dict[str, list[Tensor]] = {"conv1": [], "conv2": []}
    divisors: dict[str, list[Tensor]] = {"conv1": [], "conv2": []}
    for column in network.columns:
        x = F.pad(pictures, (0, network.overhang, 0, network.overhang))
        for layer in both:
            sums = getattr(column, layer)(x)
            a = F.relu(sums)
            d = torch.stack(
                [
                    (2 + 1e-4 * sum(a[:, j] ** 2 for j in range(max(0, i - 2), min(a.shape[1], i + 3)))) ** 0.75
                    for i in range(a.shape[1])
                ],
                1,
            )
            both[layer].append(sums)
            divisors[layer].append(d[:, :, ::2, ::2])
            x = F.max_pool2d(a / d, 3, stride=2, ceil_mode=True)
    for layer, parts in both.items():
        sums, d = torch.cat(parts, 1).detach(), torch.cat([part.flatten() for part in divisors[layer]]).detach()
        found = rows[layer]
        assert found["deviation"] == pytest.approx(float(sums.std(correction=0)), rel=1e-5)
        assert found["saturated"] == pytest.approx(float((sums <= 0).float().mean()), abs=1e-6)
        assert found["dead"] == pytest.approx(float((sums <= 0).all(dim=3).all(dim=2).all(dim=0).float().mean()), abs=1e-6)
        assert found["divisor"] == pytest.approx(float(d.mean()), rel=1e-5)
        assert found["divisor_99"] == pytest.approx(float(np.quantile(d.numpy(), 0.99)), rel=1e-3)


@pytest.mark.parametrize("name", ["base", "one column", "batch normalisation", "four layers"])
def test_gradients_are_those_of_the_network_in_the_test_s_mode(name: str, tiny_set: Path) -> None:
    """Of the mean loss of the fixed batch, without dropout, over all columns."""
    network = build(NETWORKS[name], 24, Machine())
    network.initialise(5)
    feed = Feed(tiny_set, ("validation",), network.settings.crop, CPU, AugmentationSettings())
    measured = Diagnostics(network, Machine(), feed, 2000).measure(0)
    pictures, labels = feed.sample(16)
    loss = F.cross_entropy(network.eval()(pictures), labels)
    loss.backward()
    assert measured.loss == pytest.approx(loss.item(), rel=1e-5)
    for _, layer, *rest in measured.rows:
        own = [w.grad for key, w in network.named_parameters() if key.split(".")[-2] == layer]
        assert rest[3] == pytest.approx(float(torch.cat([g.flatten() for g in own]).norm()), rel=1e-3), layer


def test_dead_kernels_and_neurons_are_counted(tiny_set: Path) -> None:
    """Three of eight kernels of conv2 and one of sixteen neurons of fc6 never pass their ReLU."""
    network = build(TINY, 24, Machine())
    network.initialise(5)
    with torch.no_grad():
        network.columns[0].conv2.bias[:2] = -1e6
        network.columns[1].conv2.bias[3] = -1e6
        for column in network.columns:
            column.conv2.bias[column.conv2.bias > -1e6] = 1e3
            column.fc6.bias.fill_(1e6)
        network.columns[1].fc6.bias[0] = -1e9
    feed = Feed(tiny_set, ("validation",), 55, CPU, AugmentationSettings())
    dead = {row[1]: row[2] for row in Diagnostics(network, Machine(), feed, 2000).measure(0).rows}
    assert dead["conv2"] == 3 / 8 and dead["fc6"] == 1 / 16 and dead["fc8"] is None


def test_a_unit_of_a_local_layer_is_a_position(tiny_set: Path) -> None:
    """Its kernels are not shared: one dead position of one map is one dead unit of maps x positions."""
    network = build(FOUR, 24, Machine())
    network.initialise(5)
    with torch.no_grad():
        network.local3.bias.fill_(1e3)
        network.local3.bias[1, 2, 3] = -1e6
    feed = Feed(tiny_set, ("validation",), 24, CPU, AugmentationSettings())
    rows = {row[1]: row for row in Diagnostics(network, Machine(), feed, 2000).measure(0).rows}
    assert rows["local3"][2] == pytest.approx(1 / (4 * 6 * 6)) and rows["local3"][3] == pytest.approx(1 / (4 * 6 * 6))


@pytest.mark.parametrize(
    ("activation", "largest", "flat", "steep"),
    [
        ("relu", 1.0, -0.1, 0.1),
        ("tanh", 1.0, 2.3, 2.0),
        ("sigmoid", 0.25, -4.5, -4.0),
        ("straight_through", 1.0, None, -5.0),
        ("threshold", 0.0, 3.0, None),
        ("leaky_relu", 1.0, -1.0, 1.0),
    ],
)
def test_where_an_activation_is_flat(activation: str, largest: float, flat: float | None, steep: float | None) -> None:
    """At a twentieth of the steepest slope: tanh' is 0.039 at 2.3 and 0.071 at 2; the threshold is flat everywhere."""
    assert steepest(activation) == pytest.approx(largest, rel=1e-3)  # type: ignore[arg-type]
    for at, saturated in ((flat, 1.0), (steep, 0.0)):
        if at is not None:
            sums = torch.full((2, 3), at)
            assert unit_shares(sums, activation, shared=False) == (saturated, saturated)  # type: ignore[arg-type]
    assert slope(torch.zeros(3, requires_grad=True), "tanh").tolist() == [1, 1, 1]


def test_the_batch_never_changes_and_is_spread_over_the_set(tiny_set: Path) -> None:
    feed = Feed(tiny_set, ("train", "validation"), 55, CPU, NO_AUGMENTATION)
    (first, labels), (again, _) = feed.sample(5), feed.sample(5)
    assert torch.equal(first, again)
    everything, all_labels = next(feed.test_batches(len(feed)))
    numbers = [0, 24, 48, 72, 96]
    assert torch.equal(first, everything[numbers]) and torch.equal(labels, all_labels[numbers])
    assert len(feed.sample(1000)[1]) == 120 and torch.equal(feed.sample(1000)[1], all_labels)


def test_kernels_and_layers_by_epoch(
    tiny_run: RunSettings, tiny_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seven epochs: kernels of 0, 1, 2, 3, 5 and the last, from the initialisation to the weights that are kept."""
    monkeypatch.setattr(storage, "WORK", tmp_path / "work")
    run = dataclasses.replace(tiny_run, learning=dataclasses.replace(tiny_run.learning, epochs=7), share=0.25)
    end = train_seed(run, MACHINE, tiny_set, tmp_path / "out", "tiny", 0, lambda _: None)
    kept = np.load(tmp_path / "out/kernels-by-epoch.npz")
    assert kept["epochs"].tolist() == [0, 1, 2, 3, 5, 7] and kept["kernels"].dtype == np.float16
    assert kept["kernels"].shape == (6, 4, 11, 11, 3)
    start = build(run.network, 24, Machine())
    start.initialise(loop.derived_seed(0, "weights"))
    assert np.array_equal(kept["kernels"][0], start.kernels().half().numpy())
    assert np.array_equal(kept["kernels"][-1], np.load(tmp_path / "out/kernels.npy").astype(np.float16))
    assert not np.array_equal(kept["kernels"][-1], kept["kernels"][-2])
    with open(tmp_path / "out/layers.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == outputs.LAYERS
    assert [(int(row["epoch"]), row["layer"]) for row in rows] == [(epoch, layer) for epoch in range(8) for layer in LAYERS]
    assert all(len(end[name]) == 7 and min(end[name]) > 0 for name in ("epoch_seconds", "epoch_processor_seconds"))


def test_processor_seconds_are_those_of_all_threads() -> None:
    """A thread works while the one that measures waits."""
    stopwatch, waited = Stopwatch(), time.thread_time()
    worker = Thread(target=lambda: [hashlib.sha256(bytes(1 << 20)).digest() for _ in range(100)])
    worker.start()
    worker.join()
    seconds, processor_seconds = stopwatch.lap()
    assert seconds > 0 and processor_seconds > 10 * (time.thread_time() - waited)
    assert stopwatch.lap()[0] < seconds, "a lap begins where the last one ended"


def test_the_copy_that_is_measured_is_not_rounded(tiny_set: Path) -> None:
    """A network that trains in bfloat16 is measured with the digits of its weights."""
    machine = set_up(MACHINES["bfloat16"])
    network = build(TINY, 24, machine)
    network.initialise(1)
    feed = Feed(tiny_set, ("validation",), 55, CPU, AugmentationSettings())
    rounded, exact = (Diagnostics(network, applied, feed, 2000).measure(0).rows for applied in (machine, Machine()))
    assert rounded == exact
