"""A run: one line of a study's table, trained from several seeds. Its settings, and what a training leaves behind."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
from PIL import Image
from safetensors import SafetensorError

from study import storage
from study.data.feeding import AugmentationSettings, Feed
from study.data.packed import read_index
from study.machine import Machine, MachineSettings, asked_to_end, set_up
from study.network.building import Network, NetworkSettings, build
from study.training import outputs
from study.training.checkpoint import Checkpoints, identity
from study.training.loop import Progress, Watch, train
from study.training.recipes import Recipe
from study.training.replicas import join
from study.training.update import LearningSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSettings:
    """What the recipe and `train` in params.yaml say, with the run's own lines put over both.

    `share` keeps to the first part of the training pictures, which are packed in random order.
    """

    recipe: Recipe = "paper"
    network: NetworkSettings
    learning: LearningSettings = field(default_factory=LearningSettings)
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    share: float = 1.0
    seeds: tuple[int, ...]

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(f"share is {self.share}; it is the share of the training pictures, above 0 and at most 1")
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"seeds is {list(self.seeds)}; name at least one, each once")


Tell = Callable[[int | str], None]  # so many pictures are done; or a line for the log


def train_seed(
    run: RunSettings, machine: MachineSettings, packed: Path, folder: Path, name: str, seed: int, tell: Tell
) -> dict[str, Any]:
    """Train one seed of a run and write its folder; returns its entry in metrics.json, and the seconds of its epochs.

    Where an interrupted training left a checkpoint it goes on from there, to the same bits.
    """
    replicas, index = join(machine), read_index(packed)
    here = set_up(machine, replicas.local)
    network = build(run.network, len(index["classes"]), here)
    pictures = round(run.share * index["pictures"]["train"])
    feed = Feed(packed, ("train",), run.network.crop, here.devices[0], run.augmentation, first=pictures)
    validation = Feed(packed, ("validation",), run.network.crop, here.devices[0], run.augmentation)
    shaping = identity(kind="train", run=asdict(run), data=index["sha256"], machine=asdict(machine), seed=seed)
    teller = Teller(tell, f"{name} seed {seed}", run.learning.epochs)

    def epoch(progress: Progress) -> None:
        if replicas.first:
            storage.write_csv(folder / "curve.csv", outputs.CURVE, progress.curve)
            teller.epoch(progress)

    checkpoints = Checkpoints(shaping)
    with checkpoints.held() if replicas.first else nullcontext():
        watch = Watch(step=teller.step, epoch=epoch, seconds=time.monotonic, asked_to_end=asked_to_end)
        progress = train(network, feed, validation, run.learning, seed, checkpoints, watch, replicas)
        if replicas.first:
            write_training(folder, network, progress)
            checkpoints.discard()
    parameters = sum(weight.numel() for weight in network.parameters())
    return {"summary": summary(progress), "epoch_seconds": teller.seconds, "parameters": parameters}


class Teller:
    """Turns a training's progress into news: pictures done, and a line an epoch."""

    def __init__(self, tell: Tell, title: str, epochs: int) -> None:
        self.tell, self.title, self.epochs, self.told = tell, title, epochs, 0
        self.seconds: list[float] = []
        self._began = time.monotonic()

    def step(self, progress: Progress) -> None:
        self.tell(progress.seen - self.told)
        self.told = progress.seen

    def epoch(self, progress: Progress) -> None:
        now = time.monotonic()
        self.seconds.append(round(now - self._began, 2))
        self._began, self.told = now, 0
        row = dict(zip(outputs.CURVE, progress.curve[-1], strict=True))
        validation = f", validation {row['validation_error']:.1%}" if row["validation_error"] is not None else ""
        self.tell(
            f"{self.title} epoch {row['epoch']}/{self.epochs}: training error {row['training_error']:.1%}"
            f"{validation}, rate {row['rate']:g}"
        )


def summary(progress: Progress) -> dict[str, Any]:
    """The end of a training: the last row of its curve and how it ended."""
    last = dict(zip(outputs.CURVE, progress.curve[-1], strict=True)) if progress.curve else {}
    told = ("training_error", "training_loss", "validation_error", "validation_top5_error")
    return {"status": progress.status, "epochs": len(progress.curve)} | {name: last.get(name) for name in told}


def write_training(folder: Path, network: Network, progress: Progress) -> None:
    """Curve, weights and first-layer kernels of one seed."""
    storage.write_csv(folder / "curve.csv", outputs.CURVE, progress.curve)
    weights = {name: value.cpu().contiguous() for name, value in network.state_dict().items()}
    storage.write_bytes(folder / "weights.safetensors", safetensors.torch.save(weights))
    kernels = network.kernels().numpy()
    np.save(folder / "kernels.npy", kernels)
    kernel_picture(kernels).save(folder / "kernels.png")


def load_network(settings: RunSettings, classes: int, folder: Path, machine: Machine) -> Network:
    """The trained network of one seed's folder, ready for the test."""
    network, weights = build(settings.network, classes, machine), folder / "weights.safetensors"
    try:
        network.load_state_dict(safetensors.torch.load(weights.read_bytes()))
    except (SafetensorError, RuntimeError) as problem:
        what = str(problem).splitlines()[0]
        raise ValueError(f"{weights} is damaged or of another network ({what}); bring it back with: uv run dvc repro") from None
    return network.eval()


def kernel_picture(kernels: np.ndarray, scale: int = 4) -> Image.Image:
    """Figure 3: every kernel stretched to the full range, eight or more a row; (kernels, height, width, 3) in."""
    count, height, width, _ = kernels.shape
    across = max(8, round((2 * count) ** 0.5))
    low = kernels.min(axis=(1, 2, 3), keepdims=True)
    span = np.maximum(kernels.max(axis=(1, 2, 3), keepdims=True) - low, 1e-12)
    tiles = (255 * (kernels - low) / span).astype(np.uint8)
    sheet = np.full((-(-count // across) * (height + 1) + 1, across * (width + 1) + 1, 3), 255, dtype=np.uint8)
    for number, tile in enumerate(tiles):
        top, left = (number // across) * (height + 1) + 1, (number % across) * (width + 1) + 1
        sheet[top : top + height, left : left + width] = tile
    return Image.fromarray(sheet).resize((sheet.shape[1] * scale, sheet.shape[0] * scale), Image.Resampling.NEAREST)
