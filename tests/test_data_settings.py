"""Impossible values of the settings of pictures and packing are refused, each field by name, value and remedy."""

import dataclasses
import re
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

from study.checking import SettingsError, checked
from study.data.packing import PackingSettings
from study.data.rescaling import FilterSettings
from study.sources.choosing import BuiltInSettings, SourceSettings
from study.sources.cifar import CifarSettings
from study.sources.folders import FolderSettings, ImagenetteSettings
from study.sources.ilsvrc import IlsvrcSettings
from study.sources.mnist import MnistSettings
from study.sources.pictures import PictureSettings

PICTURES = {"seed": 1, "size": 64, "train": 24, "validation": 24, "test": 24}
GOOD: dict[type, dict[str, Any]] = {
    PictureSettings: PICTURES,
    BuiltInSettings: {"source": "sketch", "pictures": PICTURES},
    CifarSettings: {"source": "cifar10"},
    MnistSettings: {"source": "mnist"},
    FolderSettings: {"source": "folder", "place": "pets"},
    ImagenetteSettings: {"source": "imagenette"},
    IlsvrcSettings: {"source": "ilsvrc2012"},
    FilterSettings: {},
    PackingSettings: {"size": 64},
}
BAD: list[tuple[type, dict[str, Any], str]] = [  # the first key is the field that is wrong; then how the sentence begins
    *(
        (PictureSettings, {name: 23}, f"{name} is 23, fewer than the 24 classes; raise")
        for name in ("train", "validation", "test")
    ),
    (PictureSettings, {"size": 31}, "size is 31, but"),
    (PictureSettings, {"size": 513}, "size is 513, but"),
    (PictureSettings, {"seed": -1}, "seed is -1; give"),
    (CifarSettings, {"validation": -1}, "validation is -1, but it is taken from 50,000; choose 10 to"),
    (CifarSettings, {"validation": 40_001}, "validation is 40001, but"),
    (MnistSettings, {"validation": 0}, "validation is 0, but it is taken from 60,000; choose 10 to"),
    (FolderSettings, {"place": ""}, "place is ''; name a folder or an archive"),
    (FolderSettings, {"place": "a\0b"}, "place is 'a\\x00b'; name a folder"),
    (FolderSettings, {"title": "two\nlines"}, "title is 'two\\nlines'; it is shown in one line, so use"),
    (FolderSettings, {"classes": ["a", "b", "a"]}, "classes names 'a' twice; name each class once"),
    (FolderSettings, {"classes": ["a"]}, "classes is ['a']; name two or more"),
    (FolderSettings, {"classes": ["a", ""]}, "classes is ['a', '']; name two or more"),
    (FolderSettings, {"classes_drawn": -1}, "classes_drawn is -1; give 2 or more, or 0"),
    (FolderSettings, {"classes_drawn": 1}, "classes_drawn is 1; give 2 or more, or 0"),
    (FolderSettings, {"classes_drawn": 2, "classes": ["a", "b"]}, "classes_drawn is 2, and classes names 2; leave out one"),
    (FolderSettings, {"validation": -5}, "validation is -5; it counts training pictures"),
    (FolderSettings, {"validation": 0}, "validation is 0; it counts training pictures"),
    (FolderSettings, {"validation_per_class": -1}, "validation_per_class is -1; it counts pictures of each class, 0 for none"),
    (FolderSettings, {"test_per_class": -1}, "test_per_class is -1; it counts pictures of each class, 0 for none"),
    (FolderSettings, {"seed": -1}, "seed is -1; give"),
    (ImagenetteSettings, {"validation": 0}, "validation is 0; it counts training pictures"),
    (ImagenetteSettings, {"classes": ["n0", "n0"]}, "classes names 'n0' twice; name each class once"),
    (IlsvrcSettings, {"steering": 0}, "steering is 0; give a part of the 50,000"),
    (IlsvrcSettings, {"classes": ["n0", "n0"]}, "classes names 'n0' twice; name each class once"),
    (FilterSettings, {"kind": "lanczos", "antialias": False}, "kind is lanczos, which is made for antialiasing; choose bicubic"),
    (PackingSettings, {"size": 7}, "size is 7; choose 8 to 1024"),
    (PackingSettings, {"size": 1025}, "size is 1025; choose 8 to 1024"),
    (PackingSettings, {"rejects": -1}, "rejects is -1; it is the number of pictures that may be unreadable, 0 for none"),
    (PackingSettings, {"shard": 0}, "shard is 0; it is a number of pictures, 1 to 10,000"),
    (PackingSettings, {"shard": 10_001}, "shard is 10001; it is a number of pictures, 1 to 10,000"),
]


@pytest.mark.parametrize(("kind", "values", "sentence"), BAD, ids=lambda one: one.__name__ if isinstance(one, type) else str(one))
def test_impossible_values_are_refused(kind: type, values: dict[str, Any], sentence: str) -> None:
    checked(kind, GOOD[kind], "block")
    with pytest.raises(SettingsError) as told:
        checked(kind, GOOD[kind] | values, "block")
    assert str(told.value).startswith(f"block: {sentence}") and "\n" not in str(told.value)
    good = checked(kind, GOOD[kind], "block")
    with pytest.raises(ValueError, match=re.escape(sentence)):  # and without YAML
        dataclasses.replace(good, **{name: tuple(one) if isinstance(one, list) else one for name, one in values.items()})


def _closed(hint: Any) -> bool:
    """Whether every value of the type is possible, or the type itself refuses the others."""
    return hint is bool or get_origin(hint) is Literal


def test_every_field_has_an_impossible_value() -> None:
    """A new field needs one here, unless its type alone says what it can be."""
    tried = {(kind, next(iter(values))) for kind, values, _ in BAD}
    assert set(GOOD) >= set(get_args(SourceSettings))
    for kind in GOOD:
        hints = get_type_hints(kind)
        for field in dataclasses.fields(kind):
            nested = [one for one in (hints[field.name], *get_args(hints[field.name])) if one in GOOD]
            assert (kind, field.name) in tried or _closed(hints[field.name]) or nested, f"{kind.__name__}.{field.name}"


def test_misspelt_and_mistyped_settings_of_a_place() -> None:
    for values, sentence in (
        ({"plaec": "x"}, "block.plaec is no setting"),
        ({"validation": "many"}, "block.validation is 'many'; give a whole number"),
        ({"classes": "a, b"}, "block.classes is 'a, b'; give a list in brackets"),
        ({"fewer_classes": 1}, "block.fewer_classes is 1; give true or false"),
        ({"source": "nowhere"}, "block.source is 'nowhere'; use one of: sketch, cifar10, cifar100, mnist, imagenette, folder"),
    ):
        with pytest.raises(SettingsError, match=re.escape(sentence)):
            checked(SourceSettings, GOOD[FolderSettings] | values, "block")
