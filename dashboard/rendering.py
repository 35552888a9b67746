"""Kernels, maps and patches as pictures, and the mean of thinned networks. No Streamlit here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from dashboard import frames, galleries
from dashboard.reading import Study
from study import in_numpy

FULL = 255.0


def shades(kernel: np.ndarray, largest: float | None = None) -> np.ndarray:
    """Weights (..., RGB) as uint8: 0 is mid-grey, a weight of `largest` full colour; None: the kernel's own largest."""
    most = float(np.abs(kernel).max()) if largest is None else largest
    return np.clip(np.rint(FULL / 2 + FULL / 2 / max(most, 1e-12) * kernel), 0, FULL).astype(np.uint8)


def full_scale(kernels: Iterable[np.ndarray]) -> float:
    """A weight from which on colours are full, so that a few large ones do not leave all others grey: 99 of 100 are smaller."""
    return float(np.quantile(np.abs(np.concatenate([each.ravel() for each in kernels])), 0.99))


def kernel_tile(kernel: np.ndarray, largest: float | None) -> str:
    """A kernel (h, w, RGB) as a data address of its own few pixels, which the page enlarges without smoothing."""
    return galleries.encoded(shades(kernel, largest), exact=True)


def enlarged(kernel: np.ndarray, side: int = 176) -> np.ndarray:
    """A kernel as a picture whose pixels stay sharp."""
    return grown(shades(kernel), side)


def grown(picture: np.ndarray, side: int = 66) -> np.ndarray:
    """A picture with every pixel repeated, to about `side` pixels."""
    times = max(1, side // len(picture))
    return picture.repeat(times, axis=0).repeat(times, axis=1)


def map_tile(values: np.ndarray, most: float) -> np.ndarray:
    """A map of answers (h, w), none below 0, as grey: 0 black, `most` white."""
    return np.clip(np.rint(FULL * values / max(most, 1e-12)), 0, FULL).astype(np.uint8)


def network_settings(study: Study, run: str) -> dict[str, Any]:
    """The settings of a run's network, as its training recorded them; empty where it did not."""
    return frames.made_of(study, f"provenance/train-{run}.json", lambda made: dict(made["run"]["network"]), {})


def mean_of_masks(network: in_numpy.AlexNet, pool5: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """The geometric mean of what `count` thinned networks predict (section 4.2), normalised: (classes,).

    All masks at once: layer 6 is the same for all before its mask, so it is computed once.
    """
    random, (six, seven) = np.random.default_rng(seed), network.neurons()
    kept = 1 - float(network.settings.get("dropout", 0.5))
    hidden6 = network.layer("fc6", pool5.reshape(-1))
    masks6, masks7 = (random.random((count, size), dtype=np.float32) < kept for size in (six, seven))
    logs = np.zeros(1)
    for first in range(0, count, 50):
        rows7 = network.layer("fc7", hidden6 * masks6[first : first + 50])
        logits = network.logits(rows7 * masks7[first : first + 50])
        shifted = logits - logits.max(axis=1, keepdims=True)
        logs = logs + (shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))).sum(axis=0)
    return in_numpy.softmax(logs / count)
