"""Section 2's preparation, written once: every picture at one size, as raw bytes in the shards of study/data/packed.py.

A shard is the unit of work, of resume and of verification. Sums are of integers, so that the set is the same byte for
byte whatever the number of workers. What a worker holds is one shard, so memory does not grow with the set.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from study import storage
from study.data import origin
from study.data.moments import colours, products_of_colours
from study.data.packed import HEAD, PackedSplit, damage, read_index
from study.data.rescaling import FilterSettings, rescale
from study.sources.decoding import decode
from study.sources.items import Item, Source

FORMAT = 3
PROBE = 24  # pictures that are prepared to reckon how long all of them will take
TRAINING = "train"
PICTURES = ("split", "picture", "found", "done")  # columns of prepare/pictures.csv
ROOM = {  # what helps where a file cannot be written to its end
    errno.ENOSPC: "make room",
    errno.EDQUOT: "make room",
    errno.EFBIG: "allow larger files (ulimit -f), or make prepare.shard smaller,",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class PackingSettings:
    """`size` in pixels: the shorter side after rescaling, and the side of the central square that is kept.

    `test_filter` is that of the validation and test pictures, if it is another one. Up to `rejects` pictures may be
    unreadable. `shard` counts pictures.
    """

    size: int
    filter: FilterSettings = field(default_factory=FilterSettings)
    test_filter: FilterSettings | None = None
    rejects: int = 0
    shard: int = 1000

    def __post_init__(self) -> None:
        if not 8 <= self.size <= 1024:
            raise ValueError(f"size is {self.size}; choose 8 to 1024 pixels, the paper has 256")
        if self.rejects < 0:
            raise ValueError(f"rejects is {self.rejects}; it is the number of pictures that may be unreadable, 0 for none")
        if not 1 <= self.shard <= 10_000:
            raise ValueError(f"shard is {self.shard}; it is a number of pictures, 1 to 10,000")

    def filter_of(self, split: str) -> FilterSettings:
        return self.filter if split == TRAINING or self.test_filter is None else self.test_filter


Row = tuple[str, str, str, str]  # split, picture, what was found, what was done
Prepared = tuple[np.ndarray | None, Row | None]


def prepare(item: Item, split: str, settings: PackingSettings) -> Prepared:
    """One picture at its packed size, or None where it cannot be read; and a row of the report where it is unusual."""
    how = settings.filter_of(split)
    if isinstance(item.content, np.ndarray):
        return rescale(item.content, settings.size, how), None
    decoded = decode(item.content, item.name, settings.size if how.smooths else None)
    row = (split, item.name, decoded.found, decoded.done) if decoded.found or decoded.picture is None else None
    return None if decoded.picture is None else rescale(decoded.picture, settings.size, how), row


Say = Callable[[int | str], None]  # so many pictures are done; or a line to print


def pack(
    source: Source,
    settings: PackingSettings,
    folder: Path,
    workers: int,
    tell: Say,
    seen: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """Pack all splits of `source` into `folder`; returns the index. What is there already and right is kept.

    `seen` is what `look` (study/sources/walking.py) saw where the pictures come from before they were listed: a set is only
    kept where names, sizes and times are still the same. Raises ValueError where more pictures are unreadable than allowed,
    or a split or a class of the training pictures has none left; OSError where the disk is too small or full.
    """
    made_from = _hash({"source": source.receipt(), "packing": asdict(settings), "format": FORMAT})
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder.with_name(f"{folder.name}.lock")  # not within: the folder is the same byte for byte wherever it was packed
    with storage.locked(beside, "these pictures are being packed"):
        _drop(path for path in folder.glob(".*") if path.suffix[1:].isdigit())  # left half written by a process that was killed
        if (folder / "index.json").exists() and origin.is_made_from(folder, made_from, seen):
            if not (damaged := damage(folder)):
                return read_index(folder)
            tell(f"{folder / damaged[0]} is damaged: packing again what is wrong")
        origin.forget(folder)
        (folder / "index.json").unlink(missing_ok=True)
        tell(forecast(source, settings, folder, workers))
        with _told_when_full(folder):
            shards = _pack_shards(source, settings, folder, _hash([made_from, dict(seen)]), workers, tell)
            _refuse_rejects(shards, settings)
            _require_some_left(shards, source)
            origin.remember(folder, made_from, seen)  # first, since the index makes the set complete
            return _write_index(source, settings, folder, shards)


@contextmanager
def _told_when_full(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        if problem.errno not in ROOM:
            raise
        told = f"{problem.strerror} while packing; {ROOM[problem.errno]} and run again, finished shards are kept"
        raise OSError(problem.errno, told, str(folder)) from None


def forecast(source: Source, settings: PackingSettings, folder: Path, workers: int) -> str:
    """The disk and the time that packing will take, from a few pictures. Raises OSError where the disk is too small."""
    pictures = sum(source.counts.values())
    there = sum(path.stat().st_size for path in folder.glob("*-[0-9]*.npy"))
    wanted = int(1.02 * pictures * settings.size**2 * 3) - there
    free = shutil.disk_usage(folder).free
    if wanted > free:
        raise OSError(28, f"packing needs {wanted / 1e9:,.1f} GB and {free / 1e9:,.1f} GB are free; make room", str(folder))
    began, probe = time.monotonic(), min(PROBE, source.counts[TRAINING])
    for item in source.part(TRAINING, 0, probe):
        prepare(item, TRAINING, settings)
    seconds = (time.monotonic() - began) / max(probe, 1) * pictures / workers
    share = 1 - there / max(there + wanted, 1)
    return f"{pictures:,} pictures to pack: {wanted / 1e9:.2f} GB of {free / 1e9:,.0f} GB free, about {_lasting(seconds * share)}"


def _lasting(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds > 5400 else f"{seconds / 60:.0f} min" if seconds > 90 else f"{seconds:.0f} s"


def _pack_shards(
    source: Source, settings: PackingSettings, folder: Path, made_from: str, workers: int, tell: Say
) -> list[dict[str, Any]]:
    places = [(split, start) for split, count in source.counts.items() for start in range(0, count, settings.shard)]
    names = [f"{split}-{start // settings.shard:05d}.npy" for split, start in places]
    parts = (source.part(split, start, min(start + settings.shard, source.counts[split])) for split, start in places)
    work, shards = partial(_pack_shard, settings, folder, made_from), []
    try:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            for shard in pool.map(work, names, parts):
                shards.append(shard)
                tell(len(shard["labels"]) + len(_rejected(shard)))
    except BrokenProcessPool:
        raise OSError("a packing process was killed, perhaps for memory; run again, finished shards are kept") from None
    return shards


def _pack_shard(settings: PackingSettings, folder: Path, made_from: str, name: str, part: Iterable[Item]) -> dict[str, Any]:
    """One shard and its sums; a shard that an interrupted run finished is recognised by its note and not made again."""
    split = name.split("-")[0]
    if (finished := _finished(folder, name, made_from)) is not None:
        return finished
    file = np.empty(HEAD + settings.shard * settings.size**2 * 3, dtype=np.uint8)  # as it will be written, to spare a copy
    pixels = file[HEAD:].reshape(settings.shard, settings.size, settings.size, 3)
    labels: list[int] = []
    report: list[Row] = []
    for item in part:
        picture, row = prepare(item, split, settings)
        if row is not None:
            report.append(row)
        if picture is not None:
            pixels[len(labels)] = picture
            labels.append(item.label)
    pixels = pixels[: len(labels)]
    file[:HEAD] = _head(len(labels), settings.size)
    sha256 = _write(folder / name, file[: HEAD + pixels.nbytes].data)
    if split == TRAINING:
        _save(folder / f".{name}.sum.npy", pixels.sum(axis=0, dtype=np.uint32))
    finished = {"file": name, "split": split, "pictures": len(labels), "sha256": sha256, "made_from": made_from}
    finished |= {"labels": labels, "report": report, "products": products_of_colours(pixels) if split == TRAINING else None}
    storage.write_json(folder / f".{name}.json", finished)
    return finished


def _head(pictures: int, size: int) -> np.ndarray:
    """What np.save writes before so many pictures: uint8 (HEAD,)."""
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "|u1", "fortran_order": False, "shape": (pictures, size, size, 3)})
    return np.frombuffer(head.getvalue(), dtype=np.uint8)


def _finished(folder: Path, name: str, made_from: str) -> dict[str, Any] | None:
    note = folder / f".{name}.json"
    if not note.exists():
        return None
    finished = storage.read_json(note)
    whole = (folder / name).exists() and storage.sha256(folder / name) == finished["sha256"]
    return finished if whole and finished["made_from"] == made_from else None


def _rejected(shard: dict[str, Any]) -> list[Sequence[str]]:
    return [row for row in shard["report"] if row[3] == "refused"]


def _refuse_rejects(shards: list[dict[str, Any]], settings: PackingSettings) -> None:
    rejected = [row for shard in shards for row in _rejected(shard)]
    if len(rejected) > settings.rejects:
        named = "; ".join(f"{name}: {found}" for _, name, found, _ in rejected[:5])
        raise ValueError(
            f"{len(rejected)} picture(s) cannot be read ({named}{'; ...' if len(rejected) > 5 else ''}), and prepare.rejects "
            f"is {settings.rejects}; mend them, move them out of the data set, or allow so many there"
        )


def _require_some_left(shards: list[dict[str, Any]], source: Source) -> None:
    """However many pictures may be unreadable: every split has some, and so has every class in training."""
    labels = {
        split: {label for shard in shards if shard["split"] == split for label in shard["labels"]} for split in source.counts
    }
    for split, there in labels.items():
        if not there:
            found = [f"{name}: {what}" for shard in shards for of, name, what, _ in _rejected(shard) if of == split][:1]
            raise ValueError(f"none of the {split} pictures can be read ({', '.join(found)}); mend them")
    if lost := [name for label, name in enumerate(source.classes) if label not in labels[TRAINING]]:
        raise ValueError(f"no training picture of {lost[0]!r} can be read; mend them, or leave that class out")


def _write_index(source: Source, settings: PackingSettings, folder: Path, shards: list[dict[str, Any]]) -> dict[str, Any]:
    files = {}
    counts = {split: sum(s["pictures"] for s in shards if s["split"] == split) for split in source.counts}
    for split in counts:
        labels = [label for shard in shards if shard["split"] == split for label in shard["labels"]]
        files[f"{split}-labels.npy"] = _save(folder / f"{split}-labels.npy", np.asarray(labels, dtype=np.int32))
    files["mean.npy"], moments = _mean_and_covariance(folder, settings, shards)
    index = {
        "size": settings.size,
        "filter": asdict(settings.filter_of("test")),
        "classes": list(source.classes),
        "class_names": source.receipt().get("class_names", list(source.classes)),
        "pictures": counts,
        **moments,
        "shards": [{key: shard[key] for key in ("file", "split", "pictures", "sha256")} for shard in shards],
        "files": files,
        "report": [row for shard in shards for row in shard["report"]],
    }
    index["sha256"] = _hash({"shards": [shard["sha256"] for shard in shards], "files": files, "classes": index["classes"]})
    storage.write_json(folder / "index.json", index)
    kept = {shard["file"] for shard in shards}
    _drop(folder.glob(".*.npy.*"))
    _drop(path for path in folder.glob("*-[0-9]*.npy") if path.name not in kept)  # of other settings, that did not end
    return index


def also_in_training(folder: Path, tell: Say = lambda done: None) -> dict[str, int]:
    """By split but training: how many of its pictures are training pictures too, pixel for pixel as they are packed.

    A test picture that was learned says nothing of what a network has understood. Reads the whole packed set once.
    """
    others = [split for split in read_index(folder)["pictures"] if split != TRAINING]
    there = {split: Counter(_digests(folder, split, tell)) for split in others}  # fewer than the training pictures
    learned = {digest for digest in _digests(folder, TRAINING, tell) if any(digest in of for of in there.values())}
    return {split: sum(number for digest, number in of.items() if digest in learned) for split, of in there.items()}


def _digests(folder: Path, split: str, tell: Say, block: int = 256) -> Iterator[bytes]:
    pictures = PackedSplit(folder, split)
    for start in range(0, len(pictures), block):
        taken = pictures.take(np.arange(start, min(start + block, len(pictures))))
        yield from (hashlib.blake2b(picture, digest_size=16).digest() for picture in taken)
        tell(len(taken))


def _drop(paths: Iterable[Path]) -> None:
    for path in list(paths):
        path.unlink(missing_ok=True)


def _mean_and_covariance(folder: Path, settings: PackingSettings, shards: list[dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    """Over the training pictures: writes the mean picture, returns its file's hash, the mean colour and the covariance's axes."""
    training = [shard for shard in shards if shard["split"] == TRAINING]
    pictures = sum(shard["pictures"] for shard in training)
    total = np.zeros((settings.size, settings.size, 3), dtype=np.int64)
    for shard in training:
        total += np.load(folder / f".{shard['file']}.sum.npy")
    sha256 = _save(folder / "mean.npy", np.asarray(total / pictures, dtype=np.float32))
    pixels = pictures * settings.size**2
    products = np.sum([shard["products"] for shard in training], axis=0, dtype=np.int64)
    return sha256, colours(total.sum(axis=(0, 1)) / pixels, products / pixels)


def _save(path: Path, array: np.ndarray) -> str:
    """Write an array and return its file's hash."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return _write(path, buffer.getbuffer())


def _write(path: Path, content: memoryview) -> str:
    storage.write_bytes(path, content)
    return hashlib.sha256(content).hexdigest()


def _hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
