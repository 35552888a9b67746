"""Verdicts are tied to what they rest on: another file, other code or other settings take them back."""

from pathlib import Path

import pytest
from study.judging.standing import changed_artifacts, changed_makers, fingerprints

from study import storage
from tests.project import ROOT
from tests.test_pipeline import FRAME, STAGES, _declared

DVC_YAML = """stages:
  train:
    cmd: python -m stages.train
    deps:
      - data/packed/x
      - protocol.yaml
      - stages/train.py
      - study/paper
"""
MADE = ("stages/train.py", "study/paper/claims.py", "protocol.yaml")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project of one stage, with its settings."""
    for name in (*MADE, "stages/running.py"):
        storage.write_bytes(tmp_path / name, name.encode())
    storage.write_bytes(tmp_path / "dvc.yaml", DVC_YAML.encode())
    storage.write_bytes(tmp_path / "params.yaml", b"machine: {threads: 1}   # one\n\nstudy: sketch\n")
    storage.write_bytes(tmp_path / "pyproject.toml", b'[project]\nname = "a"\ndependencies = ["torch==1"]\n')
    return tmp_path


def test_what_makes_results_is_what_counts_for_dvc() -> None:
    names = {name for name in fingerprints(ROOT) if not name.endswith("__init__.py")}
    code = set().union(*(_declared(stage) for stage in STAGES))
    assert names == code | {"params.yaml", "protocol.yaml", "pyproject.toml"} and not names & FRAME


def test_nothing_has_changed(root: Path) -> None:
    assert set(fingerprints(root)) == {*MADE, "params.yaml", "pyproject.toml"}
    assert changed_makers(root, "sketch", fingerprints(root)) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [(name, b"other") for name in MADE]
    + [
        ("params.yaml", b"machine: {threads: 2}\nstudy: sketch\n"),
        ("pyproject.toml", b'[project]\ndependencies = ["torch==2"]\n'),
    ],
)
def test_a_changed_maker_is_named(root: Path, name: str, content: bytes) -> None:
    before = fingerprints(root)
    storage.write_bytes(root / name, content)
    assert changed_makers(root, "sketch", before) == [name]
    (root / name).unlink()
    assert changed_makers(root, "sketch", before) == [name], "or is gone"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("stages/running.py", b"another frame"),
        ("params.yaml", b"# said otherwise\nmachine: {threads: 1}\nstudy: sketch  # the default\n"),
        ("pyproject.toml", b'[project]\nname = "b"\ndependencies = ["torch==1"]\n[tool.ruff]\nline-length = 80\n'),
    ],
)
def test_what_a_second_repro_would_not_run_for_does_not_count(root: Path, name: str, content: bytes) -> None:
    before = fingerprints(root)
    storage.write_bytes(root / name, content)
    assert changed_makers(root, "sketch", before) == []


def test_another_study_being_chosen_says_nothing_of_this_one(root: Path) -> None:
    before = fingerprints(root)
    storage.write_bytes(root / "params.yaml", b"study: cifar10\n")
    assert changed_makers(root, "sketch", before) == [] and changed_makers(root, "cifar10", before) == ["params.yaml"]


def test_results_that_say_nothing_of_their_makers_are_not_accused(tmp_path: Path) -> None:
    assert changed_makers(tmp_path, "sketch", {}) == []


def test_artifacts_that_are_other_or_gone_are_named(tmp_path: Path) -> None:
    for name in ("evaluate/base/predictions.csv", "train/base/metrics.json"):
        storage.write_bytes(tmp_path / name, name.encode())
    artifacts = {name: storage.sha256(tmp_path / name) for name in ("evaluate/base/predictions.csv", "train/base/metrics.json")}
    assert changed_artifacts(tmp_path, artifacts) == []
    storage.write_bytes(tmp_path / "evaluate/base/predictions.csv", b"other")
    (tmp_path / "train/base/metrics.json").unlink()
    assert changed_artifacts(tmp_path, artifacts) == list(artifacts)
