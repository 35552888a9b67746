"""Every claim of the paper against this study's results, by the rules of protocol.yaml.

uv run dvc repro                                  as the last stage
uv run python -m stages.judge --strict            judge again, write nothing, and end with status 3 where a check fails
uv run python -m stages.judge --pinned sketch     a pinned study by the code of its own commit, and by today's
"""

import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages import judgements, rejudging, versions
from stages.judgements import DVC_LOCK, Judged
from stages.running import run_stage
from stages.settings import PARAMS, StudySettings, read_params
from study import storage
from study.data.origin import changed_since
from study.judging import report
from study.judging.about import headline
from study.judging.row import COLUMNS
from study.judging.staleness import makers
from study.judging.verdicts import WITHHELD
from study.provenance import Record

PIPELINE = Path("dvc.yaml")


def judge_study(settings: StudySettings, record: Record) -> None:
    params = read_params(PARAMS)
    made = judgements.judged(
        settings.results, params, judgements.working(settings, params, record.content), versions.as_it_stands()
    )
    write(settings.results, settings, made)
    print(report.summary(made.rows), flush=True)
    if withheld := Counter(row.verdict.why for row in made.rows if row.verdict.word == WITHHELD):
        (why, most), *others = withheld.most_common()
        print(f"note: {most} are withheld, since {why}{'; of others judge/claims.md tells why' if others else ''}", flush=True)
    if changed := changed_since(settings.packed):
        print(f"note: {changed}", flush=True)
    record.add(made_by=made_by(settings, params, read_params(DVC_LOCK) if DVC_LOCK.exists() else {}))


def made_by(settings: StudySettings, params: Mapping[str, Any], lock: Mapping[str, Any]) -> dict[str, str]:
    """By path, the hash of the code that made the results, of which `lock` is the dvc.lock, and of what judges them."""
    pipeline = versions.read_yaml(PIPELINE.read_text(encoding="utf-8"), str(PIPELINE))
    return makers(lock, params, pipeline["stages"]["judge"], Path(), settings.study)


def write(results: Path, settings: StudySettings, made: Judged) -> None:
    """The tables and reports of a judgement, into a study's folder: `settings.results`, or that of a pin that is renewed."""
    folder, rows = results / "judge", made.rows
    storage.write_json(folder / "claims.json", report.as_json(made.study, rows))
    storage.write_csv(folder / "claims.csv", COLUMNS, report.as_csv(rows))
    texts = {
        "claims.md": report.as_markdown(made.study, rows),
        "claims.tex": report.as_latex(rows),
        "open.md": report.open_questions(made.study, rows),
        "misread.md": report.misread_table(),
        "report.md": report.one_page(made.study, made.protocol.head, rows),
    }
    for name, text in texts.items():
        storage.write_bytes(folder / name, text.encode())
    storage.write_json(
        folder / "metrics.json", report.counts(rows) | headline(results, tuple(settings.runs), tuple(settings.curves))
    )
    today = versions.as_it_stands()
    tested = {row.claim.id: versions.told(today, row.claim.id, settings.study) for row in rows}
    storage.write_json(folder / "protocol.json", tested)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        rejudging.judge_again(sys.argv[1:])
    else:
        run_stage("judge", judge_study)
