"""Claims about what a training step costs: augmentation (section 4.1), memory and communication (section 3.2)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from study.judging import statistics
from study.judging.evidence import Evidence, MissingResult
from study.judging.measurement import Chance, Measurement
from study.judging.protocol import Block
from study.judging.statistics import Estimate


def augmentation_share(evidence: Evidence, block: Block, chance: Chance) -> Measurement:
    """Share of a step's time beyond that of a step on one batch again and again; rounds of steps are the unit."""
    cost, table = evidence.cost()
    by_way = {way: rows.sort_values("round")["seconds"].to_numpy(float) for way, rows in table.groupby("way")}
    with np.errstate(divide="ignore", invalid="ignore"):  # a clock that stood still makes no number, and no verdict
        shares = 1 - by_way["one batch again"] / by_way["augmented"]
    estimate = statistics.over_units(shares, chance.alpha, resolution=1e-4)
    against_margin = statistics.over_units(shares - block.smallest_effect, chance.alpha, resolution=1e-4)
    milliseconds = {way: f"{1000 * seconds:.4g}" for way, seconds in cost["seconds"].items()}
    return Measurement(
        estimate=replace(estimate, p=against_margin.p),  # not of "no cost", but of one that just matters
        said=f"{milliseconds['augmented']} ms a step of {cost['batch']} pictures of `{cost['run']}`, "
        f"{milliseconds['one batch again']} on one batch again, {milliseconds['read']} on pictures that are only read",
        used=("cost/rounds.csv", "cost/metrics.json"),
        stages=("cost",),
        seeds=1,
        seeds_are_units=False,
        units="rounds of steps",
    )


def memory_of_a_step(evidence: Evidence, block: Block, chance: Chance) -> Measurement:
    """GiB at the peak of a step of the paper's network at batch 128 on one device, counted; `said` has the share of two."""
    cost, _ = evidence.cost()
    by_devices = cost["memory_of_the_paper"]
    both = " and ".join(f"{size / 2**30:.2f}" for size in by_devices["2"])
    return _reported(by_devices["1"][0] / 2**30, f"of this implementation; on two devices {both} GiB; workspaces not counted")


def communication_share(evidence: Evidence, block: Block, chance: Chance) -> Measurement:
    """Share of a step in which activations and their gradients cross between two devices."""
    cost, _ = evidence.cost()
    if (crossing := cost["exchange"]) is None:
        remedy = "declare two devices in params.yaml (`machine.devices`); then `uv run dvc repro`"
        raise MissingResult("all columns share one device", remedy)
    numbers = f"{crossing['numbers']:,} numbers cross in a step of {cost['batch']} pictures, on {', '.join(cost['devices'])}"
    return _reported(crossing["share"], numbers)


def _reported(value: float, said: str) -> Measurement:
    """A number without an uncertainty of its own."""
    estimate = Estimate(
        value=value, low=np.nan, high=np.nan, p=1.0, units=1, spread=0.0, error_of_pictures=0.0, half_width=0.0,
        values=np.array([value]),
    )  # fmt: skip
    return Measurement(
        estimate=estimate, said=said, used=("cost/metrics.json",), stages=("cost",), seeds=1, seeds_are_units=False
    )
