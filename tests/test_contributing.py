"""The examples of CONTRIBUTING.md, executed as they stand there: a run that is added, and a claim."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from study import storage
from tests.project import ROOT, copy_project, run

EXAMPLE = re.compile(r"<!-- example: (.+?) -->\n```\w*\n(.*?)```", re.S)
FEW = ("train.learning.epochs=1", "train.learning.rate.at=[]", "train.seeds=[0]", "runs.base.seeds=[0]", "scale=small",
       "train.network.kernels=[8, 8, 8, 8, 8]", "train.network.neurons=[16, 16]",
       "download.pictures.train=72", "download.pictures.validation=24", "download.pictures.test=48")  # fmt: skip


def _write(folder: Path, place: str, text: str) -> None:
    """`place` is a file and where in it: at the end, as the last of a tuple, in place of other words, or a number that grows."""
    name, where = place.split(", ", 1)
    content = (folder / name).read_text()
    if where == "at the end":
        content += text
    elif where.startswith("as the last of "):
        assert content.endswith("),\n)\n")
        content = content.removesuffix(")\n") + text + ")\n"
    elif where.startswith("one more in "):
        before, after = where.removeprefix("one more in ").split("N")
        content, found = re.subn(
            f"{re.escape(before)}(\\d+){re.escape(after)}", lambda at: f"{before}{int(at[1]) + 1}{after}", content
        )
        assert found == 1 and text.strip() == f"{before}N + 1{after}"
    else:
        old = where.removeprefix("in place of ")
        assert content.count(old) == 1
        content = content.replace(old, text.strip())
    (folder / name).write_text(content)


def _execute(folder: Path, text: str) -> None:
    for line in text.splitlines():
        command = shlex.split(line)
        assert command[:2] == ["uv", "run"]
        run(*command[2:], *(FEW if "stages.choose" in command else ()), cwd=folder)


@pytest.mark.slow
def test_the_examples_do_what_they_say(tmp_path: Path) -> None:
    copy_project(tmp_path)
    shutil.copytree(ROOT / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(ROOT / "params.yaml", tmp_path / "params.yaml")
    for name in ("LOG.md", "ASSUMPTIONS.md"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    run("git", "init", "-q", "-b", "main", cwd=tmp_path)
    run("git", "add", "-A", cwd=tmp_path)
    run("git", "commit", "-qm", "before", cwd=tmp_path)
    _write(tmp_path, "tests/test_paper.py, one more in .comparisons == N", ".comparisons == N + 1")  # said in words there
    examples = EXAMPLE.findall((ROOT / "CONTRIBUTING.md").read_text())
    assert [place for place, _ in examples].count("commands") == 2 and len(examples) == 8
    for place, text in examples:
        if place == "commands":
            _execute(tmp_path, text)
        else:
            _write(tmp_path, place, text)
    results = tmp_path / "results/sketch"
    assert (results / "evaluate/no_flips/metrics.json").exists()
    judged = {row["id"]: row for row in storage.read_json(results / "judge/claims.json")["claims"]}
    assert judged["flips-error"]["section"] == "4.1"
    assert judged["flips-error"]["verdict"] == "withheld" and "not committed" in judged["flips-error"]["why"]
