"""Files of results read strictly: what is half-written or of another form is a ValueError, with what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from study.predictions import Predictions, read
from study.training import outputs


def mapping(path: Path) -> dict[str, Any]:
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError("it holds no object")
    return content


def ends(path: Path) -> dict[str, dict[str, Any]]:
    """How each seed of a training ended, from its metrics.json."""
    seeds = mapping(path).get("seeds")
    if not isinstance(seeds, dict) or not seeds:
        raise ValueError("it names no seed")
    if not all(isinstance(end, dict) and "status" in end for end in seeds.values()):
        raise ValueError("it does not say how each seed ended")
    return {str(int(seed)): {**end, "status": str(end["status"])} for seed, end in seeds.items()}


def whole(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    table = pd.read_csv(path)
    _require_columns(table, columns)
    if table.empty or table[list(columns[:3])].isna().to_numpy().any():
        raise ValueError("it is not whole")
    return table


def curve(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path)
    _require_columns(table, outputs.CURVE)
    if table.empty:
        raise ValueError("it has no epoch")
    return table


def _require_columns(table: pd.DataFrame, columns: tuple[str, ...]) -> None:
    if missing := [column for column in columns if column not in table.columns]:
        raise ValueError(f"it lacks the column {missing[0]}")


def predictions(path: Path, view: str) -> Predictions:
    """The five likeliest labels of each model, from arrays, or from the table that a study pinned before these has."""
    if path.suffix == ".npz":
        return read(path.parent, view)
    table = whole(path, ("model", "picture", "label")).sort_values(["model", "picture"])
    columns = [f"{view.partition('_')[0]}_{rank}" for rank in range(1, 6)]
    models = {str(model): rows for model, rows in table.groupby("model")}
    pictures = np.arange(table["picture"].nunique())
    labels = next(iter(models.values()))["label"].to_numpy(int)
    for rows in models.values():
        if not np.array_equal(rows["picture"], pictures) or not np.array_equal(rows["label"], labels):
            raise ValueError("it is not whole: not every model has every picture once")
    best = {model: rows[columns].dropna(axis=1, how="all").to_numpy(int) for model, rows in models.items()}
    return Predictions(labels=labels, best=best)


def array(path: Path) -> np.ndarray:
    array: np.ndarray = np.load(path, allow_pickle=False)
    if not np.isfinite(array).all():
        raise ValueError("it holds numbers that are not finite")
    return array


def kernels(path: Path) -> np.ndarray:
    kernels = array(path)
    if kernels.ndim != 4:
        raise ValueError(f"kernels of shape {kernels.shape}")
    return kernels


def times(content: Mapping[str, Any]) -> dict[int, tuple[float | None, float]]:
    """From a curve's metrics.json. Raises ValueError, KeyError or TypeError for another form."""
    times = {}
    for seed, said in content["seeds"].items():
        reached = said["epochs_to_threshold"]
        times[int(seed)] = (None if reached is None else float(reached), float(said["epochs"]))
    if not times or any(limit <= 0 or (time is not None and time <= 0) for time, limit in times.values()):
        raise ValueError("no seed, or a time that is not positive")
    return times
