"""The data sets that come as arrays: CIFAR-10, CIFAR-100 and MNIST. Their pictures are in random order as they are published."""

from __future__ import annotations

import gzip
import hashlib
import io
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np

from study import files
from study.data.archives import members
from study.data.fetching import RawFile, find_or_fetch, places
from study.data.packing import Item, Part


@dataclass(frozen=True, kw_only=True, slots=True)
class Cifar10Settings:
    """CIFAR-10 (Krizhevsky 2009). The last `validation` of its 50,000 training pictures steer the learning rate."""

    source: Literal["cifar10"]
    validation: int = 5000

    def __post_init__(self) -> None:
        _check_validation(self.validation, 10, 40_000, 50_000)


@dataclass(frozen=True, kw_only=True, slots=True)
class Cifar100Settings:
    """CIFAR-100 (Krizhevsky 2009), its hundred fine classes. The last `validation` of its 50,000 steer the learning rate."""

    source: Literal["cifar100"]
    validation: int = 5000

    def __post_init__(self) -> None:
        _check_validation(self.validation, 100, 40_000, 50_000)


@dataclass(frozen=True, kw_only=True, slots=True)
class MnistSettings:
    """MNIST (LeCun et al. 1998), its grey as three colours. The last `validation` of its 60,000 steer the learning rate."""

    source: Literal["mnist"]
    validation: int = 5000

    def __post_init__(self) -> None:
        _check_validation(self.validation, 10, 50_000, 60_000)


def _check_validation(validation: int, least: int, most: int, all_of_them: int) -> None:
    if not least <= validation <= most:
        raise ValueError(f"validation is {validation}, but it is taken from {all_of_them:,}; choose {least} to {most:,}")


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


CIFAR10 = CifarFiles(
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
)
CIFAR100 = CifarFiles(
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
)


class Cifar:
    """The files of an official archive, each checked against its published MD5 before it is read."""

    def __init__(self, settings: Cifar10Settings | Cifar100Settings, official: CifarFiles, folder: Path) -> None:
        self.settings, self.official, self.folder = settings, official, folder
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


class Cifar10(Cifar):
    """Ten classes."""


class Cifar100(Cifar):
    """A hundred classes."""


def obtain_cifar10(settings: Cifar10Settings) -> Cifar10:
    return Cifar10(settings, CIFAR10, _obtain_cifar("cifar10", CIFAR10))


def obtain_cifar100(settings: Cifar100Settings) -> Cifar100:
    return Cifar100(settings, CIFAR100, _obtain_cifar("cifar100", CIFAR100))


def _obtain_cifar(source: str, official: CifarFiles) -> Path:
    """The folder with the verified files: as it lies in STUDY_DATA, or unpacked from an archive into data/raw/<source>."""
    kept = files.RAW / source
    unpacked = kept / official.folder
    for place in places(source):
        for folder in (place, place / official.folder):
            whole = all((folder / name).is_file() for name in official.md5)
            # One of ours that is not whole was interrupted and is done again; somebody else's is refused.
            if whole or (folder.is_dir() and folder.name == official.folder and folder != unpacked):
                return _verified(folder, official)
        for archive in (place / official.raw.name, place / f"{official.folder}.tar.xz"):
            if archive.is_file():
                return _unpacked(archive, unpacked, official)
    return _unpacked(find_or_fetch(official.title, official.raw, kept), unpacked, official)


def _verified(folder: Path, official: CifarFiles) -> Path:
    for name, md5 in official.md5.items():
        path = folder / name
        found = _md5(path.read_bytes()) if path.is_file() else "missing"
        if found != md5:
            raise ValueError(f"{path} is {found}, expected md5 {md5}; delete {folder} and run again")
    return folder


def _unpacked(archive: Path, folder: Path, official: CifarFiles) -> Path:
    """Take the files by name, each verified before it gets its name; whatever else the archive holds is ignored."""
    missing = set(official.md5)
    for path, content in members(archive, lambda path: PurePosixPath(path).name in official.md5):
        name = PurePosixPath(path).name
        if _md5(content) == official.md5[name]:
            files.write_bytes(folder / name, content)
            missing.discard(name)
    if missing:
        name = min(missing)
        raise ValueError(f"{archive} holds no {name} of md5 {official.md5[name]}; delete it and run again")
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


MNIST_URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"
MNIST_MD5 = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}


class Mnist:
    """The four official files, by name, each verified."""

    def __init__(self, settings: MnistSettings, paths: dict[str, Path]) -> None:
        self.settings, self.paths = settings, paths
        self.classes = tuple(str(digit) for digit in range(10))
        training, tested = (len(_idx(paths[f"{half}-labels-idx1-ubyte.gz"])) for half in ("train", "t10k"))
        self.counts = {"train": training - settings.validation, "validation": settings.validation, "test": tested}

    def part(self, split: str, start: int, stop: int) -> Part:
        return Part(self.load, split, start, stop)

    def load(self, split: str, start: int, stop: int) -> Iterator[Item]:
        half = "t10k" if split == "test" else "train"
        offset = self.counts["train"] if split == "validation" else 0
        grey, labels = _idx(self.paths[f"{half}-images-idx3-ubyte.gz"]), _idx(self.paths[f"{half}-labels-idx1-ubyte.gz"])
        for row in range(start + offset, stop + offset):
            yield Item(f"{half}/{row}", np.repeat(grey[row, :, :, None], 3, axis=2), int(labels[row]))

    def receipt(self) -> dict[str, Any]:
        return {
            "source": "mnist",
            "title": "MNIST (LeCun et al. 1998)",
            "synthetic": False,
            "validation": self.settings.validation,
            "files": [{"file": name, "md5": md5} for name, md5 in MNIST_MD5.items()],
        }


def obtain_mnist(settings: MnistSettings) -> Mnist:
    raws = [RawFile(name=name, url=MNIST_URL + name, known_hash=f"md5:{md5}") for name, md5 in MNIST_MD5.items()]
    return Mnist(settings, {raw.name: find_or_fetch("MNIST", raw, files.RAW / "mnist") for raw in raws})


@cache
def _idx(path: Path) -> np.ndarray:
    """An array of bytes in the idx format: two zeros, 8 for bytes, the number of axes, their lengths, the values."""
    content = gzip.decompress(path.read_bytes())
    axes = content[3] if content[:3] == b"\0\0\x08" and content[3:] else 0
    shape = np.frombuffer(content, ">u4", axes, 4).tolist() if len(content) >= 4 + 4 * axes else []
    if not shape or len(content) != 4 + 4 * axes + np.prod(shape):
        raise ValueError(f"{path} is no idx file of bytes; delete it and run again")
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)
