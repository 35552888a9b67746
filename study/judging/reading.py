"""Files of results read strictly: what is half-written or of another form is a ValueError, with what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from study import files, predictions
from study.training import outputs


def whole(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    table = pd.read_csv(path)
    _require_columns(table, columns)
    if table.empty or table[list(columns[:3])].isna().to_numpy().any():
        raise ValueError("it is not whole")
    return table


def predictions_of(path: Path) -> predictions.Predictions:
    return predictions.read(path.parent, path.stem)


def curve(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path)
    _require_columns(table, outputs.CURVE)
    if table.empty:
        raise ValueError("it has no epoch")
    return table


def neighbours(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path)
    _require_columns(table, files.NEIGHBOURS)
    if table.empty or table.isna().to_numpy().any() or table.groupby("query").size().nunique() != 1:
        raise ValueError("it is not whole: not every query has every rank")
    return table


def _require_columns(table: pd.DataFrame, columns: tuple[str, ...]) -> None:
    if missing := [column for column in columns if column not in table.columns]:
        raise ValueError(f"it lacks the column {missing[0]}")


def kernels(path: Path) -> np.ndarray:
    kernels: np.ndarray = np.load(path)
    if kernels.ndim != 4 or not np.isfinite(kernels).all():
        raise ValueError(f"kernels of shape {kernels.shape}, or not finite")
    return kernels


def times(path: Path) -> dict[str, tuple[float | None, float]]:
    seeds: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))["seeds"]
    times = {}
    for seed, said in seeds.items():
        reached = said["epochs_to_threshold"]
        times[seed] = (None if reached is None else float(reached), float(said["epochs"]))
    if not times or any(limit <= 0 or (time is not None and time <= 0) for time, limit in times.values()):
        raise ValueError("no seed, or a time that is not positive")
    return times
