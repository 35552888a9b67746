"""Claims about trainings: how far they overfit, how fast they learn, when they converge (Figure 1 among them)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from study.judging import statistics
from study.judging.evidence import Evidence, MissingResult
from study.judging.measurement import Chance, Measure, Measurement
from study.judging.protocol import Block
from study.judging.statistics import Estimate

CONVERGED = 1.1  # times the smallest validation error
LATE = 0.9  # of all epochs: a best that falls later has not stopped improving


def _final_training_error(curve: pd.DataFrame) -> float:
    return float(curve["training_error"].iloc[-1])


def _first_training_loss(curve: pd.DataFrame) -> float:
    return float(curve["training_loss"].iloc[0])


def _rise_of_validation_loss(curve: pd.DataFrame) -> float:
    return float(curve["validation_loss"].iloc[-1] - curve["validation_loss"].min())


def _final_gap(curve: pd.DataFrame) -> float:
    return float(curve["validation_error"].iloc[-1] - curve["training_error"].iloc[-1])


def _over_curves(of_curve: Callable[[pd.DataFrame], float]) -> Measure:
    """A measurement: a number of each seed's training curve, `run` minus `against`."""

    def measure(evidence: Evidence, block: Block, chance: Chance) -> Measurement:
        seeds = _shared_seeds(evidence, block)
        one = np.array([of_curve(evidence.curve(block.run, seed)) for seed in seeds])
        other = np.array([of_curve(evidence.curve(block.against, seed)) for seed in seeds])
        if not np.isfinite(one - other).all():
            remedy = "lower the learning rate of the run that diverged, then `uv run dvc repro`"
            raise MissingResult(f"a training of {block.run} or {block.against} diverged", remedy)
        estimate = statistics.over_units(one - other, chance.alpha, resolution=1e-4)
        return _of_curves(block, seeds, estimate, f"{one.mean():.3g} against {other.mean():.3g}", ratio=False)

    return measure


def _shared_seeds(evidence: Evidence, block: Block) -> list[str]:
    for run in (block.run, block.against):
        evidence.require_run(run, block.add)
        if not evidence.seeds(run):
            raise MissingResult(f"{evidence.folder}/train/{run} has no curve.csv", f"`uv run dvc repro train@{run}`")
    shared = [seed for seed in evidence.seeds(block.run) if seed in evidence.seeds(block.against)]
    if not shared:
        remedy = "give both runs the same seeds in the study, then `uv run dvc repro`"
        raise MissingResult(f"{block.run} and {block.against} have no seed in common", remedy)
    return shared


def _of_curves(block: Block, seeds: list[str], estimate: Estimate, said: str, ratio: bool) -> Measurement:
    runs = (block.run, block.against)
    return Measurement(
        estimate=estimate,
        said=said,
        used=tuple(f"train/{run}/{seed}/curve.csv" for run in runs for seed in seeds),
        stages=tuple(f"train-{run}" for run in runs),
        seeds=len(seeds),
        ratio=ratio,
    )


def convergence_ratio(evidence: Evidence, block: Block, chance: Chance) -> Measurement:
    """Iterations to convergence, `run` over `against`: until the validation error is within a tenth of its smallest."""
    seeds = _shared_seeds(evidence, block)
    times = {run: [_converged(evidence.curve(run, seed)) for seed in seeds] for run in (block.run, block.against)}
    one, other = times[block.run], times[block.against]
    limits = [(a[1], b[1]) for a, b in zip(one, other, strict=True)]
    estimate = statistics.ratio_of_times([a for a, _ in one], [b for b, _ in other], limits, chance.alpha)
    return _of_curves(block, seeds, estimate, f"{_times(one)} against {_times(other)} iterations", ratio=True)


def _converged(curve: pd.DataFrame) -> tuple[float | None, float]:
    """Iterations to convergence (None: still improving when the training ended) and iterations in all."""
    error, iteration = curve["validation_error"].to_numpy(float), curve["iteration"].to_numpy(float)
    if not np.isfinite(error).all() or int(error.argmin()) + 1 > LATE * len(error):
        return None, float(iteration[-1])
    return float(iteration[int((error <= CONVERGED * error.min()).argmax())]), float(iteration[-1])


def times_ratio(evidence: Evidence, block: Block, chance: Chance) -> Measurement:
    """Epochs to the threshold, curve `run` over curve `against` (Figure 1)."""
    for curve in (block.run, block.against):
        evidence.require_curve(curve)
    slow, fast = evidence.times(block.run), evidence.times(block.against)
    shared = [seed for seed in slow if seed in fast]
    if not shared:
        remedy = "give both curves the same seeds in the study, then `uv run dvc repro`"
        raise MissingResult(f"the curves {block.run} and {block.against} have no seed in common", remedy)
    one, other = [slow[seed] for seed in shared], [fast[seed] for seed in shared]
    limits = [(a[1], b[1]) for a, b in zip(one, other, strict=True)]
    estimate = statistics.ratio_of_times([a for a, _ in one], [b for b, _ in other], limits, chance.alpha)
    return Measurement(
        estimate=estimate,
        said=f"{_times(one)} epochs with {block.run}, {_times(other)} with {block.against}",
        used=tuple(f"converge/{curve}/metrics.json" for curve in (block.run, block.against)),
        stages=tuple(f"converge-{curve}" for curve in (block.run, block.against)),
        seeds=len(shared),
        ratio=True,
    )


def _times(times: list[tuple[float | None, float]]) -> str:
    return ", ".join(f"{time:.4g}" if time is not None else f"more than {limit:.4g}" for time, limit in times)


final_training_error = _over_curves(_final_training_error)
first_training_loss = _over_curves(_first_training_loss)
rise_of_validation_loss = _over_curves(_rise_of_validation_loss)
final_gap = _over_curves(_final_gap)
