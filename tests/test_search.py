"""Exact nearest neighbours: streamed, by the index in numpy, and by the index in whole numbers, against every difference."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from study.measuring import index
from study.measuring import search as streamed
from study.measuring.blocks import Rows, written
from study.measuring.index import Index, coded, files_of, indexed, nearest_in
from study.measuring.search import IntegerProducts, nearest

Search = Callable[[np.ndarray, np.ndarray, int, int], tuple[np.ndarray, np.ndarray]]  # queries, vectors, rows a block, k


def _blocks(database: np.ndarray, each: int) -> list[np.ndarray]:
    return [database[first : first + each] for first in range(0, len(database), each)]


def _indexed(products: Callable[[np.ndarray], index.Products], threads: int = 1, waiting: int = index.WAITING) -> Search:
    def search(queries: np.ndarray, database: np.ndarray, each: int, k: int) -> tuple[np.ndarray, np.ndarray]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(index, "PRODUCTS", each * len(queries))
            patch.setattr(index, "SHARED", 1)
            patch.setattr(index, "WAITING", waiting)
            return nearest_in(Index.of(database), queries, k, products, threads)

    return search


def _streamed(queries: np.ndarray, database: np.ndarray, each: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streamed, "JOINED", 1)
        apart = nearest(queries, _blocks(database, each), k)
        patch.setattr(streamed, "JOINED", 3 * each)
        together = nearest(queries, _blocks(database, each), k)
    assert all(np.array_equal(one, other) for one, other in zip(apart, together, strict=True))
    return apart


WAYS: dict[str, Search] = {
    "streamed": _streamed,
    "numpy": _indexed(index.PlainProducts),
    "whole numbers": _indexed(IntegerProducts),
    "shared by threads": _indexed(IntegerProducts, threads=3),
    "none wait": _indexed(IntegerProducts, waiting=0),
    "few wait": _indexed(IntegerProducts, waiting=8),
}


@pytest.fixture(params=WAYS)
def search(request: pytest.FixtureRequest) -> Search:
    return WAYS[request.param]


@pytest.mark.parametrize("kind", ["normal", "sparse", "one large component", "far from zero"])
def test_nearest_against_every_difference(search: Search, kind: str) -> None:
    random = np.random.default_rng(1)
    queries, database = (random.normal(size=(count, 40)).astype(np.float32) for count in (9, 300))
    for some in (queries, database):
        if kind == "sparse":
            np.maximum(some - 1, 0, out=some)  # some vectors are nothing but zeros
        elif kind == "one large component":
            some[:, 3] *= 1000
        elif kind == "far from zero":
            some += 100
    distances = np.sqrt(((queries[:, None].astype(np.float64) - database[None]) ** 2).sum(axis=2)).astype(np.float32)
    for each in (1, 4, 7, 100, 300):
        rows, found = search(queries, database, each, 6)
        assert np.array_equal(rows, distances.argsort(axis=1, kind="stable")[:, :6])
        np.testing.assert_allclose(found, np.sort(distances, axis=1)[:, :6], rtol=1e-6)


def test_near_duplicates_far_from_the_origin(search: Search) -> None:
    """Where |q|^2 - 2 q.x + |x|^2 cancels, the distances computed from the differences still tell the pictures apart."""
    base = np.full((1, 256), 1000.0, dtype=np.float32)
    database = np.concatenate([base + step for step in (3.0, 1.0, 2.0, *range(4, 300))])
    for each in (1, 2, 50, 299):
        rows, found = search(base, database, each, 3)
        assert rows.tolist() == [[1, 2, 0]]
        np.testing.assert_allclose(found, [[16.0, 32.0, 48.0]])


@pytest.mark.parametrize("each", [1, 3, 8, 500])
def test_equal_distances_are_ranked_by_row_whatever_the_blocks(search: Search, each: int) -> None:
    """And a picture finds itself at a distance of 0."""
    random = np.random.default_rng(2)
    vectors = random.normal(size=(5, 300)).astype(np.float32)
    which = random.integers(0, 5, 500)
    rows, found = search(vectors, vectors[which], each, 9)
    for query in range(5):
        assert rows[query].tolist() == np.flatnonzero(which == query)[:9].tolist() and (found[query] == 0).all()


def test_fewer_vectors_than_neighbours_and_numbers_that_are_not_finite(search: Search) -> None:
    queries, database = np.zeros((2, 3), dtype=np.float32), np.arange(12, dtype=np.float32).reshape(4, 3)
    assert search(queries, database, 3, 6)[0].tolist() == [[0, 1, 2, 3]] * 2
    for bad in (np.nan, np.inf):
        database[2, 1] = bad
        with pytest.raises(ValueError, match="not finite"):
            search(queries, database, 3, 4)


@pytest.mark.parametrize("size", [1e-42, 1e-20, 1.0, 1e15])
def test_a_code_lies_within_its_error_of_its_vector(size: float) -> None:
    """The bound on which the search rests, for vectors of every size; and it is no larger than it must be."""
    random = np.random.default_rng(4)
    vectors = (size * random.normal(size=(50, 70)) ** 3).astype(np.float32)
    vectors[7] = 0
    codes, facts = coded(vectors)
    meant = codes * facts[:, :1].astype(np.float64)
    apart = np.linalg.norm(vectors - meant, axis=1)
    assert (apart <= facts[:, 2]).all() and np.abs(codes).max() <= 127
    if size > 1e-30:  # where float32 itself is coarse, so is the bound
        assert facts[:, 2].sum() < 1.01 * apart.sum() + 1e-6 * size
        np.testing.assert_allclose(facts[:, 1], (meant**2).sum(axis=1), rtol=1e-6)


def test_an_index_in_files_finds_what_one_in_memory_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the vectors only those that can be among the nearest are read; blocks pass on unchanged while the index is written."""
    random = np.random.default_rng(5)
    vectors, queries = (np.maximum(random.normal(size=(count, 64)), 0).astype(np.float32) for count in (2000, 3))
    path = tmp_path / "vectors.npy"
    passed = list(indexed(path, 2000, written(path, 2000, _blocks(vectors, 130))))
    assert np.array_equal(np.concatenate(passed), vectors)
    taken: list[int] = []
    take = Rows.take
    monkeypatch.setattr(Rows, "take", lambda self, rows: (taken.extend(rows), take(self, rows))[1])
    monkeypatch.setattr(index, "PRODUCTS", 3 * 400)
    rows, found = nearest_in(Index.read(path), queries, 6)
    there = nearest_in(Index.of(vectors), queries, 6)
    assert np.array_equal(rows, there[0]) and np.array_equal(found, there[1])
    assert 3 * 6 <= len(taken) < 700, "not all of them"
    with pytest.raises(ValueError, match="64 components, not 5"):
        nearest_in(Index.read(path), np.zeros((1, 5), np.float32), 6)
    files_of(path)[0].write_bytes(b"no array")
    with pytest.raises(ValueError, match="damaged"):
        Index.read(path)


def test_rows_are_taken_one_by_one(tmp_path: Path) -> None:
    numbers = np.arange(30, dtype=np.int8).reshape(10, 3)
    list(written(tmp_path / "numbers.npy", 10, [numbers], "|i1"))
    rows = Rows(tmp_path / "numbers.npy", "|i1")
    assert rows.take(np.array([9, 0, 9])).tolist() == numbers[[9, 0, 9]].tolist() and len(rows) == 10
    for outside in (10, -1):
        with pytest.raises(ValueError, match="has no row"):
            rows.take(np.array([outside]))
    with pytest.raises(ValueError, match="holds no rows of float32"):
        Rows(tmp_path / "numbers.npy")
