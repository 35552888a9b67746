"""Figure 3, scored: how far colour tells the first-layer kernels of the two columns apart (section 6.1).

A kernel starts as noise, two thirds of whose energy lie off the grey axis, and keeps much of it; so what is scored is what
it has learned, its start taken out. The halves of any set of kernels differ a little, and after the columns are renumbered
always in the same direction; so both scores of a network count from what chance alone would give its own kernels.
"""

from __future__ import annotations

from math import comb

import numpy as np

COLOURED = 1 / 3  # learned colourfulness from here on: half way from a grey kernel (0) to one without preference (2/3)


def colourfulness(kernels: np.ndarray) -> np.ndarray:
    """Share of each kernel's energy off the grey axis: (n, h, w, RGB) -> (n,), 0 for a grey kernel, at most 1.

    A kernel is grey where its three channels are equal, whatever its pattern; energy is the sum of squares.
    """
    return _off_grey(kernels) / np.maximum(_energy(kernels), np.finfo(float).tiny)


def learned_colourfulness(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Share of each kernel's energy at the end that was learned and lies off the grey axis: (n, h, w, RGB) twice -> (n,).

    Learned is what is left of the kernel when its projection on its own start is taken out, so that neither the noise that
    it started from nor its decay counts: 0 for a kernel that has not changed, whatever its colours.
    """
    start, end = start.astype(np.float64), end.astype(np.float64)
    along = (start * end).sum(axis=(1, 2, 3)) / np.maximum(_energy(start), np.finfo(float).tiny)
    learned = end - along[:, None, None, None] * start
    return _off_grey(learned) / np.maximum(_energy(end), np.finfo(float).tiny)


def gap_beyond_chance(scores: np.ndarray) -> float:
    """How far the mean scores of the two halves lie apart, beyond what chance would give halves of these scores.

    The distance that chance gives is that of normal means with the scores' own spread. Raises ValueError as `halves` does.
    """
    first, second = halves(scores)
    by_chance = np.sqrt(2 / np.pi) * scores.std(ddof=1) * np.sqrt(2 / len(first))
    return float(abs(first.mean() - second.mean()) - by_chance)


def sorted_beyond_chance(scores: np.ndarray) -> float:
    """How well "coloured or grey" tells the halves apart: 1 where every kernel is sorted right, 0 where chance does as well.

    The half with more coloured kernels counts as the coloured one. From the share sorted right, that share by chance for as
    many coloured kernels is taken, and what is left is divided by what would be left at best. Raises ValueError as `halves`
    does.
    """
    difference, half, chances = _coloured(scores)
    by_chance = sum(chance * other for other, chance in chances)
    return float((difference - by_chance) / (half - by_chance))


def chance_of_sorting(scores: np.ndarray) -> float:
    """How often chance sorts the coloured kernels there are at least as well into two halves. Raises as `halves` does."""
    difference, _, chances = _coloured(scores)
    return float(sum(chance for other, chance in chances if other >= difference))


def _coloured(scores: np.ndarray) -> tuple[int, int, list[tuple[int, float]]]:
    """By how many coloured kernels the halves differ, the size of a half, and every such difference with its chance."""
    first, second = halves(scores >= COLOURED)
    coloured, half = int(first.sum() + second.sum()), len(first)
    ways = comb(2 * half, half)
    chances = [
        (abs(2 * of_first - coloured), comb(coloured, of_first) * comb(2 * half - coloured, half - of_first) / ways)
        for of_first in range(max(0, coloured - half), min(coloured, half) + 1)
    ]
    return abs(int(first.sum()) - int(second.sum())), half, chances


def halves(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The scores of column 1's kernels, which stand first, and of column 2's. Raises ValueError for fewer than two each."""
    if len(scores) < 4 or len(scores) % 2:
        raise ValueError(f"there are {len(scores)} kernels; two halves need an even number, 4 or more")
    half = len(scores) // 2
    return scores[:half], scores[half:]


def _energy(kernels: np.ndarray) -> np.ndarray:
    energy: np.ndarray = np.square(kernels, dtype=np.float64).sum(axis=(1, 2, 3))
    return energy


def _off_grey(kernels: np.ndarray) -> np.ndarray:
    """Energy less three times that of the mean over the channels; not below 0, where rounding would put a grey kernel."""
    grey = 3 * np.square(kernels.mean(axis=3, dtype=np.float64)).sum(axis=(1, 2))
    off: np.ndarray = np.maximum(_energy(kernels) - grey, 0)
    return off
