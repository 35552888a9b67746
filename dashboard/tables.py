"""Frames as a reader wants them: errors in per cent with their seeds, claims with their units, stages with times."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import pandas as pd

from dashboard.frames import MEASURES, wilson
from study import amounts
from study.files import AVERAGED
from study.judging.measurement import AT_BEST
from study.judging.row import DIRECTION, LEAST_P, NO_NUMBER
from study.judging.verdicts import (
    CONTRADICTED,
    GROUPS,
    HELD,
    NOT_HELD,
    NOT_JUDGED,
    NOT_SEEN,
    REPRODUCED,
    SIZE_DIFFERS,
    SIZE_OPEN,
    SMALL,
    UNDECIDED,
    WITHHELD,
)
from study.paper.claim import Claim

Colour = Literal["green", "red", "orange", "blue", "violet", "gray"]
COLOURS: dict[str, Colour] = {HELD: "green", NOT_HELD: "red", SMALL: "orange", NOT_SEEN: "blue", NOT_JUDGED: "gray"}
VERDICTS: dict[str, Colour] = {word: COLOURS[group] for word, group in GROUPS.items()} | {WITHHELD: "violet"}
WITH_METRIC = ("share", "share difference", "nats")  # units of numbers that say little without what they are of
CODE = {"True": "changed", "False": "as committed"}


def class_table(classes: pd.DataFrame) -> pd.DataFrame:
    """frames.class_errors in per cent, the class that is missed most first."""
    ordered = classes.sort_values("top1_error", ascending=False)
    percent = {"top-1 error": 100 * ordered["top1_error"], "top-5 error": 100 * ordered["top5_error"]}
    return ordered[["name", "pictures"]].assign(**percent)


def claim_table(claims: pd.DataFrame) -> pd.DataFrame:
    """A row a claim: what the paper says and what was measured here, each in a column of its own, as judge wrote them."""
    return pd.DataFrame(
        {
            "section": claims["section"],
            "claim": claims["title"],
            "verdict": claims["verdict"],
            "in the paper": [row.in_paper or _said_by_paper(row) for row in claims.itertuples()],
            "here": [here(row) for row in claims.itertuples()],
            "rests on": [row.sample or "" for row in claims.itertuples()],
        }
    )


def here(claim: Any) -> str:
    """What was measured here with its interval, in the one form of all numbers; empty where nothing was."""
    if claim.here:
        return "" if claim.here == NO_NUMBER else str(claim.here)
    return measured(claim)  # studies that were judged before their rows held the words


def measured(claim: Any, ending: str = "") -> str:
    """Our number with its interval; `ending` is `_top5` for the same in top-5 error."""
    ours, low, high = (getattr(claim, name + ending) for name in ("ours", "low", "high"))
    if pd.isna(ours):
        return ""
    if pd.isna(low) or pd.isna(high):
        return amounts.amount(ours, claim.unit)
    return amounts.interval(ours, low, high, claim.unit)


def printed_number(claim: Any) -> str:
    """The paper's number alone, without its top-5 one and its data."""
    return amounts.amount(claim.paper, claim.unit)


def _said_by_paper(claim: Any) -> str:
    return "" if pd.isna(claim.paper) else printed_number(claim)


def judged(claim: Any) -> str:
    """The verdict's word; of what is smaller than what matters also how much would matter, and what that leaves open; of what
    could not be told from the smallest difference that matters, that difference."""
    if claim.verdict == UNDECIDED and claim.kind == "absence" and claim.matters == claim.matters:
        return f"{claim.verdict} whether it is over {amounts.amount(claim.matters, claim.unit)}"
    if claim.group != SMALL or claim.matters != claim.matters:
        return str(claim.verdict)
    more = f". {said}" if (said := left_open(claim)) else ""
    return f"{claim.verdict} ({amounts.amount(claim.matters, claim.unit)}){more}"


def left_open(claim: Any) -> str:
    """Of what is smaller than what matters: whether the paper's own effect, if that is smaller too, may be as large here; empty
    of all else."""
    if claim.group != SMALL or claim.paper != claim.paper or abs(claim.paper) >= claim.matters:
        return ""
    within = claim.low <= claim.paper <= claim.high
    left = (
        "within the interval, so this does not rule them out" if within else "outside of the interval: so much is not seen here"
    )
    return f"The paper's own {printed_number(claim)} are smaller than what matters here too, and lie {left}"


def limits(claim: Any) -> str:
    """Of what was contradicted at another scale: that scale beside the paper's, which ends the verdict's sentence; else empty."""
    told = str(claim.why or "").partition("; ")[2]
    return f"At another scale than the paper's: {told}" if claim.verdict == CONTRADICTED and told else ""


def at_best(claim: Any) -> str:
    """What runs that are compared at one rate come to at their best of three; empty where that was not measured."""
    remarks = claim.remarks if isinstance(claim.remarks, list) else []
    found = next((remark for remark in map(str, remarks) if remark.startswith(AT_BEST)), "")
    return f"{found[:1].upper()}{found[1:]}"


def both_sides(claim: Any, of_what: bool = True, most: int = 10_000) -> str:
    """What was measured, with both sides of a difference, unless they take more than so many letters, and with what a share or
    nats are of, unless `of_what` is false."""
    found = here(claim)
    if claim.said and claim.unit == "GiB":
        found = f"{found} {claim.said}"
    elif claim.said and claim.unit != "times" and len(claim.said) <= most:  # a difference says little without its two sides
        found = f"{claim.said}; {found}"
    if of_what and claim.unit in WITH_METRIC:  # and a share nothing without what it is of
        found = f"{claim.metric}: {found}"
    return found + (f", {claim.sample}" if claim.sample and claim.sample != "–" else "")


def reason(claim: Any) -> str:
    """Why nothing was measured of a claim, without the list of all in which this study is smaller than the paper's."""
    why = str(claim.why or "nothing says why").split(": data of ")[0].rstrip(".")
    return why.removeprefix("not measured: ")


def words_of(claim: Any) -> str:
    """Where the claim is the paper's, its words in quotation marks; what others add or ask stands without them."""
    text = str(claim.quote or "")
    if claim.source in (None, "paper"):
        return f"“{text}”" if text else ""
    return ASKED.get(str(claim.source), "{}").format(text or claim.title)


ASKED = {"readers": "asked by readers: {}", "author's notes": "from the author's notes: {}"}


def paper_facts(claim: Any) -> dict[str, str]:
    """What the paper and others say of a claim, by heading; what is not said is left out."""
    edition = f"; {claim.cacm} in the edition of 2017" if claim.cacm else ""
    return _said(
        {
            ("says" if claim.in_paper in (DIRECTION, "no difference") else "number"): claim.in_paper or _said_by_paper(claim),
            "words": words_of(claim),
            "section": f"{claim.section}{edition}",
            "measure": claim.metric,
            "pictures": claim.paper_data,
            "how": claim.paper_protocol,
            "author's notes": claim.author_run,
            "known problems": "" if str(claim.why) == _joined(claim.problems) else _joined(claim.problems),
            "others found": _joined(claim.others),
            "would need": "" if claim.needs and str(claim.needs) in str(claim.decide) else claim.needs,
        }
    )


def our_facts(claim: Any) -> dict[str, str]:
    """What was measured here, by heading; what is not known is left out."""
    return _said(
        {
            "number": here(claim),
            "in top-5 error, not tested": measured(claim, "_top5"),
            "by run": claim.said,
            "rests on": "" if claim.sample == NO_NUMBER else claim.sample,
            "would have been seen": _from(claim.visible, claim.unit),
            "would matter": _from(claim.matters, claim.unit),
            "p, for all of its family": _of_p(claim.p),
            "test": claim.test,
            "protocol": claim.registered,
            "scale": claim.scale,
            "remarks": _joined(claim.remarks),
        }
    )


def _of_p(p: float) -> str:
    return "" if pd.isna(p) else f"below {LEAST_P:g}" if p <= LEAST_P else f"{p:.2g}"


def _from(smallest: float, unit: str) -> str:
    return "" if pd.isna(smallest) else f"effects from {amounts.amount(smallest, unit)} on"


def rule(claim: Any, family: Mapping[str, Any]) -> str:
    """By which rule the interval of a claim became its word, and how sure that is; empty where there is no interval or limit.

    `family`: what judge/protocol.json says of the comparisons with which the claim shares its chance of a wrong word.
    """
    if pd.isna(claim.low) or pd.isna(claim.high) or pd.isna(claim.matters) or claim.kind not in ("effect", "absence", "figure"):
        return ""
    limit, nothing = amounts.amount(claim.matters, claim.unit), "1" if claim.unit == "times" else "0"
    if claim.kind == "absence":
        told = (
            "The paper says that there is no difference. Where seeds are enough and runs have learned, that holds where the "
            f"whole interval lies below {limit}, is contradicted where it lies above, and is undecided where it reaches over"
        )
    else:
        told = (
            "Where seeds are enough and runs have learned, the first of these that fits: contradicted, if the whole interval "
            f"lies below {nothing}; smaller than what matters, if it lies within {limit} of {nothing} on either side; the "
            f"paper's direction reproduced, if it lies above {nothing}; undecided"
        )
    if claim.verdict in (REPRODUCED, SIZE_DIFFERS, SIZE_OPEN) and not pd.isna(claim.paper):
        told += ". Here, at the paper's scale, its number is compared too: could a new pair of trainings give it"
    alpha, comparisons = family.get("alpha"), family.get("comparisons")
    if not isinstance(alpha, float) or not isinstance(comparisons, int):
        return f"{told}."
    these = f"any of the {comparisons} intervals of its family" if comparisons > 1 else "it"
    return f"{told}. The interval is so wide that {these} misses the true value with a chance of {100 * alpha:g}%."


def _said(facts: dict[str, str | None]) -> dict[str, str]:
    return {heading: str(text) for heading, text in facts.items() if text}


def _joined(sentences: Any) -> str:
    return "; ".join(map(str, sentences)) if isinstance(sentences, list | tuple) else ""


def ways_to_settle(decide: str) -> list[str]:
    """What would settle a claim, the way that takes least first; ways whose time is not known stand last."""
    body, _, again = str(decide or "").rpartition("; then ")
    ways = [way for way in (body or str(decide or "")).split("; ") if way]
    ways.sort(key=_minutes)
    return [f"{way}; then {again}" if body and number == len(ways) - 1 else way for number, way in enumerate(ways)]


def _minutes(way: str) -> float:
    found = re.search(r"about ([\d.]+) (minute|hour|day)", way)
    return float(found[1]) * {"minute": 1, "hour": 60, "day": 1440}[found[2]] if found else math.inf


TABLE_COLUMNS = ("from", "row", "top-1", "top-5", "seeds", "lowest to highest", "95% interval", "pictures")


def printed(rows: Sequence[Claim]) -> pd.DataFrame:
    """Rows of the paper's Table 1 or 2 in TABLE_COLUMNS, errors in per cent."""
    table = []
    for row in rows:
        top1, top5 = (None, row.value) if row.metric == "top-5 error" else (row.value, row.top5)
        who = re.split(r" errs? | have a ", row.title)[0]  # the errors stand beside it
        table.append(("the paper", who, _percent(top1), _percent(top5), None, "", "", row.data))
    return pd.DataFrame(table, columns=list(TABLE_COLUMNS))


def ours_beneath(errors: pd.DataFrame, diverged: Mapping[str, Sequence[int]], pictures: str, view: str) -> pd.DataFrame:
    """Our rows in TABLE_COLUMNS: a row a run, the mean of its seeds, and one for the average of their predictions.

    `errors` as frames.errors gives them, `view` one of frames.VIEWS. The interval is Wilson's for the mean error on as many
    test pictures: it speaks of these networks, and says nothing of other seeds, which their lowest and highest do. A run some
    of whose seeds diverged has no mean: it would be one over those that happened to survive.
    """
    shown = errors[errors["view"] == view]
    rows: list[tuple[Any, ...]] = []
    for run in dict.fromkeys([*shown["run"], *diverged]):
        of_run = shown[shown["run"] == run]
        single, averaged = of_run[of_run["model"] != AVERAGED], of_run[of_run["model"] == AVERAGED]
        seeds = single["model"].nunique()
        if failed := len(diverged.get(run, ())):
            rows.append(("here", f"{run}: diverged in {failed} of {seeds + failed} seeds", None, None, seeds, "", "", pictures))
            continue
        rows.append(("here", run, *_mean_of(single), seeds, *_spread_of(single), pictures))
        if seeds > 1 and len(averaged):
            rows.append(
                ("here", f"{run}, {seeds} networks averaged", *_mean_of(averaged), seeds, *_spread_of(averaged), pictures)
            )
    return pd.DataFrame(rows, columns=list(TABLE_COLUMNS))


def hand_made_row(errors: Mapping[str, float], pictures: str) -> pd.DataFrame:
    """The row of the hand-made features, where they were measured."""
    if not errors:
        return pd.DataFrame(columns=list(TABLE_COLUMNS))
    row = ("here", "hand-made features", 100 * errors["top1"], 100 * errors["top5"], 1, "", "", pictures)
    return pd.DataFrame([row], columns=list(TABLE_COLUMNS))


def _mean_of(models: pd.DataFrame) -> list[float | None]:
    means = [models[models["measure"] == measure]["error"].mean() for measure in MEASURES]
    return [None if pd.isna(mean) else 100 * float(mean) for mean in means]


def _spread_of(models: pd.DataFrame) -> list[str]:
    """Of the top-1 error: the lowest and highest of the seeds, and the interval of their mean."""
    top1 = models[models["measure"] == "top1"]
    if top1.empty:
        return ["", ""]
    spread = f"{100 * top1['error'].min():.1f} to {100 * top1['error'].max():.1f}" if len(top1) > 1 else ""
    low, high = wilson(float(top1["wrong"].mean()), int(top1["pictures"].iloc[0]))
    return [spread, f"{100 * low:.1f} to {100 * high:.1f}"]


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


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


def listed(words: Iterable[str]) -> str:
    """`one`, `one and two`, `one, two and three`."""
    all_of_them = list(words)
    return " and ".join([", ".join(all_of_them[:-1]), all_of_them[-1]]) if len(all_of_them) > 1 else "".join(all_of_them)
