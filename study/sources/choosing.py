"""Which data set a study asks for. A source is found or fetched, verified, and then read picture by picture.

Raw files are looked for in the directory that the environment variable STUDY_DATA names, then in data/raw/<source>/, and
are fetched into the latter where that is allowed. Where they were found is no part of any result.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from study.sources import cifar, folders, ilsvrc, mnist, pictures
from study.sources.items import Item, Part, Source


@dataclass(frozen=True, kw_only=True, slots=True)
class BuiltInSettings:
    """The synthetic pictures of study/sources/pictures.py."""

    source: Literal["sketch"]
    pictures: pictures.PictureSettings


SourceSettings = (
    BuiltInSettings
    | cifar.CifarSettings
    | mnist.MnistSettings
    | folders.ImagenetteSettings
    | folders.FolderSettings
    | ilsvrc.IlsvrcSettings
)


class BuiltIn:
    """Nothing to fetch: the pictures are drawn when they are packed."""

    def __init__(self, settings: BuiltInSettings) -> None:
        self.settings = settings
        drawn = settings.pictures
        self.classes = pictures.CLASSES
        self.counts = {"train": drawn.train, "validation": drawn.validation, "test": drawn.test}

    def part(self, split: str, start: int, stop: int) -> Part:
        return Part(self.load, split, start, stop)

    def load(self, split: str, start: int, stop: int) -> Iterator[Item]:
        for row in range(start, stop):
            drawn, label = pictures.picture(self.settings.pictures, pictures.index_of(self.settings.pictures, split, row))
            yield Item(f"{split}/{row}", drawn, label)

    def objects(self) -> Iterator[tuple[int, int, float]]:
        """Of every test picture: its number, its label, and how far its object's centre is from its own, in widths of it."""
        for row in range(self.counts["test"]):
            index = pictures.index_of(self.settings.pictures, "test", row)
            yield row, index % len(self.classes), pictures.placed(self.settings.pictures, index).distance

    def receipt(self) -> dict[str, Any]:
        return {
            "source": "sketch",
            "title": "built-in synthetic pictures",
            "synthetic": True,
            "pictures": asdict(self.settings.pictures),
            "maker": hashlib.sha256(Path(pictures.__file__).read_bytes()).hexdigest(),
        }


def roots(settings: SourceSettings) -> list[Path]:
    """The files and folders that pictures are read from and that could change: none for what is drawn, and none for what is
    held to published checksums whenever it is read. Raises ValueError as `obtain` does."""
    match settings:
        case folders.FolderSettings():
            return [folders.find(settings.place)]
        case folders.ImagenetteSettings():
            folder = folders.imagenette_folder(settings)
            return [folder] if folder else []
        case ilsvrc.IlsvrcSettings():
            return ilsvrc.ilsvrc_roots(settings)
    return []


def obtain(settings: SourceSettings) -> Source:
    """Find or fetch a source and verify it. Raises ValueError saying what was looked for, where, and how to get it."""
    match settings:
        case BuiltInSettings():
            return BuiltIn(settings)
        case cifar.CifarSettings():
            return cifar.obtain_cifar(settings)
        case mnist.MnistSettings():
            return mnist.obtain_mnist(settings)
        case folders.ImagenetteSettings():
            return folders.obtain_imagenette(settings)
        case folders.FolderSettings():
            return folders.obtain_folder(settings)
        case ilsvrc.IlsvrcSettings():
            return ilsvrc.obtain_ilsvrc(settings)
