"""Measures of what a training step costs: augmentation (section 4.1), memory and communication (section 3.2)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from study import files
from study.amounts import amount
from study.judging.evidence import Evidence, MissingResult
from study.judging.measurement import Measurement, Paired, Reported
from study.judging.protocol import Block


def augmentation_share(evidence: Evidence, block: Block) -> Measurement:
    """Share of a step's time beyond that of a step on one batch again and again; rounds of steps are the unit."""
    cost, table = _cost(evidence)
    by_way = {way: rows.sort_values("round")["seconds"].to_numpy(float) for way, rows in table.groupby("way")}
    with np.errstate(divide="ignore", invalid="ignore"):  # a clock that stood still makes no number, and no verdict
        shares = 1 - by_way["one batch again"] / by_way["augmented"]
    milliseconds = {way: f"{1000 * seconds:.4g}" for way, seconds in cost["seconds"].items()}
    return Measurement(
        sample=Paired(effects=shares[None], step=1e-4),
        said=f"medians {milliseconds['augmented']} ms a step of {cost['batch']} pictures of `{cost['run']}`, "
        f"{milliseconds['one batch again']} on one batch again, {milliseconds['read']} on pictures that are only read",
        files=("cost/rounds.csv", "cost/metrics.json"),
        stages=("cost",),
        units="rounds of steps",
        remarks=(
            f"reading alone takes {_reading(by_way)}",
            *_of_what(evidence, str(cost["run"])),
            "timed in the thread that trains; the paper's augmentation runs beside it, on the CPU while the GPU computes",
        ),
    )


def _of_what(evidence: Evidence, run: str) -> tuple[str, ...]:
    """That the run that was timed does not change the colours, where it does not: the paper does."""
    augmentation = (evidence.provenance(f"train-{run}").get("run") or {}).get("augmentation") or {}
    return ("crops and flips alone, without the change of colours",) if augmentation.get("colour") == "none" else ()


def _reading(by_way: dict[str, np.ndarray]) -> str:
    with np.errstate(divide="ignore", invalid="ignore"):
        return amount(float(np.mean(1 - by_way["one batch again"] / by_way["read"])), "share")


def _cost(evidence: Evidence) -> tuple[dict[str, Any], pd.DataFrame]:
    """What a step of the run that was timed costs: cost/metrics.json, and a row a round and way."""
    table, content = evidence.table("cost/rounds.csv", "cost", files.COSTS), evidence.metrics("cost/metrics.json", "cost")
    needed = {"run", "batch", "seconds", "devices", "memory_of_the_paper", "exchange"}
    as_many = content.get("rounds") == table["round"].nunique() and table.groupby("way").size().nunique() == 1
    if not needed <= set(content) or not as_many:
        raise evidence.cut_off("cost/rounds.csv", "cost")
    return content, table


def memory_of_a_step(evidence: Evidence, block: Block) -> Measurement:
    """GiB at the peak of a step of the paper's network at batch 128 on one device, counted; `said` has the share of two."""
    by_devices = _cost(evidence)[0]["memory_of_the_paper"]
    both = " and ".join(f"{size / 2**30:.2f}" for size in by_devices["2"])
    said = f"of this implementation; on two devices {both} GiB; workspaces not counted"
    return _reported(by_devices["1"][0] / 2**30, said)


def communication_share(evidence: Evidence, block: Block) -> Measurement:
    """Share of a step in which activations and their gradients cross between two devices."""
    cost, _ = _cost(evidence)
    if (crossing := cost["exchange"]) is None:
        remedy = "declare two devices in params.yaml (`machine.devices`); then `uv run dvc repro`"
        raise MissingResult("all columns share one device", remedy)
    numbers = f"{crossing['numbers']:,} numbers cross in a step of {cost['batch']} pictures, on {', '.join(crossing['devices'])}"
    return _reported(float(crossing["share"]), numbers)


def _reported(value: float, said: str) -> Measurement:
    """A number without an uncertainty of its own."""
    return Measurement(sample=Reported(value=value), said=said, files=("cost/metrics.json",), stages=("cost",))
