"""Staleness: what has changed since results were made and judged, as DVC recorded it in dvc.lock.

A pinned study was judged at its own commit, so only its own files count. The module needs nothing but the standard library;
dvc.lock and params.yaml come as what YAML holds.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from study import storage

PARAMS, PROJECT, PROTOCOL = "params.yaml", "pyproject.toml", "protocol.yaml"
CODE = ("study/", "stages/", "protocol.yaml")


def md5(root: Path, name: str) -> str:
    """What DVC calls the content of a file or folder of the project, without what .dvcignore names; empty where there is none."""
    path = root / name
    if path.is_file():
        return _md5_of_file(path)
    if not path.is_dir():
        return ""
    ignored = set(_text(root / ".dvcignore").splitlines()) | {"__pycache__"}
    inside = [file for file in path.rglob("*") if file.is_file() and not _is_ignored(file.relative_to(root), ignored)]
    listed = [{"md5": _md5_of_file(file), "relpath": file.relative_to(path).as_posix()} for file in inside]
    whole = json.dumps(sorted(listed, key=lambda one: one["relpath"]), sort_keys=True)
    return hashlib.md5(whole.encode(), usedforsecurity=False).hexdigest() + ".dir"


def _md5_of_file(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def _is_ignored(path: Path, ignored: set[str]) -> bool:
    """Whether a line of .dvcignore is the path, one of its folders, or one of its parts."""
    return bool(ignored & {path.as_posix(), *path.parts, *(folder.as_posix() for folder in path.parents)})


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def outdated(lock: Mapping[str, Any], params: Mapping[str, Any], root: Path, study: str, stages: Iterable[str]) -> dict[str, str]:
    """Of these stages (`train-base`) those that would have to run again, with the reason in a sentence.

    `lock` is dvc.lock and `params` params.yaml as YAML holds them. What a stage wrote is not hashed again: provenance records
    do that.
    """
    changed = _changed(lock, params, root, study)
    sentences = {stage: f"{what} has changed since {stage} ran" for stage, what in changed.items() if what}
    unknown = {stage: f"dvc.lock does not know that {stage} ran for this study" for stage in stages if stage not in changed}
    return sentences | unknown


def _changed(lock: Mapping[str, Any], params: Mapping[str, Any], root: Path, study: str) -> dict[str, str]:
    """By stage that DVC ran for the study, the first of what has changed since; empty words where nothing has."""
    stages = _stages_of(lock, study)
    wrote = {one["path"]: one.get("md5") for stage in stages.values() for one in stage.get("outs", ())}
    now: dict[str, str] = {}

    def changed(dep: Mapping[str, Any]) -> bool:
        path = str(dep["path"])
        if not path.startswith(CODE):
            return path in wrote and wrote[path] != dep.get("md5")
        if path not in now:
            now[path] = md5(root, path)
        return now[path] != dep.get("md5")

    def first(stage: Mapping[str, Any]) -> str:
        names = [str(dep["path"]) for dep in stage.get("deps", ()) if changed(dep)]
        names += _changed_params(stage.get("params", {}), params, root)
        return names[0] if names else ""

    return {name.replace("@", "-", 1): first(stage) for name, stage in stages.items()}


def _stages_of(lock: Mapping[str, Any], study: str) -> dict[str, Mapping[str, Any]]:
    stages = lock.get("stages", {})
    mine = f"results/{study}/"
    return {name: stage for name, stage in stages.items() if any(out["path"].startswith(mine) for out in stage.get("outs", ()))}


def _changed_params(known: Mapping[str, Any], params: Mapping[str, Any], root: Path) -> Iterator[str]:
    for key, value in known.get(PARAMS, {}).items():
        here: Any = params
        for part in str(key).split("."):
            here = here.get(part) if isinstance(here, Mapping) else None
        if here != value:
            yield f"`{key}` in {PARAMS}"
    for key, value in known.get(PROJECT, {}).items():
        if key == "project.dependencies" and value != dependencies(root):
            yield f"`{key}` in {PROJECT}"


def dependencies(root: Path) -> list[str]:
    """The pinned packages."""
    path = root / PROJECT
    project = tomllib.loads(path.read_text(encoding="utf-8")).get("project", {}) if path.is_file() else {}
    return list(project.get("dependencies", []))


def makers(
    lock: Mapping[str, Any], params: Mapping[str, Any], judge: Mapping[str, Any], root: Path, study: str
) -> dict[str, str]:
    """By path, what made a study's results (from dvc.lock) and judged them (the deps of `judge`, from dvc.yaml): for
    judge/provenance.json, so that others can see later whether it has changed.

    DVC never forgets a stage in dvc.lock; those of runs and curves that the study has no more made nothing of it."""
    here = {"", *params.get("runs", {}), *params.get("curves", {})}
    stages = [stage for name, stage in _stages_of(lock, study).items() if name.partition("@")[2] in here]
    found = {dep["path"]: str(dep.get("md5")) for stage in stages for dep in stage.get("deps", ())}
    found |= {str(dep): md5(root, str(dep)) for dep in judge.get("deps", ())}
    code = {path: known for path, known in sorted(found.items()) if path.startswith(CODE)}
    return code | {name: made(root, name) for name in (PARAMS, PROJECT, PROTOCOL)}


def changed_makers(root: Path, study: str, then: Mapping[str, str]) -> list[str]:
    """What of the `makers` of a study has changed since or is gone.

    params.yaml counts while it is this study's; when another one is chosen it says nothing of this one.
    """
    chosen = re.search(r"^study:\s*(\S+)", _text(root / PARAMS), re.MULTILINE)
    skipped = {PARAMS} if chosen and chosen[1] != study else set()
    return [name for name, known in then.items() if name not in skipped and made(root, name) != known]


def made(root: Path, name: str) -> str:
    """The hash of what a file says: of settings and protocol without comments, of the project its pinned packages alone."""
    if name in (PARAMS, PROTOCOL):
        return _of_lines(root / name)
    return _of_text(dependencies(root)) if name == PROJECT else md5(root, name)


def _of_lines(path: Path) -> str:
    """Without comments and empty lines: the order and indentation of YAML matter, these do not."""
    lines = (re.sub(r"(^|\s)#.*", "", line).rstrip() for line in _text(path).splitlines())
    return _of_text([line for line in lines if line])


def _of_text(lines: list[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def changed_artifacts(folder: Path, artifacts: Mapping[str, str]) -> list[str]:
    """Of the files below a study's folder with their SHA-256, those that are missing or other than they were."""
    paths = {name: folder / name for name in artifacts}
    return [name for name, path in paths.items() if not path.is_file() or storage.sha256(path) != artifacts[name]]
