"""A packed set, read by memory map. What study/data/packing.py writes:

data/packed/<study>/index.json           counts, classes, mean, colour covariance, a checksum a file and one of all (`sha256`)
data/packed/<study>/<split>-00000.npy    uint8 (pictures, size, size, RGB)
data/packed/<study>/<split>-labels.npy   int32 (pictures,)
data/packed/<study>/mean.npy             float32 (size, size, RGB), over the training pictures
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from study import storage

PACKED = Path("data/packed")


class PackedSplit:
    """One split of a packed set. `take(rows)` -> uint8 (rows, size, size, 3), in the order asked."""

    def __init__(self, folder: Path, split: str) -> None:
        index = read_index(folder)
        self.size: int = index["size"]
        mapped = [np.load(folder / s["file"], mmap_mode="r") for s in index["shards"] if s["split"] == split]
        self.shards = [np.asarray(shard) for shard in mapped]  # still the map, but indexed without memmap's own overhead
        self.labels = np.load(folder / f"{split}-labels.npy").astype(np.int64)
        self._starts = np.cumsum([0] + [len(shard) for shard in self.shards])

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: np.ndarray) -> np.ndarray:
        out = np.empty((len(rows), self.size, self.size, 3), dtype=np.uint8)
        shard_of = np.searchsorted(self._starts, rows, side="right") - 1
        inside = rows - self._starts[shard_of]
        for place, (number, row) in enumerate(zip(shard_of.tolist(), inside.tolist(), strict=True)):
            out[place] = self.shards[number][row]
        return out


def read_index(folder: Path) -> dict[str, Any]:
    """The index of a packed set. Raises ValueError with the remedy where there is none."""
    if not (folder / "index.json").exists():
        raise ValueError(f"no packed pictures in {folder}; make them with: uv run dvc repro prepare")
    return storage.read_json(folder / "index.json")


def damage(folder: Path) -> list[str]:
    """Names of the files that are missing or not what the index says: shards, labels, the mean."""
    index = storage.read_json(folder / "index.json")
    hashes = {shard["file"]: shard["sha256"] for shard in index["shards"]} | index["files"]
    return [name for name, sha256 in hashes.items() if not (folder / name).exists() or storage.sha256(folder / name) != sha256]
