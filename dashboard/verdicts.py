"""The verdicts of a study as a frame, each withheld where the files, the code or the settings that it rests on have changed."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from dashboard.reading import Study, dictionary, dictionary_of, json_of
from study.judging import staleness
from study.judging.row import COLUMNS

CLAIMS = COLUMNS  # a claim's row in judge/claims.json
NUMBERS = ("paper", "paper_top5", "ours", "low", "high", "ours_top5", "low_top5", "high_top5", "p", "visible")


def claims(study: Study) -> pd.DataFrame:
    """A row a claim, with the columns of CLAIMS; what the file lacks is None, in a column of numbers NaN."""
    content = json_of(study, "judge/claims.json")
    rows = content if isinstance(content, list) else dictionary(content).get("claims", [])
    said = ("id", "section", "title", "quote", "unit", "verdict")
    whole = [row for row in rows if all(isinstance(dictionary(row).get(column), str) for column in said)]
    kept = [{column: row.get(column) for column in CLAIMS} for row in whole]
    if len(kept) < len(rows):
        study.notes.append("judge/claims.json has another form than this dashboard reads.")
    table = pd.DataFrame(kept, columns=list(CLAIMS)).astype(object)
    for column in NUMBERS:
        table[column] = pd.to_numeric(table[column], errors="coerce")
    return _current(study, table)


def outdated(study: Study) -> str:
    """What has changed since a working study was judged; empty where nothing has, and for a pinned one."""
    then = dictionary(dictionary_of(study, "judge/provenance.json").get("made_by"))
    changed = [] if study.pinned else staleness.changed_makers(Path(), study.folder.name, then)
    more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
    return f"{changed[0]}{more} changed after these verdicts were given" if changed else ""


def _current(study: Study, table: pd.DataFrame) -> pd.DataFrame:
    """Verdicts that rest on files which are no longer what they were are withheld, with the reason."""
    stale = outdated(study)
    for row, artifacts in table["artifacts"].items():
        rests_on = {str(name): str(sha) for name, sha in dictionary(artifacts).items()}
        changed = staleness.changed_artifacts(study.folder, rests_on)
        reason = stale if rests_on and not changed else f"{changed[0]} is not the file that was judged" if changed else ""
        if reason:
            renew = "restore it, then look again" if study.pinned else "`uv run dvc repro`"
            table.loc[row, ["verdict", "why", "decide"]] = ["withheld", f"stale: {reason}", renew]
    return table
