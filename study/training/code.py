"""The identity of the code that trains: results and checkpoints are of that code and of no other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

STUDY = Path(__file__).parent.parent
SHAPING = (
    "data/feeding.py",
    "data/packed.py",
    "machine.py",
    "network",
    "training",
)  # below study/; a folder stands for its modules


def source_hash(modules: Iterable[str], root: Path = STUDY) -> str:
    """SHA-256 over the names and the text of modules below `root`, whichever way their lines end."""
    paths = [path for name in modules for path in ([root / name] if name.endswith(".py") else (root / name).glob("*.py"))]
    digest = hashlib.sha256()
    for path in sorted(paths):
        text = path.read_bytes().replace(b"\r\n", b"\n")
        digest.update(f"{path.relative_to(root).as_posix()} {hashlib.sha256(text).hexdigest()}\n".encode())
    return digest.hexdigest()


def training_code() -> str:
    """SHA-256 over all modules that shape a training, as they lie on the disk now."""
    return source_hash(SHAPING)


TRAINING_CODE = training_code()  # when this process loaded it: an edit during a long training is no part of its results
