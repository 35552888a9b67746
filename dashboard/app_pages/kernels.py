"""First-layer kernels (Figure 3): both columns, all seeds of a run."""

from __future__ import annotations

import numpy as np
import streamlit as st

from dashboard import charts, frames, reading, sheets, showing

study = showing.chosen_or_stop("First-layer kernels")
names = [run for run in frames.runs(study, "train") if frames.seeds(study, run)]
if not names:
    showing.stop(study, "No kernels yet. `uv run dvc repro` trains the runs of the study.")

run = st.selectbox("Run", names, key="run", bind="query-params")
own_scale = st.toggle("Each kernel on its own scale", value=True, key="own-scale", persist_state="session")
st.caption("Mid-grey is weight 0. The paper's column 1 became colour-agnostic, its column 2 colour-specific.")
showing.warn_of_diverged(study, run)
diverged = frames.diverged_trainings(study).get(run, [])
columns = frames.columns(study, run)
for seed in frames.seeds(study, run):
    name = f"train/{run}/seed-{seed}/kernels.npy"
    kernels = reading.array_of(study, name)
    if kernels is None or kernels.ndim != 4 or not len(kernels):
        if seed not in diverged:
            st.info(f"The kernels of seed {seed} are not there yet.")
        continue
    st.subheader(f"Seed {seed}")
    halves = np.array_split(np.asarray(kernels), columns)
    shared = float(np.abs(kernels).max())
    for number, (place, half) in enumerate(zip(st.columns(columns), halves, strict=True), start=1):
        title = f"column {number}" if columns > 1 else "one column"
        size = f"{len(half)} kernels of {half.shape[1]} x {half.shape[2]} x {half.shape[3]}"
        largest = np.abs(half).max(axis=(1, 2, 3), keepdims=True) if own_scale else shared
        place.image(
            sheets.kernel_sheet(half, largest),
            caption=f"{title}: {size}",
            alt=f"First-layer kernels of {run}, seed {seed}, {title}",
        )
    st.download_button(
        "Array (.npy)", (study.folder / name).read_bytes(), f"kernels-{run}-{seed}.npy", key=name, on_click="ignore"
    )
if columns == 2 and len(scores := frames.colourfulness(study, run)):
    st.header("How colourful are they?")
    st.caption("A point a kernel: 0% is grey, whatever the pattern.")
    alt = "Share of each first-layer kernel's energy that is colour, a row a seed and column"
    showing.chart(charts.colourfulness(scores), scores, f"colourfulness-{run}", alt)
showing.notes(study)
