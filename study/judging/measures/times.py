"""Measures of time: until a training converges (section 4.2), and until its training error is 25% (Figure 1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from study import storage
from study.judging.evidence import Evidence, MissingResult
from study.judging.measurement import Arms, Measurement
from study.judging.protocol import Block
from study.statistics import comparisons
from study.training import outputs

GUESSING = "guessing the commonest class"
LEAST_RATES = 3  # that must have raced for a curve of Figure 1

Time = tuple[float | None, float]  # a time, None where it was not reached, and how long was waited


# Until the rule for the rate has run out


def iterations_to_convergence(evidence: Evidence, block: Block) -> Measurement:
    """Iterations to convergence, `run` over `against`, where section 5's rule for the rate says when one has converged."""

    def iterations(run: str, seed: int) -> Time:
        curve = evidence.curve(run, seed)
        at = _converged(evidence, run, curve)
        counts = curve["iteration"].to_numpy(float)
        return (None if at is None else float(counts[at])), float(counts[-1])

    return _convergence(evidence, block, iterations, "iterations")


def seconds_to_convergence(evidence: Evidence, block: Block) -> Measurement:
    """Processor seconds to convergence, `run` over `against`, where section 5's rule says when one has converged."""

    def seconds(run: str, seed: int) -> Time:
        at = _converged(evidence, run, curve := evidence.curve(run, seed))
        took = _mapping(evidence.provenance(f"train-{run}").get("epoch_processor_seconds")).get(str(seed))
        if not isinstance(took, list) or len(took) != len(curve):
            raise MissingResult(f"the record of train-{run} has no processor seconds", f"`uv run dvc repro --force train@{run}`")
        spent = np.cumsum(np.array(took, float))
        return (None if at is None else float(spent[at])), float(spent[-1])

    return _convergence(evidence, block, seconds, "processor seconds")


def _convergence(evidence: Evidence, block: Block, time: Callable[[str, int], Time], unit: str) -> Measurement:
    evidence.require_run(block.run, block.against, add=block.add)
    one, other = ([time(run, seed) for seed in evidence.seeds(run)] for run in (block.run, block.against))
    return Measurement(
        sample=_ratio(one, other),
        said=f"{block.run} {_times(one)} {unit}, {block.against} {_times(other)}",
        files=_files(evidence, block.run, block.against),
        stages=tuple(f"{stage}-{run}" for run in (block.run, block.against) for stage in ("train", "evaluate")),
        learned=evidence.learned(block.run, block.against),
        floor=GUESSING,
        units="seeds",
    )


def _files(evidence: Evidence, *runs: str) -> tuple[str, ...]:
    return tuple(f"train/{run}/{outputs.seed_folder(seed)}/curve.csv" for run in runs for seed in evidence.seeds(run))


def _converged(evidence: Evidence, run: str, curve: pd.DataFrame) -> int | None:
    """The row of the last new best validation error once the rule has divided the rate as often as it may and would divide
    it again; None while it would not. Raises MissingResult where the rate is divided at fixed epochs."""
    learning = _mapping(_mapping(evidence.provenance(f"train-{run}").get("run")).get("learning"))
    rule = _mapping(learning.get("rate"))
    if rule.get("rule") != "validation":
        remedy = "give both runs `learning: {rate: {rule: validation}}` and epochs enough; then `uv run dvc repro`"
        raise MissingResult(f"not measured: {run} divides its rate at fixed epochs, so that convergence is not seen", remedy)
    return _stopped(curve["validation_error"].to_numpy(float), int(rule["patience"]), int(rule["divisions"]))


def _stopped(errors: np.ndarray, patience: int, divisions: int) -> int | None:
    """Section 5's rule as study/training/update.py has it, followed until it would divide once more than it may."""
    best, best_at, since, divided = np.inf, 0, 0, 0
    for at, error in enumerate(errors):
        if error < best:
            best, best_at, since = error, at, 0
        else:
            since += 1
        if since >= patience:
            if divided == divisions:
                return best_at
            divided, since = divided + 1, 0
    return None


def _mapping(content: Any) -> dict[str, Any]:
    return content if isinstance(content, dict) else {}


# Until the training error has fallen to a threshold


def epochs_ratio(evidence: Evidence, block: Block) -> Measurement:
    """Epochs to the threshold, curve `run` over curve `against`, each at the fastest of the rates that raced."""
    evidence.require_curve(block.run, block.against)
    one, other = (_raced_times(evidence, curve) for curve in (block.run, block.against))
    reached = any(time is not None for time, _ in one + other)
    return Measurement(
        sample=_ratio(one, other),
        said=f"{block.run} {_times(one)} epochs, {block.against} {_times(other)}",
        files=_curve_files(block.run, block.against),
        stages=_curve_stages(block.run, block.against),
        learned=float("inf") if reached else 0.0,
        floor="not reaching the threshold",
        units="seeds",
        remarks=(*_in_seconds(evidence, block.run, block.against), *_at_rates(evidence, block.run, block.against)),
    )


def ratios_apart(evidence: Evidence, block: Block) -> Measurement:
    """How many times larger the ratio of epochs of one network is than that of another, seed by seed; either may be larger.

    `run` names the slow and the fast curve of one network, `against` those of the other. Raises MissingResult where a curve
    did not reach the threshold, as a ratio is then only a bound.
    """
    curves = (*block.run.split(), *block.against.split())
    evidence.require_curve(*curves)
    times = {curve: _raced_times(evidence, curve) for curve in curves}
    if late := [curve for curve, of in times.items() if any(time is None for time, _ in of)]:
        raise MissingResult(f"not every seed of {late[0]} reached the threshold", "more epochs; then `uv run dvc repro`")
    logs = {curve: np.log([time or limit for time, limit in of]) for curve, of in times.items()}
    ratios = []
    for slow, fast in (block.run.split(), block.against.split()):
        seeds = min(len(logs[slow]), len(logs[fast]))
        ratios.append((slow, fast, logs[slow][:seeds] - logs[fast][:seeds]))
    first, second = sorted(ratios, key=lambda ratio: -ratio[2].mean())
    return Measurement(
        sample=Arms(first=first[2], second=second[2], ratio=True, step=0.01),
        said=", ".join(f"{slow} over {fast} {np.exp(ratio.mean()):.3g} times" for slow, fast, ratio in (first, second)),
        files=_curve_files(*curves),
        stages=_curve_stages(*curves),
        units="seeds",
    )


def _raced_times(evidence: Evidence, curve: str) -> list[Time]:
    """Epochs to the threshold by seed. Raises MissingResult for a rate that no race chose, or that stands at its edge."""
    times, content = list(evidence.times(curve).values()), evidence.metrics(f"converge/{curve}/metrics.json", f"converge@{curve}")
    remedy = f"more rates for the curve `{curve}`; then `uv run dvc repro`"
    if len(content.get("tried") or ()) < LEAST_RATES or content.get("race_seed") is None:
        raise MissingResult(f"the rate of {curve} was not chosen from {LEAST_RATES} or more on a seed of their own", remedy)
    if content.get("at_edge", True):
        raise MissingResult(f"the fastest rate of {curve} stands at the edge of those that raced", remedy)
    return times


def _in_seconds(evidence: Evidence, slow: str, fast: str) -> tuple[str, ...]:
    """A sentence with the ratio in processor seconds; none where a record does not have them all."""
    logs = []
    for curve in (slow, fast):
        by_seed = _mapping(evidence.provenance(f"converge-{curve}").get("processor_seconds_to_threshold"))
        known = [time for time in by_seed.values() if isinstance(time, int | float) and time > 0]
        if not known or len(known) < len(by_seed):
            return ()
        logs.append(np.log(known))
    if min(map(len, logs)) < 2:
        return (f"in processor seconds {np.exp(logs[0].mean() - logs[1].mean()):.3g} times",)
    found = comparisons.welch(*logs, alpha=0.05, step=0.01)
    low, mean, high = np.exp([found.low, found.value, found.high])
    return (f"in processor seconds {mean:.3g} times (95% {low:.3g} to {high:.3g})",)


def _at_rates(evidence: Evidence, *curves: str) -> tuple[str, ...]:
    """At which rates the curves ran, and of how many; the spread between seeds says nothing of another choice of rates."""
    content = {curve: storage.mapping(evidence.folder / f"converge/{curve}/metrics.json") for curve in curves}
    said = [
        f"{curve} {one['chosen_rate']:g} of {len(one.get('tried') or ())}"
        for curve, one in content.items()
        if one.get("chosen_rate")
    ]
    return (f"rates that raced: {', '.join(said)}; the interval is of seeds at these alone",) if said else ()


def _curve_files(*curves: str) -> tuple[str, ...]:
    return tuple(f"converge/{curve}/metrics.json" for curve in curves)


def _curve_stages(*curves: str) -> tuple[str, ...]:
    return tuple(f"converge-{curve}" for curve in curves)


def _ratio(one: list[Time], other: list[Time]) -> Arms:
    first, second = (np.log([limit if time is None else time for time, limit in times]) for times in (one, other))
    first_open, second_open = (np.array([time is None for time, _ in times]) for times in (one, other))
    return Arms(first=first, second=second, ratio=True, first_open=first_open, second_open=second_open)


def _times(times: list[Time]) -> str:
    return ", ".join(f"{time:.4g}" if time is not None else f"more than {limit:.4g}" for time, limit in times)
