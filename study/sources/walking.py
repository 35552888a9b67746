"""Files as they stand in folders, without reading them: what lies there, whether it is still the same, and a link to it.

Links are followed and may not lead in a circle. A look is cheap, a second for some 100,000 files, and tells by names, sizes
and times whether anything has changed.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

SYSTEM = frozenset((
    "__macosx", "@eadir", "@recycle", "#recycle", "$recycle.bin", "system volume information", "lost+found",
    "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r",
))  # fmt: skip
MOST_WATCHED = 50_000  # files and
LARGEST_WATCHED = 10**10  # bytes, which DVC would read all when it first sees them
LOOK_AGAIN = "uv run dvc repro -f prepare"

Reached = Literal["directly", "through a link", "in a tar"]
Identity = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Entry:
    """What stands in a folder. `kind` of a link is that of what it leads to, of a hidden one `file`."""

    name: str  # relative to the root, with slashes
    path: str
    kind: Literal["file", "folder", "linked folder", "broken link", "special"]
    size: int = 0  # bytes
    mtime_ns: int = 0
    hidden: bool = False
    reached: Reached = "directly"


def is_hidden(name: str) -> bool:
    """Whether a file or folder of that name is hidden, or an operating system's own."""
    return name.startswith(".") or name.casefold() in SYSTEM


def printable(name: str) -> str:
    """A file's name as text: bytes that are not UTF-8 are spelt out."""
    return name if name.isascii() else os.fsencode(name).decode("utf-8", "backslashreplace")


def walk(root: Path) -> Iterator[Entry]:
    """All that stands below a folder, in the order of the names, folder by folder. Raises ValueError for a circle of links
    and for a folder that may not be read. Below what is hidden nothing is followed."""
    real = root.resolve()
    above = frozenset(_identity(folder.stat()) for folder in (real, *real.parents))
    yield from _walk(str(root), "", False, "directly", above)


def _identity(found: os.stat_result) -> Identity:
    return found.st_dev, found.st_ino


def _walk(folder: str, prefix: str, hidden: bool, reached: Reached, above: frozenset[Identity]) -> Iterator[Entry]:
    for entry in _entries(folder, hidden):
        name, unseen = prefix + entry.name, hidden or is_hidden(entry.name)
        try:
            found = entry.stat(follow_symlinks=not unseen)
        except OSError as problem:
            if problem.errno == errno.ELOOP:
                raise _circle(entry.path) from None
            yield Entry(name, entry.path, "broken link", hidden=unseen, reached=reached)
            continue
        if stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode):
            yield Entry(name, entry.path, "file", found.st_size, found.st_mtime_ns, unseen, reached)
        elif stat.S_ISDIR(found.st_mode):
            if _identity(found) in above:
                raise _circle(entry.path)
            linked = entry.is_symlink()
            yield Entry(name, entry.path, "linked folder" if linked else "folder", hidden=unseen, reached=reached)
            further: Reached = "through a link" if linked else reached
            yield from _walk(entry.path, f"{name}/", unseen, further, above | {_identity(found)})
        else:
            yield Entry(name, entry.path, "special", hidden=unseen, reached=reached)


def _circle(path: str) -> ValueError:
    return ValueError(f"{printable(path)} leads in a circle, by a link; move that link out of the data set")


def _entries(folder: str, hidden: bool) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except PermissionError:
        if hidden:
            return []
        raise ValueError(
            f"the folder {printable(folder)} may not be read; allow it (chmod u+rx), or move it out of the data set"
        ) from None


def look(roots: Sequence[Path]) -> dict[str, Any]:
    """What lies at some files and folders, as JSON can hold it: their places, and a hash over names, sizes and times."""
    files, digest = 0, hashlib.sha256()
    for root in roots:
        for entry in _visible(root):
            files += 1
            line = f"{root.name}/{entry.name}\t{entry.kind}\t{entry.size}\t{entry.mtime_ns}\n"
            digest.update(line.encode("utf-8", "surrogateescape"))
    return {"roots": [str(root) for root in roots], "files": files, "sha256": digest.hexdigest()}


def _visible(root: Path) -> Iterator[Entry]:
    if root.is_dir():
        yield from (entry for entry in walk(root) if not entry.hidden and entry.kind != "folder")
    else:
        found = root.stat()
        yield Entry("", str(root), "file", found.st_size, found.st_mtime_ns)


def link(roots: Sequence[Path], place: Path) -> bool:
    """Make `place` a link to the one root, so that DVC sees what is in it, or a note where DVC should not look.

    DVC enters no further links, waits for ever at a pipe, ends at a file that may not be read, and reads everything once.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    if len(roots) == 1 and _is_ordinary(roots[0]):
        # Relative where the place was given so or lies in the project, so that both can be moved together.
        inside = not roots[0].is_absolute() or roots[0].is_relative_to(Path.cwd())
        target = os.path.relpath(roots[0], place.parent) if inside else str(roots[0])
        with suppress(OSError):  # a system or disk without links
            place.symlink_to(target)
            return True
    place.write_text("There is nothing here that DVC could watch.\n", encoding="utf-8")
    return False


def _is_ordinary(root: Path) -> bool:
    if not root.is_dir():
        return root.stat().st_size <= LARGEST_WATCHED
    files = size = 0
    for entry in walk(root):
        if entry.kind == "folder":
            continue
        files, size = files + 1, size + entry.size
        if (
            files > MOST_WATCHED
            or size > LARGEST_WATCHED
            or entry.kind != "file"
            or os.path.islink(entry.path)
            or not os.access(entry.path, os.R_OK)
            or printable(entry.name) != entry.name
            or entry.name.rpartition("/")[2] == ".dvcignore"
        ):
            return False
    return True
