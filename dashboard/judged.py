"""The verdicts of a study as a frame, each withheld where the files, the code or the settings that it rests on have changed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from dashboard.reading import Study, dictionary, dictionary_of, hash_of, json_of, stamp_of
from study import amounts, pinning
from study.judging import staleness
from study.judging.row import COLUMNS
from study.judging.verdicts import GROUPS, NOT_JUDGED, WITHHELD

CLAIMS = COLUMNS  # a claim's row in judge/claims.json
NUMBERS = ("paper", "paper_top5", "ours", "low", "high", "ours_top5", "low_top5", "high_top5", "p", "visible", "matters")


def claims(study: Study) -> pd.DataFrame:
    """A row a claim, with the columns of CLAIMS; what the file lacks is None, in a column of numbers NaN."""
    return _verdicts(study)[0].copy()


def by_id(study: Study) -> dict[str, Any]:
    """The rows of `claims` by the claim's id, in their order: pandas takes long to make rows of so many columns."""
    return _verdicts(study)[1]


def _verdicts(study: Study) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Both of them. In every run of the page's script it is looked at which files have changed; only then are they made anew."""
    if "verdicts" not in study.kept:
        folder, changed = study.folder.absolute(), stamp_of(study.folder / "judge/claims.json")
        table, notes = _claims(folder, changed)
        study.notes.extend(notes)
        rests_on = {pair for artifacts in table["artifacts"] for pair in _files(artifacts)}
        others = frozenset(pair for pair in rests_on if hash_of(folder / pair[0]) != pair[1])
        study.kept["verdicts"] = _current(folder, changed, others, outdated(study), study.pinned)
    table, rows = study.kept["verdicts"]
    return table, rows


def _files(artifacts: Any) -> list[tuple[str, str]]:
    return [(str(name), str(sha256)) for name, sha256 in dictionary(artifacts).items()]


@lru_cache(maxsize=32)
def _claims(folder: Path, changed: tuple[int, int]) -> tuple[pd.DataFrame, list[str]]:
    """The claims as they were judged, and what is to be noted of their file. Read again when its size or time changes."""
    study = Study(folder=folder, pinned=False)
    content = json_of(study, "judge/claims.json")
    rows = content if isinstance(content, list) else dictionary(content).get("claims", [])
    said = ("id", "section", "title", "quote", "unit", "verdict")
    rows = rows if isinstance(rows, list) else []
    whole = [row for row in rows if all(isinstance(dictionary(row).get(column), str) for column in said)]
    kept = [{column: row.get(column) for column in CLAIMS} for row in whole]
    if len(kept) < len(rows):
        study.notes.append("judge/claims.json has another form than this dashboard reads.")
    table = pd.DataFrame(kept, columns=list(CLAIMS)).astype(object)
    for column in NUMBERS:
        table[column] = pd.to_numeric(table[column], errors="coerce")
    table["group"] = table["verdict"].map(lambda word: GROUPS.get(word, NOT_JUDGED))
    return table, study.notes


def outdated(study: Study) -> str:
    """What has changed since a working study was judged; empty where nothing has, and for a pinned one."""
    then = dictionary(dictionary_of(study, "judge/provenance.json").get("made_by"))
    changed = [] if study.pinned else staleness.changed_makers(Path(), study.folder.name, then)
    more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
    return f"{changed[0]}{more} changed after these verdicts were given" if changed else ""


def another_protocol(study: Study) -> bool:
    """Whether a pinned study was judged by another protocol.yaml than the one that is here, comments aside; False where that is
    not known."""
    then = str(dictionary(dictionary_of(study, "judge/provenance.json").get("made_by")).get(staleness.PROTOCOL, ""))
    here = staleness.made(Path(), staleness.PROTOCOL)
    return study.pinned and len(then) == len(here) and then != here


def family(study: Study, name: str) -> dict[str, Any]:
    """The comparisons with which a claim shares its chance of a wrong word, as they were when it was judged; empty where a study
    does not say."""
    return dictionary(dictionary(dictionary_of(study, "judge/protocol.json").get(name)).get("family"))


def tested_otherwise(a: Study, b: Study) -> dict[str, str] | None:
    """By claim, in what its tests in two studies differ; claims that were tested alike are left out. None where one of the two
    does not say how its claims were tested, as studies did not at first."""
    one, other = (dictionary_of(study, "judge/protocol.json") for study in (a, b))
    if not one or not other:
        return None
    found = {name: _differing(dictionary(one[name]), dictionary(other[name])) for name in one if name in other}
    return {name: told for name, told in found.items() if told}


def _differing(one: dict[str, Any], other: dict[str, Any]) -> str:
    if one.get("sha256") == other.get("sha256"):
        return ""
    lines = []
    for part in ("block", "family"):
        first, second = dictionary(one.get(part)), dictionary(other.get(part))
        keys = [key for key in {**first, **second} if first.get(key) != second.get(key)]
        lines += [f"{key.replace('_', ' ')}: {first.get(key, 'none')} and {second.get(key, 'none')}" for key in keys]
    return "; ".join(lines) or "the code that measures or tests it, or the paper's number"


@lru_cache(maxsize=32)
def _current(
    folder: Path, changed: tuple[int, int], others: frozenset[tuple[str, str]], stale: str, pinned: bool
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The claims and their rows by id. Verdicts that rest on files which are no longer what they were (`others`) or on code that
    has changed (`stale`) are withheld, with the reason."""
    table = _claims(folder, changed)[0].copy()
    for row, artifacts in table["artifacts"].items():
        rests_on = _files(artifacts)
        other = next((name for name, sha256 in rests_on if (name, sha256) in others), "")
        reason = f"{other} is not the file that was judged" if other else stale if rests_on else ""
        if reason:
            renew = "restore it, then look again" if pinned else "`uv run dvc repro`"
            table.loc[row, ["verdict", "group", "why", "decide"]] = [WITHHELD, NOT_JUDGED, f"stale: {reason}", renew]
    return table, {str(row.id): row for row in table.itertuples()}


def effects_on_the_error(claims: pd.DataFrame) -> pd.DataFrame:
    """The claims that compare errors and have a number; those that are withheld have none that may be drawn."""
    measured = claims["ours"].notna() & (claims["verdict"] != WITHHELD)
    return claims[measured & (claims["unit"] == "error difference") & (claims["kind"] == "effect")]


def made_by(study: Study, claim: Any) -> list[dict[str, Any]]:
    """The records of the stages whose files a claim rests on, each with its stage's name as `stage`."""
    stages = dict.fromkeys(pinning.stage_of(name) for name in dictionary(claim.artifacts))
    records = [(stage, dictionary_of(study, f"provenance/{stage}.json")) for stage in stages]
    return [{**record, "stage": stage} for stage, record in records if record]


def bounded_speed_up(study: Study) -> str:
    """How many times as fast as tanh ReLU is at least, in words, where seeds of tanh did not reach the threshold; else empty."""
    claim = by_id(study).get("relu-faster")
    return str(claim.here) if claim is not None and claim.verdict != WITHHELD and claim.bound == "at least" else ""


def speed_up(study: Study, means: Mapping[str, float]) -> tuple[str, str]:
    """How many times as fast as tanh ReLU is, in words, and by what means: as the claim was judged, else by the curves' mean
    epochs (`means`). Empty where one of the two is missing."""
    if not {"relu", "tanh"} <= set(means):
        return "", ""
    claim = by_id(study).get("relu-faster")
    judged = float("nan") if claim is None or claim.verdict == WITHHELD else claim.ours
    ratio = amounts.amount(judged if judged == judged else means["tanh"] / means["relu"], "times")
    return ratio, " (by geometric means)" if judged == judged else ""
