"""What networks predicted of the test pictures, as small arrays: written by evaluations, read by the judgement and the dashboard.

    evaluate/<run>/ten_patches.npz     labels (pictures,); for each model the five likeliest classes, (pictures, 5)
    evaluate/<run>/centre_patch.npz    the same from the centre patch
    evaluate/<run>/probabilities.npz   for each model float16 (pictures, 5): the probabilities of its five of ten_patches.npz

Models are named as in metrics.json: `seed-0`, ..., and `averaged`. The likeliest class stands first; with fewer than five
classes there are as many columns. Labels are of the smallest unsigned type that holds them. It needs no torch.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from study import storage

VIEWS = ("ten_patches", "centre_patch")
PROBABILITIES = "probabilities"
LABELS = "labels"  # beside the models in a file of a view
BEST = 5  # as many classes as the paper's top-5 error looks at


@dataclass(frozen=True, kw_only=True, slots=True)
class Predictions:
    """`labels` (pictures,) are the true classes; `best` has for each model the likeliest classes, (pictures, 5 or fewer)."""

    labels: np.ndarray
    best: dict[str, np.ndarray]

    def wrong(self, metric: str) -> dict[str, np.ndarray]:
        """By model, whether each picture is misjudged: bool (pictures,). `metric` is `top1` or `top5`."""
        ranks = {"top1": 1, "top5": BEST}[metric]
        return {model: (best[:, :ranks] != self.labels[:, None]).all(axis=1) for model, best in self.best.items()}


def file_of(view: str) -> str:
    """The name of a view's file in `evaluate/<run>/`; the name of the probabilities' for PROBABILITIES."""
    return f"{view}.npz"


def write(folder: Path, view: str, predictions: Predictions, classes: int) -> None:
    """One view of one run. The bytes are the same for the same predictions."""
    kind = np.min_scalar_type(classes - 1)
    whole = {LABELS: predictions.labels, **predictions.best}
    _write(folder / file_of(view), {name: array.astype(kind) for name, array in whole.items()})


def write_probabilities(folder: Path, probabilities: Mapping[str, np.ndarray]) -> None:
    """By model, the probabilities of the classes that `write` was given for ten patches: (pictures, 5 or fewer)."""
    named = {model: array.astype(np.float16) for model, array in probabilities.items()}
    _write(folder / file_of(PROBABILITIES), named)


def read(folder: Path, view: str) -> Predictions:
    """One view of one run, models in the order of their names.

    Raises FileNotFoundError, or ValueError where the file is damaged, is of another kind, or lacks pictures.
    """
    arrays = read_arrays(folder / file_of(view), "predictions")
    labels = arrays.pop(LABELS, None)
    if labels is None or labels.ndim != 1 or not arrays:
        raise ValueError("it is not whole: it has no labels or no model")
    if any(best.ndim != 2 or len(best) != len(labels) or not 1 <= best.shape[1] <= BEST for best in arrays.values()):
        raise ValueError("it is not whole: not every model has every picture once")
    return Predictions(labels=labels.astype(np.int64), best={model: arrays[model].astype(np.int64) for model in sorted(arrays)})


def read_probabilities(folder: Path) -> dict[str, np.ndarray]:
    """By model, float16 (pictures, 5 or fewer): the probabilities of the classes that `read(folder, "ten_patches")` gives.

    Raises FileNotFoundError, or ValueError where the file is damaged or of another kind.
    """
    return read_arrays(folder / file_of(PROBABILITIES), "predictions")


def _write(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    storage.write_bytes(path, buffer.getbuffer())


def read_arrays(path: Path, what: str = "arrays") -> dict[str, np.ndarray]:
    """All arrays of an .npz, each checked against its checksum. Raises FileNotFoundError, or ValueError where the file is damaged
    or is none; `what` names in that sentence what it should hold."""
    content = path.read_bytes()
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except Exception:  # what damaged bytes raise is anything from EOFError to zlib's own
        raise ValueError(f"it is damaged, or holds something else than {what}") from None
