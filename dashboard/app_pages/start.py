"""Start: what the paper is, its network as a map, what its first layer learned, how its claims fared here, six of them drawn."""

from __future__ import annotations

from html import escape
from typing import Any

import streamlit as st

from dashboard import clickable, drawings, frames, galleries, judged, rendering, showing, summary, tables
from dashboard.how import PARTS
from dashboard.how.answers import QUESTIONS
from dashboard.reading import Study
from study import amounts
from study.paper.numbers import neurons, parameters

PAPER = "https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks"
ASKED = (  # questions that have room here
    "relu", "input-scale", "response-error", "robust", "two-gpus", "communication", "halving", "free", "filters", "rate", "depth",
    "more-data",
)  # fmt: skip
DRAWN = 6  # claims, of these the first that the study measured, then the first that other kept studies did
TILES = (
    "relu-faster",
    "two-columns",
    "response-normalisation",
    "dropout-error",
    "ten-patches",
    "neighbours",
    "margin-over-hand-made",
    "neighbours-far-in-pixels",
    "dropout-halving",
    "trained-longer",
    "relu-six-times",
    "cifar-normalisation",
    "augmentation-free",
)


def tile(study: Study, claim: Any) -> str:
    """A small figure with a sentence and a verdict, which leads to the claim; of what was not measured here, another study's."""
    to = clickable.link("claims", study=study.address, claim=claim.id)
    where, drawn = "Here", ""
    if not tables.here(claim) and (others := showing.measured_elsewhere(claim)):
        other, claim = others[0]
        where = f"Not here; on {frames.called(other)}"
    if claim.id == "relu-faster" and where == "Here":
        drawn = _curves(study)
    elif claim.ours == claim.ours:
        drawn = drawings.interval(claim.ours, claim.low, claim.high, tables.here(claim), width=210, height=44)
    found = tables.here(claim) or "not measured in this study"
    if claim.paper == claim.paper and claim.ours == claim.ours:
        found += f". In the paper: {tables.printed_number(claim)}"
    if more := tables.limits(claim) or tables.at_best(claim):  # a tile has room for one
        found += f". {more}"
    return (
        f'<a href="{to}" data-key="{escape(claim.id)}"><span class="title">{escape(claim.title)}</span>{drawn}'
        f"<p>{escape(where)}: {escape(found)}</p>{summary.word(claim)}</a>"
    )


def _curves(study: Study) -> str:
    """Figure 1 in small: mean training errors."""
    series: dict[str, list[tuple[float, float]]] = {}
    for curve, part in frames.convergence(study).groupby("curve", sort=True):
        every = part.groupby("epoch")["training_error"].count() == part["seed"].nunique()
        mean = part.groupby("epoch")["training_error"].mean()[every]  # later means are of the seeds that were slow
        series[str(curve)] = list(zip(mean.index, mean, strict=True))
    few = {word: series[name] for name, word in (("relu", "ReLU"), ("tanh", "tanh")) if name in series}
    return drawings.lines(few, frames.threshold(study), "Training error over epochs") if few else ""


def first_kernels(study: Study) -> None:
    """Figure 3 in small: the first layer of the study's first network at its end; a click on a kernel opens it."""
    for run in frames.runs(study, "train"):
        for seed in frames.seeds(study, run)[:1]:
            if by_epoch := frames.kernels_by_epoch(study, run, seed):
                kernels = by_epoch[max(by_epoch)]
                full = rendering.full_scale([kernels])
                shown = {f"{seed}-{at}": rendering.kernel_tile(one, full) for at, one in enumerate(kernels)}
                st.header("What its first layer learned here")
                columns = galleries.in_a_row(len(shown), 12)
                if kernel := clickable.draw(galleries.tiles(shown, columns=columns), key="kernels"):
                    showing.go_to("inside", run=run, kernel=kernel)
                errors = frames.seed_errors(study, run, "top1").values()
                errs = f"; {run} errs by {amounts.amount(sum(errors) / len(errors), 'error')} on test pictures" if errors else ""
                st.caption(f"{len(kernels)} kernels of {run}, seed {seed}, after {max(by_epoch)} epochs{errs}")
                return


study = showing.chosen()
st.title("ImageNet Classification with Deep Convolutional Neural Networks")
st.markdown(
    f"**AlexNet, reproduced claim by claim.** Alex Krizhevsky, Ilya Sutskever and Geoffrey E. Hinton, NIPS 2012 "
    f"([the paper]({PAPER})): five convolutional and three fully connected layers, {parameters():,} parameters, {neurons():,} "
    "neurons, trained on 1.2 million photographs of 1,000 classes on two GPUs. Here its statements are tested one by one, "
    "and told with how sure the answer is, or why there is none."
)
asked_by_readers = f"{len(QUESTIONS)} questions that readers ask of it, answered"
showing.link(asked_by_readers, "how", icon=":material/help:", part="questions")
if study is None:
    showing.stop(showing.NOTHING)
claims = judged.claims(study)
left, right = st.columns([5, 6], gap="large")
with left:
    st.header("The network: click a part to see it work")
    href = {part: clickable.link("how", study=study.address, part=part) for part in PARTS}
    if part := clickable.draw(drawings.network(href), key="map"):
        showing.go_to("how", part=part)
    first_kernels(study)
    st.header("What readers ask")
    for asked in ASKED:
        showing.link(QUESTIONS[asked].asked, "how", part=QUESTIONS[asked].part, question=asked)
with right:
    st.header("What became of its claims here")
    if claims.empty:
        st.info("No verdicts yet: `judge`, the last stage of `uv run dvc repro`, gives them.")
    else:
        if group := clickable.draw(summary.bar(study, claims), key="bar"):
            showing.go_to("claims", show=group)
        st.markdown(summary.scale(claims))
        by_id = judged.by_id(study)
        known = [by_id[name] for name in TILES if name in by_id]
        here = [claim for claim in known if claim.ours == claim.ours]  # what was not measured here is NaN
        drawn = [*here, *sorted((one for one in known if one not in here), key=lambda one: not showing.measured_elsewhere(one))]
        tiles = "".join(tile(study, claim) for claim in drawn[:DRAWN])
        if name := clickable.draw(f'<div class="tiles">{tiles}</div>', key="tiles"):
            showing.go_to("claims", claim=name, show="all")
        st.caption(
            "Points are percentage points, of the top-1 error unless the claim says of what; in brackets stands the "
            "interval that its test gives. Each drawn interval has a scale of its own: its upright line is 0, and the paper's "
            "direction is to the right." + summary.what_matters(claims)
        )
with st.container(horizontal=True):
    showing.link("The error tables: the paper's Tables 1 and 2, and ours", "sees", icon=":material/table:", view="tables")
    showing.link("Try your own picture", "sees", icon=":material/image_search:", view="pictures")
    showing.link("What is often misread", "how", icon=":material/menu_book:", part="misread")
    showing.link("Two studies side by side", "compare", icon=":material/compare_arrows:")
