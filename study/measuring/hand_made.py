"""Hand-made features and a linear classifier, on the study's own pictures: what the margin of section 6 is measured against.

Table 1 compares with sparse coding and with Fisher vectors of SIFT, on ILSVRC-2010. Here it is a simple baseline of that
time: histograms of oriented gradients (Dalal and Triggs 2005) and of colours (Swain and Ballard 1991), and ridge regression
on indicators of the classes. That has a closed form: no rate to choose, the same result on every run, one pass over any
number of pictures in bounded memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from study.data.packed import PackedSplit

CLIP = 0.2  # of a block's norm, after which it is normalised again (L2-Hys)
Batches = Iterable[tuple[Tensor, Tensor]]


@dataclass(frozen=True, kw_only=True, slots=True)
class HandMadeSettings:
    """`cells` along a side and `orientations` of the gradients, `colours` levels a channel; `decays`: ridge penalties, as
    shares of the features' mean square, of which the validation pictures choose one."""

    cells: int = 8
    orientations: int = 9
    colours: int = 4
    decays: tuple[float, ...]
    batch: int = 256

    def __post_init__(self) -> None:
        if self.cells < 2 or self.orientations < 2 or not 1 <= self.colours <= 8 or self.batch < 1:
            raise ValueError(
                f"cells is {self.cells}, orientations {self.orientations}, colours {self.colours} and batch {self.batch}; "
                "give 2 or more of the first two, 1 to 8 colours and a batch of 1 or more"
            )
        if not self.decays or min(self.decays) <= 0:
            raise ValueError(f"decays is {list(self.decays)}; name at least one penalty, all above 0")


@dataclass(frozen=True, kw_only=True, slots=True)
class Fitted:
    """`weights` (features, classes) and `bias` (classes,) in float64, the penalty chosen, and validation errors by penalty."""

    weights: Tensor
    bias: Tensor
    decay: float
    tried: dict[float, float]


def batches(split: PackedSplit, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Pictures uint8 (B, size, size, 3) and labels (B,), in packed order."""
    for first in range(0, len(split), batch):
        rows = np.arange(first, min(first + batch, len(split)))
        yield torch.from_numpy(split.take(rows)), torch.from_numpy(split.labels[rows])


def features(pictures: Tensor, settings: HandMadeSettings) -> Tensor:
    """float32 (B, features) from uint8 (B, size, size, 3)."""
    return torch.cat([gradients(pictures, settings), colours(pictures, settings.colours)], dim=1)


def gradients(pictures: Tensor, settings: HandMadeSettings) -> Tensor:
    """Histograms of oriented gradients: (B, (cells - 1)^2 blocks x 4 cells x orientations)."""
    x = pictures.permute(0, 3, 1, 2).float()
    framed = F.pad(x, (1, 1, 1, 1), mode="replicate")
    across, down = framed[:, :, 1:-1, 2:] - framed[:, :, 1:-1, :-2], framed[:, :, 2:, 1:-1] - framed[:, :, :-2, 1:-1]
    strongest = (across.square() + down.square()).argmax(dim=1, keepdim=True)
    across, down = (d.gather(1, strongest)[:, 0] for d in (across, down))
    size, bins = torch.hypot(across, down), settings.orientations
    place = torch.atan2(down, across) * (bins / torch.pi)  # of the angle without its sign, in bins
    each = []
    for number in range(bins):
        away = (place - number).remainder(bins)
        each.append(size * (1 - torch.minimum(away, bins - away)).clamp(min=0))  # shared by the two nearest bins
    cells = F.adaptive_avg_pool2d(torch.stack(each, dim=1), settings.cells)  # B bins cells cells
    blocks = F.unfold(cells, 2)  # B bins x 4 blocks
    for largest in (CLIP, 1.0):
        blocks = (blocks / (blocks.norm(dim=1, keepdim=True) + 1e-3)).clamp(max=largest)
    return blocks.flatten(1)


def colours(pictures: Tensor, levels: int) -> Tensor:
    """Square roots of the shares of colours, `levels` a channel: (B, levels^3)."""
    step = pictures.flatten(1, 2).long() * levels // 256  # B pixels 3
    which = (step[..., 0] * levels + step[..., 1]) * levels + step[..., 2]
    counted = torch.zeros(len(pictures), levels**3).scatter_add_(1, which, torch.ones(which.shape))
    return (counted / which.shape[1]).sqrt()


def fit(train: Callable[[], Batches], validation: Callable[[], Batches], classes: int, settings: HandMadeSettings) -> Fitted:
    """Sums over one pass of the training pictures, a solution a penalty, and the one that errs least on the validation set."""
    products = sums = targets = counts = torch.zeros(1, dtype=torch.float64)
    seen = 0
    for pictures, labels in train():
        x, y = features(pictures, settings).double(), F.one_hot(labels, classes).double()
        products, targets = products + x.T @ x, targets + x.T @ y
        sums, counts, seen = sums + x.sum(dim=0), counts + y.sum(dim=0), seen + len(x)
    mean, shares = sums / seen, counts / seen
    covariance = products / seen - torch.outer(mean, mean)
    deviation = covariance.diagonal().clamp(min=0).sqrt()
    scale = torch.where(deviation > 1e-6, 1 / deviation.clamp(min=1e-6), 0)  # a feature that never changes says nothing
    correlation = covariance * torch.outer(scale, scale)
    with_classes = (targets / seen - torch.outer(mean, shares)) * scale[:, None]
    found = {}
    for decay in settings.decays:
        penalised = correlation + decay * torch.eye(len(mean), dtype=torch.float64)
        weights = torch.cholesky_solve(with_classes, torch.linalg.cholesky(penalised)) * scale[:, None]
        found[decay] = (weights, shares - mean @ weights)
    tried = _errors(found, validation(), settings)
    best = min(tried, key=lambda decay: tried[decay])
    return Fitted(weights=found[best][0], bias=found[best][1], decay=best, tried=tried)


def _errors(found: dict[float, tuple[Tensor, Tensor]], validation: Batches, settings: HandMadeSettings) -> dict[float, float]:
    wrong, seen = dict.fromkeys(found, 0), 0
    for pictures, labels in validation:
        x, seen = features(pictures, settings).double(), seen + len(labels)
        for decay, (weights, bias) in found.items():
            wrong[decay] += int(((x @ weights + bias).argmax(dim=1) != labels).sum())
    return {decay: count / max(seen, 1) for decay, count in wrong.items()}


def predict(fitted: Fitted, pictures: Batches, settings: HandMadeSettings) -> np.ndarray:
    """Scores (pictures, classes): the larger, the likelier."""
    made = [features(x, settings).double() @ fitted.weights + fitted.bias for x, _ in pictures]
    return torch.cat(made).numpy()


def table(fitted: Fitted, scores: np.ndarray, labels: np.ndarray) -> tuple[list[list[Any]], dict[str, Any]]:
    """Rows of files.HAND_MADE, and the content of hand_made/metrics.json."""
    best = np.argsort(-scores, axis=1, kind="stable")[:, :5]
    right = best == labels[:, None]
    padded = [[*five, *[""] * (5 - len(five))] for five in best.tolist()]
    rows = [[picture, int(label), *padded[picture]] for picture, label in enumerate(labels)]
    return rows, {
        "pictures": len(labels),
        "top1_error": float(1 - right[:, 0].mean()),
        "top5_error": float(1 - right.any(axis=1).mean()),
        "features": len(fitted.weights),
        "decay": fitted.decay,
        "validation_error": {str(decay): error for decay, error in fitted.tried.items()},
    }
