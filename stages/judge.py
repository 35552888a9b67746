"""Every claim of the paper against this study's results, by the rules of protocol.yaml."""

import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages.running import run_stage
from stages.settings import StudySettings
from study import storage
from study.judging import report
from study.judging.evidence import Evidence
from study.judging.judgement import judge
from study.judging.measurements import MEASURES
from study.judging.one_page import one_page
from study.judging.protocol import read_protocol
from study.judging.standing import fingerprints
from study.provenance import Record

PROTOCOL = Path("protocol.yaml")


def read_yaml(text: str) -> Any:
    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        line = f" at line {mark.line + 1}" if mark else ""
        raise ValueError(f"{PROTOCOL} is not YAML{line}; mend it or restore it from Git") from None


@cache
def protocol_at(commit: str) -> Mapping[str, Any] | None:
    """protocol.yaml at a commit; empty where that commit has none, None where Git does not know the commit."""
    git = ("git", "show", f"{commit}:./{PROTOCOL}")
    try:
        known = subprocess.run(["git", "cat-file", "-e", f"{commit}^{{commit}}"], capture_output=True, timeout=20)
        shown = subprocess.run(git, capture_output=True, text=True, timeout=20)
        content = read_yaml(shown.stdout) if shown.returncode == 0 else {}
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return None if known.returncode else content if isinstance(content, dict) else {}


def judge_study(settings: StudySettings, record: Record) -> None:
    results, wanted = settings.results, settings.judge
    today = read_yaml(PROTOCOL.read_text(encoding="utf-8"))
    protocol = read_protocol(today, MEASURES)
    evidence = Evidence(folder=results, study=settings.study, runs=tuple(settings.runs), curves=tuple(settings.curves))
    rows = judge(evidence, protocol, today, protocol_at, wanted.bootstrap, wanted.confidence)
    folder = results / "judge"
    storage.write_json(folder / "claims.json", report.as_json(settings.study, evidence.scale, rows))
    storage.write_csv(folder / "claims.csv", report.COLUMNS, report.as_csv(rows))
    texts = {
        "claims.md": report.as_markdown(settings.study, rows),
        "claims.tex": report.as_latex(rows),
        "open.md": report.open_questions(rows),
        "misread.md": report.misread_table(),
        "report.md": one_page(settings.study, evidence.scale, rows, evidence.made(), protocol.alpha),
    }
    for name, text in texts.items():
        storage.write_bytes(folder / name, text.encode())
    storage.write_json(folder / "metrics.json", report.counts(rows) | evidence.headline())
    print(report.summary(rows), flush=True)
    record.add(made_by=fingerprints(Path()))


if __name__ == "__main__":
    run_stage("judge", judge_study)
