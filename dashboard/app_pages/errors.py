"""Error tables: ours with intervals and seeds; the paper's apart, since their pictures and scale are others."""

from __future__ import annotations

import streamlit as st

from dashboard import charts, frames, showing, tables
from study.paper import results

st.title("Error tables")
study = showing.chosen()
if study is None:
    st.info(showing.NOTHING)
else:
    showing.introduce(study)
    table = frames.errors(study)
    st.header("Here")
    if table.empty:
        st.info("No run is evaluated yet. `uv run dvc repro` evaluates each run after its training.")
    else:
        st.caption(f"{table['pictures'].max():,} test pictures. Mean of the seeds, and from lowest to highest in brackets.")
        st.dataframe(tables.error_summary(table), hide_index=True, alt="Errors of each run")
        measure = st.segmented_control(
            "Measure", list(frames.MEASURES), format_func=frames.MEASURES.__getitem__, default="top1", required=True
        )
        showing.chart(
            charts.errors(table, measure),
            tables.in_percent(table[table["measure"] == measure]),
            "errors",
            "Error of each trained network with its 95% interval, ten patches filled and centre patch open",
        )
        run = st.selectbox("Error by class", frames.runs(study, "evaluate"), key="run", bind="query-params")
        classes = frames.class_errors(study, run)
        st.dataframe(
            classes.sort_values("top1_error", ascending=False),
            hide_index=True,
            column_config={
                "class": None,
                "top1_error": st.column_config.ProgressColumn("top-1 error", format="percent", min_value=0, max_value=1),
                "top5_error": st.column_config.ProgressColumn("top-5 error", format="percent", min_value=0, max_value=1),
            },
            alt=f"Error of {run} by class",
        )
        showing.download(classes, "classes")

st.header("In the paper")
st.caption("As printed in 2012, from other pictures and at another scale than above.")
for title, rows in (("Table 1", results.TABLE_1), ("Table 2", results.TABLE_2)):
    st.subheader(title)
    st.dataframe(tables.printed(rows), hide_index=True, alt=f"The paper's {title}")
