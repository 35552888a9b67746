"""What made a result: code, settings, inputs, machine, time. One file a stage, which no stage but `judge` reads."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from study import storage
from study.cores import allotted_cores

CODE = ("study", "stages", "dvc.yaml", "protocol.yaml", "pyproject.toml")
PACKAGES = ("torch", "torchvision", "numpy", "pillow", "pandas", "scipy", "safetensors")


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def code() -> dict[str, Any]:
    """The commit, and whether what makes results differs from it; both None outside Git."""
    commit = _git("rev-parse", "HEAD")
    changed = _git("status", "--porcelain", "--", *CODE)
    return {"commit": commit, "dirty": None if changed is None or commit is None else bool(changed)}


def environment() -> dict[str, Any]:
    """Versions, processor and system; no host name and no path."""
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {
        "versions": {"python": platform.python_version()} | versions,
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": allotted_cores(),
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def training_seconds(record: Mapping[str, Any]) -> float:
    """Processor seconds of all epochs of a record; 0 of a stage that trains nothing. `seconds` are of its last start."""
    by_seed = record.get("epoch_processor_seconds")
    seeds = (seed for seed in by_seed.values() if isinstance(seed, list)) if isinstance(by_seed, Mapping) else ()
    return float(sum(second for seed in seeds for second in seed if isinstance(second, int | float)))


def seconds_a_seed(record: Mapping[str, Any]) -> float:
    """About how long one more seed of a run or curve takes on the machine of its record; 0 where the record does not say.

    Two measures, of which the larger: `seconds` of the last start by the seeds that it trained, where an earlier start may have
    trained a part of them; and the processor time of all epochs, as if all cores had worked all the time.
    """
    of = record.get("run", record.get("curve"))
    seeds = of.get("seeds") if isinstance(of, Mapping) else None
    if not isinstance(seeds, list) or not seeds:
        return 0.0
    reused, seconds, cores = (record.get(name) for name in ("reused_seeds", "seconds", "cores"))
    trained = len(seeds) - (len(reused) if isinstance(reused, list) else 0)
    started = float(seconds) / trained if isinstance(seconds, int | float) and trained > 0 else 0.0
    return max(started, training_seconds(record) / len(seeds) / (cores if isinstance(cores, int) and cores > 0 else 1))


class Record:
    """Collects what a stage has to say of itself while it runs; `write` adds time and memory."""

    def __init__(self, stage: str, settings: dict[str, Any]) -> None:
        self.began = time.time()
        self.content: dict[str, Any] = {
            "stage": stage,
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            **code(),
            **environment(),
            "settings": settings,
        }

    def add(self, **facts: Any) -> None:
        self.content |= facts

    def inputs(self, *paths: Path) -> None:
        """Hash the files that a stage read; a packed set is told by the hash in its index."""
        found = {path.as_posix(): storage.sha256(path) for path in paths if path.is_file()}
        self.content["inputs"] = self.content.get("inputs", {}) | found

    def outputs(self, results: Path, folder: Path) -> None:
        """Hash what a stage wrote below its folder, by paths under the study's, so that a change afterwards is seen."""
        found = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
        self.add(outputs={path.relative_to(results).as_posix(): storage.sha256(path) for path in found})

    def write(self, path: Path, peak_memory: int) -> None:
        self.add(seconds=round(time.time() - self.began, 1), peak_memory_bytes=peak_memory)
        storage.write_json(path, self.content)
