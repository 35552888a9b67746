"""What readers of the paper ask, and the answers: in a sentence or two what each comes to, then what stands behind it.

The numbers are those of the study that is shown; what it did not measure is told of another kept study that did.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import address, charts, findings, frames, reading, rendering, showing, tables
from dashboard.how import PARTS, counting
from dashboard.how.subject import claim_of, first_that, where_changed
from dashboard.reading import Study
from study.amounts import amount, digits
from study.judging.verdicts import (
    DIRECTION,
    HELD,
    NOT_HELD,
    NOT_LONG_ENOUGH,
    REPRODUCED,
    SIZE_DIFFERS,
    SIZE_OPEN,
    SMALL,
    TOO_FEW_SEEDS,
)
from study.paper import numbers
from study.paper.claims import claim

BUS = 8e9  # bytes a second each way that PCI Express 2.0, of the GTX 580, has with all of its 16 lanes
AT_PAPER_SCALE = (REPRODUCED, SIZE_OPEN, SIZE_DIFFERS)


@dataclass(frozen=True, slots=True)
class Answer:
    """Markdown: what a question comes to, and what stands behind it. Sentences that had nothing to say leave no gap."""

    short: str
    more: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "short", " ".join(self.short.split()))
        object.__setattr__(self, "more", self.more.strip())


@dataclass(frozen=True, slots=True)
class Question:
    """One that readers ask, in their words; the part of "How it works" that answers it, and how."""

    part: str
    asked: str
    answer: Callable[[Study | None], Answer]


def of_part(part: str, study: Study | None, place: DeltaGenerator | None = None) -> None:
    """A part's questions and answers: above the one that the address names, with its reasons; the others beside one another,
    their reasons a click away."""
    names = [name for name, question in QUESTIONS.items() if question.part == part]
    first = address.chosen("question", names, names[0])
    place = place or st.container()
    with place.container(border=True, key="asked"):
        _draw(QUESTIONS[first].asked, answer := QUESTIONS[first].answer(study))
        if answer.more:
            st.markdown(answer.more)
    others = [name for name in names if name != first]
    sides = place.columns(2, gap="large") if others else []
    for number, name in enumerate(others):
        with sides[number % 2]:
            _draw(QUESTIONS[name].asked, answer := QUESTIONS[name].answer(study))
            if answer.more:
                with st.expander("Why, and how sure"):
                    st.markdown(answer.more)


def _draw(question: str, answer: Answer) -> None:
    st.markdown(f"**{question}**  \n{answer.short}")


def of_all(study: Study | None) -> None:
    """All questions by part with what each comes to; each leads to where it is seen at work."""
    sides, written = st.columns(2, gap="large"), 0
    for part in dict.fromkeys(question.part for question in QUESTIONS.values()):
        of_it = {name: question for name, question in QUESTIONS.items() if question.part == part}
        with sides[written + len(of_it) / 2 > len(QUESTIONS) / 2]:
            st.subheader(PARTS[part])
            for name, question in of_it.items():
                showing.link(question.asked, "how", part=part, question=name)
                st.markdown(question.answer(study).short)
        written += len(of_it)


def says(study: Study | None, name: str, *, held: str, against: str, small: str, unsettled: str) -> str:
    """One of four sentences, by a claim's verdict in the study shown, else in a kept study that measured it, at the paper's scale
    if there is one; `{0}` stands for the number with its interval, `{1}` for the smallest that matters. Where another
    study measured it at the paper's scale, its number follows."""
    row = claim_of(study, name)
    if row is None:
        return ""
    elsewhere = _elsewhere(row)
    where = ""
    if not tables.here(row):
        if not elsewhere:
            return "Not measured in any study that is here."
        other, row = elsewhere[0]
        where = f"Not measured in this study; on {frames.called(other)}: "
    sentence = {HELD: held, NOT_HELD: against, SMALL: small}.get(row.group, unsettled)
    matters = "" if row.matters != row.matters else amount(row.matters, row.unit)
    told = sentence.format(showing.plain(tables.here(row)), matters)
    told = f"{where}{told[0].lower()}{told[1:]}" if where else told
    beyond = elsewhere[:1] if not where and row.verdict not in AT_PAPER_SCALE else []
    for other, one in beyond:
        if one.verdict in AT_PAPER_SCALE:
            told += f" At the paper's own scale, on {frames.called(other)}: {showing.plain(tables.here(one))}."
    return told


def _elsewhere(row: Any) -> list[tuple[Study, Any]]:
    """The kept studies of real pictures that measured a claim, and their rows, those at the paper's scale first."""
    found = [(other, one) for other, one in showing.measured_elsewhere(row) if not frames.is_synthetic(other)]
    return sorted(found, key=lambda both: both[1].verdict not in AT_PAPER_SCALE)


MEANS = {  # words of a verdict that do not explain themselves
    DIRECTION: "on these pictures the direction is seen; at another scale than the paper's they say nothing of its size",
    NOT_LONG_ENOUGH: "the networks had not learned, or not overfitted, so much that the comparison says something",
    TOO_FEW_SEEDS: "fewer trainings than the protocol asks for, so nothing was tested",
}
MATTERS = (
    "What matters was set before the runs, by what so many seeds of a small network can show; most effects that the paper prints "
    "are smaller, 0.4 to 1.7 points."
)


def judged(study: Study | None, name: str, others: bool = False) -> str:
    """The verdict on a claim in its word, with its remarks, and with `others` what people outside found."""
    row = claim_of(study, name)
    if row is None:
        return ""
    told = []
    if tables.here(row):
        about = "Verdict" if row.source in (None, "paper") else "Verdict, on what the paper does not claim"
        means = f": {MEANS[row.verdict]}" if row.verdict in MEANS else ""
        told.append(f"{about}: {showing.plain(tables.judged(row))}{means}.")
        if row.group == SMALL and row.unit == "error difference":
            told.append(MATTERS)
        if best := showing.plain(tables.at_best(row)):
            told.append(f"{best}. The verdict, and its mark on the first page, are on one rate for both, as registered.")
    if others and isinstance(row.others, list) and row.others:
        told.append(f"Others found: {showing.plain('; '.join(map(str, row.others)))}.")
    return " ".join(told)


def _relu(study: Study | None) -> Answer:
    factor = amount(claim("relu-six-times").value or 0, "times")
    return Answer(
        "max(0, x): what is positive passes unchanged, the rest becomes 0. Its slope stays 1 where tanh's fades, so it learns "
        "faster. "
        + says(
            study,
            "relu-faster",
            held="Here tanh takes {0} as many epochs to 25% training error.",
            against="But here tanh takes {0} its epochs to 25% training error.",
            small="But here tanh takes hardly more epochs to 25% training error: {0} as many.",
            unsettled="Whether it does is not settled here: tanh takes {0} its epochs to 25% training error.",
        )
        + f" The paper's Figure 1 has {factor}.",
        "Ours are trainings of their own, without anything that regularises, each activation at the best of several rates; “at "
        "least” stands where some seeds of tanh had not reached 25% when training ended. "
        f"{judged(study, 'relu-faster', others=True)}",
    )


def _threshold(study: Study | None) -> Answer:
    trained, grown = _trained(study)
    return Answer(
        "A threshold's slope is 0 everywhere: no gradient passes it, and the layers below keep the weights that they began with; "
        "straight-through training acts on the way back as if the slope were 1. " + trained,
        "What a network with thresholds learns, its last layer learns, from kernels as they were drawn. "
        + (grown or "None of the studies that are here trained either: this follows from the slopes."),
    )


def _trained(study: Study | None) -> tuple[str, str]:
    """What came of training the threshold and its straight-through form, where a study did, and how their gradients compare."""
    asked_for = ("threshold", "straight_through")

    def has(one: Study) -> bool:
        return set(asked_for) <= set(frames.epochs_to_threshold(one)["curve"])

    found = None if study is None else first_that(study, has)
    if found is None:
        return "", ""
    table = frames.epochs_to_threshold(found)
    said = []
    for curve in (*asked_for, "relu"):
        of_it = table[table["curve"] == curve]
        if len(of_it):
            epochs, within = of_it["epochs_to_threshold"], f"in {of_it['epochs'].max()} epochs"
            missed = f"not by every seed {within}" if epochs.notna().any() else f"not {within}"
            reached = f"after {digits(epochs.mean())} epochs" if epochs.notna().all() else missed
            said.append(f"{charts.curve_name(curve)} {reached}")
    grown, of_layers = "", frames.layers_of_curves(found)
    first = of_layers[(of_layers["layer"] == "conv1") & of_layers["curve"].isin(["straight_through", "relu"])]
    if set(first["curve"]) == {"straight_through", "relu"}:
        last = min(int(of_it["epoch"].max()) for _, of_it in first.groupby("curve"))
        mean = first[first["epoch"] == last].groupby("curve")["gradient"].mean()
        grown = (
            "Why straight-through does no better was not looked into. The gradient that it makes up is, after epoch "
            f"{last} and where it reaches conv1, {mean['straight_through'] / mean['relu']:,.0f} times as large as with ReLUs."
        )
    asked = reading.dictionary(frames.record(found, "converge-relu").get("curve"))
    of_them = f"{pictures:,} pictures of " if isinstance(pictures := asked.get("pictures"), int) else ""
    where = f"On {of_them}{frames.called(found)}"
    return f"{where} {frames.threshold(found):.0%} training error is reached: {'; '.join(said)}.", grown


def _quickly(study: Study | None) -> Answer:
    both = {"relu", "tanh"}
    found = None if study is None else first_that(study, lambda one: both <= set(_seconds_an_epoch(one).index))
    told = "Beside the convolutions both are small; what counts is epochs."
    if found is not None:
        took = _seconds_an_epoch(found)
        told += (
            f" Measured on {frames.called(found)}: an epoch takes {digits(took['relu'])} s of processor time with ReLUs and "
            f"{digits(took['tanh'])} with tanh."
        )
    return Answer(
        f"Yes: it is one comparison a number, tanh an exponential. {told}",
        f"Counted up to the epoch that reaches {frames.threshold(found):.0%} training error, as in Figure 1, in the mean of the "
        "seeds that do. Other work on the machine makes such numbers larger."
        if found is not None
        else "",
    )


def _seconds_an_epoch(study: Study) -> pd.Series:
    """By curve of Figure 1, processor seconds an epoch, the mean of the seeds that reached the threshold."""
    table = frames.activations(study)
    return (table["processor seconds"] / table["epochs"]).groupby(table["curve"]).mean().dropna()


def _input_scale(study: Study | None) -> Answer:
    runs = ("base", "small_input", "tanh", "tanh_small_input")
    found = None if study is None else first_that(study, lambda one: all(frames.seed_errors(one, run) for run in runs))
    means = (
        "Not to prevent them from saturating, which is what the paper says: a ReLU is as steep for a large input as for a small "
        "one, and in conv1, whose biases begin at 0, which are on does not depend on the scale."
    )
    why = (
        "If a picture is made c times as large, so are conv1's answers, but for biases, and as many pass its ReLU as before; "
        "tanh's go to where it is flat. Later layers add biases of 1, and normalisation divides by constants of its own: "
        "beside small answers these decide. So how fast a layer learns depends on the scale, and so do the weights and biases "
        "that are good to begin with: who changes one must change the others."
    )
    if found is None:
        return Answer(f"{means} Whether scaled pictures are learned better was not measured in any study that is here.", why)
    mean = {run: float(np.mean(list(frames.seed_errors(found, run).values()))) for run in runs}
    raw, small, tanh, tanh_small = (amount(mean[run], "error") for run in runs)
    by_chance = _by_chance(found)
    barely = by_chance > 0 and min(mean["small_input"], mean["tanh_small_input"]) > 0.9 * by_chance
    row = claim_of(found, "no-input-normalisation")
    lead = {HELD: "are, more than tanh", NOT_HELD: "are not"}.get("" if row is None else row.group, "")
    better = f"In training they {lead} indifferent to it" if lead else "Whether scaling helps to learn is not settled here"
    scaled = f"On pixels divided to a variance of about 1 they err by {small} and {tanh_small}."
    if barely:
        scaled = (
            f"On pixels divided to a variance of about 1 both hardly learn, {small} and {tanh_small}; neither the learning rate "
            "nor the first weights were adapted to the smaller numbers, so this does not show whether scaling helps."
        )
    return Answer(
        f"{means} {better}: on {frames.called(found)} ReLUs err by {raw} on raw pixels less their mean, tanh by "
        f"{tanh}{_guessing(found)}. "
        f"{scaled}",
        f"{why} {judged(found, 'no-input-normalisation', others=True)}",
    )


def _by_chance(study: Study) -> float:
    """The error of guessing, a fraction; 0 where the study's classes are not known."""
    classes = frames.made_of(study, "prepare/packed.json", lambda packed: len(packed["classes"]), 0)
    return 1 - 1 / classes if classes else 0.0


def _guessing(study: Study) -> str:
    return f"; guessing errs by {amount(chance, 'error')}" if (chance := _by_chance(study)) else ""


def _response(study: Study | None) -> Answer:
    return Answer(
        "Maps compete: each answer is divided by a number that is large where the neighbouring maps at the same place, and its "
        "own, answer loudly. So an excited neuron becomes no more sensitive, and quietens its neighbours about as much as "
        "itself; a map without a loud neighbour gains on them.",
        "The paper finds that competition helps a network on pictures that it has not seen, as real neurons inhibit their "
        "neighbours. With its constants every answer becomes smaller, and a loud neuron gains nothing on its neighbours: "
        "they are divided by about as much as it is, since their sums hold its square too.",
    )


def _response_matters(study: Study | None) -> Answer:
    row = claim_of(study, "response-normalisation")
    if row is not None and not tables.here(row):  # then `says` tells another study's number
        row = next((one for _, one in _elsewhere(row)), row)
    apart = None if row is None else re.search(r"a difference of (-?[\d.]+) points$", tables.at_best(row))
    small = apart is not None and row.matters == row.matters and abs(float(apart[1])) < 100 * row.matters
    best = f" With each at its best of three rates the difference is {apart[1]} points (one seed)." if apart is not None else ""
    yes = "Yes: without it the error is higher by {0}." + best
    if apart is not None and small:
        yes = (
            "Yes at one learning rate for both: without it the error is higher by {0}. Hardly, where each has the best of three "
            f"rates: by {apart[1]} points (one seed, so without an interval)."
        )
    short = says(
        study,
        "response-normalisation",
        held=yes,
        against=f"No: without it the error is lower, against the paper; {{0}}.{best}",
        small=f"No difference that matters is seen: without it the error is higher by {{0}}, where {{1}} would matter.{best}",
        unsettled=f"Not settled here: without it the error is higher by {{0}}.{best}",
    )
    on_cifar = says(
        study,
        "cifar-normalisation",
        held="On CIFAR-10 it lowers the error by {0}.",
        against="On CIFAR-10 it does not: {0}.",
        small="On CIFAR-10 no gain that matters is seen: {0}, where {1} would matter.",
        unsettled="On CIFAR-10 it is not settled: without it the error is higher by {0}.",
    ).removeprefix("Not measured in this study; ")
    on_cifar = re.sub(r"^on CIFAR-10 \(.*?\): on", "On", on_cifar)
    return Answer(
        f"{short} {on_cifar if on_cifar.startswith('On') else ''}", judged(study, "response-normalisation", others=True)
    )


def _batch(study: Study | None) -> Answer:
    return Answer(
        says(
            study,
            "batch-normalisation",
            held="Yes: it errs less than response normalisation by {0}, at one learning rate for both.",
            against="No: it errs more than response normalisation; {0}, at one learning rate for both.",
            small="No difference that matters is seen: it errs less than response normalisation by {0}, where {1} would matter.",
            unsettled="Not settled here: it errs less than response normalisation by {0}.",
        )
        + _at_best_of_rates(study),
        "It takes each map's mean over the batch away and divides by its spread, where response normalisation divides by "
        "neighbouring maps; and it learns a scale and a shift. The paper, which is older, does not speak of it. "
        f"{judged(study, 'batch-normalisation')}",
    )


def _at_best_of_rates(study: Study | None) -> str:
    """The errors with batch and with response normalisation, each at the best of the rates that one study tried."""
    found = _of_rates(study)
    if found is None:
        return ""
    part = frames.sweeps(found)
    mean = part[part["sweep"] == "rate"].groupby(["line", "value"])["error"].mean().groupby("line").min()
    batch, response = mean.get("batch normalisation"), mean.get("response normalisation")
    if batch is None or response is None:
        return ""
    return (
        f" With each at its best of several rates too: {batch:.1f}% against {response:.1f}% on {frames.called(found)}."
        if batch < response
        else f" But not with each at its best of several rates: {batch:.1f}% against {response:.1f}% on {frames.called(found)}."
    )


def _of_rates(study: Study | None) -> Study | None:
    """The study shown, else a kept one, that trained batch normalisation at several learning rates."""

    def has(one: Study) -> bool:
        table = frames.sweeps(one)
        return bool((table["sweep"].eq("rate") & table["line"].eq("batch normalisation")).any())

    return None if study is None else first_that(study, has)


def _robust(study: Study | None) -> Answer:
    named, found = "batch normalisation", _of_rates(study)
    if found is None:
        return Answer(
            "Not measured: no study that is here trained batch normalisation at several learning rates.",
            where_changed(study, {"rate": "the learning rate"}, ""),
        )
    part = frames.sweeps(found)
    part = part[part["sweep"] == "rate"]
    span, told = {}, []
    for line, of_it in part.groupby("line"):
        mean, lost = of_it.groupby("value")["error"].mean(), int(of_it["error"].isna().sum())
        span[line] = mean.max() - mean.min()
        ended = f", where {lost} of {len(of_it)} trainings diverged" if lost else ""
        told.append(f"{mean.min():.1f} to {mean.max():.1f}% with {line}{ended}")
    least = len(span) > 1 and span[named] == min(span.values())
    rates = f"learning rates from {part['value'].min():.2g} to {part['value'].max():.2g}"
    return Answer(
        f"{'Yes' if least else 'Not seen'}, as far as the learning rate tells: on {frames.called(found)}, over {rates}, the "
        f"error is {'; '.join(told)}{_guessing(found)}.",
        f"{where_changed(study, {'rate': 'the learning rate'}, '', named)} No other setting was tried with it.",
    )


def _constants(study: Study | None) -> Answer:
    named = tuple(numbers.RESPONSE)
    found = None if study is None else first_that(study, lambda one: bool(frames.sweeps(one)["sweep"].isin(named).any()))
    means = (
        "The divisor is k plus alpha times the squares of n neighbouring maps, to the power of beta: k keeps it from 0, n says "
        "how far the neighbourhood reaches, alpha how much it weighs, beta how steeply the divisor grows."
    )
    chose = showing.listed(f"{name} = {value:g}" for name, value in numbers.RESPONSE.items())
    alone = digits(numbers.RESPONSE["k"] ** numbers.RESPONSE["beta"])
    more = (
        f"Where nothing answers the divisor is k^beta = {alone}. The paper chose {chose} on a validation set and reports no "
        "other values. "
    )
    if found is None:
        return Answer(means, more + "No study that is here changed them.")
    table = frames.sweeps(found)
    by = {name: table[table["sweep"] == name] for name in named}
    moved = {name: (of := part.groupby("value")["error"].mean()).max() - of.min() for name, part in by.items() if len(part)}
    seeds = {name: float(part.groupby("value")["error"].agg(lambda of: of.max() - of.min()).max()) for name, part in by.items()}
    told = showing.listed(f"{name} by {points:.1f} ({seeds[name]:.1f})" for name, points in moved.items())
    return Answer(
        f"{means} On {frames.called(found)} changing one of them moves the error little, by so many points (and as far apart lie "
        f"two trainings of one network): {told}.",
        more + where_changed(study, {name: name for name in named}, ""),
    )


def _sparse(study: Study | None) -> Answer:
    return Answer(
        "Neither by itself: dividing makes no answer 0, and a ReLU is flat at 0 alone, with no upper end at which it could "
        f"saturate. {_zeros(study)}",
        _divisors(study),
    )


def _zeros(study: Study | None) -> str:
    """The shares of answers that are 0 with and without response normalisation, at the end of trainings that have both."""
    runs = [("base", "no_normalisation"), ("with_normalisation", "without_normalisation")]

    def ends(one: Study) -> pd.DataFrame:
        table = frames.layers(one)
        for both in runs:
            activations = {rendering.network_settings(one, run).get("activation", "relu") for run in both}
            if set(both) <= set(table["run"]) and activations == {"relu"}:
                part = table[table["run"].isin(both) & table["layer"].isin(["conv1", "conv2"])]
                last = part[part["epoch"] == part.groupby(["run", "seed"])["epoch"].transform("max")]
                return last.pivot_table(index="layer", columns="run", values="saturated")[list(both)].dropna()
        return pd.DataFrame()

    found = None if study is None else first_that(study, lambda one: len(ends(one)) > 0)
    if found is None:
        return "What it does to trained networks was not measured in any study that is here."
    table = ends(found)
    told = "; ".join(
        f"in {layer} {100 * row[0]:.1f}% with it, {100 * row[1]:.1f}% without"
        for layer, row in zip(table.index, table.to_numpy(), strict=True)
    )
    less = [str(layer) for layer, row in zip(table.index, table.to_numpy(), strict=True) if row[1] - row[0] > 0.02]
    word = f": with it {showing.listed(less)} {'is' if len(less) == 1 else 'are'} less sparse, not more" if less else ""
    return f"Of the answers of trained networks, on a batch of {frames.called(found)}, are 0: {told}{word}."


def _divisors(study: Study | None) -> str:
    """The mean divisors of the study's first run at the end of its training; empty where they were not measured."""
    layers = pd.DataFrame() if study is None else frames.layers(study)
    if study is None or layers.empty:
        return ""
    run = frames.control(study)
    own = rendering.network_settings(study, run).get("response") or dict(numbers.RESPONSE)
    of_run = layers[(layers["run"] == run) & layers["divisor"].notna()]
    ends = of_run[of_run["epoch"] == of_run["epoch"].max()].groupby("layer", sort=False)["divisor"].mean()
    if ends.empty:
        return ""
    told = showing.listed(f"{digits(value)} after {layer}" for layer, value in ends.items())
    return (
        f"At the end of training its mean divisor is {told} ({showing.plain(run)}); k alone, without any neighbour, makes "
        f"{digits(own['k'] ** own['beta'])} of it."
    )


def _overlapping(study: Study | None) -> Answer:
    return Answer(
        says(
            study,
            "overlapping-pooling",
            held="Overlapping: windows that do not overlap err more by {0}.",
            against="Local: windows that do not overlap err less, against the paper; {0}.",
            small="No difference that matters is seen: windows that do not overlap err more by {0}, where {1} would matter.",
            unsettled="Not settled here: windows that do not overlap err more by {0}.",
        ),
        "Both make maps about half as wide. Local pooling has windows 2 wide and 2 apart, so that each value lies in one "
        "window; overlapping ones are 3 wide and 2 apart, so that neighbouring windows share a row or a column. "
        + judged(study, "overlapping-pooling"),
    )


def _overfit(study: Study | None) -> Answer:
    return Answer(
        says(
            study,
            "overlapping-overfit",
            held="Yes: the gap from training to validation error is larger by {0} with windows that do not overlap.",
            against="No: the gap from training to validation error is smaller with windows that do not overlap; {0}.",
            small="No difference that matters is seen: {0} of the gap from training to validation error, where {1} would matter.",
            unsettled="Not settled here: with windows that do not overlap the gap from training to validation error changes by "
            "{0}.",
        )
        + _overfitted(study),
        "The gap with windows that do not overlap, minus that with overlapping ones. Training errors are those of cropped "
        f"pictures under dropout, so that a gap may be below 0. {judged(study, 'overlapping-overfit')}",
    )


def _overfitted(study: Study | None) -> str:
    """Whether the two networks that are compared overfit at all, in the study that is shown."""
    gaps = pd.Series(dtype=float) if study is None else frames.gaps(study)
    both = [float(gaps[run]) for run in ("base", "local_pooling") if run in gaps.index]
    if len(both) < 2 or max(both) > 0:
        return ""
    overlapping, local = (amount(-gap, "error difference") for gap in both)
    return (
        f" Neither network overfitted: validation errors are lower than training errors, by {overlapping} with overlapping "
        f"windows and by {local} with others."
    )


def _pooling_parameters(study: Study | None) -> Answer:
    counted = counting.pooled_parameters()
    return Answer(
        f"It has none itself, but makes the maps smaller that fc6 reads: in the paper fc6 has {counted[3][1]:,} parameters; "
        f"without the last pooling it would have {counted[0][1]:,}.",
        f"fc6 reads maps of {counted[3][0]} x {counted[3][0]}. With windows of 2 in place of 3 and the same paddings the "
        f"maps would be {counted[2][0]} x {counted[2][0]}, and fc6 would have {counted[2][1]:,}; the paper compares maps of "
        "equal size, for which its author changed two paddings.",
    )


def _two_gpus(study: Study | None) -> Answer:
    smaller = amount(claim("two-columns").value or 0, "error difference")
    least, most = _exchange()[2]
    return Answer(
        "Each GPU holds half of the kernels and neurons of a layer (a column) and computes it at the same time; they "
        "exchange what their layers answer at four places. One large GPU that holds both columns computes the same function. "
        + says(
            study,
            "one-large-gpu",
            held="One that lets every kernel read all maps, a slightly larger network, errs less by {0}.",
            against="One that lets every kernel read all maps, a slightly larger network, errs more, against what readers "
            "expect; {0}.",
            small="Letting every kernel read all maps, a slightly larger network, makes no difference that matters: it errs less "
            "by {0}, where {1} would matter.",
            unsettled="Whether one that lets every kernel read all maps, a slightly larger network, errs less is not settled "
            "here: by {0}.",
        ),
        "- **Error.** The paper compares with a third network, on one GPU with half of the kernels, and errs less than that by "
        f"{smaller}. "
        + says(
            study,
            "two-columns",
            held="Here two columns err less than that one by {0}.",
            against="Here two columns err more than that one; {0}.",
            small="Here two columns err less than that one by {0}, where {1} would matter.",
            unsettled="Here it is not settled whether two columns err less than that one: by {0}.",
        )
        + f" Against one large GPU: {judged(study, 'one-large-gpu', others=True)}\n"
        + _memory_of_two(study)
        + "- **Time.** By count one such GPU takes about twice as long, and one twice as fast saves the exchange alone, "
        f"{least:.1%} to {most:.1%} of a step if their bus ran "
        "at full speed (calculated). The paper compares its time with the third network only, which took slightly longer than "
        "two GPUs; that is of the hardware of 2012 and was not tested.\n"
        "- **Who reads what.** conv2, conv4 and conv5 read the maps of their own GPU; conv3 and the fully connected layers both. "
        "In the released code fc8 is not divided: all of it is on the first GPU.",
    )


def _memory_of_two(study: Study | None) -> str:
    paper = _memory_of_the_paper(study)
    if paper is None:
        return ""
    one, two = paper
    return (
        f"- **Memory.** A step takes {one:.2f} GiB on one device and {two:.2f} ({two / one:.0%}) on the first of two (counted).\n"
    )


def _memory_of_the_paper(study: Study | None) -> tuple[float, float] | None:
    """GiB that a step of the paper's network takes at its peak on one device, and on the first of two."""
    memory = pd.DataFrame() if study is None else frames.step_memory(study)
    paper = memory[memory["network"] == "the paper's"] if len(memory) else memory
    if paper.empty:
        return None
    return float(paper["GiB on one device"].iloc[0]), float(paper["GiB on the first of two"].iloc[0])


def _too_big(study: Study | None) -> Answer:
    paper = _memory_of_the_paper(study)
    needs = "What a step takes was not counted in this study."
    if paper is not None:
        one, two = paper
        fits = "fits" if one < numbers.GPU_MEMORY else "does not fit"
        needs = (
            f"A step of the paper's network at {numbers.BATCH} pictures takes {one:.2f} GiB on one device and {two:.2f} on the "
            f"first of two, as counted in today's code. That {fits} into the {numbers.GPU_MEMORY} GiB of a GTX 580. Workspaces "
            "of the convolutions are not counted; what else the authors' program needed, the paper does not say: our count "
            "does not confirm its reason."
        )
    return Answer(
        f"No: the paper calls the network too big for one GPU, not the pictures; these pass in batches of {numbers.BATCH}.",
        "A step must remember what every layer answered to its batch. Weights, velocities (momentum) and gradients are "
        f"{numbers.weight_memory() / 2**30:.2f} GiB; the answers of all layers (activations) and their gradients are most of "
        f"the rest. {needs}",
    )


def _exchange() -> tuple[int, list[float], tuple[float, float]]:
    """What crosses between the paper's GPUs: bytes a step; seconds a step, by its five to six days; the least and the most
    that the exchange is of a step, if the bus runs at full speed both ways at once."""
    bytes_a_step = 4 * 2 * 2 * numbers.exchanged() * numbers.BATCH  # both ways, forward and backward
    seconds = [days * 86400 / (numbers.CYCLES * numbers.TRAINING_PICTURES / numbers.BATCH) for days in (5, 6)]
    one_way = bytes_a_step / 2 / BUS
    return bytes_a_step, seconds, (one_way / seconds[1], one_way / seconds[0])


def _communication(study: Study | None) -> Answer:
    bytes_a_step, seconds, (least, most) = _exchange()
    one_way = bytes_a_step / 2 / BUS
    crossing = None if study is None else frames.crossing(study)
    measured = (
        "In this study all columns share a device, so nothing crosses and no time was measured; with `devices: [cuda:0, "
        "cuda:1]` the stage `cost` measures it."
    )
    if study is not None and crossing:
        measured = (
            f"Between {frames.devices_of_cost(study)} it is {amount(crossing['share'], 'share')} of a step here, which says "
            "nothing of two GPUs."
        )
    return Answer(
        "Yes, they waited: before conv3, fc6, fc7 and fc8, and on the way back. What they exchange is little: "
        f"{least:.1%} to {most:.1%} of a step if their bus ran at full speed, which is calculated: acceptable, if that was all. "
        "How long they really waited, the paper does not say.",
        f"{bytes_a_step / 1e6:.0f} MB cross in a step of {numbers.BATCH} pictures, gradients too, half of them each way "
        f"({numbers.exchanged():,} numbers a picture, forward, from one to the other; {numbers.LAYERS[-1].inputs // 2:,} less to "
        "the second if all of fc8 is on the first, as in the released code). If both could use all of PCI Express 2.0, "
        f"{BUS / 1e9:g} GB/s each way at once, that takes {1000 * one_way:.0f} ms; five to six days for {numbers.CYCLES} "
        f"epochs are {seconds[0]:.2f} to {seconds[1]:.2f} s a step. {measured}",
    )


def _halving(study: Study | None) -> Answer:
    found = None if study is None else first_that(study, lambda one: bool(findings.how_near(one)))
    near = f", as measured {findings.how_near(found)}" if found is not None else ""
    return Answer(
        "A neuron that is there half of the time sends on average half of its output; halving sends that average always. It "
        f"comes near the mean of all thinned networks{near}.",
        "In training every neuron of layers 6 and 7 is off half of the time, so every picture meets another thinned network; a "
        "mask says which are off. In the test all are there and their outputs are halved. For one layer before a softmax the "
        "halved network is exactly the geometric mean of all masks; with two layers and ReLUs it is near. torch doubles what "
        "is kept in training instead (inverted dropout): the same function, with weights of half the size. "
        + judged(study, "dropout-halving"),
    )


def _free(study: Study | None) -> Answer:
    shares = {} if study is None else frames.shares_of_a_step(study)
    reading_alone = ""
    if {"read", "augmented"} <= set(shares):
        read, both = shares["read"], shares["augmented"]
        reading_alone = (
            f"Reading alone takes {amount(read, 'share')} in the same rounds, so that augmenting itself adds "
            f"{amount(both - read, 'share difference')}, without an interval of its own. "
        )
    return Answer(
        "In effect free in the paper, where a CPU prepares the next batch while the GPUs train: that costs no time as long as it "
        "is done before they are, which was not tested, since it takes a GPU. "
        + says(
            study,
            "augmentation-free",
            held="Where one processor does both, reading and augmenting take {0} of a training step, less than the {1} that "
            "would matter.",
            against="Where one processor does both, reading and augmenting take {0} of a training step, over the {1} that "
            "would matter.",
            small="Where one processor does both, reading and augmenting take {0} of a training step.",
            unsettled="Where one processor does both, reading and augmenting take {0} of a training step: "
            "too few rounds were timed to tell that from the {1} that would matter.",
        )
        + _free_elsewhere(study),
        f"{reading_alone}Shares are means over the rounds of what each round says; where an interval reaches below 0, the clock "
        f"cannot tell the cost from none. {judged(study, 'augmentation-free')}",
    )


def _free_elsewhere(study: Study | None) -> str:
    """In which other studies augmentation was shown to take less, or more, of a step than would matter."""
    row = claim_of(study, "augmentation-free")
    if row is None:
        return ""
    others, told = showing.measured_elsewhere(row), []
    for groups, word in (((HELD, SMALL), "less"), ((NOT_HELD,), "more")):
        shares: dict[str, list[str]] = {}
        for other, one in others:
            if one.group in groups:
                shares.setdefault(frames.called(other), []).append(amount(one.ours, one.unit))
        if shares:
            measured = showing.listed(f"{showing.listed(of)} on {pictures}" for pictures, of in shares.items())
            told.append(f"{word} than the {amount(row.matters, row.unit)} that would matter, {measured}")
    return f" Elsewhere it was shown to take {'; and '.join(told)}." if told else ""


def _filters(study: Study | None) -> Answer:
    """What base errs by through each filter with which pictures were packed; else that no pinned study measured it."""
    every = reading.studies(Path())
    found = None if study is None else first_that(study, lambda one: len(frames.beside(one, every)) > 0)
    unnamed = "The paper does not name its filter, and none of its claims names one."
    if found is None:
        return Answer(
            "Not measured: all studies that are here packed their pictures through one filter, bilinear with antialias.",
            f"The studies `readers`, `readers-nearest` and `readers-lanczos`, which use three, are not here. {unnamed}",
        )
    ways = frames.beside(found, every)
    of_test = ways["study"].str.endswith("-test")
    mean, of_it = (ways[rows].groupby("study")["error"].mean().sort_values() for rows in (~of_test, of_test))
    by_seed = float(ways.groupby("study")["error"].agg(lambda of: of.max() - of.min()).max())
    apart, trainings = float(mean.max() - mean.min()), int(ways.groupby("study")["seed"].nunique().max())
    told = showing.listed(f"{error:.1f}% through {name}" for name, error in mean.items())
    alone = "".join(f" {error:.1f}% where the test's pictures alone went through {name[:-5]}." for name, error in of_it.items())
    return Answer(
        f"{'It makes a difference' if apart > by_seed else 'Not that we could see'}: on {frames.called(found)} the network errs "
        f"by {showing.plain(told)}: {apart:.1f} points apart, {'farther' if apart > by_seed else 'no farther'} than seeds of "
        f"one filter are ({by_seed:.1f}).{showing.plain(alone)}",
        f"{trainings} seed{'s' * (trainings > 1)} each, so that what is smaller than seeds lie apart could not be seen. Drawn "
        f"under Training, One setting in steps, of {showing.plain(found.address)}. {unnamed}",
    )


def _rate(study: Study | None) -> Answer:
    notes = claim("three-divisions").author_run
    return Answer(
        f"By hand and not automatically: it was divided by ten {numbers.RATE_DIVISIONS} times, when the validation error "
        "stopped improving. Equal for all layers in the paper's text, not in the released code.",
        f"Its author's notes, which call his runs by numbers, give the epochs of each division ({notes}). In the released code "
        "biases learn at twice the weights' rate at first, which is then lowered at most once, and conv1 is slowed and frozen at "
        f"the end. {_rate_here(study)}",
    )


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
    if settings.get("bias_divisions") is not None:
        equal += " at first, which were divided less often"
    if len(changes) == 1:
        told, how = f"{changes.index[0]:g} in all of its {base['epoch'].max()} epochs", "never"
    return f"Here the rate of {showing.plain(run)} was {told}: divided {how}, {equal}."


def _width(study: Study | None) -> Answer:
    return Answer(
        says(
            study,
            "larger-networks",
            held="Wider is better: half the width errs more by {0}.",
            against="Wider is worse here: half the width errs less; {0}.",
            small="No difference that matters is seen: half the width errs more by {0}, where {1} would matter.",
            unsettled="Not settled here: half the width errs more by {0}.",
        ),
        "Width, the kernels of a layer, is how many different things it can look for, and parameters grow with about its square. "
        f"{where_changed(study, {'width': 'the width, as a share of that of base'}, '', values=3)} "
        + judged(study, "larger-networks"),
    )


def _depth(study: Study | None) -> Answer:
    what = "Without a layer, the next one reads what the one before it made."

    def removed(one: Study) -> dict[str, float]:
        runs = [run for run in frames.runs(one, "evaluate") if run == "base" or run.startswith("without_conv")]
        errors = {run: list(frames.seed_errors(one, run).values()) for run in runs}
        means = {run: sum(of) / len(of) for run, of in errors.items() if of}
        base = means.pop("base", None)
        return {} if base is None else {run.removeprefix("without_"): mean - base for run, mean in sorted(means.items())}

    found = None if study is None else first_that(study, lambda one: bool(removed(one)))
    if study is None or found is None:
        return Answer(
            f"Not measured: no study that is here removed a layer. {judged(study, 'any-layer', others=True)}".strip(), what
        )
    changes = removed(found)
    told = showing.listed(
        f"{amount(abs(change), 'error difference')} {'lower' if change < 0 else 'higher'} without {layer}"
        for layer, change in changes.items()
    )
    row = claim_of(found, "any-layer")
    where = "here" if found is study else f"on {frames.called(found)}"
    word = "" if row is None else f" Verdict, of the layer that is missed least: {showing.plain(tables.judged(row))}."
    low, high = min(changes, key=lambda layer: changes[layer]), max(changes, key=lambda layer: changes[layer])
    matters = "" if row is None or row.matters != row.matters else f", where {amount(row.matters, row.unit)} would matter"
    apart = [
        f"{amount(abs(changes[layer]), 'error difference')} {'lower' if changes[layer] < 0 else 'higher'} without {layer}"
        for layer in dict.fromkeys((low, high))
    ]
    paper = amount(claim("middle-layers").value or 0, "error difference")
    capacity, of_layers = _capacity(found, where)
    return Answer(
        f"{capacity} A layer more lets a network put together what the layers before it found. On test pictures the error is "
        f"{' to '.join(apart)}{matters}; in the paper a middle layer is worth {paper}.",
        f"{of_layers}{what} The test error is {told}.{word} The paper's network has 1,000 classes to tell apart and larger "
        "pictures, so that this does not tell how much a layer matters there. "
        + (judged(study, "any-layer", others=True) if found is not study else ""),
    )


def _capacity(study: Study, where: str) -> tuple[str, str]:
    """Training errors and parameters of base, of half its width and without a layer, where the study has all three; and what
    stands behind them."""

    def made(run: str) -> tuple[list[float], float]:
        def of(metrics: dict[str, Any]) -> tuple[list[float], float]:
            ends = [float(seed["training_error"]) for seed in metrics["seeds"].values() if seed["status"] == "finished"]
            return ends, float(metrics["parameters"])

        nothing: tuple[list[float], float] = ([], math.nan)
        return frames.made_of(study, f"train/{run}/metrics.json", of, nothing)

    (seeds, parameters), (halves, fewer) = made("base"), made("half_width")
    removed = {run.removeprefix("without_"): made(run) for run in frames.runs(study, "train") if run.startswith("without_conv")}
    without = {layer: float(np.mean(errors)) for layer, (errors, _) in removed.items() if errors}
    if not (without and seeds and halves):
        return "", ""
    whole, half = float(np.mean(seeds)), float(np.mean(halves))
    spread = float(np.std(seeds, ddof=1)) if len(seeds) > 1 else 0.0
    more = {layer: error - whole for layer, error in without.items()}
    adds = [layer for layer, change in more.items() if change > 2 * spread]
    rest = [change for layer, change in more.items() if layer not in adds]
    told = [f"without {layer} {amount(more[layer], 'error difference')} more are left" for layer in adds]
    if rest:
        ends = [f"{amount(abs(end), 'error difference')} {'lower' if end < 0 else 'higher'}" for end in (min(rest), max(rest))]
        varies = f" (seeds of one network: standard deviation {amount(spread, 'error difference')})" if spread else ""
        told.append(f"without {'another' if adds else 'one of them'} the error is {' to '.join(dict.fromkeys(ends))}{varies}")
    seen = f"{showing.listed(adds)} alone {'is' if len(adds) == 1 else 'are'}" if rest else "every layer is"
    epochs = frames.made_of(study, "train/base/metrics.json", lambda made: max(of["epochs"] for of in made["seeds"].values()), 0)
    most = 1 - min(size for _, size in removed.values()) / parameters
    return (
        "Capacity, how much a network can learn to fit, shows in the error that is left on its training pictures. Breadth: "
        f"{where} the whole network still errs on {whole:.1%} of them, one with half of the kernels and neurons of every layer "
        f"on {half:.1%}. Depth: {'; '.join(told)}. So {f'{seen} seen' if adds else 'no layer is seen'} to add capacity, as far "
        f"as {epochs} epochs with dropout at work tell. But a layer less is at most {most:.0%} of the parameters less, half of "
        f"the width {1 - fewer / parameters:.0%}: at equal parameters the two were not compared, and only one layer at a time "
        "was removed.",
        f"Training errors without a layer: {showing.listed(f'{error:.1%} without {layer}' for layer, error in without.items())}. "
        "Counted with dropout at work they may lie above test errors; after so few epochs they tell also how fast a "
        "network learns. The paper's deeper networks, with a sixth convolutional layer, were trained on other and more "
        "pictures, so that what they gain or lose cannot be put down to depth. ",
    )


def _sharing(study: Study | None) -> Answer:
    layer, connected, unshared = numbers.LAYERS[0], numbers.fully_connected_parameters(), counting.unshared()
    return Answer(
        f"In the paper's conv1 connections are saved first: a neuron sees {layer.size} x {layer.size} pixels in three "
        "colours and not the whole picture, all neurons together "
        f"{unshared:,} in place of {connected:,}, {connected / unshared:,.0f} times fewer. Sharing then saves parameters: "
        f"each of {layer.outputs} kernels, {layer.size} x {layer.size} x {layer.inputs} weights and a bias, serves all "
        f"{layer.side} x {layer.side} places, so that {layer.parameters:,} numbers make these connections, {layer.side**2:,} "
        "times fewer.",
        "Both are counted for conv1, a bias as one connection. Without sharing each connection would have a weight of its own, "
        "and each place could look for something else.",
    )


def _hand_made(study: Study | None) -> Answer:
    ours, before = claim("table1-cnn").value or 0, claim("table1-fisher-vectors").value or 0
    lead = f"In the paper, yes: the network errs by {ours:.1%}, the best hand-made features before by {before:.1%} (Table 1)."
    errors = {} if study is None else frames.hand_made(study)
    if study is None or not errors:
        return Answer(f"{lead} A simple hand-made baseline was not measured in this study.")
    base = list(frames.seed_errors(study, frames.control(study)).values())
    network = f"the network errs by {amount(float(np.mean(base)), 'error')}, " if base else ""
    row = claim_of(study, "margin-over-hand-made")
    margin = f", a margin of {showing.plain(tables.here(row))}" if row is not None and tables.here(row) else ""
    return Answer(
        f"{lead} Here {network}simple hand-made ones by {amount(errors['top1'], 'error')}{margin}.",
        "The hand-made features here are oriented gradients and colours with a linear classifier, simpler than Table 1's "
        f"Fisher vectors, so that the margin flatters the network. {judged(study, 'margin-over-hand-made')}",
    )


def _more_data(study: Study | None) -> Answer:
    def several(one: Study) -> bool:
        table = frames.sweeps(one)
        return table[table["sweep"] == "data"]["value"].nunique() > 2

    found = None if study is None else first_that(study, several)
    shares = ""
    if found is not None:
        table = frames.sweeps(found)
        mean = table[table["sweep"] == "data"].groupby("value")["error"].mean()
        told = showing.listed(f"{error:.1f}% with {100 * share:.3g}%" for share, error in mean.items())
        fewest = float(mean.iloc[0] - mean.iloc[-1])
        lead = "Yes, most where they are few: on" if mean.is_monotonic_decreasing and fewest > 3 else "On"
        shares = f"{lead} {frames.called(found)} the error is {told} of them. "
    row = claim_of(study, "more-data")
    outside = "" if row is None or not isinstance(row.others, list) else "; ".join(map(str, row.others))
    return Answer(
        shares
        + says(
            study,
            "more-data",
            held="Half of the pictures errs more than all by {0}.",
            against="Half of the pictures errs less than all; {0}.",
            small="From half of the pictures to all no gain that matters is seen here: {0}, where {1} would matter.",
            unsettled="From half of the pictures to all it is not settled here: {0}.",
        )
        + (f" Others found these errors, on {showing.plain(outside)}." if outside else ""),
        "More pictures are harder to learn by heart, so that what a network learns of them holds for others too. All were "
        "trained for as many updates, so that fewer pictures are seen more often, and no training is shorter. "
        f"{where_changed(study, {'data': 'the share of the pictures'}, '', values=3)} Of half of the pictures against all: "
        f"{judged(study, 'more-data')}",
    )


def _faster_gpus(study: Study | None) -> Answer:
    return Answer(
        "Only by longer training, or larger networks, in the same time. "
        + says(
            study,
            "trained-longer",
            held="Longer training helps: the validation error falls by {0} from the second quarter of the epochs to the last.",
            against="Longer training does not help here: {0} from the second quarter of the epochs to the last.",
            small="Longer training hardly helps here: {0} from the second quarter of the epochs to the last, where {1} would "
            "matter.",
            unsettled="That longer training helps is not settled here: the validation error falls by {0} from the second "
            "quarter of the epochs to the last.",
        ),
        f"This is measured within one training, before its rate is divided. {judged(study, 'trained-longer')}",
    )


def _pre_training(study: Study | None) -> Answer:
    return Answer(
        "Not known: the paper left it out and expects that it would help; no run here does it, as it is another way "
        "of learning than the paper's.",
        "It left it out to simplify its experiments, and expects it to help above all where computers allow a much larger "
        "network without as many more labelled pictures. What the paper did pre-train, on the pictures of ImageNet's Fall "
        "2011, learned from their labels, so it was not unsupervised.",
    )


def _equations(study: Study | None) -> Answer:
    return Answer(
        "The first divides an answer by a power of a constant plus its neighbours' squares; the second adds one colour to a "
        "whole picture; the third moves a weight by a velocity, which keeps nine tenths of itself and gains a step down the "
        "slope. Their symbols stand one by one in this part, each beside our code and the released one; an empty cell has "
        "nothing to compare."
    )


QUESTIONS = {  # by the name that stands in the address; of each part the first is shown with its reasons
    "relu": Question("convolution", "What is ReLU, and why does it perform better than tanh?", _relu),
    "threshold": Question("convolution", "Why ReLU over a threshold function?", _threshold),
    "input-scale": Question("convolution", "Do ReLUs really not require input normalization?", _input_scale),
    "evaluated": Question("convolution", "Can a ReLU be evaluated quickly?", _quickly),
    "response": Question("normalisation", "What is local response normalisation, intuitively?", _response),
    "response-error": Question("normalisation", "Does response normalisation lower the error?", _response_matters),
    "batch": Question("normalisation", "Is batch normalisation better?", _batch),
    "robust": Question("normalisation", "Is batch normalisation more robust to hyperparameters?", _robust),
    "constants": Question("normalisation", "What do k, n, alpha and beta do?", _constants),
    "sparse": Question("normalisation", "Does it make activities sparse, or keep them from saturating?", _sparse),
    "overlapping": Question("pooling", "Local or overlapping pooling?", _overlapping),
    "overfit": Question("pooling", "Does overlapping pooling make it more difficult to overfit?", _overfit),
    "pooling-parameters": Question("pooling", "Does pooling reduce parameters?", _pooling_parameters),
    "two-gpus": Question("columns", "How does training on two GPUs work, and is one large GPU different?", _two_gpus),
    "too-big": Question("columns", "Are 1.2 million training examples too big to fit in one GPU?", _too_big),
    "communication": Question("columns", "Did the GPUs wait for each other, and was what they exchange much?", _communication),
    "halving": Question("dropout", "How is multiplying by 0.5 in the test analogous to dropping out?", _halving),
    "free": Question("augmentation", "Is augmentation computationally free, or does it cost training time?", _free),
    "filters": Question("sampling", "Would a better approach for down-sampling improve the performance?", _filters),
    "rate": Question("learning", "Does the learning rate decrease automatically, and is it equal for all layers?", _rate),
    "width": Question("size", "Does a wider network err less?", _width),
    "depth": Question("size", "How does capacity vary with depth and breadth?", _depth),
    "sharing": Question("size", "How do convolutions save connections and parameters?", _sharing),
    "hand-made": Question("size", "Are learned features considerably better than hand-crafted ones?", _hand_made),
    "more-data": Question("size", "Would more pictures help?", _more_data),
    "faster-gpus": Question("size", "Would faster GPUs help?", _faster_gpus),
    "pre-training": Question("size", "Would unsupervised pre-training help?", _pre_training),
    "equations": Question("equations", "What do the symbols of the paper's three equations mean?", _equations),
}
