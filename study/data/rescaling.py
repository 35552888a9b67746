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
            raise ValueError("kind is lanczos, which is made for antialiasing; choose bicubic, or antialias: true")

    @property
    def smooths(self) -> bool:
        """Whether every pixel of the original counts, so that a JPEG may be decoded at a fraction of its size."""
        return self.antialias and self.kind != "nearest"


def rescale(picture: np.ndarray | Image.Image, size: int, how: FilterSettings) -> np.ndarray:
    """RGB, as uint8 (h, w, 3) or as Pillow holds it, -> uint8 (size, size, 3)."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    if image.size == (size, size):
        return np.asarray(picture)
    width, height = image.size
    wide, high = rescaled_size(width, height, size)
    along_columns_first = height - high > max(0, 2 * (width - wide))  # Pillow's rule, for what is much taller than wide
    if how.smooths and not along_columns_first:
        return _square_alone(image, (wide, high), size, how.kind)
    if how.antialias:
        resized = image.resize((wide, high), FILTERS[how.kind])
    else:
        steps = (width / wide, 0, 0, 0, height / high, 0)
        resized = image.transform((wide, high), Image.Transform.AFFINE, steps, FILTERS[how.kind])
    left, top = (wide - size) // 2, (high - size) // 2
    return np.asarray(resized.crop((left, top, left + size, top + size)))


def rescaled_size(width: int, height: int, size: int) -> tuple[int, int]:
    """The width and height of a picture whose shorter side becomes `size`."""
    scale = size / min(width, height)
    return max(size, round(width * scale)), max(size, round(height * scale))


def _square_alone(image: Image.Image, whole: tuple[int, int], size: int, kind: str) -> np.ndarray:
    """image.resize(whole), its central square: the same bytes, without most of the work for what is cut off.

    Pillow rescales along the rows, rounds to bytes, then along the columns. So rows that the square does not look at are left
    out of the first step, and columns beside it out of the second; each step keeps the whole length of its side, on which the
    weights depend. (Pillow's `box` would spare more, but its edges are float32: other weights, and some other bytes.)
    """
    (width, height), (wide, high) = image.size, whole
    left, top = (wide - size) // 2, (high - size) // 2
    step = height / high
    reach = REACH[kind] * max(step, 1) + 1
    first, last = max(0, int(top * step - reach)), min(height, int((top + size) * step + reach) + 1)
    rows = image if last - first == height else image.crop((0, first, width, last))
    rows = rows.resize((wide, last - first), FILTERS[kind])
    columns = rows.crop((left, -first, left + size, height - first))  # at their place; black where nobody looks
    return np.asarray(columns.resize((size, high), FILTERS[kind]))[top : top + size]
