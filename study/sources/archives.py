"""Archives read with care: regular files alone, nothing outside of the folder, members and sizes capped while reading."""

from __future__ import annotations

import lzma
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

MOST = 2_000_000  # members of an archive; ImageNet has 1.3 million pictures
LARGEST = 2**28  # bytes of a member
NAME = 2**20  # bytes of a long name in a tar
TARS = (tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError)
ZIPS = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, UnicodeDecodeError)


class _Header(tarfile.TarInfo):
    """A tar's header. tarfile takes a damaged one for the end of the archive, and reads long names whole."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Header:
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as problem:
            raise tarfile.ReadError(f"cut short or damaged, {problem}") from problem
        if header.size < 0 or (header.type in (b"L", b"K", b"x", b"g", b"X") and header.size > NAME):
            raise tarfile.ReadError(f"a name of {header.size} bytes")
        return header


@dataclass(kw_only=True, slots=True)
class _Gate:
    """Which members of an archive are read. Called with the facts of each before its content is; raises ValueError."""

    archive: Path
    wanted: Callable[[str], bool]
    most: int
    largest: int
    total: int

    def __call__(self, name: str, regular: bool, size: int) -> bool:
        self.most -= 1
        if self.most < 0:
            self._refuse("has more members than the set can have")
        if not self.wanted(_plain(name)):
            return False
        path = PureWindowsPath(name)  # knows both separators, and drives
        if path.drive or path.root or ".." in path.parts or not path.parts or "\0" in name:
            self._refuse(f"holds {name!r}, which lies outside of the folder that it is unpacked into")
        if not regular:
            self._refuse(f"holds {name!r}, which is no regular file")
        self.total -= size
        if size > self.largest or self.total < 0:
            self._refuse(f"unpacks to more than the set can have, at {name!r} of {size} bytes")
        return True

    def _refuse(self, what: str) -> None:
        raise ValueError(f"{self.archive} {what}; delete it and get it anew from its publisher")


def _plain(name: str) -> str:
    return PureWindowsPath(name).as_posix()


def _tar(archive: Path, gate: _Gate) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(archive, tarinfo=_Header) as tar:
        while (info := tar.next()) is not None:
            if not info.isdir() and gate(info.name, info.isreg(), info.size):
                yield _plain(info.name), tar.extractfile(info).read()  # type: ignore[union-attr]
            tar.members.clear()  # type: ignore[attr-defined]  # a million of them would take gigabytes
        tar.fileobj.read(NAME)  # to the end, where a compressed archive has its checksum


def _zip(archive: Path, gate: _Gate) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(archive) as zipped:
        for info in zipped.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)  # 0 where the archive was not made on Unix
            # Other methods can blow up in memory a thousandfold before their size is known.
            usual = info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
            if not info.is_dir() and gate(info.filename, kind in (0, stat.S_IFREG) and usual, info.file_size):
                with zipped.open(info) as file:
                    yield _plain(info.filename), file.read(info.file_size + 1)


def members(
    archive: Path, wanted: Callable[[str], bool], *, most: int = MOST, largest: int = LARGEST, total: int | None = None
) -> Iterator[tuple[str, bytes]]:
    """Name and content of each wanted regular file of a tar (any compression) or zip, in its order, one at a time.

    Raises ValueError where a wanted member is a link, a device or outside, or the archive is broken or too much: `most`
    members, `largest` bytes a member and `total` in all, which is a hundred times the archive if it is not given.
    """
    try:
        with open(archive, "rb") as file:
            zipped = file.read(4) in (b"PK\3\4", b"PK\5\6")
        allowed = LARGEST + 100 * archive.stat().st_size if total is None else total
        gate = _Gate(archive=archive, wanted=wanted, most=most, largest=largest, total=allowed)
        yield from (_zip if zipped else _tar)(archive, gate)
    except (*TARS, *ZIPS) as problem:
        reason = (str(problem) or type(problem).__name__).splitlines()[0].rstrip(":")
        raise ValueError(f"{archive} cannot be read as an archive ({reason}); delete it and run again") from problem


def unpack(
    archive: Path,
    folder: Path,
    wanted: Callable[[str], bool] = lambda name: True,
    *,
    most: int = MOST,
    largest: int = LARGEST,
    total: int | None = None,
) -> Path:
    """The members (see there) as files under `folder`, which has its name only when it is whole and is then left as it is."""
    if folder.is_dir():
        return folder
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        for name, content in members(archive, wanted, most=most, largest=largest, total=total):
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            (partial / name).write_bytes(content)
        return partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial)
        raise
