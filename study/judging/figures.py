"""Claims about Figures 3 and 4: kernels that specialise, neighbours in the last hidden layer."""

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


neighbour_match = _over_queries(_match, "share of the query's class, features minus pixels")
neighbours_far_in_pixels = _over_queries(_far_in_pixels, "share not among the pixel neighbours, minus a half")
