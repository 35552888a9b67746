"""Claims about test errors: two runs, several, two ways of testing, one value, an average, hand-made features."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from study import files, predictions
from study.judging import statistics
from study.judging.evidence import Evidence, MissingResult
from study.judging.measurement import Chance, Measurement
from study.judging.protocol import Block
from study.judging.statistics import Estimate


def _file(run: str, patches: str) -> str:
    return f"evaluate/{run}/{predictions.file_of(patches)}"


def error_difference(evidence: Evidence, block: Block, chance: Chance) -> Measurement:
    """Error of `run` minus error of `against`, the same seeds on the same pictures."""
    against = block.against or block.run
    for run in (block.run, against):
        evidence.require_run(run, block.add)
    estimate, said, shape = _error_difference(evidence, block, block.metric, chance)
    top5 = _error_difference(evidence, block, "top5", chance)[0] if block.metric == "top1" else None
    runs = tuple(dict.fromkeys((block.run, against)))
    return Measurement(
        estimate=estimate,
        top5=top5,
        said=said,
        used=tuple(dict.fromkeys((_file(block.run, block.patches), _file(against, block.against_patches)))),
        stages=tuple(f"{stage}-{run}" for run in runs for stage in ("train", "evaluate")),
        seeds=shape[0],
        pictures=shape[1],
        seeds_are_units=shape[0] > 1,
    )


def _error_difference(evidence: Evidence, block: Block, metric: str, chance: Chance) -> tuple[Estimate, str, tuple[int, int]]:
    against = block.against or block.run
    first, labels = evidence.wrong(block.run, metric, block.patches)
    second, their_labels = evidence.wrong(against, metric, block.against_patches)
    if not np.array_equal(labels, their_labels):
        remedy = f"`uv run dvc repro evaluate@{block.run} evaluate@{against}`"
        raise MissingResult(f"{block.run} and {against} were tested on different pictures", remedy)
    shared = [model for model in first if model in second and model != files.AVERAGED]
    if not shared:
        remedy = "give both runs the same seeds in the study, then `uv run dvc repro`"
        raise MissingResult(f"{block.run} and {against} have no seed in common", remedy)
    one, other = (
        np.array([first[model] for model in shared], float),
        np.array([second[model] for model in shared], float),
    )
    difference = one - other
    if len(shared) > 1:
        estimate = statistics.over_seeds(difference, chance.alpha, chance.draws, chance.random())
    else:
        estimate = statistics.over_pictures(difference[0], chance.alpha, chance.draws, chance.random())
    return estimate, f"{one.mean():.1%} against {other.mean():.1%}", difference.shape


def least_error_difference(evidence: Evidence, block: Block, chance: Chance) -> Measurement:
    """Of the runs that `run` names, with spaces between, the one that errs least above `against`.

    The claim is that all of them err more, so the test is that of its weakest part (an intersection-union test).
    """
    names = block.run.split()
    each = [error_difference(evidence, replace(block, run=name), chance) for name in names]
    least, name = min(zip(each, names, strict=True), key=lambda pair: pair[0].estimate.low)
    return replace(
        least,
        said=f"{least.said} ({name} is the least of {len(names)})",
        used=tuple(dict.fromkeys(path for one in each for path in one.used)),
        stages=tuple(dict.fromkeys(stage for one in each for stage in one.stages)),
        seeds=min(one.seeds for one in each),
    )


def error_interaction(evidence: Evidence, block: Block, chance: Chance) -> Measurement:
    """What the first of two changes costs where the second is made, minus what it costs where it is not.

    `run` names two runs with both and with the second change only, `against` those with the first only and with none; so
    of the same seeds on the same pictures (a - b) - (c - d).
    """
    names = (*block.run.split(), *block.against.split())
    for name in names:
        evidence.require_run(name, block.add)
    wrongs, labels = zip(*(evidence.wrong(name, block.metric, block.patches) for name in names), strict=True)
    shared = [model for model in wrongs[0] if all(model in wrong for wrong in wrongs) and model != files.AVERAGED]
    if not shared or not all(np.array_equal(labels[0], other) for other in labels):
        remedy = "give them the same seeds, then `uv run dvc repro`"
        raise MissingResult(f"{', '.join(names)} have no seed, or no pictures, in common", remedy)
    a, b, c, d = (np.array([wrong[model] for model in shared], float) for wrong in wrongs)
    difference = (a - b) - (c - d)
    over = statistics.over_seeds if len(shared) > 1 else _over_first
    return Measurement(
        estimate=over(difference, chance.alpha, chance.draws, chance.random()),
        said=f"{names[0]} {a.mean():.1%}, {names[1]} {b.mean():.1%}, {names[2]} {c.mean():.1%}, {names[3]} {d.mean():.1%}",
        used=tuple(_file(name, block.patches) for name in names),
        stages=tuple(f"{stage}-{name}" for name in names for stage in ("train", "evaluate")),
        seeds=len(shared),
        pictures=difference.shape[1],
        seeds_are_units=len(shared) > 1,
    )


def _over_first(differences: np.ndarray, alpha: float, draws: int, random: np.random.Generator) -> Estimate:
    return statistics.over_pictures(differences[0], alpha, draws, random)


def margin_over_hand_made(evidence: Evidence, block: Block, chance: Chance) -> Measurement:
    """Error of hand-made features minus that of `against`: one classifier against every seed, on the same pictures."""
    evidence.require_run(block.against, block.add)

    def margin(metric: str) -> tuple[Estimate, str, int, int]:
        baseline, labels = evidence.hand_made(metric)
        by_model, their_labels = evidence.wrong(block.against, metric, block.against_patches)
        if not np.array_equal(labels, their_labels):
            raise MissingResult("hand-made features and networks were tested on different pictures", "`uv run dvc repro`")
        networks = np.array([wrong for model, wrong in by_model.items() if model != files.AVERAGED], float)
        over = statistics.over_seeds if len(networks) > 1 else _over_first
        estimate = over(baseline - networks, chance.alpha, chance.draws, chance.random())
        return estimate, f"{baseline.mean():.1%} against {networks.mean():.1%}", len(networks), len(labels)

    estimate, said, seeds, pictures = margin(block.metric)
    return Measurement(
        estimate=estimate,
        top5=margin("top5")[0] if block.metric == "top1" else None,
        said=said,
        used=("hand_made/predictions.csv", _file(block.against, block.against_patches)),
        stages=("hand_made", f"train-{block.against}", f"evaluate-{block.against}"),
        seeds=seeds,
        pictures=pictures,
        seeds_are_units=seeds > 1,
    )


def error_of_average(evidence: Evidence, block: Block, chance: Chance) -> Measurement:
    """The error of the average of all seeds of `run`, with Wilson's interval; it must be of `block.models` networks."""
    evidence.require_run(block.run, block.add)

    def error(metric: str) -> tuple[Estimate, int]:
        by_model, _ = evidence.wrong(block.run, metric, block.patches)
        if len(by_model) - 1 != block.models or files.AVERAGED not in by_model:
            remedy = f"give `{block.run}` {block.models} seeds, then `uv run dvc repro evaluate@{block.run}`"
            raise MissingResult(f"{block.run} has no average of {block.models} networks", remedy)
        wrong = by_model[files.AVERAGED]
        estimate = statistics.over_pictures(wrong.astype(float), chance.alpha, chance.draws, chance.random())
        low, high = statistics.wilson(int(wrong.sum()), wrong.size, 1 - chance.alpha)
        return replace(estimate, low=low, high=high), wrong.size

    estimate, pictures = error(block.metric)
    return Measurement(
        estimate=estimate,
        top5=error("top5")[0] if block.metric == "top1" else None,
        said=f"{estimate.value:.1%}",
        used=(_file(block.run, block.patches),),
        stages=(f"train-{block.run}", f"evaluate-{block.run}"),
        seeds=block.models,
        pictures=pictures,
        seeds_are_units=False,
    )


def error_of_run(evidence: Evidence, block: Block, chance: Chance) -> Measurement:
    """The error of single networks of `run`, averaged over seeds; of one seed with Wilson's interval."""
    evidence.require_run(block.run, block.add)
    estimate, shape = _error_of_run(evidence, block, block.metric, chance)
    top5 = _error_of_run(evidence, block, "top5", chance)[0] if block.metric == "top1" else None
    return Measurement(
        estimate=estimate,
        top5=top5,
        said=f"{estimate.value:.1%}",
        used=(_file(block.run, block.patches),),
        stages=(f"train-{block.run}", f"evaluate-{block.run}"),
        seeds=shape[0],
        pictures=shape[1],
        seeds_are_units=shape[0] > 1,
    )


def _error_of_run(evidence: Evidence, block: Block, metric: str, chance: Chance) -> tuple[Estimate, tuple[int, int]]:
    by_model, _ = evidence.wrong(block.run, metric, block.patches)
    wrong = np.array([wrong for model, wrong in by_model.items() if model != files.AVERAGED], float)
    if not len(wrong):
        raise MissingResult(f"{block.run} has no single network", f"`uv run dvc repro evaluate@{block.run}`")
    if len(wrong) > 1:
        estimate = statistics.over_seeds(wrong, chance.alpha, chance.draws, chance.random())
    else:
        estimate = statistics.over_pictures(wrong[0], chance.alpha, chance.draws, chance.random())
        low, high = statistics.wilson(int(wrong.sum()), wrong.size, 1 - chance.alpha)
        estimate = replace(estimate, low=low, high=high)
    return estimate, wrong.shape


def averaging_gain(evidence: Evidence, block: Block, chance: Chance) -> Measurement:
    """Mean error of single networks of `run` minus the error of their average.

    Pictures are the unit, as there is one average.
    """
    evidence.require_run(block.run, block.add)

    def gain(metric: str) -> tuple[Estimate, str, int]:
        by_model, _ = evidence.wrong(block.run, metric, block.patches)
        singles = [wrong for model, wrong in by_model.items() if model != files.AVERAGED]
        if files.AVERAGED not in by_model or len(singles) < 2:
            remedy = f"give `{block.run}` two seeds or more, then `uv run dvc repro evaluate@{block.run}`"
            raise MissingResult(f"{block.run} has no average of several networks", remedy)
        single, averaged = np.mean(singles, axis=0), by_model[files.AVERAGED].astype(float)
        estimate = statistics.over_pictures(single - averaged, chance.alpha, chance.draws, chance.random())
        return estimate, f"{single.mean():.1%} singly, {averaged.mean():.1%} averaged", len(singles)

    estimate, said, seeds = gain(block.metric)
    return Measurement(
        estimate=estimate,
        top5=gain("top5")[0] if block.metric == "top1" else None,
        said=said,
        used=(_file(block.run, block.patches),),
        stages=(f"train-{block.run}", f"evaluate-{block.run}"),
        seeds=seeds,
        pictures=estimate.units,
        seeds_are_units=False,
    )
