"""Comparisons outside of the family of effects on the error; each takes Bonferroni's share of its own family's alpha.

`welch` compares two runs, `against_itself` two ways of using the same networks, `over_units` takes numbers one a seed or
one a round of timings, `ratio_of_times` times of which some were not reached, `value` and `value_of_average` the error of
one way of training, `all_of` a claim about several runs. Every family has a share of the false positives, `alpha`, and a
fixed number of members, `comparisons`, whether they were run or not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from scipy import optimize, special, stats

from study.statistics.dunnett import spreads
from study.statistics.estimates import LEAST_SEEDS, Arm, Estimate, arm, bounded, weighted_sum


def _tested(bare: Estimate, alpha: float, comparisons: int, null: float = 0.0) -> Estimate:
    """With the interval and p of its own test, at Bonferroni's share of `alpha`."""
    bare = replace(bare, alpha=alpha, level=alpha / comparisons)
    if not bare.degrees:
        return bare
    own = two_sided(bare.error, bare.error_of_pictures, bare.degrees)
    highest = float(stats.t.isf(bare.level / 2, bare.degrees))
    lowest = float(stats.norm.isf(bare.level / 2))
    critical = float(optimize.brentq(lambda at: own(at) - bare.level, 0.99 * lowest, 1.01 * highest, xtol=1e-9))
    return replace(bounded(bare, critical), p=min(1.0, comparisons * own(abs(bare.value - null) / bare.error)))


def two_sided(error: float, error_of_pictures: float, degrees: float) -> Callable[[float], float]:
    """The chance that a sum of two errors is so many times `error` away from zero, on either side.

    The part between seeds is estimated, as in a t test with `degrees` of freedom; the pictures' part is known well (the
    distribution of Behrens and Fisher). Satterthwaite's degrees of the sum would make up to four times as many false
    positives at the levels used here, those of the seeds alone nearly none.
    """
    spread, weights = spreads(degrees)
    of_pictures = (error_of_pictures / error) ** 2
    scale = np.sqrt(max(1 - of_pictures, 0.0) / spread**2 + of_pictures)
    return lambda times: float(weights @ (2 * special.ndtr(-times / scale)))


def _degrees(weighted: Sequence[tuple[float, Arm]]) -> float:
    """Degrees of freedom of the spread between seeds, by Welch and Satterthwaite; 0 where a run has one seed."""
    if any(one.seeds < 2 for _, one in weighted):
        return 0.0
    parts = [(weight**2 * one.variance / one.seeds, one.seeds - 1) for weight, one in weighted]
    return float(sum(part for part, _ in parts) ** 2 / sum(part**2 / degrees for part, degrees in parts))


def welch(first: np.ndarray, second: np.ndarray, *, alpha: float, step: float, comparisons: int = 1) -> Estimate:
    """Mean of `first` minus mean of `second`, two runs of independent seeds, each (seeds, pictures) or (seeds,).

    Welch's test, with the pictures' error where there are pictures. `step`: by how much one value can change (1: right or
    wrong on a picture).
    """
    weighted = [(1.0, arm(first, step)), (-1.0, arm(second, step))]
    if weighted[0][1].by_picture.size != weighted[1][1].by_picture.size:
        raise ValueError("the two runs were tested on different numbers of pictures; evaluate them on one test set")
    return _tested(weighted_sum(weighted, [one.variance for _, one in weighted], _degrees(weighted)), alpha, comparisons)


def over_units(
    values: np.ndarray, *, alpha: float, step: float, comparisons: int = 1, null: float = 0.0, units: str = "seeds"
) -> Estimate:
    """Mean of numbers, one a unit (units,), or of (units, pictures), such as differences within each seed.

    A t test over units, with the pictures' error where there are pictures. `step`: by how much one number can change
    (1: right or wrong on a picture). `null`: the mean that p speaks against.
    """
    weighted = [(1.0, arm(values, step))]
    bare = weighted_sum(weighted, [weighted[0][1].variance], _degrees(weighted))
    return replace(_tested(bare, alpha, comparisons, null), units=units)


def of_these_networks(values: np.ndarray, *, alpha: float, comparisons: int = 1, step: float = 1.0) -> Estimate:
    """Mean of (seeds, pictures) with pictures as units: a statement about these networks on new pictures.

    Where all pictures agree, chance is taken to be what one picture that differs by `step` would make it.
    """
    table = arm(values, step)
    if (pictures := table.by_picture.size) < 2:
        raise ValueError("pictures are the units here, and there is one; give (seeds, pictures)")
    error = float(np.sqrt(max(float(table.by_picture.var(ddof=1)), step**2 / pictures) / pictures))
    bare = Estimate(
        value=table.mean, low=-np.inf, high=np.inf, p=1.0, alpha=alpha, level=1.0, new_low=-np.inf, new_high=np.inf, error=error,
        degrees=pictures - 1, critical=np.inf, seeds=(table.seeds,), variances=(0.0,), pictures=pictures, units="pictures",
    )  # fmt: skip
    return replace(_tested(bare, alpha, comparisons), error_of_pictures=error)


def against_itself(differences: np.ndarray, *, alpha: float, comparisons: int = 1, step: float = 1.0) -> Estimate:
    """Two ways of using the same networks, or networks against one fixed thing: differences (seeds, pictures).

    From five seeds on a t test over seeds with the pictures' error; with fewer a statement about these networks.
    """
    judged = over_units if len(differences) >= LEAST_SEEDS else of_these_networks
    return judged(differences, alpha=alpha, comparisons=comparisons, step=step)


def value(wrong: np.ndarray, *, alpha: float = 0.05) -> Estimate:
    """Error of one way of training, from (seeds, pictures); of one seed with pictures as units."""
    return over_units(wrong, alpha=alpha, step=1.0) if len(wrong) > 1 else of_these_networks(wrong, alpha=alpha)


def value_of_average(averaged: np.ndarray, singles: np.ndarray, *, alpha: float = 0.05) -> Estimate:
    """Error of one average of networks: `averaged` (pictures,), its members `singles` (seeds, pictures).

    There is one average, so its variance over new ones is taken from its members: that of one member over their number.
    """
    members, whole = arm(singles), arm(averaged[None])
    weighted = [(1.0, replace(whole, variance=members.variance / members.seeds))]
    bare = weighted_sum(weighted, [weighted[0][1].variance], members.seeds - 1)
    return replace(_tested(bare, alpha, 1), seeds=(members.seeds,))


def ratio_of_times(
    slow: Sequence[tuple[float | None, float]],
    fast: Sequence[tuple[float | None, float]],
    *,
    alpha: float,
    comparisons: int = 1,
    step: float = 0.01,
) -> Estimate:
    """Logarithm of how many times longer `slow` takes than `fast`; a seed is (its time or None, how long it could have taken).

    Welch's test on logarithms. A time that was not reached counts as its limit, and the estimate becomes a bound: with
    slow ones missing "at least", with fast ones missing "at most". A bound's open side is infinite and proves nothing on
    that side; with times missing on both sides nothing is known. A run of which times are missing shows too little of its
    spread, so that it counts as no less variable than the other.
    """
    logs = [np.log([limit if time is None else time for time, limit in run]) for run in (slow, fast)]
    above, below = (any(time is None for time, _ in run) for run in (slow, fast))
    arms = [arm(of_run, step) for of_run in logs]
    if above or below:
        largest = max(one.variance for one in arms)
        arms = [replace(one, variance=largest) if cut else one for one, cut in zip(arms, (above, below), strict=True)]
    weighted = list(zip((1.0, -1.0), arms, strict=True))
    estimate = _tested(weighted_sum(weighted, [one.variance for one in arms], _degrees(weighted)), alpha, comparisons)
    if not above and not below:
        return estimate
    proves_nothing = (above and below) or (above and estimate.value <= 0) or (below and estimate.value >= 0)
    return replace(
        estimate,
        low=-np.inf if below else estimate.low,
        high=np.inf if above else estimate.high,
        new_low=-np.inf if below else estimate.new_low,
        new_high=np.inf if above else estimate.new_high,
        p=1.0 if proves_nothing else estimate.p,
        bound="unknown" if above and below else "at least" if above else "at most",
    )


def all_of(estimates: Sequence[Estimate]) -> Estimate:
    """A claim that holds of each, such as of every layer removed: the smallest effect and lower bound, the largest p.

    Where one of them is surely negative the claim is contradicted, and p is that one's. A number of the paper must lie
    where a new pair of trainings of each would; the interval is as wide as the widest.
    """
    negative = [one.p for one in estimates if one.high < 0]
    return replace(
        min(estimates, key=lambda one: one.low),
        value=min(one.value for one in estimates),
        high=min(one.high for one in estimates),
        p=min(negative) if negative else max(one.p for one in estimates),
        error=max(one.error for one in estimates),
        new_low=max(one.new_low for one in estimates),
        new_high=min(one.new_high for one in estimates),
        seeds=tuple(min(seeds) for seeds in zip(*(one.seeds for one in estimates), strict=True)),
    )
