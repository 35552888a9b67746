"""Section 4.2: halved outputs, and means over masks, on networks where the answer is known or can be had another way."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from study.data.feeding import NO_AUGMENTATION, Feed
from study.machine import derived_seed
from study.measuring.halving import COLUMNS, FEW, MEANS, HalvingSettings, _divergence, halve, has_dropout
from study.network.alexnet import AlexNet
from tests.conftest import TINY

SETTINGS = HalvingSettings(run="base", seed=0, pictures=10, masks=100, batch=4)


def _network(**lines: object) -> AlexNet:
    network = AlexNet(replace(TINY, **lines), 24)
    network.initialise(5)
    return network


@pytest.fixture(scope="module")
def feed(tiny_set: Path) -> Feed:
    return Feed(tiny_set, ("test",), 55, torch.device("cpu"), NO_AUGMENTATION)


def test_a_row_a_picture_and_the_few_masks_come_nearer(feed: Feed) -> None:
    rows, metrics = halve(_network(deviation=0.03), feed, SETTINGS, lambda _: None)
    assert [row[0] for row in rows] == list(range(10)) and len(rows[0]) == len(COLUMNS)
    assert [row[1] for row in rows] == feed.labels[:10].tolist()
    far = metrics["divergence"]
    assert far["geometric_1"] == pytest.approx(far["arithmetic_1"]), "of one mask both means are the mask"
    means = [far[f"geometric_{n}"] for n in FEW]
    assert means == sorted(means, reverse=True) and means[0] > 20 * means[-1]
    assert metrics["pictures"] == 10 and set(metrics["top1_error"]) == {*MEANS, "many"} and metrics["diverged"] == []


def test_right_or_wrong_a_picture_by_number_of_masks(feed: Feed) -> None:
    """Against masks drawn one by one. Weights are random, but large, so that pictures and masks differ."""
    network = _network(deviation=0.1)
    rows, metrics = halve(network, feed, SETTINGS, lambda _: None)
    table = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    for name, error in metrics["top1_error"].items():
        assert {row[f"right_{name}"] for row in table} <= {0, 1}
        assert error == pytest.approx(1 - np.mean([row[f"right_{name}"] for row in table]))
    pictures, labels = next(feed.test_batches(4))
    with torch.no_grad():
        right = network.eval()(pictures).argmax(dim=1) == labels
        assert [row["right_halved"] for row in table[:4]] == right.long().tolist()
        given, right = network.convolved(pictures), torch.zeros(4, dtype=torch.int64)
        network.train()
        for mask in range(100):
            network.draw_dropout_from(derived_seed("halving", SETTINGS.seed, 0, mask))
            one = network.classify(network.hidden(given)).argmax(dim=1) == labels
            assert mask or [row["right_geometric_1"] for row in table[:4]] == one.long().tolist()
            right += one
    assert [row["masks_right"] for row in table[:4]] == right.tolist()
    assert len({row["masks_right"] for row in table}) > 2, "mistakes would show"


def test_of_one_linear_layer_halving_is_the_geometric_mean() -> None:
    """With dropout before the softmax alone, the normalised geometric mean over all masks has halved logits: exactly."""
    torch.manual_seed(0)
    x, weight = torch.randn(5, 6, dtype=torch.float64), torch.randn(6, 4, dtype=torch.float64)
    masks = torch.tensor([[mask >> bit & 1 for bit in range(6)] for mask in range(64)], dtype=torch.float64)
    logs = torch.stack([((x * mask) @ weight).log_softmax(dim=1) for mask in masks])
    mean, halved = logs.mean(dim=0).log_softmax(dim=1), (0.5 * x @ weight).log_softmax(dim=1)
    torch.testing.assert_close(mean, halved)
    assert _divergence(mean, halved).abs().max() < 1e-12


def test_layers_1_to_5_are_computed_once_and_masks_are_those_of_training(feed: Feed) -> None:
    network = _network()
    pictures, _ = next(feed.test_batches(4))
    with torch.no_grad():
        given = network.eval().convolved(pictures)
        assert torch.equal(network.classify(network.hidden(given)), network(pictures))
        network.train().draw_dropout_from(7)
        whole = network(pictures)
        network.draw_dropout_from(7)
        assert torch.equal(network.classify(network.hidden(given)), whole)
        network.draw_dropout_from(8)
        assert not torch.equal(network.classify(network.hidden(given)), whole)


def test_it_is_the_same_every_time_and_for_the_pictures_before_the_last_batch(feed: Feed) -> None:
    once, again = (halve(_network(), feed, SETTINGS, lambda _: None) for _ in range(2))
    fewer, _ = halve(_network(), feed, replace(SETTINGS, pictures=8), lambda _: None)
    assert once == again and fewer == once[0][:8]


def test_more_pictures_than_there_are_take_all(feed: Feed) -> None:
    rows, metrics = halve(_network(), feed, replace(SETTINGS, pictures=1000, batch=24), lambda _: None)
    assert len(rows) == metrics["pictures"] == len(feed)


def test_a_network_without_dropout_is_refused_in_a_sentence(feed: Feed) -> None:
    network = _network(dropout=0.0)
    assert not has_dropout(network)
    with pytest.raises(ValueError, match="the network of base has no dropout .* name another run"):
        halve(network, feed, SETTINGS, lambda _: None)


@pytest.mark.parametrize("lines", [{"pictures": 0}, {"masks": 3}, {"batch": 0}])
def test_settings_are_refused_in_a_sentence(lines: dict) -> None:
    with pytest.raises(ValueError, match="give at least one picture, and 100 masks or more"):
        replace(SETTINGS, **lines)


def test_progress_counts_masks(feed: Feed) -> None:
    told: list[int] = []
    halve(_network(), feed, SETTINGS, told.append)
    assert np.sum(told) == pytest.approx(3 * (100 + FEW[-1]), abs=3)


def test_batch_normalisation_keeps_what_it_learned(feed: Feed) -> None:
    """Masks are drawn as in training; its statistics stay those of the test."""
    network = _network(normalisation="batch")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    once, _ = halve(network, feed, replace(SETTINGS, batch=24), lambda _: None)
    twice, _ = halve(network, feed, SETTINGS, lambda _: None)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert [row[2] > 0 for row in once] == [row[2] > 0 for row in twice]
