"""The dashboard's router. Start it from anywhere: `uv run streamlit run dashboard/app.py` shows the results of this checkout."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:  # `--only-group dashboard` installs neither the project nor torch
    sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import streamlit as st  # noqa: E402
from PIL import Image  # noqa: E402

from dashboard import showing  # noqa: E402

os.chdir(ROOT)  # results and pictures are found from here, as by the stages


def icon() -> Image.Image:
    """A first-layer kernel. An icon by name would be fetched from another host by the browser."""
    y, x = np.mgrid[-1:1:32j, -1:1:32j]
    return Image.fromarray((127.5 + 127 * np.exp(-2 * (x**2 + y**2)) * np.sin(9 * (x + y / 2))).astype(np.uint8))


st.set_page_config(page_title="AlexNet, reproduced?", page_icon=icon(), layout="wide")

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
