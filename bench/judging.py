"""The judgement of the pinned study."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from bench.table import Table
from bench.timing import Scope, clocked, in_turns
from stages import judgements, versions
from stages.settings import PARAMS, read_params
from study.judging.row import Row

STUDY, AIM_JUDGING = Path("pinned/sketch"), "20"


def judged(folder: Path) -> list[Row]:
    """What `judge --pinned` does by today's code; no commit of an earlier call is remembered."""
    versions.at.cache_clear()
    params = read_params(folder / PARAMS)
    return judgements.judged(folder, params, judgements.pinned(folder, params), versions.as_it_stands()).rows


def measure(scope: Scope) -> list[Table]:
    measured = sum(row.numbers.ours is not None for row in judged(STUDY))
    times = in_turns({"judge": clocked(partial(judged, STUDY), "cpu")}, scope.rounds)["judge"]
    row = (STUDY.as_posix(), str(measured), times, AIM_JUDGING)
    return [Table(title="Judging a study", columns=("study", "claims with a number", "s", "aim"), rows=(row,))]
