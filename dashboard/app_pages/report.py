"""The reproduction report on one page, as `judge` wrote it."""

from __future__ import annotations

import streamlit as st

from dashboard import reading, showing

study = showing.chosen_or_stop("Reproduction report")
text = reading.text_of(study, "judge/report.md")
if not text:
    showing.stop(study, "No report yet: `judge`, the last stage of `uv run dvc repro`, writes it.")
st.download_button("Markdown", text, f"report-{study.folder.name}.md", "text/markdown", on_click="ignore")
st.markdown(text.partition("\n")[2], width=900)  # its own heading is the page's
showing.notes(study)
