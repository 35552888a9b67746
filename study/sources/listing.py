"""Every file of a place, seen once and accounted for: what can be a picture, and why the rest is left out.

All sources of photographs list with this, in folders and in tars. Seen is what is used and what is left out, so that the
counts of an `Account` add up to what `find` counts: without -L to the rows that are reached directly, with -L to all rows
but those of what is opened (links to folders, tars). Links are followed and may not lead in a circle. Hidden files and
those of an operating system are left out, and so is what neither its name nor its first bytes make a picture.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from study.sources import archives
from study.sources.decoding import HEAD, SUFFIXES, format_of
from study.sources.walking import Reached, is_hidden, printable, walk

RAW = frozenset((".nef", ".cr2", ".dng", ".arw", ".orf", ".rw2", ".pef", ".srw"))  # cameras' own files begin as a TIFF does
TRAIN = frozenset(("train", "training"))

HIDDEN = "hidden or of the system"
NO_PICTURE = "no picture"
UNREADABLE = "may not be read"
BROKEN = "broken link"
SPECIAL = "pipe, socket or device"
LINKED = "link to a folder, followed"
OPENED = "tar, read where it lies"
USED = "used"
COLUMNS = ("reason", "ending", "reached", "count", "example")  # of results/<study>/download/files.csv


@dataclass(frozen=True, slots=True)
class File:
    """A file, or a member of a tar where `offset` is not -1. `size` in bytes, -1 where it was not asked for.

    `name` is relative to the listed place, with slashes, and can be printed; `path` is what the system opens.
    """

    name: str
    path: str
    offset: int = -1
    size: int = -1
    reached: Reached = "directly"

    def read(self, most: int = -1) -> bytes:
        """The content, or its first `most` bytes."""
        with open(self.path, "rb") as file:
            if self.offset < 0:
                return file.read(most)
            file.seek(self.offset)
            return file.read(self.size if most < 0 else min(most, self.size))


class Account:
    """How many files were used and left out, by reason and ending, with an example of each."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str, str], tuple[int, str]] = {}

    def add(self, reason: str, name: str, reached: Reached = "directly") -> None:
        key = (reason, _ending(name), reached)
        count, example = self._rows.get(key, (0, name))
        self._rows[key] = count + 1, example

    def table(self) -> list[tuple[str, str, str, int, str]]:
        """Rows of `COLUMNS`, what is used first."""
        ordered = sorted(self._rows.items(), key=lambda row: (row[0][0] != USED, row[0]))
        return [(reason, ending, reached, count, example) for (reason, ending, reached), (count, example) in ordered]

    def line(self) -> str:
        """The counts in a few words: seen = used + left out."""
        rows = [row for row in self.table() if row[0] not in (LINKED, OPENED)]
        out: dict[str, dict[str, int]] = {}
        for reason, ending, _, count, _ in rows:
            if reason != USED:
                out.setdefault(reason, {})
                out[reason][ending] = out[reason].get(ending, 0) + count
        seen, left = sum(row[3] for row in rows), sum(sum(endings.values()) for endings in out.values())
        told = [f"{sum(of.values()):,} {reason} ({_endings(of)})" for reason, of in out.items()]
        why = f" ({', '.join(told)})" if told else ""
        through = sum(row[3] for row in self.table() if row[0] == LINKED)
        links = f", through {through:,} links to folders" if through > 1 else ", through a link to a folder" if through else ""
        return f"{seen:,} files seen{links}: {seen - left:,} used, {left:,} left out{why}"


def _ending(name: str) -> str:
    suffix = PurePosixPath(name).suffix.lower()
    return suffix if 1 < len(suffix) <= 12 else "no ending"


def _endings(counts: dict[str, int]) -> str:
    ordered = sorted(counts, key=lambda ending: (-counts[ending], ending))
    told = [f"{counts[ending]:,} {ending}" if len(ordered) > 1 else ending for ending in ordered[:4]]
    return ", ".join(told + ["..."] * (len(ordered) > 4))


@dataclass(kw_only=True)
class Listing:
    """What a place holds. `pictures` are in the order of their names, folder by folder.

    `others` are visible files that are no pictures, with the reason; `left` is all else that is left out; `folders` has the
    names of visible folders; `missing` says in words what a list in the place names and the place does not hold.
    """

    root: Path
    pictures: list[File] = field(default_factory=list)
    others: list[tuple[File, str]] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    left: list[tuple[File, str]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def lists(self, name: str) -> list[File]:
        """The files of that name, such as a list of labels, the nearest first."""
        found = [file for file, reason in self.others if reason == NO_PICTURE and file.name.rpartition("/")[2] == name]
        return sorted(found, key=lambda file: (file.name.count("/"), file.name))

    def leave(self, file: File, reason: str) -> None:
        """Put a file down as left out."""
        self.left.append((file, reason))


def accounted(listings: Iterable[Listing], used: Iterable[File]) -> Account:
    """The account of all files that were seen."""
    account = Account()
    for file in used:
        account.add(USED, file.name, file.reached)
    for listing in listings:
        for file, reason in [*listing.left, *listing.others]:
            account.add(reason, file.name, file.reached)
    return account


def is_class_tar(name: str) -> bool:
    """train/<class>.tar: what is left of tars in a tar when the outer one is unpacked."""
    *folders, last = name.casefold().split("/")
    return bool(folders) and folders[-1] in TRAIN and last.endswith(".tar")


def list_place(root: Path, opened: Callable[[str], bool] = is_class_tar) -> Listing:
    """List a folder or an uncompressed tar. Tars within whose name is `opened` are listed as folders of that name."""
    listing = Listing(root=root)
    if root.is_dir():
        _list_folder(listing, opened)
    else:
        _list_tar(listing, root, opened)
    return listing


def _list_folder(listing: Listing, opened: Callable[[str], bool]) -> None:
    for entry in walk(listing.root):
        name = printable(entry.name)
        if entry.kind == "folder":
            listing.folders += [] if entry.hidden else [name]
            continue
        file = File(name, entry.path, -1, entry.size, entry.reached)
        if entry.hidden:
            listing.leave(file, HIDDEN)
        elif entry.kind == "linked folder":
            listing.folders.append(name)
            listing.leave(file, LINKED)
        elif entry.kind != "file":
            listing.others.append((file, BROKEN if entry.kind == "broken link" else SPECIAL))
        elif not os.access(entry.path, os.R_OK):
            listing.others.append((file, UNREADABLE))
        elif opened(name):
            listing.leave(file, OPENED)
            listing.folders.append(name[:-4])
            _list_tar(listing, Path(entry.path), opened, f"{name[:-4]}/", "in a tar")
        else:
            _take(listing, file)


def _take(listing: Listing, file: File) -> None:
    """A picture is what is named as one, which then must be one, and what begins as one, whatever its name."""
    suffix = PurePosixPath(file.name).suffix.lower()
    if suffix in SUFFIXES or (suffix not in RAW and format_of(file.read(HEAD))):
        listing.pictures.append(file)
    else:
        listing.others.append((file, NO_PICTURE))


def _list_tar(
    listing: Listing, archive: Path, opened: Callable[[str], bool], prefix: str = "", reached: Reached = "directly"
) -> None:
    """Members of a tar where they lie, in the order of their names, and those of tars within it."""
    before = len(listing.pictures)
    with open(archive, "rb") as file:
        _list_members(listing, archives.Span(file, archive), opened, prefix, reached)
    listing.pictures[before:] = sorted(listing.pictures[before:], key=lambda picture: picture.name.split("/"))


def _list_members(listing: Listing, span: archives.Span, opened: Callable[[str], bool], prefix: str, reached: Reached) -> None:
    for member in archives.listed(span):
        name = printable(prefix + member.name)
        hidden = any(map(is_hidden, name.split("/")))
        through: Reached = "through a link" if member.behind else reached
        file = File(name, str(span.archive), member.offset, member.size, through)
        if member.kind in ("folder", "linked folder"):
            listing.folders += [] if hidden else [name]
            if member.kind == "linked folder":
                listing.leave(file, LINKED)
        elif hidden:
            listing.leave(file, HIDDEN)
        elif member.kind == "special":
            listing.others.append((file, SPECIAL))
        elif opened(name):
            listing.leave(file, OPENED)
            listing.folders.append(name[:-4])
            inner = archives.Span(span.file, span.archive, name, member.offset, member.offset + member.size)
            _list_members(listing, inner, opened, f"{name[:-4]}/", "in a tar")
        else:
            _take(listing, file)
