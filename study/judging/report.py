"""Verdicts for people and programs: rows as JSON and CSV, tables in Markdown and LaTeX."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from study.judging.row import Row
from study.judging.verdicts import WORDS
from study.paper.misread import misreadings

COLUMNS = tuple(field.name for field in fields(Row))
NO_NUMBER = "–"
LATEX = {"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}",
         "^": r"\textasciicircum{}", "\\": r"\textbackslash{}", NO_NUMBER: "--"}  # fmt: skip


def as_json(study: str, scale: str, rows: Sequence[Row]) -> dict[str, Any]:
    """The content of claims.json."""
    return {
        "study": study,
        "scale": scale,
        "counts": counts(rows)["verdicts"],
        "claims": [asdict(row) for row in rows],
        "misread": [asdict(one) for one in misreadings()],
    }


def as_csv(rows: Sequence[Row]) -> list[list[Any]]:
    """Rows of claims.csv, in the order of COLUMNS; lists are joined by semicolons, files stand as `path sha256`."""

    def flat(value: Any) -> Any:
        if isinstance(value, dict):
            return "; ".join(f"{path} {sha}" for path, sha in value.items())
        return "; ".join(value) if isinstance(value, list | tuple) else "" if value is None else value

    return [[flat(asdict(row)[column]) for column in COLUMNS] for row in rows]


def counts(rows: Sequence[Row]) -> dict[str, Any]:
    """The content of metrics.json: how many claims there are and how many have each verdict."""
    words = Counter(row.verdict for row in rows)
    return {"claims": len(rows), "verdicts": {word: words[word] for word in WORDS}}


def number(value: float | None, unit: str) -> str:
    """A number of a row as a reader expects it: errors in percent, differences in points, ratios in times."""
    if value is None:
        return NO_NUMBER
    if unit == "error":
        return f"{100 * value:.1f}%"
    if unit == "error difference":
        return f"{100 * value:.2f} pt" if abs(value) < 0.1 else f"{100 * value:.1f} pt"
    if unit == "times":
        return f"{value:.3g} x"
    if unit == "count":
        return f"{value:,.0f}"
    return f"{value:.2%}" if unit == "share" else f"{value:.3g} {unit}".strip()


def paper_number(row: Row) -> str:
    """What the paper says, with its top-5 number and its data set."""
    if row.paper is None:
        return row.direction if row.direction == "positive" else NO_NUMBER
    both = number(row.paper, row.unit) + (f" / {number(row.paper_top5, row.unit)}" if row.paper_top5 is not None else "")
    return both + (f" ({row.paper_data.split(' (')[0]})" if row.paper_data else "")


def our_number(row: Row) -> str:
    """What we measured, with its interval; a bound says so."""
    if row.ours is None:
        return NO_NUMBER
    ours = f"{row.bound} {number(row.ours, row.unit)}".strip()
    if row.low is None and row.high is None:
        return ours
    low = number(row.low, row.unit) if row.low is not None else "open"
    high = number(row.high, row.unit) if row.high is not None else "open"
    return f"{ours} ({low} to {high})"


def as_markdown(study: str, rows: Sequence[Row]) -> str:
    """The table for the README: paper and ours in columns of their own, each on its own data; then what is open."""
    scales = list(dict.fromkeys(row.scale for row in rows if row.scale))
    lines = [f"Study `{study}`. {summary(rows)}", ""]
    lines += [f"Ours: {scale}." for scale in scales[:1]] + ([""] if scales else [])
    lines += ["| § | claim | paper | ours | n, seeds | verdict |", "|---|---|---|---|---|---|"]
    for row in rows:
        cells = [row.section, row.title, paper_number(row), our_number(row), _sample(row), f"**{row.verdict}**"]
        lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def open_questions(rows: Sequence[Row]) -> str:
    """What would decide each claim that is open, as a Markdown list."""
    return "".join(f"- {row.title}: {row.why}. To decide: {row.decide}.\n" for row in rows if row.decide)


def misread_table() -> str:
    """'Often misread' as a Markdown table."""
    lines = ["| § | said | right |", "|---|---|---|"]
    lines += [f"| {one.section} | {_cell(one.said)} | {_cell(one.right)} |" for one in misreadings()]
    return "\n".join(lines) + "\n"


def as_latex(rows: Sequence[Row]) -> str:
    """The same table for a paper (package booktabs)."""
    lines = [
        r"\begin{tabular}{lp{5cm}llll}",
        r"\toprule",
        r"\S & claim & paper & ours & $n$, seeds & verdict \\",
        r"\midrule",
    ]
    for row in rows:
        cells = [row.section, row.title, paper_number(row), our_number(row), _sample(row), row.verdict]
        lines.append(" & ".join("".join(LATEX.get(sign, sign) for sign in cell) for cell in cells) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def summary(rows: Sequence[Row]) -> str:
    """`61 claims: 5 direction reproduced (reduced scale), 3 inconclusive, ...`."""
    said = [f"{count} {word}" for word, count in counts(rows)["verdicts"].items() if count]
    return f"{len(rows)} claims: {', '.join(said)}."


def _sample(row: Row) -> str:
    parts = [
        f"{row.pictures:,}" if row.pictures else "",
        f"{row.seeds} seed{'s' if row.seeds != 1 else ''}" if row.seeds else "",
    ]
    return ", ".join(part for part in parts if part) or NO_NUMBER


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
