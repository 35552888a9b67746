"""Section 6, Table 1: what hand-made features and a linear classifier make of the same pictures.

The paper's rivals are sparse coding and Fisher vectors of densely sampled SIFT. Simpler features of that family stand in
for them: histograms of oriented gradients (Dalal and Triggs 2005) and a coarse colour histogram (Swain and Ballard 1991).
The classifier is a ridge regression of the classes' indicators: in closed form, so that no learning rate has to be chosen,
and from sums, so that one pass over any number of pictures is enough. B pictures, F features.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from study.data.packed import PackedSplit

Batches = Iterable[tuple[Tensor, Tensor]]  # pictures uint8 (B, size, size, 3) and labels int64 (B,)

CLIP = 0.2  # "L2-Hys": no entry of a block counts for more (Dalal and Triggs, section 6.4)
SOFTENING = 1e-3  # beside a block's norm, steepness from 0 to 1: a quarter of a grey level; keeps 0 / 0 away
UNVARIED = 1e-8  # features of a smaller variance are as good as constant, and are not stretched
SMALLEST = 1e-6  # a smaller decay would drown in the rounding of the sums


@dataclass(frozen=True, kw_only=True, slots=True)
class HandMadeSettings:
    """`cells` along a side at every picture size; `orientations` from 0 to 180 degrees; `colours`: levels a channel.

    `decays` are the ridge penalties among which the validation pictures choose, as shares of the Gram matrix's mean diagonal.
    """

    cells: int = 8
    orientations: int = 9
    colours: int = 4
    decays: tuple[float, ...]
    batch: int = 256

    def __post_init__(self) -> None:
        if min(self.cells, self.orientations) < 2 or self.orientations > 180:
            raise ValueError(
                f"cells is {self.cells} and orientations {self.orientations}; give 2 or more, and at most 180 orientations"
            )
        if not 1 <= self.colours <= 16:
            raise ValueError(f"colours is {self.colours}; it counts levels a channel, from 1 to 16; choose 4")
        if not self.decays or not all(SMALLEST <= decay < math.inf for decay in self.decays):
            raise ValueError(f"decays is {list(self.decays)}; give one or more numbers, each {SMALLEST} or more")
        if self.batch < 1:
            raise ValueError(f"batch is {self.batch}; it counts pictures, 1 or more")


@dataclass(frozen=True, kw_only=True, slots=True)
class Fitted:
    """The classifier: scores are features @ `weights` (F, classes) + `bias` (classes,), float64; one `decay` was chosen."""

    weights: Tensor
    bias: Tensor
    decay: float
    validation_errors: dict[float, float]  # top-1, by decay


def batches(split: PackedSplit, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """A split in packed order: uint8 (B, size, size, 3) and int64 (B,)."""
    for first in range(0, len(split), batch):
        rows = np.arange(first, min(first + batch, len(split)))
        yield torch.from_numpy(split.take(rows)), torch.from_numpy(split.labels[rows])


def features(pictures: Tensor, settings: HandMadeSettings) -> Tensor:
    """uint8 (B, size, size, 3) -> float32 (B, F). Raises ValueError for pictures too small for the cells."""
    if pictures.shape[1] < 2 * settings.cells:
        raise ValueError(f"cells is {settings.cells}, but pictures are {pictures.shape[1]} pixels wide; a cell takes 2; lower it")
    return torch.cat([gradient_blocks(pictures, settings).flatten(1), colour_histogram(pictures, settings.colours)], dim=1)


def gradient_blocks(pictures: Tensor, settings: HandMadeSettings) -> Tensor:
    """HOG, float32 (B, cells - 1, cells - 1, 4 * orientations): blocks of 2 x 2 cells, their norms at most 1."""
    h = _cell_histograms(*_gradients(pictures), settings)  # (B, cells, cells, orientations)
    blocks = torch.cat([h[:, :-1, :-1], h[:, :-1, 1:], h[:, 1:, :-1], h[:, 1:, 1:]], dim=3)
    return _of_unit_norm(_of_unit_norm(blocks).clamp(max=CLIP))


def _of_unit_norm(blocks: Tensor) -> Tensor:
    return blocks / (blocks.square().sum(dim=3, keepdim=True) + SOFTENING**2).sqrt()


def _gradients(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Slopes [-1, 0, 1] to the right and downwards, (B, size, size) each, of each pixel's steepest channel; 0 at the border."""
    planes = pictures.permute(3, 0, 1, 2).contiguous().to(torch.float32)  # whole numbers: slopes and ties are exact
    across, down = torch.zeros_like(planes), torch.zeros_like(planes)
    across[..., 1:-1] = planes[..., 2:] - planes[..., :-2]
    down[..., 1:-1, :] = planes[..., 2:, :] - planes[..., :-2, :]
    steepness = across.square() + down.square()
    right, below, steepest = across[0], down[0], steepness[0]
    for channel in (1, 2):  # among equals the first
        steeper = steepness[channel] > steepest
        right, below = torch.where(steeper, across[channel], right), torch.where(steeper, down[channel], below)
        steepest = torch.where(steeper, steepness[channel], steepest)
    return right, below


def _cell_histograms(right: Tensor, below: Tensor, settings: HandMadeSettings) -> Tensor:
    """Mean steepness by cell and orientation: (B, cells, cells, orientations). Bin 0 holds vertical edges (0 degrees).

    Each pixel is shared by the two bins beside its orientation, in proportion to its nearness.
    """
    n, steepness = settings.orientations, (right.square() + below.square()).sqrt() / 255
    half_turned = torch.where(below < 0, -right, right)  # an edge and its negative have one orientation
    places = torch.atan2(below.abs(), half_turned) * (n / math.pi)  # from 0 to n, which is bin 0 again
    group = _grouping(right.shape[1], settings.cells)
    cells = []
    for orientation in range(n):  # one plane at a time: nine at once are no faster and take nine times the memory
        apart = (places - orientation).abs()
        share = (1 - torch.minimum(apart, n - apart)).clamp(min=0)
        cells.append(group @ (share * steepness) @ group.T)
    return torch.stack(cells, dim=3)


def _grouping(size: int, cells: int) -> Tensor:
    """(cells, size): row i averages the pixels that touch cell i; where `size` is no multiple, neighbours share a pixel."""
    pixel, cell = torch.arange(size), torch.arange(cells)[:, None]
    touched = ((pixel + 1) * cells > cell * size) & (pixel * cells < (cell + 1) * size)
    return touched / touched.sum(dim=1, keepdim=True, dtype=torch.float32)


def colour_histogram(pictures: Tensor, colours: int) -> Tensor:
    """Roots of the shares of each colour, float32 (B, colours^3): so, a few pixels more matter most where there are few."""
    red, green, blue = (pictures.flatten(1, 2).to(torch.int32) * colours >> 8).unbind(dim=2)  # (B, pixels) each
    bins = ((red * colours + green) * colours + blue).to(torch.int64)
    counts = torch.zeros(len(pictures), colours**3, dtype=torch.float32, device=pictures.device)
    counts.scatter_add_(1, bins, torch.ones_like(bins, dtype=torch.float32))
    return (counts / bins.shape[1]).sqrt()


def fit(training: Callable[[], Batches], validation: Callable[[], Batches], classes: int, settings: HandMadeSettings) -> Fitted:
    """Regress the indicators on the standardised features for each decay; keep what errs least in validation.

    Raises ValueError without pictures in either.
    """
    weights, biases = _ridge(*_sums(training(), classes, settings), settings.decays)
    errors = _errors(weights, biases, validation(), settings)
    best = errors.index(min(errors))  # the first of equals
    by_decay = dict(zip(settings.decays, errors, strict=True))
    return Fitted(weights=weights[best], bias=biases[best], decay=settings.decays[best], validation_errors=by_decay)


def _sums(pictures: Batches, classes: int, settings: HandMadeSettings) -> tuple[Tensor, Tensor]:
    """X'X (F + 1, F + 1) and Y'X (classes, F + 1), float64: the last feature is a constant 1, so means are there too."""
    gram = cross = torch.zeros(0)
    for batch, labels in pictures:
        x = features(batch, settings).to(torch.float64)
        x = torch.cat([x, torch.ones_like(x[:, :1])], dim=1)
        if not len(gram):
            gram, cross = x.new_zeros(x.shape[1], x.shape[1]), x.new_zeros(classes, x.shape[1])
        gram.addmm_(x.T, x)
        cross.index_add_(0, labels, x)
    if not len(gram):
        raise ValueError("there are no training pictures to fit hand-made features to; prepare some")
    return gram, cross


def _ridge(gram: Tensor, cross: Tensor, decays: tuple[float, ...]) -> tuple[Tensor, Tensor]:
    """Weights (decays, F, classes) and biases (decays, classes) for features as they come; biases are not penalised.

    Means and deviations are in the sums too: the standardised features' Gram matrix is the given one, rescaled.
    """
    mean, shares = gram[-1, :-1] / gram[-1, -1], cross[:, -1] / gram[-1, -1]
    covariance = gram[:-1, :-1] / gram[-1, -1] - torch.outer(mean, mean)
    deviation = torch.where(covariance.diagonal() > UNVARIED, covariance.diagonal(), 1).sqrt()
    standardised = covariance / torch.outer(deviation, deviation)
    wanted = (cross[:, :-1].T / gram[-1, -1] - torch.outer(mean, shares)) / deviation[:, None]
    identity = standardised.diagonal().mean().clamp(min=UNVARIED) * torch.eye(len(mean), dtype=torch.float64)
    solved = [torch.cholesky_solve(wanted, torch.linalg.cholesky(standardised + decay * identity)) for decay in decays]
    weights = torch.stack(solved) / deviation[:, None]
    return weights, shares - mean @ weights


def _errors(weights: Tensor, biases: Tensor, pictures: Batches, settings: HandMadeSettings) -> list[float]:
    """Top-1 error of each of several classifiers: weights (n, F, classes), biases (n, classes)."""
    wrong, count = torch.zeros(len(weights), dtype=torch.int64), 0
    for batch, labels in pictures:
        scores = features(batch, settings).to(torch.float64) @ weights + biases[:, None]  # (n, B, classes)
        wrong += (scores.argmax(dim=2) != labels).sum(dim=1)
        count += len(labels)
    if not count:
        raise ValueError("there are no validation pictures to choose the decay by; prepare some")
    return [number / count for number in wrong.tolist()]


def predict(fitted: Fitted, pictures: Batches, settings: HandMadeSettings) -> Iterator[np.ndarray]:
    """Scores batch by batch, float64 (B, classes), the highest the likeliest; they are no probabilities."""
    for batch, _ in pictures:
        yield (features(batch, settings).to(torch.float64) @ fitted.weights + fitted.bias).numpy()


def table(fitted: Fitted, scores: Iterable[np.ndarray], labels: np.ndarray) -> tuple[list[list[Any]], dict[str, Any]]:
    """The rows of hand_made/predictions.csv (files.HAND_MADE), and the content of metrics.json; `scores` as `predict` gives
    them, of which only the five highest of a picture are kept. Raises ValueError without pictures."""
    best = [np.argsort(-batch, axis=1, kind="stable")[:, :5].copy() for batch in scores]  # a view would keep all of the order
    if not best:
        raise ValueError("there are no test pictures to classify by hand-made features; prepare some")
    five = np.concatenate(best)
    padding = [""] * (5 - five.shape[1])
    rows = [[i, int(label), *classes.tolist(), *padding] for i, (label, classes) in enumerate(zip(labels, five, strict=True))]
    wrong = five != labels[:, None]
    metrics = {
        "pictures": len(labels),
        "features": len(fitted.weights),
        "decay": fitted.decay,
        "validation_errors": {str(decay): error for decay, error in fitted.validation_errors.items()},
        "top1_error": float(wrong[:, 0].mean()),
        "top5_error": float(wrong.all(axis=1).mean()),
    }
    return rows, metrics
