"""Exact nearest neighbours by Euclidean distance, among vectors that come block by block.

Memory is that of a block, however many blocks there are. Equal distances are ranked in the order of the rows, so that the
answer depends on neither blocks nor threads. Q queries, B vectors a block, D components.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from study.measuring.index import NOT_FINITE, ROUNDING, Nearest, coded

JOINED = 2048  # vectors that are compared at a time, at least: with few, many would seem near
ELEMENTS = 1 << 22  # of the differences that are squared at a time
EXACT = 1024  # so many products of two bytes around zero have a sum below 2^24, which float32 holds exactly


class IntegerProducts:
    """Queries as codes of two bytes a component, multiplied by codes in whole numbers: index.Products for many queries at once.

    A query is the sum of two vectors of bytes with scales of their own, so nearly nothing of it is lost.
    """

    def __init__(self, queries: np.ndarray) -> None:
        first, of_first = coded(queries)
        left = queries - first * of_first[:, :1]
        second, of_second = coded(left)
        self.scales = torch.from_numpy(of_first[:, 0]), torch.from_numpy(of_second[:, 0])
        self.error = of_second[:, 2] + 4 * ROUNDING * np.linalg.norm(queries, axis=1)
        self.codes = torch.from_numpy(np.concatenate([first, second])).T.contiguous()  # D 2Q

    def __call__(self, codes: np.ndarray) -> np.ndarray:
        first, second = torch._int_mm(torch.from_numpy(codes), self.codes).chunk(2, dim=1)  # B Q each
        return first.float().mul_(self.scales[0]).add_(second.float().mul_(self.scales[1])).numpy()


def nearest(
    queries: np.ndarray, blocks: Iterable[np.ndarray], k: int, each: Callable[[Tensor], None] = lambda _: None
) -> tuple[np.ndarray, np.ndarray]:
    """Rows and distances, (Q, k) each, the nearest first. `queries` (Q, D) and `blocks` (B, D) are float32. `each` is told the
    squared distances of every block, (Q, B), which are not exact.

    |q|^2 - 2 q.x + |x|^2 tells which vectors can be among the nearest: it is wrong by at most D roundings of (|q| + |x|)^2
    (Higham 2002, section 3.5). The distances of those are computed from the differences, in float64, and ranked in float32.
    Raises ValueError where numbers are not finite.
    """
    q, best, first = torch.from_numpy(queries), Nearest(len(queries), k), 0
    squares = q.square().sum(dim=1)
    for block in _joined(blocks):
        x = torch.from_numpy(block)
        of_block = x.square().sum(dim=1)
        rough = (q @ x.T).mul_(-2).add_(of_block).add_(squares[:, None])
        each(rough)
        slack = 2 * (q.shape[1] + 16) * ROUNDING * (squares.sqrt() + of_block.max().sqrt()).square()
        bound = _bound(q, x, rough, best) * (1 + 4 * ROUNDING) + slack
        of_query, rows = (rough <= bound[:, None]).nonzero(as_tuple=True)
        best.add(of_query.numpy(), first + rows.numpy(), _squared(q, x, of_query, rows).numpy())
        first += len(block)
    if (best.rows[:, : min(k, first)] < 0).any():
        raise ValueError(NOT_FINITE)
    return best.found()


def _joined(blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Blocks of JOINED vectors or more, but for the last."""
    waiting: list[np.ndarray] = []
    for block in blocks:
        waiting.append(block)
        if sum(map(len, waiting)) >= JOINED:
            yield np.concatenate(waiting) if len(waiting) > 1 else block
            waiting = []
    if waiting:
        yield np.concatenate(waiting)


def _bound(q: Tensor, x: Tensor, rough: Tensor, best: Nearest) -> Tensor:
    """(Q,): no vector that is farther, squared, can be among the nearest: so many as are wanted are known to be as near."""
    known = torch.from_numpy(best.squares[:, -1])
    k = best.rows.shape[1]
    if torch.isfinite(known).all() or len(x) < k:
        return known
    likely = rough.topk(k, dim=1, largest=False).indices
    of_query = torch.arange(len(q)).repeat_interleave(k)
    return torch.minimum(known, _squared(q, x, of_query, likely.flatten()).view(-1, k).amax(dim=1))


def _squared(q: Tensor, x: Tensor, of_query: Tensor, rows: Tensor) -> Tensor:
    """Squared distances of pairs, from their differences in float64; float32 (pairs,)."""
    each = max(1, ELEMENTS // q.shape[1])
    parts = [
        (x[part].double() - q[to].double()).square().sum(dim=1).float()
        for to, part in zip(of_query.split(each), rows.split(each), strict=True)
    ]
    return torch.cat(parts)


def squared_distances(queries: Tensor, block: Tensor) -> Tensor:
    """Between pictures as bytes: uint8 (Q, D) and (B, D) -> float64 (Q, B), exact on any device.

    Products of bytes around zero are summed in float32 as long as every sum is a number that float32 holds.
    """
    products = torch.zeros(len(queries), len(block), dtype=torch.float64, device=block.device)
    squares = torch.zeros(len(queries), 1, dtype=torch.float64, device=block.device)
    of_block = torch.zeros(len(block), dtype=torch.float64, device=block.device)
    for q, x in zip(queries.split(EXACT, dim=1), block.split(EXACT, dim=1), strict=True):
        q, x = q.float().sub_(128), x.float().sub_(128)
        products += q @ x.T
        squares += q.square().sum(dim=1, keepdim=True)
        of_block += x.square().sum(dim=1)
    return products.mul_(-2).add_(squares).add_(of_block)
