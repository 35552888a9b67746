"""The first page: which of the paper's claims were reproduced, at what scale."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard import charts, showing, tables, verdicts
from study.paper.misread import misreadings
from study.paper.numbers import parameters

ALL = "all verdicts"

study = showing.chosen_or_stop("Which of the paper's claims were reproduced, at what scale?")
claims = verdicts.claims(study)
if claims.empty:
    showing.stop(study, "No verdicts yet: `judge`, the last stage of `uv run dvc repro`, gives them.")

scales = [scale for scale in claims["scale"].dropna().unique() if scale]
st.markdown(f"**The paper:** ImageNet, 1,000 classes, 1.2 million training pictures, {parameters():,} parameters.")
st.markdown(f"**Here:** {showing.plain(max(scales, key=len, default='nothing is measured yet'))}.")

if stale := verdicts.outdated(study):
    st.warning(
        f"{showing.plain(stale)}. What was measured is withheld until `uv run dvc repro` has brought "
        "it up to date (where that finds nothing to do: `uv run dvc repro -sf judge`)."
    )

with st.container(horizontal=True):
    for group, count in tables.answer(claims).items():
        st.metric(group, f"{count} of {len(claims)}", border=True, width="content")

counts = tables.verdict_counts(claims)
wanted = st.selectbox("Show", [ALL, *counts], key="verdict", bind="query-params", width=360)
shown = (claims if wanted == ALL else claims[claims["verdict"] == wanted]).reset_index(drop=True)


def follow_the_table() -> None:
    """A row that is clicked becomes the claim that is shown below, and part of the page's address."""
    if rows := st.session_state["claims-table"]["selection"]["rows"]:
        st.session_state["claim"] = shown["id"][rows[0]]


st.dataframe(
    tables.claim_table(shown),
    hide_index=True,
    key="claims-table",
    on_select=follow_the_table,
    selection_mode="single-row",
    column_config={"section": st.column_config.Column("§", width=50), "claim": st.column_config.Column(width=290)},
    placeholder="",
    alt="A row a claim: section, claim, verdict, the paper's number, ours with its interval, seeds and pictures",
)
showing.download(claims, "claims")

st.header("One claim")
first = int(claims["ours"].notna().to_numpy().argmax())
chosen = st.selectbox("Claim (or click a row above)", list(claims["id"]), first, key="claim", bind="query-params")
claim = next(claims[claims["id"] == chosen].itertuples())
st.subheader(showing.plain(claim.title))
st.badge(claim.verdict, color=tables.VERDICTS.get(claim.verdict, "gray"))
st.markdown(showing.with_code(claim.why or ""))
if claim.decide:
    st.markdown(f"**What would decide it:** {showing.with_code(claim.decide)}")
paper, ours = st.columns(2, border=True)
for place, title, facts in (
    (paper, "In the paper", tables.paper_facts(claim)),
    (ours, "Here", tables.our_facts(claim)),
):
    place.markdown(f"**{title}**")
    place.table(pd.DataFrame(facts.items()), hide_index=True, hide_header=True, border="horizontal")

effects = claims[(claims["unit"] == "error difference") & (claims["kind"] == "effect") & claims["ours"].notna()]
if len(effects):
    st.header("Effects on the error")
    st.caption("Right of 0, the paper is right. Its own number stands in words: data and scale differ.")
    table = tables.claim_table(effects)
    showing.chart(
        charts.claim_effects(effects), table, "effects", "Effects measured here in points of error with their intervals"
    )

with st.expander("Often misread"):
    rows = [(row.said, row.right, row.section) for row in misreadings()]
    st.table(pd.DataFrame(rows, columns=["said", "right", "section"]), hide_index=True)
showing.notes(study)
