"""Intervals and tests of the judgement, by scipy and statsmodels.

Two questions, two tests. These two trained networks on new pictures: exact McNemar, bootstrap over pictures. These two
methods: a seed is the unit, paired where seeds share their order and initialisation; pictures count as a second source
of chance, since a test set is a sample too. An effect must pass both to be seen, and its interval is the wider one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import DescrStatsW


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """An effect, its interval, and what chance it stands against.

    `p`: two-sided, of no effect. `units` are seeds (or pictures, where one network is all there is); `spread` is their
    standard deviation, `error_of_pictures` the standard error that more units do not remove. `values`: the effect, unit
    by unit; `half_width`: that of the shorter interval which a test of equivalence needs. `censored` marks a bound:
    "at least", "at most", or "unknown".
    """

    value: float
    low: float
    high: float
    p: float
    units: int
    spread: float
    error_of_pictures: float
    half_width: float
    values: np.ndarray = field(repr=False)
    censored: str = ""

    @property
    def error(self) -> float:
        return float(np.hypot(self.spread / np.sqrt(self.units), self.error_of_pictures))


def wilson(wrong: int, pictures: int, confidence: float) -> tuple[float, float]:
    """Wilson's interval of one error rate."""
    low, high = proportion_confint(wrong, pictures, alpha=1 - confidence, method="wilson")
    return float(low), float(high)


def exact_mcnemar(first: np.ndarray, second: np.ndarray) -> float:
    """p of "both networks err equally often", from whether each is wrong on each picture: bool (pictures,) twice."""
    table = [[np.sum(first & second), np.sum(first & ~second)], [np.sum(~first & second), np.sum(~first & ~second)]]
    return float(mcnemar(np.asarray(table), exact=True).pvalue)


def crossed_draws(differences: np.ndarray, draws: int, random: np.random.Generator) -> np.ndarray:
    """Bootstrap means of (units, pictures) differences, both resampled, crossed: (draws,).

    Pictures with the same column are exchangeable, so they are drawn as groups: the same law as picture by picture, at
    a cost that does not grow with the test set.
    """
    units, pictures = differences.shape
    columns, counts = np.unique(differences, axis=1, return_counts=True)
    of_pictures = random.multinomial(pictures, counts / pictures, size=draws) / pictures
    of_units = random.multinomial(units, np.full(units, 1 / units), size=draws) / units
    means: np.ndarray = ((of_units @ columns) * of_pictures).sum(axis=1)
    return means


def over_seeds(differences: np.ndarray, alpha: float, draws: int, random: np.random.Generator) -> Estimate:
    """The mean of (seeds, pictures) paired differences, a seed as the unit: paired t and crossed bootstrap."""
    means = differences.mean(axis=1)
    step = 1 / differences.shape[1]
    t = over_units(means, alpha, resolution=step)
    draw = crossed_draws(differences, draws, random)
    low, high = np.quantile(draw, [alpha / 2, 1 - alpha / 2])
    shorter = np.quantile(draw, [alpha, 1 - alpha])
    return Estimate(
        value=t.value,
        low=min(t.low, float(low)),
        high=max(t.high, float(high)),
        p=max(t.p, _normal_p(t.value, float(draw.std()))),
        units=t.units,
        spread=t.spread,
        error_of_pictures=_error_of_pictures(differences),
        half_width=max(t.half_width, float(np.abs(shorter - t.value).max())),
        values=means,
    )


def _error_of_pictures(differences: np.ndarray) -> float:
    """Standard error that the pictures leave however many units, by analysis of variance of (units, pictures)."""
    units, pictures = differences.shape
    of_pictures = differences.mean(axis=0)
    rest = differences - of_pictures - differences.mean(axis=1, keepdims=True) + differences.mean()
    noise = float((rest**2).sum() / ((units - 1) * (pictures - 1)))
    return float(np.sqrt(max(of_pictures.var(ddof=1) - noise / units, 0.0) / pictures))


def over_units(values: np.ndarray, alpha: float, resolution: float = 0.0) -> Estimate:
    """The mean of paired differences, one a unit: paired t.

    `resolution`: the step in which a value can change (a picture of the test set). Rounding alone gives that much
    spread over the root of 12, so that units which agree by chance do not pass for certainty.
    """
    described = DescrStatsW(values)
    floor = max(resolution / np.sqrt(12), np.finfo(float).tiny)
    if described.std > floor and len(values) > 1:
        spread = float(np.std(values, ddof=1))
        (low, high), p = described.tconfint_mean(alpha), float(described.ttest_mean(0)[1])
        half = float(described.tconfint_mean(2 * alpha)[1] - described.mean)
    else:
        spread = floor
        error = spread / np.sqrt(len(values))
        low, high = stats.t.interval(1 - alpha, max(len(values) - 1, 1), described.mean, error)
        p = float(2 * stats.t.sf(abs(described.mean) / error, max(len(values) - 1, 1)))
        half = float(stats.t.ppf(1 - alpha, max(len(values) - 1, 1)) * error)
    return Estimate(
        value=float(described.mean), low=float(low), high=float(high), p=p, units=len(values), spread=spread,
        error_of_pictures=0.0, half_width=half, values=values,
    )  # fmt: skip


def over_pictures(differences: np.ndarray, alpha: float, draws: int, random: np.random.Generator) -> Estimate:
    """The mean of paired differences, one a picture, of networks taken as they are: bootstrap over pictures.

    `differences`: (pictures,). p is McNemar's where they are differences of right and wrong, else a t test's. Where all
    pictures agree, chance is taken to be what one picture that differs would make it.
    """
    draw = crossed_draws(differences[None], draws, random)
    low, high = np.quantile(draw, [alpha / 2, 1 - alpha / 2])
    shorter = np.quantile(draw, [alpha, 1 - alpha])
    value, pictures = float(differences.mean()), len(differences)
    return Estimate(
        value=value,
        low=float(low),
        high=float(high),
        p=_p_over_pictures(differences),
        units=pictures,
        spread=max(float(differences.std(ddof=1)), 1 / float(np.sqrt(pictures))),
        error_of_pictures=0.0,
        half_width=float(np.abs(shorter - value).max()),
        values=differences,
    )


def _p_over_pictures(differences: np.ndarray) -> float:
    if np.isin(differences, (-1, 0, 1)).all():
        return exact_mcnemar(differences > 0, differences < 0)
    if np.ptp(differences) == 0:
        return float(stats.binomtest(int((differences > 0).sum()), len(differences)).pvalue) if differences[0] else 1.0
    return float(stats.ttest_1samp(differences, 0).pvalue)


def _normal_p(value: float, error: float) -> float:
    return float(2 * stats.norm.sf(abs(value) / error)) if error else float(value == 0)


def ratio_of_times(
    slow: Sequence[float | None], fast: Sequence[float | None], limits: Sequence[tuple[float, float]], alpha: float
) -> Estimate:
    """Log of how many times longer `slow` takes than `fast`, from paired times; None: not reached within its limit.

    A time that was not reached counts as its limit, and the estimate becomes a bound: with slow ones missing "at
    least", with fast ones missing "at most". A bound's open side is infinite, it proves nothing on that side, and with
    times missing on both sides it proves nothing at all.
    """
    logs = [
        np.log((limit_a if a is None else a) / (limit_b if b is None else b))
        for a, b, (limit_a, limit_b) in zip(slow, fast, limits, strict=True)
    ]
    estimate = over_units(np.array(logs), alpha, resolution=0.01)
    above, below = any(time is None for time in slow), any(time is None for time in fast)
    if not above and not below:
        return estimate
    proves_nothing = (above and estimate.value <= 0) or (below and estimate.value >= 0)
    return replace(
        estimate,
        low=-np.inf if below else estimate.low,
        high=np.inf if above else estimate.high,
        p=1.0 if proves_nothing or (above and below) else estimate.p,
        half_width=np.inf,
        censored="unknown" if above and below else "at least" if above else "at most",
    )


def holm(ps: Sequence[float], alpha: float) -> list[float]:
    """Holm's adjusted p values over a family of tests."""
    if not ps:
        return []
    return [float(p) for p in multipletests(ps, alpha=alpha, method="holm")[1]]


def equivalent(estimate: Estimate, margin: float, alpha: float) -> bool:
    """Whether the effect is shown to lie within `margin` of zero: two one-sided t tests, and the bootstrap agrees."""
    if not abs(estimate.value) + estimate.half_width < margin:
        return False
    if np.ptp(estimate.values) == 0:  # no spread to test against: the interval has decided
        return True
    return bool(DescrStatsW(estimate.values).ttost_mean(-margin, margin)[0] < alpha)


def least_separated(
    columns: Sequence[tuple[np.ndarray, np.ndarray]], alpha: float, draws: int, random: np.random.Generator
) -> Estimate:
    """How far two groups differ in mean, in the seed where they differ least; either group may be the larger.

    A permutation test within each seed; p is the largest, since the claim is about every seed (an intersection of
    alternatives is tested at full level). The interval holds the bootstrap intervals of all seeds.
    """
    gaps, ps, lows, highs, shorter, errors = [], [], [], [], [], []
    for first, second in columns:
        larger, smaller = (first, second) if first.mean() >= second.mean() else (second, first)
        gap = float(larger.mean() - smaller.mean())
        test = stats.permutation_test((larger, smaller), _difference_of_means, n_resamples=draws, rng=random, vectorized=True)
        draw = crossed_draws(larger[None], draws, random) - crossed_draws(smaller[None], draws, random)
        gaps.append(gap)
        ps.append(float(test.pvalue))
        lows.append(float(np.quantile(draw, alpha / 2)))
        highs.append(float(np.quantile(draw, 1 - alpha / 2)))
        shorter.append(float(np.quantile(draw, 1 - alpha)))
        errors.append(float(np.sqrt(larger.var(ddof=1) / len(larger) + smaller.var(ddof=1) / len(smaller))))
    units = sum(map(len, columns[0]))
    return Estimate(
        value=min(gaps), low=min(lows), high=max(highs), p=max(ps), units=units, error_of_pictures=0.0,
        spread=max(errors) * float(np.sqrt(units)), half_width=max(shorter) - min(gaps), values=np.array(gaps),
    )  # fmt: skip


def _difference_of_means(x: np.ndarray, y: np.ndarray, axis: int) -> np.ndarray:
    return np.asarray(x.mean(axis=axis) - y.mean(axis=axis))
