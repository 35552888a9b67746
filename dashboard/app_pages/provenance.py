"""What made the results of each stage: versions, commit, machine, wall time, hashes."""

from __future__ import annotations

import streamlit as st

from dashboard import frames, showing, tables

study = showing.chosen_or_stop("Provenance")
made = frames.provenance(study)
if not made:
    showing.stop(study, "No stage has finished yet; each writes here what made its results.")

table = tables.stages(made)
if table["code"].eq("changed").any():
    st.warning("Some stages ran on code that differs from their commit: their numbers cannot be made again from Git alone.")
st.dataframe(table, hide_index=True, alt="A row a stage: when it ran, for how long, on what, from which commit")
showing.download(table, "provenance")

stage = st.selectbox("Everything that is recorded of a stage", list(made), key="stage", bind="query-params")
st.json(made[stage], expanded=2)
showing.notes(study)
