"""What a training reports while it goes on: how many pictures are done, and a line an epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from study.training import outputs
from study.training.progress import Progress


class Skipped(int):
    """So many pictures that were announced as work and need not be trained."""


Report = Callable[[int | str], None]  # so many pictures are done, or are `Skipped`; or a line for the log


class Reporter:
    """Reports one training of `epochs` under its title; an epoch has so many `pictures`.

    `announced`: the epochs that were counted as work, where that is a part of them.
    """

    def __init__(self, report: Report, title: str, epochs: int, pictures: int, announced: range | None = None) -> None:
        self.report, self.title, self.epochs, self.pictures = report, title, epochs, pictures
        self._announced = range(1, epochs + 1) if announced is None else announced
        self._expected, self._seen = len(self._announced) * pictures, 0

    def line(self, text: str) -> None:
        self.report(f"{self.title} {text}")

    def resumed(self, progress: Progress) -> None:
        """The training goes on from a checkpoint; where the announced work begins, that goes without saying."""
        self._skip(max(0, (progress.epoch - self._announced.start) * self.pictures + progress.seen))
        self._seen = progress.seen
        if progress.batch or progress.epoch != self._announced.start:
            batches = f" and {progress.batch} batches" if progress.batch else ""
            self.line(f"goes on after {progress.epoch - 1} epochs{batches}")

    def step(self, progress: Progress) -> None:
        pictures, self._seen = progress.seen - self._seen, progress.seen
        self._expected -= pictures
        self.report(pictures)

    def epoch(self, progress: Progress) -> None:
        self._seen = 0
        row = dict(zip(outputs.CURVE, progress.curve[-1], strict=True))
        validation = f", validation {row['validation_error']:.1%}" if row["validation_error"] is not None else ""
        self.line(
            f"epoch {row['epoch']}/{self.epochs}: training error {row['training_error']:.1%}{validation}, rate {row['rate']:g}"
        )

    def ended(self, end: dict[str, Any], reused: bool, if_diverged: str) -> None:
        """The training has ended as its summary says; what was announced and is not done will not be done."""
        if reused:
            self.line(f"was trained before, for {end['epochs']} epochs, and is reused")
        if end["status"] == "diverged":
            self.line(f"diverged in epoch {end['epochs'] + 1}, its loss or its weights are not finite: {if_diverged}")
        self._skip(self._expected)

    def _skip(self, pictures: int) -> None:
        if pictures:
            self._expected -= pictures
            self.report(Skipped(pictures))
