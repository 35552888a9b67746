"""Section 6's rival: features against loops over pixels and by their laws, the classifier against the normal equations."""

import dataclasses
import math
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import adaptive_avg_pool2d

from study.data.packed import PackedSplit
from study.measuring import hand_made
from study.measuring.hand_made import Batches, Fitted, HandMadeSettings, batches, features, fit, gradient_blocks, predict, table
from study.sources.pictures import CLASSES, PictureSettings, picture

PLAIN = HandMadeSettings(decays=(0.01,))
SMALL = HandMadeSettings(cells=2, orientations=3, colours=2, decays=(0.001, 0.01, 0.1))  # 12 + 8 features
CHOICE = HandMadeSettings(decays=(0.0001, 0.001, 0.01, 0.1, 1.0))
Made = tuple[torch.Tensor, torch.Tensor]


def _noise(count: int, size: int, seed: int = 0, highest: int = 256) -> torch.Tensor:
    return torch.randint(0, highest, (count, size, size, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def _blocks(pictures: torch.Tensor, settings: HandMadeSettings = PLAIN) -> torch.Tensor:
    """(B, cells - 1, cells - 1, 2, 2, orientations): the four cells of a block as they lie."""
    return gradient_blocks(pictures, settings).unflatten(3, (2, 2, settings.orientations))


def _batched(made: Made, batch: int) -> list[Made]:
    return list(zip(made[0].split(batch), made[1].split(batch), strict=True))


def _scores(fitted: Fitted, pictures: Batches, settings: HandMadeSettings) -> np.ndarray:
    """Of all pictures, as one array."""
    return np.concatenate(list(predict(fitted, pictures, settings)))


@pytest.fixture(scope="module")
def drawn() -> Made:
    """960 built-in pictures for training, then 240 for validation."""
    settings = PictureSettings(seed=4, size=64, train=960, validation=240, test=24)
    pictures, labels = zip(*(picture(settings, i) for i in range(1200)), strict=True)
    return torch.from_numpy(np.stack(pictures)), torch.tensor(labels)


# ---- features ----


def _softened(block: np.ndarray) -> np.ndarray:
    return block / np.sqrt((block**2).sum() + 0.001**2)


@pytest.mark.parametrize(("size", "highest"), [(12, 256), (17, 256), (12, 2)])
def test_gradient_blocks_pixel_by_pixel(size: int, highest: int) -> None:
    """Dalal and Triggs in loops: slopes of the steepest channel, two bins a pixel, cells, blocks, L2-Hys."""
    how = HandMadeSettings(cells=3, orientations=5, decays=(1.0,))
    levels = _noise(1, size, highest=highest)[0].numpy().astype(float)
    cells = np.zeros((3, 3, 5))
    for row in range(3):
        for column in range(3):
            ys = range(row * size // 3, -(-(row + 1) * size // 3))
            xs = range(column * size // 3, -(-(column + 1) * size // 3))
            for y in ys:
                for x in xs:
                    right = levels[y, x + 1] - levels[y, x - 1] if 0 < x < size - 1 else np.zeros(3)
                    below = levels[y + 1, x] - levels[y - 1, x] if 0 < y < size - 1 else np.zeros(3)
                    steepest = int(np.argmax(right**2 + below**2))
                    place = math.atan2(below[steepest], right[steepest]) % math.pi / (math.pi / 5)
                    share, steepness = place % 1, math.hypot(right[steepest], below[steepest]) / 255 / len(ys) / len(xs)
                    cells[row, column, int(place) % 5] += (1 - share) * steepness
                    cells[row, column, (int(place) + 1) % 5] += share * steepness
    found = gradient_blocks(_noise(1, size, highest=highest), how)[0]
    for row in range(2):
        for column in range(2):
            block = cells[row : row + 2, column : column + 2].ravel()
            np.testing.assert_allclose(found[row, column], _softened(np.minimum(_softened(block), 0.2)), rtol=1e-5)


def test_a_picture_of_one_colour() -> None:
    """No gradient, and one bin of the colours with all pixels in it: levels 3, 0, 1 of 4."""
    plain = torch.tensor([200, 10, 100], dtype=torch.uint8).expand(1, 32, 32, 3)
    made = features(plain, PLAIN)[0]
    assert made.shape == (7 * 7 * 36 + 64,) and made.dtype == torch.float32
    assert made.nonzero().tolist() == [[7 * 7 * 36 + 3 * 16 + 0 * 4 + 1]] and made.max() == 1


def test_a_constant_grey_level_changes_no_gradient() -> None:
    dark = _noise(3, 24, highest=200)
    assert torch.equal(_blocks(dark), _blocks(dark + 55))
    assert not torch.equal(features(dark, PLAIN), features(dark + 55, PLAIN)), "the colours do change"


def test_contrast_changes_almost_nothing() -> None:
    faint = _noise(3, 24, highest=64)
    torch.testing.assert_close(_blocks(faint), _blocks(faint * 4), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("slope", "orientation"), [((3, 0), 0), ((2, 2), 1), ((0, 3), 2), ((-2, 2), 3), ((2, -2), 3), ((-3, 0), 0)]
)
def test_an_edge_is_in_the_bin_of_its_orientation(slope: tuple[int, int], orientation: int) -> None:
    """Of four bins: 0 degrees, across which a vertical edge rises, 45, 90 and 135; a fall is the same edge as a rise."""
    y, x = torch.meshgrid(torch.arange(32) - 16, torch.arange(32) - 16, indexing="ij")
    ramp = (128 + slope[0] * x + slope[1] * y).to(torch.uint8)[None, :, :, None].expand(1, 32, 32, 3)
    inner = _blocks(ramp, dataclasses.replace(PLAIN, orientations=4))[0, 1:-1, 1:-1]  # the border has fewer slopes
    torch.testing.assert_close(inner[..., orientation], torch.full(inner.shape[:-1], 0.5), rtol=1e-3, atol=0)
    assert inner.sum(dim=-1).sub(inner[..., orientation]).abs().max() < 1e-5


def test_between_two_orientations() -> None:
    """90 degrees lie between 80 and 100 of nine bins: half each."""
    edge = torch.zeros(1, 32, 32, 3, dtype=torch.uint8)
    edge[:, 14:] = 90
    block = _blocks(edge)[0, 2, 2]
    assert block[1, 0, 4] == pytest.approx(block[1, 0, 5]) and block[1, 0, 4] > 0.3
    assert block[..., [0, 1, 2, 3, 6, 7, 8]].max() < 1e-5


def test_the_steepest_channel_counts() -> None:
    both = torch.zeros(1, 32, 32, 3, dtype=torch.uint8)
    both[:, :, :, 0] = torch.arange(32)[None, :]
    both[:, :, :, 1] = 3 * torch.arange(32)[:, None]
    green = both.clone()
    green[:, :, :, 0] = green[:, :, :, 2] = 0
    inner = slice(1, -1)  # at the upper border green has no slope
    assert torch.equal(_blocks(both)[:, inner, inner], _blocks(green)[:, inner, inner])


@pytest.mark.parametrize("size", [16, 37, 64])
def test_a_picture_turned_by_180_degrees_has_the_turned_grid(size: int) -> None:
    straight, turned = _blocks(_noise(2, size)), _blocks(_noise(2, size).flip(1, 2))
    assert straight.shape[1:] == (7, 7, 2, 2, 9), "at every size"
    torch.testing.assert_close(turned, straight.flip(1, 2, 3, 4), rtol=1e-4, atol=1e-6)


def test_norms_of_blocks_and_of_colours() -> None:
    settings = PictureSettings(seed=4, size=64, train=48, validation=24, test=24)
    drawn = torch.from_numpy(np.stack([picture(settings, i)[0] for i in range(48)]))
    norms = gradient_blocks(drawn, PLAIN).norm(dim=3)
    assert norms.max() <= 1 + 1e-6 and norms.median() > 0.99, "of unit norm wherever there is any edge"
    torch.testing.assert_close(hand_made.colour_histogram(drawn, 4).norm(dim=1), torch.ones(48))


@pytest.mark.parametrize(("size", "cells"), [(64, 8), (37, 8), (17, 3), (16, 8)])
def test_cells_group_pixels_as_adaptive_pooling_does(size: int, cells: int) -> None:
    group, plane = hand_made._grouping(size, cells), torch.rand(2, size, size, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(group @ plane @ group.T, adaptive_avg_pool2d(plane, cells))


@pytest.mark.parametrize("size", [21, 64])
def test_a_picture_s_features_are_its_own(size: int) -> None:
    """Whatever else is in the batch, and whatever numbers torch makes by default."""
    pictures = _noise(9, size)
    together = features(pictures, PLAIN)
    torch.testing.assert_close(torch.cat([features(one, PLAIN) for one in pictures.split(1)]), together, rtol=0, atol=1e-6)
    torch.set_default_dtype(torch.float64)
    assert torch.equal(features(pictures, PLAIN), together)


# ---- the classifier ----


def _random_task(count: int = 90, seed: int = 0) -> Made:
    return _noise(count, 8, seed), torch.arange(count) % 3


@pytest.mark.parametrize("highest", [256, 128])
def test_ridge_against_the_normal_equations(highest: int) -> None:
    """numpy's least squares on standardised features, the penalty as further rows; without the colours that never occur."""
    task = (_noise(90, 8, highest=highest), torch.arange(90) % 3)
    task[0][..., 1] *= 256 // highest
    x, y = features(task[0], SMALL).double().numpy(), np.eye(3)[task[1].numpy()]
    varied = x.std(axis=0) > 0
    assert varied.sum() == (20 if highest == 256 else 14)
    used = x[:, varied]
    standard, centred = (used - used.mean(axis=0)) / used.std(axis=0), y - y.mean(axis=0)
    for decay in SMALL.decays:  # the Gram matrix has the number of pictures on its diagonal, or 0
        penalty = decay * len(x) * varied.mean()
        rows = np.concatenate([standard, math.sqrt(penalty) * np.eye(varied.sum())])
        theirs = np.linalg.lstsq(rows, np.concatenate([centred, np.zeros((varied.sum(), 3))]), rcond=None)[0]
        how = dataclasses.replace(SMALL, decays=(decay,))
        fitted = fit(partial(_batched, task, 32), lambda: [task], 3, how)
        np.testing.assert_allclose(fitted.weights[varied], theirs / used.std(axis=0)[:, None], rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(_scores(fitted, [task], how), standard @ theirs + y.mean(axis=0), rtol=1e-8, atol=1e-10)


def test_the_constant_is_not_penalised() -> None:
    """Under a penalty beyond all measure the scores are the classes' shares, not 0."""
    how = dataclasses.replace(SMALL, decays=(1e9,))
    pictures, labels = _noise(40, 8), torch.tensor([0] * 30 + [1] * 10)
    scores = _scores(fit(lambda: [(pictures, labels)], lambda: [(pictures, labels)], 2, how), [(pictures, labels)], how)
    np.testing.assert_allclose(scores, np.tile([0.75, 0.25], (40, 1)), atol=1e-7)


def test_features_that_never_vary_get_no_weight() -> None:
    pictures, labels = _random_task()
    pictures[..., 0] = 0  # half of the eight colours never occur
    fitted = fit(lambda: [(pictures, labels)], lambda: [(pictures, labels)], 3, SMALL)
    assert fitted.weights[12 + 4 :].abs().max() < 1e-9 < 1e-3 < fitted.weights[:12].abs().max()
    assert torch.isfinite(fitted.weights).all()


def test_the_size_of_a_batch_changes_nothing() -> None:
    """But the last bit of a feature on some processors, which a decay of 0.001 multiplies to more than 1e-6."""
    how = dataclasses.replace(SMALL, decays=(0.1, 1.0))
    task, new = _random_task(), _random_task(20, seed=1)
    whole, pieces = (fit(partial(_batched, task, b), partial(_batched, new, b), 3, how) for b in (90, 7))
    assert whole.validation_errors == pieces.validation_errors and whole.decay == pieces.decay
    scores = _scores(whole, [new], how)
    assert scores.shape == (20, 3) and scores.dtype == np.float64
    np.testing.assert_allclose(_scores(pieces, _batched(new, 7), how), scores, rtol=0, atol=1e-6)


def test_sums_do_not_depend_on_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """The classifier alone, of features that are the same bits in every batch."""
    task = _random_task()
    known = {one.numpy().tobytes(): features(one[None], SMALL)[0] for one in task[0]}
    monkeypatch.setattr(hand_made, "features", lambda x, _: torch.stack([known[one.numpy().tobytes()] for one in x]))
    fits = [fit(partial(_batched, task, b), lambda: [task], 3, SMALL) for b in (90, 32, 1)]
    for other in fits[1:]:
        np.testing.assert_allclose(_scores(other, [task], SMALL), _scores(fits[0], [task], SMALL), rtol=0, atol=1e-10)


def test_validation_chooses_the_decay() -> None:
    task, new = _random_task(40), _random_task(50, seed=5)
    decays = (0.001, 0.01, 0.1, 1.0)
    fitted = fit(lambda: [task], lambda: [new], 3, dataclasses.replace(SMALL, decays=decays))
    for decay in decays:
        how = dataclasses.replace(SMALL, decays=(decay,))
        wrong = _scores(fit(lambda: [task], lambda: [new], 3, how), [new], how).argmax(axis=1) != new[1].numpy()
        assert fitted.validation_errors[decay] == wrong.mean()
    assert fitted.validation_errors[fitted.decay] == min(fitted.validation_errors.values())
    assert fitted.decay not in (decays[0], decays[-1]), "there was a choice"
    chosen = (_scores(fitted, [new], how).argmax(axis=1) != new[1].numpy()).mean()
    assert chosen == fitted.validation_errors[fitted.decay]


@pytest.mark.parametrize("decays", [(0.1, 0.01), (0.01, 0.1)])
def test_the_first_of_equal_decays(decays: tuple[float, ...]) -> None:
    """Black and white pictures are told apart under either."""
    pictures, labels = torch.zeros(20, 8, 8, 3, dtype=torch.uint8), torch.arange(20) % 2
    pictures[labels == 1] = 255
    fitted = fit(lambda: [(pictures, labels)], lambda: [(pictures, labels)], 2, dataclasses.replace(SMALL, decays=decays))
    assert fitted.decay == decays[0] and set(fitted.validation_errors.values()) == {0.0}


def test_no_pictures() -> None:
    with pytest.raises(ValueError, match="no training pictures"):
        fit(list, lambda: [_random_task()], 3, SMALL)
    with pytest.raises(ValueError, match="no validation pictures"):
        fit(lambda: [_random_task()], list, 3, SMALL)


# ---- on the built-in pictures ----


def test_built_in_pictures_are_told_apart_and_twice_to_the_same_bits(drawn: Made) -> None:
    training, new = (drawn[0][:960], drawn[1][:960]), (drawn[0][960:], drawn[1][960:])
    one, again = (fit(partial(_batched, training, 256), partial(_batched, new, 256), 24, CHOICE) for _ in range(2))
    assert min(one.validation_errors.values()) < 0.8, "chance errs in 23 of 24"
    assert torch.equal(one.weights, again.weights) and torch.equal(one.bias, again.bias)
    assert np.array_equal(_scores(one, [new], CHOICE), _scores(again, [new], CHOICE))


def test_shuffled_labels_teach_nothing(drawn: Made) -> None:
    order = torch.randperm(960, generator=torch.Generator().manual_seed(0))
    shuffled, new = (drawn[0][:960], drawn[1][:960][order]), (drawn[0][960:], drawn[1][960:])
    fitted = fit(partial(_batched, shuffled, 256), partial(_batched, new, 256), 24, CHOICE)
    assert min(fitted.validation_errors.values()) > 0.88, "chance errs in 23 of 24"


def test_a_packed_set_from_its_files_to_the_table(tiny_set: Path) -> None:
    train, validation, test = (PackedSplit(tiny_set, split) for split in ("train", "validation", "test"))
    parts = list(batches(train, 40))
    assert [len(labels) for _, labels in parts] == [40, 40, 16] and parts[0][1].dtype == torch.int64
    assert np.array_equal(torch.cat([pictures for pictures, _ in parts]).numpy(), train.take(np.arange(96)))
    assert torch.cat([labels for _, labels in parts]).tolist() == train.labels.tolist()
    fitted = fit(partial(batches, train, 40), partial(batches, validation, 40), len(CLASSES), PLAIN)
    rows, metrics = table(fitted, predict(fitted, batches(test, 7), PLAIN), test.labels)
    assert [row[:2] for row in rows] == [[i, i % 24] for i in range(24)]
    assert metrics["pictures"] == 24 and metrics["features"] == 1828 and metrics["decay"] == 0.01
    assert metrics["top1_error"] == sum(row[1] != row[2] for row in rows) / 24
    assert metrics["top5_error"] == sum(row[1] not in row[2:] for row in rows) / 24


def test_no_test_picture_is_said(drawn: Made) -> None:
    fitted = fit(lambda: [drawn], lambda: [drawn], 24, PLAIN)
    with pytest.raises(ValueError, match="there are no test pictures to classify by hand-made features; prepare some"):
        table(fitted, predict(fitted, [], PLAIN), np.array([]))


def test_the_table_of_few_classes() -> None:
    fitted = Fitted(
        weights=torch.zeros(20, 3, dtype=torch.float64), bias=torch.zeros(3), decay=0.1, validation_errors={0.01: 0.5, 0.1: 0.25}
    )
    rows, metrics = table(fitted, [np.array([[0.1, 0.7, 0.2]]), np.array([[0.5, 0.0, 0.5]])], np.array([2, 0]))
    assert rows == [[0, 2, 1, 2, 0, "", ""], [1, 0, 0, 2, 1, "", ""]], "equal scores in the order of the classes"
    assert metrics == {
        "pictures": 2, "features": 20, "decay": 0.1, "validation_errors": {"0.01": 0.5, "0.1": 0.25},
        "top1_error": 0.5, "top5_error": 0.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"cells": 1}, "cells is 1 and orientations 9; give 2 or more"),
        ({"orientations": 1}, "cells is 8 and orientations 1; give 2 or more"),
        ({"colours": 0}, "colours is 0; it counts levels a channel"),
        ({"colours": 17}, "colours is 17; it counts levels a channel"),
        ({"decays": ()}, r"decays is \[\]; give one or more numbers, each 1e-06 or more"),
        ({"decays": (0.1, 0.0)}, r"decays is \[0.1, 0.0\]; give one or more"),
        ({"decays": (math.nan,)}, r"decays is \[nan\]; give one or more"),
        ({"decays": (math.inf,)}, r"decays is \[inf\]; give one or more"),
        ({"batch": 0}, "batch is 0; it counts pictures"),
    ],
)
def test_bad_settings_are_refused(change: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        dataclasses.replace(PLAIN, **change)


def test_pictures_too_small_for_the_cells() -> None:
    assert features(_noise(1, 16), PLAIN).shape == (1, 1828)
    with pytest.raises(ValueError, match="cells is 8, but pictures are 15 pixels wide; a cell takes 2; lower it"):
        features(_noise(1, 15), PLAIN)
