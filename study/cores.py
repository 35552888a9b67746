"""Processor cores that this process may use. Without torch, so that a command of a second can ask too."""

from __future__ import annotations

import math
import os
from pathlib import Path


def allotted_cores() -> int:
    """Cores that this process may use, 1 or more: those it is bound to, and no more than its control groups' quotas pay for."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(bound, _quota(Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")))))


def _quota(groups: Path, tree: Path) -> float:
    """Cores' worth of time that the control groups allow, infinity where nothing limits it. `groups` lists those of a process,
    `tree` is where they are mounted; a group is under the limits of all above it. Both versions of control groups are read."""
    try:
        lines = [line.split(":", 2) for line in groups.read_text().splitlines()]
    except OSError:  # no Linux, or hidden
        return math.inf
    found = [math.inf]
    for _, controllers, path in (line for line in lines if len(line) == 3):
        if "cpu" in controllers.split(",") or not controllers:
            mounted = tree / controllers if controllers else tree
            within = mounted / path.lstrip("/")
            found += [_allowed(folder) for folder in (within, *within.parents) if folder.is_relative_to(mounted)]
    return min(found)


def _allowed(group: Path) -> float:
    """Cores' worth of time of one control group, without those above it."""
    try:
        if (group / "cpu.max").exists():
            time, period = (group / "cpu.max").read_text().split()
        else:
            time, period = ((group / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return float(time) / float(period) if float(time) > 0 else math.inf
    except (OSError, ValueError):  # not there; or "max", which is no number
        return math.inf
