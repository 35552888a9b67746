"""What the stages measured, as data frames: a function a kind of result. Empty frames where there is no result yet."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial
from itertools import product
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd

from dashboard import shown_pictures
from dashboard.reading import Study, array_of, arrays_of, dictionary, dictionary_of, made_of, table_of, text_of
from study import files
from study import predictions as predicting
from study.measuring import kernels as kernels_of_figure3
from study.paper import numbers
from study.predictions import Predictions
from study.training import outputs

VIEWS = {"ten_patches": "ten patches", "centre_patch": "centre patch"}
MEASURES = {"top1": "top-1", "top5": "top-5"}
MAPPED = 2000  # pictures of the map of the last hidden layer, at most
ERRORS = ("run", "model", "view", "measure", "wrong", "pictures", "error", "low", "high")


def folders(study: Study, *parts: str) -> list[Path]:
    place = study.folder.joinpath(*parts)
    return sorted(path for path in place.glob("*/") if not path.name.startswith("."))


def runs(study: Study, stage: str) -> list[str]:
    """Names of the runs that have results of a stage: `base` first, since the others are compared with it, then the run whose
    neighbours and probabilities are kept."""
    looked_into = retrieved(study).get("run")
    return sorted((path.name for path in folders(study, stage)), key=lambda name: (name != "base", name != looked_into, name))


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
    parts += [f"{counts[split]:,} {word}" for split, word in words.items() if split in counts]
    if learned := content.get("also_in_training", {}).get("test"):
        parts.append(f"{learned:,} of the test pictures are training pictures too")
    return " · ".join(parts)


def called(study: Study) -> str:
    """A study by its pictures, for a sentence: `CIFAR-10 (10 classes, 32 pixels)`; by its address where nothing says."""

    def told(content: dict[str, Any]) -> str:
        title = str(content["title"]).partition(" (")[0]
        return f"{title} ({len(content['classes']):,} classes, {content['size']} pixels)"

    return made_of(study, "prepare/packed.json", told, "") or study.address


def is_synthetic(study: Study) -> bool:
    return bool(packed(study).get("synthetic", source(study).get("synthetic", False)))


IMAGEWOOF = {  # whose folders have no list of words
    "n02086240": "Shih-Tzu",
    "n02087394": "Rhodesian ridgeback",
    "n02088364": "beagle",
    "n02089973": "English foxhound",
    "n02093754": "Border terrier",
    "n02096294": "Australian terrier",
    "n02099601": "golden retriever",
    "n02105641": "Old English sheepdog",
    "n02111889": "Samoyed",
    "n02115641": "dingo",
}


def class_names(study: Study, labels: int = 0) -> list[str]:
    """The names of the classes by label; where fewer than `labels` are known, the others are called `class 17`.

    Of ImageNet's classes (`n01910747`), which have several names each, the first where no other class has it.
    """

    def named(packed: dict[str, Any]) -> list[str]:
        whole = [IMAGEWOOF.get(str(name), str(name)) for name in packed.get("class_names", packed["classes"])]
        of_imagenet = all(re.fullmatch(r"n\d{8}", str(one)) for one in packed["classes"])
        first = [name.split(",")[0] for name in whole] if of_imagenet else whole
        return [one if first.count(one) == 1 else name for one, name in zip(first, whole, strict=True)]

    none: list[str] = []
    known = made_of(study, "prepare/packed.json", named, none)
    return known + [f"class {label}" for label in range(len(known), labels)]


def wilson(wrong: float, pictures: int, confidence: float = 0.95) -> tuple[float, float]:
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
    table = table_of(study, f"evaluate/{run}/classes.csv", files.CLASSES).dropna(subset=["class", "name", "pictures"])
    names = class_names(study)
    short = {int(label): name for label, name in enumerate(names)}
    told = [
        short[int(label)] if name.startswith(short.get(int(label), name + ",")) else IMAGEWOOF.get(name, name)
        for label, name in zip(table["class"], table["name"].astype(str), strict=True)
    ]
    return table.assign(name=told)


def curves(study: Study) -> pd.DataFrame:
    """Training curves of all runs: `run`, `seed`, then the columns of outputs.CURVE."""
    return _of_trainings(study, "curve.csv", outputs.CURVE)


def _of_trainings(study: Study, name: str, columns: tuple[str, ...]) -> pd.DataFrame:
    """A table that every training writes, those of all runs and seeds under one another."""
    tables = {
        (run, seed): table_of(study, f"train/{run}/{outputs.seed_folder(seed)}/{name}", columns)
        for run in runs(study, "train")
        for seed in seeds(study, run)
    }
    if filled := {training: table for training, table in tables.items() if len(table)}:
        return pd.concat(filled, names=["run", "seed"]).reset_index(["run", "seed"]).reset_index(drop=True)
    return pd.DataFrame(columns=["run", "seed", *columns])


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

    table = _of_curves(study, rows, ["seed", "epochs_to_threshold", "epochs"])
    return table.assign(epochs_to_threshold=pd.to_numeric(table["epochs_to_threshold"], errors="coerce"))


def rates_tried(study: Study) -> pd.DataFrame:
    """A row a curve and learning rate: epochs until the threshold with the race's seed, and how the race ended for it."""
    ended = {"stopped": "another was faster", "diverged": "diverged", "crossed": "crossed later"}

    def rows(metrics: dict[str, Any]) -> list[tuple[Any, ...]]:
        return [
            (made["rate"], made["epochs_to_threshold"], "chosen" if made["rate"] == metrics["chosen_rate"] else
             ended.get(str(made.get("status")), f"not in {made['epochs']} epochs"))
            for made in metrics["tried"]
        ]  # fmt: skip

    return _of_curves(study, rows, ["rate", "epochs_to_threshold", "ended"])


def rates_chosen(study: Study) -> list[tuple[str, float, bool]]:
    """By curve: the learning rate that is judged, and whether it lies at the edge of those tried."""

    def rows(metrics: dict[str, Any]) -> list[tuple[Any, ...]]:
        return [(float(metrics["chosen_rate"]), bool(metrics.get("at_edge")))]

    table = _of_curves(study, rows, ["rate", "at_edge"])
    return list(table.itertuples(index=False, name=None))


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


def kernels_by_epoch(study: Study, run: str, seed: int) -> dict[int, np.ndarray]:
    """First-layer kernels (n, h, w, RGB) by the epochs at which they were kept, 0 being the start; the last ones alone where
    no others were; empty where there are none."""
    folder = f"train/{run}/{outputs.seed_folder(seed)}"
    kept = arrays_of(study, f"{folder}/kernels-by-epoch.npz")
    if {"epochs", "kernels"} <= set(kept) and kept["kernels"].ndim == 5 and len(kept["epochs"]) == len(kept["kernels"]):
        return {int(epoch): kernels.astype(np.float32) for epoch, kernels in zip(kept["epochs"], kept["kernels"], strict=True)}
    last = array_of(study, f"{folder}/kernels.npy")
    if last is None or last.ndim != 4 or not len(last):
        return {}
    curve = table_of(study, f"{folder}/curve.csv", outputs.CURVE)["epoch"]
    return {int(curve.max()) if len(curve) else 1: np.asarray(last)}


def colourfulness(study: Study, run: str) -> pd.DataFrame:
    """A row a first-layer kernel of a run of two columns: seed, column, share (0 to 1), and what the share is.

    `learned`: the share of a kernel's energy that it learned and that lies off the grey axis, where its start was kept; else
    the share of all of its energy, two thirds of which noise has too.
    """
    tables = []
    for seed in seeds(study, run):
        by_epoch = kernels_by_epoch(study, run, seed)
        if not by_epoch or len(by_epoch[max(by_epoch)]) % 2:
            continue
        end = by_epoch[max(by_epoch)]
        learned = 0 in by_epoch and max(by_epoch) > 0
        share = kernels_of_figure3.learned_colourfulness(by_epoch[0], end) if learned else kernels_of_figure3.colourfulness(end)
        column = np.repeat([1, 2], len(end) // 2)
        tables.append(pd.DataFrame({"seed": seed, "column": column, "share": share, "learned": learned}))
    return _stacked(tables, ("seed", "column", "share", "learned"))


def fuller_by_chance(coloured: Iterable[int], half: int) -> float:
    """Which share of all coloured kernels lies in the fuller column of their seed where colour falls on kernels by chance.

    `coloured` of each seed, columns of `half` kernels each: the mean of the larger part, a hypergeometric number. NaN for none.
    """
    counts = [count for count in coloured if count]
    larger = sum(
        max(first, count - first) * math.comb(half, first) * math.comb(half, count - first) / math.comb(2 * half, count)
        for count in counts
        for first in range(count + 1)
    )
    return larger / sum(counts) if counts else math.nan


def layers(study: Study) -> pd.DataFrame:
    """What was measured of the layers while the runs were trained: `run`, `seed`, then the columns of outputs.LAYERS."""
    return _of_trainings(study, "layers.csv", outputs.LAYERS)


def kernel_fits(study: Study, run: str) -> pd.DataFrame:
    """What was fitted to a run's first kernels (files.KERNELS), trained (`when` is end) and untrained (start)."""
    return table_of(study, f"evaluate/{run}/kernels.csv", files.KERNELS).dropna().reset_index(drop=True)


def exciting(study: Study, run: str) -> pd.DataFrame:
    """The patches that excite each first kernel most (files.PATCHES)."""
    return table_of(study, f"evaluate/{run}/patches.csv", files.PATCHES).dropna().reset_index(drop=True)


def built(study: Study, run: str) -> dict[str, Any]:
    """A run's network as it was built, layer by layer (study/measuring/architecture.py); empty where nothing says."""
    none: dict[str, Any] = {}

    learned = ("size", "stride", "inputs", "parameters", "multiplications", "crosses")

    def layer(given: dict[str, Any]) -> dict[str, Any]:
        known: dict[str, Any] = {name: str(given[name]) for name in ("name", "kind")}
        known |= {name: int(given[name]) for name in ("maps", "side", "field")}
        return known | ({name: int(given[name]) for name in learned} | {"sees": str(given["sees"])} if "inputs" in given else {})

    def whole(content: dict[str, Any]) -> dict[str, Any]:
        layers = [layer(given) for given in content["layers"]]
        return {"columns": int(content["columns"]), "input": int(content["input"]), "layers": layers}

    return made_of(study, f"evaluate/{run}/network.json", whole, none)


def hidden_map(study: Study) -> tuple[np.ndarray, float]:
    """Two coordinates a test picture in the last hidden layer, its two main axes, with their share of the variance; empty
    where they were not computed. The first MAPPED pictures suffice for a map."""
    table = table_of(study, "retrieve/map.csv", files.MAP).dropna().head(MAPPED)
    share = made_of(study, "retrieve/metrics.json", lambda metrics: float(metrics["map_share"]), 0.0) if len(table) else 0.0
    return table[["across", "down"]].to_numpy(float), share


def _stacked(tables: list[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    filled = [table[list(columns)] for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=list(columns))


def match_rates(study: Study) -> dict[str, float]:
    """Shares of neighbours that are of the query's class, the means over the seeds, by what was compared."""
    named = {"by features": "features_match", "by the untrained network": "untrained_match", "by pixels": "pixels_match"}
    named |= {"by chance": "chance"}
    return made_of(study, "retrieve/metrics.json", partial(_over_seeds, named), {})


def _over_seeds(named: dict[str, str], metrics: dict[str, Any]) -> dict[str, float]:
    """The means over the seeds of what the search measured; of one seed where the others were not searched."""
    seeds = list(metrics.get("seeds", {}).values())
    each = {name: [float(one[key]) for one in seeds if key in one] for name, key in named.items()}
    return {name: float(np.mean(each[name] or metrics[key])) for name, key in named.items() if each[name] or key in metrics}


def precision(study: Study) -> pd.DataFrame:
    """A row a way to compare pictures and a measure: `by`, `measure` (1, 6, 50 neighbours, or average), mean, low, high."""

    def rows(metrics: dict[str, Any]) -> list[tuple[Any, ...]]:
        return [
            (by, measure, float(told["mean"]), float(told["low"]), float(told["high"]))
            for by, measures in metrics["precision"].items()
            for measure, told in measures.items()
            if told
        ]

    there = "precision" in dictionary_of(study, "retrieve/metrics.json")
    empty: list[tuple[Any, ...]] = []
    made = made_of(study, "retrieve/metrics.json", rows, empty) if there else empty
    return pd.DataFrame(made, columns=["by", "measure", "mean", "low", "high"])


def retrieval(study: Study) -> tuple[str, int, int, float]:
    """Of which run, of how many queries and seeds, and how often a picture drawn at random has the query's class."""
    unknown = ("not known", 0, 0, math.nan)
    return made_of(
        study, "retrieve/metrics.json",
        lambda metrics: (str(metrics["run"]), int(metrics["queries"]), len(metrics["seeds"]), float(metrics["chance"])), unknown,
    )  # fmt: skip


def others(study: Study) -> pd.DataFrame:
    """Neighbours by colours and by an untrained network (files.OTHERS)."""
    return table_of(study, "retrieve/others.csv", files.OTHERS).dropna().reset_index(drop=True)


def percentiles(study: Study) -> dict[str, float]:
    """How far away in pixels neighbours are, as a percentile from 0 to 1, the mean over the seeds, by what was compared."""
    named = {"features": "features_percentile", "an untrained network": "untrained_percentile"}
    return made_of(study, "retrieve/metrics.json", partial(_over_seeds, named), {})


def by_distance(study: Study, run: str, model: str, parts: int = 8) -> pd.DataFrame:
    """Error by how far the object is from the centre of its test picture, in parts of equally many: `distance` (the mean, in
    widths of the picture), `pictures`, `wrong`, `error`, and Wilson's 95% interval. Empty where pictures do not say."""
    columns = ["distance", "pictures", "wrong", "error", "low", "high"]
    found, objects = predictions(study, run), table_of(study, "prepare/objects.csv", files.OBJECTS).dropna()
    if found is None or model not in found.best or len(objects) != len(found.labels):
        return pd.DataFrame(columns=columns)
    far = objects.sort_values("picture")["distance"].to_numpy(float)
    wrong = found.best[model][:, 0] != found.labels
    rows = [
        (float(far[of].mean()), len(of), int(wrong[of].sum()), float(wrong[of].mean()), *wilson(float(wrong[of].sum()), len(of)))
        for of in np.array_split(np.argsort(far, kind="stable"), parts)
        if len(of)
    ]
    return pd.DataFrame(rows, columns=columns)


def masks_by_picture(study: Study) -> pd.DataFrame:
    """A row a picture of which outputs were halved, and a mean: `picture`, `label`, `mean` (1, 3, ... masks, many, halved), and
    `right`, 1 or 0. Empty where nothing says."""
    counts = ("1", "3", "10", "30", "100")
    names = {f"right_geometric_{count}": count for count in counts} | {"right_many": "many", "right_halved": "halved"}
    head = text_of(study, "halve/divergences.csv").partition("\n")[0]
    if diverged_in(study, "halve") or "right_many" not in head:  # older results do not say it
        return pd.DataFrame(columns=["picture", "label", "mean", "right"])
    table = table_of(study, "halve/divergences.csv", ("picture", "label", *names)).dropna()
    long = table.rename(columns=names).melt(["picture", "label"], var_name="mean", value_name="right")
    return long.astype({"picture": int, "label": int, "right": int})


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


def shares_of_a_step(study: Study) -> dict[str, float]:
    """By where pictures come from, the share of a step's time that a step on one batch again does not take."""
    by_way = step_times(study).pivot_table(index="round", columns="way", values="seconds")
    if "one batch again" not in by_way:
        return {}
    return {str(way): float((1 - by_way["one batch again"] / by_way[way]).mean()) for way in by_way.columns}


def step_memory(study: Study) -> pd.DataFrame:
    """A row a network: pictures a step, and GiB at its peak on one device and on each of two."""

    def rows(metrics: dict[str, Any]) -> list[tuple[Any, ...]]:
        networks = {f"this study's {metrics['run']}": ("memory", metrics["batch"]), "the paper's": ("memory_of_the_paper", 128)}
        return [
            (name, batch, one[0] / 2**30, *(size / 2**30 for size in (two or (math.nan, math.nan))[:2]))
            for name, (key, batch) in networks.items()
            if metrics[key] and (one := metrics[key].get("1"))
            for two in [metrics[key].get("2")]
        ]

    empty: list[tuple[Any, ...]] = []
    columns = ["network", "pictures a step", "GiB on one device", "GiB on the first of two", "GiB on the second"]
    return pd.DataFrame(made_of(study, "cost/metrics.json", rows, empty), columns=columns)


def pictures_a_step(study: Study) -> int:
    """With how many pictures the cost of a step was measured; the paper's batch where nothing says."""
    return made_of(study, "cost/metrics.json", lambda metrics: int(metrics["batch"]), numbers.BATCH)


RATE, NORMALISATION = "learning.rate.initial", "network.normalisation"
SWEEPS = {  # what readers ask for: which settings may differ from base, and which of them is the number on the axis
    "rate": ({RATE, NORMALISATION}, RATE),
    "k": ({"network.response.k"}, "network.response.k"),
    "n": ({"network.response.n"}, "network.response.n"),
    "alpha": ({"network.response.alpha"}, "network.response.alpha"),
    "beta": ({"network.response.beta"}, "network.response.beta"),
    "data": ({"share", "learning.epochs", "learning.rate.at", "learning.rate.patience"}, "share"),
    "width": ({"network.kernels", "network.neurons"}, "network.neurons"),
}


def sweeps(study: Study) -> pd.DataFrame:
    """A row a sweep, run and seed: `sweep` (one of SWEEPS), `run`, `value` of the number that is changed (a width as a share of
    base's), `line` (which normalisation), `seed`, `error` in per cent, which is missing where the training diverged. Lines of
    one value alone are left out."""
    if "sweeps" not in study.kept:
        study.kept["sweeps"] = _sweeps(study)
    table: pd.DataFrame = study.kept["sweeps"]
    return table


def _sweeps(study: Study) -> pd.DataFrame:
    settings = settings_of_runs(study)
    base, rows = settings.get("base") or next(iter(settings.values()), {}), []
    for run, own in settings.items():
        apart = {name for name in {*base, *own} if base.get(name) != own.get(name)} - {"seeds", "recipe"}
        for sweep, (may, axis) in SWEEPS.items():
            if not own or axis not in own or not apart <= may or (sweep == "data" and apart and "share" not in apart):
                continue
            value = own[axis][0] / base[axis][0] if sweep == "width" else own[axis]
            line = {"none": "no normalisation"}.get(str(own.get(NORMALISATION)), f"{own.get(NORMALISATION)} normalisation")
            lost = dict.fromkeys((f"seed-{seed}" for seed in diverged_in(study, f"evaluate/{run}")), math.nan)
            for seed, error in (seed_errors(study, run) | lost).items():
                rows.append((sweep, run, float(value), line, seed, 100 * error))
    table = pd.DataFrame(rows, columns=["sweep", "run", "value", "line", "seed", "error"])
    several = table.groupby(["sweep", "line"])["value"].transform("nunique") > 1
    return table[several].sort_values(["sweep", "line", "value"], ignore_index=True)


def settings_of_runs(study: Study) -> dict[str, dict[str, Any]]:
    """By run that was evaluated, its settings as its record says, by names with dots between their parts."""
    return {
        run: made_of(study, f"provenance/train-{run}.json", lambda made: flat(dict(made["run"])), {})
        for run in runs(study, "evaluate")
    }


def flat(settings: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Nested settings by names with dots between their parts."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        found |= flat(value, f"{before}{name}.") if isinstance(value, dict) else {f"{before}{name}": value}
    return found


def beside(study: Study, others: Sequence[Study]) -> pd.DataFrame:
    """The errors of base in this study and in those that are called as it is with a word more (`readers-nearest`) and packed
    their pictures through another filter, a row a seed:
    `study` (this one by its filter, the others by the word), `seed`, `error` in per cent; empty where there is none of the
    latter."""
    own = packed(study)

    def through_another_filter(other: Study) -> bool:
        same = all(packed(other).get(name) == own.get(name) for name in ("title", "classes", "size", "pictures"))
        return same and packed(other).get("sha256") != own.get("sha256")

    of_it = [
        other
        for other in others
        if other.folder.name.startswith(f"{study.folder.name}-")
        and other.pinned == study.pinned
        and through_another_filter(other)
    ]
    used = dictionary(own.get("filter"))
    through = f"{'antialiased ' if used.get('antialias') else ''}{used.get('kind', 'as it is')}"
    rows = [
        (one.folder.name.removeprefix(study.folder.name).lstrip("-") or through, seed, 100 * error)
        for one in (study, *of_it)
        for seed, error in seed_errors(one, "base").items()
    ]
    table = pd.DataFrame(rows, columns=["study", "seed", "error"])
    return table if table["study"].nunique() > 1 else table.iloc[:0]


def activations(study: Study) -> pd.DataFrame:
    """A row a curve of Figure 1 and seed: `curve`, `seed`, `epochs`, `seconds` and `processor seconds` to the threshold (missing:
    never), as the curve's record says."""
    reached, rows = epochs_to_threshold(study), []
    for row in reached.itertuples():
        times = dictionary_of(study, f"provenance/converge-{row.curve}.json")
        found = []
        for name in ("seconds_to_threshold", "processor_seconds_to_threshold"):
            by_seed = times.get(name)
            value = by_seed.get(str(row.seed)) if isinstance(by_seed, dict) else None
            found.append(float(value) if isinstance(value, int | float) else math.nan)
        rows.append((row.curve, row.seed, row.epochs_to_threshold, *found))
    return pd.DataFrame(rows, columns=["curve", "seed", "epochs", "seconds", "processor seconds"])


def layers_of_curves(study: Study) -> pd.DataFrame:
    """What was measured of the layers of Figure 1's networks: `curve`, `seed`, then the columns of outputs.LAYERS."""
    tables = []
    for curve in runs(study, "converge"):
        for path in sorted((study.folder / "converge" / curve).glob("seed-*/layers.csv")):
            name = path.relative_to(study.folder).as_posix()
            tables.append(table_of(study, name, outputs.LAYERS).assign(curve=curve, seed=path.parent.name.removeprefix("seed-")))
    return _stacked(tables, ("curve", "seed", *outputs.LAYERS))


def crossing(study: Study) -> dict[str, float]:
    """Numbers that cross between two devices in a step, seconds, share of the step; empty where columns share a device."""

    def told(metrics: dict[str, Any]) -> dict[str, float]:
        return {name: float(metrics["exchange"][name]) for name in ("numbers", "seconds", "share")} if metrics["exchange"] else {}

    none: dict[str, float] = {}
    return made_of(study, "cost/metrics.json", told, none)


def devices_of_cost(study: Study) -> str:
    """The devices between which communication was measured, in words."""

    def told(metrics: dict[str, Any]) -> list[str]:
        return [str(name) for name in metrics["exchange"]["devices"]] if metrics["exchange"] else []

    none: list[str] = []
    names = made_of(study, "cost/metrics.json", told, none)
    return "two halves of one processor" if set(names) <= {"cpu"} else f"{' and '.join(names)} of this study"


def control(study: Study) -> str:
    """The run that the others are compared with: base, or in a study without one that whose neighbours were looked up."""
    evaluated = runs(study, "evaluate")
    found = str(retrieved(study).get("run"))
    return next((run for run in ("base", found) if run in evaluated), evaluated[0] if evaluated else "base")


def components(study: Study, claims: pd.DataFrame) -> pd.DataFrame:
    """A row a run but the control: how much more it errs than the control, in points of top-1 error from ten patches.

    `difference` of the means over seeds, `low` and `high` where a claim compares just these two (its interval, which holds for
    all comparisons of the study at once), `claim` and `verdict` of that claim, `seeds` of the run, `values` of each of them
    minus the control's mean. The largest rise comes first.
    """
    compared_with = control(study)
    base = list(seed_errors(study, compared_with).values())
    if not base:
        return pd.DataFrame(columns=["run", "difference", "low", "high", "claim", "verdict", "seeds", "values"])
    mean, pairs = float(np.mean(base)), _pairs(claims)
    rows = []
    for run in runs(study, "evaluate"):
        errors = list(seed_errors(study, run).values())
        if run == compared_with or not errors:
            continue
        difference = float(np.mean(errors)) - mean
        low, high, name, verdict = math.nan, math.nan, "", ""
        for claim in pairs.get(frozenset((compared_with, run)), ()):
            if math.isclose(abs(claim.ours), abs(difference), abs_tol=1e-6):
                name, verdict, sign = claim.id, claim.verdict, 1 if math.isclose(claim.ours, difference, abs_tol=1e-6) else -1
                low, high = sorted((sign * claim.low, sign * claim.high))
        values = [100 * (error - mean) for error in errors]
        rows.append((run, 100 * difference, 100 * low, 100 * high, name, verdict, len(errors), values))
    table = pd.DataFrame(rows, columns=["run", "difference", "low", "high", "claim", "verdict", "seeds", "values"])
    return table.sort_values("difference", ascending=False, ignore_index=True)


def _pairs(claims: pd.DataFrame) -> dict[frozenset[str], list[Any]]:
    """Claims about the error of two runs from ten patches, by these runs."""
    found: dict[frozenset[str], list[Any]] = {}
    about = claims[(claims["unit"] == "error difference") & claims["ours"].notna()]
    for claim in about.itertuples():
        artifacts = claim.artifacts if isinstance(claim.artifacts, dict) else {}
        named = frozenset(name.split("/")[1] for name in artifacts if name.startswith("evaluate/") and "ten_patches" in name)
        found.setdefault(named, []).append(claim)
    return found


def still_learning(study: Study, run: str) -> bool:
    """Whether every seed of a run had its lowest validation loss in its last epoch: it was not trained to the end."""
    ends = []
    for seed in seeds(study, run):
        losses = table_of(study, f"train/{run}/{outputs.seed_folder(seed)}/curve.csv", outputs.CURVE)["validation_loss"]
        losses = losses.dropna()
        ends.append(len(losses) > 0 and losses.idxmin() == losses.index[-1])
    return bool(ends) and all(ends)


def gaps(study: Study) -> pd.Series:
    """By run, how much its validation error is above its training error at the end, the mean of its seeds; training errors are
    those of cropped pictures with dropout at work."""
    table = curves(study)
    ends = table.loc[table.groupby(["run", "seed"])["epoch"].idxmax()] if len(table) else table
    return (ends["validation_error"] - ends["training_error"]).groupby(ends["run"]).mean()


def going_on(study: Study) -> pd.DataFrame:
    """A row a run that is being trained: seeds that were begun, and epochs that all of these have done.

    A run goes on while it has curves and no record. How many seeds and epochs are planned stands in no file of results.
    """
    records, rows = provenance(study), []
    for run in [] if study.pinned else runs(study, "train"):
        if f"train-{run}" in records:
            continue
        begun = seeds(study, run)
        tables = [table_of(study, f"train/{run}/{outputs.seed_folder(seed)}/curve.csv", outputs.CURVE) for seed in begun]
        rows.append((run, len(begun), min((len(table) for table in tables), default=0)))
    return pd.DataFrame(rows, columns=["run", "seeds begun", "epochs done"])


def provenance(study: Study) -> dict[str, dict[str, Any]]:
    """What made the results of each stage, by the stage's name."""
    names = sorted(path.name for path in (study.folder / "provenance").glob("*.json"))
    read = {name.removesuffix(".json"): dictionary_of(study, f"provenance/{name}") for name in names}
    made = {stage: content for stage, content in read.items() if content}
    return dict(sorted(made.items(), key=lambda pair: str(pair[1].get("started"))))


def judged_by(study: Study) -> dict[str, Any]:
    """What made the verdicts: time, commit, machine; empty where there are no verdicts."""
    made = dictionary_of(study, "judge/provenance.json")
    return made or ({"stage": "judge"} if (study.folder / "judge/claims.json").is_file() else {})


def seed_errors(study: Study, run: str, measure: str = "top1", view: str = "ten_patches") -> dict[str, float]:
    """By model of a run (`seed-0`), its error as a fraction; averaged models apart."""
    none: list[tuple[Any, ...]] = []
    rows = made_of(study, f"evaluate/{run}/metrics.json", partial(_errors, run), none)
    named = [dict(zip(ERRORS, row, strict=True)) for row in rows]
    kept = [row for row in named if row["view"] == view and row["measure"] == measure and row["model"] != files.AVERAGED]
    return {row["model"]: row["error"] for row in kept}


def arms(study: Study, artifacts: dict[str, Any]) -> dict[str, list[float]]:
    """The runs or curves that a claim compares, by name, with one number a seed: top-1 errors in per cent, or epochs to
    the threshold. Empty where its files are of another kind."""
    runs_of = list(dict.fromkeys(name.split("/")[1] for name in artifacts if name.startswith("evaluate/")))
    if runs_of:
        return {run: [100 * error for error in seed_errors(study, run).values()] for run in runs_of}
    curves_of = list(dict.fromkeys(name.split("/")[1] for name in artifacts if name.startswith("converge/")))
    reached = epochs_to_threshold(study).dropna()
    return {curve: [float(n) for n in reached[reached["curve"] == curve]["epochs_to_threshold"]] for curve in curves_of}


def predictions(study: Study, run: str, view: str = "ten_patches") -> Predictions | None:
    """What each model of a run predicts of the test pictures; None where it is missing or damaged."""
    folder = study.folder / "evaluate" / run
    path = folder / predicting.file_of(view)
    try:
        return _predictions(folder.resolve(), view, path.stat().st_mtime_ns)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as problem:
        study.notes.append(f"evaluate/{run}/{path.name} cannot be read: {problem}.")
        return None


@lru_cache(maxsize=64)
def _predictions(folder: Path, view: str, changed: int) -> Predictions:
    return predicting.read(folder, view)


def labels_in(found: Predictions) -> int:
    """One more than the largest label that is true or predicted."""
    return 1 + max(int(array.max(initial=-1)) for array in (found.labels, *found.best.values()))


def probabilities(study: Study, run: str) -> dict[str, np.ndarray]:
    """By model of a run, float16 (pictures, 5 or fewer): probabilities of the classes that `predictions` names; or empty."""
    return arrays_of(study, f"evaluate/{run}/{predicting.file_of(predicting.PROBABILITIES)}")


def confusions(truth: np.ndarray, first: np.ndarray) -> pd.DataFrame:
    """A row a pair of classes that were confused: `true`, `predicted`, `pictures`, the most frequent first."""
    wrong = truth != first
    pairs = pd.DataFrame({"true": truth[wrong], "predicted": first[wrong]})
    counted = pairs.value_counts().rename("pictures").reset_index()
    return counted.sort_values(["pictures", "true", "predicted"], ascending=[False, True, True], ignore_index=True)


BESIDE_BASE = "base right, this run wrong"
KINDS = {
    "wrong": "the first label is wrong",
    "right among the five": "the first label is wrong, the right one is among the five",
    "seeds disagree": "the seeds name the most different classes",
    BESIDE_BASE: "the average of base is right and this run's is wrong",
    "right": "the first label is right",
}


def pictures_of_kind(study: Study, run: str, model: str, kind: str) -> np.ndarray:
    """Numbers of the test pictures of one of KINDS, the most telling first."""
    found = predictions(study, run)
    if found is None or model not in found.best:
        return np.empty(0, dtype=np.int64)
    first, sure = found.best[model][:, 0], _surest(study, run, model, len(found.labels))
    wrong = first != found.labels
    if kind == "seeds disagree":
        seeds_say = np.stack([best[:, 0] for name, best in found.best.items() if name != files.AVERAGED])
        different = np.array([len(np.unique(column)) for column in seeds_say.T])
        return np.argsort(-different, kind="stable")[: int((different > 1).sum())]
    if kind == BESIDE_BASE:
        base = predictions(study, "base")
        if base is None or not np.array_equal(base.labels, found.labels):
            return np.empty(0, dtype=np.int64)
        other = base.best.get(model, base.best.get(files.AVERAGED, next(iter(base.best.values()))))
        kept = np.flatnonzero(wrong & (other[:, 0] == found.labels))
    elif kind == "right among the five":
        kept = np.flatnonzero(wrong & (found.best[model] == found.labels[:, None]).any(axis=1))
    else:
        kept = np.flatnonzero(~wrong if kind == "right" else wrong)
    return kept[np.argsort(-sure[kept], kind="stable")]


def _surest(study: Study, run: str, model: str, count: int) -> np.ndarray:
    """The probability of the first label, zeros where it is not known."""
    known = probabilities(study, run).get(model)
    return known[:, 0].astype(float) if known is not None and len(known) == count else np.zeros(count)


def counts(study: Study) -> dict[str, int]:
    """How many pictures each split has; empty where nothing says."""
    return made_of(study, "prepare/packed.json", lambda content: {k: int(n) for k, n in content["pictures"].items()}, {})


def labels_of(study: Study, split: str, rows: Iterable[int]) -> list[int | None]:
    """The classes of pictures: from predictions, else from the packed set or the maker; None where none is here."""
    found = next((predictions(study, run) for run in runs(study, "evaluate")[:1]), None) if split == "test" else None
    predicted = found.labels if found is not None else ()
    return [int(predicted[row]) if row < len(predicted) else shown_pictures.label_of(study, split, row) for row in rows]


def label_of(study: Study, split: str, row: int) -> int | None:
    """The class of a picture, as labels_of has it."""
    return labels_of(study, split, [row])[0]


def retrieved(study: Study) -> dict[str, Any]:
    """Of which run and seed the neighbours are, and how often they share the query's class."""
    return dictionary_of(study, "retrieve/metrics.json")


def halved(study: Study) -> dict[str, Any]:
    """Of which run and seed outputs were halved, on how many pictures, against how many masks."""
    return dictionary_of(study, "halve/metrics.json")


def error_of_many(study: Study) -> float:
    """The top-1 error of the mean of many masks, as a fraction; NaN where nothing says."""
    return made_of(study, "halve/metrics.json", lambda content: float(content["top1_error"]["many"]), math.nan)


def record(study: Study, stage: str) -> dict[str, Any]:
    """What made the results of a stage (`train-base`); empty where nothing says."""
    return dictionary_of(study, f"provenance/{stage}.json")
