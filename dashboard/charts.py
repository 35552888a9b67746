"""Figures: each a function from a data frame to a Plotly figure. No Streamlit here, and no file is read.

Backgrounds and text are left to the theme; the colours below keep a contrast of 3 to 1 on the light and on the dark
background, differ for colour-blind readers (Okabe and Ito 2008), and are never the only difference: lines have dashes,
points have symbols, and every series has its name.
"""

from __future__ import annotations

import copy
import hashlib
import math
import pickle
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache, wraps
from html import escape
from textwrap import wrap
from typing import Any, ParamSpec

import pandas as pd
import plotly.express as px
import plotly.graph_objects as go

from study import amounts

BLUE, VERMILION, GREEN, PURPLE, OCHRE, GREY = "#0072B2", "#D55E00", "#009E73", "#C46A9A", "#A87B00", "#7F7F7F"
BLUE_IN_DARK = "#4aa3dd"
PALETTE = (BLUE, VERMILION, GREEN, PURPLE, OCHRE, GREY)
SYMBOLS = ("circle", "diamond", "square", "x")
MANY_SYMBOLS = (*SYMBOLS, "cross", "triangle-up", "star", "circle-open", "diamond-open", "square-open")
NAMED = {"red": VERMILION, "yellow": OCHRE, "green": GREEN, "blue": BLUE}  # classes that are named after a colour
DASHES = ("solid", "dash", "dot", "dashdot")
FIGURE1 = {  # as printed
    "relu": ("ReLU", BLUE, "solid"),
    "tanh": ("tanh", VERMILION, "dash"),
}
ACTIVATIONS = {  # as they are written in words
    "leaky_relu": "leaky ReLU",
    "elu": "ELU",
    "gelu": "GELU",
    "threshold": "hard threshold",
    "straight_through": "straight-through",
}
QUANTITIES = {  # columns of outputs.CURVE, with the unit on the axis
    "validation_error": ("validation error", "%"),
    "validation_top5_error": ("validation top-5 error", "%"),
    "training_error": ("training error", "%"),
    "validation_loss": ("validation loss", "nats"),
    "training_loss": ("training loss", "nats"),
}


MANY = 6  # runs: of more, not every seed is drawn
MOST_KEPT = 64  # figures
Given = ParamSpec("Given")


class _Given:
    """What a figure is drawn from, known by its hash, so that the same is not drawn twice."""

    def __init__(self, draw: Callable[..., go.Figure], args: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        self.draw, self.args, self.named = draw, args, named
        self.hash = hashlib.sha256(pickle.dumps((draw.__name__, args, named))).digest()

    def __hash__(self) -> int:
        return hash(self.hash)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Given) and self.hash == other.hash


@lru_cache(maxsize=MOST_KEPT)
def _drawn(given: _Given) -> go.Figure:
    figure = given.draw(*given.args, **given.named)
    figure._given = given
    return figure


@lru_cache(maxsize=MOST_KEPT)
def _kept_dressed(given: _Given, dark: bool) -> go.Figure:
    return _dress(copy.deepcopy(_drawn(given)), dark)


def kept(draw: Callable[Given, go.Figure]) -> Callable[Given, go.Figure]:
    """Keep what a function draws: Plotly checks every property in Python, which is most of what a page takes. The figures are
    shared by all visitors, so nobody changes them."""

    @wraps(draw)
    def from_these(*args: Given.args, **named: Given.kwargs) -> go.Figure:
        return _drawn(_Given(draw, args, named))

    return from_these


def curve_name(curve: object) -> str:
    """What a curve of Figure 1 is called."""
    return FIGURE1.get(str(curve), (ACTIVATIONS.get(str(curve), str(curve)),))[0]


def _laid_out(figure: go.Figure, x: str, y: str, height: int = 420) -> go.Figure:
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 24, "b": 8},
        hoverlabel={"namelength": -1},
    )
    figure.update_xaxes(title=x, automargin=True)
    figure.update_yaxes(title=y, automargin=True)
    return figure


def _style(number: int) -> tuple[str, str]:
    """Colour and dash of series `number`: the dash changes when the colours begin again."""
    return PALETTE[number % len(PALETTE)], DASHES[number // len(PALETTE) % len(DASHES)]


def curve_styles(curves: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Colour and dash of Figure 1's curves by their names in words: ReLU's and tanh's are as printed, those of others differ from
    both and from one another."""
    styles = {name: (colour, dash) for name, colour, dash in FIGURE1.values()}
    left = [(colour, dash) for dash in DASHES for colour in PALETTE if colour not in (BLUE, VERMILION)]
    others = sorted({curve_name(curve) for curve in curves} - set(styles))
    return styles | {name: left[number % len(left)] for number, name in enumerate(others)}


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
    _add_mean(figure, frame, group, {"color": colour, "width": 3, "dash": dash})


def _add_mean(figure: go.Figure, frame: pd.DataFrame, group: dict[str, Any], line: dict[str, Any]) -> None:
    by_epoch = frame.groupby("epoch")["value"].agg(["mean", "count"])
    mean = by_epoch[by_epoch["count"] == frame["line"].nunique()]["mean"]
    hover = f"mean of {frame['line'].nunique()}, epoch %{{x}}: %{{y:.3g}}"
    figure.add_scatter(x=mean.index, y=mean, line=line, hovertemplate=hover, **group)


@kept
def figure1(
    frame: pd.DataFrame, threshold: float = 0.25, crossings: Mapping[str, float] | None = None, ratio: str = ""
) -> go.Figure:
    """Figure 1 (section 3.1): training error over epochs, ReLU solid and tanh dashed, with the threshold's line.

    `frame`: curve, seed, rate, epoch, training_error (a fraction). While rates are being tried, each has its line.
    `crossings`: by curve, the epochs to the threshold; `ratio`: words that stand between relu's and tanh's.
    """
    figure, styles = go.Figure(), curve_styles(frame["curve"].unique())
    for curve, part in frame.groupby("curve", sort=True):
        name = curve_name(str(curve))
        colour, dash = styles[name]
        lines = [f"seed {seed}, rate {rate:g}" for seed, rate in zip(part["seed"], part["rate"], strict=True)]
        _add_lines(figure, part.assign(line=lines), "training_error", name, colour, dash)
    figure.add_hline(y=100 * threshold, line={"color": GREY, "width": 1, "dash": "dot"})
    label = {"xref": "paper", "x": 0, "xanchor": "left", "yanchor": "bottom", "showarrow": False}
    figure.add_annotation(y=100 * threshold, text=f"{threshold:.0%}", **label)
    if crossings and ratio and {"relu", "tanh"} <= set(crossings):
        low = 100 * threshold
        figure.add_scatter(
            x=[crossings["relu"], crossings["tanh"]], y=[low, low], mode="lines+markers", showlegend=False, hoverinfo="skip",
            line={"color": GREEN, "width": 4}, marker={"size": 9, "symbol": "line-ns-open"},
        )  # fmt: skip
        middle = (crossings["relu"] + crossings["tanh"]) / 2
        figure.add_annotation(x=middle, y=low, text=f"<b>{escape(ratio)}</b>", yshift=-16, showarrow=False)
    figure.update_yaxes(rangemode="tozero")
    figure.update_xaxes(rangemode="tozero")
    return _laid_out(_whole_epochs(figure, frame), "epochs", "training error (%)")


@kept
def sweep(frame: pd.DataFrame, axis: str, logarithmic: bool, between: tuple[float, float] | None = None) -> go.Figure:
    """Errors over a setting: a small dot a seed, a line through the means, which ends where a seed diverged (a missing error).
    `frame`: value, line, error (per cent); `between`: the errors at the ends of the axis."""
    figure = go.Figure()
    for number, (line, part) in enumerate(frame.groupby("line", sort=False)):
        colour, dash = _style(number)
        mean = part.groupby("value")["error"].agg(lambda of: of.mean(skipna=False))
        group = {"legendgroup": line, "name": escape(str(line)), "hovertemplate": "%{x:.4g}: %{y:.1f}%"}
        seeds = {"color": colour, "size": 6, "symbol": "circle-open"}
        figure.add_scatter(x=part["value"], y=part["error"], mode="markers", marker=seeds, showlegend=False, **group)
        figure.add_scatter(x=mean.index, y=mean, mode="lines+markers", line={"color": colour, "dash": dash, "width": 2},
                           marker={"color": colour, "size": 9}, showlegend=frame["line"].nunique() > 1, **group)  # fmt: skip
    values = sorted(frame["value"].unique())
    figure.update_xaxes(type="log" if logarithmic else "linear", tickvals=values, ticktext=[f"{value:.3g}" for value in values])
    if between is not None:
        figure.update_yaxes(range=between)
    return _laid_out(figure, axis, "top-1 error (%)", 340)


@kept
def beside(frame: pd.DataFrame) -> go.Figure:
    """A row a study: a dot a seed of its base run, and their mean. `frame`: study, error (per cent)."""
    mean = frame.groupby("study", sort=False)["error"].mean()
    figure = go.Figure()
    for x, y, name, marker in (
        (frame["error"], frame["study"], "a seed", {"color": GREY, "size": 7, "symbol": "circle-open"}),
        (mean, mean.index, "mean", {"color": BLUE, "size": 10}),
    ):
        figure.add_scatter(x=x, y=y, mode="markers", name=name, marker=marker, hovertemplate="%{x:.1f}%<extra></extra>")
    figure.update_yaxes(autorange="reversed", categoryorder="array", categoryarray=list(mean.index))
    return _laid_out(figure, "top-1 error (%)", "", 150 + 40 * len(mean))


@kept
def components(frame: pd.DataFrame, control: str = "base") -> go.Figure:
    """A row a run as frames.components gives them: its mean difference from `control` with its interval, a small dot a seed.
    Those of `far_off` stand at the edge with their number."""
    figure = go.Figure()
    frame = frame.assign(run=[escape(str(run)) for run in frame["run"]])
    order, off = list(frame["run"]), far_off(frame["difference"])
    outside, frame = frame[off], frame[~off]
    seeds = [(value, row.run) for row in frame.itertuples() for value in row.values]
    figure.add_scatter(
        x=[value for value, _ in seeds], y=[run for _, run in seeds], mode="markers", name="a seed",
        marker={"color": GREY, "size": 6, "symbol": "circle-open"}, hovertemplate="%{x:.2f} points<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=frame["difference"], y=frame["run"], mode="markers", name="mean, with its interval", marker={"color": BLUE, "size": 10},
        error_x=_interval(frame["difference"], frame["low"], frame["high"]),
        text=[escape(str(verdict)) for verdict in frame["verdict"]], hovertemplate="%{x:.2f} points, %{text}<extra></extra>",
    )  # fmt: skip
    if len(outside):
        drawn = [0, *frame["difference"], *frame["low"].dropna(), *frame["high"].dropna(), *(value for value, _ in seeds)]
        room = 0.04 * (max(drawn) - min(drawn))
        right = outside["difference"] > 0
        figure.add_scatter(
            x=[max(drawn) + room if one else min(drawn) - room for one in right], y=outside["run"], mode="markers+text",
            marker={"color": BLUE, "size": 11, "symbol": ["triangle-right" if one else "triangle-left" for one in right]},
            text=[f"{difference:.1f}" for difference in outside["difference"]], name="beyond the axis",
            textposition=["middle left" if one else "middle right" for one in right],
            hovertemplate="%{text} points<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(zeroline=True, zerolinewidth=2, zerolinecolor=GREY, rangemode="tozero")
    figure.update_yaxes(autorange="reversed", categoryorder="array", categoryarray=order)
    return _laid_out(figure, f"points more than {escape(control)}", "", 150 + 42 * len(order))


def far_off(differences: pd.Series) -> pd.Series:
    """Of many differences the few that are more than twice as large as any other: drawn to scale they would leave no room for the
    others. At most a quarter of them; of less than eight none."""
    sizes = differences.abs().sort_values(ascending=False)
    few = [count for count in range(1, len(sizes) // 4 + 1) if len(sizes) >= 8 and sizes.iloc[count - 1] > 2 * sizes.iloc[count]]
    return differences.abs() >= (sizes.iloc[few[-1] - 1] if few else float("inf"))


@kept
def training(frame: pd.DataFrame, quantity: str, runs: Sequence[str], told: Collection[str] = ()) -> go.Figure:
    """Curves of the runs over epochs. `frame`: run, seed, epoch and the quantity, which is one of QUANTITIES.

    A run's colour follows from its place in `runs`, so that it keeps it when others are hidden. Of more runs than MANY the means
    alone are drawn, in grey but for those of `told`.
    """
    figure = go.Figure()
    name, unit = QUANTITIES[quantity]
    shown = frame.dropna(subset=[quantity])
    shown = shown.assign(line=[f"seed {seed}" for seed in shown["seed"]])
    if shown["run"].nunique() <= MANY:
        for number, run in enumerate(runs):
            if len(part := shown[shown["run"] == run]):
                _add_lines(figure, part, quantity, run, *_style(number))
    else:
        shown = shown.assign(value=shown[quantity] * (100 if unit == "%" else 1))
        stand_out = [run for run in runs if run in told]
        for run in (*(run for run in runs if run not in told), *stand_out):
            colour, dash = _style(stand_out.index(run)) if run in told else (GREY, "solid")
            group = {"name": escape(run), "mode": "lines", "showlegend": run in told}
            line = {"color": colour, "width": 3 if run in told else 1, "dash": dash}
            _add_mean(figure, shown[shown["run"] == run], group, line)
        figure.add_scatter(x=[None], y=[None], name="other runs", mode="lines", line={"color": GREY, "width": 1})
    if len(shown) and shown[quantity].min() < shown[quantity].max() / 2:
        figure.update_yaxes(rangemode="tozero")
    return _laid_out(_whole_epochs(figure, shown), "epochs", f"{name} ({unit})")


def lines_of(frame: pd.DataFrame, by: str = "run") -> str:
    """What the lines of a figure of curves are, for its caption: of one seed each there is no mean."""
    one = frame.groupby(by)["seed"].nunique().max() == 1
    return "Each line is one training." if one else "Thin lines: one seed each; thick: their mean."


def _whole_epochs(figure: go.Figure, frame: pd.DataFrame) -> go.Figure:
    """Ticks at whole epochs: where there are few, Plotly would put some between them."""
    return figure.update_xaxes(dtick=1) if frame["epoch"].max() <= 12 else figure


def _interval(middle: pd.Series, low: pd.Series, high: pd.Series) -> dict[str, Any]:
    return {"array": high - middle, "arrayminus": middle - low, "thickness": 1.5, "width": 3}


@kept
def claim_effects(frame: pd.DataFrame) -> go.Figure:
    """Our effects with their intervals, a row a claim; the paper's is words beside it, not a point on the same axis.

    `frame`: title, paper, ours, low, high, verdict; differences of errors, as fractions.
    """
    rows = [
        _wrapped(str(title)) + ("" if pd.isna(paper) else f"<br>(paper: {amounts.amount(paper, 'error difference')})")
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
    return _laid_out(figure, "points of error", "", 130 + 58 * len(rows))


def _wrapped(title: str, width: int = 34) -> str:
    return "<br>".join(escape(line) for line in wrap(title, width))


@kept
def colourfulness(frame: pd.DataFrame, threshold: float | None) -> go.Figure:
    """A point a first-layer kernel, a row a seed, the columns one above the other. `frame`: seed, column, share (0..1).

    `threshold`: the share from which a kernel counts as coloured.
    """
    shown = frame.assign(
        percent=100 * frame["share"],
        name=[f"column {column}" for column in frame["column"]],
        row=[f"seed {seed}" for seed in frame["seed"]],
    )
    figure = px.strip(
        shown, x="percent", y="row", color="name", orientation="h", color_discrete_sequence=list(PALETTE), stripmode="group"
    )
    for trace, symbol in zip(figure.data, ("circle", "diamond"), strict=False):
        trace.update(marker={"size": 7, "symbol": symbol}, jitter=0.6, hovertemplate="%{x:.0f}%<extra></extra>")
    rows = list(shown["row"].unique())
    figure.update_yaxes(autorange="reversed", categoryorder="array", categoryarray=rows)
    figure.update_xaxes(rangemode="tozero")
    if threshold is not None:
        figure.add_vline(x=100 * threshold, line={"color": GREY, "width": 1, "dash": "dot"})
    return _laid_out(figure, "share of colour (%)", "", 120 + 40 * len(rows))


LAYER_QUANTITIES = {  # columns of outputs.LAYERS: words, unit, factor
    "dead": ("units that are never active", "%", 100),
    "saturated": ("outputs at which the activation is flat", "%", 100),
    "gradient": ("size of the gradient", "", 1),
    "deviation": ("spread of the weighted sums", "", 1),
    "divisor": ("divisor of the response normalisation", "", 1),
}


@kept
def layers(frame: pd.DataFrame, quantity: str) -> go.Figure:
    """A line a layer over epochs, the mean of the seeds. `frame`: epoch, layer and the quantity, one of LAYER_QUANTITIES."""
    words, unit, factor = LAYER_QUANTITIES[quantity]
    shown = frame.dropna(subset=[quantity])
    mean = shown.groupby(["layer", "epoch"], sort=False)[quantity].mean().mul(factor).reset_index()
    figure = px.line(
        mean, x="epoch", y=quantity, color="layer", line_dash="layer", color_discrete_sequence=list(PALETTE), markers=True,
        line_dash_sequence=["solid", "dot", "dash", "longdash", "dashdot", "longdashdot", "dash", "dot"],
    )  # fmt: skip
    figure.update_yaxes(rangemode="tozero")
    return _laid_out(_whole_epochs(figure, shown), "epochs", f"{words}{f' ({unit})' if unit else ''}")


@kept
def layers_by_curve(frame: pd.DataFrame, quantity: str) -> go.Figure:
    """A line a curve of Figure 1 over the layers. `frame`: curve (its name), layer, and the quantity, one of LAYER_QUANTITIES."""
    words, unit, factor = LAYER_QUANTITIES[quantity]
    shown, styles = frame.assign(value=factor * frame[quantity]), curve_styles(frame["curve"].unique())
    figure = px.line(
        shown, x="layer", y="value", color="curve", line_dash="curve", symbol="curve", markers=True,
        color_discrete_map={name: colour for name, (colour, _) in styles.items()},
        line_dash_map={name: dash for name, (_, dash) in styles.items()},
    )  # fmt: skip
    if quantity == "gradient":
        seen = shown["value"][shown["value"] > 0]  # a threshold's gradient is 0
        low, high = (math.floor(math.log10(end)) for end in ((seen.min(), seen.max()) if len(seen) else (1, 1)))
        ticks = [digit * 10.0**power for power in range(low, high + 1) for digit in (1, 2, 5)]
        figure.update_yaxes(type="log", tickvals=ticks, ticktext=[f"{tick:g}" for tick in ticks])
    else:
        figure.update_yaxes(rangemode="tozero")
    return _laid_out(figure, "", f"{words}{f' ({unit})' if unit else ''}", 360)


def in_two_words(names: pd.Series) -> bool:
    """Whether names are of a first and a second word, of which there are few, as “red ring” is of the drawn classes."""
    words = names.str.split(" ", n=1, expand=True)
    return words.shape[1] == 2 and bool(words.notna().all(axis=None)) and words.nunique().max() <= len(MANY_SYMBOLS)


@kept
def hidden_map(frame: pd.DataFrame, by: str, told: Collection[str] = ()) -> go.Figure:
    """A point a test picture. `frame`: picture, across, down, `class`, `answer` (right or wrong); `by` one of the last two.

    Classes of two words, such as the drawn ones, have a colour for the first and a symbol for the second; of others the symbol
    changes when the colours begin again. Where some classes are `told`, the points of all others are grey.
    """
    others = frame[~frame["class"].isin(told)] if told else frame.head(0)
    frame = frame.drop(others.index)
    words = frame[by].str.split(" ", n=1, expand=True)
    both = in_two_words(frame[by])
    how: dict[str, Any] = (
        {"color": words[0], "symbol": words[1], "color_discrete_map": NAMED} if both else {"color": by, "symbol": by}
    )
    figure = px.scatter(
        frame, x="across", y="down", custom_data=["picture", "class", "answer"], **how,
        color_discrete_sequence=[colour for colour in PALETTE if colour != GREY or not told],
        symbol_sequence=list(MANY_SYMBOLS) if both or told else [symbol for symbol in MANY_SYMBOLS for _ in PALETTE],
        render_mode="svg",  # WebGL without a GPU loses the points that a scroll brings into sight
    )  # fmt: skip
    if len(others):
        figure.add_scatter(
            x=others["across"], y=others["down"], mode="markers", name="other classes", opacity=0.35, marker={"color": GREY},
            customdata=others[["picture", "class", "answer"]],
        )  # fmt: skip
        figure.data = (figure.data[-1], *figure.data[:-1])  # beneath
    figure.update_traces(
        marker={"size": 7}, hovertemplate="picture %{customdata[0]}: %{customdata[1]}, %{customdata[2]}<extra></extra>"
    )
    figure.update_xaxes(showticklabels=False)
    figure.update_yaxes(showticklabels=False)
    return _laid_out(figure, "first axis", "second axis", 560)


KIND_COLOURS = {  # of files.KINDS
    "grey, selective": GREY,
    "coloured, selective": BLUE,
    "coloured blob": VERMILION,
    "grey blob": OCHRE,
    "neither": "#B0B0B0",
}
DARK_KINDS = ("grey, selective", "coloured, selective")  # on which white is read
KIND_PATTERNS = {"coloured blob": ".", "grey blob": "x", "neither": "/"}


@kept
def kernel_kinds(frame: pd.DataFrame) -> go.Figure:
    """A bar a row of kernels, as long as there are kernels, divided by kind. `frame`: place (the row's name), kind, kernels."""
    figure = px.bar(
        frame, x="kernels", y="place", color="kind", orientation="h", text="kernels", color_discrete_map=KIND_COLOURS,
        pattern_shape="kind", pattern_shape_map={kind: KIND_PATTERNS.get(kind, "") for kind in KIND_COLOURS},
        category_orders={"kind": list(KIND_COLOURS), "place": list(frame["place"].unique())},
    )  # fmt: skip
    figure.update_traces(
        textangle=0, insidetextanchor="middle", hovertemplate="%{y}: %{x}<extra></extra>", marker_pattern_fillmode="overlay",
        marker_pattern_solidity=0.12, insidetextfont_size=14,
    )  # fmt: skip
    figure.for_each_trace(lambda one: one.update(insidetextfont_color="white" if one.name in DARK_KINDS else "#111111"))
    return _laid_out(figure, "kernels", "", 150 + 34 * frame["place"].nunique())


@kept
def kernel_waves(frame: pd.DataFrame) -> go.Figure:
    """A point a selective kernel: its stripes' orientation and its frequency. `frame`: orientation, frequency, kind, name."""
    figure = px.scatter(
        frame, x="orientation", y="frequency", color="kind", symbol="kind", custom_data=["name"],
        color_discrete_map=KIND_COLOURS, category_orders={"kind": list(KIND_COLOURS)},
    )  # fmt: skip
    figure.update_traces(marker={"size": 9}, hovertemplate="%{customdata[0]}: %{x:.0f} degrees, %{y:.2f}<extra></extra>")
    figure.update_xaxes(range=[-4, 184], dtick=45)
    figure.update_yaxes(rangemode="tozero")
    return _laid_out(figure, "orientation (degrees)", "waves a pixel", 380)


@kept
def precision(frame: pd.DataFrame, chance: float) -> go.Figure:
    """Shares of the query's class by what was compared. `frame`: by, measure (in words), mean, low, high."""
    figure = go.Figure()
    for number, (by, part) in enumerate(frame.groupby("by", sort=False)):
        mean, low, high = (100 * part[name] for name in ("mean", "low", "high"))
        figure.add_scatter(
            x=[_wrapped(str(measure), 12) for measure in part["measure"]], y=mean, mode="markers", name=escape(str(by)),
            error_y=_interval(mean, low, high),
            marker={"color": PALETTE[number % len(PALETTE)], "size": 10, "symbol": SYMBOLS[number % len(SYMBOLS)]},
            hovertemplate="%{y:.1f}%",
        )  # fmt: skip
    figure.update_xaxes(tickangle=0)
    figure.add_hline(y=100 * chance, line={"color": GREY, "width": 1, "dash": "dot"})
    label = {"xref": "paper", "x": 1, "xanchor": "right", "yanchor": "top", "showarrow": False}
    figure.add_annotation(y=100 * chance, text="chance", **label)
    figure.update_yaxes(rangemode="tozero")
    return _laid_out(figure, "", "of the query's class (%)", 360)


@kept
def by_distance(frame: pd.DataFrame) -> go.Figure:
    """Error by the object's distance from the centre, with its interval. `frame`: distance (widths), error, low, high: shares."""
    error, low, high = (100 * frame[name] for name in ("error", "low", "high"))
    figure = go.Figure()
    figure.add_scatter(
        x=frame["distance"], y=error, mode="lines+markers", error_y=_interval(error, low, high), showlegend=False,
        line={"color": BLUE, "width": 1.5}, marker={"size": 9}, hovertemplate="at %{x:.2f} widths: %{y:.1f}%<extra></extra>",
    )  # fmt: skip
    figure.update_yaxes(rangemode="tozero")
    figure.update_xaxes(rangemode="tozero")
    return _laid_out(figure, "object's distance from the centre (widths)", "top-1 error (%)", 340)


@kept
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


@kept
def right_by_masks(frame: pd.DataFrame) -> go.Figure:
    """Right or wrong by the number of masks, a row a picture, sorted by how soon it is right. `frame`: picture, mean, right."""
    table = frame.pivot(index="picture", columns="mean", values="right")
    order = [name for name in ("1", "3", "10", "30", "100", "many", "halved") if name in table]
    table = table[order].sort_values(order[::-1], kind="stable")
    words = {"many": "many masks", "halved": "halved", "1": "1 mask"}
    figure = go.Figure(
        go.Heatmap(
            z=table.to_numpy(), x=[words.get(name, f"{name} masks") for name in order], y=list(range(len(table))),
            customdata=[[number] * len(order) for number in table.index], showscale=False, zmin=0, zmax=1, xgap=2,
            colorscale=[[0, VERMILION], [1, BLUE]], hovertemplate="picture %{customdata}, %{x}: %{z}<extra></extra>",
        )
    )  # fmt: skip
    for name, colour, symbol in (("right", BLUE, "square"), ("wrong", VERMILION, "square")):
        figure.add_scatter(x=[None], y=[None], mode="markers", name=name, marker={"color": colour, "size": 10, "symbol": symbol})
    return _laid_out(figure, "", "test pictures", 420)


@kept
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


def dressed(figure: go.Figure, dark: bool) -> go.Figure:
    """With the legend above, so that a phone keeps the width, and with text and axes in the page's own text colour: the theme's
    grey for ticks has a contrast of less than 4.5 to 1."""
    given = getattr(figure, "_given", None)
    return _dress(figure, dark) if given is None else _kept_dressed(given, dark)


def _dress(figure: go.Figure, dark: bool) -> go.Figure:
    facets = any(note.yref == "paper" and (note.y or 0) >= 0.99 for note in figure.layout.annotations)  # their titles stand there
    figure.update_layout(legend={"orientation": "h", "yanchor": "bottom", "y": 1.12 if facets else 1.02, "x": 0, "title": None})
    ink, faint = ("#ecebe8", "#4a4845") if dark else ("#111111", "#d8d8d4")
    figure.update_layout(font_color=ink, legend_font_color=ink, legend_title_font_color=ink)
    figure.update_annotations(font_color=ink)
    figure.update_xaxes(tickfont_color=ink, title_font_color=ink, gridcolor=faint)
    figure.update_yaxes(tickfont_color=ink, title_font_color=ink, gridcolor=faint)
    if dark:  # the palette's blue has 3.5 to 1 there, and thin lines less
        for trace in figure.data:
            for part in (getattr(trace, "line", None), getattr(trace, "marker", None)):
                if part is not None and part.color == BLUE:
                    part.color = BLUE_IN_DARK
                    if trace.type == "bar":  # Plotly's own choice for text on it has 3.5 to 1
                        trace.insidetextfont.color = "#111111"
    return figure


def settings(name: str = "figure") -> dict[str, Any]:
    """Plotly's options for every chart of the dashboard: one button, which saves it as SVG."""
    return {
        "displaylogo": False,
        "displayModeBar": True,
        "modeBarButtons": [["toImage"]],
        "toImageButtonOptions": {"format": "svg", "filename": name},
    }
