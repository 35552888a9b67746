"""Training (Figure 1): ReLU against tanh, what each component is worth, the curves, runs that go on, what a step costs."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from dashboard import address, charts, findings, frames, judged, reading, showing
from dashboard.reading import Study
from study import amounts
from study.judging.verdicts import NOT_JUDGED
from study.paper import numbers

VIEWS = {"figure1": "Figure 1", "components": "Components", "curves": "Curves", "questions": "One setting in steps",
         "cost": "A step's cost"}  # fmt: skip

study = showing.begin("Training")
first = "curves" if study.pinned and frames.convergence(study).empty else "figure1"
view = address.segmented("View", list(VIEWS), "view", first, names=VIEWS.__getitem__, label_visibility="collapsed")
if not study.pinned and address.switch("Draw anew while runs go on", "live"):
    showing.refresh_when_changed()
going_on = frames.going_on(study)
for row in going_on.itertuples(index=False):
    begun, done = row[1:]
    told = f"{begun} seed{'' if begun == 1 else 's'} begun, {done} epoch{'' if done == 1 else 's'} done"
    st.info(
        f"{showing.plain(row.run)} is being trained: {told}. The terminal of `dvc repro` says how long it takes.",
        icon=":material/timer:",
    )
showing.warn_of_diverged(study)


def show_figure1(study: Study) -> None:
    found = findings.figure_1(study)
    if found is None:
        showing.stop(
            "This study draws no curve of Figure 1; what others found stands below."
            if study.pinned
            else "No curve yet. `uv run dvc repro converge` makes them.",
            "relu-faster", "relu-six-times",
        )  # fmt: skip
    showing.finding(found, first=True)
    times_and_reasons(study)
    tried = frames.rates_tried(study)
    if len(tried):
        st.subheader(f"Learning rates tried: {len(tried)}")
        st.caption("On one seed that is not judged, so epochs differ from those above; a race ends when a rate has won.")
        st.dataframe(
            tried.assign(curve=tried["curve"].map(charts.curve_name), rate=[f"{rate:g}" for rate in tried["rate"]]),
            hide_index=True,
            height="content",
            placeholder="later",
            alt="Learning rates tried, epochs to the threshold, and which was chosen",
            column_config={
                "curve": st.column_config.Column(width=60),  # so that a phone shows all four columns
                "rate": st.column_config.Column(width=60),
                "epochs_to_threshold": st.column_config.NumberColumn(
                    f"epochs to {frames.threshold(study):.0%}", format="%.1f", width=100
                ),
            },
        )
    showing.leads_to(study, "relu-faster", "relu-six-times", "relu-varies")


def times_and_reasons(study: Study) -> None:
    """Epochs and processor time to the threshold by activation; and the layers' gradients, dead and saturated units beside it."""
    table, layers = frames.activations(study), frames.layers_of_curves(study)
    if len(table):
        mean = table.groupby("curve", sort=False)[["epochs", "processor seconds"]].agg(lambda of: of.mean(skipna=False))
        mean = mean.sort_values("epochs").reset_index()
        mean["curve"] = [charts.curve_name(curve) for curve in mean["curve"]]
        st.dataframe(
            mean, hide_index=True, placeholder="not reached",
            column_config={name: st.column_config.NumberColumn(name, format="%.3g") for name in mean.columns[1:]},
            alt="Epochs and processor seconds to the threshold by activation, means of the seeds",
        )  # fmt: skip
    if layers.empty:
        return
    words = {name: told for name, (told, _, _) in charts.LAYER_QUANTITIES.items() if layers[name].notna().any()}
    if not words:
        return
    first = "gradient" if "gradient" in words else next(iter(words))  # what an activation passes on to the layers below it
    quantity = address.segmented("Why", list(words), "why", first, names=words.__getitem__)
    epoch = int(layers.groupby("curve")["epoch"].max().min())
    at = layers[(layers["epoch"] == epoch)].dropna(subset=[quantity])
    mean = at.groupby(["curve", "layer"], sort=False)[quantity].mean().reset_index()
    if mean.empty:
        return
    mean["curve"] = [charts.curve_name(curve) for curve in mean["curve"]]
    told, unit, factor = charts.LAYER_QUANTITIES[quantity]
    least, most = (
        f"in {mean['layer'][at]} with {mean['curve'][at]}, {amounts.digits(factor * mean[quantity][at])}{unit}"
        for at in (mean[quantity].idxmin(), mean[quantity].idxmax())
    )
    showing.figure(
        charts.layers_by_curve(mean, quantity),
        f"{told.capitalize()} after {epoch} epoch{'' if epoch == 1 else 's'}: least {least}; most {most}",
        mean, f"why-{quantity}", f"{told} by layer and activation",
        source=f"{study.address}: on one batch, the mean of the seeds, after the last epoch at which all were measured.",
    )  # fmt: skip


def show_components(study: Study) -> None:
    found = findings.components(study)
    if found is None:
        elsewhere = [
            claim.id
            for claim in judged.by_id(study).values()
            if claim.kind == "effect"
            and claim.unit == "error difference"
            and claim.group == NOT_JUDGED
            and showing.measured_elsewhere(claim)
        ]
        showing.stop(
            f"This study trained {showing.listed(f'`{run}`' for run in frames.runs(study, 'evaluate')) or 'no run'} alone, so "
            "nothing is compared with it."
            if study.pinned
            else "No run besides base is evaluated yet. `uv run dvc repro` evaluates each run after its training.",
            *elsewhere,
        )
    showing.finding(found, first=True)
    table, control = found.table, frames.control(study)
    unfinished = [run for run in (control, *table["run"]) if frames.still_learning(study, run)]
    if unfinished:
        many = f"{len(unfinished)} of {len(table) + 1} runs, {control} {'' if control in unfinished else 'not '}among them,"
        names = "every run" if len(unfinished) > len(table) else many if len(unfinished) > FEW else showing.listed(unfinished)
        gaps = frames.gaps(study).reindex([control, *table["run"]]).dropna().sort_values(ascending=False)
        told = showing.listed(f"{amounts.amount(gap, 'error difference')} in {run}" for run, gap in gaps.head(2).items())
        st.info(
            f"The validation loss of {showing.plain(names)} was still falling when training ended: what only slows learning "
            "costs error here, and longer trainings may differ."
            + (f" Validation errors end farthest above training errors by {showing.plain(told)}." if len(gaps) else "")
        )
    removals = ("any-layer", "middle-layers") if table["run"].str.startswith("without_conv").any() else ()
    showing.leads_to(study, *[name for name in table["claim"] if name], *removals)


FEW = 4  # runs that a sentence names; of more it says how many
QUESTIONS = {  # by frames.SWEEPS: the question, the axis, whether it is logarithmic
    "rate": ("Does normalisation make a network more robust to its learning rate?", "learning rate", True),
    "k": ("Does k of the response normalisation matter?", "k", False),
    "n": ("Does n, the number of neighbouring maps, matter?", "n", False),
    "alpha": ("Does alpha matter?", "alpha", True),
    "beta": ("Does beta matter?", "beta", False),
    "data": ("How much do more pictures help?", "share of the training pictures, in as many updates", True),
    "width": ("Does a larger network do better?", "width, as a share of base's", True),
}


def show_questions(study: Study) -> None:
    """What readers ask and the claims do not settle: errors over one setting at a time. Exploratory, of few seeds."""
    table, filters = frames.sweeps(study), frames.beside(study, reading.studies(Path()))
    if table.empty and filters.empty:
        st.info(
            "No run of this study changes one setting in several steps, as the study `readers` does (learning rate, k, n, alpha, "
            "beta, pictures, width): `uv run python -m stages.choose readers`."
        )
        showing.link(
            "What readers of the paper ask is answered in How it works", "how", icon=":material/menu_book:", part="convolution"
        )
        return
    drawn = [name for name in QUESTIONS if (table["sweep"] == name).any()]
    beside_others = [name for name in drawn if name != "rate"]  # these on one scale, so that what moves little looks so
    errors = table.loc[table["sweep"].isin(beside_others), "error"]
    for number, name in enumerate(drawn):
        (question, axis, logarithmic), part = QUESTIONS[name], table[table["sweep"] == name]
        found = findings.moved(part)
        seeds = sorted(part.groupby("run")["seed"].nunique().unique())
        of = f"{study.address}, seeds a run: {showing.listed(map(str, seeds))}. Exploratory, in no family of comparisons."
        place, between = st.container(), None
        if name in beside_others:
            if beside_others.index(name) % 2 == 0:
                pair = st.columns(2, gap="large")
            place, between = pair[beside_others.index(name) % 2], (errors.min() - 1, errors.max() + 1)
        with place:
            showing.figure(
                charts.sweep(part, axis, logarithmic, between), f"{question}{f' The error {found}' if found else ''}",
                part.drop(columns="sweep"),
                f"sweep-{name}", f"Top-1 error over {axis}", source=of, first=number == 0,
            )  # fmt: skip
    if len(filters):
        showing.figure(
            charts.beside(filters), f"Does the down-sampling filter matter? base errs by {findings.filters(filters)}",
            filters, "filters", "Top-1 error of base by how pictures were down-sampled",
            source=f"{study.address} and the studies that have its name and a word more, which says the filter. Exploratory, in "
            "no family of comparisons.",
        )  # fmt: skip


def show_curves(study: Study) -> None:
    training = frames.curves(study)
    if training.empty:
        showing.stop("No training has finished an epoch yet. `uv run dvc repro` trains the runs of the study.")
    names = list(training["run"].unique())
    quantity = address.segmented(
        "Show", list(charts.QUANTITIES), "quantity", "validation_error", names=lambda name: charts.QUANTITIES[name][0]
    )
    chosen = address.pills("Only these runs", names, "runs")
    part = training[training["run"].isin(chosen)] if chosen else training
    found = findings.curves(study, part, quantity, names)
    if found is None:
        showing.stop(f"{charts.QUANTITIES[quantity][0].capitalize()} was not measured in these runs.")
    showing.finding(found, first=True)
    showing.leads_to(
        study, "dropout-overfitting", "dropout-iterations", "weight-decay", "normalisation-generalises", "trained-longer"
    )


def show_cost(study: Study) -> None:
    rounds = frames.step_times(study)
    if rounds.empty:
        showing.stop("Nothing is measured yet. `uv run dvc repro cost` does.")
    st.header("Augmentation: computationally free?")
    shares = frames.shares_of_a_step(study)
    finding = "A step's time by where its pictures come from"
    if {"read", "augmented"} <= set(shares):
        finding = (
            f"Reading takes {amounts.amount(shares['read'], 'share')} of a step, reading and augmenting "
            f"{amounts.amount(shares['augmented'], 'share')}"
        )
    showing.figure(
        charts.step_times(rounds), finding, rounds, "step-times", "Milliseconds a training step, by where its pictures come from",
        source="A point a round of steps: on one batch again and again, on pictures that are only read (from memory), and on "
        "pictures that are cropped, reflected and recoloured. The shares are means over rounds, each of its own.",
    )  # fmt: skip
    showing.leads_to(study, "augmentation-free")
    st.header("Memory: did the network need two GPUs?")
    memory = frames.step_memory(study)
    if memory.empty:
        st.info("The network of this study has no columns to divide.")
    else:
        paper = memory[memory["network"] == "the paper's"]
        if len(paper):
            one = float(paper["GiB on one device"].iloc[0])
            fits = "less" if one < numbers.GPU_MEMORY else "more"
            st.subheader(
                f"A step of the paper's network takes {one:.2f} GiB on one device, {fits} than a GTX 580's {numbers.GPU_MEMORY}"
            )
        st.dataframe(
            memory,
            hide_index=True,
            placeholder="",
            column_config={name: st.column_config.NumberColumn(name, format="%.2f") for name in memory.columns[2:]},
            alt="GiB at the peak of a step, on one device and on each of two",
        )
        st.caption(
            "Tensors alive at the peak of a step of today's code, counted without running it; a kernel's own workspace is not."
        )
        showing.download(memory, "memory")
    crossing = frames.crossing(study)
    if crossing:
        st.subheader(
            f"{amounts.amount(crossing['share'], 'share')} of a step is spent on what crosses: {crossing['numbers']:,.0f} numbers"
        )
        st.caption(f"Between {frames.devices_of_cost(study)}, which says nothing of two GPUs of 2012.")
    else:
        st.caption(
            "All columns of this study share a device, so nothing crossed between two and no time was measured."
            if len(memory)
            else "The network of this study has no columns, so nothing crosses between two devices."
        )
    showing.leads_to(study, "three-gigabytes", "communication", "two-gpus-time")


SHOWN = {
    "figure1": show_figure1,
    "components": show_components,
    "curves": show_curves,
    "questions": show_questions,
    "cost": show_cost,
}
SHOWN[view](study)
