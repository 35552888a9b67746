"""The judgement on invented results: planted effects get the words that the rules give them, and so do absent ones."""

import json
import re
import subprocess
import time
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from ruamel.yaml import YAML

from stages import judge as stage
from study import files, predictions, storage
from study.judging import report, verdicts
from study.judging.evidence import Evidence, MissingResult
from study.judging.judgement import judge
from study.judging.measurement import Chance, Measurement
from study.judging.measurements import MEASURES
from study.judging.one_page import one_page
from study.judging.protocol import Block, read_protocol
from study.judging.statistics import over_units
from study.measuring import kernels
from study.paper.claims import CLAIMS, claim
from study.paper.released import DIFFERENCES
from study.training import outputs
from tests.invented import RUNS, SEEDS, invent, provenance

TODAY = YAML(typ="safe", pure=True).load(Path("protocol.yaml"))
PROTOCOL = read_protocol(TODAY, MEASURES)


def judged(evidence, *, then=lambda commit: TODAY, protocol=PROTOCOL, bootstrap=2000):
    return {row.id: row for row in judge(evidence, protocol, TODAY, then, bootstrap, 0.95)}


@pytest.fixture(scope="module")
def with_effects(tmp_path_factory):
    return invent(tmp_path_factory.mktemp("planted"), planted=True)


@pytest.fixture(scope="module")
def without_effects(tmp_path_factory):
    return invent(tmp_path_factory.mktemp("none"), planted=False)


@pytest.fixture(scope="module")
def found(with_effects):
    return judged(with_effects)


@pytest.fixture(scope="module")
def not_found(without_effects):
    return judged(without_effects)


PLANTED = {
    "response-normalisation": verdicts.DIRECTION,
    "overlapping-pooling": verdicts.DIRECTION,
    "two-columns": verdicts.DIRECTION,
    "ten-patches": verdicts.DIRECTION,
    "ensemble": verdicts.DIRECTION,
    "dropout-overfitting": verdicts.DIRECTION,
    "dropout-iterations": verdicts.DIRECTION,
    "relu-faster": verdicts.DIRECTION,
    "relu-six-times": verdicts.DIRECTION,
    "kernels-specialise": verdicts.DIRECTION,
    "neighbours": verdicts.DIRECTION,
    "neighbours-far-in-pixels": verdicts.DIRECTION,
    "dropout-halving": verdicts.DIRECTION,
    "augmentation-free": verdicts.DIRECTION,
    "margin-over-hand-made": verdicts.DIRECTION,
}
ABSENT = {
    "response-normalisation": verdicts.INCONCLUSIVE,
    "overlapping-pooling": verdicts.INCONCLUSIVE,
    "two-columns": verdicts.INCONCLUSIVE,
    "ten-patches": verdicts.INCONCLUSIVE,
    "ensemble": verdicts.INCONCLUSIVE,
    "dropout-overfitting": verdicts.NO_EFFECT,
    "dropout-iterations": verdicts.NO_EFFECT,
    "relu-faster": verdicts.NO_EFFECT,
    "relu-six-times": verdicts.NO_EFFECT,
    "kernels-specialise": verdicts.NO_EFFECT,
    "neighbours": verdicts.NO_EFFECT,
    "neighbours-far-in-pixels": verdicts.NO_EFFECT,
    "dropout-halving": verdicts.NO_EFFECT,
    "augmentation-free": verdicts.CONTRADICTED,
    "margin-over-hand-made": verdicts.INCONCLUSIVE,
}


@pytest.mark.parametrize("name", PLANTED)
def test_planted_effects_are_found(found, name):
    row = found[name]
    assert row.verdict == PLANTED[name], row.why
    assert row.low > (1 if row.unit == "times" else 0)


@pytest.mark.parametrize("name", ABSENT)
def test_absent_effects_are_not_found(not_found, name):
    row = not_found[name]
    assert row.verdict == ABSENT[name], row.why
    assert row.decide or row.verdict in (verdicts.NO_EFFECT, verdicts.CONTRADICTED)


@pytest.mark.parametrize("study", ["found", "not_found"])
def test_every_claim_has_a_row_with_what_its_word_needs(study, request):
    rows = request.getfixturevalue(study)
    assert list(rows) == [one.id for one in CLAIMS]
    for row in rows.values():
        assert row.verdict in verdicts.WORDS and row.why, row.id
        assert bool(row.decide) == (row.verdict in (verdicts.INCONCLUSIVE, verdicts.NOT_RUN, verdicts.WITHHELD)), row.id
        if row.id in PLANTED:
            assert row.seeds and row.scale and row.artifacts and row.visible and row.p_holm is not None, row.id
    assert rows["two-columns"].pictures == 1000
    assert "synthetic" in rows["two-columns"].scale and "24 of the paper's 96 kernels" in rows["two-columns"].scale


def test_a_reduced_study_earns_no_first_word_and_no_value(found):
    rows = found.values()
    assert verdicts.REPRODUCED not in {row.verdict for row in rows}
    assert {row.verdict for row in rows if row.kind == "value"} == {verdicts.NOT_RUN}
    assert all(row.paper == claim(row.id).value for row in rows)


def test_the_other_direction_is_a_contradiction(with_effects):
    turned = {name: replace(block, run=block.against, against=block.run) for name, block in PROTOCOL.claims.items()}
    protocol = replace(PROTOCOL, claims=turned)
    rows = judged(Evidence(folder=with_effects.folder, study="sketch", runs=RUNS, curves=with_effects.curves), protocol=protocol)
    assert rows["response-normalisation"].verdict == verdicts.CONTRADICTED
    assert rows["relu-faster"].verdict == verdicts.CONTRADICTED


def test_arithmetic_decides_without_results(tmp_path):
    rows = judged(Evidence(folder=tmp_path, study="sketch", runs=RUNS, curves=()))
    assert rows["neurons-conv1"].verdict == verdicts.REFUTED
    assert rows["neurons-conv1"].ours == 290_400
    assert rows["layers-below-1-percent"].verdict == verdicts.REFUTED
    assert rows["parameters"].verdict == verdicts.CONFIRMED
    assert rows["equal-rates"].verdict == verdicts.NOT_TESTABLE


class TestAtThePapersScale:
    def cifar(self, tmp_path, slow_epochs, training=45_000):
        evidence = invent(tmp_path, planted=True, pictures=100, study="cifar10", training=training, slow_epochs=slow_epochs)
        return judged(evidence, bootstrap=200)

    def test_size_and_direction_agree(self, tmp_path):
        rows = self.cifar(tmp_path, 36.0)
        assert rows["relu-six-times"].verdict == verdicts.REPRODUCED
        assert rows["relu-faster"].verdict == verdicts.REPRODUCED

    def test_the_size_differs(self, tmp_path):
        rows = self.cifar(tmp_path, 12.0)
        assert rows["relu-six-times"].verdict == verdicts.OUTSIDE
        assert rows["relu-faster"].verdict == verdicts.REPRODUCED

    def test_with_too_few_pictures_it_is_a_reduced_study(self, tmp_path):
        assert self.cifar(tmp_path, 36.0, training=10_000)["relu-six-times"].verdict == verdicts.DIRECTION

    @pytest.mark.parametrize(
        ("low", "high", "word"),
        [
            (0.121, 0.139, verdicts.REPRODUCED),
            (0.10, 0.115, verdicts.OUTSIDE),
            (0.15, 0.16, verdicts.OUTSIDE),
            (0.11, 0.15, verdicts.INCONCLUSIVE),
            (0.125, 0.145, verdicts.INCONCLUSIVE),
        ],
    )
    def test_a_value_and_its_tolerance(self, low, high, word):
        estimate = replace(over_units(np.array([low, high]), 0.05), low=low, high=high)
        measured = Measurement(estimate=estimate, said="", used=(), stages=(), seeds=3, pictures=10_000)
        assert verdicts.judge_value(claim("cifar-without"), PROTOCOL.claims["cifar-without"], measured).word == word

    def test_a_value_is_measured_and_compared(self, tmp_path):
        evidence = invent(tmp_path, planted=False, study="cifar10", training=45_000)
        block = replace(PROTOCOL.claims["cifar-without"], run="base")
        protocol = replace(PROTOCOL, claims={**PROTOCOL.claims, "cifar-without": block})
        row = judged(evidence, protocol=protocol, bootstrap=500)["cifar-without"]
        by_model, _ = evidence.wrong("base", "top1", "ten_patches")
        assert row.ours == pytest.approx(np.mean([by_model[outputs.seed_folder(seed)].mean() for seed in SEEDS]))
        assert (row.verdict, row.seeds, row.pictures) == (verdicts.OUTSIDE, 3, 1000)


def test_a_time_that_was_not_reached_gives_a_bound(tmp_path):
    evidence = invent(tmp_path, planted=True, pictures=50)
    times = {str(seed): {"epochs_to_threshold": None, "epochs": 60} for seed in SEEDS}
    storage.write_json(tmp_path / "converge/tanh/metrics.json", {"seeds": times})
    row = judged(evidence, bootstrap=200)["relu-six-times"]
    assert (row.bound, row.verdict) == ("at least", verdicts.DIRECTION)
    assert row.high is None and row.low > 9
    assert "at least" in report.our_number(row)


def test_fewer_seeds_than_the_protocol_asks_for_decide_nothing(tmp_path):
    evidence = invent(tmp_path, planted=True, pictures=300)
    folder = tmp_path / "evaluate/no_normalisation"
    made = predictions.read(folder, "ten_patches")
    fewer = replace(made, best={"seed-0": made.best["seed-0"]})
    predictions.write(folder, "ten_patches", fewer, classes=24)
    row = judged(evidence, bootstrap=200)["response-normalisation"]
    assert (row.verdict, row.seeds) == (verdicts.INCONCLUSIVE, 1)
    assert "3 seeds" in row.decide


def test_what_would_decide_asks_for_more_than_there_is(not_found):
    undecided = [row for row in not_found.values() if row.verdict == verdicts.INCONCLUSIVE]
    assert undecided
    for row in undecided:
        wanted, had = re.findall(r"([\d,]+) (?:seeds|test pictures)[^;]*? in place of ([\d,]+)", row.decide)[0]
        assert int(wanted.replace(",", "")) > int(had.replace(",", "")), row.decide


class TestOrigin:
    @pytest.fixture
    def evidence(self, tmp_path):
        return invent(tmp_path / "results/sketch", planted=True, pictures=200)

    def test_dirty_code_withholds_the_verdict(self, evidence):
        provenance(evidence.folder, "train-no_normalisation", dirty=True)
        rows = judged(evidence, bootstrap=200)
        assert rows["response-normalisation"].verdict == verdicts.WITHHELD
        assert "not committed" in rows["response-normalisation"].why
        assert rows["response-normalisation"].ours is not None
        assert rows["two-columns"].verdict == verdicts.DIRECTION

    def test_a_stale_evaluation_withholds_the_verdict(self, evidence):
        weights = evidence.folder / "train/base/seed-0/weights.safetensors"
        weights.write_bytes(b"new")
        provenance(evidence.folder, "evaluate-base", inputs={"results/sketch/train/base/seed-0/weights.safetensors": "old"})
        row = judged(evidence, bootstrap=200)["two-columns"]
        assert row.verdict == verdicts.WITHHELD
        assert "stale" in row.why

    def test_a_result_that_its_stage_did_not_write_withholds_the_verdict(self, evidence):
        name = "evaluate/one_column/ten_patches.npz"
        as_written = storage.sha256(evidence.folder / name)
        provenance(evidence.folder, "evaluate-one_column", outputs={name: as_written})
        assert judged(evidence, bootstrap=200)["two-columns"].verdict == verdicts.DIRECTION
        provenance(evidence.folder, "evaluate-one_column", outputs={name: "0" * 64})
        row = judged(replace(evidence, _read={}), bootstrap=200)["two-columns"]
        assert row.verdict == verdicts.WITHHELD and row.why == f"stale: {name} is not what evaluate-one_column wrote"
        lacking = {name: as_written, "train/one_column/seed-0/weights.safetensors": "0" * 64}
        provenance(evidence.folder, "evaluate-one_column", outputs=lacking)
        row = judged(replace(evidence, _read={}), bootstrap=200)["two-columns"]
        assert row.verdict == verdicts.DIRECTION, "a pinned study has no weights"

    def test_artifacts_are_hashed(self, evidence):
        artifacts = judged(evidence, bootstrap=200)["two-columns"].artifacts
        assert artifacts == {
            f"evaluate/{run}/ten_patches.npz": storage.sha256(evidence.folder / f"evaluate/{run}/ten_patches.npz")
            for run in ("one_column", "base")
        }

    def test_a_protocol_changed_after_the_run_is_exploratory(self, evidence):
        other = json.loads(json.dumps(TODAY))
        other["claims"]["two-columns"]["smallest_effect"] = 0.5
        rows = judged(evidence, then=lambda commit: other, bootstrap=200)
        assert rows["two-columns"].registered == "exploratory"
        assert rows["response-normalisation"].registered == "pre-registered"

    def test_without_history_it_is_not_checked(self, evidence):
        assert judged(evidence, then=lambda commit: None, bootstrap=200)["two-columns"].registered == "not checked"
        assert judged(evidence, then=lambda commit: {}, bootstrap=200)["two-columns"].registered == "exploratory"

    def test_git_tells_the_protocol_of_a_commit(self, tmp_path, monkeypatch):
        def git(*arguments):
            identity = ("-c", "user.name=a", "-c", "user.email=a@b.c")
            return subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True).stdout

        git("init", "-q")
        git("commit", "-q", "--allow-empty", "-m", "nothing")
        (tmp_path / "protocol.yaml").write_text("alpha: 0.1\n")
        git("add", "protocol.yaml")
        git("commit", "-q", "-m", "protocol")
        monkeypatch.chdir(tmp_path)
        stage.protocol_at.cache_clear()
        assert stage.protocol_at(git("rev-parse", "HEAD").strip()) == {"alpha": 0.1}
        assert stage.protocol_at(git("rev-parse", "HEAD~1").strip()) == {}
        assert stage.protocol_at("f" * 40) is None


class TestMissing:
    def test_a_run_that_the_study_lacks_is_named(self, with_effects):
        rows = judged(replace(with_effects, runs=("base",), curves=(), _read={}))
        row = rows["response-normalisation"]
        assert row.verdict == verdicts.NOT_RUN
        assert "`no_normalisation`" in row.why and "normalisation: none" in row.decide
        assert "curve" in rows["relu-faster"].why

    def test_a_result_that_is_not_there_names_its_command(self, tmp_path):
        rows = judged(Evidence(folder=tmp_path, study="sketch", runs=RUNS, curves=("relu", "tanh")))
        assert "evaluate@no_normalisation" in rows["response-normalisation"].decide
        assert {row.verdict for row in rows.values() if row.id in PLANTED} == {verdicts.NOT_RUN}

    @pytest.mark.parametrize("share", [0.0, 0.3, 0.97])
    def test_half_written_files_never_crash_it(self, tmp_path, share):
        evidence = invent(tmp_path, planted=True, pictures=48)
        for path in sorted(tmp_path.rglob("*.*")):
            if path.is_file():
                content = path.read_bytes()
                path.write_bytes(content[: int(share * len(content))])
        rows = judged(evidence, bootstrap=200)
        assert {row.verdict for row in rows.values() if row.id in PLANTED} == {verdicts.NOT_RUN}

    @pytest.mark.parametrize("content", [b"[]", b"null", b'{"seeds": null}', b'{"seeds": {"0": 3}}', b"\xff\xfe", b"a,b\n1,2\n"])
    def test_files_of_another_kind_never_crash_it(self, tmp_path, content):
        evidence = invent(tmp_path, planted=True, pictures=48)
        for path in sorted(tmp_path.rglob("*.*")):
            if path.is_file():
                path.write_bytes(content)
        rows = judged(evidence, bootstrap=200)
        assert {row.verdict for row in rows.values() if row.id in PLANTED} == {verdicts.NOT_RUN}


class TestProtocol:
    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            (lambda p: p.update(alpha="low"), "alpha is 'low'"),
            (lambda p: p.update(beta=1), "unknown key 'beta'"),
            (lambda p: p["claims"].update(cold_fusion={}), "cold_fusion is no claim"),
            (lambda p: p["claims"].pop("ensemble"), "lacks ensemble"),
            (
                lambda p: p["claims"]["ensemble"].update(measure="guess"),
                "claims.ensemble.measure is 'guess'; choose one of",
            ),
            (lambda p: p["claims"]["ensemble"].update(seeds=0), "claims.ensemble.seeds is 0"),
            (lambda p: p["claims"]["ensemble"].update(patches="twelve"), "claims.ensemble.patches is 'twelve'"),
            (lambda p: p["claims"]["ensemble"].pop("smallest_effect"), "lacks the key 'smallest_effect'"),
            (lambda p: p["claims"]["ensemble"]["paper_scale"].update(study=3), "paper_scale.study is 3"),
        ],
    )
    def test_mistakes_are_one_sentence(self, change, sentence):
        content = json.loads(json.dumps(TODAY))
        change(content)
        with pytest.raises(ValueError, match=sentence):
            read_protocol(content, MEASURES)

    def test_confidence_must_fit_alpha(self, with_effects):
        with pytest.raises(ValueError, match=r"judge.confidence is 0.9 .* set judge.confidence to 0.95"):
            judge(with_effects, PROTOCOL, TODAY, lambda commit: TODAY, 200, 0.9)


def test_colourfulness_is_zero_for_grey_and_one_for_pure_colour():
    grey = np.ones((1, 11, 11, 3)) * np.linspace(-1, 1, 11)[:, None, None]
    opposed = np.ones((1, 11, 11, 3)) * np.array([1.0, -1.0, 0.0])
    assert kernels.colourfulness(np.concatenate([grey, opposed, grey + opposed])) == pytest.approx(
        [0, 1, 2 / (2 + 3 * np.mean(np.linspace(-1, 1, 11) ** 2))]
    )
    with pytest.raises(ValueError, match="an even number"):
        kernels.by_column(np.ones((5, 11, 11, 3)))


class TestTables:
    def test_markdown_has_a_row_a_claim_and_keeps_columns_apart(self, found):
        rows = list(found.values())
        table = [line for line in report.as_markdown("sketch", rows).splitlines() if line.startswith("|")][2:]
        assert len(table) == len(CLAIMS)
        assert all(line.count(" | ") == 5 for line in table)
        line = next(line for line in table if "Response normalisation lowers" in line)
        assert "1.40 pt / 1.20 pt (ILSVRC-2012, validation)" in line and "**direction reproduced (reduced scale)**" in line

    def test_json_and_csv_say_the_same(self, found):
        rows = list(found.values())
        content = json.loads(json.dumps(report.as_json("sketch", "scale", rows), allow_nan=False))
        table = [dict(zip(report.COLUMNS, row, strict=True)) for row in report.as_csv(rows)]
        assert [row["verdict"] for row in content["claims"]] == [row["verdict"] for row in table]
        assert content["counts"] == report.counts(rows)["verdicts"]
        assert sum(content["counts"].values()) == len(CLAIMS) == report.counts(rows)["claims"]

    def test_latex_escapes_what_latex_reads(self, found):
        text = report.as_latex(list(found.values()))
        assert text.count(r"\\") == len(CLAIMS) + 1
        assert "%" not in text.replace(r"\%", "")

    def test_misread_table_has_three_columns(self):
        assert all(line.count(" | ") == 2 for line in report.misread_table().splitlines()[2:])


def test_the_stage_writes_what_it_promises(tmp_path, with_effects, monkeypatch):
    settings = SimpleNamespace(
        study="sketch",
        results=with_effects.folder,
        runs=dict.fromkeys(RUNS),
        curves=dict.fromkeys(("relu", "tanh")),
        judge=SimpleNamespace(bootstrap=500, confidence=0.95),
    )
    stage.judge_study(settings, SimpleNamespace(add=lambda **facts: None))
    folder = with_effects.folder / "judge"
    claims = storage.read_json(folder / "claims.json")["claims"]
    assert [row["id"] for row in claims] == [one.id for one in CLAIMS]
    metrics = storage.read_json(folder / "metrics.json")
    assert metrics["verdicts"][verdicts.DIRECTION] == len(PLANTED)
    evaluated = storage.read_json(with_effects.folder / "evaluate" / "base" / "metrics.json")
    assert metrics["errors"]["base"] == evaluated["ten_patches"] and set(metrics["epochs_to_threshold"]) == {"relu", "tanh"}
    tables = {"claims.json", "claims.csv", "claims.md", "claims.tex", "open.md", "misread.md", "report.md", "metrics.json"}
    assert {path.name for path in folder.iterdir()} == tables
    assert "`half_data`" in (folder / "open.md").read_text()
    assert asdict(judged(with_effects, then=stage.protocol_at, bootstrap=500)["ensemble"])["ours"] == next(
        row["ours"] for row in claims if row["id"] == "ensemble"
    )


@pytest.mark.slow
def test_a_study_is_judged_within_its_budget(with_effects):
    began = time.perf_counter()
    judged(replace(with_effects, _read={}), bootstrap=10_000)
    assert time.perf_counter() - began < 20


def test_that_all_of_several_runs_err_more_is_tested_by_the_least_of_them(tmp_path):
    """An intersection-union test: planted in all it is found, and one run without the effect decides against it."""
    evidence = invent(tmp_path / "sketch", planted=True)
    one, two = "no_normalisation", "one_column"
    block = Block(measure="least_error_difference", run=f"{one} {two}", against="base", smallest_effect=0.01, seeds=3)
    chance = Chance(alpha=0.05, draws=500, claim="any-layer")
    least = MEASURES["least_error_difference"](evidence, block, chance)
    each = [MEASURES["error_difference"](evidence, replace(block, run=name), chance) for name in (one, two)]
    assert least.estimate.low == min(m.estimate.low for m in each) > 0 and "least of 2" in least.said
    assert f"evaluate/{one}/ten_patches.npz" in least.used and f"evaluate/{two}/ten_patches.npz" in least.used
    with_one_alike = replace(block, run=f"{one} base")
    assert MEASURES["least_error_difference"](evidence, with_one_alike, chance).estimate.value == 0
    with pytest.raises(MissingResult, match="without_conv9"):
        MEASURES["least_error_difference"](evidence, replace(block, run=f"{one} without_conv9"), chance)


def test_numbers_of_what_cannot_be_decided_are_reported_not_judged(found, tmp_path):
    memory, crossing = found["three-gigabytes"], found["communication"]
    assert (memory.verdict, memory.paper, memory.p) == (verdicts.NOT_TESTABLE, 3.0, None)
    assert memory.ours == pytest.approx(1866172780 / 2**30) and memory.low is None and "0.94 and 0.87" in memory.said
    assert report.our_number(memory) == "1.74 GiB"
    assert crossing.verdict == verdicts.NOT_TESTABLE and crossing.ours is None, "one device: nothing crosses"
    evidence = invent(tmp_path / "sketch", planted=True, pictures=50)
    content = storage.read_json(evidence.folder / "cost/metrics.json")
    content |= {"devices": ["cuda:0", "cuda:1"], "exchange": {"numbers": 1000, "seconds": 0.001, "share": 0.04}}
    storage.write_json(evidence.folder / "cost/metrics.json", content)
    row = judged(evidence, bootstrap=200)["communication"]
    assert (row.verdict, row.ours) == (verdicts.NOT_TESTABLE, 0.04) and "1,000 numbers cross" in row.said


def test_an_absence_is_inconclusive_where_its_interval_reaches_over_what_matters(tmp_path):
    evidence = invent(tmp_path / "sketch", planted=True, pictures=50)
    random = np.random.default_rng(1)
    seconds = {"one batch again": 1.0, "read": 1.0, "augmented": 1.05}
    rows = [[n, way, each * random.uniform(0.9, 1.1)] for n in range(30) for way, each in seconds.items()]
    storage.write_csv(evidence.folder / "cost/rounds.csv", files.COSTS, rows)
    row = judged(evidence, bootstrap=200)["augmentation-free"]
    assert row.verdict == verdicts.INCONCLUSIVE and row.low < 0.05 < row.high
    wanted, had = re.findall(r"about ([\d,]+) rounds of steps in place of ([\d,]+)", row.decide)[0]
    assert int(wanted.replace(",", "")) > int(had) == 30


def test_an_interaction_is_a_difference_of_differences(tmp_path):
    evidence = invent(tmp_path / "sketch", planted=True)
    names = ("no_normalisation", "one_column", "local_pooling", "base")
    block = Block(
        measure="error_interaction", run=" ".join(names[:2]), against=" ".join(names[2:]), smallest_effect=0.01, seeds=3
    )
    chance = Chance(alpha=0.05, draws=500, claim="no-input-normalisation")
    found = MEASURES["error_interaction"](evidence, block, chance)
    wrong = [evidence.wrong(name, "top1", "ten_patches")[0] for name in names]
    a, b, c, d = (np.mean([one[outputs.seed_folder(seed)] for seed in SEEDS]) for one in wrong)
    assert found.estimate.value == pytest.approx((a - b) - (c - d)) and found.seeds == 3
    assert len(found.used) == 4 and "evaluate-base" in found.stages
    with pytest.raises(MissingResult, match="has no run `tanh`"):
        MEASURES["error_interaction"](evidence, replace(block, run="tanh base"), chance)


def test_the_error_of_an_average_needs_as_many_networks_as_the_paper_averages(tmp_path):
    evidence = invent(tmp_path / "sketch", planted=True)
    block = Block(measure="error_of_average", run="base", smallest_effect=0.01, seeds=3, models=3)
    chance = Chance(alpha=0.05, draws=500, claim="table2-five-cnns")
    found = MEASURES["error_of_average"](evidence, block, chance)
    averaged = evidence.wrong("base", "top1", "ten_patches")[0][files.AVERAGED]
    assert found.estimate.value == averaged.mean() and found.estimate.low < averaged.mean() < found.estimate.high
    with pytest.raises(MissingResult, match="no average of 5 networks"):
        MEASURES["error_of_average"](evidence, replace(block, models=5), chance)


def test_the_margin_over_hand_made_features_is_of_every_seed(found, with_effects):
    row = found["margin-over-hand-made"]
    baseline, _ = with_effects.hand_made("top1")
    by_model, _ = with_effects.wrong("base", "top1", "ten_patches")
    networks = np.mean([by_model[outputs.seed_folder(seed)].mean() for seed in SEEDS])
    assert row.ours == pytest.approx(baseline.mean() - networks) and (row.seeds, row.pictures) == (3, 1000)
    assert row.ours_top5 is not None and "hand_made/predictions.csv" in row.artifacts


def test_the_report_is_one_page_with_the_numbers_of_the_rows(found, with_effects):
    page = one_page("sketch", with_effects.scale, list(found.values()), with_effects.made(), 0.05)
    headings = ["Scope", "Methodology", "Results", "What was easy", "What was hard", "Where paper and code differ", "Authors"]
    assert re.findall(r"^## (.*)$", page, re.MULTILINE) == headings
    assert len(page.split()) < 1100, "a page and its table"
    for name in ("two-columns", "neurons-conv1"):
        assert report.our_number(found[name]) in page
    assert report.summary(list(found.values())) in page and "`no_normalisation`" in page


def test_where_the_code_differs_is_what_its_recipe_does():
    """Every line of the recipe that differs from the text's has a row that cites the same assumption, and the other way round."""
    text = Path("study/training/recipes.py").read_text()
    cited = set(re.findall(r"\bA\d+\b", text.split("CODE145 = ")[1]))
    rows = {number for one in DIFFERENCES for number in one.assumption.split(", ")}
    assert cited <= rows and rows - cited == {"A1"}, "the geometry is the code's in both recipes"
    register = Path("LOG.md").read_text()
    assert all(f"| {number} |" in register for number in rows)


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
    ],
)
def test_results_of_another_form_are_not_run_and_the_table_can_be_written(tmp_path, name, content):
    evidence = invent(tmp_path / "sketch", planted=True, pictures=48)
    (evidence.folder / name).write_text(content)
    rows = judged(evidence, bootstrap=200)
    assert rows["two-columns"].verdict == verdicts.DIRECTION, "the others stand"
    storage.write_json(tmp_path / "claims.json", report.as_json("sketch", evidence.scale, list(rows.values())))
    evidence.headline()
