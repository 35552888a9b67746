"""Raw files from a server that fails in the ways servers fail, and archives that mean harm."""

import hashlib
import io
import os
import stat
import struct
import subprocess
import sys
import tarfile
import threading
import time
import tracemalloc
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import requests

from study.sources import fetching
from study.sources.archives import members, unpack
from study.sources.fetching import VARIABLE, RawFile, find_or_fetch, places

CONTENT = np.random.default_rng(0).bytes(300_000)
MD5 = f"md5:{hashlib.md5(CONTENT).hexdigest()}"
NAME = "pictures.bin"


class Server(ThreadingHTTPServer):
    """Answers each request with the next word of `script`, then well; `asked` has the path and range of each."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.script: list[str] = []
        self.asked: list[tuple[str, str | None]] = []
        self.ranges = True
        self.url = f"http://127.0.0.1:{self.server_port}/"


class Answer(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.asked.append((self.path, wanted))
        fault = self.server.script.pop(0) if self.server.script else "well"
        if fault.isdigit():
            return self.say(int(fault), {}, b"")
        if fault.startswith("http"):
            return self.say(302, {"Location": fault}, b"")
        content = {"wrong bytes": CONTENT[:-1] + b"x", "wrong size": CONTENT[:-1]}.get(fault, CONTENT)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.server.ranges else 0
        headers = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if start else {}
        headers |= {"Content-Encoding": "gzip"} if fault == "said to be gzip" else {}
        return self.say(206 if start else 200, headers, content[start:], cut=fault == "cut")

    def say(self, status: int, headers: dict[str, str], content: bytes, cut: bool = False) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if cut else content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(fetching, "WAIT", 0.001)
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def fetch(server: Server, kept: Path, known_hash: str = MD5) -> Path:
    return find_or_fetch("Pictures", RawFile(name=NAME, url=server.url + NAME, known_hash=known_hash), kept)


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("known_hash", [MD5, f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"])
def test_a_missing_file_is_fetched_once(server: Server, tmp_path: Path, known_hash: str) -> None:
    path = fetch(server, tmp_path / "raw", known_hash)
    assert path == tmp_path / "raw" / NAME and path.read_bytes() == CONTENT
    assert fetch(server, tmp_path / "raw", known_hash) == path
    assert server.asked == [(f"/{NAME}", None)]
    assert left_in(tmp_path / "raw") == [f".{NAME}.verified.json", NAME]


def test_a_cut_connection_goes_on_where_it_was_cut(server: Server, tmp_path: Path) -> None:
    server.script = ["cut", "cut"]
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    starts = [int(wanted.removeprefix("bytes=").rstrip("-")) for _, wanted in server.asked[1:] if wanted]
    assert len(starts) == 2 and 0 < starts[0] < starts[1] < len(CONTENT)


def test_a_cut_connection_starts_again_where_the_server_has_no_ranges(server: Server, tmp_path: Path) -> None:
    server.script, server.ranges = ["cut"], False
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert len(server.asked) == 2


def test_a_range_that_cannot_be_had_starts_again(server: Server, tmp_path: Path) -> None:
    server.script = ["cut", "416"]
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert [wanted is None for _, wanted in server.asked] == [True, False, True]


def test_three_failures_of_the_server_are_waited_out(server: Server, tmp_path: Path) -> None:
    server.script = ["500", "503", "500"]
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert len(server.asked) == 4


def test_a_server_that_hangs_is_asked_again(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    say, hangs, over = Answer.say, iter([True]), threading.Event()
    monkeypatch.setattr(Answer, "say", lambda *args, **more: over.wait(5) if next(hangs, False) else say(*args, **more))
    monkeypatch.setattr(fetching, "TIMEOUT", (5, 0.1))
    started = time.monotonic()
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    over.set()
    assert len(server.asked) == 2 and time.monotonic() - started < 4


@pytest.mark.parametrize(
    ("script", "reason", "requests_made"),
    [
        (["wrong bytes"], f"does not match the known hash: expected {MD5} but got", 1),
        (["wrong size"], f"does not match the known hash: expected {MD5} but got", 1),
        (["404"], "the server answers 404", 1),
        (["500"] * 6, "the server answers 500", 6),
    ],
)
def test_what_cannot_be_fetched_leaves_nothing_behind(
    server: Server, tmp_path: Path, script: list[str], reason: str, requests_made: int
) -> None:
    server.script = script
    with pytest.raises(ValueError) as refusal:
        fetch(server, tmp_path)
    said = str(refusal.value)
    assert said.startswith(f"Pictures: {NAME} is not in {tmp_path} and could not be fetched from {server.url}{NAME} (")
    assert reason in said and said.endswith(f"; put {NAME} into a directory and set STUDY_DATA to it")
    assert len(server.asked) == requests_made and left_in(tmp_path) == []


def test_bytes_are_taken_as_they_lie_on_the_server(server: Server, tmp_path: Path) -> None:
    server.script = ["said to be gzip"]
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert len(server.asked) == 1


def test_a_server_that_is_not_there_is_named(tmp_path: Path, server: Server) -> None:
    server.url = "http://127.0.0.1:9/"
    with pytest.raises(ValueError, match=r"http://127.0.0.1:9/pictures.bin \(ConnectionError\); put"):
        fetch(server, tmp_path)


def test_a_redirect_is_followed(server: Server, tmp_path: Path) -> None:
    server.script = [f"{server.url}elsewhere"]
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert [path for path, _ in server.asked] == [f"/{NAME}", "/elsewhere"]


def _redirect(url: str, location: str) -> requests.Response:
    answer = requests.Response()
    answer.status_code, answer.url, answer.headers["location"] = 302, url, location
    return answer


def test_no_redirect_leads_from_https_to_http() -> None:
    with fetching._Session() as session:
        for there in ("/b", "//two.org/b", "https://two.org/b", "HTTPS://two.org/b"):
            assert session.get_redirect_target(_redirect("https://one.org/a", there)) == there
        assert session.get_redirect_target(_redirect("http://one.org/a", "http://two.org/b")) == "http://two.org/b"
        for there in ("http://two.org/b", "HTTP://two.org/b", "ftp://two.org/b"):
            with pytest.raises(ValueError, match="redirects from https to"):
                session.get_redirect_target(_redirect("https://one.org/a", there))


def test_a_redirect_to_http_is_refused_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = []

    def send(self: object, request: requests.PreparedRequest, **more: object) -> requests.Response:
        sent.append(request.url)
        answer = _redirect(str(request.url), "http://one.org/b")
        answer.request, answer.raw = request, io.BytesIO()
        return answer

    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send)
    with pytest.raises(
        ValueError, match=r"https://one.org/a redirects from https to http://one.org/b, .*; put .* set STUDY_DATA"
    ):
        find_or_fetch("Pictures", RawFile(name=NAME, url="https://one.org/a", known_hash=MD5), tmp_path)
    assert sent == ["https://one.org/a"] and left_in(tmp_path) == []


def test_a_mirror_has_files_under_their_own_names(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, server.url + "mirrored/")
    monkeypatch.setattr(fetching, "RAW", tmp_path)
    path = find_or_fetch("Pictures", RawFile(name="a #b.bin", url="https://one.org/other", known_hash=MD5), tmp_path / "set")
    assert path == tmp_path / "set" / "a #b.bin" and server.asked == [("/mirrored/a%20%23b.bin", None)]
    assert places("set") == [tmp_path / "set"]


def test_my_own_file_is_taken_where_it_lies(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, kept = tmp_path / "mine", tmp_path / "raw" / "set"
    mine.mkdir()
    (mine / NAME).write_bytes(CONTENT)
    monkeypatch.setenv(VARIABLE, str(mine))
    monkeypatch.setattr(fetching, "RAW", tmp_path / "raw")
    assert fetch(server, kept) == mine / NAME and places("set") == [mine, kept]
    assert server.asked == [] and left_in(mine) == [NAME] and left_in(kept) == [f".{NAME}.verified.json"]


def test_a_verified_file_is_not_hashed_again(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = []
    digest = hashlib.file_digest
    monkeypatch.setattr(fetching.hashlib, "file_digest", lambda file, how: hashed.append(file.name) or digest(file, how))
    (tmp_path / NAME).write_bytes(CONTENT)
    fetch(server, tmp_path)
    fetch(server, tmp_path)
    assert len(hashed) == 1
    os.utime(tmp_path / NAME, ns=(1, 1))
    fetch(server, tmp_path)
    assert len(hashed) == 2, "another time, so it is hashed again"
    with pytest.raises(ValueError, match="expected " + "0" * 32):
        fetch(server, tmp_path, "md5:" + "0" * 32)
    assert server.asked == []


def test_a_file_that_changed_is_refused_and_kept(server: Server, tmp_path: Path) -> None:
    path = fetch(server, tmp_path)
    path.write_bytes(CONTENT[:-1] + b"x")
    os.utime(path, ns=(2, 2))
    found = hashlib.md5(path.read_bytes()).hexdigest()
    with pytest.raises(ValueError) as refusal:
        fetch(server, tmp_path)
    remedy = "move it elsewhere and run again, or put the official file in its place"
    assert str(refusal.value) == f"{path} has the md5 {found}, expected {MD5[4:]}; {remedy}"
    assert path.exists() and len(server.asked) == 1


Entry = tuple[str, bytes | str]  # a name, and content or the kind of another thing
LINKS = {"symlink": tarfile.SYMTYPE, "hardlink": tarfile.LNKTYPE, "device": tarfile.CHRTYPE, "fifo": tarfile.FIFOTYPE}
GOOD: list[Entry] = [("set/a.bin", b"first"), ("set/deep/b.bin", b"second" * 1000), ("set/empty", b"")]


def tarred(path: Path, entries: list[Entry]) -> Path:
    with tarfile.open(path, "w:" + path.suffix[1:].replace("tar", "")) as tar:
        for name, content in entries:
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = LINKS[content], "../../outside"
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return path


def zipped(path: Path, entries: list[Entry], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.mkdir("set")
        for name, content in entries:
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            if isinstance(content, str):
                info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, content)
    return path


def refused(archive: Path, match: str, **caps: int) -> None:
    """`archive` is refused in one sentence with a remedy, and nothing of it stays."""
    before = sorted(archive.parent.parent.rglob("*"))
    with pytest.raises(ValueError, match=match) as refusal:
        unpack(archive, archive.parent / "out", **caps)
    assert "\n" not in str(refusal.value) and str(archive) in str(refusal.value)
    assert str(refusal.value).endswith("; get it anew, or unpack it yourself and name the folder"), "it may be one's only copy"
    assert sorted(archive.parent.parent.rglob("*")) == before


@pytest.mark.parametrize("kind", ["tar", "gz", "bz2", "xz", "zip"])
def test_an_archive_is_unpacked_whole_or_read_by_member(tmp_path: Path, kind: str) -> None:
    archive = (zipped if kind == "zip" else tarred)(tmp_path / f"a.{kind}", GOOD)
    folder = unpack(archive, tmp_path / "out")
    assert {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()} == dict(GOOD)
    assert left_in(tmp_path) == [archive.name, "out"]
    assert list(members(archive, lambda name: name.endswith(".bin"))) == GOOD[:2]
    unpack(archive, tmp_path / "some", lambda name: name == "set/a.bin")
    assert [path.name for path in (tmp_path / "some").rglob("*") if path.is_file()] == ["a.bin"]


EVIL = ["../evil", "set/../../evil", "/evil", "//server/share/evil", "C:\\evil", "C:evil", "..\\evil"]


@pytest.mark.parametrize("make", [tarred, zipped])
@pytest.mark.parametrize("name", EVIL)
def test_nothing_is_written_outside(tmp_path: Path, make, name: str) -> None:
    (tmp_path / "inside").mkdir()
    archive = make(tmp_path / "inside" / f"a.{'zip' if make is zipped else 'tar'}", [*GOOD, (name, b"evil")])
    refused(archive, "lies outside of the folder")
    assert [name for name, _ in members(archive, lambda name: name.startswith("set/a"))] == ["set/a.bin"], "if it is not wanted"


@pytest.mark.parametrize("thing", [*LINKS, "zipped symlink"])
def test_only_regular_files_and_links_inside_are_unpacked(tmp_path: Path, thing: str) -> None:
    (tmp_path / "inside").mkdir()
    entry: Entry = ("set/thing", thing.removeprefix("zipped "))
    archive = (zipped if thing.startswith("zipped") else tarred)(tmp_path / "inside" / "a.gz", [*GOOD, entry])
    refused(archive, "'set/thing', " + ("a link to '.*', which is not in it" if "link" in thing else "which is no regular file"))
    assert len(list(members(archive, lambda name: name != "set/thing"))) == 3
    with pytest.raises(ValueError, match="'set/thing', which is no regular file"):
        list(members(archive, lambda name: True))


@pytest.mark.parametrize("make", [tarred, zipped])
def test_a_bomb_of_zeros_fills_neither_memory_nor_disk(tmp_path: Path, make) -> None:
    (tmp_path / "inside").mkdir()
    archive = make(tmp_path / "inside" / "a.gz", [("set/a", b"a"), ("set/bomb", bytes(2**25))])
    assert archive.stat().st_size < 2**16
    tracemalloc.start()
    refused(archive, "unpacks to more than the set can have, at 'set/bomb' of 33554432 bytes", largest=2**20)
    refused(archive, "unpacks to more than the set can have", total=2**20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**22
    assert unpack(archive, tmp_path / "out").is_dir(), "within the caps it is no bomb"


def test_a_zip_that_lies_about_a_size_fills_no_memory(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    archive = zipped(tmp_path / "inside" / "a.zip", [("bomb", bytes(2**25))])
    archive.write_bytes(archive.read_bytes().replace(struct.pack("<L", 2**25), struct.pack("<L", 100)))
    tracemalloc.start()
    refused(archive, "cannot be read as an archive .*CRC")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**22


def test_a_zip_of_a_method_that_blows_up_is_refused(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    refused(zipped(tmp_path / "inside" / "a.zip", GOOD, zipfile.ZIP_LZMA), "compressed by a method that is not read here")


def test_a_long_name_of_zeros_fills_no_memory(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    archive = tmp_path / "inside" / "a.gz"
    with tarfile.open(archive, "w:gz") as tar:
        info = tarfile.TarInfo("name")
        info.type, info.size = tarfile.XHDTYPE, 2**25
        tar.addfile(info, io.BytesIO(bytes(2**25)))
    tracemalloc.start()
    refused(archive, "cannot be read as an archive")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**22


@pytest.mark.parametrize("make", [tarred, zipped])
def test_too_many_members_are_refused(tmp_path: Path, make) -> None:
    (tmp_path / "inside").mkdir()
    archive = make(tmp_path / "inside" / "a.gz", GOOD)
    refused(archive, "has more members", most=2)
    assert unpack(archive, tmp_path / "out", most=3).is_dir()


@pytest.mark.parametrize("kind", ["tar", "gz", "bz2", "xz", "zip"])
def test_an_archive_cut_anywhere_is_refused(tmp_path: Path, kind: str) -> None:
    (tmp_path / "inside").mkdir()
    noise: list[Entry] = [("set/noise", CONTENT[:3000]), ("set/more", CONTENT[3000:4000])]
    whole = (zipped if kind == "zip" else tarred)(tmp_path / "inside" / f"a.{kind}", noise)
    content = whole.read_bytes()
    for end in (0, 3, 100, 512, 1500, 3584, 3600, 4096, 5120):
        if end < min(len(content), 5632):  # an uncompressed tar has all there is before its padding
            whole.write_bytes(content[:end])
            refused(whole, "cannot be read as an archive")


def test_a_changed_byte_is_noticed_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    archive = tarred(tmp_path / "inside" / "a.gz", GOOD)
    content = bytearray(archive.read_bytes())
    content[-6] ^= 1  # of the checksum of all
    archive.write_bytes(content)
    refused(archive, "cannot be read as an archive .*CRC")


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "page.tar").write_bytes(b"<html>sign in first</html>" * 100)
    refused(tmp_path / "inside" / "page.tar", "cannot be read as an archive")


KILLED = """
import os, sys
from pathlib import Path
from study.sources.archives import unpack
unpack(Path("a.gz"), Path("out"), lambda name: os._exit(9) if name == "set/deep/b.bin" else True)
"""


def test_an_extraction_that_was_killed_is_done_again(tmp_path: Path) -> None:
    archive = tarred(tmp_path / "a.gz", GOOD)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    assert subprocess.run([sys.executable, "-c", KILLED], cwd=tmp_path, env=environment).returncode == 9
    assert left_in(tmp_path) == [".out.partial", "a.gz"]
    (tmp_path / ".out.partial" / "stale").touch()
    folder = unpack(archive, tmp_path / "out")
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()) == sorted(dict(GOOD))
    assert left_in(tmp_path) == ["a.gz", "out"]


def test_what_is_unpacked_stays_as_it_is(tmp_path: Path) -> None:
    archive = tarred(tmp_path / "a.gz", GOOD)
    mark = unpack(archive, tmp_path / "out") / "mark"
    mark.touch()
    archive.unlink()
    assert unpack(archive, tmp_path / "out") == tmp_path / "out" and mark.exists()
