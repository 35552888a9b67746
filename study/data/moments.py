"""Mean and covariance of the training pictures' colours (section 4.1), from sums that shards can add up exactly."""

from __future__ import annotations

from typing import Any

import numpy as np


def products_of_colours(pixels: np.ndarray) -> list[list[int]]:
    """Sums of products of colours over all pixels, (3, 3), exact.

    Matrix products are fast in floats alone, and fastest in float32, which is exact below 2^24: of 256 products of bytes, no
    more. Four pixels stand in a row, since wider ones are faster; products of a pixel with its neighbours are left out again.
    """
    values, sums = pixels.reshape(-1), np.zeros((12, 12))
    some = np.zeros((64, 256, 12), dtype=np.float32)  # 65,536 pixels, as many as the paper's pictures have
    for start in range(0, values.size, some.size):
        taken = values[start : start + some.size]
        some.reshape(-1)[: taken.size], some.reshape(-1)[taken.size :] = taken, 0
        sums += np.matmul(some.transpose(0, 2, 1), some).sum(axis=0, dtype=np.float64)
    return np.einsum("iaib->ab", sums.reshape(4, 3, 4, 3)).astype(np.int64).tolist()


def colours(mean: np.ndarray, products: np.ndarray) -> dict[str, Any]:
    """Of an index: mean colour, and the covariance's axes, the largest first. `mean` (3,) and `products` (3, 3), a pixel each."""
    eigenvalues, eigenvectors = np.linalg.eigh(products - np.outer(mean, mean))
    return {
        "mean_rgb": mean.tolist(),
        "eigenvalues": eigenvalues[::-1].tolist(),
        "eigenvectors": eigenvectors[:, ::-1].tolist(),
    }
