"""Staleness is what DVC recorded against what there is now: code, settings, packages, and what one stage wrote for another."""

import copy
from pathlib import Path
from typing import Any

import pytest

from study import storage
from study.judging.staleness import changed_artifacts, changed_makers, makers, md5, outdated

PARAMS: dict[str, Any] = {"study": "sketch", "machine": {"threads": 1}, "train": {"epochs": 5}, "runs": {"base": {}, "other": {}}}
CODE = ("stages/train.py", "study/network/alexnet.py", "study/storage.py", "protocol.yaml", "study/paper/claims.py")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in CODE:
        storage.write_bytes(tmp_path / name, name.encode())
    storage.write_bytes(tmp_path / "params.yaml", b"machine: {threads: 1}   # one\n\nstudy: sketch\n")
    storage.write_bytes(tmp_path / "pyproject.toml", b'[project]\nname = "a"\ndependencies = ["torch==1"]\n')
    return tmp_path


@pytest.fixture
def lock(root: Path) -> dict[str, Any]:
    """dvc.lock after `train@base` and `evaluate@base` of the study."""
    packages = {"project.dependencies": ["torch==1"]}
    known = {"params.yaml": {"train": {"epochs": 5}, "runs.base": {}, "machine": {"threads": 1}}, "pyproject.toml": packages}
    code = [{"path": path, "md5": md5(root, path)} for path in ("stages/train.py", "study/network", "study/storage.py")]
    train = {"deps": code, "params": known, "outs": [{"path": "results/sketch/train/base", "md5": "1.dir"}]}
    read = [{"path": "results/sketch/train/base", "md5": "1.dir"}]
    evaluate = {"deps": read, "outs": [{"path": "results/sketch/evaluate/base", "md5": "2.dir"}]}
    return {"stages": {"train@base": train, "evaluate@base": evaluate}}


STAGES = ("train-base", "evaluate-base")


def test_nothing_has_changed(root: Path, lock: dict[str, Any]) -> None:
    assert outdated(lock, PARAMS, root, "sketch", STAGES) == {}


@pytest.mark.parametrize("name", ["stages/train.py", "study/network/alexnet.py", "study/storage.py"])
def test_changed_code_is_named(root: Path, lock: dict[str, Any], name: str) -> None:
    storage.write_bytes(root / name, b"other")
    dep = "study/network" if "network" in name else name
    assert outdated(lock, PARAMS, root, "sketch", STAGES) == {"train-base": f"{dep} has changed since train-base ran"}


def test_a_new_module_in_a_folder_is_a_change_and_bytecode_is_none(root: Path, lock: dict[str, Any]) -> None:
    storage.write_bytes(root / "study/network/__pycache__/alexnet.pyc", b"bytecode")
    storage.write_bytes(root / ".dvcignore", b"study/network/as_printed.py\n__pycache__\n")
    storage.write_bytes(root / "study/network/as_printed.py", b"to be read")
    assert outdated(lock, PARAMS, root, "sketch", STAGES) == {}, "what DVC ignores is none either"
    storage.write_bytes(root / "study/network/new.py", b"new")
    assert "train-base" in outdated(lock, PARAMS, root, "sketch", STAGES)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda p: p["train"].update(epochs=6), "`train` in params.yaml"),
        (lambda p: p["runs"].update(base={"share": 0.5}), "`runs.base` in params.yaml"),
        (lambda p: p["runs"].pop("base"), "`runs.base` in params.yaml"),
    ],
)
def test_changed_settings_are_named(root: Path, lock: dict[str, Any], change: Any, what: str) -> None:
    params = copy.deepcopy(PARAMS)
    change(params)
    assert outdated(lock, params, root, "sketch", STAGES)["train-base"] == f"{what} has changed since train-base ran"


def test_another_runs_settings_and_what_a_stage_does_not_read_say_nothing(root: Path, lock: dict[str, Any]) -> None:
    params = copy.deepcopy(PARAMS) | {"retrieve": {"seed": 1}}
    params["runs"]["other"] = {"share": 0.1}
    assert outdated(lock, params, root, "sketch", STAGES) == {}


def test_other_packages_are_named(root: Path, lock: dict[str, Any]) -> None:
    storage.write_bytes(root / "pyproject.toml", b'[project]\ndependencies = ["torch==2"]\n')
    assert "project.dependencies" in outdated(lock, PARAMS, root, "sketch", STAGES)["train-base"]


def test_what_was_written_anew_is_a_change_for_its_readers(root: Path, lock: dict[str, Any]) -> None:
    lock["stages"]["train@base"]["outs"][0]["md5"] = "3.dir"
    assert list(outdated(lock, PARAMS, root, "sketch", STAGES)) == ["evaluate-base"]


def test_what_dvc_did_not_run_for_this_study_is_said(root: Path, lock: dict[str, Any]) -> None:
    assert outdated(lock, PARAMS, root, "other", ("train-base",)) == {
        "train-base": "dvc.lock does not know that train-base ran for this study"
    }
    assert list(outdated({}, PARAMS, root, "sketch", STAGES)) == list(STAGES)


class TestMakers:
    """What the dashboard compares: kept beside the verdicts when they are given."""

    @pytest.fixture
    def then(self, root: Path, lock: dict[str, Any]) -> dict[str, str]:
        return makers(lock, PARAMS, {"deps": ["protocol.yaml", "study/paper", "results/${study}/train"]}, root, "sketch")

    def test_runs_that_the_study_had_once_made_nothing_of_it(self, root: Path, lock: dict[str, Any]) -> None:
        old = copy.deepcopy(lock["stages"]["train@base"])
        old["deps"] = [{"path": "study/storage.py", "md5": "0" * 32}]
        lock["stages"]["train@removed"] = old
        assert changed_makers(root, "sketch", makers(lock, PARAMS, {}, root, "sketch")) == []
        lock["stages"]["train@other"] = old
        assert changed_makers(root, "sketch", makers(lock, PARAMS, {}, root, "sketch")) == ["study/storage.py"]

    def test_they_are_code_settings_and_packages(self, root: Path, then: dict[str, str]) -> None:
        code = {"stages/train.py", "study/network", "study/storage.py", "protocol.yaml", "study/paper"}
        assert set(then) == code | {"params.yaml", "pyproject.toml"}
        assert changed_makers(root, "sketch", then) == []

    @pytest.mark.parametrize("name", [*CODE, "params.yaml", "pyproject.toml"])
    def test_a_changed_maker_is_named(self, root: Path, then: dict[str, str], name: str) -> None:
        content = b"study: sketch\nmachine: 3\n" if name == "params.yaml" else b'[project]\ndependencies = ["x==1"]\n'
        storage.write_bytes(root / name, content)
        (changed,) = changed_makers(root, "sketch", then)
        assert name.startswith(changed)
        (root / name).unlink()
        assert changed_makers(root, "sketch", then) == [changed] or name == "params.yaml", "or is gone"

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("stages/running.py", b"another frame"),
            ("params.yaml", b"# said otherwise\nmachine: {threads: 1}\nstudy: sketch  # the default\n"),
            ("pyproject.toml", b'[project]\nname = "b"\ndependencies = ["torch==1"]\n[tool.ruff]\nline-length = 80\n'),
        ],
    )
    def test_what_a_second_repro_would_not_run_for_does_not_count(
        self, root: Path, then: dict[str, str], name: str, content: bytes
    ) -> None:
        storage.write_bytes(root / name, content)
        assert changed_makers(root, "sketch", then) == []

    def test_a_comment_in_the_protocol_is_no_other_protocol(self, root: Path, then: dict[str, str]) -> None:
        before = (root / "protocol.yaml").read_text()
        storage.write_bytes(root / "protocol.yaml", f"# said otherwise\n{before}\n\n# and more\n".encode())
        assert changed_makers(root, "sketch", then) == []

    def test_another_study_being_chosen_says_nothing_of_this_one(self, root: Path, then: dict[str, str]) -> None:
        storage.write_bytes(root / "params.yaml", b"study: cifar10\n")
        assert changed_makers(root, "sketch", then) == [] and changed_makers(root, "cifar10", then) == ["params.yaml"]

    def test_results_that_say_nothing_of_their_makers_are_not_accused(self, tmp_path: Path) -> None:
        assert changed_makers(tmp_path, "sketch", {}) == []


def test_artifacts_that_are_other_or_gone_are_named(tmp_path: Path) -> None:
    for name in ("evaluate/base/ten_patches.npz", "train/base/metrics.json"):
        storage.write_bytes(tmp_path / name, name.encode())
    artifacts = {name: storage.sha256(tmp_path / name) for name in ("evaluate/base/ten_patches.npz", "train/base/metrics.json")}
    assert changed_artifacts(tmp_path, artifacts) == []
    storage.write_bytes(tmp_path / "evaluate/base/ten_patches.npz", b"other")
    (tmp_path / "train/base/metrics.json").unlink()
    assert changed_artifacts(tmp_path, artifacts) == list(artifacts)


def test_a_folders_hash_is_the_one_that_dvc_gives(own_pictures: Path) -> None:
    """And what has just run is outdated in nothing."""
    from stages.settings import read_params

    lock, params = read_params(own_pictures / "dvc.lock"), read_params(own_pictures / "params.yaml")
    folders = {
        dep["path"]: dep["md5"] for stage in lock["stages"].values() for dep in stage["deps"] if dep["md5"].endswith(".dir")
    }
    code = {path: known for path, known in folders.items() if path.startswith("study/")}
    assert len(code) >= 3 and {path: md5(own_pictures, path) for path in code} == code
    stages = [path.stem for path in (own_pictures / "results/pets/provenance").glob("*.json")]
    assert outdated(lock, params, own_pictures, "pets", stages) == {}
