"""The benchmarks at tiny sizes: every part runs, says finite numbers, and compares what computes the same."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from bench import gpu, step, table, timing
from bench.__main__ import PARTS
from bench.ordinary import LEARNED, ordinary, take_weights
from bench.ours import Ours, declare
from bench.table import Measured, Table
from bench.timing import Elsewhere, Scope, Sides, in_turns
from study import storage
from study.measuring.memory import Alive, peak_of_a_step
from study.network.alexnet import AlexNet
from study.network.settings import AlexNetSettings
from tests.conftest import TINY

WITHOUT_DROPOUT = replace(TINY, dropout=0.0)
SCOPE = Scope(network=TINY, classes=6, batch=4, rounds=2, threads=1, compiled=False)


@pytest.fixture(autouse=True)
def same_machine_after() -> None:
    """The study's declaration holds for the process; leave it as the other tests found it."""
    was = torch.are_deterministic_algorithms_enabled()
    yield
    torch.use_deterministic_algorithms(was)


def _numbers(tables: list[Table]) -> list[float]:
    cells = [cell for one in tables for row in one.rows for cell in row]
    return [x for cell in cells if not isinstance(cell, str) for x in (cell.values if isinstance(cell, Measured) else [cell])]


class Here(Elsewhere):
    """The same in this process, which saves starting one; the slow tests start them."""

    def __init__(self, make: Callable[..., Sides], *arguments: object) -> None:
        self.made = make(*arguments)

    def __exit__(self, *_: object) -> None:
        pass

    def __call__(self, name: str) -> object:
        return self.made[name]()


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(storage, "WORK", tmp_path)
    monkeypatch.setattr(timing, "WARM_UP", 0)
    for module in (step, gpu):
        monkeypatch.setattr(module, "Elsewhere", Here)


@pytest.mark.parametrize("part", PARTS)
def test_every_part_runs(part: str, here: None) -> None:
    tables = PARTS[part][0](SCOPE)
    assert all(one.rows or one.notes for one in tables)
    assert all(len(row) == len(one.columns) for one in tables for row in one.rows)
    assert all(map(math.isfinite, _numbers(tables)))
    assert _numbers(tables) or (part == "gpu" and not torch.cuda.is_available())
    assert "| --- |" in str(tables[0]) or not tables[0].rows


def test_what_runs_on_a_gpu_runs(here: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the CPU in its place."""
    monkeypatch.setattr(gpu, "MATRIX", 16)
    monkeypatch.setattr(gpu, "COPIED", 64)
    found = gpu._one_device(SCOPE)
    assert len(found.rows) == 4 and all(map(math.isfinite, _numbers([found])))


@pytest.mark.slow
def test_compiled_variants_run_in_processes_of_their_own() -> None:
    assert _numbers(step.measure(replace(SCOPE, compiled=True)))


@pytest.mark.slow
def test_two_devices_and_two_replicas() -> None:
    """As on two GPUs, with the CPU named twice."""
    found = gpu.two_devices(SCOPE, "float32", "cpu")
    assert [row[0] for row in found.rows] == ["one device", "a column each", "replicas"]
    assert all(map(math.isfinite, _numbers([found])))


def test_the_ordinary_network_is_the_study_s() -> None:
    ours = AlexNet(WITHOUT_DROPOUT, SCOPE.classes).double()
    ours.initialise(1)
    other = ordinary(WITHOUT_DROPOUT, SCOPE.classes).double()
    take_weights(other, ours)
    pictures = SCOPE.pictures()[0].double()
    for network in (ours, other):
        network(pictures).square().sum().backward()
    torch.testing.assert_close(other(pictures), ours(pictures), rtol=1e-10, atol=1e-12)
    for name in LEARNED:
        slope = torch.cat([column.get_submodule(name).weight.grad for column in ours.columns])
        torch.testing.assert_close(other.get_submodule(name).weight.grad, slope, rtol=1e-8, atol=1e-12)


def test_ways_that_differ_are_not_timed() -> None:
    assert "losses" in step.same_losses([7.0, 3.0], [7.0, 3.0001])
    with pytest.raises(RuntimeError, match="do not compute the same"):
        step.same_losses([7.0, 3.0], [7.0, 3.1])


def test_traced_memory_is_the_memory_of_a_real_step() -> None:
    """But for the velocities and the pictures, which were there before the count, and the dropout's masks."""
    scope = replace(SCOPE, network=WITHOUT_DROPOUT)
    ours = Ours(scope, WITHOUT_DROPOUT, declare(scope, "float32", compiled=False))
    with Alive() as alive:
        ours.step()
    before = sum(weight.nbytes for weight in (*ours.network.parameters(), *ours.rule.velocities)) + ours.pictures.nbytes
    (counted,), real = peak_of_a_step(WITHOUT_DROPOUT, scope.classes, scope.batch, 1), alive.peak["cpu"] + before
    assert counted == pytest.approx(real, rel=0.02)
    both = peak_of_a_step(WITHOUT_DROPOUT, scope.classes, scope.batch, 2)
    assert max(both) < counted < sum(both)


def test_the_floor_counts_the_network_s_arithmetic() -> None:
    """Backward is twice forward, but for conv1; the counter itself forgets groups in the slopes of weights."""
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        ordinary(AlexNetSettings(), 1000)(torch.empty(1, 3, 224, 224))
    conv1 = sum(counter.get_flop_counts()["Sequential.conv1"].values())
    assert 3 * counter.get_total_flops() - conv1 == pytest.approx(gpu.ARITHMETIC, rel=1e-3)
    least = gpu.floor(replace(SCOPE, batch=128), "bfloat16", Measured((1e-3,)), Measured((1e-3,)))
    assert least.median == pytest.approx(128 * 4.136e9 / (2 * 8192**3) * 1e-3 + (2.07e9 + 128 * 9.84e6) / 2**31 * 1e-3)


def _counting() -> Sides:
    calls = []
    return {"one": lambda: calls.append(1) or float(len(calls)), "fails": lambda: 1 / 0}


def test_sides_take_turns() -> None:
    order = []
    found = in_turns({"a": lambda: order.append("a") or 1.0, "b": lambda: order.append("b") or 2.0}, rounds=3)
    assert order == ["a", "b"] * 5 and found["b"].over(found["a"]).values == (2.0, 2.0, 2.0)


@pytest.mark.slow
def test_failures_come_back_from_a_process_of_its_own() -> None:
    with Elsewhere(_counting) as other:
        assert [other("one"), other("one")] == [1.0, 2.0]
        with pytest.raises(RuntimeError, match="ZeroDivisionError"):
            other("fails")
        assert other("one") == 3.0


def test_numbers_and_machine_are_readable() -> None:
    assert str(Measured((0.12345, 0.1, 0.2))) == "0.123 (0.1 to 0.2)" and table.number(1780.2) == "1,780"
    assert "torch" in str(table.machine(2))
