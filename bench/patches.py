"""Ten patches of a picture: ours against torchvision's TenCrop loop and against the bare forward pass; and judging, timed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import v2

from bench.data import Noise
from bench.ours import Ours, declare
from bench.table import Cell, Table
from bench.timing import Scope, clocked, in_turns
from study.data.feeding import PATCHES, AugmentationSettings, Feed
from study.data.packed import PackedSplit
from study.data.packing import PackingSettings, pack
from study.measuring.evaluation import predict

PICTURES = 16


def measure(scope: Scope) -> list[Table]:
    pictures = PICTURES
    ours = Ours(scope, scope.network, declare(scope, "float32", False))
    network, crop = ours.network.eval(), scope.network.crop
    with tempfile.TemporaryDirectory() as folder:
        pack(Noise(pictures, crop + 32), PackingSettings(size=crop + 32), Path(folder), 1, lambda _: None)
        feed = Feed(Path(folder), ("train",), crop, torch.device("cpu"), AugmentationSettings())
        mean = np.load(Path(folder) / "mean.npy")
        taken = [Image.fromarray(picture) for picture in PackedSplit(Path(folder), "train").take(np.arange(pictures))]
        patches, _ = next(feed.test_batches(pictures, 10))
        loop = partial(_ten_crops, network, taken, mean, crop)
        found = predict(network, feed, pictures, lambda _: None).ten_patches
        apart = float(np.abs(found - loop().numpy()).max())
        sides: dict[str, Callable[[], Any]] = {
            "TenCrop loop, softmax averaged": loop,
            "ours": lambda: predict(network, feed, pictures, lambda _: None),
            "bare forward pass, patches resident": partial(_forward, network, patches),
        }
        times = in_turns({name: clocked(work, "cpu") for name, work in sides.items()}, scope.rounds)
    rates = {name: time.rate(pictures) for name, time in times.items()}
    loop_rate, bare = rates["TenCrop loop, softmax averaged"], rates["bare forward pass, patches resident"]
    rows: tuple[tuple[Cell, ...], ...] = tuple((n, r, r.over(loop_rate), r.over(bare)) for n, r in rates.items())
    side = crop + 32
    one, all_ten = feed.take(np.arange(1)), patches[:PATCHES]
    notes = (
        f"Probabilities differ by at most {apart:.1e} (aim 1e-6).",
        f"Bytes of a picture that reach the device: {one.nbytes:,}, against {all_ten.nbytes:,} as floats.",
        "Aims: 3 times the loop on a CPU, 0.9 of the bare pass.",
    )
    title = f"Ten patches of {pictures} pictures of {side} pixels, {scope.threads} threads"
    return [Table(title=title, columns=("way", "pictures/s", "x loop", "x bare"), rows=rows, notes=notes)]


@torch.no_grad()
def _ten_crops(network: torch.nn.Module, pictures: list[Image.Image], mean: np.ndarray, crop: int) -> torch.Tensor:
    """As torchvision's documentation has it, a picture at a time, but averaging probabilities as the paper does.

    The mean is a picture here: its ten patches, cut alike, are subtracted from the picture's.
    """
    ten, averaged = v2.TenCrop(crop), []
    means = torch.stack(ten(torch.from_numpy(mean).permute(2, 0, 1)))
    for picture in pictures:
        patches = torch.stack([v2.functional.pil_to_tensor(patch).float() for patch in ten(picture)]) - means
        averaged.append(network(patches).softmax(dim=1).mean(dim=0))
    return torch.stack(averaged)


@torch.no_grad()
def _forward(network: torch.nn.Module, patches: torch.Tensor) -> torch.Tensor:
    return network(patches)
