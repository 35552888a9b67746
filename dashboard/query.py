"""A picture that a visitor drops: from its bytes to RGB, or to one sentence that says why not; then to what the network sees.

The bytes are hostile until decoded. Limits are checked from the header before any pixel is decoded, the decoder is one
of three, and nothing of the file is kept or served again. What becomes of its colours is as in study/sources/decoding.py.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from safetensors import SafetensorError
from safetensors.numpy import load_file

from dashboard import reading, shown_pictures
from dashboard.reading import Study, hash_of
from study import in_numpy
from study.data.rescaling import FILTERS, FilterSettings, rescale
from study.measuring.blocks import Rows
from study.measuring.index import Index, files_of, nearest_in
from study.sources.decoding import HEAD, format_of, rgb

MEGABYTES = 10
PIXELS = 25_000_000
SHORTEST, LONGEST, ASPECT = 16, 10_000, 20
STORED = "retrieve/features-train.npy"
TAKEN = ("JPEG", "PNG", "WEBP")
SUFFIXES = ("jpg", "jpeg", "png", "webp")
LIMITS = f"JPEG, PNG or WebP, at most {MEGABYTES} MB and {PIXELS // 1_000_000} million pixels; the first frame counts"


def decode_query(content: bytes) -> np.ndarray | str:
    """A dropped file as uint8 (height, width, RGB), or one sentence saying why it is refused."""
    if not content:
        return "The file is empty; choose a picture."
    if len(content) > MEGABYTES * 1_000_000:
        return f"The file has {len(content) / 1e6:.0f} MB; at most {MEGABYTES} MB are taken."
    kind = format_of(content[:HEAD])  # its name and what the browser calls it say nothing
    if kind not in TAKEN:
        return "The file is neither JPEG, PNG nor WebP; save the picture as one of these."
    try:
        with Image.open(io.BytesIO(content), formats=(kind,)) as image:
            return _refusal(*image.size) or rgb(image)[0]
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return f"The picture has more than {PIXELS // 1_000_000} million pixels; make it smaller."
    except Exception:  # noqa: BLE001  decoders meet broken bytes with many kinds of exception; for the visitor they are one
        return f"The {kind} file is damaged or cut short; save it again."


def _refusal(width: int, height: int) -> str | None:
    shorter, longer = sorted((width, height))
    if width * height > PIXELS:
        return f"The picture has {width} x {height} pixels; at most {PIXELS // 1_000_000} million are taken."
    if shorter < SHORTEST:
        return f"The picture has {width} x {height} pixels; each side needs at least {SHORTEST}."
    if longer > LONGEST or longer > ASPECT * shorter:
        return f"The picture has {width} x {height} pixels; crop it to at most {ASPECT} to 1 and {LONGEST:,} a side."
    return None


def features_are_here(study: Study) -> bool:
    """Whether any picture of the sets can be a query; without the stored features only those of the stage have neighbours."""
    stored = study.folder / STORED
    return all(path.is_file() for path in (stored, *files_of(stored)))


def bring(study: Study) -> str:
    """The end of a sentence on what is missing: how it comes here."""
    return f"{study.by('dvc pull')} brings them where a remote has them, `uv run dvc repro` makes them again."


def lacking(study: Study) -> str:
    """What is missing here for naming a picture of one's own, in one sentence; empty where nothing is."""
    if mean_of(study) is None:
        return f"Your own picture needs this study's mean picture; {study.by('dvc repro prepare')} makes it."
    if not _weights(study)[0].is_file():
        return f"The weights that made the features are not here; {bring(study)}"
    return ""


ROUNDING = 1e-5  # of a vector's length: numpy here and torch in the stage sum in another order, by some 3e-7 of it


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What the network makes of a picture: probabilities (classes,), and rows and distances of the nearest training pictures,
    none of them where the features are not here, as in a clone that has a pinned study alone."""

    probabilities: np.ndarray
    rows: np.ndarray
    distances: np.ndarray


def answer(picture: np.ndarray, study: Study, k: int) -> Answer | str:
    """What the network that retrieval used makes of a picture (h, w, RGB), or one sentence saying what is missing."""
    if sentence := lacking(study):
        return sentence
    weights, sha256, _ = _weights(study)
    if hash_of(weights) != sha256:
        return "The weights are not those that made the features; `uv run dvc repro` brings both in order."
    try:
        network, patch = network_of(study), patch_of(picture, study)
        hidden = network.features(patch)
        here = features_are_here(study)
        rows, distances = nearest(hidden, study, k) if here else (np.empty(0, dtype=np.int64), np.empty(0))
        distances[distances < ROUNDING * np.linalg.norm(hidden)] = 0
    except (OSError, ValueError, KeyError):
        return "The weights or the features cannot be read; `uv run dvc repro` makes them again."
    return Answer(probabilities=in_numpy.softmax(network.logits(hidden)), rows=rows, distances=distances)


def nearest(asked: np.ndarray, study: Study, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and Euclidean distances of the `k` training pictures nearest to features (n,), the nearest first.

    Exact, by the index that the stage wrote beside the features (study/measuring/index.py): memory does not grow with their
    number. Of equal distances the lower row is first. Raises OSError or ValueError where they cannot be read or are as many as
    another network has.
    """
    rows, distances = nearest_in(Index.read(study.folder / STORED), asked[None], k)
    return rows[0], distances[0].astype(np.float64)


def nearest_to_stored(study: Study, split: str, row: int, k: int) -> list[tuple[int, float]]:
    """Rows and distances of the `k` training pictures nearest to a picture of the study, itself left out; empty where the
    features of the training pictures are not here. Its own are computed where they are not stored but its pixels are here."""
    stored = study.folder / f"retrieve/features-{split}.npy"
    try:
        if stored.is_file():
            asked = Rows(stored).read(row, 1)[0]
        elif features_are_here(study) and (picture := shown_pictures.picture_of(study, split, row)) is not None:
            asked = network_of(study).features(patch_of(picture, study))
        else:
            return []
        rows, distances = nearest(asked, study, k + 1)
    except (OSError, ValueError, IndexError, KeyError):
        return []
    found = [(int(near), float(far)) for near, far in zip(rows, distances, strict=True) if (split, near) != ("train", row)]
    return found[:k]


def patch_of(picture: np.ndarray, study: Study) -> np.ndarray:
    """The central patch that the network sees of a picture, float32 (crop, crop, RGB) minus the mean at the same place.

    As study/data/feeding.py prepares a test picture. Raises OSError or ValueError where the mean picture is not here.
    """
    path = mean_of(study)
    if path is None:
        raise ValueError("the mean picture is not here")
    mean = np.load(path, allow_pickle=False)
    size, crop = len(mean), int(network_of(study).settings.get("crop", 224))
    edge = (size - crop) // 2
    rescaled = rescale(picture, size, filter_of(study))
    return np.asarray((rescaled - mean)[edge : edge + crop, edge : edge + crop], dtype=np.float32)


def filter_of(study: Study) -> FilterSettings:
    """How this study's pictures were made smaller, as the packing recorded; the default where nothing says."""
    known = reading.dictionary(reading.dictionary_of(study, "prepare/packed.json").get("filter"))
    try:
        how = FilterSettings(**known)
    except (TypeError, ValueError):
        return FilterSettings()
    return how if how.kind in FILTERS else FilterSettings()


def mean_of(study: Study) -> Path | None:
    """The mean training picture: of the packed set, or the one that is pinned; None where neither is here."""
    packed = shown_pictures.packed_folder(study)
    path = packed / "mean.npy" if packed else study.folder / "mean.npy"
    return path if path.is_file() else None


def network_of(study: Study) -> in_numpy.AlexNet | in_numpy.FourLayer:
    """The network that retrieval used. Raises OSError or ValueError where its weights are not here or damaged."""
    weights, _, run = _weights(study)
    seen = weights.stat()
    return _network(weights.resolve(), seen.st_mtime_ns, seen.st_size, json.dumps(run.get("network", {})))


def _weights(study: Study) -> tuple[Path, str, dict[str, Any]]:
    """The file of the network that retrieval used, its hash as recorded, and the settings of its run."""
    inputs = reading.dictionary(reading.dictionary_of(study, "provenance/retrieve.json").get("inputs"))
    for path, sha256 in inputs.items():
        if path.endswith("weights.safetensors") and len(Path(path).parts) > 2:
            run, seed = Path(path).parts[-3:-1]
            record = reading.dictionary_of(study, f"provenance/train-{run}.json")
            return study.folder / "train" / run / seed / "weights.safetensors", sha256, reading.dictionary(record.get("run"))
    return study.folder / "no weights recorded", "", {}


@lru_cache(maxsize=2)
def _network(weights: Path, changed: int, size: int, settings: str) -> in_numpy.AlexNet | in_numpy.FourLayer:
    """Shared by all visitors, so nobody changes it; when and how large the file was is part of the key."""
    try:
        return in_numpy.build(json.loads(settings), load_file(weights))
    except SafetensorError as problem:
        raise ValueError(f"{weights} is damaged") from problem
