"""Effects on the error: many runs against one base run, after Dunnett (1955), with a robust spread and the pictures' error.

The t statistic of comparison i is (r_i X_i + l_i Z) / s with X_i and Z standard normal, Z common to all, r_i^2 + l_i^2 = 1,
and s^2 a chi-square over its degrees of freedom. The loading l_i says how much of the comparison's chance is the base
run's. Intervals and p come from the distribution of the largest |t|, by quadrature, so they cannot disagree.
Dunnett, C. W.: A multiple comparison procedure for comparing several treatments with a control. JASA 50 (1955).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy import optimize, special, stats

from study.statistics.estimates import LEAST_SEEDS, Arm, Estimate, arm, bounded, variance_of_pictures, weighted_sum

POINTS = 60
LARGEST_LOADING = 0.98  # a smaller loading errs on the safe side, and keeps the integrand smooth enough for 60 points
OUTSIDE = 1e-12  # of the chance of s, on either side, is left out
FARTHEST_NORMAL = 8.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """The declared runs beside the base run: `spread` is the robust variance of one seed, `loadings` (comparisons,)."""

    base: str
    arms: Mapping[str, Arm]
    spread: float
    degrees: int
    loadings: np.ndarray
    alpha: float
    critical: float


def family(
    base: str, errors: Mapping[str, np.ndarray], *, comparisons: int, alpha: float, not_compared: Collection[str] = ()
) -> Family:
    """The family of effects on the error, from one test set and one metric.

    `errors`: by run, base among them, whether each seed errs on each picture, bool (seeds, pictures); only runs that the
    protocol declares. `comparisons`: the protocol's constant. `not_compared`: runs that only contrasts use. Runs of fewer
    than five seeds are estimated but enter no pool. Raises ValueError where base is missing, test sets differ or more is
    compared than `comparisons`.
    """
    arms = {run: arm(wrong) for run, wrong in errors.items()}
    if base not in arms:
        raise ValueError(f"the base run {base!r} is not among {', '.join(sorted(arms))}")
    if len({one.by_picture.size for one in arms.values()}) > 1:
        raise ValueError("the runs were tested on different numbers of pictures; evaluate them on one test set")
    pool = {run: one for run, one in arms.items() if run == base or one.seeds >= LEAST_SEEDS}
    compared = [run for run in pool if run != base and run not in not_compared]
    if len(compared) > comparisons:
        raise ValueError(f"{len(compared)} runs are compared, but the protocol counts {comparisons}; raise its number")
    spread, degrees = _robust_spread(list(pool.values()))
    of_base = max(arms[base].variance, spread) / arms[base].seeds
    loadings = np.zeros(comparisons)
    for place, run in enumerate(compared):
        own = max(arms[run].variance, spread) / arms[run].seeds + variance_of_pictures([(1, arms[run]), (-1, arms[base])])
        loadings[place] = np.sqrt(of_base / (of_base + own))
    critical = critical_value(loadings, degrees, alpha)
    return Family(base=base, arms=arms, spread=spread, degrees=degrees, loadings=loadings, alpha=alpha, critical=critical)


def _robust_spread(arms: Sequence[Arm]) -> tuple[float, int]:
    """The median variance of one seed over the runs, and its degrees of freedom.

    One run that varies wildly must not hide what the others show, nor may leaving it out be rewarded; so the median is
    taken, which is about half as precise as the mean.
    """
    several = [one for one in arms if one.seeds > 1]
    if not several:
        return 0.0, 0
    scaled = [one.variance * (one.seeds - 1) / stats.chi2.ppf(0.5, one.seeds - 1) for one in several]
    return float(np.median(scaled)), round(sum(one.seeds - 1 for one in several) / 2)


def against_base(of: Family, run: str) -> Estimate:
    """Error of `run` minus error of the base run."""
    return contrast(of, {run: 1.0, of.base: -1.0})


def contrast(of: Family, weights: Mapping[str, float]) -> Estimate:
    """A weighted sum of the errors of runs of the family, such as an interaction (a - b) - (c - d)."""
    weighted = [(weight, of.arms[run]) for run, weight in weights.items()]
    variances = [max(one.variance, of.spread) for _, one in weighted]
    bare = weighted_sum(weighted, variances, of.degrees)
    p = _p(of, abs(bare.value) / bare.error)
    level = 2 * float(stats.t.sf(of.critical, of.degrees)) if of.degrees else of.alpha / len(of.loadings)
    return replace(bounded(bare, of.critical), p=p, alpha=of.alpha, level=level, pooled=True)


def _p(of: Family, statistic: float) -> float:
    return exceedance(statistic, of.loadings, of.degrees) if of.degrees else 1.0


def exceedance(threshold: float, loadings: np.ndarray, degrees: float) -> float:
    """Probability that at least one of the statistics is above `threshold` in size.

    `loadings`: (comparisons,), each from 0 to 1. Exact to 5e-5 from two degrees of freedom on, and to a thousandth of a small
    probability.
    """
    of_each, counts = np.unique(np.minimum(loadings, LARGEST_LOADING), return_counts=True)
    spread, of_spread = spreads(degrees)
    normal, of_normal = _normals()
    own = np.sqrt(1 - of_each**2)[:, None, None]
    limit = threshold * spread[None, :, None]
    shift = of_each[:, None, None] * normal
    outside = np.minimum(special.ndtr((shift - limit) / own) + special.ndtr((-shift - limit) / own), 1)
    with np.errstate(divide="ignore"):  # a threshold of zero is always exceeded
        any_outside = -np.expm1(np.tensordot(counts, np.log1p(-outside), axes=1))
    return float(of_spread @ any_outside @ of_normal)


def critical_value(loadings: np.ndarray, degrees: float, alpha: float) -> float:
    """The threshold that the largest of the statistics exceeds with probability `alpha`; infinite without degrees of freedom."""
    if degrees <= 0:
        return float("inf")
    lowest = float(stats.t.isf(alpha / 2, degrees))
    highest = float(stats.t.isf(alpha / 2 / len(loadings), degrees))  # Bonferroni's
    if len(loadings) == 1:
        return highest
    return float(optimize.brentq(lambda at: exceedance(at, loadings, degrees) - alpha, lowest * 0.99, highest * 1.01, xtol=1e-7))


@lru_cache(maxsize=1)
def _points() -> tuple[np.ndarray, np.ndarray]:
    """Points of the quadrature by Gauss and Legendre, from -1 to 1, and their weights."""
    points, weights = np.polynomial.legendre.leggauss(POINTS)
    return points, weights


@lru_cache(maxsize=64)
def spreads(degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """Values of s, the root of a chi-square over its degrees of freedom, and the chance that stands for each."""
    half = degrees / 2
    ends = np.log([special.gammaincinv(half, OUTSIDE) / half, special.gammainccinv(half, OUTSIDE) / half]) / 2
    points, weights = _points()
    logarithm = ends.mean() + np.diff(ends) / 2 * points  # in logarithms, as with few degrees s may be nearly zero
    density = degrees * logarithm - half * np.exp(2 * logarithm)
    chance = weights * np.exp(density - density.max())
    return np.exp(logarithm), chance / chance.sum()


@lru_cache(maxsize=1)
def _normals() -> tuple[np.ndarray, np.ndarray]:
    """Values of Z and the chance that stands for each; of one sign only, as the statistics' sizes do not change with it."""
    points, weights = _points()
    at = FARTHEST_NORMAL / 2 * (1 + points)
    density = weights * np.exp(-(at**2) / 2)
    return at, density / density.sum()
