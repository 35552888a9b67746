"""Simulated studies whose truth is known: which networks err on which pictures, for many runs and seeds."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
from scipy import special, stats

PICTURES = 4000
BASE, RUNS = "base", tuple(f"run{number}" for number in range(1, 21))
OF_RUN, OF_NETWORK, ERROR = 0.432, 0.359, 0.42  # beside a spread of 1 of the pictures' difficulty; the error of base
WHOLE = float(np.sqrt(1 + OF_RUN**2 + OF_NETWORK**2))
NOISE = 0.0042  # standard deviation that the finite test set gives to the error of a network, beyond that of its run


@cache
def latent(error: float) -> float:
    """The shift of all pictures with which a network errs by `error`."""
    return float(WHOLE * stats.norm.ppf(error))


@cache
def steepness(error: float) -> float:
    """How much more a network that errs by `error` errs, for a shift of a WHOLE."""
    return float(stats.norm.pdf(stats.norm.ppf(error)))


def study(
    random: np.random.Generator,
    *,
    effects: Mapping[str, float] | None = None,
    spreads: Mapping[str, float] | None = None,
    seeds: int = 5,
    of_base: int = 10,
    runs: tuple[str, ...] = RUNS,
    pictures: int = PICTURES,
) -> dict[str, np.ndarray]:
    """By run, base first, whether each seed errs on each picture: bool (seeds, pictures).

    `effects` is how many points more a run errs than base, `spreads` the standard deviation of its seeds' errors in
    points, 1 where not named. Each picture has a difficulty that all share, one that a run's seeds share, and chance.
    """
    hard = random.standard_normal(pictures)
    found = {}
    for run in (BASE, *runs):
        error = ERROR + (effects or {}).get(run, 0.0) / 100
        spread = np.sqrt(max(((spreads or {}).get(run, 1.0) / 100) ** 2 - NOISE**2, 0.0))
        of_seeds = latent(error) + spread * WHOLE / steepness(error) * random.standard_normal(
            (of_base if run == BASE else seeds, 1)
        )
        wrong_with = special.ndtr((hard + OF_RUN * random.standard_normal(pictures) + of_seeds) / OF_NETWORK)
        found[run] = random.random(wrong_with.shape) < wrong_with
    return found
