"""On a GPU: pictures a second in every precision, what the hardware would allow, and two devices against one.

The floor of a step is its arithmetic at the rate of a large matrix product, plus its traffic at the rate of a large copy,
both measured in the same run: what a step would take if every kernel reached these rates and nothing stood between them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import distributed

from bench.ours import Ours, declare, precisions, variants
from bench.step import ordinary_sides, our_sides, same_losses
from bench.table import Cell, Measured, Table
from bench.timing import Elsewhere, Scope, Sides, clocked, in_turns
from study.machine import Precision, set_up
from study.training.replicas import Replicas

ARITHMETIC = 4.136e9  # operations a picture, forward and backward; conv1 passes nothing back to the pictures
WEIGHT_BYTES = 2.07e9  # a step: the weights read twice, their slopes written, and the update's five passes
ACTIVATION_BYTES = {"bfloat16": 9.84e6, "float32": 2 * 9.84e6, "tf32": 2 * 9.84e6}  # a picture
MATRIX = 8192
COPIED = 2**28  # float32 numbers: 1 GB, more than any cache
COPIES = 2  # processes that share each batch, a device each


class Rates:
    """A large matrix product in a precision, and a large copy: the hardware's rates as this machine reaches them."""

    def __init__(self, scope: Scope, precision: Precision) -> None:
        self.declared = declare(scope, precision, compiled=False)
        kind = torch.bfloat16 if precision == "bfloat16" else torch.float32
        self.left, self.right = (torch.randn(MATRIX, MATRIX, device=scope.device, dtype=kind) for _ in range(2))

    def product(self) -> None:
        torch.mm(self.left, self.right)


def rate_sides(scope: Scope) -> Sides:
    """Seconds of a matrix product in each precision, and of a copy."""
    found: dict[str, Callable[[], object]] = {}
    for precision in precisions(scope):
        rates = Rates(scope, precision)
        found[f"{precision}: product"] = clocked(rates.product, scope.device, partial(set_up, rates.declared))
    source = torch.randn(COPIED, device=scope.device)
    found["copy"] = clocked(partial(torch.empty_like(source).copy_, source), scope.device)
    return found


def floor(scope: Scope, precision: str, product: Measured, copy: Measured) -> Measured:
    """Seconds of a step at the hardware's own rates, round by round."""
    arithmetic = product.times(ARITHMETIC * scope.batch / (2 * MATRIX**3))
    moved = WEIGHT_BYTES + ACTIVATION_BYTES[precision] * scope.batch
    traffic = copy.times(moved / (2 * 4 * COPIED))  # a copy reads and writes
    return arithmetic.plus(traffic)


def measure(scope: Scope) -> list[Table]:
    if not torch.cuda.is_available():
        return [Table(title="GPU", notes=("This machine has no CUDA device; nothing was measured.",))]
    tables = [_one_device(scope)]
    if torch.cuda.device_count() < 2:
        tables.append(Table(title="Two GPUs", notes=("This machine has one CUDA device; two were not measured.",)))
    else:
        tables += [two_devices(scope, precision) for precision in precisions(scope)]
    return tables


def _one_device(scope: Scope) -> Table:
    names, kinds = variants(scope), precisions(scope)
    with (
        Elsewhere(our_sides, scope) as ours,
        Elsewhere(ordinary_sides, scope) as ordinary,
        Elsewhere(rate_sides, scope) as rates,
    ):
        agreed = same_losses(ours("losses"), ordinary("losses"))
        sides: dict[str, Callable[[], float]] = {f"ordinary {kind}": partial(ordinary, f"{kind}: step") for kind in kinds}
        sides |= {name: partial(ours, f"{name}: step") for name in names}
        sides |= rates.sides(*(f"{kind}: product" for kind in kinds), "copy")
        times = in_turns(sides, scope.rounds)
    rows: list[tuple[Cell, ...]] = []
    for name in (*(f"ordinary {kind}" for kind in kinds), *names):
        kind = name.removeprefix("ordinary ").split()[0]
        least = floor(scope, kind, times[f"{kind}: product"], times["copy"])
        way = times[name]
        rows.append((name, way.rate(scope.batch), times[f"ordinary {kind}"].over(way), least.times(1e3), way.over(least)))
    reached = {kind: times[f"{kind}: product"].rate(2 * MATRIX**3 / 1e12) for kind in kinds}
    notes = [agreed, *(f"A large matrix product in {kind} does {rate} TFLOP/s." for kind, rate in reached.items())]
    notes.append(f"A large copy moves {times['copy'].rate(2 * 4 * COPIED / 1e9)} GB/s, read and written.")
    return Table(
        title=f"Training step on one GPU, batch {scope.batch}, {scope.rounds} rounds",
        columns=("way", "images/s", "x ordinary, same precision", "floor, ms", "step / floor"),
        rows=tuple(rows),
        notes=tuple(notes),
    )


def two_devices(scope: Scope, precision: Precision, kind: str = "cuda") -> Table:
    """A step of the same batch on one device, on two with a column each, and by two replicas. `kind` cpu is for tests."""
    devices = (f"{kind}:0", f"{kind}:1") if kind == "cuda" else (kind, kind)
    with tempfile.TemporaryDirectory() as folder:
        meeting = f"file://{Path(folder) / 'meeting'}"
        replicas = [Elsewhere(replica_sides, scope, precision, devices[:1], rank, meeting) for rank in range(COPIES)]
        with Elsewhere(column_sides, scope, precision, devices) as columns, replicas[0], replicas[1]:
            sides: dict[str, Callable[[], float]] = columns.sides("one device", "a column each")
            sides["replicas"] = partial(_together, replicas, "step")
            times = in_turns(sides, scope.rounds)
            _together(replicas, "leave")
    rows: list[tuple[Cell, ...]] = []
    for name, way in times.items():
        rows.append((name, way.rate(scope.batch), times["one device"].over(way), times["replicas"].over(way)))
    return Table(
        title=f"Two devices, {precision}, batch {scope.batch}, {scope.rounds} rounds",
        columns=("way", "images/s", "x one device", "x DistributedDataParallel"),
        rows=tuple(rows),
    )


def column_sides(scope: Scope, precision: Precision, devices: tuple[str, ...]) -> Sides:
    """Steps on one device and on two."""
    found: dict[str, Callable[[], object]] = {}
    for name, where in (("one device", devices[:1]), ("a column each", devices)):
        ours = Ours(scope, scope.network, declare(scope, precision, scope.compiled, where))
        found[name] = clocked(ours.step, where[0], ours.prepare)
    return found


def replica_sides(scope: Scope, precision: Precision, devices: tuple[str, ...], rank: int, meeting: str) -> Sides:
    """Steps of one replica, which waits for the others in every backward pass."""
    backend = "gloo" if devices == ("cpu",) else "cpu:gloo,cuda:nccl"
    distributed.init_process_group(backend, init_method=meeting, rank=rank, world_size=COPIES)
    declared = declare(scope, precision, scope.compiled, devices)
    ours = Ours(scope, scope.network, declared, replicas=Replicas(rank, COPIES, rank))
    step = clocked(ours.step, ours.network.input_device, ours.prepare)
    return {"step": step, "leave": distributed.destroy_process_group}


def _together(replicas: list[Elsewhere], name: str) -> float:
    """Ask all replicas at once; the slowest counts."""
    for replica in replicas:
        replica.ask(name)
    return max(replica.answer() or 0.0 for replica in replicas)
