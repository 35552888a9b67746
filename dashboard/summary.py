"""The claims at a glance: how many held, did not hold, were smaller than what matters, could not be seen, were not judged."""

from __future__ import annotations

from html import escape
from typing import Any

import pandas as pd

from dashboard import clickable, showing
from dashboard.reading import Study
from study import amounts
from study.judging.verdicts import GROUPS, HELD, NOT_HELD, NOT_JUDGED, NOT_SEEN, NOT_TESTABLE, SMALL

MARKS = {
    HELD: ("held", "✓"),
    NOT_HELD: ("not", "✗"),
    SMALL: ("small", "≈"),
    NOT_SEEN: ("open", "?"),
    NOT_JUDGED: ("none", "–"),
}
EVERY = tuple(dict.fromkeys(GROUPS.values()))


def bar(study: Study, claims: pd.DataFrame) -> str:
    """All claims as one bar in five parts, each with its number; a part leads to its claims."""
    counts = {group: int((claims["group"] == group).sum()) for group in EVERY}
    said, pieces = [], []
    for group, count in counts.items():
        shade, mark = MARKS[group]
        to = clickable.link("claims", study=study.address, show=group)
        label = f"{count} of {len(claims)} {group}"
        if count:
            pieces.append(f'<a class="{shade}" style="flex:{count}" href="{to}" data-key="{group}" aria-label="{label}"></a>')
        said.append(f'<a href="{to}" data-key="{group}"><b class="{shade}">{mark} {count}</b> {group}</a>')
    return f'<div class="bar"><div class="all">{"".join(pieces)}</div><div class="words">{"".join(said)}</div></div>'


def scale(claims: pd.DataFrame) -> str:
    """One line on what was measured beside the paper's."""
    scales = [str(scale) for scale in claims["scale"].dropna().unique() if scale]
    here = max(scales, key=len, default="nothing is measured yet")
    counted = int(((claims["kind"] == "arithmetic") & (claims["group"] != NOT_JUDGED)).sum())
    own = f", {counted} of them decided by the paper's own numbers, without any training" if counted else ""
    beside = int((~claims["source"].fillna("paper").eq("paper")).sum())
    own += f", {beside} asked by its readers or taken from the author's notes" if beside else ""
    return f"**{len(claims)} claims**{own}. Measured on: {showing.plain(here)}.{_not_judged(claims)}"


def _not_judged(claims: pd.DataFrame) -> str:
    """Why claims were not judged, counted."""
    left = claims[claims["group"] == NOT_JUDGED]
    untestable = left["verdict"] == NOT_TESTABLE
    numbers = ~untestable & left["why"].fillna("").str.startswith("a value is compared at the paper's scale only")
    told = {
        "could be decided by no measurement of ours": int(untestable.sum()),
        "are numbers of the paper's scale": int(numbers.sum()),
        "lack a run, data or a stage": int((~untestable & ~numbers).sum()),
    }
    counted = [f"{count} {words}" for words, count in told.items() if count]
    return f" Of the {len(left)} that were not judged {showing.listed(counted)}." if counted else ""


def what_matters(claims: pd.DataFrame) -> str:
    """From where on most effects on the error matter in a study, and who says so; empty where no protocol does."""
    sizes = claims[(claims["unit"] == "error difference") & (claims["kind"] == "effect")]["matters"].dropna()
    if sizes.empty:
        return ""
    size = amounts.amount(float(sizes.mode()[0]), "error difference")
    return f" An effect on the error matters here from {size} on, as protocol.yaml said before the runs."


def word(claim: Any) -> str:
    """A verdict with its sign, in HTML; of what is smaller than what matters, how much would matter."""
    shade, mark = MARKS.get(claim.group, MARKS[NOT_JUDGED])
    more = f" ({amounts.amount(claim.matters, claim.unit)})" if claim.group == SMALL and claim.matters == claim.matters else ""
    return f'<span class="word {shade}">{mark} {escape(str(claim.verdict) + more)}</span>'
