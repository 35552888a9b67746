"""Figure 3, scored: how colourful the first layer's kernels are, column by column (section 6.1)."""

from __future__ import annotations

import numpy as np


def colourfulness(kernels: np.ndarray) -> np.ndarray:
    """Share of each kernel's energy off the grey axis: (n, h, w, RGB) -> (n,), 0 for a grey kernel, at most 1.

    A kernel is grey where its three channels are equal, whatever its pattern; energy is the sum of squares.
    """
    energy = np.square(kernels, dtype=np.float64).sum(axis=(1, 2, 3))
    grey = 3 * np.square(kernels.mean(axis=3, dtype=np.float64)).sum(axis=(1, 2))
    scores: np.ndarray = np.clip(1 - grey / np.maximum(energy, np.finfo(float).tiny), 0, 1)
    return scores


def by_column(kernels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Colourfulness of column 1's kernels, which stand first, and of column 2's. Raises ValueError for other shapes."""
    if kernels.ndim != 4 or kernels.shape[3] != 3 or len(kernels) < 4 or len(kernels) % 2:
        raise ValueError(f"kernels have the shape {kernels.shape}; two columns need (an even number, height, width, 3)")
    scores = colourfulness(kernels)
    half = len(scores) // 2
    return scores[:half], scores[half:]
