"""Arrays that are larger than memory: .npy files written and read by blocks of rows, and never mapped.

Pages of a map that were touched count as memory of the process, so that its peak would grow with the file. It needs no torch.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from io import FileIO
from pathlib import Path

import numpy as np

BYTES = 1 << 24  # of a block that is read


def written(path: Path, rows: int, blocks: Iterable[np.ndarray], kind: str = "<f4") -> Iterator[np.ndarray]:
    """Pass blocks (B, columns) on, and write all of them, `rows` in all, to an .npy file of that kind of number on their way.

    The file appears when the last block has been taken. Raises ValueError where there are not so many rows.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial, done = path.with_name(f".{path.name}.{os.getpid()}"), 0
    try:
        with open(partial, "wb") as file:
            for block in blocks:
                content = np.ascontiguousarray(block, dtype=kind)
                if not done:
                    header = {"descr": kind, "fortran_order": False, "shape": (rows, content.shape[1])}
                    np.lib.format.write_array_header_1_0(file, header)
                file.write(content.data)
                done += len(content)
                yield block
        if done != rows:
            raise ValueError(f"{path} was to have {rows} rows and got {done}")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


class Rows:
    """A two-dimensional .npy file of float32, or of another `kind` of number, read a few rows at a time.

    Raises OSError, or ValueError where it is damaged, shorter than it says, or another kind of array.
    """

    def __init__(self, path: Path, kind: str = "<f4") -> None:
        self.path, self.kind = path, np.dtype(kind)
        try:
            with open(path, "rb") as file:
                np.lib.format.read_magic(file)
                shape, by_columns, found = np.lib.format.read_array_header_1_0(file)
                self._begin = file.tell()
        except (ValueError, EOFError):
            raise ValueError(f"{path} is damaged, or no .npy file") from None
        if len(shape) != 2 or by_columns or found != self.kind:
            raise ValueError(f"{path} holds no rows of {self.kind.name}")
        self._rows, self.columns = shape
        if path.stat().st_size != self._begin + self.kind.itemsize * self._rows * self.columns:
            raise ValueError(f"{path} is not as long as it says")

    def __len__(self) -> int:
        return self._rows

    def read(self, first: int, count: int, out: np.ndarray | None = None) -> np.ndarray:
        """Rows from `first` on: (count, columns), fewer where the file ends; in the memory of `out`, if it is given."""
        count = max(0, min(count, self._rows - first))
        made = np.empty((count, self.columns), self.kind) if out is None else out[:count]
        with open(self.path, "rb", buffering=0) as file:
            self._fill(file, first, made)
        return made

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Some rows: (rows, columns). Raises ValueError where one is not in the file."""
        made = np.empty((len(rows), self.columns), self.kind)
        with open(self.path, "rb", buffering=0) as file:
            for number, row in enumerate(rows.tolist()):
                self._fill(file, row, made[number : number + 1])
        return made

    def _fill(self, file: FileIO, first: int, made: np.ndarray) -> None:
        into, done = made.reshape(-1).view(np.uint8).data, 0
        file.seek(self._begin + self.kind.itemsize * self.columns * max(first, 0))
        while done < len(into) and 0 <= first < self._rows:
            got = file.readinto(into[done:])
            if not got:
                break
            done += got
        if done < len(into):
            raise ValueError(f"{self.path} has no row {first}")

    def blocks(self) -> Iterator[np.ndarray]:
        """All rows, as many at a time as make BYTES."""
        each = max(1, BYTES // (self.kind.itemsize * max(self.columns, 1)))
        return (self.read(first, each) for first in range(0, self._rows, each))
