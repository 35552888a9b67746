"""Figure 4, right: the training pictures nearest to a test picture in the last hidden layer, by Euclidean distance.

The paper remarks that such pictures are generally not close in pixels; both searches run side by side, and the share of
neighbours of the query's own class is what they are compared by.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from study.data.feeding import Feed
from study.network.building import Network


@dataclass(frozen=True, kw_only=True, slots=True)
class RetrievalSettings:
    """`run` and `seed` name the network; `queries` counts test pictures, the first ones; `neighbours`: the paper shows 6."""

    run: str
    seed: int
    queries: int
    neighbours: int = 6
    batch: int = 128

    def __post_init__(self) -> None:
        if min(self.queries, self.neighbours, self.batch) < 1:
            raise ValueError(f"queries is {self.queries}, neighbours {self.neighbours} and batch {self.batch}; all are 1 or more")


@torch.no_grad()
def features(network: Network, feed: Feed, batch: int) -> np.ndarray:
    """Last hidden layer after its ReLU, from the centre patch: float32 (pictures, features)."""
    network.eval()
    parts = [torch.cat([part.cpu() for part in network.features(x)], dim=1) for x, _ in feed.test_batches(batch)]
    return torch.cat(parts).float().numpy()


def pixels(feed: Feed, batch: int) -> np.ndarray:
    """The same patches as raw pixels minus the mean: float32 (pictures, 3 * crop * crop)."""
    return torch.cat([x.flatten(1).cpu() for x, _ in feed.test_batches(batch)]).numpy()


def nearest(queries: np.ndarray, database: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices and Euclidean distances, (queries, k) each, the nearest first; exact.

    The matrix product |q|^2 - 2 q.x + |x|^2 picks a shortlist; because it cancels for near duplicates, the distances
    of the shortlist are computed again from the differences.
    """
    q, x = torch.from_numpy(queries), torch.from_numpy(database)
    k = min(k, len(x))
    shortlist = min(len(x), 4 * k + 16)
    rough = (x * x).sum(dim=1) - 2 * q @ x.T
    candidates = rough.topk(shortlist, dim=1, largest=False).indices.sort(dim=1).values
    exact = torch.stack([(x[rows] - one).square().sum(dim=1) for one, rows in zip(q, candidates, strict=True)])
    order = exact.argsort(dim=1, stable=True)[:, :k]
    return candidates.gather(1, order).numpy(), exact.gather(1, order).sqrt().numpy()


def measure(run: str, query_labels: np.ndarray, by_features: np.ndarray, by_pixels: np.ndarray) -> dict[str, Any]:
    """The content of retrieve/metrics.json; `by_*` are the neighbours' labels, (queries, k)."""
    same = query_labels[:, None]
    shares = np.bincount(query_labels) / len(query_labels)
    return {
        "run": run,
        "queries": len(query_labels),
        "neighbours": by_features.shape[1],
        "features_match": float((by_features == same).mean()),
        "pixels_match": float((by_pixels == same).mean()),
        "chance": float((shares**2).sum()),
    }


def table(
    labels: np.ndarray, known: np.ndarray, by_features: np.ndarray, distances: np.ndarray, by_pixels: np.ndarray
) -> list[list[Any]]:
    """The rows of neighbours.csv. `labels` are the queries', `known` the training pictures'."""
    return [
        [query, int(labels[query]), rank + 1, int(near), int(known[near]), float(distances[query, rank])]
        + [int(by_pixels[query, rank]), int(known[by_pixels[query, rank]])]
        for query in range(len(labels))
        for rank, near in enumerate(by_features[query])
    ]
