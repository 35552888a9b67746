"""Where the pictures come from. A source is found or fetched, verified, and then read picture by picture.

Raw files are looked for in the directory that the environment variable STUDY_DATA names, then in data/raw/<source>/,
and are fetched into the latter if they are in neither. Where they were found is no part of any result.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import tarfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from study import files
from study.data import pictures

VARIABLE = "STUDY_DATA"
CIFAR10_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
CIFAR10_ARCHIVE_MD5 = "c58f30108f718f92721af3b95e74349a"
CIFAR10_FOLDER = "cifar-10-batches-py"
CIFAR10_MD5 = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
    "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class BuiltInSettings:
    """The synthetic pictures of study/data/pictures.py."""

    source: Literal["sketch"]
    pictures: pictures.PictureSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class Cifar10Settings:
    """CIFAR-10 (Krizhevsky 2009). The last `validation` of its 50,000 training pictures steer the learning rate."""

    source: Literal["cifar10"]
    validation: int = 5000

    def __post_init__(self) -> None:
        if not 10 <= self.validation <= 40000:
            raise ValueError(f"validation is {self.validation}, but it is taken from 50,000; choose 10 to 40,000")


SourceSettings = BuiltInSettings | Cifar10Settings


class BuiltIn:
    """Nothing to fetch: the pictures are drawn when they are packed."""

    def __init__(self, settings: BuiltInSettings) -> None:
        self.settings = settings
        drawn = settings.pictures
        self.classes = pictures.CLASSES
        self.counts = {"train": drawn.train, "validation": drawn.validation, "test": drawn.test}

    def load(self, split: str, start: int, stop: int) -> Iterator[tuple[np.ndarray, int]]:
        for row in range(start, stop):
            yield pictures.picture(self.settings.pictures, pictures.index_of(self.settings.pictures, split, row))

    def receipt(self) -> dict[str, Any]:
        return {
            "source": "sketch",
            "title": "built-in synthetic pictures",
            "synthetic": True,
            "pictures": asdict(self.settings.pictures),
            "maker": hashlib.sha256(Path(pictures.__file__).read_bytes()).hexdigest(),
        }


class Cifar10:
    """The seven files of the official archive, each checked against its published MD5 before it is read."""

    def __init__(self, settings: Cifar10Settings, folder: Path) -> None:
        self.settings, self.folder = settings, folder
        self.classes = tuple(name.decode() for name in _unpickle(folder / "batches.meta")[b"label_names"])
        self.counts = {"train": 50000 - settings.validation, "validation": settings.validation, "test": 10000}

    def load(self, split: str, start: int, stop: int) -> Iterator[tuple[np.ndarray, int]]:
        offset = self.counts["train"] if split == "validation" else 0
        for row in range(start + offset, stop + offset):
            name = "test_batch" if split == "test" else f"data_batch_{row // 10000 + 1}"
            pixels, labels = _cifar10_batch(self.folder / name)
            yield pixels[row % 10000], labels[row % 10000]

    def receipt(self) -> dict[str, Any]:
        return {
            "source": "cifar10",
            "title": "CIFAR-10 (Krizhevsky 2009)",
            "synthetic": False,
            "validation": self.settings.validation,
            "files": [{"file": name, "md5": md5} for name, md5 in CIFAR10_MD5.items()],
        }


def obtain(settings: SourceSettings) -> BuiltIn | Cifar10:
    """Find or fetch a source and verify it. Raises ValueError saying what was looked for, where, and how to get it."""
    if isinstance(settings, BuiltInSettings):
        return BuiltIn(settings)
    return Cifar10(settings, _obtain_cifar10(files.RAW / "cifar10"))


def _obtain_cifar10(kept: Path) -> Path:
    """The folder with the seven verified files: as it lies in STUDY_DATA, or unpacked from an archive into `kept`."""
    places = [Path(os.environ[VARIABLE])] if os.environ.get(VARIABLE) else []
    for place in [*places, kept]:
        for folder in (place, place / CIFAR10_FOLDER):
            if (folder / "batches.meta").exists():
                _verify(folder)
                return folder
        for archive in (place / "cifar-10-python.tar.gz", place / f"{CIFAR10_FOLDER}.tar.xz"):
            if archive.exists():
                return _unpack(archive, kept / CIFAR10_FOLDER)
    return _unpack(_fetch_cifar10(kept, places), kept / CIFAR10_FOLDER)


def _fetch_cifar10(kept: Path, looked_in: list[Path]) -> Path:
    import pooch

    kept.mkdir(parents=True, exist_ok=True)
    try:
        archive = pooch.retrieve(CIFAR10_URL, f"md5:{CIFAR10_ARCHIVE_MD5}", "cifar-10-python.tar.gz", kept, progressbar=True)
    except Exception as problem:
        places = " or ".join(str(place) for place in [*looked_in, kept])
        raise ValueError(
            f"CIFAR-10 is not in {places} and could not be fetched from {CIFAR10_URL} ({type(problem).__name__}); "
            f"put cifar-10-python.tar.gz into a directory and set {VARIABLE} to it"
        ) from problem
    return Path(archive)


def _unpack(archive: Path, folder: Path) -> Path:
    """Take the seven files by name, each verified before it gets its name; whatever else the archive holds is ignored."""
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                name = Path(member.name).name
                if member.isfile() and name in CIFAR10_MD5 and member.size < 2**25:
                    content = tar.extractfile(member).read()  # type: ignore[union-attr]
                    if hashlib.md5(content, usedforsecurity=False).hexdigest() == CIFAR10_MD5[name]:
                        files.write_bytes(folder / name, content)
    except (tarfile.TarError, EOFError, OSError) as problem:
        raise ValueError(f"{archive} cannot be read as an archive ({problem}); delete it and run again") from problem
    _verify(folder)
    return folder


def _verify(folder: Path) -> None:
    for name, md5 in CIFAR10_MD5.items():
        path = folder / name
        found = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() if path.exists() else "missing"
        if found != md5:
            raise ValueError(f"{path} is {found}, expected md5 {md5}; delete {folder} and run again")


class _ArraysOnly(pickle.Unpickler):
    """The batches are pickles; this reader builds NumPy arrays and refuses everything else a pickle could name."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in {("numpy", "ndarray"), ("numpy", "dtype")}:
            return getattr(np, name)
        if module.replace("_core", "core") == "numpy.core.multiarray" and name == "_reconstruct":
            return np._core.multiarray._reconstruct  # type: ignore[attr-defined]
        raise pickle.UnpicklingError(f"a CIFAR-10 batch names {module}.{name}, which it has no need of")


def _unpickle(path: Path) -> dict[bytes, Any]:
    return _ArraysOnly(io.BytesIO(path.read_bytes()), encoding="bytes").load()


@cache
def _cifar10_batch(path: Path) -> tuple[np.ndarray, list[int]]:
    """10,000 pictures: uint8 (10000, 32, 32, 3), and their labels."""
    batch = _unpickle(path)
    return batch[b"data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), batch[b"labels"]
