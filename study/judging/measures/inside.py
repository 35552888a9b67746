"""Measures of what networks are like inside: kernels (Figure 3), neighbours (Figure 4), halved outputs (section 4.2)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from study import files
from study.amounts import amount
from study.judging.evidence import Evidence, MissingResult
from study.judging.measurement import Arms, Measurement, Paired
from study.judging.protocol import Block
from study.measuring import kernels
from study.training import outputs

GUESSING = "guessing the commonest class"
NO_COLOUR = "kernels of which nearly none, or nearly all, have learned colour"
ENOUGH = 0.25  # of a share sorted right beyond chance: with five coloured kernels of 24 it can be reached
RARE = 0.05  # how often chance may sort the kernels of a seed that specialises


def kernels_apart(evidence: Evidence, block: Block) -> Measurement:
    """How far apart the columns' kernels of `run` are in learned colourfulness, minus the same of a network without columns.

    A number a seed: the gap between the halves' means beyond chance (study/measuring/kernels.py). In `against`, which has no
    columns, every half of kernels that stand in a row is one, and their mean counts.
    """
    return _columns_and_halves(evidence, block, kernels.gap_beyond_chance, "apart in colour")


def kernels_sorted(evidence: Evidence, block: Block) -> Measurement:
    """How well colour sorts the kernels of `run` into its columns, minus the same of a network without columns.

    A number a seed, from 0 (as chance would) to 1 (every kernel); halves of `against` as in `kernels_apart`.
    """
    return _columns_and_halves(evidence, block, kernels.sorted_beyond_chance, "sorted right beyond chance")


def _columns_and_halves(evidence: Evidence, block: Block, score: Callable[[np.ndarray], float], said: str) -> Measurement:
    evidence.require_run(block.run, block.against, add=block.add)
    columns, without = (_colours(evidence, run) for run in (block.run, block.against))
    if len(columns[0]) != len(without[0]):
        what = f"{block.run} has {len(columns[0])} kernels in conv1 and {block.against} {len(without[0])}"
        raise MissingResult(what, f"give `{block.against}` as many kernels as `{block.run}` has")
    one = np.array([score(colours) for colours in columns])
    other = np.array([_mean_over_halves(colours, score) for colours in without])
    return Measurement(
        sample=Arms(first=one, second=other),
        said=f"columns of {block.run} {_each(one)} {said}, halves of {block.against} {_each(other)}",
        files=_kernel_files(evidence, block.run, block.against),
        stages=tuple(f"{stage}-{run}" for run in (block.run, block.against) for stage in ("train", "evaluate")),
        learned=_colour_to_sort(evidence, block.run, [columns, without], score),
        floor=NO_COLOUR,
        units="seeds",
        remarks=(
            f"sorted beyond chance (5%) in {_not_by_chance(columns)} seeds of {block.run}, {_not_by_chance(without)} of "
            f"{block.against}",
        ),
    )


def _not_by_chance(colours: list[np.ndarray]) -> str:
    return f"{sum(kernels.chance_of_sorting(of_seed) < RARE for of_seed in colours)} of {len(colours)}"


def _exact_interval(successes: int, of: int) -> str:
    """The 95% interval of a share by Clopper and Pearson (1934)."""
    from scipy.stats import binomtest

    interval = binomtest(successes, of).proportion_ci(0.95)
    return f"{interval.low:.0%} to {interval.high:.0%}"


def runs_that_specialise(evidence: Evidence, block: Block) -> Measurement:
    """In what share of the seeds of `run` its kernels specialise, minus one half.

    A seed's kernels do where chance would sort as many of them right into two columns in fewer than one of twenty cases.
    """
    evidence.require_run(block.run, add=block.add)
    columns = _colours(evidence, block.run)
    specialised = np.array([kernels.chance_of_sorting(colours) < RARE for colours in columns])
    return Measurement(
        sample=Paired(effects=specialised[:, None] - 0.5),
        said=f"in {specialised.sum()} of {len(columns)} seeds of {block.run}, "
        f"sorted right beyond chance {_each(np.array([kernels.sorted_beyond_chance(colours) for colours in columns]))}",
        files=_kernel_files(evidence, block.run),
        stages=(f"train-{block.run}", f"evaluate-{block.run}"),
        learned=_colour_to_sort(evidence, block.run, [columns], kernels.sorted_beyond_chance),
        floor=NO_COLOUR,
        units="seeds",
        remarks=(
            "50% would be all seeds, as the paper says; shown to specialise are "
            f"{_exact_interval(int(specialised.sum()), len(columns))} of all (exact 95% interval)",
        ),
    )


def _colours(evidence: Evidence, run: str) -> list[np.ndarray]:
    """Learned colourfulness of the first layer's kernels, (kernels,) a seed."""
    found = []
    for seed, end in evidence.kernels(run).items():
        name = f"train/{run}/{outputs.seed_folder(seed)}/kernels-by-epoch.npz"
        kept = evidence.arrays(name, f"train@{run}")
        start = kept["kernels"][kept["epochs"] == 0]
        if len(start) != 1 or start[0].shape != end.shape:
            raise evidence.cut_off(name, f"train@{run}")
        found.append(kernels.learned_colourfulness(start[0], end))
        try:
            kernels.halves(found[-1])
        except ValueError as error:
            raise MissingResult(f"the first layer of {run}: {error}", "name another run in protocol.yaml") from None
    return found


def _mean_over_halves(colours: np.ndarray, score: Callable[[np.ndarray], float]) -> float:
    """Of a network without columns: the mean over all halves of kernels that stand in a row, the last beside the first."""
    return float(np.mean([score(np.roll(colours, shift)) for shift in range(len(colours) // 2)]))


def _colour_to_sort(evidence: Evidence, run: str, of_runs: list[list[np.ndarray]], score: Callable[[np.ndarray], float]) -> float:
    """What the score would be if the kernels there are stood sorted by colour, in the run where that is least.

    0 where in some run so few kernels, or so few others, are coloured that they could hardly be sorted by it: such a run has
    nothing to put into columns, and is no control of one that has.
    """

    def at_best(how: Callable[[np.ndarray], float]) -> float:
        return min(float(np.mean([how(np.sort(colours)) for colours in seeds])) for seeds in of_runs)

    enough = evidence.learned(run) and at_best(kernels.sorted_beyond_chance) >= ENOUGH
    return at_best(score) if enough else 0.0


def _kernel_files(evidence: Evidence, *runs: str) -> tuple[str, ...]:
    return tuple(
        f"train/{run}/{outputs.seed_folder(seed)}/{name}"
        for run in runs
        for seed in evidence.seeds(run)
        for name in ("kernels.npy", "kernels-by-epoch.npz")
    )


def _each(numbers: np.ndarray) -> str:
    return ", ".join(f"{number:.2f}" for number in numbers)


def neighbour_match(evidence: Evidence, block: Block) -> Measurement:
    """Share of a query's neighbours that are of its class: by features, minus by those of the untrained network."""
    return _of_matches(evidence, block, "features_match", "untrained_match", "share of the query's class")


def neighbours_far_in_pixels(evidence: Evidence, block: Block) -> Measurement:
    """Mean percentile in pixel distance of the neighbours found: by features, minus by those of the untrained network."""
    return _of_matches(evidence, block, "features_percentile", "untrained_percentile", "percentile in pixel distance")


def _of_matches(evidence: Evidence, block: Block, trained: str, untrained: str, said: str) -> Measurement:
    evidence.require_run(block.run, add=block.add)
    evidence.seeds(block.run)  # of trainings that diverged no stage computes anything
    metrics = evidence.metrics("retrieve/metrics.json", "retrieve")
    if metrics.get("run") != block.run:
        raise MissingResult(f"the neighbours are those of {metrics.get('run')}, not of {block.run}", "set retrieve.run to it")
    table = evidence.table("retrieve/matches.csv", "retrieve", files.MATCHES)
    one, other = (table.pivot(index="seed", columns="query", values=column).to_numpy(float) for column in (trained, untrained))
    if not np.isfinite(one - other).all():
        raise evidence.cut_off("retrieve/matches.csv", "retrieve")
    return Measurement(
        sample=Paired(effects=one - other),
        said=f"{said} {amount(one.mean(), 'share')} by features, {amount(other.mean(), 'share')} by those of the untrained "
        "network",
        files=("retrieve/matches.csv",),
        stages=(f"train-{block.run}", f"evaluate-{block.run}", "retrieve"),
        learned=evidence.learned(block.run),
        floor=GUESSING,
        units="queries",
        remarks=("pictures drawn at random have a percentile of 50%; the test asks whether training raised it",)
        if "percentile" in said
        else (),
    )


def halved_outputs(evidence: Evidence, block: Block) -> Measurement:
    """How much nearer halved outputs are to the geometric mean of many masks than one mask is, in nats a picture.

    Where one mask is hardly away from it, masks do not matter to what the network says, and nothing is shown.
    """
    evidence.require_run(block.run, add=block.add)
    evidence.seeds(block.run)  # of trainings that diverged no stage computes anything
    metrics = evidence.metrics("halve/metrics.json", "halve")
    if metrics.get("run") != block.run:
        raise MissingResult(f"the halved outputs are not those of {block.run}", f"set halve.run to {block.run}")
    if metrics.get("pictures") == 0:
        raise MissingResult(f"the network of {block.run} has no dropout", "name a run with dropout")
    table = evidence.table("halve/divergences.csv", "halve", files.DIVERGENCES, metrics.get("pictures"))
    far, learned = table.mean(), evidence.learned(block.run)
    as_good = next((n for n in (3, 10, 30, 100) if far[f"geometric_{n}"] <= far["halved"]), None)
    like = f"the mean of {as_good} masks {far[f'geometric_{as_good}']:.3g}" if as_good else "nearer than the mean of 100 masks"
    return Measurement(
        sample=Paired(effects=(table["geometric_1"] - table["halved"]).to_numpy(float)[None]),
        said=f"halved outputs {far['halved']:.3g} nats from the mean of many masks, one mask {far['geometric_1']:.3g}, {like}",
        files=("halve/divergences.csv",),
        stages=(f"train-{block.run}", f"evaluate-{block.run}", "halve"),
        learned=float(far["geometric_1"]) if learned else 0.0,
        floor="predictions that do not depend on the mask" if learned else GUESSING,
    )


def off_centre(evidence: Evidence, block: Block) -> Measurement:
    """Share of pictures named right whose object lies far from the centre, minus half of that share of central objects.

    Far and central are the outer and the inner quarter of the test pictures by the distance of their objects, which the
    study's pictures must say (files.OBJECTS).
    """
    evidence.require_run(block.run, add=block.add)
    name = "prepare/objects.csv"
    if not (evidence.folder / name).is_file():
        raise MissingResult(f"the pictures of {evidence.study} do not say where their objects are", block.add)
    made = evidence.errors(block.run)
    distances = (
        evidence.table(name, "prepare", files.OBJECTS, len(made.labels)).sort_values("picture")["distance"].to_numpy(float)
    )
    order, quarter = np.argsort(distances, kind="stable"), len(distances) // 4
    if not quarter:
        raise MissingResult(f"{evidence.study} has {len(distances)} test pictures", "four test pictures or more")
    central, far = (~made.wrong[:, rows] for rows in (order[:quarter], order[-quarter:]))
    return Measurement(
        sample=Paired(effects=np.concatenate([2.0 * far, -1.0 * central], axis=1)),  # its mean is that of far minus half
        said=f"named right {amount(far.mean(), 'share')} of {quarter} far objects, {amount(central.mean(), 'share')} of as many "
        "central ones",
        files=(made.file, name),
        stages=(f"train-{block.run}", f"evaluate-{block.run}"),
        learned=evidence.learned(block.run),
        floor=GUESSING,
        remarks=(
            f"the middles of the far objects lie {distances[order[-quarter]]:.0%} to {distances[order[-1]]:.0%} of the width "
            "from the picture's; most objects of the built-in pictures are so large that they still cover it",
            f"far objects are named right {central.mean() - far.mean():.1%} less often than central ones; asked is only whether "
            "more than half as often",
        ),
    )
