"""Measures of what networks are like inside: kernels (Figure 3), neighbours (Figure 4), halved outputs (section 4.2)."""

from __future__ import annotations

import numpy as np

from study import files
from study.judging.evidence import Evidence, MissingResult
from study.judging.measurement import Arms, Measurement, Paired
from study.judging.protocol import Block
from study.measuring import kernels

GUESSING = "guessing the commonest class"
MATCHES = (
    "seed", "query", "label", "features_match", "untrained_match", "pixels_match", "features_percentile",
    "untrained_percentile",
)  # fmt: skip


def kernel_specialisation(evidence: Evidence, block: Block) -> Measurement:
    """How much more colourful one column's kernels are than the other's, against the halves of a network without columns.

    A number a seed: the absolute difference of the halves' mean colourfulness, of `run` and of `against`.
    """
    evidence.require_run(block.run, block.against, add=block.add)
    one, other = (np.array([_gap(of_seed) for of_seed in evidence.kernels(run).values()]) for run in (block.run, block.against))
    runs = (block.run, block.against)
    return Measurement(
        sample=Arms(first=one, second=other),
        said=f"columns of {block.run} {one.mean():.2f} apart, halves of {block.against} {other.mean():.2f}",
        files=tuple(f"train/{run}/seed-{seed}/kernels.npy" for run in runs for seed in evidence.seeds(run)),
        stages=tuple(f"{stage}-{run}" for run in runs for stage in ("train", "evaluate")),
        learned=evidence.learned(block.run),
        floor=GUESSING,
        units="seeds",
    )


def _gap(of_seed: np.ndarray) -> float:
    try:
        first, second = kernels.by_column(of_seed)
    except ValueError as error:
        raise MissingResult(str(error), "name a run with two columns in protocol.yaml") from None
    return abs(float(first.mean() - second.mean()))


def neighbour_match(evidence: Evidence, block: Block) -> Measurement:
    """Share of a query's neighbours that are of its class: by features, minus by those of the untrained network."""
    return _of_matches(evidence, block, "features_match", "untrained_match", "share of the query's class")


def neighbours_far_in_pixels(evidence: Evidence, block: Block) -> Measurement:
    """Mean percentile in pixel distance of the neighbours found: by features, minus by those of the untrained network."""
    return _of_matches(evidence, block, "features_percentile", "untrained_percentile", "percentile in pixel distance")


def _of_matches(evidence: Evidence, block: Block, trained: str, untrained: str, said: str) -> Measurement:
    metrics = evidence.metrics("retrieve/metrics.json", "retrieve")
    if metrics.get("run") != block.run:
        raise MissingResult(f"the neighbours are those of {metrics.get('run')}, not of {block.run}", "set retrieve.run to it")
    table = evidence.table("retrieve/matches.csv", "retrieve", MATCHES)
    one, other = (table.pivot(index="seed", columns="query", values=column).to_numpy(float) for column in (trained, untrained))
    if not np.isfinite(one - other).all():
        raise evidence.cut_off("retrieve/matches.csv", "retrieve")
    return Measurement(
        sample=Paired(effects=one - other),
        said=f"{said} {one.mean():.2f} by features, {other.mean():.2f} by those of the untrained network",
        files=("retrieve/matches.csv",),
        stages=(f"train-{block.run}", f"evaluate-{block.run}", "retrieve"),
        learned=evidence.learned(block.run),
        floor=GUESSING,
        units="queries",
    )


def halved_outputs(evidence: Evidence, block: Block) -> Measurement:
    """How much nearer halved outputs are to the geometric mean of many masks than one mask is, in nats a picture."""
    evidence.require_run(block.run, add=block.add)
    metrics = evidence.metrics("halve/metrics.json", "halve")
    if metrics.get("run") != block.run:
        raise MissingResult(f"the halved outputs are not those of {block.run}", f"set halve.run to {block.run}")
    if metrics.get("pictures") == 0:
        raise MissingResult(f"the network of {block.run} has no dropout", "name a run with dropout")
    table = evidence.table("halve/divergences.csv", "halve", files.DIVERGENCES, metrics.get("pictures"))
    far = table.mean()
    as_good = next((n for n in (3, 10, 30, 100) if far[f"geometric_{n}"] <= far["halved"]), None)
    like = f"the mean of {as_good} masks {far[f'geometric_{as_good}']:.3g}" if as_good else "nearer than the mean of 100 masks"
    return Measurement(
        sample=Paired(effects=(table["geometric_1"] - table["halved"]).to_numpy(float)[None]),
        said=f"halved outputs {far['halved']:.3g} nats from the mean of many masks, one mask {far['geometric_1']:.3g}, {like}",
        files=("halve/divergences.csv",),
        stages=(f"train-{block.run}", f"evaluate-{block.run}", "halve"),
        learned=evidence.learned(block.run),
        floor=GUESSING,
    )
