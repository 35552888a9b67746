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
    table, diverged = frames.errors(study), frames.diverged(study)
    st.header("Here")
    for run, seeds in diverged.items():
        st.warning(f"The training of {run} diverged from seed {' and '.join(map(str, seeds))}; no mean of the others is shown.")
    if table.empty:
        st.info("No run is evaluated yet. `uv run dvc repro` evaluates each run after its training.")
    else:
        count = f"{table['pictures'].max():,} test pictures."
        st.caption(f"{count} Mean of the seeds; in brackets the lowest and highest. Diamonds: averaged models.")
        st.dataframe(tables.error_summary(table, diverged), hide_index=True, alt="Errors of each run")
        if baseline := frames.hand_made(study):
            st.caption(
                f"Hand-made features (oriented gradients, colours) with a linear classifier on the same pictures: "
                f"{baseline['top1']:.1%} top-1, {baseline['top5']:.1%} top-5."
            )
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
            tables.class_table(classes),
            hide_index=True,
            column_config={
                "top-1 error": st.column_config.ProgressColumn("top-1 error", format="%.1f%%", min_value=0, max_value=100),
                "top-5 error": st.column_config.ProgressColumn("top-5 error", format="%.1f%%", min_value=0, max_value=100),
            },
            alt=f"Error of {run} by class",
        )
        showing.download(classes, "classes")

st.header("In the paper")
st.caption("As printed in 2012, from other pictures and at another scale than above.")
for title, rows in (("Table 1", results.TABLE_1), ("Table 2", results.TABLE_2)):
    st.subheader(title)
    st.dataframe(tables.printed(rows), hide_index=True, alt=f"The paper's {title}")
