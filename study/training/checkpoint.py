"""What outlives a process, beside DVC's outputs: the state of a training that goes on, and the results of one that is done.

    .work/trainings/<identity>/<version>/lock                          taken by the one process that trains it
    .work/trainings/<identity>/<version>/<iteration>-<sha256>.state    weights, velocities and progress, in safetensors
    .work/trainings/<identity>/<version>/files/                        the files that the finished training leaves
    .work/trainings/<identity>/<version>/finished-<sha256>.json        what it returns, and the SHA-256 of those files

The identity is the hash of all that shapes a training but code: settings, pictures, machine, seed. The version is that of the
code that trains and of torch, so that nothing is taken up that other code has made. A file gets its name, which holds its
checksum, when it is whole, and `finished-` is written last: a process may be killed at any moment. Whatever is here saves
time alone; the folder may be removed whenever nothing trains.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from study import storage
from study.training.code import TRAINING_CODE

TRAININGS = "trainings"  # below storage.WORK


def identity(**shaping: Any) -> str:
    """The hash of what shapes a training: settings, pictures, machine, seed. Anything that JSON can write."""
    return _hash(shaping)[:32]


def _hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


class Checkpoints:
    """The saved states and the finished results of one training, in `storage.WORK`.

    `code` identifies the code that trains; `report` takes lines for the log.
    """

    def __init__(self, training: str, code: str = TRAINING_CODE, report: Callable[[str], None] = print) -> None:
        self.version = {"code": code, "torch": torch.__version__}
        self.folder = storage.WORK / TRAININGS / training / _hash(self.version)[:16]
        self.files = self.folder / "files"
        self.report = report

    @contextmanager
    def locked(self) -> Iterator[Checkpoints]:
        """Take the training for this process. Raises ValueError naming the process that has taken it already."""
        with storage.locked(self.folder / "lock", "this run is being trained"):
            yield self

    def save(self, iteration: int, tensors: dict[str, Tensor], progress: dict[str, Any]) -> None:
        """Write a state and drop all but the newest two. Raises OSError with the bytes wanted if the disk is full."""
        content = safetensors.torch.save(tensors, {"progress": json.dumps(progress)} | self.version)
        name = f"{iteration:09d}-{hashlib.sha256(content).hexdigest()}.state"
        try:
            storage.write_bytes(self.folder / name, content)
        except OSError as problem:
            raise OSError(
                problem.errno, f"a checkpoint of {len(content):,} bytes: {problem.strerror}", str(self.folder)
            ) from problem
        for old in self._states()[2:]:
            old.unlink()

    def latest(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """The newest state that is whole, or None. A damaged one is reported and passed over, one of other code reported."""
        for path in self._states():
            content = path.read_bytes()
            if _checksum(path) == hashlib.sha256(content).hexdigest():
                return safetensors.torch.load(content), json.loads(_metadata(path)["progress"])
            self.report(f"has a damaged checkpoint, {path.name[:9]}, which is not used")
            path.unlink()
        self._report_other_versions()
        return None

    def finish(self, returned: dict[str, Any], write: Callable[[Path], None]) -> None:
        """Keep what the training returns (anything that JSON can write) and the files that `write` puts into a folder."""
        shutil.rmtree(self.files, ignore_errors=True)
        self.files.mkdir(parents=True)
        write(self.files)
        hashes = {path.name: _sha256_on_disk(path) for path in sorted(self.files.iterdir())}
        content = json.dumps({"version": self.version, "returned": returned, "files": hashes}, indent=1).encode()
        storage.write_bytes(self.folder / f"finished-{hashlib.sha256(content).hexdigest()}.json", content)
        self.drop_states()

    def finished(self) -> dict[str, Any] | None:
        """What the finished training returned, or None where there is none. Its files are not looked at."""
        found = self._finished()
        return found[1]["returned"] if found else None

    def restore(self, folder: Path) -> dict[str, Any] | None:
        """What the finished training returned, after its files were copied into `folder`; None where there is none.

        Where one of the files is damaged, that is reported, and the training is not finished any more.
        """
        found = self._finished()
        if found is None:
            return None
        path, content = found
        files = {name: self._file(name) for name in content["files"]}
        for name, sha256 in content["files"].items():
            if hashlib.sha256(files[name]).hexdigest() != sha256:
                self.report(f"starts anew: {name} is damaged among its results in {self.files}")
                path.unlink()
                return None
        for name, file in files.items():
            storage.write_bytes(folder / name, file)
        returned: dict[str, Any] = content["returned"]
        return returned

    def _file(self, name: str) -> bytes:
        kept = self.files / name
        return kept.read_bytes() if kept.is_file() else b""

    def _finished(self) -> tuple[Path, dict[str, Any]] | None:
        for path in sorted(self.folder.glob("finished-*.json")):
            content = path.read_bytes()
            if _checksum(path) == hashlib.sha256(content).hexdigest():
                return path, json.loads(content)
            self.report(f"starts anew: the list of its results in {self.folder} is damaged")
            path.unlink()
        return None

    def drop_states(self) -> None:
        for path in self._states():
            path.unlink()

    def _states(self) -> list[Path]:
        return sorted(self.folder.glob("*.state"), reverse=True)

    def _report_other_versions(self) -> None:
        """Say why a checkpoint or a result that is there is not used."""
        try:
            others = [path for path in self.folder.parent.glob("*/*") if path.suffix in (".state", ".json")]
            newest = max(others, key=lambda path: path.stat().st_mtime, default=None)
            if newest is None:
                return
            about = _metadata(newest) if newest.suffix == ".state" else json.loads(newest.read_bytes())["version"]
            epoch = json.loads(about["progress"])["epoch"] if "progress" in about else None
        except (OSError, ValueError, KeyError):  # damaged, or removed meanwhile
            return
        what = "the code that trains" if about.get("code") != self.version["code"] else "the version of torch"
        when = "it was finished" if epoch is None else f"the checkpoint at epoch {epoch} was saved"
        self.report(f"starts anew: {what} has changed since {when}")


def _checksum(path: Path) -> str:
    """What a file's name says of its content."""
    return path.stem.rpartition("-")[2]


def _metadata(state: Path) -> dict[str, str]:
    """The metadata of a file in safetensors, without its tensors."""
    with open(state, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        metadata: dict[str, str] = json.loads(file.read(min(length, 2**27)))["__metadata__"]
    return metadata


def _sha256_on_disk(path: Path) -> str:
    """The checksum of a file, once it is on the disk and would survive a loss of power."""
    with open(path, "rb+") as file:
        os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def disk_use() -> str:
    """One line on the disk that all trainings take here, and how it is freed."""
    folder, size = storage.WORK / TRAININGS, 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # removed by another training that goes on
            size += path.stat().st_size if path.is_file() else 0
    return f"{folder} keeps trainings for reuse, {size / 1e6:,.1f} MB; to free the disk remove it while nothing trains"
