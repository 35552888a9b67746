"""A training step of the full network on the CPU: the study's against the ordinary way.

Each way has a process of its own, since the study's allocator settings hold for a whole process.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch

from bench.ordinary import Ordinary
from bench.ours import Ours, declare, precisions, variants
from bench.table import Cell, Measured, Table
from bench.timing import Elsewhere, Scope, Sides, clocked, in_turns

AIMS = {"float32 compiled": "2.5", "bfloat16 compiled": "4"}  # times the ordinary way in float32
CHECKED_STEPS, CHECKED_RATE = 3, 0.01  # the paper's rate, at which the losses move
AGREEMENT = 1e-3  # relative


def our_sides(scope: Scope) -> Sides:
    """Steps in every variant, and the losses to compare."""
    sides: dict[str, Callable[[], object]] = {"losses": partial(losses, partial(_ours_checked, scope))}
    for name, declared in variants(scope).items():
        ours = Ours(scope, scope.network, declared)
        sides[f"{name}: step"] = clocked(ours.step, scope.device, ours.prepare)
    return sides


def ordinary_sides(scope: Scope) -> Sides:
    """The same of the ordinary way, in the same precisions."""
    torch.set_num_threads(scope.threads)
    sides: dict[str, Callable[[], object]] = {"losses": partial(losses, partial(_ordinary_checked, scope))}
    for precision in precisions(scope):
        ordinary = Ordinary(scope, scope.network, precision)
        sides[f"{precision}: step"] = clocked(ordinary.step, scope.device, ordinary.prepare)
    return sides


def _ours_checked(scope: Scope) -> Ours:
    settings = replace(scope.network, dropout=0.0)  # the two ways draw and scale their dropout differently
    return Ours(scope, settings, declare(scope, "float32", compiled=False), CHECKED_RATE)


def _ordinary_checked(scope: Scope) -> Ordinary:
    return Ordinary(scope, replace(scope.network, dropout=0.0), "float32", CHECKED_RATE)


def losses(checked: Callable[[], Ours | Ordinary]) -> list[float]:
    """Of the first steps from the same weights on the same pictures, without dropout."""
    way = checked()
    way.prepare()
    return [way.step() for _ in range(CHECKED_STEPS)]


def same_losses(ours: list[float], ordinary: list[float]) -> str:
    """A sentence for the table. Raises RuntimeError where the two ways do not compute the same."""
    told = " and ".join(", ".join(f"{loss:.5f}" for loss in way) for way in (ours, ordinary))
    if not all(math.isclose(a, b, rel_tol=AGREEMENT) for a, b in zip(ours, ordinary, strict=True)):
        raise RuntimeError(f"the two ways do not compute the same; their losses are {told}")
    return f"Without dropout and from the same weights, the losses of the first {len(ours)} steps are {told}."


def measure(scope: Scope) -> list[Table]:
    with Elsewhere(our_sides, scope) as ours, Elsewhere(ordinary_sides, scope) as ordinary:
        agreed = same_losses(ours("losses"), ordinary("losses"))
        sides: dict[str, Callable[[], float]] = {f"ordinary {of}": partial(ordinary, f"{of}: step") for of in precisions(scope)}
        sides |= {name: partial(ours, f"{name}: step") for name in variants(scope)}
        times = in_turns(sides, scope.rounds)
    found = Table(
        title=f"Training step, batch {scope.batch}, {scope.device}, {scope.rounds} rounds",
        columns=("way", "s", "images/s", "x ordinary float32", "x ordinary, same precision", "aim"),
        rows=tuple((*_row(scope, name, times), AIMS.get(name, "–")) for name in times),
        notes=(agreed,),
    )
    return [found]


def _row(scope: Scope, name: str, times: dict[str, Measured]) -> tuple[Cell, ...]:
    """Seconds, pictures a second, and how many times faster than the ordinary way."""
    way, precision = times[name], name.removeprefix("ordinary ").split()[0]
    ratios = [times[f"ordinary {other}"].over(way) for other in ("float32", precision)]
    return name, way, way.rate(scope.batch), *ratios
