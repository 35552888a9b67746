"""A pinned study travels over a remote of every kind, tried on loopback: one writes, many read, data sets stay at home."""

import gc
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dashboard import judged, reading
from stages import remotes, verify
from stages.settings import read_params
from study import dvc_objects, storage
from study.judging.verdicts import WITHHELD
from tests import servers
from tests.project import ENVIRONMENT, ROOT, dvc, run
from tests.test_chain import in_folder
from tests.test_dashboard import drawn, opened, told

# DVC leaves the clients of its HTTP remotes to the garbage collector, which says so whenever it comes by.
pytestmark = pytest.mark.filterwarnings("ignore:Unclosed c:ResourceWarning")

WEIGHTS = "results/miniature/train/base/seed-1/weights.safetensors"


@pytest.fixture(autouse=True)
def clients_collected() -> Iterator[None]:
    """They are collected here, and not during a test of another file."""
    yield
    gc.collect()


@dataclass(kw_only=True)
class Remote:
    """A remote of one kind: its address and settings for who writes and for who reads, and how it is asked what it holds."""

    address: str
    writes: dict[str, str] = field(default_factory=dict)
    reads: dict[str, str] = field(default_factory=dict)
    read_at: str = ""  # where that is another address than that which is written to
    holds: Callable[[], set[str]]
    refusal: str  # what DVC says to a reader who pushes


def set_up(folder: Path, name: str, address: str, settings: dict[str, str]) -> None:
    """As docs/sharing.md says: the address where all can see it, what is secret where Git does not look."""
    dvc("remote", "add", "-f", name, address, cwd=folder)
    dvc("remote", "modify", name, "verify", "true", cwd=folder)
    for key, value in settings.items():
        dvc("remote", "modify", "--local", name, key, value, cwd=folder)


def names_in(paths: list[str]) -> set[str]:
    """The MD5s of objects from their paths, `files/md5/ab/cdef...`."""
    return {"".join(path.split("/")[-2:]) for path in paths}


def in_directory(folder: Path) -> set[str]:
    return names_in([path.as_posix() for path in folder.rglob("*") if path.is_file()])


def listed(address: str) -> list[str]:
    """Every file below an address, from the pages on which a server lists its folders."""
    found = re.findall(r'href="([^"/]+/?)"', servers.read(f"{address}/").decode())
    return [f for one in found for f in (listed(f"{address}/{one[:-1]}") if one.endswith("/") else [f"{address}/{one}"])]


@pytest.fixture(params=["directory", "ssh", "http", "https", "s3"])
def remote(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Remote]:
    store = tmp_path / "store"
    with ExitStack() as stack:
        if request.param == "directory":
            yield Remote(address=str(store), holds=lambda: in_directory(store), refusal="Permission denied")
        elif request.param == "ssh":
            ssh = stack.enter_context(servers.ssh_server(tmp_path / "ssh"))
            yield Remote(
                address=ssh.address(store),
                writes={"keyfile": str(ssh.writer)},
                reads={"keyfile": str(ssh.reader)},
                holds=lambda: names_in(ssh.ask("find", str(store), "-type", "f")),
                refusal="Permission denied",
            )
        elif request.param == "s3":
            s3 = stack.enter_context(servers.s3_server())
            both = [
                {"endpointurl": s3.address, "access_key_id": key, "secret_access_key": secret, "region": "us-east-1"}
                for key, secret in (s3.writer, s3.reader)
            ]
            yield Remote(
                address=f"s3://{s3.bucket}/study",
                writes=both[0],
                reads=both[1],
                holds=lambda: names_in(s3.held()),
                refusal="AccessDenied",
            )
        else:
            signed = servers.certificate(tmp_path / "tls") if request.param == "https" else None
            store.mkdir()
            address = stack.enter_context(servers.http_server(store, signed))
            if signed:
                monkeypatch.setattr(servers, "TRUSTED", str(signed[0]))
            yield Remote(
                address=str(store),
                read_at=address,
                reads={"ssl_verify": str(signed[0])} if signed else {},
                holds=lambda: names_in(listed(address)),
                refusal="405",
            )


def every_object(project: Path) -> set[str]:
    """The MD5 of every file and folder that DVC keeps of the study."""
    outs = dvc_objects.outs_of(read_params(project / "dvc.lock"), "miniature")
    folders = [one for one in outs if one.md5.endswith(dvc_objects.FOLDER)]
    inside = [
        dvc_objects.files_in(one, dvc_objects.in_cache(project / ".dvc/cache", one.md5).read_bytes(), {}, "miniature")
        for one in folders
    ]
    return {one.md5 for one in (*outs, *(file for files in inside for file in files))}


def cloned(project: Path, folder: Path) -> Path:
    run("git", "clone", "-q", str(project), str(folder), cwd=project)
    return folder


@pytest.mark.slow
def test_pushed_pulled_verified_and_shown(kept: Path, remote: Remote, tmp_path: Path) -> None:
    writer, reader = cloned(kept, tmp_path / "writer"), cloned(kept, tmp_path / "reader")
    shutil.rmtree(writer / ".dvc/cache", ignore_errors=True)
    shutil.copytree(kept / ".dvc/cache", writer / ".dvc/cache", symlinks=True)
    set_up(writer, "lab", remote.address, remote.writes)
    assert "files pushed" in dvc("push", "-r", "lab", cwd=writer).stdout

    # Data sets never leave: the remote holds what DVC keeps of results, each of it, and nothing else.
    held, pictures = remote.holds(), [path for path in (kept / "data").rglob("*") if path.is_file()]
    assert held == every_object(kept)
    assert len(pictures) > 4 and not held & {hashlib.md5(path.read_bytes()).hexdigest() for path in pictures}

    set_up(reader, "lab", remote.read_at or remote.address, remote.reads)
    assert "added" in dvc("pull", "-r", "lab", cwd=reader).stdout
    assert (reader / WEIGHTS).read_bytes() == (kept / WEIGHTS).read_bytes() and not (reader / "data").exists()
    with in_folder(reader):
        found = verify.verification("kept")
        verify.verify_hashes(found, "lab", False)
        assert found.broken == []
        shown = {study.address: judged.claims(study) for study in reading.studies(Path())}
        assert set(shown) == {"pinned/kept", "results/miniature"}
        for address, claims in shown.items():
            assert not (claims["verdict"] == WITHHELD).any()
            page = opened("claims", study=address, claim="response-normalisation")
            assert "Response normalisation lowers the error" in page.header[0].value and "cannot be read" not in told(page)
            assert "Response normalisation lowers the error" in drawn(page)
            assert "Test picture" in told(opened("sees", study=address))

    # A byte that changed in the remote is found by who reads and mended by who writes.
    right = (kept / WEIGHTS).read_bytes()
    (tmp_path / "damaged").write_bytes(bytes([right[0] ^ 1]) + right[1:])
    with in_folder(writer), remotes.opened() as project:
        remotes.remote(project, "lab").write(tmp_path / "damaged", hashlib.md5(right).hexdigest())
    found_by_reader = broken_in(reader)
    assert len(found_by_reader) == 1 and f"{WEIGHTS} is damaged in the remote lab" in found_by_reader[0]
    assert broken_in(writer, mend=True) == [] and broken_in(reader) == []

    # A reader cannot write, is told so, and nothing is there that was not before.
    (reader / "note.txt").write_text("mine")
    dvc("add", "note.txt", cwd=reader)
    refused = push_as_reader(reader, Path(remote.address) if remote.address.startswith("/") and not remote.read_at else None)
    assert refused.returncode != 0 and remote.refusal in refused.stderr, refused.stderr
    assert remote.holds() == held

    # What is secret is in no file that Git would take.
    for clone in (writer, reader):
        taken = run("git", "add", "-A", "--dry-run", cwd=clone).stdout + run("git", "ls-files", cwd=clone).stdout
        assert "config.local" not in taken
        for secret in ({**remote.writes, **remote.reads}).values():
            assert secret not in (clone / ".dvc/config").read_text()


def broken_in(clone: Path, mend: bool = False) -> list[str]:
    """What `stages.verify --remote lab` finds there."""
    with in_folder(clone):
        found = verify.verification("kept")
        verify.verify_hashes(found, "lab", mend)
    return found.broken


def push_as_reader(reader: Path, directory: Path | None) -> subprocess.CompletedProcess[str]:
    """`dvc push`; to a directory as somebody who may only read it, which root is only without root's rights."""
    if directory is None or os.geteuid() != 0:
        for path in [directory, *directory.rglob("*")] if directory else []:
            path.chmod(path.stat().st_mode & ~0o222)
        return dvc("push", "-r", "lab", "note.txt.dvc", cwd=reader, check=False)
    without_rights = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"]
    for path in [directory, *directory.rglob("*")]:
        path.chmod(path.stat().st_mode & ~0o222)
    return run(*without_rights, sys.executable, "-m", "dvc", "push", "-r", "lab", "note.txt.dvc", cwd=reader, check=False)


# Interrupted


@pytest.mark.slow
def test_a_push_and_a_pull_that_were_killed_are_taken_up(kept: Path, remote: Remote, tmp_path: Path) -> None:
    writer, reader, whole = cloned(kept, tmp_path / "writer"), cloned(kept, tmp_path / "reader"), every_object(kept)
    shutil.copytree(kept / ".dvc/cache", writer / ".dvc/cache", symlinks=True)
    set_up(writer, "lab", remote.address, remote.writes)
    set_up(reader, "lab", remote.read_at or remote.address, remote.reads)
    store, cache = tmp_path / "store", reader / ".dvc/cache"
    killed(writer, "push", lambda: remote.holds() if remote.address.startswith("s3") else in_directory(store), whole, store)
    assert any("the remote lab lacks" in one for one in broken_in(writer))
    dvc("push", "-r", "lab", cwd=writer)
    assert remote.holds() >= whole
    killed(reader, "pull", lambda: in_directory(cache / "files"), whole, cache)
    dvc("pull", "-r", "lab", cwd=reader)
    assert broken_in(reader) == [] and (reader / WEIGHTS).read_bytes() == (kept / WEIGHTS).read_bytes()


def killed(clone: Path, what: str, there: Callable[[], set[str]], whole: set[str], place: Path) -> None:
    """`dvc push` or `dvc pull`, killed when a few objects have arrived; begun anew in an empty `place` where it ended before."""
    for _ in range(8):
        command = [sys.executable, "-m", "dvc", what, "-j", "1", "-r", "lab"]
        running = subprocess.Popen(command, cwd=clone, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while running.poll() is None and len(there()) < 3:
            time.sleep(0.002)
        running.send_signal(signal.SIGKILL)
        running.wait()
        if (arrived := there() & whole) and arrived != whole:
            return
        for child in place.iterdir() if place.is_dir() else ():
            shutil.rmtree(child)
    raise AssertionError(f"no {what} was killed midway")


class EndsMidway(servers.OnlyReads):
    """After so many objects a connection ends in the middle of one, until `mended`."""

    left, mended = 12, False

    def do_GET(self) -> None:  # noqa: N802
        kind = type(self)
        kind.left -= 1
        path = Path(self.translate_path(self.path))
        if kind.mended or kind.left > 0 or not path.is_file():
            return super().do_GET()
        content = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2])
        self.close_connection = True
        return None


@pytest.mark.slow
def test_a_pull_whose_connection_ends_is_taken_up(kept: Path, tmp_path: Path) -> None:
    """What is cut off is not taken for whole, and the next pull brings what is lacking."""
    reader = cloned(kept, tmp_path / "reader")
    EndsMidway.left, EndsMidway.mended = 12, False
    with servers.http_server(kept.with_name("lab"), handler=EndsMidway) as address:
        set_up(reader, "lab", address, {"read_timeout": "5"})
        failed = dvc("pull", "-j", "1", "-r", "lab", cwd=reader, check=False)
        assert failed.returncode != 0
        EndsMidway.mended = True
        dvc("pull", "-r", "lab", cwd=reader)
    with in_folder(reader):
        found = verify.verification("kept")
        verify.verify_hashes(found, None, False)
    assert found.broken == [] and (reader / WEIGHTS).read_bytes() == (kept / WEIGHTS).read_bytes()


# Taken from others


def test_what_differs_between_two_protocols_is_named(tmp_path: Path) -> None:
    told = {"block": {"seeds": 5, "smallest_effect": 0.01}, "family": {"alpha": 0.03}, "sha256": "a"}
    code = {**told, "sha256": "b"}
    fewer = {**told, "block": {"seeds": 3, "smallest_effect": 0.01}, "sha256": "c"}
    one, other, old = (reading.Study(folder=tmp_path / name, pinned=True) for name in ("one", "other", "old"))
    storage.write_json(one.folder / "judge/protocol.json", {"same": told, "code": told, "fewer": told, "mine": told})
    storage.write_json(other.folder / "judge/protocol.json", {"same": told, "code": code, "fewer": fewer, "theirs": told})
    assert judged.tested_otherwise(one, other) == {
        "code": "the code that measures or tests it, or the paper's number",
        "fewer": "seeds: 5 and 3",
    }
    assert judged.tested_otherwise(one, old) is None


@pytest.mark.slow
def test_anothers_pin_stands_beside_ours_and_a_revision_beside_today(kept: Path, tmp_path: Path) -> None:
    """Imported from another repository, with its commit and its own verdicts, and a word that its protocol is another."""
    ours = cloned(kept, tmp_path / "ours")
    protocol = ours / "protocol.yaml"
    protocol.write_text(protocol.read_text().replace("sketch: {smallest_effect: 0.05}", "sketch: {smallest_effect: 0.001}"))
    (ours / "pinned/kept/README.md").write_text("A revision later.")
    run("git", "commit", "-qam", "another protocol", cwd=ours)
    dvc("import", str(kept), "pinned/kept", "-o", "pinned/theirs", cwd=ours)
    dvc("get", ".", "pinned/kept", "--rev", "HEAD~1", "-o", "pinned/before", cwd=ours)
    assert run("git", "rev-parse", "HEAD", cwd=ours).stdout != run("git", "rev-parse", "HEAD", cwd=kept).stdout
    commit = run("git", "rev-parse", "HEAD", cwd=kept).stdout[:7]
    with in_folder(ours):
        for name in ("theirs", "before"):
            found = verify.verification(name)
            verify.verify_hashes(found, None, False)
            assert found.broken == []
        by_name = {study.address: study for study in reading.studies(Path())}
        theirs = by_name["pinned/theirs"]
        assert reading.origin(theirs) == f"{kept} at {commit}" and reading.origin(by_name["pinned/before"]) == ""
        assert judged.claims(theirs)["verdict"].tolist() == judged.claims(by_name["pinned/before"])["verdict"].tolist()
        assert not (judged.claims(theirs)["verdict"] == WITHHELD).any() and judged.another_protocol(theirs)
        page = opened("compare", a="pinned/theirs", b="pinned/before")
        said = told(page).replace("\\", "")
    assert f"Taken from {kept} at {commit}. Its claims were tested by another protocol.yaml than the one here" in said
    assert "Of 81 claims 0 have another verdict" in said


# What is in Git

SECRET = re.compile(
    r"\b(access_key_id|secret_access_key|session_token|password|sas_token|connection_string|account_key)[\"']?\s*[=:]\s*[\"']?\w"
    r"|BEGIN [A-Z ]*PRIVATE KEY|\b(AKIA|ASIA)[A-Z0-9]{16}\b|://[^/\s:@]+:[^/\s:@]+@"
)


@pytest.mark.parametrize(
    "line",
    ["  secret_access_key = abc", "password: hunter2", '"session_token": "x"', "url = ssh://me:word@host/place",
     "AKIA" + 16 * "A", "-----BEGIN OPENSSH PRIVATE KEY-----"],
)  # fmt: skip
def test_a_credential_would_be_found(line: str) -> None:
    assert SECRET.search(line) and not SECRET.search("The password is asked for; url = ssh://me@host:22/place")


def test_no_credential_is_in_git() -> None:
    names = run("git", "ls-files", cwd=ROOT).stdout.splitlines()
    assert ".dvc/.gitignore" in names and "/config.local" in (ROOT / ".dvc/.gitignore").read_text().splitlines()
    assert not [name for name in names if Path(name).name in ("config.local", "credentials", ".netrc", "id_rsa", "id_ed25519")]
    read = [name for name in names if name != "tests/test_sharing.py" and (ROOT / name).is_file()]  # which has such lines above
    assert [name for name in read if SECRET.search((ROOT / name).read_text(encoding="utf-8", errors="replace"))] == []


def trusting(config: str) -> list[str]:
    """The sections of a .dvc/config whose remote is taken at its word."""
    sections = re.findall(r"^\[(.*remote.*)\]\n((?:[^\[].*\n)*)", config, re.MULTILINE)
    return [name for name, section in sections if not re.search(r"^\s*verify = true$", section, re.MULTILINE)]


def test_every_remote_of_the_project_verifies_what_it_hands_out() -> None:
    assert trusting((ROOT / ".dvc/config").read_text()) == []
    config = "['remote \"a\"']\n    url = x\n    verify = true\n['remote \"b\"']\n    url = y\n[core]\n    verify = true\n"
    assert trusting(config) == ["'remote \"b\"'"]


def test_the_page_on_sharing_names_what_was_tried() -> None:
    """Every setting of a remote on the page is one that the tests above set, and every option is one that there is."""
    page, here = (ROOT / "docs/sharing.md").read_text(), Path(__file__).read_text()
    settings = re.findall(r"(?:--local|modify) lab (\w+)", page)
    assert len(set(settings)) >= 5 and [name for name in settings if f'"{name}"' not in here] == []
    options = set(re.findall(r"stages\.verify my-study.*?(--\w+)(?: \w+)?(?: +(--\w+))?", page))
    told = run(sys.executable, "-m", "stages.verify", "--help", cwd=ROOT).stdout
    assert options and all(option in told for pair in options for option in pair if option)
    said = ("Permission denied", "405", "AccessDenied")
    assert all(f"`{word}`" in page and f'refusal="{word}"' in here for word in said)


def test_the_extras_are_of_the_version_of_dvc_that_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (pinned,) = project["dependency-groups"]["pipeline"]
    version = pinned.removeprefix("dvc")
    assert project["project"]["optional-dependencies"] == {kind: [f"dvc[{kind}]{version}"] for kind in ("ssh", "s3")}
