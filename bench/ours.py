"""The study's own training step on random pictures, as `study.training.loop` runs it."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from bench.timing import Scope
from study.machine import Machine, MachineSettings, Precision, set_up
from study.network.alexnet import AlexNet
from study.network.building import build
from study.network.settings import AlexNetSettings
from study.training.replicas import ONE_PROCESS, Replicas
from study.training.update import LearningSettings, Momentum, RateSettings

TIMED_RATE = 1e-6  # random labels at the paper's rate soon make infinities, and arithmetic on those has other speeds


class Ours:
    """A network and its update on a declared machine. `replicas` share the batch, as with torchrun."""

    def __init__(
        self,
        scope: Scope,
        settings: AlexNetSettings,
        declared: MachineSettings,
        rate: float = TIMED_RATE,
        replicas: Replicas = ONE_PROCESS,
    ) -> None:
        self.declared, self.replicas, self.batch, self.steps = declared, replicas, scope.batch, 0
        network = build(settings, scope.classes, self.prepare())
        assert isinstance(network, AlexNet)
        network.initialise(0)
        self.network, self.copied, self.rows = network, replicas.copied(network), replicas.rows(scope.batch)
        self.rule = Momentum(network, LearningSettings(rate=RateSettings(initial=rate)))
        self.rule.start_epoch(1, divisions=0)
        pictures, labels = (own[self.rows].to(network.input_device) for own in scope.pictures())
        self.pictures = pictures.contiguous(memory_format=torch.channels_last)  # as Feed gives them
        self.labels = labels

    def prepare(self) -> Machine:
        """Apply the declaration to this process again: another variant may have run in between."""
        return set_up(self.declared, self.replicas.local)

    def step(self) -> float:
        """Forward, loss, backward, update; returns the mean loss of the pictures here."""
        self.network.train()
        self.network.draw_dropout_from(self.steps, self.rows, self.batch)
        loss = F.cross_entropy(self.copied(self.pictures), self.labels, reduction="sum")
        (loss * self.replicas.count / self.batch).backward()
        found = loss.item()
        self.rule.update()
        self.network.zero_grad()
        self.steps += 1
        return found / len(self.labels)


def declare(scope: Scope, precision: Precision, compiled: bool, devices: tuple[str, ...] = ()) -> MachineSettings:
    return MachineSettings(devices=devices or (scope.device,), threads=scope.threads, precision=precision, compiled=compiled)


def variants(scope: Scope) -> dict[str, MachineSettings]:
    """What the study can be told to run on this device, under the names that the tables use."""
    kinds: list[tuple[Precision, bool]] = [("float32", False), ("float32", True), ("bfloat16", True)]
    if scope.device != "cpu":
        kinds += [("tf32", False), ("tf32", True), ("bfloat16", False)]
    if not scope.compiled:
        kinds = [("float32", False), ("bfloat16", False)]
    return {f"{precision}{' compiled' * compiled}": declare(scope, precision, compiled) for precision, compiled in kinds}


def precisions(scope: Scope) -> tuple[Precision, ...]:
    return tuple(dict.fromkeys(declared.precision for declared in variants(scope).values()))
