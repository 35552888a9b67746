"""The dashboard's router. Start it in the checkout's root: `uv run streamlit run dashboard/app.py`."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = str(Path(__file__).resolve().parents[1])
if ROOT not in sys.path:  # `--only-group dashboard` installs neither the project nor torch
    sys.path.insert(0, ROOT)

import streamlit as st  # noqa: E402

from dashboard import showing  # noqa: E402

st.set_page_config(page_title="AlexNet, reproduced?", layout="wide")  # an icon by name would be fetched from outside

page = st.navigation(
    [
        st.Page("app_pages/claims.py", title="Claims", icon=":material/fact_check:", default=True),
        st.Page("app_pages/errors.py", title="Error tables", icon=":material/table:"),
        st.Page("app_pages/curves.py", title="Convergence", icon=":material/show_chart:"),
        st.Page("app_pages/kernels.py", title="First-layer kernels", icon=":material/grid_view:"),
        st.Page("app_pages/similar.py", title="Similar images", icon=":material/image_search:"),
        st.Page("app_pages/dropout.py", title="Dropout", icon=":material/blur_on:"),
        st.Page("app_pages/cost.py", title="Cost of a step", icon=":material/timer:"),
        st.Page("app_pages/report.py", title="Report", icon=":material/article:"),
        st.Page("app_pages/provenance.py", title="Provenance", icon=":material/history:"),
    ]
)
showing.choose()
page.run()
