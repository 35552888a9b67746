"""What every page shares: which study is shown, its heading, and a chart with its table beside it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NoReturn

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dashboard import charts, frames, reading
from dashboard.reading import Study

NOTHING = "There are no results yet. Make them with `uv run dvc repro`."
REFRESH_EVERY = 5  # seconds


def choose() -> None:
    """The sidebar's chooser; the choice is part of the page's address."""
    found = {study.address: study for study in reading.studies(Path())}
    if not found:
        return
    with st.sidebar:
        st.selectbox(
            "Study",
            list(found),
            key="study",
            bind="query-params",
            help="A working area holds what this checkout computed last; a pinned study is kept in Git.",
        )
        live = st.toggle("Refresh while a run goes on", key="live", persist_state="session")
    if live:
        _refresh_when_changed()


@st.fragment(run_every=REFRESH_EVERY)
def _refresh_when_changed() -> None:
    """Draw the page anew as soon as a file of the study has changed."""
    study = chosen()
    now = reading.stamp(study) if study else None
    if st.session_state.setdefault("stamp", now) != now:
        st.session_state["stamp"] = now
        st.rerun(scope="app")


def chosen() -> Study | None:
    """The study that the sidebar names, or None where there are no results at all."""
    found = {study.address: study for study in reading.studies(Path())}
    return found.get(st.session_state.get("study", ""), next(iter(found.values()), None))


def chosen_or_stop(title: str) -> Study:
    """Title, the study shown and what its pictures are; without results, one sentence and the end of the page."""
    st.title(title)
    study = chosen()
    if study is None:
        st.info(NOTHING)
        st.stop()
    introduce(study)
    return study


def introduce(study: Study) -> None:
    about = frames.description(study) or "the pictures of this study are not prepared yet"
    st.caption(f"{plain(study.address)} — {plain(about)}")
    if frames.is_synthetic(study):
        st.badge("synthetic pictures, drawn by a program", color="orange", icon=":material/draw:")


def warn_of_diverged(study: Study, *names: str) -> None:
    """A line where trainings diverged: of the runs or curves named, or of all."""
    found = frames.diverged_trainings(study)
    for name in names or found:
        if seeds := found.get(name):
            told = f"The training of {name} diverged from seed {' and '.join(map(str, seeds))}, so nothing is computed from it."
            st.warning(f"{plain(told)} The remedy is a smaller rate for all runs, with a new block in protocol.yaml.")


def stop(study: Study, sentence: str) -> NoReturn:
    st.info(sentence)
    notes(study)
    st.stop()


def notes(study: Study) -> None:
    """The end of a page: what was there but could not be read."""
    for note in dict.fromkeys(study.notes):
        st.caption(f":material/hourglass: {plain(note)}")


def chart(figure: go.Figure, table: pd.DataFrame, name: str, alt: str) -> None:
    """A chart, and under it the numbers it shows, to read and to take away; `name` names the CSV."""
    st.plotly_chart(figure, key=f"chart-{name}", config=charts.settings(), alt=alt)
    with st.expander("Numbers"):
        st.dataframe(table, hide_index=True, key=f"table-{name}", alt=f"The numbers of the chart: {alt}")
        download(table, name)


def download(table: pd.DataFrame, name: str) -> None:
    st.download_button("CSV", table.to_csv(index=False), f"{name}.csv", "text/csv", key=f"csv-{name}", on_click="ignore")


def plain(text: str) -> str:
    """Text from a file, so that Markdown shows it as it stands."""
    return re.sub(r"([\\`*_{}\[\]()<>#+!|~$:-])", r"\\\1", text)


def with_code(text: str) -> str:
    """A sentence from a file as it stands, but for commands between backticks, which become code."""
    return "".join(f"`{part}`" if place % 2 else plain(part) for place, part in enumerate(text.split("`")))
