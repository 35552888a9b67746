"""The results of one study as measures read them: whatever is missing, half-written or diverged becomes one sentence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from study import amounts, files, predictions, storage, strict
from study.provenance import seconds_a_seed
from study.training import outputs

DO = "then `uv run dvc repro`"
OF_FOUR_LAYERS = ("with_normalisation", "without_normalisation")  # the protocol's runs of footnote 3's network
FEW = 0.005  # the chance that networks which guess are taken for networks that have learned


class MissingResult(Exception):
    """A claim cannot be judged: what is missing, and what would bring it."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what, self.remedy = what, remedy


class DivergedTraining(MissingResult):
    """A claim cannot be judged, since trainings that it rests on diverged."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RunErrors:
    """Whether each test picture is misjudged.

    `wrong`: bool (seeds, pictures), a row a network in the order of `seeds`; `averaged`: bool (pictures,), of the average of
    all seeds where there are several; `labels`: int (pictures,). `file`: where it was read, below the study's folder.
    """

    file: str
    seeds: tuple[int, ...]
    wrong: np.ndarray
    averaged: np.ndarray | None
    labels: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """`folder`: results/<study>. `runs` and `curves`: the names that the study's params declare."""

    folder: Path
    study: str
    runs: tuple[str, ...]
    curves: tuple[str, ...]
    _read: dict[tuple[Path, str], Any] = field(default_factory=dict, repr=False)  # a file is read once

    # What is there at all

    def require_run(self, *runs: str, add: str = "") -> None:
        """Raises MissingResult, with the claim's `add` and the time a run takes here, where the study lacks one of them."""
        for run in runs:
            if run not in self.runs:
                if run not in OF_FOUR_LAYERS and self._has_four_layers:
                    what = (
                        f"the study {self.study} trains the four-layer network of footnote 3, and `{run}` is a run of section 3's"
                    )
                    raise MissingResult(
                        what, f"choose a study of section 3's network that has `{run}`, such as `photographs`; {DO}"
                    )
                add = add or f"add a run `{run}` to the study"
                remedy = f"{add}{self._time if add.startswith('add a run ') else ''}; {DO}"
                curve = ", only a curve of Figure 1, which is not evaluated" if run in self.curves else ""
                raise MissingResult(f"the study {self.study} has no run `{run}`{curve}", remedy)

    def require_curve(self, *curves: str) -> None:
        for curve in curves:
            if curve not in self.curves:
                remedy = f"add a curve `{curve}` to the study; then `uv run dvc repro`"
                raise MissingResult(f"the study {self.study} has no curve `{curve}`", remedy)

    @cached_property
    def _has_four_layers(self) -> bool:
        """Whether all that is trained here is the network of footnote 3, which has no columns and no dropout."""
        records = [self.provenance(f"train-{run}").get("run") for run in self.runs]
        records += [self.provenance(f"converge-{curve}").get("curve") for curve in self.curves]
        networks = [record.get("network") for record in records if isinstance(record, dict)]
        return bool(networks) and all(isinstance(one, dict) and one.get("architecture") == "four_layer" for one in networks)

    @cached_property
    def _time(self) -> str:
        """What a seed takes here, going by the first run whose time is known."""
        for run in self.runs:
            if seconds := seconds_a_seed(self.provenance(f"train-{run}")):
                return f" (about {amounts.lasting(seconds)} a seed here, going by `{run}`)"
        return ""

    # Files, read strictly

    def load(self, name: str, stage: str, read: Callable[[Path], Any], part: str = "") -> Any:
        """`read` of a file (or of a `part` of it) below the study's folder, once. `stage` is dvc's name of what writes it.

        Anything that is wrong with the file is a MissingResult.
        """
        path = self.folder / name
        if (path, part) not in self._read:
            try:
                self._read[path, part] = read(path)
            except FileNotFoundError:
                raise MissingResult(f"{path} is not there", f"`uv run dvc repro {stage}`") from None
            except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
                reason = str(error).splitlines()[0] if str(error) else type(error).__name__
                raise MissingResult(f"{path} cannot be read ({reason})", f"`uv run dvc repro --force {stage}`") from None
        return self._read[path, part]

    def table(self, name: str, stage: str, columns: tuple[str, ...], rows: int | None = None) -> pd.DataFrame:
        """A CSV file that has these columns, at least one row, and nothing missing in the first three columns.

        `rows`: how many the stage's metrics.json, written last, says there are; None where it says nothing.
        """
        table: pd.DataFrame = self.load(name, stage, partial(strict.whole, columns=columns))
        if rows is not None and rows != len(table):
            raise self.cut_off(name, stage)
        return table

    def array(self, name: str, stage: str) -> np.ndarray:
        """An array of numbers (.npy), all finite."""
        array: np.ndarray = self.load(name, stage, strict.array)
        return array

    def arrays(self, name: str, stage: str) -> dict[str, np.ndarray]:
        """The arrays of an .npz file, by name."""
        arrays: dict[str, np.ndarray] = self.load(name, stage, predictions.read_arrays)
        return arrays

    def metrics(self, name: str, stage: str) -> dict[str, Any]:
        """The content of a JSON file that holds an object."""
        content: dict[str, Any] = self.load(name, stage, strict.mapping, "whole")
        return content

    def cut_off(self, name: str, stage: str) -> MissingResult:
        what = f"{self.folder / name} is not whole: the stage's metrics.json says that it holds something else"
        return MissingResult(what, f"`uv run dvc repro --force {stage}`")

    # Trainings and what was computed from them

    def seeds(self, run: str) -> tuple[int, ...]:
        """The seeds of a run, all of which finished. Raises DivergedTraining, or MissingResult for one that was cut."""
        ends = self._ends(f"train/{run}/metrics.json", f"train@{run}", f"`{run}`")
        declared = self.provenance(f"train-{run}").get("run", {}).get("seeds", ends)
        if missing := sorted({int(seed) for seed in declared} - {int(seed) for seed in ends}):
            raise MissingResult(f"seed {missing[0]} of `{run}` is missing", f"`uv run dvc repro train@{run}`")
        return tuple(sorted(int(seed) for seed in ends))

    def _ends(self, name: str, stage: str, title: str) -> dict[str, Any]:
        ends: dict[str, Any] = self.load(name, stage, strict.ends, "ends")
        if diverged := [seed for seed, end in ends.items() if end["status"] == "diverged"]:
            remedy = (
                "give all runs that are compared a smaller rate, `train.learning.rate.initial` (a curve other rates to race), or "
                "leave this one out (`only=`), then `uv run dvc repro`"
            )
            raise DivergedTraining(f"{title} diverged in {len(diverged)} of {len(ends)} seeds", remedy)
        if cut := [seed for seed, end in ends.items() if end["status"] != "finished"]:
            raise MissingResult(f"seed {cut[0]} of {title} was not trained to its end", f"`uv run dvc repro {stage}`")
        return ends

    def errors(self, run: str, metric: str = "top1", patches: str = "ten_patches") -> RunErrors:
        """Whether the networks of a run misjudge each test picture, by `top1` or `top5`, `ten_patches` or `centre_patch`."""
        seeds, stage = self.seeds(run), f"evaluate@{run}"
        name = f"evaluate/{run}/{predictions.file_of(patches)}"
        if not (self.folder / name).is_file() and (self.folder / f"evaluate/{run}/predictions.csv").is_file():
            name = f"evaluate/{run}/predictions.csv"  # of a study pinned before predictions were arrays
        read = partial(strict.predictions, view=patches)
        made: predictions.Predictions = self.load(name, stage, read, patches)
        names = [outputs.seed_folder(seed) for seed in seeds]
        pictures = self.metrics(f"evaluate/{run}/metrics.json", stage).get("pictures")
        if pictures != len(made.labels) or set(made.best) - {files.AVERAGED} != set(names):
            raise self.cut_off(name, stage)
        wrong = made.wrong(metric)
        return RunErrors(
            file=name,
            seeds=seeds,
            wrong=np.array([wrong[name] for name in names]),
            averaged=wrong.get(files.AVERAGED),
            labels=made.labels,
        )

    def learned(self, *runs: str) -> float:
        """How far the run that errs least errs below guessing, over its seeds; 0 where that cannot be told from guessing.

        Guessing names the commonest class of the test set for every picture. The stages `evaluate-<run>` must be among those
        of a measurement that uses this.
        """
        far = [0.0]
        for run in runs:
            made = self.errors(run)
            guessing = 1 - np.bincount(made.labels).max() / len(made.labels)
            error = float(made.wrong.mean())
            pictures = made.wrong.shape[1]  # the networks see the same pictures, so these count once
            if stats.binom.cdf(round(error * pictures), pictures, guessing) < FEW:
                far.append(guessing - error)
        return max(far)

    def curve(self, run: str, seed: int) -> pd.DataFrame:
        """The training of one seed, a row an epoch (outputs.CURVE)."""
        name, stage = f"train/{run}/{outputs.seed_folder(seed)}/curve.csv", f"train@{run}"
        epochs = self._ends(f"train/{run}/metrics.json", stage, f"`{run}`").get(str(seed), {}).get("epochs")
        table: pd.DataFrame = self.load(name, stage, strict.curve)
        if epochs != len(table):
            raise self.cut_off(name, stage)
        return table

    def kernels(self, run: str) -> dict[int, np.ndarray]:
        """First-layer kernels by seed: (kernels, height, width, RGB)."""
        return {
            seed: self.load(f"train/{run}/{outputs.seed_folder(seed)}/kernels.npy", f"train@{run}", strict.kernels)
            for seed in self.seeds(run)
        }

    def times(self, curve: str) -> dict[int, tuple[float | None, float]]:
        """Of a curve of Figure 1 by seed: epochs to the threshold (None: not reached) and the epochs that were trained."""
        name, stage = f"converge/{curve}/metrics.json", f"converge@{curve}"
        self._ends(name, stage, f"the curve `{curve}`")
        times: dict[int, tuple[float | None, float]] = strict.times(self.metrics(name, stage))
        return times

    @cached_property
    def packed(self) -> dict[str, Any]:
        """What the packed set is (prepare/packed.json); empty where nothing says."""
        return storage.mapping(self.folder / "prepare/packed.json")

    def parameters(self, run: str) -> int | None:
        """How many parameters the networks of a run have; None where nothing says."""
        count = storage.mapping(self.folder / f"train/{run}/metrics.json").get("parameters")
        return count if isinstance(count, int) else None

    def convolutional_parameters(self, run: str) -> int | None:
        """How many of them are in convolutional layers; None where nothing says."""
        layers: Any = storage.mapping(self.folder / f"evaluate/{run}/network.json").get("layers")
        try:
            return sum([int(layer["parameters"]) for layer in layers if layer["kind"] == "convolution"])
        except (TypeError, KeyError, ValueError):
            return None

    def provenance(self, stage: str) -> dict[str, Any]:
        """What made a stage's results; empty where nothing says."""
        path = self.folder / f"provenance/{stage}.json"
        if (path, "record") not in self._read:
            self._read[path, "record"] = storage.mapping(path)
        made: dict[str, Any] = self._read[path, "record"]
        return made
