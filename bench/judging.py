"""The judgement of the pinned study, with as many bootstrap draws as a study takes."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from bench.table import Table
from bench.timing import Scope, clocked, in_turns
from stages import judge as stage
from stages.settings import StudySettings, load
from study.judging.evidence import Evidence
from study.judging.judgement import judge
from study.judging.measurements import MEASURES
from study.judging.protocol import read_protocol
from study.judging.row import Row

STUDY, DRAWS, AIM_JUDGING = Path("pinned/sketch"), 10_000, "20"


def judged(settings: StudySettings, folder: Path) -> list[Row]:
    """The judge stage's work, but for writing its tables; nothing of an earlier call is remembered."""
    stage.protocol_at.cache_clear()
    today = stage.read_yaml(stage.PROTOCOL.read_text(encoding="utf-8"))
    evidence = Evidence(folder=folder, study=settings.study, runs=tuple(settings.runs), curves=tuple(settings.curves))
    protocol = read_protocol(today, MEASURES)
    return judge(evidence, protocol, today, stage.protocol_at, DRAWS, settings.judge.confidence)


def measure(scope: Scope) -> list[Table]:
    settings = load(STUDY / "params.yaml")
    measured = sum(row.ours is not None for row in judged(settings, STUDY))
    times = in_turns({"judge": clocked(partial(judged, settings, STUDY), "cpu")}, scope.rounds)["judge"]
    row = (STUDY.as_posix(), f"{DRAWS:,}", str(measured), times, AIM_JUDGING)
    columns = ("study", "bootstrap draws", "claims measured", "s", "aim")
    return [Table(title="Judging a study", columns=columns, rows=(row,))]
