"""Data sets in the layouts of layout.py: one's own pictures, Imagewoof, Tiny-ImageNet; and Imagenette, fetched."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from study import storage
from study.sources import archives, fetching
from study.sources.fetching import RawFile, find_or_fetch, places
from study.sources.layout import arranged, read_words
from study.sources.listing import list_place
from study.sources.photographs import Photographs, Wanted, photographs
from study.sources.walking import is_same, look

ENDINGS = (".tar", ".tgz", ".tar.gz", ".tar.xz", ".tar.bz2", ".zip")


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderSettings:
    """`place`: a folder or an archive of one, by its path or by its name in STUDY_DATA or data/raw/folder.

    `classes` selects class folders by name, `classes_drawn` so many, drawn; all if neither is given. Of each class
    `test_per_class` training pictures move into the test set, where no run trains on them. Where there is no third split,
    `validation_per_class` training pictures of each class steer the learning rate, or if that is 0 `validation` in all.
    `seed` is that of the draws. With `fewer_classes` validation and test may lack some of the classes.
    """

    source: Literal["folder"]
    place: str
    title: str = ""
    classes: tuple[str, ...] = ()
    classes_drawn: int = 0
    validation: int = 1000
    validation_per_class: int = 0
    test_per_class: int = 0
    seed: int = 0
    fewer_classes: bool = False

    def __post_init__(self) -> None:
        if "\0" in self.place or os.path.normpath(os.path.expanduser(self.place.strip())) in (
            ".",
            "..",
            "/",
            os.path.expanduser("~"),
        ):
            raise ValueError(f"place is {self.place!r}; name a folder or an archive of pictures, such as ~/pictures/pets")
        if not self.title.isprintable():
            raise ValueError(f"title is {self.title!r}; it is shown in one line, so use printable characters only")
        require_classes(self.classes)
        if self.classes_drawn < 0 or self.classes_drawn == 1:
            raise ValueError(f"classes_drawn is {self.classes_drawn}; give 2 or more, or 0 for all classes")
        if self.classes and self.classes_drawn:
            raise ValueError(
                f"classes_drawn is {self.classes_drawn}, and classes names {len(self.classes)}; leave out one of them"
            )
        require_validation(self.validation)
        for name in ("validation_per_class", "test_per_class"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it counts pictures of each class, 0 for none")
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}; give a whole number from 0 on")


def require_classes(classes: tuple[str, ...]) -> None:
    """Refuse a list of classes that no study can have; all of them if it is empty."""
    if twice := [name for number, name in enumerate(classes) if name in classes[:number]]:
        raise ValueError(f"classes names {twice[0]!r} twice; name each class once")
    if len(classes) == 1 or "" in classes:
        raise ValueError(f"classes is {list(classes)}; name two or more, or none for all classes")


def require_validation(validation: int) -> None:
    if validation < 1:
        raise ValueError(f"validation is {validation}; it counts training pictures that steer the learning rate, 1 or more")


@dataclass(frozen=True, kw_only=True, slots=True)
class ImagenetteSettings:
    """Imagenette (Howard 2019): ten easy classes of ImageNet; `size` is the shorter side in pixels of the archive.

    `validation` training pictures steer the learning rate; `classes` selects some, all if it is empty.
    """

    source: Literal["imagenette"]
    size: Literal[160, 320, "full"] = 320
    validation: int = 1000
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require_classes(self.classes)
        require_validation(self.validation)


IMAGENETTE = {
    160: RawFile(
        name="imagenette2-160.tgz",
        url="https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-160.tgz",
        known_hash="md5:e793b78cc4c9e9a4ccc0c1155377a412",
    ),
    320: RawFile(
        name="imagenette2-320.tgz",
        url="https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-320.tgz",
        known_hash="md5:3df6f0d01a2c9592104656642f5e78a3",
    ),
    "full": RawFile(
        name="imagenette2.tgz",
        url="https://s3.amazonaws.com/fast-ai-imageclas/imagenette2.tgz",
        known_hash="md5:fe2fc210e6bb7c5664d602c3cd71e612",
    ),
}
IMAGENETTE_WORDS = {
    "n01440764": "tench",
    "n02102040": "English springer",
    "n02979186": "cassette player",
    "n03000684": "chain saw",
    "n03028079": "church",
    "n03394916": "French horn",
    "n03417042": "garbage truck",
    "n03425413": "gas pump",
    "n03445777": "golf ball",
    "n03888257": "parachute",
}


def obtain_folder(settings: FolderSettings) -> Photographs:
    wanted = Wanted(
        classes=settings.classes,
        classes_drawn=settings.classes_drawn,
        validation=settings.validation,
        validation_per_class=settings.validation_per_class,
        test_per_class=settings.test_per_class,
        seed=settings.seed,
        fewer_classes=settings.fewer_classes,
    )
    found = find(settings.place)
    root = _unpacked(found) if found.is_file() and (archives.is_zip(found) or archives.is_compressed(found)) else found
    return _in_layout(settings.title or Path(os.path.normpath(settings.place)).name, settings, root, wanted, called=found)


def obtain_imagenette(settings: ImagenetteSettings) -> Photographs:
    wanted = Wanted(classes=settings.classes, validation=settings.validation)
    raw, kept = IMAGENETTE[settings.size], fetching.RAW / "imagenette"
    folder = imagenette_folder(settings) or archives.unpack(
        find_or_fetch("Imagenette", raw, kept), kept / raw.name.removesuffix(".tgz")
    )
    for split in ("train", "val"):
        missing = [name for name in IMAGENETTE_WORDS if not (folder / split / name).is_dir()]
        if missing:
            raise ValueError(
                f"{folder / split} lacks {missing[0]}, one of Imagenette's ten classes; get it whole, or move it elsewhere"
            )
    return _in_layout(f"Imagenette ({settings.size})", settings, folder, wanted, IMAGENETTE_WORDS)


def imagenette_folder(settings: ImagenetteSettings) -> Path | None:
    """Where Imagenette lies unpacked, if it does."""
    name = IMAGENETTE[settings.size].name.removesuffix(".tgz")
    return next((place / name for place in places("imagenette") if (place / name / "train").is_dir()), None)


def find(place: str) -> Path:
    """The folder or archive of that name, the ending left out or not. Raises ValueError saying where it was looked for."""
    named = os.path.normpath(os.path.expanduser(place.strip()))
    looked_in = [Path(named), *(folder / named for folder in places("folder"))]
    for path in looked_in:
        for ending in ("", *ENDINGS, *map(str.upper, ENDINGS)):
            found = path.with_name(path.name + ending)
            if found.is_dir() or found.is_file():
                return found
    raise ValueError(
        f"{place} is not there: looked for {', '.join(dict.fromkeys(map(str, looked_in)))}, as a folder or archive; set "
        "download.place to one that holds train/<class>/ and val/<class>/"
    )


def _unpacked(archive: Path) -> Path:
    """The folder in data/raw/folder that an archive was unpacked into, named by its content too: another archive of the same
    name, or one that was put in its place, is unpacked beside it. What has been changed in the folder is unpacked again."""
    kept = fetching.RAW / "folder"
    folder = kept / f"{archive.name}-{fetching.content_hash(archive, kept)[:12]}"
    note = kept / f".{folder.name}.unpacked.json"
    if folder.is_dir() and not _is_as_unpacked(folder, note):
        shutil.rmtree(folder)
    if not folder.is_dir():
        archives.unpack(archive, folder)
        storage.write_json(note, look([folder]))
    return folder


def _is_as_unpacked(folder: Path, note: Path) -> bool:
    try:
        return is_same(storage.read_json(note), look([folder]))
    except (OSError, ValueError, AttributeError):  # no note, or a damaged one; or links in the folder that were not there
        return False


def _in_layout(
    title: str,
    settings: FolderSettings | ImagenetteSettings,
    root: Path,
    wanted: Wanted,
    words: Mapping[str, str] | None = None,
    called: Path | None = None,
) -> Photographs:
    """Where there is one other split beside train it is the test set, whatever it is called. `called` stands in messages."""
    listing = list_place(root)
    listing.root = called or root
    made = arranged(listing, wanted.classes)
    splits, folders, told = dict(made.splits), made.folders, []
    if "test" not in splits and "validation" in splits:
        splits["test"] = splits.pop("validation")
        told.append(f"the pictures in {folders['validation']} are the test set")
    elif "test" in splits:
        told.append(f"the pictures in {folders['test']} are the test set")
    if "validation" in splits:
        told.append(f"those in {folders['validation']} steer the learning rate")
    if made.unlabelled:
        told.append(f"those in {made.unlabelled} have no labels and are left out")
    return photographs(title, settings, splits, wanted, [listing], words or read_words(listing), told)
