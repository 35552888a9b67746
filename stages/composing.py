"""A study composed from conf/: its data, its scale, its table of runs, and what its own file says beside them.

    conf/config.yaml  <  conf/data/X.yaml  <  conf/scale/X.yaml  <  conf/table/X.yaml  <  conf/study/X.yaml  <  the command line

Each is put over what stands before it, mapping by mapping; lists and values replace. Nothing else happens, but for `only`
(names of runs: the table is cut down to these) and the built-in pictures, which are drawn at the size they are packed at.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages.settings import CHOSEN, is_study_name, merged, read_params
from study.checking import SettingsError

CONF = Path("conf")
GROUPS = {"data": "folder", "scale": "quarter", "table": "components"}  # what a study is made of, where it does not say
ONLY = "only"
NETWORK = "for_architecture"  # in a table: the one architecture that has what all its runs change


def study_file(study: str) -> Path:
    """Where a study states what it is made of. Raises SettingsError for what is no name of a study."""
    if not CONF.is_dir():
        raise SettingsError(f"{CONF}/ is missing; run from the project's folder")
    if not is_study_name(study):
        raise SettingsError(f"{study!r} names a folder, so use the letters a to z, digits, - and _ only")
    return CONF / "study" / f"{study}.yaml"


def choices(group: str) -> list[str]:
    """The names in a folder of conf/."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def composed(study: str, changes: Sequence[str] = (), own: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The content of params.yaml for a study, with `changes` (`key=value`) put over its file, or over `own` in its place.

    Raises SettingsError where a name is not in conf/ or a word is none. Values are not checked here.
    """
    own = dict(merged(own if own is not None else read_params(study_file(study)), parsed(changes)))
    params, names = read_params(CONF / "config.yaml"), {group: own.pop(group, usual) for group, usual in GROUPS.items()}
    for group, name in names.items():
        if name not in choices(group):
            raise SettingsError(f"{group} is {name!r}; use one of: {', '.join(choices(group))}")
        params = merged(params, read_params(CONF / group / f"{name}.yaml"))
    wanted = params.pop(NETWORK, None)
    only = own.pop(ONLY, None) or []
    if not only:
        _check_network(wanted, params["train"]["network"]["architecture"], **names)
    params = merged(params, own)
    for block in ("download", "prepare", "runs"):
        if not isinstance(params[block], dict):
            raise SettingsError(
                f"{block} is {params[block]!r}; it is a block: change one of its settings, {block}.<name>=<value>"
            )
    params["curves"] = params["curves"] or {}  # `curves: null` in a study's file: without Figure 1
    if only:
        given = any(change.lstrip("+").startswith(f"{ONLY}=") for change in changes)
        params["runs"] = _selected(params["runs"], only, "" if given else str(study_file(study)))
    download = params["download"]
    if isinstance(download, dict) and download.get("source") == "sketch" and isinstance(download.get("pictures"), dict):
        download["pictures"] = {"size": params["prepare"]["size"]} | download["pictures"]
    return {"study": study, CHOSEN: {"study": study, "changes": list(changes)}} | params


def _check_network(wanted: str | None, found: str, table: str, scale: str, **_: str) -> None:
    if wanted not in (None, found):
        fitting = [
            name for name in choices("table") if read_params(CONF / "table" / f"{name}.yaml").get(NETWORK) in (None, found)
        ]
        raise SettingsError(
            f"table {table} is for the network {wanted}, and scale {scale} has {found}; use another scale, or table="
            f"{' or table='.join(fitting)}, or name the runs that fit: {ONLY}=..."
        )


def _selected(runs: Mapping[str, Any], only: Any, file: str) -> dict[str, Any]:
    """The runs that `only` names, which stands in `file` where it was not given with the command."""
    names = only if isinstance(only, list) else [only]
    for name in names:
        if not isinstance(name, str) or name not in runs:
            called, give = (f"{ONLY} of {file}", f"give {ONLY}= and") if file else (ONLY, "use")
            raise SettingsError(f"{called} names {name!r}, which is no run of the table; {give} some of: {', '.join(runs)}")
    return {name: runs[name] for name in names}


def parsed(changes: Sequence[str]) -> dict[str, Any]:
    """`train.learning.epochs=3` as a mapping; values are YAML, so that lists stand in brackets.

    Short forms: `place=/path` for `download.place`, and names of runs with commas between them for `only`.
    """
    content: dict[str, Any] = {}
    for change in changes:
        key, equals, text = change.removeprefix("+").partition("=")
        if not equals or not all(key.split(".")):
            raise SettingsError(f"{change!r} is no key=value, such as scale=quarter or train.learning.epochs=3")
        key = "download.place" if key == "place" else key
        value: Any = os.path.expanduser(text) if key == "download.place" else _value(change, text)
        if key == ONLY and isinstance(value, str):
            value = [name.strip() for name in value.split(",")]
        for part in reversed(key.split(".")):
            value = {part: value}
        content = merged(content, value)
    return content


def _value(change: str, text: str) -> Any:
    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError:
        raise SettingsError(
            f"{change!r} has a value that is no YAML; lists stand in brackets, words with signs in quotes"
        ) from None


MISSING = object()


def differences(before: Any, after: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Keys, with dots between their parts, whose value is not the same, and both values; MISSING where there is none."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in {**before, **after}:
            yield from differences(before.get(name, MISSING), after.get(name, MISSING), f"{key}.{name}" if key else str(name))
    elif before != after:
        yield key, before, after
