"""What a claim is: one statement of the paper, with all that is known about it before anything is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["effect", "absence", "value", "figure", "arithmetic", "untestable"]
Unit = Literal["error", "error difference", "times", "count", "share", "share difference", "nats", "GiB", ""]
Source = Literal["paper", "author's notes", "readers"]

SECTIONS = {
    "1": "Introduction",
    "2": "The Dataset",
    "3": "The Architecture",
    "3.1": "ReLU Nonlinearity",
    "3.2": "Training on Multiple GPUs",
    "3.3": "Local Response Normalization",
    "3.4": "Overlapping Pooling",
    "3.5": "Overall Architecture",
    "4.1": "Data Augmentation",
    "4.2": "Dropout",
    "5": "Details of learning",
    "6": "Results",
    "6.1": "Qualitative Evaluations",
    "7": "Discussion",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """One statement of the paper; with another `source`, a comparison that its notes or its readers add.

    `kind`: an effect compares two conditions; an absence says that something makes no difference; a value is one number;
    a figure is a pattern shown in a figure; arithmetic follows from the paper's own numbers; untestable is decided by no
    measurement of ours, for the reason in `problems`, though a number may be reported. `needs` names the data or machine
    that would test such a claim, or says that none could.
    `section` is the NIPS 2012 edition's, `cacm` that of the CACM 2017 edition.
    `value` is in `unit`: errors and shares are fractions. An effect is counted so that the paper says it is positive (a
    ratio: above 1); `top5` is the same statement in top-5 error, where the paper makes it. None: said without a number.
    `bound` says that the value is not the size itself, such as "over 1%".
    `author_run` names the run in the released code's notes from which the number comes, with its own figures.
    What a record lacks, or has that cannot be, `fault` says when all are read.
    """

    id: str = ""
    title: str = ""
    kind: Kind = ""  # type: ignore[assignment]
    section: str = ""
    quote: str = ""
    metric: str = ""
    unit: Unit = ""
    value: float | None = None
    top5: float | None = None
    bound: Literal["", "at least", "at most"] = ""
    source: Source = "paper"
    data: str = ""
    protocol: str = ""
    author_run: str = ""
    problems: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    needs: str = ""

    def __post_init__(self) -> None:
        if self.kind == "figure" and self.unit == "share":  # as registered; a pattern is one share beyond another
            object.__setattr__(self, "unit", "share difference")

    @property
    def cacm(self) -> str:
        """In the edition of Communications of the ACM 60(6), 2017, a prologue comes first and moves all sections by one (A20)."""
        chapter, *rest = self.section.split(".")
        return ".".join([str(int(chapter) + 1), *rest])

    @property
    def direction(self) -> Literal["positive", "zero", "equal", "none"]:
        """What the paper says of the measured number: above zero (a ratio: above 1), zero, equal to `value`, or nothing."""
        if self.kind == "absence":
            return "zero"
        if self.kind in ("effect", "figure"):
            return "positive"
        return "none" if self.kind == "untestable" else "equal"


def fault(claims: Sequence[Claim]) -> str:
    """What is wrong with the first record that is not in order, in a sentence; empty where all are in order."""
    ids = [one.id for one in claims]
    for one in claims:
        name = f"the claim {one.id or one.title!r} of study/paper"
        needed = ("id", "title", "kind", "section", "metric", *(["quote"] if one.source == "paper" else []))
        lacking = [part for part in needed if not getattr(one, part)]
        if one.kind not in ("arithmetic", "untestable") and not one.unit:
            lacking.append("unit")
        if lacking:
            return f"{name} has no {lacking[0]}; give it one"
        known = {"kind": get_args(Kind), "section": SECTIONS, "unit": get_args(Unit), "source": get_args(Source)}
        for part, words in known.items():
            if (given := getattr(one, part)) not in words:
                return f"{name} has the {part} {given!r}; use one of: {', '.join(filter(None, words))}"
        if ids.count(one.id) > 1:
            return f"{name} is there {ids.count(one.id)} times; give each claim an id of its own"
    return ""
