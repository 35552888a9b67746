"""The path of a judgement: each claim is measured, tested within its family, given a word, advice and a row."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from study import amounts, storage
from study.judging import advice, families, verdicts
from study.judging.about import Study
from study.judging.chain import Chain, Conditions, Withheld
from study.judging.evidence import DivergedTraining, Evidence, MissingResult
from study.judging.families import Tested
from study.judging.measurement import OF_EACH, Contrasts, Measurement, Reported
from study.judging.protocol import Block, Protocol
from study.judging.row import LEAST_P, UNREADABLE, Numbers, Row
from study.judging.verdicts import Verdict
from study.paper.claim import Claim
from study.paper.claims import CLAIMS
from study.statistics import power
from study.statistics.estimates import Estimate

Registered = Callable[[str, Sequence[str]], str]  # from a claim and the commits of its runs: what is registered of it
FRACTIONS = ("error difference", "error", "share", "share difference")  # units of fractions and of their differences
SECONDS = "times.seconds_to_convergence"  # a measure that compares seconds of trainings
SPECIALISED = "inside.runs_that_specialise"  # into two columns
IN_SECONDS = "in processor seconds"  # so begins a remark of Figure 1's measure
AUGMENTATION = "steps.augmentation_share"
AS_NAMED = (
    "undo in params.yaml what makes them so, a line of theirs or one of `train` or `converge`, which all share (conf/ has them "
    "as claims suppose), then `uv run dvc repro`; or leave this claim"
)


def judge(
    evidence: Evidence,
    protocol: Protocol,
    study: Study,
    chain: Chain,
    registered: Registered,
    claims: Sequence[Claim] = CLAIMS,
) -> list[Row]:
    """A row a claim, in their order. `protocol` is that of this study (Protocol.of_study).

    Missing or broken results make "not run" with the missing thing named. What is withheld is shown, but its runs are no
    evidence for the others. Raises ValueError where a study mixes families that exclude one another.
    """
    found = {claim.id: _measured(evidence, protocol, study, claim) for claim in claims}
    measured = {name: one for name, one in found.items() if isinstance(one, Measurement)}
    broken = {name: why for name, one in measured.items() if (why := chain.withheld(one.stages))}
    found |= {name: _compared(one, protocol.claims[name], chain) for name, one in measured.items() if name not in broken}
    measured = {name: one for name, one in found.items() if isinstance(one, Measurement)}
    whole = {name: one for name, one in measured.items() if name not in broken}
    tested = (families.tested(measured, protocol) if broken else {}) | families.tested(*_with_parts(whole, protocol))
    rows = []
    for claim in claims:
        one = found[claim.id]
        if isinstance(one, Measurement):
            withheld, test = broken.get(claim.id), tested.get(claim.id)
            one = replace(one, remarks=(*one.remarks, *_of_each(one, claim, tested)))
            rows.append(_row(claim, one, test, (withheld, chain.conditions.remedy), protocol, study, registered))
        else:
            rows.append(_without_measurement(claim, one, protocol, chain.conditions))
    return rows


def _measured(evidence: Evidence, protocol: Protocol, study: Study, claim: Claim) -> Measurement | MissingResult | None:
    """What the claim's measure finds, or what it lacks; None for a claim without one."""
    block, measure = protocol.claims.get(claim.id), protocol.measures.get(claim.id)
    if block is None:
        return None
    if measure is None:
        return MissingResult("no stage measures it", block.add or claim.needs)
    if claim.kind == "value" and study.reduced[claim.id]:
        why = f"a value is compared at the paper's scale only: {'; '.join(study.reduced[claim.id])}"
        return MissingResult(
            why, block.add or "run a study in which none of this differs: the paper's pictures, its network and as many epochs"
        )
    try:
        found: Measurement = measure(evidence, block)
    except MissingResult as missing:
        return missing
    except UNREADABLE as problem:
        why = f"{block.measure} cannot read a result that it rests on ({problem!r})"
        return MissingResult(why, "`uv run dvc repro`; where results are whole, it is the measure that is wrong")
    return found if _finite(found) else MissingResult("a result it rests on is no number", "`uv run dvc repro`")


def _compared(one: Measurement, block: Block, chain: Chain) -> Measurement | MissingResult:
    """A measurement whose runs are those that the claim names, with a remark where they ran on several kinds of machine."""
    if why := chain.unlike(one.stages):
        return MissingResult(why, AS_NAMED)
    if block.measure == SPECIALISED and (why := chain.without(one.stages, "network.columns", 2)):
        return MissingResult(why, AS_NAMED)
    if block.measure == AUGMENTATION and (why := chain.unaugmented()):
        return MissingResult(why, "name a run with crops and flips under `cost.run`; then `uv run dvc repro`")
    if len(on := chain.processors(one.stages)) < 2:
        return one
    told = f"trained on different machines or by different versions: {'; '.join(on)}"
    if block.measure == SECONDS:
        return MissingResult(f"{told}: their seconds cannot be compared", "train all of its runs on one machine")
    return replace(one, remarks=(*(remark for remark in one.remarks if not remark.startswith(IN_SECONDS)), told))


def _with_parts(measured: Mapping[str, Measurement], protocol: Protocol) -> tuple[dict[str, Measurement], Protocol]:
    """The measurements, and beside one of several effects (such as of five layers) each of them, with a block of its own."""
    parts, blocks = dict[str, Measurement](), dict[str, Block]()
    for name, one in measured.items():
        family = protocol.head.families.get(protocol.claims[name].family)
        if family and family.control and isinstance(one.sample, Contrasts) and len(one.sample.parts) > 1:
            for part in one.sample.parts:
                key = f"{name} {part.terms[0].run}"
                parts[key] = replace(one, sample=replace(one.sample, parts=(part,)), top5=None)
                blocks[key] = replace(protocol.claims[name], run=part.terms[0].run)
    return {**measured, **parts}, replace(protocol, claims={**protocol.claims, **blocks})


def _of_each(one: Measurement, claim: Claim, tested: Mapping[str, Tested]) -> Iterator[str]:
    """Of a measurement of several effects, whose least one decides, each with its interval."""
    if isinstance(one.sample, Contrasts) and len(one.sample.parts) > 1:
        runs = [part.terms[0].run for part in one.sample.parts]
        found = {run: tested[f"{claim.id} {run}"].estimate for run in runs if f"{claim.id} {run}" in tested}
        if found:
            told = (f"{run} {amounts.interval(of.value, of.low, of.high, claim.unit)}" for run, of in found.items())
            yield f"{OF_EACH}: {', '.join(told)}"


def _finite(one: Measurement) -> bool:
    """Whether all numbers of a sample are numbers."""
    sample: Any = one.sample
    numbers = [getattr(sample, name, None) for name in ("effects", "first", "second", "values", "value")]
    return all(np.isfinite(array).all() for array in numbers if array is not None)


def _without_measurement(claim: Claim, missing: MissingResult | None, protocol: Protocol, conditions: Conditions) -> Row:
    numbers = Numbers(implemented=claim.kind == "arithmetic" or protocol.measures.get(claim.id) is not None)
    if missing is not None and claim.kind != "untestable":
        word = verdicts.DIVERGED if isinstance(missing, DivergedTraining) else verdicts.NOT_RUN
        return Row(claim=claim, verdict=Verdict(word=word, why=missing.what), decide=missing.remedy, numbers=numbers)
    if claim.kind == "arithmetic" and conditions.refusal:
        verdict = Verdict(word=verdicts.WITHHELD, why=conditions.refusal)
        return Row(claim=claim, verdict=verdict, decide=conditions.remedy, numbers=numbers)
    verdict, computed = verdicts.without_measurement(claim)
    return Row(claim=claim, verdict=verdict, decide=claim.needs, numbers=Numbers(ours=computed, implemented=numbers.implemented))


def _row(
    claim: Claim,
    one: Measurement,
    test: Tested | None,
    broken: tuple[Withheld | None, str],
    protocol: Protocol,
    study: Study,
    registered: Registered,
) -> Row:
    block = protocol.claims[claim.id]
    numbers = _numbers(claim, block, one, test, study, protocol.head.power, registered)
    withheld, remedy = broken
    if claim.kind == "untestable":
        shown = Numbers(implemented=True) if withheld else numbers
        return Row(claim=claim, verdict=verdicts.without_measurement(claim)[0], decide=claim.needs, numbers=shown)
    if withheld:
        verdict = Verdict(word=verdicts.WITHHELD, why=withheld.why)
        return Row(claim=claim, verdict=verdict, decide=remedy, numbers=numbers)
    assert test is not None, f"{claim.id} is of a kind that is tested, but its measure only reports"
    asked = verdicts.question(claim, block, one, test, study.reduced[claim.id])
    verdict = verdicts.give(claim, asked, one, test)
    if test.estimate.p < LEAST_P:  # of which a sum of rounded numbers has no digit right
        verdict = replace(verdict, why=verdict.why.replace(f"p = {test.estimate.p:.2g}", f"p below {LEAST_P:g}"))
    decide = advice.advise(claim, asked, one, test, verdict, protocol.head.power, study.seconds)
    return Row(claim=claim, verdict=verdict, decide=decide, numbers=replace(numbers, matters=asked.matters or None))


def _numbers(
    claim: Claim, block: Block, one: Measurement, test: Tested | None, study: Study, wanted: float, registered: Registered
) -> Numbers:
    commits = sorted({str(study.records.get(stage, {}).get("commit") or "") for stage in one.stages})
    told: dict[str, Any] = {
        "said": one.said,
        "remarks": one.remarks,
        "scale": study.scales[claim.id],
        "reduced": study.reduced[claim.id],
        "registered": registered(claim.id, commits),
        "implemented": True,
        "artifacts": {name: storage.sha256(study.folder / name) for name in one.files if (study.folder / name).is_file()},
    }
    if test is None:
        return Numbers(ours=one.sample.value if isinstance(one.sample, Reported) else None, **told)
    estimate, top5 = test.estimate, test.top5
    ends = ("low", "high", "new_low", "new_high")
    told |= {name: None if _says_nothing(estimate, claim) else _in_unit(getattr(estimate, name), claim) for name in ends}
    if top5 is not None:
        told |= {"ours_top5": top5.value, "low_top5": _in_unit(top5.low, claim), "high_top5": _in_unit(top5.high, claim)}
    visible = power.smallest_visible(estimate, wanted) if block.family else math.inf
    return Numbers(
        ours=_in_unit(estimate.value, claim),
        bound=estimate.bound,
        p=max(estimate.p, LEAST_P) if block.family else None,
        visible=None if visible >= 1 and claim.unit in FRACTIONS else _in_unit(visible, claim),
        seeds=min(estimate.seeds) if _counts_seeds(estimate) else None,
        seeds_of_each=estimate.seeds if _counts_seeds(estimate) else (),
        pictures=estimate.pictures or (estimate.seeds[0] if estimate.units == "rounds" else None),
        units=one.units,
        only_these=estimate.units == "pictures",
        test=test.test.replace("paired t test over seeds, with the pictures' error", "t test over seeds")
        if one.units == "seeds"  # a number a seed, of no pairs and no pictures
        else test.test,
        **told,
    )


def _counts_seeds(estimate: Estimate) -> bool:
    return estimate.units != "rounds"


def _says_nothing(estimate: Estimate, claim: Claim) -> bool:
    """Whether an interval holds every difference of fractions that there can be, as that of two seeds may."""
    return claim.unit in FRACTIONS and estimate.low <= -1 and estimate.high >= 1


def _in_unit(number: float, claim: Claim) -> float | None:
    """A number on the scale of estimates in the claim's unit; None where it is not finite. No difference of fractions is larger
    than 1, so an interval of very few seeds ends there."""
    if not np.isfinite(number):
        return None
    if claim.unit in FRACTIONS:
        number = min(max(number, -1.0), 1.0)
    return float(np.exp(number)) if claim.unit == "times" else float(number)
