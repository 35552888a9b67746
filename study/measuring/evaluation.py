"""Top-1 and top-5 error as the paper measures them: ten patches a picture, softmax averaged (section 4.1).

Single models, each from ten patches and from the centre patch, and the average of all of a run's seeds. Counts and
per-picture predictions are kept, so that two networks can be compared picture by picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from study import files, storage
from study.data.feeding import PATCHES, Feed
from study.network.building import Network

VIEWS = ("ten_patches", "centre_patch")
CHUNK = 1000  # pictures whose probabilities are in memory at a time


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationSettings:
    """`batch` counts pictures, each of ten patches."""

    batch: int = 50

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise ValueError(f"batch is {self.batch}; it counts pictures, 1 or more")


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """Class probabilities of one model on the test set, float32 (pictures, classes) each; in memory, or mapped from files."""

    ten_patches: np.ndarray
    centre_patch: np.ndarray

    def views(self) -> dict[str, np.ndarray]:
        return {"ten_patches": self.ten_patches, "centre_patch": self.centre_patch}

    @classmethod
    def empty(cls, pictures: int, classes: int, keep: Path | None = None) -> Prediction:
        """To be filled; in files of the folder `keep`, so that memory does not grow with the number of pictures."""
        if keep is None:
            made = [np.empty((pictures, classes), dtype=np.float32) for _ in VIEWS]
        else:
            keep.mkdir(parents=True, exist_ok=True)
            paths = [keep / f"{view}.npy" for view in VIEWS]
            made = [np.lib.format.open_memmap(path, "w+", np.float32, (pictures, classes)) for path in paths]
        return cls(ten_patches=made[0], centre_patch=made[1])

    @classmethod
    def kept(cls, folder: Path) -> Prediction:
        """What `empty` began in a folder."""
        ten, centre = (np.load(folder / f"{view}.npy", mmap_mode="r") for view in VIEWS)
        return cls(ten_patches=ten, centre_patch=centre)


@torch.no_grad()
def predict(network: Network, feed: Feed, batch: int, step: Callable[[int], None], keep: Path | None = None) -> Prediction:
    """Probabilities from ten patches and from the centre patch, which is the fifth of the ten; one pass gives both."""
    network.eval()
    made, done = None, 0
    for patches, labels in feed.test_batches(batch, 10):
        softmax = network(patches).float().softmax(dim=1).unflatten(0, (len(labels), PATCHES))
        made = made or Prediction.empty(len(feed), softmax.shape[2], keep)
        here = slice(done, done + len(labels))
        made.ten_patches[here] = softmax.mean(dim=1).cpu().numpy()
        made.centre_patch[here] = softmax[:, 4].cpu().numpy()
        done += len(labels)
        step(len(labels))
    assert made is not None, "a packed set has a test picture of every class"
    return made


def average(predictions: Sequence[Prediction], keep: Path | None = None) -> Prediction:
    """Several models as one: their probabilities averaged (Table 2)."""
    pictures, classes = predictions[0].ten_patches.shape
    made = Prediction.empty(pictures, classes, keep)
    for rows in _chunks(pictures):
        for view, mean in made.views().items():
            mean[rows] = np.mean([one.views()[view][rows] for one in predictions], axis=0)
    return made


def _chunks(pictures: int) -> Iterator[slice]:
    yield from (slice(first, first + CHUNK) for first in range(0, pictures, CHUNK))


def best_five(probabilities: np.ndarray) -> np.ndarray:
    """(pictures, 5 or fewer) labels, the likeliest first; equal probabilities in the order of the classes."""
    parts = [np.argsort(-probabilities[rows], axis=1, kind="stable")[:, :5] for rows in _chunks(len(probabilities))]
    return np.concatenate(parts)


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
        for view in VIEWS
    }
    return {"run": run, "pictures": len(labels), **means, "models": counts}


def write_evaluation(
    folder: Path, run: str, predictions: dict[str, Prediction], labels: np.ndarray, classes: Sequence[str]
) -> None:
    """metrics.json, predictions.csv and classes.csv of one run."""
    storage.write_csv(folder / "predictions.csv", files.PREDICTIONS, _rows(predictions, labels))
    storage.write_csv(folder / "classes.csv", files.CLASSES, _by_class(predictions, labels, classes))
    storage.write_json(folder / "metrics.json", measure(run, predictions, labels))


def _rows(predictions: dict[str, Prediction], labels: np.ndarray) -> Iterator[list[Any]]:
    """Of files.PREDICTIONS, one at a time."""
    for model, made in predictions.items():
        ten, centre = best_five(made.ten_patches), best_five(made.centre_patch)
        padding = [""] * (5 - ten.shape[1])
        likeliest = made.ten_patches.max(axis=1)
        for picture, label in enumerate(labels.tolist()):
            row = [model, picture, label, *ten[picture].tolist(), *padding, float(likeliest[picture])]
            yield [*row, *centre[picture].tolist(), *padding]


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
