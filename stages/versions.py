"""The project's protocol and code as they stand, and as they were at a commit: what registered claims are compared with."""

import hashlib
import io
import json
import subprocess
import tarfile
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from study.judging.registration import Version

PROTOCOL = "protocol.yaml"
REGISTERED = (PROTOCOL, "study/judging", "study/measuring", "study/paper", "study/statistics")


def read_yaml(text: str, name: str) -> Any:
    """What YAML holds. Raises ValueError with the line where it is none."""
    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        line = f" at line {mark.line + 1}" if mark else ""
        raise ValueError(f"{name} is not YAML{line}; mend it or restore it from Git") from None


def as_it_stands(root: Path = Path()) -> Version:
    """What is in the checkout now. Raises ValueError or OSError for a protocol that cannot be read."""
    places = [root / name for name in REGISTERED]
    paths = [path for place in places for path in ([place] if place.is_file() else sorted(place.rglob("*.py")))]
    return _version({path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in paths})


@cache
def at(commit: str) -> Version | None:
    """The same at a commit, empty of what it lacks; None where Git does not know the commit or its protocol is no YAML."""
    try:
        names = _git("ls-tree", "--name-only", commit, "--", *REGISTERED).decode().split()
        if not names:
            return _version({})
        with tarfile.open(fileobj=io.BytesIO(_git("archive", commit, "--", *names))) as archive:
            members = [member for member in archive if member.isfile() and member.name.endswith((".py", ".yaml"))]
            texts = {member.name: file.read().decode() for member in members if (file := archive.extractfile(member))}
        return _version(texts)
    except (OSError, subprocess.SubprocessError, tarfile.TarError, ValueError):
        return None


def text_at(commit: str, path: Path) -> bytes | None:
    """A file's content at a commit; None where that commit has none."""
    try:
        return _git("show", f"{commit}:./{path.as_posix()}")
    except (OSError, subprocess.SubprocessError):
        return None


def told(version: Version, claim: str, study: str) -> dict[str, Any]:
    """What judge/protocol.json says of a claim, so that studies of two repositories can be laid side by side: its `block` as it
    stands for the study, its `family`, and the SHA-256 of the paper's numbers and of the code that measures and tests it."""
    parts = version.registered(claim, study)
    block = dict(parts["block"])
    rest = {name: parts[name] for name in ("numbers", "measure", "rules")}
    hashed = hashlib.sha256(json.dumps([rest, block], sort_keys=True, default=str).encode()).hexdigest()
    return {"block": block.pop("block"), "family": block.pop("family"), "sha256": hashed}


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], capture_output=True, check=True, timeout=20).stdout


def _version(texts: dict[str, str]) -> Version:
    return _made(tuple(sorted(texts.items())))


@lru_cache(maxsize=4)
def _made(texts: tuple[tuple[str, str], ...]) -> Version:
    """One object for one content, as it remembers what it has found out of its code."""
    modules = dict(texts)
    content = read_yaml(modules.pop(PROTOCOL, ""), PROTOCOL)
    return Version(protocol=content if isinstance(content, dict) else {}, modules=modules)
