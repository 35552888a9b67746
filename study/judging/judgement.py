"""A study's judgement: every claim measured where its results are there, tested as one family, and put into a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from study.judging import planning, statistics, verdicts
from study.judging.evidence import Evidence, MissingResult
from study.judging.measurement import Chance, Measurement
from study.judging.measurements import MEASURES
from study.judging.protocol import Block, Protocol, registered
from study.judging.row import Row, row_of
from study.judging.statistics import Estimate
from study.judging.verdicts import Verdict
from study.paper import numbers
from study.paper.claim import Claim
from study.paper.claims import CLAIMS, count

# From a commit to protocol.yaml there: empty where it had none, None where the commit is not known.
History = Callable[[str], Mapping[str, Any] | None]


def judge(
    evidence: Evidence, protocol: Protocol, today: Mapping[str, Any], then: History, bootstrap: int, confidence: float
) -> list[Row]:
    """A row a claim of the paper, in its order, from `bootstrap` draws and intervals of that `confidence`.

    `today` is protocol.yaml as YAML holds it, `then(commit)` the same at a commit. Missing or broken results make "not
    run" with the missing thing named. Raises ValueError where the settings contradict the protocol.
    """
    if abs(1 - confidence - protocol.alpha) > 1e-9:
        raise ValueError(
            f"judge.confidence is {confidence} but protocol.yaml tests at alpha {protocol.alpha}; "
            f"set judge.confidence to {1 - protocol.alpha:g}"
        )
    measured: dict[str, Measurement | MissingResult] = {
        name: _measure(evidence, name, block, protocol, bootstrap) for name, block in protocol.claims.items()
    }
    adjusted = _holm(protocol, {name: m for name, m in measured.items() if isinstance(m, Measurement) and _is_tested(name)})
    family = len({_comparison(protocol.claims[name]) for name in adjusted})
    rows = []
    for claim in CLAIMS:
        result = measured.get(claim.id)
        if isinstance(result, Measurement):
            block = protocol.claims[claim.id]
            status = _registered(evidence, claim.id, result, today, then)
            rows.append(_measured_row(evidence, claim, block, result, adjusted.get(claim.id), family, protocol, status))
        elif isinstance(result, MissingResult) and claim.kind != "untestable":
            rows.append(row_of(claim, Verdict(word=verdicts.NOT_RUN, why=result.what, decide=result.remedy)))
        else:
            computed = count(claim.id).computed if claim.kind == "arithmetic" else None
            rows.append(row_of(claim, verdicts.without_measurement(claim), ours=computed))
    return rows


def _holm(protocol: Protocol, tested: Mapping[str, Measurement]) -> dict[str, float]:
    """Holm's p by claim. Claims that rest on one and the same comparison are one member of the family."""
    comparisons = {name: _comparison(protocol.claims[name]) for name in tested}
    family = {comparisons[name]: m.estimate.p for name, m in tested.items()}
    adjusted = dict(zip(family, statistics.holm(list(family.values()), protocol.alpha), strict=True))
    return {name: adjusted[comparison] for name, comparison in comparisons.items()}


def _comparison(block: Block) -> tuple[str, ...]:
    return (block.measure, block.run, block.against, block.metric, block.patches, block.against_patches)


def _is_tested(name: str) -> bool:
    return next(claim.kind for claim in CLAIMS if claim.id == name) in ("effect", "absence", "figure")


def _is_value(name: str) -> bool:
    return next(claim.kind for claim in CLAIMS if claim.id == name) == "value"


def _measure(evidence: Evidence, name: str, block: Block, protocol: Protocol, bootstrap: int) -> Measurement | MissingResult:
    try:
        if _is_value(name) and not _at_paper_scale(evidence, block):
            raise MissingResult("a value is comparable on the paper's data only", _full_study(block))
        found = MEASURES[block.measure](evidence, block, Chance(alpha=protocol.alpha, draws=bootstrap, claim=name))
    except MissingResult as missing:
        return missing
    except (KeyError, TypeError, AttributeError, ValueError, IndexError, ZeroDivisionError) as problem:  # of a file's content
        return MissingResult(f"a result it rests on is not of the form it should be ({problem!r})", "`uv run dvc repro`")
    if np.isnan(found.estimate.value) or np.isnan(found.estimate.p):
        return MissingResult("a result it rests on is no number", "`uv run dvc repro`")
    return found


def _full_study(block: Block) -> str:
    if block.paper_scale is None:
        return block.add or "there is no study with these data"
    return block.add or f"`uv run dvc exp run -S study={block.paper_scale.study}`"


def _at_paper_scale(evidence: Evidence, block: Block) -> bool:
    """The paper's data, all of its training pictures, and the full network where the protocol names its size."""
    scale = block.paper_scale
    if scale is None or evidence.study != scale.study or evidence.training_pictures < scale.training_pictures:
        return False
    return scale.parameters is None or evidence.parameters(_first_run(block)) == scale.parameters


def _registered(evidence: Evidence, name: str, m: Measurement, today: Mapping[str, Any], then: History) -> str:
    """The weakest answer over the stages that a measurement rests on."""
    commits = {str(evidence.provenance(stage).get("commit") or "") for stage in m.stages}
    answers = {registered(name, today, then(commit) if commit else None) for commit in commits}
    for answer in ("not checked", "exploratory"):
        if answer in answers:
            return answer
    return "pre-registered"


def _withheld(evidence: Evidence, m: Measurement) -> str:
    """Why a verdict is withheld; empty where nothing speaks against it."""
    dirty = [stage for stage in m.stages if evidence.provenance(stage).get("dirty") is True]
    if dirty:
        return f"provisional: the code of {', '.join(dirty)} was not committed; its numbers are shown, not judged"
    for stage in m.stages:
        if changed := evidence.changed_outputs(stage):
            return f"stale: {changed[0]} is not what {stage} wrote"
        if changed := evidence.changed_inputs(stage):
            return f"stale: {stage} read another {changed[0]} than there is now"
    return ""


def _measured_row(
    evidence: Evidence,
    claim: Claim,
    block: Block,
    m: Measurement,
    p_holm: float | None,
    family: int,
    protocol: Protocol,
    status: str,
) -> Row:
    if claim.kind == "untestable":
        verdict = verdicts.without_measurement(claim)
    elif claim.kind == "value":
        verdict = verdicts.judge_value(claim, block, m)
    elif claim.kind == "absence":
        assert p_holm is not None
        verdict = verdicts.judge_absence(block, m, p_holm, protocol)
    else:
        assert p_holm is not None
        verdict = verdicts.judge_effect(claim, block, m, p_holm, protocol, _at_paper_scale(evidence, block))
    decide = ""
    if verdict.word == verdicts.INCONCLUSIVE and claim.kind == "absence":
        decide = verdicts.what_decides_absence(block, m, protocol, max(family, 1))
    elif verdict.word == verdicts.INCONCLUSIVE:
        decide = verdicts.what_decides(block, m, protocol, max(family, 1), _seconds_a_seed(evidence, m))
    if reason := _withheld(evidence, m):
        verdict = Verdict(word=verdicts.WITHHELD, why=reason)
        decide = "commit the code, then `uv run dvc repro`" if "code of" in reason else "`uv run dvc repro`"
    visible = planning.smallest_visible(m.estimate, protocol.alpha / max(family, 1), protocol.power)
    return row_of(
        claim,
        Verdict(word=verdict.word, why=verdict.why, decide=decide),
        **_numbers(m.estimate, m.ratio),
        **{f"{key}_top5": value for key, value in _numbers(m.top5, m.ratio).items() if key != "bound"},
        said=m.said,
        p=m.estimate.p if p_holm is not None else None,
        p_holm=p_holm,
        visible=_finite(_on_scale(visible, m.ratio)) if p_holm is not None else None,
        pictures=m.pictures,
        seeds=m.seeds,
        scale=evidence.scale + _width(evidence, block),
        test=block.test,
        registered=status,
        artifacts=evidence.hashes(m.used),
    )


def _numbers(estimate: Estimate | None, ratio: bool) -> dict[str, Any]:
    if estimate is None:
        return {}
    values = {"ours": estimate.value, "low": estimate.low, "high": estimate.high}
    return {key: _finite(_on_scale(value, ratio)) for key, value in values.items()} | {"bound": estimate.censored}


def _on_scale(value: float, ratio: bool) -> float:
    return float(np.exp(value)) if ratio else value


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _first_run(block: Block) -> str:
    """The run whose size stands for the claim's."""
    return next(iter((block.against or block.run).split()), "")


def _width(evidence: Evidence, block: Block) -> str:
    """The network's size beside the data, such as `, 24 of the paper's 96 kernels in conv1, 1,234,567 parameters`."""
    run = _first_run(block)
    kernels = evidence.first_kernels(run)
    parameters = evidence.parameters(run)
    width = f", {kernels} of the paper's {numbers.KERNELS[0]} kernels in conv1" if kernels else ""
    return width + (f", {parameters:,} parameters" if parameters else "")


def _seconds_a_seed(evidence: Evidence, m: Measurement) -> float:
    """Wall time of one more seed of all runs that a claim compares, as these trainings took; 0 where nothing says."""
    times = [evidence.provenance(stage).get("seconds") for stage in m.stages if not stage.startswith("evaluate")]
    known = [time for time in times if isinstance(time, int | float)]
    return sum(known) / m.seeds if known and len(known) == len(times) else 0.0
