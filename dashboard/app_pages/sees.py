"""What it sees (Figure 4): pictures with their labels and neighbours, one's own first; confusions; the error tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import address, clickable, frames, galleries, query, showing, shown_pictures, tables
from dashboard.galleries import Shown
from dashboard.reading import Study
from study import amounts, files
from study.paper import results

MOST_ROWS = 20  # of a table, before it scrolls
VIEWS = {"pictures": "Pictures", "confusions": "Confusions", "tables": "Error tables"}
EACH = 24  # pictures of a kind that are shown
NEIGHBOURS = 6

study = showing.begin("What it sees")
view = address.segmented("View", list(VIEWS), "view", "pictures", names=VIEWS.__getitem__, label_visibility="collapsed")
names = frames.class_names(study)


def class_of(label: float | None) -> str:
    if label is None:
        return "not known"
    return names[int(label)] if 0 <= label < len(names) else f"class {int(label)}"


def five(labels: np.ndarray, shares: np.ndarray | None, right: float | None, key: str) -> None:
    told = [class_of(label) for label in labels]
    clickable.draw(
        galleries.labels(told, None if shares is None else list(shares), None if right is None else class_of(right)), key=key
    )


def own_picture(study: Study) -> None:
    """A picture that the visitor drops: its five labels, and its nearest training pictures."""
    st.header("Your own picture")
    if lacking := query.lacking(study):
        st.info(lacking)
        for other in st.session_state["kept-studies"]:
            if not query.lacking(other):
                showing.link(f"Try it on the network of {other.address}, which is here", "sees", study=other.address)
                break
        return
    dropped = st.file_uploader(f"Drop a picture: {query.LIMITS}.", type=list(query.SUFFIXES), key="dropped")
    if dropped is None:
        return
    own = query.decode_query(dropped.getvalue())
    if isinstance(own, str):
        st.info(own)
        return
    with st.spinner("Looking at your picture: the network's weights are loaded the first time …"):
        found = query.answer(own, study, NEIGHBOURS)
    if isinstance(found, str):
        st.info(found)
        return
    left, middle, right = st.columns([2, 5, 7])
    left.image(own, caption="your picture", width="stretch", alt="Your picture")
    likeliest = np.argsort(-found.probabilities, kind="stable")[:5]
    with middle:
        st.subheader(f"{class_of(likeliest[0])}, says the network, with {found.probabilities[likeliest[0]]:.0%}")
        five(likeliest, found.probabilities[likeliest], None, "own-labels")
    with right:
        st.subheader("The most similar training pictures")
        if not len(found.rows):
            st.caption(f"The features of the training pictures are not here; {query.bring(study)}")
            others = (other for other in st.session_state["kept-studies"] if not query.lacking(other))
            if with_features := next(filter(query.features_are_here, others), None):
                showing.link(
                    f"Neighbours in {with_features.address}, whose features are here", "sees", study=with_features.address
                )
        known = [shown_pictures.label_of(study, "train", int(row)) for row in found.rows]
        shown = [
            Shown(split="train", row=int(row), caption=f"{class_of(label)} ({amounts.digits(distance)})")
            for row, label, distance in zip(found.rows, known, found.distances, strict=True)
        ]
        if shown:
            clickable.draw(galleries.gallery(study, shown), key="own-neighbours", keeps="query")
            st.caption("In brackets: Euclidean distance in the last hidden layer. A click makes a picture the query below.")


def pictures_there(study: Study, found: frames.Predictions | None) -> dict[str, int]:
    """By split, how many pictures can be the query."""
    counts = frames.counts(study)
    tested = 0 if found is None else len(found.labels)
    return {"test": max(counts.get("test", 0), tested), "train": counts.get("train", 0)}


def one_picture(study: Study, run: str, model: str, options: list[str]) -> None:
    """The picture that is chosen: its five labels as in Figure 4, and its neighbours, each of which can become the query."""
    default, found = options[0] if options else "test-0", frames.predictions(study, run)
    chosen = address.picture("query", pictures_there(study, found), default)
    split, _, text = chosen.partition("-")
    row = int(text)
    label = frames.label_of(study, split, row)
    st.header(f"{split.capitalize()} picture {row}" + (f": {class_of(label)}" if label is not None else ""), anchor="picture")
    picture = shown_pictures.picture_of(study, split, row)
    if picture is None:
        middle, right = st.columns([5, 7])
    else:
        left, middle, right = st.columns([2, 5, 7])
        left.image(picture, width="stretch", alt=f"{split} picture {row}")
    with middle:
        if split == "test" and found is not None and model in found.best and row < len(found.labels):
            best, shares = found.best[model][row], frames.probabilities(study, run).get(model)
            place = np.flatnonzero(best == found.labels[row])
            told = f"right, as number {place[0] + 1}" if len(place) else "not the right one"
            st.subheader(f"Its {len(best)} likeliest labels: {told}")
            five(best, None if shares is None or row >= len(shares) else shares[row].astype(float), found.labels[row], "labels")
        else:
            st.caption("Labels are predicted of test pictures.")
    with right:
        by_features = neighbours(study, split, row, label)
    ways = otherwise(study, split, row, label)
    if by_features or ways:
        near = [("the last hidden layer", *found) for found in by_features]
        near += [(way, *pair, None) for way, found in ways.items() for pair in found.itertuples(index=False)]
        table = pd.DataFrame(near, columns=["nearest in", "training picture", "label", "distance"])
        table.insert(3, "class", [class_of(known) for known in table["label"]])
        showing.more_of(table, "nearest", f"training pictures nearest to {split} picture {row}, the nearest first", "")


def neighbours(study: Study, split: str, row: int, label: int | None) -> list[tuple[int, int | None, float]]:
    """By features, from the stage's table or, of other pictures, from the stored features: pictures, labels, distances."""
    table = frames.neighbours(study)
    part = table[(table["query"] == row)].sort_values("rank") if split == "test" else table.iloc[:0]
    if len(part):
        by_features = list(zip(part["neighbour"], part["neighbour_label"], part["distance"], strict=True))
    else:
        by_features = [
            (near, frames.label_of(study, "train", near), far)
            for near, far in query.nearest_to_stored(study, split, row, NEIGHBOURS)
        ]
    if not by_features:
        st.info(
            "Only pictures that the stage `retrieve` looked up have neighbours here, since the stored features are not; "
            + query.bring(study)
        )
        return []
    own = sum(known == label for _, known, _ in by_features)
    st.subheader(f"Nearest in the last hidden layer: {own} of {len(by_features)} of its class", anchor="nearest")
    shown = [
        Shown(split="train", row=int(near), caption=f"{'✓ ' if known == label else ''}{class_of(known)} ({amounts.digits(far)})")
        for near, known, far in by_features
        if known is not None
    ]
    search = query.features_are_here(study)
    clickable.draw(galleries.gallery(study, shown, six=True, links=search), key="neighbours", keeps="query")
    return by_features


def otherwise(study: Study, split: str, row: int, label: int | None) -> dict[str, pd.DataFrame]:
    """The six nearest by what the paper does not show, side by side: pixels, colour histograms, an untrained network."""
    table, more = frames.neighbours(study), frames.others(study)
    part = table[table["query"] == row].sort_values("rank") if split == "test" else table.iloc[:0]
    ways = {"pixels": part[["pixel_neighbour", "pixel_label"]]} if len(part) else {}
    for by, words in (("colours", "colour histograms"), ("untrained", "the layer before training")):
        found = more[(more["by"] == by) & (more["query"] == row)].sort_values("rank")
        ways |= {words: found[["neighbour", "neighbour_label"]]} if len(found) and len(part) else {}
    search = query.features_are_here(study)
    for number, (place, (words, found)) in enumerate(zip(st.columns(3, gap="large"), ways.items(), strict=False)):
        with place:
            st.subheader(f"Nearest in {words}: {int((found.iloc[:, 1] == label).sum())} of {len(found)} of its class")
            shown = [
                Shown(split="train", row=int(near), caption=f"{'✓ ' if known == label else ''}{class_of(known)}")
                for near, known in found.itertuples(index=False)
            ]
            clickable.draw(galleries.gallery(study, shown, six=True, links=search), key=f"neighbours-{number}", keeps="query")
    return ways


def rankings(study: Study) -> None:
    """How good the neighbours of all queries are, by what was compared; and how far away in pixels they are."""
    from dashboard import findings  # Plotly takes a second to import, which the pictures above should not wait for

    if (found := findings.precision(study)) is not None:
        showing.finding(found)
    elif rates := frames.match_rates(study):
        told = {name: amounts.amount(share, "share") for name, share in rates.items()}
        st.subheader(f"Of the neighbours of all queries {told.pop('by features', 'an unknown share')} are of the query's class")
        st.caption(", ".join(f"{name} {share}" for name, share in told.items()) + ".")


def among_the_five(study: Study, run: str, model: str) -> None:
    """Figure 4, left: how often the right label is among the five where the first is wrong; and off-centre objects."""
    from dashboard import findings

    if told := findings.among_the_five(study, run, model):
        st.subheader(told[0])
        st.caption(told[1])
    if (far := findings.by_distance(study, run, model)) is not None:
        showing.finding(far)


def choose_model(found: frames.Predictions) -> str:
    models = sorted(found.best, key=lambda name: (name == files.AVERAGED, name))
    default = files.AVERAGED if files.AVERAGED in models else models[0]
    return address.select("Network", models, "model", default, names=lambda name: name.replace("-", " "), width=200)


def show_pictures(study: Study) -> None:
    if diverged := frames.diverged_in(study, "retrieve"):
        seeds = ", ".join(map(str, diverged))
        st.warning(f"Trainings diverged (seed {seeds}); nothing was searched with their networks.")
    own_picture(study)
    st.header("Test pictures")
    if remark := shown_pictures.remark(study):
        st.info(remark)
        others = (one for one in st.session_state["kept-studies"] if shown_pictures.picture_of(one, "test", 0) is not None)
        if shown := next(others, None):
            showing.link(f"The pictures of {shown.address} are here", "sees", study=shown.address)
    choices = st.container(horizontal=True, vertical_alignment="bottom")
    with choices:
        run = showing.choose_run(study, width=200)
    found = frames.predictions(study, run) if run else None
    if run is None or found is None:
        st.info("What each network predicts is not here; `uv run dvc repro` evaluates each run after its training.")
        run, model = "base", files.AVERAGED
        asked = [int(number) for number in frames.neighbours(study)["query"].unique()[:EACH]]
    else:
        with choices:
            model = choose_model(found)
        beside_base = run != "base" and "base" in frames.runs(study, "evaluate")
        kinds = [kind for kind in frames.KINDS if beside_base or kind != frames.BESIDE_BASE]
        kind = address.segmented("Pictures", kinds, "kind", "wrong")
        of_kind = list(frames.pictures_of_kind(study, run, model, kind))
        which = ""
        if not query.features_are_here(study):  # a click should lead to neighbours
            have = set(frames.neighbours(study)["query"])
            which = ", beginning with those that have neighbours here" if have.intersection(of_kind) else ""
            of_kind.sort(key=lambda number: number not in have)
        asked = [int(number) for number in of_kind[:EACH]]
        known = model in frames.probabilities(study, run)
        order = ", with the highest probability first" if known else "; how probable the labels are is not kept here"
        st.caption(
            f"{len(of_kind):,} of {len(found.labels):,}: {frames.KINDS[kind]}{order if kind != 'seeds disagree' else ''}"
            + (f"; the first {EACH}{which}" if len(of_kind) > EACH else "")
            + ". A click shows the picture below."
        )
    options = [f"test-{number}" for number in asked]
    current = address.picture("query", pictures_there(study, found), options[0] if options else "test-0")
    elsewhere = bool(options) and current not in options  # a link from another page leads to a picture, which stands first then
    if elsewhere:
        one_picture(study, run, model, options)
        st.header("Other test pictures")
    shown, named = [], []
    for number in asked:
        caption = class_of(frames.label_of(study, "test", number))
        if found is not None:
            right, first = int(found.labels[number]), found.best[model][number, 0]
            caption = class_of(right) if first == right else f"{class_of(right)}, said: {class_of(first)}"
            named.append((number, class_of(right), *(class_of(label) for label in found.best[model][number])))
        shown.append(Shown(split="test", row=number, caption=caption, current=f"test-{number}" == current))
    if shown:
        clickable.draw(galleries.gallery(study, shown), key="of-kind", keeps="query")
    if named:
        columns = ["test picture", "class", *(f"likeliest {place}" for place in range(1, len(named[0]) - 1))]
        showing.more_of(pd.DataFrame(named, columns=columns), "test-pictures", "test pictures with the labels given to them", "")
    if not elsewhere:
        one_picture(study, run, model, options)
    among_the_five(study, run, model)
    rankings(study)
    showing.leads_to(study, "neighbours", "neighbours-far-in-pixels", "reasonable-labels", "off-centre")


def show_confusions(study: Study) -> None:
    choices = st.container(horizontal=True, vertical_alignment="bottom")
    with choices:
        run = showing.choose_run(study, width=200)
    found = frames.predictions(study, run) if run else None
    if run is None or found is None:
        showing.stop("What each network predicts is not here; `uv run dvc repro` evaluates each run after its training.")
    with choices:
        model = choose_model(found)
    first = found.best[model][:, 0]
    pairs = frames.confusions(found.labels, first)
    names = frames.class_names(study, frames.labels_in(found))
    if pairs.empty:
        showing.stop(f"No test picture is misjudged by {run}, {model}.")
    cells = [f"{true}-{predicted}" for true, predicted in zip(pairs["true"], pairs["predicted"], strict=True)]
    chosen = address.chosen("cell", cells, cells[0], "pair of classes")
    true, predicted = (int(number) for number in chosen.split("-"))
    wrong = int((first != found.labels).sum())
    top = pairs.iloc[0]
    finding = (
        f"{wrong:,} of {len(first):,} test pictures are misjudged; most often {class_of(top['true'])} is taken for "
        f"{class_of(top['predicted'])}, {int(top['pictures'])} times"
    )
    wide = len(names) <= galleries.MOST_CLASSES
    left, right = st.columns([7, 5], gap="large")
    drawn = (galleries.square if wide else galleries.most_confused)(study, pairs, names, chosen)
    table = pairs.assign(true=pairs["true"].map(class_of), predicted=pairs["predicted"].map(class_of))
    with left:
        showing.figure(
            drawn, finding, table, "confusions", "Confusions: true classes down, predicted ones across",
            first=True,
            source=f"{study.address}, {run}, {model}: true classes down, predicted ones across; the bluer, the more "
            "pictures, and the right ones, on the grey diagonal, are not counted. A click shows the pictures.",
            keeps="cell",
        )  # fmt: skip
    search = query.features_are_here(study)
    with right:
        of_cell = np.flatnonzero((found.labels == true) & (first == predicted))
        total = int((found.labels == true).sum())
        st.subheader(f"{class_of(true)}, taken for {class_of(predicted)}: {len(of_cell)} of {total} pictures")
        known = frames.probabilities(study, run).get(model)
        sure = known[of_cell, 0].astype(float) if known is not None else np.zeros(len(of_cell))
        order = np.argsort(-sure, kind="stable")[:EACH]
        shown = [
            Shown(split="test", row=int(of_cell[n]), caption=f"{sure[n]:.0%} sure" if known is not None else "") for n in order
        ]
        if clicked := clickable.draw(galleries.gallery(study, shown), key="of-cell"):
            showing.go_to("sees", view="pictures", query=clicked)
        st.caption("The surest first. A click shows a picture with its labels" + (" and neighbours." if search else "."))
        if remark := shown_pictures.remark(study):
            st.info(remark)


def show_tables(study: Study) -> None:
    """The paper's Tables 1 and 2 with our rows beneath, and the errors by class."""
    table, diverged = frames.errors(study), frames.diverged(study)
    for run, seeds in diverged.items():
        st.warning(f"The training of {run} diverged from seed {' and '.join(map(str, seeds))}; no mean of the others is shown.")
    about = frames.description(study).split(" · ")[0] or study.address
    seen = f"{about}, {int(table['pictures'].max()):,} test pictures" if len(table) else about
    made = frames.hand_made(study)
    for title, rows in (
        ("Table 1: ILSVRC-2010 in the paper, ours beneath", results.TABLE_1),
        ("Table 2: ILSVRC-2012 in the paper, ours beneath", results.TABLE_2),
    ):
        st.header(title)
        ours = tables.ours_beneath(table, diverged, seen, "ten_patches")
        if title.startswith("Table 1"):
            control = frames.control(study)
            one_patch = tables.ours_beneath(table[table["run"] == control], {}, seen, "centre_patch").head(1)
            beside = [tables.hand_made_row(made, seen), one_patch.assign(row=f"{control}, from one patch")]
            ours = pd.concat([*beside, ours])
        whole = pd.concat([tables.printed(rows), ours], ignore_index=True)
        st.dataframe(
            whole.assign(
                row=[f"here: {row}" if of == "here" else row for of, row in zip(whole["from"], whole["row"], strict=True)]
            ),
            hide_index=True,
            height=38 + 35 * min(len(whole), MOST_ROWS),
            placeholder="",
            column_order=("row", "top-1", "top-5", *[name for name in whole if name not in ("row", "top-1", "top-5", "from")]),
            column_config={name: st.column_config.NumberColumn(name, format="%.1f%%", width=64) for name in ("top-1", "top-5")}
            | {"row": st.column_config.Column("row", width=210), "seeds": st.column_config.Column("seeds", width=55)},
            alt=f"{title}: both errors, seeds, interval and pictures",
        )
        showing.download(whole, "table-1" if title.startswith("Table 1") else "table-2")
    st.caption(
        "Ours: the mean of the seeds from ten patches, with their lowest and highest, and the 95% Wilson interval of that "
        "mean on as many test pictures: it speaks of other pictures for these networks, not of other "
        "seeds. The paper's numbers are of other pictures and another scale: compare within a source."
    )
    if table.empty:
        showing.stop("No run is evaluated yet. `uv run dvc repro` evaluates each run after its training.")
    st.header("By class")
    by_class = showing.choose_run(study, width=200)
    if by_class is None:
        return
    classes = frames.class_errors(study, by_class)
    if len(classes) and classes["top1_error"].notna().any():
        worst = classes.loc[classes["top1_error"].idxmax()]
        st.subheader(f"{by_class} errs most on {worst['name']}: {worst['top1_error']:.1%} of {int(worst['pictures'])} pictures")
    st.dataframe(
        tables.class_table(classes),
        hide_index=True,
        column_config={
            name: st.column_config.ProgressColumn(name, format="%.1f%%", min_value=0, max_value=100)
            for name in ("top-1 error", "top-5 error")
        },
        alt=f"Error of {by_class} by class",
    )
    showing.download(classes, "classes")


{"pictures": show_pictures, "confusions": show_confusions, "tables": show_tables}[view](study)
