"""What a training pays besides its steps: checkpoints, determinism, the display of progress. In percent of its time."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import replace
from functools import partial
from pathlib import Path

from bench.ours import Ours, declare
from bench.table import Cell, Measured, Table
from bench.timing import Scope, clocked, in_turns
from stages.running import Bar
from study import storage
from study.machine import set_up
from study.training.checkpoint import Checkpoints
from study.training.loop import SAVE_EVERY, _save
from study.training.progress import Progress
from study.training.replicas import ONE_PROCESS
from study.training.reporting import Reporter

STEPS = 200  # of which one is too short for the clock


class Terminal(io.StringIO):
    """Takes what is drawn, so that the bar draws."""

    def isatty(self) -> bool:
        return True


def measure(scope: Scope) -> list[Table]:
    ours = Ours(scope, scope.network, declare(scope, "float32", scope.compiled))
    free = partial(set_up, replace(ours.declared, deterministic=False))
    with _saving(ours) as save, _drawing() as report:
        sides = {
            "step": clocked(ours.step, scope.device, ours.prepare),
            "free": clocked(ours.step, scope.device, free),
            "save": save,
            "report": report,
        }
        times = in_turns(sides, scope.rounds)
    every = Measured((SAVE_EVERY,) * scope.rounds)
    lost = Measured(tuple(one - other for one, other in zip(times["step"].values, times["free"].values, strict=True)))
    rows: tuple[tuple[Cell, ...], ...] = (
        _row("checkpoint", times["save"], f"{SAVE_EVERY:g} s of training", every),
        _row("determinism", lost, "a step without", times["free"]),
        _row("progress display", times["report"], "a step", times["step"]),
    )
    return [_table(scope, rows)]


def _row(what: str, cost: Measured, whole_name: str, whole: Measured) -> tuple[Cell, ...]:
    return what, cost.times(1e3), whole_name, whole.times(1e3), cost.over(whole).times(100)


@contextmanager
def _saving(ours: Ours) -> Iterator[Callable[[], float]]:
    """Real saves of the whole state, velocities too, on the disk that trainings use, and thrown away."""
    storage.WORK.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=storage.WORK) as folder:
        checkpoints = Checkpoints("bench")
        checkpoints.folder = Path(folder)
        yield partial(_save_once, ours, checkpoints, Progress())


def _save_once(ours: Ours, checkpoints: Checkpoints, progress: Progress) -> float:
    progress.iteration += 1
    return clocked(partial(_save, checkpoints, ours.network, ours.rule, progress, ONE_PROCESS), "cpu")()


@contextmanager
def _drawing() -> Iterator[Callable[[], float]]:
    """Seconds of telling one step, with a terminal on which the bar draws every time: the dearest case."""
    with redirect_stderr(Terminal()), Bar("bench", 10**9) as bar:
        bar.bar.mininterval = 0
        reporter, progress = Reporter(bar.tell, "bench", 1, 10**9), Progress()
        reports = clocked(partial(_report, reporter, progress), "cpu")
        yield lambda: reports() / STEPS


def _report(reporter: Reporter, progress: Progress) -> None:
    for _ in range(STEPS):
        progress.seen += 1
        reporter.step(progress)


def _table(scope: Scope, rows: tuple[tuple[Cell, ...], ...]) -> Table:
    return Table(
        title=f"What a training pays besides its steps, batch {scope.batch}, {scope.device}, {scope.rounds} rounds",
        columns=("what", "costs, ms", "of", "ms", "%"),
        rows=rows,
        notes=(
            "Determinism: steps with and without, in turns, on the same network; below 0 it is lost in the spread.",
            "Progress display: on a terminal, drawn at every step; in training it draws at most five times a second.",
        ),
    )
