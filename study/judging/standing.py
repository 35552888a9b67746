"""Whether verdicts that were given still stand: on the files they rest on, and for a working study on today's code and settings.

A pinned study was judged at its own commit, so only its own files count. The module needs nothing but the standard library.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from study import files

CODE = ("study", "stages")
SETTINGS = ("params.yaml", "protocol.yaml", "dvc.yaml", "pyproject.toml")


def makers(root: Path) -> list[Path]:
    """The files below the project's root that results are made by."""
    code = [path for folder in CODE for path in (root / folder).rglob("*.py")]
    return sorted(code) + [root / name for name in SETTINGS]


def changed_artifacts(folder: Path, artifacts: Mapping[str, str]) -> list[str]:
    """Of the files below a study's folder with their SHA-256, those that are missing or other than they were."""
    paths = {name: folder / name for name in artifacts}
    return [name for name, path in paths.items() if not path.is_file() or files.sha256(path) != artifacts[name]]


def changed_makers(root: Path, study: str, inputs: Mapping[str, str]) -> list[str]:
    """Of the files that made a study's verdicts, with their SHA-256, those that have changed since or are gone.

    params.yaml counts while it is this study's; when another one is chosen it says nothing of this one.
    """
    here = {name: root / name for name in inputs if name.startswith(CODE) or name in SETTINGS}
    if _chosen(root) != study:
        here.pop("params.yaml", None)
    return [name for name, path in here.items() if not path.is_file() or files.sha256(path) != inputs[name]]


def _chosen(root: Path) -> str | None:
    """The study that params.yaml names."""
    try:
        found = re.search(r"^study:\s*(\S+)", (root / "params.yaml").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        return None
    return found[1] if found else None
