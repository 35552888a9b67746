"""The race of learning rates: which one makes the training error fall to a threshold first, whatever the processes' timing.

All rates train from one seed, in heats, so that no slow one trains on alone. A rate stops as soon as another has crossed the
threshold in as many epochs; of each, the epochs up to that one count.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

FIRST_HEAT = 5  # epochs


@dataclass(frozen=True, slots=True)
class Heat:
    """A part of the race: the epochs after `start` up to `stop`, for all rates."""

    start: int
    stop: int


def heats(epochs: int) -> Iterator[Heat]:
    """The parts of a race, each as long as all before it together."""
    start, stop = 0, min(FIRST_HEAT, epochs)
    while start < epochs:
        yield Heat(start, stop)
        start, stop = stop, min(2 * stop, epochs)


@dataclass(frozen=True, slots=True)
class Trained:
    """A training of one seed at one rate, as far as it has come: rows of outputs.CONVERGENCE, an epoch each.

    `end` is what the training says of itself, as that of `train_seed`; None where it may go on.
    """

    rows: list[list[Any]]
    crossed: bool = False  # the threshold, in the last of these epochs
    diverged: bool = False  # in the epoch after the last of these
    end: dict[str, Any] | None = None

    @property
    def errors(self) -> list[float]:
        """The training error by epoch."""
        return [row[5] for row in self.rows]


def race_is_over(trials: Mapping[float, Trained]) -> bool:
    """Whether no rate can win any more that has not crossed the threshold yet."""
    crossed = [len(trial.rows) for trial in trials.values() if trial.crossed]
    return all(trial.end or (crossed and len(trial.rows) >= min(crossed)) for trial in trials.values())


def raced(trials: Mapping[float, Trained]) -> dict[float, Trained]:
    """The trials of a race that is over, each up to the epoch in which the first one crossed the threshold.

    A process may have gone further before it knew; what is counted does not depend on that.
    """
    last = min((len(trial.rows) for trial in trials.values() if trial.crossed), default=None)
    if last is None:
        return dict(trials)
    counted = {}
    for rate, trial in trials.items():
        crossed = trial.crossed and len(trial.rows) == last
        diverged = trial.diverged and len(trial.rows) < last
        counted[rate] = replace(trial, rows=trial.rows[:last], crossed=crossed, diverged=diverged)
    return counted


def epochs_to(threshold: float, errors: Sequence[float]) -> float | None:
    """Epochs until the error falls to the threshold, between epochs by straight line; None if it never does.

    `errors[i]` is the error during epoch i + 1, and so stands for its middle, i + 0.5 epochs of training.
    """
    for epoch, error in enumerate(errors):
        if error <= threshold:
            if epoch == 0:
                return 0.5
            before = errors[epoch - 1]
            return epoch - 0.5 + (before - threshold) / (before - error)
    return None


def fastest(tried: Mapping[float, Trained], threshold: float) -> float:
    """The rate that crosses the threshold first. If none does, the one whose error ends lowest; if all have diverged, the
    smallest."""
    crossing = {rate: epochs for rate, trial in tried.items() if (epochs := epochs_to(threshold, trial.errors)) is not None}
    if crossing:
        return min(crossing, key=lambda rate: crossing[rate])
    left = {rate: trial.errors[-1] for rate, trial in tried.items() if not trial.diverged and trial.rows}
    return min(left, key=lambda rate: left[rate]) if left else min(tried)


def choice(tried: Mapping[float, Trained], threshold: float) -> str:
    """One line on the rate that was chosen, and on how far the choice can be trusted."""
    rate = fastest(tried, threshold)
    epochs = epochs_to(threshold, tried[rate].errors)
    if epochs is not None:
        why = f"crosses {threshold:.0%} first, after {epochs:.1f} epochs"
    elif tried[rate].diverged:
        why = "is taken, the smallest of them, since every rate has diverged"
    else:
        why = f"comes nearest to {threshold:.0%}, which none has crossed in {len(tried[rate].rows)} epochs"
    edge = {min(tried): "smallest", max(tried): "largest"}.get(rate)
    trust = f"; it is the {edge} of the list, so that one beyond may be faster: give more rates" if edge else ""
    return f"of {len(tried)} rates {rate:g} {why}{trust}"
