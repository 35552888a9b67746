"""Similar images (Figure 4, right): the training pictures nearest to a test picture, or to one of your own."""

from __future__ import annotations

import numpy as np
import streamlit as st

from dashboard import frames, pictures, query, showing

WIDTH = 104  # pixels on the page
study = showing.chosen_or_stop("Similar images")
names = frames.class_names(study)


def class_of(label: float) -> str:
    return names[int(label)] if 0 <= label < len(names) else f"class {int(label)}"


def row_of(rows: np.ndarray, captions: list[str]) -> None:
    """Training pictures side by side; on a narrow screen they wrap."""
    with st.container(horizontal=True):
        for row, caption in zip(rows, captions, strict=True):
            picture = pictures.picture_of(study, "train", int(row))
            if picture is not None:
                st.image(picture, caption=showing.plain(caption), width=WIDTH, alt=f"Training picture {row}: {caption}")


table = frames.neighbours(study)
if diverged := frames.diverged_in(study, "retrieve"):
    st.warning(f"Trainings diverged (seed {', '.join(map(str, diverged))}); nothing was searched with their networks.")
if table.empty:
    showing.stop(study, "No neighbours yet. `uv run dvc repro retrieve` finds them.")
with st.container(horizontal=True):
    for label, share in frames.match_rates(study).items():
        st.metric(label, f"{share:.1%}", border=True, width="content")
st.caption("Share of neighbours that are of the query's own class.")
if remark := pictures.remark(study):
    st.info(remark)

st.header("A test picture")
labels = table.drop_duplicates("query").set_index("query")["label"]
chosen = st.selectbox(
    "Test picture",
    [int(number) for number in labels.index],
    format_func=lambda number: f"{number}: {class_of(labels[number])}",
    key="query",
    bind="query-params",
)
part = table[table["query"] == chosen].sort_values("rank")
picture = pictures.picture_of(study, "test", chosen)


def told(label: float) -> str:
    """The class of a neighbour, with a mark where it is the query's."""
    return f"✓ {class_of(label)}" if label == labels[chosen] else class_of(label)


if picture is not None:
    st.image(picture, caption=showing.plain(class_of(labels[chosen])), width=WIDTH, alt=f"Test picture {chosen}")
    st.subheader(f"Its {len(part)} nearest by features")
    st.caption("✓ marks the query's own class; the numbers are Euclidean distances between last hidden layers.")
    row_of(
        part["neighbour"].to_numpy(),
        [f"{told(row.neighbour_label)} ({row.distance:.3g})" for row in part.itertuples()],
    )
    st.subheader(f"Its {len(part)} nearest by pixels")
    row_of(part["pixel_neighbour"].to_numpy(), [told(label) for label in part["pixel_label"]])
with st.expander("Numbers"):
    st.dataframe(part, hide_index=True)
    showing.download(table, "neighbours")

st.header("Your own picture")
if lacking := query.lacking(study):
    showing.stop(study, lacking)
dropped = st.file_uploader(f"Drop a picture: {query.LIMITS}.", type=list(query.SUFFIXES), key="dropped")
if dropped is None:
    showing.notes(study)
    st.stop()
own = query.decode_query(dropped.getvalue())
if isinstance(own, str):
    showing.stop(study, own)
st.image(own, caption="your picture", width=WIDTH, alt="Your picture")
found = query.nearest_to(own, study, len(part))
if isinstance(found, str):
    showing.stop(study, found)
rows, distances = found
st.subheader(f"Its {len(rows)} nearest by features")
classes = [pictures.label_of(study, "train", int(row)) for row in rows]
row_of(rows, [f"{class_of(label)} ({distance:.3g})" for label, distance in zip(classes, distances, strict=True)])
showing.notes(study)
