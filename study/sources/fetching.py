"""Raw files: found or fetched, and verified before they have their names.

The environment variable STUDY_DATA is the one setting: a directory where raw files lie, or a mirror, the address
(https:// or http://) under which files have their own names. Files are looked for in that directory, then in
data/raw/<source>/, and what is missing is fetched into the latter. Where they were found is no part of any result.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, urljoin, urlparse

import requests
import urllib3
from tqdm import tqdm

from study import storage

RAW = Path("data/raw")
VARIABLE = "STUDY_DATA"
RETRIES = 5
WAIT = 0.5  # seconds before the first retry, doubled before each further one
TIMEOUT = (10, 60)  # seconds for the connection, and for any one piece
PIECE = 2**16
OFFICIAL_ONE = "move it elsewhere and run again, or put the official file in its place"


@dataclass(frozen=True, kw_only=True, slots=True)
class RawFile:
    """A file as its publisher has it. `known_hash` is `md5:...` or `sha256:...`."""

    name: str
    url: str
    known_hash: str


def places(source: str) -> list[Path]:
    """The directories that are looked in for a source's raw files, in this order."""
    return _places(RAW / source)


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
        raise ValueError(f"{path} has the {algorithm} {found}, expected {expected}; {OFFICIAL_ONE}")
    storage.write_bytes(note, text.encode())
    return path


def content_hash(path: Path, kept: Path) -> str:
    """SHA-256 of a file; a note in `kept` saves hashing it again as long as it keeps its place, size and time."""
    note, text = _note(path, "sha256", kept)
    known = note.read_text(encoding="utf-8").split("\n") if note.exists() else []
    if known[:1] == [text] and len(known) == 2:
        return known[1]
    found = storage.sha256(path)
    storage.write_bytes(note, f"{text}\n{found}".encode())
    return found


def _note(path: Path, known_hash: str, kept: Path) -> tuple[Path, str]:
    """Where it is noted that a file was verified, and what the note then says."""
    stat = path.stat()
    says = {"file": str(path.resolve()), "size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "hash": known_hash}
    return kept / f".{path.name}.verified.json", json.dumps(says)  # ASCII, whatever the name


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
    storage.write_bytes(note, text.encode())
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
