"""Measures of trainings: how far they overfit, how fast they learn, when they converge (Figure 1 among them)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from study.judging.evidence import Evidence, MissingResult
from study.judging.measurement import Arms, Measurement
from study.judging.protocol import Block

CONVERGED = 1.1  # times the smallest validation error
LATE = 0.9  # of all epochs: a best that falls later has not stopped improving
GUESSING = "guessing the commonest class"


def final_training_error(evidence: Evidence, block: Block) -> Measurement:
    """Training error of the last epoch."""
    return _over_curves(evidence, block, lambda curve: float(curve["training_error"].iloc[-1]))


def first_training_loss(evidence: Evidence, block: Block) -> Measurement:
    """Mean training loss of the first epoch, in nats."""
    return _over_curves(evidence, block, lambda curve: float(curve["training_loss"].iloc[0]))


def rise_of_validation_loss(evidence: Evidence, block: Block) -> Measurement:
    """How far the validation loss has risen above its smallest at the end, in nats: 0 while it still falls."""

    def rise(curve: pd.DataFrame) -> float:
        return float(curve["validation_loss"].iloc[-1] - curve["validation_loss"].min())

    return _over_curves(evidence, block, rise, floor="a validation loss that falls to the end")


def final_gap(evidence: Evidence, block: Block) -> Measurement:
    """Validation error minus training error of the last epoch."""
    return _over_curves(
        evidence, block, lambda curve: float(curve["validation_error"].iloc[-1] - curve["training_error"].iloc[-1])
    )


def _over_curves(evidence: Evidence, block: Block, of: Callable[[pd.DataFrame], float], floor: str = "") -> Measurement:
    """A number of each seed's curve, `run` minus `against`; with a `floor`, of a measure that is 0 there."""
    evidence.require_run(block.run, block.against, add=block.add)
    one, other = (np.array([of(evidence.curve(run, seed)) for seed in evidence.seeds(run)]) for run in (block.run, block.against))
    if not np.isfinite([*one, *other]).all():
        remedy = f"`uv run dvc repro --force train@{block.run} train@{block.against}`"
        raise MissingResult(f"a curve of {block.run} or {block.against} holds no number where one is needed", remedy)
    learned = evidence.learned(block.run, block.against)
    return Measurement(
        sample=Arms(first=one, second=other),
        said=f"{block.run} {one.mean():.3g}, {block.against} {other.mean():.3g}",
        files=_files(evidence, block),
        stages=_stages(block),
        learned=min(learned, max(float(one.mean()), float(other.mean()))) if floor else learned,
        floor=floor if floor and learned else GUESSING,
        units="seeds",
    )


def _files(evidence: Evidence, block: Block) -> tuple[str, ...]:
    return tuple(f"train/{run}/seed-{seed}/curve.csv" for run in (block.run, block.against) for seed in evidence.seeds(run))


def _stages(block: Block) -> tuple[str, ...]:
    return tuple(f"{stage}-{run}" for run in (block.run, block.against) for stage in ("train", "evaluate"))


def convergence_ratio(evidence: Evidence, block: Block) -> Measurement:
    """Iterations to convergence, `run` over `against`: until the validation error is within a tenth of its smallest."""
    evidence.require_run(block.run, block.against, add=block.add)
    one, other = ([_converged(evidence.curve(run, seed)) for seed in evidence.seeds(run)] for run in (block.run, block.against))
    return Measurement(
        sample=_ratio(one, other),
        said=f"{block.run} {_times(one)} iterations, {block.against} {_times(other)}",
        files=_files(evidence, block),
        stages=_stages(block),
        learned=evidence.learned(block.run, block.against),
        floor=GUESSING,
        units="seeds",
    )


def _converged(curve: pd.DataFrame) -> tuple[float | None, float]:
    """Iterations to convergence (None: still improving when the training ended) and iterations in all."""
    error, iteration = curve["validation_error"].to_numpy(float), curve["iteration"].to_numpy(float)
    if not np.isfinite(error).all() or int(error.argmin()) + 1 > LATE * len(error):
        return None, float(iteration[-1])
    return float(iteration[int((error <= CONVERGED * error.min()).argmax())]), float(iteration[-1])


def times_ratio(evidence: Evidence, block: Block) -> Measurement:
    """Epochs to the threshold, curve `run` over curve `against` (Figure 1)."""
    evidence.require_curve(block.run, block.against)
    one, other = (list(evidence.times(curve).values()) for curve in (block.run, block.against))
    reached = any(time is not None for time, _ in one + other)
    return Measurement(
        sample=_ratio(one, other),
        said=f"{block.run} {_times(one)} epochs, {block.against} {_times(other)}",
        files=tuple(f"converge/{curve}/metrics.json" for curve in (block.run, block.against)),
        stages=tuple(f"converge-{curve}" for curve in (block.run, block.against)),
        learned=float("inf") if reached else 0.0,
        floor="not reaching the threshold",
        units="seeds",
    )


def _ratio(one: list[tuple[float | None, float]], other: list[tuple[float | None, float]]) -> Arms:
    first, second = (np.log([limit if time is None else time for time, limit in times]) for times in (one, other))
    first_open, second_open = (np.array([time is None for time, _ in times]) for times in (one, other))
    return Arms(first=first, second=second, ratio=True, first_open=first_open, second_open=second_open)


def _times(times: list[tuple[float | None, float]]) -> str:
    return ", ".join(f"{time:.4g}" if time is not None else f"more than {limit:.4g}" for time, limit in times)
