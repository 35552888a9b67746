"""The pages on the studies that are really pinned, as a fresh clone has them: without pictures, features and other weights."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import streamlit as st

from dashboard import frames, judged, mailed, query, tables
from dashboard.how import subject
from dashboard.reading import Study
from study import in_numpy, pinning, storage
from study.judging.verdicts import HELD, NOT_HELD, NOT_JUDGED
from tests.test_dashboard import FEET, PAGES, opened, told

ROOT = Path(__file__).resolve().parents[1]
PINS = [folder.name for folder in pinning.own(ROOT / "pinned")]


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("clone")
    for name in ("dashboard", "pinned"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    return root


@pytest.fixture
def pin(clone: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.chdir(clone)
    return Study(folder=Path("pinned") / request.param, pinned=True)


every_pin = pytest.mark.parametrize("pin", PINS, indirect=True)


@pytest.mark.parametrize(
    "pin", [pytest.param(name, marks=[] if name == "cifar10" else pytest.mark.slow) for name in PINS], indirect=True
)
def test_every_page_of_a_pinned_study_opens(pin: Study) -> None:
    for page, choices in [*PAGES, *FEET]:
        text = told(opened(page, study=pin.address, **choices))
        assert "cannot be read" not in text and "than this dashboard reads" not in text, (page, choices)
        assert "nan" not in text.lower().split(), (page, choices)


@every_pin
def test_where_nothing_is_said_to_be_lacking_a_picture_gets_its_labels(pin: Study) -> None:
    there = bool(list(pin.folder.glob("train/*/*/weights.safetensors")))
    assert there == (query.lacking(pin) == ""), "a pin that has weights answers"
    answer = query.answer(np.full((300, 400, 3), 90, dtype=np.uint8), pin, 6)
    assert isinstance(answer, query.Answer) == there
    if isinstance(answer, query.Answer):
        assert answer.probabilities.sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("pin", ["sketch"], indirect=True)
def test_what_is_computed_on_the_page_is_what_the_evaluation_recorded(pin: Study) -> None:
    """Ten patches of drawn pictures, minus the pinned mean picture: the probabilities that torch gave."""
    probabilities, found = frames.probabilities(pin, "base")["seed-0"], frames.predictions(pin, "base")
    network = subject.network(pin, "base", 0)
    assert found is not None and isinstance(network, in_numpy.AlexNet)
    for row in (0, 2, 77, 148):
        one = subject.Subject(
            study=pin, run="base", seed=0, picture=np.zeros((64, 64, 3), np.uint8), row=row, kernels=np.zeros((1, 1, 1, 3)),
            patch=np.zeros((1, 1, 3), np.float32), settings=dict(network.settings), network=network,
            above=st.container(),
        )  # fmt: skip
        one = subject.with_picture(one, None)
        assert one.row == row, "drawn again, no stand-in"
        far, answers = len(one.picture) - len(one.patch), []
        for y, x in ((0, 0), (0, far), (far, 0), (far, far), (far // 2, far // 2)):
            patch = subject.centre(one, one.picture, y, x)
            answers += [network.probabilities(patch), network.probabilities(patch[:, ::-1])]
        mean = np.mean(answers, axis=0)
        best = found.best["seed-0"][row]
        np.testing.assert_array_equal(np.argsort(-mean, kind="stable")[: len(best)], best)
        np.testing.assert_allclose(mean[best], probabilities[row].astype(float), rtol=2e-3, atol=1e-4)


def test_a_class_of_imagenet_goes_by_its_first_name_where_that_is_its_alone(tmp_path: Path) -> None:
    def named(classes: list[str], names: list[str]) -> list[str]:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        storage.write_json(folder / "prepare/packed.json", {"classes": classes, "class_names": names})
        return frames.class_names(Study(folder=folder, pinned=True))

    names = ["dugong, Dugong dugon", "crane, a machine", "crane, a bird"]
    assert named(["n02074367", "n03126707", "n02012849"], names) == ["dugong", *names[1:]]
    assert named(["n02074367", "mine", "n02012849"], names) == names


@pytest.mark.parametrize("pin", [name for name in PINS if name == "photographs"], indirect=True)
def test_of_sixty_classes_the_map_colours_those_that_an_address_names(pin: Study) -> None:
    app = opened("inside", study=pin.address, view="map", classes="pizza")
    assert app.multiselect(key="classes").value == ["pizza"] and not app.warning
    assert any("nosuch" in told.value for told in opened("inside", study=pin.address, view="map", classes="nosuch").warning)
    app.selectbox(key="point").select(7).run()
    assert any(heading.value.startswith("Test picture 7: ") for heading in app.header), "by the keyboard as by a click"


@pytest.mark.parametrize("pin", ["sketch"], indirect=True)
def test_any_drawn_picture_has_neighbours_those_that_the_stage_found(pin: Study) -> None:
    table = frames.neighbours(pin)
    for asked in (0, 5, 17):
        part = table[table["query"] == asked].sort_values("rank")
        ours = query.nearest_to_stored(pin, "test", asked, 6)
        assert [near for near, _ in ours] == list(part["neighbour"])
        assert [far for _, far in ours] == pytest.approx(list(part["distance"]), rel=1e-3)
    beyond = int(table["query"].max()) + 1
    assert len(query.nearest_to_stored(pin, "test", beyond, 6)) == 6, "of a picture that the stage did not look up"


@pytest.mark.parametrize("pin", ["cifar10"], indirect=True)
def test_a_study_without_base_compares_the_runs_that_it_has(pin: Study) -> None:
    table = frames.components(pin, judged.claims(pin))
    assert frames.control(pin) == "without_normalisation" and list(table["run"]) == ["with_normalisation"]
    assert (
        table["claim"].item() == "cifar-normalisation" and table["low"].item() < table["difference"].item() < table["high"].item()
    )
    said = opened("training", study=pin.address, view="components").header[0].value
    assert said.startswith("The largest difference from without_normalisation: with_normalisation errs") and "seed" not in said


@pytest.mark.parametrize("pin", ["imagewoof"], indirect=True)
def test_a_difference_of_one_seed_says_so(pin: Study) -> None:
    (row,) = frames.components(pin, judged.claims(pin)).itertuples()
    app = opened("training", study=pin.address, view="components")
    said = f"The largest difference from base: {row.run} errs {row.difference:.2f} points more (from one seed)"
    assert app.header[0].value == said and math.isnan(row.low)


@pytest.mark.parametrize("pin", ["sketch"], indirect=True)
def test_what_other_pins_measured_stands_beside_what_this_one_did(pin: Study) -> None:
    """The claim and its number, the studies that measured it too with theirs, and of what did not hold the scale."""
    others = [Study(folder=Path("pinned") / name, pinned=True) for name in PINS if name != "sketch"]
    own = {name: claim for name, claim in judged.by_id(pin).items() if claim.kind == "effect" and claim.group != NOT_JUDGED}
    rows = {name: [(study, judged.by_id(study)[name]) for study in others] for name in own}
    measured = {
        name: [(study, row) for study, row in of if row.group != NOT_JUDGED and tables.here(row)] for name, of in rows.items()
    }
    name, found = next((name, found) for name, found in measured.items() if found)
    text = told(opened("claims", study=pin.address, claim=name)).replace("\\", "")
    assert "Elsewhere" in text and all(f"{tables.here(row)} on {frames.called(study)}" in text for study, row in found)
    alike = told(opened("claims", study="pinned/cifar10", claim="relu-faster")).replace("\\", "")
    assert "on CIFAR-10 (10 classes, 32 pixels), pinned/activations," in alike  # which has the same pictures
    for study in (pin, *others):
        for claim in judged.by_id(study).values():
            if claim.unit == "error difference":  # none of these studies has the paper's scale
                assert bool(tables.limits(claim)) == (claim.group == NOT_HELD), (study.address, claim.id)


@every_pin
def test_a_pinned_study_can_be_mailed_with_what_its_pages_find(pin: Study) -> None:
    page = mailed.page(pin)
    assert "Where paper and code differ" in page and "first-layer kernels" in page.lower() and "Figure 2 of" in page
    curves = frames.convergence(pin)["curve"].nunique()  # of more than two their order is told, and not how many times as fast
    assert ("as fast" in page, "training error: after" in page) == (curves == 2, curves > 2)
    assert ("Of six neighbours in the last hidden layer" in page) == (not frames.precision(pin).empty)
    assert "the right one is among the other four in" in page


@pytest.mark.parametrize("pin", ["sketch"], indirect=True)
def test_opposite_verdicts_of_two_studies_stand_first_and_under_one_another(pin: Study) -> None:
    other = Study(folder=Path("pinned/cifar10"), pinned=True)
    one, two = (judged.claims(study).set_index("id")["group"] for study in (pin, other))
    opposite = [name for name in one.index if {one[name], two[name]} == {HELD, NOT_HELD}]
    assert opposite, "these two have one"
    app = opened("compare", study=pin.address, a=pin.address, b=other.address)
    assert any(f"{len(opposite)} an opposite one" in head.value for head in app.subheader)
    table = next(frame.value for frame in app.dataframe if "verdict" in frame.value.columns)
    titles = [judged.by_id(pin)[name].title for name in opposite]
    assert list(table["claim"][: 2 * len(opposite)]) == [title for title in titles for _ in range(2)]
    assert list(table["study"][:2]) == ["A", "B"]


@pytest.mark.parametrize("pin", [name for name in PINS if name == "imagewoof"], indirect=True)
@pytest.mark.parametrize("part", ["dropout", "patches", "columns"])
def test_what_needs_weights_leads_to_a_study_that_has_them(part: str, pin: Study) -> None:
    app = opened("how", study=pin.address, part=part)
    links = [link for link in app.get("page_link") if "which is here" in link.proto.label]
    assert len(links) == 1 and "sketch" in links[0].proto.query_string
    assert not [
        link for link in opened("how", study="pinned/sketch", part=part).get("page_link") if "which is here" in link.proto.label
    ]


@pytest.mark.parametrize("pin", ["sketch"], indirect=True)
def test_batch_normalisation_of_the_answers_stands_beside_response_normalisation(pin: Study) -> None:
    app = opened("how", study=pin.address, part="normalisation")
    assert any(head.value.startswith("Batch normalisation would make map") for head in app.subheader)
    assert "over 16 test pictures and all places" in told(app) and " nan " not in told(app)


@pytest.mark.parametrize("pin", [name for name in PINS if name == "sketch"], indirect=True)
def test_what_rounding_makes_of_a_training_picture_is_distance_0(pin: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """numpy's features of the picture are not to the bit those that the stage stored; its true neighbours are far."""
    stored = np.load(pin.folder / pinning.SEARCHED[0])[9]
    nearly = stored * np.float32(1 + 3e-7)
    network = SimpleNamespace(features=lambda patch: nearly, logits=lambda hidden: np.zeros(24), settings={"crop": 40})
    monkeypatch.setattr(query, "network_of", lambda study: network)
    found = query.answer(np.zeros((64, 64, 3), dtype=np.uint8), pin, 6)
    assert not isinstance(found, str), found
    assert (found.rows[0], found.distances[0]) == (9, 0) and found.distances[1] > 0.01 * np.linalg.norm(stored)


@pytest.mark.parametrize("pin", [name for name in PINS if name == "sketch"], indirect=True)
@pytest.mark.parametrize(
    ("choices", "seeds"), [({}, [0, 1, 2]), ({"kernel": "7-4"}, [0, 1, 2, 7]), ({"seeds": "all"}, [*range(10)])]
)
def test_of_many_seeds_the_kernels_of_the_first_are_drawn_and_those_asked_for(
    pin: Study, choices: dict[str, str], seeds: list[int]
) -> None:
    app = opened("inside", study=pin.address, **choices)
    drawn = [head.value.split(",")[0] for head in app.subheader if head.value.startswith("Seed ")]
    assert drawn == [f"Seed {seed}" for seed in seeds]
