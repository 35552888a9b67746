"""Sections 5, 1 and 7, the three equations, and what is often misread."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.express as px
import streamlit as st

from dashboard import address, charts, frames, reading, showing, tables
from dashboard.how import QUESTIONS, counting
from dashboard.how.subject import all_asked, asked, claim_of, effect, where_changed
from dashboard.reading import Study
from study import amounts
from study.paper import numbers
from study.paper.claims import claim
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
            ("N", "maps in the layer, in two columns those of one, as the sum does not cross", "`maps = a.shape[1]`", ""),
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
        ("study/network/normalisation.py", "response_normalisation"),
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
                "`colour_deviation`",
                "the same",
            ),
            ("T, +=", "T: a row written as a column; +=: is added to the pixel", "", ""),
        ),
        ("study/data/feeding.py", "colour_axes"),
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
        ("study/training/update.py", "printed_update"),
        "5",
    ),
)


def learning(study: Study | None) -> None:
    st.header("The update rule: a velocity that remembers")
    notes = claim("three-divisions").author_run
    asked(
        "Does the rate automatically decrease, or was it adjusted manually, equal for all layers?",
        f"The paper divided it by ten by hand when the validation error stopped improving, {numbers.RATE_DIVISIONS} times; its "
        f"author's notes, which call his runs by numbers, give the epochs of each ({notes}). It is equal for all "
        "layers in the paper's text and not in the released code: there biases learn at twice the rate, and conv1 is slowed and "
        "frozen at the end. " + _rate_here(study),
    )
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


def _rate_here(study: Study | None) -> str:
    """How the rate of the study's first run was divided, in a sentence; empty where it has no curve."""
    curves = pd.DataFrame() if study is None else frames.curves(study)
    if study is None or curves.empty:
        return ""
    run = str(curves["run"].iloc[0])
    base = curves[curves["run"] == run]
    changes = base.groupby("rate", sort=False)["epoch"].min()
    told = showing.listed(f"{value:g} from epoch {epoch}" for value, epoch in changes.items())
    settings = reading.dictionary(reading.dictionary(frames.record(study, f"train-{run}").get("run")).get("learning"))
    by_rule = reading.dictionary(settings.get("rate")).get("rule") == "validation"
    how = "by rule, when the validation error stopped improving" if by_rule else "at epochs that were set before"
    of_biases = settings.get("bias_rate", 1)
    equal = "the same for all layers" if of_biases == 1 else f"{of_biases:g} times as high for biases"
    if len(changes) == 1:
        told, how = f"{changes.index[0]:g} in all of its {base['epoch'].max()} epochs", "never"
    return f"Here the rate of {showing.plain(run)} was {told}: divided {how}, {equal}."


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
    convolution = numbers.LAYERS[0]
    all_asked(
        {
            "Capacity is controlled by varying depth and breadth: what does each do?": "Width, the kernels of a layer, is how "
            "many different things it can look for, and parameters grow with its square; depth is how often what was found is "
            "put together, and parameters grow with it. "
            + effect(study, "larger-networks", "Half the width costs {0} of error here.")
            + f" {where_changed(study, {'width': 'the width, as a share of that of base'}, '', values=3)}"
            + _without_layers(study),
            "Is a convolution much smaller than what it replaces?": f"conv1 has {counting.unshared():,} connections and "
            f"{convolution.parameters:,} parameters, since all places share a kernel; with a kernel of its own at each place it "
            f"would have as many parameters as connections, {convolution.side**2:,} times as many; fully connected "
            f"{numbers.fully_connected_parameters():,}, {numbers.fully_connected_parameters() / convolution.parameters:,.0f} "
            "times as many.",
            "Hand-crafted features: considerably better than the previous state of the art?": f"In the paper, yes: "
            f"{claim('table1-cnn').value:.1%} against {claim('table1-fisher-vectors').value:.1%}, the best before (Table 1). "
            f"{_hand_made(study)} {effect(study, 'margin-over-hand-made', 'The margin over this weaker baseline: {0}.')}",
            "Would faster GPUs and more data help?": "More pictures are harder to learn by heart, so that what a network learns "
            "of them holds for others too. "
            + effect(study, "more-data", "Half of the pictures instead of all cost {0} of error, in equally many updates.", True)
            + f" {where_changed(study, {'data': 'the share of the pictures, in as many updates'}, '', values=3)} "
            + effect(
                study,
                "trained-longer",
                "Faster GPUs give more epochs. Within a training, before the rate is divided, the validation error fell by {0} "
                "from the second quarter of the epochs to the last.",
            ),
            "Time kept the authors from unsupervised pre-training: does it help?": "Not known: the paper left it out to "
            "simplify its experiments and expects that it would help, above all where computers allow a much larger network "
            "without as many more labelled pictures; no run here does it. What the paper did pre-train, on the pictures of "
            "ImageNet's Fall 2011, learned from their labels, so it was not unsupervised.",
        }
    )
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


def _without_layers(study: Study | None) -> str:
    """How much more or less a network errs without each of the layers that were removed; else that this was not measured."""
    errors = {} if study is None else {run: frames.seed_errors(study, run) for run in frames.runs(study, "evaluate")}
    means = {run: sum(of.values()) / len(of) for run, of in errors.items() if of}
    removed = {run: mean for run, mean in means.items() if run.startswith("without_conv")}
    if not removed or "base" not in means:
        return " " + effect(study, "any-layer", "{0}")
    changes = {run.removeprefix("without_"): mean - means["base"] for run, mean in sorted(removed.items())}
    told = showing.listed(
        f"{amounts.amount(abs(change), 'error difference')} {'lower' if change < 0 else 'higher'} without {layer}"
        for layer, change in changes.items()
    )
    claim = claim_of(study, "any-layer")
    least = min(changes, key=changes.__getitem__)
    verdict = f" The paper has each of them raise the error; of {least}: {tables.judged(claim)}." if claim is not None else ""
    return f" As for depth, the error is {told}.{verdict}"


def _hand_made(study: Study | None) -> str:
    if study is None:
        return ""
    errors = frames.hand_made(study)
    if not errors:
        return "A simple hand-made baseline was not measured in this study."
    base = list(frames.seed_errors(study, frames.control(study)).values())
    network = f", the network {amounts.amount(float(np.mean(base)), 'error')}" if base else ""
    hand_made = amounts.amount(errors["top1"], "error")
    return (
        f"Oriented gradients and colours with a linear classifier err {hand_made} on this study's pictures{network}; "
        "they are simpler than Table 1's Fisher vectors."
    )


def equations(study: Study | None) -> None:
    st.header("The paper's three equations, symbol by symbol")
    asked(
        "Mathematical equations in the paper are confusing?",
        "Each is read below in a sentence, then symbol by symbol, beside what it is called in our code and in the released one; "
        "an empty cell has nothing to compare.",
    )
    for title, reads, formula, symbols, (file, function), section in EQUATIONS:
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
            st.code(source_of(Path(file), function), language=None, wrap_lines=True)
        told = [f"{one.what}: the paper {one.paper}, the code {one.code}" for one in DIFFERENCES if one.section == section]
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
    st.caption("Asked in published reviews and summaries of the paper; each leads to the part that answers it.")
    for question, name in QUESTIONS.items():
        showing.link(question, "how", part=name)


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
