"""Drawings and lists of our own whose parts can be clicked: HTML or SVG in the page itself, without a library.

A part that can be clicked is a link, so that it is reached by the keyboard and opens in a new tab; its `data-key` is what a
plain click tells the page, which then changes without being loaded anew.
"""

from __future__ import annotations

from functools import lru_cache
from html import escape
from pathlib import Path
from urllib.parse import urlencode

import streamlit as st
from streamlit.components.v2.types import ComponentRenderer

from dashboard import address

SCRIPT = """
export default function({data, setTriggerValue, parentElement}) {
  let drawn = parentElement.querySelector('.drawn');
  if (!drawn) {
    drawn = document.createElement('div');
    drawn.className = 'drawn';
    parentElement.appendChild(drawn);
  }
  if (data.charts && !window.chartsLoaded) {
    window.chartsLoaded = true;
    const load = () => import(new URL(data.charts, document.baseURI).href).catch(() => undefined);
    (window.requestIdleCallback || setTimeout)(load);
  }
  if (!window.menuCloses) {  // on a phone Streamlit leaves the menu open over the page that was chosen in it
    window.menuCloses = true;
    document.addEventListener('click', event => {
      if (window.innerWidth >= 768 || !event.target.closest('[data-testid=stSidebarNavLink]')) return;
      setTimeout(() => document.querySelector('[data-testid=stSidebarCollapseButton] button')?.click(), 50);
    }, true);
  }
  if (data.view && window.viewShown !== data.view) {  // Streamlit leaves the page where it was scrolled to
    if (window.viewShown && !location.hash) document.querySelector('[data-testid=stMain]')?.scrollTo(0, 0);
    window.viewShown = data.view;
  }
  if (drawn.source !== data.html) { drawn.innerHTML = data.html; drawn.source = data.html; }
  drawn.onclick = event => {
    const part = event.target.closest('[data-key]');
    if (!part || event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    setTriggerValue('clicked', part.dataset.key);
    const there = part.dataset.to && document.getElementById(part.dataset.to);
    if (there) there.scrollIntoView({behavior: 'smooth', block: 'start'});
  };
  if (data.scroll && drawn.scrolled !== data.scroll) {
    drawn.scrolled = data.scroll;
    const current = drawn.querySelector('[aria-current]');
    if (current) {
      const details = current.closest('details');
      if (details) details.open = true;
      const box = drawn.querySelector('.scroll');
      if (box) box.scrollTop = current.offsetTop - box.offsetTop - 60;
    }
  }
}
"""
STYLE = """
.drawn { font-family: var(--st-font); font-size: 0.95rem; line-height: 1.4; color: var(--st-text-color); }
a { color: inherit; text-decoration: none; cursor: pointer; }
a:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
svg { display: block; width: 100%; height: auto; overflow: visible; }
svg text { font-family: var(--st-font); fill: var(--st-text-color); }
svg .block { fill: var(--st-secondary-background-color); stroke: var(--st-text-color); stroke-width: 1; }
svg a:hover .block, svg a:focus .block { fill: var(--st-primary-color); fill-opacity: 0.25; }
svg a:hover text.name { text-decoration: underline; }
.held { color: #0a7d53; } .not { color: #c0392b; } .small { color: #9a6700; } .open { color: #0063a0; } .none { color: #6a6a6a; }
.dark .held { color: #4cc38a; } .dark .not { color: #ff8b7d; } .dark .small { color: #e2b340; } .dark .open { color: #7cc0ff; }
.dark .none { color: #a5a5a5; }
.bar { display: flex; flex-direction: column; gap: 0.35rem; }
.bar .all { display: flex; height: 1.6rem; border-radius: 4px; overflow: hidden; gap: 2px; }
.bar .all a { display: block; background: currentColor; min-width: 4px; }
.bar .words { display: flex; flex-wrap: wrap; gap: 0.3rem 1.2rem; }
.bar .words a:hover { text-decoration: underline; }
.bar .words b { font-size: 1.15rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(205px, 1fr)); gap: 0.8rem; }
.tiles a { border: 1px solid color-mix(in srgb, currentColor 25%, transparent); border-radius: 8px; padding: 0.7rem;
  display: flex; flex-direction: column; gap: 0.4rem; }
.tiles a:hover { border-color: var(--st-primary-color); }
.tiles .title { font-weight: 600; } .tiles p { margin: 0; font-size: 0.9rem; }
.scroll { max-height: min(62rem, calc(100vh - 7rem)); overflow-y: auto; padding-right: 0.3rem; position: relative; }
.list h2 { font-size: 1rem; margin: 0.9rem 0 0.3rem 0; font-weight: 600; } .list h2:first-child { margin-top: 0; }
.list a { display: grid; grid-template-columns: 1.2rem 1fr 92px; gap: 0.1rem 0.4rem; padding: 0.3rem 0.4rem; border-radius: 5px;
  align-items: center; }
.list a:hover { background: var(--st-secondary-background-color); }
.list a[aria-current] { background: var(--st-secondary-background-color); box-shadow: inset 3px 0 0 var(--st-primary-color); }
.list .word { grid-column: 2 / 4; font-size: 0.85rem; }
.list summary { cursor: pointer; padding: 0.2rem 0.4rem; font-size: 0.9rem; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(92px, 1fr)); gap: 0.5rem; }
.grid a, .grid span.cell { display: flex; flex-direction: column; gap: 0.15rem; font-size: 0.8rem; line-height: 1.25; }
.grid img { width: 100%; border-radius: 4px; image-rendering: auto; border: 2px solid transparent; }
.grid a:hover img { border-color: var(--st-primary-color); } .grid a[aria-current] img { border-color: var(--st-primary-color); }
.drawn { container-type: inline-size; }
.grid.six { grid-template-columns: repeat(3, 1fr); }
@container (min-width: 430px) { .grid.six { grid-template-columns: repeat(6, 1fr); } }
.grid.wide { grid-template-columns: repeat(auto-fill, minmax(165px, 1fr)); }
.grid.kernels { grid-template-columns: repeat(auto-fill, minmax(max(25px, 100% / var(--columns) - 4px), 1fr)); gap: 4px; }
.grid.kernels img { image-rendering: pixelated; border-radius: 2px; }
.labels { display: flex; flex-direction: column; gap: 0.25rem; max-width: 30rem; }
.label { display: grid; grid-template-columns: minmax(7rem, 11rem) 1fr 3.4rem; gap: 0.5rem; align-items: center;
  font-size: 0.92rem; }
.label b { font-weight: 500; text-align: right; } .label.right span:first-child { font-weight: 700; }
.track { display: block; height: 0.85rem; background: var(--st-secondary-background-color); border-radius: 3px;
  overflow: hidden; }
.track i { display: block; height: 100%; background: #7f7f7f; } .label.right .track i { background: var(--st-primary-color); }
@media (max-width: 640px) { .scroll { max-height: 60vh; } }
"""


@lru_cache(maxsize=1)
def charts_module() -> str:
    """Where the browser finds Streamlit's module for Plotly's charts, empty if it has another name now.

    The browser takes a second to compile its 4.7 MB: a drawing loads it when the browser is idle, so that the first click that
    leads to a chart does not wait for it.
    """
    found = sorted((Path(st.__file__).parent / "static/static/js").glob("PlotlyChart.*.js"))
    return f"static/js/{found[0].name}" if len(found) == 1 else ""


def _component() -> ComponentRenderer:
    return st.components.v2.component("clickable", css=STYLE, js=SCRIPT)


_mounted = _component()


def draw(html: str, key: str, scroll: str = "", keeps: str = "") -> str | None:
    """Show `html`, whose texts are escaped; returns the `data-key` of the part that was clicked just now, or None.

    `scroll`: when it changes, the part marked as current is brought into view. `keeps`: a choice of dashboard/address.py that
    a click makes, before the page is drawn again.
    """

    def keep() -> None:
        clicked = st.session_state[key].get("clicked")
        if keeps and clicked is not None:
            address.keep(keeps, clicked)

    shade = "dark" if st.context.theme.type == "dark" else "light"
    data = {"html": f'<div class="{shade}">{html}</div>', "scroll": scroll, "charts": charts_module()}
    clicked = _mounted(data=data, key=key, on_clicked_change=keep).get("clicked")
    return str(clicked) if clicked is not None else None


def from_the_top(view: str) -> None:
    """Where another view is shown than before, it is shown from its top."""
    _mounted(data={"html": "", "view": view}, key="from-the-top")


def link(page: str, **choices: object) -> str:
    """The address of a page with choices, relative, ready for an attribute: `claims?claim=two-columns`."""
    return escape(f"{page}?{urlencode({name: str(value) for name, value in choices.items()})}", quote=True)
