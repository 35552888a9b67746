"""Pictures side by side that can be clicked, labels with bars, the confusions: HTML for dashboard/clickable.py."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from dashboard import clickable, frames, shown_pictures
from dashboard.reading import Study

KEPT = 4096  # bytes of a kernel or map whose PNG is kept
SIDE = 128  # pixels of a thumbnail at the most
MOST_CLASSES = 60  # with more, confusions are a list and not a square


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """A picture in a gallery: its split and number, words below it, whether it is the one that is chosen."""

    split: str
    row: int
    caption: str
    current: bool = False

    @property
    def key(self) -> str:
        """How it stands in an address: `test-17`."""
        return f"{self.split}-{self.row}"


def gallery(study: Study, shown: Iterable[Shown], page: str = "sees", six: bool = False, links: bool = True) -> str:
    """Pictures in a grid, each a link that makes it the query; where they may not be shown, their captions alone. `six`: as
    many in a row, or three where the row is short. `links` false: nothing can be clicked, since nothing more is known."""
    cells = []
    for one in shown:
        source = thumbnail(study, one.split, one.row)
        alt = escape(f"{one.split} picture {one.row}: {one.caption}", quote=True)
        inside = f'<img src="{source}" alt="{alt}" loading="lazy"/>' if source else f"<b>{one.split} {one.row}</b>"
        if not links:
            cells.append(f'<span class="cell">{inside}<span>{escape(one.caption)}</span></span>')
            continue
        to = clickable.link(page, study=study.address, view="pictures", query=one.key)
        mark = ' aria-current="true"' if one.current else ""
        cells.append(f'<a href="{to}" data-key="{one.key}"{mark}>{inside}<span>{escape(one.caption)}</span></a>')
    return f'<div class="grid{" six" if six else ""}">{"".join(cells)}</div>'


def thumbnail(study: Study, split: str, row: int) -> str:
    """A small picture as a data address; empty where it is not on this machine."""
    place = f"{frames.packed(study).get('sha256')} {shown_pictures.packed_folder(study)}"
    return _thumbnail(place, study.folder.resolve(), split, row)


@lru_cache(maxsize=4096)
def _thumbnail(place: str, folder: Path, split: str, row: int) -> str:
    """`place` says which pictures, and whether they are here: when that changes, they are read again."""
    picture = shown_pictures.picture_of(Study(folder=folder, pinned=False), split, row)
    return "" if picture is None else encoded(picture)


def encoded(picture: np.ndarray, exact: bool = False, side: int = SIDE) -> str:
    """A picture (h, w, RGB or grey) as a data address; `exact` keeps every value, as kernels and maps need it."""
    if exact and picture.nbytes <= KEPT:
        return _encoded_exactly(picture.tobytes(), picture.shape)
    image, buffer = Image.fromarray(picture), io.BytesIO()
    if exact:
        image.save(buffer, "PNG")
    else:
        image.thumbnail((side, side))
        image.save(buffer, "JPEG", quality=88)
    kind = "png" if exact else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


@lru_cache(maxsize=4096)
def _encoded_exactly(content: bytes, shape: tuple[int, ...]) -> str:
    """A kernel or a map of so many bytes (uint8): hundreds stand on a page, and most are the same on the next."""
    buffer = io.BytesIO()
    Image.fromarray(np.frombuffer(content, np.uint8).reshape(shape)).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def labels(names: Sequence[str], shares: Sequence[float] | None, right: str | None) -> str:
    """The five likeliest labels, as in Figure 4, with bars as long as their probabilities where these are known; the right one is
    marked."""
    rows = []
    for number, name in enumerate(names):
        mark, bar = "✓ " if name == right else "", ""
        if shares is not None:
            share = 100 * float(shares[number])
            bar = f'<span class="track"><i style="width:{share:.1f}%"></i></span><b>{share:.1f}%</b>'
        rows.append(f'<div class="label{" right" if name == right else ""}"><span>{mark}{escape(name)}</span>{bar}</div>')
    return f'<div class="labels">{"".join(rows)}</div>'


def square(study: Study, pairs: pd.DataFrame, names: Sequence[str], chosen: str) -> str:
    """Confusions as a square, true classes down and predicted ones across; a cell that is not empty is a link."""
    count, left, top = len(names), 128, 6
    cell = max(17, 408 // count)  # few classes make large cells, which have room for their numbers
    size = cell * count
    most = max(int(pairs["pictures"].max()), 1) if len(pairs) else 1
    parts = [
        f'<rect x="{left}" y="{top}" width="{size}" height="{size}" fill="none" stroke="currentColor" stroke-opacity="0.35"/>'
    ]
    for number, name in enumerate(names):
        y = top + cell * (number + 0.5) + 4
        parts.append(f'<text x="{left - 5}" y="{y:.1f}" font-size="11" text-anchor="end">{escape(name[:20])}</text>')
        x = left + cell * (number + 0.5) - 4
        parts.append(
            f'<text transform="translate({x:.1f},{top + size + 6}) rotate(90)" font-size="11">{escape(name[:20])}</text>'
        )
        parts.append(
            f'<rect x="{left + cell * number}" y="{top + cell * number}" width="{cell}" height="{cell}" '
            'fill="currentColor" fill-opacity="0.09"/>'
        )
    for true, predicted, pictures_of_it in pairs.itertuples(index=False):
        key = f"{true}-{predicted}"
        told = escape(f"{names[true]} taken for {names[predicted]}: {pictures_of_it}", quote=True)
        to = clickable.link("sees", study=study.address, view="confusions", cell=key)
        edge = ' stroke="#D55E00" stroke-width="2.5"' if key == chosen else ""
        x, y, shade = left + cell * predicted, top + cell * true, 0.12 + 0.88 * pictures_of_it / most
        parts.append(
            f'<a href="{to}" data-key="{key}" aria-label="{told}"><title>{told}</title><rect x="{x}" y="{y}" width="{cell}" '
            f'height="{cell}" fill="var(--st-primary-color)" fill-opacity="{shade:.2f}"{edge}/>'
        )
        if cell >= 26:
            ink = "var(--st-background-color)" if shade > 0.55 else "currentColor"
            parts.append(
                f'<text x="{x + cell / 2}" y="{y + cell / 2 + 4}" font-size="12" text-anchor="middle" fill="{ink}">'
                f"{pictures_of_it}</text>"
            )
        parts.append("</a>")
    whole = left + size + 4, top + size + 118
    return f'<svg viewBox="0 0 {whole[0]} {whole[1]}" role="group" aria-label="Confusions">{"".join(parts)}</svg>'


def most_confused(study: Study, pairs: pd.DataFrame, names: Sequence[str], chosen: str, count: int = 40) -> str:
    """The most frequent confusions as a list, where there are too many classes for a square."""
    rows = []
    for true, predicted, pictures_of_it in pairs.head(count).itertuples(index=False):
        key = f"{true}-{predicted}"
        to = clickable.link("sees", study=study.address, view="confusions", cell=key)
        mark = ' aria-current="true"' if key == chosen else ""
        rows.append(
            f'<a href="{to}" data-key="{key}"{mark}><b>{pictures_of_it}</b>'
            f"<span>{escape(names[true])} taken for {escape(names[predicted])}</span><span></span></a>"
        )
    return f'<div class="scroll list" tabindex="0" role="region" aria-label="Confusions">{"".join(rows)}</div>'


def in_a_row(count: int, most: int) -> int:
    """How many of `count` tiles stand in a row, up to `most`, so that all rows are full; `most` where that would be few."""
    return next((number for number in range(most, most // 2, -1) if count % number == 0), most)


def tiles(arrays: Mapping[str, str], chosen: str = "", label: str = "kernel", columns: int = 12) -> str:
    """Small exact pictures (kernels, maps) by key, as data addresses, each of which can be clicked."""
    cells = []
    for key, source in arrays.items():
        mark = ' aria-current="true"' if key == chosen else ""
        cells.append(f'<a href="#" data-key="{key}"{mark}><img src="{source}" alt="{label} {key}" title="{label} {key}"/></a>')
    return f'<div class="grid kernels" style="--columns:{columns}">{"".join(cells)}</div>'
