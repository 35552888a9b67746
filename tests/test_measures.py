"""Every measure on a planted truth: it sees what is there, does not see what is not, and knows a network that has not learned."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from stages.composing import composed
from stages.settings import merged, resolve
from study import storage
from study.checking import plain
from study.judging import about, families, measures, verdicts
from study.judging.evidence import DivergedTraining, Evidence, MissingResult
from study.judging.measurement import Contrasts, Measurement, Paired, Reported
from study.judging.measures import times
from study.judging.protocol import TESTED_KINDS, measure_named, read_protocol
from study.paper.claims import claim
from study.training.update import RateSettings, divisions_after
from tests import planted

PROTOCOL = read_protocol(YAML(typ="safe", pure=True).load(Path("protocol.yaml")))
TESTED = [name for name, block in PROTOCOL.claims.items() if block.family in PROTOCOL.head.families]
ALONE = {"cifar-normalisation"}  # of a study of its own, whose family takes the place of another
SEEN = [name for name in TESTED if claim(name).kind in TESTED_KINDS and name not in ALONE]
WITHOUT_LEARNING = {"augmentation-free"}  # a time of steps


def measure(evidence: Evidence, name: str, **changed: object) -> Measurement:
    block = replace(PROTOCOL.claims[name], **changed)
    function = measure_named(block.measure, name)
    assert function is not None
    found = function(evidence, block)
    assert isinstance(found, Measurement)
    return found


def all_of(evidence: Evidence) -> tuple[dict[str, Measurement], dict[str, families.Tested]]:
    measured = {}
    for name in SEEN:
        with suppress(MissingResult):
            measured[name] = measure(evidence, name)
    return measured, families.tested(measured, PROTOCOL)


Study = tuple[dict[str, Measurement], dict[str, families.Tested]]


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Evidence]:
    return {truth: planted.write(tmp_path_factory.mktemp(truth), truth) for truth in ("true", "false", "untrained")}


@pytest.fixture(scope="module")
def studies(worlds: dict[str, Evidence]) -> dict[str, Study]:
    return {truth: all_of(evidence) for truth, evidence in worlds.items()}


def verdict(study: Study, name: str, reduced: tuple[str, ...] = ("invented",)) -> verdicts.Verdict:
    measured, tested = (of_study[name] for of_study in study)
    asked = verdicts.question(claim(name), PROTOCOL.claims[name], measured, tested, reduced)
    return verdicts.give(claim(name), asked, measured, tested)


@pytest.mark.parametrize("name", SEEN)
def test_what_is_there_is_seen(studies: dict[str, Study], name: str) -> None:
    measured, _ = studies["true"]
    assert (given := verdict(studies["true"], name)).word == verdicts.DIRECTION, given.why
    assert measured[name].said and measured[name].files and measured[name].stages


@pytest.mark.parametrize(
    ("name", "unit"), [("weight-decay", "%"), ("overlapping-overfit", " points"), ("dropout-overfitting", " nats")]
)
def test_what_curves_come_to_is_said_in_its_unit(studies: dict[str, Study], name: str, unit: str) -> None:
    said = studies["true"][0][name].said
    assert re.fullmatch(rf"\w+ -?[\d.]+{unit}, \w+ -?[\d.]+{unit}", said), said


@pytest.mark.parametrize("name", SEEN)
def test_what_is_not_there_is_not_seen(studies: dict[str, Study], name: str) -> None:
    allowed = {verdicts.SMALLER, verdicts.UNDECIDED}
    if name in ("augmentation-free", "kernels-every-run"):
        allowed = {verdicts.CONTRADICTED}  # a cost that matters; specialisation in no run at all
    assert (given := verdict(studies["false"], name)).word in allowed, given.why


@pytest.mark.parametrize("name", [name for name in SEEN if name not in WITHOUT_LEARNING])
def test_untrained_networks_earn_no_word(studies: dict[str, Study], name: str) -> None:
    measured, _ = studies["untrained"]
    if name == "relu-varies":  # a ratio of which nothing is known
        assert name not in measured
        return
    assert measured[name].learned == 0 and measured[name].floor
    assert verdict(studies["untrained"], name).word == verdicts.NOT_LONG_ENOUGH


@pytest.mark.parametrize("name", SEEN)
def test_every_file_that_a_measure_rests_on_is_there(worlds: dict[str, Evidence], studies: dict[str, Study], name: str) -> None:
    measured, _ = studies["true"]
    assert all((worlds["true"].folder / file).is_file() for file in measured[name].files)


def test_every_measure_is_named_by_a_claim_and_so_tested() -> None:
    """A measure that nothing names, or that is in none of the tests here, would be code that nobody has seen working."""
    there = {
        f"{module.name}.{name}"
        for module in pkgutil.iter_modules(measures.__path__)
        for name, found in vars(importlib.import_module(f"{measures.__name__}.{module.name}")).items()
        if inspect.isfunction(found) and not name.startswith("_") and found.__module__.endswith(module.name)
    }
    in_tests = {PROTOCOL.claims[name].measure for name in (*SEEN, *VALUES, *REPORTED)}
    assert there == in_tests


VALUES = {"table1-cnn": 0.375, "table2-five-cnns": 0.381}
REPORTED = {"three-gigabytes": 2.0, "communication": 0.1}


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("agrees", [True, False])
def test_a_value_is_held_against_the_papers(tmp_path: Path, name: str, agrees: bool) -> None:
    """Networks with the paper's errors reproduce them; networks that err 10 points more do not."""
    random = np.random.default_rng(0)
    wanted = claim(name)
    assert wanted.value is not None and wanted.top5 is not None
    hard, labels = random.random(100_000), np.arange(100_000) % 100
    best = {}
    for model in [f"seed-{seed}" for seed in range(5)] + ["averaged"]:
        ease = (hard + 0.02 * random.normal(size=hard.size)) + (0 if agrees else 0.1)
        place = np.where(ease > 1 - wanted.top5, 9, np.where(ease > 1 - wanted.value, 1, 0))
        best[model] = (labels[:, None] - place[:, None] + np.arange(5)) % 100
    planted.predictions.write(
        tmp_path / "evaluate/base", "ten_patches", planted.predictions.Predictions(labels=labels, best=best), 100
    )
    storage.write_json(tmp_path / "evaluate/base/metrics.json", {"pictures": hard.size})
    ends = {str(seed): {"status": "finished", "epochs": 90} for seed in range(5)}
    storage.write_json(tmp_path / "train/base/metrics.json", {"seeds": ends})
    evidence = Evidence(folder=tmp_path, study="ilsvrc2010", runs=("base",), curves=())
    found = measure(evidence, name)
    given = verdict(({name: found}, families.tested({name: found}, PROTOCOL)), name, reduced=())
    assert given.word == (verdicts.REPRODUCED if agrees else verdicts.SIZE_DIFFERS), given.why


@pytest.mark.parametrize("name", REPORTED)
def test_a_reported_number_is_the_one_that_was_written(worlds: dict[str, Evidence], name: str) -> None:
    sample = measure(worlds["true"], name).sample
    assert isinstance(sample, Reported) and sample.value == pytest.approx(REPORTED[name])


# What single measures refuse, and what they say beside their number


def test_one_device_has_no_communication(tmp_path: Path) -> None:
    evidence = planted.write(tmp_path, "true")
    content = storage.read_json(tmp_path / "cost/metrics.json")
    storage.write_json(tmp_path / "cost/metrics.json", content | {"exchange": None})
    with pytest.raises(MissingResult, match="share one device"):
        measure(evidence, "communication")


def test_convergence_is_not_measured_where_the_rate_is_divided_at_fixed_epochs(tmp_path: Path) -> None:
    evidence = planted.write(tmp_path, "true")
    record = storage.read_json(tmp_path / "provenance/train-no_dropout.json")
    record["run"]["learning"]["rate"] = {"rule": "epochs", "at": [10]}
    storage.write_json(tmp_path / "provenance/train-no_dropout.json", record)
    for name in ("dropout-iterations", "dropout-time"):
        with pytest.raises(MissingResult, match="fixed epochs"):
            measure(evidence, name)


def test_convergence_follows_the_rule_that_divides_the_rate() -> None:
    """A training has converged where that rule, allowed one division more, would make it; the best epoch until then counts."""
    random = np.random.default_rng(5)
    stopped = 0
    for _ in range(200):
        errors = (1 / np.arange(1, 41) ** random.uniform(0, 0.5) + 0.05 * random.random(40)).tolist()
        patience, divisions = int(random.integers(1, 6)), int(random.integers(0, 4))
        one_more = RateSettings(patience=patience, divisions=divisions + 1)
        at = next((n for n in range(1, 41) if divisions_after(one_more, errors[:n]) > divisions), None)
        expected = None if at is None else int(np.argmin(errors[:at]))
        assert times._stopped(np.array(errors), patience, divisions) == expected
        stopped += at is not None
    assert 20 < stopped < 200


def test_half_of_the_pictures_needs_as_many_updates(tmp_path: Path) -> None:
    evidence = planted.write(tmp_path, "true")
    assert f"every run made {planted.UPDATES:,} updates" in measure(evidence, "more-data").remarks
    path = tmp_path / "train/half_data/seed-3/curve.csv"
    rows = path.read_text().splitlines()
    path.write_text("\n".join([*rows[:-1], rows[-1].replace(",6000,", ",3000,")]) + "\n")
    with pytest.raises(MissingResult, match="unequal numbers of updates"):
        measure(Evidence(folder=tmp_path, study="invented", runs=evidence.runs, curves=()), "more-data")


@pytest.mark.parametrize(
    ("change", "said"),
    [({"tried": []}, "not chosen from 3"), ({"race_seed": None}, "not chosen from 3"), ({"at_edge": True}, "at the edge")],
)
def test_a_curve_of_figure_1_needs_a_race(tmp_path: Path, change: dict[str, object], said: str) -> None:
    evidence = planted.write(tmp_path, "true")
    path = tmp_path / "converge/tanh/metrics.json"
    storage.write_json(path, storage.read_json(path) | change)
    for name in ("relu-faster", "relu-six-times", "relu-varies"):
        with pytest.raises(MissingResult, match=said):
            measure(evidence, name)


def test_a_tanh_that_never_arrives_is_a_bound(tmp_path: Path) -> None:
    evidence = planted.write(tmp_path, "true")
    path = tmp_path / "converge/tanh/metrics.json"
    content = storage.read_json(path)
    content["seeds"]["2"]["epochs_to_threshold"] = None
    storage.write_json(path, content)
    found = measure(evidence, "relu-faster")
    assert families.tested({"relu-faster": found}, PROTOCOL)["relu-faster"].estimate.bound == "at least"
    with pytest.raises(MissingResult, match="not every seed of tanh"):
        measure(evidence, "relu-varies")


def test_a_removed_layer_says_how_the_parameters_change(studies: dict[str, Study]) -> None:
    measured, _ = studies["true"]
    assert "without_conv5 has 30% more parameters than base" in measured["any-layer"].remarks
    assert not any("parameters" in remark for remark in measured["two-columns"].remarks)
    sample = measured["middle-layers"].sample
    assert isinstance(sample, Contrasts)
    runs = [[(term.run, term.weight) for term in part.terms] for part in sample.parts]
    assert runs == [[(f"without_conv{number}", 1), ("base", -1)] for number in (2, 3, 4)]


def test_a_larger_variant_does_not_keep_the_control_from_the_papers_scale(tmp_path: Path) -> None:
    """Two columns of the paper's size against one large GPU are at the paper's scale as far as parameters go; an average of
    fifteen networks is not the paper's average of five."""
    for run, parameters in (("base", 60_965_224), ("one_large_gpu", 62_378_344)):
        storage.write_json(tmp_path / f"train/{run}/metrics.json", {"parameters": parameters})
        storage.write_json(tmp_path / f"provenance/train-{run}.json", {"run": {"seeds": list(range(15))}})
    reduced = about.study_of(tmp_path, "ilsvrc2012", PROTOCOL).reduced
    for name in ("kernels-specialise", "one-large-gpu", "two-columns"):
        assert not [phrase for phrase in reduced[name] if phrase.endswith("parameters in place of 60,965,224")]
    assert "an average of 15 networks, not of 5" in reduced["ensemble"]
    assert not [phrase for phrase in reduced["ten-patches"] if "average" in phrase]


@pytest.mark.parametrize(
    ("source", "curve", "keeps_from"),
    [
        ("cifar10", {}, ()),
        ("cifar10", {"pictures": 5_000}, ("5,000 of 40,000 training pictures",)),
        ("cifar10", {"threshold": 0.5}, ("to a training error of 0.5, not of 0.25",)),
        ("cifar10", {"network": {"kernels": [8, 8, 8, 8]}}, ("network.kernels [8, 8, 8, 8] in place of [64, 64, 32, 32]",)),
        ("cifar100", {}, ("pictures of cifar100, not of cifar10",)),
        (None, {}, ("pictures of an unknown source, not of cifar10",)),
    ],
)
def test_figure_1_is_at_the_papers_scale_with_all_pictures_to_its_own_error(
    tmp_path: Path, source: str | None, curve: dict[str, Any], keeps_from: tuple[str, ...]
) -> None:
    storage.write_json(tmp_path / "download/source.json", {"source": source})
    storage.write_json(tmp_path / "prepare/packed.json", {"pictures": {"train": 45_000, "validation": 5_000, "test": 10_000}})
    machine = {"machine": {"precision": "float32"}}
    whole = {"network": {"architecture": "four_layer", "kernels": [64, 64, 32, 32]}, "pictures": None, "threshold": 0.25}
    for name, its in (("relu", whole), ("tanh", whole | curve)):  # one of the two is enough to be kept from it
        storage.write_json(tmp_path / f"provenance/converge-{name}.json", {"curve": its, "settings": machine})
    study = about.study_of(tmp_path, "cifar10", PROTOCOL)
    assert study.reduced["relu-six-times"] == keeps_from
    assert "50,000 for training" in study.scales["relu-six-times"]
    assert "45,000 for training" in study.pictures


@pytest.mark.parametrize(
    ("change", "keeps_from"),
    [
        ({}, ()),
        ({"network": {"dropout": 0.0}}, ("network.dropout 0.0 in place of 0.5",)),
        ({"learning": {"batch": 1024}}, ("learning.batch 1024 in place of 128",)),
        ({"learning": {"epochs": 300}}, ("300 epochs in place of 90",)),
        ({"learning": {"epochs": 93}}, ()),  # of the released code
        ({"augmentation": {"crops": False}}, ("augmentation.crops False in place of True",)),
    ],
)
def test_the_papers_scale_is_of_its_settings_too(tmp_path: Path, change: dict[str, Any], keeps_from: tuple[str, ...]) -> None:
    """The settings as `stages.choose ilsvrc2012` composes them."""
    settings = json.loads(json.dumps(plain(resolve(composed("ilsvrc2012")).runs["base"])))
    storage.write_json(tmp_path / "download/source.json", {"source": "ilsvrc2012"})
    storage.write_json(tmp_path / "prepare/packed.json", {"pictures": {"train": 1_281_167}})
    storage.write_json(tmp_path / "train/base/metrics.json", {"parameters": 60_965_224})
    record = {"run": merged(settings, change), "settings": {"machine": {"precision": "float32"}}}
    storage.write_json(tmp_path / "provenance/train-base.json", record)
    assert about.study_of(tmp_path, "ilsvrc2012", PROTOCOL).reduced["table2-one-cnn"] == keeps_from


def test_a_run_of_half_of_the_pictures_is_not_at_the_papers_scale(tmp_path: Path) -> None:
    storage.write_json(tmp_path / "prepare/packed.json", {"pictures": {"train": 45_000, "validation": 5_000, "test": 10_000}})
    for share, words in ((1.0, []), (0.5, ["22,500 of 40,000 training pictures"])):
        storage.write_json(tmp_path / "provenance/train-without_normalisation.json", {"run": {"share": share}})
        reduced = about.study_of(tmp_path, "cifar10", PROTOCOL).reduced["cifar-without"]
        assert [phrase for phrase in reduced if "training pictures" in phrase] == words


def test_figure_1_has_seconds_beside_its_epochs(studies: dict[str, Study]) -> None:
    measured, tested = studies["true"]
    assert measured["relu-six-times"].remarks[0].startswith("in processor seconds 6 times")
    assert np.exp(tested["relu-six-times"].estimate.value) == pytest.approx(6)
    assert np.exp(tested["relu-varies"].estimate.value) == pytest.approx(3)
    assert np.exp(tested["dropout-iterations"].estimate.value) == pytest.approx(2, rel=0.1)
    assert np.exp(tested["dropout-time"].estimate.value) == pytest.approx(2, rel=0.1)


def test_overfitting_must_leave_its_floor(tmp_path: Path) -> None:
    """Losses that fall to the end in both runs say nothing of overfitting, however surely they agree."""
    evidence = planted.write(tmp_path, "untrained")
    trained = planted.write(tmp_path / "trained", "false")
    for run in ("base", "no_dropout"):
        for seed in planted.seeds_of(run):
            name = f"train/{run}/seed-{seed}/curve.csv"
            (trained.folder / name).write_bytes((evidence.folder / name).read_bytes())
    name = "dropout-overfitting"
    found = measure(trained, name)
    given = verdict(({name: found}, families.tested({name: found}, PROTOCOL)), name)
    assert given.word == verdicts.NOT_LONG_ENOUGH and "falls to the end" in given.why


def test_a_seed_that_diverged_is_the_reason_wherever_it_counts(tmp_path: Path) -> None:
    evidence = planted.write(tmp_path, "true")
    path = tmp_path / "train/base/metrics.json"
    content = storage.read_json(path)
    content["seeds"]["3"]["status"] = "diverged"
    storage.write_json(path, content)
    for file in ("retrieve/matches.csv", "halve/divergences.csv"):
        (tmp_path / file).unlink()
    for name in SEEN:
        if name not in WITHOUT_LEARNING and "base" in f"{PROTOCOL.claims[name].run} {PROTOCOL.claims[name].against}".split():
            with pytest.raises(DivergedTraining, match="diverged in 1 of 15"):
                measure(Evidence(folder=tmp_path, study="invented", runs=evidence.runs, curves=evidence.curves), name)


def test_a_run_is_named_to_which_the_neighbours_do_not_belong(worlds: dict[str, Evidence]) -> None:
    for name in ("neighbours", "dropout-halving"):
        with pytest.raises(MissingResult, match="not of|not those of"):
            measure(worlds["true"], name, run="one_column")


def test_a_run_that_a_study_lacks_is_named_with_what_to_add(tmp_path: Path) -> None:
    evidence = Evidence(folder=tmp_path, study="invented", runs=("base",), curves=())
    for name in SEEN:
        block = PROTOCOL.claims[name]
        with pytest.raises(MissingResult) as missing:
            measure(evidence, name)
        if block.add and block.run != "base" and not block.measure.startswith("times.ratios"):
            assert block.add in missing.value.remedy, name


def test_a_network_without_columns_that_learned_no_colour_is_no_control(tmp_path: Path) -> None:
    evidence = planted.write(tmp_path, "true")
    assert measure(evidence, "kernels-specialise").learned > 0.5
    for seed in planted.seeds_of("one_large_gpu"):
        path = tmp_path / f"train/one_large_gpu/seed-{seed}/kernels.npy"
        np.save(path, np.load(path).mean(axis=3, keepdims=True).repeat(3, axis=3))
    grey = Evidence(folder=tmp_path, study="invented", runs=evidence.runs, curves=())
    assert measure(grey, "kernels-specialise").learned == measure(grey, "specialisation-cause").learned == 0
    assert measure(grey, "kernels-every-run").learned > 0.5, "which has no control"


def test_runs_that_specialise_are_counted(studies: dict[str, Study]) -> None:
    for truth, expected in (("true", 0.5), ("false", -0.5)):
        sample = studies[truth][0]["kernels-every-run"].sample
        assert isinstance(sample, Paired) and sample.effects.mean() == pytest.approx(expected, abs=0.15)
