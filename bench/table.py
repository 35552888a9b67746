"""Tables of measured figures in Markdown, to be pasted into LOG.md, and the machine that they are of."""

from __future__ import annotations

import platform
import statistics
from dataclasses import dataclass

import torch

from study.cores import allotted_cores
from study.provenance import environment


@dataclass(frozen=True, slots=True)
class Measured:
    """One number a round. Ratios are taken round by round, so that what slows a whole round cancels."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def over(self, other: Measured) -> Measured:
        return Measured(tuple(a / b for a, b in zip(self.values, other.values, strict=True)))

    def plus(self, other: Measured) -> Measured:
        return Measured(tuple(a + b for a, b in zip(self.values, other.values, strict=True)))

    def times(self, factor: float) -> Measured:
        return Measured(tuple(factor * value for value in self.values))

    def rate(self, amount: float) -> Measured:
        """How much a second, if each value is the seconds that `amount` takes."""
        return Measured(tuple(amount / value for value in self.values))

    def __str__(self) -> str:
        if min(self.values) == max(self.values):
            return number(self.median)
        return f"{number(self.median)} ({number(min(self.values))} to {number(max(self.values))})"


Cell = str | float | Measured


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """A part's figures: the median of the rounds and, behind it, the lowest and the highest."""

    title: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"**{self.title}**", ""]
        if self.rows:
            lines += [_line(self.columns), _line(tuple("---" for _ in self.columns)), *map(_line, self.rows), ""]
        return "\n".join(lines + [f"- {note}" for note in self.notes] + [""] * bool(self.notes))


def number(value: float) -> str:
    """Three digits, and all that stand before the point."""
    return f"{value:,.0f}" if abs(value) >= 999.5 else f"{value:.3g}"


def _line(cells: tuple[Cell, ...]) -> str:
    return "| " + " | ".join(number(cell) if isinstance(cell, float) else str(cell) for cell in cells) + " |"


def machine(threads: int) -> Table:
    """What every figure depends on."""
    gpus = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    rows = (
        ("CPU", environment()["processor"]),
        ("cores", str(allotted_cores())),
        ("threads", str(threads)),
        ("CPU capability", torch.backends.cpu.get_cpu_capability()),
        ("GPU", ", ".join(gpus) or "none"),
        ("torch", torch.__version__),
        ("Python", platform.python_version()),
        ("system", " ".join((platform.system(), platform.machine(), *filter(None, platform.libc_ver())))),
    )
    return Table(title="Machine", columns=("what", "which"), rows=rows)
