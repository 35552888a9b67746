"""The verdicts: which word a claim gets, and why. One rule a word, nothing typed by hand.

| word | rule |
|---|---|
| reproduced | at the paper's scale: the direction is seen, the paper's number lies where one new pair of trainings would, |
| | and our half-width is at most half of the paper's effect; a value likewise, its mean known to the tolerance |
| size differs | at the paper's scale: the paper's number lies outside the interval of new trainings |
| direction reproduced, size open | at the paper's scale: the direction is seen, the size is not known well enough |
| direction reproduced (reduced scale) | other data, scale or training: an effect in the paper's direction is seen |
| smaller than what matters | the whole interval lies inside the smallest effect of interest, on either side of zero |
| contradicted | an effect against the paper is seen; where none is claimed, a difference that matters |
| undecided | neither an effect nor its smallness is shown |
| too few seeds | fewer seeds than the protocol asks for |
| not trained long enough | nothing was learned, or the measure stayed so near to where it begins that it could not differ |
| confirmed, refuted by arithmetic | it follows from the paper's own sizes, or does not |
| consistent with the paper's own numbers | numbers that the paper prints agree with the sentence, which they do not prove |
| diverged | a training that it rests on diverged |
| not run, not testable, withheld | a result is missing; nothing measured could decide it; results or code are not in order |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from study import amounts
from study.paper.claim import Claim
from study.paper.claims import count

if TYPE_CHECKING:  # the dashboard reads words here, without scipy
    from study.judging.families import Tested
    from study.judging.measurement import Measurement
    from study.judging.protocol import Block
    from study.statistics.estimates import Estimate

REPRODUCED = "reproduced"
SIZE_DIFFERS = "size differs"
SIZE_OPEN = "direction reproduced, size open"
DIRECTION = "direction reproduced (reduced scale)"
SMALLER = "smaller than what matters"
CONTRADICTED = "contradicted"
UNDECIDED = "undecided"
TOO_FEW_SEEDS = "too few seeds"
NOT_LONG_ENOUGH = "not trained long enough"
DIVERGED = "diverged"
CONFIRMED = "confirmed by arithmetic"
REFUTED = "refuted by arithmetic"
CONSISTENT = "consistent with the paper's own numbers"
NOT_RUN = "not run"
NOT_TESTABLE = "not testable"
WITHHELD = "withheld"
WORDS = (
    REPRODUCED,
    SIZE_DIFFERS,
    SIZE_OPEN,
    DIRECTION,
    SMALLER,
    CONTRADICTED,
    UNDECIDED,
    TOO_FEW_SEEDS,
    NOT_LONG_ENOUGH,
    DIVERGED,
    CONFIRMED,
    REFUTED,
    CONSISTENT,
    NOT_RUN,
    NOT_TESTABLE,
    WITHHELD,
)


HELD, NOT_HELD, SMALL, NOT_SEEN = "held", "did not hold", "were smaller than what matters", "could not be seen"
NOT_JUDGED = "were not judged"
GROUPS = (
    dict.fromkeys((REPRODUCED, SIZE_OPEN, DIRECTION, CONFIRMED, CONSISTENT), HELD)
    | dict.fromkeys((SIZE_DIFFERS, CONTRADICTED, REFUTED), NOT_HELD)
    | {SMALLER: SMALL}
    | dict.fromkeys((UNDECIDED, TOO_FEW_SEEDS, NOT_LONG_ENOUGH), NOT_SEEN)
    | dict.fromkeys((DIVERGED, WITHHELD, NOT_RUN, NOT_TESTABLE), NOT_JUDGED)
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """A word and the sentence why."""

    word: str
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What is asked of an estimate, in the claim's unit (of "times": factors, while estimates are logarithms).

    `matters`: the smallest effect of interest. `paper`: the paper's number, None where it names none; `over`: it is a
    lower bound ("over 1%"); `rounding`: half of a unit of its last printed digit. `tolerance`: of a value. `reduced`:
    what keeps ours from the paper's scale, empty at the paper's scale. `least_seeds`: the protocol's, one a run in the
    order of the estimate's, empty where seeds are not the units. `learned`: the measure left its `floor`, where it stands when
    nothing is learned, by more than what matters in one run. `margin` and `paper_scaled` are `matters` and `paper` on the
    scale of estimates.
    """

    unit: str
    matters: float = 0.0
    paper: float | None = None
    over: bool = False
    rounding: float = 0.0
    tolerance: float = 0.0
    reduced: tuple[str, ...] = ()
    least_seeds: tuple[int, ...] = ()
    learned: bool = True
    floor: str = ""

    margin: float = field(init=False)
    paper_scaled: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "margin", _scaled(self.matters, self.unit))
        object.__setattr__(self, "paper_scaled", _scaled(self.paper if self.paper is not None else np.nan, self.unit))


def _scaled(number: float, unit: str) -> float:
    """A number in the claim's unit on the scale of estimates."""
    return float(np.log(number)) if unit == "times" and number > 0 else number


def without_measurement(claim: Claim) -> tuple[Verdict, float | None]:
    """The verdict of a claim that the paper's own numbers decide, with what was counted, or of one that nothing of ours can."""
    if claim.kind == "arithmetic":
        counted = count(claim.id)
        return arithmetic(counted.agrees, counted.working, proves=not counted.consistent), counted.computed
    return Verdict(word=NOT_TESTABLE, why="; ".join(claim.problems)), None


def question(claim: Claim, block: Block, measured: Measurement, tested: Tested, reduced: tuple[str, ...]) -> Question:
    """What is asked of a claim. `reduced`: what keeps it from the paper's scale, a phrase each."""
    return Question(
        unit=claim.unit,
        matters=block.smallest_effect,
        paper=claim.value,
        over=claim.bound == "at least",
        rounding=_rounding(claim),
        tolerance=block.tolerance,
        reduced=reduced,
        least_seeds=tested.least_seeds,
        learned=claim.unit == "times" or measured.learned > block.smallest_effect,
        floor=measured.floor,
    )


def give(claim: Claim, asked: Question, measured: Measurement, tested: Tested) -> Verdict:
    """The verdict of a claim that was measured and tested."""
    if measured.learned <= 0:
        return Verdict(word=NOT_LONG_ENOUGH, why=f"what was measured cannot be told from {measured.floor}: {measured.said}")
    rule = {"value": value, "absence": absence}.get(claim.kind, effect)
    verdict = rule(tested.estimate, asked)
    if claim.kind != "value" or tested.top5 is None or claim.top5 is None:
        return verdict
    return both({"top-1": verdict, "top-5": value(tested.top5, replace(asked, paper=claim.top5))})


def _rounding(claim: Claim) -> float:
    """Half of a unit of the last digit that the paper prints: tenths of a percent, or whole ones where it prints no tenth."""
    if claim.unit == "times":
        return 0.5
    whole = claim.value is not None and claim.top5 is None and abs(100 * claim.value - round(100 * claim.value)) < 1e-9
    return 0.005 if claim.unit == "error" and whole else 0.0005


def effect(estimate: Estimate, question: Question) -> Verdict:
    """An effect, counted so that the paper says it is positive."""
    if unfit := _unfit(estimate, question):
        return unfit
    tested = describe(estimate, question)
    if estimate.high < 0:
        return Verdict(word=CONTRADICTED, why="; ".join([f"the effect goes the other way: {tested}", *question.reduced]))
    if estimate.low > 0 and not question.reduced and question.paper is not None:
        return _size(estimate, question, tested)
    if -question.margin < estimate.low and estimate.high < question.margin:
        matters = amounts.amount(question.matters, question.unit)
        return Verdict(
            word=SMALLER,
            why="; ".join(
                [
                    f"the effect is surely smaller than {matters}"
                    f"{', and in the paper’s direction' if estimate.low > 0 else ''}: {tested}",
                    *question.reduced,
                ]
            ),
        )
    if estimate.low <= 0:
        return Verdict(word=UNDECIDED, why=f"neither an effect nor its smallness is shown: {tested}")
    if question.reduced:
        return Verdict(word=DIRECTION, why=f"an effect in the paper's direction: {tested}; {'; '.join(question.reduced)}")
    return Verdict(word=REPRODUCED, why=f"an effect in the paper's direction, of which the paper names no size: {tested}")


def _size(estimate: Estimate, question: Question, tested: str) -> Verdict:
    """At the paper's scale, with the direction seen and a number to compare with."""
    assert question.paper is not None
    paper, said = question.paper_scaled, amounts.amount(question.paper, question.unit)
    if question.over and estimate.low >= paper:
        return Verdict(word=REPRODUCED, why=f"the effect is surely over {said}: {tested}")
    if estimate.new_high < paper if question.over else not _holds(estimate, question):
        return Verdict(word=SIZE_DIFFERS, why=f"a new pair of trainings would not give {said}: {tested}")
    known = np.isfinite([estimate.new_low, estimate.new_high]).all() and estimate.half_width <= abs(paper) / 2
    if question.over or not known:
        return Verdict(word=SIZE_OPEN, why=f"the direction is the paper's, the size is not known well enough: {tested}")
    return Verdict(word=REPRODUCED, why=f"a new pair of trainings could well give {said}: {tested}")


def _holds(estimate: Estimate, question: Question) -> bool:
    """Whether a new training, or pair of trainings, could give the paper's number as it was rounded for print."""
    assert question.paper is not None
    low, high = (_scaled(question.paper + side * question.rounding, question.unit) for side in (-1, 1))
    return estimate.new_low <= high and low <= estimate.new_high


def absence(estimate: Estimate, question: Question) -> Verdict:
    """A claim that something makes no difference, such as no cost: is it below the smallest that matters?"""
    if unfit := _unfit(estimate, question):
        return unfit
    matters = amounts.amount(question.matters, question.unit)
    tested = f"{describe(estimate, question)}, where less than {matters} does not matter"
    if estimate.low > question.margin:
        return Verdict(word=CONTRADICTED, why="; ".join([f"there is a difference that matters: {tested}", *question.reduced]))
    if estimate.high >= question.margin:
        return Verdict(word=UNDECIDED, why=f"the interval reaches over the smallest difference that matters: {tested}")
    if question.reduced:
        return Verdict(word=DIRECTION, why=f"no difference that matters: {tested}; {'; '.join(question.reduced)}")
    return Verdict(word=REPRODUCED, why=f"no difference that matters: {tested}")


def value(estimate: Estimate, question: Question) -> Verdict:
    """A number of the paper against ours; it is compared at the paper's scale only."""
    assert question.paper is not None
    if question.reduced:
        return Verdict(word=NOT_RUN, why=f"a value is compared at the paper's scale only; {'; '.join(question.reduced)}")
    if unfit := _unfit(estimate, question):
        return unfit
    paper, tested = amounts.amount(question.paper, question.unit), describe(estimate, question, with_p=False)
    if not _holds(estimate, question):
        return Verdict(word=SIZE_DIFFERS, why=f"one new training would not give {paper}: {tested}")
    if not np.isfinite(estimate.new_low) or estimate.half_width > question.tolerance:
        return Verdict(
            word=UNDECIDED, why=f"the mean is not known to {amounts.amount(question.tolerance, question.unit)}: {tested}"
        )
    return Verdict(word=REPRODUCED, why=f"one new training could well give {paper}: {tested}")


def both(by_metric: Mapping[str, Verdict]) -> Verdict:
    """One claim in several metrics, such as top-1 and top-5 error: the least favourable word, with every reason."""
    order = (
        NOT_RUN,
        TOO_FEW_SEEDS,
        CONTRADICTED,
        SIZE_DIFFERS,
        NOT_LONG_ENOUGH,
        SMALLER,
        UNDECIDED,
        SIZE_OPEN,
        DIRECTION,
        REPRODUCED,
    )
    why = "; ".join(f"{metric}: {verdict.why}" for metric, verdict in by_metric.items())
    return Verdict(word=min((verdict.word for verdict in by_metric.values()), key=order.index), why=why)


def arithmetic(agrees: bool, working: str, proves: bool = True) -> Verdict:
    """A statement that the paper's own sizes decide; `proves` is false where its numbers can only agree with it."""
    if not agrees:
        return Verdict(word=REFUTED, why=working)
    return Verdict(word=CONFIRMED if proves else CONSISTENT, why=working)


def _unfit(estimate: Estimate, question: Question) -> Verdict | None:
    """What keeps an estimate from being judged: too few seeds, or runs of which none has learned."""
    least = question.least_seeds
    if least and any(seeds < needed for seeds, needed in zip(estimate.seeds, least, strict=True)):
        ours, asked = (" and ".join(map(str, counts)) for counts in (estimate.seeds, least))
        return Verdict(word=TOO_FEW_SEEDS, why=f"{ours} seed{'s' * (ours != '1')}, where the protocol asks for {asked}")
    if not question.learned:
        near = f"farther than {amounts.amount(question.matters, question.unit)} from {question.floor or 'where it begins'}"
        return Verdict(word=NOT_LONG_ENOUGH, why=f"in no run was the measure {near}: {describe(estimate, question)}")
    return None


def describe(estimate: Estimate, question: Question, with_p: bool = True) -> str:
    """The estimate in words: value, interval, p, and of what it speaks."""
    numbers = [estimate.value, estimate.low, estimate.high]
    value, low, high = np.exp(numbers) if question.unit == "times" else numbers
    bound = f"{estimate.bound} " if estimate.bound else ""
    said = bound + amounts.interval(value, low, high, question.unit) + (f", p = {estimate.p:.2g}" if with_p else "")
    return said + (" (of these networks)" if estimate.units == "pictures" else "")
