"""Compare: two studies, or two runs of one, side by side: errors, curves, kernels, pictures, settings, verdicts."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import address, charts, clickable, frames, galleries, judged, reading, rendering, showing, shown_pictures, tables
from dashboard.galleries import Shown
from dashboard.reading import Study
from study import amounts, files
from study.judging.verdicts import HELD, NOT_HELD, NOT_JUDGED

MOST = 24

st.title("Compare")
found = {study.address: study for study in reading.studies(Path())}
if not found:
    showing.stop(showing.NOTHING)
names = list(found)
shown = showing.chosen()
default_a = shown.address if shown else names[0]
alike = frames.packed(found[default_a]).get("sha256")
default_b = next((name for name in names if name != default_a and frames.packed(found[name]).get("sha256") == alike), default_a)


def choose(side: str, default: str) -> tuple[Study, str]:
    """A study and one of its runs; empty where it has none."""
    name = address.select(f"Study {side}", names, side.lower(), default)
    runs = frames.runs(found[name], "evaluate")
    first = runs[0] if runs else ""
    if side == "B" and name == st.session_state["kept"].get("a", default_a) and len(runs) > 1:
        first = runs[1]
    run = address.select(f"Run {side}", runs or [""], f"run-{side.lower()}", first)
    return found[name], run


left, right = st.columns(2, gap="large")
with left:
    a, run_a = choose("A", default_a)
    st.caption(showing.plain(f"{frames.description(a)}. {showing.freshness(a)[0]}. {showing.taken(a)}"))
with right:
    b, run_b = choose("B", default_b)
    st.caption(showing.plain(f"{frames.description(b)}. {showing.freshness(b)[0]}. {showing.taken(b)}"))
with st.expander("A study of another repository"):
    st.markdown(
        "`uv run dvc import <address of the repository> pinned/<study> -o pinned/<a name>` brings a pinned study beside yours, "
        "and notes where it is from. With `--rev <tag or commit>` it is as it was then; `uv run dvc get . pinned/<study> --rev "
        "<tag or commit> -o pinned/<a name>` opens a revision of this repository without checking it out. It then stands in both "
        "lists. More: `docs/sharing.md`."
    )
same_study = a.address == b.address
titles = (f"A: {run_a}", f"B: {run_b}") if same_study else (f"A: {a.address}, {run_a}", f"B: {b.address}, {run_b}")


def errors() -> None:
    """Both errors, and their difference: paired by pictures where both saw the same test set."""
    st.header("Errors on the test pictures")
    one, other = frames.predictions(a, run_a), frames.predictions(b, run_b)
    rows: list[tuple[Any, ...]] = []
    for measure, words in frames.MEASURES.items():
        means = [list(frames.seed_errors(study, run, measure).values()) for study, run in ((a, run_a), (b, run_b))]
        if not all(means):
            continue
        first, second = (float(np.mean(of)) for of in means)
        low, high, how = _interval(one, other, measure)
        rows.append((words, 100 * first, 100 * second, 100 * (second - first), 100 * low, 100 * high, how))
    if not rows:
        st.info("One of the two is not evaluated yet, so their errors cannot be laid side by side.")
        return
    table = pd.DataFrame(rows, columns=["error", titles[0], titles[1], "B - A, points", "from", "to", "interval"])
    top1 = rows[0]
    size = amounts.amount(abs(top1[3]) / 100, "error difference")
    explained = top1[4] <= 0 <= top1[5]  # false where nothing is known of the interval
    if not _same_pictures():
        st.subheader(f"A errs by {top1[1]:.1f}%, B by {top1[2]:.1f}%, on other pictures, so this compares no networks")
    elif top1[3] == 0:
        st.subheader("A and B err alike")
    else:
        more = "more" if top1[3] > 0 else "less"
        by_chance = ", which the choice of test pictures alone could explain" if explained else ""
        st.subheader(f"B errs {size} {more} than A{by_chance}")
    percent, number = (st.column_config.NumberColumn(format=form, width=72) for form in ("%.2f%%", "%.2f"))
    formats = dict.fromkeys(table.columns[1:3], percent) | dict.fromkeys(table.columns[3:6], number)
    formats["error"] = st.column_config.Column(width=72)
    st.dataframe(table, hide_index=True, column_config=formats, alt="Errors of A and B")
    st.caption(
        "Means over seeds, ten patches. The interval holds at 95% for these trained networks on new pictures of the kind; what "
        "other seeds would do is for the claims to say, which compare runs of one study."
    )
    showing.download(table, "compare-errors")


def _interval(one: Any, other: Any, measure: str) -> tuple[float, float, str]:
    """Of the difference B - A: by pairs of pictures where the test sets are the same, else of two independent sets."""
    if one is None or other is None:
        return math.nan, math.nan, "no predictions"
    wrong = [_mean_wrong(predictions, measure) for predictions in (one, other)]
    if _same_pictures() and np.array_equal(one.labels, other.labels):
        each = wrong[1] - wrong[0]
        middle, error, how = each.mean(), each.std(ddof=1) / math.sqrt(len(each)), f"{len(each):,} pictures in pairs"
    else:
        middle = wrong[1].mean() - wrong[0].mean()
        error = math.sqrt(sum(of.var(ddof=1) / len(of) for of in wrong))
        how = f"{len(wrong[0]):,} and {len(wrong[1]):,} other pictures"
    return float(middle - 1.96 * error), float(middle + 1.96 * error), how


def _mean_wrong(predictions: Any, measure: str) -> np.ndarray:
    """By picture the share of the seeds that misjudge it."""
    by_model = {model: wrong for model, wrong in predictions.wrong(measure).items() if model != files.AVERAGED}
    return np.mean(list((by_model or predictions.wrong(measure)).values()), axis=0)


def _same_pictures() -> bool:
    wanted = frames.packed(a).get("sha256")
    return bool(wanted) and wanted == frames.packed(b).get("sha256")


def curves() -> None:
    tables_of = []
    for title, study, run in ((titles[0], a, run_a), (titles[1], b, run_b)):
        table = frames.curves(study)
        tables_of.append(table[table["run"] == run].assign(run=title))
    both = pd.concat([table for table in tables_of if len(table)]) if any(map(len, tables_of)) else pd.DataFrame()
    if both.empty:
        return
    st.header("Curves, on training and validation pictures")
    quantity = address.segmented(
        "Show", list(charts.QUANTITIES), "quantity", "validation_error", names=lambda name: charts.QUANTITIES[name][0]
    )
    words, unit = charts.QUANTITIES[quantity]
    ends = both.dropna(subset=[quantity]).groupby(["run", "seed"])[quantity].last().groupby("run").mean()
    factor = 100 if unit == "%" else 1
    told = ", ".join(f"{name} {amounts.digits(factor * value)}{'' if unit == '%' else ' '}{unit}" for name, value in ends.items())
    showing.figure(
        charts.training(both, quantity, list(dict.fromkeys(both["run"]))), f"{words.capitalize()} at the end: {told}", both,
        "compare-curves", f"{words} over epochs of A and B", source=charts.lines_of(both),
    )  # fmt: skip


def kernels() -> None:
    sets = []
    for study, run in ((a, run_a), (b, run_b)):
        seeds = frames.seeds(study, run)
        by_epoch = next((made for seed in seeds if (made := frames.kernels_by_epoch(study, run, seed))), {})
        sets.append(by_epoch[max(by_epoch)] if by_epoch else None)
    if all(one is None for one in sets):
        return
    st.header("First-layer kernels")
    for place, title, one, name in zip(st.columns(2, gap="large"), titles, sets, "ab", strict=True):
        with place:
            if one is None:
                st.caption(f"{showing.plain(title)}: no kernels")
                continue
            full = rendering.full_scale([one])
            st.caption(f"{showing.plain(title)}: {len(one)} kernels of the first seed, full colour from ±{full:.2g} on")
            tiles = {str(number): rendering.kernel_tile(kernel, full) for number, kernel in enumerate(one)}
            clickable.draw(galleries.tiles(tiles, columns=12), key=f"compare-kernels-{name}")


def disagreements() -> None:
    """Pictures on which the two differ, where they saw the same ones."""
    one, other = frames.predictions(a, run_a), frames.predictions(b, run_b)
    if one is None or other is None or not _same_pictures() or not np.array_equal(one.labels, other.labels):
        return
    first, second = (_first(predictions) for predictions in (one, other))
    better, worse = (first != one.labels) & (second == one.labels), (first == one.labels) & (second != one.labels)
    st.header("Pictures on which they disagree")
    st.subheader(f"B alone is right about {int(better.sum())} of {len(first):,} pictures, A alone about {int(worse.sum())}")
    if remark := shown_pictures.remark(a):
        st.info(remark)
    names_of = frames.class_names(a, max(frames.labels_in(one), frames.labels_in(other)))
    for words, kept in (("B alone is right", better), ("A alone is right", worse)):
        rows = np.flatnonzero(kept)[:MOST]
        if not len(rows):
            continue
        st.caption(words)
        cells = [
            Shown(
                split="test", row=int(row),
                caption=f"{names_of[one.labels[row]]}; A: {names_of[first[row]]}, B: {names_of[second[row]]}",
            )
            for row in rows
        ]  # fmt: skip
        if clicked := clickable.draw(galleries.gallery(a, cells), key=f"differ-{words[0]}"):
            showing.go_to("sees", study=a.address, view="pictures", query=clicked)


def _first(predictions: Any) -> np.ndarray:
    """The first label of the averaged networks, or of the only one."""
    best = predictions.best
    return best[files.AVERAGED if files.AVERAGED in best else next(iter(best))][:, 0]


def settings() -> None:
    """The settings in which the two trainings differ, as their records say."""
    one, other = (
        frames.flat(reading.dictionary(frames.record(study, f"train-{run}").get("run")))
        for study, run in ((a, run_a), (b, run_b))
    )
    if not one or not other:
        return
    differing = [key for key in dict.fromkeys([*one, *other]) if one.get(key) != other.get(key)]
    st.header("Settings that differ")
    if not differing and _same_pictures():
        st.info("The two were trained with the same settings.")
        return
    rows = [] if _same_pictures() else [("pictures", frames.description(a), frames.description(b))]
    rows += [(key, str(one.get(key, "")), str(other.get(key, ""))) for key in differing]
    st.table(pd.DataFrame(rows, columns=["setting", *titles]), hide_index=True)


def claims() -> None:
    """The claims on which two studies say different things under one another: opposite ones, others that both judged, those that
    one of them did not; after them those that were tested otherwise."""
    if same_study:
        st.caption("With another study as B, the claims on which the two differ stand here under one another.")
        return
    one, other = judged.claims(a), judged.claims(b)
    both = one.merge(other, on="id", suffixes=("_a", "_b"))
    differ = both[both["verdict_a"] != both["verdict_b"]]
    if both.empty:
        return
    ends = {frozenset((HELD, NOT_HELD))}
    opposite = (
        differ[[frozenset(both) in ends for both in zip(differ["group_a"], differ["group_b"], strict=True)]]
        if len(differ)
        else differ
    )
    otherwise = judged.tested_otherwise(a, b)
    st.header("Claims that differ")
    st.subheader(f"Of {len(both)} claims {len(differ)} have another verdict, {len(opposite)} an opposite one")
    if otherwise is None:
        st.caption("One of the two does not say how its claims were tested, so whether their protocols differ is not known.")
    elif otherwise:
        st.caption(f"{len(otherwise)} claims were tested otherwise in B than in A; in what, the table says.")
    rows = []
    tested = [name for name in both["id"] if name in (otherwise or {})]
    both_judged = differ[(differ["group_a"] != NOT_JUDGED) & (differ["group_b"] != NOT_JUDGED)]
    order = list(dict.fromkeys([*opposite["id"], *both_judged["id"], *differ["id"], *tested]))
    by_id = [{claim.id: claim for claim in of.itertuples()} for of in (one, other)]
    for name in order:
        for study, of in zip((a, b), by_id, strict=True):
            claim = of[name]
            rows.append(
                (
                    claim.title,
                    study.address,
                    claim.verdict,
                    tables.here(claim),
                    "" if claim.sample == "–" else claim.sample,
                    (otherwise or {}).get(name, ""),
                )
            )
    columns = ["claim", "study", "verdict", "here", "rests on", "tested otherwise (A and B)"]
    table = pd.DataFrame(rows, columns=columns)
    shown = table if otherwise else table.drop(columns="tested otherwise (A and B)")
    st.dataframe(
        shown.assign(study=["A", "B"] * len(order)),  # as above; the file has their names
        hide_index=True,
        column_order=["study", "verdict", "claim", *columns[3:]],  # on a phone the verdicts are what one sees first
        column_config={
            "claim": st.column_config.Column(width=270),
            "study": st.column_config.Column(width=50),
            "verdict": st.column_config.Column(width=190),
        },
        alt="A claim's verdicts in both studies under one another, opposite ones first",
    )
    showing.download(table, "compare-claims")


errors()
curves()
kernels()
disagreements()
settings()
claims()
