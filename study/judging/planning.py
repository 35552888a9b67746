"""What an experiment could have seen, and what it would need to see more: power of the tests in statistics.py."""

from __future__ import annotations

import numpy as np
from scipy import optimize, stats
from statsmodels.stats.power import TTestPower

from study.judging.statistics import Estimate

MOST_UNITS = 200  # more seeds than that are no advice


def power(effect: float, spread: float, units: int, error_of_pictures: float, alpha: float) -> float:
    """Chance that a two-sided paired t test over `units` sees `effect`, on the side where it is."""
    noncentrality = effect / np.hypot(spread / np.sqrt(units), error_of_pictures)
    if noncentrality > 30:  # there statsmodels' non-central t runs out of digits, and the normal part no longer matters
        needed = stats.t.isf(alpha / 2, units - 1)
        return float(stats.chi2.cdf((units - 1) * (noncentrality / needed) ** 2, units - 1))
    return float(TTestPower().power(noncentrality / np.sqrt(units), units, alpha / 2, alternative="larger"))


def smallest_visible(estimate: Estimate, alpha: float, wanted: float) -> float:
    """The smallest effect that the test would have seen with the chance `wanted` (0.8, say); infinite for one unit."""
    if estimate.units < 2 or not np.isfinite(estimate.error):
        return float("inf")

    def missing(errors: float) -> float:
        at = errors * estimate.error
        return power(at, estimate.spread, estimate.units, estimate.error_of_pictures, alpha) - wanted

    return float(optimize.brentq(missing, 1e-3, 1e6, xtol=1e-4) * estimate.error)


def seeds_needed(effect: float, estimate: Estimate, alpha: float, wanted: float) -> int | None:
    """Fewest seeds whose paired t test sees `effect` with the chance `wanted`; None: more than 200, or never."""
    for units in range(2, MOST_UNITS + 1):
        if power(effect, estimate.spread, units, estimate.error_of_pictures, alpha) >= wanted:
            return units
    return None


def pictures_needed(effect: float, estimate: Estimate, pictures: int, alpha: float, wanted: float) -> int:
    """Test pictures with which the pictures' chance alone would leave `effect` visible, whatever the seeds."""
    far = stats.norm.ppf(1 - alpha / 2) + stats.norm.ppf(wanted)
    return int(np.ceil(pictures * (far * estimate.error_of_pictures / effect) ** 2))
