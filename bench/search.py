"""Exact nearest neighbours: the study's index against faiss's IndexFlatL2, where that is installed, and against plain float32.

In memory, all in one run; and with `--stored N` over so many vectors on the disk, cold, in a process of its own whose peak
memory is told. The vectors are independent normals through a ReLU: all about equally far apart, the hardest case for an index.
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.table import Cell, Table
from bench.timing import Elsewhere, Scope, Sides, clocked, in_turns
from study.measuring.blocks import written
from study.measuring.index import Index, PlainProducts, files_of, indexed, nearest_in
from study.measuring.search import IntegerProducts

try:
    import faiss
except ImportError:  # no dependency: `uv pip install --no-deps --target PLACE faiss-cpu`, and PYTHONPATH=PLACE
    faiss = None

VECTORS, COMPONENTS, QUERIES, NEIGHBOURS = 40_000, 4096, (1, 16, 256), 6
BLOCK = 2000  # vectors that are made at a time
IMAGENET = 1_281_167
STORED: dict[str, tuple[Callable[[np.ndarray], Any], bool]] = {  # ways to search what is stored, and whether it is cold
    "numpy alone, from the disk": (PlainProducts, True),
    "numpy alone, again": (PlainProducts, False),
    "whole numbers, from the disk": (IntegerProducts, True),
    "whole numbers, again": (IntegerProducts, False),
}
FAISS, PLAIN, OURS, NUMPY = "faiss IndexFlatL2", "plain float32", "our index", "our index, numpy alone"


def vectors(count: int, seed: int = 0) -> Iterator[np.ndarray]:
    """Blocks of as many vectors as a last hidden layer could have, float32."""
    random = np.random.default_rng(seed)
    for first in range(0, count, BLOCK):
        yield np.maximum(random.standard_normal((min(BLOCK, count - first), COMPONENTS), dtype=np.float32), 0)


def plain(known: torch.Tensor, queries: np.ndarray) -> np.ndarray:
    """As one would write it: all distances by a matrix product, the norms computed each time; rows (Q, k)."""
    q = torch.from_numpy(queries)
    squares = q.square().sum(dim=1)[:, None] - 2 * (q @ known.T) + known.square().sum(dim=1)
    return squares.topk(NEIGHBOURS, dim=1, largest=False).indices.numpy()


def sides(scope: Scope, known: np.ndarray, queries: np.ndarray) -> dict[str, Callable[[], np.ndarray]]:
    """Ways to the rows of the nearest, (Q, k)."""
    torch.set_num_threads(scope.threads)
    index = Index.of(known)
    made: dict[str, Callable[[], np.ndarray]] = {
        PLAIN: partial(plain, torch.from_numpy(known), queries),
        OURS: lambda: nearest_in(index, queries, NEIGHBOURS, IntegerProducts, scope.threads)[0],
    }
    if len(queries) == 1:
        made[NUMPY] = lambda: nearest_in(index, queries, NEIGHBOURS, PlainProducts)[0]
    if faiss is not None:
        faiss.omp_set_num_threads(scope.threads)
        flat = faiss.IndexFlatL2(COMPONENTS)
        flat.add(known)
        made = {FAISS: lambda: flat.search(queries, NEIGHBOURS)[1]} | made
    return made


def in_memory(scope: Scope) -> Table:
    known, asked = np.concatenate(list(vectors(VECTORS))), np.concatenate(list(vectors(max(QUERIES), seed=1)))
    rows: list[tuple[Cell, ...]] = []
    for count in QUERIES:
        ways = sides(scope, known, asked[:count])
        found = {name: way() for name, way in ways.items()}
        if any((found[OURS] != other).mean() > 0.001 for other in found.values()):  # equal in float32 in any order
            raise RuntimeError("the ways do not find the same neighbours")
        times = in_turns({name: clocked(way, "cpu") for name, way in ways.items()}, scope.rounds)
        first = next(iter(times.values()))
        rows += [(str(count), name, took.times(1000), first.over(took)) for name, took in times.items()]
    versus = FAISS if faiss is not None else PLAIN
    return Table(
        title=f"{NEIGHBOURS} nearest of {VECTORS:,} vectors of {COMPONENTS:,} in memory, {scope.threads} threads, "
        f"{scope.rounds} rounds",
        columns=("queries", "way", "ms", f"x {versus}"),
        rows=tuple(rows),
        notes=() if faiss is not None else ("faiss is not installed here.",),
    )


def store(path: Path, count: int) -> float:
    """Write vectors and index; the seconds that took."""
    began = time.perf_counter()
    for _ in indexed(path, count, written(path, count, vectors(count))):
        pass
    return time.perf_counter() - began


def stored_sides(scope: Scope, path: Path) -> Sides:
    """A query of the stored vectors by numpy alone and by torch, cold and warm: seconds, and the peak memory in bytes."""
    torch.set_num_threads(scope.threads)
    asked = next(vectors(1, seed=1))

    def seconds(products: Callable[[np.ndarray], Any], cold: bool) -> float:
        if cold:
            for file in (path, *files_of(path)):
                _forget(file)
        began = time.perf_counter()
        nearest_in(Index.read(path), asked, NEIGHBOURS, products)
        return time.perf_counter() - began

    def itself() -> bool:
        row = len(Index.read(path)) // 2
        rows, far = nearest_in(Index.read(path), Index.read(path).vectors.take(np.array([row])), NEIGHBOURS)
        return int(rows[0, 0]) == row and float(far[0, 0]) == 0

    return {name: partial(seconds, *way) for name, way in STORED.items()} | {"itself": itself, "peak": peak}


def peak() -> int:
    """Bytes that this process held at most. What getrusage says would count what its parent held when it was started."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _forget(path: Path) -> None:
    """Take a file out of the system's cache, so that it is read from the disk again."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def from_disk(scope: Scope) -> Table:
    """Over `scope.stored` vectors, and what that makes of as many as ImageNet's: time grows with their number."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "vectors.npy"
        took = store(path, scope.stored)
        size, index = (sum(file.stat().st_size for file in some) for some in ((path,), files_of(path)))
        with Elsewhere(stored_sides, scope, path) as process:
            times = in_turns(process.sides(*STORED), scope.rounds)
            itself, most = process("itself"), process("peak")
    factor = IMAGENET / scope.stored
    return Table(
        title=f"{NEIGHBOURS} nearest of {scope.stored:,} stored vectors of {COMPONENTS:,} ({size / 1e9:.1f} GB, their index "
        f"{index / 1e9:.1f} GB), one query, {scope.threads} threads, {scope.rounds} rounds",
        columns=("way", "s", f"s, extrapolated to {IMAGENET:,}"),
        rows=tuple((side, seconds, seconds.times(factor)) for side, seconds in times.items()),
        notes=(
            f"Peak memory of the process {most / 2**30:.2f} GiB; written in {took:.0f} s; a stored vector "
            f"{'finds' if itself else 'DOES NOT FIND'} itself at distance 0.",
        ),
    )


def measure(scope: Scope) -> list[Table]:
    return [in_memory(scope), *([from_disk(scope)] if scope.stored else [])]
