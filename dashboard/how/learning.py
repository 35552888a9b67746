"""Sections 5, 1 and 7, the three equations, and what is often misread."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.express as px
import streamlit as st

from dashboard import address, charts, showing
from dashboard.how.answers import of_all, of_part
from dashboard.how.subject import claim_of
from dashboard.reading import Study
from study.paper import numbers
from study.paper.misread import misreadings
from study.paper.released import DIFFERENCES

ROOT = Path(numbers.__file__).parents[2]
STEPS = 60
DIVIDED_AT = 30


EQUATIONS = (
    (
        "Response normalisation (section 3.3)",
        "An answer is divided by a power of a constant plus the squares of its neighbouring maps' answers at the same place.",
        r"b^i_{x,y} = a^i_{x,y} \Big/ "
        r"\left( k + \alpha \sum_{j=\max(0,\,i-n/2)}^{\min(N-1,\,i+n/2)} (a^j_{x,y})^2 \right)^{\beta}",
        (
            ("b", "the normalised answer, which goes on to pooling", "`b[i]`", ""),
            ("a, i, x, y", "a kernel map's answer after ReLU: map i, place x, y", "`a[:, i]`", ""),
            ("j", "runs over the maps beside i, and i itself", "`neighbours`", ""),
            (
                "N",
                "in the paper the maps of the layer; here, as in the released code, those of one column: no sum reaches over",
                "`maps = a.shape[1]`",
                "",
            ),
            ("max, min", "the first and the last map have fewer neighbours: the sum leaves out those that are not there", "", ""),
            (
                "n",
                "how many neighbouring maps are summed: 5, two on either side (n/2 is rounded down)",
                "`constants.n`, `reach = n // 2`",
                "size=5",
            ),
            ("k", "added to the sum, so that nothing is divided by 0: 2", "`constants.k`", "the same"),
            ("α", "how much the neighbours' squares weigh: 1e-4", "`constants.alpha`", "alpha-145"),
            ("β", "how steeply the divisor grows with them: 0.75", "`constants.beta`", "the same"),
        ),
        ("study/network/normalisation.py", ("response_normalisation",)),
        "3.3",
    ),
    (
        "Colour augmentation (section 4.1)",
        "To every pixel of a picture one and the same colour is added, drawn along the directions in which colours vary.",
        r"[I^R_{xy}, I^G_{xy}, I^B_{xy}]^T \mathrel{+}= [\mathbf p_1, \mathbf p_2, \mathbf p_3]\,"
        r"[\alpha_1\lambda_1, \alpha_2\lambda_2, \alpha_3\lambda_3]^T",
        (
            ("I, x, y", "the red, green and blue (R, G, B) of the pixel at x, y", "the picture, 0 to 255", ""),
            ("1, 2, 3", "the three directions of the colours, the one that varies most first", "the columns of `axes`", ""),
            (
                "p, λ",
                "p: a direction in which the training set's colours vary; λ: how much, as a variance (eigenvectors and "
                "eigenvalues of the covariance of red, green and blue)",
                "prepare/packed.json",
                "square roots of λ",
            ),
            (
                "α",
                "how far along each direction: drawn anew for each use of a picture, deviation 0.1 (not the α above)",
                "`alphas`",
                "at times used again",
            ),
            ("T, +=", "T: a row written as a column; +=: is added to the pixel", "`axes.T`, `add_`", ""),
        ),
        ("study/data/feeding.py", ("colour_axes", "training_batches")),
        "4.1",
    ),
    (
        "The update (section 5)",
        "The velocity keeps nine tenths of itself and gains a step down the slope, and one towards 0; the weight moves by it.",
        r"\begin{aligned} v_{i+1} &= 0.9\, v_i - 0.0005\, \epsilon\, w_i - \epsilon "
        r"\left\langle \tfrac{\partial L}{\partial w} \big|_{w_i}"
        r"\right\rangle_{D_i} \\ w_{i+1} &= w_i + v_{i+1} \end{aligned}",
        (
            ("i, D", "the step (in the first equation i is a map), and its batch of 128 pictures", "`batch`", "128"),
            ("L", "the loss: minus the log of the right label's probability", "`cross_entropy`", "cost.logreg"),
            ("w", "a weight", "`weight`", ""),
            ("v", "the velocity (momentum 0.9)", "`velocity`", "momW=0.9"),
            ("ε", "the learning rate, inside the velocity", "`rate`", "epsW=0.01, epsB=0.02"),
            ("0.0005", "weight decay", "`decay`", "wc=0.0005, none for biases"),
            ("⟨∂L/∂w | w⟩", "the loss's gradient at the weight w as it is now, the mean over the batch D", "`slope`", ""),
        ),
        ("study/training/update.py", ("printed_update",)),
        "5",
    ),
)


def learning(study: Study | None) -> None:
    st.header("The update rule: a velocity that remembers")
    of_part("learning", study)
    st.latex(EQUATIONS[2][2])
    showing.link("The three equations, symbol by symbol", "how", part="equations")
    columns = st.columns(3)
    with columns[0]:
        momentum = address.slider("Momentum", 0.0, 0.99, "momentum", numbers.MOMENTUM, step=0.01)
    with columns[1]:
        rate = address.slider("Rate", 0.01, 1.0, "rate", 0.1, step=0.01)
    with columns[2]:
        decay = address.slider("Weight decay", 0.0, 0.5, "decay", 0.0, step=0.05)
    rows = _descent(momentum, rate, decay)
    table = pd.DataFrame(rows, columns=["step", "weight", "velocity", "rate"])
    figure = px.line(
        table.melt("step", ["weight", "velocity"]), x="step", y="value", color="variable", line_dash="variable", height=330,
        color_discrete_sequence=[charts.BLUE, charts.VERMILION],
    )  # fmt: skip
    figure.add_vline(x=DIVIDED_AT, line={"color": charts.GREY, "dash": "dot"})
    around = table[table["step"] >= DIVIDED_AT]["velocity"].abs()
    start = float(around.iloc[0])
    above = np.flatnonzero(around > 0.1 * start)
    fades = int(above[-1]) + 1 if len(above) and start > 1e-9 else 0
    overshoots = int((np.diff(np.sign(table["weight"] - 0)) != 0).sum())
    showing.figure(
        figure,
        f"Started at 1, the weight swings past its minimum {overshoots} times; once the rate is divided, the velocity falls "
        f"to a tenth within {fades} steps",
        table, "update", "Weight and velocity over steps on a parabola; the rate is divided by ten at the dotted line",
        source=f"On L(w) = w² / 2, from w = 1; the rate is divided by ten at step {DIVIDED_AT}. The rate stands inside the "
        "velocity, as printed (assumption A6).",
    )  # fmt: skip
    if study is not None:
        showing.leads_to(
            study, "weight-decay", "decay-important", "biases-of-one", "three-divisions", "equal-rates", "weights-of-deviation",
            "ninety-cycles",
        )  # fmt: skip


def _descent(momentum: float, rate: float, decay: float) -> list[tuple[int, float, float, float]]:
    """Steps of section 5's rule on L(w) = w^2 / 2, from w = 1: step, weight, velocity, rate."""
    weight, velocity, rows = 1.0, 0.0, []
    for step in range(STEPS + 1):
        now = rate / numbers.RATE_DIVISOR if step >= DIVIDED_AT else rate
        rows.append((step, weight, velocity, now))
        velocity = momentum * velocity - decay * now * weight - now * weight
        weight += velocity
    return rows


def size(study: Study | None) -> None:
    st.header("Size: depth, width, and how many pictures")
    of_part("size", study)
    layers = pd.DataFrame(
        [(one.name, one.parameters, one.neurons, f"{one.size} x {one.size}") for one in numbers.LAYERS],
        columns=["layer", "parameters", "neurons", "windows"],
    )
    connected = layers[layers["layer"].str.startswith("fc")]["parameters"].sum() / numbers.parameters()
    figure = px.bar(layers, x="layer", y="parameters", height=330, color_discrete_sequence=[charts.BLUE], hover_data=["neurons"])
    showing.figure(
        figure,
        f"The three fully connected layers hold {connected:.0%} of {numbers.parameters():,} parameters; conv1 to conv5 "
        f"{1 - connected:.0%}",
        layers, "sizes", "Parameters of the paper's eight layers", source="Counted from section 3.5.",
    )  # fmt: skip
    if study is not None:
        showing.leads_to(
            study, "larger-networks", "any-layer", "middle-layers", "more-data", "trained-longer", "margin-over-hand-made",
            "pre-training", "parameters", "neurons", "layers-below-1-percent", "fewer-connections",
        )  # fmt: skip


def equations(study: Study | None) -> None:
    st.header("The paper's three equations, symbol by symbol")
    of_part("equations", study)
    for title, reads, formula, symbols, (file, functions), section in EQUATIONS:
        st.subheader(title)
        st.markdown(reads)
        st.latex(formula)
        left, right = st.columns([6, 5], gap="large")
        with left:
            table = pd.DataFrame(symbols, columns=["symbol", "means", "our code", "released code"])
            table.loc[table["released code"] == "alpha-145", "released code"] = _released("alpha of response normalisation")
            with st.container(key=f"symbols-{section.replace('.', '-')}"):  # a phone has its cells below one another
                st.table(table, hide_index=True)
        with right:
            st.caption(f"Our lines, {file}:")
            st.code(source_of(Path(file), functions[0]), language=None, wrap_lines=True)
            for function in functions[1:]:
                with st.expander(f"Where it is used: {function}"):
                    st.code(source_of(Path(file), function), language=None, wrap_lines=True)
        told = [
            f"{one.what}: the paper {one.paper}, the code {one.code}{f' (here {one.both})' if one.both else ''}"
            for one in DIFFERENCES
            if one.section == section
        ]
        if told:
            st.caption("Where the released code differs:\n" + "\n".join(f"- {showing.plain(one)}" for one in told))
    if study is not None:
        showing.leads_to(study, "response-normalisation", "colour-pca", "weight-decay")


def _released(what: str) -> str:
    return next((one.code for one in DIFFERENCES if one.what == what), "")


def source_of(file: Path, function: str) -> str:
    """The lines of a function as they stand in its file, without importing it; the file's name where it has none of that name."""
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    begin = next((number for number, line in enumerate(lines) if line.lstrip().startswith(f"def {function}(")), None)
    return str(file) if begin is None else "".join(inspect.getblock([line + "\n" for line in lines[begin:]])).rstrip()


def questions(study: Study | None) -> None:
    st.header("What readers ask")
    st.caption("Asked in published reviews and summaries of the paper; each leads to the part where it is seen at work.")
    of_all(study)


def misread(study: Study | None) -> None:
    st.header("Often misread")
    rows = [(row.said, row.right, row.section) for row in misreadings()]
    with st.container(key="misread"):
        st.table(pd.DataFrame(rows, columns=["said", "right", "§"]), hide_index=True)
    st.caption(
        "Said in published reviews and summaries of the paper. The right numbers come from the paper, its released code, or a "
        "count of its own sizes."
    )
    if study is not None and claim_of(study, "neurons") is not None:
        showing.leads_to(study, "neurons", "factor-2048", "validation-equals-test", "winning-margin")
