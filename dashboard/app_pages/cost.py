"""What a training step costs: time with and without augmentation (section 4.1), memory (section 3.2)."""

from __future__ import annotations

import streamlit as st

from dashboard import charts, frames, showing

study = showing.chosen_or_stop("What a training step costs")
rounds = frames.step_times(study)
if rounds.empty:
    showing.stop(study, "Nothing is measured yet. `uv run dvc repro cost` does.")
st.header("Augmentation: computationally free?")
st.caption(
    "A point a round of steps: on one batch again and again, on pictures that are only read (from memory), and on pictures that "
    "are cropped, reflected and recoloured. On the machine named under Provenance."
)
by_way = rounds.pivot_table(index="round", columns="way", values="seconds")
if {"one batch again", "read", "augmented"} <= set(by_way.columns):
    with st.container(horizontal=True):
        for title, way in (("Reading takes", "read"), ("Reading and augmenting take", "augmented")):
            share = (1 - by_way["one batch again"] / by_way[way]).mean()
            st.metric(title, f"{share:.1%} of a step", border=True, width="content")
showing.chart(charts.step_times(rounds), rounds, "step-times", "Milliseconds a training step, by where its pictures come from")

st.header("Memory: did the network need two GPUs?")
memory = frames.step_memory(study)
if memory.empty:
    st.info("The network of this study has no columns to divide.")
else:
    st.caption(
        "Tensors alive at the peak of a step, counted without running it; a kernel's own workspace is not. A GTX 580 had 3 GB."
    )
    st.dataframe(memory, hide_index=True, alt="GiB at the peak of a step, on one device and on each of two")
showing.notes(study)
