"""A claim with its verdict: what the tables, the dashboard and other programs read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from study.judging.verdicts import Verdict
from study.paper.claim import Claim


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A claim with its verdict. Numbers are in `unit`: errors, differences and shares are fractions.

    `paper...` is what the paper says, on its own data; `ours`, `low` and `high` are measured on `scale`. `bound`: "at
    least" or "at most", where a time was not reached. `visible`: the smallest effect that would have been seen.
    `decide`: what would settle an open claim. `artifacts`: SHA-256 of the files below the study's folder that the
    verdict rests on.
    """

    id: str
    section: str
    cacm: str | None
    kind: str
    title: str
    quote: str
    metric: str
    unit: str
    direction: str
    paper: float | None
    paper_top5: float | None
    paper_data: str
    paper_protocol: str
    author_run: str
    problems: tuple[str, ...]
    others: tuple[str, ...]
    verdict: str
    why: str
    decide: str = ""
    ours: float | None = None
    low: float | None = None
    high: float | None = None
    bound: str = ""
    ours_top5: float | None = None
    low_top5: float | None = None
    high_top5: float | None = None
    said: str = ""
    p: float | None = None
    p_holm: float | None = None
    visible: float | None = None
    pictures: int | None = None
    seeds: int | None = None
    scale: str = ""
    test: str = ""
    registered: str = ""
    artifacts: Mapping[str, str] = field(default_factory=dict)


def row_of(claim: Claim, verdict: Verdict, **measured: Any) -> Row:
    """A row: what the paper says, the verdict, and what was `measured`, by the names of Row."""
    return Row(
        id=claim.id,
        section=claim.section,
        cacm=claim.cacm,
        kind=claim.kind,
        title=claim.title,
        quote=claim.quote,
        metric=claim.metric,
        unit=claim.unit,
        direction=claim.direction,
        paper=claim.value,
        paper_top5=claim.top5,
        paper_data=claim.data,
        paper_protocol=claim.protocol,
        author_run=claim.author_run,
        problems=claim.problems,
        others=claim.others,
        verdict=verdict.word,
        why=verdict.why,
        decide=verdict.decide,
        **measured,
    )
