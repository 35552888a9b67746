"""Measures of learning curves: how far trainings overfit, how they begin and end, what more time brings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from study.amounts import amount
from study.judging.evidence import Evidence, MissingResult
from study.judging.measurement import Arms, Measurement, Paired
from study.judging.protocol import Block
from study.training import outputs

GUESSING = "guessing the commonest class"
LEAST_EPOCHS = 4  # at the first rate, so that they have quarters


# A number of each seed's curve, `run` minus `against`


def final_training_error(evidence: Evidence, block: Block) -> Measurement:
    """Training error of the last epoch."""
    return _over_curves(evidence, block, lambda curve: _last(curve, "training_error"))


def first_training_loss(evidence: Evidence, block: Block) -> Measurement:
    """Mean training loss of the first epoch, in nats; where it stands at that of guessing, nothing has begun."""
    classes = evidence.packed.get("classes")
    number = classes if isinstance(classes, int) else len(classes or ())
    return _over_curves(
        evidence,
        block,
        lambda curve: float(curve["training_loss"].iloc[0]),
        floor="the loss of equal probabilities",
        away=lambda means: float(np.log(max(number, 1))) - min(means),
    )


def rise_of_validation_loss(evidence: Evidence, block: Block) -> Measurement:
    """How far the validation loss has risen above its smallest at the end, in nats: 0 while it still falls."""
    return _over_curves(
        evidence,
        block,
        lambda curve: _last(curve, "validation_loss") - float(curve["validation_loss"].min()),
        floor="a validation loss that falls to the end",
        away=max,
    )


def final_gap(evidence: Evidence, block: Block) -> Measurement:
    """Validation error minus training error of the last epoch; a network that does not overfit has none."""
    return _over_curves(
        evidence,
        block,
        lambda curve: _last(curve, "validation_error") - _last(curve, "training_error"),
        floor="a training error as high as the validation error",
        away=max,
    )


def _last(curve: pd.DataFrame, column: str) -> float:
    return float(curve[column].iloc[-1])


def _over_curves(
    evidence: Evidence,
    block: Block,
    of: Callable[[pd.DataFrame], float],
    floor: str = GUESSING,
    away: Callable[[Sequence[float]], float] | None = None,
) -> Measurement:
    """`away`: from the means of both runs, how far the measure is from a `floor` of its own.

    Near that floor a difference may be seen, but its smallness would mean nothing.
    """
    evidence.require_run(block.run, block.against, add=block.add)
    one, other = (np.array([of(evidence.curve(run, seed)) for seed in evidence.seeds(run)]) for run in (block.run, block.against))
    if not np.isfinite([*one, *other]).all():
        remedy = f"`uv run dvc repro --force train@{block.run} train@{block.against}`"
        raise MissingResult(f"a curve of {block.run} or {block.against} holds no number where one is needed", remedy)
    learned = evidence.learned(block.run, block.against)
    if learned and away:
        learned = max(float(np.finfo(float).tiny), away((float(one.mean()), float(other.mean()))))
    else:
        floor = GUESSING
    return Measurement(
        sample=Arms(first=one, second=other),
        said=", ".join(f"{run} {_in_its_unit(seeds, block)}" for run, seeds in ((block.run, one), (block.against, other))),
        files=_files(evidence, block.run, block.against),
        stages=_stages(block.run, block.against),
        learned=learned,
        floor=floor,
        units="seeds",
        remarks=(
            "a network can overfit without this, where the rate is divided late: the validation loss may fall to the end, far "
            f"above the training loss; the error ends above training error by {_gaps(evidence, block.run, block.against)}",
        )
        if "falls to the end" in floor
        else (),
    )


def _gaps(evidence: Evidence, *runs: str) -> str:
    """How far the validation error ends above the training error, by run. With dropout the latter is that of masked networks."""

    def gap(run: str) -> float:
        curves = [evidence.curve(run, seed) for seed in evidence.seeds(run)]
        return float(np.mean([_last(curve, "validation_error") - _last(curve, "training_error") for curve in curves]))

    return ", ".join(f"{amount(gap(run), 'error difference')} in {run}" for run in runs)


def _in_its_unit(seeds: np.ndarray, block: Block) -> str:
    """The mean of a run's seeds in the unit of the measure, such as "66.3%"."""
    units = {"curves.final_training_error": "error", "curves.final_gap": "error difference"}
    return amount(float(seeds.mean()), units.get(block.measure, "nats"))


def _files(evidence: Evidence, *runs: str) -> tuple[str, ...]:
    return tuple(f"train/{run}/{outputs.seed_folder(seed)}/curve.csv" for run in runs for seed in evidence.seeds(run))


def _stages(*runs: str) -> tuple[str, ...]:
    return tuple(f"{stage}-{run}" for run in runs for stage in ("train", "evaluate"))


# One run against itself


def trained_longer(evidence: Evidence, block: Block) -> Measurement:
    """Validation error of `run` when it had been trained half as long, minus when it had been trained long.

    Only epochs at the first rate count, so that nothing but time differs: the second quarter of them against the last. The
    validation pictures count as given.
    """
    evidence.require_run(block.run, add=block.add)
    seeds = evidence.seeds(block.run)
    halves = np.array([_earlier_and_later(evidence.curve(block.run, seed), block.run) for seed in seeds])
    earlier, later = halves.mean(axis=0)
    return Measurement(
        sample=Paired(effects=halves[:, :1] - halves[:, 1:], step=1e-4),
        said=f"validation error of {block.run} {amount(earlier, 'error')} in the second quarter of the epochs at its first rate, "
        f"{amount(later, 'error')} in the last",
        files=_files(evidence, block.run),
        stages=_stages(block.run),
        learned=evidence.learned(block.run),
        floor=GUESSING,
        units="seeds",
        remarks=(_how_much_longer(evidence.curve(block.run, seeds[0])),),
    )


def _how_much_longer(curve: pd.DataFrame) -> str:
    epochs = np.arange(1, 1 + int((curve["rate"] == curve["rate"].iloc[0]).cummin().sum()))
    quarter = len(epochs) // 4
    earlier, later = epochs[quarter : 2 * quarter], epochs[-quarter:]
    times = later.mean() / earlier.mean()
    return f"epochs {later[0]} to {later[-1]} against {earlier[0]} to {earlier[-1]}, {times:.2g} times as far into the training"


def _earlier_and_later(curve: pd.DataFrame, run: str) -> tuple[float, float]:
    first_rate = curve["rate"] == curve["rate"].iloc[0]
    errors = curve.loc[first_rate.cummin(), "validation_error"].to_numpy(float)
    if len(errors) < LEAST_EPOCHS:
        what = f"{run} was trained for {len(errors)} epochs before its rate was divided"
        raise MissingResult(what, f"{LEAST_EPOCHS} or more epochs at the first rate; then `uv run dvc repro`")
    quarter = len(errors) // 4
    return float(errors[quarter : 2 * quarter].mean()), float(errors[-quarter:].mean())
