"""Data sets in the layout of photographs.py: one's own pictures, Imagewoof, Tiny-ImageNet; and Imagenette, fetched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from study.sources import fetching
from study.sources.archives import unpack
from study.sources.fetching import RawFile, find_or_fetch, places
from study.sources.photographs import LABELS, WORDS, File, Photographs, below, list_folder, list_tar, photographs, with_classes

COMPRESSED = (".tgz", ".tar.gz", ".tar.xz", ".tar.bz2", ".zip")


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderSettings:
    """`place`: a folder or an archive of one, by its path or by its name in STUDY_DATA or data/raw/folder.

    Where there is no third split, the last `validation` training pictures steer the learning rate and `val` is the test
    set. `classes` selects directories, all if it is empty.
    """

    source: Literal["folder"]
    place: str
    title: str = ""
    validation: int = 1000
    classes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ImagenetteSettings:
    """Imagenette (Howard 2019): ten easy classes of ImageNet; `size` is the shorter side in pixels of the archive."""

    source: Literal["imagenette"]
    size: Literal[160, 320, "full"] = 320
    validation: int = 1000
    classes: tuple[str, ...] = ()


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
    found = _find(settings.place)
    return _in_layout(settings.title or Path(settings.place).name, settings, found)


def obtain_imagenette(settings: ImagenetteSettings) -> Photographs:
    raw, kept = IMAGENETTE[settings.size], fetching.RAW / "imagenette"
    name = raw.name.removesuffix(".tgz")
    there = [place / name for place in places("imagenette") if (place / name / "train").is_dir()]
    folder = there[0] if there else unpack(find_or_fetch("Imagenette", raw, kept), kept / name)
    return _in_layout(f"Imagenette ({settings.size})", settings, folder, IMAGENETTE_WORDS)


def _find(place: str) -> Path:
    """A folder or an uncompressed tar, the ending left out or not; other archives are unpacked into data/raw/folder first."""
    kept = fetching.RAW / "folder"
    looked_in = [Path(place), *(folder / place for folder in places("folder"))]
    for path in (path.with_name(path.name + ending) for path in looked_in for ending in ("", ".tar", *COMPRESSED)):
        if path.is_dir() or (path.is_file() and path.suffix == ".tar"):
            return path
        if path.is_file() and path.name.lower().endswith(COMPRESSED):
            return unpack(path, kept / path.name.split(".")[0])
    raise ValueError(
        f"{place} is not there: looked for {', '.join(dict.fromkeys(map(str, looked_in)))}, as a folder or archive; set "
        "download.place to one that holds train/<class>/ and val/<class>/"
    )


def _in_layout(
    title: str, settings: FolderSettings | ImagenetteSettings, root: Path, words: Mapping[str, str] | None = None
) -> Photographs:
    splits, lists = below(list_folder(root) if root.is_dir() else list_tar(root))
    if "train" not in splits or not (splits.get("val") or splits.get("validation")):
        raise ValueError(f"{root} holds no train/<class>/ and val/<class>/ with pictures; see README.md, 'Your own pictures'")
    paired: dict[str, Any] = {"train": with_classes(splits["train"])}
    known = {name for _, name in paired["train"]}
    val = with_classes(splits.get("val") or splits["validation"], _two_columns(lists.get(LABELS)))
    test = [pair for pair in with_classes(splits.get("test", [])) if pair[1] in known]
    paired |= {"validation": val, "test": test} if test else {"test": val}
    words = words or _two_columns(lists.get(WORDS)) or {}
    held_out = 0 if test else settings.validation
    return photographs(title, settings, paired, settings.classes, words, held_out)


def _two_columns(file: File | None) -> dict[str, str] | None:
    """The first two columns of a list that is separated by tabs."""
    if file is None:
        return None
    rows = (line.split("\t") for line in file.read().decode("utf-8", "replace").splitlines())
    return {row[0].strip(): row[1].strip() for row in rows if len(row) > 1}
