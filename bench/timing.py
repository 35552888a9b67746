"""How two sides are compared: in one run, in turns, each after its warm-up, where it matters in processes of their own."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import torch
from torch import Tensor
from torch.utils import benchmark

from bench.table import Measured
from study.network.settings import AlexNetSettings

Sides = Mapping[str, Callable[[], Any]]
WARM_UP = 2  # rounds that do not count: compilers, caches, and allocators that keep what was freed
QUEUED = 10  # calls that a GPU is given before its clock is read, as in a training


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """What is measured and how often. The defaults are the paper's network; `compiled` off leaves those variants out."""

    network: AlexNetSettings = field(default_factory=AlexNetSettings)
    classes: int = 1000
    batch: int = 64
    rounds: int = 7
    threads: int = field(default_factory=torch.get_num_threads)
    compiled: bool = True
    device: str = "cpu"

    def pictures(self) -> tuple[Tensor, Tensor]:
        """Random pictures on the 0-255 scale minus mean, and labels: the same for every side, and never zeros."""
        generator = torch.Generator().manual_seed(0)
        size = (self.batch, 3, self.network.crop, self.network.crop)
        pictures = torch.rand(size, generator=generator, dtype=torch.float32) * 255 - 127.5
        labels = torch.randint(self.classes, (self.batch,), generator=generator)
        return pictures.to(self.device), labels.to(self.device)


def clocked(
    work: Callable[[], Any], device: str | torch.device, prepare: Callable[[], Any] = lambda: None
) -> Callable[[], float]:
    """`work`, as a function that says how many seconds it took, by torch's own timer, which waits for a GPU and warms up;
    `prepare` is called before."""
    calls = QUEUED if torch.device(device).type == "cuda" else 1

    def seconds() -> float:
        prepare()
        timer = benchmark.Timer("work()", globals={"work": work}, num_threads=torch.get_num_threads())
        return float(timer.timeit(calls).mean)

    return seconds


def in_turns(sides: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, Measured]:
    """A B A B ..., so that a neighbour on the machine, or its heat, meets both sides alike."""
    for _ in range(WARM_UP):
        for side in sides.values():
            side()
    found: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            found[name].append(side())
    return {name: Measured(tuple(values)) for name, values in found.items()}


class Elsewhere:
    """A fresh process that makes its sides once and then runs the one it is asked for, while nobody else works.

    What a side sets for its whole process, such as the C library's allocator, does not reach the other.
    """

    def __init__(self, make: Callable[..., Sides], *arguments: Any) -> None:
        context = get_context("spawn")
        self._line, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, make, arguments))
        self._process.start()
        theirs.close()

    def __enter__(self) -> Elsewhere:
        return self

    def __exit__(self, problem: object, *_: object) -> None:
        self._line.close()
        if problem:  # it may be waiting for somebody who will not come
            self._process.terminate()
        self._process.join()

    def ask(self, name: str) -> None:
        self._line.send(name)

    def answer(self) -> Any:
        """What the side returned. Raises RuntimeError with the other process's traceback if it failed."""
        worked, value = self._line.recv()
        if not worked:
            raise RuntimeError(f"in the process of its own:\n{value}")
        return value

    def __call__(self, name: str) -> Any:
        self.ask(name)
        return self.answer()

    def sides(self, *names: str) -> dict[str, Callable[[], Any]]:
        return {name: partial(self, name) for name in names}


def _serve(line: Connection, make: Callable[..., Sides], arguments: tuple[Any, ...]) -> None:
    """Answer until the other end is closed, by its wish or because its process is gone."""
    sides: Sides | None = None
    while True:
        try:
            name = line.recv()
        except (EOFError, OSError):
            return
        try:
            sides = make(*arguments) if sides is None else sides
            line.send((True, sides[name]()))
        except Exception:
            line.send((False, traceback.format_exc()))
