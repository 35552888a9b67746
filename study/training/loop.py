"""One training, as section 5 describes it: fetch, forward, backward, update, record. It writes and prints nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from study.data.feeding import Feed
from study.machine import derived_seed
from study.network.building import Network
from study.training.checkpoint import Checkpoints
from study.training.update import LearningSettings, Momentum, rate_after

SAVE_EVERY = 60.0  # seconds between checkpoints; the curve and the end of training are saved besides


@dataclass(slots=True)
class Progress:
    """Where a training stands. Errors are fractions; `curve` holds a row an epoch in the order of files.CURVE."""

    epoch: int = 1
    batch: int = 0  # batches done in this epoch
    iteration: int = 0
    loss: float = 0.0  # sums over this epoch's pictures so far
    wrong: int = 0
    seen: int = 0
    curve: list[list[Any]] = field(default_factory=list)
    status: Literal["training", "finished", "diverged"] = "training"

    def start_epoch(self) -> None:
        self.epoch, self.batch, self.loss, self.wrong, self.seen = self.epoch + 1, 0, 0.0, 0, 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Watch:
    """What a training tells while it goes on: `step(progress)` after each batch, `epoch(progress)` after each epoch.

    `stop(progress)` after an epoch ends the training early; `seconds()` is the clock that paces the checkpoints.
    """

    step: Callable[[Progress], None]
    epoch: Callable[[Progress], None]
    seconds: Callable[[], float]
    stop: Callable[[Progress], bool] = lambda progress: False


def train(
    network: Network,
    feed: Feed,
    validation: Feed | None,
    settings: LearningSettings,
    seed: int,
    checkpoints: Checkpoints,
    watch: Watch,
) -> Progress:
    """Train from the initialisation of `seed`, or from the last checkpoint, to the end. Leaves the weights in `network`.

    A loss that is not finite never reaches the weights: the training ends as diverged, with the last finite state.
    """
    network.initialise(derived_seed(seed, "weights"))
    rule = Momentum(network, settings)
    progress = _resume(checkpoints, network, rule)
    saved_at = watch.seconds()
    while progress.status == "training" and progress.epoch <= settings.epochs:
        rate = rate_after(settings.rate, [row[6] for row in progress.curve])
        network.train()
        for pictures, labels in feed.training_batches(seed, progress.epoch, settings.batch, start=progress.batch):
            network.draw_dropout_from(derived_seed(seed, "dropout", progress.iteration))
            logits = network(pictures)
            loss = F.cross_entropy(logits, labels)
            if not math.isfinite(loss.item()):
                progress.status = "diverged"
                break
            rule.update(torch.autograd.grad(loss, rule.weights), rate)
            _count(progress, loss, logits, labels)
            watch.step(progress)
            if watch.seconds() - saved_at > SAVE_EVERY:
                checkpoints.save(progress.iteration, _tensors(network, rule), _saved(progress))
                saved_at = watch.seconds()
        if progress.status == "training":
            _close_epoch(progress, network, validation, settings, rate)
            watch.epoch(progress)
            if watch.stop(progress):
                break
    if progress.status == "training":
        progress.status = "finished"
    return progress


def _count(progress: Progress, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
    progress.loss += loss.item() * len(labels)
    progress.wrong += int((logits.argmax(dim=1) != labels).sum())
    progress.seen += len(labels)
    progress.batch += 1
    progress.iteration += 1


def _close_epoch(progress: Progress, network: Network, validation: Feed | None, settings: LearningSettings, rate: float) -> None:
    measured = errors(network, validation, settings.batch) if validation else (None, None, None)
    training = (progress.loss / progress.seen, progress.wrong / progress.seen)
    progress.curve.append([progress.epoch, progress.iteration, rate, *training, *measured])
    progress.start_epoch()


@torch.no_grad()
def errors(network: Network, feed: Feed, batch: int) -> tuple[float, float, float]:
    """Loss, top-1 error and top-5 error from the centre patch."""
    network.eval()
    loss, wrong, missed = 0.0, 0, 0
    for pictures, labels in feed.test_batches(batch):
        logits = network(pictures)
        best = logits.topk(min(5, logits.shape[1]), dim=1).indices
        loss += F.cross_entropy(logits, labels, reduction="sum").item()
        wrong += int((best[:, 0] != labels).sum())
        missed += int((best != labels[:, None]).all(dim=1).sum())
    return loss / len(feed), wrong / len(feed), missed / len(feed)


def _tensors(network: Network, rule: Momentum) -> dict[str, Tensor]:
    velocities = {f"velocity.{number}": v.cpu().contiguous() for number, v in enumerate(rule.velocities)}
    weights = {f"network.{name}": w.cpu().contiguous() for name, w in network.state_dict().items()}
    return weights | velocities


def _saved(progress: Progress) -> dict[str, Any]:
    return {name: getattr(progress, name) for name in Progress.__slots__}


def _resume(checkpoints: Checkpoints, network: Network, rule: Momentum) -> Progress:
    saved = checkpoints.latest()
    if saved is None:
        return Progress()
    tensors, progress = saved
    network.load_state_dict({name[8:]: w for name, w in tensors.items() if name.startswith("network.")})
    with torch.no_grad():
        for number, velocity in enumerate(rule.velocities):
            velocity.copy_(tensors[f"velocity.{number}"])
    return Progress(**progress)
