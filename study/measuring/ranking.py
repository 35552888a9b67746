"""How good a whole ranking of the searched pictures is (Figure 4, right): precision at so many, and average precision.

Average precision wants the rank of every picture of the query's class. How far these are is only known when all pictures have
passed, so all distances wait in a scratch file: memory does not grow with the number of pictures. Q queries, N pictures.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

AT = (1, 6, 50)  # neighbours among which precision is told; the paper shows 6
BLOCK = 1 << 23  # distances that are read at a time
CONFIDENCE = 1.96  # standard errors to either side


class Ranking:
    """Distances of all pictures from the queries, which `labels` (Q,) and `known` (N,) give the classes of, as they pass."""

    def __init__(self, labels: np.ndarray, known: np.ndarray, scratch: Path) -> None:
        self.known, self.scratch, self.first = torch.from_numpy(known), scratch, 0
        self.labels = torch.from_numpy(labels)
        self._own: list[tuple[Tensor, Tensor]] = []  # queries, and distances of pictures of their class
        scratch.parent.mkdir(parents=True, exist_ok=True)
        self._file = open(scratch, "wb")  # noqa: SIM115  it is open while pictures pass

    def add(self, squares: Tensor) -> None:
        """Squared distances of the next pictures, or any numbers of that order: (Q, B)."""
        squares = squares.cpu().float()
        same = self.labels[:, None] == self.known[self.first : self.first + squares.shape[1]]
        self._own.append((same.nonzero()[:, 0], squares[same]))
        self._file.write(squares.T.contiguous().numpy().data)
        self.first += squares.shape[1]

    def average_precisions(self) -> np.ndarray:
        """(Q,): over the pictures of the query's class, the mean of the share that is of it among all that are as near; NaN
        where it has none. The scratch file is removed. Raises ValueError where not all pictures have passed."""
        self._file.close()
        if self.first != len(self.known):
            raise ValueError(f"{self.first} of {len(self.known)} pictures have passed")
        queries, own = (torch.cat(parts) for parts in zip(*self._own, strict=True))
        order = own.argsort()
        order = order[queries[order].argsort(stable=True)]
        counts = queries.bincount(minlength=len(self.labels))
        marks = torch.full((len(counts), max(int(counts.max()), 1)), torch.inf)
        there = torch.arange(marks.shape[1]) < counts[:, None]
        marks[there] = own[order]
        of_class = torch.searchsorted(marks, marks, right=True)
        of_all = torch.zeros_like(of_class)
        for block in self._blocks():
            of_all += torch.searchsorted(block.sort(dim=1).values, marks, right=True)
        shares = torch.where(there, of_class / of_all.clamp(min=1), 0.0).double()
        return np.asarray((shares.sum(dim=1) / there.sum(dim=1)).numpy())

    def _blocks(self) -> Iterator[Tensor]:
        """The distances again, (Q, B)."""
        queries = len(self.labels)
        with open(self.scratch, "rb") as file:
            while len(block := np.fromfile(file, np.float32, max(1, BLOCK // queries) * queries)):
                yield torch.from_numpy(block.reshape(-1, queries)).T.contiguous()
        self.scratch.unlink()


def precisions(rows: np.ndarray, labels: np.ndarray, known: np.ndarray) -> dict[str, np.ndarray]:
    """By each number of AT: of how many of a query's so many nearest the class is its own, as a share, (Q,); `rows` (Q, 50)."""
    same = known[rows] == labels[:, None]
    return {str(count): same[:, :count].mean(axis=1) for count in AT}


def with_interval(by_seed: np.ndarray) -> dict[str, float]:
    """The mean of (seeds, Q) or (Q,), with the 95% interval that the choice of queries gives it, of these networks only."""
    by_query = np.atleast_2d(by_seed).mean(axis=0)
    by_query = by_query[np.isfinite(by_query)]
    if not len(by_query):
        return {}
    mean, reach = float(by_query.mean()), 0.0
    if len(by_query) > 1:
        reach = CONFIDENCE * float(by_query.std(ddof=1)) / len(by_query) ** 0.5
    return {"mean": mean, "low": mean - reach, "high": mean + reach}
