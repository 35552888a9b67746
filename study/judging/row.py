"""A claim with its verdict and numbers: what the tables, the dashboard and other programs read. Columns and words stand here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from study import amounts
from study.judging import verdicts
from study.judging.registration import EXPLORATORY
from study.judging.verdicts import Verdict
from study.paper.claim import Claim

NO_NUMBER = "–"
LEAST_P = 1e-10  # smaller ones are given as this: they have no digits that could be trusted
DIRECTION = "a direction, no number"  # what the paper says of an effect for which it prints none
UNREADABLE = (KeyError, TypeError, AttributeError, ValueError, IndexError, ZeroDivisionError)  # of a file's content
NOT_IN_PAPER, IN_NOTES = "not in the paper", "not in the paper; in its author's notes"


def qualified(word: str, registered: str) -> str:
    """A verdict's word as it is printed: with “exploratory” where what is `registered` of its claim changed after its runs."""
    return f"{word}, {EXPLORATORY}" if registered.startswith(EXPLORATORY) else word


def says_of_what(kind: str, unit: str) -> bool:
    """Whether a claim's number needs its metric beside it, as its title does not say what it is of."""
    return kind in ("figure", "absence") or unit == "nats"


@dataclass(frozen=True, kw_only=True, slots=True)
class Numbers:
    """What was measured of a claim, in its unit: errors, differences and shares are fractions, times are factors.

    `low` and `high` bound `ours` with the confidence of its family; `new_low` and `new_high` bound what one new training, or
    pair of trainings, would give with a chance of 95%; an end that is open is None. `bound`: "at least" or "at most", where a
    time was not reached. `p` is adjusted within the family, and LEAST_P at least. `visible`: the smallest effect that would
    have been seen with the protocol's power; `matters`: the smallest effect of interest. `seeds` are the fewest of a run,
    `seeds_of_each` those of all that are compared; `pictures` counts the `units`, test pictures for example; `only_these`: it
    speaks of these networks, not of their kind. `said`: what was measured in each arm. `remarks` stand beside the verdict.
    `scale`: the data and network; `reduced`: what keeps them from the paper's, a phrase each, so that nothing does if empty.
    `implemented`: a stage and a measure exist for the claim. `artifacts`: SHA-256 of the files below the study's folder that
    the verdict rests on.
    """

    ours: float | None = None
    low: float | None = None
    high: float | None = None
    new_low: float | None = None
    new_high: float | None = None
    bound: str = ""
    ours_top5: float | None = None
    low_top5: float | None = None
    high_top5: float | None = None
    p: float | None = None
    visible: float | None = None
    matters: float | None = None
    seeds: int | None = None
    seeds_of_each: tuple[int, ...] = ()
    pictures: int | None = None
    units: str = ""
    only_these: bool = False
    said: str = ""
    remarks: tuple[str, ...] = ()
    scale: str = ""
    reduced: tuple[str, ...] = ()
    test: str = ""
    registered: str = ""
    implemented: bool = False
    artifacts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A claim, its verdict, what would decide it where it is open, and the numbers it rests on."""

    claim: Claim
    verdict: Verdict
    decide: str = ""
    numbers: Numbers = field(default_factory=Numbers)

    def columns(self) -> dict[str, Any]:
        """All of it under the names of COLUMNS, as plain values for JSON."""
        claim, numbers = self.claim, self.numbers
        told = {name: getattr(claim, name) for name in TOLD}
        of_paper = {column: getattr(claim, name) for column, name in PAPER.items()}
        words = {"verdict": self.verdict.word, "group": self.group(), "why": self.verdict.why, "decide": self.decide}
        cells = {"in_paper": self.in_paper(), "here": self.here(), "sample": self.sample()}
        ticks = {"run": self.run(), "decided": self.group() in (verdicts.HELD, verdicts.NOT_HELD, verdicts.SMALL)}
        return told | of_paper | words | cells | ticks | {name: getattr(numbers, name) for name in NUMBERS}

    def group(self) -> str:
        """Whether the claim held, did not hold, was smaller than what matters, could not be seen or was not judged."""
        return verdicts.GROUPS[self.verdict.word]

    def run(self) -> bool:
        """Whether there is a number of ours, measured or counted."""
        return self.numbers.ours is not None or self.claim.kind == "arithmetic"

    def in_paper(self) -> str:
        """What the paper says, with its top-5 number and its data set."""
        claim = self.claim
        if claim.value is None and claim.source == "readers":
            return NOT_IN_PAPER
        if claim.value is None and claim.source == "author's notes":
            return IN_NOTES
        if claim.value is None:
            return {"positive": DIRECTION, "zero": "no difference"}.get(claim.direction, NO_NUMBER)
        said = f"{f'{claim.bound} ' if claim.bound else ''}{amounts.amount(claim.value, claim.unit)}"
        said += f"; top-5 {amounts.amount(claim.top5, claim.unit)}" if claim.top5 is not None else ""
        data = "on what pictures is not said" if claim.data == "not said" else claim.data.split(" (")[0]
        return said + (f" ({data})" if data else "")

    def here(self) -> str:
        """What was measured here, with its interval; a bound says so."""
        numbers, unit = self.numbers, self.claim.unit
        if numbers.ours is None:
            return NO_NUMBER
        if numbers.bound == "unknown":
            return "not known: too many times were not reached"
        if self.claim.kind == "arithmetic" and unit == "times":  # counted, so that no limit of what can be measured holds
            return f"{numbers.ours:,.0f} times"
        ours = amounts.amount(numbers.ours, unit)
        if numbers.bound:
            return f"{numbers.bound} {amounts.amount(_bound(numbers), unit)}"
        if numbers.low is None or numbers.high is None:
            return ours
        return amounts.interval(numbers.ours, numbers.low, numbers.high, unit)

    def visible(self) -> str:
        """From which size on an effect would have been seen; empty where nothing says."""
        number = self.numbers.visible
        return f"{amounts.amount(number, self.claim.unit)} on" if number is not None else ""

    def matters(self) -> str:
        """The smallest effect that would have mattered; empty where nothing says."""
        number = self.numbers.matters
        return amounts.amount(number, self.claim.unit) if number is not None else ""

    def sample(self) -> str:
        """On how many seeds, pictures or other units it rests."""
        numbers = self.numbers
        counts = " and ".join(map(str, dict.fromkeys(numbers.seeds_of_each)))
        one = counts == "1"
        networks = "this network" if one else f"these {counts} networks"
        seeds = (networks if numbers.only_these else f"{counts} seed{'' if one else 's'}") if counts else ""
        pictures = f"{numbers.pictures:,} {numbers.units}" if numbers.pictures else ""
        return ", ".join(part for part in (seeds, pictures) if part) or NO_NUMBER


def _bound(numbers: Numbers) -> float:
    """The end of the interval that is known, or the estimate where neither end helps."""
    end = numbers.low if numbers.bound == "at least" else numbers.high
    assert numbers.ours is not None
    return numbers.ours if end is None else end


TOLD = (
    "id", "section", "cacm", "kind", "title", "quote", "metric", "unit", "direction", "source", "author_run", "problems",
    "others", "needs",
)  # fmt: skip
PAPER = {
    "paper": "value", "paper_top5": "top5", "paper_bound": "bound", "paper_data": "data", "paper_protocol": "protocol",
}  # fmt: skip
NUMBERS = tuple(one.name for one in fields(Numbers))
WRITTEN = ("verdict", "group", "why", "decide", "in_paper", "here", "sample", "run", "decided")
COLUMNS = (*TOLD, *PAPER, *WRITTEN, *NUMBERS)
