"""Figure 4, right: the training pictures nearest to a test picture in the last hidden layer, by Euclidean distance.

The paper remarks that such pictures are generally not close in pixels. So the same search runs on raw pixels (pixels.py), on
colour histograms, and on the features of the untrained network of the same seed: what that finds too, training has not brought.
How often neighbours have the query's class, and how far away in pixels they are, is kept query by query. Q queries, k neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.linalg import eigh

from study import files, storage
from study.data.feeding import Feed
from study.data.packed import PackedSplit
from study.measuring.blocks import Rows, written
from study.measuring.hand_made import colour_histogram
from study.measuring.index import indexed
from study.measuring.pixels import patch_blocks
from study.measuring.ranking import AT, Ranking, precisions, with_interval
from study.measuring.search import nearest
from study.network.building import Network

BY = ("features", "untrained", "colours", "pixels")  # what pictures are compared by
COLOURS = 4  # levels a channel


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

    @property
    def found(self) -> int:
        """Neighbours that are searched: as many as are shown, and as precision is told of."""
        return max(self.neighbours, *AT)

    def measured(self, seeds: Sequence[int]) -> list[int]:
        """Which of a run's seeds are measured: the one whose neighbours are kept first, then the others in their order."""
        return [self.seed, *(seed for seed in seeds if seed != self.seed)][: self.seeds]


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What one seed's networks found: rows of the searched pictures, (Q, k) each, and the distances in the trained features;
    `average`: average precisions of the whole rankings, (Q,) each, by the names of BY."""

    by_features: np.ndarray
    by_untrained: np.ndarray
    distances: np.ndarray
    average: dict[str, np.ndarray] = field(default_factory=dict)

    def first(self, k: int) -> Found:
        """The `k` nearest alone."""
        return replace(
            self, by_features=self.by_features[:, :k], by_untrained=self.by_untrained[:, :k], distances=self.distances[:, :k]
        )


@torch.no_grad()
def features(network: Network, feed: Feed, batch: int, tell: Callable[[int], None]) -> Iterator[np.ndarray]:
    """Last hidden layer after its ReLU, from the centre patch: float32 (B, features), batch by batch."""
    network.eval()
    for pictures, _ in feed.test_batches(batch):
        yield torch.cat([part.cpu() for part in network.features(pictures)], dim=1).float().numpy()
        tell(len(pictures))


def search_features(
    network: Network,
    train: Feed,
    test: Feed,
    settings: RetrievalSettings,
    tell: Callable[[int], None],
    keep: Path | None = None,
    ranking: Ranking | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of `train` and distances, (Q, k) each, for the first test pictures. The features of all pictures of both go to
    features-train.npy, with its index, and features-test.npy in the folder `keep`, if it is given; all distances to `ranking`."""

    def of(feed: Feed, name: str) -> Iterator[np.ndarray]:
        blocks = features(network, feed, settings.batch, tell)
        return blocks if keep is None else written(keep / f"features-{name}.npy", len(feed), blocks)

    asked, known = _first(of(test, "test"), settings.queries), of(train, "train")
    if keep is not None:
        known = indexed(keep / "features-train.npy", len(train), known)
    return nearest(asked, known, settings.found, ranking.add if ranking else lambda _: None)


def search_colours(
    queries: np.ndarray, searched: PackedSplit, settings: RetrievalSettings, crop: int, ranking: Ranking
) -> np.ndarray:
    """Rows (Q, k) of the `searched` pictures nearest to the patches `queries` (Q, 3 crop crop) by the roots of their shares of
    64 colours: Hellinger's distance of colour histograms (Swain and Ballard 1991)."""

    def histograms(patches: np.ndarray) -> np.ndarray:
        return colour_histogram(torch.from_numpy(patches).view(-1, crop, crop, 3), COLOURS).numpy()

    blocks = (histograms(block) for block in patch_blocks(searched, crop))
    return nearest(histograms(queries), blocks, settings.found, ranking.add)[0]


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


def others(by: str, rows: np.ndarray, known: np.ndarray) -> list[list[Any]]:
    """Rows of others.csv (files.OTHERS): neighbours (Q, k) by what the paper does not show."""
    return [
        [by, query, rank + 1, int(near), int(known[near])]
        for query, of_query in enumerate(rows)
        for rank, near in enumerate(of_query)
    ]


def precision(
    found: Sequence[Found],
    colours: np.ndarray,
    pixels: np.ndarray,
    average: dict[str, np.ndarray],
    labels: np.ndarray,
    known: np.ndarray,
) -> dict[str, dict[str, dict[str, float]]]:
    """By BY: the precision at each number of ranking.AT and the mean average precision (`average`), each the mean of the seeds
    with its interval. `colours` and `pixels` (Q, k) are rows, whose average precisions are in `average`."""
    made = {}
    for by in BY:
        rows = {"features": [one.by_features for one in found], "untrained": [one.by_untrained for one in found]}
        each = rows.get(by, [colours if by == "colours" else pixels])
        at = [precisions(one, labels, known) for one in each]
        made[by] = {count: with_interval(np.stack([one[count] for one in at])) for count in at[0]}
        whole = np.stack([one.average[by] for one in found]) if by in rows else average[by]
        made[by]["average"] = with_interval(whole)
    return made


def main_axes(stored: Rows) -> tuple[np.ndarray, float]:
    """Two coordinates a picture: its features along their two directions of largest variance, and these directions' share of it.

    Features (N, F) are read by blocks, twice. Each direction's sign is that which makes its largest component positive.
    """
    count, total = len(stored), np.zeros(stored.columns)
    products = np.zeros((stored.columns, stored.columns))
    for block in stored.blocks():
        wide = block.astype(np.float64)
        total, products = total + wide.sum(axis=0), products + wide.T @ wide
    mean = total / max(count, 1)
    covariance = products / max(count, 1) - np.outer(mean, mean)
    last = min(2, stored.columns)
    values, vectors = eigh(covariance, subset_by_index=[stored.columns - last, stored.columns - 1])
    vectors = vectors[:, ::-1] * np.sign(np.take_along_axis(vectors, np.abs(vectors).argmax(axis=0)[None], axis=0))[:, ::-1]
    places = np.concatenate([(block - mean) @ vectors for block in stored.blocks()])
    return places, float(np.maximum(values, 0).sum() / max(np.trace(covariance), np.finfo(float).tiny))


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Beside:
    """What was found without a network, (Q, k) each, with average precisions (Q,) by name; `far` (Q, neighbours) are percentiles
    in pixels of the trained and the untrained features' neighbours, seed by seed."""

    by_pixels: np.ndarray
    by_colours: np.ndarray
    average: dict[str, np.ndarray]
    far: Sequence[np.ndarray]


def write_retrieval(
    folder: Path,
    settings: RetrievalSettings,
    found: Mapping[int, Found],
    beside: Beside | None,
    labels: np.ndarray,
    known: np.ndarray,
    diverged: Sequence[int] = (),
) -> dict[str, Any]:
    """All tables of a retrieval (study/files.py), by seed what its networks `found`; returns the content of metrics.json."""
    rows: list[list[Any]] = []
    told: dict[str, Any] = {}
    if beside is not None:
        k = min(settings.neighbours, len(known))
        by_pixels, by_colours = beside.by_pixels[:, :k], beside.by_colours[:, :k]
        for number, (seed, one) in enumerate(found.items()):
            few = one.first(k)
            rows += matches(seed, labels, known, few, by_pixels, beside.far[2 * number : 2 * number + 2])
            if seed == settings.seed:
                storage.write_csv(folder / "neighbours.csv", files.NEIGHBOURS, table(labels, known, few, by_pixels))
                more = others("untrained", few.by_untrained, known) + others("colours", by_colours, known)
                storage.write_csv(folder / "others.csv", files.OTHERS, more)
                places, told["map_share"] = main_axes(Rows(folder / "features-test.npy"))
                rounded = [[row, float(f"{across:.5g}"), float(f"{down:.5g}")] for row, (across, down) in enumerate(places)]
                storage.write_csv(folder / "map.csv", files.MAP, rounded)
        storage.write_csv(folder / "matches.csv", files.MATCHES, rows)
        each = list(found.values())
        told["precision"] = precision(each, beside.by_colours, beside.by_pixels, beside.average, labels, known)
    metrics = measure(settings, labels, known, rows, diverged) | told
    storage.write_json(folder / "metrics.json", metrics)
    return metrics
