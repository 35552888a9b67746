"""The test of each measurement within its family: the one place where a measurement becomes an estimate.

A family shares one chance of any wrong word, and its number of comparisons stands in protocol.yaml, so that what else was run
or judged moves nobody's verdict. Effects on the error are one family with a control run (Dunnett); every other family takes
Bonferroni's share. Values are no comparisons: their intervals have the protocol's confidence.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from study.judging.measurement import Arms, Contrast, Contrasts, Level, Measurement, Paired, Sample
from study.judging.protocol import Block, Family, Head, Protocol
from study.paper.claims import claim as claim_of
from study.statistics import comparisons, dunnett
from study.statistics.estimates import Estimate

TESTS = {  # in words, for the tables
    Contrasts: "Welch's t test over seeds, with the pictures' error",
    Paired: "paired t test over seeds, with the pictures' error",
    Arms: "Welch's t test over seeds",
    Level: "interval of one new training",
}


Pool = tuple[str, str]  # a metric and a way of cutting patches


@dataclass(frozen=True, kw_only=True, slots=True)
class Tested:
    """An estimate, and the same in top-5 error.

    `runs` (or curves) are those that it compares, in the order of the estimate's seeds, `least_seeds` the fewest of each that a
    verdict may rest on, empty where seeds are not the units. `test` says in words what was done.
    """

    estimate: Estimate
    top5: Estimate | None
    runs: tuple[str, ...]
    least_seeds: tuple[int, ...]
    test: str


def tested(measured: Mapping[str, Measurement], protocol: Protocol) -> dict[str, Tested]:
    """By claim, each measurement that is judged, tested. Raises ValueError where a study has members of a family and of the
    one that it takes the place of."""
    found: dict[str, Tested] = {}
    members: dict[str, dict[str, Measurement]] = defaultdict(dict)
    for name, one in measured.items():
        members[protocol.claims[name].family][name] = one
    for name, of_family in members.items():
        family = protocol.head.families.get(name)
        if family and (other := family.instead_of) and members.get(other):
            raise ValueError(
                f"a study tests the family {name} in place of {other}, but this one has runs of both; keep those of one of them"
            )
        if family and family.control:
            found |= _against_control(of_family, protocol, family)
        else:
            found |= {claim: made for claim in of_family if (made := _alone(of_family[claim], protocol, claim, family))}
    return found


def _against_control(measured: Mapping[str, Measurement], protocol: Protocol, family: Family) -> dict[str, Tested]:
    """Effects on the error. Runs tested on another metric, or on other patches, are a pool of their own."""
    contrasts: dict[Pool, list[Contrast]] = defaultdict(list)
    for name, one in measured.items():
        for sample in (one.sample, one.top5):
            if isinstance(sample, Contrasts):
                contrasts[sample.metric, protocol.claims[name].patches] += sample.parts
    made = {pool: of for pool, parts in contrasts.items() if (of := _dunnett(parts, family))}

    def estimate(sample: Sample | None, block: Block) -> Estimate | None:
        if not isinstance(sample, Contrasts):
            return None
        parts = [_in_pool(part, made.get((sample.metric, block.patches)), family) for part in sample.parts]
        return comparisons.all_of(parts) if len(parts) > 1 else parts[0]

    words = f"Dunnett's test over seeds against {family.control}, {family.comparisons} comparisons, with the pictures' error"
    tests = {}
    for name, one in measured.items():
        block = protocol.claims[name]
        if (found := estimate(one.sample, block)) is not None and isinstance(one.sample, Contrasts):
            least = _least(one.sample.parts[0], block, family.control)
            top5, runs = estimate(one.top5, block), _runs(one.sample.parts, block)
            tests[name] = Tested(estimate=found, top5=top5, runs=runs, least_seeds=least, test=words)
    return tests


def _dunnett(parts: Sequence[Contrast], family: Family) -> dunnett.Family | None:
    """The pool of all runs that were tested on the control's pictures; None where there is no control run."""
    errors = {term.run: term.wrong for part in parts for term in part.terms}
    if family.control not in errors:
        return None
    pictures = errors[family.control].shape[1]
    errors = {run: wrong for run, wrong in errors.items() if wrong.shape[1] == pictures}
    pairs = [{term.run for term in part.terms} for part in parts if len(part.terms) == 2]
    compared = set().union(*(pair for pair in pairs if family.control in pair))
    others = set(errors) - compared - {family.control}
    return dunnett.family(family.control, errors, comparisons=family.comparisons, alpha=family.alpha, not_compared=others)


def _in_pool(part: Contrast, of: dunnett.Family | None, family: Family) -> Estimate:
    """A contrast with the pool's spread; of two runs that are in no pool with their own, by Bonferroni."""
    if of is not None and all(term.run in of.arms for term in part.terms):
        return dunnett.contrast(of, {term.run: float(term.weight) for term in part.terms})
    first, second = sorted(part.terms, key=lambda term: -term.weight)[:2]
    return comparisons.welch(first.wrong, second.wrong, step=1.0, alpha=family.alpha, comparisons=family.comparisons)


def _runs(parts: tuple[Contrast, ...], block: Block) -> tuple[str, ...]:
    """Of several contrasts, in which any of the runs may be the one that decides, they stand together."""
    return (block.run, block.against) if len(parts) > 1 else tuple(term.run for term in parts[0].terms)


def _least(contrast: Contrast, block: Block, control: str) -> tuple[int, ...]:
    of_control = block.against_seeds or block.seeds
    return tuple(of_control if term.run == control else block.seeds for term in contrast.terms)


def _alone(one: Measurement, protocol: Protocol, claim: str, family: Family | None) -> Tested | None:
    """A measurement that needs to know nothing of the others; None where it is only reported."""
    block = protocol.claims[claim]
    kind = TESTS.get(type(one.sample))
    if kind is None:
        return None
    null = block.smallest_effect if claim_of(claim).kind == "absence" else 0.0
    estimate = _estimate(one, one.sample, null, protocol.head, family)
    top5 = _estimate(one, one.top5, null, protocol.head, family) if one.top5 is not None else None
    units = {"pictures": f"t test over {one.units}, of these networks", "rounds": f"t test over {one.units}"}
    test = kind if isinstance(one.sample, Level) else units.get(estimate.units, kind)
    return Tested(
        estimate=estimate,
        top5=top5,
        runs=_runs(one.sample.parts, block) if isinstance(one.sample, Contrasts) else _named(one.sample, block),
        least_seeds=_least_alone(one.sample, block, estimate),
        test=test + (f", one of {family.comparisons} comparisons" if family and family.comparisons > 1 else ""),
    )


def _named(sample: Sample, block: Block) -> tuple[str, ...]:
    if isinstance(sample, Arms):
        return (block.run, block.against)
    return (block.run or block.against,) if block.run or block.against else ()


def _estimate(one: Measurement, sample: Sample, null: float, head: Head, family: Family | None) -> Estimate:
    share: dict[str, Any] = {"alpha": family.alpha, "comparisons": family.comparisons} if family else {}
    if isinstance(sample, Contrasts):
        parts = [comparisons.welch(*(term.wrong for term in part.terms), step=1.0, **share) for part in sample.parts]
        return comparisons.all_of(parts) if len(parts) > 1 else parts[0]
    if isinstance(sample, Paired):
        return _paired(one, sample, null, share)
    if isinstance(sample, Arms) and sample.ratio:
        times = (_times(sample.first, sample.first_open), _times(sample.second, sample.second_open))
        return comparisons.ratio_of_times(*times, **share)
    if isinstance(sample, Arms):
        return comparisons.welch(sample.first, sample.second, step=sample.step, **share)
    assert isinstance(sample, Level), "a number that is only reported is not tested"
    if sample.members is not None:
        return comparisons.value_of_average(sample.values[0], sample.members, alpha=1 - head.confidence)
    return comparisons.value(sample.values, alpha=1 - head.confidence)


def _paired(one: Measurement, sample: Paired, null: float, share: Mapping[str, Any]) -> Estimate:
    if one.units == "rounds of steps":
        return comparisons.over_units(sample.effects[0], step=sample.step, null=null, units="rounds", **share)
    over: Callable[..., Estimate] = comparisons.against_itself if sample.effects.shape[1] > 1 else comparisons.over_units
    return over(sample.effects, step=sample.step, **share)


def _times(logs: np.ndarray, unreached: np.ndarray | None) -> list[tuple[float | None, float]]:
    missing = np.zeros(len(logs), bool) if unreached is None else unreached
    return [(None if gone else float(np.exp(log)), float(np.exp(log))) for log, gone in zip(logs, missing, strict=True)]


def _least_alone(sample: Sample, block: Block, estimate: Estimate) -> tuple[int, ...]:
    if estimate.units != "seeds":
        return ()
    if isinstance(sample, Contrasts | Arms):
        return (block.seeds, block.against_seeds or block.seeds)
    return (block.seeds,)
