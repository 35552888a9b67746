"""What would decide a claim that is open: first what settles it if the effect is about what was seen, then what sees the
smallest effect of interest. In seeds, pictures and minutes here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from study import amounts
from study.judging import verdicts
from study.judging.families import Tested
from study.judging.measurement import Measurement
from study.judging.verdicts import Question, Verdict
from study.paper.claim import Claim
from study.statistics import power
from study.statistics.estimates import Estimate
from study.statistics.power import MOST_SEEDS, Need

OPEN = (verdicts.UNDECIDED, verdicts.TOO_FEW_SEEDS, verdicts.SIZE_OPEN)
AGAIN = "then `uv run dvc repro`"
AFRESH = (
    "then give numbers of seeds that were not trained here before, as none is added after its result was seen, and "
    "`uv run dvc repro`"
)


def advise(
    claim: Claim,
    question: Question,
    measured: Measurement,
    tested: Tested,
    verdict: Verdict,
    wanted: float,
    seconds: Mapping[str, float],
) -> str:
    """What would decide it, in a sentence; empty where nothing is open.

    `wanted`: the chance with which it should decide. `seconds`: what a seed takes here, by stage (`train-base`).
    """
    estimate, runs = tested.estimate, tested.runs
    if verdict.word == verdicts.NOT_LONG_ENOUGH:
        if measured.learned > 0:  # the networks have learned, but not what is compared
            return f"more epochs, or a later division of the rate, until one of {_listed(runs)} leaves {question.floor}; {AGAIN}"
        return f"more epochs, or another rate, for {_listed(runs)}; {AGAIN}"
    if verdict.word not in OPEN:
        return ""
    if estimate.bound:
        return f"more epochs for {_listed(runs)}, until every seed is there; {AGAIN}"
    took = {run: seconds.get(f"{'converge' if f'converge-{run}' in measured.stages else 'train'}-{run}", 0.0) for run in runs}
    afresh = claim.kind != "absence" and verdict.word != verdicts.TOO_FEW_SEEDS
    words = _Words(unit=claim.unit, estimate=estimate, units=measured.units, runs=runs, seconds=took, afresh=afresh)
    if not np.isfinite(estimate.critical):  # one seed somewhere: nothing is known of the spread
        return f"{words.seeds(_least(estimate, question))}; {AGAIN}"
    if claim.kind == "value":
        return _afresh(words.takes(settles_value(estimate, question, wanted)))
    if claim.kind == "absence":
        return f"{words.takes(settles_absence(estimate, question, wanted))}; {AGAIN}"
    said = []
    if need := settles(estimate, question, verdict.word, wanted):
        said.append(f"if the effect is about the {words.amount(estimate.value)} seen, {words.takes(need)}")
    if verdict.word != verdicts.SIZE_OPEN and power.smallest_visible(estimate, wanted) > question.margin:
        said.append(f"for the smallest effect of interest, {words.takes(sees_smallest(estimate, question, wanted))}")
    if verdict.word == verdicts.TOO_FEW_SEEDS:  # nothing was judged: the seeds that the protocol asks for may come
        return f"{'; '.join(said) or 'as many seeds again'}; {AGAIN}"
    return _afresh("; ".join(said) or "as many seeds again")


def _afresh(said: str) -> str:
    """More seeds of a run that was judged are new ones throughout: to add to those seen until a word comes is no test."""
    return f"{said}; {AFRESH if 'seeds' in said else AGAIN}"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Words:
    """A Need in words. `runs` are those whose seeds the estimate counts, in its order; `seconds`, what a seed of each takes;
    `afresh`, whether all seeds must be new, or only those that are added."""

    unit: str
    estimate: Estimate
    units: str
    runs: tuple[str, ...]
    seconds: Mapping[str, float]
    afresh: bool

    def amount(self, number: float) -> str:
        return amounts.amount(float(np.exp(number)) if self.unit == "times" else number, self.unit)

    def takes(self, need: Need) -> str:
        aim = {"see": "to see", "smaller": "to show that it is smaller than", "size": "to know it to within"}[need.aim]
        pictures = need.pictures and f"{need.pictures:,} {self.units} in place of {self.estimate.pictures:,}"
        if need.seeds is None:
            seeds = f"more than {MOST_SEEDS} {self._name}{self._of(_listed(self.runs))}"
        else:
            seeds = self.seeds(need.seeds, self._minutes(need))
        parts = [part for part in (pictures, seeds) if part]
        return f"{' and '.join(parts) or 'as many again'} {aim} {self.amount(need.amount)}"

    def _minutes(self, need: Need) -> float:
        if not need.seeds or not self.runs:
            return 0.0
        seconds = [self.seconds[run] for run in self.runs]
        if not self.afresh:
            return need.minutes(self.estimate, seconds)
        lacking = zip(need.seeds, self.estimate.seeds, seconds, strict=True)
        return sum(wanted * of_each for wanted, had, of_each in lacking if wanted > had) / 60

    @property
    def _name(self) -> str:
        return self.units if self.estimate.units == "rounds" else "seeds"

    def _of(self, runs: str) -> str:
        return f" of {runs}" if self.runs and self._name == "seeds" else ""

    def seeds(self, wanted: Sequence[int], minutes: float = 0.0) -> str:
        """`5 seeds of `one_column` in place of 3 (about 4 minutes here)`; only of runs that lack some."""
        name = f"new {self._name}" if self.afresh and self._name == "seeds" else self._name
        lacking = [
            f"{count:,} {name}{self._of(f'`{run}`')} in place of {'its ' if name != self._name else ''}{had:,}"
            for run, count, had in zip(self.runs or ("",), wanted, self.estimate.seeds, strict=False)
            if count > had
        ]
        return " and ".join(lacking) + (f" (about {amounts.lasting(60 * minutes)} here)" if lacking and minutes else "")


def _listed(runs: Sequence[str]) -> str:
    return " and ".join(f"`{run}`" for run in dict.fromkeys(runs))


def _least(estimate: Estimate, question: Question) -> tuple[int, ...]:
    asked = question.least_seeds or (2,) * len(estimate.seeds)
    return tuple(max(wanted, had, 2) for wanted, had in zip(asked, estimate.seeds, strict=True))


def settles(estimate: Estimate, question: Question, word: str, wanted: float) -> Need | None:
    """What would decide an open claim if the effect is about what was seen; None where the word leaves nothing open, and
    where times were not reached, as only longer trainings help there.

    An undecided effect is settled by being seen or by being shown smaller than what matters, whichever takes less; an
    open size by half of the paper's effect, or by being surely over the paper's bound.
    """
    seen, margin, least = estimate.value, question.margin, question.least_seeds
    if estimate.bound:
        return None
    if word in (verdicts.UNDECIDED, verdicts.TOO_FEW_SEEDS):
        ways = [power.to_see(estimate, seen, wanted, least)] if seen else []
        if abs(seen) < margin:
            ways.append(power.to_show_smaller(estimate, seen, margin, wanted, least))
        return min(ways, key=_cost, default=None)
    if word == verdicts.SIZE_OPEN and question.paper is not None:
        paper = question.paper_scaled
        if question.over:
            return power.to_see(estimate, seen - paper, wanted, least)
        return power.to_know_size(estimate, abs(paper) / 2, wanted, least)
    return None


def _cost(need: Need) -> tuple[bool, int, int]:
    return need.seeds is None, sum(need.seeds or ()), need.pictures or 0


def settles_absence(estimate: Estimate, question: Question, wanted: float) -> Need:
    """What would show on which side of the smallest difference that matters it lies, if it is about what was seen."""
    need = power.to_see(estimate, estimate.value - question.margin, wanted, question.least_seeds)
    return replace(need, aim="smaller" if estimate.value < question.margin else "see", amount=question.margin)


def settles_value(estimate: Estimate, question: Question, wanted: float) -> Need:
    """What would know the mean to the tolerance."""
    return power.to_know_size(estimate, question.tolerance, wanted, question.least_seeds)


def sees_smallest(estimate: Estimate, question: Question, wanted: float) -> Need:
    """What would see the smallest effect of interest."""
    return power.to_see(estimate, question.margin, wanted, question.least_seeds)
