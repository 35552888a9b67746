"""An estimate with its intervals, and what it is made of: runs summarised over seeds and over test pictures.

A seed is the unit of all statements about a method. A test set is a sample too, so its pictures add an error that more
seeds do not remove.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy import stats

LEAST_SEEDS, LEAST_SEEDS_OF_BASE = 5, 10  # with fewer, a run or a base of larger spread makes too many false positives
PREDICTION = 0.95  # the chance that the interval of a new training holds


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """An effect or a value, and how surely it is known. Ratios are logarithms.

    `low` and `high` bound the value with the family's confidence, 1 - `alpha`; `p` is adjusted for the family and is to
    be compared with `alpha`. `new_low` and `new_high`: where one new training, or pair of trainings, would come to lie
    with a chance of 95%. `error`: the standard error of `value`; `critical` times it is half of the interval, which is that
    of a single test at `level`. `seeds` and `variances` (of one seed) are those of each run that is compared, `degrees`
    the degrees of freedom of the spread between seeds, `error_of_pictures` the part of `error` that more seeds do not
    remove, `pictures` their number. `units`: "seeds", "rounds", or "pictures", where the statement is of these networks
    only. `pooled`: spread and degrees are those of a whole family. `bound`: "at least", "at most" or "unknown" where times were
    not reached.
    """

    value: float
    low: float
    high: float
    p: float
    alpha: float
    new_low: float
    new_high: float
    error: float
    degrees: float
    critical: float
    level: float
    seeds: tuple[int, ...]
    variances: tuple[float, ...]
    error_of_pictures: float = 0.0
    pictures: int | None = None
    units: str = "seeds"
    pooled: bool = False
    bound: str = ""

    @property
    def half_width(self) -> float:
        """Half of the interval's length; infinite where one end is open."""
        return np.inf if self.bound else self.critical * self.error


@dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """What a comparison needs of one run: `by_picture` (pictures,) is the mean over seeds, `noise` the mean over pictures
    of the variance between seeds, `variance` that of the mean over pictures between seeds."""

    seeds: int
    mean: float
    variance: float
    noise: float
    by_picture: np.ndarray = field(repr=False)


def arm(values: np.ndarray, step: float = 1.0) -> Arm:
    """Summary of one run. `values`: whether each seed errs on each picture, (seeds, pictures), or one number a seed, (seeds,).

    `step`: by how much one value can change; rounding alone spreads a mean by that over the pictures and the root of 12, so
    that seeds which agree by chance do not pass for certainty. Raises ValueError for values that are not finite.
    """
    table = np.asarray(values, dtype=float)
    table = table[:, None] if table.ndim == 1 else table
    if table.ndim != 2 or 0 in table.shape or not np.isfinite(table).all():
        raise ValueError(
            f"values of shape {np.shape(values)} are to be finite numbers of seeds and pictures, at least one of each"
        )
    seeds, pictures = table.shape
    several = seeds > 1
    return Arm(
        seeds=seeds,
        mean=float(table.mean()),
        variance=max(float(table.mean(axis=1).var(ddof=1)) if several else 0.0, (step / pictures) ** 2 / 12),
        noise=float(table.var(axis=0, ddof=1).mean()) if several else 0.0,
        by_picture=table.mean(axis=0),
    )


def variance_of_pictures(weighted: Sequence[tuple[float, Arm]]) -> float:
    """Variance that the choice of test pictures gives a weighted sum of runs, without what more seeds would remove."""
    by_picture = np.sum([weight * one.by_picture for weight, one in weighted], axis=0)
    if by_picture.size < 2:
        return 0.0
    noise = sum(weight**2 * one.noise / one.seeds for weight, one in weighted)
    return max(float(by_picture.var(ddof=1)) - noise, 0.0) / by_picture.size


def weighted_sum(weighted: Sequence[tuple[float, Arm]], variances: Sequence[float], degrees: float) -> Estimate:
    """Value, standard error and the interval of new trainings, of a weighted sum of runs."""
    value = sum(weight * one.mean for weight, one in weighted)
    of_pictures = variance_of_pictures(weighted)
    squares = [weight**2 * variance for (weight, _), variance in zip(weighted, variances, strict=True)]
    error = float(np.sqrt(sum(square / one.seeds for square, (_, one) in zip(squares, weighted, strict=True)) + of_pictures))
    pictures = weighted[0][1].by_picture.size
    far = float(stats.t.isf((1 - PREDICTION) / 2, degrees)) if degrees else np.inf
    reach = far * float(np.sqrt(error**2 + sum(squares)))
    return Estimate(
        value=float(value), low=-np.inf, high=np.inf, p=1.0, alpha=1.0, level=1.0, new_low=value - reach, new_high=value + reach,
        error=error, degrees=degrees, critical=np.inf, seeds=tuple(one.seeds for _, one in weighted),
        variances=tuple(squares), error_of_pictures=float(np.sqrt(of_pictures)),
        pictures=pictures if pictures > 1 else None,
    )  # fmt: skip


def bounded(bare: Estimate, critical: float) -> Estimate:
    reach = critical * bare.error
    return replace(bare, low=bare.value - reach, high=bare.value + reach, critical=critical)
