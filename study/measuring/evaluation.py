"""Top-1 and top-5 error as the paper measures them: ten patches a picture, softmax averaged (section 4.1).

Single models, each from ten patches and from the centre patch, and the average of all of a run's seeds. Counts and
per-picture predictions are kept, so that two networks can be compared picture by picture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from study import files
from study.data.feeding import PATCHES, Feed
from study.network.building import Network


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationSettings:
    """`batch` counts pictures, each of ten patches."""

    batch: int = 50

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise ValueError(f"batch is {self.batch}; it counts pictures, 1 or more")


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """Class probabilities of one model on the test set, (pictures, classes) each."""

    ten_patches: np.ndarray
    centre_patch: np.ndarray

    def views(self) -> dict[str, np.ndarray]:
        return {"ten_patches": self.ten_patches, "centre_patch": self.centre_patch}


@torch.no_grad()
def predict(network: Network, feed: Feed, batch: int, step: Callable[[int], None]) -> Prediction:
    """Probabilities from ten patches and from the centre patch, which is the fifth of the ten; one pass gives both."""
    network.eval()
    averaged, centre = [], []
    for patches, labels in feed.test_batches(batch, 10):
        softmax = network(patches).float().softmax(dim=1).unflatten(0, (len(labels), PATCHES))
        averaged.append(softmax.mean(dim=1).cpu())
        centre.append(softmax[:, 4].cpu())
        step(len(labels))
    return Prediction(ten_patches=torch.cat(averaged).numpy(), centre_patch=torch.cat(centre).numpy())


def average(predictions: Sequence[Prediction]) -> Prediction:
    """Several models as one: their probabilities averaged (Table 2)."""
    return Prediction(
        ten_patches=np.mean([p.ten_patches for p in predictions], axis=0),
        centre_patch=np.mean([p.centre_patch for p in predictions], axis=0),
    )


def best_five(probabilities: np.ndarray) -> np.ndarray:
    """(pictures, 5 or fewer) labels, the likeliest first; equal probabilities in the order of the classes."""
    return np.argsort(-probabilities, axis=1, kind="stable")[:, :5]


def wrong(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, int]:
    best = best_five(probabilities) == labels[:, None]
    return {"top1_wrong": int((~best[:, 0]).sum()), "top5_wrong": int((~best.any(axis=1)).sum())}


def measure(run: str, predictions: dict[str, Prediction], labels: np.ndarray) -> dict[str, Any]:
    """The content of evaluate/<run>/metrics.json; `predictions` by model, `averaged` among them."""
    counts = {m: {view: wrong(p, labels) for view, p in made.views().items()} for m, made in predictions.items()}
    single = [count for model, count in counts.items() if model != files.AVERAGED]
    means = {
        view: {
            f"{top}_error": float(np.mean([c[view][f"{top}_wrong"] for c in single]) / len(labels)) for top in ("top1", "top5")
        }
        for view in ("ten_patches", "centre_patch")
    }
    return {"run": run, "pictures": len(labels), **means, "models": counts}


def write_evaluation(
    folder: Path, run: str, predictions: dict[str, Prediction], labels: np.ndarray, classes: Sequence[str]
) -> None:
    """metrics.json, predictions.csv and classes.csv of one run."""
    rows = []
    for model, made in predictions.items():
        ten, centre = best_five(made.ten_patches), best_five(made.centre_patch)
        likeliest = made.ten_patches.max(axis=1)
        for picture, label in enumerate(labels.tolist()):
            five = [ten[picture].tolist(), centre[picture].tolist()]
            padded = [labels_ + [""] * (5 - len(labels_)) for labels_ in five]
            rows.append([model, picture, label, *padded[0], float(likeliest[picture]), *padded[1]])
    files.write_csv(folder / "predictions.csv", files.PREDICTIONS, rows)
    files.write_csv(folder / "classes.csv", files.CLASSES, _by_class(predictions, labels, classes))
    files.write_json(folder / "metrics.json", measure(run, predictions, labels))


def _by_class(predictions: dict[str, Prediction], labels: np.ndarray, classes: Sequence[str]) -> list[list[Any]]:
    single = [made for model, made in predictions.items() if model != files.AVERAGED]
    best = np.stack([best_five(made.ten_patches) for made in single]) == labels[None, :, None]
    rows = []
    for number, name in enumerate(classes):
        of_class = best[:, labels == number]
        pictures = of_class.shape[1]
        top1, top5 = (1 - of_class[..., 0].mean(), 1 - of_class.any(axis=2).mean()) if pictures else (0.0, 0.0)
        rows.append([number, name, pictures, float(top1), float(top5)])
    return rows
