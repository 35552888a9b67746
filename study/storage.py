"""Files written whole or not at all, locks, JSON and CSV: what every stage and the dashboard read and write with.

It knows no result's name: what trainings write stands in study/training/outputs.py, everything else in study/files.py.
"""

from __future__ import annotations

import csv
import errno
import hashlib
import json
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)  # what file systems without locks answer
WORK = Path(".work")  # checkpoints and scratch files: not in Git, and no output of a stage


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Write a file whole or not at all: to a neighbour first, then renamed over it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(partial, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def locked(lock: Path, what: str) -> Iterator[None]:
    """Hold `lock` for this process. Raises ValueError, saying `what` and by whom, where another process holds it.

    The system drops the lock when the process ends, however it ends; on a file system that has no locks a file beside it
    stands for one, which a process of the same machine recognises as left behind.
    """
    import filelock  # here, since the dashboard takes no lock and need not have it

    lock.parent.mkdir(parents=True, exist_ok=True)
    taken: filelock.BaseFileLock = filelock.FileLock(lock, timeout=0)
    try:
        _acquire(taken)
    except filelock.Timeout:
        raise ValueError(f"{what} by process {_holder(lock)}; wait for it, or end it") from None
    except (NotImplementedError, OSError) as problem:
        if isinstance(problem, OSError) and problem.errno not in NO_LOCKS:
            raise
        taken = filelock.SoftFileLock(beside := lock.with_name(f"{lock.name}.soft"), timeout=0)
        try:
            _acquire(taken)
        except filelock.Timeout:
            ended = f"if it has ended on a machine that was cut off, remove {beside}"
            raise ValueError(f"{what} by process {_holder(beside)}; wait for it, or end it; {ended}") from None
    try:
        if not isinstance(taken, filelock.SoftFileLock):
            with suppress(OSError):  # Windows lets nobody write to a locked file
                lock.write_text(str(os.getpid()))
        yield
    finally:
        taken.release()


def _acquire(lock: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # filelock warns where there are no locks
        lock.acquire()


def _holder(lock: Path) -> str:
    with suppress(OSError):
        return lock.read_text().partition("\n")[0] or "?"
    return "?"


def write_json(path: Path, content: Any) -> None:
    write_bytes(path, (json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """Raises ValueError, naming the file, where it is no JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as problem:
        raise ValueError(f"{path} is damaged ({problem}); bring it back from Git or with: uv run dvc repro") from None


def mapping(path: Path) -> dict[str, Any]:
    """The object that a JSON file holds; empty where the file is missing, broken or holds something else."""
    try:
        content = read_json(path)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A header, then the rows; floats with six significant digits, so that a table can be read by eye."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with open(partial, "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(columns)
        for row in rows:
            table.writerow([f"{value:.6g}" if isinstance(value, float) else value for value in row])
    os.replace(partial, path)


def sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
