"""What an experiment could have seen, and what it would need: power of the t tests in estimates, over seeds and pictures."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import optimize, stats

from study.statistics.dunnett import spreads
from study.statistics.estimates import Estimate

MOST_SEEDS = 100  # more seeds of a run than that are no advice


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """What an aim takes. `aim`: "see" an effect of `amount`, show it "smaller" than `amount`, or know the size to within
    `amount` ("size"), on the estimate's scale. `seeds`: of each run in all, None where 100 do not do, empty where pictures
    are the units; `pictures`: of the test set in all, None where those there are do."""

    aim: str
    amount: float
    seeds: tuple[int, ...] | None
    pictures: int | None = None

    def more(self, estimate: Estimate) -> tuple[int, ...]:
        """Seeds of each run beyond those there are."""
        return (
            tuple(max(wanted - had, 0) for wanted, had in zip(self.seeds or (), estimate.seeds, strict=True))
            if self.seeds
            else ()
        )

    def minutes(self, estimate: Estimate, seconds_a_seed: Sequence[float]) -> float:
        """Time of the additional seeds, `seconds_a_seed` of each run in the order of the estimate's."""
        return sum(more * seconds for more, seconds in zip(self.more(estimate), seconds_a_seed, strict=True)) / 60


def power(design: Estimate, effect: float) -> float:
    """Chance that the design of an estimate (its errors, degrees and level) sees `effect`, on the side where it is."""
    reach, weights = _reaches(design)
    return float(weights @ stats.norm.cdf((abs(effect) - reach) / design.error))


def power_for_smaller(design: Estimate, effect: float, margin: float) -> float:
    """Chance that its interval comes to lie within `margin` of zero, where the effect is `effect`."""
    reach, weights = _reaches(design)
    room = np.maximum(margin - reach, 0)
    return float(weights @ (stats.norm.cdf((room - effect) / design.error) - stats.norm.cdf((-room - effect) / design.error)))


def power_for_size(design: Estimate, half_width: float) -> float:
    """Chance that half of its interval is at most `half_width`."""
    reach, weights = _reaches(design)
    return float(weights @ (reach <= half_width))


def _reaches(design: Estimate) -> tuple[np.ndarray, np.ndarray]:
    """Half of the interval for every spread between seeds that one may find, and the chance of each."""
    if not design.degrees:
        return np.array([np.inf]), np.ones(1)
    spread, weights = spreads(design.degrees)
    far = stats.t.isf(design.level / 2, design.degrees)
    if design.pooled or design.units == "pictures":
        return far * design.error * spread, weights
    of_seeds = far**2 * (design.error**2 - design.error_of_pictures**2) * spread**2
    return np.sqrt(of_seeds + (stats.norm.isf(design.level / 2) * design.error_of_pictures) ** 2), weights


def smallest_visible(estimate: Estimate, wanted: float) -> float:
    """The smallest effect that would have been seen with the chance `wanted`; infinite where nothing could be."""
    if not estimate.degrees or estimate.bound:
        return float("inf")
    reach, _ = _reaches(estimate)
    farthest = float(reach.max()) + 10 * estimate.error
    return float(optimize.brentq(lambda effect: power(estimate, effect) - wanted, 0, farthest, xtol=1e-6 * estimate.error))


def planned(estimate: Estimate, seeds: Sequence[int], pictures: int | None = None) -> Estimate:
    """The same design with other numbers of seeds, and of test pictures."""
    shrink = 1.0 if pictures is None or estimate.pictures is None else estimate.pictures / pictures
    of_pictures = estimate.error_of_pictures**2 * shrink
    if estimate.units == "pictures":
        degrees: float = pictures - 1 if pictures else estimate.degrees
        return replace(estimate, error=of_pictures**0.5, error_of_pictures=of_pictures**0.5, degrees=degrees)
    parts = [variance / count for variance, count in zip(estimate.variances, seeds, strict=True)]
    if estimate.pooled:
        degrees = estimate.degrees + (sum(seeds) - sum(estimate.seeds)) / 2
    else:
        degrees = sum(parts) ** 2 / sum(part**2 / (count - 1) for part, count in zip(parts, seeds, strict=True))
    error = float(np.sqrt(sum(parts) + of_pictures))
    return replace(estimate, error=error, error_of_pictures=of_pictures**0.5, degrees=degrees, seeds=tuple(seeds))


def to_see(estimate: Estimate, effect: float, wanted: float, least: Sequence[int] = ()) -> Need:
    """What would see `effect` with the chance `wanted`. `least`: the protocol's seeds, no fewer of which are advised."""
    allowed = abs(effect) / (stats.norm.isf(estimate.level / 2) + stats.norm.ppf(wanted))
    seeds, pictures = _search(estimate, lambda design: power(design, effect) >= wanted, allowed, least)
    return Need(aim="see", amount=abs(effect), seeds=seeds, pictures=pictures)


def to_show_smaller(estimate: Estimate, effect: float, margin: float, wanted: float, least: Sequence[int] = ()) -> Need:
    """What would show that the effect is smaller than `margin`, where it is `effect`."""
    allowed = (margin - abs(effect)) / (stats.norm.isf(estimate.level / 2) + stats.norm.ppf((1 + wanted) / 2))
    seeds, pictures = _search(estimate, lambda design: power_for_smaller(design, effect, margin) >= wanted, allowed, least)
    return Need(aim="smaller", amount=margin, seeds=seeds, pictures=pictures)


def to_know_size(estimate: Estimate, half_width: float, wanted: float, least: Sequence[int] = ()) -> Need:
    """What would make half of the interval at most `half_width`."""
    allowed = half_width / stats.norm.isf(estimate.level / 2)
    seeds, pictures = _search(estimate, lambda design: power_for_size(design, half_width) >= wanted, allowed, least)
    return Need(aim="size", amount=half_width, seeds=seeds, pictures=pictures)


def _search(
    estimate: Estimate, does: Callable[[Estimate], bool], allowed: float, least: Sequence[int]
) -> tuple[tuple[int, ...] | None, int | None]:
    """Fewest seeds that do, growing in proportion; where the test set forbids it, so many pictures that their error is at
    most half of the variance that `allowed`, a standard error, leaves."""
    if allowed <= 0:
        return None, None
    if estimate.units == "pictures":
        assert estimate.pictures is not None
        return (), None if does(estimate) else max(_pictures(estimate, allowed) or 0, estimate.pictures + 1)
    first = [max(had, asked, 2) for had, asked in zip(estimate.seeds, least or (2,) * len(estimate.seeds), strict=True)]
    counts = range(first[0], max(first[0], MOST_SEEDS) + 1)
    for pictures in dict.fromkeys((None, _pictures(estimate, allowed / 2**0.5))):
        place = bisect_left(counts, True, key=lambda count: does(planned(estimate, _grown(first, count), pictures)))
        if place < len(counts):
            return _grown(first, counts[place]), pictures
    return None, None


def _grown(first: Sequence[int], count: int) -> tuple[int, ...]:
    """Seeds of each run where the first has `count`, in the proportion of `first`."""
    return tuple(math.ceil(one * count / first[0]) for one in first)


def _pictures(estimate: Estimate, allowed: float) -> int | None:
    """Test pictures with which their error alone is `allowed`; None where those there are do."""
    if estimate.pictures is None or estimate.error_of_pictures <= allowed:
        return None
    return math.ceil(estimate.pictures * (estimate.error_of_pictures / allowed) ** 2)
