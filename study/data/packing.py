"""Section 2's preparation, written once: every picture at one size, as raw bytes in memory-mapped shards.

    data/packed/<study>/index.json           counts, classes, mean, colour covariance, a checksum a shard
    data/packed/<study>/<split>-00000.npy    uint8 (pictures, size, size, RGB)
    data/packed/<study>/<split>-labels.npy   int32 (pictures,)
    data/packed/<study>/mean.npy             float32 (size, size, RGB), over the training pictures

A shard is the unit of work, of resume and of verification. Sums are of integers, so that the set is the same byte for
byte whatever the number of workers.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from PIL import Image

from study import files

FORMAT = 1
SPLITS = ("train", "validation", "test")
FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class PackingSettings:
    """`size` in pixels: the shorter side after rescaling, and the side of the central square that is kept."""

    size: int
    filter: Literal["bilinear", "bicubic", "lanczos"] = "bilinear"
    shard: int = 1000

    def __post_init__(self) -> None:
        if not 8 <= self.size <= 1024:
            raise ValueError(f"size is {self.size}; choose 8 to 1024 pixels, the paper has 256")
        if self.shard < 1:
            raise ValueError(f"shard is {self.shard}; it is a number of pictures, 1 or more")


class Source(Protocol):
    """Where pictures come from (study/data/sources.py). Must pickle: workers receive a copy."""

    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def counts(self) -> dict[str, int]: ...
    def load(self, split: str, start: int, stop: int) -> Iterator[tuple[np.ndarray, int]]: ...
    def receipt(self) -> dict[str, Any]: ...


def rescale(picture: np.ndarray, size: int, filter: str) -> np.ndarray:
    """Shorter side to `size`, then the central square (section 2): uint8 (h, w, 3) -> uint8 (size, size, 3)."""
    height, width, _ = picture.shape
    if height == width == size:
        return picture
    scale = size / min(height, width)
    wide, high = max(size, round(width * scale)), max(size, round(height * scale))
    resized = Image.fromarray(picture).resize((wide, high), FILTERS[filter])
    left, top = (wide - size) // 2, (high - size) // 2
    return np.asarray(resized.crop((left, top, left + size, top + size)))


def pack(source: Source, settings: PackingSettings, folder: Path, workers: int, tell: Callable[[int], None]) -> dict[str, Any]:
    """Pack all splits of `source` into `folder`; returns the index. What is there already and right is kept.

    `tell(n)` says that n more pictures are done. Peak memory is a shard a worker. Raises OSError if the disk is full.
    """
    made_from = _hash({"source": source.receipt(), "packing": asdict(settings), "format": FORMAT})
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "index.json").exists() and files.read_json(folder / "index.json").get("made_from") == made_from:
        if not (damaged := damage(folder)):
            return files.read_json(folder / "index.json")
        print(f"{folder / damaged[0]} is damaged: packing again what is wrong", flush=True)
    (folder / "index.json").unlink(missing_ok=True)
    tasks = [
        (split, start, min(start + settings.shard, count))
        for split, count in source.counts.items()
        for start in range(0, count, settings.shard)
    ]
    work = partial(_pack_shard, source, settings, folder, made_from)
    shards = []
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for shard in pool.map(work, tasks):
            shards.append(shard)
            tell(shard["pictures"])
    return _write_index(source, settings, folder, made_from, shards)


def _pack_shard(
    source: Source, settings: PackingSettings, folder: Path, made_from: str, task: tuple[str, int, int]
) -> dict[str, Any]:
    """One shard and its sums; a shard that an interrupted run finished is recognised by its note and not made again."""
    split, start, stop = task
    name = f"{split}-{start // settings.shard:05d}.npy"
    note = folder / f".{name}.json"
    if note.exists():
        finished = files.read_json(note)
        whole = (folder / name).exists() and files.sha256(folder / name) == finished["sha256"]
        if whole and finished["made_from"] == made_from:
            return finished
    loaded = [(rescale(picture, settings.size, settings.filter), label) for picture, label in source.load(split, start, stop)]
    pixels = np.stack([picture for picture, _ in loaded])
    buffer = io.BytesIO()
    np.save(buffer, pixels)
    files.write_bytes(folder / name, buffer.getvalue())
    rgb = pixels.reshape(-1, 3).astype(np.int64)
    finished = {
        "file": name,
        "split": split,
        "pictures": len(loaded),
        "sha256": hashlib.sha256(buffer.getbuffer()).hexdigest(),
        "made_from": made_from,
        "labels": [label for _, label in loaded],
        "sum": pixels.sum(axis=0, dtype=np.int64).tolist() if split == "train" else None,
        "products": (rgb.T @ rgb).tolist() if split == "train" else None,
    }
    files.write_json(note, finished)
    return finished


def _write_index(
    source: Source, settings: PackingSettings, folder: Path, made_from: str, shards: list[dict[str, Any]]
) -> dict[str, Any]:
    for split in source.counts:
        labels = [label for shard in shards if shard["split"] == split for label in shard["labels"]]
        _save(folder / f"{split}-labels.npy", np.asarray(labels, dtype=np.int32))
    training = [shard for shard in shards if shard["split"] == "train"]
    pictures = source.counts["train"]
    total = np.sum([shard["sum"] for shard in training], axis=0, dtype=np.int64)
    products = np.sum([shard["products"] for shard in training], axis=0, dtype=np.int64)
    _save(folder / "mean.npy", np.asarray(total / pictures, dtype=np.float32))
    rgb = total.sum(axis=(0, 1)) / (pictures * settings.size**2)
    covariance = products / (pictures * settings.size**2) - np.outer(rgb, rgb)
    eigenvalues, eigenvectors = np.linalg.eigh(covariance)
    index = {
        "made_from": made_from,
        "size": settings.size,
        "classes": list(source.classes),
        "pictures": dict(source.counts),
        "mean_rgb": rgb.tolist(),
        "eigenvalues": eigenvalues[::-1].tolist(),
        "eigenvectors": eigenvectors[:, ::-1].tolist(),
        "shards": [{key: shard[key] for key in ("file", "split", "pictures", "sha256")} for shard in shards],
    }
    index["sha256"] = _hash([shard["sha256"] for shard in shards])
    files.write_json(folder / "index.json", index)
    for shard in shards:
        (folder / f".{shard['file']}.json").unlink(missing_ok=True)
    return index


def damage(folder: Path) -> list[str]:
    """Names of the shards that are missing or not what the index says."""
    shards = files.read_json(folder / "index.json")["shards"]
    return [s["file"] for s in shards if not (folder / s["file"]).exists() or files.sha256(folder / s["file"]) != s["sha256"]]


def _save(path: Path, array: np.ndarray) -> None:
    buffer = io.BytesIO()
    np.save(buffer, array)
    files.write_bytes(path, buffer.getvalue())


def _hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


class PackedSplit:
    """One split of a packed set, read by memory map. `take(rows)` -> uint8 (rows, size, size, 3), in the order asked."""

    def __init__(self, folder: Path, split: str) -> None:
        index = read_index(folder)
        self.size: int = index["size"]
        self.shards = [np.load(folder / s["file"], mmap_mode="r") for s in index["shards"] if s["split"] == split]
        self.labels = np.load(folder / f"{split}-labels.npy").astype(np.int64)
        self._starts = np.cumsum([0] + [len(shard) for shard in self.shards])

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: np.ndarray) -> np.ndarray:
        out = np.empty((len(rows), self.size, self.size, 3), dtype=np.uint8)
        shard_of = np.searchsorted(self._starts, rows, side="right") - 1
        for number in np.unique(shard_of):
            here = shard_of == number
            out[here] = self.shards[number][rows[here] - self._starts[number]]
        return out


def read_index(folder: Path) -> dict[str, Any]:
    """The index of a packed set. Raises ValueError with the remedy where there is none."""
    if not (folder / "index.json").exists():
        raise ValueError(f"no packed pictures in {folder}; make them with: uv run dvc repro prepare")
    return files.read_json(folder / "index.json")
