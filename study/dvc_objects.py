"""What DVC holds of a study, as dvc.lock names it: files and folders by MD5, each checked wherever it lies.

A folder is an object that lists its files (`<md5>.dir`, JSON). MD5 is what DVC goes by; where a provenance record has the SHA-256
of the same file, both are compared, as MD5 guards against accidents alone. It needs no DVC.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from study import storage

CHUNK = 1 << 20
FOLDER = ".dir"
WORKERS = 8  # remotes answer slowly, and hashing leaves Python to the others


@dataclass(frozen=True, slots=True)
class Stored:
    """A file of results/<study>, or the list of a folder's files. `name` is its path in the project."""

    name: str
    md5: str
    sha256: str = ""

    def __str__(self) -> str:
        return f"{self.name} (the list of its files)" if self.md5.endswith(FOLDER) else self.name

    def is_content(self, content: bytes) -> bool:
        """Whether these bytes are what is stored."""
        same = hashlib.md5(content, usedforsecurity=False).hexdigest() == self.md5.removesuffix(FOLDER)
        return same and self.sha256 in ("", hashlib.sha256(content).hexdigest())


@dataclass(kw_only=True, slots=True)
class Found:
    """What one place holds: how many objects and bytes were read, what it lacks, and what is damaged there."""

    read: int = 0
    size: int = 0
    lacking: list[Stored] = field(default_factory=list)
    damaged: list[Stored] = field(default_factory=list)


def outs_of(lock: Mapping[str, Any], study: str) -> list[Stored]:
    """What dvc.lock says that a study's stages have written and that DVC keeps: all but the pictures."""
    mine = f"results/{study}/"
    outs = [out for stage in lock.get("stages", {}).values() for out in stage.get("outs", ())]
    return [Stored(str(out["path"]), str(out["md5"])) for out in outs if str(out["path"]).startswith(mine) and out.get("md5")]


def recorded(folder: Path) -> dict[str, str]:
    """By path below the study's folder, the SHA-256 of every file that its provenance records name; `folder` is the study's."""
    paths = (*sorted((folder / "provenance").glob("*.json")), folder / "judge/provenance.json")
    return {name: str(sha) for path in paths for name, sha in (storage.mapping(path).get("outputs") or {}).items()}


def files_in(folder: Stored, listing: bytes, records: Mapping[str, str], study: str) -> list[Stored]:
    """The files that a folder's object lists. Raises ValueError where it is not the list that it should be."""
    if not folder.is_content(listing):
        raise ValueError("its list of files is damaged")
    names = {f"{folder.name}/{one['relpath']}": one["md5"] for one in json.loads(listing)}
    return [Stored(name, md5, records.get(name.removeprefix(f"results/{study}/"), "")) for name, md5 in names.items()]


def look(
    outs: Iterable[Stored],
    reader: Callable[[str], BinaryIO],
    records: Mapping[str, str],
    study: str,
    tell: Callable[[int], None] = lambda read: None,
) -> Found:
    """Read every object in one place and compare it with its hashes.

    `reader` opens an object by its MD5 and raises FileNotFoundError where the place lacks it. `tell` is called with the bytes
    that were read. Raises OSError where the place cannot be asked.
    """
    found = Found()

    def whole(one: Stored) -> tuple[Stored, bytes | None]:
        return one, _content(reader, one.md5)

    def compared(one: Stored) -> tuple[Stored, int | None, bool]:
        try:
            file = reader(one.md5)
        except FileNotFoundError:
            return one, None, False
        with file:
            md5, sha256, size = _hashes(file, tell)
        return one, size, md5 == one.md5 and one.sha256 in ("", sha256)

    with ThreadPoolExecutor(WORKERS) as pool:
        files = [one for one in outs if not one.md5.endswith(FOLDER)]
        for folder, listing in pool.map(whole, [one for one in outs if one.md5.endswith(FOLDER)]):
            if listing is None:
                found.lacking.append(folder)
                continue
            try:
                files += files_in(folder, listing, records, study)
                found.read, found.size = found.read + 1, found.size + len(listing)
            except (ValueError, KeyError, TypeError):
                found.damaged.append(folder)
        for one, size, same in pool.map(compared, files):
            if size is None:
                found.lacking.append(one)
                continue
            found.read, found.size = found.read + 1, found.size + size
            found.damaged += [] if same else [one]
    return found


def _content(reader: Callable[[str], BinaryIO], md5: str) -> bytes | None:
    try:
        with reader(md5) as file:
            return file.read()
    except FileNotFoundError:
        return None


def _hashes(file: BinaryIO, tell: Callable[[int], None]) -> tuple[str, str, int]:
    """MD5, SHA-256 and size, in one reading."""
    md5, sha256, size = hashlib.md5(usedforsecurity=False), hashlib.sha256(), 0
    for chunk in _chunks(file):
        md5.update(chunk)
        sha256.update(chunk)
        size += len(chunk)
        tell(len(chunk))
    return md5.hexdigest(), sha256.hexdigest(), size


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        yield chunk


def in_cache(cache: Path, md5: str) -> Path:
    """Where an object lies in DVC's cache; `cache` is the folder that holds `files/`."""
    return cache / "files" / "md5" / md5[:2] / md5[2:]
