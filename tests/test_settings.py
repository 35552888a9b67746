"""params.yaml: every mistake refused in one sentence that names the key, the value and the remedy."""

import copy
import dataclasses
import types
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest

from stages.composing import composed
from stages.relative import TimesSettings
from stages.settings import ChosenSettings, StudySettings, load, read_params, resolve
from study.checking import SettingsError

ROOT = Path(__file__).parent.parent
PARAMS = read_params(ROOT / "params.yaml")


@pytest.fixture(autouse=True)
def project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def _changed(path: str, value: object, params: dict | None = None) -> dict:
    params = copy.deepcopy(PARAMS if params is None else params)
    *folders, last = path.split(".")
    block = params
    for name in folders:
        block = block.setdefault(name, {})
    block[last] = value
    return params


def test_the_default_study_is_the_sketch() -> None:
    settings = load(ROOT / "params.yaml")
    assert settings.study == "sketch"
    assert set(settings.runs) == {"base", "one_column", "no_normalisation", "no_crops", "no_dropout"}
    assert {name: len(run.seeds) for name, run in settings.runs.items() if len(run.seeds) != 5} == {"base": 10}
    assert all(len(curve.rates) >= 3 and len(curve.seeds) == 5 for curve in settings.curves.values())


def test_a_run_differs_from_the_base_by_its_own_lines() -> None:
    settings = resolve(PARAMS)
    base, changed = settings.runs["base"], settings.runs["no_normalisation"]
    assert changed.network.normalisation == "none" and base.network.normalisation == "response"
    assert changed.learning == base.learning and changed.augmentation == base.augmentation


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("colour", 1, "'colour' is no block of a study; remove it"),
        ("machine.cores", 2, r"machine.cores is no setting; remove it, or use one of: devices"),
        ("machine.threads", "two", "machine.threads is 'two'; give a whole number"),
        ("machine.threads", True, "machine.threads is True; give a whole number"),
        ("machine.threads", 0, "machine: threads is 0; give the number of cores"),
        ("machine.devices", "cpu", "machine.devices is 'cpu'; give a list"),
        ("machine.devices", ["gpu"], "machine: devices names 'gpu', which is no device; use cpu, cuda:0 or mps"),
        ("machine.replicas", 0, "replicas is 0; it is 1, or the number of processes"),
        ("train.share", 1.5, "runs.base: share is 1.5; it is the share of the training pictures"),
        ("train.augmentation.alike", 0, "alike is 0; it counts pictures"),
        ("machine.precision", "float8", "machine.precision is 'float8'; use one of: float64, float32, tf32, bfloat16"),
        ("study", "../elsewhere", "names a folder"),
        (
            "study",
            "cifar10",
            "but the rest of params.yaml is .sketch.; set it back, or choose another study with: .* stages.choose cifar10",
        ),
        ("download.source", "imagenet", "download.source is 'imagenet'; use one of: sketch, cifar10"),
        ("download.pictures.train", 3, "fewer than the 24 classes"),
        ("prepare.size", 100000, "choose 8 to 1024"),
        ("train.network.dropout", 1.5, "runs.base.network: dropout is 1.5, but it is a probability"),
        ("train.network.kernels", [96], r"runs.base.network.kernels has 1 entries; give 5"),
        ("train.network.kernels", [0, 64, 96, 96, 64], r"kernels is \[0, 64, 96, 96, 64\], but 0 do not divide over 2 column"),
        ("train.network.crop", 65, "runs.base.network.crop is 65, larger than prepare.size 48"),
        ("runs.base.network", {"activation": "swish"}, "runs.base.network.activation is 'swish'; use one of: relu, tanh"),
        ("runs.base.lerning", {}, "runs.base.lerning is no setting; remove it, or use one of: recipe, network, learning"),
        ("runs.base", 7, "runs.base is 7; give a block of settings"),
        ("runs.a-b", {}, "letters, digits and _ only"),
        ("runs", {1: {}}, r"runs.1 names a folder, so begin with a letter"),
        ("runs", {"base": {}, "Base": {}}, "differ in capital letters alone"),
        ("runs", [], r"runs is \[\]; give a block of settings"),
        ("runs", {}, "runs is empty; name at least one"),
        ("curves", {"1": {}}, "curves.1 names a folder, so begin with a letter"),
        ("train", None, "train is None; give a block of settings"),
        ("runs.base.seeds", [1, 1], "runs.base: seeds is .*each once"),
        ("runs.base.seeds", [-1], r"runs.base: seeds is \[-1\]; name at least one, each once and 0 or more"),
        ("runs.base.recipe", ["paper"], "runs.base.recipe is .*; use one of: paper, code145"),
        ("runs.base.times", {"kernels": [0.5]}, "runs.base.times.kernels has 1 factors for 5 layers; give one for each"),
        (
            "runs.base.times",
            {"epochs": 0.3},
            "runs.base.times.epochs makes 12.6, which is no whole number; choose another factor",
        ),
        (
            "runs.base.times",
            {"kernels": [1, 1, 1, 1, 0]},
            "runs.base.times: kernels is .*, but 0 or less leaves nothing",
        ),
        ("runs.base.times", {"kernels": [1, 1, 1, 1, 1 / 64]}, r"kernels is \[.*, 1\], but 1 do not divide over 2 column"),
        ("train.learning.undecayed", ["conv6"], "undecayed names 'conv6', which is no layer; use some of: conv1, conv2"),
        ("download.source", ["sketch"], r"download.source is \['sketch'\]; use one of: sketch, cifar10"),
        ("train.network.architecture", {"alexnet": 1}, "runs.base.network.architecture is {'alexnet': 1}; use one of: alexnet"),
        ("converge.network", {"architecture": []}, r"network.architecture is \[\]; use one of: alexnet"),
        (
            "train.network.kernels",
            [10**30, 64, 96, 96, 64],
            r"kernels\[0\] is 1000.*; give a whole number of at most 4,294,967,295",
        ),
        ("runs.base.seeds", [2**64], r"runs.base.seeds\[0\] is 18446744073709551616; give a whole number of at most"),
        ("runs.base.times", {"kernels": [1e308] * 5}, r"times.kernels\[0\] makes inf, more than there can be; choose a smaller"),
        ("runs.base.times", {"epochs": 1e30}, "times.epochs makes 4.2e.31, more than there can be; choose a smaller factor"),
        ("train.learning.rate.initial", float("nan"), "give a finite number"),
        ("train.learning.rate.initial", 10**309, "give a finite number"),
        ("train.learning.rate.initial", -1, "learning rate is positive"),
        ("retrieve.run", "best", "retrieve.run is 'best', which is no run; use one of: base"),
        ("retrieve.seed", 10, "name one of its seeds"),
    ],
)
def test_mistakes(path: str, value: object, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence) as refused:
        resolve(_changed(path, value))
    assert "\n" not in str(refused.value)


# Where settings of each class stand: a study as stages.choose composes it, and the place in its params.yaml.
SKETCH, FOLDER = ("sketch", []), ("folders", ["place=pictures"])
PLACES: dict[str, tuple[tuple[str, list[str]], str]] = {
    "StudySettings": (SKETCH, ""),
    "ChosenSettings": (SKETCH, "chosen"),
    "MachineSettings": (SKETCH, "machine"),
    "BuiltInSettings": (SKETCH, "download"),
    "PictureSettings": (SKETCH, "download.pictures"),
    "CifarSettings": (("cifar10", []), "download"),
    "MnistSettings": (("digits", ["data=mnist"]), "download"),
    "ImagenetteSettings": (("imagenette", []), "download"),
    "FolderSettings": (FOLDER, "download"),
    "IlsvrcSettings": (("ilsvrc2012", []), "download"),
    "PackingSettings": (SKETCH, "prepare"),
    "FilterSettings": (SKETCH, "prepare.filter"),
    "RunSettings": (SKETCH, "train"),
    "TimesSettings": (SKETCH, "runs.base.times"),
    "AlexNetSettings": (SKETCH, "train.network"),
    "FourLayerSettings": (("cifar10", []), "curves.relu.network"),
    "ResponseSettings": (SKETCH, "train.network.response"),
    "LearningSettings": (SKETCH, "train.learning"),
    "RateSettings": (SKETCH, "train.learning.rate"),
    "AugmentationSettings": (SKETCH, "train.augmentation"),
    "CurveSettings": (SKETCH, "curves.relu"),
    "EvaluationSettings": (SKETCH, "evaluate"),
    "RetrievalSettings": (SKETCH, "retrieve"),
    "HalvingSettings": (SKETCH, "halve"),
    "CostSettings": (SKETCH, "cost"),
    "HandMadeSettings": (SKETCH, "hand_made"),
}

# Values that are impossible, for every field of every settings class. A field that is no number and no list can only be of
# the wrong type or no word of its own; a bias may be any number that is finite.
NO_WORD, NO_FLAG, NO_NUMBER = "nothing like that", "perhaps", float("nan")
BAD: dict[str, dict[str, list[Any]]] = {
    "StudySettings": {"study": ["", "a/b", "a b", 7, "..", "cifar10"]},
    "ChosenSettings": {"study": [7, "cifar10"], "changes": ["scale=small", [1]]},
    "MachineSettings": {
        "devices": [[], ["cpu", "cpu", "cpu"], ["gpu"], [""], "cpu"],
        "threads": [0, -1, 10**9, 1.5],
        "precision": [NO_WORD, "tf32"],
        "deterministic": [NO_FLAG],
        "compiled": [NO_FLAG],
        "replicas": [0, -1],
    },
    "BuiltInSettings": {"source": [NO_WORD]},
    "PictureSettings": {"seed": [-1], "size": [0, 31, 513], "train": [0, 23], "validation": [0, 23], "test": [0, 23]},
    "CifarSettings": {"source": [NO_WORD], "validation": [0, -5, 45_000]},
    "MnistSettings": {"source": [NO_WORD], "validation": [0, -5, 60_000]},
    "ImagenetteSettings": {
        "source": [NO_WORD],
        "size": [200],
        "validation": [-5, 0],
        "classes": [["n01440764", "n02102040", "n01440764"], [1]],
    },
    "FolderSettings": {
        "source": [NO_WORD],
        "place": [""],
        "title": [7],
        "classes": [["a", "b", "a"], ["a"], "a"],
        "classes_drawn": [-1, 1],
        "validation": [-5, 0],
        "validation_per_class": [-1],
        "test_per_class": [-1],
        "seed": [-1],
        "fewer_classes": [NO_FLAG],
    },
    "IlsvrcSettings": {"source": [NO_WORD], "steering": [0, -5], "classes": [["n01440764", "n01440764"]]},
    "PackingSettings": {"size": [0, 7, 1025], "rejects": [-1], "shard": [0, 10_001]},
    "FilterSettings": {"kind": [NO_WORD], "antialias": [NO_FLAG]},
    "RunSettings": {"recipe": [NO_WORD], "share": [0, -1, 1.01], "seeds": [[], [0, 0], [-1]]},
    "TimesSettings": {"kernels": [[0.5], [0, 1, 1, 1, 1]], "neurons": [[1], [1, -1]], "epochs": [0, 0.3], "rate": [0, -1]},
    "AlexNetSettings": {
        "architecture": [NO_WORD],
        "crop": [0, -1, 10, 65],
        "stride": [0, -1],
        "kernels": [[0] * 5, [24, 64, 96, 95, 64], [24], [-2] * 5],
        "neurons": [[0, 1024], [1024, 1023]],
        "paddings": [[-1, 1, 1, 1]],
        "columns": [0, 3],
        "communication": [NO_FLAG],
        "without": ["conv6"],
        "activation": [NO_WORD],
        "activation_1": [NO_WORD],
        "normalisation": [NO_WORD],
        "spatial_normalisation": [NO_FLAG],
        "pooling": [NO_WORD],
        "dropout": [-0.1, 1],
        "input_scale": [0, -1],
        "deviation": [0, -0.01],
        "deviation_conv345": [0, -0.01],
        "fan_in_scaling": [NO_FLAG],
        "bias": [NO_NUMBER],
    },
    "FourLayerSettings": {
        "architecture": [NO_WORD],
        "crop": [0, 7, 33],
        "kernels": [[0, 64, 32, 32], [64]],
        "activation": [NO_WORD],
        "normalisation": [NO_WORD],
    },
    "ResponseSettings": {"k": [0, -1], "n": [0, 4, -1], "alpha": [-1e-4], "beta": [-0.75]},
    "LearningSettings": {
        "epochs": [0, -1],
        "batch": [0, -1],
        "momentum": [-0.1, 1],
        "weight_decay": [-0.1],
        "undecayed": [["conv9"]],
        "bias_rate": [-1],
        "bias_divisions": [[0], [-1]],
        "bias_decay": [NO_FLAG],
        "conv1_slowed": [0],
        "conv1_frozen": [0],
    },
    "RateSettings": {
        "initial": [0, -0.01, NO_NUMBER],
        "rule": [NO_WORD],
        "patience": [0],
        "divisions": [-1],
        "at": [[3, 2], [2, 2], [0]],
    },
    "AugmentationSettings": {
        "crops": [NO_FLAG],
        "flips": [NO_FLAG],
        "colour": [NO_WORD],
        "colour_deviation": [-0.1],
        "colour_divisor": [0],
        "colour_until": [-1],
        "alike": [0],
        "mean": [NO_WORD],
    },
    "CurveSettings": {
        "rates": [[], [0], [-0.1]],
        "seeds": [[], [0, 0], [-1]],
        "race_seed": [-1, 0],
        "epochs": [0],
        "batch": [0],
        "threshold": [0, 1],
        "pictures": [0],
    },
    "EvaluationSettings": {"batch": [0]},
    "RetrievalSettings": {"run": [NO_WORD], "seed": [-1, 10], "seeds": [0], "queries": [0], "neighbours": [0], "batch": [0]},
    "HalvingSettings": {"run": [NO_WORD], "seed": [-1, 10], "pictures": [0], "masks": [29], "batch": [0]},
    "CostSettings": {"run": [NO_WORD], "steps": [0], "rounds": [1]},
    "HandMadeSettings": {"cells": [1], "orientations": [1, 181], "colours": [0, 17], "decays": [[], [0], [-1]], "batch": [0]},
}


def _classes(kind: Any) -> Iterator[type]:
    """Every settings class that a type is made of, alternatives of a union and values of a table included."""
    if dataclasses.is_dataclass(kind):
        yield kind  # type: ignore[misc]
        for hint in get_type_hints(kind).values():
            yield from _classes(hint)
    elif get_origin(kind) in (Union, types.UnionType, dict, tuple):
        for part in get_args(kind):
            yield from _classes(part)


CLASSES = {kind.__name__: kind for kind in (*_classes(StudySettings), TimesSettings, ChosenSettings)}


def _leaves(kind: type) -> set[str]:
    """The fields of a class that are no settings class, and no table of one, themselves."""
    return {name for name, hint in get_type_hints(kind).items() if not list(_classes(hint))}


def test_every_field_of_every_settings_class_has_a_bad_value() -> None:
    assert set(BAD) == set(PLACES) == set(CLASSES)
    assert {name: set(fields) for name, fields in BAD.items()} == {name: _leaves(kind) for name, kind in CLASSES.items()}


@pytest.mark.parametrize(("name", "field"), [(name, field) for name, fields in BAD.items() for field in fields])
def test_a_bad_value_is_refused_in_one_sentence_that_names_it(name: str, field: str) -> None:
    (study, changes), place = PLACES[name]
    params = _composed(study, *changes)
    resolve(params)
    for value in BAD[name][field]:
        with pytest.raises(SettingsError) as refused:
            resolve(_changed(f"{place}.{field}" if place else field, value, params))
        sentence = str(refused.value)
        assert field in sentence and len(sentence) > len(field) + 10 and "\n" not in sentence, sentence


@cache
def _composed(study: str, *changes: str) -> dict:
    file = ROOT / "conf" / "study" / f"{study}.yaml"
    return composed(study, changes, read_params(file) if file.exists() else {})


def test_a_missing_block() -> None:
    params = {name: block for name, block in PARAMS.items() if name != "evaluate"}
    with pytest.raises(SettingsError, match="'evaluate' is missing"):
        resolve(params)


def test_a_file_that_was_written_by_hand_need_not_say_what_it_was_composed_from() -> None:
    params = {name: block for name, block in PARAMS.items() if name != "chosen"} | {"study": "mine"}
    assert resolve(params).study == "mine"


def test_numbers_as_dvc_reads_them(tmp_path: Path) -> None:
    """YAML 1.2: 1e-4 is a number and no is a word, where YAML 1.1 has them the other way round."""
    (tmp_path / "params.yaml").write_text("a: 1e-4\nb: no\n")
    assert read_params(tmp_path / "params.yaml") == {"a": 1e-4, "b": "no"}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"a: [", "not YAML at line"),
        (b"a: 1\na: 2", "not YAML at line 2 .*duplicate key"),
        (b"- 1", "holds no settings"),
        (b"", "holds no settings"),
        (b"study: caf\xe9", "not text in UTF-8; save it as UTF-8"),
    ],
)
def test_broken_files(tmp_path: Path, content: bytes, sentence: str) -> None:
    (tmp_path / "params.yaml").write_bytes(content)
    with pytest.raises(SettingsError, match=sentence) as refused:
        load(tmp_path / "params.yaml")
    assert "\n" not in str(refused.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is missing; run from the project's folder"):
        load(tmp_path / "params.yaml")
