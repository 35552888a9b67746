"""Figures: each a function from a data frame to a Plotly figure. No Streamlit here, and no file is read.

Backgrounds and text are left to the theme; the colours below keep a contrast of 3 to 1 on the light and on the dark
background, differ for colour-blind readers (Okabe and Ito 2008), and are never the only difference: lines have dashes,
points have symbols, and every series has its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from textwrap import wrap
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from study.files import AVERAGED

BLUE, VERMILION, GREEN, PURPLE, OCHRE, GREY = "#0072B2", "#D55E00", "#009E73", "#C46A9A", "#A87B00", "#7F7F7F"
PALETTE = (BLUE, VERMILION, GREEN, PURPLE, OCHRE, GREY)
DASHES = ("solid", "dash", "dot", "dashdot")
FIGURE1 = {  # as printed
    "relu": ("ReLU", BLUE, "solid"),
    "tanh": ("tanh", VERMILION, "dash"),
}
QUANTITIES = {  # columns of outputs.CURVE, with the unit on the axis
    "validation_error": ("validation error", "%"),
    "validation_top5_error": ("validation top-5 error", "%"),
    "training_error": ("training error", "%"),
    "validation_loss": ("validation loss", "nats"),
    "training_loss": ("training loss", "nats"),
}


def _laid_out(figure: go.Figure, x: str, y: str, height: int = 420) -> go.Figure:
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 24, "b": 8},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0, "title": None},
        hoverlabel={"namelength": -1},
    )
    figure.update_xaxes(title=x, automargin=True)
    figure.update_yaxes(title=y, automargin=True)
    return figure


def _style(number: int) -> tuple[str, str]:
    """Colour and dash of series `number`: the dash changes when the colours begin again."""
    return PALETTE[number % len(PALETTE)], DASHES[number // len(PALETTE) % len(DASHES)]


def _add_lines(figure: go.Figure, frame: pd.DataFrame, column: str, name: str, colour: str, dash: str) -> None:
    """A thin line for each of `frame.line` (seeds), a thick one for their mean, all under one name in the legend.

    The mean stops where the first of them stops.
    """
    values = frame[column] * 100 if column.endswith("error") else frame[column]
    frame = frame.assign(value=values)
    mode = "lines" if frame["epoch"].nunique() > 1 else "markers"  # a line of one epoch would be invisible
    group = {"name": escape(name), "legendgroup": name, "mode": mode, "marker": {"color": colour}}
    for label, part in frame.groupby("line", sort=False):
        line = {"color": colour, "width": 1, "dash": dash}
        hover = f"{escape(str(label))}, epoch %{{x}}: %{{y:.3g}}"
        figure.add_scatter(
            x=part["epoch"], y=part["value"], line=line, opacity=0.6, showlegend=False, hovertemplate=hover, **group
        )
    by_epoch = frame.groupby("epoch")["value"].agg(["mean", "count"])
    mean = by_epoch[by_epoch["count"] == frame["line"].nunique()]["mean"]
    line = {"color": colour, "width": 3, "dash": dash}
    hover = f"mean of {frame['line'].nunique()}, epoch %{{x}}: %{{y:.3g}}"
    figure.add_scatter(x=mean.index, y=mean, line=line, hovertemplate=hover, **group)


def figure1(frame: pd.DataFrame, threshold: float = 0.25) -> go.Figure:
    """Figure 1 (section 3.1): training error over epochs, ReLU solid and tanh dashed, with the threshold's line.

    `frame`: curve, seed, rate, epoch, training_error (a fraction). While rates are being tried, each has its line.
    """
    figure = go.Figure()
    for number, (curve, part) in enumerate(frame.groupby("curve", sort=True)):
        name, colour, dash = FIGURE1.get(str(curve), (str(curve), *_style(number + len(FIGURE1))))
        lines = [f"seed {seed}, rate {rate:g}" for seed, rate in zip(part["seed"], part["rate"], strict=True)]
        _add_lines(figure, part.assign(line=lines), "training_error", name, colour, dash)
    figure.add_hline(y=100 * threshold, line={"color": GREY, "width": 1, "dash": "dot"})
    label = {"xref": "paper", "x": 0, "xanchor": "left", "yanchor": "bottom", "showarrow": False}
    figure.add_annotation(y=100 * threshold, text=f"{threshold:.0%}", **label)
    figure.update_yaxes(rangemode="tozero")
    figure.update_xaxes(rangemode="tozero")
    return _laid_out(_whole_epochs(figure, frame), "epochs", "training error (%)")


def training(frame: pd.DataFrame, quantity: str, runs: Sequence[str]) -> go.Figure:
    """Curves of the runs over epochs. `frame`: run, seed, epoch and the quantity, which is one of QUANTITIES.

    A run's colour follows from its place in `runs`, so that it keeps it when others are hidden.
    """
    figure = go.Figure()
    shown = frame.dropna(subset=[quantity])
    for number, run in enumerate(runs):
        if len(part := shown[shown["run"] == run]):
            lines = [f"seed {seed}" for seed in part["seed"]]
            _add_lines(figure, part.assign(line=lines), quantity, run, *_style(number))
    figure.update_yaxes(rangemode="tozero")
    name, unit = QUANTITIES[quantity]
    return _laid_out(_whole_epochs(figure, shown), "epochs", f"{name} ({unit})")


def _whole_epochs(figure: go.Figure, frame: pd.DataFrame) -> go.Figure:
    """Ticks at whole epochs: where there are few, Plotly would put some between them."""
    return figure.update_xaxes(dtick=1) if frame["epoch"].max() <= 12 else figure


def errors(frame: pd.DataFrame, measure: str) -> go.Figure:
    """A point a model with its interval, a row a run: ten patches filled, the centre patch open, averages as diamonds.

    `frame` as frames.errors gives it: errors are fractions; `measure` is `top1` or `top5`.
    """
    shown = frame[frame["measure"] == measure]
    names = list(shown["run"].unique())
    figure = go.Figure()
    for number, (view, name) in enumerate({"ten_patches": "ten patches", "centre_patch": "centre patch"}.items()):
        part = shown[shown["view"] == view]
        ending, side = ("", -1) if view == "ten_patches" else ("-open", 1)
        beside = part.groupby("run").cumcount() * 0.07 + 0.1  # so that the intervals of a run do not cover one another
        figure.add_scatter(
            x=part["error"] * 100,
            y=part["run"].map(names.index) + side * beside,
            mode="markers",
            name=name,
            marker={
                "color": PALETTE[number],
                "size": 9,
                "symbol": [("diamond" if model == AVERAGED else "circle") + ending for model in part["model"]],
            },
            error_x=_interval(part["error"] * 100, part["low"] * 100, part["high"] * 100),
            text=[escape(f"{run}, {model_name(model)}") for run, model in zip(part["run"], part["model"], strict=True)],
            hovertemplate="%{text}: %{x:.2f}%",
        )
    labels = [escape(str(name)) for name in names]
    figure.update_yaxes(tickvals=list(range(len(names))), ticktext=labels, range=[len(names) - 0.5, -0.5])
    return _laid_out(figure, f"top-{measure[-1]} error (%), 95% Wilson interval", "", 140 + 64 * len(names))


def _interval(middle: pd.Series, low: pd.Series, high: pd.Series) -> dict[str, Any]:
    return {"array": high - middle, "arrayminus": middle - low, "thickness": 1.5, "width": 3}


def model_name(model: str) -> str:
    """`averaged` and `1` as a reader would say them."""
    return "all seeds averaged" if model == AVERAGED else f"seed {model.removeprefix('seed-')}"


def claim_effects(frame: pd.DataFrame) -> go.Figure:
    """Our effects with their intervals, a row a claim; the paper's is words beside it, not a point on the same axis.

    `frame`: title, paper, ours, low, high, verdict; differences of errors, as fractions.
    """
    rows = [
        f"{_wrapped(str(title))}<br>(paper: {'no number' if pd.isna(paper) else f'{100 * paper:.2g} points'})"
        for title, paper in zip(frame["title"], frame["paper"], strict=True)
    ]
    figure = go.Figure()
    figure.add_scatter(
        x=100 * frame["ours"],
        y=rows,
        mode="markers",
        marker={"color": BLUE, "size": 9},
        error_x=_interval(100 * frame["ours"], 100 * frame["low"], 100 * frame["high"]),
        text=[escape(str(verdict)) for verdict in frame["verdict"]],
        hovertemplate="%{x:.3g} points, %{text}<extra></extra>",
    )
    figure.update_xaxes(zeroline=True, zerolinewidth=2, zerolinecolor=GREY, rangemode="tozero")
    figure.update_yaxes(autorange="reversed")
    return _laid_out(figure, "points of error", "", 130 + 54 * len(rows))


def _wrapped(title: str, width: int = 30) -> str:
    return "<br>".join(escape(line) for line in wrap(title, width))


def colourfulness(frame: pd.DataFrame) -> go.Figure:
    """A point a first-layer kernel, a row a seed and column. `frame`: place (the row's name), column, share (0..1)."""
    figure = go.Figure()
    for number, (column, part) in enumerate(frame.groupby("column", sort=False)):
        figure.add_box(
            x=100 * part["share"],
            y=part["place"],
            name=f"column {column}",
            orientation="h",
            boxpoints="all",
            jitter=0.5,
            pointpos=0,
            fillcolor="rgba(0,0,0,0)",
            line={"color": PALETTE[number], "width": 1},
            marker={"color": PALETTE[number], "size": 5, "symbol": "circle" if number == 0 else "diamond"},
            hovertemplate="%{x:.0f}%<extra></extra>",
        )
    places = list(frame["place"].unique())
    figure.update_yaxes(autorange="reversed", categoryorder="array", categoryarray=places)
    figure.update_xaxes(rangemode="tozero")
    return _laid_out(figure, "colour in a kernel's energy (%)", "", 120 + 44 * len(places))


def masks(frame: pd.DataFrame) -> go.Figure:
    """Section 4.2: how near means of few masks come to the mean of many, with halved outputs as a line; both axes are
    logarithmic. `frame`: mean, masks, divergence in nats."""
    figure = go.Figure()
    for number, (mean, symbol) in enumerate({"geometric": "circle", "arithmetic": "diamond"}.items()):
        part = frame[frame["mean"] == mean]
        figure.add_scatter(
            x=part["masks"],
            y=part["divergence"],
            mode="lines+markers",
            name=f"{mean} mean",
            line={"color": PALETTE[number], "dash": DASHES[number]},
            marker={"symbol": symbol, "size": 9},
            hovertemplate="%{x} masks: %{y:.3g} nats",
        )
    for halved in frame[frame["mean"] == "halved"]["divergence"]:
        few, many = frame["masks"][frame["masks"] > 0].min(), frame["masks"].max()
        line = {"color": GREY, "dash": "dot"}
        figure.add_scatter(
            x=[few, many], y=[halved] * 2, mode="lines", name="halved outputs", line=line, hovertemplate="%{y:.3g} nats"
        )
    figure.update_xaxes(type="log", tickvals=sorted(frame["masks"][frame["masks"] > 0].unique()))
    figure.update_yaxes(type="log", dtick=1)
    return _laid_out(figure, "masks averaged", "divergence (nats)")


def step_times(frame: pd.DataFrame) -> go.Figure:
    """A point a round, a row a way to come by the pictures of a step. `frame`: round, way, seconds."""
    figure = go.Figure()
    for number, (way, part) in enumerate(frame.groupby("way", sort=False)):
        figure.add_box(
            x=1000 * part["seconds"],
            y=part["way"],
            name=escape(str(way)),
            orientation="h",
            boxpoints="all",
            jitter=0.5,
            pointpos=0,
            fillcolor="rgba(0,0,0,0)",
            line={"color": PALETTE[number % len(PALETTE)], "width": 1},
            marker={"color": PALETTE[number % len(PALETTE)], "size": 5},
            hovertemplate="%{x:.4g} ms<extra></extra>",
            showlegend=False,
        )
    figure.update_yaxes(autorange="reversed", categoryorder="array", categoryarray=list(frame["way"].unique()))
    return _laid_out(figure, "milliseconds a step", "", 120 + 60 * frame["way"].nunique())


def settings() -> dict[str, Any]:
    """Plotly's options for every chart of the dashboard."""
    return {"displaylogo": False, "modeBarButtonsToRemove": ["select2d", "lasso2d"]}
