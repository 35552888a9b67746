"""Photographs as files: in folders, or as members of tar archives that stay as they are. Listed once, read one by one.

    <root>/train/<class>/...      <root>/val/<class>/...      and, where there is one, <root>/test/<class>/...

`root` is a folder or an uncompressed tar. A flat `val` with a list of labels (Tiny-ImageNet's val_annotations.txt) will do.
Pictures are packed in an order drawn once and for all, so that the first part of a set is a sample of it.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from study.sources.items import Item

SUFFIXES = (".jpeg", ".jpg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
LABELS = "val_annotations.txt"  # of a flat validation folder: file name, class, separated by tabs
WORDS = "words.txt"  # class, its words


@dataclass(frozen=True, slots=True)
class File:
    """A file in a folder, or a member of a tar: `offset` and `size` in bytes within `path` (-1: the whole file)."""

    name: str  # relative to the root, with slashes
    path: str
    offset: int = 0
    size: int = -1

    def read(self) -> bytes:
        with open(self.path, "rb") as file:
            file.seek(self.offset)
            return file.read(self.size)


@dataclass(frozen=True, slots=True)
class Section:
    """Some photographs with their labels: what a worker receives."""

    files: Sequence[File]
    labels: Sequence[int]

    def __iter__(self) -> Iterator[Item]:
        for file, label in zip(self.files, self.labels, strict=True):
            yield Item(file.name, file.read(), label)


@dataclass(frozen=True)
class Photographs:
    """A source of listed photographs. `splits`: by split, pairs of a file and its class (a directory's name)."""

    title: str
    about: Mapping[str, Any]  # of the receipt: which data set, with which settings
    classes: tuple[str, ...]
    splits: Mapping[str, Sequence[tuple[File, str]]]
    words: Mapping[str, str]

    @cached_property
    def labels(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.classes)}

    @property
    def counts(self) -> dict[str, int]:
        return {split: len(pairs) for split, pairs in self.splits.items()}

    def part(self, split: str, start: int, stop: int) -> Section:
        pairs = self.splits[split][start:stop]
        return Section([file for file, _ in pairs], [self.labels[name] for _, name in pairs])

    def receipt(self) -> dict[str, Any]:
        """Names and sizes of all files, as one hash; their contents are in the packed set's."""
        listed = hashlib.sha256()
        for split, pairs in self.splits.items():
            for file, name in pairs:
                listed.update(f"{split}\t{name}\t{file.name}\t{_size(file)}\n".encode())
        named = [self.words.get(name, name) for name in self.classes]
        told = {"title": self.title, "synthetic": False, "class_names": named, "pictures": self.counts}
        return {**self.about, **told, "listing_sha256": listed.hexdigest()}


def _size(file: File) -> int:
    return Path(file.path).stat().st_size if file.size < 0 else file.size


def list_folder(root: Path) -> list[File]:
    """All pictures under a folder, sorted by name. Links are followed, as data sets are often linked in."""
    found = (path for path in sorted(root.rglob("*")) if path.suffix.lower() in SUFFIXES or path.name in (LABELS, WORDS))
    return [File(path.relative_to(root).as_posix(), str(path)) for path in found if path.is_file()]


def list_tar(archive: Path) -> list[File]:
    """All pictures in an uncompressed tar, sorted by name, tars within it included: nothing is unpacked."""
    try:
        with tarfile.open(archive, "r:") as tar:
            return sorted(_members(tar, archive, ""), key=lambda file: file.name)
    except tarfile.TarError as problem:
        raise ValueError(f"{archive} is no uncompressed tar ({problem}); unpack it, or fetch it again") from None


def _members(tar: tarfile.TarFile, archive: Path, prefix: str) -> Iterator[File]:
    """`prefix`: the class, for a tar within (n01440764.tar); its members' places count from the beginning of the outer file."""
    for member in tar:
        name = PurePosixPath(member.name)
        if not member.isfile() or ".." in name.parts:
            continue
        if name.suffix == ".tar" and not prefix:
            with open(archive, "rb") as file:
                file.seek(member.offset_data)
                with tarfile.open(fileobj=file, mode="r:") as inner:
                    yield from _members(inner, archive, f"{name.stem}/")
        elif name.suffix.lower() in SUFFIXES or name.name in (LABELS, WORDS):
            yield File(prefix + name.as_posix().removeprefix("./"), str(archive), member.offset_data, member.size)


def below(listed: Iterable[File]) -> tuple[dict[str, list[File]], dict[str, File]]:
    """The listed pictures by their first directory (train, val, test), and the lists of labels and words by name.

    Directories that hold everything, as an archive's own, are passed over.
    """
    pictures, lists = [], {}
    for file in listed:
        name = PurePosixPath(file.name).name
        if name in (LABELS, WORDS):
            lists[name] = file
        else:
            pictures.append(file)
    depth = _depth_of_train(pictures)
    splits: dict[str, list[File]] = {}
    for file in pictures:
        parts = PurePosixPath(file.name).parts[depth:]
        if len(parts) > 1:
            splits.setdefault(parts[0], []).append(File("/".join(parts), file.path, file.offset, file.size))
    return splits, lists


def _depth_of_train(pictures: Sequence[File]) -> int:
    for file in pictures:
        parts = PurePosixPath(file.name).parts
        if "train" in parts[:-2]:
            return parts.index("train")
    return 0


def with_classes(pictures: Iterable[File], labels: Mapping[str, str] | None = None) -> list[tuple[File, str]]:
    """Each picture's class: from a list of labels by file name, or the directory below its split's."""
    pairs = []
    for file in pictures:
        parts = PurePosixPath(file.name).parts
        name = labels.get(parts[-1]) if labels else parts[1] if len(parts) > 2 else None
        if name is not None:
            pairs.append((file, name))
    return pairs


def drawn(pairs: Sequence[tuple[File, str]], split: str) -> list[tuple[File, str]]:
    """In an order that depends on the split's name and their number alone."""
    seed = int.from_bytes(hashlib.sha256(f"order of {split}".encode()).digest()[:8], "big")
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(pairs))
    return [pairs[i] for i in order]


def photographs(
    title: str,
    about: Any,
    splits: Mapping[str, Sequence[tuple[File, str]]],
    only: Sequence[str] = (),
    words: Mapping[str, str] | None = None,
    held_out: int = 0,
) -> Photographs:
    """Keep the chosen classes (all if `only` is empty), draw the order, and refuse what cannot be a study.

    `held_out`: so many training pictures become the validation set, which steers the learning rate.
    """
    known = sorted({name for _, name in splits["train"]})
    if missing := [name for name in only if name not in known]:
        raise ValueError(f"classes names {missing[0]!r}, which has no training pictures; there are {', '.join(known[:8])}, ...")
    classes = tuple(only) if only else tuple(known)
    chosen = set(classes)
    kept = {split: drawn([pair for pair in pairs if pair[1] in chosen], split) for split, pairs in splits.items()}
    if held_out:
        if held_out >= len(kept["train"]) // 2:
            raise ValueError(
                f"validation is {held_out}, taken from {len(kept['train']):,} training pictures; choose less than half"
            )
        kept["validation"], kept["train"] = kept["train"][-held_out:], kept["train"][:-held_out]
    for split in ("train", "validation", "test"):
        if not kept.get(split):
            raise ValueError(f"{title} has no pictures for {split}; look at README.md, 'Your own pictures', for the layout")
    if len(classes) < 2:
        raise ValueError(f"{title} has {len(classes)} class; a study needs two or more")
    return Photographs(title, asdict(about), classes, {s: kept[s] for s in ("train", "validation", "test")}, words or {})
