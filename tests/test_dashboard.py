"""Every page without results, with results, with half-written results, and with a picture that is dropped."""

from __future__ import annotations

import json
import math
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from streamlit.testing.v1 import AppTest

from dashboard import charts, drawings, findings, frames, judged, query, reading, showing, shown_pictures, tables
from dashboard.how import PARTS, answers
from dashboard.how.answers import QUESTIONS
from dashboard.reading import Study
from stages.settings import merged
from study import amounts, predictions, storage
from study.amounts import digits, interval
from study.judging.staleness import makers
from study.judging.verdicts import GROUPS, HELD, NOT_HELD, NOT_SEEN, SMALL, WORDS
from study.paper.claims import CLAIMS
from study.training import outputs
from tests.fabricated import study as fabricated_study
from tests.test_query import REFUSED, TAKEN

ROOT = Path(__file__).parents[1]
APP = Path("dashboard/app.py")  # of the current folder: a checkout whose dashboard is the project's
VIEWS = {  # by page, the choices that change all of it
    "start": [{}],
    "claims": [{"effects": "True"}],
    "how": [{"part": part} for part in PARTS],
    "sees": [{"view": view} for view in ("pictures", "confusions", "tables")],
    "inside": [{"view": view} for view in ("kernels", "layers", "map")],
    "training": [{"view": view} for view in ("figure1", "components", "curves", "questions", "cost")],
    "compare": [{}],
}
PAGES = [(page, choices) for page, all_of_them in VIEWS.items() for choices in all_of_them]
SLOW = pytest.mark.slow
OTHERS = (  # what a JSON file could hold in place of what is expected; numbers, words and lists where objects are expected
    "null", '["text"]', "7", '"words"', "[[1, 2], [3]]", '{"seeds": [1], "pictures": "many", "classes": 24, "eigenvalues": 1}',
    '{"run": 5, "network": "large", "seeds": {"1": 3}, "inputs": ["a"], "filter": 3, "divergence": {"halved": null}}',
    '{"claims": {"id": "two-columns"}, "machine": [], "versions": 3, "seconds": "long", "outputs": 5}',
)  # fmt: skip
ODD = (  # every name that pages ask for, with something else in its place
    '{"run": 5, "seed": "one", "network": "large", "seeds": {"1": 3}, "inputs": ["a"], "filter": 3, "layers": [1],'
    '"divergence": {"halved": null}, "models": {"seed-0": {"ten_patches": 1}}, "precision": {"features": {"6": 3}},'
    '"claims": [{"id": "two-columns", "artifacts": [1]}, 5], "exchange": [1], "machine": {"devices": 3}, "classes": 24,'
    '"chance": "small", "queries": [1], "tried": 3, "threshold": "a quarter", "top1_error": {"many": []}, "memory": {"1": 3},'
    '"batch": [], "map_share": "all", "columns": [2], "input": {}, "eigenvalues": ["a"], "mean_rgb": [1], "started": 5,'
    '"pictures": {"train": "many"}, "size": "many", "eigenvectors": [[1]], "sha256": 5, "title": ["a"]}'
)
FEET = [("start", {"foot": foot}) for foot in showing.FOOT]
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


def opened(page: str, **choices: object) -> AppTest:
    app = AppTest.from_file(str(APP.resolve()), default_timeout=60)
    for name, value in choices.items():
        app.query_params[name] = str(value)
    if page != "start":
        app.switch_page(f"app_pages/{page}.py")
    app.run()
    assert not app.exception, (page, choices, app.exception)
    return app


def told(app: AppTest) -> str:
    """All sentences of the page in one text."""
    kinds = ("info", "caption", "warning", "markdown", "title", "header", "subheader")
    return "\n".join(element.value for kind in kinds for element in app.get(kind))


def held(app: AppTest) -> dict[str, str]:
    """What the page's address holds."""
    return {name: value if isinstance(value, str) else value[-1] for name, value in app.query_params.items()}


def drawn(app: AppTest) -> str:
    """What is drawn by dashboard/clickable.py, as HTML."""
    return "\n".join(element.proto.json for element in app.get("bidi_component"))


def here(root: Path) -> Study:
    return Study(folder=root / "results/invented", pinned=False)


@pytest.mark.parametrize(("page", "choices"), PAGES)
def test_without_results_a_page_says_which_command_makes_them(
    page: str, choices: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _checkout(tmp_path)
    monkeypatch.chdir(tmp_path)
    app = opened(page, **choices)
    if page != "how":  # which needs no results
        assert [info.value for info in app.info] == [SENTENCE]
    assert len(app.title) == 1


@pytest.mark.parametrize(("page", "choices"), PAGES)
def test_with_results_a_page_calls_synthetic_pictures_synthetic(page: str, choices: dict[str, str], root: Path) -> None:
    app = opened(page, **choices)
    assert "synthetic" in told(app)
    assert SENTENCE not in told(app)


@pytest.mark.parametrize(("page", "choices"), PAGES)
def test_a_link_names_the_study_that_is_shown(page: str, choices: dict[str, str], root: Path) -> None:
    shutil.copytree(root / "results/invented", root / "pinned/kept")
    storage.write_json(root / "pinned/kept/prepare/packed.json", {"title": "other pictures", "synthetic": False})
    storage.write_json(root / "pinned/kept/download/source.json", {"source": "other", "synthetic": False})
    app = opened(page, study="pinned/kept", **choices)
    assert app.selectbox(key="study").value == "pinned/kept"
    assert "other pictures" in told(app)
    assert "drawn by a program" not in told(app)


@pytest.mark.parametrize(
    ("page", "choices", "shown"),
    [
        ("claims", {"study": "pinned/gone"}, "results/invented"),
        ("claims", {"claim": "no-such-claim"}, "any-layer"),
        ("claims", {"show": "some"}, "all"),
        ("sees", {"run": "two_columns"}, "base"),
        ("sees", {"query": "test-5000"}, "test-"),
        ("sees", {"view": "everything"}, "pictures"),
        ("inside", {"kernel": "1-400"}, "1-0"),
        ("how", {"part": "magic"}, "convolution"),
        ("how", {"part": "normalisation", "n": "4000"}, "5"),
    ],
)
def test_an_unknown_value_in_an_address_is_named_in_a_sentence(
    page: str, choices: dict[str, str], shown: str, root: Path
) -> None:
    app = opened(page, **choices)
    warned = "".join(warning.value for warning in app.warning).replace("\\", "")
    assert f"“{list(choices.values())[-1]}”" in warned and f"“{shown}" in warned


@pytest.mark.parametrize(("page", "choices"), PAGES)
def test_an_address_holds_every_choice_and_leads_back_to_it(page: str, choices: dict[str, str], root: Path) -> None:
    app = opened(page, **choices)
    address = held(app)
    assert address["study"] == "results/invented" and address["foot"] == "nothing"
    chosen = [element.key for kind in ("selectbox", "segmented_control", "button_group", "slider") for element in app.get(kind)]
    assert set(filter(None, chosen)) - {"stage", "dropped"} <= set(address)
    again = opened(page, **address)
    assert held(again) == address and not again.warning


def every_page_stands() -> None:
    """Of one damaged folder, whose sound files are read once; the first page that does not stand is named."""
    for page, choices in PAGES:
        opened(page, **choices)


@pytest.mark.parametrize("share", [0.3, pytest.param(0.0, marks=SLOW), pytest.param(0.97, marks=SLOW)])
def test_half_written_files_leave_every_page_standing(share: float, root: Path) -> None:
    for path in (root / "results").rglob("*.*"):
        if path.is_file():
            content = path.read_bytes()
            path.write_bytes(content[: int(share * len(content))])
    every_page_stands()


@pytest.mark.parametrize(
    "content", ['{"models": 3, "claims": [{"verdict": 7}]}', *(pytest.param(each, marks=SLOW) for each in OTHERS)]
)
def test_json_of_another_shape_leaves_every_page_standing(content: str, root: Path) -> None:
    for path in (root / "results").rglob("*.json"):
        path.write_text(content)
    every_page_stands()


def test_words_in_the_place_of_numbers_leave_every_page_standing(root: Path) -> None:
    """In the middle row of every table, so that what is above and below it stays."""
    for path in (root / "results").rglob("*.csv"):
        lines = path.read_text().splitlines()
        lines[len(lines) // 2] = ",".join(["many"] * len(lines[0].split(",")))
        path.write_text("\n".join(lines) + "\n")
    every_page_stands()


def test_tables_of_words_alone_leave_every_page_standing(root: Path) -> None:
    for path in (root / "results").rglob("*.csv"):
        head, *rows = path.read_text().splitlines()
        path.write_text("\n".join([head, *(re.sub(r"[\d.]+", "many", row) for row in rows)]) + "\n")
    every_page_stands()


def test_arrays_of_another_form_leave_every_page_standing(root: Path) -> None:
    for path in (root / "results").rglob("*.np[yz]"):
        (np.savez if path.suffix == ".npz" else np.save)(path, np.array(["many"]))
    every_page_stands()


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["evaluate/*/metrics", "evaluate/*/network", "converge/*/metrics", "retrieve/metrics", "halve/metrics",
     "cost/metrics", "prepare/packed", "download/source", "judge/claims", "provenance/*"],
)  # fmt: skip
def test_one_kind_of_json_of_another_shape_leaves_every_page_standing(name: str, root: Path) -> None:
    """Alone: where all are damaged at once a page ends before it comes to the later ones."""
    found = list((root / "results/invented").glob(f"{name}.json"))
    assert found
    for path in found:
        path.write_text(ODD)
    every_page_stands()


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_a_missing_stage_leaves_every_page_standing(stage: str, root: Path) -> None:
    shutil.rmtree(root / "results/invented" / stage)
    every_page_stands()


def test_hand_made_features_stand_beside_the_networks(root: Path) -> None:
    table = opened("sees", view="tables").dataframe[0].value.set_index("row")
    assert table.loc["here: hand-made features", ["top-1", "top-5"]].tolist() == pytest.approx([48.5, 21.2])


@pytest.mark.parametrize("pinned", [False, True])
def test_a_verdict_is_withheld_while_its_file_is_another(pinned: bool, root: Path) -> None:
    study, file = here(root).folder, here(root).folder / "evaluate/base/ten_patches.npz"

    def rows() -> pd.DataFrame:
        return judged.claims(reading.Study(folder=study, pinned=pinned)).set_index("id")

    before, whole = rows()["verdict"], file.read_bytes()
    file.write_text("other")
    after = rows()
    rests_on_it = after["artifacts"].map(bool)
    assert rests_on_it.any() and set(after[rests_on_it]["verdict"]) == {"withheld"}
    assert after[rests_on_it]["why"].str.contains("ten_patches.npz is not the file that was judged").all()
    assert (after[~rests_on_it]["verdict"] == before[~rests_on_it]).all()
    file.write_bytes(whole)
    assert (rows()["verdict"] == before).all()


def test_a_working_study_that_is_stale_says_so_and_a_pinned_one_is_judged_at_its_own_commit(root: Path) -> None:
    (root / "params.yaml").write_text("study: invented\n")
    then = makers({}, {}, {}, root, "invented") | {"study/network/alexnet.py": "0" * 32}
    storage.write_json(root / "results/invented/judge/provenance.json", {"made_by": then})
    shutil.copytree(root / "results/invented", root / "pinned/kept")
    assert "study/network/alexnet.py changed after these verdicts were given" in "".join(
        w.value for w in opened("claims").warning
    )
    assert "withheld" in set(judged.claims(here(root))["verdict"])
    kept = reading.Study(folder=root / "pinned/kept", pinned=True)
    assert judged.outdated(kept) == "" and not opened("claims", study="pinned/kept").warning
    measured = judged.claims(kept)
    assert not measured[measured["artifacts"].map(bool)]["why"].str.startswith("stale").any()


def test_what_was_not_run_here_is_told_of_from_the_kept_study_that_measured_it(root: Path) -> None:
    """The reader who comes for an effect finds it, whichever study the page began with."""
    written = root / "results/invented/judge/claims.json"
    shutil.copytree(root / "results/invented", root / "pinned/kept")
    measured = next(claim for claim in judged.by_id(here(root)).values() if claim.kind == "effect" and tables.here(claim))
    content = json.loads(written.read_text())
    not_run = {"verdict": "not run", "ours": None, "low": None, "high": None, "here": "–", "artifacts": {}}
    for row in content["claims"] if isinstance(content, dict) else content:
        if row["id"] == measured.id:
            row.update(not_run)
    storage.write_json(written, content)
    found = showing.with_code(f"{tables.both_sides(measured)}; {tables.judged(measured)}.")
    said = f"**On {showing.plain('built-in synthetic pictures (24 classes, 64 pixels), pinned/kept')}**: {found}"
    assert said in told(opened("claims", claim=measured.id))
    assert said not in told(opened("claims", claim=measured.id, study="pinned/kept"))
    shutil.rmtree(root / "pinned/kept")
    assert "In pinned/kept" not in told(opened("claims", claim=measured.id))


def test_a_tile_of_start_tells_what_another_kept_study_measured_and_leads_to_the_claim(root: Path) -> None:
    """The number stands with the study it is from, so that nobody takes it for one of the study shown."""
    written = root / "results/invented/judge/claims.json"
    shutil.copytree(root / "results/invented", root / "pinned/kept")
    measured = judged.by_id(here(root))["two-columns"]
    content = json.loads(written.read_text())
    for row in content["claims"] if isinstance(content, dict) else content:
        row.update({"verdict": "not run", "ours": None, "low": None, "high": None, "here": "–", "artifacts": {}})
    storage.write_json(written, content)
    found = json.dumps(tables.here(measured))[1:-1]

    def tile(app: AppTest) -> str:
        return next(part for part in drawn(app).split("<a ") if f"claim={measured.id}" in part and "title" in part)

    assert f"Not here; on built-in synthetic pictures (24 classes, 64 pixels): {found}" in tile(opened("start"))
    assert f"Here: {found}" in tile(opened("start", study="pinned/kept"))
    shutil.rmtree(root / "pinned/kept")
    assert "kept" not in drawn(opened("start"))


def test_claims_are_counted_and_the_groups_hold_every_verdict(root: Path) -> None:
    claims = judged.claims(here(root))
    assert len(claims) == len(CLAIMS)
    assert set(tables.VERDICTS) == set(GROUPS) == set(WORDS)
    counts = {group: sum(GROUPS[word] == group for word in claims["verdict"]) for group in GROUPS.values()}
    assert sum(counts.values()) == len(claims)
    shown = drawn(opened("start"))
    assert all(f"{count}</b> {group}" in shown for group, count in counts.items())


def test_the_list_of_claims_can_be_narrowed_to_a_group(root: Path) -> None:
    claims = judged.claims(here(root)).set_index("id")["group"]
    app = opened("claims", show=NOT_HELD)
    listed = set(re.findall(r'data-key=\\?"([\w-]+)\\?"', drawn(app)))
    assert listed == set(claims[claims == NOT_HELD].index)


def test_the_paper_s_number_and_ours_stand_in_columns_of_their_own(root: Path) -> None:
    table = tables.claim_table(judged.claims(here(root))).set_index("claim")
    row = table.loc["Two columns err less than one column with half of the kernels"]
    assert row["in the paper"] == "1.70 points; top-5 1.20 points (ILSVRC-2010, test, by the author's notes)"
    number = [claim.id for claim in CLAIMS].index("two-columns")
    assert row["here"] == interval(0.01 * number, 0.01 * number - 0.02, 0.01 * number + 0.02, "error difference")
    assert row["rests on"] == "2 seeds, 240 test pictures"


def test_a_claim_says_what_would_decide_it_and_on_which_files_it_rests(root: Path) -> None:
    app = opened("claims", claim="two-columns")
    assert "Two columns err less than one column with half of the kernels" in [heading.value for heading in app.header]
    assert "7 seeds; then `uv run dvc repro`" in told(app)
    assert "Rests on evaluate/base/ten_patches.npz" in told(app).replace("\\", "")
    facts = {row[0]: row[1] for table in app.table for row in table.value.itertuples(index=False)}
    assert facts["protocol"] == "exploratory"


def test_only_the_paper_s_own_words_stand_in_quotation_marks(root: Path) -> None:
    claims = {claim.id: claim for claim in judged.claims(here(root)).itertuples()}
    assert tables.words_of(claims["two-columns"]).startswith("“")
    assert tables.words_of(claims["one-large-gpu"]) == f"asked by readers: {claims['one-large-gpu'].quote}"
    assert "“" not in tables.words_of(claims["no-communication"])


def test_what_a_claim_needs_is_shown(root: Path) -> None:
    claim = next(claim for claim in judged.claims(here(root)).itertuples() if claim.id == "two-gpus-time")
    assert "GTX 580" in tables.paper_facts(claim)["would need"]


@pytest.mark.parametrize(("long", "short"), [(7200, 2400), (9000, 5500), (3e5, 1e5), (6000, 60)])
def test_the_cheapest_way_to_settle_a_claim_comes_first(long: float, short: float) -> None:
    ways = tables.ways_to_settle(
        f"if the effect is about the 2 points seen, 9 seeds (about {amounts.lasting(long)} here) to see 2 points; "
        f"for the smallest effect of interest, 5 seeds (about {amounts.lasting(short)} here) to see 1 point; "
        "then `uv run dvc repro`"
    )
    assert ["to see 1 point" in way for way in ways] == [True, False] and ways[-1].endswith("; then `uv run dvc repro`")


def test_the_page_refreshes_itself_when_asked_to(root: Path) -> None:
    app = opened("training")
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
    assert "incomplete" in told(opened("training", view="curves"))


def test_a_run_that_begins_while_the_page_is_open_joins_the_others(root: Path) -> None:
    shutil.move(root / "results/invented/train/one_column", root / "later")
    app = opened("training", view="curves")
    shutil.move(root / "later", root / "results/invented/train/one_column")
    app.run()
    assert not app.exception
    assert app.get("plotly_chart") and set(frames.curves(here(root))["run"]) == {"base", "one_column"}


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
    table = tables.ours_beneath(errors, {}, "pictures", "ten_patches")
    assert list(table["row"]) == ["base", "base, 2 networks averaged", "one_column", "one_column, 2 networks averaged"]
    single = 100 * errors.query("run == 'base' and model != 'averaged' and view == 'ten_patches' and measure == 'top1'")["error"]
    assert table.iloc[0]["top-1"] == pytest.approx(single.mean())
    assert table.iloc[0]["lowest to highest"] == f"{single.min():.1f} to {single.max():.1f}"
    assert table.iloc[0]["seeds"] == 2


def test_our_rows_stand_beneath_the_paper_s_and_each_says_where_it_is_from(root: Path) -> None:
    for table in [element.value for element in opened("sees", view="tables").dataframe][:2]:
        source = list(table["from"])
        assert source == sorted(source, key=["the paper", "here"].index) and set(source) == {"the paper", "here"}
        assert table["pictures"].str.len().gt(0).all()
        ours = table[table["from"] == "here"]["pictures"]
        assert not ours.str.contains("ILSVRC").any()
    assert table[table["from"] == "the paper"]["top-5"].tolist()[:2] == pytest.approx([26.2, 18.2])


def test_a_run_with_seeds_that_diverged_has_no_mean(root: Path) -> None:
    path = root / "results/invented/evaluate/base/metrics.json"
    metrics = storage.read_json(path)
    models = {"seed-2": metrics["models"]["seed-2"]}
    storage.write_json(path, {"run": "base", "pictures": 240, "diverged": [1, 7], "models": models})
    (path.parent / "classes.csv").unlink()
    app = opened("sees", view="tables")
    assert [warning.value for warning in app.warning] == [
        "The training of base diverged from seed 1 and 7; no mean of the others is shown."
    ]
    table = app.dataframe[0].value.set_index("row")
    assert np.isnan(table.loc["here: base: diverged in 2 of 3 seeds", "top-1"])
    storage.write_json(path, {"run": "base", "pictures": 240, "diverged": [1, 2], "models": {}})
    assert "here: base: diverged in 2 of 2 seeds" in set(opened("sees", view="tables").dataframe[0].value["row"])


@pytest.mark.parametrize(("page", "choices", "stage"), [("how", {"part": "dropout"}, "halve"), ("sees", {}, "retrieve")])
def test_what_was_not_computed_because_a_seed_diverged_is_said(
    root: Path, page: str, choices: dict[str, str], stage: str
) -> None:
    folder = root / "results/invented" / stage
    for path in folder.glob("*.*"):
        path.unlink()
    storage.write_json(folder / "metrics.json", {"run": "base", "seed": 1, "diverged": [1]})
    app = opened(page, **choices)
    assert any("diverged" in element.value for element in (*app.info, *app.warning))
    assert here(root).notes == []


def test_a_class_without_test_pictures_has_no_error(root: Path) -> None:
    path = root / "results/invented/evaluate/base/classes.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], "0,none,0,,", *lines[2:]]) + "\n")
    table = tables.class_table(frames.class_errors(here(root), "base"))
    assert len(table) == 24 and table.iloc[-1]["name"] == "none" and table.iloc[-1][["top-1 error", "top-5 error"]].isna().all()
    opened("sees", view="tables")


def test_figure_1_shows_the_chosen_rate_alone(root: Path) -> None:
    table = frames.convergence(here(root))
    assert set(table.groupby("curve")["rate"].unique().map(lambda rates: tuple(rates))) == {(0.01,), (0.003,)}
    reached = frames.epochs_to_threshold(here(root)).set_index(["curve", "seed"])["epochs_to_threshold"]
    assert reached["relu", 1] == pytest.approx(3.848, abs=0.001)
    assert np.isnan(reached["tanh", 1])
    mean = f"ReLU after {reached.loc['relu'].mean():.2f} epochs on average"
    assert f"{mean}; tanh not after 9 epochs in 2 of 2 trainings" in told(opened("training"))


def test_figure_2_is_that_of_the_chosen_run(root: Path) -> None:
    """Its sizes come from what was built: an ablation's figure shows the ablation."""
    for run, columns, neurons in (("base", 2, "16 neurons"), ("one_column", 1, "32 neurons")):
        app = opened("how", part="columns", run=run)
        assert f"Figure 2 of {run}: {'two columns' if columns == 2 else 'one column'}" in told(app)
        assert drawn(app).count(f"fc6: {neurons}") == columns
        assert drawn(app).count("numbers each way") == (4 if columns == 2 else 0)
    assert "8 of 9 follow from section 3.5" in told(opened("how", part="columns"))
    assert re.search(r"[\d.]+ MB cross in a step of 32 pictures", told(opened("how", part="columns")))
    assert frames.crossing(here(root)) == {}
    path = root / "results/invented/cost/metrics.json"
    exchange = {"devices": ["cpu", "cpu"], "numbers": 1000, "seconds": 0.001, "share": 0.034}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"exchange": exchange}))
    assert "3.40% of its time between two halves of one processor" in told(opened("how", part="columns"))
    exchange["devices"] = ["cuda:0", "cuda:1"]
    path.write_text(json.dumps(json.loads(path.read_text()) | {"exchange": exchange}))
    assert "3.40% of its time between cuda:0 and cuda:1 of this study" in told(opened("how", part="columns"))


def test_kernels_are_counted_by_kind_and_stand_with_what_excites_them(root: Path) -> None:
    app = opened("inside", kernel="2-3")
    assert "14 of 32 trained kernels are selective for orientation and frequency, 6 coloured blobs" in told(app)
    assert "Kernel 3 of seed 2: grey blob (60% explained)" in told(app)
    patches = [part for part in drawn(app).split("\n") if "patch of" in part]
    assert len(patches) == 1 and patches[0].count("data-key") == 9
    table = frames.exciting(here(root), "base")
    first = table[(table["seed"] == 2) & (table["kernel"] == 3)].sort_values("rank").iloc[0]
    assert f"patch of test-{first['picture']:.0f}" in patches[0]


def test_rankings_and_off_centre_objects_are_told(root: Path) -> None:
    words = told(opened("sees"))
    assert "Of six neighbours in the last hidden layer" in words and "by colour histogram" in words
    table = frames.by_distance(here(root), "base", "averaged")
    assert table["pictures"].sum() == 240 and table["distance"].is_monotonic_increasing
    found = frames.predictions(here(root), "base")
    assert found is not None and table["wrong"].sum() == found.wrong("top1")["averaged"].sum()
    assert "Error is" in words and "where the object lies" in words
    wrong, five = found.wrong("top1")["averaged"], found.wrong("top5")["averaged"]
    assert f"{(wrong & ~five).sum()} of {wrong.sum()} misjudged test pictures" in words
    (root / "results/invented/prepare/objects.csv").unlink()
    assert "where the object lies" not in told(opened("sees"))


def test_halving_is_right_or_wrong_picture_by_picture(root: Path) -> None:
    table = frames.masks_by_picture(here(root))
    assert table.groupby("mean").size().to_dict() == dict.fromkeys(("1", "3", "10", "30", "100", "many", "halved"), 24)
    assert "Halved outputs and the mean of many masks are both right or both wrong on" in told(opened("how", part="dropout"))
    figure = charts.right_by_masks(table)
    assert np.array(figure.data[0].z).shape == (24, 7)


def test_activations_stand_with_times_and_what_explains_them(root: Path) -> None:
    table = frames.activations(here(root)).groupby("curve")["processor seconds"].first()
    assert table.to_dict() == {"relu": 150, "tanh": 750}
    app = opened("training", why="gradient")
    assert "Size of the gradient after 9 epochs: least in" in told(app)


def test_readers_questions_are_sorted_by_what_differs_from_base(root: Path) -> None:
    assert "changes one setting in several steps" in told(opened("training", view="questions"))
    folder = root / "results/invented"
    for name, changes in (
        ("third_rate", {"learning": {"rate": {"initial": 0.003}}}),
        ("no_normalisation", {"network": {"normalisation": "none"}}),
        ("no_normalisation_third_rate", {"network": {"normalisation": "none"}, "learning": {"rate": {"initial": 0.003}}}),
        ("batch_normalisation", {"network": {"normalisation": "batch"}}),  # at one rate, which says nothing of others
        ("k_1", {"network": {"response": {"k": 1.0}}}),
        ("half_data", {"share": 0.5, "learning": {"epochs": 180, "rate": {"patience": 10}}}),
        ("two_things", {"share": 0.5, "network": {"response": {"k": 1.0}}}),
    ):
        shutil.copytree(folder / "evaluate/base", folder / "evaluate" / name)
        record = json.loads((folder / "provenance/train-base.json").read_text())
        record["run"] = merged(record["run"], changes)
        (folder / f"provenance/train-{name}.json").write_text(json.dumps(record))
    table = frames.sweeps(here(root))
    assert table.groupby("sweep")["run"].unique().map(set).to_dict() == {
        "rate": {"base", "third_rate", "no_normalisation", "no_normalisation_third_rate"},
        "k": {"base", "k_1"},
        "data": {"base", "half_data"},
    }  # fmt: skip
    assert set(table[table["sweep"] == "data"]["value"]) == {0.5, 1.0}
    words = told(opened("training", view="questions"))
    assert "How much do more pictures help?" in words and "Does k of the response normalisation matter?" in words
    shutil.copytree(folder, root / "results/invented-nearest")
    assert "down-sampling filter" not in told(opened("training", view="questions")), "its pictures are the same"
    packed = root / "results/invented-nearest/prepare/packed.json"
    packed.write_text(json.dumps(json.loads(packed.read_text()) | {"sha256": 64 * "1"}))
    same = r"errs by .*%.* seeds? each.{1,2} 0.0 points apart, no farther than seeds of one filter are"
    assert re.search(rf"Does the down-sampling filter matter\? base {same}", told(opened("training", view="questions")))
    sampling = told(opened("how", part="sampling"))
    assert re.search(
        r"Not that we could see: on .* errs by .*%.* 0.0 points apart, no farther than seeds of one filter", sampling
    )
    normalisation = told(opened("how", part="normalisation"))
    assert re.search(r"over k, the error is (.+)% at 1 and \1% at 2 \(no farther apart.* Drawn under Training", normalisation)
    assert "no study that is here trained batch normalisation at several learning rates" in normalisation
    same = r"is, at 0.003 and 0.01, (.+) and \1% with no normalisation; \1 and \1% with response normalisation"
    assert re.search(f"over the learning rate, the error {same}", normalisation) and "is lowest with" not in normalisation
    path = folder / "evaluate/no_normalisation_third_rate/metrics.json"
    content = json.loads(path.read_text())
    (lost, *_), _ = content["models"], content["models"].pop(next(iter(content["models"])))
    path.write_text(json.dumps(content | {"diverged": [int(lost.removeprefix("seed-"))]}))
    for page, more in (("how", {"part": "normalisation"}), ("training", {"view": "questions"})):
        assert "error is, at" not in told(opened(page, **more)), "one value that all have is no line"
    for name in ("base", "no_normalisation"):
        shutil.copytree(folder / "evaluate/base", folder / f"evaluate/{name}_half_rate")
        record = json.loads((folder / f"provenance/train-{name}.json").read_text())
        record["run"] = merged(record["run"], {"learning": {"rate": {"initial": 0.005}}})
        (folder / f"provenance/train-{name}_half_rate.json").write_text(json.dumps(record))
    same = r"error is, at 0.005 and 0.01, (.+) and \1% with no normalisation; \1 and \1% with response normalisation"
    lost_at = r"; at 0.003 it is .*% with response normalisation, and with no normalisation 1 of \d+ seeds diverged"
    assert re.search(same + lost_at, told(opened("how", part="normalisation")))


def test_which_line_errs_least_is_said_where_it_does_so_at_every_value() -> None:
    """Means of two seeds, in per cent; one seed of `none` diverged at the third value."""
    means = {"batch": (50.0, 45.0, 46.0), "response": (55.0, 52.0, 60.0), "none": (56.0, 54.0, math.nan)}
    rows = [
        (line, value, error + seed)
        for line, errors in means.items()
        for value, error in zip((1, 3, 9), errors, strict=True)
        for seed in (-0.5, 0.5)
    ]
    table = pd.DataFrame(rows, columns=["line", "value", "error"])
    said = "lowest with batch at each value: at 1 and 3, 50.0 and 45.0% with batch; 56.0 and 54.0% with none; "
    assert findings.moved(table).startswith(f"is {said}55.0 and 52.0% with response; at 9 it is 46.0% with batch")
    table.loc[(table["line"] == "response") & (table["value"] == 3), "error"] -= 10
    assert findings.moved(table).startswith("is, at 1 and 3, 50.0 and 45.0% with batch")
    alone = findings.moved(table[table["line"] == "batch"])
    assert alone == "is 50.0% at 1, 45.0% at 3 and 46.0% at 9 (5.0 points apart, seeds of one run up to 1.0)"


def test_a_question_of_readers_has_an_address_and_an_answer(root: Path) -> None:
    """Its part begins with it, reasons and all; the page of all questions has each in a sentence."""
    everything = told(opened("how", part="questions"))
    for name, question in QUESTIONS.items():
        first = next(one.value for one in opened("how", part=question.part, question=name).markdown if "**" in one.value)
        answer, short = question.answer(here(root)), first.partition("  \n")[2]
        assert first.startswith(f"**{question.asked}**") and short == answer.short and short in everything, name
        assert short.strip().endswith(".") and "nan" not in f"{short} {answer.more}".split() and "  " not in short, short
    assert {question.part for question in QUESTIONS.values()} == set(PARTS) - {"patches", "questions", "misread"}
    assert "threshold" in told(opened("how", part="pooling", question="threshold")), "one of another part is named as unknown"


@pytest.mark.parametrize("group", [HELD, NOT_HELD, SMALL, NOT_SEEN])
def test_an_answer_goes_by_the_verdict(root: Path, monkeypatch: pytest.MonkeyPatch, group: str) -> None:
    row = SimpleNamespace(group=group, verdict="any", here="2.00 points (1.00 to 3.00)", matters=0.03, unit="error difference")
    monkeypatch.setattr("dashboard.how.answers.claim_of", lambda study, name: row)
    monkeypatch.setattr("dashboard.showing.measured_elsewhere", lambda row: [])
    words = {HELD: "yes {0}", NOT_HELD: "no {0}", SMALL: "little {0} of {1}", NOT_SEEN: "open {0}"}
    named = dict(zip(("held", "against", "small", "unsettled"), words.values(), strict=True))
    expected = words[group].format("2.00 points \\(1.00 to 3.00\\)", "3.00 points").replace("\\", "")
    assert answers.says(here(root), "any", **named).replace("\\", "") == expected


def test_where_augmentation_is_free_elsewhere_is_told_by_what_was_shown(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def row(group: str, ours: float) -> SimpleNamespace:
        return SimpleNamespace(group=group, matters=0.05, ours=ours, unit="share")

    several = [(here(root), row(*of)) for of in ((HELD, 0.02), (NOT_SEEN, 0.5), (NOT_HELD, 0.06))]
    monkeypatch.setattr("dashboard.how.answers.claim_of", lambda study, name: row(NOT_SEEN, 0.03))
    monkeypatch.setattr("dashboard.showing.measured_elsewhere", lambda row: several)
    told, name = answers._free_elsewhere(here(root)), frames.called(here(root))
    assert f"less than the 5.00% that would matter, 2.00% on {name}; and more than the 5.00%" in told
    assert f"matter, 6.00% on {name}." in told and "50.0%" not in told


def test_what_came_of_a_threshold_is_told_where_a_study_trained_it(root: Path) -> None:
    assert "None of the studies that are here trained either" in told(opened("how", part="convolution", question="threshold"))
    for name in ("threshold", "straight_through"):
        shutil.copytree(root / "results/invented/converge/relu", root / f"results/invented/converge/{name}")
    path = root / "results/invented/converge/threshold/metrics.json"
    content = json.loads(path.read_text())
    for made in content["seeds"].values():
        made["epochs_to_threshold"] = None
    path.write_text(json.dumps(content))
    words = told(opened("how", part="convolution"))
    assert re.search(
        r"training error is reached: hard threshold not in \d+ epochs; straight-through (not|after) .*; ReLU (not|after) ", words
    )


def test_answers_tell_what_was_measured_beside_what_follows(root: Path) -> None:
    """Zeros with and without response normalisation, processor seconds an epoch, gradients, memory: each from its files."""
    study = here(root)

    def answer(name: str) -> str:
        found = QUESTIONS[name].answer(study)
        return f"{found.short} {found.more}"

    assert "not measured in any study" in answer("sparse")
    for run, zeros in {"base": (0.6, 0.825), "no_normalisation": (0.4, 0.93)}.items():
        rows = [[epoch, "conv2", 0.0, share, 1.0, 1.0, 1.0, 1.0] for epoch, share in enumerate(zeros)]
        storage.write_csv(study.folder / "train" / run / "seed-1" / "layers.csv", outputs.LAYERS, rows)
    shutil.copytree(study.folder / "converge/relu", study.folder / "converge/tanh", dirs_exist_ok=True)
    shutil.copy(study.folder / "provenance/converge-relu.json", study.folder / "provenance/converge-tanh.json")
    study = here(root)
    assert "are 0: in conv2 82.5% with it, 93.0% without: with it conv2 is less sparse, not more." in answer("sparse")
    for run, (error, parameters) in {"base": (0.4, 100), "half_width": (0.5, 26), "without_conv2": (0.45, 96)}.items():
        trained = {"parameters": parameters, "seeds": {"1": {"status": "finished", "epochs": 6, "training_error": error}}}
        storage.write_json(study.folder / "train" / run / "metrics.json", trained)
    shutil.copytree(study.folder / "evaluate/base", study.folder / "evaluate/without_conv2")
    study = here(root)
    assert "errs on 40.0% of them, one with half of the kernels and neurons of every layer on 50.0%. Depth: with" in answer(
        "depth"
    )
    told = "without conv2 5.00 points more are left. So every layer is seen to add capacity, as far as 6 epochs"
    assert told in answer("depth") and "a layer less is at most 4% of the parameters less" in answer("depth")
    curves = frames.activations(study)
    reached = curves[curves["curve"] == "relu"].dropna()
    seconds = (reached["processor seconds"] / reached["epochs"]).mean()
    told = f"takes {digits(seconds)} s of processor time with ReLUs and {digits(seconds)} with tanh"
    assert told in answer("evaluated")
    one, two = (frames.step_memory(study).set_index("network").loc["the paper's"].iloc[n] for n in (1, 2))
    assert f"{one:.2f} GiB on one device and {two:.2f} ({two / one:.0%}) on the first of two" in answer("two-gpus")
    assert "0.6% to 0.8% of a step" in answer("two-gpus") and "414 times fewer" in answer("sharing")


def test_kernels_are_shown_a_column_and_a_seed_at_a_time(root: Path) -> None:
    app = opened("inside")
    assert [heading.value for heading in app.subheader][:2] == ["Seed 1, epoch 6", "Seed 2, epoch 6"]
    assert [caption.value for caption in app.caption if "column" in caption.value][1:5] == [
        f"column {column}: 8 kernels" for column in (1, 2, 1, 2)
    ]
    app.selectbox(key="run").select("one_column").run()
    assert not app.exception
    assert drawn(app).count("kernel 1-") == 2 * 8


def test_a_test_picture_stands_with_six_neighbours_by_features_and_six_by_pixels(root: Path) -> None:
    app = opened("sees", query="test-7")
    shown = [heading.value for heading in app.subheader]
    assert any(heading.startswith("Nearest in the last hidden layer") for heading in shown)
    assert any(heading.startswith("Nearest in pixels") for heading in shown)
    asked = [part for part in drawn(app).split("\n") if "train-" in part]
    assert [part.count("data-key") for part in asked] == [6, 6, 6, 6], "by colours and by the untrained network too"
    assert not app.warning, "a picture that is none of those above can be asked for"


def test_a_picture_is_the_packed_one_and_is_drawn_again_where_the_packed_set_is_gone(root: Path) -> None:
    packed = shown_pictures.picture_of(here(root), "test", 5)
    assert shown_pictures.remark(here(root)) == ""
    shutil.rmtree(root / "data")
    drawn = shown_pictures.picture_of(here(root), "test", 5)
    assert packed is not None and drawn is not None
    assert np.array_equal(packed, drawn)
    assert shown_pictures.remark(here(root)) == ""


@pytest.mark.parametrize("gone", ["test-00000.npy", "test-labels.npy"])
def test_a_packed_set_that_is_not_whole_is_said_to_be(root: Path, gone: str) -> None:
    (root / "data/packed/sketch" / gone).unlink()
    shown_pictures._split.cache_clear()
    receipt = frames.source(here(root)) | {"source": "folder"}  # which nobody can draw again
    storage.write_json(root / "results/invented/download/source.json", receipt)
    study = here(root)
    assert shown_pictures.picture_of(study, "test", 5) is None and study.notes == [shown_pictures.NOT_WHOLE]
    assert "packs them again" in told(opened("sees"))


def test_pictures_of_another_set_are_never_shown(root: Path) -> None:
    index = root / "data/packed/sketch/index.json"
    index.write_text(index.read_text().replace(frames.packed(here(root))["sha256"], "0" * 64))
    assert shown_pictures.packed_folder(here(root)) is None


def test_pictures_are_found_whatever_the_study_is_called(root: Path) -> None:
    picture = shown_pictures.picture_of(here(root), "test", 5)
    shutil.move(root / "data/packed/sketch", root / "data/packed/pets")
    storage.write_json(root / "data/packed/broken/index.json", ["nothing"])
    receipt = frames.source(here(root)) | {"source": "folder"}
    storage.write_json(root / "results/invented/download/source.json", receipt)
    found = shown_pictures.picture_of(here(root), "test", 5)
    assert picture is not None and found is not None and np.array_equal(found, picture)
    assert "not on this machine" not in told(opened("sees"))


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
    warned = [warning.value for warning in opened("training").warning]
    assert len(warned) == 2 and warned[0].startswith("The training of base diverged from seed 2")
    assert len(opened("inside").warning) == 1


def test_a_folder_that_a_refused_stage_left_empty_is_no_study(root: Path) -> None:
    (root / "results/gamma/train").mkdir(parents=True)
    assert [study.folder.name for study in reading.studies(root)] == ["invented"]


def test_another_version_of_the_maker_is_remarked(root: Path) -> None:
    shutil.rmtree(root / "data")
    receipt = frames.source(here(root)) | {"maker": "0" * 64}
    storage.write_json(root / "results/invented/download/source.json", receipt)
    assert "may differ" in told(opened("sees"))


def test_pictures_that_cannot_be_drawn_are_missed_in_one_sentence(root: Path) -> None:
    shutil.rmtree(root / "data")
    storage.write_json(root / "results/invented/download/source.json", {"source": "cifar10", "title": "CIFAR-10"})
    assert shown_pictures.picture_of(here(root), "test", 0) is None
    assert "not on this machine" in told(opened("sees"))


def test_changed_code_is_said_aloud(root: Path) -> None:
    path = root / "results/invented/provenance/train-base.json"
    storage.write_json(path, storage.read_json(path) | {"commit": "0123456789abcdef", "dirty": True})
    app = opened("start", foot="provenance")
    assert "differs from their commit" in told(app)
    table = app.dataframe[0].value.set_index("stage")
    assert table.loc["train-base", ["commit", "code"]].tolist() == ["0123456789", "changed"]


def test_a_curve_without_a_point_is_not_drawn() -> None:
    drawn = drawings.lines({"ReLU": [], "tanh": [(0, 1.0), (1, 0.5)]}, 0.25, "curves")
    assert drawn.count("<polyline") == 1 and "ReLU" not in drawn


def test_the_recipes_of_text_and_code_are_told_side_by_side(root: Path) -> None:
    assert "as the released code does" not in told(opened("start", foot="paper against code"))
    path = root / "results/invented/provenance/train-one_column.json"
    record = storage.read_json(path)
    storage.write_json(path, record | {"run": record["run"] | {"recipe": "code145"}})
    for path in (root / "results/invented/train/one_column").glob("seed-*/curve.csv"):
        table = pd.read_csv(path)
        table.loc[table["epoch"] > 3, "rate"] /= 10
        table.to_csv(path, index=False)
        updates = table.loc[table["epoch"] == 3, "iteration"].item()
    errors = {run: frames.seed_errors(here(root), run).values() for run in ("base", "one_column")}
    base, other = (
        f"{run} {100 * sum(of) / len(of):.1f}% ({len(of)} seeds, its rate {schedule})"
        for (run, of), schedule in zip(errors.items(), ("never divided", f"first divided after {updates} updates"), strict=True)
    )
    assert f"as the text says, {base}; as the released code does, {other}." in told(opened("start", foot="paper against code"))


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
    picture = shown_pictures.picture_of(here(root), "train", 9)
    assert picture is not None
    found = query.answer(picture, here(root), 6)
    assert not isinstance(found, str), found
    assert (found.rows[0], len(found.rows)) == (9, 6)
    assert found.distances[0] == 0
    assert list(found.distances) == sorted(found.distances)
    assert found.probabilities.sum() == pytest.approx(1)


def test_neighbours_of_a_stored_picture_are_the_stage_s(root: Path) -> None:
    table = frames.neighbours(here(root))
    for asked in (0, 5, 17):
        part = table[table["query"] == asked].sort_values("rank")
        ours = query.nearest_to_stored(here(root), "test", asked, 6)
        assert [near for near, _ in ours] == list(part["neighbour"])
        assert [far for _, far in ours] == pytest.approx(list(part["distance"]), rel=1e-3)
    near = [row for row, _ in query.nearest_to_stored(here(root), "train", 9, 6)]
    assert len(near) == 6 and 9 not in near


def test_a_neighbour_becomes_the_query(root: Path) -> None:
    app = opened("sees", query="train-9")
    assert any(heading.value.startswith("Train picture 9") for heading in app.header)
    assert any(heading.value.startswith("Nearest in the last hidden layer") for heading in app.subheader)


def test_a_dropped_picture_is_named_and_shown_with_its_neighbours(root: Path) -> None:
    app = opened("sees")
    app.file_uploader[0].set_value(("<img onerror=alert(1)>.png", TAKEN["png"](), "image/png")).run()
    assert not app.exception
    assert any("says the network" in heading.value for heading in app.subheader)
    assert "onerror" not in told(app) + drawn(app)


@pytest.mark.parametrize("name", ["empty", "text", "JPEG cut at half", "36 million pixels"])
def test_a_dropped_file_that_is_no_picture_gets_one_sentence_and_the_page_goes_on(name: str, root: Path) -> None:
    app = opened("sees")
    app.file_uploader[0].set_value((f"{name}.png", REFUSED[name][0](), "image/png")).run()
    assert not app.exception
    assert REFUSED[name][1] in told(app)
    app.file_uploader[0].set_value(("good.png", TAKEN["png"](), "image/png")).run()
    assert not app.exception
    assert any("says the network" in heading.value for heading in app.subheader)


@pytest.mark.parametrize(
    ("gone", "words"),
    [
        ("results/invented/train/base/seed-1/weights.safetensors", "weights that made the features are not here"),
        ("data/packed/sketch/index.json", "mean picture"),
    ],
)
def test_what_a_dropped_picture_needs_is_named_where_it_is_missing(gone: str, words: str, root: Path) -> None:
    (root / gone).unlink()
    answer = query.answer(np.zeros((64, 64, 3), dtype=np.uint8), here(root), 6)
    assert isinstance(answer, str)
    assert words in answer


def test_weights_other_than_those_that_made_the_features_are_not_used(root: Path) -> None:
    other = root / "results/invented/train/base/seed-2/weights.safetensors"
    shutil.copy(other, root / "results/invented/train/base/seed-1/weights.safetensors")
    answer = query.answer(np.zeros((64, 64, 3), dtype=np.uint8), here(root), 6)
    assert isinstance(answer, str)
    assert "not those that made the features" in answer


def test_without_features_a_dropped_picture_has_labels_and_no_neighbours(root: Path) -> None:
    (root / "results/invented/retrieve/features-train.npy").unlink()
    answer = query.answer(np.zeros((64, 64, 3), dtype=np.uint8), here(root), 6)
    assert isinstance(answer, query.Answer)
    assert len(answer.probabilities) and not len(answer.rows)


def test_what_is_lacking_is_said_before_a_picture_is_dropped(root: Path) -> None:
    (root / "results/invented/train/base/seed-1/weights.safetensors").unlink()
    app = opened("sees")
    assert "weights that made the features are not here" in told(app)
    assert len(app.file_uploader) == 0


def test_the_rule_beside_a_verdict_has_its_limit_and_its_familys_chance(root: Path) -> None:
    claim = judged.by_id(here(root))["two-columns"]._replace(
        kind="effect", unit="error difference", low=0.01, high=0.2, matters=0.05
    )
    told = tables.rule(claim, {"alpha": 0.03, "comparisons": 20})
    assert (
        "within 5.00 points of 0" in told
        and "any of the 20 intervals of its family misses the true value with a chance of 3%" in told
    )
    assert "lies below 5.00 points" in tables.rule(claim._replace(kind="absence"), {})
    assert tables.rule(claim._replace(low=float("nan")), {}) == "" == tables.rule(claim._replace(kind="value"), {})


def test_a_slider_grows_where_a_run_lies_outside_of_its_range() -> None:
    def page() -> None:
        from dashboard import address

        address.begin()
        address.slider("k", 0.5, 8.0, "k", 16.0, step=0.5)

    app = AppTest.from_function(page).run()
    assert not app.exception and (app.slider[0].value, app.slider[0].min, app.slider[0].max) == (16, 0.5, 16)
