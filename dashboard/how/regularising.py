"""Sections 4.1, 4.2 and 2 at work on one picture: dropout, crops and colours, ten patches, down-sampling."""

from __future__ import annotations

from html import escape

import numpy as np
import pandas as pd
import plotly.express as px
import streamlit as st

from dashboard import address, charts, clickable, findings, frames, galleries, rendering, showing
from dashboard.how.answers import of_part
from dashboard.how.subject import Subject, centre, elsewhere
from dashboard.reading import Study
from study import amounts, in_numpy
from study.data.rescaling import FilterSettings, rescale
from study.paper import numbers

MASKS = (1, 3, 10, 30, 100, 300, 1000)
LARGE = 5_000_000  # weights of layers 6 and 7 above which 100 masks are the most


def dropout(subject: Subject) -> None:
    subject.above.header("Dropout: many networks in one, and one that stands for all")
    of_part("dropout", subject.study, subject.above)
    network = subject.network
    if subject.settings.get("architecture") == "four_layer":
        st.info("The four-layer network of this study has no dropout.")
    elif not float(subject.settings.get("dropout", 0.5)):
        st.info("This run has no dropout; choose another.")
    elif isinstance(network, in_numpy.AlexNet):
        masks_live(subject, network)
    else:
        st.info(
            f"The weights of this run are not here, so its masks cannot be drawn; {subject.study.by('dvc pull')} brings them "
            "where a remote has them. What was measured of all pictures stands below."
        )
        elsewhere(subject)
    masks_measured(subject)
    showing.leads_to(
        subject.study, "dropout-halving", "dropout-error", "dropout-overfitting", "dropout-iterations", "dropout-time"
    )


def masks_live(subject: Subject, network: in_numpy.AlexNet) -> None:
    """The mean of so many thinned networks on the picture, beside the halved one."""
    pool5 = network.layers(subject.patch)["pool5"]
    most = 100 if sum(weights.size for name, weights in network.weights.items() if ".fc" in name) > LARGE else 1000
    options = [count for count in MASKS if count <= most]
    count = address.steps("Thinned networks averaged", options, "masks", 10)
    halved = in_numpy.softmax(network.logits(network.hidden(pool5)))
    mean = rendering.mean_of_masks(network, pool5, count)
    apart = float((mean * (np.log(mean) - np.log(halved))).sum())
    likeliest = np.argsort(-halved, kind="stable")[:5]
    table = pd.DataFrame(
        {
            "class": [subject.name(int(label)) for label in likeliest] * 2,
            "probability (%)": np.concatenate([100 * mean[likeliest], 100 * halved[likeliest]]),
            "of": [f"geometric mean of {count}"] * len(likeliest) + ["halved outputs"] * len(likeliest),
        }
    )
    figure = px.bar(
        table, x="class", y="probability (%)", color="of", barmode="group", height=330,
        color_discrete_sequence=[charts.BLUE, charts.VERMILION],
    )  # fmt: skip
    showing.figure(
        figure,
        f"On this picture halved outputs lie {amounts.amount(apart, 'nats')} from the mean of {count} thinned "
        f"network{'s' if count > 1 else ''}",
        table, "masks-live", "Probabilities of five classes: the mean of thinned networks, and halved outputs",
        source=f"{subject.study.address}, {subject.run}, seed {subject.seed}: computed now, on the picture above.",
    )  # fmt: skip


def masks_measured(subject: Subject) -> None:
    """Of all pictures: how far means of few masks and halved outputs are from the mean of many, and how often each is wrong."""
    study = subject.study
    if diverged := frames.diverged_in(study, "halve"):
        st.info(f"The training of seed {diverged[0]} diverged, so its outputs were not halved.")
        return
    found = findings.masks(study)
    if found is None:
        st.info("Nothing is measured yet. `uv run dvc repro halve` does, for a network with dropout.")
        return
    showing.finding(found)
    if (by_picture := findings.masks_by_picture(study)) is not None:
        showing.finding(by_picture)


def augmentation(subject: Subject) -> None:
    subject.above.header("Crops, reflections, colours: the same picture never twice")
    of_part("augmentation", subject.study, subject.above)
    size, crop = len(subject.picture), subject.patch.shape[0]
    count = (size - crop + 1) ** 2 * 2
    left, right = st.columns([2, 5], gap="large")
    seed = int(address.slider("Draw other patches", 0, 20, "draw", 0))
    random = np.random.default_rng(seed)
    cells, boxes = {}, []
    for number in range(8):
        y, x, flipped = int(random.integers(size - crop + 1)), int(random.integers(size - crop + 1)), bool(random.integers(2))
        patch = subject.picture[y : y + crop, x : x + crop]
        cells[str(number)] = galleries.encoded(np.ascontiguousarray(patch[:, ::-1] if flipped else patch), side=96)
        boxes.append((x, y))
    with left:
        clickable.draw(_boxes(subject.picture, boxes, crop), key="crop-boxes")
    with right:
        st.subheader(f"{size - crop + 1} x {size - crop + 1} places and 2 reflections: {count:,} patches of one picture")
        clickable.draw(galleries.tiles(cells, label="patch", columns=8), key="crop-tiles")
        st.caption(f"The paper: 256 pixels, patches of 224: {numbers.crops():,} by count, where it says 2,048.")
    st.subheader("Colours: along the directions in which the training set's colours vary")
    values, vectors = _colour_axes(subject)
    if values is None or vectors is None:
        st.info("The colour covariance of this study is not here; `uv run dvc repro prepare` measures it.")
    else:
        sliders = st.columns(3)
        drawn = []
        for number, place in enumerate(sliders):
            with place:
                label = f"alpha {number + 1}: 0.1 is {values[number] / 2550:.1f} grey levels"
                drawn.append(address.slider(label, -1.0, 1.0, f"alpha{number + 1}", 0.3 if number == 0 else 0.0, step=0.1))
        scaled = values / 255  # as assumption A5 has it: of the 0-1 scale, times 255
        change = vectors.T @ (np.array(drawn) * scaled)
        changed = np.clip(subject.picture + change, 0, 255).astype(np.uint8)
        before, after = st.columns(2)
        before.image(rendering.grown(subject.picture, 256), caption="the picture", width=256, alt="The picture")
        after.image(
            rendering.grown(changed, 256), width=256, alt="The picture with other colours",
            caption=f"red, green, blue changed by {change[0]:+.1f}, {change[1]:+.1f}, {change[2]:+.1f} grey levels",
        )  # fmt: skip
        st.caption(
            "In training each alpha is drawn from a normal distribution of deviation 0.1, anew each time a picture is used; 0.3 "
            "is rare. Which way along a direction counts as positive is arbitrary: alpha is as often positive as negative."
        )
    showing.leads_to(
        subject.study, "crops-error", "crops-overfitting", "smaller-networks-needed", "colour-pca", "augmentation-free",
        "factor-2048",
    )  # fmt: skip


def _colour_axes(subject: Subject) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Eigenvalues (3,) and eigenvectors (3, RGB), a row each, of the training set's colours; None where nothing says."""
    packed = frames.packed(subject.study)
    try:
        values = np.array(packed["eigenvalues"], dtype=float)
        vectors = np.array(packed["eigenvectors"], dtype=float)
    except (KeyError, TypeError, ValueError):
        return None, None
    return (values, vectors.T) if values.shape == (3,) and vectors.shape == (3, 3) else (None, None)


def _boxes(picture: np.ndarray, boxes: list[tuple[int, int]], crop: int) -> str:
    """The picture with the places from which patches were taken."""
    size = len(picture)
    drawn = "".join(
        f'<rect x="{x}" y="{y}" width="{crop}" height="{crop}" fill="none" stroke="#E69F00" stroke-width="{size / 160:.2f}"/>'
        for x, y in boxes
    )
    source = galleries.encoded(picture, side=256)
    label = escape("The picture with the places of eight patches", quote=True)
    return (
        f'<svg viewBox="0 0 {size} {size}" style="max-width:260px" role="img" aria-label="{label}">'
        f'<image href="{source}" width="{size}" height="{size}"/>{drawn}</svg>'
    )


def patches(subject: Subject) -> None:
    subject.above.header("Ten patches: ten answers, averaged")
    size, crop = len(subject.picture), subject.patch.shape[0]
    far = size - crop
    places = [("top left", 0, 0), ("top right", 0, far), ("bottom left", far, 0), ("bottom right", far, far)]
    places.append(("centre", far // 2, far // 2))
    network = subject.network
    answers, captions, cells = [], [], {}
    for flipped in (False, True):
        for name, y, x in places:
            patch = centre(subject, subject.picture, y, x)
            shown = subject.picture[y : y + crop, x : x + crop]
            if flipped:
                patch, shown = patch[:, ::-1], np.ascontiguousarray(shown[:, ::-1])
            key = f"{name}, reflected" if flipped else name
            cells[key] = galleries.encoded(shown, side=96)
            if network is not None:
                answers.append(network.probabilities(patch))
                best = int(answers[-1].argmax())
                captions.append(f"{subject.name(best)} {answers[-1][best]:.0%}")
    if network is not None:
        mean = np.mean(answers, axis=0)
        best, from_centre = int(mean.argmax()), answers[4]
        says = [int(answer.argmax()) for answer in answers]
        st.subheader(
            f"{says.count(best)} of ten patches say {subject.name(best)}; their mean does with {mean.max():.0%}, the centre "
            f"alone says {subject.name(int(from_centre.argmax()))} with {from_centre.max():.0%}"
        )
    clickable.draw(_ten(cells, captions), key="ten-patches")
    if network is None:
        lacking = "The weights of this run are not here, so what each patch says is not known"
        st.info(f"{lacking}; what was recorded of this picture is:" if subject.row is not None else f"{lacking}.")
        elsewhere(subject)
    recorded(subject)
    showing.leads_to(subject.study, "ten-patches", "table1-one-patch", "ensemble", "off-centre")


def _ten(cells: dict[str, str], captions: list[str], wide: bool = False) -> str:
    parts = []
    for number, (name, source) in enumerate(cells.items()):
        said = escape(captions[number]) if captions else ""
        parts.append(
            f'<span class="cell"><img src="{source}" alt="{escape(name, quote=True)}"/><b>{escape(name)}</b>{said}</span>'
        )
    return f'<div class="grid{" wide" if wide else ""}">{"".join(parts)}</div>'


def recorded(subject: Subject) -> None:
    """What the evaluation recorded of a test picture: the first label from ten patches and from the centre, by seed."""
    if subject.row is None:
        return
    rows = []
    for view, words in frames.VIEWS.items():
        found = frames.predictions(subject.study, subject.run, view)
        if found is None or subject.row >= len(found.labels):
            continue
        for model, best in found.best.items():
            rows.append((model.replace("-", " "), words, subject.name(int(best[subject.row, 0])),
                         "right" if best[subject.row, 0] == found.labels[subject.row] else "wrong"))  # fmt: skip
    if rows:
        table = pd.DataFrame(rows, columns=["network", "patches", "first label", "is"])
        st.dataframe(table, hide_index=True, alt="The first label of this picture by seed, from ten patches and from the centre")


def sampling(study: Study | None) -> None:
    st.header("Down-sampling: through which filter a picture becomes smaller, which the paper does not say")
    of_part("sampling", study)
    factor = int(address.segmented("Smaller by", [2, 3, 4], "factor", 4, names=lambda number: f"{number} times"))
    side = 240
    y, x = np.mgrid[0:side, 0:side] - side / 2
    fine = (127.5 + 127.5 * np.cos(np.pi * (x**2 + y**2) / side)).astype(np.uint8)
    texture = np.repeat(fine[:, :, None], 3, axis=2)
    ways = {
        "nearest": FilterSettings(kind="nearest"),
        "bilinear": FilterSettings(kind="bilinear", antialias=False),
        "bicubic": FilterSettings(kind="bicubic", antialias=False),
        "bilinear, antialiased (the usual one here)": FilterSettings(kind="bilinear"),
        "bicubic, antialiased": FilterSettings(kind="bicubic"),
        "Lanczos, antialiased": FilterSettings(kind="lanczos"),
    }
    cells, captions, spread = {}, [], {}
    for name, how in ways.items():
        small = rescale(texture, side // factor, how)
        cells[name] = galleries.encoded(rendering.grown(small, 160), exact=True)
        edge = small[:, :, 0].astype(float)
        spread[name] = float(edge[:6].std())
        captions.append(f"what is left of the finest rings: {spread[name]:.0f} grey levels")
    smooth = spread["bilinear, antialiased (the usual one here)"]
    st.subheader(
        f"Rings too fine for the small picture come back as false ones: {spread['nearest']:.0f} grey levels with nearest, "
        f"{spread['bilinear']:.0f} with bilinear, {smooth:.0f} with bilinear, antialiased"
    )
    clickable.draw(_ten(cells, captions, wide=True), key="sampling")
    st.markdown(
        "Nearest takes one pixel of those that a small pixel stands for; bilinear mixes the 2 x 2 around its middle, bicubic the "
        "4 x 4, and Lanczos 6 x 6, with weights that sharpen edges. Antialiased, a filter widens with the small pixel, so that "
        "all pixels of the large picture count: what is finer than a small pixel becomes grey instead of a false pattern."
    )
