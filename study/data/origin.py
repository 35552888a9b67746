"""What a packed set was made from on this machine, and whether that has changed since.

The note stands beside the set rather than in it: it has places and times of files, and the set is the same byte for byte
wherever it was packed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from study import storage
from study.sources.walking import LOOK_AGAIN, look


def _note(packed: Path) -> Path:
    return packed.with_name(f"{packed.name}.origin.json")


def forget(packed: Path) -> None:
    _note(packed).unlink(missing_ok=True)


def remember(packed: Path, made_from: str, seen: Mapping[str, Any]) -> None:
    """`made_from`: a hash of all that shaped the set. `seen`: what `look` saw where the pictures come from, or nothing."""
    storage.write_json(_note(packed), {"made_from": made_from, "seen": dict(seen)})


def is_made_from(packed: Path, made_from: str) -> bool:
    try:
        return bool(storage.read_json(_note(packed))["made_from"] == made_from)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def changed_since(packed: Path) -> str:
    """One sentence with the remedy where files have changed since they were packed into the folder `packed`, else "".

    Names, sizes and times are compared, nothing is read. Where the files, or the packed set, are not on this machine, nothing
    can be said, so it is "" as well.
    """
    try:
        seen = storage.read_json(_note(packed))["seen"]
        roots = [Path(root) for root in seen.get("roots", ())]
        if not roots or not all(root.exists() for root in roots):
            return ""
        now = look(roots)
    except (OSError, KeyError, TypeError, AttributeError):
        return ""
    except ValueError as problem:  # a circle of links, a folder that may not be read
        return f"the pictures have changed since they were packed: {problem}"
    if now["sha256"] == seen.get("sha256"):
        return ""
    places = " and ".join(str(root) for root in roots)
    counted = (
        f"{seen.get('files'):,} files then, {now['files']:,} now" if now["files"] != seen.get("files") else "other sizes or times"
    )
    return f"the files in {places} have changed since they were packed ({counted}); look again with: {LOOK_AGAIN}"
