"""Cores that a process may use: as many as it is bound to, no more than its control groups pay for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from study import cores as allotted

V2, V1 = "0::/job/task\n", "4:memory:/job\n3:cpu,cpuacct:/job/task\n"


def _tree(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = root / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root / "tree"


@pytest.mark.parametrize(
    ("groups", "files", "cores"),
    [
        (V2, {"job/task/cpu.max": "max 100000\n", "job/cpu.max": "max 100000\n"}, float("inf")),
        (V2, {"job/task/cpu.max": "150000 100000\n", "job/cpu.max": "max 100000\n"}, 1.5),
        (V2, {"job/task/cpu.max": "max 100000\n", "job/cpu.max": "400000 200000\n"}, 2),
        (V2, {"cpu.max": "300000 100000\n"}, 3),  # as a container sees its own group
        (
            V1,
            {"cpu,cpuacct/job/task/cpu.cfs_quota_us": "-1\n", "cpu,cpuacct/job/task/cpu.cfs_period_us": "100000\n"},
            float("inf"),
        ),
        (V1, {"cpu,cpuacct/job/cpu.cfs_quota_us": "50000\n", "cpu,cpuacct/job/cpu.cfs_period_us": "100000\n"}, 0.5),
        (V1, {"memory/job/cpu.max": "100000 100000\n"}, float("inf")),
        ("nonsense\n", {"cpu.max": "100000 100000\n"}, float("inf")),
    ],
)
def test_what_control_groups_allow(tmp_path: Path, groups: str, files: dict[str, str], cores: float) -> None:
    (tmp_path / "groups").write_text(groups)
    assert allotted._quota(tmp_path / "groups", _tree(tmp_path, files)) == cores


def test_no_control_groups(tmp_path: Path) -> None:
    assert allotted._quota(tmp_path / "groups", tmp_path) == float("inf")


@pytest.mark.parametrize(("quota", "cores"), [(0.2, 1), (1.0, 1), (2.5, 3), (100.0, 8), (float("inf"), 8)])
def test_the_smaller_of_both_and_at_least_one(monkeypatch: pytest.MonkeyPatch, quota: float, cores: int) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    monkeypatch.setattr(allotted, "_quota", lambda groups, tree: quota)
    assert allotted.allotted_cores() == cores


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no process to cores")
def test_a_process_bound_to_one_core_has_one() -> None:
    look = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
        "from study.cores import allotted_cores; print(allotted_cores())"
    )
    assert subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout == "1\n"
