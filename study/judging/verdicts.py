"""The verdicts: one rule a word, nothing typed by hand.

| word | rule |
|---|---|
| reproduced | the paper's data and scale; the effect has its direction and its size, or the value its tolerance |
| direction reproduced (reduced scale) | other data or scale; an effect in the paper's direction |
| | of a claimed absence: the difference is shown to be smaller than the smallest of interest |
| inconclusive | neither an effect nor its absence is shown |
| no effect at this scale | the effect is shown to be smaller than the smallest of interest |
| contradicted | an effect in the other direction; where an absence is claimed, a difference that matters |
| outside the paper's interval | the paper's data and scale; the interval excludes the paper's number |
| confirmed by arithmetic, refuted by arithmetic | it follows from the paper's own sizes, or does not |
| not run | a result is missing, and named |
| not testable | nothing measured could decide it |
| withheld | the code that made the results was not committed, or the results are not those that it made |
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from study.judging import planning, statistics
from study.judging.measurement import Measurement
from study.judging.protocol import Block, Protocol
from study.paper.claim import Claim
from study.paper.claims import count

REPRODUCED = "reproduced"
DIRECTION = "direction reproduced (reduced scale)"
INCONCLUSIVE = "inconclusive"
NO_EFFECT = "no effect at this scale"
CONTRADICTED = "contradicted"
OUTSIDE = "outside the paper's interval"
CONFIRMED = "confirmed by arithmetic"
REFUTED = "refuted by arithmetic"
NOT_RUN = "not run"
NOT_TESTABLE = "not testable"
WITHHELD = "withheld"
WORDS = (
    REPRODUCED,
    DIRECTION,
    INCONCLUSIVE,
    NO_EFFECT,
    CONTRADICTED,
    OUTSIDE,
    CONFIRMED,
    REFUTED,
    NOT_RUN,
    NOT_TESTABLE,
    WITHHELD,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """A word, the sentence why, and what would decide a claim that is open."""

    word: str
    why: str
    decide: str = ""


def without_measurement(claim: Claim) -> Verdict:
    """The verdict of a claim that arithmetic decides or nothing can."""
    if claim.kind == "arithmetic":
        counted = count(claim.id)
        return Verdict(word=CONFIRMED if counted.agrees else REFUTED, why=counted.working)
    return Verdict(word=NOT_TESTABLE, why="; ".join(claim.problems))


def judge_value(claim: Claim, block: Block, measured: Measurement) -> Verdict:
    """A number of the paper against ours, at the paper's scale."""
    assert claim.value is not None
    low, high = claim.value - block.tolerance, claim.value + block.tolerance
    ours = measured.estimate
    if ours.high < low or ours.low > high:
        return Verdict(word=OUTSIDE, why=f"the interval {_range(measured)} excludes {claim.value:.1%} and its tolerance")
    if low <= ours.low and ours.high <= high:
        return Verdict(word=REPRODUCED, why=f"the interval {_range(measured)} lies within the tolerance of {claim.value:.1%}")
    return Verdict(word=INCONCLUSIVE, why=f"the interval {_range(measured)} reaches over the edge of the tolerance")


def judge_effect(claim: Claim, block: Block, measured: Measurement, p: float, protocol: Protocol, full_scale: bool) -> Verdict:
    """An effect: `p` is Holm's; the interval must exclude no effect as well."""
    ours, margin = measured.estimate, smallest_of_interest(block, measured)
    seen = p < protocol.alpha and (ours.low > 0 or ours.high < 0)
    tested = f"{_range(measured)}, p = {p:.2g} after Holm"
    if measured.seeds < block.seeds:
        return Verdict(word=INCONCLUSIVE, why=f"{_count(measured.seeds, 'seed')} of the {block.seeds} that the protocol asks for")
    if statistics.equivalent(ours, margin, protocol.alpha):
        return Verdict(word=NO_EFFECT, why=f"the effect is smaller than {_amount(margin, measured)}: {tested}")
    if seen and ours.value < 0:
        return Verdict(word=CONTRADICTED, why=f"the effect goes the other way: {tested}")
    if seen and not full_scale:
        return Verdict(word=DIRECTION, why=f"an effect in the paper's direction: {tested}; its size is not comparable")
    if seen:
        return _judge_size(claim, block, measured, tested)
    return Verdict(word=INCONCLUSIVE, why=f"neither an effect nor its absence is shown: {tested}")


def judge_absence(block: Block, measured: Measurement, p: float, protocol: Protocol) -> Verdict:
    """A claim that something makes no difference, such as no cost: is it below the smallest that matters?"""
    ours, margin = measured.estimate, smallest_of_interest(block, measured)
    tested = f"{_range(measured)}, where less than {_amount(margin, measured)} does not matter, p = {p:.2g} after Holm"
    if p >= protocol.alpha or ours.low <= margin <= ours.high:
        return Verdict(word=INCONCLUSIVE, why=f"the interval reaches over the smallest difference that matters: {tested}")
    if ours.low > margin:
        return Verdict(word=CONTRADICTED, why=f"there is a difference that matters: {tested}")
    return Verdict(word=DIRECTION, why=f"no difference that matters: {tested}; it is of this machine")


def _judge_size(claim: Claim, block: Block, measured: Measurement, tested: str) -> Verdict:
    """At the paper's scale, with the direction seen."""
    ours = measured.estimate
    if claim.value is None:
        return Verdict(word=REPRODUCED, why=f"an effect in the paper's direction, which names no size: {tested}")
    if measured.ratio:
        low, high = np.log(claim.value / max(block.tolerance, 1)), np.log(claim.value * max(block.tolerance, 1))
    else:
        low, high = claim.value - block.tolerance, claim.value + block.tolerance
    if ours.high < low or ours.low > high:
        return Verdict(word=OUTSIDE, why=f"the direction is the paper's, the size is not: {tested}")
    if ours.censored:
        return Verdict(word=INCONCLUSIVE, why=f"the direction is the paper's, of the size only a bound is known: {tested}")
    return Verdict(word=REPRODUCED, why=f"direction and size agree with the paper's: {tested}")


def smallest_of_interest(block: Block, measured: Measurement) -> float:
    """The protocol's smallest effect, on the estimate's scale."""
    return float(np.log(block.smallest_effect)) if measured.ratio else block.smallest_effect


def what_decides(block: Block, measured: Measurement, protocol: Protocol, family: int, seconds_a_seed: float) -> str:
    """For an inconclusive claim: seeds and pictures with which the smallest effect of interest would be seen."""
    ours, alpha = measured.estimate, protocol.alpha / family
    runs = " and ".join(f"`{run}`" for run in dict.fromkeys((*block.run.split(), *block.against.split())) if run)
    if not np.isfinite(ours.low) or not np.isfinite(ours.high):
        return f"more epochs for {runs}, until every seed is there; then `uv run dvc repro`"
    if measured.seeds < block.seeds:
        return f"{_seeds(block.seeds, measured, runs, seconds_a_seed)}; then `uv run dvc repro`"
    visible, effect = planning.smallest_visible(ours, alpha, protocol.power), smallest_of_interest(block, measured)
    while visible <= effect:  # it would have been seen, and what was seen is smaller: look more closely
        effect /= 2
    aim = f"to see an effect of {_amount(effect, measured)}"
    if not measured.seeds_are_units:
        needed = int(np.ceil(ours.units * (visible / effect) ** 2))
        return f"about {needed:,} {measured.units} in place of {ours.units:,}, {aim}"
    needs = _seeds_and_pictures(effect, measured, alpha, protocol.power, runs, seconds_a_seed)
    return f"{needs}, {aim}; then `uv run dvc repro`"


def what_decides_absence(block: Block, measured: Measurement, protocol: Protocol, family: int) -> str:
    """For an inconclusive absence: units with which the interval would no longer reach over the smallest of interest."""
    ours, margin = measured.estimate, smallest_of_interest(block, measured)
    visible = planning.smallest_visible(ours, protocol.alpha / family, protocol.power)
    apart = abs(ours.value - margin)
    needed = ours.units * (visible / apart) ** 2 if apart else np.inf
    if not ours.units < needed < 1000 * ours.units:
        return f"it lies at the margin of {_amount(margin, measured)} itself; more {measured.units} hardly help"
    return f"about {int(np.ceil(needed)):,} {measured.units} in place of {ours.units:,}; then `uv run dvc repro`"


def _seeds_and_pictures(
    effect: float, measured: Measurement, alpha: float, power: float, runs: str, seconds_a_seed: float
) -> str:
    """More seeds; where the test set alone hides the effect, so many pictures that it makes half of the chance."""
    ours = measured.estimate
    seeds = planning.seeds_needed(effect, ours, alpha, power)
    pictures = ""
    if seeds is None and measured.pictures:
        needed = 2 * planning.pictures_needed(effect, ours, measured.pictures, alpha, power)
        pictures = f"about {needed:,} test pictures in place of {measured.pictures:,}, and "
        larger = replace(ours, error_of_pictures=ours.error_of_pictures * float(np.sqrt(measured.pictures / needed)))
        seeds = planning.seeds_needed(effect, larger, alpha, power)
    if seeds is None:
        return f"{pictures}more than {planning.MOST_UNITS} seeds of {runs}"
    return pictures + _seeds(max(seeds, measured.seeds), measured, runs, seconds_a_seed)


def _seeds(seeds: int, measured: Measurement, runs: str, seconds_a_seed: float) -> str:
    more = seeds - measured.seeds
    minutes = round(max(more * seconds_a_seed / 60, 1))
    time = f" (about {_count(minutes, 'minute')} here)" if more and seconds_a_seed else ""
    return f"{_count(seeds, 'seed')} of {runs} in place of {measured.seeds}{time}"


def _amount(effect: float, measured: Measurement) -> str:
    """An effect on the estimate's scale, in words that fit the measurement."""
    if measured.ratio:
        return f"{np.exp(effect):.3g} times"
    if measured.pictures is None or not measured.in_points:
        return f"{effect:.3g}"
    return f"{100 * effect:.2g} point{'' if effect == 0.01 else 's'}"


def _range(measured: Measurement) -> str:
    ours = measured.estimate
    if measured.ratio:
        return f"{np.exp(ours.value):.3g} times ({np.exp(ours.low):.3g} to {np.exp(ours.high):.3g})"
    if measured.pictures is None or not measured.in_points:
        return f"{ours.value:.3g} ({ours.low:.3g} to {ours.high:.3g})"
    return f"{100 * ours.value:.2f} points ({100 * ours.low:.2f} to {100 * ours.high:.2f})"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
