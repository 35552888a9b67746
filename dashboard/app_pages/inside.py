"""Inside (Figure 3): the first layer's kernels over epochs and seeds, what excites them, their colours; the layers; a map."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import address, charts, clickable, drawings, findings, frames, galleries, query, rendering, showing, shown_pictures
from dashboard.galleries import Shown
from dashboard.reading import Study
from study.amounts import digits
from study.measuring.kernels import COLOURED

VIEWS = {"kernels": "Kernels", "layers": "Layers over epochs", "map": "Map of the last hidden layer"}
SCALES = {"shared": "one scale for all", "own": "each its own scale"}
BEST = 9
MANY_CLASSES, COLOURS = 12, 5  # of more classes than this, so many are coloured on the map at first
FEW = 3  # seeds whose kernels are drawn at first

study = showing.begin("Inside")
view = address.segmented("View", list(VIEWS), "view", "kernels", names=VIEWS.__getitem__, label_visibility="collapsed")


def show_kernels(study: Study) -> None:
    names = [run for run in frames.runs(study, "train") if frames.seeds(study, run)]
    if not names:
        showing.stop("No kernels yet. `uv run dvc repro` trains the runs of the study.")
    choices = st.container(horizontal=True, vertical_alignment="bottom")
    with choices:
        run = address.select("Run", names, "run", names[0], width=200)
        scale = address.segmented("Scale", list(SCALES), "scale", "shared", names=SCALES.__getitem__)
    showing.warn_of_diverged(study, run)
    by_seed = {seed: found for seed in frames.seeds(study, run) if (found := frames.kernels_by_epoch(study, run, seed))}
    if not by_seed:
        showing.stop("The kernels of this run are not there yet.")
    every = [f"{seed}-{number}" for seed, found in by_seed.items() for number in range(len(next(iter(found.values()))))]
    chosen = address.chosen("kernel", every, every[0], "kernel")
    drawn = dict(list(by_seed.items())[:FEW])
    drawn[int(chosen.split("-")[0])] = by_seed[int(chosen.split("-")[0])]
    if len(by_seed) > FEW:
        words = {"few": f"the first {FEW}", "all": f"all {len(by_seed)}"}
        with choices:
            if address.segmented("Seeds", list(words), "seeds", "few", names=words.__getitem__) == "all":
                drawn = by_seed
    fits = frames.kernel_fits(study, run)
    kinds = fits[fits["when"] == "end"]["kind"]
    count = sum(len(found[max(found)]) for found in by_seed.values())
    finding = f"{count} first-layer kernels of {run}"
    if len(kinds):
        either = int((kinds != "neither").sum())
        finding += f": after training {either} of {len(kinds)} are frequency- and orientation-selective or blobs"
    st.header(finding, anchor="first-kernels")
    epochs = sorted({epoch for found in by_seed.values() for epoch in found})
    epoch = address.steps("Epoch", epochs, "epoch", epochs[-1]) if len(epochs) > 1 else epochs[-1]
    columns = frames.columns(study, run)
    full = rendering.full_scale(kernels for found in by_seed.values() for kernels in found.values())
    told = f"full colour from ±{full:.2g} on" if scale == "shared" else "each kernel stretched to its own largest weight"
    st.caption(
        f"Mid-grey is weight 0; {told}. In the paper column 1 became grey, column 2 coloured; "
        "a click shows what excites a kernel." + ("" if len(epochs) > 1 else " Its kernels over epochs are not kept here.")
    )
    each = list(drawn.items())
    abreast = min(FEW, len(each))
    blocks = []
    rows = [st.columns(abreast, gap="large") for _ in range(0, len(each), abreast)]  # so that a phone shows them in their order
    for place, (seed, found) in zip(itertools.chain(*rows), each, strict=False):
        kernels = found.get(epoch, found[max(found)])
        with place:
            st.subheader(f"Seed {seed}, epoch {epoch if epoch in found else max(found)}")
            for column, half in enumerate(np.array_split(np.arange(len(kernels)), columns), start=1):
                if columns > 1:
                    st.caption(f"column {column}: {len(half)} kernels")
                tiles_abreast = galleries.in_a_row(len(half), 16 if abreast == 1 else 8)
                shown = {f"{seed}-{at}": rendering.kernel_tile(kernels[at], full if scale == "shared" else None) for at in half}
                key = f"kernels-{seed}-{column}"
                clickable.draw(galleries.tiles(shown, chosen, columns=tiles_abreast), key=key, keeps="kernel")
                blocks.append(list(shown.values()))
    alt = f"First-layer kernels of {run} after epoch {epoch}, a block a seed and column"
    showing.more_of(fits, "first-kernels", alt, drawings.sheet(blocks, 16, alt))
    one_kernel(study, run, by_seed, epoch, chosen)
    variety(study, run)
    colours(study, run, columns)
    with st.container(horizontal=True):
        for seed in drawn:
            path = study.folder / f"train/{run}/seed-{seed}/kernels.npy"
            if path.is_file():
                name = f"kernels-{run}-{seed}.npy"
                st.download_button(f"Kernels of seed {seed} (.npy)", path.read_bytes, name, key=name, on_click="ignore")
    showing.leads_to(study, "kernels-specialise", "kernels-every-run", "specialisation-cause", "kernels-variety")


def one_kernel(study: Study, run: str, by_seed: dict[int, dict[int, np.ndarray]], epoch: int, chosen: str) -> None:
    """A kernel, what was fitted to it, and the patches of test pictures that excite it most, one a picture."""
    seed, number = (int(part) for part in chosen.split("-"))
    found = by_seed[seed]
    kernel = found.get(epoch, found[max(found)])[number]
    st.header(f"Kernel {number} of seed {seed}{told_of_fit(frames.kernel_fits(study, run), seed, number)}", anchor="kernel")
    left, right = st.columns([1, 6])
    left.image(rendering.enlarged(kernel), width=150, alt=f"Kernel {number} of seed {seed}")
    table = frames.exciting(study, run)
    of_kernel = table[(table["seed"] == seed) & (table["kernel"] == number)].sort_values("rank").head(BEST)
    with right:
        if of_kernel.empty:
            st.caption("What excites it was not measured here; `uv run dvc repro evaluate` does, for trainings of today's code.")
            return
        cells = {}
        for row in of_kernel.itertuples(index=False):
            picture = shown_pictures.picture_of(study, "test", int(row.picture))
            if picture is not None:
                patch = picture[int(row.y) : int(row.y) + len(kernel), int(row.x) : int(row.x) + kernel.shape[1]]
                cells[f"test-{int(row.picture)}"] = galleries.encoded(rendering.grown(patch), exact=True)
        shown = (
            galleries.tiles(cells, label="patch of", columns=BEST) if cells else galleries.gallery(study, named(study, of_kernel))
        )
        if clicked := clickable.draw(shown, key="patches"):
            showing.go_to("sees", view="pictures", query=clicked)
        first, last = of_kernel["answer"].iloc[0], of_kernel["answer"].iloc[-1]
        st.caption(
            f"Of all test pictures, the {len(of_kernel)} with the patch that excites it most after training (answers "
            f"{digits(first)} to {digits(last)}). A click shows "
            f"{'the whole picture' if cells else 'what the network makes of it'}."
        )
        if remark := shown_pictures.remark(study):
            st.info(remark)
        showing.more_of(of_kernel, "kernel", f"test pictures whose patches excite kernel {number} of seed {seed} most", "")


def named(study: Study, patches: pd.DataFrame) -> list[Shown]:
    """Test pictures by their classes, where the pictures are not on this machine."""
    names = frames.class_names(study)
    labels = frames.labels_of(study, "test", map(int, patches["picture"]))
    return [
        Shown(split="test", row=int(row), caption=names[label] if label is not None and label < len(names) else "")
        for row, label in zip(patches["picture"], labels, strict=True)
    ]


def told_of_fit(fits: pd.DataFrame, seed: int, number: int) -> str:
    """What was fitted to a trained kernel, as the end of its heading; empty where nothing was."""
    part = fits[(fits["when"] == "end") & (fits["seed"] == seed) & (fits["kernel"] == number)]
    if part.empty:
        return ""
    one = part.iloc[0]
    if "selective" not in one["kind"]:
        return f": {one['kind'] if one['kind'] != 'neither' else 'no wave and no blob'} ({one['explained']:.0%} explained)"
    return f": stripes at {one['orientation']:.0f}°, {one['frequency']:.2f} waves a pixel ({one['explained']:.0%} explained)"


def variety(study: Study, run: str) -> None:
    """How many kernels are frequency- and orientation-selective, or coloured blobs: trained, and before training."""
    found = findings.kernel_kinds(study, run)
    if found is None:
        return
    showing.finding(found)
    selective = found.table[(found.table["when"] == "end") & found.table["kind"].str.contains("selective")]
    if selective.empty:
        return
    named = selective.assign(name=[f"kernel {row.kernel} of seed {row.seed}" for row in selective.itertuples()])
    eighths = (selective["orientation"] / 22.5).round().astype(int) % 8
    commonest = int(eighths.mode()[0])
    low, high = selective["frequency"].quantile([0.1, 0.9])
    showing.figure(
        charts.kernel_waves(named),
        f"They have {eighths.nunique()} of 8 orientations, {(eighths == commonest).mean():.0%} of them near "
        f"{digits(22.5 * commonest)}°; four of five have {low:.2f} to {high:.2f} waves a pixel",
        named, f"kernel-waves-{run}", "Orientation and frequency of every selective kernel",
        source="Orientations in eighths of 180 degrees: 0 is a lying edge, 90 a standing one.",
    )  # fmt: skip


def colours(study: Study, run: str, columns: int) -> None:
    """Whether colour tells the columns apart, beside what counts as coloured."""
    scores = frames.colourfulness(study, run) if columns == 2 else pd.DataFrame()
    if scores.empty:
        return
    learned = bool(scores["learned"].all())
    threshold = COLOURED if learned else None
    if learned:
        by_seed = (scores["share"] >= COLOURED).groupby([scores["seed"], scores["column"]]).sum().unstack("column")
        fuller, every = int(by_seed.max(axis=1).sum()), int(by_seed.to_numpy().sum())
        of = f"{len(by_seed)} seeds" if len(by_seed) > 1 else "one seed"
        half = int((scores["seed"] == scores["seed"].iloc[0]).sum()) // 2
        chance = frames.fuller_by_chance(map(int, by_seed.sum(axis=1)), half)
        finding = (
            f"Of {every} coloured kernels in {of} {fuller / every:.0%} lie in the column of their seed that has more of "
            f"them; by chance it would be {chance:.0%}"
            if every
            else f"No kernel is coloured in {of}"
        )
        source = (
            "What was learned: a kernel's start is taken out, so that noise has no colour here, and the number is not that "
            "of the coloured kinds above. Dotted: from here on a kernel counts as coloured. The columns are numbered by where "
            "they stand: which of them becomes the coloured one is chance."
        )
    else:
        means = scores.groupby("column")["share"].mean()
        finding = f"Colour in the kernels' energy: {means[1]:.0%} in column 1, {means[2]:.0%} in column 2 on average"
        source = "Of the whole kernel, the start was not kept: noise has two thirds off the grey axis too."
    alt = "Share of each first-layer kernel's energy that is colour, a row a seed"
    showing.figure(charts.colourfulness(scores, threshold), finding, scores, f"colourfulness-{run}", alt, source=source)


def show_layers(study: Study) -> None:
    table = frames.layers(study)
    if table.empty:
        showing.stop("Nothing was measured of the layers in this study: trainings of today's code write layers.csv.")
    names = list(table["run"].unique())
    run = address.select("Run", names, "run", names[0], width=200)
    words = {name: told for name, (told, _, _) in charts.LAYER_QUANTITIES.items()}
    quantity = address.segmented("Show", list(words), "quantity", "dead", names=words.__getitem__)
    part = table[table["run"] == run]
    last = part[part["epoch"] == part["epoch"].max()].groupby("layer", sort=False)[quantity].mean().dropna()
    if last.empty:
        showing.stop(f"{run} has no {words[quantity]}: nothing of the kind stands in its network.")
    told, unit, factor = charts.LAYER_QUANTITIES[quantity]
    most, least = (digits(factor * value) + unit for value in (last.max(), last.min()))
    ends = f"most in {last.idxmax()}, {most}, least in {last.idxmin()}, {least}"
    showing.figure(
        charts.layers(part, quantity), f"{told.capitalize()} at the end: {ends}", part, f"layers-{run}-{quantity}",
        f"{told} by layer over epochs, the mean of the seeds",
        first=True,
        source=f"{study.address}, {run}: measured after every epoch on one batch of validation pictures; epoch 0 is the start.",
    )  # fmt: skip
    showing.leads_to(study, "relu-faster", "biases-of-one", "no-input-normalisation")


def show_map(study: Study) -> None:
    places, share = frames.hidden_map(study)
    if not len(places):
        showing.stop("The map is not here yet; `uv run dvc repro retrieve` makes it.")
    labels = frames.labels_of(study, "test", range(len(places)))
    names = frames.class_names(study, 1 + max((label for label in labels if label is not None), default=0))
    run = str(frames.retrieved(study).get("run", "base"))
    found = frames.predictions(study, run)
    model = f"seed-{frames.retrieved(study).get('seed', 0)}"
    first = found.best[model][:, 0] if found is not None and model in found.best else None
    answers = ["not known" if first is None or row >= len(first) else "right" if first[row] == label else "wrong"
               for row, label in enumerate(labels)]  # fmt: skip
    frame = pd.DataFrame(
        {
            "picture": range(len(places)),
            "across": places[:, 0],
            "down": places[:, 1],
            "class": ["not known" if label is None else names[label] for label in labels],
            "answer": answers,
        }
    )
    by = address.segmented(
        "Colour", ["class", "answer"], "colour", "class", names={"class": "class", "answer": "right or wrong"}.__getitem__
    )
    told: list[str] = []
    if by == "class" and frame["class"].nunique() > MANY_CLASSES and not charts.in_two_words(frame["class"]):
        told = address.search("Classes in colour", sorted(frame["class"].unique()), "classes", placeholder="the best recognised")
        shares = (frame["answer"] == "right").groupby(frame["class"]).mean()
        told = told or list(shares.sort_values(ascending=False, kind="stable").index[:COLOURS])
    wrong = answers.count("wrong")
    first_of = "The first " if len(places) < frames.counts(study).get("test", 0) else ""
    finding = (
        f"{first_of}{len(places):,} test pictures by the two main axes of the last hidden layer, {share:.0%} of its variance"
        + f"; {wrong:,} are misjudged" * bool(wrong)
    )
    chosen = showing.figure(
        charts.hidden_map(frame, by, told), finding, frame, "map",
        "A point a test picture, coloured by class or by right and wrong", first=True,
        source=f"{study.address}, {run}, {model}. A click shows the picture and, where it was a query, its neighbours.",
        select=True,
    )  # fmt: skip
    points = chosen["selection"]["points"] if chosen else []
    clicked_point = int(points[0]["customdata"][0]) if points else None
    if clicked_point not in (None, st.session_state.get("clicked-point")):  # Plotly's selection stays until another click
        address.keep("point", clicked_point)
    st.session_state["clicked-point"] = clicked_point
    pictures = ["none", *range(len(places))]
    point = address.select("A picture of the map, by its number", pictures, "point", "none", width=260)  # for the keyboard
    if point != "none":
        row = int(point)
        st.header(f"Test picture {row}: {frame['class'][row]}, {answers[row]}")
        table = frames.neighbours(study)
        part = table[table["query"] == row].sort_values("rank")
        shown = [Shown(split="test", row=row, caption="the picture, with its labels", current=True)]
        shown += [
            Shown(split="train", row=int(near), caption=names[int(of)])
            for near, of in zip(part["neighbour"], part["neighbour_label"], strict=True)
        ]
        drawn = galleries.gallery(study, shown[:1]) + galleries.gallery(study, shown[1:], links=query.features_are_here(study))
        if clicked := clickable.draw(drawn, key="of-map"):
            showing.go_to("sees", view="pictures", query=clicked)


{"kernels": show_kernels, "layers": show_layers, "map": show_map}[view](study)
