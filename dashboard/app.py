"""The dashboard's router. Start it from anywhere: `uv run streamlit run dashboard/app.py` shows the results of this checkout."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:  # `--only-group dashboard` installs neither the project nor torch
    sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import streamlit as st  # noqa: E402
from PIL import Image  # noqa: E402

from dashboard import address, clickable, showing  # noqa: E402

# What scrolls sideways cannot be reached by keyboard, so tables fit a phone.
STYLE = """<style>
.block-container, [data-testid="stMainBlockContainer"] { padding-top: 4.5rem; padding-bottom: 2rem; max-width: 1240px; }
[data-testid=stMain] :is(h1, h2, h3) { scroll-margin-top: 4.5rem; }
.st-key-study-line p { font-size: 0.92rem; }
.katex-display { overflow: visible !important; padding: 0.3rem 0; font-size: 0.95em; }
@media (max-width: 640px) { .katex-display { font-size: 0.75em; } }
.js-plotly-plot .modebar { top: auto !important; bottom: 0 !important; }
.js-plotly-plot .modebar-container { top: auto !important; bottom: 0 !important; height: 26px; }
@media (max-width: 640px) {
  .st-key-report-body table, [data-testid=stTable] table { font-size: 0.78rem; overflow-wrap: anywhere; hyphens: auto; }
  .st-key-report-body :is(th, td), [data-testid=stTable] :is(th, td) { padding: 0.25rem 0.3rem !important; }
  [data-testid=stTable] table * { white-space: normal !important; overflow-wrap: anywhere !important; font-size: 0.78rem; }
  [data-testid=stTable] td:first-child { min-width: 5.5rem; }
  .st-key-report-body :is(th, td):first-child { min-width: 2.3rem; }
  .st-key-misread :is(th, td):last-child * { white-space: nowrap !important; overflow-wrap: normal !important; }
  [class*=st-key-symbols] thead { display: none; }
  [class*=st-key-symbols] :is(table, tbody, tr, td) { display: block; min-width: 0 !important; border: none !important; }
  [class*=st-key-symbols] tr { padding: 0.35rem 0; border-bottom: 1px solid rgba(128, 128, 128, 0.3) !important; }
  [class*=st-key-symbols] td:empty { display: none; }
  [class*=st-key-symbols] td { padding: 0 !important; }
  [class*=st-key-symbols] td:first-child { font-weight: 600; }
}
@media (min-width: 1800px) { html { font-size: 20px; } .block-container { max-width: 1650px !important; } }
[data-testid=stTable] td * { max-width: none !important; }
[data-testid=stMain] [data-testid=stPageLink-NavLink] { padding-left: 0; }
[data-testid=stMain] [data-testid=stPageLink-NavLink] p { text-decoration: underline; text-underline-offset: 3px; }
[data-testid=stMain] [data-testid=stPageLink-NavLink] :is(span, div, p) { white-space: normal !important; }
[data-testid=stButtonGroup] button[aria-checked=false] { border-color: rgba(128, 128, 128, 0.4) !important; }
[data-testid=stButtonGroup] button[aria-checked=true] { position: relative; z-index: 1; }
@media (min-width: 641px) {
  .st-key-claims-layout > div > [data-testid=stHorizontalBlock] > div:first-child > div { position: sticky; top: 4.5rem; }
}
@media (max-width: 640px) { .st-key-claims-layout > div > [data-testid=stHorizontalBlock] > div:first-child { order: 2; } }
</style>"""


def icon() -> Image.Image:
    """A first-layer kernel. An icon by name would be fetched from another host by the browser."""
    y, x = np.mgrid[-1:1:32j, -1:1:32j]
    return Image.fromarray((127.5 + 127 * np.exp(-2 * (x**2 + y**2)) * np.sin(9 * (x + y / 2))).astype(np.uint8))


def main() -> None:
    """One run of the script: what Streamlit does for every visit and every click."""
    os.chdir(ROOT)  # results and pictures are found from here, as by the stages
    pages = [
        st.Page(showing.page_file(name), title=title, url_path=name, default=name == "start")
        for name, title in showing.PAGES.items()
    ]
    page = st.navigation(pages, position="top")
    st.set_page_config(page_title=f"{page.title} · AlexNet, claim by claim", page_icon=icon(), layout="wide")
    st.html(STYLE)
    address.begin()
    study = showing.choose()
    remarks = st.container()
    with contextlib.suppress(showing.PageEnds):
        page.run()
    with remarks:
        showing.unknown_choices()
    if study is not None:
        showing.foot(study)
    clickable.from_the_top(f"{page.url_path}?{address.current().get('part', '')}{address.current().get('view', '')}")
    address.write()


if __name__ == "__main__":  # and not where a worker process imports it again
    main()
