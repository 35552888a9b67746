"""params.yaml: every mistake refused in one sentence that names the key, the value and the remedy."""

import copy
from pathlib import Path

import pytest

from stages.settings import load, read_params, resolve
from study.checking import SettingsError

ROOT = Path(__file__).parent.parent
PARAMS = read_params(ROOT / "params.yaml")


def _changed(path: str, value: object) -> dict:
    params = copy.deepcopy(PARAMS)
    *folders, last = path.split(".")
    block = params
    for name in folders:
        block = block.setdefault(name, {})
    block[last] = value
    return params


def test_the_default_study_is_the_sketch() -> None:
    settings = load(ROOT / "params.yaml")
    assert settings.study == "sketch"
    assert set(settings.runs) == {"base", "no_normalisation", "local_pooling", "one_column", "no_dropout"}
    assert all(run.seeds == (0, 1, 2) for run in settings.runs.values())


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
        ("machine.replicas", 0, "replicas is 0; it is 1, or the number of processes"),
        ("train.share", 1.5, "runs.base: share is 1.5; it is the share of the training pictures"),
        ("train.augmentation.alike", 0, "alike is 0; it counts pictures"),
        ("machine.precision", "float8", "machine.precision is 'float8'; use one of: float64, float32, tf32, bfloat16"),
        ("study", "../elsewhere", "names a folder"),
        ("download.source", "imagenet", "download.source is 'imagenet'; use one of: sketch, cifar10"),
        ("download.pictures.train", 3, "fewer than the 24 classes"),
        ("prepare.size", 100000, "choose 8 to 1024"),
        ("train.network.dropout", 1.5, "runs.base.network: dropout is 1.5, but it is a probability"),
        ("train.network.kernels", [96], r"runs.base.network.kernels has 1 entries; give 5"),
        ("train.network.crop", 65, "runs.base.network.crop is 65, larger than prepare.size 64"),
        (
            "runs.base.network",
            {"activation": "swish"},
            "runs.base.network.activation is 'swish'; use one of: relu, tanh",
        ),
        ("runs.a-b", {}, "letters, digits and _ only"),
        ("runs.base.seeds", [1, 1], "runs.base: seeds is .*each once"),
        ("train.learning.rate.initial", float("nan"), "give a finite number"),
        ("train.learning.rate.initial", -1, "learning rate is positive"),
        ("curves", {}, "curves is empty"),
        ("retrieve.run", "best", "retrieve.run is 'best', which is no run; use one of: base"),
        ("retrieve.seed", 9, "name one of its seeds"),
    ],
)
def test_mistakes(path: str, value: object, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        resolve(_changed(path, value))


def test_a_missing_block() -> None:
    params = {name: block for name, block in PARAMS.items() if name != "evaluate"}
    with pytest.raises(SettingsError, match="'evaluate' is missing"):
        resolve(params)


def test_numbers_as_dvc_reads_them(tmp_path: Path) -> None:
    """YAML 1.2: 1e-4 is a number and no is a word, where YAML 1.1 has them the other way round."""
    (tmp_path / "params.yaml").write_text("a: 1e-4\nb: no\n")
    assert read_params(tmp_path / "params.yaml") == {"a": 1e-4, "b": "no"}


@pytest.mark.parametrize(("content", "sentence"), [("a: [", "not YAML at line"), ("- 1", "holds no settings")])
def test_broken_files(tmp_path: Path, content: str, sentence: str) -> None:
    (tmp_path / "params.yaml").write_text(content)
    with pytest.raises(SettingsError, match=sentence):
        load(tmp_path / "params.yaml")


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is missing; run from the project's folder"):
        load(tmp_path / "params.yaml")
