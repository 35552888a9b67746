"""The benchmarks at tiny sizes: every part runs, says finite numbers, and compares what computes the same."""

import math
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from bench import batches, data, gpu, judging, kernels, material, memory, normalisation, patches, search, step, table, timing
from bench.__main__ import PARTS
from bench.ordinary import LEARNED, ordinary, take_weights
from bench.ours import Ours, declare
from bench.table import Measured, Table
from bench.timing import Elsewhere, Scope, Sides, in_turns
from study import storage
from study.data.feeding import NO_AUGMENTATION, Feed
from study.data.packed import PackedSplit, read_index
from study.measuring.memory import Alive
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
    monkeypatch.setattr(patches, "PICTURES", 3)
    tiny = {"PICTURES": 8, "SMALL": 64, "FOR_QUARTER": 8, "JPEGS": 12, "TIMED_JPEGS": 4, "PACKINGS": 1}
    for name, number in tiny.items():
        monkeypatch.setattr(data, name, number)
    for name, number in {"VECTORS": 60, "COMPONENTS": 16, "QUERIES": (1, 3), "BLOCK": 25}.items():
        monkeypatch.setattr(search, name, number)
    for module in (step, normalisation, gpu, data, batches, patches, search):
        monkeypatch.setattr(module, "Elsewhere", Here)


@pytest.mark.parametrize("part", [pytest.param(part, marks=pytest.mark.slow) if part == "data" else part for part in PARTS])
def test_every_part_runs(part: str, here: None) -> None:
    tables = PARTS[part][0](SCOPE)
    assert all(one.rows or one.notes for one in tables)
    assert all(len(row) == len(one.columns) for one in tables for row in one.rows)
    assert all(map(math.isfinite, _numbers(tables)))
    assert _numbers(tables) or (part == "gpu" and not torch.cuda.is_available())
    assert "| --- |" in str(tables[0]) or not tables[0].rows


def test_what_is_stored_is_searched(here: None) -> None:
    found = search.from_disk(replace(SCOPE, stored=70))
    assert [row[0] for row in found.rows] == list(search.STORED) and all(map(math.isfinite, _numbers([found])))
    assert "finds itself at distance 0" in found.notes[0]
    peak = float(found.notes[0].split("process ")[1].split(" GiB")[0])
    assert 0 < peak < 64


def test_what_runs_on_a_gpu_runs(here: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the CPU in its place."""
    monkeypatch.setattr(gpu, "MATRIX", 16)
    monkeypatch.setattr(gpu, "COPIED", 64)
    found = gpu._one_device(SCOPE)
    assert len(found.rows) == 4 and all(map(math.isfinite, _numbers([found])))
    case = normalisation.cases(SCOPE)[0]
    assert "the same to the bit; torch's" in normalisation.deterministic(case, SCOPE)


def test_both_ways_of_ten_patches_have_the_same_probabilities(tmp_path: Path) -> None:
    folder = material.packed(tmp_path / "packed", 3, TINY.crop + patches.BORDER)
    ours, ordinary = patches.our_sides(SCOPE, folder), patches.ordinary_sides(SCOPE, folder)
    assert "differ by at most" in patches.same_probabilities(ours["probabilities"](), ordinary["probabilities"]())
    assert np.ptp(ours["probabilities"](), axis=0).max() > 100 * patches.AGREEMENT  # or agreement would say nothing
    with pytest.raises(RuntimeError, match="do not compute the same"):
        patches.same_probabilities(ours["probabilities"](), ordinary["probabilities"]()[::-1])


def test_both_ways_prepare_the_same_pictures() -> None:
    contents = [material.jpeg(material.texture(number)) for number in range(2)]
    for ours, plain in zip(data.ours(contents), data.plain(contents), strict=True):
        np.testing.assert_array_equal(ours, plain)


def test_both_ways_feed_the_same_pictures(tmp_path: Path) -> None:
    """But for the mean, which is a colour in torchvision's transforms, and for chance; assembled are the packed bytes."""
    packed = material.packed(tmp_path, 20, 32)
    split, mean_rgb = PackedSplit(packed, "train"), read_index(packed)["mean_rgb"]
    feed = Feed(packed, ("train",), 32, torch.device("cpu"), NO_AUGMENTATION)
    (fed, _), pictures = next(feed.test_batches(20)), split.take(np.arange(20))
    how = batches.of_cifar("as they are", mean_rgb)
    ordinary = torch.stack([how(Image.fromarray(picture)) for picture in pictures])
    with_mean = fed + feed.mean.permute(2, 0, 1)
    torch.testing.assert_close(ordinary + torch.tensor(mean_rgb)[:, None, None], with_mean, rtol=0, atol=1e-3)
    torch.testing.assert_close(with_mean, torch.from_numpy(pictures).permute(0, 3, 1, 2).float(), rtol=0, atol=1e-3)


def test_both_ways_train_on_batches_of_one_kind(tmp_path: Path) -> None:
    """The same shape, type, layout and scale from either side; and fed batches are new ones each time."""
    large, small = material.packed(tmp_path / "256", 8, 256), material.packed(tmp_path / "32", 8, 32)
    split, mean_rgb = PackedSplit(large, "train"), read_index(large)["mean_rgb"]
    folder = batches.ImageFolder(material.as_files(split, tmp_path / "files", 8), batches.of_files(mean_rgb))
    endless = batches.whole_batches(batches.feeds(large, small)["large"], 4)
    (one, _), (two, _), ordinary = next(endless), next(endless), torch.stack([picture for picture, _ in folder])
    assert one.shape[1:] == ordinary.shape[1:] == (3, 224, 224) and one.dtype == ordinary.dtype == torch.float32
    assert not torch.equal(one, two) and folder.classes == ["a", "b"]
    assert ordinary.std() == pytest.approx(torch.cat([one, two]).std().item(), rel=0.2)


def test_the_bytes_of_ten_patches_are_counted(tmp_path: Path) -> None:
    rows = data._bytes(material.packed(tmp_path, 2, 256)).rows
    assert [row[1] for row in rows] == ["6,021,120", "196,608"]


def test_photographs_come_from_a_folder_or_a_tar(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    made, words = material.photographs(None, tmp_path / "mine", 12)
    assert words == "made JPEGs of 500 x 375" and material.source(made).counts == {"train": 8, "validation": 2, "test": 2}
    with tarfile.open(tmp_path / "mine.tar", "w") as tar:
        tar.add(tmp_path / "mine", "train/mine")
    for place in (tmp_path / "mine", tmp_path / "mine.tar"):
        found, words = material.photographs(place, tmp_path, 3)
        assert len(found) == 3 and words == f"photographs of {place.name}" and found[0].read() == made[0].read()
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds 0 pictures"):
        material.photographs(tmp_path / "empty", tmp_path, 3)


def test_the_judgement_that_is_timed_is_the_pinned_one() -> None:
    rows = judging.judged(judging.STUDY)
    pinned = storage.read_json(judging.STUDY / "judge/claims.json")["claims"]
    assert {claim["id"] for claim in pinned} <= {row.claim.id for row in rows}


@pytest.mark.slow
@pytest.mark.parametrize("part", ["step", "normalisation"])
def test_compiled_variants_run_in_processes_of_their_own(part: str) -> None:
    assert _numbers(PARTS[part][0](replace(SCOPE, compiled=True)))


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
    with pytest.raises(RuntimeError, match="do not compute the same"):
        normalisation._agreed({"float32": 1e-3})


def test_kernels_alone_make_up_the_network() -> None:
    ours = Ours(SCOPE, WITHOUT_DROPOUT, declare(SCOPE, "float32", compiled=False))
    over = ours.network.overhang
    x = torch.nn.functional.pad(ours.pictures, (0, over, 0, over))
    for name, layer, _ in kernels.pieces(ours.network):
        y = layer(x.flatten(1) if name == "fc6" else x)
        x = torch.cat(y, dim=1) if isinstance(y, list) else y
    torch.testing.assert_close(x, ours.network(ours.pictures))
    alone = kernels.Alone(ours)
    assert alone() == pytest.approx(sum(alone.medians().values())) and set(LEARNED) < set(alone.medians())


def test_traced_memory_is_the_memory_of_a_real_step() -> None:
    """But for the velocities and the pictures, which were there before the count, and the dropout's masks."""
    scope = replace(SCOPE, network=WITHOUT_DROPOUT)
    ours = Ours(scope, WITHOUT_DROPOUT, declare(scope, "float32", compiled=False))
    with Alive() as alive:
        ours.step()
    before = sum(weight.nbytes for weight in (*ours.network.parameters(), *ours.rule.velocities)) + ours.pictures.nbytes
    counted, real = memory.traced(scope, 1)["device 1"], alive.peak["cpu"] + before
    assert counted == pytest.approx(real, rel=0.02)
    both = memory.traced(scope, 2)
    assert max(both.values()) < counted < sum(both.values())


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
