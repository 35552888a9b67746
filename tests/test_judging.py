"""The judgement on invented results: planted effects get the words that the rules give, and so do absent and untrained ones."""

import json
import re
import shutil
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from study import storage
from study.checking import SettingsError
from study.judging import judgement, report, verdicts
from study.judging.about import study_of
from study.judging.evidence import Evidence, MissingResult
from study.judging.measurement import AT_BEST
from study.judging.protocol import Block, read_protocol
from study.judging.row import COLUMNS
from study.paper.claims import CLAIMS, claim
from study.paper.released import DIFFERENCES
from study.provenance import seconds_a_seed
from tests.invented import RUNS, SEEDS, SHARED, edit, invent, judged, merged, protocol_of, seal

TODAY = YAML(typ="safe", pure=True).load(Path("protocol.yaml"))
PROTOCOL = protocol_of("sketch")


@pytest.fixture(scope="module")
def with_effects(tmp_path_factory):
    return invent(tmp_path_factory.mktemp("planted"), planted=True)


@pytest.fixture(scope="module")
def found(with_effects):
    return judged(with_effects)


@pytest.fixture(scope="module")
def not_found(tmp_path_factory):
    return judged(invent(tmp_path_factory.mktemp("none"), planted=False))


PLANTED = (
    "response-normalisation", "overlapping-pooling", "two-columns", "dropout-error", "ten-patches", "ensemble",
    "dropout-overfitting", "dropout-iterations", "dropout-time", "relu-faster", "relu-six-times", "kernels-specialise",
    "neighbours", "neighbours-far-in-pixels", "dropout-halving", "augmentation-free", "margin-over-hand-made",
)  # fmt: skip
ABSENT = {
    "response-normalisation": {verdicts.SMALLER},
    "overlapping-pooling": {verdicts.SMALLER},
    "two-columns": {verdicts.SMALLER},
    "one-large-gpu": {verdicts.SMALLER},
    "ten-patches": {verdicts.SMALLER},
    "ensemble": {verdicts.SMALLER, verdicts.UNDECIDED},
    "dropout-overfitting": {verdicts.NOT_LONG_ENOUGH},
    "dropout-iterations": {verdicts.SMALLER},
    "relu-faster": {verdicts.SMALLER},
    "relu-six-times": {verdicts.SMALLER},
    "kernels-specialise": {verdicts.UNDECIDED, verdicts.SMALLER},
    "neighbours": {verdicts.SMALLER, verdicts.UNDECIDED},
    "neighbours-far-in-pixels": {verdicts.SMALLER},
    "dropout-halving": {verdicts.UNDECIDED},
    "augmentation-free": {verdicts.CONTRADICTED},
    "margin-over-hand-made": {verdicts.UNDECIDED},
}


@pytest.mark.parametrize("name", PLANTED)
def test_planted_effects_are_found(found, name):
    row = found[name]
    assert row.verdict.word == verdicts.DIRECTION, row.verdict.why
    assert row.numbers.low > (1 if row.claim.unit == "times" else 0)


@pytest.mark.parametrize("name", ABSENT)
def test_absent_effects_are_not_found(not_found, name):
    row = not_found[name]
    assert row.verdict.word in ABSENT[name], row.verdict.why
    assert bool(row.decide) == (row.group() == verdicts.NOT_SEEN)


@pytest.mark.parametrize("study", ["found", "not_found"])
def test_every_claim_has_a_row_with_what_its_word_needs(study, request):
    rows = request.getfixturevalue(study)
    assert list(rows) == [one.id for one in CLAIMS]
    for row in rows.values():
        assert row.verdict.word in verdicts.WORDS and row.verdict.why, row.claim.id
        if row.group() in (verdicts.HELD, verdicts.NOT_HELD, verdicts.SMALL):
            assert not row.decide, row.claim.id
        elif row.verdict.word != verdicts.NOT_TESTABLE:
            assert row.decide, row.claim.id
        if row.claim.id in PLANTED:
            numbers = row.numbers
            assert numbers.scale and numbers.artifacts and numbers.visible and numbers.p is not None and numbers.test, (
                row.claim.id
            )
    numbers = rows["two-columns"].numbers
    assert (numbers.seeds, numbers.seeds_of_each, numbers.pictures) == (5, (5, 10), 1000)
    assert "synthetic" in numbers.scale and "24 of the paper's 96 kernels" in numbers.scale


def test_networks_that_guess_earn_no_word_that_needs_learning(tmp_path):
    """Even where a number is far from zero: halved outputs of untrained networks are near the mean of many masks."""
    rows = judged(invent(tmp_path, untrained=True))
    assert rows["dropout-halving"].numbers.low > 0
    measured = {name: row.verdict.word for name, row in rows.items() if row.numbers.test}
    assert len(measured) > 20
    assert {name: word for name, word in measured.items() if word != verdicts.NOT_LONG_ENOUGH} == {
        "augmentation-free": verdicts.DIRECTION
    }, "what a step costs needs no learning"


def test_a_reduced_study_earns_no_first_word_and_no_value(found):
    rows = found.values()
    assert not {verdicts.REPRODUCED, verdicts.SIZE_OPEN, verdicts.SIZE_DIFFERS} & {row.verdict.word for row in rows}
    assert {row.verdict.word for row in rows if row.claim.kind == "value"} == {verdicts.NOT_RUN}


def test_the_other_direction_is_a_contradiction(with_effects):
    turned = {name: replace(block, run=block.against, against=block.run) for name, block in PROTOCOL.claims.items()}
    rows = judged(with_effects, protocol=replace(PROTOCOL, claims=PROTOCOL.claims | {
        name: turned[name] for name in ("response-normalisation", "relu-faster")
    }))  # fmt: skip
    assert rows["response-normalisation"].verdict.word == verdicts.CONTRADICTED
    assert rows["relu-faster"].verdict.word == verdicts.CONTRADICTED


def test_arithmetic_decides_without_results(tmp_path):
    (tmp_path / "empty").mkdir()
    rows = judged(replace(invent(tmp_path / "whole", pictures=48), folder=tmp_path / "empty"))
    assert (rows["neurons-conv1"].verdict.word, rows["neurons-conv1"].numbers.ours) == (verdicts.REFUTED, 290_400)
    assert rows["parameters"].verdict.word == verdicts.CONFIRMED
    assert rows["fewer-connections"].here() == "414 times"
    assert rows["validation-equals-test"].verdict.word == verdicts.CONSISTENT
    assert {rows[name].verdict.word for name in PLANTED} == {verdicts.NOT_RUN}
    assert "evaluate@" in rows["ten-patches"].decide or "train@" in rows["ten-patches"].decide


class TestAtThePapersScale:
    """Figure 1 on all of CIFAR-10's pictures."""

    def words(self, tmp_path, slow_epochs, training=45_000):
        made = invent(tmp_path, pictures=100, study="cifar10", training=training, slow_epochs=slow_epochs)
        rows = judged(made)
        return rows["relu-six-times"].verdict.word, rows["relu-faster"].verdict.word

    def test_size_and_direction_agree(self, tmp_path):
        assert self.words(tmp_path, 36.0) == (verdicts.REPRODUCED, verdicts.REPRODUCED)

    def test_the_size_differs(self, tmp_path):
        assert self.words(tmp_path, 12.0) == (verdicts.SIZE_DIFFERS, verdicts.REPRODUCED)

    def test_with_too_few_pictures_it_is_a_reduced_study(self, tmp_path):
        assert self.words(tmp_path, 36.0, training=10_000)[0] == verdicts.DIRECTION

    def test_a_size_that_is_not_known_well_is_open(self, tmp_path):
        made = invent(tmp_path, pictures=100, study="cifar10", training=45_000)

        def spread(content):
            for seed, factor in zip(SEEDS, (0.7, 0.85, 1.0, 1.2, 1.45), strict=True):
                content["seeds"][str(seed)]["epochs_to_threshold"] = 36 * factor

        edit(tmp_path / "converge/tanh/metrics.json", spread)
        seal(tmp_path, "converge-tanh")
        assert judged(made)["relu-six-times"].verdict.word == verdicts.SIZE_OPEN

    @pytest.mark.parametrize(("paper", "word"), [(0.20, verdicts.REPRODUCED), (0.30, verdicts.SIZE_DIFFERS)])
    def test_a_value_is_measured_and_compared(self, tmp_path, paper, word):
        made = invent(tmp_path, planted=False, study="cifar10", training=45_000, pictures=4000)
        edit(tmp_path / "provenance/train-base.json", lambda record: record["run"]["learning"].update(epochs=160))
        protocol = protocol_of("cifar10")
        block = replace(protocol.claims["cifar-without"], run="base", tolerance=0.02)
        at = replace(claim("cifar-without"), value=paper)
        row = judged(made, protocol=replace(protocol, claims={**protocol.claims, at.id: block}), claims=[at])[at.id]
        assert row.verdict.word == word, row.verdict.why
        assert row.numbers.ours == pytest.approx(np.mean(made.evidence().errors("base").wrong))
        assert row.numbers.new_low < row.numbers.low < row.numbers.high < row.numbers.new_high

    def test_top_5_counts_as_well(self, tmp_path):
        made = invent(tmp_path, planted=False, study="cifar10", training=45_000, pictures=4000)
        edit(tmp_path / "provenance/train-base.json", lambda record: record["run"]["learning"].update(epochs=160))
        protocol = protocol_of("cifar10")
        block = replace(protocol.claims["cifar-without"], run="base", tolerance=0.02)
        protocol = replace(protocol, claims={**protocol.claims, "cifar-without": block})
        ours = float(np.mean(made.evidence().errors("base", "top5").wrong))
        for top5, word in ((ours, verdicts.REPRODUCED), (ours + 0.1, verdicts.SIZE_DIFFERS)):
            at = replace(claim("cifar-without"), value=0.2, top5=top5)
            assert judged(made, protocol=protocol, claims=[at])[at.id].verdict.word == word

    @pytest.mark.parametrize(
        ("change", "phrase"),
        [
            (lambda run: run["learning"].update(epochs=1), "1 of 160 epochs"),
            (lambda run: run.update(recipe="mine"), "recipe mine in place of"),
        ],
    )
    def test_epochs_and_recipe_belong_to_the_scale(self, tmp_path, change, phrase):
        made = invent(tmp_path, study="cifar10", training=45_000, pictures=100)
        edit(tmp_path / "provenance/train-base.json", lambda record: record["run"]["learning"].update(epochs=160))
        edit(tmp_path / "provenance/train-base.json", lambda record: change(record["run"]))
        protocol = protocol_of("cifar10")
        block = replace(protocol.claims["cifar-without"], run="base")
        row = judged(made, protocol=replace(protocol, claims={**protocol.claims, "cifar-without": block}))["cifar-without"]
        assert row.verdict.word == verdicts.NOT_RUN and phrase in row.verdict.why


NOTHING_TO_COMPARE = "so that there is nothing to compare"


@pytest.mark.parametrize(
    ("run", "change", "name", "why"),
    [
        ("no_dropout", {"network": {"dropout": 0.5}}, "dropout-error", "has network.dropout 0.5, and the claims on it suppose 0"),
        ("base", {"network": {"dropout": 0.0}}, "dropout-error", "have the same settings, " + NOTHING_TO_COMPARE),
        ("no_dropout", {"network": {"dropout": 0.3}}, "dropout-error", "has network.dropout 0.3, and the claims on it suppose 0"),
        ("no_dropout", {"network": {"columns": 1}}, "dropout-error", "no_dropout and base differ in network.columns as well"),
        ("no_dropout", {"learning": {"epochs": 3}}, "dropout-overfitting", "differ in learning.epochs as well"),
        ("one_column", {"network": {"kernels": [24, 64, 96, 96, 64]}}, "two-columns", "no less than [24, 64, 96, 96, 64]"),
        ("base", {"network": {"columns": 1}}, "two-columns", "base has network.columns 1, and the claims on it suppose 2"),
        ("base", {"recipe": "code145"}, "response-normalisation", "differ in recipe as well"),
    ],
)  # fmt: skip
def test_a_run_that_is_not_what_its_name_says_is_not_compared(tmp_path, run, change, name, why):
    """Though its block in params.yaml says in what it differs."""
    made = invent(tmp_path, pictures=100)
    assert judged(made)[name].verdict.word != verdicts.NOT_RUN
    edit(tmp_path / f"provenance/train-{run}.json", lambda record: record.update(run=merged(record["run"], change)))
    lines = {"train": made.runs | {run: merged(made.runs[run], change)}, "converge": made.curves}
    row = judged(replace(made, conditions=replace(made.conditions, lines=lines)))[name]
    assert row.verdict.word == verdicts.NOT_RUN and why in row.verdict.why, row.verdict.why
    assert row.decide.startswith("undo in params.yaml")


def test_runs_with_the_same_settings_and_so_the_same_weights_are_told_to_be_alike(tmp_path):
    """A run takes up what another one with its settings has trained."""
    made = invent(tmp_path, pictures=100)
    same = {"network": {"dropout": 0.0}}
    for seed in SEEDS:
        weights = f"seed-{seed}/weights.safetensors"
        shutil.copy(tmp_path / f"train/base/{weights}", tmp_path / f"train/no_dropout/{weights}")
    edit(tmp_path / "provenance/train-base.json", lambda record: record.update(run=merged(record["run"], same)))
    seal(tmp_path, "train-no_dropout")
    read = {f"results/sketch/train/no_dropout/seed-{seed}/weights.safetensors" for seed in SEEDS}
    edit(
        tmp_path / "provenance/evaluate-no_dropout.json",
        lambda record: record.update(inputs={name: storage.sha256(tmp_path / name.split("sketch/")[1]) for name in read}),
    )
    row = judged(
        replace(made, conditions=replace(made.conditions, lines={"train": made.runs | {"base": merged(made.runs["base"], same)}}))
    )
    verdict = row["dropout-error"].verdict
    assert verdict.word == verdicts.NOT_RUN and "the same settings" in verdict.why, verdict.why


def test_a_network_that_is_a_copy_of_another_is_no_seed(tmp_path):
    made, name = invent(tmp_path, pictures=100), "seed-0/weights.safetensors"
    shutil.copy(tmp_path / f"train/base/{name}", tmp_path / f"train/one_column/{name}")
    seal(tmp_path, "train-one_column")
    copied = storage.sha256(tmp_path / f"train/one_column/{name}")
    edit(
        tmp_path / "provenance/evaluate-one_column.json",
        lambda record: record["inputs"].update({f"results/sketch/train/one_column/{name}": copied}),
    )
    rows = judged(made)
    assert (rows["two-columns"].verdict.word, rows["dropout-error"].verdict.word) == (verdicts.WITHHELD, verdicts.DIRECTION)
    assert rows["two-columns"].verdict.why == f"train/base/{name} has the weights of train/one_column/{name}"


def test_seconds_of_different_machines_are_not_compared(tmp_path):
    made = invent(tmp_path, pictures=100)
    edit(tmp_path / "provenance/train-no_dropout.json", lambda record: record.update(processor="another"))
    before, rows = judged(invent(tmp_path / "before", pictures=100)), judged(made)
    assert before["dropout-time"].verdict.word == rows["dropout-iterations"].verdict.word == verdicts.DIRECTION
    assert (
        rows["dropout-time"].verdict.word == verdicts.NOT_RUN
        and "their seconds cannot be compared" in rows["dropout-time"].verdict.why
    )
    assert [remark for remark in rows["dropout-iterations"].numbers.remarks if "trained on different machines" in remark]


def test_what_only_the_authors_notes_have_is_not_said_to_be_in_the_paper(found):
    assert found["no-communication"].in_paper() == "not in the paper; in its author's notes"
    assert found["one-large-gpu"].in_paper() == "not in the paper"


def test_what_augmenting_costs_is_not_told_of_a_run_without_it(tmp_path):
    made = invent(tmp_path, pictures=100)
    edit(
        tmp_path / "provenance/train-base.json", lambda record: record["run"].update(augmentation={"crops": False, "flips": True})
    )
    row = judged(made)["augmentation-free"]
    assert (row.verdict.word, row.verdict.why) == (
        verdicts.NOT_RUN,
        "base, whose steps were timed, has augmentation.crops false",
    )


def test_of_several_effects_each_is_told(tmp_path):
    made = invent(tmp_path, pictures=100)
    protocol = protocol_of("sketch")
    block = replace(protocol.claims["any-layer"], run="no_dropout no_normalisation")
    told = judged(made, protocol=replace(protocol, claims={**protocol.claims, "any-layer": block}))
    of_each = told["any-layer"].numbers.remarks[-1]
    assert of_each.startswith("the least effect decides; each: ")
    for run, name in (("no_dropout", "dropout-error"), ("no_normalisation", "response-normalisation")):
        assert f"{run} {told[name].here()}" in of_each


def test_evaluations_in_different_precision_are_not_compared(tmp_path):
    made = invent(tmp_path, pictures=100)
    edit(tmp_path / "provenance/evaluate-one_column.json", lambda one: one["settings"].update(machine={"precision": "bfloat16"}))
    row = judged(made)["two-columns"]
    assert row.verdict.word == verdicts.WITHHELD and row.verdict.why.startswith(
        "evaluate-one_column and evaluate-base ran with another"
    )


def test_a_time_that_was_not_reached_gives_a_bound(tmp_path):
    made = invent(tmp_path, pictures=50)
    edit(tmp_path / "converge/tanh/metrics.json", lambda m: [one.update(epochs_to_threshold=None) for one in m["seeds"].values()])
    seal(tmp_path, "converge-tanh")
    row = judged(made)["relu-six-times"]
    assert (row.numbers.bound, row.verdict.word) == ("at least", verdicts.DIRECTION)
    assert row.numbers.high is None and row.numbers.low > 9
    assert row.here().startswith("at least ")


class TestSeeds:
    def test_fewer_than_the_protocol_asks_for_decide_nothing(self, tmp_path):
        rows = judged(invent(tmp_path, pictures=300, seeds=4))
        assert rows["two-columns"].verdict.word == verdicts.TOO_FEW_SEEDS
        assert "5 seeds of `one_column` in place of 4 and 10 seeds of `base` in place of 4" in rows["two-columns"].decide
        patches = rows["ten-patches"]
        assert patches.verdict.word == verdicts.DIRECTION and "of these networks" in patches.verdict.why
        assert patches.sample() == "these 4 networks, 300 test pictures"

    def test_one_seed_is_too_few_and_no_error(self, tmp_path):
        rows = judged(invent(tmp_path, pictures=300, seeds=1))
        assert rows["two-columns"].verdict.word == verdicts.TOO_FEW_SEEDS
        assert rows["two-columns"].here() == "0 points" or "points" in rows["two-columns"].here()
        assert rows["ensemble"].verdict.word == verdicts.NOT_RUN

    @pytest.mark.parametrize(("unit", "low", "high"), [("share difference", -1, 0.4), ("error", -1, 0.4), ("nats", -182.4, 0.4)])
    def test_an_interval_of_two_seeds_ends_where_a_difference_of_shares_does(self, unit, low, high):
        """A t of one degree of freedom goes beyond all that can be; no difference of shares is larger than 1."""
        claim = replace(CLAIMS[0], unit=unit)
        assert (judgement._in_unit(-182.4, claim), judgement._in_unit(0.4, claim)) == (low, high)
        both = SimpleNamespace(low=-182.4, high=182.6)
        assert judgement._says_nothing(both, claim) == (unit != "nats")

    @pytest.mark.parametrize("count", [1, 2])
    def test_a_diverged_seed_is_said_and_nothing_is_judged_on_the_others(self, tmp_path, count):
        made = invent(tmp_path, pictures=100)
        for seed in range(count):
            edit(tmp_path / "train/one_column/metrics.json", lambda m, s=str(seed): m["seeds"][s].update(status="diverged"))
        rows = judged(made)
        row = rows["two-columns"]
        assert (row.verdict.word, row.numbers.ours) == (verdicts.DIVERGED, None)
        assert row.verdict.why == f"`one_column` diverged in {count} of 5 seeds" and "smaller rate" in row.decide
        assert "two-columns" not in {name for name, one in rows.items() if one.group() == verdicts.HELD}
        assert rows["response-normalisation"].verdict.word == verdicts.DIRECTION, "another run's word stands"

    def test_a_diverged_curve_is_said(self, tmp_path):
        made = invent(tmp_path, pictures=100)
        edit(tmp_path / "converge/tanh/metrics.json", lambda m: m["seeds"]["0"].update(status="diverged"))
        assert judged(made)["relu-faster"].verdict.why == "the curve `tanh` diverged in 1 of 5 seeds"

    def test_a_cut_seed_is_named(self, tmp_path):
        made = invent(tmp_path, pictures=100)
        edit(tmp_path / "train/one_column/metrics.json", lambda m: m["seeds"]["3"].update(status="running"))
        row = judged(made)["two-columns"]
        assert row.verdict.word == verdicts.NOT_RUN and row.verdict.why == "seed 3 of `one_column` was not trained to its end"

    def test_a_missing_seed_is_named(self, tmp_path):
        made = invent(tmp_path, pictures=100)
        edit(tmp_path / "train/one_column/metrics.json", lambda m: m["seeds"].pop("4"))
        row = judged(made)["two-columns"]
        assert row.verdict.word == verdicts.NOT_RUN and row.verdict.why == "seed 4 of `one_column` is missing"


class TestAdvice:
    def test_what_would_decide_asks_for_more_than_there_is(self, not_found):
        undecided = [row for row in not_found.values() if row.verdict.word == verdicts.UNDECIDED]
        assert undecided
        for row in undecided:
            wanted, had = re.findall(r"([\d,]+) (?:new seeds|test pictures)[^;]*? in place of (?:its )?([\d,]+)", row.decide)[0]
            assert int(wanted.replace(",", "")) > int(had.replace(",", "")), row.decide
            assert "seeds" not in row.decide or "numbers of seeds that were not trained here before" in row.decide

    def test_first_comes_what_settles_what_was_seen(self, not_found):
        row = not_found["margin-over-hand-made"]
        first, second, _ = row.decide.split("; ")
        assert first.startswith("if the effect is about the") and second.startswith("for the smallest effect of interest")

    def test_an_absence_is_undecided_where_its_interval_reaches_over_what_matters(self, tmp_path):
        made = invent(tmp_path, pictures=50)
        random = np.random.default_rng(1)
        seconds = {"one batch again": 1.0, "read": 1.0, "augmented": 1.05}
        rows = [[n, way, each * random.uniform(0.9, 1.1)] for n in range(30) for way, each in seconds.items()]
        storage.write_csv(tmp_path / "cost/rounds.csv", ("round", "way", "seconds"), rows)
        seal(tmp_path, "cost")
        row = judged(made)["augmentation-free"]
        assert row.verdict.word == verdicts.UNDECIDED and row.numbers.low < 0.05 < row.numbers.high
        assert re.search(r"rounds of steps", row.decide)


class TestMissing:
    def test_a_run_that_the_study_lacks_is_named(self, with_effects):
        rows = judged(replace(with_effects, runs={"base": RUNS["base"]}, curves={}))
        row = rows["response-normalisation"]
        assert row.verdict.word == verdicts.NOT_RUN
        assert (
            "`no_normalisation`" in row.verdict.why
            and "normalisation: none" in row.decide
            and "minutes a seed here" in row.decide
        )
        assert "curve" in rows["relu-faster"].verdict.why

    def test_a_run_that_nobody_declared_changes_nothing(self, tmp_path, found):
        made = invent(tmp_path, planted=True)
        for place in ("train", "evaluate"):
            (tmp_path / place / "mine").mkdir()
            for path in (tmp_path / place / "one_column").rglob("*"):
                if path.is_file():
                    copy = tmp_path / place / "mine" / path.relative_to(tmp_path / place / "one_column")
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    copy.write_bytes(path.read_bytes())
        rows = judged(replace(made, runs={**made.runs, "mine": RUNS["one_column"]}))
        same = {name: row.numbers.low for name, row in rows.items()}
        assert same == {name: row.numbers.low for name, row in found.items()}

    @pytest.mark.parametrize("share", [0.0, 0.3, 0.97])
    def test_half_written_files_never_crash_it(self, tmp_path, share):
        made = invent(tmp_path, pictures=48)
        for path in sorted(tmp_path.rglob("*.*")):
            if path.is_file() and "provenance" not in path.as_posix():
                content = path.read_bytes()
                path.write_bytes(content[: int(share * len(content))])
        rows = judged(made)
        assert {rows[name].verdict.word for name in PLANTED} == {verdicts.NOT_RUN}

    @pytest.mark.parametrize("content", [b"[]", b"null", b'{"seeds": null}', b'{"seeds": {"0": 3}}', b"\xff\xfe", b"a,b\n1,2\n"])
    def test_files_of_another_kind_never_crash_it(self, tmp_path, content):
        made = invent(tmp_path, pictures=48)
        for path in sorted(tmp_path.rglob("*.*")):
            if path.is_file():
                path.write_bytes(content)
        rows = judged(made)
        assert {rows[name].verdict.word for name in PLANTED} == {verdicts.NOT_RUN}

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("halve/divergences.csv", "picture,label,halved\n0,1,0.1\n"),
            ("cost/rounds.csv", "round,way,seconds\n0,augmented,0.1\n"),
            (
                "cost/rounds.csv",
                "round,way,seconds\n" + "".join(f"{n},{way},0\n" for n in range(30) for way in ("one batch again", "augmented")),
            ),
            ("hand_made/predictions.csv", "picture,label,first\n0,1,2\n"),
            ("provenance/hand_made.json", '{"inputs": [1], "commit": [2], "outputs": 3}'),
            ("converge/relu/metrics.json", '{"seeds": [1]}'),
            ("converge/relu/metrics.json", '{"seeds": null}'),
            ("halve/metrics.json", '{"masks": null, "top1_error": {"halved": 1, "geometric_1": 1, "many": 1}}'),
            ("retrieve/metrics.json", '{"precision": null, "seeds": [1]}'),
            ("retrieve/matches.csv", "seed,query,label\n0,1,2\n"),
        ],
    )
    def test_results_of_another_form_leave_the_others_standing(self, tmp_path, name, content):
        made = invent(tmp_path, pictures=48)
        (tmp_path / name).write_text(content)
        rows = judged(made)
        assert rows["dropout-overfitting"].verdict.word == verdicts.DIRECTION
        study = study_of(tmp_path, "sketch", PROTOCOL)
        storage.write_json(tmp_path / "claims.json", report.as_json(study, list(rows.values())))
        assert "## Authors" in report.one_page(study, PROTOCOL.head, list(rows.values()))

    @pytest.mark.parametrize(
        ("name", "content"), [("network.json", '{"layers": "x"}'), ("metrics.json", '{"models": null}'), ("kernels.csv", "\x80")]
    )
    def test_a_figure_that_cannot_be_read_is_left_out_of_the_report(self, tmp_path, name, content):
        invent(tmp_path, pictures=48)
        (tmp_path / "evaluate/base" / name).write_text(content, encoding="latin-1")
        assert "- Figure 1, relu: " in report._figures(tmp_path)


def test_a_run_and_a_curve_of_one_name_are_told_apart(tmp_path):
    made = invent(tmp_path, pictures=48)
    before = study_of(made.folder, "sketch", PROTOCOL)
    shutil.copyfile(tmp_path / "provenance/train-base.json", tmp_path / "provenance/train-tanh.json")
    edit(tmp_path / "provenance/train-tanh.json", lambda record: record.update(seconds=1e6))
    after = study_of(made.folder, "sketch", PROTOCOL)
    for name in ("relu-faster", "relu-varies"):
        assert after.reduced[name] == before.reduced[name] and after.scales[name] == before.scales[name]
    assert after.seconds["train-tanh"] == 1e5 > after.seconds["converge-tanh"] == before.seconds["converge-tanh"]


@pytest.mark.parametrize(
    ("record", "seconds"),
    [
        ({"run": {"seeds": [0, 1, 2, 3]}, "seconds": 400}, 100),
        ({"run": {"seeds": [0, 1, 2, 3]}, "seconds": 90, "reused_seeds": [0, 1, 2]}, 90),
        ({"run": {"seeds": [0, 1]}, "seconds": 10, "cores": 2, "epoch_processor_seconds": {"0": [60, 60], "1": [60, 60]}}, 60),
        ({"curve": {"seeds": [0]}, "seconds": 5, "reused_seeds": [0]}, 0),
        ({"run": {"seeds": []}, "seconds": 5}, 0),
        ({"run": 3, "seconds": "long"}, 0),
    ],
)
def test_what_a_seed_takes_is_of_those_that_a_start_trained(record, seconds):
    assert seconds_a_seed(record) == seconds


class TestFamilies:
    def test_several_runs_are_decided_by_the_least_of_them(self, with_effects):
        """Planted in both it is found, and one run without the effect decides against it."""
        for runs, words in (
            ("no_normalisation one_column", {verdicts.DIRECTION}),
            ("no_normalisation one_large_gpu", {verdicts.SMALLER, verdicts.UNDECIDED}),
        ):
            block = replace(PROTOCOL.claims["any-layer"], run=runs)
            rows = judged(with_effects, protocol=replace(PROTOCOL, claims={**PROTOCOL.claims, "any-layer": block}))
            assert rows["any-layer"].verdict.word in words

    def test_an_interaction_is_a_difference_of_differences(self, with_effects):
        names = ("no_normalisation", "one_column", "local_pooling", "base")
        block = replace(PROTOCOL.claims["no-input-normalisation"], run=" ".join(names[:2]), against=" ".join(names[2:]))
        rows = judged(with_effects, protocol=replace(PROTOCOL, claims={**PROTOCOL.claims, "no-input-normalisation": block}))
        a, b, c, d = (with_effects.evidence().errors(name).wrong.mean() for name in names)
        assert rows["no-input-normalisation"].numbers.ours == pytest.approx((a - b) - (c - d))

    def test_a_run_that_guesses_decides_no_difference_of_differences(self, tmp_path):
        """It cannot err more, so that what else is changed costs it nothing, and the other pair seems to lose much."""
        names = ("no_normalisation", "one_column", "local_pooling", "base")
        block = replace(PROTOCOL.claims["no-input-normalisation"], run=" ".join(names[:2]), against=" ".join(names[2:]))
        protocol = replace(PROTOCOL, claims={**PROTOCOL.claims, "no-input-normalisation": block})
        made = invent(tmp_path, planted=True)
        untrained = invent(tmp_path.with_name("untrained"), untrained=True)
        for name in ("ten_patches.npz", "centre_patch.npz", "metrics.json"):
            shutil.copy(untrained.folder / "evaluate/one_column" / name, tmp_path / "evaluate/one_column" / name)
        seal(tmp_path, "evaluate-one_column")
        verdict = judged(made, protocol=protocol)["no-input-normalisation"].verdict
        assert verdict.word == verdicts.NOT_LONG_ENOUGH and "all of which must have learned" in verdict.why

    def test_what_else_was_run_hardly_moves_an_interval(self, with_effects, found):
        """The number of comparisons is the protocol's, so that leaving a run out wins nothing."""
        rows = judged(replace(with_effects, runs={name: lines for name, lines in RUNS.items() if name != "no_dropout"}))
        width, before = (one["two-columns"].numbers.high - one["two-columns"].numbers.low for one in (rows, found))
        assert width == pytest.approx(before, rel=0.1)

    def test_a_withheld_run_is_no_evidence_for_the_others(self, tmp_path):
        made = invent(tmp_path, planted=True)
        without = judged(replace(made, runs={name: RUNS[name] for name in RUNS if name != "local_pooling"}))
        edit(tmp_path / "provenance/train-local_pooling.json", lambda record: record.update(dirty=True))
        rows = judged(made)
        assert rows["overlapping-pooling"].verdict.word == verdicts.WITHHELD and rows["overlapping-pooling"].numbers.ours > 0.1
        assert rows["two-columns"].numbers.low == pytest.approx(without["two-columns"].numbers.low)


class TestRates:
    """A component that was compared at base's rate says so, with what half and double that rate came to."""

    def remarks(self, tmp_path, diverged="", **rates):
        made = invent(tmp_path, pictures=100)
        runs = dict(made.runs)
        for name, rate in rates.items():
            shutil.copytree(tmp_path / "train/one_column", tmp_path / "train" / name)
            end = {"epochs": 12, "status": "diverged" if name == diverged else "finished"}
            edit(tmp_path / f"train/{name}/metrics.json", lambda m, end=end: m.update(seeds={"0": end}))
            runs[name] = merged(RUNS["one_column"], {"learning": {"rate": {"initial": rate}}, "seeds": [0]})
            seal(tmp_path, f"train-{name}", run=merged(SHARED, runs[name]))
        return judged(replace(made, runs=runs))["two-columns"].numbers.remarks

    def test_one_rate_is_said(self, tmp_path):
        assert self.remarks(tmp_path)[-1] == "compared at one rate, 0.01"

    def test_half_and_double_stand_beside_it(self, tmp_path):
        said = self.remarks(tmp_path, mine_half=0.005, mine_double=0.02, mine_other=0.04)
        share = r"[\d.]+%"
        begin = "validation error of one_column from one seed"
        assert re.fullmatch(f"{begin}: {share} at it, {share} at half of it, {share} at double of it", said[-1])

    def test_a_rate_at_which_it_diverged_is_said(self, tmp_path):
        said = self.remarks(tmp_path, diverged="fast", fast=0.02)
        assert said[-1].endswith("none (`fast` diverged in 1 of 1 seeds) at double of it")

    def test_each_at_its_best_rate(self, tmp_path):
        """Said once both runs have three rates: base's best is that at double the rate."""
        said = self.remarks(tmp_path, mine_half=0.005, mine_double=0.02)
        assert not said[-1].startswith(AT_BEST)
        runs = {"one_column": ("mine_half", "mine_double"), "base": ("base_half", "base_double")}
        made = invent(tmp_path / "both", pictures=100)
        mine = dict(made.runs)
        for run, names in runs.items():
            for name, rate in zip(names, (0.005, 0.02), strict=True):
                shutil.copytree(made.folder / f"train/{run}", made.folder / "train" / name)
                edit(made.folder / f"train/{name}/metrics.json", lambda m: m.update(seeds={"0": m["seeds"]["0"]}))
                mine[name] = merged(RUNS[run], {"learning": {"rate": {"initial": rate}}, "seeds": [0]})
                seal(made.folder, f"train-{name}", run=merged(SHARED, mine[name]))
        path = made.folder / "train/base_double/seed-0/curve.csv"
        curve = pd.read_csv(path)
        curve["validation_error"] = 0.125
        curve.to_csv(path, index=False)
        said = judged(replace(made, runs=mine))["two-columns"].numbers.remarks
        assert re.fullmatch(rf"{AT_BEST}: one_column [\d.]+%, base 12.5%, a difference of [\d.]+ points", said[-1])


class TestProtocol:
    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            (lambda p: p["families"]["effects"].update(alpha="low"), "families.effects.alpha is 'low'"),
            (lambda p: p["families"]["effects"].update(alpha=0.04), "the families' alpha add up to 0.06"),
            (
                lambda p: p["families"]["effects"].update(comparisons=3),
                "families.effects.comparisons is 3, but the claims declare",
            ),
            (lambda p: p.update(beta=1), "beta is no setting"),
            (lambda p: p["claims"].update(cold_fusion={"measure": "unmeasured", "seeds": 1}), "cold_fusion is no claim"),
            (lambda p: p["claims"].pop("ensemble"), "lacks ensemble"),
            (lambda p: p["claims"]["ensemble"].update(measure="guess"), "claims.ensemble.measure is 'guess'; name a function"),
            (lambda p: p["claims"]["ensemble"].update(measure="errors._stages"), "name a function"),
            (lambda p: p["claims"]["ensemble"].update(family="friends"), "claims.ensemble.family is 'friends'; use one of"),
            (lambda p: p["claims"]["ensemble"].update(seeds=0), "claims.ensemble: seeds is 0"),
            (lambda p: p["claims"]["ensemble"].update(patches="twelve"), "claims.ensemble.patches is 'twelve'"),
            (lambda p: p["claims"]["ensemble"].update(smallest_effect=0.0), "claims.ensemble.smallest_effect is missing"),
            (
                lambda p: p["claims"]["two-columns"].update(run="one_colum"),
                "claims.two-columns names one_colum, and NAMED in study/judging/chain.py does not say what it is",
            ),
            (lambda p: p["claims"]["two-columns"].pop("against"), "claims.two-columns has no against; name the two runs"),
            (lambda p: p["claims"]["cifar-normalisation"].pop("run"), "claims.cifar-normalisation has no run; name the two runs"),
            (lambda p: p["claims"]["relu-faster"].update(smallest_effect=1.0), "smallest_effect is 1.0; of times it is a factor"),
            (
                lambda p: p["claims"]["relu-faster"].update(studies={"mine": {"smallest_effect": 0.5}}),
                "claims.relu-faster.studies.mine.smallest_effect is 0.5; of times it is a factor",
            ),
            (
                lambda p: p["claims"]["two-columns"].update(studies={"mine": {"seeds": 0}}),
                "claims.two-columns.studies.mine: seeds is 0",
            ),
            (lambda p: p["claims"]["ensemble"]["paper_scale"].update(study=3), "paper_scale.study is 3"),
            (lambda p: p["claims"]["ensemble"].update(studies={"mine": {"alpha": 1}}), "studies.mine.alpha is no setting"),
            (lambda p: p.update(deviations=[{"claim": "x", "date": "", "reason": "", "parts": []}]), "deviations names 'x'"),
        ],
    )
    def test_mistakes_are_one_sentence(self, change, sentence):
        content = json.loads(json.dumps(TODAY))
        change(content)
        with pytest.raises(SettingsError, match=re.escape(sentence)):
            read_protocol(content)

    def test_a_later_study_changes_no_block_of_an_earlier_one(self):
        content = json.loads(json.dumps(TODAY))
        content["claims"]["two-columns"].setdefault("studies", {})["mine"] = {"seeds": 7, "smallest_effect": 0.5}
        protocol = read_protocol(content)
        assert protocol.of_study("sketch").claims == PROTOCOL.claims
        mine = protocol.of_study("mine").claims["two-columns"]
        assert (mine.seeds, mine.smallest_effect) == (7, 0.5)

    def test_a_study_has_one_of_two_families_that_exclude_one_another(self, with_effects):
        pair = replace(PROTOCOL.claims["cifar-normalisation"], run="one_column", against="base")
        with pytest.raises(ValueError, match="effect_of_a_pair in place of effects, but this one has runs of both; keep"):
            judged(with_effects, protocol=replace(PROTOCOL, claims={**PROTOCOL.claims, "cifar-normalisation": pair}))


class TestTables:
    def test_markdown_has_a_row_a_claim_and_says_what_held(self, found, with_effects):
        study = study_of(with_effects.folder, "sketch", PROTOCOL)
        text = report.as_markdown(study, list(found.values()))
        table = [line for line in text.splitlines() if line.startswith("|") and not line.startswith(("| §", "|---"))]
        assert len(table) == len(CLAIMS)
        assert all(line.count(" | ") == 5 for line in table)
        held = text.partition("**What held**")[2].partition("**What ")[0]
        line = next(line for line in held.splitlines() if "Response normalisation lowers" in line)
        assert "1.40 points; top-5 1.20 points (ILSVRC-2012, validation, by the author's notes)" in line and "points (" in line
        assert text.splitlines()[0].endswith(report.summary(list(found.values())))

    def test_what_could_not_be_seen_says_from_which_size_on_it_would_have_been(self, not_found, with_effects):
        study = study_of(with_effects.folder, "sketch", PROTOCOL)
        page = report.one_page(study, PROTOCOL.head, list(not_found.values()))
        assert re.search(r"Halving.*undecided; .*; effects from [\d.]+ nats on would be seen", page), page

    def test_open_claims_stand_in_groups_each_once(self, not_found, with_effects):
        rows, study = list(not_found.values()), study_of(with_effects.folder, "sketch", PROTOCOL)
        said = report.open_questions(study, rows)
        assert said.count("\n- ") == sum(bool(row.decide) for row in rows) and said.count("\n## ") == 3
        measured, not_tried, untestable = (part.split("\n", 1)[1] for part in said.split("\n## ")[1:])
        assert "has no run" in not_tried and "seeds" in measured
        assert "Sparse coding" in untestable and "Sparse coding" not in measured + not_tried

    def test_the_summary_tells_arithmetic_apart_and_one_from_several(self, found):
        rows = list(found.values())
        of_arithmetic = sum(row.claim.kind == "arithmetic" for row in rows)
        assert f"Of {len(rows)} claims {of_arithmetic} are decided by arithmetic" in report.summary(rows)
        small = [row for row in rows if row.claim.kind != "arithmetic" and row.group() == verdicts.HELD][:1]
        one = [replace(row, verdict=verdicts.Verdict(word=verdicts.SMALLER, why="")) for row in small]
        assert report.summary(one).endswith("Of the others 1 was smaller than what matters.")
        assert report.summary(2 * one).endswith("Of the others 2 were smaller than what matters.")

    def test_json_and_csv_say_the_same(self, found, with_effects):
        rows, study = list(found.values()), study_of(with_effects.folder, "sketch", PROTOCOL)
        content = json.loads(json.dumps(report.as_json(study, rows), allow_nan=False))
        table = [dict(zip(COLUMNS, row, strict=True)) for row in report.as_csv(rows)]
        assert [row["verdict"] for row in content["claims"]] == [row["verdict"] for row in table]
        assert all(list(row) and set(row) == set(COLUMNS) for row in content["claims"])
        assert sum(content["counts"].values()) == len(CLAIMS) == report.counts(rows)["claims"]

    def test_latex_escapes_what_latex_reads(self, found):
        text = report.as_latex(list(found.values()))
        assert text.count(r"\\") == len(CLAIMS) + 1
        assert "%" not in text.replace(r"\%", "")

    def test_a_number_has_one_form(self, found, with_effects):
        """No factor is written with an x, and no number as a power of ten."""
        rows, study = list(found.values()), study_of(with_effects.folder, "sketch", PROTOCOL)
        texts = (report.as_markdown(study, rows), report.one_page(study, PROTOCOL.head, rows), report.as_latex(rows))
        for text in texts:
            assert not re.search(r"\d x\b(?! \d)", text.split("## Where paper and code differ")[0])
            assert not re.search(r"\de-?\d", text.split("## Methodology")[0])

    def test_no_test_of_numbers_a_seed_speaks_of_pictures(self, found):
        rows = [row for row in found.values() if row.numbers.units == "seeds" and row.numbers.test]
        assert rows and not any("pictures" in row.numbers.test or "paired" in row.numbers.test for row in rows)

    def test_misread_table_has_three_columns(self):
        assert all(line.count(" | ") == 2 for line in report.misread_table().splitlines()[2:])

    def test_the_report_is_one_page_with_the_numbers_of_the_rows(self, found, with_effects):
        rows = list(found.values())
        page = report.one_page(study_of(with_effects.folder, "sketch", PROTOCOL), PROTOCOL.head, rows)
        headings = ["Scope", "Methodology", "Results", "Figures 1 to 4", "What was easy", "What was hard"]
        assert re.findall(r"^## (.*)$", page, re.MULTILINE) == [*headings, "Where paper and code differ", "Authors"]
        assert len(page.split()) < 1300, "a page and its table"
        assert found["two-columns"].here() in page and report.summary(rows) in page and "`no_normalisation`" in page

    def test_the_report_counts_what_the_figures_show(self, tmp_path):
        seeds = {"0": {"epochs_to_threshold": 4.0}, "1": {"epochs_to_threshold": 6.0}, "2": {"epochs_to_threshold": None}}
        storage.write_json(tmp_path / "converge/relu/metrics.json", {"threshold": 0.25, "seeds": seeds})
        fitted = [("end", "grey, selective"), ("end", "coloured blob"), ("end", "grey, selective"), ("start", "neither")]
        storage.write_csv(tmp_path / "evaluate/base/kernels.csv", ("when", "kind"), fitted)
        wrong = {f"seed-{seed}": {"ten_patches": {"top1_wrong": 40, "top5_wrong": 10}} for seed in (0, 1)}
        averaged = {"averaged": {"ten_patches": {"top1_wrong": 1, "top5_wrong": 1}}}
        storage.write_json(tmp_path / "evaluate/base/metrics.json", {"pictures": 100, "models": wrong | averaged})
        precision = {"features": {"1": {"mean": 0.5}, "6": {"mean": 0.25}, "50": None}}
        storage.write_json(tmp_path / "retrieve/metrics.json", {"run": "base", "precision": precision})
        text = report._figures(tmp_path)
        assert "relu: 25% training error after 5.00 epochs, the mean of 2 seeds; 1 never reached it." in " ".join(text.split())
        assert "3 trained kernels: 2 grey, selective; 1 coloured blob." in text and "1 untrained kernels: 1 neither." in text
        assert "the right one is among the other four in 75.0%" in text, "the average of the networks is left out"
        assert "| last hidden layer | 50.0% | 25.0% | – | – |" in text
        assert report._figures(tmp_path / "nothing") == ""

    def test_three_ticks_say_what_was_done_of_a_claim(self, found):
        ticks = {
            name: (row.columns()["implemented"], row.columns()["run"], row.columns()["decided"]) for name, row in found.items()
        }
        assert ticks["two-columns"] == ticks["parameters"] == (True, True, True)
        assert ticks["more-data"] == (True, False, False)
        assert ticks["pre-training"] == ticks["kernels-variety"] == (False, False, False)


def test_numbers_of_what_cannot_be_decided_are_reported_not_judged(found, tmp_path):
    memory, crossing = found["three-gigabytes"], found["communication"]
    assert (memory.verdict.word, memory.claim.value, memory.numbers.p) == (verdicts.NOT_TESTABLE, 3.0, None)
    assert memory.numbers.ours == pytest.approx(1866172780 / 2**30) and "0.94 and 0.87" in memory.numbers.said
    assert memory.here() == "1.74 GiB"
    assert crossing.verdict.word == verdicts.NOT_TESTABLE and crossing.numbers.ours is None, "one device: nothing crosses"
    made = invent(tmp_path, pictures=50)
    crosses = {"exchange": {"devices": ["cuda:0", "cuda:1"], "numbers": 1000, "seconds": 0.001, "share": 0.04}}
    edit(tmp_path / "cost/metrics.json", lambda content: content.update(crosses))
    assert judged(made)["communication"].numbers.ours is None, "not what the stage wrote"
    seal(tmp_path, "cost")
    row = judged(made)["communication"]
    assert (row.verdict.word, row.numbers.ours) == (verdicts.NOT_TESTABLE, 0.04) and "1,000 numbers cross" in row.numbers.said


def test_the_error_of_an_average_needs_as_many_networks_as_the_paper_averages(with_effects):
    evidence, measure = with_effects.evidence(), PROTOCOL.measures["table2-five-cnns"]
    block = Block(measure="errors.of_average", run="base", seeds=3, models=10)
    made = measure(evidence, block)
    averaged = evidence.errors("base").averaged
    assert averaged is not None and made.sample.values.mean() == averaged.mean() and len(made.sample.members) == 10
    with pytest.raises(MissingResult, match="no average of 5 networks"):
        measure(evidence, replace(block, models=5))


def test_where_the_code_differs_is_what_its_recipe_does():
    """Every line of the recipe that differs from the text's has a row that cites the same assumption, and the other way round."""
    text = Path("study/training/recipes.py").read_text()
    cited = set(re.findall(r"\bA\d+\b", text.split("CODE145 = ")[1]))
    assert cited == {number for one in DIFFERENCES if not one.both for number in one.assumption.split(", ")}
    rows = {number for one in DIFFERENCES for number in one.assumption.split(", ")}
    register = Path("ASSUMPTIONS.md").read_text()
    assert all(f"| {number} |" in register for number in rows)


@pytest.mark.slow
def test_a_large_study_is_judged_within_its_budget(tmp_path):
    """Every claim, 50,000 pictures, 15 seeds of every run."""
    made = invent(tmp_path, pictures=50_000, seeds=15)
    began = time.process_time()
    rows = judged(made)
    assert time.process_time() - began < 20
    assert rows["two-columns"].verdict.word == verdicts.DIRECTION


def test_a_study_of_the_four_layer_network_is_not_asked_for_runs_that_it_cannot_have(tmp_path):
    evidence = Evidence(folder=tmp_path, study="digits", runs=("without_normalisation",), curves=())
    for architecture, said in (("four_layer", "the four-layer network of footnote 3"), ("alexnet", "has no run `one_column`")):
        record = {"run": {"network": {"architecture": architecture}}}
        storage.write_json(tmp_path / "provenance/train-without_normalisation.json", record)
        asked = replace(evidence, _read={})
        with pytest.raises(MissingResult, match=said):
            asked.require_run("one_column")
        with pytest.raises(MissingResult, match="has no run `with_normalisation`"):
            asked.require_run("with_normalisation")
