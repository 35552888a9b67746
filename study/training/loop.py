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
from study.training.replicas import Replicas
from study.training.update import LearningSettings, Momentum, divisions_after

ALONE = Replicas()
SAVE_EVERY = 90.0  # seconds between checkpoints: a save of the full network takes 1.4, and should cost less than 2%


@dataclass(slots=True)
class Progress:
    """Where a training stands. Errors are fractions; `curve` holds a row an epoch in the order of outputs.CURVE."""

    epoch: int = 1
    batch: int = 0  # batches done in this epoch
    iteration: int = 0
    loss: float = 0.0  # sums over this epoch's pictures so far
    wrong: int = 0
    seen: int = 0
    curve: list[list[Any]] = field(default_factory=list)
    status: Literal["training", "finished", "diverged"] = "training"

    def count(self, pictures: int, loss: float, wrong: float) -> None:
        self.loss, self.wrong, self.seen = self.loss + loss, self.wrong + int(wrong), self.seen + pictures
        self.batch, self.iteration = self.batch + 1, self.iteration + 1

    def start_epoch(self) -> None:
        self.epoch, self.batch, self.loss, self.wrong, self.seen = self.epoch + 1, 0, 0.0, 0, 0


class Interrupted(Exception):
    """The process was asked to end, and the state is saved."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Watch:
    """What a training tells while it goes on: `step(progress)` after each batch, `epoch(progress)` after each epoch.

    `stop(progress)` after an epoch ends the training early; `asked_to_end()` after a batch saves it and raises
    Interrupted; `seconds()` is the clock that paces the checkpoints.
    """

    step: Callable[[Progress], None]
    epoch: Callable[[Progress], None]
    seconds: Callable[[], float]
    stop: Callable[[Progress], bool] = lambda progress: False
    asked_to_end: Callable[[], bool] = lambda: False


def train(
    network: Network,
    feed: Feed,
    validation: Feed | None,
    settings: LearningSettings,
    seed: int,
    checkpoints: Checkpoints,
    watch: Watch,
    replicas: Replicas = ALONE,
) -> Progress:
    """Train from the initialisation of `seed`, or from the last checkpoint, to the end. Leaves the weights in `network`.

    A loss that is not finite never reaches the weights: the training ends as diverged, with the last finite state.
    """
    network.initialise(derived_seed(seed, "weights"))
    rule = Momentum(network, settings)
    progress = _resume(checkpoints, network, rule, replicas)
    copied = replicas.copied(network)
    saved_at = watch.seconds()
    while progress.status == "training" and progress.epoch <= settings.epochs:
        rate = rule.start_epoch(progress.epoch, divisions_after(settings.rate, [row[6] for row in progress.curve]))
        network.train()
        for batch, rows, pictures, labels in feed.training_batches(
            seed, progress.epoch, settings.batch, progress.batch, replicas.rows
        ):
            network.draw_dropout_from(derived_seed(seed, "dropout", progress.iteration), rows, batch)
            logits = copied(pictures)
            loss = F.cross_entropy(logits, labels, reduction="sum")
            (loss * replicas.count / batch).backward()
            loss_sum, wrong, asked = replicas.total(loss.item(), errs(logits, labels), watch.asked_to_end())
            if not math.isfinite(loss_sum):
                progress.status = "diverged"
                break
            rule.update()
            network.zero_grad()
            progress.count(batch, loss_sum, wrong)
            watch.step(progress)
            if asked or watch.seconds() - saved_at > SAVE_EVERY:
                _save(checkpoints, network, rule, progress, replicas)
                saved_at = watch.seconds()
            if asked:
                raise Interrupted
        if progress.status == "training":
            _close_epoch(progress, network, validation, settings, rate, replicas)
            watch.epoch(progress)
            if watch.stop(progress):
                break
    if progress.status == "training":
        progress.status = "finished"
    return progress


def errs(logits: Tensor, labels: Tensor) -> int:
    """How many of a batch the network gets wrong."""
    return int((logits.argmax(dim=1) != labels).sum())


def _close_epoch(
    progress: Progress,
    network: Network,
    validation: Feed | None,
    settings: LearningSettings,
    rate: float,
    replicas: Replicas,
) -> None:
    measured = errors(network, validation, settings.batch, replicas) if validation else (None, None, None)
    training = (progress.loss / progress.seen, progress.wrong / progress.seen)
    progress.curve.append([progress.epoch, progress.iteration, rate, *training, *measured])
    progress.start_epoch()


@torch.no_grad()
def errors(network: Network, feed: Feed, batch: int, replicas: Replicas = ALONE) -> tuple[float, ...]:
    """Loss, top-1 error and top-5 error from the centre patch."""
    network.eval()
    loss, wrong, missed = 0.0, 0, 0
    for pictures, labels in feed.test_batches(batch, rows=replicas.rows):
        logits = network(pictures)
        best = logits.topk(min(5, logits.shape[1]), dim=1).indices
        loss += F.cross_entropy(logits, labels, reduction="sum").item()
        wrong += errs(logits, labels)
        missed += int((best != labels[:, None]).all(dim=1).sum())
    return tuple(total / len(feed) for total in replicas.total(loss, wrong, missed))


def _save(checkpoints: Checkpoints, network: Network, rule: Momentum, progress: Progress, replicas: Replicas) -> None:
    if not replicas.first:
        return
    velocities = {f"velocity.{number}": v.cpu().contiguous() for number, v in enumerate(rule.velocities)}
    weights = {f"network.{name}": w.cpu().contiguous() for name, w in network.state_dict().items()}
    checkpoints.save(progress.iteration, weights | velocities, {name: getattr(progress, name) for name in Progress.__slots__})


def _resume(checkpoints: Checkpoints, network: Network, rule: Momentum, replicas: Replicas) -> Progress:
    """Where the last checkpoint stands, or the beginning; replicas take both state and place from the first of them."""
    progress = Progress()
    saved = checkpoints.latest() if replicas.first else None
    if saved is not None:
        tensors, place = saved
        network.load_state_dict({name[8:]: w for name, w in tensors.items() if name.startswith("network.")})
        with torch.no_grad():
            for number, velocity in enumerate(rule.velocities):
                velocity.copy_(tensors[f"velocity.{number}"])
        progress = Progress(**place)
    return replicas.from_first([*network.state_dict().values(), *rule.velocities], progress)
