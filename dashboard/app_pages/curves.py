"""Convergence: Figure 1 of the paper on this study's pictures, and the training curves of its runs."""

from __future__ import annotations

import streamlit as st

from dashboard import charts, frames, showing

study = showing.chosen_or_stop("Convergence")

showing.warn_of_diverged(study)
st.header("Figure 1: ReLU against tanh")
curves = frames.convergence(study)
if curves.empty:
    st.info("No curve yet. `uv run dvc repro converge` makes them.")
else:
    threshold = frames.threshold(study)
    st.caption(
        f"Thin lines: one seed each. Thick: their mean. Grey: {threshold:.0%} training error. "
        "Each activation has its own learning rate, the fastest of those tried."
    )
    reached = frames.epochs_to_threshold(study)
    with st.container(horizontal=True):
        for curve, part in reached.groupby("curve"):
            name = charts.FIGURE1.get(str(curve), (str(curve),))[0]
            times = [
                f"{row.epochs_to_threshold:.1f}" if row.epochs_to_threshold > 0 else f"> {row.epochs}"
                for row in part.itertuples()
            ]
            st.metric(f"{name}: epochs to {threshold:.0%}", " · ".join(times), border=True, width="content")
    showing.chart(
        charts.figure1(curves, threshold),
        curves,
        "figure1",
        "Training error over epochs for ReLU (solid) and tanh (dashed), a thin line a seed, and the threshold",
    )
    with st.expander("Learning rates tried"):
        st.dataframe(frames.rates_tried(study), hide_index=True)

st.header("Training of the runs")
training = frames.curves(study)
if training.empty:
    showing.stop(study, "No training has finished yet. `uv run dvc repro` trains the runs of the study.")
names = list(training["run"].unique())
quantity = st.segmented_control(
    "Show",
    list(charts.QUANTITIES),
    format_func=lambda name: charts.QUANTITIES[name][0],
    default="validation_error",
    required=True,
)
chosen = st.pills("Only these runs", names, selection_mode="multi", key="curve-runs")
part = training[training["run"].isin(chosen)] if chosen else training
showing.chart(
    charts.training(part, quantity, names),
    part,
    "training",
    f"{charts.QUANTITIES[quantity][0]} over epochs, one colour a run",
)
showing.notes(study)
