"""Halved outputs in the test, against averaging many dropout networks (section 4.2)."""

from __future__ import annotations

import streamlit as st

from dashboard import charts, frames, showing

study = showing.chosen_or_stop("Why halving the outputs stands for dropout")
st.markdown(
    "In training each neuron of layers 6 and 7 is off half of the time, so every picture meets another network. In the test "
    "all neurons are there and their outputs are halved, which the paper calls a reasonable approximation to the geometric "
    "mean of what all those networks predict. Here that mean is taken over many masks of one trained network."
)
masks = frames.masks(study)
if diverged := frames.diverged_in(study, "halve"):
    showing.stop(study, f"The training of seed {diverged[0]} diverged, so its outputs were not halved.")
if masks.empty:
    showing.stop(study, "Nothing is measured yet. `uv run dvc repro halve` does, for a network with dropout.")
halved = masks[masks["mean"] == "halved"].iloc[0]
geometric = masks[masks["mean"] == "geometric"]
as_good = geometric[geometric["divergence"] <= halved["divergence"]]["masks"].min()
with st.container(horizontal=True):
    st.metric("Halved outputs: distance", f"{halved['divergence']:.3g} nats", border=True, width="content")
    st.metric("One mask: distance", f"{geometric['divergence'].iloc[0]:.3g} nats", border=True, width="content")
    if as_good == as_good:  # not missing
        st.metric("As near as the mean of", f"fewer than {as_good:.0f} masks", border=True, width="content")
st.caption("Distance: Kullback and Leibler's divergence from the mean of many other masks, averaged over the test pictures.")
showing.chart(
    charts.masks(masks),
    masks,
    "masks",
    "Divergence from the mean of many masks: geometric and arithmetic means of few masks, and halved outputs as a line",
)
showing.notes(study)
