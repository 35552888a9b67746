"""A picture that a visitor drops: from its bytes to RGB, or to one sentence that says why not; then to its features.

The bytes are hostile until decoded. Limits are checked from the header before any pixel is decoded, the decoder is one
of three, and nothing of the file is kept or served again. What becomes of its colours is as in study/sources/decoding.py.
"""

from __future__ import annotations

import io
import json
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from dashboard import pictures, reading
from dashboard.reading import Study
from study import storage
from study.measuring.blocks import Rows
from study.sources.decoding import rgb

if TYPE_CHECKING:
    from study.network.building import Network

MEGABYTES = 10
PIXELS = 25_000_000
SHORTEST, LONGEST, ASPECT = 16, 10_000, 20
STORED = "retrieve/features-train.npy"
SUFFIXES = ("jpg", "jpeg", "png", "webp")
LIMITS = f"JPEG, PNG or WebP, at most {MEGABYTES} MB and {PIXELS // 1_000_000} million pixels; the first frame counts"


def decode_query(content: bytes) -> np.ndarray | str:
    """A dropped file as uint8 (height, width, RGB), or one sentence saying why it is refused."""
    if not content:
        return "The file is empty; choose a picture."
    if len(content) > MEGABYTES * 2**20:
        return f"The file has {len(content) / 2**20:.0f} MB; at most {MEGABYTES} MB are taken."
    kind = _kind(content)
    if kind is None:
        return "The file is neither JPEG, PNG nor WebP; save the picture as one of these."
    try:
        with Image.open(io.BytesIO(content), formats=(kind,)) as image:
            return _refusal(*image.size) or rgb(image)[0]
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return f"The picture has more than {PIXELS // 1_000_000} million pixels; make it smaller."
    except Exception:  # noqa: BLE001  decoders meet broken bytes with many kinds of exception; for the visitor they are one
        return f"The {kind} file is damaged or cut short; save it again."


def _kind(content: bytes) -> str | None:
    """The format by the file's first bytes; its name and what the browser calls it say nothing."""
    if content.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "WEBP"
    return None


def _refusal(width: int, height: int) -> str | None:
    shorter, longer = sorted((width, height))
    if width * height > PIXELS:
        return f"The picture has {width} x {height} pixels; at most {PIXELS // 1_000_000} million are taken."
    if shorter < SHORTEST:
        return f"The picture has {width} x {height} pixels; each side needs at least {SHORTEST}."
    if longer > LONGEST or longer > ASPECT * shorter:
        return f"The picture has {width} x {height} pixels; crop it to at most {ASPECT} to 1 and {LONGEST:,} a side."
    return None


def lacking(study: Study) -> str:
    """What is missing here for comparing a picture of one's own, in one sentence; empty where nothing is."""
    bring = "`uv run dvc pull` or `uv run dvc repro` brings them."
    if find_spec("torch") is None:
        return "Your own picture needs torch; `uv run streamlit run dashboard/app.py` starts the dashboard with it."
    if pictures.packed_folder(study) is None:
        return "Your own picture needs this study's mean picture; `uv run dvc repro prepare` makes it."
    if not (study.folder / STORED).is_file():
        return f"The features of the training pictures are not here; {bring}"
    if not _weights(study)[0].is_file():
        return f"The weights that made the features are not here; {bring}"
    return ""


def nearest_to(picture: np.ndarray, study: Study, k: int) -> tuple[np.ndarray, np.ndarray] | str:
    """Rows and distances of the `k` training pictures nearest to a picture, or one sentence saying what is missing."""
    if sentence := lacking(study):
        return sentence
    weights, sha256, run = _weights(study)
    if storage.sha256(weights) != sha256:
        return "The weights are not those that made the features; `uv run dvc repro` brings both in order."
    from study.measuring.search import nearest

    asked = features_of(picture, study)[None]
    try:
        rows, distances = nearest(asked, Rows(study.folder / STORED).blocks(), k)
    except (OSError, ValueError, RuntimeError):  # the last where the stored features are as many as another network has
        return "The features of the training pictures cannot be read; `uv run dvc repro` makes them again."
    return rows[0], distances[0]


def features_of(picture: np.ndarray, study: Study) -> np.ndarray:
    """The last hidden layer's answer to a picture (h, w, RGB): float32 (features,). Nothing may be lacking.

    As study/data/feeding.py prepares a test picture: rescaled, central patch, minus the mean at the same place.
    """
    import torch

    from study.data.rescaling import FilterSettings, rescale

    weights, sha256, run = _weights(study)
    packed = pictures.packed_folder(study)
    assert packed is not None
    index = storage.read_json(packed / "index.json")
    network = _network(weights, sha256, json.dumps(run), len(index["classes"]))
    mean = np.load(packed / "mean.npy", allow_pickle=False)
    size, crop = len(mean), network.settings.crop
    edge = (size - crop) // 2
    patch = (rescale(picture, size, FilterSettings(**index["filter"])) - mean)[edge : edge + crop, edge : edge + crop]
    with torch.no_grad():
        parts = network.features(torch.from_numpy(patch).permute(2, 0, 1)[None])
    return torch.cat([part.cpu() for part in parts], dim=1)[0].numpy()


def _weights(study: Study) -> tuple[Path, str, dict[str, Any]]:
    """The file of the network that retrieval used, its hash as recorded, and the settings of its run."""
    inputs = reading.dictionary_of(study, "provenance/retrieve.json").get("inputs", {})
    for path, sha256 in inputs.items():
        if path.endswith("weights.safetensors"):
            run, seed = Path(path).parts[-3:-1]
            record = reading.dictionary_of(study, f"provenance/train-{run}.json")
            return study.folder / "train" / run / seed / "weights.safetensors", sha256, record.get("run", {})
    return study.folder / "no weights recorded", "", {}


@lru_cache(maxsize=2)
def _network(weights: Path, sha256: str, run: str, classes: int) -> Network:
    """The trained network on the CPU. Shared by all visitors, so nobody changes it; `sha256` is part of the key."""
    from study.checking import checked
    from study.machine import Machine
    from study.training.run import RunSettings, load_network

    settings = checked(RunSettings, json.loads(run), f"the settings in {weights.parent}")
    return load_network(settings, classes, weights.parent, Machine())
