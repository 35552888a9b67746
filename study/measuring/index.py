"""Exact nearest neighbours by Euclidean distance among stored vectors, in memory that does not grow with their number.

Beside the vectors stands an index of a quarter of their size: each vector as one byte a component times a scale of its own
(scalar quantisation), with its norm and its distance from the vector. A query is compared with all of the index. By the triangle
inequality that tells which vectors can be among the nearest; these alone are read, and ranked by float32 of their exact
distances. Equal distances are ranked in the order of the rows. It needs no torch. Q queries, B vectors a block, D components.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np

from study.measuring.blocks import Rows, written

LARGEST = 127  # of a code
ROUNDING = 2.0**-24  # of one operation in float32
BLOCK = 1 << 25  # bytes of codes that are compared at a time, at most
SHARED = 64  # queries from which on another thread takes a share
PRODUCTS = 1 << 21  # products of a block and the queries at a time, about
WAITING = 256  # vectors a query that can be near and are ranked later, when fewer of them still can
IN_CACHE = 1 << 17  # components that are made, or subtracted, at a time, so that they stay in a core's cache
FACTS = ("scale", "square", "error")  # of a coded vector: its codes' scale, its squared norm, how far the vector is from it
NOT_FINITE = "some numbers are not finite, so that no distance is; look at the network that made them"


class Vectors(Protocol):
    """Rows of one kind of number, read some at a time: an array in memory or a file."""

    @property
    def columns(self) -> int: ...
    def __len__(self) -> int: ...
    def read(self, first: int, count: int, out: np.ndarray | None = None) -> np.ndarray: ...
    def take(self, rows: np.ndarray) -> np.ndarray: ...


class InMemory:
    """An array (rows, columns) as Vectors."""

    def __init__(self, array: np.ndarray) -> None:
        self.array, self.columns = array, array.shape[1]

    def __len__(self) -> int:
        return len(self.array)

    def read(self, first: int, count: int, out: np.ndarray | None = None) -> np.ndarray:
        return self.array[first : first + count]

    def take(self, rows: np.ndarray) -> np.ndarray:
        return self.array[rows]


class Nearest:
    """The `k` nearest of all rows that were added: `rows` int64 (Q, k) and `squares` float32 (Q, k), the nearest first.

    Where fewer than `k` were added, -1 and infinity stand in for the others.
    """

    def __init__(self, queries: int, k: int) -> None:
        self.rows = np.full((queries, k), -1, dtype=np.int64)
        self.squares = np.full((queries, k), np.inf, dtype=np.float32)

    def add(self, of_query: np.ndarray, rows: np.ndarray, squares: np.ndarray) -> None:
        """Candidates in any order, none of them a second time: the query, the row and the squared distance of each."""
        if not len(rows):
            return
        count, k = self.rows.shape
        queries = np.concatenate([np.arange(count).repeat(k), of_query])
        all_rows = np.concatenate([self.rows.ravel(), rows])
        all_squares = np.concatenate([self.squares.ravel(), squares])
        order = np.lexsort((all_rows, all_squares, queries))
        first = np.searchsorted(queries[order], np.arange(count))
        best = order[first[:, None] + np.arange(k)]
        self.rows, self.squares = all_rows[best], all_squares[best]

    def found(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows and distances, (Q, k) each, or fewer columns where fewer rows were added."""
        there = self.rows[0] >= 0 if len(self.rows) else slice(None)
        return self.rows[:, there], np.sqrt(self.squares[:, there])


def coded(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vectors (B, D) -> their codes int8 (B, D), and FACTS float32 (B, 3). The error is rounded up, so that it bounds.

    Raises ValueError where numbers are not finite.
    """
    codes, facts = np.empty(vectors.shape, np.int8), np.empty((len(vectors), len(FACTS)), np.float32)
    each = max(1, IN_CACHE // max(vectors.shape[1], 1))
    for first in range(0, len(vectors), each):
        part = slice(first, first + each)
        x = vectors[part].astype(np.float32, copy=False)
        most = np.abs(x).max(axis=1, initial=0)
        if not np.isfinite(most).all():
            raise ValueError(NOT_FINITE)
        scale = np.maximum(most / LARGEST, np.finfo(np.float32).tiny)[:, None]
        rounded = np.rint(x / scale).clip(-LARGEST, LARGEST)
        left = _norms(x - rounded * scale) * 1.001 + 4 * ROUNDING * _norms(x)
        codes[part], facts[part] = rounded, np.stack([scale[:, 0], (scale[:, 0] * _norms(rounded)) ** 2, left], axis=1)
    return codes, facts


def _norms(x: np.ndarray) -> np.ndarray:
    norms: np.ndarray = np.sqrt(np.einsum("ij,ij->i", x, x, dtype=np.float64))
    return norms


def files_of(vectors: Path) -> tuple[Path, Path]:
    """Where the index of `features-train.npy` lies: its codes, and FACTS of each."""
    return vectors.with_name(f"{vectors.stem}-codes.npy"), vectors.with_name(f"{vectors.stem}-facts.npy")


def indexed(vectors: Path, rows: int, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Pass blocks of vectors on, and write the index of all of them, `rows` in all, on their way. Raises as `coded` does."""
    codes, facts = files_of(vectors)
    told: list[np.ndarray] = []
    blocks = iter(blocks)
    passed: list[np.ndarray] = []

    def codes_of() -> Iterator[np.ndarray]:
        for block in blocks:
            made, of_block = coded(block)
            told.append(of_block)
            passed.append(block)
            yield made

    for _ in written(codes, rows, codes_of(), "|i1"):
        yield passed.pop()
    if told:
        for _ in written(facts, rows, [np.concatenate(told)]):
            pass


class Index:
    """Vectors with their codes (N, D) and FACTS (N, 3). Raises ValueError where these are not of one another."""

    def __init__(self, vectors: Vectors, codes: Vectors, facts: np.ndarray) -> None:
        if not len(vectors) == len(codes) == len(facts) or vectors.columns != codes.columns:
            raise ValueError("the index is of other vectors; make both again")
        self.vectors, self.codes = vectors, codes
        self.scale, self.square, self.error = np.ascontiguousarray(facts.T)

    def __len__(self) -> int:
        return len(self.codes)

    @classmethod
    def of(cls, vectors: np.ndarray) -> Index:
        """Of an array in memory."""
        codes, facts = coded(vectors)
        return cls(InMemory(vectors), InMemory(codes), facts)

    @classmethod
    def read(cls, path: Path) -> Index:
        """Of a file of vectors, with the index that `indexed` wrote. Raises OSError or ValueError as Rows does."""
        codes, facts = files_of(path)
        told = Rows(facts)
        return cls(Rows(path), Rows(codes, "|i1"), told.read(0, len(told)))

    def blocks(self, rows: int) -> Iterator[tuple[int, np.ndarray]]:
        """First rows and codes, so many at a time, in memory that is used again: the next are read while these are compared."""
        firsts, memory = range(0, len(self), rows), np.empty((2, min(rows, len(self)), self.codes.columns), np.int8)
        with ThreadPoolExecutor(1) as reader:
            coming = [reader.submit(self.codes.read, first, rows, memory[0]) for first in firsts[:1]]
            for number, first in enumerate(firsts):
                now = coming.pop().result()
                coming.append(reader.submit(self.codes.read, first + rows, rows, memory[(number + 1) % 2]))
                yield first, now


class Products(Protocol):
    """Queries, ready to be multiplied by codes. `error` (Q,): how far those that are multiplied are from the ones asked."""

    error: np.ndarray

    def __call__(self, codes: np.ndarray) -> np.ndarray:
        """Codes (B, D) -> float32 (B, Q), each wrong by no more than D roundings of the product of both norms."""


class PlainProducts:
    """By numpy, in float32. For few queries: a core turns some 2e9 codes a second into numbers."""

    def __init__(self, queries: np.ndarray) -> None:
        self.queries = np.ascontiguousarray(queries.T)
        self.error = np.zeros(len(queries))

    def __call__(self, codes: np.ndarray) -> np.ndarray:
        each = max(1, IN_CACHE // codes.shape[1])
        made, numbers = np.empty((len(codes), self.queries.shape[1]), np.float32), np.empty((each, codes.shape[1]), np.float32)
        for first in range(0, len(codes), each):
            part = codes[first : first + each]
            np.copyto(numbers[: len(part)], part)
            np.matmul(numbers[: len(part)], self.queries, out=made[first : first + each])
        return made


def nearest_in(
    index: Index, queries: np.ndarray, k: int, products: Callable[[np.ndarray], Products] = PlainProducts, threads: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Rows and distances, (Q, k) each, the nearest first; `queries` float32 (Q, D), which `threads` share where they are many.

    Raises ValueError where numbers are not finite, or not D are asked.
    """
    q = np.ascontiguousarray(queries, dtype=np.float32)
    if q.ndim != 2 or q.shape[1] != index.codes.columns:
        raise ValueError(f"a stored vector has {index.codes.columns} components, not {q.shape[-1]}")
    if not np.isfinite(q).all():
        raise ValueError(NOT_FINITE)
    k, shares, multiply = min(k, len(index)), max(1, min(threads, len(q) // SHARED)), products(q)
    split = zip(np.array_split(q, shares), np.array_split(multiply.error, shares), strict=True)
    asked = [_Asked(index, part, k, error) for part, error in split]
    rows = max(k, min(BLOCK // q.shape[1], PRODUCTS // max(len(q), 1)), 1)
    with ThreadPoolExecutor(shares) as pool:
        for first, codes in index.blocks(rows):
            list(pool.map(_Asked.compare, asked, [first] * shares, np.array_split(multiply(codes), shares, axis=1)))
        found = list(pool.map(_Asked.found, asked))
    return np.concatenate([rows for rows, _ in found]), np.concatenate([far for _, far in found])


class _Asked:
    """Some queries (Q, D), and what is known so far of their `k` nearest. `error` as of Products."""

    def __init__(self, index: Index, queries: np.ndarray, k: int, error: np.ndarray) -> None:
        self.index, self.queries, self.error, self.best = index, queries, error, Nearest(len(queries), k)
        self.square = np.einsum("ij,ij->i", queries, queries, dtype=np.float64)
        self.waiting = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))]  # rows, of_query, rough

    def compare(self, first: int, rough: np.ndarray) -> None:
        """Look among the next vectors, which begin at row `first`; `rough` (B, Q), their products, is overwritten."""
        part, k = slice(first, first + len(rough)), self.best.rows.shape[1]
        rough *= -2 * self.index.scale[part, None]
        rough += self.index.square[part, None]  # squared distances of the codes, without the squares of the queries
        if (self.best.rows[:, -1] < 0).any() and len(rough) > k:  # nothing is known: the likeliest first, so that few are left
            of_row = np.argpartition(np.ascontiguousarray(rough.T), k - 1, axis=1)[:, :k].ravel()
            of_query = np.arange(len(self.queries)).repeat(k)
            self._add(first + of_row, of_query)
            rough[of_row, of_query] = np.inf
        of_row, of_query = np.nonzero(rough <= self._limit(self.index.error[part].max(), self.index.square[part].max()))
        self.waiting.append((first + of_row, of_query, rough[of_row, of_query]))
        if sum(len(rows) for rows, _, _ in self.waiting) > WAITING * len(self.queries):
            self._settle(WAITING * len(self.queries))

    def found(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows and distances, (Q, k) each."""
        self._settle(0)
        return self.best.found()

    def _settle(self, most: int) -> None:
        """Rank the likeliest of those that wait, and the others that still can be near if they are more than `most`."""
        rows, of_query, rough = map(np.concatenate, zip(*self.waiting, strict=True))
        order = np.lexsort((rough, of_query))
        rows, of_query, rough = rows[order], of_query[order], rough[order]
        likely = np.arange(len(rows)) - np.searchsorted(of_query, of_query) < self.best.rows.shape[1]
        self._add(rows[likely], of_query[likely])
        left = ~likely & (rough <= self._limit(self.index.error[rows], self.index.square[rows], of_query))
        if left.sum() > most:
            self._add(rows[left], of_query[left])
            left[:] = False
        self.waiting = [(rows[left], of_query[left], rough[left])]

    def _limit(self, error: np.ndarray, of_code: np.ndarray, of_query: np.ndarray | slice = slice(None)) -> np.ndarray:
        """How large a number of `compare` may be where a vector can be among the nearest, float32; by the error of its code and
        the code's squared norm, or by the largest of several.

        A vector lies within its error of its code, so |q - x| >= |q - code| - error: those can be where |q - code|^2 is at most
        (the k-th nearest known so far + errors)^2, the slack of all roundings added. It is finite, and the number of a vector
        that is ranked already is not.
        """
        bound = np.sqrt(self.best.squares[:, -1].astype(np.float64)) * (1 + 4 * ROUNDING) + self.error
        norms = (np.sqrt(self.square) + self.error)[of_query] + np.sqrt(of_code)
        slack = 2 * (self.queries.shape[1] + 16) * ROUNDING * norms**2
        limit = np.minimum(np.square(bound[of_query] + error) + slack - self.square[of_query], np.finfo(np.float32).max)
        return limit.astype(np.float32)

    def _add(self, rows: np.ndarray, of_query: np.ndarray) -> None:
        self.best.add(of_query, rows, _exact(self.index, self.queries, of_query, rows))


def _exact(index: Index, q: np.ndarray, of_query: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Squared distances of pairs, from their differences in float64; float32 (pairs,)."""
    made = np.empty(len(rows), dtype=np.float32)
    order, each = np.argsort(rows, kind="stable"), max(1, IN_CACHE // q.shape[1])
    for first in range(0, len(rows), each):
        part = order[first : first + each]
        there, place = np.unique(rows[part], return_inverse=True)
        apart = np.subtract(index.vectors.take(there)[place], q[of_query[part]], dtype=np.float64)
        made[part] = np.einsum("ij,ij->i", apart, apart)
    return made
