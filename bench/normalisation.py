"""Response normalisation at the paper's two shapes: the study's against torch's, and against copying five such tensors.

torch's is given the columns' maps apart, in its own layout, and with its alpha, so that it computes the same function. It
is measured twice: in a process as torch starts it, and beside the study's, under the study's allocator settings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from bench.ordinary import torchs_normalisation
from bench.ours import declare
from bench.table import Cell, Measured, Table
from bench.timing import Elsewhere, Scope, Sides, clocked, in_turns
from study.machine import Precision, set_up
from study.network.normalisation import ResponseNormalisation
from study.network.settings import sides as map_sides

AIMS = {"cpu": "7", "cuda": "8; 1.5"}  # times torch's; times five copies
COPIES = 5
AGREEMENT = {"float32": 1e-5, "bfloat16": 2e-2}  # largest difference, relative to the largest value
DEVIATION = 60.0  # of random maps: what conv1 makes of pictures on the 0-255 scale
PASSES = ("forward", "both")
Pass = Literal["forward", "both"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """The maps of one layer in one precision."""

    size: tuple[int, int, int, int]
    precision: Precision
    columns: int
    device: str

    def __str__(self) -> str:
        return f"{'x'.join(map(str, self.size))} {self.precision}"

    def draw(self) -> tuple[Tensor, Tensor]:
        """Maps and the slopes that come back to them, channels last; the same wherever they are drawn."""
        generator = torch.Generator().manual_seed(0)
        drawn = [torch.randn(self.size, generator=generator, dtype=torch.float32) for _ in range(2)]
        a, g = (x.to(self.device, getattr(torch, self.precision), memory_format=torch.channels_last) for x in drawn)
        return a * DEVIATION, g


def cases(scope: Scope) -> list[Case]:
    s, there = scope.network, map_sides(scope.network)
    shapes = [(scope.batch, s.kernels[0], there[0], there[0]), (scope.batch, s.kernels[1], there[2], there[2])]
    kinds: tuple[Precision, ...] = ("float32", "bfloat16")
    return [Case(size=size, precision=kind, columns=s.columns, device=scope.device) for size in shapes for kind in kinds]


class OursAlone:
    """The study's layer on the maps of both columns."""

    def __init__(self, case: Case, scope: Scope, compiled: bool) -> None:
        self.layer, self.columns = ResponseNormalisation(scope.network.response, compiled), case.columns
        self.a, self.g = case.draw()

    @torch.no_grad()
    def forward(self) -> Tensor:
        return self.layer(self.a, self.columns)

    def both(self) -> Tensor:
        a = self.a.requires_grad_()
        return torch.autograd.grad(self.layer(a, self.columns), a, self.g)[0]


class Torchs:
    """torch's layer on each column's maps. It has no bfloat16 on the CPU, where autocast sums in float32 instead."""

    def __init__(self, case: Case) -> None:
        self.layer, (a, g) = torchs_normalisation(), case.draw()
        self.parts = [part.contiguous() for part in a.chunk(case.columns, dim=1)]
        self.slopes = [part.contiguous() for part in g.chunk(case.columns, dim=1)]
        cast = case.precision == "bfloat16" and case.device == "cpu"
        self.cast: AbstractContextManager[object] = torch.autocast("cpu", torch.bfloat16) if cast else nullcontext()
        if cast:
            self.slopes = [slope.float() for slope in self.slopes]

    def forward(self) -> list[Tensor]:
        with self.cast, torch.no_grad():
            return [self.layer(part) for part in self.parts]

    def both(self) -> list[Tensor]:
        parts = [part.requires_grad_() for part in self.parts]
        with self.cast:
            results = [self.layer(part) for part in parts]
        return list(torch.autograd.grad(results, parts, self.slopes))


def our_sides(scope: Scope) -> Sides:
    """The study's, plain and compiled, and under its settings torch's and the copies."""
    set_up(declare(scope, "float32", compiled=False))
    found: dict[str, Callable[[], object]] = {}
    for case in cases(scope):
        plain, theirs = OursAlone(case, scope, compiled=False), Torchs(case)
        ways: dict[str, OursAlone | Torchs] = {"plain": plain, "torch beside": theirs}
        if scope.compiled:
            ways["compiled"] = OursAlone(case, scope, compiled=True)
        for passed, way, measured in _each_pass(ways):
            found[f"{case} {passed} {way}"] = clocked(measured, scope.device)
        copies = [(torch.empty_like(plain.a), plain.a.detach().clone()) for _ in range(COPIES)]
        found[f"{case} copies"] = clocked(partial(_copy, copies), scope.device)
        for way, ours in ways.items():
            found[f"{case} {way} differs"] = partial(difference, ours, theirs)
    if scope.device != "cpu":
        found["deterministic"] = partial(deterministic, cases(scope)[0], scope)
    return found


def torch_sides(scope: Scope) -> Sides:
    """torch's in a process as torch starts it."""
    torch.set_num_threads(scope.threads)
    found: dict[str, Callable[[], object]] = {}
    for case in cases(scope):
        for passed, way, measured in _each_pass({"torch": Torchs(case)}):
            found[f"{case} {passed} {way}"] = clocked(measured, scope.device)
    return found


def _each_pass(ways: dict[str, OursAlone | Torchs]) -> Iterator[tuple[str, str, Callable[[], object]]]:
    for name, way in ways.items():
        yield "forward", name, way.forward
        yield "both", name, way.both


def _copy(pairs: list[tuple[Tensor, Tensor]]) -> None:
    for to, source in pairs:
        to.copy_(source)


def difference(ours: OursAlone | Torchs, theirs: Torchs) -> float:
    """The largest of results and slopes, relative to the largest of theirs."""
    found = 0.0
    for one, other in ((ours.forward(), theirs.forward()), (ours.both(), theirs.both())):
        joined = one if isinstance(one, Tensor) else torch.cat(one, dim=1)
        expected = torch.cat(other, dim=1)
        found = max(found, ((joined.float() - expected.float()).abs().max() / expected.float().abs().max()).item())
    return found


def deterministic(case: Case, scope: Scope) -> str:
    """What torch.use_deterministic_algorithms(True) lets pass; the study's must also be the same to the bit."""
    was = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    ours = OursAlone(case, scope, scope.compiled)
    told = f"the study's passes, {'the same' if torch.equal(ours.both(), ours.both()) else 'NOT the same'} to the bit"
    try:
        Torchs(case).both()
    except RuntimeError as refusal:
        return f"{told}; torch's raises: {str(refusal).partition('.')[0]}"
    finally:
        torch.use_deterministic_algorithms(was)
    return f"{told}; torch's passes"


def measure(scope: Scope) -> list[Table]:
    rows: list[tuple[Cell, ...]] = []
    worst = dict.fromkeys(AGREEMENT, 0.0)
    ways = ("plain", *["compiled"] * scope.compiled, "torch beside")
    with Elsewhere(our_sides, scope) as ours, Elsewhere(torch_sides, scope) as torchs:
        for case in cases(scope):
            for way in ways:
                worst[case.precision] = max(worst[case.precision], ours(f"{case} {way} differs"))
            for passed in PASSES:
                sides = {way: partial(ours, f"{case} {passed} {way}") for way in ways}
                sides |= {"torch": partial(torchs, f"{case} {passed} torch"), "copies": partial(ours, f"{case} copies")}
                rows.append((str(case), passed, *_cells(in_turns(sides, scope.rounds)), AIMS[scope.device.split(":")[0]]))
        notes = [_agreed(worst)]
        if scope.device != "cpu":
            notes.append(f"With deterministic algorithms asked for, {ours('deterministic')}.")
    return [_table(scope, rows, notes)]


def _agreed(worst: dict[str, float]) -> str:
    """Raises RuntimeError where the two do not compute the same."""
    told = ", ".join(f"{value:.1e} in {precision}" for precision, value in worst.items())
    if any(value > AGREEMENT[precision] for precision, value in worst.items()):
        raise RuntimeError(f"the two normalisations do not compute the same; they differ by {told}")
    return f"Results and slopes differ from torch's by at most {told}, relative to the largest."


def _cells(times: dict[str, Measured]) -> tuple[Cell, ...]:
    fastest = min((times[way] for way in ("plain", "compiled") if way in times), key=lambda way: way.median)
    ours = [times[way].times(1e3) if way in times else "–" for way in ("plain", "compiled")]
    theirs = [times[way].times(1e3) for way in ("torch", "torch beside", "copies")]
    against = times["torch"].over(fastest), times["torch beside"].over(fastest), fastest.over(times["copies"])
    return *ours, *theirs, *against


def _table(scope: Scope, rows: list[tuple[Cell, ...]], notes: list[str]) -> Table:
    return Table(
        title=f"Response normalisation, {scope.network.columns} columns, {scope.device}, {scope.rounds} rounds",
        columns=(
            *("maps", "pass", "plain ms", "compiled ms", "torch ms", "torch ms, our allocator", f"{COPIES} copies ms"),
            *("ours x torch", "ours x torch, our allocator", "ours / copies", "aims"),
        ),
        rows=tuple(rows),
        notes=tuple(notes),
    )
