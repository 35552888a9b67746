"""Archives read with care: nothing outside of the folder, members and sizes capped while reading, links resolved inside.

A tar that is damaged or cut short is refused with the place, which tarfile alone takes for its end; one that was joined from
several is read to the end of the last.
"""

from __future__ import annotations

import errno
import lzma
import os
import shutil
import stat
import struct
import tarfile
import textwrap
import zipfile
import zlib
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PureWindowsPath
from typing import BinaryIO, Literal

MOST = 2_000_000  # members of an archive; ImageNet has 1.3 million pictures
LARGEST = 2**28  # bytes of a member
NAME = 2**20  # bytes of a long name in a tar
BLOCK = 512  # bytes; two blocks of zeros end a tar
RECORD = 20 * BLOCK  # tars are padded to this, so that the next one begins there where some are joined
HOPS = 40  # links that one may lead through, as in Linux
TARS = (tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError)
ZIPS = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, UnicodeDecodeError)
ANEW = "get it anew, or unpack it yourself and name the folder"
NOT_BOTH = (errno.EISDIR, errno.ENOTDIR, errno.EEXIST)
NO_NAMES = (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL)
EXTENSIONS = (b"L", b"K", b"x", b"g", b"X")  # types of headers that say more about the next member


class _Header(tarfile.TarInfo):
    """A tar's header. tarfile takes a damaged one for the end of the archive, and reads long names whole."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Header:
        try:
            header = super().frombuf(buf, encoding, errors)
        except (tarfile.EOFHeaderError, tarfile.EmptyHeaderError):  # type: ignore[attr-defined]  # zeros, and the file's end
            raise
        except tarfile.HeaderError as problem:
            raise tarfile.ReadError(f"cut short or damaged, {problem}") from problem
        if header.size < 0 or (header.type in EXTENSIONS and header.size > NAME):
            raise tarfile.ReadError(f"a name of {header.size} bytes")
        return header

    def _proc_pax(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        """The member that follows, which begins with its headers, a global one too: git archive writes the commit into one."""
        member = super()._proc_pax(tar)  # type: ignore[misc]
        member.offset = self.offset
        return member


def _infos(tar: tarfile.TarFile, start: int) -> Iterator[tarfile.TarInfo]:
    """The members one at a time, none kept. Raises ReadError with the byte where what follows is damaged or missing."""
    end, last = start, "the beginning"
    while True:
        try:
            info = tar.next()
        except (*TARS, ValueError) as problem:
            raise tarfile.ReadError(f"{_reason(problem)}, at byte {end:,} after {last}") from problem
        if info is None:
            break
        gap = info.offset - end
        if gap and gap not in (2 * BLOCK, _padding(end - start)):
            raise tarfile.ReadError(f"nothing but zeros from byte {end:,} to {info.offset:,}, after {last}")
        start = info.offset if gap else start  # of several joined ones the next
        end, last = tar.offset, repr(info.name)
        tar.members.clear()  # type: ignore[attr-defined]  # a million of them would take gigabytes
        yield info
    tail = tar.fileobj.tell() - end
    if tail < BLOCK:
        raise tarfile.ReadError(f"cut short, without the mark of its end at byte {end:,}, after {last}")
    if tail > _padding(end - start):  # as of a file that was allotted, and of which not everything came
        raise tarfile.ReadError(f"nothing but zeros in the last {tail:,} bytes, after {last}")


def _padding(size: int) -> int:
    """Bytes of zeros after the members of a tar, if these are `size` bytes: the mark of the end, then up to a whole record."""
    return -(size + 2 * BLOCK) // RECORD * -RECORD - size


def _reason(problem: BaseException) -> str:
    """In a few words: some of the libraries' texts go on for pages, or hold bytes of the file."""
    return textwrap.shorten((str(problem) or type(problem).__name__).splitlines()[0].rstrip(":"), 160, placeholder=" ...")


@dataclass(frozen=True, slots=True)
class Span:
    """A tar within an open file: all of it, or a member that is a tar, of the given name, from `start` to `stop`."""

    file: BinaryIO
    archive: Path
    name: str = ""
    start: int = 0
    stop: int = -1


class _Window:
    """Of a file the bytes up to `stop`, at their own places."""

    def __init__(self, span: Span) -> None:
        self.file, self.stop = span.file, span.stop if span.stop >= 0 else os.fstat(span.file.fileno()).st_size
        self.seek(span.start)

    def tell(self) -> int:
        return self.at

    def seek(self, at: int, whence: int = os.SEEK_SET) -> int:
        assert whence == os.SEEK_SET
        self.at = at
        return at

    def read(self, size: int) -> bytes:
        self.file.seek(self.at)
        content = self.file.read(max(0, min(size, self.stop - self.at)))
        self.at += len(content)
        return content


@dataclass(frozen=True, slots=True)
class Member:
    """Of a tar: `offset` and `size` are those of its content in the archive's file. `behind`: it is there by a linked folder."""

    name: str
    kind: Literal["file", "folder", "linked folder", "special"]
    offset: int = -1
    size: int = 0
    behind: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """`target` counts from the archive's root where the link is a hard one, otherwise from the folder that the link is in."""

    target: str
    hard: bool


def listed(span: Span) -> list[Member]:
    """The members of an uncompressed tar, links to others as what they lead to. Where a name is twice, the later one counts.

    Raises ValueError where the tar is damaged, or a link leads to nothing in it.
    """
    found: dict[str, Member] = {}
    links: dict[str, Link] = {}
    try:
        with tarfile.open(fileobj=_Window(span), mode="r:", tarinfo=_Header, ignore_zeros=True) as tar:  # type: ignore[call-overload]
            for info in _infos(tar, span.start):
                name = _within(span, info.name)
                found.pop(name, None), links.pop(name, None)
                if info.islnk() or info.issym():
                    links[name] = Link(info.linkname, info.islnk())
                elif info.issparse():
                    raise ValueError(f"{_called(span)} holds {name!r} in sparse form; make it anew without --sparse")
                elif name:
                    kind: Literal["file", "folder", "special"] = (
                        "file" if info.isreg() else "folder" if info.isdir() else "special"
                    )
                    found[name] = Member(name, kind, info.offset_data, info.size)
    except TARS as problem:
        raise ValueError(f"{_called(span)} cannot be read as an archive ({_reason(problem)}); {ANEW}") from problem
    return [*found.values(), *_followed(span, found, links)] if links else list(found.values())


def _called(span: Span) -> str:
    return f"{span.archive}, in it {span.name}," if span.name else str(span.archive)


def _within(span: Span, name: str) -> str:
    """A member's name without what says that it is below the root."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ValueError(f"{_called(span)} holds {name!r}, which lies outside of the folder that it is unpacked into; {ANEW}")
    return "/".join(parts)


def _followed(span: Span, found: Mapping[str, Member], links: Mapping[str, Link]) -> Iterator[Member]:
    """What the links of a tar lead to, under the links' names: files, and folders with all that is in them."""
    names = sorted([*found, *links])

    def below(folder: str) -> list[str]:
        return names[bisect_left(names, f"{folder}/") : bisect_left(names, f"{folder}0")]  # "0" follows "/"

    def lead(name: str, link: str, above: tuple[str, ...]) -> Iterator[Member]:
        target = resolved(link, links) or ""
        if target in found and found[target].kind != "folder":
            yield replace(found[target], name=name, behind=bool(above))
            return
        if not target or not (target in found or below(target)):
            raise ValueError(
                f"{_called(span)} holds {link!r}, a link to {links[link].target!r}, which is not in it; make it anew with the "
                f"files in place of links (tar --dereference)"
            )
        if f"{link}/".startswith(f"{target}/") or target in above:
            raise ValueError(f"{_called(span)} holds {link!r}, a link that leads in a circle; {ANEW}")
        yield Member(name, "linked folder", behind=bool(above))
        for inner in below(target):
            called = name + inner[len(target) :]
            if inner in links:
                yield from lead(called, inner, (*above, target))
            else:
                yield replace(found[inner], name=called, behind=True)

    for link in links:
        yield from lead(link, link, ())


def resolved(name: str, links: Mapping[str, Link]) -> str | None:
    """Where a path leads to by the links of an archive; None where that is outside of it, or a circle."""
    todo, done, hops = name.split("/")[::-1], list[str](), 0
    while todo:
        part = todo.pop()
        if part == "..":
            if not done:
                return None
            done.pop()
        elif part not in ("", "."):
            done.append(part)
        link = links.get("/".join(done)) if part not in ("", ".", "..") else None
        if link is not None:
            hops += 1
            if hops > HOPS or PureWindowsPath(link.target).drive or (link.target.startswith("/") and not link.hard):
                return None
            done = [] if link.hard else done[:-1]
            todo += link.target.split("/")[::-1]
    return "/".join(done)


@dataclass(kw_only=True, slots=True)
class _Gate:
    """Which members of an archive are read. Called with the facts of each before its content is; raises ValueError."""

    archive: Path
    wanted: Callable[[str], bool]
    most: int
    largest: int
    total: int
    links: bool  # whether they are taken

    def __call__(self, name: str, kind: Literal["file", "link", "other"], size: int) -> bool:
        self.most -= 1
        if self.most < 0:
            self.refuse("has more members than the set can have")
        if not self.wanted(_plain(name)):
            return False
        path = PureWindowsPath(name)  # knows both separators, and drives
        if path.drive or path.root or ".." in path.parts or not path.parts or "\0" in name:
            self.refuse(f"holds {name!r}, which lies outside of the folder that it is unpacked into")
        if kind == "other" or (kind == "link" and not self.links):
            self.refuse(f"holds {name!r}, which is no regular file")
        self.total -= size
        if size > self.largest or self.total < 0:
            self.refuse(f"unpacks to more than the set can have, at {name!r} of {size} bytes")
        return True

    def refuse(self, what: str) -> None:
        raise ValueError(f"{self.archive} {what}; {ANEW}")


def _plain(name: str) -> str:
    return PureWindowsPath(name).as_posix()


Content = bytes | Link


def _tar(archive: Path, gate: _Gate) -> Iterator[tuple[str, Content]]:
    with tarfile.open(archive, tarinfo=_Header, ignore_zeros=True) as tar:
        for info in _infos(tar, 0):
            linked = info.islnk() or info.issym()
            if info.isdir() or not gate(info.name, "link" if linked else "file" if info.isreg() else "other", info.size):
                continue
            yield _plain(info.name), Link(info.linkname, info.islnk()) if linked else tar.extractfile(info).read()  # type: ignore[union-attr]


def _zip(archive: Path, gate: _Gate) -> Iterator[tuple[str, Content]]:
    with zipfile.ZipFile(archive) as zipped:
        for info in zipped.infolist():
            unix = stat.S_IFMT(info.external_attr >> 16)  # 0 where the archive was not made on Unix
            kind: Literal["file", "link", "other"] = (
                "file" if unix in (0, stat.S_IFREG) else "link" if unix == stat.S_IFLNK else "other"
            )
            if info.is_dir() and info.file_size:
                gate.refuse(f"holds {info.filename!r}, which is damaged: a folder of {info.file_size:,} bytes")
            if info.is_dir() or not gate(info.filename, kind, info.file_size):
                continue
            if info.flag_bits & 1:
                gate.refuse(f"holds {info.filename!r}, which is encrypted")
            # Other methods can blow up in memory a thousandfold before their size is known.
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                gate.refuse(f"holds {info.filename!r}, compressed by a method that is not read here")
            with zipped.open(info) as file:
                content = file.read(info.file_size + 1)
            yield _plain(info.filename), Link(content.decode(), False) if kind == "link" else content


def is_zip(archive: Path) -> bool:
    with open(archive, "rb") as file:
        return file.read(4) in (b"PK\3\4", b"PK\5\6", b"PK\7\x08")


def is_compressed(archive: Path) -> bool:
    """Whether a tar is compressed, by gzip, bzip2 or xz: its members do not lie in the file as they are."""
    with open(archive, "rb") as file:
        return file.read(6).startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0"))


def _contents(
    archive: Path, wanted: Callable[[str], bool], most: int, largest: int, total: int | None, links: bool
) -> Iterator[tuple[str, Content]]:
    try:
        allowed = LARGEST + 100 * archive.stat().st_size if total is None else total
        gate = _Gate(archive=archive, wanted=wanted, most=most, largest=largest, total=allowed, links=links)
        yield from (_zip if is_zip(archive) else _tar)(archive, gate)
    except (*TARS, *ZIPS) as problem:
        raise ValueError(f"{archive} cannot be read as an archive ({_reason(problem)}); {ANEW}") from problem


def members(
    archive: Path, wanted: Callable[[str], bool], *, most: int = MOST, largest: int = LARGEST, total: int | None = None
) -> Iterator[tuple[str, bytes]]:
    """Name and content of each wanted regular file of a tar (any compression) or zip, in its order, one at a time.

    Raises ValueError where a wanted member is a link, a device or outside, or the archive is broken or too much: `most`
    members, `largest` bytes a member and `total` in all, which is a hundred times the archive if it is not given.
    """
    for name, content in _contents(archive, wanted, most, largest, total, links=False):
        assert isinstance(content, bytes)
        yield name, content


def unpack(
    archive: Path,
    folder: Path,
    wanted: Callable[[str], bool] = lambda name: True,
    *,
    most: int = MOST,
    largest: int = LARGEST,
    total: int | None = None,
) -> Path:
    """The members (see there) as files under `folder`, which has its name only when it is whole and is then left as it is.

    Links lead to what they name inside of the archive. Raises ValueError naming a link that does not.
    """
    if folder.is_dir():
        return folder
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        links: dict[str, Link] = {}
        for name, content in _contents(archive, wanted, most, largest, total, links=True):
            if isinstance(content, Link):
                links[name] = content
            else:
                with _named(archive, name):
                    (partial / name).parent.mkdir(parents=True, exist_ok=True)
                    (partial / name).write_bytes(content)
        for name in links:
            with _named(archive, name):
                _link(archive, partial, name, links)
        return partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial)
        raise


@contextmanager
def _named(archive: Path, name: str) -> Iterator[None]:
    """A member that cannot have its name here is the archive's fault, and not that of the folder it is unpacked into."""
    try:
        yield
    except OSError as problem:
        if problem.errno in NOT_BOTH:
            raise ValueError(f"{archive} holds {name!r} as a file and as a folder, which cannot both be; {ANEW}") from problem
        if problem.errno in NO_NAMES:
            raise ValueError(f"{archive} holds {name[:80]!r}, a name that this disk does not take; {ANEW}") from problem
        raise


def _link(archive: Path, folder: Path, name: str, links: Mapping[str, Link]) -> None:
    """Made when all files are there, straight to where it leads: so nothing is written through a link."""
    target = resolved(name, links)
    if target is None or not (folder / target).exists():
        raise ValueError(f"{archive} holds {name!r}, a link to {links[name].target!r}, which is not in it; {ANEW}")
    if f"{name}/".startswith(f"{target}/"):
        raise ValueError(f"{archive} holds {name!r}, a link that leads in a circle; {ANEW}")
    place = folder / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)  # the later one of two of the same name counts
    if links[name].hard:
        shutil.copyfile(folder / target, place)
    else:
        place.symlink_to(os.path.relpath(folder / target, place.parent), (folder / target).is_dir())
