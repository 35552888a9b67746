"""Figure 3's picture: first-layer kernels enlarged side by side, as an array of pixels."""

from __future__ import annotations

import numpy as np

GAP = 4  # pixels between the kernels of a sheet


def kernel_sheet(kernels: np.ndarray, largest: np.ndarray | float, cell: int = 60) -> np.ndarray:
    """Kernels as one picture (Figure 3): float (n, h, w, RGB) -> uint8 RGBA. 0 is mid-grey, `largest` in size is full.

    `largest` is one number, or (n, 1, 1, 1) for a scale a kernel. Kernels are enlarged by a whole factor to about
    `cell` pixels, so that their own pixels stay sharp; the gaps are transparent.
    """
    count, height, width, _ = kernels.shape
    scale = 127.5 / np.where(np.asarray(largest) > 0, largest, 1.0)
    shades = np.clip(np.rint(127.5 + scale * kernels), 0, 255).astype(np.uint8)
    grow = max(1, cell // height)
    shades = shades.repeat(grow, axis=1).repeat(grow, axis=2)
    across = next((n for n in (8, 7, 6, 5, 4) if count % n == 0), 8)
    down, high, wide = -(-count // across), height * grow + GAP, width * grow + GAP
    sheet = np.zeros((down * high - GAP, across * wide - GAP, 4), dtype=np.uint8)
    for number, shade in enumerate(shades):
        top, left = number // across * high, number % across * wide
        sheet[top : top + height * grow, left : left + width * grow, :3] = shade
        sheet[top : top + height * grow, left : left + width * grow, 3] = 255
    return sheet
