"""Top-1 and top-5 error as the paper measures them: ten patches a picture, softmax averaged (section 4.1).

Single models, each from ten patches and from the centre patch, and the average of all of a run's seeds. What is kept of a
picture is its five likeliest classes, so that two networks can be compared picture by picture and memory hardly grows with
the test set; all probabilities go to scratch files where several models are to be averaged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from study import files, predictions, storage
from study.data.feeding import PATCHES, Feed
from study.measuring.blocks import Rows, written
from study.network.building import Network
from study.predictions import BEST, VIEWS, Predictions

CHUNK = 256  # pictures whose probabilities are averaged at a time


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationSettings:
    """`batch` counts pictures, each of ten patches."""

    batch: int = 50

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise ValueError(f"batch is {self.batch}; it counts pictures, 1 or more")


Views = tuple[np.ndarray, np.ndarray]  # probabilities from ten patches and from the centre patch, float32 (B, classes) each


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """One model on the test set. `best`: by view, the likeliest classes (pictures, 5 or fewer), the likeliest first;
    `probabilities`: those that ten patches give to their five, float32 of the same shape."""

    best: dict[str, np.ndarray]
    probabilities: np.ndarray

    @classmethod
    def of(cls, batches: Iterable[Views]) -> Prediction:
        """What remains of the probabilities of all pictures, which come batch by batch. Raises ValueError without pictures."""
        found: dict[str, list[np.ndarray]] = {view: [] for view in VIEWS}
        likely = []
        for views in batches:
            for view, of_classes in zip(VIEWS, views, strict=True):
                found[view].append(best_five(of_classes))
            likely.append(np.take_along_axis(views[0], found[VIEWS[0]][-1], axis=1))
        if not likely:
            raise ValueError("there is no test picture to predict; prepare some")
        best = {view: np.concatenate(parts) for view, parts in found.items()}
        return cls(best=best, probabilities=np.concatenate(likely))


def predict(network: Network, feed: Feed, batch: int, step: Callable[[int], None], keep: Path | None = None) -> Prediction:
    """Ten patches and the centre patch, which is the fifth of the ten; one pass gives both. All probabilities stay in the
    file `keep`, if it is given, for `average`."""
    batches = probabilities(network, feed, batch, step)
    if keep is not None:
        batches = map(_apart, written(keep, len(feed), map(np.hstack, batches)))
    return Prediction.of(batches)


def _apart(both: np.ndarray) -> Views:
    ten, centre = np.hsplit(both, 2)
    return ten, centre


@torch.no_grad()
def probabilities(network: Network, feed: Feed, batch: int, step: Callable[[int], None]) -> Iterator[Views]:
    """Of all classes, batch by batch in packed order."""
    network.eval()
    for patches, labels in feed.test_batches(batch, 10):
        softmax = network(patches).float().softmax(dim=1).unflatten(0, (len(labels), PATCHES))
        yield softmax.mean(dim=1).cpu().numpy(), softmax[:, 4].cpu().numpy()
        step(len(labels))


def average(kept: Sequence[Path]) -> Prediction:
    """Several models as one: their probabilities averaged (Table 2), from the files that `predict` kept."""
    models = [Rows(path) for path in kept]
    firsts = range(0, len(models[0]), CHUNK)
    return Prediction.of(_apart(np.mean([model.read(first, CHUNK) for model in models], axis=0)) for first in firsts)


def best_five(of_classes: np.ndarray) -> np.ndarray:
    """(pictures, 5 or fewer) labels, the likeliest first; equal probabilities in the order of the classes."""
    return np.argsort(-of_classes, axis=1, kind="stable")[:, :BEST].astype(np.int32)  # a view would keep the order of all classes


def wrong(best: np.ndarray, labels: np.ndarray) -> dict[str, int]:
    """Counts of misjudged pictures; `best` are their likeliest classes, (pictures, 5 or fewer)."""
    right = best == labels[:, None]
    return {"top1_wrong": int((~right[:, 0]).sum()), "top5_wrong": int((~right.any(axis=1)).sum())}


def measure(run: str, made: dict[str, Prediction], labels: np.ndarray, diverged: Sequence[int] = ()) -> dict[str, Any]:
    """The content of evaluate/<run>/metrics.json; `made` by model, `averaged` among them.

    Where seeds have diverged no mean is given: it would be one over those that happened to survive.
    """
    counts = {model: {view: wrong(one.best[view], labels) for view in VIEWS} for model, one in made.items()}
    single = [count for model, count in counts.items() if model != files.AVERAGED]
    means = {
        view: {
            f"{top}_error": float(np.mean([c[view][f"{top}_wrong"] for c in single]) / len(labels)) for top in ("top1", "top5")
        }
        for view in VIEWS
        if not diverged
    }
    return {"run": run, "pictures": len(labels), **means, "diverged": list(diverged), "models": counts}


def write_evaluation(
    folder: Path,
    run: str,
    made: dict[str, Prediction],
    labels: np.ndarray,
    classes: Sequence[str],
    diverged: Sequence[int] = (),
) -> None:
    """metrics.json, what study/predictions.py describes, and classes.csv, which is left out where seeds have diverged."""
    if made:
        for view in VIEWS:
            best = {model: one.best[view] for model, one in made.items()}
            predictions.write(folder, view, Predictions(labels=labels, best=best), len(classes))
        predictions.write_probabilities(folder, {model: one.probabilities for model, one in made.items()})
    if not diverged:
        storage.write_csv(folder / "classes.csv", files.CLASSES, _by_class(made, labels, classes))
    storage.write_json(folder / "metrics.json", measure(run, made, labels, diverged))


def _by_class(made: dict[str, Prediction], labels: np.ndarray, classes: Sequence[str]) -> list[list[Any]]:
    """Rows of files.CLASSES; a class without test pictures has no error."""
    single = [one.best["ten_patches"] for model, one in made.items() if model != files.AVERAGED]
    best = np.stack(single) == labels[None, :, None]
    rows: list[list[Any]] = []
    for number, name in enumerate(classes):
        of_class = best[:, labels == number]
        if pictures := of_class.shape[1]:
            rows.append([number, name, pictures, float(1 - of_class[..., 0].mean()), float(1 - of_class.any(axis=2).mean())])
        else:
            rows.append([number, name, 0, "", ""])
    return rows
