"""Figure 4, right: the training pictures nearest to a test picture in the last hidden layer, by Euclidean distance.

The paper remarks that such pictures are generally not close in pixels. So the same search runs on raw pixels (pixels.py), and
on the features of the untrained network of the same seed: what that finds too, training has not brought. How often neighbours
have the query's class, and how far away in pixels they are, is kept query by query. Q queries, k neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from study import files
from study.data.feeding import Feed
from study.measuring.blocks import written
from study.measuring.index import indexed
from study.measuring.search import nearest
from study.network.building import Network


@dataclass(frozen=True, kw_only=True, slots=True)
class RetrievalSettings:
    """`run` and `seed` name the network whose features and neighbours are kept; `seeds` counts those that are measured, this
    one and others of the run; `queries` counts test pictures, the first ones; `neighbours`: the paper shows 6."""

    run: str
    seed: int
    queries: int
    seeds: int = 5
    neighbours: int = 6
    batch: int = 128

    def __post_init__(self) -> None:
        if self.queries < 1 or self.neighbours < 1:
            raise ValueError(f"queries is {self.queries} and neighbours {self.neighbours}; both are 1 or more")
        if self.seeds < 1 or self.batch < 1:
            raise ValueError(f"seeds is {self.seeds} and batch {self.batch}; both are 1 or more")

    def measured(self, seeds: Sequence[int]) -> list[int]:
        """Which of a run's seeds are measured: the one whose neighbours are kept first, then the others in their order."""
        return [self.seed, *(seed for seed in seeds if seed != self.seed)][: self.seeds]


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What one seed's networks found: rows of the searched pictures, (Q, k) each, and the distances in the trained features."""

    by_features: np.ndarray
    by_untrained: np.ndarray
    distances: np.ndarray


@torch.no_grad()
def features(network: Network, feed: Feed, batch: int, tell: Callable[[int], None]) -> Iterator[np.ndarray]:
    """Last hidden layer after its ReLU, from the centre patch: float32 (B, features), batch by batch."""
    network.eval()
    for pictures, _ in feed.test_batches(batch):
        yield torch.cat([part.cpu() for part in network.features(pictures)], dim=1).float().numpy()
        tell(len(pictures))


def search_features(
    network: Network, train: Feed, test: Feed, settings: RetrievalSettings, tell: Callable[[int], None], keep: Path | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of `train` and distances, (Q, k) each, for the first test pictures. The features of all pictures of both go to
    features-train.npy and features-test.npy in the folder `keep`, if it is given."""

    def of(feed: Feed, name: str) -> Iterator[np.ndarray]:
        blocks = features(network, feed, settings.batch, tell)
        return blocks if keep is None else written(keep / f"features-{name}.npy", len(feed), blocks)

    asked, known = _first(of(test, "test"), settings.queries), of(train, "train")
    if keep is not None:
        known = indexed(keep / "features-train.npy", len(train), known)
    return nearest(asked, known, settings.neighbours)


def _first(blocks: Iterable[np.ndarray], count: int) -> np.ndarray:
    """The first rows of all blocks, which are taken to the last, as what writes them wants it."""
    kept: list[np.ndarray] = []
    for block in blocks:
        if (lacking := count - sum(map(len, kept))) > 0:
            kept.append(block[:lacking])
    return np.concatenate(kept)


def chance(queries: np.ndarray, known: np.ndarray) -> float:
    """How often a picture drawn from the searched ones has the query's class; labels of both in."""
    classes = int(max(queries.max(), known.max())) + 1
    of_queries, of_known = (np.bincount(labels, minlength=classes) / len(labels) for labels in (queries, known))
    return float(of_queries @ of_known)


def matches(
    seed: int, labels: np.ndarray, known: np.ndarray, found: Found, by_pixels: np.ndarray, percentiles: Sequence[np.ndarray]
) -> list[list[Any]]:
    """The rows of matches.csv (files.MATCHES) of one seed. `labels` are the queries', `known` the searched pictures';
    `percentiles` (Q, k) in pixels are those of the neighbours by features and by the untrained network's."""
    near = (found.by_features, found.by_untrained, by_pixels)
    shares = [(known[rows] == labels[:, None]).mean(axis=1) for rows in near]
    columns = [*shares, *(percentile.mean(axis=1) for percentile in percentiles)]
    return [
        [seed, query, int(label), *(float(column[query]) for column in columns)] for query, label in enumerate(labels.tolist())
    ]


def table(labels: np.ndarray, known: np.ndarray, found: Found, by_pixels: np.ndarray) -> list[list[Any]]:
    """The rows of neighbours.csv (files.NEIGHBOURS). `labels` are the queries', `known` the searched pictures'."""
    return [
        [query, int(labels[query]), rank + 1, int(near), int(known[near]), float(found.distances[query, rank])]
        + [int(by_pixels[query, rank]), int(known[by_pixels[query, rank]])]
        for query in range(len(labels))
        for rank, near in enumerate(found.by_features[query])
    ]


def measure(
    settings: RetrievalSettings, labels: np.ndarray, known: np.ndarray, rows: Sequence[Sequence[Any]], diverged: Sequence[int]
) -> dict[str, Any]:
    """The content of retrieve/metrics.json, from the `rows` of matches.csv: means over the queries, of each seed by itself and
    once more of the seed whose neighbours are kept. `diverged` are seeds on which nothing was computed; `labels` are the
    queries', `known` the searched pictures'."""
    told = {"run": settings.run, "seed": settings.seed, "diverged": list(diverged)}
    if not rows:
        return told
    seeds = {}
    for seed in dict.fromkeys(row[0] for row in rows):
        means = np.mean([row[3:] for row in rows if row[0] == seed], axis=0)
        seeds[seed] = dict(zip(files.MATCHES[3:], means.tolist(), strict=True))
    told |= {"queries": len(labels), "neighbours": min(settings.neighbours, len(known)), "chance": chance(labels, known)}
    return told | seeds.get(settings.seed, {}) | {"seeds": {str(seed): means for seed, means in seeds.items()}}
