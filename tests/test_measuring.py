"""Ten-patch evaluation and nearest neighbours against the plain way of writing them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from study import files, storage
from study.data.feeding import NO_AUGMENTATION, Feed
from study.measuring import evaluation
from study.measuring.evaluation import Prediction, average, best_five, measure, predict, write_evaluation, wrong
from study.measuring.neighbours import features, nearest, pixels, table
from study.measuring.neighbours import measure as measure_neighbours
from study.network.alexnet import AlexNet
from tests.conftest import TINY

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def network() -> AlexNet:
    network = AlexNet(TINY, 24)
    network.initialise(5)
    return network.eval()


@pytest.fixture(scope="module")
def feed(tiny_set: Path) -> Feed:
    return Feed(tiny_set, ("test",), 55, CPU, NO_AUGMENTATION)


def test_ten_patches_picture_by_picture(network: AlexNet, feed: Feed) -> None:
    """The average of ten softmaxes, each of one patch on its own; the centre patch is one of them."""
    made = predict(network, feed, 7, lambda _: None)
    raw = feed.take(np.arange(len(feed))).float() - feed.mean
    for row in (0, 11, 23):
        outputs = []
        for mirrored in (False, True):
            for y, x in ((0, 0), (0, 9), (9, 0), (9, 9), (4, 4)):
                patch = raw[row, y : y + 55, x : x + 55].permute(2, 0, 1)
                with torch.no_grad():
                    outputs.append(network((patch.flip(2) if mirrored else patch)[None]).softmax(dim=1)[0])
        np.testing.assert_allclose(made.ten_patches[row], torch.stack(outputs).mean(dim=0), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(made.centre_patch[row], outputs[4], rtol=1e-4, atol=1e-6)


def test_the_size_of_a_batch_changes_no_prediction(network: AlexNet, feed: Feed) -> None:
    one, other = (predict(network, feed, batch, lambda _: None) for batch in (1, 24))
    np.testing.assert_allclose(one.ten_patches, other.ten_patches, rtol=1e-4, atol=1e-6)


def test_probabilities_kept_in_files_are_those_in_memory(network: AlexNet, feed: Feed, tmp_path: Path) -> None:
    here, kept = (predict(network, feed, 7, lambda _: None, keep) for keep in (None, tmp_path / "one"))
    mapped = Prediction.kept(tmp_path / "one")
    assert isinstance(mapped.ten_patches, np.memmap) and isinstance(kept.centre_patch, np.memmap)
    for view, probabilities in mapped.views().items():
        assert np.array_equal(probabilities, here.views()[view])
    both, in_files = average([here, kept]), average([here, kept], tmp_path / "two")
    assert isinstance(in_files.ten_patches, np.memmap) and np.array_equal(both.ten_patches, in_files.ten_patches)


def test_chunks_of_pictures_change_no_label(monkeypatch: pytest.MonkeyPatch) -> None:
    probabilities = np.random.default_rng(0).random((25, 9))
    whole = best_five(probabilities)
    monkeypatch.setattr(evaluation, "CHUNK", 4)
    assert np.array_equal(best_five(probabilities), whole) and whole.shape == (25, 5)


def test_counts_of_errors() -> None:
    probabilities = np.array([[0.5, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05], [0.02, 0.5, 0.1, 0.1, 0.1, 0.1, 0.08]])
    assert wrong(probabilities, np.array([0, 0])) == {"top1_wrong": 1, "top5_wrong": 1}
    assert wrong(probabilities, np.array([4, 5])) == {"top1_wrong": 2, "top5_wrong": 0}
    assert best_five(np.array([[0.2, 0.4, 0.4]])).tolist() == [[1, 2, 0]], "ties in the order of the classes"


def test_an_evaluation_as_it_is_written(tmp_path: Path) -> None:
    first = Prediction(ten_patches=np.eye(3) * 0.8 + 0.05, centre_patch=np.eye(3)[[1, 1, 2]])
    second = Prediction(ten_patches=np.eye(3)[[0, 2, 2]], centre_patch=np.eye(3))
    models = {"seed-0": first, "seed-1": second, files.AVERAGED: average([first, second])}
    write_evaluation(tmp_path, "base", models, np.array([0, 1, 2]), ["a", "b", "c"])
    metrics = storage.read_json(tmp_path / "metrics.json")
    assert metrics["ten_patches"] == {"top1_error": pytest.approx(1 / 6), "top5_error": 0.0}
    assert metrics["models"]["seed-0"]["centre_patch"]["top1_wrong"] == 1
    rows = (tmp_path / "predictions.csv").read_text().splitlines()
    assert rows[0].split(",") == list(files.PREDICTIONS) and len(rows) == 1 + 9
    assert (tmp_path / "classes.csv").read_text().splitlines()[2] == "1,b,1,0.5,0"
    assert measure("base", models, np.array([0, 1, 2])) == metrics


def test_nearest_against_every_difference() -> None:
    random = np.random.default_rng(1)
    queries, database = random.normal(size=(9, 40)).astype(np.float32), random.normal(size=(300, 40)).astype(np.float32)
    distances = np.sqrt(((queries[:, None].astype(np.float64) - database[None]) ** 2).sum(axis=2))
    rows, found = nearest(queries, database, 6)
    assert np.array_equal(rows, distances.argsort(axis=1, kind="stable")[:, :6])
    np.testing.assert_allclose(found, np.sort(distances, axis=1)[:, :6], rtol=1e-5)


def test_near_duplicates_far_from_the_origin() -> None:
    """Where |q|^2 - 2 q.x + |x|^2 cancels, the distances computed again still tell the pictures apart."""
    base = np.full((1, 256), 1000.0, dtype=np.float32)
    database = np.concatenate([base + step for step in (3.0, 1.0, 2.0)])
    rows, found = nearest(base, database, 3)
    assert rows.tolist() == [[1, 2, 0]]
    np.testing.assert_allclose(found, [[16.0, 32.0, 48.0]])


def test_a_picture_is_its_own_nearest(network: AlexNet, feed: Feed) -> None:
    vectors = features(network, feed, 10)
    assert vectors.shape == (24, 16) and (vectors >= 0).all(), "after the ReLU of the last hidden layer"
    rows, found = nearest(vectors, vectors, 1)
    assert (found[:, 0] == 0).all()
    assert pixels(feed, 10).shape == (24, 3 * 55 * 55)


def test_the_share_of_neighbours_of_the_same_class() -> None:
    labels = np.array([0, 0, 1, 1])
    metrics = measure_neighbours("base", labels, np.array([[0, 0], [0, 1], [1, 1], [0, 0]]), np.array([[1, 1]] * 4))
    assert (metrics["features_match"], metrics["pixels_match"], metrics["chance"]) == (5 / 8, 0.5, 0.5)
    rows = table(labels[:1], np.array([1, 0]), np.array([[1, 0]]), np.array([[0.5, 2.0]]), np.array([[0, 1]]))
    assert rows == [[0, 0, 1, 1, 0, 0.5, 0, 1], [0, 0, 2, 0, 1, 2.0, 1, 0]]
