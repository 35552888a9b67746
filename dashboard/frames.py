"""What the stages measured, as data frames: a function a kind of result. Empty frames where there is no result yet."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd

from dashboard.reading import Study, array_of, dictionary_of, made_of, table_of
from study import files
from study.measuring import kernels as kernels_of_figure3
from study.training import outputs

VIEWS = {"ten_patches": "ten patches", "centre_patch": "centre patch"}
MEASURES = {"top1": "top-1", "top5": "top-5"}
ERRORS = ("run", "model", "view", "measure", "wrong", "pictures", "error", "low", "high")


def folders(study: Study, *parts: str) -> list[Path]:
    place = study.folder.joinpath(*parts)
    return sorted(path for path in place.glob("*/") if not path.name.startswith("."))


def runs(study: Study, stage: str) -> list[str]:
    """Names of the runs that have results of a stage; `base` first, since the others are compared with it."""
    return sorted((path.name for path in folders(study, stage)), key=lambda name: (name != "base", name))


def seeds(study: Study, run: str) -> list[int]:
    numbers = [path.name.removeprefix("seed-") for path in folders(study, "train", run) if path.name.startswith("seed-")]
    return sorted(int(number) for number in numbers if number.isdecimal())


def source(study: Study) -> dict[str, Any]:
    return dictionary_of(study, "download/source.json")


def packed(study: Study) -> dict[str, Any]:
    return dictionary_of(study, "prepare/packed.json")


def description(study: Study) -> str:
    """One line on the pictures: what they are, whether synthetic, how many, how large. Empty where nothing says."""
    prepared = made_of(study, "prepare/packed.json", _described, "")
    return prepared or made_of(study, "download/source.json", _described, "")


def _described(content: dict[str, Any]) -> str:
    title, counts = str(content["title"]), content.get("pictures", {})
    parts = [title] + ["synthetic"] * bool(content["synthetic"] and "synthetic" not in title)
    if "classes" in content:
        parts += [f"{len(content['classes']):,} classes", f"{content['size']} pixels"]
    words = {"train": "training", "validation": "validation", "test": "test"}
    return " · ".join(parts + [f"{counts[split]:,} {word}" for split, word in words.items() if split in counts])


def is_synthetic(study: Study) -> bool:
    return bool(packed(study).get("synthetic", source(study).get("synthetic", False)))


def class_names(study: Study) -> list[str]:
    def named(packed: dict[str, Any]) -> list[str]:
        return [str(name) for name in packed.get("class_names", packed["classes"])]

    return made_of(study, "prepare/packed.json", named, [])


def wilson(wrong: int, pictures: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's interval of an error rate (Wilson 1927): `wrong` of `pictures`, as fractions."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    rate, scale = wrong / pictures, 1 + z * z / pictures
    middle = (rate + z * z / (2 * pictures)) / scale
    half = z / scale * math.sqrt(rate * (1 - rate) / pictures + (z / (2 * pictures)) ** 2)
    return max(0.0, middle - half), min(1.0, middle + half)


def errors(study: Study) -> pd.DataFrame:
    """Top-1 and top-5 errors of all runs (ERRORS): a row a model, view and measure, with its counts."""
    rows: list[tuple[Any, ...]] = []
    for run in runs(study, "evaluate"):
        rows += made_of(study, f"evaluate/{run}/metrics.json", partial(_errors, run), [])
    return pd.DataFrame(rows, columns=list(ERRORS))


def _errors(run: str, content: dict[str, Any]) -> list[tuple[Any, ...]]:
    rows, pictures = [], content["pictures"]
    for model, view, measure in product(content["models"], VIEWS, MEASURES):
        wrong = content["models"][model][view][f"{measure}_wrong"]
        rows.append((run, model, view, measure, wrong, pictures, wrong / pictures, *wilson(wrong, pictures)))
    return rows


def hand_made(study: Study) -> dict[str, float]:
    """Top-1 and top-5 error of hand-made features on the same test pictures, as fractions; empty where nothing says."""
    return made_of(study, "hand_made/metrics.json", lambda m: {name: float(m[f"{name}_error"]) for name in MEASURES}, {})


def diverged(study: Study) -> dict[str, list[int]]:
    """By run that has been evaluated, the seeds whose training diverged; runs without are left out."""
    seeds = {run: diverged_in(study, f"evaluate/{run}") for run in runs(study, "evaluate")}
    return {run: those for run, those in seeds.items() if those}


def diverged_in(study: Study, place: str) -> list[int]:
    """Seeds whose training diverged, on which the stage that wrote `place` (`halve`, `evaluate/base`) computed nothing."""
    return made_of(study, f"{place}/metrics.json", lambda content: [int(seed) for seed in content.get("diverged", [])], [])


def class_errors(study: Study, run: str) -> pd.DataFrame:
    """A row a class (files.CLASSES); errors are missing where a class has no test picture."""
    return table_of(study, f"evaluate/{run}/classes.csv", files.CLASSES).dropna(subset=["class", "name", "pictures"])


def curves(study: Study) -> pd.DataFrame:
    """Training curves of all runs: `run`, `seed`, then the columns of outputs.CURVE."""
    return _stacked(
        [
            table_of(study, f"train/{run}/{outputs.seed_folder(seed)}/curve.csv", outputs.CURVE).assign(run=run, seed=seed)
            for run in runs(study, "train")
            for seed in seeds(study, run)
        ],
        ("run", "seed", *outputs.CURVE),
    )


def _judged(metrics: dict[str, Any]) -> tuple[float, list[int]]:
    """The rate that was chosen, and the seeds that are judged."""
    return float(metrics["chosen_rate"]), [int(seed) for seed in metrics["seeds"]]


def convergence(study: Study) -> pd.DataFrame:
    """Figure 1: `curve` (relu, tanh), then the columns of outputs.CONVERGENCE; once it is known what is judged, that alone."""
    tables = []
    for curve in runs(study, "converge"):
        table = table_of(study, f"converge/{curve}/curves.csv", outputs.CONVERGENCE).assign(curve=curve)
        judged = made_of(study, f"converge/{curve}/metrics.json", _judged, None)
        if judged is not None:
            rate, seeds_judged = judged
            table = table[np.isclose(table["rate"].astype(float), rate) & table["seed"].isin(seeds_judged)]
        tables.append(table)
    return _stacked(tables, ("curve", *outputs.CONVERGENCE))


def _of_curves(study: Study, make: Callable[[dict[str, Any]], list[tuple[Any, ...]]], columns: Sequence[str]) -> pd.DataFrame:
    rows, none = [], list[tuple[Any, ...]]()
    for curve in runs(study, "converge"):
        rows += [(curve, *row) for row in made_of(study, f"converge/{curve}/metrics.json", make, none)]
    return pd.DataFrame(rows, columns=["curve", *columns])


def threshold(study: Study) -> float:
    """The training error that Figure 1 waits for, as a fraction; the paper's where no curve is finished."""
    stated = _of_curves(study, lambda metrics: [(float(metrics["threshold"]),)], ["threshold"])["threshold"]
    return float(stated.iloc[0]) if len(stated) else 0.25


def epochs_to_threshold(study: Study) -> pd.DataFrame:
    """A row a curve and seed: epochs until the threshold (missing: never), and epochs trained."""

    def rows(metrics: dict[str, Any]) -> list[tuple[Any, ...]]:
        return [(int(s), made["epochs_to_threshold"], made["epochs"]) for s, made in metrics["seeds"].items()]

    return _of_curves(study, rows, ["seed", "epochs_to_threshold", "epochs"])


def rates_tried(study: Study) -> pd.DataFrame:
    """A row a curve and learning rate: epochs until the threshold with the first seed, and whether it was chosen."""

    def rows(metrics: dict[str, Any]) -> list[tuple[Any, ...]]:
        chosen = metrics["chosen_rate"]
        return [(made["rate"], made["epochs_to_threshold"], made["rate"] == chosen) for made in metrics["tried"]]

    return _of_curves(study, rows, ["rate", "epochs_to_threshold", "chosen"])


def columns(study: Study, run: str) -> int:
    """Columns of a run's network (Figure 2), from what its training recorded; one where it did not."""
    return made_of(study, f"provenance/train-{run}.json", lambda made: int(made["run"]["network"].get("columns", 1)), 1)


def diverged_trainings(study: Study) -> dict[str, list[int]]:
    """By run or curve (`converge relu`) the seeds whose training diverged; those without are left out."""

    def failed(metrics: dict[str, Any]) -> list[int]:
        return [int(seed) for seed, end in metrics["seeds"].items() if end.get("status") == "diverged"]

    places = {run: f"train/{run}" for run in runs(study, "train")}
    places |= {f"converge {curve}": f"converge/{curve}" for curve in runs(study, "converge")}
    none: list[int] = []
    found = {name: made_of(study, f"{place}/metrics.json", failed, none) for name, place in places.items()}
    return {name: seeds for name, seeds in found.items() if seeds}


def colourfulness(study: Study, run: str) -> pd.DataFrame:
    """A row a first-layer kernel of a run of two columns: seed, column, share of energy off the grey axis (0 to 1)."""
    tables = []
    for seed in seeds(study, run):
        kernels = array_of(study, f"train/{run}/{outputs.seed_folder(seed)}/kernels.npy")
        if kernels is None or kernels.ndim != 4 or len(kernels) % 2:
            continue
        column = np.repeat([1, 2], len(kernels) // 2)
        table = pd.DataFrame({"seed": seed, "column": column, "share": kernels_of_figure3.colourfulness(kernels)})
        tables.append(table.assign(place=[f"seed {seed}, column {number}" for number in column]))
    return _stacked(tables, ("seed", "column", "share", "place"))


def _stacked(tables: list[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    filled = [table[list(columns)] for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=list(columns))


def match_rates(study: Study) -> dict[str, float]:
    """Shares of neighbours that are of the query's class, by what was compared."""
    named = {"by features": "features_match", "by the untrained network": "untrained_match", "by pixels": "pixels_match"}
    named |= {"by chance": "chance"}
    return made_of(study, "retrieve/metrics.json", lambda m: {name: float(m[key]) for name, key in named.items() if key in m}, {})


def neighbours(study: Study) -> pd.DataFrame:
    return table_of(study, "retrieve/neighbours.csv", files.NEIGHBOURS).dropna().reset_index(drop=True)


def masks(study: Study) -> pd.DataFrame:
    """A row a mean: `mean` (geometric, arithmetic, halved), `masks`, `divergence` in nats, `top1_error` as a fraction."""

    def rows(metrics: dict[str, Any]) -> list[tuple[Any, ...]]:
        found = []
        for name, far in metrics["divergence"].items():
            mean, _, count = name.partition("_")
            found.append((mean, int(count or 0), float(far), float(metrics["top1_error"][name])))
        return found

    empty: list[tuple[Any, ...]] = []
    without = dictionary_of(study, "halve/metrics.json").get("pictures") == 0  # no dropout, nothing to measure
    measured = not without and not diverged_in(study, "halve")
    made = made_of(study, "halve/metrics.json", rows, empty) if measured else empty
    return pd.DataFrame(made, columns=["mean", "masks", "divergence", "top1_error"])


def step_times(study: Study) -> pd.DataFrame:
    return table_of(study, "cost/rounds.csv", files.COSTS).dropna().reset_index(drop=True)


def step_memory(study: Study) -> pd.DataFrame:
    """A row a network: GiB at the peak of a step, on one device and on each of two."""

    def rows(metrics: dict[str, Any]) -> list[tuple[Any, ...]]:
        networks = {f"this study's {metrics['run']}": ("memory", metrics["batch"]), "the paper's": ("memory_of_the_paper", 128)}
        return [
            (name, batch, *(" and ".join(f"{size / 2**30:.2f}" for size in metrics[key].get(n, [])) for n in ("1", "2")))
            for name, (key, batch) in networks.items()
            if metrics[key]
        ]

    empty: list[tuple[Any, ...]] = []
    columns = ["network", "pictures a step", "GiB on one device", "GiB on each of two"]
    return pd.DataFrame(made_of(study, "cost/metrics.json", rows, empty), columns=columns)


def provenance(study: Study) -> dict[str, dict[str, Any]]:
    """What made the results of each stage, by the stage's name."""
    names = sorted(path.name for path in (study.folder / "provenance").glob("*.json"))
    read = {name.removesuffix(".json"): dictionary_of(study, f"provenance/{name}") for name in names}
    made = {stage: content for stage, content in read.items() if content}
    return dict(sorted(made.items(), key=lambda pair: str(pair[1].get("started"))))
