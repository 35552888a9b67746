"""A mapping as a settings object: every key known, every value of its type, every mistake one sentence with the remedy.

Written here because the settings classes of study/ are plain dataclasses, and the usual validators silently accept keys
that such a class does not know.
"""

from __future__ import annotations

import dataclasses
import sys
import types
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


class SettingsError(ValueError):
    """A mistake in the settings, in one sentence."""


LARGEST = 2**32 - 1  # of whole numbers: any seed, and more pictures, pixels or kernels than there can be
NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}


def checked(kind: Any, value: Any, where: str) -> Any:
    """`value`, as YAML gave it, as a `kind`. Raises SettingsError naming `where` in the file the mistake is."""
    origin = get_origin(kind)
    if dataclasses.is_dataclass(kind):
        return _settings(kind, value, where)
    if origin in (Union, types.UnionType) and type(None) in get_args(kind):
        return None if value is None else checked(next(k for k in get_args(kind) if k is not type(None)), value, where)
    if origin in (Union, types.UnionType):
        return checked(_alternative(get_args(kind), value, where), value, where)
    if origin is Literal:
        if value not in get_args(kind) or isinstance(value, bool):
            raise SettingsError(f"{where} is {value!r}; use one of: {', '.join(map(str, get_args(kind)))}")
        return value
    if origin is tuple:
        return _list(get_args(kind), value, where)
    if origin is Mapping:
        return _mapping(get_args(kind)[1], value, where)
    return _plain(kind, value, where)


def _plain(kind: type, value: Any, where: str) -> Any:
    fits = isinstance(value, kind) or (kind is float and isinstance(value, int))
    if not fits or (isinstance(value, bool) and kind is not bool):
        raise SettingsError(f"{where} is {value!r}; give {NAMES[kind]}")
    if kind is int and abs(value) > LARGEST:
        raise SettingsError(f"{where} is {value!r}; give a whole number of at most {LARGEST:,}")
    if kind is float and not abs(value) <= sys.float_info.max:
        raise SettingsError(f"{where} is {value!r}; give a finite number")
    return kind(value)


def _list(kinds: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise SettingsError(f"{where} is {value!r}; give a list in brackets")
    if kinds[-1] is not Ellipsis and len(value) != len(kinds):
        raise SettingsError(f"{where} has {len(value)} entries; give {len(kinds)}")
    each = kinds[:1] * len(value) if kinds[-1] is Ellipsis else kinds
    return tuple(checked(kind, one, f"{where}[{i}]") for i, (kind, one) in enumerate(zip(each, value, strict=True)))


def _mapping(kind: Any, value: Any, where: str) -> dict[str, Any]:
    """Names of the user's own, each with a `kind`."""
    if not isinstance(value, Mapping):
        raise SettingsError(f"{where} is {value!r}; give a block of names, each with its settings")
    return {str(name): checked(kind, one, f"{where}.{name}") for name, one in value.items()}


def _alternative(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    """Which of several settings classes is meant: the first field of each is a word that names it."""
    key = dataclasses.fields(kinds[0])[0].name
    words = {word: kind for kind in kinds for word in get_args(get_type_hints(kind)[key])}
    if not isinstance(value, Mapping) or value.get(key) not in list(words):  # a list, since what is given may have no hash
        given = value.get(key, "missing") if isinstance(value, Mapping) else value
        raise SettingsError(f"{where}.{key} is {given!r}; use one of: {', '.join(words)}")
    return words[value[key]]


def _settings(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, Mapping):
        raise SettingsError(f"{where} is {value!r}; give a block of settings")
    hints, fields = get_type_hints(kind), {field.name: field for field in dataclasses.fields(kind)}
    for name in value:
        if name not in fields:
            raise SettingsError(f"{where}.{name} is no setting; remove it, or use one of: {', '.join(fields)}")
    for name, field in fields.items():
        optional = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        if name not in value and not optional:
            raise SettingsError(f"{where}.{name} is missing; add it")
    read = {name: checked(hints[name], value[name], f"{where}.{name}") for name in value}
    try:
        return kind(**read)
    except ValueError as problem:
        raise SettingsError(f"{where}: {problem}") from None


def plain(settings: Any) -> Any:
    """The way back: settings as JSON can hold them, for hashes and provenance."""
    return dataclasses.asdict(settings) if dataclasses.is_dataclass(settings) and not isinstance(settings, type) else settings
