"""Which studies there are, and their files, read tolerantly: what is missing or half written is empty, with a note.

A run may be going on while its results are read, and a pinned study may lack what is too large for Git. So nothing here
raises for the state of a file; `notes` collects one sentence for each file that is there but cannot be read.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from stat import S_ISREG
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from study import files, pinning, predictions, storage

Made = TypeVar("Made")
WORDS = ("name", "when", "kind", "way", "by", "layer")  # columns of tables that hold no numbers


@dataclass(frozen=True, kw_only=True, slots=True)
class Study:
    """What the page offers: a working area or a pinned study. `address` names it there and in a link.

    It is made anew for every run of the page's script; `kept` holds, for the length of one, what is asked for often and takes
    long: the verdicts of dashboard/judged.py, tables of dashboard/frames.py.
    """

    folder: Path
    pinned: bool
    notes: list[str] = field(default_factory=list)
    kept: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def address(self) -> str:
        return f"{'pinned' if self.pinned else 'results'}/{self.folder.name}"

    def by(self, command: str) -> str:
        """What is to be typed for `uv run` to do something for this study: a kept one becomes the chosen one first."""
        choosing = f"cp {self.address}/params.yaml {self.address}/dvc.lock . && " if self.pinned else ""
        return f"`{choosing}uv run {command}`"


def origin(study: Study) -> str:
    """Of a pinned study that `dvc import` took from another repository: its address and commit; empty for one of ours."""
    try:
        text = study.folder.with_name(f"{study.folder.name}.dvc").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
    found = {key: value.strip("'\" ") for key, value in re.findall(r"^\s*(url|rev_lock):\s*(\S+)\s*$", text, re.MULTILINE)}
    return f"{found['url']} at {found.get('rev_lock', '')[:7] or 'an unknown commit'}" if "url" in found else ""


def studies(root: Path) -> list[Study]:
    """Working areas, then pinned studies, real pictures first; what has verdicts comes before what is still being made."""
    found = [
        Study(folder=folder, pinned=pinned)
        for pinned, place in ((False, files.RESULTS), (True, files.PINNED))
        for folder in sorted((root / place).glob("*/"), key=pinning.place)
        if any(child.is_dir() and any(child.iterdir()) for child in folder.iterdir())
    ]
    return sorted(found, key=lambda study: not (study.folder / "judge" / "claims.json").exists())


def stamp(study: Study) -> tuple[int, int]:
    """Number of files and time of the last change, in nanoseconds: differs when there is something new to show."""
    times = []
    for path in study.folder.rglob("*"):
        try:
            times.append(path.stat().st_mtime_ns)
        except OSError:  # renamed or removed since it was listed
            continue
    return len(times), max(times, default=0)


def text_of(study: Study, name: str) -> str:
    """The content of a text file; empty where it is missing or not text."""
    try:
        return (study.folder / name).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def json_of(study: Study, name: str) -> Any:
    """The content of a JSON file, or None."""
    path = study.folder / name
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError):
        study.notes.append(f"{name} cannot be read yet; a run may be writing it.")
        return None


def dictionary_of(study: Study, name: str) -> dict[str, Any]:
    """The content of a JSON file that holds an object; empty where it is missing or something else."""
    return dictionary(json_of(study, name))


def dictionary(content: Any) -> dict[str, Any]:
    """`content` where it is a JSON object; empty where it is anything else."""
    return content if isinstance(content, dict) else {}


def made_of(study: Study, name: str, make: Callable[[dict[str, Any]], Made], otherwise: Made) -> Made:
    """`make(content)` of a JSON file; `otherwise` where it is missing or of another form than `make` takes it for."""
    content = dictionary_of(study, name)
    if not content:
        return otherwise
    try:
        return make(content)
    except (KeyError, TypeError, AttributeError, ValueError, ZeroDivisionError):
        study.notes.append(f"{name} has another form than this dashboard reads.")
        return otherwise


def table_of(study: Study, name: str, columns: Sequence[str]) -> pd.DataFrame:
    """A CSV file with `columns`, its numbers as numbers: all columns but WORDS. A last line without its end is left out, and what
    stands in the place of a number is missing."""
    path = study.folder / name
    try:
        seen = path.stat()
        table, whole = _table_of(path.absolute(), tuple(columns), seen.st_mtime_ns, seen.st_size)
    except (FileNotFoundError, NotADirectoryError):
        return pd.DataFrame(columns=list(columns))
    except (OSError, ValueError):
        table, whole = pd.DataFrame(columns=list(columns)), False
    if not whole:
        study.notes.append(f"{name} is incomplete or damaged; a run may be writing it.")
    return table.copy(deep=False)  # pandas copies what is changed


@lru_cache(maxsize=1024)
def _table_of(path: Path, columns: tuple[str, ...], changed: int, size: int) -> tuple[pd.DataFrame, bool]:
    """These columns of a CSV file, and whether it is whole and has them all. Read again when its size or time changes."""
    table, whole = _whole_lines(path)
    return table.reindex(columns=list(columns)).dropna(how="all"), whole and not set(columns) - set(table.columns)


def _whole_lines(path: Path) -> tuple[pd.DataFrame, bool]:
    """The whole lines of a CSV file, and whether these are all and of numbers."""
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    try:
        table = pd.read_csv(io.StringIO(whole))
    except (pd.errors.ParserError, pd.errors.EmptyDataError):
        return pd.DataFrame(), len(whole) == len(text)
    words = [name for name in table.columns if name not in WORDS and not pd.api.types.is_numeric_dtype(table[name])]
    table[words] = table[words].apply(pd.to_numeric, errors="coerce")
    return table, len(whole) == len(text) and not words


def array_of(study: Study, name: str) -> np.ndarray | None:
    """An array, mapped rather than loaded, or None. Pickled objects are refused."""
    path = study.folder / name
    if not path.is_file():
        return None
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        study.notes.append(f"{name} cannot be read; it is damaged or still being written.")
        return None


def arrays_of(study: Study, name: str) -> dict[str, np.ndarray]:
    """The arrays of an .npz file by name; empty where it is missing or damaged. Pickled objects are refused."""
    path = study.folder / name
    if not path.is_file():
        return {}
    try:
        return predictions.read_arrays(path)
    except (OSError, ValueError):
        study.notes.append(f"{name} cannot be read; it is damaged or still being written.")
        return {}


def stamp_of(path: Path) -> tuple[int, int]:
    """The time of a file's last change, in nanoseconds, and its size; zeros where there is none."""
    try:
        seen = path.stat()
    except OSError:
        return 0, 0
    return seen.st_mtime_ns, seen.st_size


def hash_of(path: Path) -> str:
    """The SHA-256 of a file as it is now; empty where there is none. A file is read again when its size or time changes."""
    try:
        seen = path.stat()
    except OSError:
        return ""
    return _hash_of(path.absolute(), seen.st_mtime_ns, seen.st_size) if S_ISREG(seen.st_mode) else ""


@lru_cache(maxsize=4096)
def _hash_of(path: Path, changed: int, size: int) -> str:
    return storage.sha256(path)
