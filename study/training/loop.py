"""One training, as section 5 describes it: fetch, forward, backward, update, record. It writes and prints nothing itself."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from study.data.feeding import Feed
from study.machine import capability, derived_seed
from study.network.building import Network
from study.training.checkpoint import Checkpoints
from study.training.diagnostics import Diagnostics
from study.training.progress import Progress, Stopwatch
from study.training.replicas import ONE_PROCESS, Replicas
from study.training.update import LearningSettings, Momentum, divisions_after

SAVE_EVERY = 90.0  # seconds between checkpoints: a save of the full network takes 1.4, and should cost less than 2%


class Interrupted(Exception):
    """The process was asked to end, and the state is saved."""


@dataclass(frozen=True, slots=True)
class Callbacks:
    """What a training calls while it goes on: `on_resume` where it starts from a checkpoint, `on_step` after each batch,
    `on_epoch` after each epoch.

    After an epoch `stop` may end the training, which is then finished, and `pause` may save it and return, to go on another
    time. `asked_to_end` after a batch saves it and raises Interrupted. `clock`, in seconds, paces the checkpoints.
    """

    on_step: Callable[[Progress], None] = lambda progress: None
    on_epoch: Callable[[Progress], None] = lambda progress: None
    on_resume: Callable[[Progress], None] = lambda progress: None
    stop: Callable[[Progress], bool] = lambda progress: False
    pause: Callable[[Progress], bool] = lambda progress: False
    asked_to_end: Callable[[], bool] = lambda: False
    clock: Callable[[], float] = time.monotonic


def train(
    network: Network,
    feed: Feed,
    validation: Feed | None,
    settings: LearningSettings,
    seed: int,
    checkpoints: Checkpoints,
    callbacks: Callbacks,
    replicas: Replicas = ONE_PROCESS,
    diagnostics: Diagnostics | None = None,
) -> Progress:
    """Train from the initialisation of `seed`, or from the last checkpoint, to the end. Leaves the weights in `network`.

    A training has diverged as soon as a loss, a weight or the validation loss is not finite; such a loss never reaches the
    weights, and the epoch in which it happens has no row in the curve.
    """
    network.initialise(derived_seed(seed, "weights"))
    rule = Momentum(network, settings)
    progress = _resume(checkpoints, network, rule, callbacks, replicas)
    resumed_at = progress.iteration
    if resumed_at == 0 and diagnostics and replicas.first:
        progress.keep(0, diagnostics.measure(0).rows, network.kernels())
    copied = replicas.copied(network)
    saved_at, stopwatch = callbacks.clock(), Stopwatch()
    while progress.status == "training" and progress.epoch <= settings.epochs:
        if progress.batch == 0 and callbacks.pause(progress):
            if progress.iteration > resumed_at:
                _save(checkpoints, network, rule, progress, replicas)
            return progress
        rate = rule.start_epoch(progress.epoch, divisions_after(settings.rate, [row[6] for row in progress.curve]))
        network.train()
        stopwatch.lap()
        for batch, rows, pictures, labels in feed.training_batches(
            seed, progress.epoch, settings.batch, progress.batch, replicas.rows
        ):
            network.draw_dropout_from(derived_seed(seed, "dropout", progress.iteration), rows, batch)
            logits = copied(pictures)
            loss = F.cross_entropy(logits, labels, reduction="sum")
            (loss * replicas.count / batch).backward()
            loss_sum, wrong, asked = replicas.total(loss.item(), count_wrong(logits, labels), callbacks.asked_to_end())
            if not math.isfinite(loss_sum):
                progress.status = "diverged"
                break
            rule.update()
            network.zero_grad()
            progress.count(batch, loss_sum, wrong, *stopwatch.lap())
            callbacks.on_step(progress)
            if asked or callbacks.clock() - saved_at > SAVE_EVERY:
                _save(checkpoints, network, rule, progress, replicas)
                saved_at = callbacks.clock()
                stopwatch.lap()
            if asked:
                raise Interrupted
        if progress.status == "training":
            _close_epoch(progress, network, validation, settings, rate, replicas, diagnostics)
        if progress.status == "training":
            callbacks.on_epoch(progress)
            if callbacks.stop(progress):
                break
    if progress.status == "training":
        progress.status = "finished"
    return progress


def count_wrong(logits: Tensor, labels: Tensor) -> int:
    """How many of a batch the network gets wrong."""
    return int((logits.argmax(dim=1) != labels).sum())


def _close_epoch(
    progress: Progress,
    network: Network,
    validation: Feed | None,
    settings: LearningSettings,
    rate: float,
    replicas: Replicas,
    diagnostics: Diagnostics | None,
) -> None:
    """Add the epoch to the curve and keep what is measured after it; or find that the training has diverged."""
    validated = errors(network, validation, settings.batch, replicas) if validation else (None, None, None)
    measured = diagnostics.measure(progress.epoch) if diagnostics and replicas.first else None
    losses = [loss for loss in (validated[0], measured.loss if measured else None) if loss is not None]
    weights_are_finite = all(bool(torch.isfinite(weight).all()) for weight in network.parameters())
    (diverged,) = replicas.total(not (weights_are_finite and all(map(math.isfinite, losses))))
    if diverged:
        progress.status = "diverged"
        return
    if measured:
        progress.keep(progress.epoch, measured.rows, network.kernels())
    training = (progress.loss / progress.seen, progress.wrong / progress.seen)
    (processor_seconds,) = replicas.total(progress.processor_seconds)
    progress.close_epoch([progress.epoch, progress.iteration, rate, *training, *validated], processor_seconds)


@torch.no_grad()
def errors(network: Network, feed: Feed, batch: int, replicas: Replicas = ONE_PROCESS) -> tuple[float, ...]:
    """Loss, top-1 error and top-5 error from the centre patch."""
    network.eval()
    loss, wrong, missed = 0.0, 0, 0
    for pictures, labels in feed.test_batches(batch, rows=replicas.rows):
        logits = network(pictures)
        best = logits.topk(min(5, logits.shape[1]), dim=1).indices
        loss += F.cross_entropy(logits, labels, reduction="sum").item()
        wrong += count_wrong(logits, labels)
        missed += int((best != labels[:, None]).all(dim=1).sum())
    return tuple(total / len(feed) for total in replicas.total(loss, wrong, missed))


def _save(checkpoints: Checkpoints, network: Network, rule: Momentum, progress: Progress, replicas: Replicas) -> None:
    if not replicas.first:
        return
    tensors = {f"network.{name}": weight for name, weight in network.state_dict().items()}
    tensors |= {f"velocity.{number}": velocity for number, velocity in enumerate(rule.velocities)}
    tensors |= {f"kernels.{epoch}": kernels for epoch, kernels in progress.kernels.items()}
    fields = {name: getattr(progress, name) for name in Progress.__slots__ if name != "kernels"}
    checkpoints.save(progress.iteration, {name: value.cpu().contiguous() for name, value in tensors.items()}, fields)


def _resume(checkpoints: Checkpoints, network: Network, rule: Momentum, callbacks: Callbacks, replicas: Replicas) -> Progress:
    """Where the last checkpoint stands, or the beginning; replicas take weights and progress from the first of them."""
    progress = Progress()
    saved = checkpoints.latest() if replicas.first else None
    if saved is not None:
        tensors, fields = saved
        network.load_state_dict(_named(tensors, "network."))
        with torch.no_grad():
            for number, velocity in _named(tensors, "velocity.").items():
                rule.velocities[int(number)].copy_(velocity)
        kernels = {int(epoch): value for epoch, value in _named(tensors, "kernels.").items()}
        progress = Progress(**fields, kernels=dict(sorted(kernels.items())))
        callbacks.on_resume(progress)
    progress.go_on_with(capability({weight.device for weight in rule.weights}), checkpoints.report)
    return replicas.from_first([*network.state_dict().values(), *rule.velocities], progress)


def _named(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
