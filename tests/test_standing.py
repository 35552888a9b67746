"""Verdicts are tied to what they rest on: another file, other code or other settings take them back."""

from pathlib import Path

import pytest

from study import files
from study.judging.standing import SETTINGS, changed_artifacts, changed_makers, makers
from tests.project import ROOT


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project of one module, with its settings."""
    for name in ("study/network/alexnet.py", "stages/train.py", *SETTINGS):
        files.write_bytes(tmp_path / name, name.encode())
    files.write_bytes(tmp_path / "params.yaml", b"machine: {}\nstudy: sketch\n")
    return tmp_path


def _hashes(root: Path) -> dict[str, str]:
    return {path.relative_to(root).as_posix(): files.sha256(path) for path in makers(root)}


def test_makers_are_the_code_and_the_settings() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in makers(ROOT)}
    assert {"study/network/alexnet.py", "stages/train.py", *SETTINGS} <= names
    assert not [name for name in names if name.startswith(("tests", "dashboard", "bench"))]


def test_nothing_has_changed(root: Path) -> None:
    assert changed_makers(root, "sketch", _hashes(root)) == []


@pytest.mark.parametrize("name", ["study/network/alexnet.py", "params.yaml", "protocol.yaml"])
def test_a_changed_maker_is_named(root: Path, name: str) -> None:
    before = _hashes(root)
    files.write_bytes(root / name, (root / name).read_bytes() + b"# more\n")
    assert changed_makers(root, "sketch", before) == [name]


def test_a_maker_that_is_gone_is_named(root: Path) -> None:
    before = _hashes(root)
    (root / "study/network/alexnet.py").unlink()
    assert changed_makers(root, "sketch", before) == ["study/network/alexnet.py"]


def test_another_study_being_chosen_says_nothing_of_this_one(root: Path) -> None:
    before = _hashes(root)
    files.write_bytes(root / "params.yaml", b"study: cifar10\n")
    assert changed_makers(root, "sketch", before) == [] and changed_makers(root, "cifar10", before) == ["params.yaml"]


def test_only_a_project_s_own_files_are_looked_at(root: Path) -> None:
    assert changed_makers(root, "sketch", {"../elsewhere": "0" * 64, "data/x": "0" * 64}) == []


def test_artifacts_that_are_other_or_gone_are_named(tmp_path: Path) -> None:
    for name in ("evaluate/base/predictions.csv", "train/base/metrics.json"):
        files.write_bytes(tmp_path / name, name.encode())
    artifacts = {name: files.sha256(tmp_path / name) for name in ("evaluate/base/predictions.csv", "train/base/metrics.json")}
    assert changed_artifacts(tmp_path, artifacts) == []
    files.write_bytes(tmp_path / "evaluate/base/predictions.csv", b"other")
    (tmp_path / "train/base/metrics.json").unlink()
    assert changed_artifacts(tmp_path, artifacts) == list(artifacts)
