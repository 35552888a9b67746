"""Packing on a disk that becomes full: one sentence with the remedy, nothing that looks finished, and then the same bytes."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import parent_process
from pathlib import Path
from typing import Any

import pytest

from study import storage
from study.data import packing
from study.data.packed import read_index
from study.data.packing import PackingSettings, pack
from study.sources.items import Item, Part
from tests.ilsvrc_shaped import photograph

PACKING = PackingSettings(size=64, shard=4, rejects=1)
CONTENTS = {0: photograph(0, 0, mode="L"), 5: b"no picture"}  # one to be reported in the first shard, one in the second
UNSHARE = shutil.which("unshare")
ALONE = [UNSHARE or "", "--user", "--map-root-user", "--mount"]  # in which anybody may mount a disk of his own


@dataclass(frozen=True)
class Faulty:
    """A source of 14 photographs; before a worker reads the second shard, `fault` befalls it."""

    fault: Callable[[], Any] | None = None
    classes: tuple[str, ...] = ("one", "other")

    @property
    def counts(self) -> dict[str, int]:
        return {"train": 10, "validation": 2, "test": 2}

    def part(self, split: str, start: int, stop: int) -> Part:
        return Part(self.load, split, start, stop)

    def load(self, split: str, start: int, stop: int) -> Iterator[Item]:
        if self.fault is not None and (split, start) == ("train", PACKING.shard) and parent_process() is not None:
            self.fault()
        for number in range(start, stop):
            content = CONTENTS.get(number) if split == "train" else None
            yield Item(f"{split}/{number}.JPEG", content or photograph(number, number % 2), number % 2)

    def receipt(self) -> dict[str, Any]:
        return {"title": "faulty"}


class Here:
    """Stands for the pool of workers: the same work in this process."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __enter__(self) -> Here:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def map(self, work: Callable[..., Any], names: Iterable[str], parts: Iterable[Part]) -> Iterator[Any]:
        return map(work, names, parts)


class HalfWritten(io.FileIO):
    """A file on a disk that becomes full in the middle of it."""

    def write(self, content: Any) -> int:
        super().write(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class Disk:
    """Stands for `open`: from the file of the given number on, every file is only half written."""

    def __init__(self, room: int) -> None:
        self.room, self.written = room, 0

    def __call__(self, path: Path, mode: str, **options: Any) -> Any:
        if mode != "wb":
            return open(path, mode, **options)
        self.written += 1
        return open(path, mode) if self.written <= self.room else HalfWritten(path, mode)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def assert_unfinished(folder: Path, undisturbed: dict[str, bytes]) -> None:
    """No index, no part of a file; what is there beside notes is what an undisturbed packing has there."""
    with pytest.raises(ValueError, match="no packed pictures in"):
        read_index(folder)
    there = contents(folder)
    for name in (name for name in there if not name.startswith(".")):
        assert there[name] == undisturbed[name]
    notes = {f".{name}{kind}" for name in undisturbed for kind in (".json", ".sum.npy")}
    assert there.keys() <= undisturbed.keys() | notes


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("undisturbed")
    index = pack(Faulty(), PACKING, folder, 1, lambda _: None)
    assert index["pictures"] == {"train": 9, "validation": 2, "test": 2}
    assert [row[1] for row in index["report"]] == ["train/0.JPEG", "train/5.JPEG"]
    return contents(folder)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Packing in this process: to start another takes longer than these pictures do."""
    monkeypatch.setattr(packing, "ProcessPoolExecutor", Here)


@pytest.mark.parametrize("content", ["", '{"pictures": {', "[]", "{}"])
def test_a_damaged_index_is_said_and_made_again(content: str, undisturbed: dict[str, bytes], here: None, tmp_path: Path) -> None:
    for name, whole in undisturbed.items():
        (tmp_path / name).write_bytes(whole)
    (tmp_path / "index.json").write_text(content)
    with pytest.raises(ValueError, match="index.json is damaged; make it again with: uv run dvc repro -f prepare"):
        read_index(tmp_path)
    pack(Faulty(), PACKING, tmp_path, 1, lambda _: None)
    assert {name: contents(tmp_path)[name] for name in undisturbed} == undisturbed


def test_a_disk_that_is_full_at_any_file(undisturbed: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "ProcessPoolExecutor", Here)
    monkeypatch.setattr(storage, "open", disk := Disk(1000), raising=False)
    pack(Faulty(), PACKING, tmp_path / "enough", 1, lambda _: None)
    assert disk.written == 3 * 3 + 2 * 2 + 1 + 3 + 2, "shards, sums and notes; the origin; labels; the mean and the index"
    for room in range(disk.written):
        folder = tmp_path / str(room)
        monkeypatch.setattr(storage, "open", Disk(room), raising=False)
        with pytest.raises(OSError, match="No space left on device while packing; make room and run again, finished") as told:
            pack(Faulty(), PACKING, folder, 1, lambda _: None)
        assert "\n" not in str(told.value) and str(folder) in str(told.value)
        assert_unfinished(folder, undisturbed)
        finished = {path: path.stat().st_mtime_ns for path in folder.glob(".*.json")}
        monkeypatch.setattr(storage, "open", again := Disk(1000), raising=False)
        pack(Faulty(), PACKING, folder, 1, lambda _: None)
        assert again.written <= disk.written - 2 * len(finished), "finished shards are kept"
        assert contents(folder) == undisturbed


def forbid_large_files() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_worker_that_may_write_no_large_file(undisturbed: dict[str, bytes], tmp_path: Path, workers: int) -> None:
    """The system itself ends the second shard after 20,000 bytes."""
    pytest.importorskip("resource")
    with pytest.raises(OSError, match="File too large while packing; allow larger files .* smaller, and run again") as told:
        pack(Faulty(forbid_large_files), PACKING, tmp_path, workers, lambda _: None)
    assert told.value.errno == errno.EFBIG
    assert (tmp_path / ".train-00000.npy.json").exists() or workers == 2
    assert not (tmp_path / "train-00001.npy").exists()
    assert_unfinished(tmp_path, undisturbed)
    pack(Faulty(), PACKING, tmp_path, workers, lambda _: None)
    assert contents(tmp_path) == undisturbed


def be_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_that_is_killed(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="a packing process was killed"):
        pack(Faulty(be_killed), PACKING, tmp_path, 1, lambda _: None)


def fill(folder: Path) -> None:
    """Another program takes all the room that is left."""
    with open(folder / "others", "wb", buffering=0) as file:
        while True:
            try:
                file.write(bytes(1024))
            except OSError:
                return


def pack_on_a_disk_that_fills(disk: Path) -> None:
    """Prints what pack says, and the hash of each file when there is room again."""
    packed = disk / "packed"
    try:
        pack(Faulty(partial(fill, disk)), PACKING, packed, 1, lambda _: None)
    except OSError as problem:
        print(problem)
    print(sorted(path.name for path in packed.iterdir()))
    (disk / "others").unlink()
    pack(Faulty(), PACKING, packed, 1, lambda _: None)
    print({path.name: storage.sha256(path) for path in sorted(packed.iterdir())})


def may_mount() -> bool:
    mount = [*ALONE, "mount", "-t", "tmpfs", "none", tempfile.gettempdir()]  # which nobody else sees, and which ends with it
    return UNSHARE is not None and subprocess.run(mount, capture_output=True).returncode == 0


@pytest.mark.skipif(not may_mount(), reason="this system lets nobody but its administrator mount a disk")
def test_a_disk_that_is_really_full(undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    mount = f"mount -t tmpfs -o size=1m none '{tmp_path}'"
    work = f"import pathlib, tests.test_packing_faults as t; t.pack_on_a_disk_that_fills(pathlib.Path({str(tmp_path)!r}))"
    line = [*ALONE, "sh", "-c", f'{mount} && exec "$0" -c "$1"', sys.executable, work]
    done = subprocess.run(line, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True)
    said, there, hashes = done.stdout.splitlines()
    told = "[Errno 28] No space left on device while packing; make room and run again, finished shards are kept: "
    assert said == told + repr(str(tmp_path / "packed"))
    assert there == "['.train-00000.npy.json', '.train-00000.npy.sum.npy', 'train-00000.npy']"
    assert hashes == str({name: hashlib.sha256(content).hexdigest() for name, content in sorted(undisturbed.items())})


def test_what_killed_processes_and_other_settings_left_is_cleared(
    undisturbed: dict[str, bytes], here: None, tmp_path: Path
) -> None:
    """Files half written by a process that could not clear up, and the shards of a packing in smaller ones that did not end."""
    for name in (".train-00000.npy.4711", "..train-00000.npy.json.4711", ".index.json.4711", "train-00003.npy"):
        (tmp_path / name).write_bytes(bytes(100))
    storage.write_json(tmp_path / ".train-00003.npy.json", {"made_from": "other settings", "sha256": "0"})
    pack(Faulty(), PACKING, tmp_path, 1, lambda _: None)
    assert contents(tmp_path) == undisturbed


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        (("train",), "none of the train pictures can be read (train/0.JPEG: not a picture); mend them"),
        (("validation",), "none of the validation pictures can be read (validation/0.JPEG: not a picture); mend them"),
        (("test",), "none of the test pictures can be read (test/0.JPEG: not a picture); mend them"),
        (("train", "test", "validation"), "none of the train pictures can be read (train/0.JPEG: not a picture); mend them"),
    ],
)
def test_a_split_that_cannot_be_read_is_refused(
    bad: tuple[str, ...], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many pictures may be unreadable."""
    monkeypatch.setattr(packing, "ProcessPoolExecutor", Here)
    heic = b"\0\0\0\x18ftypheic" + bytes(50)

    @dataclass(frozen=True)
    class Unreadable(Faulty):
        def load(self, split: str, start: int, stop: int) -> Iterator[Item]:
            for item in Faulty.load(self, split, start, stop):
                yield Item(item.name, heic, item.label) if split in bad else item

    with pytest.raises(ValueError) as told:
        pack(Unreadable(), replace(PACKING, rejects=20), tmp_path, 1, lambda _: None)
    assert str(told.value) == sentence
    with pytest.raises(ValueError, match="no packed pictures in"):
        read_index(tmp_path)


def test_a_class_of_which_nothing_is_left_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "ProcessPoolExecutor", Here)

    @dataclass(frozen=True)
    class OneClass(Faulty):
        def load(self, split: str, start: int, stop: int) -> Iterator[Item]:
            for item in Faulty.load(self, split, start, stop):
                yield Item(item.name, b"" if item.label == 1 and split == "train" else item.content, item.label)

    with pytest.raises(ValueError, match="no training picture of 'other' can be read; mend them, or leave that class out"):
        pack(OneClass(), replace(PACKING, rejects=20), tmp_path, 1, lambda _: None)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As some network disks are: a file stands for the lock, and one that a process left behind is recognised."""
    fcntl = pytest.importorskip("fcntl")

    def flock(file: Any, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    monkeypatch.setattr(packing, "ProcessPoolExecutor", Here)
    pack(Faulty(), PACKING, tmp_path / "packed", 1, lambda _: None)
    lock = tmp_path / "lock"
    refused = pytest.raises(ValueError, match=f"this is being tried by process {os.getpid()}; wait for it, or end it")
    with storage.locked(lock, "this is being tried"), refused, storage.locked(lock, "this is being tried"):
        pass
    with storage.locked(lock, "this is being tried"):
        pass
    left = subprocess.run([sys.executable, "-c", HELD, str(number), str(lock)], cwd=Path(__file__).parents[1])
    assert left.returncode == 9 and [path for path in tmp_path.glob("lock*") if path.stat().st_size]
    with storage.locked(lock, "this is being tried"):
        pass


HELD = """
import fcntl, os, sys
from pathlib import Path
from study import storage
def flock(file, operation):
    raise OSError(int(sys.argv[1]), "")
fcntl.flock = flock
with storage.locked(Path(sys.argv[2]), "this is being tried"):
    os._exit(9)
"""


def test_a_lock_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    with pytest.raises(OSError, match="[Dd]irectory|[Pp]ermission"), storage.locked(tmp_path / "lock", "this is being tried"):
        pass
