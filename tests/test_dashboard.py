"""Every page without results, with results, with half-written results, and with a picture that is dropped."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest
from streamlit.testing.v1 import AppTest

from dashboard import frames, pictures, query, reading, showing, tables, verdicts
from dashboard.reading import Study
from study import predictions, storage
from study.amounts import interval
from study.judging.staleness import makers
from study.judging.verdicts import GROUPS, WORDS
from study.paper.claims import CLAIMS
from tests.fabricated import study as fabricated_study
from tests.test_query import REFUSED, TAKEN

ROOT = Path(__file__).parents[1]
APP = Path("dashboard/app.py")  # of the current folder: a checkout whose dashboard is the project's
PAGES = ("claims", "errors", "curves", "kernels", "similar", "dropout", "cost", "report", "provenance")
STAGES = ("download", "prepare", "train", "evaluate", "converge", "retrieve", "halve", "cost", "judge", "provenance")
SENTENCE = "There are no results yet. Make them with `uv run dvc repro`."


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made")
    _checkout(root)
    fabricated_study(root)
    return root


def _checkout(folder: Path) -> None:
    shutil.copytree(ROOT / "dashboard", folder / "dashboard", ignore=shutil.ignore_patterns("__pycache__"))


@pytest.fixture
def root(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy to spoil, as the current directory."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def opened(page: str, study: str = "") -> AppTest:
    app = AppTest.from_file(str(APP.resolve()), default_timeout=60)
    if study:
        app.query_params["study"] = study
    if page != "claims":
        app.switch_page(f"app_pages/{page}.py")
    app.run()
    assert not app.exception, app.exception
    return app


def told(app: AppTest) -> str:
    """All sentences of the page in one text."""
    return "\n".join(element.value for kind in ("info", "caption", "warning", "markdown") for element in app.get(kind))


def here(root: Path) -> Study:
    return Study(folder=root / "results/invented", pinned=False)


@pytest.mark.parametrize("page", PAGES)
def test_without_results_a_page_says_which_command_makes_them(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _checkout(tmp_path)
    monkeypatch.chdir(tmp_path)
    app = opened(page)
    assert [info.value for info in app.info] == [SENTENCE]
    assert len(app.title) == 1


def test_the_paper_s_tables_are_quoted_even_without_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _checkout(tmp_path)
    monkeypatch.chdir(tmp_path)
    quoted = [table.value for table in opened("errors").dataframe]
    assert [list(table["top-1"])[0] for table in quoted] == ["37.5%", ""]


@pytest.mark.parametrize("page", PAGES)
def test_with_results_a_page_calls_synthetic_pictures_synthetic(page: str, root: Path) -> None:
    app = opened(page)
    assert "synthetic pictures, drawn by a program" in told(app)
    assert SENTENCE not in told(app)


@pytest.mark.parametrize("page", PAGES)
def test_a_link_names_the_study_that_is_shown(page: str, root: Path) -> None:
    shutil.copytree(root / "results/invented", root / "pinned/kept")
    storage.write_json(root / "pinned/kept/prepare/packed.json", {"title": "other pictures", "synthetic": False})
    storage.write_json(root / "pinned/kept/download/source.json", {"source": "other", "synthetic": False})
    app = opened(page, study="pinned/kept")
    assert app.selectbox(key="study").value == "pinned/kept"
    assert "other pictures" in told(app)
    assert "drawn by a program" not in told(app)


def test_a_link_to_a_study_that_is_not_here_shows_one_that_is(root: Path) -> None:
    assert opened("claims", study="pinned/gone").selectbox(key="study").value == "results/invented"


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.97])
def test_half_written_files_leave_every_page_standing(page: str, share: float, root: Path) -> None:
    for path in (root / "results").rglob("*.*"):
        if path.is_file():
            content = path.read_bytes()
            path.write_bytes(content[: int(share * len(content))])
    opened(page)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("content", ["null", '["text"]', '{"models": 3, "claims": [{"verdict": 7}]}'])
def test_json_of_another_shape_leaves_every_page_standing(page: str, content: str, root: Path) -> None:
    for path in (root / "results").rglob("*.json"):
        path.write_text(content)
    opened(page)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(
    "stage", ["download", "prepare", "train", "evaluate", "converge", "retrieve", "halve", "cost", "judge", "provenance"]
)
def test_a_missing_stage_leaves_every_page_standing(page: str, stage: str, root: Path) -> None:
    shutil.rmtree(root / "results/invented" / stage)
    opened(page)


def test_hand_made_features_stand_beside_the_networks(root: Path) -> None:
    assert "48.5% top-1, 21.2% top-5" in told(opened("errors"))


def test_a_verdict_whose_file_has_changed_is_withheld(root: Path) -> None:
    before = verdicts.claims(here(root)).set_index("id")["verdict"]
    (root / "results/invented/evaluate/base/ten_patches.npz").write_text("other")
    after = verdicts.claims(here(root)).set_index("id")
    rests_on_it = after["artifacts"].map(bool)
    assert rests_on_it.any() and set(after[rests_on_it]["verdict"]) == {"withheld"}
    assert after[rests_on_it]["why"].str.contains("ten_patches.npz is not the file that was judged").all()
    assert (after[~rests_on_it]["verdict"] == before[~rests_on_it]).all()


def test_a_working_study_that_is_stale_says_so_and_a_pinned_one_is_judged_at_its_own_commit(root: Path) -> None:
    (root / "params.yaml").write_text("study: invented\n")
    then = makers({}, {}, root, "invented") | {"study/network/alexnet.py": "0" * 32}
    storage.write_json(root / "results/invented/judge/provenance.json", {"made_by": then})
    shutil.copytree(root / "results/invented", root / "pinned/kept")
    assert "study/network/alexnet.py changed after these verdicts were given" in "".join(
        w.value for w in opened("claims").warning
    )
    assert "withheld" in set(verdicts.claims(here(root))["verdict"])
    kept = reading.Study(folder=root / "pinned/kept", pinned=True)
    assert verdicts.outdated(kept) == "" and not opened("claims", study="pinned/kept").warning
    measured = verdicts.claims(kept)
    assert not measured[measured["artifacts"].map(bool)]["why"].str.startswith("stale").any()


def test_claims_are_counted_and_the_groups_hold_every_verdict(root: Path) -> None:
    claims = verdicts.claims(here(root))
    assert len(claims) == len(CLAIMS)
    assert set(tables.VERDICTS) == set(GROUPS) == set(WORDS)
    assert sum(tables.answer(claims).values()) == len(claims)
    app = opened("claims")
    assert [metric.value for metric in app.metric] == [f"{n} of {len(claims)}" for n in tables.answer(claims).values()]


def test_the_claims_table_can_be_narrowed_to_a_verdict(root: Path) -> None:
    app = opened("claims")
    app.selectbox(key="verdict").select("undecided").run()
    assert not app.exception
    assert set(app.dataframe[0].value["verdict"]) == {"undecided"}


def test_the_paper_s_number_and_ours_stand_in_columns_of_their_own(root: Path) -> None:
    table = tables.claim_table(verdicts.claims(here(root))).set_index("claim")
    row = table.loc["Two columns err less than one column with half of the kernels"]
    assert row["in the paper"] == "1.70 points; top-5 1.20 points (ILSVRC-2010, test)"
    number = [claim.id for claim in CLAIMS].index("two-columns")
    assert row["here"] == interval(0.01 * number, 0.01 * number - 0.02, 0.01 * number + 0.02, "error difference")
    assert row["rests on"] == "2 seeds, 240 test pictures"


def test_a_claim_says_what_would_decide_it_and_on_which_files_it_rests(root: Path) -> None:
    app = AppTest.from_file(str(APP.resolve()), default_timeout=60)
    app.query_params["claim"] = "two-columns"
    app.run()
    assert not app.exception
    assert [heading.value for heading in app.subheader] == ["Two columns err less than one column with half of the kernels"]
    assert "7 seeds; then `uv run dvc repro`" in told(app)
    facts = {row[0]: row[1] for table in app.table for row in table.value.itertuples(index=False)}
    assert facts["files"] == "evaluate/base/ten_patches.npz"
    assert facts["protocol"] == "exploratory"


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (None, "error", ""),
        (0.375, "error", "37.5%"),
        (0.014, "error difference", "1.4 points"),
        (-0.0036, "error difference", "-0.36 points"),
        (6.0, "times", "6 times"),
        (60965224.0, "count", "60,965,224"),
        (0.01, "share", "1%"),
        (0.25, "nats", "0.25 nats"),
        (0.25, "", "0.25"),
    ],
)
def test_numbers_have_the_unit_of_their_claim(value: float | None, unit: str, words: str) -> None:
    assert tables.stated(value, unit) == words


def test_the_page_refreshes_itself_when_asked_to(root: Path) -> None:
    app = opened("curves")
    app.toggle(key="live").set_value(True).run()
    assert not app.exception
    assert "stamp" in app.session_state


def test_a_curve_is_shown_while_its_run_goes_on(root: Path) -> None:
    curve = root / "results/invented/train/base/seed-2/curve.csv"
    curve.write_text("\n".join(curve.read_text().splitlines()[:3]) + "\n4,12,0.0")
    study = here(root)
    table = frames.curves(study)
    shown = table[(table["run"] == "base") & (table["seed"] == 2)]
    assert list(shown["epoch"]) == [1, 2]
    assert "train/base/seed-2/curve.csv is incomplete" in study.notes[0]
    assert "incomplete" in told(opened("curves"))


def test_a_run_that_begins_while_the_page_is_open_joins_the_others(root: Path) -> None:
    shutil.move(root / "results/invented/train/one_column", root / "later")
    app = opened("curves")
    shutil.move(root / "later", root / "results/invented/train/one_column")
    app.run()
    assert not app.exception
    assert set(app.dataframe[-1].value["run"]) == {"base", "one_column"}


def test_errors_and_intervals_are_counts_of_the_evaluation(root: Path) -> None:
    table = frames.errors(here(root))
    wrong = int(predictions.read(root / "results/invented/evaluate/base", "centre_patch").wrong("top1")["seed-2"].sum())
    row = table.query("run == 'base' and model == 'seed-2' and view == 'centre_patch' and measure == 'top1'").iloc[0]
    assert (row["wrong"], row["pictures"]) == (wrong, 240)
    interval = binomtest(wrong, 240).proportion_ci(method="wilson")
    assert (row["low"], row["high"]) == pytest.approx((interval.low, interval.high), abs=1e-12)


@pytest.mark.parametrize(("wrong", "pictures"), [(0, 1), (1, 1), (0, 500), (3, 7), (60, 10000), (500, 500)])
def test_the_interval_is_wilson_s(wrong: int, pictures: int) -> None:
    interval = binomtest(wrong, pictures).proportion_ci(method="wilson")
    assert frames.wilson(wrong, pictures) == pytest.approx((interval.low, interval.high), abs=1e-12)


def test_the_error_table_has_the_mean_and_the_range_of_the_seeds(root: Path) -> None:
    errors = frames.errors(here(root))
    table = tables.error_summary(errors, {})
    assert list(table["models"]) == ["1 network, 2 seeds", "2 networks averaged"] * 2
    single = 100 * errors.query("run == 'base' and model != 'averaged' and view == 'ten_patches' and measure == 'top1'")["error"]
    assert table.iloc[0]["top-1, ten patches"] == f"{single.mean():.1f}% ({single.min():.1f} to {single.max():.1f})"


def test_ours_and_the_paper_s_errors_never_share_a_table(root: Path) -> None:
    for table in (element.value for element in opened("errors").dataframe):
        assert not ({"top-1", "pictures", "how"} <= set(table.columns) and "run" in table.columns)
        assert "37.5%" not in table.to_string() or "run" not in table.columns


def test_a_run_with_seeds_that_diverged_has_no_mean(root: Path) -> None:
    path = root / "results/invented/evaluate/base/metrics.json"
    metrics = storage.read_json(path)
    models = {"seed-2": metrics["models"]["seed-2"]}
    storage.write_json(path, {"run": "base", "pictures": 240, "diverged": [1, 7], "models": models})
    (path.parent / "classes.csv").unlink()
    app = opened("errors")
    assert not app.exception
    assert [warning.value for warning in app.warning] == [
        "The training of base diverged from seed 1 and 7; no mean of the others is shown."
    ]
    row = app.dataframe[0].value.iloc[0]
    assert (row["run"], row["models"], row["top-1, ten patches"]) == ("base", "diverged in 2 of 3 seeds", "")
    storage.write_json(path, {"run": "base", "pictures": 240, "diverged": [1, 2], "models": {}})
    app = opened("errors")
    assert not app.exception and set(app.dataframe[0].value["models"]) >= {"diverged in 2 of 2 seeds"}


@pytest.mark.parametrize(("page", "stage"), [("dropout", "halve"), ("similar", "retrieve")])
def test_what_was_not_computed_because_a_seed_diverged_is_said(root: Path, page: str, stage: str) -> None:
    folder = root / "results/invented" / stage
    for path in folder.glob("*.*"):
        path.unlink()
    storage.write_json(folder / "metrics.json", {"run": "base", "seed": 1, "diverged": [1]})
    app = opened(page)
    assert not app.exception
    assert any("diverged" in element.value for element in (*app.info, *app.warning))
    assert here(root).notes == []


def test_a_class_without_test_pictures_has_no_error(root: Path) -> None:
    path = root / "results/invented/evaluate/base/classes.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], "0,none,0,,", *lines[2:]]) + "\n")
    table = tables.class_table(frames.class_errors(here(root), "base"))
    assert len(table) == 24 and table.iloc[-1]["name"] == "none" and table.iloc[-1][["top-1 error", "top-5 error"]].isna().all()
    assert not opened("errors").exception


def test_figure_1_shows_the_chosen_rate_alone(root: Path) -> None:
    table = frames.convergence(here(root))
    assert set(table.groupby("curve")["rate"].unique().map(lambda rates: tuple(rates))) == {(0.01,), (0.003,)}
    reached = frames.epochs_to_threshold(here(root)).set_index(["curve", "seed"])["epochs_to_threshold"]
    assert reached["relu", 1] == pytest.approx(3.848, abs=0.001)
    assert np.isnan(reached["tanh", 1])
    assert [metric.value for metric in opened("curves").metric] == ["3.8 · 4.0", "> 9 · > 9"]


def test_kernels_are_shown_a_column_and_a_seed_at_a_time(root: Path) -> None:
    app = opened("kernels")
    captions = [image.proto.imgs[0].caption for image in app.get("image")]
    assert captions == ["column 1: 8 kernels of 11 x 11 x 3", "column 2: 8 kernels of 11 x 11 x 3"] * 2
    app.selectbox(key="run").select("one_column").run()
    assert not app.exception
    assert [image.proto.imgs[0].caption for image in app.get("image")] == ["one column: 8 kernels of 11 x 11 x 3"] * 2


def test_a_test_picture_stands_with_six_neighbours_by_features_and_six_by_pixels(root: Path) -> None:
    app = opened("similar")
    app.selectbox(key="query").select(7).run()
    assert not app.exception
    assert len(app.get("image")) == 1 + 6 + 6


def test_a_picture_is_the_packed_one_and_is_drawn_again_where_the_packed_set_is_gone(root: Path) -> None:
    packed = pictures.picture_of(here(root), "test", 5)
    assert pictures.remark(here(root)) == ""
    shutil.rmtree(root / "data")
    drawn = pictures.picture_of(here(root), "test", 5)
    assert packed is not None and drawn is not None
    assert np.array_equal(packed, drawn)
    assert pictures.remark(here(root)) == ""


def test_pictures_of_another_set_are_never_shown(root: Path) -> None:
    index = root / "data/packed/sketch/index.json"
    index.write_text(index.read_text().replace(frames.packed(here(root))["sha256"], "0" * 64))
    assert pictures.packed_folder(here(root)) is None


def test_pictures_are_found_whatever_the_study_is_called(root: Path) -> None:
    picture = pictures.picture_of(here(root), "test", 5)
    shutil.move(root / "data/packed/sketch", root / "data/packed/pets")
    storage.write_json(root / "data/packed/broken/index.json", ["nothing"])
    receipt = frames.source(here(root)) | {"source": "folder"}
    storage.write_json(root / "results/invented/download/source.json", receipt)
    found = pictures.picture_of(here(root), "test", 5)
    assert picture is not None and found is not None and np.array_equal(found, picture)
    assert "not on this machine" not in told(opened("similar"))


def test_a_training_that_diverged_is_shown_as_such(root: Path) -> None:
    results = root / "results/invented"
    ends = {"1": {"status": "finished"}, "2": {"status": "diverged"}}
    storage.write_json(results / "train/base/metrics.json", {"run": "base", "seeds": ends})
    (results / "train/base/seed-2/kernels.npy").unlink()
    curve = results / "converge/tanh/metrics.json"
    content = storage.read_json(curve)
    content["seeds"]["1"]["status"] = "diverged"
    storage.write_json(curve, content)
    assert frames.diverged_trainings(here(root)) == {"base": [2], "converge tanh": [1]}
    warned = [warning.value for warning in opened("curves").warning]
    assert len(warned) == 2 and warned[0].startswith("The training of base diverged from seed 2")
    kernels = opened("kernels")
    assert len(kernels.warning) == 1 and not kernels.info


def test_a_folder_that_a_refused_stage_left_empty_is_no_study(root: Path) -> None:
    (root / "results/gamma/train").mkdir(parents=True)
    assert [study.folder.name for study in reading.studies(root)] == ["invented"]


def test_another_version_of_the_maker_is_remarked(root: Path) -> None:
    shutil.rmtree(root / "data")
    receipt = frames.source(here(root)) | {"maker": "0" * 64}
    storage.write_json(root / "results/invented/download/source.json", receipt)
    assert "may differ" in told(opened("similar"))


def test_pictures_that_cannot_be_drawn_are_missed_in_one_sentence(root: Path) -> None:
    shutil.rmtree(root / "data")
    storage.write_json(root / "results/invented/download/source.json", {"source": "cifar10", "title": "CIFAR-10"})
    assert pictures.picture_of(here(root), "test", 0) is None
    assert "not on this machine" in told(opened("similar"))


def test_changed_code_is_said_aloud(root: Path) -> None:
    path = root / "results/invented/provenance/train-base.json"
    storage.write_json(path, storage.read_json(path) | {"commit": "0123456789abcdef", "dirty": True})
    app = opened("provenance")
    assert "differs from their commit" in told(app)
    table = app.dataframe[0].value.set_index("stage")
    assert table.loc["train-base", ["commit", "code"]].tolist() == ["0123456789", "changed"]


@pytest.mark.parametrize(
    ("seconds", "words"), [(None, ""), (0.04, "0.0 s"), (7.4, "7 s"), (185, "3 min 5 s"), (7800, "2 h 10 min")]
)
def test_durations_are_words(seconds: float | None, words: str) -> None:
    assert tables.duration(seconds) == words


def test_the_page_is_drawn_anew_only_when_a_file_has_changed(root: Path) -> None:
    before = reading.stamp(here(root))
    assert reading.stamp(here(root)) == before
    (root / "results/invented/train/base/new.csv").write_text("epoch\n")
    assert reading.stamp(here(root)) != before


def test_commands_in_sentences_are_code_and_nothing_else_is_markdown() -> None:
    assert showing.with_code("*5* seeds; then `uv run -S a=b`") == r"\*5\* seeds; then `uv run -S a=b`"


def test_text_from_files_is_not_read_as_markdown() -> None:
    assert showing.plain("[x](http://a) *b* $c$ <i>") == r"\[x\]\(http\://a\) \*b\* \$c\$ \<i\>"


def test_a_training_picture_finds_itself(root: Path) -> None:
    picture = pictures.picture_of(here(root), "train", 9)
    assert picture is not None
    found = query.nearest_to(picture, here(root), 6)
    assert not isinstance(found, str), found
    rows, distances = found
    assert (rows[0], len(rows)) == (9, 6)
    assert distances[0] == pytest.approx(0, abs=1e-5)
    assert list(distances) == sorted(distances)


def test_a_dropped_picture_is_shown_with_its_neighbours(root: Path) -> None:
    app = opened("similar")
    app.file_uploader[0].set_value(("<img onerror=alert(1)>.png", TAKEN["png"](), "image/png")).run()
    assert not app.exception
    assert len(app.get("image")) == 1 + 6 + 6 + 1 + 6
    assert "onerror" not in told(app)


@pytest.mark.parametrize("name", ["empty", "text", "JPEG cut at half", "36 million pixels"])
def test_a_dropped_file_that_is_no_picture_gets_one_sentence_and_the_page_goes_on(name: str, root: Path) -> None:
    app = opened("similar")
    app.file_uploader[0].set_value((f"{name}.png", REFUSED[name][0](), "image/png")).run()
    assert not app.exception
    assert REFUSED[name][1] in told(app)
    app.file_uploader[0].set_value(("good.png", TAKEN["png"](), "image/png")).run()
    assert not app.exception
    assert len(app.get("image")) == 1 + 6 + 6 + 1 + 6


@pytest.mark.parametrize(
    ("gone", "words"),
    [
        ("results/invented/retrieve/features-train.npy", "features of the training pictures are not here"),
        ("results/invented/train/base/seed-1/weights.safetensors", "weights that made the features are not here"),
        ("data/packed/sketch/index.json", "mean picture"),
    ],
)
def test_what_a_dropped_picture_needs_is_named_where_it_is_missing(gone: str, words: str, root: Path) -> None:
    (root / gone).unlink()
    answer = query.nearest_to(np.zeros((64, 64, 3), dtype=np.uint8), here(root), 6)
    assert isinstance(answer, str)
    assert words in answer


def test_weights_other_than_those_that_made_the_features_are_not_used(root: Path) -> None:
    other = root / "results/invented/train/base/seed-2/weights.safetensors"
    shutil.copy(other, root / "results/invented/train/base/seed-1/weights.safetensors")
    answer = query.nearest_to(np.zeros((64, 64, 3), dtype=np.uint8), here(root), 6)
    assert isinstance(answer, str)
    assert "not those that made the features" in answer


def test_what_is_lacking_is_said_before_a_picture_is_dropped(root: Path) -> None:
    (root / "results/invented/retrieve/features-train.npy").unlink()
    app = opened("similar")
    assert "features of the training pictures are not here" in told(app)
    assert len(app.file_uploader) == 0


def test_without_torch_a_dropped_picture_gets_one_sentence(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query, "find_spec", lambda name: None)
    answer = query.nearest_to(np.zeros((64, 64, 3), dtype=np.uint8), here(root), 6)
    assert isinstance(answer, str)
    assert "needs torch" in answer
