"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009), from their official archives. They are in random order as they are published."""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np

from study import storage
from study.sources import fetching
from study.sources.archives import members
from study.sources.fetching import OFFICIAL_ONE, RawFile, find_or_fetch, places
from study.sources.items import Item, Part


@dataclass(frozen=True, kw_only=True, slots=True)
class CifarSettings:
    """CIFAR-10 or CIFAR-100, the latter with its fine classes. The last `validation` of the 50,000 steer the learning rate."""

    source: Literal["cifar10", "cifar100"]
    validation: int = 5000

    def __post_init__(self) -> None:
        least = 10 if self.source == "cifar10" else 100
        if not least <= self.validation <= 40_000:
            raise ValueError(f"validation is {self.validation}, but it is taken from 50,000; choose {least} to 40,000")


@dataclass(frozen=True, kw_only=True, slots=True)
class CifarFiles:
    """The files of one of the two CIFAR archives, what they call things, and how many pictures they have."""

    title: str
    raw: RawFile
    folder: str
    md5: dict[str, str]
    training: tuple[str, ...]
    test: str
    names: str
    names_key: bytes
    labels_key: bytes
    each: int  # pictures of a training file
    tested: int


OFFICIAL = {
    "cifar10": CifarFiles(
        title="CIFAR-10 (Krizhevsky 2009)",
        raw=RawFile(
            name="cifar-10-python.tar.gz",
            url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
            known_hash="md5:c58f30108f718f92721af3b95e74349a",
        ),
        folder="cifar-10-batches-py",
        md5={
            "data_batch_1": "c99cafc152244af753f735de768cd75f",
            "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
            "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
            "data_batch_4": "634d18415352ddfa80567beed471001a",
            "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
            "test_batch": "40351d587109b95175f43aff81a1287e",
            "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
        },
        training=tuple(f"data_batch_{number}" for number in range(1, 6)),
        test="test_batch",
        names="batches.meta",
        names_key=b"label_names",
        labels_key=b"labels",
        each=10_000,
        tested=10_000,
    ),
    "cifar100": CifarFiles(
        title="CIFAR-100 (Krizhevsky 2009)",
        raw=RawFile(
            name="cifar-100-python.tar.gz",
            url="https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
            known_hash="md5:eb9058c3a382ffc7106e4002c42a8d85",
        ),
        folder="cifar-100-python",
        md5={
            "train": "16019d7e3df5f24257cddd939b257f8d",
            "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
            "meta": "7973b15100ade9c7d40fb424638fde48",
        },
        training=("train",),
        test="test",
        names="meta",
        names_key=b"fine_label_names",
        labels_key=b"fine_labels",
        each=50_000,
        tested=10_000,
    ),
}


class Cifar:
    """The files of an official archive, each checked against its published MD5 before it is read."""

    def __init__(self, settings: CifarSettings, folder: Path) -> None:
        self.settings, self.official, self.folder = settings, OFFICIAL[settings.source], folder
        official = self.official
        self.classes = tuple(name.decode() for name in _unpickle(folder / official.names)[official.names_key])
        training = official.each * len(official.training)
        held_out = settings.validation
        self.counts = {"train": training - held_out, "validation": held_out, "test": official.tested}

    def part(self, split: str, start: int, stop: int) -> Part:
        return Part(self.load, split, start, stop)

    def load(self, split: str, start: int, stop: int) -> Iterator[Item]:
        offset = self.counts["train"] if split == "validation" else 0
        for place in range(start + offset, stop + offset):
            number, row = (0, place) if split == "test" else divmod(place, self.official.each)
            name = self.official.test if split == "test" else self.official.training[number]
            pixels, labels = _batch(self.folder / name, self.official.labels_key)
            yield Item(f"{name}/{row}", pixels[row], labels[row])

    def receipt(self) -> dict[str, Any]:
        return {
            "source": self.settings.source,
            "title": self.official.title,
            "synthetic": False,
            "validation": self.settings.validation,
            "files": [{"file": name, "md5": md5} for name, md5 in self.official.md5.items()],
        }


def obtain_cifar(settings: CifarSettings) -> Cifar:
    """The verified files: as they lie in STUDY_DATA, or unpacked from an archive into data/raw/<source>."""
    kept, official = fetching.RAW / settings.source, OFFICIAL[settings.source]
    unpacked = kept / official.folder
    for place in places(settings.source):
        for folder in (place, place / official.folder):
            whole = all((folder / name).is_file() for name in official.md5)
            # One of ours that is not whole was interrupted and is done again; somebody else's is refused.
            if whole or (folder.is_dir() and folder.name == official.folder and folder != unpacked):
                return Cifar(settings, _verified(folder, official))
        for archive in (place / official.raw.name, place / f"{official.folder}.tar.xz"):
            if archive.is_file():
                return Cifar(settings, _unpacked(archive, unpacked, official))
    return Cifar(settings, _unpacked(find_or_fetch(official.title, official.raw, kept), unpacked, official))


def _verified(folder: Path, official: CifarFiles) -> Path:
    for name, md5 in official.md5.items():
        path = folder / name
        found = _md5(path.read_bytes()) if path.is_file() else "missing"
        if found != md5:
            raise ValueError(f"{path} is {found}, expected md5 {md5}; move {folder} elsewhere and run again")
    return folder


def _unpacked(archive: Path, folder: Path, official: CifarFiles) -> Path:
    """Take the files by name, each verified before it gets its name; whatever else the archive holds is ignored."""
    missing = set(official.md5)
    for path, content in members(archive, lambda path: PurePosixPath(path).name in official.md5):
        name = PurePosixPath(path).name
        if _md5(content) == official.md5[name]:
            storage.write_bytes(folder / name, content)
            missing.discard(name)
    if missing:
        name = min(missing)
        raise ValueError(f"{archive} holds no {name} of md5 {official.md5[name]}; {OFFICIAL_ONE}")
    return folder


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


class _ArraysOnly(pickle.Unpickler):
    """The batches are pickles; this reader builds NumPy arrays and refuses everything else a pickle could name."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in {("numpy", "ndarray"), ("numpy", "dtype")}:
            return getattr(np, name)
        if module.replace("_core", "core") == "numpy.core.multiarray" and name == "_reconstruct":
            return np._core.multiarray._reconstruct  # type: ignore[attr-defined]
        raise pickle.UnpicklingError(f"a CIFAR batch names {module}.{name}, which it has no need of")


def _unpickle(path: Path) -> dict[bytes, Any]:
    return _ArraysOnly(io.BytesIO(path.read_bytes()), encoding="bytes").load()


@cache
def _batch(path: Path, labels_key: bytes) -> tuple[np.ndarray, list[int]]:
    """The pictures of a file: uint8 (pictures, 32, 32, 3), and their labels."""
    batch = _unpickle(path)
    return batch[b"data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), batch[labels_key]
