"""Arrays larger than memory: what is written by blocks is what NumPy reads, and what is damaged is refused."""

from pathlib import Path

import numpy as np
import pytest

from study.measuring import blocks
from study.measuring.blocks import Rows, written

ARRAY = np.random.default_rng(0).normal(size=(23, 7)).astype(np.float32)


def _parts(each: int) -> list[np.ndarray]:
    return [ARRAY[first : first + each] for first in range(0, len(ARRAY), each)]


@pytest.mark.parametrize("each", [1, 5, 23])
def test_what_is_written_by_blocks_is_what_numpy_saves(tmp_path: Path, each: int) -> None:
    passed = list(written(tmp_path / "in" / "a.npy", 23, _parts(each)))
    assert np.array_equal(np.concatenate(passed), ARRAY)
    np.save(tmp_path / "b.npy", ARRAY)
    assert (tmp_path / "in" / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    half = written(tmp_path / "a.npy", 23, _parts(5))
    next(half)
    half.close()  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="was to have 24 rows and got 23"):
        list(written(tmp_path / "a.npy", 24, _parts(5)))
    assert list(tmp_path.iterdir()) == []


def test_rows_are_read_in_blocks_of_so_many_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "a.npy", ARRAY)
    monkeypatch.setattr(blocks, "BYTES", 5 * 7 * 4)
    rows = Rows(tmp_path / "a.npy")
    assert len(rows) == 23 and rows.columns == 7
    assert [len(block) for block in rows.blocks()] == [5, 5, 5, 5, 3]
    assert np.array_equal(np.concatenate(list(rows.blocks())), ARRAY)
    assert np.array_equal(rows.read(20, 10), ARRAY[20:]) and rows.read(23, 4).shape == (0, 7)


def test_what_is_damaged_or_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    with pytest.raises(FileNotFoundError):
        Rows(path)
    np.save(path, ARRAY)
    content = path.read_bytes()
    for bad, words in (
        (b"", "damaged"),
        (content[:50], "damaged"),
        (content[:-1], "not as long"),
        (content + b"0", "not as long"),
    ):
        path.write_bytes(bad)
        with pytest.raises(ValueError, match=words):
            Rows(path)
    for other in (ARRAY[0], ARRAY.astype(np.float64), np.asfortranarray(ARRAY), np.array([[None]])):
        np.save(path, other, allow_pickle=True)
        with pytest.raises(ValueError, match="holds no rows of float32"):
            Rows(path)
