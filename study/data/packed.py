"""A packed set, read a picture at a time. What study/data/packing.py writes:

data/packed/<study>/index.json           counts, classes, mean, colour covariance, a checksum a file and one of all (`sha256`)
data/packed/<study>/<split>-00000.npy    uint8 (pictures, size, size, RGB)
data/packed/<study>/<split>-labels.npy   int32 (pictures,)
data/packed/<study>/mean.npy             float32 (size, size, RGB), over the training pictures
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from study import storage

PACKED = Path("data/packed")
HEAD = 128  # bytes of a shard before its pixels: NumPy leaves room there for any number of pictures
MOST_OPEN = 2048  # shards of a split, where the system would allow more
REPAIR = "pack again what is wrong with: uv run dvc repro prepare"


class PackedSplit:
    """One split of a packed set. `take(rows)` -> uint8 (rows, size, size, 3), in the order asked.

    Shards are read where the pictures stand rather than mapped: a map holds a descriptor for as long as it lives, and pages
    that were touched count as memory of the process, so both would grow with the set. Some shards are kept open, the ones
    that were read last. Raises ValueError with the remedy where a shard is not as the index says.
    """

    def __init__(self, folder: Path, split: str) -> None:
        index = read_index(folder)
        shards = [shard for shard in index["shards"] if shard["split"] == split]
        self.size: int = index["size"]
        self.labels = np.load(folder / f"{split}-labels.npy").astype(np.int64)
        self._bytes = 3 * self.size**2  # of a picture
        self._starts = np.cumsum([0] + [shard["pictures"] for shard in shards])
        for shard in shards:
            _require_length(folder / shard["file"], HEAD + shard["pictures"] * self._bytes)
        names = [os.path.abspath(folder / shard["file"]) for shard in shards]
        self._shard = lru_cache(maxsize=_open_at_once())(partial(_opened, names))

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Raises IndexError for a row that is not there."""
        out = np.empty((len(rows), self.size, self.size, 3), dtype=np.uint8)
        if not len(rows):
            return out
        if rows.min() < 0 or rows.max() >= self._starts[-1]:
            raise IndexError(f"rows from {rows.min()} to {rows.max()} of {self._starts[-1]} pictures")
        shard_of = np.searchsorted(self._starts, rows, side="right") - 1
        offsets = HEAD + self._bytes * (rows - self._starts[shard_of])
        apart = (np.diff(rows) != 1) | (np.diff(shard_of) != 0)  # pictures that follow one another are read at once
        firsts = np.concatenate([[0], np.flatnonzero(apart) + 1])
        ends = (self._bytes * np.append(firsts[1:], len(rows))).tolist()
        pixels, first = out.reshape(-1).data, 0
        for number, offset, end in zip(shard_of[firsts].tolist(), offsets[firsts].tolist(), ends, strict=True):
            shard, wanted = self._shard(number), pixels[first:end]
            if (got := _read_at(shard.descriptor, (wanted,), offset)) < end - first:
                shard.read_rest(wanted, offset, got)
            first = end
        return out


class _Shard:
    """An open file. It closes when nobody holds it any more, so that one thread cannot close it while another reads."""

    __slots__ = ("descriptor",)

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def __del__(self) -> None:
        os.close(self.descriptor)

    def read_rest(self, into: memoryview, offset: int, got: int) -> None:
        """Where the system gave less than was asked for, as it may: ask again, until the file ends."""
        while got < len(into):
            more = _read_at(self.descriptor, (into[got:],), offset + got)
            if not more:
                raise ValueError(f"a packed picture is cut short; {REPAIR}")
            got += more


def _opened(names: list[str], number: int) -> _Shard:
    return _Shard(os.open(names[number], os.O_RDONLY | getattr(os, "O_BINARY", 0)))


def _open_at_once() -> int:
    """An eighth of the files that the process may have open: a training has two splits, and there is more to open than shards."""
    if sys.platform == "win32":
        return 64
    import resource

    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return MOST_OPEN if allowed == resource.RLIM_INFINITY else max(1, min(allowed // 8, MOST_OPEN))


def _read_by_seeking(descriptor: int, buffers: Sequence[memoryview], offset: int) -> int:
    """os.preadv for systems that lack it."""
    with _seeking:
        os.lseek(descriptor, offset, os.SEEK_SET)
        content = os.read(descriptor, len(buffers[0]))
    buffers[0][: len(content)] = content
    return len(content)


_seeking = Lock()
_read_at: Callable[[int, Sequence[memoryview], int], int] = getattr(os, "preadv", _read_by_seeking)


def _require_length(shard: Path, length: int) -> None:
    try:
        there = shard.stat().st_size
    except FileNotFoundError:
        raise ValueError(f"{shard} is missing; {REPAIR}") from None
    if there != length:
        raise ValueError(f"{shard} has {there:,} bytes, by its index {length:,}; {REPAIR}")


def read_index(folder: Path) -> dict[str, Any]:
    """The index of a packed set. Raises ValueError with the remedy where there is none, or where it is damaged."""
    if not (folder / "index.json").exists():
        raise ValueError(f"no packed pictures in {folder}; make them with: uv run dvc repro prepare")
    index = storage.mapping(folder / "index.json")
    if not index:
        raise ValueError(f"{folder / 'index.json'} is damaged; make it again with: uv run dvc repro -f prepare")
    return index


def damage(folder: Path) -> list[str]:
    """Names of the files that are missing or not what the index says: shards, labels, the mean; or of the index itself."""
    index = storage.mapping(folder / "index.json")
    if not {"shards", "files"} <= set(index):
        return ["index.json"]
    hashes = {shard["file"]: shard["sha256"] for shard in index["shards"]} | index["files"]
    return [name for name, sha256 in hashes.items() if not (folder / name).exists() or storage.sha256(folder / name) != sha256]
