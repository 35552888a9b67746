"""What the parts `data` and `patches` measure on: somebody's photographs, or made ones with as much detail as photographs."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from study.data.packed import PackedSplit
from study.data.packing import PackingSettings, pack
from study.data.rescaling import FilterSettings, rescale
from study.sources.items import Item, Part
from study.sources.listing import File, list_place
from study.sources.photographs import Photographs

SIZE = (375, 500)  # height and width of ImageNet's commonest photographs
TEXTURES = 16  # that are drawn; the pictures of a large set are these, shifted
FEWEST = 12  # photographs to be measured on
QUALITY = 90  # at which made JPEGs are about as many bytes as ImageNet's


@cache
def texture(number: int) -> np.ndarray:
    """uint8 (375, 500, 3): noise at every scale, less of it at the finest, as JPEG's decoder meets it in photographs."""
    random, total = np.random.default_rng(number), np.full((*SIZE, 3), 118.0)
    for scale, deviation in ((4, 30), (16, 30), (64, 30), (256, 20)):
        small = random.normal(0, deviation, (3, scale * 3 // 4, scale)).astype(np.float32)
        total += np.stack([np.asarray(Image.fromarray(plane).resize(SIZE[::-1])) for plane in small], axis=2)
    return np.clip(total, 0, 255).astype(np.uint8)


def jpeg(picture: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


@cache
def _small(number: int, side: int) -> np.ndarray:
    return rescale(texture(number), side, FilterSettings())


@dataclass(frozen=True, slots=True)
class Made:
    """A source of made square pictures in two classes, no two alike."""

    pictures: int
    side: int
    classes: tuple[str, ...] = ("a", "b")

    @property
    def counts(self) -> dict[str, int]:
        return {"train": self.pictures, "validation": 2, "test": 2}

    def part(self, split: str, start: int, stop: int) -> Part:
        return Part(self.load, split, start, stop)

    def load(self, split: str, start: int, stop: int) -> Iterator[Item]:
        for row in range(start, stop):
            shift = row // TEXTURES
            shifted = np.roll(_small(row % TEXTURES, self.side), (shift, 3 * shift // self.side), axis=(0, 1))
            yield Item(f"{split}/{row}", shifted, row % 2)

    def receipt(self) -> dict[str, Any]:
        return {"source": "made for measuring", "pictures": self.pictures, "side": self.side}


def packed(folder: Path, pictures: int, side: int, workers: int = 1) -> Path:
    pack(Made(pictures, side), PackingSettings(size=side), folder, workers, lambda _: None)
    return folder


def photographs(place: Path | None, folder: Path, count: int) -> tuple[list[File], str]:
    """Up to `count` files from all over `place`, a folder or a tar, or made in `folder`; and what they are, in words.

    Raises ValueError where `place` holds too few.
    """
    if place is None:
        return _made(folder, count), f"made JPEGs of {SIZE[1]} x {SIZE[0]}"
    found = list_place(place).pictures
    if len(found) < FEWEST:
        raise ValueError(f"{place} holds {len(found)} pictures; name a folder or an uncompressed tar of {FEWEST} or more")
    return found[:: max(1, len(found) // count)][:count], f"photographs of {place.name}"


def _made(folder: Path, count: int) -> list[File]:
    drawn = [jpeg(texture(number)) for number in range(min(count, TEXTURES))]
    for number in range(count):
        (folder / f"{number}.jpg").write_bytes(drawn[number % TEXTURES])
    return list_place(folder).pictures


def source(files: list[File]) -> Photographs:
    """The files as a set to be packed: nearly all of them for training."""
    pairs = [(file, "ab"[number % 2]) for number, file in enumerate(files)]
    splits = {"train": pairs[4:], "validation": pairs[:2], "test": pairs[2:4]}
    return Photographs("photographs", {"source": "photographs for measuring"}, ("a", "b"), splits, {})


def as_files(split: PackedSplit, folder: Path, count: int) -> Path:
    """The first pictures of a packed set as JPEG files, in the layout of torchvision's ImageFolder."""
    for number, picture in enumerate(split.take(np.arange(count))):
        path = folder / "ab"[number % 2] / f"{number:05d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(picture))
    return folder
