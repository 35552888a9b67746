"""What a step costs: the loop that is timed is the training loop, the ways take turns, memory and what crosses are counted."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from study import storage
from study.data.feeding import NO_AUGMENTATION, Feed
from study.measuring.cost import WAYS, CostSettings, InTurns, _crossing, exchange, fitting, measure, time_steps, two_devices
from study.measuring.memory import peak_of_a_step
from study.network.alexnet import AlexNet
from study.network.four_layer import FourLayerSettings
from study.network.settings import AlexNetSettings
from study.paper import numbers
from study.training.run import RunSettings
from tests.conftest import MACHINE

SETTINGS = CostSettings(run="base", steps=2, rounds=3)


def test_every_round_times_every_way(
    tiny_set: Path, tiny_run: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told: list[int] = []
    rows = time_steps(tiny_run, MACHINE, tiny_set, SETTINGS, told.append)
    assert [row[:2] for row in rows] == [[number, way] for number in range(3) for way in WAYS]
    assert all(0 < row[2] < 5 for row in rows)
    assert sum(told) == SETTINGS.epochs * 2 * tiny_run.learning.batch
    assert not (tmp_path / storage.WORK).exists(), "nothing is saved while the clock runs"
    apart = two_devices(tiny_run, MACHINE)
    assert apart.devices == ("cpu", "cpu") and two_devices(tiny_run, apart) == apart
    slower = [[number, way, 2 * seconds] for number, way, seconds in rows]
    made = measure(tiny_run, 24, SETTINGS, {MACHINE: rows, apart: slower})
    assert set(made["seconds"]) == set(WAYS) and made["devices"] == ["cpu"]
    crossing, step = made["exchange"], 2 * made["seconds"]["one batch again"]
    assert crossing["devices"] == ["cpu", "cpu"] and crossing["share"] == pytest.approx(crossing["seconds"] / step)


def test_the_feed_changes_its_way_with_every_epoch(tiny_set: Path, tiny_run: RunSettings) -> None:
    cpu, batch = torch.device("cpu"), 16
    plain, augmented = (Feed(tiny_set, ("train",), 55, cpu, how, first=32) for how in (NO_AUGMENTATION, tiny_run.augmentation))
    feed = InTurns(plain, augmented, batch)
    epochs = [[pictures for _, _, pictures, _ in feed.training_batches(0, epoch, batch)] for epoch in range(1, 7)]
    assert all(len(epoch) == 2 for epoch in epochs)
    assert torch.equal(epochs[0][0], epochs[0][1]) and torch.equal(epochs[0][0], epochs[3][0])
    expected = [
        [pictures for _, _, pictures, _ in of.training_batches(0, epoch, batch)] for of, epoch in ((plain, 2), (augmented, 3))
    ]
    for found, wanted in zip(epochs[1:3], expected, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))


def test_few_pictures_are_timed_in_fewer_steps(tiny_run: RunSettings) -> None:
    assert fitting(SETTINGS, tiny_run, 1000) == SETTINGS
    assert fitting(SETTINGS, tiny_run, 31).steps == 1
    with pytest.raises(ValueError, match="learning.batch is 16, more than the 15 training pictures; lower it"):
        fitting(SETTINGS, tiny_run, 15)
    with pytest.raises(ValueError, match="give one step and two rounds, or more"):
        replace(SETTINGS, rounds=1)


def test_the_paper_s_network_would_fit_one_gpu_of_three_gigabytes() -> None:
    """Weights, velocities and gradients by count are a part of what is alive, and two devices share what one holds."""
    (one,) = peak_of_a_step(AlexNetSettings(), 1000, 128, 1)
    both = peak_of_a_step(AlexNetSettings(), 1000, 128, 2)
    assert numbers.weight_memory() < one < 3 * 2**30
    assert max(both) < 0.6 * one and sum(both) > one


def test_a_network_without_columns_has_no_memory_to_divide(tiny_run: RunSettings) -> None:
    run = replace(tiny_run, network=FourLayerSettings(architecture="four_layer"))
    rows = [[0, way, 0.1] for way in WAYS]
    made = measure(run, 10, SETTINGS, {two_devices(run, MACHINE): rows})
    assert made["memory"] is None and made["memory_of_the_paper"]["1"] and made["exchange"] is None


def test_what_crosses_is_the_paper_s_count() -> None:
    """Each column sends a half of pool2, pool5, layer 6 and layer 7 a picture, forward; gradients come back."""
    sent = sum(int(torch.tensor(shape).prod()) for shape in _crossing(AlexNetSettings()))
    assert sent == numbers.exchanged()


def test_crossing_is_timed_where_columns_have_devices_of_their_own(tiny_run: RunSettings) -> None:
    apart = replace(MACHINE, devices=("cpu", "cpu"))
    found = exchange(tiny_run, apart, 24, step=0.5)
    assert found is not None and 0 < found["share"] < 1 and found["share"] == pytest.approx(found["seconds"] / 0.5)
    sent = sum(int(torch.tensor(shape).prod()) for shape in _crossing(tiny_run.network))
    assert found["numbers"] == 2 * 2 * tiny_run.learning.batch * sent
    network = AlexNet(tiny_run.network, 24, [torch.device("cpu")] * 2)
    parts = [torch.full((1, 2), float(number)) for number in range(2)]
    assert all(torch.equal(received, torch.tensor([[0.0, 0.0, 1.0, 1.0]])) for received in network.communicate(parts))


def test_memory_is_counted_in_float32_whatever_the_study_computes_in() -> None:
    small = AlexNetSettings(crop=55, stride=2, kernels=(8, 8, 8, 8, 8), neurons=(16, 16))
    counted = peak_of_a_step(small, 10, 4, 1)
    torch.set_default_dtype(torch.float64)
    try:
        assert peak_of_a_step(small, 10, 4, 1) == counted
    finally:
        torch.set_default_dtype(torch.float32)
    assert peak_of_a_step(replace(small, normalisation="batch"), 10, 4, 1)[0] > 0
