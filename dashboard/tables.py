"""Frames as a reader wants them: errors in per cent with their seeds, claims with their units, stages with times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pandas as pd

from dashboard.frames import MEASURES, VIEWS
from study.files import AVERAGED
from study.judging.verdicts import GROUPS, HELD, NOT_HELD, NOT_JUDGED, NOT_SEEN, SMALLER, WITHHELD
from study.paper.claim import Claim

Colour = Literal["green", "red", "orange", "blue", "violet", "gray"]
COLOURS: dict[str, Colour] = {HELD: "green", NOT_HELD: "red", NOT_SEEN: "blue", NOT_JUDGED: "gray"}
VERDICTS: dict[str, Colour] = {word: COLOURS[group] for word, group in GROUPS.items()} | {SMALLER: "orange", WITHHELD: "violet"}
SUFFIXES = {"error": "%", "error difference": " points", "share": "%", "times": " times", "nats": " nats", "GiB": " GiB"}
CODE = {"True": "changed", "False": "as committed"}


def in_percent(errors: pd.DataFrame) -> pd.DataFrame:
    """frames.errors with words for codes, its fractions in per cent."""
    table = errors.assign(view=errors["view"].map(VIEWS), measure=errors["measure"].map(MEASURES))
    for column in ("error", "low", "high"):
        table[f"{column} (%)"] = (100 * table.pop(column)).round(2)
    return table


def error_summary(errors: pd.DataFrame, diverged: Mapping[str, Sequence[int]]) -> pd.DataFrame:
    """A row a run as the paper prints its tables: mean of the seeds, with the lowest and the highest in brackets.

    A run some of whose seeds `diverged` has no mean: it would be one over those that happened to survive.
    """
    by_run = dict(list(errors.groupby("run", sort=False)))
    rows = []
    for run in dict.fromkeys([*by_run, *diverged]):
        of_run = by_run.get(run, errors.iloc[:0])
        single, averaged = of_run[of_run["model"] != AVERAGED], of_run[of_run["model"] == AVERAGED]
        seeds = single["model"].nunique()
        if failed := len(diverged.get(run, ())):
            rows.append({"run": run, "models": f"diverged in {failed} of {seeds + failed} seeds"} | _cells(errors.iloc[:0]))
            continue
        rows.append({"run": run, "models": "1 network" if seeds == 1 else f"1 network, {seeds} seeds"} | _cells(single))
        if seeds > 1 and len(averaged):
            rows.append({"run": run, "models": f"{seeds} networks averaged"} | _cells(averaged))
    return pd.DataFrame(rows)


def class_table(classes: pd.DataFrame) -> pd.DataFrame:
    """frames.class_errors in per cent, the class that is missed most first."""
    ordered = classes.sort_values("top1_error", ascending=False)
    percent = {"top-1 error": 100 * ordered["top1_error"], "top-5 error": 100 * ordered["top5_error"]}
    return ordered[["name", "pictures"]].assign(**percent)


def _cells(models: pd.DataFrame) -> dict[str, str]:
    cells = {}
    for view, words in VIEWS.items():
        for measure, name in MEASURES.items():
            errors = 100 * models[(models["view"] == view) & (models["measure"] == measure)]["error"]
            spread = f" ({errors.min():.1f} to {errors.max():.1f})" if len(errors) > 1 else ""
            cells[f"{name}, {words}"] = f"{errors.mean():.1f}%{spread}" if len(errors) else ""
    return cells


def verdict_counts(claims: pd.DataFrame) -> dict[str, int]:
    """How many claims have each verdict; verdicts that no claim has are left out."""
    counts = claims["verdict"].value_counts()
    order = [*VERDICTS, *(word for word in counts.index if word not in VERDICTS)]
    return {word: int(counts[word]) for word in order if word in counts}


def answer(claims: pd.DataFrame) -> dict[str, int]:
    """The verdicts in the few groups that answer the first page's question; together they are all claims."""
    groups = dict.fromkeys(GROUPS.values(), 0)
    for word, count in verdict_counts(claims).items():
        groups[GROUPS.get(word, NOT_JUDGED)] += count
    return groups


def claim_table(claims: pd.DataFrame) -> pd.DataFrame:
    """A row a claim: what the paper says and what was measured here, each in a column of its own."""
    return pd.DataFrame(
        {
            "section": claims["section"],
            "claim": claims["title"],
            "verdict": claims["verdict"],
            "in the paper": [row.in_paper or stated(row.paper, row.unit) for row in claims.itertuples()],
            "here": [row.here or measured(row) for row in claims.itertuples()],
            "rests on": claims["sample"],
        }
    )


def stated(value: float | None, unit: str) -> str:
    """A number with its claim's unit; empty where there is none."""
    return "" if pd.isna(value) else _amount(value, unit) + SUFFIXES.get(unit, "")


def _amount(value: Any, unit: str) -> str:
    if unit == "count":
        return f"{value:,.0f}"
    if unit == "error":
        return f"{100 * value:.1f}"
    return f"{100 * value:.3g}" if unit in ("error difference", "share") else f"{value:.3g}"


def measured(claim: Any, ending: str = "") -> str:
    """Our number with its interval; `ending` is `_top5` for the same in top-5 error."""
    ours, low, high = (getattr(claim, name + ending) for name in ("ours", "low", "high"))
    if pd.isna(ours):
        return ""
    bound = f"{claim.bound} " if claim.bound and not ending else ""
    ends = [f"{'' if pd.isna(end) else _amount(end, claim.unit)}" for end in (low, high)]
    return bound + stated(ours, claim.unit) + (f" ({ends[0]} to {ends[1]})" if all(ends) else "")


def paper_facts(claim: Any) -> dict[str, str]:
    """What the paper and others say of a claim, by heading; what is not said is left out."""
    return _said(
        {
            "words": f"“{claim.quote}” (section {claim.section}{f'; {claim.cacm} in the edition of 2017' if claim.cacm else ''})",
            "number": _with_top5(stated(claim.paper, claim.unit), stated(claim.paper_top5, claim.unit)),
            "measure": claim.metric,
            "pictures": claim.paper_data,
            "how": claim.paper_protocol,
            "author's notes": claim.author_run,
            "known problems": _joined(claim.problems),
            "others found": _joined(claim.others),
        }
    )


def our_facts(claim: Any) -> dict[str, str]:
    """What was measured here, by heading; what is not known is left out."""
    return _said(
        {
            "number": _with_top5(measured(claim), measured(claim, "_top5")),
            "in words": claim.said,
            "scale": claim.scale,
            "test pictures": stated(claim.pictures, "count") if claim.pictures else "",
            "seeds": stated(claim.seeds, "count") if claim.seeds else "",
            "test": claim.test,
            "p in its family": "" if pd.isna(claim.p) else f"{claim.p:.2g}",
            "would be seen from": stated(claim.visible, claim.unit),
            "remarks": _joined(claim.remarks),
            "protocol": claim.registered,
            "files": ", ".join(claim.artifacts or ()),
        }
    )


def _said(facts: dict[str, str | None]) -> dict[str, str]:
    return {heading: text for heading, text in facts.items() if text} or {"": "not measured"}


def _joined(sentences: Sequence[str] | None) -> str:
    return "; ".join(sentences or ())


def _with_top5(top1: str, top5: str) -> str:
    return f"{top1}; top-5: {top5}" if top1 and top5 else top1 or top5


def printed(rows: Sequence[Claim]) -> pd.DataFrame:
    """Rows of the paper's Table 1 or 2, with what they were measured on."""
    table = []
    for row in rows:
        top1, top5 = (None, row.value) if row.metric == "top-5 error" else (row.value, row.top5)
        name = (row.title.partition(": ")[2] or row.title).partition(" err")[0].removesuffix(" it")
        table.append((name, _percent(top1), _percent(top5), row.data, row.protocol, row.author_run))
    return pd.DataFrame(table, columns=["row", "top-1", "top-5", "pictures", "how", "author's note"])


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def stages(made: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """A row a stage, in the order in which they began: time, commit, machine, versions, peak memory."""
    rows = [
        {
            "stage": stage,
            "started (UTC)": str(record.get("started", ""))[:16].replace("T", " "),
            "wall time": duration(record.get("seconds")),
            "commit": str(record.get("commit") or "no Git")[:10],
            "code": CODE.get(str(record.get("dirty")), "not known"),
            "devices": ", ".join(_devices(record)),
            "processor": record.get("processor"),
            "torch": record.get("versions", {}).get("torch"),
            "pictures": str(record.get("data_sha256") or "")[:10],
            "peak memory": _gibibytes(record.get("peak_memory_bytes")),
        }
        for stage, record in made.items()
    ]
    return pd.DataFrame(rows)


def _devices(record: dict[str, Any]) -> list[str]:
    machine = record.get("machine") or record.get("settings", {}).get("machine") or {}
    return [str(device) for device in machine.get("devices", [])]


def duration(seconds: float | None) -> str:
    """Seconds as `7 s`, `3 min 5 s`, `2 h 10 min`; empty for None."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds >= 1 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _gibibytes(count: float | None) -> str:
    return "" if count is None else f"{count / 2**30:.2f} GiB"
