"""Ten-patch evaluation and nearest neighbours against the plain way of writing them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from study import files, predictions, storage
from study.data.feeding import NO_AUGMENTATION, Feed
from study.data.packed import PackedSplit
from study.measuring import blocks, evaluation, pixels, ranking
from study.measuring.blocks import Rows, written
from study.measuring.evaluation import Prediction, average, best_five, measure, predict, write_evaluation, wrong
from study.measuring.neighbours import (
    Found,
    RetrievalSettings,
    chance,
    main_axes,
    matches,
    others,
    search_colours,
    search_features,
    table,
)
from study.measuring.neighbours import measure as measure_neighbours
from study.measuring.search import squared_distances
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


def _all_probabilities(file: Path) -> list[np.ndarray]:
    """What `predict` kept of all pictures: ten patches and the centre patch."""
    return np.hsplit(np.load(file), 2)


def test_ten_patches_picture_by_picture(network: AlexNet, feed: Feed, tmp_path: Path) -> None:
    """The average of ten softmaxes, each of one patch on its own; the centre patch is one of them."""
    predict(network, feed, 7, lambda _: None, tmp_path / "all.npy")
    ten_patches, centre_patch = _all_probabilities(tmp_path / "all.npy")
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
        predict(network, feed, batch, lambda _: None, tmp_path / f"{batch}.npy")
    one, other = (_all_probabilities(tmp_path / f"{batch}.npy") for batch in (1, 24))
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_a_prediction_is_the_best_five_of_the_probabilities(network: AlexNet, feed: Feed, tmp_path: Path) -> None:
    told: list[int] = []
    file = tmp_path / "all.npy"
    made, alone = predict(network, feed, 7, told.append, file), predict(network, feed, 7, lambda _: None)
    assert told == [7, 7, 7, 3]
    for view, probabilities in zip(VIEWS, _all_probabilities(file), strict=True):
        assert np.array_equal(made.best[view], best_five(probabilities)) and np.array_equal(made.best[view], alone.best[view])
    ten = _all_probabilities(file)[0]
    assert np.array_equal(made.probabilities, -np.sort(-ten, axis=1)[:, :5])


def test_an_average_is_that_of_all_probabilities(feed: Feed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = [tmp_path / f"{seed}.npy" for seed in range(3)]
    for seed, file in enumerate(kept):
        other = AlexNet(TINY, 24)
        other.initialise(seed)
        predict(other, feed, 10, lambda _: None, file)
    plainly = [np.mean(views, axis=0) for views in zip(*map(_all_probabilities, kept), strict=True)]
    whole = average(kept)
    monkeypatch.setattr(evaluation, "CHUNK", 5)
    in_chunks = average(kept)
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


def _blocks(database: np.ndarray, each: int) -> list[np.ndarray]:
    return [database[first : first + each] for first in range(0, len(database), each)]


@pytest.mark.parametrize("side", [1, 5, 30])
def test_distances_between_bytes_are_exact(side: int) -> None:
    random = np.random.default_rng(3)
    queries, block = (random.integers(0, 256, (count, side**2 * 3), dtype=np.uint8) for count in (4, 9))
    queries[0], block[0], block[1] = 0, 255, 0  # the farthest, and the same
    wanted = ((queries[:, None].astype(np.int64) - block[None]) ** 2).sum(axis=2)
    assert np.array_equal(squared_distances(torch.from_numpy(queries), torch.from_numpy(block)).numpy(), wanted)


def test_pixels_against_every_difference(tiny_set: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neighbours, ties in packed order, and the share of the other pictures that are nearer."""
    train, test = (PackedSplit(tiny_set, split) for split in ("train", "test"))
    queries, known = (split.take(np.arange(len(split)))[:, 4:59, 4:59].reshape(len(split), -1) for split in (test, train))
    assert np.array_equal(pixels.centre_patches(test, np.arange(24), 55), queries)
    squares = ((queries[:, None].astype(np.int64) - known[None]) ** 2).sum(axis=2)
    found = [np.random.default_rng(seed).integers(0, 96, (24, 6)) for seed in range(3)]
    told: list[int] = []
    monkeypatch.setattr(pixels, "BYTES", 10 * 3 * 64 * 64)
    by_pixels, percentiles = pixels.compare(queries, train, 55, found, 6, CPU, told.append)
    assert told == [10] * 9 + [6] and np.array_equal(by_pixels, squares.argsort(axis=1, kind="stable")[:, :6])
    for near, percentile in zip(found, percentiles, strict=True):
        marks = np.take_along_axis(squares, near, axis=1)
        nearer = (squares[:, None] < marks[..., None]).sum(axis=2)
        np.testing.assert_allclose(percentile, nearer / 95, rtol=0, atol=1e-12)


def test_percentiles_of_ties_and_of_all_pictures() -> None:
    """All that are equally far are in the middle; over all pictures the mean is one half."""
    query, known = np.zeros((1, 3), dtype=np.uint8), np.repeat(np.array([[1], [2], [2], [2], [9]], dtype=np.uint8), 3, axis=1)
    marks = (known.astype(float) ** 2).sum(axis=1)[None]
    rows, percentiles = pixels.search(query, _blocks(known, 2), 5, 6, marks, CPU)
    assert rows.tolist() == [[0, 1, 2, 3, 4]] and percentiles.tolist() == [[0, 0.5, 0.5, 0.5, 1]]


def test_a_picture_is_its_own_nearest(network: AlexNet, feed: Feed, tmp_path: Path) -> None:
    wanted, told = RetrievalSettings(run="base", seed=0, queries=7, neighbours=2, batch=10), list[int]()
    rows, found = search_features(network, feed, feed, wanted, told.append, tmp_path)
    assert rows.shape == (7, 24) and rows[:, 0].tolist() == list(range(7)) and (found[:, 0] == 0).all() and sum(told) == 48
    kept = [np.load(tmp_path / f"features-{name}.npy") for name in ("train", "test")]
    assert np.array_equal(*kept) and kept[0].shape == (24, 16) and (kept[0] >= 0).all(), "after the last hidden layer's ReLU"
    again, _ = search_features(network, feed, feed, wanted, lambda _: None)
    assert np.array_equal(again, rows)


def test_chance_is_that_of_a_picture_drawn_from_the_searched_ones() -> None:
    """As in the faults list: queries and searched pictures of unequal classes."""
    queries, known = np.repeat([0, 1, 2], [8, 1, 1]), np.repeat([0, 1, 2, 3], [1, 2, 5, 2])
    assert chance(queries, known) == pytest.approx(0.8 * 0.1 + 0.1 * 0.2 + 0.1 * 0.5)
    random = np.random.default_rng(0)
    drawn = [(random.choice(known, 6) == label).mean() for label in np.tile(queries, 2000)]
    assert np.mean(drawn) == pytest.approx(chance(queries, known), abs=0.01)
    assert chance(np.arange(5), np.arange(5)) == pytest.approx(0.2)


def test_what_is_said_of_the_neighbours() -> None:
    labels, known = np.array([0, 1]), np.array([0, 0, 1])
    found = Found(
        by_features=np.array([[0, 1], [2, 0]]), by_untrained=np.array([[2, 1], [0, 1]]), distances=np.array([[0.5, 1], [2, 3]])
    )
    by_pixels, far = np.array([[2, 0], [2, 1]]), (np.array([[0.1, 0.3], [0.5, 0.5]]), np.array([[0, 0], [1, 0.5]]))
    rows = matches(4, labels, known, found, by_pixels, far)
    assert rows == [[4, 0, 0, 1.0, 0.5, 0.5, 0.2, 0.0], [4, 1, 1, 0.5, 0.0, 0.5, 0.5, 0.75]]
    wanted = RetrievalSettings(run="base", seed=4, queries=2, neighbours=2)
    metrics = measure_neighbours(wanted, labels, known, rows, [])
    means = {"features_match": 0.75, "untrained_match": 0.25, "pixels_match": 0.5}
    means |= {"features_percentile": pytest.approx(0.35), "untrained_percentile": 0.375}
    told = {"run": "base", "seed": 4, "diverged": [], "queries": 2, "neighbours": 2, "chance": 0.5}
    assert metrics == told | means | {"seeds": {"4": means}}
    assert table(labels[:1], known, found, by_pixels) == [[0, 0, 1, 0, 0, 0.5, 2, 1], [0, 0, 2, 1, 0, 1.0, 0, 0]]
    other = measure_neighbours(replace(wanted, seed=7), labels, known, rows, [7])
    assert other == told | {"seed": 7, "diverged": [7], "seeds": {"4": means}}, "nothing of the seed that diverged"
    assert measure_neighbours(wanted, labels, known, [], [4]) == {"run": "base", "seed": 4, "diverged": [4]}


def test_which_seeds_are_measured() -> None:
    wanted = RetrievalSettings(run="base", seed=3, queries=2)
    assert wanted.measured(range(15)) == [3, 0, 1, 2, 4] and wanted.measured([3]) == [3]
    for lines in ({"seeds": 0}, {"batch": 0}, {"queries": 0}, {"neighbours": 0}):
        with pytest.raises(ValueError, match="1 or more"):
            replace(wanted, **lines)


def test_average_precision_against_the_plain_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Precision at every picture of the query's class, in the order of their distances; ties count as equally near."""
    random = np.random.default_rng(6)
    labels, known = random.integers(0, 4, 7), random.integers(0, 4, 60)
    labels[3] = 9  # of which there is no picture
    squares = random.integers(0, 12, (7, 60)).astype(np.float32)
    monkeypatch.setattr(ranking, "BLOCK", 7 * 13)
    made = ranking.Ranking(labels, known, tmp_path / "scratch" / "all")
    for first in range(0, 60, 11):
        made.add(torch.from_numpy(squares[:, first : first + 11]))
    found = made.average_precisions()
    for label, own, precision in zip(labels, squares, found, strict=True):
        near = [(known[own <= far] == label).mean() for far in own[known == label]]
        assert precision == pytest.approx(np.mean(near)) if near else np.isnan(precision)
    assert not (tmp_path / "scratch" / "all").exists()
    perfect = ranking.Ranking(np.array([1]), np.array([0, 1, 1]), tmp_path / "perfect")
    perfect.add(torch.tensor([[5.0, 1.0, 2.0]]))
    assert perfect.average_precisions().tolist() == [1.0]
    with pytest.raises(ValueError, match="0 of 3 pictures have passed"):
        ranking.Ranking(np.array([1]), np.array([0, 1, 1]), tmp_path / "none").average_precisions()


def test_precision_and_its_interval() -> None:
    rows, known = np.tile(np.arange(50), (2, 1)), np.arange(50) // 3
    at = ranking.precisions(rows, np.array([0, 1]), known)
    assert {count: of.tolist() for count, of in at.items()} == {"1": [1, 0], "6": [0.5, 0.5], "50": [0.06, 0.06]}
    random = np.random.default_rng(7)
    inside = 0
    for _ in range(300):
        told = ranking.with_interval(random.random((3, 200)) < 0.4)
        inside += told["low"] <= 0.4 <= told["high"]
    assert 270 <= inside <= 297
    assert ranking.with_interval(np.array([np.nan, 0.5])) == {"mean": 0.5, "low": 0.5, "high": 0.5}
    assert ranking.with_interval(np.array([np.nan])) == {}


def test_neighbours_by_colours_are_those_of_the_same_colours(tiny_set: Path, tmp_path: Path) -> None:
    """A picture turned upside down has the same histogram, and other pixels."""
    train = PackedSplit(tiny_set, "train")
    patches = pixels.centre_patches(train, np.array([5, 40]), 55).reshape(2, 55, 55, 3)
    turned = np.ascontiguousarray(patches[:, ::-1, ::-1]).reshape(2, -1)
    made = ranking.Ranking(train.labels[[5, 40]], train.labels, tmp_path / "colours")
    rows = search_colours(turned, train, RetrievalSettings(run="base", seed=0, queries=2), 55, made)
    assert rows.shape == (2, 50) and rows[:, 0].tolist() == [5, 40] and (made.average_precisions() > 0).all()
    assert others("colours", rows[:1, :2], train.labels) == [
        ["colours", 0, 1, 5, train.labels[5]], ["colours", 0, 2, rows[0, 1], train.labels[rows[0, 1]]]
    ]  # fmt: skip


def test_the_main_axes_are_those_of_a_singular_value_decomposition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(8)
    features = (random.normal(size=(90, 5)) * [5, 1, 9, 1, 1] + 3).astype(np.float32)
    list(written(tmp_path / "features.npy", 90, [features]))
    monkeypatch.setattr(blocks, "BYTES", 4 * 5 * 17)
    places, share = main_axes(Rows(tmp_path / "features.npy"))
    centred = features.astype(float) - features.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(np.abs(places), np.abs(left[:, :2] * sizes[:2]), rtol=1e-4, atol=1e-3)
    assert share == pytest.approx((sizes[:2] ** 2).sum() / (sizes**2).sum(), rel=1e-5)
