"""Training that survives: the state of a run, outside DVC's outputs, under the hash of everything that shapes it.

    .work/<hash>/lock                            held by the one trainer of this run
    .work/<hash>/<iteration>-<sha256>.state      network, velocities and progress, in safetensors

A state gets its name, which holds its checksum, only when it is whole. The newest that agrees with its name is used.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from study import storage


def identity(**shaping: Any) -> str:
    """The hash of what shapes a run: settings, data, machine, seed. Anything that JSON can write."""
    return hashlib.sha256(json.dumps(shaping, sort_keys=True, default=str).encode()).hexdigest()[:32]


class Checkpoints:
    """The saved states of one run in `storage.WORK`."""

    def __init__(self, run: str) -> None:
        self.folder = storage.WORK / run

    @contextmanager
    def held(self) -> Iterator[Checkpoints]:
        """Hold the run for this process. Raises ValueError naming the process that holds it already."""
        with storage.held(self.folder / "lock", "this run is being trained"):
            yield self

    def save(self, iteration: int, tensors: dict[str, Tensor], progress: dict[str, Any]) -> None:
        """Write a state and drop all but the newest two. Raises OSError with the bytes wanted if the disk is full."""
        content = safetensors.torch.save(tensors, {"progress": json.dumps(progress)})
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
        """The newest state that is whole, or None. A damaged one is named, set aside and passed over."""
        for path in self._states():
            content = path.read_bytes()
            if path.stem.split("-")[1] != hashlib.sha256(content).hexdigest():
                print(f"checkpoint {path.name[:9]} is damaged and is not used", flush=True)
                path.unlink()
                continue
            length = int.from_bytes(content[:8], "little")
            progress = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["progress"])
            return safetensors.torch.load(content), progress
        return None

    def discard(self) -> None:
        """The run is done and its results are written: nothing here is needed any more."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _states(self) -> list[Path]:
        return sorted(self.folder.glob("*.state"), reverse=True)
