"""Choose a study: compose it from conf/ into params.yaml, and say what changes, what will run and about how long that takes.

    uv run python -m stages.choose                                   what is chosen now, and which studies there are
    uv run python -m stages.choose cifar10                           a study of conf/study/
    uv run python -m stages.choose sketch train.learning.epochs=6    with a change
    uv run python -m stages.choose pets place=/path/to/pictures scale=quarter       your own pictures: a study of a new name

Edits of params.yaml that conf/ does not give are never overwritten, unless `--discard-edits` says so. No stage of dvc.yaml:
`uv run dvc repro` then runs what is chosen.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    from stages.without_torch import leave_torch_out

    leave_torch_out()

import json  # noqa: E402
import os  # noqa: E402
import shlex  # noqa: E402
from collections.abc import Mapping, Sequence  # noqa: E402
from contextlib import suppress  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

from stages.composing import GROUPS, MISSING, choices, composed, differences, parsed, study_file  # noqa: E402
from stages.plan import missing, plan  # noqa: E402
from stages.settings import CHOSEN, PARAMS, StudySettings, as_yaml, read_params, resolve  # noqa: E402
from study import files, storage  # noqa: E402
from study.checking import SettingsError  # noqa: E402
from study.judging.protocol import read_protocol  # noqa: E402
from study.judging.staleness import PROTOCOL  # noqa: E402

DISCARD = "--discard-edits"
SHOWN = 12  # changed keys that are printed, at most
HEAD = """\
# The study that is chosen. Composed from conf/ by: uv run python -m stages.choose {words}
# What is edited here holds for the next `uv run dvc repro`; choosing again refuses to overwrite it.
"""


def choose(study: str, changes: Sequence[str], discard: bool) -> list[str]:
    """Write params.yaml, and conf/study/<study>.yaml for a new study; returns what there is to say, in lines.

    Raises SettingsError, and writes nothing, where the study is not valid or where edits would be lost.
    """
    file, words = study_file(study), " ".join(shlex.join((study, *changes)).split())
    new = None if file.exists() else _new_study(study, changes)
    params = composed(study, changes) if new is None else composed(study, own=new)
    settings = resolve(params)
    if any(change.partition("=")[0] in ("place", "download.place") for change in changes) and (lacking := missing(settings)):
        raise SettingsError(lacking)
    before = _current_params(params, study, discard)
    if new is not None:
        head = f"# Made by: uv run python -m stages.choose {words}\n# Result: not kept yet.\n"
        storage.write_bytes(file, (head + as_yaml(new)).encode())
    _leave_in_place(study)
    storage.write_bytes(PARAMS, (HEAD.format(words=words) + as_yaml(params)).encode())
    made = [f"{file} is new: from now on `stages.choose {study}` is enough"] if new is not None else []
    told = [*_heading(settings)[: 2 if changes else None], *made, *_changed(before, params), *plan(settings)]
    return [*told, *_divided_elsewhere(settings), *_place_of_its_own(file, params)]


def _new_study(study: str, changes: Sequence[str]) -> dict[str, Any]:
    """What the file of a study will say that has none yet."""
    own = parsed(changes)
    download = own.get("download")
    if "data" not in own and not (isinstance(download, dict) and download.get("place")):
        raise SettingsError(
            f"there is no study {study!r}; choose one of: {', '.join(choices('study'))}; or make it, of your own pictures with "
            f"place=/path/to/pictures, or with data= and one of: {', '.join(choices('data'))}"
        )
    return {group: own.pop(group, usual) for group, usual in GROUPS.items()} | own


def _leave_in_place(chosen: str) -> None:
    """See to it that DVC leaves results of all other studies where they are.

    Its checkout, which `dvc exp run`, `dvc checkout` and `dvc pull` begin with, removes results that no stage names any longer,
    but none that have changed since DVC put them there, which it tells by the times of their files. Every result has a JSON
    file, so new times for these are enough; contents stay, and so do hashes.
    """
    for path in files.RESULTS.rglob("*.json"):
        if path.parts[1] != chosen:
            with suppress(OSError):  # another user's file; its checkout is another user's too
                os.utime(path)


def edits(params: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """Where params.yaml differs from what conf/ gives for the study that it names: key, what conf/ gives, what it has.

    Raises SettingsError where conf/ no longer gives that study.
    """
    chosen = params.get(CHOSEN) or {"study": params.get("study")}
    given = composed(str(chosen.get("study")), [str(change) for change in chosen.get("changes") or ()])
    return [found for found in differences(given, params) if found[0].partition(".")[0] != CHOSEN]


def _current_params(after: dict[str, Any], study: str, discard: bool) -> dict[str, Any]:
    """What params.yaml has now. Raises SettingsError where it has edits that `after` would lose, unless they may be discarded."""
    try:
        before = read_params() if PARAMS.exists() else {}
        found = edits(before) if before else []
    except (SettingsError, AttributeError, TypeError) as problem:
        if discard:
            return {}
        raise SettingsError(
            f"params.yaml is not from conf/ ({problem}), and choosing {study} would overwrite it; keep a copy, then say {DISCARD}"
        ) from None
    lost = [(key, value) for key, _, value in found if key != "study" and _value_at(after, key) != value]
    if lost and not discard:
        told = "; ".join(f"{key} {'was removed' if value is MISSING else f'is {_brief(value)}'}" for key, value in lost[:SHOWN])
        more = f"; and {len(lost) - SHOWN} more" if len(lost) > SHOWN else ""
        raise SettingsError(
            f"params.yaml was edited, and choosing {study} would lose that: {told}{more}. Name what is to stay as key=value, or "
            f"say {DISCARD}"
        )
    return before


def _value_at(params: Any, key: str) -> Any:
    for part in key.split("."):
        params = params.get(part, MISSING) if isinstance(params, dict) else MISSING
    return params


def _brief(value: Any) -> str:
    text = "nothing" if value is MISSING else json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _heading(settings: StudySettings) -> list[str]:
    """The study and, from the head of its file, what it is and takes."""
    told = [line.removeprefix("#").rstrip() for line in study_file(settings.study).read_text(encoding="utf-8").splitlines()]
    return [f"study {settings.study}:", *told[: next((n for n, line in enumerate(told) if not line.startswith(" ")), 0)]]


def _divided_elsewhere(settings: StudySettings) -> list[str]:
    """A line on runs whose rate would be divided at epochs that they do not reach, as after a change of the epochs alone."""
    late = [
        name
        for name, run in settings.runs.items()
        if run.learning.rate.rule == "epochs" and any(epoch >= run.learning.epochs for epoch in run.learning.rate.at)
    ]
    if not late:
        return []
    learning = settings.runs[late[0]].learning
    return [
        f"note: of {', '.join(late[:3])}{f' and {len(late) - 3} more' if len(late) > 3 else ''} the rate is divided after epochs "
        f"{' and '.join(map(str, learning.rate.at))}, and there are {learning.epochs}: give train.learning.rate.at too"
    ]


def _place_of_its_own(file: Path, params: Mapping[str, Any]) -> list[str]:
    """A line where pictures are taken from another place, this once, than the study's file says."""
    own = read_params(file).get("download")
    own, taken = (block.get("place") if isinstance(block, dict) else None for block in (own, params["download"]))
    if own in (None, taken):
        return []
    return [f"note: {file} says that the pictures are in {own}; to keep {taken} when you choose again, change it there"]


def _changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    found = [found for found in differences(before, after) if found[0].partition(".")[0] != CHOSEN]
    if not found:
        return ["nothing in params.yaml has changed"]
    lines = [f"  {key}: {_brief(old)} -> {_brief(new)}" for key, old, new in found[:SHOWN]]
    return ["changed in params.yaml:", *lines, *([f"  and {len(found) - SHOWN} more"] if len(found) > SHOWN else [])]


def _what_is_chosen() -> list[str]:
    """What params.yaml has now: the study, what was edited, what will run; and which studies could be chosen."""
    params = read_params()
    settings = resolve(params)
    try:
        edited = [f"  {key}: {_brief(given)} -> {_brief(value)}" for key, given, value in edits(params)]
        said = ["edited since it was composed:", *edited] if edited else []
    except SettingsError as problem:
        said = [f"not from conf/: {problem}"]
    return [f"study {settings.study} is chosen", *said, *plan(settings), f"studies: {', '.join(choices('study'))}"]


def main() -> None:
    words = [word for word in sys.argv[1:] if word != DISCARD]
    if {"-h", "--help"} & set(words):
        print(__doc__)
        return
    try:
        if unknown := [word for word in words if word.startswith("-")]:
            raise SettingsError(f"{unknown[0]} is no option; there is {DISCARD}")
        read_protocol(read_params(Path(PROTOCOL)), measures=False)  # before hours of training, and not after them
        lines = choose(words[0], words[1:], DISCARD in sys.argv) if words else _what_is_chosen()
        print("\n".join(lines), flush=True)
    except (ValueError, OSError) as problem:
        sys.exit(f"choose: {problem}")


if __name__ == "__main__":
    main()
