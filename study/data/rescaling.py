"""Section 2: the shorter side to one length, then the central square. How it is down-sampled the paper does not say (A17)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
REACH = {"bilinear": 1, "bicubic": 2, "lanczos": 3}  # how far a filter looks to either side, in pixels of the coarser grid


@dataclass(frozen=True, kw_only=True, slots=True)
class FilterSettings:
    """`antialias` widens the filter with the reduction, as Pillow does; without it a pixel is read from its nearest few."""

    kind: Literal["nearest", "bilinear", "bicubic", "lanczos"] = "bilinear"
    antialias: bool = True

    def __post_init__(self) -> None:
        if self.kind == "lanczos" and not self.antialias:
            raise ValueError("lanczos is made for antialiasing; choose bicubic, or antialias: true")

    @property
    def smooths(self) -> bool:
        """Whether every pixel of the original counts, so that a JPEG may be decoded at a fraction of its size."""
        return self.antialias and self.kind != "nearest"


def rescale(picture: np.ndarray | Image.Image, size: int, how: FilterSettings) -> np.ndarray:
    """RGB, as uint8 (h, w, 3) or as Pillow holds it, -> uint8 (size, size, 3)."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    if image.size == (size, size):
        return np.asarray(picture)
    wide, high = rescaled_size(*image.size, size)
    if how.smooths:
        return _smoothed(image, wide, high, size, how.kind)
    if how.antialias:
        resized = image.resize((wide, high), FILTERS[how.kind])
    else:
        steps = (image.width / wide, 0, 0, 0, image.height / high, 0)
        resized = image.transform((wide, high), Image.Transform.AFFINE, steps, FILTERS[how.kind])
    left, top = (wide - size) // 2, (high - size) // 2
    return np.asarray(resized.crop((left, top, left + size, top + size)))


def rescaled_size(width: int, height: int, size: int) -> tuple[int, int]:
    """Of the whole picture, whose shorter side becomes `size`."""
    scale = size / min(width, height)
    return max(size, round(width * scale)), max(size, round(height * scale))


def _smoothed(image: Image.Image, wide: int, high: int, size: int, kind: str) -> np.ndarray:
    """image.resize((wide, high)), its central square: the same bytes, without most of what lies outside of it.

    Pillow rescales along the rows, rounds to bytes, then along the columns. So rows that no pixel of the square looks at need
    not be rescaled at all, nor columns beside the square the second time; each step sees the whole length of its side, as the
    filter's weights depend on it. (Pillow's `box` would save more, but is in float32: weights and then pixels differ.)
    """
    width, height = image.size
    left, top = (wide - size) // 2, (high - size) // 2
    step = height / high
    reach = REACH[kind] * max(step, 1) + 1
    first, last = max(0, int(top * step - reach)), min(height, int((top + size) * step + reach) + 1)
    rows = image if last - first == height else image.crop((0, first, width, last))
    rows = rows.resize((wide, rows.height), FILTERS[kind])
    back = rows.crop((left, -first, left + size, height - first))  # at their place; black where nobody looks
    return np.asarray(back.resize((size, high), FILTERS[kind]))[top : top + size]
