"""Claims about one trained network: kernels that specialise (Figure 3), neighbours (Figure 4), halved outputs (section 4.2)."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from study.judging import statistics
from study.judging.evidence import Evidence, MissingResult
from study.judging.measurement import Chance, Measure, Measurement
from study.judging.protocol import Block
from study.measuring import kernels


def kernel_specialisation(evidence: Evidence, block: Block, chance: Chance) -> Measurement:
    """Colourfulness of one column's kernels minus the other's, in the seed where they differ least ("every run")."""
    evidence.require_run(block.run, block.add)
    by_seed = evidence.kernels(block.run)
    try:
        columns = [kernels.by_column(of_seed) for of_seed in by_seed.values()]
    except ValueError as error:
        raise MissingResult(f"{block.run}: {error}", "name a run with two columns in protocol.yaml") from None
    estimate = statistics.least_separated(columns, chance.alpha, chance.draws, chance.random())
    return Measurement(
        estimate=estimate,
        said="; ".join(f"{a.mean():.2f} and {b.mean():.2f}" for a, b in columns),
        used=tuple(f"train/{block.run}/{seed}/kernels.npy" for seed in by_seed),
        stages=(f"train-{block.run}",),
        seeds=len(by_seed),
        seeds_are_units=False,
        units="first-layer kernels",
    )


def _over_queries(score: Callable[[pd.DataFrame], pd.Series], said: str) -> Measure:
    """A measurement: a number of each query's neighbours (Figure 4); queries are the unit, of one network."""

    def measure(evidence: Evidence, block: Block, chance: Chance) -> Measurement:
        scores = score(evidence.neighbours(block.run)).to_numpy(float)
        estimate = statistics.over_pictures(scores, chance.alpha, chance.draws, chance.random())
        return Measurement(
            estimate=estimate,
            said=f"{said}, mean over {len(scores)} queries",
            used=("retrieve/neighbours.csv",),
            stages=(f"train-{block.run}", "retrieve"),
            seeds=1,
            pictures=len(scores),
            seeds_are_units=False,
        )

    return measure


def _match(table: pd.DataFrame) -> pd.Series:
    by_features = (table["neighbour_label"] == table["label"]).groupby(table["query"]).mean()
    return by_features - (table["pixel_label"] == table["label"]).groupby(table["query"]).mean()


def _far_in_pixels(table: pd.DataFrame) -> pd.Series:
    shares = {query: 1 - rows["neighbour"].isin(rows["pixel_neighbour"]).mean() for query, rows in table.groupby("query")}
    return pd.Series(shares) - 0.5


def halved_outputs(evidence: Evidence, block: Block, chance: Chance) -> Measurement:
    """How much nearer halved outputs are to the geometric mean of many masks than one mask is, in nats a picture."""
    evidence.require_run(block.run, block.add)
    table = evidence.divergences(block.run)
    nearer = (table["geometric_1"] - table["halved"]).to_numpy(float)
    far = table.mean()
    as_good = next((n for n in (3, 10, 30, 100) if far[f"geometric_{n}"] <= far["halved"]), None)
    like = f"the mean of {as_good} masks {far[f'geometric_{as_good}']:.3g}" if as_good else "nearer than the mean of 100 masks"
    return Measurement(
        estimate=statistics.over_pictures(nearer, chance.alpha, chance.draws, chance.random()),
        said=f"halved outputs {far['halved']:.3g} nats from the mean of many masks, one mask {far['geometric_1']:.3g}, {like}",
        used=("halve/divergences.csv",),
        stages=(f"train-{block.run}", "halve"),
        seeds=1,
        pictures=len(table),
        seeds_are_units=False,
        in_points=False,
    )


neighbour_match = _over_queries(_match, "share of the query's class, features minus pixels")
neighbours_far_in_pixels = _over_queries(_far_in_pixels, "share not among the pixel neighbours, minus a half")
