"""MNIST (LeCun et al. 1998), from its four official files: a laptop's other real data. They are in random order as published."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from study.sources import fetching
from study.sources.fetching import OFFICIAL_ONE, RawFile, find_or_fetch
from study.sources.items import Item, Part

MNIST_URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"
MNIST_MD5 = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class MnistSettings:
    """MNIST (LeCun et al. 1998), its grey as three colours. The last `validation` of its 60,000 steer the learning rate."""

    source: Literal["mnist"]
    validation: int = 5000

    def __post_init__(self) -> None:
        if not 10 <= self.validation <= 50_000:
            raise ValueError(f"validation is {self.validation}, but it is taken from 60,000; choose 10 to 50,000")


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
    return Mnist(settings, {raw.name: find_or_fetch("MNIST", raw, fetching.RAW / "mnist") for raw in raws})


@cache
def _idx(path: Path) -> np.ndarray:
    """An array of bytes in the idx format: two zeros, 8 for bytes, the number of axes, their lengths, the values."""
    content = gzip.decompress(path.read_bytes())
    axes = content[3] if content[:3] == b"\0\0\x08" and content[3:] else 0
    shape = np.frombuffer(content, ">u4", axes, 4).tolist() if len(content) >= 4 + 4 * axes else []
    if not shape or len(content) != 4 + 4 * axes + np.prod(shape):
        raise ValueError(f"{path} is no idx file of bytes; {OFFICIAL_ONE}")
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)
