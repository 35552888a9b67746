"""Whether verdicts that were given still stand: on the files they rest on, and for a working study on today's code and settings.

What counts as code and settings is what counts for DVC: the deps in dvc.yaml, params.yaml, the pinned packages. A pinned study
was judged at its own commit, so only its own files count. The module needs nothing but the standard library.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from study import storage

PARAMS = "params.yaml"


def fingerprints(root: Path) -> dict[str, str]:
    """SHA-256 by name of all that makes results below the project's root."""
    found = {path.relative_to(root).as_posix(): storage.sha256(path) for path in _code(root)}
    if (root / PARAMS).is_file():
        found[PARAMS] = _of_text("\n".join(_lines(root / PARAMS)))
    if (root / "pyproject.toml").is_file():
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
        found["pyproject.toml"] = _of_text("\n".join(project.get("dependencies", [])))
    return found


def _code(root: Path) -> Iterator[Path]:
    """Files of the project among dvc.yaml's deps, a folder with all its modules but those that DVC ignores."""
    text, ignored = (
        (root / name).read_text(encoding="utf-8") if (root / name).is_file() else "" for name in ("dvc.yaml", ".dvcignore")
    )
    without = {root / name for name in ignored.splitlines()}
    for name in sorted(set(re.findall(r"^\s*- ((?:study/|stages/|protocol)\S+)$", text, re.MULTILINE))):
        path = root / name
        yield from sorted(set(path.glob("*.py")) - without) if path.is_dir() else [path] if path.is_file() else []


def _lines(path: Path) -> list[str]:
    """Without comments and empty lines: the order and indentation of YAML matter, these do not."""
    lines = (re.sub(r"(^|\s)#.*", "", line).rstrip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


def _of_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def changed_artifacts(folder: Path, artifacts: Mapping[str, str]) -> list[str]:
    """Of the files below a study's folder with their SHA-256, those that are missing or other than they were."""
    paths = {name: folder / name for name in artifacts}
    return [name for name, path in paths.items() if not path.is_file() or storage.sha256(path) != artifacts[name]]


def changed_makers(root: Path, study: str, then: Mapping[str, str]) -> list[str]:
    """What of the `fingerprints` at the judgement of a study has changed since or is gone.

    params.yaml counts while it is this study's; when another one is chosen it says nothing of this one.
    """
    now = fingerprints(root) if then else {}
    chosen = re.search(r"^study:\s*(\S+)", (root / PARAMS).read_text(encoding="utf-8"), re.MULTILINE) if PARAMS in now else None
    skipped = {PARAMS} if chosen and chosen[1] != study else set()
    return [name for name, fingerprint in then.items() if name not in skipped and now.get(name) != fingerprint]
