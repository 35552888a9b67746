"""Many runs at once: several `dvc repro -s train@...` beside each other, and tasks of a cluster that lose their place."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from stages.settings import read_params
from study import storage
from tests.project import ENVIRONMENT, ROOT, bring_results, dvc, run, running_in, write_params

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="a shell of Linux or macOS")]
STUDY = "results/miniature/train"


@pytest.fixture
def untrained(miniature: Path, tmp_path: Path) -> Path:
    """A clone whose runs must all be trained anew, for 60 epochs each."""
    clone = tmp_path / "clone"
    run("git", "clone", "-q", str(miniature), str(clone), cwd=tmp_path)
    bring_results(miniature, clone)
    params = read_params(clone / "params.yaml")
    params["train"]["learning"]["epochs"] = 60
    write_params(clone, params)
    return clone


def _environment(folder: Path) -> dict[str, str]:
    """`uv run` and `srun` as commands that run what follows, here and now."""
    folder.mkdir()
    (folder / "uv").write_text('#!/bin/bash\nshift\nexec "$@"\n')
    (folder / "srun").write_text('#!/bin/bash\nexec "$@"\n')
    for command in folder.iterdir():
        command.chmod(0o755)
    return ENVIRONMENT | {"PATH": f"{folder}:{ENVIRONMENT['PATH']}"}


def test_the_readmes_line_trains_all_runs_at_once(untrained: Path, tmp_path: Path) -> None:
    lines = [line.strip() for line in (ROOT / "README.md").read_text().splitlines() if "xargs -P" in line]
    assert len(lines) == 1
    done = subprocess.run(
        ["bash", "-c", lines[0].split(" #")[0]],
        cwd=untrained, env=_environment(tmp_path / "bin"), capture_output=True, text=True, timeout=500,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    for name in ("base", "no_normalisation"):
        assert len((untrained / STUDY / name / "seed-0/curve.csv").read_text().splitlines()) == 61
    assert "up to date" in dvc("repro", "train", cwd=untrained).stdout
    left = dvc("repro", "--dry", cwd=untrained).stdout
    assert "Running stage 'train" not in left and "Running stage 'evaluate@base'" in left


def test_a_task_of_an_array_loses_its_place_and_goes_on(untrained: Path, tmp_path: Path) -> None:
    environment = _environment(tmp_path / "bin") | {"SLURM_ARRAY_TASK_ID": "1"}
    command = ["bash", str(ROOT / "stages/array.sbatch")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    task = subprocess.Popen(command, cwd=untrained, env=environment, start_new_session=True, **pipes)  # type: ignore[call-overload]
    assert task.stdout is not None
    begun: set[str] = set()
    while len(begun) < 2:  # a seed may begin many seconds after the other
        line = task.stdout.readline()
        assert line, "it ended too soon"
        begun |= {seed for seed in ("seed 0", "seed 1") if f"{seed} epoch 3/60" in line}
    os.killpg(task.pid, signal.SIGTERM)  # as srun does: every process of the task
    task.communicate(timeout=180)
    assert task.returncode != 0
    deadline = time.monotonic() + 60
    while running_in(untrained) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert running_in(untrained) == []
    saved = {path.parent for path in (untrained / storage.WORK).rglob("*.state")}
    assert len(saved) == 2, "every seed has a state"
    done = subprocess.run(command, cwd=untrained, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "epoch 1/60" not in done.stdout and "epoch 60/60" in done.stdout
    assert all(f"seed {seed} goes on after" in done.stdout for seed in (0, 1))
    for seed in (0, 1):
        rows = (untrained / STUDY / f"base/seed-{seed}/curve.csv").read_text().splitlines()
        assert [row.split(",")[0] for row in rows[1:]] == [str(epoch) for epoch in range(1, 61)]
    assert "up to date" in dvc("repro", "train@base", cwd=untrained).stdout
