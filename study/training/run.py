"""A run: one line of a study's table, trained from several seeds. Its settings, and what a training leaves behind."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from PIL import Image
from safetensors import SafetensorError

from study import storage
from study.data.feeding import AugmentationSettings, Feed
from study.data.packed import read_index
from study.machine import Machine, MachineSettings, asked_to_end, set_up
from study.network.building import Network, NetworkSettings, build
from study.training import outputs
from study.training.checkpoint import Checkpoints, identity
from study.training.code import TRAINING_CODE
from study.training.diagnostics import Diagnostics
from study.training.loop import Callbacks, train
from study.training.progress import Progress
from study.training.recipes import Recipe
from study.training.replicas import join
from study.training.reporting import Report, Reporter
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
        check_seeds(self.seeds)


def check_seeds(seeds: tuple[int, ...]) -> None:
    """Raises ValueError unless there are seeds, each once and none below 0."""
    if not seeds or len(set(seeds)) != len(seeds) or min(seeds) < 0:
        raise ValueError(f"seeds is {list(seeds)}; name at least one, each once and 0 or more")


def train_seed(
    run: RunSettings, machine: MachineSettings, packed: Path, folder: Path, name: str, seed: int, report: Report
) -> dict[str, Any]:
    """Train one seed of a run and write its folder. Returns `ending` of it, and `reused`: whether it was trained before.

    A training that was finished before with the same settings, pictures, machine and code is reused; one that was
    interrupted goes on from its checkpoint, to the same bits. Raises Interrupted, once its state is saved, where the process
    is asked to end, and ValueError where another process trains the same.
    """
    replicas, index = join(machine), read_index(packed)
    pictures = round(run.share * index["pictures"]["train"])
    if not pictures:
        raise ValueError(f"share is {run.share:g} of {index['pictures']['train']} training pictures, which leaves none; raise it")
    reporter = Reporter(report, f"{name} seed {seed}", run.learning.epochs, pictures)
    checkpoints = Checkpoints(_identity(run, machine, index["sha256"], seed), report=reporter.line)

    def on_epoch(progress: Progress) -> None:
        if replicas.first:
            storage.write_csv(folder / "curve.csv", outputs.CURVE, progress.curve)
            reporter.epoch(progress)

    with checkpoints.locked() if replicas.first else nullcontext():
        end = replicas.from_first([], checkpoints.restore(folder) if replicas.first else None)
        reused = end is not None
        if not reused:
            applied = set_up(machine, replicas.local)
            network, feed, validation = _network_and_feeds(run, applied, packed, pictures)
            diagnostics = Diagnostics(network, applied, validation, index["pictures"]["train"]) if replicas.first else None
            callbacks = Callbacks(reporter.step, on_epoch, reporter.resumed, asked_to_end=asked_to_end)
            progress = train(network, feed, validation, run.learning, seed, checkpoints, callbacks, replicas, diagnostics)
            end = ending(network, progress)
            if replicas.first:
                checkpoints.finish(end, lambda kept: write_training(kept, network, progress))
                checkpoints.restore(folder)
    reporter.ended(end["summary"], reused, "nothing is computed from it; lower the learning rate of all runs that are compared")
    return end | {"reused": reused}


def _identity(run: RunSettings, machine: MachineSettings, pictures: str, seed: int) -> str:
    """Of all that shapes the training of one seed: which other seeds the run has does not."""
    settings = {name: value for name, value in asdict(run).items() if name != "seeds"}
    return identity(kind="train", run=settings, pictures=pictures, machine=asdict(machine), seed=seed)


def _network_and_feeds(run: RunSettings, machine: Machine, packed: Path, pictures: int) -> tuple[Network, Feed, Feed]:
    """The network, the first so many training pictures, and the validation pictures."""
    crop, device = run.network.crop, machine.devices[0]
    network = build(run.network, len(read_index(packed)["classes"]), machine)
    feed = Feed(packed, ("train",), crop, device, run.augmentation, first=pictures)
    return network, feed, Feed(packed, ("validation",), crop, device, run.augmentation)


def ending(network: Network, progress: Progress) -> dict[str, Any]:
    """What a training says of itself beside its files: how it ended, how long it took, and on which processors."""
    return {
        "summary": summary(progress),
        "parameters": sum(weight.numel() for weight in network.parameters()),
        "epoch_seconds": progress.epoch_seconds,
        "epoch_processor_seconds": progress.epoch_processor_seconds,
        "capability": sorted(set(progress.capabilities)),
    }


def recorded(ends: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """What the trainings of a stage, by seed, add to its record: code, processors, seconds, and which were reused."""
    return {
        "training_code": TRAINING_CODE,
        "capability": sorted({capability for end in ends.values() for capability in end["capability"]}),
        "epoch_seconds": {str(seed): end["epoch_seconds"] for seed, end in ends.items()},
        "epoch_processor_seconds": {str(seed): end["epoch_processor_seconds"] for seed, end in ends.items()},
        "reused_seeds": [seed for seed, end in ends.items() if end["reused"]],
    }


def summary(progress: Progress) -> dict[str, Any]:
    """The end of a training: the last row of its curve and how it ended."""
    last = dict(zip(outputs.CURVE, progress.curve[-1], strict=True)) if progress.curve else {}
    last_values = ("training_error", "training_loss", "validation_error", "validation_top5_error")
    return {"status": progress.status, "epochs": len(progress.curve)} | {name: last.get(name) for name in last_values}


def write_training(folder: Path, network: Network, progress: Progress) -> None:
    """The files of one seed: curve and layers; and, unless it diverged, weights, first-layer kernels and those by epoch."""
    storage.write_csv(folder / "curve.csv", outputs.CURVE, progress.curve)
    write_diagnostics(folder, network, progress)
    if progress.status == "diverged":
        return
    weights = {name: value.cpu().contiguous() for name, value in network.state_dict().items()}
    storage.write_bytes(folder / "weights.safetensors", safetensors.torch.save(weights))
    kernels = network.kernels().numpy()
    np.save(folder / "kernels.npy", kernels)
    kernel_picture(kernels).save(folder / "kernels.png")


def write_diagnostics(folder: Path, network: Network, progress: Progress) -> None:
    """Layers by epoch, and the first layer's kernels at some epochs and the last, unless the training diverged."""
    storage.write_csv(folder / "layers.csv", outputs.LAYERS, progress.layers)
    if progress.status == "diverged":
        return
    kernels = progress.kernels | {len(progress.curve): network.kernels().half()}
    np.savez(folder / "kernels-by-epoch.npz", epochs=np.array(list(kernels)), kernels=torch.stack(list(kernels.values())).numpy())


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
