"""The pictures nearest to others in pixels, and how near in pixels those are that were found otherwise (section 6.1).

What is compared is the centre patch, as packed: the mean that a network is spared cancels in a difference. Pictures are read
block by block. Q queries, M pictures that each is compared with, k neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from study.data.packed import PackedSplit
from study.measuring.search import squared_distances

BYTES = 1 << 24  # of the pictures that are compared with the queries at a time


def compare(
    queries: np.ndarray,
    searched: PackedSplit,
    crop: int,
    found: Sequence[np.ndarray],
    k: int,
    device: torch.device,
    tell: Callable[[int], None],
    each: Callable[[Tensor], None] = lambda _: None,
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Rows (Q, k) of the `searched` pictures nearest to the patches `queries`; and of all that were `found` otherwise, rows
    (Q, neighbours) each, their percentiles in pixels of the same shape: the share of the other pictures that are nearer. `each`
    is told all squared distances, block by block, (Q, B)."""
    marks = distances(queries, searched, crop, np.concatenate(found, axis=1))
    rows, percentiles = search(queries, _told(patch_blocks(searched, crop), tell), len(searched), k, marks, device, each)
    return rows, np.split(percentiles, len(found), axis=1)


def _told(blocks: Iterable[np.ndarray], tell: Callable[[int], None]) -> Iterator[np.ndarray]:
    for block in blocks:
        yield block
        tell(len(block))


def centre_patches(split: PackedSplit, rows: np.ndarray, crop: int) -> np.ndarray:
    """The patches that features are computed from, as bytes: uint8 (rows, 3 * crop * crop)."""
    near = (split.size - crop) // 2
    return split.take(rows)[:, near : near + crop, near : near + crop].reshape(len(rows), -1)


def patch_blocks(split: PackedSplit, crop: int) -> Iterator[np.ndarray]:
    """All centre patches in packed order, as many at a time as make BYTES."""
    each = max(1, BYTES // (3 * split.size**2))
    return (centre_patches(split, np.arange(first, min(first + each, len(split))), crop) for first in range(0, len(split), each))


def distances(patches: np.ndarray, split: PackedSplit, crop: int, rows: np.ndarray) -> np.ndarray:
    """Squared distances of each patch (Q, 3 * crop * crop) to pictures of its own: `rows` (Q, M) -> float64 (Q, M)."""
    ours = torch.from_numpy(patches)
    theirs = (torch.from_numpy(centre_patches(split, own, crop)) for own in rows)
    squares = [squared_distances(one[None], others)[0] for one, others in zip(ours, theirs, strict=True)]
    return torch.stack(squares).numpy()


def search(
    patches: np.ndarray,
    blocks: Iterable[np.ndarray],
    searched: int,
    k: int,
    marks: np.ndarray,
    device: torch.device,
    each: Callable[[Tensor], None] = lambda _: None,
) -> tuple[np.ndarray, np.ndarray]:
    """Rows (Q, k) of the patches nearest to each, and for squared distances `marks` (Q, M) of pictures among the `searched`
    the share of the others that are nearer, from 0 to 1; ties count half. `patches` and `blocks` are bytes, as packed.

    Distances are whole numbers and exact, so an equal one is a tie, and ties are ranked in packed order.
    """
    device = device if device.type == "cuda" else torch.device("cpu")  # Apple's GPU has no float64
    queries, to = torch.from_numpy(patches).to(device), torch.from_numpy(marks).to(device)
    best = torch.full((len(patches), min(k, searched)), torch.iinfo(torch.int64).max, device=device)
    nearer, first = torch.zeros_like(to), 0
    for block in blocks:
        squares = squared_distances(queries, torch.from_numpy(block).to(device))
        each(squares)
        keys = squares.to(torch.int64) * searched + torch.arange(first, first + len(block), device=device)
        best = torch.cat([best, keys], dim=1).topk(best.shape[1], dim=1, largest=False).values
        ordered = squares.sort(dim=1).values
        nearer += (torch.searchsorted(ordered, to) + torch.searchsorted(ordered, to, right=True)) / 2
        first += len(block)
    return (best % searched).cpu().numpy(), ((nearer - 0.5) / max(searched - 1, 1)).cpu().numpy()
