"""Sections 3.1 to 3.4 at work on one picture: convolution and ReLU, response normalisation, pooling, two columns."""

from __future__ import annotations

from dataclasses import replace
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import plotly.express as px
import streamlit as st

from dashboard import address, charts, clickable, drawings, frames, galleries, rendering, showing, shown_pictures
from dashboard.how import counting
from dashboard.how.answers import of_part
from dashboard.how.subject import Subject, elsewhere, first_that, with_picture
from dashboard.reading import Study
from study import in_numpy
from study.amounts import amount, digits
from study.paper import numbers

BATCH = 16  # test pictures that stand for a batch
CELLS = 24  # positions along a side that can be clicked


def convolution(subject: Subject) -> None:
    subject.above.header("Convolution and ReLU: what a kernel looks for, and where it finds it")
    answers = subject.answers
    lit = np.maximum(answers, 0)
    of_part("convolution", subject.study, subject.above)
    strongest = int(lit.reshape(len(lit), -1).max(axis=1).argmax())
    number = address.chosen("at-kernel", range(len(lit)), strongest, "kernel")
    most, full = float(lit.max()), rendering.full_scale([subject.kernels])
    left, right = st.columns(2, gap="medium")
    across = 8 if len(lit) <= 32 else 12
    with left:
        size = "x".join(map(str, subject.kernels.shape[1:]))
        st.subheader(f"{len(lit)} kernels of {size} slide over the picture {subject.stride} pixels at a time")
        tiles = {str(n): rendering.kernel_tile(kernel, full) for n, kernel in enumerate(subject.kernels)}
        clickable.draw(galleries.tiles(tiles, str(number), columns=across), key="conv-kernels", keeps="at-kernel")
        st.caption("Mid-grey is weight 0. Click a kernel, or its answer.")
    with right:
        st.subheader(f"After ReLU {(lit == 0).mean():.0%} of their answers are 0")
        tiles = {str(n): galleries.encoded(rendering.map_tile(one, most), exact=True) for n, one in enumerate(lit)}
        clickable.draw(galleries.tiles(tiles, str(number), "answer of kernel", across), key="conv-maps", keeps="at-kernel")
        st.caption(f"Black: 0; white: {digits(most)}, the largest answer. Each map has {lit.shape[1]} x {lit.shape[2]} places.")
    st.subheader(f"Kernel {number}: {(answers[number] > 0).mean():.0%} of its places receive something positive and pass it on")
    places = st.columns(4)
    span = float(np.abs(answers[number]).max()) or 1.0
    signed = np.clip(np.rint(127.5 + 127.5 * answers[number] / span), 0, 255).astype(np.uint8)
    shown = (
        (rendering.enlarged(subject.kernels[number]), "the kernel"),
        (rendering.grown(np.clip(subject.picture, 0, 255), 176), "the picture"),
        (rendering.grown(signed, 176), "its answers: grey is 0, white positive, black negative"),
        (rendering.grown(rendering.map_tile(lit[number], float(lit[number].max())), 176), "after ReLU"),
    )
    for place, (picture, caption) in zip(places, shown, strict=True):
        place.image(picture, caption=caption, width=230, alt=caption)
    activations(answers)
    showing.leads_to(subject.study, "relu-faster", "relu-six-times", "no-input-normalisation", "fewer-connections")


def activations(answers: np.ndarray) -> None:
    """What ReLU is beside tanh, the sigmoid and a threshold: values, slopes, how many answers lie where it is flat."""
    x = np.linspace(-4, 4, 161)
    values = {
        "ReLU": (np.maximum(x, 0), (x > 0).astype(float)),
        "tanh": (np.tanh(x), 1 - np.tanh(x) ** 2),
        "sigmoid": (1 / (1 + np.exp(-x)), np.exp(-x) / (1 + np.exp(-x)) ** 2),
        "threshold": ((x > 0).astype(float), np.zeros_like(x)),
    }
    table = pd.concat(
        [
            pd.DataFrame({"weighted sum": x, "value": of, "function": name, "shown": shown})
            for name, both in values.items()
            for of, shown in zip(both, ("f(x)", "its slope"), strict=True)
        ]
    )
    flat = float((np.abs(np.tanh(answers)) > 0.95).mean())
    figure = px.line(
        table, x="weighted sum", y="value", color="function", facet_col="shown", line_dash="function",
        color_discrete_sequence=list(charts.PALETTE), height=330, render_mode="svg",
    )  # fmt: skip
    figure.for_each_annotation(lambda note: note.update(text=note.text.partition("=")[2]))
    off = float((answers <= 0).mean())
    figure.update_xaxes(tickvals=[-3, 0, 3])
    figure.update_layout(margin_t=70)  # the legend stands above the titles of the two halves
    showing.figure(
        figure,
        f"tanh of conv1's weighted sums for this picture would be flat at {flat:.0%} of them; ReLU is off at {off:.0%}",
        table, "activations", "ReLU, tanh, sigmoid and threshold: values and slopes",
        source="Left the function, right its slope, which is what learning gets. tanh "
        "counts as flat where its value is beyond ±0.95: there its slope is below a tenth. A network that is trained with tanh "
        "has other weights.",
    )  # fmt: skip


def normalisation(subject: Subject) -> None:
    subject.above.header("Local response normalisation: a loud neighbour turns you down")
    a = np.maximum(subject.answers, 0)
    own = subject.response
    of_part("normalisation", subject.study, subject.above)
    columns = st.columns(4)
    with columns[0]:
        power = address.slider(
            "alpha, as a power of ten", -6.0, 0.0, "alpha", round(float(np.log10(max(own["alpha"], 1e-9))), 1), step=0.5
        )
    with columns[1]:
        beta = address.slider("beta", 0.0, 2.0, "beta", float(own["beta"]), step=0.05)
    with columns[2]:
        n = int(address.steps("n, neighbouring maps", sorted({1, 3, 5, 7, 9, 11, int(own["n"])}), "n", int(own["n"])))
    with columns[3]:
        k = address.slider("k", 0.5, 8.0, "k", float(own["k"]), step=0.5)
    b = in_numpy.response_normalisation(a, k=k, n=n, alpha=10**power, beta=beta, columns=subject.columns)
    loudest = np.unravel_index(int(a.sum(axis=0).argmax()), a.shape[1:])
    step = max(1, -(-a.shape[1] // CELLS))
    cells = [f"{y}-{x}" for y in range(0, a.shape[1], step) for x in range(0, a.shape[2], step)]
    default = f"{int(loudest[0]) // step * step}-{int(loudest[1]) // step * step}"
    at = address.chosen("at", cells, default, "place")
    y, x = (int(part) for part in at.split("-"))
    left, right = st.columns([2, 5], gap="large")
    with left:
        st.subheader("Where?")
        clickable.draw(_places(a.sum(axis=0), step, at), key="lrn-place", keeps="at")
        st.caption("White: all maps together answer strongly. Click a place.")
    before, after = a[:, y, x], b[:, y, x]
    loud = int(before.argmax())
    table = pd.DataFrame(
        {
            "map": np.tile(np.arange(len(a)), 2),
            "answer, loudest before = 1": np.concatenate([before, after]) / max(float(before.max()), 1e-12),
            "when": ["before"] * len(a) + ["after"] * len(a),
        }
    )
    figure = px.bar(table, x="map", y="answer, loudest before = 1", color="when", barmode="group", height=330,
                    color_discrete_sequence=[charts.GREY, charts.BLUE])  # fmt: skip
    strong = [int((one > 0.1 * max(float(one.max()), 1e-12)).sum()) for one in (before, after)]
    divisor = float(before[loud] / max(float(after[loud]), 1e-12)) if before[loud] > 0 else k**beta
    active = before > 0
    least = float((before[active] / np.maximum(after[active], 1e-12)).min()) if active.any() else divisor
    with right:
        showing.figure(
            figure,
            f"Map {loud}, the loudest here, is divided by {digits(divisor)}, the one with the quietest neighbours by "
            f"{digits(least)}",
            table, "normalisation", "Answers of all maps at one place before and after response normalisation",
            source=f"Divisor: ({k:g} + {10**power:.2g} x the sum of squares over {n} neighbouring maps) ^ {beta:g}. Before it "
            f"{strong[0]} maps answer with more than a tenth of the loudest one, after it {strong[1]}.",
        )  # fmt: skip
    against_batch(subject, before)
    showing.link("Divisors over the epochs", "inside", view="layers", quantity="divisor")
    showing.link("How many answers are 0 over the epochs", "inside", view="layers", quantity="saturated")
    swept = first_that(subject.study, lambda one: "batch normalisation" in set(frames.sweeps(one)["line"])) or subject.study
    showing.link("Errors over one setting at a time", "training", view="questions", study=swept.address)
    showing.leads_to(
        subject.study, "response-normalisation", "normalisation-generalises", "batch-normalisation", "cifar-normalisation"
    )


def against_batch(subject: Subject, before: np.ndarray) -> None:
    """What batch normalisation would make of the answers (maps,) at a place: each by the mean and spread of its own map over a
    batch of test pictures. Nothing where the pictures are not here."""
    key = f"batch-{subject.study.address}-{hash(subject.kernels.tobytes())}"  # other kernels, other answers
    if key not in st.session_state:
        maps = [
            np.maximum(with_picture(replace(subject, row=row), None).answers, 0)
            for row in range(min(BATCH, frames.counts(subject.study).get("test", 0)))
            if shown_pictures.picture_of(subject.study, "test", row) is not None
        ]
        st.session_state[key] = (np.mean(maps, axis=(0, 2, 3)), np.std(maps, axis=(0, 2, 3)), len(maps)) if maps else None
    if st.session_state[key] is None:
        return
    mean, spread, count = st.session_state[key]
    normalised = (before - mean) / np.sqrt(spread**2 + 1e-5)
    most = int(normalised.argmax())
    table = pd.DataFrame({"map": np.arange(len(normalised)), "standard deviations": normalised})
    figure = px.bar(table, x="map", y="standard deviations", height=260, color_discrete_sequence=[charts.BLUE])
    showing.figure(
        figure,
        f"Batch normalisation would make map {most} the loudest here, {normalised[most]:.1f} deviations above its own mean",
        table, "batch-normalisation", "Answers of all maps at one place after batch normalisation",
        source=f"Means and standard deviations of each map over {count} test pictures and all places, before the learned scale "
        "and shift. No map is compared with another, and none of the sliders above changes it.",
    )  # fmt: skip


def _places(total: np.ndarray, step: int, chosen: str) -> str:
    """The places of a map as squares that can be clicked, as bright as all maps together are there."""
    side, most = len(range(0, total.shape[0], step)), max(float(total.max()), 1e-12)
    parts = []
    for y in range(0, total.shape[0], step):
        for x in range(0, total.shape[1], step):
            shade = int(255 * float(total[y : y + step, x : x + step].max()) / most)
            key, edge = f"{y}-{x}", ""
            if key == chosen:
                edge = ' stroke="#D55E00" stroke-width="1.6"'
            parts.append(
                f'<a data-key="{key}" href="{clickable.link("how", part="normalisation", at=key)}" aria-label="place {key}">'
                f'<rect x="{10 * x // step}" y="{10 * y // step}" width="10" height="10" '
                f'fill="rgb({shade},{shade},{shade})"{edge}><title>place {key}</title></rect></a>'
            )
    parts.sort(key=lambda part: "stroke" in part)
    frame = f'viewBox="-1 -1 {10 * side + 2} {10 * side + 2}" style="max-width:280px" role="group" aria-label="Places"'
    return f"<svg {frame}>{''.join(parts)}</svg>"


def pooling(subject: Subject) -> None:
    subject.above.header("Pooling: the largest of each window stands for it")
    of_part("pooling", subject.study, subject.above)
    size = int(address.segmented("Size of a window, at stride 2", [2, 3], "window", 3))
    a = np.maximum(subject.answers, 0)
    before = a  # what is pooled: ReLU's answers, as in the four-layer network, or what response normalisation makes of them
    normalised = subject.settings.get("normalisation", "response") == "response"
    if normalised and subject.settings.get("architecture") != "four_layer":
        before = in_numpy.response_normalisation(a, **subject.response, columns=subject.columns)
    number = address.chosen("at-kernel", range(len(a)), int(a.reshape(len(a), -1).max(axis=1).argmax()), "kernel")
    whole = before[number]
    one = _middle(whole)
    made = in_numpy.pool(one[None], size=size)[0]
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader(f"Windows of {size} x {size}, 2 apart: {'they overlap' if size > 2 else 'none overlaps another'}")
        clickable.draw(_windows(one, size), key="pool-windows")
    with right:
        part = f"Its middle, {len(one)} x {len(one)} of {len(whole)} x {len(whole)}, becomes" if len(one) < len(whole) else (
            f"{len(one)} x {len(one)} become"
        )  # fmt: skip
        st.subheader(f"{part} {made.shape[0]} x {made.shape[1]}")
        st.image(rendering.grown(rendering.map_tile(made, float(one.max())), 330), width=330, alt="The map after pooling")
    st.caption(
        f"Map {number}; choose another under Convolution, ReLU. A square is a window, four of them in colour; "
        "its circle marks the largest value in it."
    )
    showing.leads_to(subject.study, "overlapping-pooling", "overlapping-overfit")


def _middle(values: np.ndarray, most: int = 15) -> np.ndarray:
    """The middle of a map, of an odd side as windows of 3 at stride 2 need it, or all of it where it is small."""
    begin = max(0, (len(values) - most) // 2 // 2 * 2)
    return values[begin : begin + most, begin : begin + most]


def _windows(part: np.ndarray, size: int) -> str:
    """A map as squares, with the windows over it; the place that each window takes is ringed."""
    most, cell = max(float(part.max()), 1e-12), 26
    parts = []
    for y in range(len(part)):
        for x in range(part.shape[1]):
            shade = int(255 * float(part[y, x]) / most)
            parts.append(
                f'<rect x="{cell * x}" y="{cell * y}" width="{cell}" height="{cell}" fill="rgb({shade},{shade},{shade})"/>'
            )
    colours = ("#56B4E9", "#E69F00", "#F0E442", "#CC79A7")
    middle = max(0, (len(part) - size) // 4)
    for number, y in enumerate(range(0, len(part) - size + 1, 2)):
        for other, x in enumerate(range(0, part.shape[1] - size + 1, 2)):
            bold = number in (middle, middle + 1) and other in (middle, middle + 1)  # all at once are a tangle
            colour, inset = colours[2 * (number % 2) + other % 2] if bold else "#BBBBBB", 3 if bold else 1
            window = part[y : y + size, x : x + size]
            top, left = np.unravel_index(int(window.argmax()), window.shape)
            parts.append(
                f'<rect x="{cell * x + inset}" y="{cell * y + inset}" width="{cell * size - 2 * inset}" '
                f'height="{cell * size - 2 * inset}" fill="none" stroke="{colour}" stroke-width="{3.5 if bold else 0.8}"/>'
            )
            if window.max() > 0:
                cx, cy, r = cell * (x + int(left) + 0.5), cell * (y + int(top) + 0.5), 7 if bold else 3
                parts.append(f'<circle cx="{cx}" cy="{cy}" r="{r}" fill="none" stroke="{colour}" stroke-width="2"/>')
    whole = cell * len(part)
    label = escape(f"Windows of {size} over the map; a ring marks what each takes", quote=True)
    frame = f'viewBox="-2 -2 {whole + 4} {whole + 4}" style="max-width:340px" role="img" aria-label="{label}"'
    return f"<svg {frame}>{''.join(parts)}</svg>"


def figure_2(subject: Subject) -> None:
    """The network of the chosen run as it was built, the numbers of the caption beside it, and what two devices would do."""
    study, network = subject.study, frames.built(subject.study, subject.run)
    if not network:
        st.info("How this run's network is built was not written down; `uv run dvc repro evaluate` does.")
        return
    layers = [layer for layer in network["layers"] if "inputs" in layer]
    parameters = sum(layer["parameters"] for layer in layers)
    columns = network["columns"]
    finding = f"Figure 2 of {subject.run}: {'two columns' if columns == 2 else 'one column'}, {parameters:,} parameters"
    table = pd.DataFrame(network["layers"])
    left, right = st.columns([6, 5], gap="large")
    with left:
        showing.figure(
            drawings.built(network, finding), finding, table, "figure-2", finding,
            source=f"{study.address}, {subject.run}: read from the built network. Crossing lines: the layer reads both columns.",
        )  # fmt: skip
    with right:
        caption_numbers(network, layers)
        two_devices(study, layers, columns)


def caption_numbers(network: dict[str, Any], layers: list[dict[str, Any]]) -> None:
    """The numbers of neurons that the caption of Figure 2 prints, beside those of section 3.5's sizes and of this network."""
    printed = dict(zip([layer.name for layer in numbers.LAYERS], numbers.FIGURE_2_NEURONS, strict=True))
    counted = {layer.name: layer.neurons for layer in numbers.LAYERS}
    here = {layer["name"]: layer["maps"] * layer["side"] ** 2 for layer in layers}
    rows: list[tuple[str, int | None, int | None, int | None]]
    rows = [("input", numbers.FIGURE_2_INPUT, numbers.input_size(), network["input"] ** 2 * 3)]
    rows += [(name, printed.get(name), counted.get(name), here.get(name)) for name in dict.fromkeys([*printed, *here])]
    table = pd.DataFrame(rows, columns=["layer", "caption", "section 3.5", "this network"])
    wrong = [row[0] for row in rows if None not in row[1:3] and row[1] != row[2]]
    st.subheader(f"The caption's numbers: {len(rows) - len(wrong)} of {len(rows)} follow from section 3.5's sizes")
    st.dataframe(
        table, hide_index=True, placeholder="–",
        column_config={name: st.column_config.NumberColumn(name, format="localized") for name in table.columns[1:]},
        alt="Neurons by layer: as the caption prints them, as section 3.5's sizes give them, and of this network",
    )  # fmt: skip
    st.caption(
        f"conv1's {printed['conv1']:,} would be maps of 55 x 48; the released code has 55 x 55, which are {counted['conv1']:,}."
        if wrong
        else ""
    )


def two_devices(study: Study, layers: list[dict[str, Any]], columns: int) -> None:
    """Bytes that cross in a step, their share of its time, and the memory of each device against one."""
    crosses = sum(layer["crosses"] for layer in layers)
    if columns < 2:
        st.caption("A network of one column sends nothing from device to device.")
        return
    batch = frames.pictures_a_step(study)
    size = 4 * 2 * columns * crosses * batch
    crossing = frames.crossing(study)
    between = frames.devices_of_cost(study)
    share = f", {amount(crossing['share'], 'share')} of its time between {between}" if crossing else ""
    st.subheader(f"{digits(size / 1e6)} MB cross in a step of {batch} pictures{share}")
    st.caption(
        f"{crosses:,} numbers of a picture from each column to the other, and as many gradients back, 4 bytes each."
        + ("" if crossing else " Both columns of this study share a device, so no time was measured.")
    )
    waits = [layer["name"] for layer in layers if layer["crosses"]]
    if waits:
        finding = f"Forward, the columns wait for each other before {showing.listed(waits)}"
        table = pd.DataFrame([{name: layer[name] for name in ("name", "multiplications", "crosses")} for layer in layers])
        showing.figure(
            drawings.timeline(layers, columns, finding), finding, table, "timeline", finding,
            source="Widths are multiplications, counted and not timed. Backward, gradients cross at the same places.",
        )  # fmt: skip
    memory = frames.step_memory(study)
    if len(memory):
        papers = memory[memory["network"] == "the paper's"]
        first = (papers if len(papers) else memory).iloc[0]
        one, two = first["GiB on one device"], first["GiB on the first of two"]
        if two == two:
            st.subheader(f"For {first['network']} network the first of two devices needs {two / one:.0%} of the memory of one")
        names = ("network", "pictures", "one device", "first of two", "second")
        shown = memory.set_axis(list(names), axis=1)
        shown[list(names[2:])] = shown[list(names[2:])].map(lambda of: f"{of:.2f}" if of == of else "–")
        st.table(shown, hide_index=True)  # a phone cuts the last column of a data frame
        st.caption("GiB at the peak of a step, counted without running it.")


def columns(subject: Subject) -> None:
    subject.above.header("Two GPUs: two columns of kernels that talk in a few places")
    of_part("columns", subject.study, subject.above)
    figure_2(subject)
    rows = counting.networks()
    table = pd.DataFrame(rows, columns=["network", "parameters", "share of the paper's"])
    figure = px.bar(
        table, x="parameters", y="network", orientation="h", text="network", height=250, color_discrete_sequence=[charts.BLUE]
    )
    figure.update_traces(textposition="auto", insidetextanchor="start", textangle=0)
    figure.update_layout(margin={"l": 8, "r": 8, "t": 8, "b": 8})
    # The names stand in their bars: beside them they would take a phone's whole width.
    figure.update_yaxes(autorange="reversed", title="", showticklabels=False, showgrid=False)
    showing.figure(
        figure, f"Without groups, on one large GPU, the network has {rows[1][1]:,} parameters; in columns {rows[0][1]:,}", table,
        "networks", "Parameters of the paper's network and of its variants",
        source="Counted from section 3.5. One column with half of the kernels has nearly as many parameters as two, since conv5 "
        "and the fully connected layers are not halved (footnote 2).",
    )  # fmt: skip
    network = subject.network
    if isinstance(network, in_numpy.AlexNet) and network.columns == 2 and subject.settings.get("communication", True):
        whole = network.probabilities(subject.patch)
        apart = counting.without_crossing(network).probabilities(subject.patch)
        st.subheader(
            f"This network says {subject.name(int(whole.argmax()))} ({whole.max():.0%}); when nothing crosses it says "
            f"{subject.name(int(apart.argmax()))} ({apart.max():.0%})"
        )
        left, right = st.columns(2)
        for place, words, answer in ((left, "as trained", whole), (right, "columns cut apart after training", apart)):
            likeliest = np.argsort(-answer, kind="stable")[:5]
            with place:
                st.caption(words)
                told = [subject.name(int(label)) for label in likeliest]
                clickable.draw(galleries.labels(told, list(answer[likeliest]), None), key=f"columns-{words[:2]}")
        st.caption(
            "This network was trained with what crosses and is cut afterwards; the claim below is on one that is trained without."
        )
    elif subject.columns == 2:
        st.caption("What the network says when nothing crosses needs its weights, which are not here.")
        elsewhere(subject)
    showing.leads_to(
        subject.study, "two-columns", "one-large-gpu", "no-communication", "three-gigabytes", "communication", "two-gpus-time",
        "connectivity-chosen",
    )  # fmt: skip
