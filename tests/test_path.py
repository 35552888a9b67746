"""A claim's way through the judgement, drawn by a tracer: each module hands on to the next, and none is come back to."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

from study.judging import report
from study.judging.about import study_of
from study.judging.chain import Chain
from study.judging.judgement import judge
from study.paper.claims import claim
from tests.invented import Invented, invent, protocol_of

JUDGING = Path("study/judging").resolve()
CLAIMS = {
    "two-columns": "errors", "ten-patches": "errors", "relu-faster": "times", "dropout-overfitting": "curves",
    "kernels-specialise": "inside", "augmentation-free": "steps", "parameters": "",
}  # fmt: skip


@contextmanager
def traced(ways: list[tuple[str, str]]) -> Iterator[None]:
    """Collects every call from one file of the judgement into another; calls within a file are no steps of a way."""

    def step(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and (into := _file(frame)):
            caller = frame.f_back
            while caller is not None and not _file(caller):
                caller = caller.f_back  # through libraries, and through comprehensions of them
            come_from = _file(caller) if caller is not None else ""
            if come_from != into:
                ways.append((come_from, into))

    sys.setprofile(step)
    try:
        yield
    finally:
        sys.setprofile(None)


_known: dict[str, str] = {}


def _file(frame: FrameType) -> str:
    """The frame's file below study/judging; empty for any other."""
    name = frame.f_code.co_filename
    if name not in _known:
        path = Path(name)
        _known[name] = path.relative_to(JUDGING).as_posix() if path.is_relative_to(JUDGING) else ""
    return _known[name]


@pytest.fixture(scope="module")
def invented(tmp_path_factory: pytest.TempPathFactory) -> Invented:
    return invent(tmp_path_factory.mktemp("planted"), planted=False, pictures=300)


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claims_way_is_at_most_ten_files_and_none_is_entered_twice(invented: Invented, name: str) -> None:
    """Entered twice would be: from two places, or again after another file was entered from the same place."""
    protocol = protocol_of("sketch")
    study = study_of(invented.folder, "sketch", protocol)
    evidence = invented.evidence()
    chain = Chain(
        folder=study.folder, study="sketch", pictures=study.packed, records=study.records, conditions=invented.conditions
    )
    ways: list[tuple[str, str]] = []
    with traced(ways):
        rows = judge(evidence, protocol, study, chain, lambda claim, commits: "", claims=(claim(name),))
        report.as_json(study, rows)
        report.as_markdown(study, rows)
        report.one_page(study, protocol.head, rows)
    entered = {into for _, into in ways}
    assert len(entered) <= 10, sorted(entered)
    callers = {into: {come_from for come_from, to in ways if to == into} for into in entered}
    assert {into: of for into, of in callers.items() if len(of) > 1} == {}, "entered from two places"
    for caller in {come_from for come_from, _ in ways}:
        turns = [to for come_from, to in ways if come_from == caller]
        collapsed = [to for n, to in enumerate(turns) if n == 0 or turns[n - 1] != to]
        assert len(collapsed) == len(set(collapsed)), f"{caller} comes back: {collapsed}"
    assert not CLAIMS[name] or f"measures/{CLAIMS[name]}.py" in entered


def test_a_new_claim_touches_three_places() -> None:
    """Its statement, its block, and at most a function: nothing else names a claim of a kind that is measured. What explains
    columns to a visitor, two pages and the answers to readers, names this one; a claim need not have such a page."""
    named = {
        path.relative_to(JUDGING.parent.parent).as_posix()
        for package in (JUDGING, JUDGING.parents[1] / "stages", JUDGING.parents[1] / "dashboard")
        for path in package.rglob("*.py")
        if '"two-columns"' in path.read_text(encoding="utf-8")
    }
    assert named == {"dashboard/app_pages/start.py", "dashboard/how/layers.py", "dashboard/how/answers.py"}
