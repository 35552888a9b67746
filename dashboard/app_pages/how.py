"""How it works: the network at work on one picture, part by part, and the questions that readers of the paper ask."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from dashboard import address, showing
from dashboard.how import PARTS, layers, learning, regularising, subject
from dashboard.how.subject import Subject
from dashboard.reading import Study

LIVE: dict[str, Callable[[Subject], None]] = {
    "convolution": layers.convolution,
    "normalisation": layers.normalisation,
    "pooling": layers.pooling,
    "columns": layers.columns,
    "dropout": regularising.dropout,
    "augmentation": regularising.augmentation,
    "patches": regularising.patches,
}
OF_THE_PAPER: dict[str, Callable[[Study | None], None]] = {
    "sampling": regularising.sampling,
    "learning": learning.learning,
    "size": learning.size,
    "equations": learning.equations,
    "questions": learning.questions,
    "misread": learning.misread,
}

st.title("How it works")
study = showing.chosen()
part = address.segmented("Part", list(PARTS), "part", "convolution", names=PARTS.__getitem__, label_visibility="collapsed")
if part in OF_THE_PAPER:
    OF_THE_PAPER[part](study)
elif study is None:
    showing.stop(showing.NOTHING)
else:
    LIVE[part](subject.choose(study))
