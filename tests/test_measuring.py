"""Ten-patch evaluation and nearest neighbours against the plain way of writing them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from study import files, predictions, storage
from study.data.feeding import NO_AUGMENTATION, Feed
from study.measuring import evaluation
from study.measuring.evaluation import Prediction, average, best_five, measure, predict, write_evaluation, wrong
from study.measuring.neighbours import features, nearest, pixels, table
from study.measuring.neighbours import measure as measure_neighbours
from study.network.alexnet import AlexNet
from study.predictions import VIEWS
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


def _all_probabilities(folder: Path) -> list[np.ndarray]:
    """What `predict` kept of 24 pictures: ten patches and the centre patch."""
    return [np.fromfile(folder / view, np.float32).reshape(24, -1) for view in VIEWS]


def test_ten_patches_picture_by_picture(network: AlexNet, feed: Feed, tmp_path: Path) -> None:
    """The average of ten softmaxes, each of one patch on its own; the centre patch is one of them."""
    predict(network, feed, 7, lambda _: None, tmp_path)
    ten_patches, centre_patch = _all_probabilities(tmp_path)
    raw = feed.take(np.arange(len(feed))).float() - feed.mean
    for row in (0, 11, 23):
        outputs = []
        for mirrored in (False, True):
            for y, x in ((0, 0), (0, 9), (9, 0), (9, 9), (4, 4)):
                patch = raw[row, y : y + 55, x : x + 55].permute(2, 0, 1)
                with torch.no_grad():
                    outputs.append(network((patch.flip(2) if mirrored else patch)[None]).softmax(dim=1)[0])
        np.testing.assert_allclose(ten_patches[row], torch.stack(outputs).mean(dim=0), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(centre_patch[row], outputs[4], rtol=1e-4, atol=1e-6)


def test_the_size_of_a_batch_changes_no_prediction(network: AlexNet, feed: Feed, tmp_path: Path) -> None:
    for batch in (1, 24):
        predict(network, feed, batch, lambda _: None, tmp_path / str(batch))
    one, other = (_all_probabilities(tmp_path / str(batch)) for batch in (1, 24))
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_a_prediction_is_the_best_five_of_the_probabilities(network: AlexNet, feed: Feed, tmp_path: Path) -> None:
    told: list[int] = []
    made, alone = predict(network, feed, 7, told.append, tmp_path), predict(network, feed, 7, lambda _: None)
    assert told == [7, 7, 7, 3]
    for view, probabilities in zip(VIEWS, _all_probabilities(tmp_path), strict=True):
        assert np.array_equal(made.best[view], best_five(probabilities)) and np.array_equal(made.best[view], alone.best[view])
    ten = _all_probabilities(tmp_path)[0]
    assert np.array_equal(made.probabilities, -np.sort(-ten, axis=1)[:, :5])


def test_an_average_is_that_of_all_probabilities(feed: Feed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [tmp_path / str(seed) for seed in range(3)]
    for seed, folder in enumerate(folders):
        other = AlexNet(TINY, 24)
        other.initialise(seed)
        predict(other, feed, 10, lambda _: None, folder)
    plainly = [np.mean(views, axis=0) for views in zip(*map(_all_probabilities, folders), strict=True)]
    whole = average(folders, 24, 24)
    monkeypatch.setattr(evaluation, "CHUNK", 5)
    in_chunks = average(folders, 24, 24)
    for made in (whole, in_chunks):
        assert all(np.array_equal(made.best[view], best_five(mean)) for view, mean in zip(VIEWS, plainly, strict=True))
        assert np.array_equal(made.probabilities, -np.sort(-plainly[0], axis=1)[:, :5])


def test_no_test_picture_is_said() -> None:
    with pytest.raises(ValueError, match="there is no test picture to predict; prepare some"):
        Prediction.of([])


def test_counts_of_errors() -> None:
    probabilities = np.array([[0.5, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05], [0.02, 0.5, 0.1, 0.1, 0.1, 0.1, 0.08]])
    best = best_five(probabilities)
    assert wrong(best, np.array([0, 0])) == {"top1_wrong": 1, "top5_wrong": 1}
    assert wrong(best, np.array([4, 5])) == {"top1_wrong": 2, "top5_wrong": 0}
    assert best_five(np.array([[0.2, 0.4, 0.4]])).tolist() == [[1, 2, 0]], "ties in the order of the classes"


FIRST = Prediction.of([(np.eye(3) * 0.8 + 0.05, np.eye(3)[[1, 1, 2]])])
SECOND = Prediction.of([(np.eye(3)[[0, 2, 2]], np.eye(3))])
LABELS = np.array([0, 1, 2])


def test_an_evaluation_as_it_is_written(tmp_path: Path) -> None:
    models = {"seed-0": FIRST, "seed-1": SECOND, files.AVERAGED: FIRST}
    write_evaluation(tmp_path, "base", models, LABELS, ["a", "b", "c", "none"])
    metrics = storage.read_json(tmp_path / "metrics.json")
    assert metrics["ten_patches"] == {"top1_error": pytest.approx(1 / 6), "top5_error": 0.0} and metrics["diverged"] == []
    assert metrics["models"]["seed-0"]["centre_patch"]["top1_wrong"] == 1
    for view in VIEWS:
        read = predictions.read(tmp_path, view)
        assert list(read.best) == ["averaged", "seed-0", "seed-1"] and np.array_equal(read.labels, LABELS)
        assert all(np.array_equal(read.best[model], made.best[view]) for model, made in models.items())
        counts = {model: int(bad.sum()) for model, bad in read.wrong("top1").items()}
        assert counts == {model: metrics["models"][model][view]["top1_wrong"] for model in models}
    likely = predictions.read_probabilities(tmp_path)
    assert likely["seed-0"].dtype == np.float16 and np.allclose(likely["seed-0"], FIRST.probabilities, atol=1e-3)
    assert (tmp_path / "classes.csv").read_text().splitlines()[2:] == ["1,b,1,0.5,0", "2,c,1,0,0", "3,none,0,,"]
    assert measure("base", models, LABELS) == metrics


def test_where_a_seed_has_diverged_the_others_stand_alone(tmp_path: Path) -> None:
    write_evaluation(tmp_path, "base", {"seed-1": FIRST}, LABELS, ["a", "b", "c"], diverged=[0, 2])
    metrics = storage.read_json(tmp_path / "metrics.json")
    assert metrics["diverged"] == [0, 2] and set(metrics) == {"run", "pictures", "diverged", "models"}
    assert set(metrics["models"]) == {"seed-1"} and not (tmp_path / "classes.csv").exists(), "nothing is a mean of survivors"
    assert list(predictions.read(tmp_path, "ten_patches").best) == ["seed-1"]


def test_where_every_seed_has_diverged_nothing_is_predicted(tmp_path: Path) -> None:
    write_evaluation(tmp_path, "base", {}, LABELS, ["a", "b", "c"], diverged=[0])
    assert storage.read_json(tmp_path / "metrics.json") == {"run": "base", "pictures": 3, "diverged": [0], "models": {}}
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.json"]


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
