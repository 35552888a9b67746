"""A picture of a study by its number: from the packed set where that lies here, else a built-in one drawn again."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from dashboard.reading import Study, dictionary_of
from study import storage
from study.data import packed
from study.data.packed import PackedSplit
from study.sources import pictures

NOT_WHOLE = "The packed pictures of this study are damaged or not whole; `uv run dvc repro -f prepare` packs them again."


def picture_of(study: Study, split: str, row: int) -> np.ndarray | None:
    """Picture `row` of a split as uint8 (size, size, RGB); None where neither the packed set nor its maker is here."""
    if (here := _split_here(study, split)) is not None:
        try:
            return here.take(np.array([row]))[0] if 0 <= row < len(here) else None
        except (OSError, ValueError, IndexError):
            study.notes.append(NOT_WHOLE)
            return None
    if (settings := _maker_settings(study)) is not None:
        return _drawn(settings, pictures.index_of(settings, split, row))
    return None


@lru_cache(maxsize=128)
def _drawn(settings: pictures.PictureSettings, index: int) -> np.ndarray:
    """A built-in picture, which takes as long to draw as a small chart; shared, so nobody changes it."""
    picture = pictures.picture(settings, index)[0]
    picture.flags.writeable = False
    return picture


def label_of(study: Study, split: str, row: int) -> int | None:
    """The class of picture `row` of a split; None where neither the packed set nor its maker is here."""
    if (here := _split_here(study, split)) is not None:
        return int(here.labels[row]) if 0 <= row < len(here) else None
    if (settings := _maker_settings(study)) is not None:
        return pictures.index_of(settings, split, row) % len(pictures.CLASSES)  # each class in turn
    return None


def _split_here(study: Study, split: str) -> PackedSplit | None:
    """A split of the packed set that the study was made from; None where that is not here, or not whole, which is noted."""
    if (folder := packed_folder(study)) is None:
        return None
    try:
        return _split(folder, split, str(_packed(study)["sha256"]))
    except (OSError, ValueError, KeyError, TypeError):
        study.notes.append(NOT_WHOLE)
        return None


def packed_folder(study: Study) -> Path | None:
    """Where the very set lies that the study was made from, recognised by its content's hash whatever its name."""
    wanted = _packed(study).get("sha256")
    for index in sorted(packed.PACKED.glob("*/index.json")):
        if wanted and _content(index, index.stat().st_mtime_ns) == wanted:
            return index.parent
    return None


@lru_cache(maxsize=64)
def _content(index: Path, changed: int) -> str | None:
    """The hash that a packed set says it has."""
    try:
        return str(storage.read_json(index)["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remark(study: Study) -> str:
    """One sentence where pictures are missing or may differ from those of the study; empty where all is well."""
    if packed_folder(study) is not None:
        return ""
    if _maker_settings(study) is None:
        yours = str(_source(study).get("source")).startswith(("folder", "ilsvrc"))  # which nothing fetches
        where = ", once `STUDY_DATA` says where they lie" if yours else ""
        return f"The pictures of this study are not on this machine; {study.by('dvc repro prepare')} packs them{where}."
    if _source(study).get("maker") != storage.sha256(Path(pictures.__file__)):
        return "The pictures are drawn again by another study/sources/pictures.py than the study's; they may differ."
    return ""


def _packed(study: Study) -> dict[str, Any]:
    return dictionary_of(study, "prepare/packed.json")


def _source(study: Study) -> dict[str, Any]:
    return dictionary_of(study, "download/source.json")


def _maker_settings(study: Study) -> pictures.PictureSettings | None:
    content = _source(study)
    try:
        return pictures.PictureSettings(**content["pictures"]) if content.get("source") == "sketch" else None
    except (KeyError, TypeError, ValueError):
        return None


@lru_cache(maxsize=12)
def _split(folder: Path, split: str, sha256: str) -> PackedSplit:
    return PackedSplit(folder, split)
