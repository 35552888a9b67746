"""The verdicts of a study as a frame, each withheld where the files, the code or the settings that it rests on have changed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from dashboard.reading import Study, dictionary, dictionary_of, hash_of, json_of
from study import amounts, pinning
from study.judging import staleness
from study.judging.row import COLUMNS
from study.judging.verdicts import GROUPS, NOT_JUDGED, WITHHELD

CLAIMS = COLUMNS  # a claim's row in judge/claims.json
NUMBERS = ("paper", "paper_top5", "ours", "low", "high", "ours_top5", "low_top5", "high_top5", "p", "visible", "matters")


def claims(study: Study) -> pd.DataFrame:
    """A row a claim, with the columns of CLAIMS; what the file lacks is None, in a column of numbers NaN."""
    if not study.claims:
        study.claims.append(_claims(study))
    return study.claims[0].copy()


def by_id(study: Study) -> dict[str, Any]:
    """The rows of `claims` by the claim's id, in their order: pandas takes long to make rows of so many columns."""
    if not study.claims_by_id:
        study.claims_by_id.update({str(row.id): row for row in claims(study).itertuples()})
    return study.claims_by_id


def _claims(study: Study) -> pd.DataFrame:
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
    return _current(study, table)


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


def _current(study: Study, table: pd.DataFrame) -> pd.DataFrame:
    """Verdicts that rest on files which are no longer what they were are withheld, with the reason."""
    stale = outdated(study)
    for row, artifacts in table["artifacts"].items():
        rests_on = {str(name): str(sha) for name, sha in dictionary(artifacts).items()}
        changed = next((name for name, sha in rests_on.items() if hash_of(study.folder / name) != sha), "")
        reason = f"{changed} is not the file that was judged" if changed else stale if rests_on else ""
        if reason:
            renew = "restore it, then look again" if study.pinned else "`uv run dvc repro`"
            table.loc[row, ["verdict", "group", "why", "decide"]] = [WITHHELD, NOT_JUDGED, f"stale: {reason}", renew]
    return table


def effects_on_the_error(claims: pd.DataFrame) -> pd.DataFrame:
    """The claims that compare errors and have a number; those that are withheld have none that may be drawn."""
    measured = claims["ours"].notna() & (claims["verdict"] != WITHHELD)
    return claims[measured & (claims["unit"] == "error difference") & (claims["kind"] == "effect")]


def made_by(study: Study, claim: Any) -> list[dict[str, Any]]:
    """The records of the stages whose files a claim rests on, each with its stage's name as `stage`."""
    stages = dict.fromkeys(pinning.stage_of(name) for name in dictionary(claim.artifacts))
    records = [(stage, dictionary_of(study, f"provenance/{stage}.json")) for stage in stages]
    return [{**record, "stage": stage} for stage, record in records if record]


def speed_up(study: Study, means: Mapping[str, float]) -> tuple[str, str]:
    """How many times as fast as tanh ReLU is, in words, and by what means: as the claim was judged, else by the curves' mean
    epochs (`means`). Empty where one of the two is missing."""
    if not {"relu", "tanh"} <= set(means):
        return "", ""
    claim = by_id(study).get("relu-faster")
    judged = float("nan") if claim is None or claim.verdict == WITHHELD else claim.ours
    ratio = amounts.amount(judged if judged == judged else means["tanh"] / means["relu"], "times")
    return ratio, " (by geometric means)" if judged == judged else ""
