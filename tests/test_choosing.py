"""Studies composed from conf/, and the command that chooses one: every combination is valid, and nothing is lost."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path
from typing import get_args

import pytest

from dashboard import frames
from stages import choose
from stages.composing import choices, composed, differences, parsed
from stages.plan import bfloat16_lacks, plan
from stages.relative import written_out
from stages.settings import StudySettings, load, merged, read_params, resolve
from study import storage
from study.checking import SettingsError, plain
from study.judging.about import OF_CURVES
from study.judging.chain import Chain, Conditions
from study.judging.protocol import read_protocol
from study.network.activations import ActivationName
from study.paper.claims import CLAIMS

ROOT = Path(__file__).parent.parent
DATA, SCALES, TABLES, STUDIES = (sorted(path.stem for path in (ROOT / "conf" / group).glob("*.yaml")) for group in
                                 ("data", "scale", "table", "study"))  # fmt: skip


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with conf/, params.yaml and protocol.yaml alone, as the current one."""
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    for name in ("params.yaml", "protocol.yaml"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _study(data: str, scale: str, table: str, *changes: str) -> StudySettings:
    own = {"data": data, "scale": scale, "table": table}
    return resolve(composed("mine", changes, own | ({"download": {"place": "pictures"}} if data == "folder" else {})))


@pytest.mark.parametrize(("scale", "table"), list(product(SCALES, TABLES)))
def test_every_combination_of_data_scale_and_table_is_a_study(scale: str, table: str) -> None:
    for data in DATA:
        if scale == "four_layer" and table != "cifar10":  # footnote 3's network has no columns and no dropout
            sentence = (
                f"table {table} is for the network alexnet, and scale four_layer has four_layer; use another .*table=cifar10"
            )
            with pytest.raises(SettingsError, match=sentence):
                _study(data, scale, table)
        else:
            settings = _study(data, scale, table)
            assert settings.retrieve.run in settings.runs and len(settings.runs) > 1


@pytest.mark.parametrize(("scale", "table"), list(product([scale for scale in SCALES if scale != "four_layer"], TABLES)))
def test_runs_of_every_table_are_what_their_names_say(scale: str, table: str) -> None:
    assert not list(_not_comparable(_study("sketch", scale, table)))


@pytest.mark.parametrize("name", STUDIES)
def test_runs_of_every_study_are_what_their_names_say(name: str) -> None:
    assert not list(_not_comparable(resolve(composed(name))))


def test_a_change_of_all_runs_that_makes_two_of_them_alike_is_noticed() -> None:
    changed = resolve(composed("photographs", ["train.augmentation.colour=none"]))
    assert list(_not_comparable(changed)) == ["no_colour and base have the same settings, so that there is nothing to compare"]


@pytest.mark.parametrize(
    ("study", "change", "why"),
    [
        ("photographs", "train.network.columns=1", "base has network.columns 1, and the claims on it suppose 2"),
        ("photographs", "train.network.columns=1", "no_communication has network.columns 1, and the claims on it suppose 2"),
        ("photographs", "runs.half_width.times={kernels: [2, 2, 2, 2, 2], neurons: [2, 2]}", "no less than [24, 64, 96, 9"),
        ("photographs", "runs.small_input.network.input_scale=2", "small_input has network.input_scale 2.0, no less than 1.0"),
        ("photographs", "runs.tanh_small_input.network.input_scale=0.5", "differ in network.input_scale, 0.5 and 0.017"),
        ("photographs", "runs.half_data.share=0.25", ""),
        ("cifar10", "runs.without_normalisation.network.normalisation=batch", "has network.normalisation batch"),
        ("cifar10", "curves.tanh.batch=64", "tanh and relu differ in batch as well"),
        ("cifar10", "curves.tanh.rates=[0.01, 0.02, 0.04]", ""),
    ],
)  # fmt: skip
def test_runs_that_are_turned_round_or_changed_in_more_are_noticed(study: str, change: str, why: str) -> None:
    found = list(_not_comparable(resolve(composed(study, [change]))))
    assert any(why in told for told in found) if why else not found


def test_curves_of_another_network_are_of_another_one_and_alike() -> None:
    curve = {"network": {"activation": "relu", "kernels": [8]}, "rates": [0.1], "batch": 32}
    shallow = {"converge-relu": curve, "converge-tanh": merged(curve, {"network": {"activation": "tanh"}})}
    for name, kernels, why in (
        ("tanh_shallow", [8], "relu_shallow and tanh_shallow differ in network.kernels as well"),
        ("relu", [8], "relu_shallow and relu have the same network, so that there is nothing to compare"),
        ("relu", [4], ""),
    ):
        other = merged(shallow[f"converge-{name.split('_')[0]}"], {"network": {"kernels": kernels}, "rates": [0.2]})
        first = merged(curve, {"network": {"kernels": [4] if name.startswith("tanh") else [8]}})
        records = {"converge-relu_shallow": {"curve": first}, f"converge-{name}": {"curve": other}}
        chain = Chain(folder=Path(), study="x", pictures="", records=records, conditions=Conditions())
        assert chain.unlike(records) == why


def _not_comparable(settings: StudySettings) -> Iterator[str]:
    """Why claims would not compare the runs and curves that they name, of those that a study has."""
    kinds = (("train", "run", settings.runs), ("converge", "curve", settings.curves))
    of = {f"{kind}-{name}": {key: json.loads(json.dumps(plain(one)))} for kind, key, all_ in kinds for name, one in all_.items()}
    chain = Chain(folder=Path(), study=settings.study, pictures="", records=of, conditions=Conditions())
    for block in read_protocol(read_params(ROOT / "protocol.yaml")).claims.values():
        kind = "converge" if block.measure in OF_CURVES else "train"
        if why := chain.unlike(f"{kind}-{name}" for name in (*block.run.split(), *block.against.split())):
            yield why


def test_runs_that_fit_another_network_are_taken_by_name() -> None:
    base = [f"{block}.run=base" for block in ("retrieve", "halve", "cost")]
    assert set(_study("cifar10", "four_layer", "components", "only=base,no_crops", *base).runs) == {"base", "no_crops"}
    with pytest.raises(SettingsError, match="one_column"):
        _study("cifar10", "four_layer", "components", "only=base,one_column", *base)


@pytest.mark.parametrize("scale", SCALES)
def test_a_scale_is_complete(scale: str) -> None:
    """Crop, stride, widths, packed size, budget, batch, rates and seeds, so that any study can say `scale: quarter`."""
    block = read_params(Path(f"conf/scale/{scale}.yaml"))
    stated = {*block["train"]["network"], *block["train"].get("learning", {}), *block["train"], *block["prepare"]}
    alexnet = {"stride", "neurons"} if scale != "four_layer" else set()
    recipe = {"recipe"} if scale == "whole" else {"epochs", "batch", "rate"}  # which says epochs, batch and rate
    assert {"size", "crop", "kernels", "seeds"} | alexnet | recipe <= stated
    assert {"relu", "tanh"} == set(block["curves"]) and {"network", "seeds", "batch", "epochs"} <= set(block["converge"])


def test_a_study_without_figure_1_has_no_curves() -> None:
    params = composed("imagewoof")
    assert params["curves"] == {} and resolve(params).curves == {}


WHOLE = {  # kernels and neurons that the runs of the whole network have had from the first, those of the author's runs among them
    "base": ((96, 256, 384, 384, 256), (4096, 4096), 2),
    "one_column": ((48, 128, 192, 192, 256), (4096, 4096), 1),
    "one_large_gpu": ((96, 256, 384, 384, 256), (4096, 4096), 1),
    "no_communication": ((96, 320, 384, 384, 256), (8192, 4096), 2),
    "half_width": ((48, 128, 192, 192, 128), (2048, 2048), 2),
    "half_width_no_crops": ((48, 128, 192, 192, 128), (2048, 2048), 2),
}
QUARTER = {
    "base": ((24, 64, 96, 96, 64), (1024, 1024), 2),
    "one_column": ((12, 32, 48, 48, 64), (1024, 1024), 1),
    "one_large_gpu": ((24, 64, 96, 96, 64), (1024, 1024), 1),
    "no_communication": ((24, 80, 96, 96, 64), (2048, 1024), 2),
    "half_width": ((12, 32, 48, 48, 32), (512, 512), 2),
    "half_width_no_crops": ((12, 32, 48, 48, 32), (512, 512), 2),
}


@pytest.mark.parametrize(("scale", "table", "expected"), [
    ("whole", "components", WHOLE),
    ("whole", "author", {name: WHOLE[name] for name in ("base", "one_column", "no_communication")}),
    ("quarter", "components", QUARTER),
    ("small", "components", QUARTER),
])  # fmt: skip
def test_variants_are_relative_to_the_scale(scale: str, table: str, expected: dict) -> None:
    runs = _study("sketch", scale, table).runs
    found = {name: runs[name].network for name in expected}
    assert {name: (n.kernels, n.neurons, n.columns) for name, n in found.items()} == expected
    others = set(runs) - set(WHOLE)
    assert all((runs[name].network.kernels, runs[name].network.neurons) == expected["base"][:2] for name in others)


def test_half_of_the_pictures_in_twice_the_epochs_are_as_many_updates() -> None:
    runs = _study("sketch", "quarter", "components", "train.learning.rate.at=[21,28]").runs
    base, half = runs["base"].learning, runs["half_data"].learning
    assert (half.epochs, runs["half_data"].share) == (2 * base.epochs, 0.5)
    assert [2 * (epoch - 1) for epoch in base.rate.at] == [epoch - 1 for epoch in half.rate.at]
    code145 = _study("sketch", "whole", "author", "+runs.base.times={epochs: 2, rate: 0.5}").runs["base"]
    learning = code145.learning
    assert (learning.epochs, learning.rate.at, learning.rate.initial) == (186, (45, 101, 155), 0.005)
    assert (learning.conv1_slowed, learning.conv1_frozen, code145.augmentation.colour_until) == (135, 143, 134)


def _leaves(content: dict, above: str = "") -> set[str]:
    found = [_leaves(value, f"{above}{key}.") if isinstance(value, dict) else {above + key} for key, value in content.items()]
    return set().union(*found)


def test_what_a_factor_changes_is_said_line_by_line() -> None:
    """The judgement asks in which lines runs may differ: in those, and in no others, they do."""
    times = {"kernels": [0.5, 0.5, 0.5, 0.5, 1], "neurons": [2, 1], "epochs": 2, "rate": 0.5}
    block = {"recipe": "code145", "network": {"columns": 1}, "times": times}
    lines = written_out(block)
    assert lines["network"] == {"columns": 1, "kernels": None, "neurons": None} and block["network"] == {"columns": 1}
    params = composed("mine", (), {"data": "sketch", "scale": "whole", "table": "author"})
    params["runs"] = {"base": {"recipe": "code145"}, "changed": block}
    base, changed = (plain(run) for run in resolve(params).runs.values())
    found = {key for key, _, _ in differences(base, changed)}
    assert found == _leaves(lines) - {"recipe"}


def test_seeds_may_stand_in_a_run() -> None:
    runs = _study("sketch", "quarter", "components").runs
    assert len(runs["base"].seeds) == 10 and {len(run.seeds) for name, run in runs.items() if name != "base"} == {5}


def test_the_tables_have_the_protocol_s_runs() -> None:
    claims = read_params(ROOT / "protocol.yaml")["claims"].values()
    named = {name for claim in claims for side in ("run", "against") for name in str(claim.get(side, "")).split()}
    tables = {name for table in TABLES for name in read_params(Path(f"conf/table/{table}.yaml"))["runs"]}
    curves = {"relu", "tanh", "relu_shallow", "tanh_shallow"}  # the last two are no part of any scale yet
    assert named <= tables | curves
    assert {"batch_normalisation", "one_large_gpu"} <= tables


def test_the_readers_study_changes_one_thing_at_a_time() -> None:
    """Each run differs from base in what one question asks for, as the page's figures sort them (frames.SWEEPS)."""
    settings = resolve(composed("readers"))
    flat = {name: frames.flat(plain(run)) for name, run in settings.runs.items()}
    sorted_into = {}
    for name, own in flat.items():
        apart = {key for key in own if own[key] != flat["base"].get(key)}
        sorted_into[name] = [sweep for sweep, (may, axis) in frames.SWEEPS.items() if apart and apart <= may]
    assert sorted_into.pop("base") == [] and all(len(found) == 1 for found in sorted_into.values())
    counts = Counter(found[0] for found in sorted_into.values())
    assert counts == {"rate": 11, "k": 2, "n": 2, "alpha": 2, "beta": 2, "data": 3, "width": 3}
    assert {run.seeds for run in settings.runs.values()} == {(0, 1)} and not settings.curves
    updates = {name: run.learning.epochs * run.share for name, run in settings.runs.items()}
    assert set(updates.values()) == {20}
    for study in ("readers-nearest", "readers-nearest-test", "readers-lanczos"):
        other = resolve(composed(study))
        assert other.runs == {"base": settings.runs["base"]} and other.prepare != settings.prepare


def test_figure_1_of_other_activations_has_all_of_them() -> None:
    settings = resolve(composed("activations"))
    assert {curve.network.activation for curve in settings.curves.values()} == set(get_args(ActivationName))
    for name, curve in settings.curves.items():
        assert curve.network.activation == name and len(curve.rates) == 4 and len(curve.seeds) == 2
        assert (curve.pictures, curve.epochs, curve.threshold) == (5000, 40, 0.25)


@pytest.mark.parametrize("study", STUDIES)
def test_a_study_of_conf_is_chosen_by_its_name(study: str) -> None:
    said = choose.choose(study, (), discard=False)
    assert said[0] == f"study {study}:" and load().study == study
    assert load() == resolve(composed(study))


def test_params_are_the_composed_default_study() -> None:
    before = Path("params.yaml").read_text()
    assert read_params() == composed("sketch")
    assert "nothing in params.yaml has changed" in choose.choose("sketch", (), discard=False)
    assert Path("params.yaml").read_text() == before


def test_epochs_that_end_before_the_rate_is_divided_are_said(project: Path) -> None:
    said = choose.choose("imagenette", ["scale=quarter", "only=base,no_dropout", "train.learning.epochs=20"], discard=True)
    assert said[-1].startswith("note: of base, no_dropout the rate is divided after epochs 21 and 28, and there are 20")
    whole = choose.choose(
        "imagenette", ["scale=quarter", "train.learning.epochs=20", "train.learning.rate.at=[14, 18]"], discard=True
    )
    assert not any("note: of" in line for line in whole)


def test_own_pictures_are_a_study_of_their_own_name(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(project))
    for name in ("my pictures, old", "birds"):
        _pets(project / name, 300)
    said = choose.choose("pets", ("place=~/my pictures, old", "scale=quarter"), discard=False)
    assert any("conf/study/pets.yaml is new" in line for line in said)
    pets = load()
    assert (pets.study, pets.prepare.size) == ("pets", 64) and pets.download.place == os.path.expanduser("~/my pictures, old")
    choose.choose("birds", (f"place={project / 'birds'}", "scale=small", "only=base,no_dropout"), discard=False)
    birds = load()
    assert set(birds.runs) == {"base", "no_dropout"} and birds.results != pets.results and birds.packed != pets.packed
    choose.choose("pets", (), discard=False)
    assert load() == pets
    said = choose.choose("pets", (f"place={project / 'birds'}",), discard=False)
    assert said[-1].startswith("note: conf/study/pets.yaml says that the pictures are in ") and "change it there" in said[-1]
    choose.choose("pets", (), discard=False)
    assert load() == pets


@pytest.mark.parametrize(
    ("lacking", "sentence"),
    [("val/dog", "dog"), ("train", "train/<class>/"), ("val", "download.validation"), ("train/dog", "1 class (cat)")],
)
def test_a_place_that_is_no_study_makes_none(project: Path, lacking: str, sentence: str) -> None:
    """As `download` would say after it, but before a study of that name is there."""
    _pets(project / "pets", 30)
    shutil.rmtree(project / "pets" / lacking)
    if lacking == "train":
        shutil.rmtree(project / "pets/val")
    before = sorted(project.rglob("*"))
    with pytest.raises(SettingsError, match=re.escape(sentence)):
        choose.choose("pets", ("place=pets",), discard=False)
    assert sorted(project.rglob("*")) == before


def _pets(place: Path, training: int = 150) -> None:
    for name in ("train/cat", "train/dog", "val/cat", "val/dog"):
        (folder := place / name).mkdir(parents=True)
        for number in range(training if name.startswith("train") else 20):
            (folder / f"{number}.jpg").touch()


def test_a_claim_that_is_not_in_order_is_refused_before_anything_is_trained(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("study.judging.protocol.CLAIMS", (replace(CLAIMS[0], kind="efect"), *CLAIMS[1:]))
    monkeypatch.setattr(sys, "argv", ["choose", "sketch"])
    sentence = f"choose: the claim '{CLAIMS[0].id}' of study/paper has the kind 'efect'; use one of: effect"
    with pytest.raises(SystemExit, match=sentence):
        choose.main()


def test_dvcs_checkout_leaves_results_of_the_study_that_was_chosen_before(project: Path, tmp_path: Path) -> None:
    """It removes what it put there itself and no stage names any longer: nothing of another study, once one is chosen."""
    from dvc.fs import LocalFileSystem
    from dvc_data.hashfile.state import State

    state, fs = State(str(project), str(tmp_path / "state")), LocalFileSystem()
    for study in ("sketch", "cifar10"):
        for name in ("train/base/metrics.json", "train/base/seed-0/curve.csv", "provenance/train-base.json"):
            storage.write_bytes(project / "results" / study / name, b"{}")
    outputs = [
        f"results/{study}/{name}" for study in ("sketch", "cifar10") for name in ("train/base", "provenance/train-base.json")
    ]
    for path in outputs:
        state.save_link(str(project / path), fs)
    assert sorted(state.get_unused_links([], fs)) == sorted(outputs)
    choose.choose("cifar10", (), discard=False)
    assert sorted(state.get_unused_links([], fs)) == sorted(outputs[2:])
    choose.choose("sketch", (), discard=False)
    assert state.get_unused_links([], fs) == []
    state.close()


def test_a_study_is_a_file_of_five_lines() -> None:
    Path("conf/study/pets.yaml").write_text("data: folder\nscale: quarter\ntable: components\ndownload:\n  place: /pets\n")
    choose.choose("pets", (), discard=False)
    assert load().download.place == "/pets" and len(load().runs) > 20


def _edited(key: str, value: object) -> None:
    params = read_params()
    *folders, last = key.split(".")
    block = params
    for folder in folders:
        block = block[folder]
    block[last] = value
    Path("params.yaml").write_text(choose.as_yaml(params))


@pytest.mark.parametrize("study", ["cifar10", "sketch"])
def test_edits_are_not_overwritten_unless_told_to(study: str) -> None:
    _edited("train.learning.epochs", 6)
    before = Path("params.yaml").read_text()
    with pytest.raises(SettingsError, match="was edited, .* would lose that: train.learning.epochs is 6.*--discard-edits"):
        choose.choose(study, (), discard=False)
    assert Path("params.yaml").read_text() == before
    choose.choose(study, (), discard=True)
    assert load() == resolve(composed(study))


def test_what_is_there_with_other_settings_is_not_said_to_be_there(project: Path) -> None:
    settings = load()
    for run in ("base", "no_dropout"):
        storage.write_json(project / f"results/sketch/train/{run}/metrics.json", {})
        made = json.loads(json.dumps(asdict(settings.runs[run])))
        if run == "no_dropout":
            made["learning"]["epochs"] = 6
        storage.write_json(project / f"results/sketch/provenance/train-{run}.json", {"run": made})
    assert "there already, and not run again where nothing has changed: base" in plan(settings)


@pytest.mark.parametrize(
    ("maker", "flags", "lacking"),
    [
        ("AuthenticAMD", "fma avx2", "bf16"),
        ("AuthenticAMD", "avx512f avx512_bf16", ""),
        ("GenuineIntel", "avx512f avx512_bf16", "amx_bf16"),
        ("GenuineIntel", "avx512f avx512_bf16 amx_bf16", ""),
        ("", "asimd bf16 i8mm", ""),
    ],
)
def test_which_instructions_for_bfloat16_a_processor_lacks(tmp_path: Path, maker: str, flags: str, lacking: str) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nvendor_id\t: {maker}\nflags\t\t: fpu {flags}\n")
    assert bfloat16_lacks(tmp_path / "cpuinfo") == lacking
    assert bfloat16_lacks(tmp_path / "nowhere") == ""


@pytest.mark.parametrize(
    ("study", "lacking", "told"),
    [
        ("imagewoof", "bf16", "no instructions for bfloat16"),
        ("imagewoof", "amx_bf16", "not its matrix unit"),
        ("imagewoof", "", ""),
        ("sketch", "bf16", ""),
    ],
)
def test_a_processor_slow_in_bfloat16_is_told_before_hours_are_lost(
    monkeypatch: pytest.MonkeyPatch, study: str, lacking: str, told: str
) -> None:
    monkeypatch.setattr("stages.plan.bfloat16_lacks", lambda: lacking)
    lines = [line for line in plan(resolve(composed(study))) if "bfloat16" in line]
    assert len(lines) == bool(told)
    assert all(told in line for line in lines)


def test_what_was_removed_by_hand_is_an_edit_too() -> None:
    params = read_params()
    del params["runs"]["no_dropout"]
    Path("params.yaml").write_text(choose.as_yaml(params))
    with pytest.raises(SettingsError, match="runs.no_dropout was removed"):
        choose.choose("sketch", (), discard=False)


def test_an_edit_that_the_command_names_is_kept_and_one_of_the_command_is_none() -> None:
    _edited("train.learning.epochs", 6)
    choose.choose("sketch", ("train.learning.epochs=6",), discard=False)
    assert {run.learning.epochs for run in load().runs.values()} == {6}
    choose.choose("cifar10", (), discard=False)
    assert load().study == "cifar10"


def test_a_file_that_is_not_from_conf_is_not_overwritten() -> None:
    Path("params.yaml").write_text("study: mine\n")
    with pytest.raises(SettingsError, match="params.yaml is not from conf/ .*keep a copy, then say --discard-edits"):
        choose.choose("sketch", (), discard=False)
    Path("params.yaml").write_text("a: [")
    with pytest.raises(SettingsError, match="not from conf/ .*not YAML at line 1"):
        choose.choose("sketch", (), discard=False)
    choose.choose("sketch", (), discard=True)
    Path("params.yaml").unlink()
    choose.choose("sketch", (), discard=False)
    assert load() == resolve(composed("sketch"))


@pytest.mark.parametrize(
    ("study", "changes", "sentence"),
    [
        ("nosuch", (), "there is no study 'nosuch'; choose one of: .*cifar10, .*sketch.*place=/path/to/pictures"),
        ("../up", (), "'../up' names a folder, so use the letters a to z"),
        ("sketch", ("scale=tenth",), "scale is 'tenth'; use one of: four_layer, quarter, small, whole"),
        ("sketch", ("table=[1]",), r"table is \[1\]; use one of: author, cifar10, components"),
        ("sketch", ("quarter",), "'quarter' is no key=value"),
        ("sketch", ("train..epochs=1",), "is no key=value"),
        ("sketch", ("train.lerning.epochs=1",), "runs.base.lerning is no setting"),
        ("sketch", ("train.seeds=[0",), r"'train.seeds=\[0' has a value that is no YAML"),
        ("sketch", ("only=base,best",), "only names 'best', which is no run of the table; use some of: base"),
        ("sketch", ("prepare=3",), "prepare is 3; it is a block: change one of its settings, prepare.<name>=<value>"),
        ("sketch", ("runs=3", "only=base"), "runs is 3; it is a block"),
        ("sketch", ("only={a: 1}",), "only names {'a': 1}, which is no run of the table"),
        ("pets", ("scale=quarter",), "there is no study 'pets'"),
        ("pets", ("data=folder",), "download.place is missing"),
        ("pets", ("download=7",), "there is no study 'pets'"),
        ("pets", ("place=/pets", "scale=four_layer"), "table components is for the network alexnet"),
    ],
)
def test_a_wrong_word_is_refused_in_one_sentence_and_changes_nothing(study: str, changes: tuple[str, ...], sentence: str) -> None:
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    with pytest.raises(SettingsError, match=sentence) as refused:
        choose.choose(study, changes, discard=False)
    assert "\n" not in str(refused.value)
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before


def test_changes_are_yaml_with_short_forms() -> None:
    assert parsed(["a.b=[1, 2]", "+a.c=1e-3", "place=C:\\a: b", "only=x, y"]) == {
        "a": {"b": [1, 2], "c": 1e-3}, "download": {"place": "C:\\a: b"}, "only": ["x", "y"],
    }  # fmt: skip
    assert list(differences({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}, "d": 4}))[0] == ("a.c", 2, 3)


def test_it_says_what_will_run_and_how_long(project: Path) -> None:
    said = "\n".join(choose.choose("sketch", (), discard=False))
    assert "train, evaluate: base (10 seeds); one_column, no_normalisation, no_crops, no_dropout (5 seeds each)" in said
    assert "converge: relu (4 rates, 5 seeds), tanh (4 rates, 5 seeds)" in said
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert f"on the {cores} core" in said and "640 training and 3,000 test pictures" in said
    assert ", and at most " in said and "for the curves, which end at their threshold" in said
    assert "  `uv run dvc repro evaluate@base` alone: about " in said
    _pets(project / "pets")
    with pytest.raises(SettingsError, match="download.validation is 200, taken from 300 training pictures; give fewer than half"):
        choose.choose("pets", ("place=pets",), discard=False)
    shutil.rmtree(project / "pets")
    _pets(project / "pets", 300)
    said = "\n".join(choose.choose("pets", ("place=pets",), discard=False))
    assert "400 training and 40 test pictures" in said and "is not there" not in said
    assert "base (10 seeds); code145, no_normalisation" in said
    changes = ("place=pets", "download.test_per_class=10", "download.validation_per_class=5")
    assert "570 training and 60 test pictures" in "\n".join(choose.choose("moved", changes, discard=False))
    assert "24,000 training and 7,800 test pictures" in "\n".join(choose.choose("photographs", (), discard=False))
    with pytest.raises(SettingsError, match="/no/such/pets is not there: looked for .*; set download.place to one"):
        choose.choose("gone", ("place=/no/such/pets",), discard=False)
    shutil.copytree(project / "pets", project / "pets [2024]")
    choose.choose("bracketed", ("place=pets [2024]",), discard=False)
    shutil.rmtree(project / "pets")
    said = "\n".join(choose.choose("pets", (), discard=False))
    assert "how long: not known" in said and "note: pets is not there" in said
    assert "no rate was measured" in "\n".join(choose.choose("sketch", ("machine.devices=['cuda:0']",), discard=False))


def test_the_command_takes_a_second_or_two(project: Path) -> None:
    """Without torch, whose import alone takes longer; a mistake as well."""
    for words, status in ((["cifar10"], 0), ([], 0), (["sketch", "train.seeds=[-1]"], 1), (["--verbose"], 1)):
        command = [sys.executable, "-X", "importtime", "-m", "stages.choose", *words]
        began = time.process_time(), os.times().children_user
        done = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
        assert done.returncode == status, done.stderr
        assert os.times().children_user - began[1] < 3
        assert "torch/" not in done.stderr and " torch._C" not in done.stderr
        if status:
            assert done.stdout == "" and done.stderr.splitlines()[-1].startswith("choose: ")


def test_a_study_s_name_alone_is_refused(project: Path) -> None:
    """What `dvc exp run -S study=cifar10` makes of params.yaml."""
    _edited("study", "cifar10")
    with pytest.raises(
        SettingsError, match="study is 'cifar10', but the rest of params.yaml is 'sketch'; set it back, or choose"
    ):
        load()
    assert choices("study")
    choose.choose("cifar10", (), discard=False)
    assert load().prepare.size == 32
