"""The reproduction report on one page, in the order that reviewers of reproductions know.

Scope, methodology, results, what was easy, what was hard, where paper and code differ. Numbers come from rows and records.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from study.judging import verdicts
from study.judging.report import our_number, paper_number, summary
from study.judging.row import Row
from study.paper.released import DIFFERENCES

KINDS = {
    "effect": "effects",
    "absence": "of something that makes no difference",
    "figure": "patterns in a figure",
    "value": "numbers",
    "arithmetic": "that arithmetic decides",
    "untestable": "that nothing of ours can decide",
}
MOST = 6  # sentences of one kind: a page holds no more
EASY = (
    "Layer sizes, the update rule, the schedule and the tests are stated, so that every layer's size can be counted; the counts "
    "agree but for those refuted above. The released configurations carry the author's notes, which say what run a number is "
    "from and agree with the printed tables."
)
HARD = (
    "The text alone does not fix the padding, the order within layer 1, the units of the colour change, the fate of biases, or "
    "how maps fit after a layer is removed; Figure 1 names neither its network nor its rates. Several effects are as small as "
    "the spread between the author's own nearly identical runs, so that one training each cannot show them. The printed "
    "initialisation stays on a plateau for long where data are few. The data of Tables 1 and 2 must be asked for; those of "
    "Fall 2009 and 2011 are not to be had."
)


def one_page(study: str, scale: str, rows: Sequence[Row], made: Mapping[str, Mapping[str, Any]], alpha: float) -> str:
    """Markdown. `made`: by stage, what made its results (provenance)."""
    parts = [
        f"# Reproduction report: study `{study}`",
        "A. Krizhevsky, I. Sutskever, G. E. Hinton: ImageNet Classification with Deep Convolutional Neural Networks, NIPS 2012.",
        "## Scope",
        _scope(rows, scale),
        "## Methodology",
        _methodology(rows, made, alpha),
        "## Results",
        summary(rows),
        *_results(rows),
        "## What was easy",
        EASY,
        "## What was hard",
        HARD,
        "## Where paper and code differ",
        _differences(),
        "## Authors",
        "Not asked: everything here rests on the paper, the released code and the notes in it.",
    ]
    return "\n\n".join(parts) + "\n"


def _scope(rows: Sequence[Row], scale: str) -> str:
    counted = ", ".join(f"{count} {words}" for kind, words in KINDS.items() if (count := sum(row.kind == kind for row in rows)))
    return (
        f"The paper's statements of fact are {len(rows)} claims: {counted}. This study tries them on {scale}. Numbers of a "
        "reduced study never stand for the paper's: there only directions are judged."
    )


def _methodology(rows: Sequence[Row], made: Mapping[str, Mapping[str, Any]], alpha: float) -> str:
    trained = sorted(stage.removeprefix("train-") for stage in made if stage.startswith("train-"))
    seconds = sum(float(one.get("seconds") or 0) for one in made.values())
    machines = dict.fromkeys(f"{one['processor']}, {one.get('cores')} cores" for one in made.values() if one.get("processor"))
    commits = dict.fromkeys(str(one["commit"])[:10] for one in made.values() if one.get("commit"))
    registered = sum(row.registered == "pre-registered" for row in rows)
    return (
        f"Runs: {', '.join(f'`{name}`' for name in trained) or 'none'}; a run differs from the others by a line or two of "
        f"settings. Code at {', '.join(commits) or 'no commit'}; {seconds / 60:.0f} minutes of stages in all, on "
        f"{'; '.join(machines) or 'an unknown machine'}. The tests stand in `protocol.yaml`; {registered} claims were tested as "
        "it said before their runs. A seed is the unit, paired; pictures are a second source of chance; the family is held to "
        f'{alpha:g} by Holm\'s rule; "no effect" is said only after two one-sided tests.'
    )


def _results(rows: Sequence[Row]) -> list[str]:
    shown = (verdicts.REPRODUCED, verdicts.DIRECTION, verdicts.NO_EFFECT, verdicts.CONTRADICTED, verdicts.OUTSIDE)
    found = [_of_word(rows, word) for word in (*shown, verdicts.REFUTED, verdicts.INCONCLUSIVE)]
    return [part for part in found if part] + ["What would decide the open ones stands in `open.md`, all claims in `claims.md`."]


def _of_word(rows: Sequence[Row], word: str) -> str:
    of_word = [row for row in rows if row.verdict == word]
    lines = [f"- {row.title}: {our_number(row)}; the paper: {_said(row)}" for row in of_word[:MOST]]
    return "\n".join([f"**{word}**{_more(of_word)}", "", *lines]) if of_word else ""


def _said(row: Row) -> str:
    return paper_number(row) if row.paper is not None else "no number"


def _more(rows: Sequence[Row]) -> str:
    return f" ({len(rows)}, of which {MOST} are shown)" if len(rows) > MOST else ""


def _differences() -> str:
    lines = ["| § | what | paper | released code |", "|---|---|---|---|"]
    return "\n".join(lines + [f"| {one.section} | {one.what} | {one.paper} | {one.code} |" for one in DIFFERENCES])
