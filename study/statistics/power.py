"""What an experiment could have seen, and what it would need: power of the t tests in estimates, over seeds and pictures."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import optimize, stats

from study.statistics.dunnett import spreads
from study.statistics.estimates import Estimate

MOST_SEEDS = 200  # more seeds of a run than that are no advice


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """What an aim takes. `aim`: "see" an effect of `amount`, show it "smaller" than `amount`, or know the size to within
    `amount` ("size"), on the estimate's scale. `seeds`: of each run in all, None where 200 do not do, empty where pictures
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
    """Chance that the design of an estimate (its error, degrees and critical value) sees `effect`, on the side where it is."""
    if not np.isfinite(design.critical):
        return 0.0
    spread, weights = spreads(design.degrees)
    return float(weights @ stats.norm.cdf(abs(effect) / design.error - design.critical * spread))


def power_for_smaller(design: Estimate, effect: float, margin: float) -> float:
    """Chance that its interval comes to lie within `margin` of zero, where the effect is `effect`."""
    if not np.isfinite(design.critical):
        return 0.0
    spread, weights = spreads(design.degrees)
    room = margin / design.error - design.critical * spread
    inside = stats.norm.cdf(room - effect / design.error) - stats.norm.cdf(-room - effect / design.error)
    return float(weights @ np.where(room > 0, inside, 0))


def power_for_size(design: Estimate, half_width: float) -> float:
    """Chance that half of its interval is at most `half_width`."""
    if not np.isfinite(design.critical):
        return 0.0
    return float(stats.chi2.cdf(design.degrees * (half_width / (design.critical * design.error)) ** 2, design.degrees))


def smallest_visible(estimate: Estimate, wanted: float) -> float:
    """The smallest effect that would have been seen with the chance `wanted`; infinite where nothing could be."""
    if not np.isfinite(estimate.critical):
        return float("inf")
    reach = (estimate.critical + 10) * estimate.error * 10
    return float(optimize.brentq(lambda effect: power(estimate, effect) - wanted, 0, reach, xtol=1e-6 * estimate.error))


def planned(estimate: Estimate, seeds: Sequence[int], pictures: int | None = None) -> Estimate:
    """The same design with other numbers of seeds, and of test pictures."""
    shrink = 1.0 if pictures is None or estimate.pictures is None else estimate.pictures / pictures
    of_pictures = estimate.error_of_pictures**2 * shrink
    if estimate.units == "pictures":
        degrees: float = pictures - 1 if pictures else estimate.degrees
        return _with(estimate, of_pictures, degrees, of_pictures)
    parts = [variance / count for variance, count in zip(estimate.variances, seeds, strict=True)]
    square = sum(parts) + of_pictures
    if estimate.pooled:
        degrees = estimate.degrees + (sum(seeds) - sum(estimate.seeds)) / 2
    else:
        degrees = square**2 / sum(part**2 / (count - 1) for part, count in zip(parts, seeds, strict=True))
    return replace(_with(estimate, square, degrees, of_pictures), seeds=tuple(seeds))


def _with(estimate: Estimate, square: float, degrees: float, of_pictures: float) -> Estimate:
    critical = float(stats.t.isf(estimate.level / 2, degrees))
    error = float(np.sqrt(square))
    return replace(estimate, error=error, degrees=degrees, critical=critical, error_of_pictures=float(np.sqrt(of_pictures)))


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
    """Fewest seeds that do, growing in proportion; where the test set alone forbids it, so many pictures that their
    chance is half of the variance that is `allowed`."""
    if estimate.units == "pictures":
        assert estimate.pictures is not None
        needed = _pictures(estimate, allowed)
        return (), None if does(estimate) else max(needed, estimate.pictures + 1)
    first = [max(had, asked, 2) for had, asked in zip(estimate.seeds, least or (2,) * len(estimate.seeds), strict=True)]
    more = 2 * _pictures(estimate, allowed) if estimate.pictures else 0
    for pictures in (None, more) if more else (None,):

        def seeds(count: int) -> tuple[int, ...]:
            return tuple(int(np.ceil(one * count / first[0])) for one in first)

        counts = range(first[0], MOST_SEEDS + 1)
        found = bisect_left(counts, True, key=lambda count: does(planned(estimate, seeds(count), pictures)))  # noqa: B023
        if found < len(counts):
            return seeds(counts[found]), pictures
    return None, None


def _pictures(estimate: Estimate, allowed: float) -> int:
    """Test pictures with which their error alone is `allowed`."""
    assert estimate.pictures is not None
    return int(np.ceil(estimate.pictures * (estimate.error_of_pictures / allowed) ** 2)) if allowed > 0 else 0
