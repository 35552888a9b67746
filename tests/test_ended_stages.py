"""Stages that train are ended again and again, by request and by force, and leave in the end what they leave undisturbed."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stages.settings import merged, read_params
from study import storage
from tests.project import ENVIRONMENT, MINIATURE, ROOT, copy_project, run, running_in, write_params

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="signals of Linux and macOS")]
NAMES = {"train": "base", "converge": "relu"}


@pytest.fixture(scope="module")
def project(tiny_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that saves its trainings ten times a second."""
    folder = tmp_path_factory.mktemp("project")
    copy_project(folder)
    shutil.copytree(tiny_set, folder / "data/packed/miniature")
    loop = folder / "study/training/loop.py"
    slow, fast = "SAVE_EVERY = 90.0", "SAVE_EVERY = 0.1"
    assert slow in loop.read_text()
    loop.write_text(loop.read_text().replace(slow, fast))
    params = merged(read_params(ROOT / "params.yaml"), MINIATURE)
    params["runs"] = {"base": {"seeds": [0, 1], "learning": {"epochs": 20}}}
    params["converge"] |= {"pictures": 24, "batch": 4, "epochs": 40, "threshold": 0.7}
    params["curves"] = {"relu": {"rates": [0.0001, 0.001, 0.003, 1e18]}}
    write_params(folder, params)
    return folder


def _outcome(project: Path, stage: str) -> dict[str, str]:
    """The hash of every file that a stage leaves; its record tells times and is not among them."""
    folder = project / "results/miniature" / stage / NAMES[stage]
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def _start(project: Path, stage: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", f"stages.{stage}", NAMES[stage]]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=project, env=ENVIRONMENT, **pipes)  # type: ignore[call-overload]


def _end(project: Path, stage: str, number: signal.Signals, lines: int) -> int:
    """Start the stage, wait for so many lines on epochs, send the signal to it alone, and wait for all of its processes."""
    training = _start(project, stage)
    assert training.stdout is not None
    while lines and (line := training.stdout.readline()):
        lines -= ": training error" in line
    training.send_signal(number)
    training.communicate(timeout=120)
    deadline = time.monotonic() + 30
    while running_in(project) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert running_in(project) == []
    return training.returncode


@pytest.mark.parametrize("stage", NAMES)
def test_what_is_ended_again_and_again_comes_out_the_same(stage: str, project: Path) -> None:
    run(sys.executable, "-m", f"stages.{stage}", NAMES[stage], cwd=project)
    undisturbed = _outcome(project, stage)
    assert any(name.endswith("kernels-by-epoch.npz") for name in undisturbed)
    shutil.rmtree(project / storage.WORK)
    for number, lines in ((signal.SIGTERM, 8), (signal.SIGKILL, 8), (signal.SIGTERM, 3)):
        code = _end(project, stage, number, lines)
        assert code in (128 + signal.SIGTERM, -signal.SIGKILL), "it was still training"
        assert list((project / storage.WORK).rglob("*.state")), "and had saved its state"
        assert not any("weights" in name or "kernels" in name for name in _outcome(project, stage)) or stage == "converge"
    said = run(sys.executable, "-m", f"stages.{stage}", NAMES[stage], cwd=project).stdout
    assert " goes on after " in said or "is reused" in said
    assert _outcome(project, stage) == undisturbed


def test_one_more_judged_seed_reuses_the_race_and_the_others(project: Path) -> None:
    run(sys.executable, "-m", "stages.converge", "relu", cwd=project)
    before, first = (
        _outcome(project, "converge"),
        json.loads((project / "results/miniature/converge/relu/metrics.json").read_text()),
    )
    params = read_params(project / "params.yaml")
    params["converge"]["seeds"] = [0, 1, 2]
    write_params(project, params)
    said = run(sys.executable, "-m", "stages.converge", "relu", cwd=project).stdout
    metrics = json.loads((project / "results/miniature/converge/relu/metrics.json").read_text())
    record = json.loads((project / "results/miniature/provenance/converge-relu.json").read_text())
    assert record["reused_seeds"] == [0, 1] and set(record["processor_seconds_to_threshold"]) == {"0", "1", "2"}
    assert metrics["tried"] == first["tried"] and {seed: metrics["seeds"][seed] for seed in first["seeds"]} == first["seeds"]
    trained = {line.split(" epoch ")[0] for line in said.splitlines() if ": training error" in line}
    assert trained == {f"relu rate {metrics['chosen_rate']:g} seed 2"}
    assert all(_outcome(project, "converge")[name] == before[name] for name in before if name.startswith("seed-"))
    assert "relu: of 4 rates" in said
