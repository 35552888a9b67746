"""The figures as functions: what is drawn, with which names and units, and that it can be seen on either background."""

from __future__ import annotations

import json
import math
import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from dashboard import charts, drawings, frames, rendering
from dashboard.how import PARTS
from study.measuring.architecture import of_settings
from study.network.settings import AlexNetSettings

BACKGROUNDS = ("#ffffff", "#171614")  # of dashboard/.streamlit/config.toml


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2) of `#rrggbb`."""
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def convergence(seeds: tuple[int, ...] = (1, 2)) -> pd.DataFrame:
    rows = [
        (curve, seed, 0.01, epoch, 100 * epoch, 1.0, start / epoch)
        for curve, start in (("relu", 0.5), ("tanh", 0.9))
        for seed in seeds
        for epoch in range(1, 5 + seed)
    ]
    return pd.DataFrame(rows, columns=["curve", "seed", "rate", "epoch", "iteration", "training_loss", "training_error"])


@pytest.mark.parametrize("colour", charts.PALETTE)
@pytest.mark.parametrize("background", BACKGROUNDS)
def test_every_colour_stands_out_from_both_backgrounds(colour: str, background: str) -> None:
    lighter, darker = sorted((luminance(colour), luminance(background)), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 3


def test_backgrounds_are_those_of_the_theme() -> None:
    with open("dashboard/.streamlit/config.toml", encoding="utf-8") as file:
        config = file.read()
    assert all(f'backgroundColor = "{background}"' in config for background in BACKGROUNDS)


def test_figure_1_has_relu_solid_and_tanh_dashed_with_a_thin_line_a_seed_and_a_thick_mean() -> None:
    figure = charts.figure1(convergence(), threshold=0.25)
    drawn = {(line.name, line.line.dash, line.line.width) for line in figure.data}
    assert drawn == {("ReLU", "solid", 1), ("ReLU", "solid", 3), ("tanh", "dash", 1), ("tanh", "dash", 3)}
    assert [line.name for line in figure.data].count("ReLU") == 3
    assert figure.layout.xaxis.title.text == "epochs"
    assert figure.layout.yaxis.title.text == "training error (%)"
    assert [shape.y0 for shape in figure.layout.shapes] == [25]
    assert [note.text for note in figure.layout.annotations] == ["25%"]


def test_no_two_activations_look_alike() -> None:
    names = ["relu", "tanh", "sigmoid", "threshold", "straight_through", "leaky_relu", "elu", "gelu"]
    several = pd.concat([convergence((1,)).query("curve == 'relu'").assign(curve=name) for name in names])
    figure = charts.figure1(several)
    looks = {(line.name, line.line.color, line.line.dash) for line in figure.data}
    assert len({look[1:] for look in looks}) == len(looks) == len(names)
    assert ("ReLU", charts.BLUE, "solid") in looks and ("tanh", charts.VERMILION, "dash") in looks
    by_layer = pd.DataFrame(
        [(charts.curve_name(name), layer, 1.0) for name in names for layer in ("conv1", "fc10")],
        columns=["curve", "layer", "dead"],
    )
    below = charts.layers_by_curve(by_layer, "dead")
    assert {(line.name, line.line.color, line.line.dash) for line in below.data} == looks


def test_the_mean_ends_where_the_first_seed_ends() -> None:
    mean = next(line for line in charts.figure1(convergence()).data if line.line.width == 3)
    assert list(mean.x) == [1, 2, 3, 4, 5]
    assert mean.y[0] == pytest.approx(50)


def test_a_single_epoch_is_seen_as_points() -> None:
    one = convergence((1,))
    figure = charts.figure1(one[one["epoch"] == 1])
    assert all("markers" in line.mode for line in figure.data)


def test_a_run_keeps_its_colour_when_others_are_hidden() -> None:
    frame = convergence().rename(columns={"curve": "run"})
    colours = {line.name: line.line.color for line in charts.training(frame, "training_error", ["relu", "tanh"]).data}
    alone = charts.training(frame[frame["run"] == "tanh"], "training_error", ["relu", "tanh"])
    assert {line.line.color for line in alone.data} == {colours["tanh"]}
    assert colours["relu"] != colours["tanh"]


def test_of_many_runs_the_means_are_drawn_and_few_stand_out() -> None:
    runs = ["base", *(f"run {number}" for number in range(charts.MANY))]
    rows = [
        (run, seed, epoch, 0.9 - 0.01 * epoch - 0.001 * number - 0.002 * seed)
        for number, run in enumerate(runs) for seed in (0, 1) for epoch in (1, 2)
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["run", "seed", "epoch", "validation_error"])
    figure = charts.training(frame, "validation_error", runs, {"base", "run 3"})
    lines = {line.name: line for line in figure.data}
    assert len(figure.data) == len(runs) + 1 and list(lines)[-3:] == ["base", "run 3", "other runs"]
    assert lines["base"].line.color != lines["run 3"].line.color and lines["run 1"].line.color == charts.GREY
    assert lines["base"].y.tolist() == pytest.approx([88.9, 87.9]) and figure.layout.yaxis.rangemode is None
    few = charts.training(frame[frame["run"] == "base"], "validation_error", runs, {"base", "run 3"})
    assert len(few.data) == 3


def test_on_the_map_of_many_classes_those_that_are_told_stand_out_and_each_point_can_be_clicked() -> None:
    names = [f"class{number}" for number in range(9)]
    rows = [(row, float(row), -float(row), names[row % 9], "right") for row in range(18)]
    frame = pd.DataFrame(rows, columns=["picture", "across", "down", "class", "answer"])
    figure = charts.hidden_map(frame, "class", ["class3", "class1"])
    assert [part.name for part in figure.data] == ["other classes", "class1", "class3"]
    assert figure.data[0].marker.color == charts.GREY and charts.GREY not in {part.marker.color for part in figure.data[1:]}
    assert figure.data[1].marker.symbol != figure.data[2].marker.symbol
    assert sorted(int(point[0]) for part in figure.data for point in part.customdata) == list(range(18))
    assert len(charts.hidden_map(frame, "class").data) == 9


def test_losses_are_in_nats_and_errors_in_per_cent() -> None:
    frame = convergence().rename(columns={"curve": "run"})
    loss = charts.training(frame, "training_loss", ["relu"])
    assert loss.layout.yaxis.title.text == "training loss (nats)"
    assert set(loss.data[0].y) == {1.0}
    assert max(charts.training(frame, "training_error", ["relu"]).data[0].y) == pytest.approx(50)


def test_names_from_files_are_not_read_as_html() -> None:
    table = pd.DataFrame([("<b>odd</b>", 1.0, 0.5, 1.5, "", "held", 2, [0.9, 1.1])])
    table.columns = ["run", "difference", "low", "high", "claim", "verdict", "seeds", "values"]
    drawn = drawings.dots({"<b>odd</b>": [1.0]}, "%", "<i>") + json.dumps(charts.components(table).to_plotly_json(), default=str)
    assert "<b>odd" not in drawn and "<i>" not in drawn


def test_a_run_that_errs_far_more_than_all_others_leaves_room_for_them() -> None:
    rows = [(name, float(difference), math.nan, math.nan, "", "", 1, [difference]) for difference, name in enumerate("abcdefgh")]
    table = pd.DataFrame(rows, columns=["run", "difference", "low", "high", "claim", "verdict", "seeds", "values"])
    assert len(charts.components(table).data) == 2
    table.loc[0, "difference"] = -29.1
    *drawn, beyond = charts.components(table).data
    assert list(beyond.y) == ["a"] and list(beyond.text) == ["-29.1"] and -2 < beyond.x[0] < 0
    assert all("a" not in part.y for part in drawn)


def test_seeds_that_lie_close_are_told_apart_and_the_axis_says_where_it_begins() -> None:
    def places(drawn: str) -> list[float]:
        return [float(place) for place in re.findall(r'<circle cx="([\d.]+)"', drawn)]

    close, far = drawings.dots({"a": [60.0, 61.0], "b": [63.0]}, "%", ""), drawings.dots({"a": [4.0], "b": [12.0]}, " epochs", "")
    assert ">59.2%<" in close and ">63.8%<" in close and ">0<" not in close
    assert places(close)[1] - places(close)[0] > 50 and 8 < min(places(close)) < max(places(close)) < 412
    assert ">0<" in far and places(far)[1] - 8 == pytest.approx(3 * (places(far)[0] - 8), abs=0.2)
    assert ">0<" in drawings.dots({"a": [5.0]}, "%", "")


def test_a_caption_names_a_mean_only_where_several_seeds_have_one() -> None:
    frame = pd.DataFrame({"run": ["base", "base", "code145"], "seed": [0, 0, 0], "epoch": [1, 2, 1]})
    assert charts.lines_of(frame) == "Each line is one training."
    assert "their mean" in charts.lines_of(frame.assign(seed=[0, 1, 0]))


def test_tanh_has_the_colour_of_figure_1_in_whichever_order_the_curves_stand() -> None:
    def fills(*names: str) -> dict[str, str]:
        drawn = drawings.dots({name: [1.0] for name in names}, " epochs", "")
        return dict(zip(names, re.findall(r'<circle [^>]*fill="([^"]+)"', drawn), strict=True))

    assert fills("tanh", "relu") == fills("relu", "tanh") and fills("tanh", "relu")["tanh"] == charts.FIGURE1["tanh"][1]


def test_a_kernel_s_zero_is_mid_grey_and_its_scale_full_colour() -> None:
    kernel = np.zeros((11, 11, 3), dtype=np.float32)
    kernel[0, 0] = (2.0, -2.0, 1.0)
    assert rendering.shades(kernel, 2.0)[0, 0].tolist() == [255, 0, 191]
    assert rendering.shades(kernel, 4.0)[0, 0].tolist() == [191, 64, 159]
    assert rendering.shades(kernel)[0, 0].tolist() == [255, 0, 191]
    assert rendering.shades(kernel, 2.0)[5, 5].tolist() == [128] * 3
    assert rendering.grown(rendering.shades(kernel), 44).shape == (44, 44, 3)


def test_an_interval_has_zero_in_its_middle_and_the_paper_s_direction_at_the_right() -> None:
    right, left = (drawings.interval(0.1 * sign, 0.05 * sign, 0.2 * sign, "told", width=100) for sign in (1, -1))
    at = [float(re.search(r'circle cx="([\d.]+)"', one)[1]) for one in (right, left)]
    assert at[0] > 50 > at[1] and at[0] + at[1] == pytest.approx(100)
    assert "nan" not in drawings.interval(0.1, float("nan"), float("inf"), "open")


def test_a_drawing_stands_alone_as_a_file() -> None:
    whole = drawings.standing_alone(f"<div>{drawings.network(dict.fromkeys(PARTS, 'how?part=x'))}</div>")
    root = ElementTree.fromstring(whole)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert not any(element.tag.endswith("}a") for element in root.iter())


def test_figure_2_links_every_layer_to_a_part_and_crosses_where_the_paper_does() -> None:
    drawn = drawings.network({part: f"how?part={part}" for part in PARTS})
    crossing = 4  # before conv3, fc6, fc7 and fc8
    assert drawn.count("data-key") == len(drawings.ROWS) + crossing and {row[2] for row in drawings.ROWS} <= set(PARTS)
    assert "conv1: 48 of 55 x 55" in drawn and "fc8: 1,000" in drawn


@pytest.mark.parametrize(
    ("lines", "boxes", "crossings"), [({}, 27, 4), ({"columns": 1}, 14, 0), ({"communication": False}, 27, 1)]
)
def test_a_built_network_is_drawn_as_it_is(lines: dict, boxes: int, crossings: int) -> None:
    """Thirteen layers in each column and the pictures above them; crossing lines where a layer reads both columns."""
    drawn = drawings.standing_alone(drawings.built(of_settings(AlexNetSettings(**lines), 1000), "<Figure 2>"))
    root = ElementTree.fromstring(drawn)
    assert sum(element.tag.endswith("rect") for element in root.iter()) == boxes
    assert drawn.count("numbers each way") == crossings
    across = [one for one in root.iter() if one.tag.endswith("line") and one.get("x1") != one.get("x2")]
    assert len(across) == 2 * crossings
    sizes = [float(element.get("font-size")) for element in root.iter() if element.get("font-size")]
    assert min(sizes) * 358 / 400 > 10, "pixels, where the page is 390 wide"
    assert "conv1: 48 maps of 55 x 55" in drawn or lines.get("columns") == 1


@pytest.mark.parametrize(("lines", "waits"), [({}, 4), ({"communication": False}, 1)])
def test_a_step_s_way_is_drawn_by_multiplications(lines: dict, waits: int) -> None:
    """A lane a column, each layer as wide as its share; two lines across at each of the places where a column waits."""
    layers = [layer for layer in of_settings(AlexNetSettings(**lines), 1000)["layers"] if "inputs" in layer]
    drawn = drawings.standing_alone(drawings.timeline(layers, 2, "<a step>"))
    elements = list(ElementTree.fromstring(drawn).iter())
    wide = [float(one.get("width")) for one in elements if one.tag.endswith("rect")]
    assert wide[::2] == wide[1::2] and len(wide) == 2 * len(layers)
    first, second = (layer["multiplications"] for layer in layers[:2])
    assert wide[0] / wide[2] == pytest.approx(first / second, rel=0.01)
    assert sum(one.tag.endswith("line") for one in elements) == 2 * waits
    ends = [float(one.get("x")) + float(one.get("width")) for one in elements if one.tag.endswith("rect")]
    assert max(ends) <= 400 and all(f">{layer['name']}<" in drawn for layer in layers)


def test_the_ratio_stands_in_figure_1() -> None:
    figure = charts.figure1(convergence(), 0.25, {"relu": 2.0, "tanh": 3.6}, "1.80 times")
    assert "<b>1.80 times</b>" in [note.text for note in figure.layout.annotations]
    assert any(list(line.x) == [2.0, 3.6] for line in figure.data if len(line.x) == 2)


def test_colourfulness_has_a_row_a_seed() -> None:
    rows = [(1, 1, 0.1), (1, 2, 0.5), (2, 1, 0.2)]
    figure = charts.colourfulness(pd.DataFrame(rows, columns=["seed", "column", "share"]), 1 / 3)
    assert [box.name for box in figure.data] == ["column 1", "column 2"]
    assert list(figure.data[0].x) == [10, 20]
    assert list(figure.data[0].y) == ["seed 1", "seed 2"] == list(figure.layout.yaxis.categoryarray)


def test_effects_show_ours_alone_with_its_interval_and_the_paper_s_number_in_words() -> None:
    frame = pd.DataFrame(
        {"title": ["<i>Pooling</i>", "Depth"], "paper": [0.004, np.nan], "ours": [0.02, -0.01], "low": [0.0, -0.03],
         "high": [0.04, 0.01], "verdict": ["inconclusive", "contradicted"]}
    )  # fmt: skip
    figure = charts.claim_effects(frame)
    (points,) = figure.data
    assert list(points.x) == [2.0, -1.0]
    assert list(points.error_x.array) == pytest.approx([2.0, 2.0])
    assert list(points.y) == ["&lt;i&gt;Pooling&lt;/i&gt;<br>(paper: 0.400 points)", "Depth"]
    assert "points of error" in figure.layout.xaxis.title.text


def test_masks_have_a_line_a_mean_and_halved_outputs_across() -> None:
    rows = [
        ("geometric", 1, 0.1),
        ("geometric", 10, 0.01),
        ("arithmetic", 1, 0.1),
        ("arithmetic", 10, 0.02),
        ("halved", 0, 0.015),
    ]
    figure = charts.masks(pd.DataFrame(rows, columns=["mean", "masks", "divergence"]))
    assert [line.name for line in figure.data] == ["geometric mean", "arithmetic mean", "halved outputs"]
    assert list(figure.data[2].x) == [1, 10] and list(figure.data[2].y) == [0.015, 0.015]
    assert figure.layout.xaxis.type == figure.layout.yaxis.type == "log"


def test_steps_are_in_milliseconds_a_row_a_way() -> None:
    frame = pd.DataFrame({"round": [0, 0, 1, 1], "way": ["a", "<b>"] * 2, "seconds": [0.03, 0.04, 0.031, 0.041]})
    figure = charts.step_times(frame)
    assert [list(box.x) for box in figure.data] == [[30.0, 31.0], [40.0, 41.0]]
    assert figure.data[1].name == "&lt;b&gt;" and "milliseconds" in figure.layout.xaxis.title.text


def test_the_same_numbers_are_drawn_once_and_dressed_for_each_theme() -> None:
    frame = pd.DataFrame({"round": [0, 0, 1, 1], "way": ["read", "augmented"] * 2, "seconds": [0.02, 0.021, 0.022, 0.02]})
    first = charts.step_times(frame)
    assert charts.step_times(frame.copy()) is first
    assert charts.step_times(frame.assign(seconds=0.03)) is not first
    light, dark = (charts.dressed(first, theme) for theme in (False, True))
    assert charts.dressed(first, dark=True) is dark is not light is not first
    assert (light.layout.font.color, dark.layout.font.color, first.layout.font.color) == ("#111111", "#ecebe8", None)
    assert not [trace for trace in dark.data if getattr(trace.marker, "color", None) == charts.BLUE]
    assert any(trace.marker.color == charts.BLUE for trace in light.data)


def test_what_chance_puts_into_the_fuller_column_is_what_shuffling_does() -> None:
    random, half, counts = np.random.default_rng(0), 12, (3, 0, 7)
    larger = 0
    for _ in range(4000):
        for count in counts:
            first = int((random.permutation(2 * half)[:count] < half).sum())
            larger += max(first, count - first)
    assert frames.fuller_by_chance(counts, half) == pytest.approx(larger / (4000 * sum(counts)), abs=0.01)
    assert np.isnan(frames.fuller_by_chance((0, 0), half)) and frames.fuller_by_chance((1,), half) == 1
