"""Raw files: found or fetched, verified, and their archives read with care.

The environment variable STUDY_DATA is the one setting: a directory where raw files lie, or a mirror, the address
(https:// or http://) under which files have their own names. Files are looked for in that directory, then in
data/raw/<source>/, and what is missing is fetched into the latter. Where they were found is no part of any result.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import os
import shutil
import stat
import struct
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PureWindowsPath
from typing import Any, BinaryIO
from urllib.parse import quote, urljoin, urlparse

import requests
import urllib3
from tqdm import tqdm

from study import files

VARIABLE = "STUDY_DATA"
RETRIES = 5
WAIT = 0.5  # seconds before the first retry, doubled before each further one
TIMEOUT = (10, 60)  # seconds for the connection, and for any one piece
PIECE = 2**16

MOST = 2_000_000  # members of an archive; ImageNet has 1.3 million pictures
LARGEST = 2**28  # bytes of a member
NAME = 2**20  # bytes of a long name in a tar
TARS = (tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError)
ZIPS = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, UnicodeDecodeError)


@dataclass(frozen=True, kw_only=True, slots=True)
class RawFile:
    """A file as its publisher has it. `known_hash` is `md5:...` or `sha256:...`."""

    name: str
    url: str
    known_hash: str


def places(source: str) -> list[Path]:
    """The directories that are looked in for a source's raw files, in this order."""
    return _places(files.RAW / source)


def _places(kept: Path) -> list[Path]:
    named = os.environ.get(VARIABLE, "")
    return [Path(named), kept] if named and not _mirror() else [kept]


def _mirror() -> str | None:
    named = os.environ.get(VARIABLE, "")
    return named.rstrip("/") if named.lower().startswith(("https://", "http://")) else None


def find_or_fetch(title: str, raw: RawFile, kept: Path) -> Path:
    """The verified file, fetched into `kept` if no place has it. Raises ValueError with the remedy."""
    for place in _places(kept):
        if (place / raw.name).is_file():
            return verified(place / raw.name, raw.known_hash, kept)
    return _fetch(title, raw, kept)


def verified(path: Path, known_hash: str, kept: Path) -> Path:
    """`path`, if its hash is right. A note in `kept` saves hashing it again as long as it keeps its size and time."""
    note, text = _note(path, known_hash, kept)
    if note.exists() and note.read_text(encoding="utf-8") == text:
        return path
    algorithm, _, expected = known_hash.partition(":")
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, partial(hashlib.new, algorithm, usedforsecurity=False)).hexdigest()
    if found != expected:
        raise ValueError(f"{path} has the {algorithm} {found}, expected {expected}; delete it and run again")
    files.write_bytes(note, text.encode())
    return path


def _note(path: Path, known_hash: str, kept: Path) -> tuple[Path, str]:
    """Where it is noted that a file was verified, and what the note then says."""
    stat = path.stat()
    says = {"file": str(path.resolve()), "size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "hash": known_hash}
    return kept / f".{path.name}.verified.json", json.dumps(says)


def _fetch(title: str, raw: RawFile, kept: Path) -> Path:
    import pooch

    mirror = _mirror()
    url = f"{mirror}/{quote(raw.name)}" if mirror else raw.url
    try:
        pooch.retrieve(url, raw.known_hash, raw.name, kept, downloader=_download)
    except (OSError, urllib3.exceptions.HTTPError, ValueError) as problem:
        raise ValueError(
            f"{title}: {raw.name} is not in {' or '.join(str(place) for place in _places(kept))} and could not be fetched "
            f"from {url} ({_reason(problem)}); put {raw.name} into a directory and set {VARIABLE} to it"
        ) from problem
    note, text = _note(kept / raw.name, raw.known_hash, kept)  # pooch has compared the hash
    files.write_bytes(note, text.encode())
    return kept / raw.name


def _reason(problem: Exception) -> str:
    """What went wrong in few words: the libraries' own texts name the address twice and give advice of their own."""
    if _status(problem):
        return f"the server answers {_status(problem)}"
    if isinstance(problem, ValueError) and not isinstance(problem, requests.RequestException):
        return str(problem).partition(". ")[0]
    return getattr(problem, "strerror", None) or type(problem).__name__


class _Session(requests.Session):
    """Follows redirects, but never from https down to http."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        target = super().get_redirect_target(resp)
        if target and resp.url.lower().startswith("https:") and urlparse(urljoin(resp.url, target)).scheme != "https":
            raise ValueError(f"{resp.url} redirects from https to {target}, which anybody on the way could change")
        return target


def _download(url: str, output_file: str, pooch: object) -> None:
    """What pooch calls to fetch a file; it has made the empty `output_file` and compares the hash afterwards."""
    bar = tqdm(desc=url.rpartition("/")[2], unit="B", unit_scale=True, disable=None)  # None: on a terminal only
    with _Session() as session, open(output_file, "wb") as file, bar:
        for wait in [*(WAIT * 2**retry for retry in range(RETRIES)), None]:
            try:
                _go_on(session, url, file, bar)
                break
            except (requests.RequestException, urllib3.exceptions.HTTPError) as problem:
                if wait is None or not _may_pass(problem):
                    raise
                time.sleep(wait)


def _go_on(session: requests.Session, url: str, file: BinaryIO, bar: Any) -> None:
    """Fetch what `file` lacks: from where a cut connection left it if the server can do that, otherwise all of it."""
    have = file.tell()
    # Bytes as they lie on the server: a range has a meaning for these alone, and so has the hash.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with session.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
        if answer.status_code in (200, 416):
            have = file.seek(0)
            file.truncate()
        answer.raise_for_status()
        length = answer.headers.get("Content-Length")
        bar.n, bar.total = have, have + int(length) if length else None
        for piece in answer.raw.stream(PIECE, decode_content=False):
            file.write(piece)
            bar.update(len(piece))


def _may_pass(problem: Exception) -> bool:
    """Whether it is worth trying again."""
    if status := _status(problem):
        return status >= 500 or status in (408, 416, 429)
    return isinstance(problem, (requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError))


def _status(problem: Exception) -> int:
    """The status that a server refused with; 0 if that is not what went wrong."""
    return problem.response.status_code if isinstance(problem, requests.HTTPError) and problem.response is not None else 0


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
