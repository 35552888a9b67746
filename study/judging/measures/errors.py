"""Measures of test errors: runs against a run, one network tested in two ways, an average, hand-made features, one value."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from study import files
from study.amounts import amount, digits
from study.judging.evidence import Evidence, MissingResult, RunErrors
from study.judging.measurement import AT_BEST, Contrast, Contrasts, Level, Measurement, Paired, Term
from study.judging.protocol import Block
from study.paper.numbers import RESPONSE
from study.predictions import Predictions
from study.training import outputs

GUESSING = "guessing the commonest class"
FACTORS = {"half": 0.5, "double": 2.0}


def difference(evidence: Evidence, block: Block) -> Measurement:
    """Error of each run that `run` names minus error of `against`: the claim is that all of them err more."""
    names = block.run.split()
    return _contrasts(evidence, block, [((name, 1), (block.against, -1)) for name in names])


def difference_at_equal_updates(evidence: Evidence, block: Block) -> Measurement:
    """The same of runs that learn from other pictures: only where they made as many updates, to a fiftieth, is it the pictures
    that differ."""
    runs = (*block.run.split(), block.against)
    evidence.require_run(*runs, add=block.add)
    updates = {run: [int(evidence.curve(run, seed)["iteration"].iloc[-1]) for seed in evidence.seeds(run)] for run in runs}
    least, most = min(map(min, updates.values())), max(map(max, updates.values()))
    if most > 1.02 * least:
        told = ", ".join(f"{run} {max(made):,}" for run, made in updates.items())
        raise MissingResult(f"the runs made unequal numbers of updates ({told})", f"{block.add or 'change their epochs'}")
    made = difference(evidence, block)
    curves = tuple(f"train/{run}/{outputs.seed_folder(seed)}/curve.csv" for run in runs for seed in evidence.seeds(run))
    return replace(made, files=(*made.files, *curves), remarks=(*made.remarks, f"every run made {most:,} updates"))


def interaction(evidence: Evidence, block: Block) -> Measurement:
    """What the first of two changes costs where the second is made, minus what it costs where it is not.

    `run` names two runs with both changes and with the second only, `against` those with the first only and with none; so
    (a - b) - (c - d). All four must have learned: one that guesses cannot err more, so that a change costs it nothing.
    """
    a, b, c, d = (*block.run.split(), *block.against.split())
    return replace(
        _contrasts(evidence, block, [((a, 1), (b, -1), (c, -1), (d, 1))]),
        learned=min(evidence.learned(run) for run in (a, b, c, d)),
        floor=f"{GUESSING} in one of its four runs, all of which must have learned",
    )


def _contrasts(evidence: Evidence, block: Block, parts: list[tuple[tuple[str, int], ...]]) -> Measurement:
    runs = tuple(dict.fromkeys(run for part in parts for run, _ in part))
    evidence.require_run(*runs, add=block.add)

    def of(metric: str) -> tuple[Contrasts, dict[str, RunErrors]]:
        made = {run: evidence.errors(run, metric, block.patches) for run in runs}
        _require_equal_pictures(made)
        contrasts = tuple(
            Contrast(terms=tuple(Term(run=run, weight=weight, wrong=made[run].wrong) for run, weight in part)) for part in parts
        )
        return Contrasts(metric=metric, parts=contrasts), made

    sample, made = of(block.metric)
    return Measurement(
        sample=sample,
        top5=of("top5")[0] if block.metric == "top1" else None,
        said=", ".join(f"{run} {amount(one.wrong.mean(), 'error')}" for run, one in made.items()),
        files=tuple(one.file for one in made.values()),
        stages=_stages(*runs),
        learned=evidence.learned(*runs),
        floor=GUESSING,
        remarks=(
            *_parameters(evidence, runs, parts[0][-1][0]),
            *_endings(evidence, runs),
            *_constants(evidence, runs),
            *_from_one_patch(evidence, block, parts),
            *_rates(evidence, runs),
        ),
    )


def _parameters(evidence: Evidence, runs: tuple[str, ...], against: str) -> tuple[str, ...]:
    """A sentence on every run whose number of parameters, or of those in convolutional layers, which are few beside the others,
    differs from that of `against` by a hundredth or more."""
    counts, convolutional = (
        {run: count(run) for run in (*runs, against)} for count in (evidence.parameters, evidence.convolutional_parameters)
    )

    def beside(of: dict[str, int | None], run: str) -> str:
        one, other = of[run], of[against]
        share = one / other - 1 if one and other else 0.0
        return f"{abs(share):.0%} {'more' if share > 0 else 'fewer'}" if abs(share) >= 0.01 else ""

    said = []
    for run in dict.fromkeys(runs):
        whole, part = beside(counts, run), beside(convolutional, run)
        if whole or part:
            told = f"{run} has {whole} parameters than {against}" if whole else f"{run} has as many parameters as {against}"
            said.append(f"{told}, in its convolutional layers {part}" if part else told)
    return tuple(said)


def _endings(evidence: Evidence, runs: tuple[str, ...]) -> tuple[str, ...]:
    """With which training errors and validation losses the runs end: one that still learns is not compared at its best, and a
    loss may tell two runs apart that err alike."""

    def ends(column: str) -> dict[str, float]:
        return {run: float(np.mean([evidence.curve(run, seed)[column].iloc[-1] for seed in evidence.seeds(run)])) for run in runs}

    try:
        errors, losses = ends("training_error"), ends("validation_loss")
    except MissingResult:
        return ()
    return (
        f"training error at the end {', '.join(f'{run} {error:.1%}' for run, error in errors.items())}",
        f"validation loss at the end {', '.join(f'{run} {digits(loss)}' for run, loss in losses.items())} nats",
    )


def _constants(evidence: Evidence, runs: tuple[str, ...]) -> tuple[str, ...]:
    """With which constants responses are normalised, where they are not the paper's."""
    said = {}
    for run in runs:
        network = (evidence.provenance(f"train-{run}").get("run") or {}).get("network") or {}
        if network.get("normalisation") == "response" and (own := network.get("response")) and own != RESPONSE:
            said[run] = ", ".join(f"{name} {value:.3g}" for name, value in own.items())
    theirs = ", ".join(f"{name} {value:.3g}" for name, value in RESPONSE.items())
    return tuple(f"{run} normalises with {own}; section 3.3 has {theirs}" for run, own in said.items())


def _from_one_patch(evidence: Evidence, block: Block, parts: list[tuple[tuple[str, int], ...]]) -> tuple[str, ...]:
    """The same difference from the centre patch, where the claim is of ten averaged ones: what averaging adds to it."""
    if block.patches != "ten_patches" or len(parts) > 1:
        return ()
    view = "centre_patch"
    try:
        errors = [weight * evidence.metrics(f"evaluate/{run}/metrics.json", f"evaluate@{run}")[view]["top1_error"]
                  for run, weight in parts[0]]  # fmt: skip
    except (MissingResult, KeyError, TypeError):
        return ()
    return (f"from the centre patch {amount(sum(errors), 'error difference')}",)


def _rates(evidence: Evidence, runs: tuple[str, ...]) -> tuple[str, ...]:
    """That runs were compared at one rate, though each might do best at its own; and where the study has a run at half and at
    double that rate, what they come to on the validation pictures: a sensitivity from one seed each, and no test."""
    settings = {run: evidence.provenance(f"train-{run}").get("run") for run in (*evidence.runs, *runs)}
    rates = {run: _rate(settings[run]) for run in settings}
    at = {rates[run] for run in runs}
    if len(at) != 1 or None in at:
        return ()
    rate = rates[runs[0]]
    assert rate is not None
    said, best = [f"compared at one rate, {rate:g}"], dict[str, tuple[float, str]]()
    for run in runs:
        others = [other for other in evidence.runs if other != run and _but_rate(settings[other], settings[run])]
        found = {
            f"{factor} of it": _validation_error(evidence, other)
            for factor, by in FACTORS.items()
            for other in others
            if np.isclose(rates[other] or 0.0, rate * by)
        }
        if found:
            found = {"it": _validation_error(evidence, run)} | found
            told = ", ".join(f"{words} at {at}" for at, (_, words) in found.items())
            said.append(f"validation error of {run} from one seed: {told}")
        if len(found) > len(FACTORS):
            best[run] = min(found.values())
    if len(best) == len(runs) > 1:
        told = ", ".join(f"{run} {words}" for run, (_, words) in best.items())
        first, *rest = (error for error, _ in best.values())
        if len(rest) == 1 and np.isfinite(first - rest[0]):
            told += f", a difference of {amount(first - rest[0], 'error difference')}"
        said.append(f"{AT_BEST}: {told}")
    return tuple(said)


def _rate(settings: Any) -> float | None:
    try:
        return float(settings["learning"]["rate"]["initial"])
    except (TypeError, KeyError):
        return None


def _but_rate(one: Any, other: Any) -> bool:
    """Whether two runs' settings differ in nothing but the first rate and the seeds."""

    def without(settings: Any) -> Any:
        learning = settings["learning"]
        return {**settings, "seeds": None, "learning": {**learning, "rate": {**learning["rate"], "initial": None}}}

    return _rate(one) is not None and _rate(other) is not None and without(one) == without(other)


def _validation_error(evidence: Evidence, run: str) -> tuple[float, str]:
    """At the end of a run's first seed, and in words; infinite where that diverged, which the words say."""
    try:
        error = float(evidence.curve(run, min(evidence.seeds(run)))["validation_error"].iloc[-1])
    except MissingResult as missing:
        return float("inf"), f"none ({missing.what})"
    return error, f"{error:.1%}"


def _require_equal_pictures(made: dict[str, RunErrors]) -> None:
    first, *others = made
    for other in others:
        if not np.array_equal(made[first].labels, made[other].labels):
            remedy = f"`uv run dvc repro evaluate@{first} evaluate@{other}`"
            raise MissingResult(f"{first} and {other} were tested on different pictures", remedy)


def _stages(*runs: str) -> tuple[str, ...]:
    return tuple(f"{stage}-{run}" for run in runs for stage in ("train", "evaluate"))


def of_patches(evidence: Evidence, block: Block) -> Measurement:
    """Error of `run` tested on `patches` minus its error tested on `against_patches`: the same networks."""
    evidence.require_run(block.run, add=block.add)
    views = (block.patches, block.against_patches)
    one, other = (evidence.errors(block.run, block.metric, view) for view in views)
    first, second = (evidence.errors(block.run, "top5", view).wrong.astype(float) for view in views)
    said = (
        f"{view.replace('_', ' ')} {amount(made.wrong.mean(), 'error')}" for view, made in zip(views, (one, other), strict=True)
    )
    return Measurement(
        sample=Paired(effects=one.wrong.astype(float) - other.wrong),
        top5=Paired(effects=first - second) if block.metric == "top1" else None,
        said=", ".join(said),
        files=(one.file, other.file),
        stages=_stages(block.run),
        learned=evidence.learned(block.run),
        floor=GUESSING,
    )


def margin_over_hand_made(evidence: Evidence, block: Block) -> Measurement:
    """Error of hand-made features minus that of `against`: one classifier against every seed, on the same pictures."""
    evidence.require_run(block.against, add=block.add)

    def both(metric: str) -> tuple[np.ndarray, RunErrors]:
        rows = evidence.metrics("hand_made/metrics.json", "hand_made").get("pictures")
        table = evidence.table("hand_made/predictions.csv", "hand_made", files.HAND_MADE, rows)
        made = evidence.errors(block.against, metric, block.against_patches)
        if not np.array_equal(table["label"].to_numpy(), made.labels):
            raise MissingResult("hand-made features and networks were tested on different pictures", "`uv run dvc repro`")
        best = {"hand_made": table[list(files.HAND_MADE[2:])].dropna(axis=1).to_numpy(int)}
        baseline = Predictions(labels=made.labels, best=best).wrong(metric)["hand_made"]
        return baseline.astype(float), made

    baseline, networks = both(block.metric)
    baseline5, networks5 = both("top5")
    return Measurement(
        sample=Paired(effects=baseline - networks.wrong),
        top5=Paired(effects=baseline5 - networks5.wrong) if block.metric == "top1" else None,
        said=f"hand-made features {amount(baseline.mean(), 'error')}, {block.against} {amount(networks.wrong.mean(), 'error')}",
        files=("hand_made/predictions.csv", networks.file),
        stages=("hand_made", *_stages(block.against)),
        learned=evidence.learned(block.against),
        floor=GUESSING,
        remarks=(
            "the features are gradients and colours with a ridge regression, simpler than Table 1's sparse coding and Fisher "
            "vectors, and see each picture once, without crops and flips: the margin's size cannot be compared with the paper's",
        ),
    )


def averaging_gain(evidence: Evidence, block: Block) -> Measurement:
    """Error of each single network of `run` minus the error of the average of all of them."""
    evidence.require_run(block.run, add=block.add)

    def gains(metric: str) -> tuple[np.ndarray, RunErrors]:
        made = evidence.errors(block.run, metric, block.patches)
        if made.averaged is None or len(made.wrong) < 2:
            remedy = f"give `{block.run}` two seeds or more, then `uv run dvc repro evaluate@{block.run}`"
            raise MissingResult(f"{block.run} has no average of several networks", remedy)
        return made.wrong.astype(float) - made.averaged, made

    effects, made = gains(block.metric)
    return Measurement(
        sample=Paired(effects=effects),
        top5=Paired(effects=gains("top5")[0]) if block.metric == "top1" else None,
        said=f"{amount(made.wrong.mean(), 'error')} singly, {amount(made.wrong.mean() - effects.mean(), 'error')} averaged over "
        f"{len(made.wrong)}",
        files=(made.file,),
        stages=_stages(block.run),
        learned=evidence.learned(block.run),
        floor=GUESSING,
        remarks=(f"an average of {len(made.wrong)}, the paper's of {block.models}",) if len(made.wrong) != block.models else (),
    )


def of_run(evidence: Evidence, block: Block) -> Measurement:
    """The error of single networks of `run`."""
    evidence.require_run(block.run, add=block.add)
    made, top5 = (evidence.errors(block.run, metric, block.patches) for metric in (block.metric, "top5"))
    return _value(evidence, block, made.file, Level(values=made.wrong), Level(values=top5.wrong))


def of_average(evidence: Evidence, block: Block) -> Measurement:
    """The error of the average of all seeds of `run`, which must be `block.models` networks."""
    evidence.require_run(block.run, add=block.add)

    def level(metric: str) -> tuple[Level, RunErrors]:
        made = evidence.errors(block.run, metric, block.patches)
        if made.averaged is None or len(made.seeds) != block.models:
            remedy = f"give `{block.run}` {block.models} seeds, then `uv run dvc repro evaluate@{block.run}`"
            raise MissingResult(f"{block.run} has no average of {block.models} networks", remedy)
        return Level(values=made.averaged[None], members=made.wrong), made

    averaged, made = level(block.metric)
    return _value(evidence, block, made.file, averaged, level("top5")[0])


def _value(evidence: Evidence, block: Block, file: str, level: Level, top5: Level) -> Measurement:
    return Measurement(
        sample=level,
        top5=top5 if block.metric == "top1" else None,
        said=amount(level.values.mean(), "error"),
        files=(file,),
        stages=_stages(block.run),
        learned=evidence.learned(block.run),
        floor=GUESSING,
    )
