"""Reading a packed set: the pictures asked for, from few open files, on every system, or one sentence."""

import gc
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from study import storage
from study.data import packed
from study.data.packed import PackedSplit

SIZE, SHARDS, EACH = 8, 40, 3


@pytest.fixture
def many(tmp_path: Path) -> tuple[Path, np.ndarray]:
    """A packed set of many shards, the last one smaller; and its training pictures."""
    pixels = np.random.default_rng(0).integers(0, 256, (SHARDS * EACH - 1, SIZE, SIZE, 3), dtype=np.uint8)
    shards = []
    for number in range(SHARDS):
        content = pixels[number * EACH : (number + 1) * EACH]
        np.save(tmp_path / f"train-{number:05d}.npy", content)
        shards.append({"file": f"train-{number:05d}.npy", "split": "train", "pictures": len(content)})
    np.save(tmp_path / "train-labels.npy", np.arange(len(pixels), dtype=np.int32))
    storage.write_json(tmp_path / "index.json", {"size": SIZE, "shards": shards})
    return tmp_path, pixels


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_rows_in_any_order_are_the_pictures(many: tuple[Path, np.ndarray]) -> None:
    folder, pixels = many
    split, random = PackedSplit(folder, "train"), np.random.default_rng(1)
    for rows in (random.permutation(len(pixels)), np.arange(len(pixels)), np.array([5, 5, 4, 118, 0]), np.array([], dtype=int)):
        assert np.array_equal(split.take(rows), pixels[rows])


@pytest.mark.parametrize("rows", [[0, 119], [-1, 3]])
def test_a_row_that_is_not_there(many: tuple[Path, np.ndarray], rows: list[int]) -> None:
    with pytest.raises(IndexError, match="of 119 pictures"):
        PackedSplit(many[0], "train").take(np.array(rows))


@pytest.mark.skipif(sys.platform != "linux", reason="counts open files where Linux lists them")
def test_few_files_are_open_and_none_is_left(many: tuple[Path, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "MOST_OPEN", 4)
    folder, pixels = many
    gc.collect()
    before = _open_files()
    split = PackedSplit(folder, "train")
    assert np.array_equal(split.take(np.arange(len(pixels))[::-1]), pixels[::-1])
    assert _open_files() - before == 4
    del split
    assert _open_files() == before


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_a_process_that_may_open_few_files_reads_all_shards(many: tuple[Path, np.ndarray]) -> None:
    look = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24))\n"
        "import numpy as np; from pathlib import Path; from study.data.packed import PackedSplit\n"
        "splits = [PackedSplit(Path(sys.argv[1]), 'train') for _ in range(3)]\n"
        "print(sum(int(split.take(np.arange(len(split))).sum()) for split in splits))\n"
    )
    done = subprocess.run([sys.executable, "-c", look, many[0]], capture_output=True, text=True, check=True)
    assert int(done.stdout) == 3 * int(many[1].sum(dtype=int))


@pytest.mark.parametrize("most", [1, 1000])
def test_systems_that_lack_preadv_and_systems_that_give_little_at_a_time(
    many: tuple[Path, np.ndarray], monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    def little(descriptor: int, buffers: list[memoryview], offset: int) -> int:
        return packed._read_by_seeking(descriptor, [buffers[0][: 50 * most]], offset)

    monkeypatch.setattr(packed, "_read_at", little)
    folder, pixels = many
    rows = np.random.default_rng(2).permutation(len(pixels))
    assert np.array_equal(PackedSplit(folder, "train").take(rows), pixels[rows])


def test_threads_do_not_close_each_others_files(many: tuple[Path, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "MOST_OPEN", 1)
    folder, pixels = many
    split = PackedSplit(folder, "train")
    orders = [np.random.default_rng(seed).permutation(len(pixels)) for seed in range(4)]
    with ThreadPoolExecutor(len(orders)) as pool:
        for rows, taken in zip(orders * 20, pool.map(split.take, orders * 20), strict=True):
            assert np.array_equal(taken, pixels[rows])


def test_a_shard_of_another_length_is_refused(many: tuple[Path, np.ndarray]) -> None:
    folder, _ = many
    shard = folder / "train-00007.npy"
    split = PackedSplit(folder, "train")
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(ValueError, match="cut short; pack again what is wrong with: uv run dvc repro prepare"):
        split.take(np.array([7 * EACH + 2]))
    with pytest.raises(ValueError, match="train-00007.npy has 703 bytes, by its index 704; pack again"):
        PackedSplit(folder, "train")
    shard.unlink()
    with pytest.raises(ValueError, match="train-00007.npy is missing; pack again"):
        PackedSplit(folder, "train")
