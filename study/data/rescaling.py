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


def rescale(picture: np.ndarray, size: int, how: FilterSettings) -> np.ndarray:
    """uint8 (h, w, 3) -> uint8 (size, size, 3)."""
    height, width, _ = picture.shape
    if height == width == size:
        return picture
    scale = size / min(height, width)
    wide, high = max(size, round(width * scale)), max(size, round(height * scale))
    image = Image.fromarray(picture)
    if how.antialias:
        resized = image.resize((wide, high), FILTERS[how.kind])
    else:
        steps = (width / wide, 0, 0, 0, height / high, 0)
        resized = image.transform((wide, high), Image.Transform.AFFINE, steps, FILTERS[how.kind])
    left, top = (wide - size) // 2, (high - size) // 2
    return np.asarray(resized.crop((left, top, left + size, top + size)))
