"""What stands around every stage: one sentence for what users can mend, orphans that end, workers wherever TMPDIR is."""

from __future__ import annotations

import ast
import errno
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from stages import running
from stages.settings import read_params
from study import storage
from study.checking import SettingsError
from tests.project import ENVIRONMENT, write_params

ROOT = Path(__file__).parent.parent
STAGES = ("download", "prepare", "train", "evaluate", "converge", "retrieve", "halve", "cost", "hand_made", "judge")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the default study's params.yaml alone, as the current one; this process is left as it is."""
    shutil.copyfile(ROOT / "params.yaml", tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(running, "end_with_parent", lambda: None)
    monkeypatch.setattr(running, "heed_requests_to_end", lambda: None)
    return tmp_path


def _ended(stage: str, work: object, table: str = "") -> str:
    with pytest.raises(SystemExit) as ended:
        running.run_stage(stage, work, table)  # type: ignore[arg-type]
    assert isinstance(ended.value.code, str) and "\n" not in ended.value.code
    return ended.value.code


@pytest.mark.parametrize("stage", STAGES)
def test_every_statement_of_a_stage_runs_inside_the_handler(stage: str) -> None:
    """At the top of its file a stage only imports and defines, and the program is one call of run_stage (or of a command)."""
    tree = ast.parse((ROOT / "stages" / f"{stage}.py").read_text(encoding="utf-8"))
    *rest, program = tree.body
    assert isinstance(program, ast.If) and ast.unparse(program.test) == "__name__ == '__main__'"
    (last,) = program.body
    if isinstance(last, ast.If):  # with options `judge` is a command of its own, which has its own handler
        assert stage == "judge" and ast.unparse(last.test) == "len(sys.argv) > 1" and len(last.body) == 1
        (last,) = last.orelse
    assert isinstance(last, ast.Expr) and isinstance(last.value, ast.Call) and ast.unparse(last.value.func) == "run_stage"
    assert all(isinstance(argument, ast.Name | ast.Constant) for argument in last.value.args)
    allowed = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign, ast.Expr)
    assert all(isinstance(statement, allowed) for statement in rest)


@pytest.mark.parametrize(("stage", "table"), [("train", "runs"), ("evaluate", "runs"), ("converge", "curves"), ("download", "")])
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (None, "params.yaml is missing; run from the project's folder"),
        ({"runs": {"base": {"lerning": {}}}}, "params.yaml: runs.base.lerning is no setting; remove it, or use one of: recipe"),
        ({"runs": {1: {}}}, "params.yaml: runs.1 names a folder, so begin with a letter"),
        ({"curves": {2: {}}}, "params.yaml: curves.2 names a folder, so begin with a letter"),
        ({"runs": 3}, "params.yaml: runs is 3; give a block of settings"),
    ],
)
def test_settings_are_refused_by_every_stage(stage: str, table: str, change: dict | None, sentence: str, project: Path) -> None:
    if change is None:
        (project / "params.yaml").unlink()
    else:
        write_params(project, read_params() | change)
    assert _ended(stage, lambda *_: None, table).startswith(f"{stage}: {sentence}")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["nosuch"], "train: 'nosuch' is not in params.yaml; use one of: base, one_column"),
        ([], "train: give one name, and not 0; use one of: base, one_column"),
        (["base", "no_dropout"], "train: give one name, and not 2; use one of: base, one_column"),
    ],
)
def test_a_wrong_name_gets_one_sentence(given: list[str], sentence: str, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["stages/train.py", *given])
    assert _ended("train", lambda *_: None, "runs").startswith(sentence)


def _without_a_deterministic_form(*_: object) -> None:
    torch.use_deterministic_algorithms(True)
    try:
        torch.zeros(2).put_(torch.tensor([0]), torch.ones(1))
    finally:
        torch.use_deterministic_algorithms(False)


def _without_a_result(*_: object) -> None:
    Path("results/sketch/train/base/metrics.json").read_text()


def _with_a_damaged_result(*_: object) -> None:
    Path("metrics.json").write_text('{"seeds":')
    storage.read_json(Path("metrics.json"))


def _onto_a_file(*_: object) -> None:
    Path("file").touch()
    Path("file").mkdir()


def _into_a_file_that_may_not_grow(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device while packing; make room and run again", "data")


def _too_large(*_: object) -> None:
    torch.empty(2**56, dtype=torch.uint8)


def _larger_than_can_be_counted(*_: object) -> None:
    torch.empty(2**40, 2**40)


def _on_the_gpu(*_: object) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 1 GiB")


def _not_on_mps(*_: object) -> None:
    raise NotImplementedError("The operator 'aten::unfold_backward' is not currently implemented for the MPS device. If you want")


@pytest.mark.parametrize(
    ("work", "sentence"),
    [
        (
            _without_a_deterministic_form,
            "download: params.yaml: machine.deterministic is true, which put_ cannot be",
        ),
        (_without_a_result, "download: results/sketch/train/base/metrics.json is missing; `uv run dvc repro` makes it"),
        (_with_a_damaged_result, "download: metrics.json is damaged (Expecting value: line 1 column 10 (char 9)); bring it back"),
        (_onto_a_file, "download: [Errno 17] File exists: 'file'; move away what is there"),
        (
            _into_a_file_that_may_not_grow,
            "download: [Errno 28] No space left on device while packing; make room and run again",
        ),
        (_too_large, "download: this machine has too little memory (72,057,594.0 GB were asked for at once); close"),
        (
            _larger_than_can_be_counted,
            "download: this machine has too little memory; close other programs, or use smaller batches",
        ),
        (_on_the_gpu, "download: the memory of the GPU is too small (CUDA out of memory); make batches smaller"),
        (_not_on_mps, "download: params.yaml: machine.devices names mps, which lacks what this needs"),
    ],
)
def test_what_a_device_lacks_is_said_in_one_sentence(work: object, sentence: str, project: Path) -> None:
    assert _ended("download", work).startswith(sentence)


def test_a_mistake_of_the_program_keeps_its_traceback(project: Path) -> None:
    for mistake in (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), NotImplementedError("later"), TypeError("none")):

        def work(*_: object, mistake: Exception = mistake) -> None:
            raise mistake

        with pytest.raises(type(mistake)):
            running.run_stage("download", work)
    assert running.refusal(SettingsError("a is 1;\n  give 2")) == "params.yaml: a is 1; give 2"


PROGRAM = """\
import os
from pathlib import Path
from stages.running import Bar, run_stage, side_by_side
from study.machine import asked_to_end

def double(number, tell):
    return 2 * number

def die(number, tell):
    os.kill(os.getpid(), 9)

def tell_on(number, tell):
    while not asked_to_end():
        tell("a line")

def work(settings, record):
    with Bar("doubling", 2) as bar:
        assert side_by_side({each}, [(1,), (2,)], settings.machine, bar) == [2, 4]
    Path("worked").touch()

if __name__ == "__main__":
    run_stage("download", work)
"""


def _program(project: Path, each: str = "double") -> list[str]:
    (project / "program.py").write_text(PROGRAM.replace("{each}", each))
    return [sys.executable, "program.py"]


def _environment(**more: str) -> dict[str, str]:
    return ENVIRONMENT | {"PYTHONPATH": str(ROOT)} | more


def test_a_worker_that_is_killed_is_said_in_one_sentence(project: Path) -> None:
    done = subprocess.run(_program(project, "die"), env=_environment(), capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("download: one of its processes was killed, most likely for memory; close other programs")


def test_a_stage_whose_output_nobody_reads_any_more_ends_with_its_workers(project: Path) -> None:
    """As when `dvc` is ended: an orphan would train on, and then wait for ever with a full queue."""
    command, pipe = _program(project, "tell_on"), subprocess.PIPE
    with subprocess.Popen(command, env=_environment(), stdout=pipe, stderr=pipe, text=True) as stage:
        assert stage.stdout is not None and stage.stderr is not None
        assert stage.stdout.readline() == "a line\n"
        stage.stdout.close()
        try:
            said = stage.communicate(timeout=120)[1]
        finally:
            stage.kill()
    assert stage.returncode == 1
    assert said.startswith("download: [Errno 32] Broken pipe; who read its output is gone"), said


@pytest.mark.skipif(os.name == "nt", reason="a socket in the file system")
def test_workers_start_wherever_tmpdir_is(project: Path) -> None:
    place = project / ("a" * 100) / ("b" * 100)
    place.mkdir(parents=True)
    done = subprocess.run(_program(project), env=_environment(TMPDIR=str(place)), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (project / "worked").exists() and not any(place.glob("*pymp*")), "no socket is left"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_stage_whose_parent_died_while_it_was_loading_ends(project: Path) -> None:
    """`dvc` is killed while the stage still imports torch, before it can have asked to be told of that."""
    leave = "import os, subprocess, sys; print(subprocess.Popen(sys.argv[1:]).pid, flush=True); sys.stdin.read(); os._exit(0)"
    command = [sys.executable, "-c", leave, *_program(project)]
    dvc = subprocess.Popen(command, env=_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert dvc.stdout is not None
    stage, deadline = int(dvc.stdout.readline()), time.monotonic() + 60
    while "libtorch" not in Path(f"/proc/{stage}/maps").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    dvc.communicate()
    while _alive(stage) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _alive(stage) and not (project / "worked").exists()


def _alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_time_that_is_left_is_reckoned_from_the_first_step(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Loading, and going on from a checkpoint, take as long as many steps; none of it is a step."""
    now = [0.0]
    monkeypatch.setattr(running.time, "monotonic", lambda: now[0])
    with running.Bar("training", 100) as bar:
        now[0] = 500.0
        bar.tell("goes on")
        bar.tell(10)
        bar.tell("one step")
        now[0] = 505.0
        bar.tell(10)
        bar.tell("two steps")
    assert capsys.readouterr().out.splitlines() == ["goes on", "one step", "two steps, 40 s left"]


@pytest.mark.parametrize(
    ("tasks", "capacity", "workers"),
    [(1, 2, 1), (2, 2, 2), (3, 2, 3), (5, 2, 3), (10, 2, 2), (15, 2, 3), (5, 8, 5), (1, 0.5, 1), (5, 1, 1)],
)
def test_workers_leave_no_core_idle(tasks: int, capacity: float, workers: int) -> None:
    assert running.worker_count(tasks, capacity) == workers
