"""The results of one study as the judgement reads them: whatever is missing or half-written becomes one sentence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from study import files, predictions, storage
from study.judging import reading


class MissingResult(Exception):
    """A claim cannot be judged: what is missing, and what would bring it."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what, self.remedy = what, remedy


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """`folder`: results/<study>. `runs` and `curves`: the names that the study's params declare."""

    folder: Path
    study: str
    runs: tuple[str, ...]
    curves: tuple[str, ...]
    _read: dict[Path, Any] = field(default_factory=dict, repr=False)  # a file is read, and hashed, once

    @cached_property
    def packed(self) -> dict[str, Any]:
        return self._mapping("prepare/packed.json")

    @cached_property
    def training_pictures(self) -> int:
        """0 where the packed set does not say."""
        counts = self.packed.get("pictures")
        return int(counts.get("train", 0)) if isinstance(counts, dict) else 0

    @cached_property
    def scale(self) -> str:
        """The pictures in words: what, how many classes and pictures, how large, and whether a program drew them."""
        source = self._mapping("download/source.json")
        parts = [str(source.get("title") or self.packed.get("title") or f"the pictures of study {self.study}")]
        if (self.packed.get("synthetic") or source.get("synthetic")) and "synthetic" not in parts[0]:
            parts.append("synthetic")
        if isinstance(classes := self.packed.get("classes"), list | int):
            parts.append(f"{classes if isinstance(classes, int) else len(classes)} classes")
        if self.training_pictures:
            parts.append(f"{self.training_pictures:,} for training")
        if size := self.packed.get("size"):
            parts.append(f"{size} px")
        return ", ".join(parts)

    def _mapping(self, name: str) -> dict[str, Any]:
        try:
            content = storage.read_json(self.folder / name)
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def headline(self) -> dict[str, dict[str, Any]]:
        """Ten-patch errors by run and epochs to the threshold by curve and seed, of what is there: for `dvc metrics show`."""
        errors = {run: self._expected(f"evaluate/{run}/metrics.json", "ten_patches") for run in self.runs}
        seeds = {curve: self._expected(f"converge/{curve}/metrics.json", "seeds") for curve in self.curves}
        epochs = {curve: _reached(of) for curve, of in seeds.items() if isinstance(of, dict)}
        return {"errors": {run: error for run, error in errors.items() if error}, "epochs_to_threshold": epochs}

    def require_run(self, run: str, add: str) -> None:
        if run not in self.runs:
            remedy = add or f"add a run `{run}` to the study"
            raise MissingResult(f"the study {self.study} has no run `{run}`", f"{remedy}{self._time}; then `uv run dvc repro`")

    @cached_property
    def _time(self) -> str:
        """What a run takes here, going by the first one whose time is known."""
        for run in self.runs:
            if isinstance(seconds := self.provenance(f"train-{run}").get("seconds"), int | float):
                minutes = round(max(seconds / 60, 1))
                return f" (about {minutes} minute{'s' * (minutes > 1)} here, as `{run}` took)"
        return ""

    def require_curve(self, curve: str) -> None:
        if curve not in self.curves:
            remedy = f"add a curve `{curve}` to the study; then `uv run dvc repro`"
            raise MissingResult(f"the study {self.study} has no curve `{curve}`", remedy)

    def _load(self, name: str, stage: str, read: Callable[[Path], Any]) -> Any:
        """`read` of a file, once; anything that is wrong with the file is a MissingResult."""
        path = self.folder / name
        if path not in self._read:
            try:
                self._read[path] = read(path)
            except FileNotFoundError:
                raise MissingResult(f"{path} is not there", f"`uv run dvc repro {stage}`") from None
            except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
                reason = str(error).splitlines()[0] if str(error) else type(error).__name__
                remedy = f"delete it, then `uv run dvc repro {stage}`"
                raise MissingResult(f"{path} cannot be read ({reason})", remedy) from None
        return self._read[path]

    def _expected(self, name: str, *keys: str) -> Any:
        """What a stage's metrics.json, written last, says under `keys`; None where it does not."""
        content: Any = self._mapping(name)
        for key in keys:
            content = content.get(key) if isinstance(content, dict) else None
        return content

    def _cut_off(self, folder: str, stage: str) -> MissingResult:
        what = f"{self.folder / folder} is not whole: metrics.json does not say what its tables hold"
        return MissingResult(what, f"delete it, then `uv run dvc repro {stage}`")

    def wrong(self, run: str, metric: str, patches: str) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """By model, whether each test picture is misjudged: ({model: bool (pictures,)}, labels (pictures,))."""
        name = f"evaluate/{run}/{predictions.file_of(patches)}"
        made: predictions.Predictions = self._load(name, f"evaluate@{run}", reading.predictions_of)
        if self._expected(f"evaluate/{run}/metrics.json", "pictures") != len(made.labels):
            raise self._cut_off(f"evaluate/{run}", f"evaluate@{run}")
        return made.wrong(metric), made.labels

    def curve(self, run: str, seed: str) -> pd.DataFrame:
        """The training of one seed (`seed-0`), a row an epoch."""
        table: pd.DataFrame = self._load(f"train/{run}/{seed}/curve.csv", f"train@{run}", reading.curve)
        if self._expected(f"train/{run}/metrics.json", "seeds", seed.removeprefix("seed-"), "epochs") != len(table):
            raise self._cut_off(f"train/{run}", f"train@{run}")
        return table

    def seeds(self, run: str) -> list[str]:
        """Seeds whose training has been written, as folder names."""
        return sorted(path.parent.name for path in (self.folder / "train" / run).glob("seed-*/curve.csv"))

    def parameters(self, run: str) -> int | None:
        count = self._mapping(f"train/{run}/metrics.json").get("parameters")
        return count if isinstance(count, int) else None

    def first_kernels(self, run: str) -> int | None:
        """How many kernels conv1 has, where the run's network is the paper's kind (kernels of 11 pixels)."""
        try:
            kernels = next(iter(self.kernels(run).values()))
        except MissingResult:
            return None
        return len(kernels) if kernels.shape[1] == 11 else None

    def kernels(self, run: str) -> dict[str, np.ndarray]:
        """First-layer kernels by seed: (kernels, height, width, RGB)."""
        found = sorted((self.folder / "train" / run).glob("seed-*/kernels.npy"))
        names = [path.relative_to(self.folder).as_posix() for path in found]
        by_seed = {Path(name).parent.name: self._load(name, f"train@{run}", reading.kernels) for name in names}
        if not by_seed:
            raise MissingResult(f"{self.folder}/train/{run} has no kernels.npy", f"`uv run dvc repro train@{run}`")
        return by_seed

    def times(self, curve: str) -> dict[str, tuple[float | None, float]]:
        """By seed: epochs to the threshold (None: not reached) and the epochs that were trained."""
        times: dict[str, tuple[float | None, float]] = self._load(
            f"converge/{curve}/metrics.json", f"converge@{curve}", reading.times
        )
        return times

    def neighbours(self, run: str) -> pd.DataFrame:
        """A row a query and rank (files.NEIGHBOURS), found by the network of `run`."""
        table: pd.DataFrame = self._load("retrieve/neighbours.csv", "retrieve", reading.neighbours)
        if self._expected("retrieve/metrics.json", "queries") != table["query"].nunique():
            raise self._cut_off("retrieve", "retrieve")
        if (searched := self._expected("retrieve/metrics.json", "run")) != run:
            raise MissingResult(f"the neighbours are those of {searched}, not of {run}", f"set retrieve.run to {run}")
        return table

    def hand_made(self, metric: str) -> tuple[np.ndarray, np.ndarray]:
        """Whether hand-made features misjudge each test picture: (bool (pictures,), labels (pictures,))."""
        table = self._load("hand_made/predictions.csv", "hand_made", partial(reading.whole, columns=files.HAND_MADE))
        if self._expected("hand_made/metrics.json", "pictures") != len(table):
            raise self._cut_off("hand_made", "hand_made")
        labels = table["label"].to_numpy()
        given = table[list(files.HAND_MADE[2 : 3 if metric == "top1" else 7])].to_numpy()
        return ~(given == labels[:, None]).any(axis=1), labels

    def divergences(self, run: str) -> pd.DataFrame:
        """A row a picture (files.DIVERGENCES and the means of masks), of the network of `run`."""
        if self._expected("halve/metrics.json", "run") not in (run, None):
            raise MissingResult(f"the halved outputs are not those of {run}", f"set halve.run to {run}")
        if self._expected("halve/metrics.json", "pictures") == 0:
            raise MissingResult(
                f"the network of {run} has no dropout", "name a run with dropout in params.yaml and protocol.yaml"
            )
        table: pd.DataFrame = self._load("halve/divergences.csv", "halve", partial(reading.whole, columns=files.DIVERGENCES))
        if self._expected("halve/metrics.json", "pictures") != len(table):
            raise self._cut_off("halve", "halve")
        return table

    def cost(self) -> tuple[dict[str, Any], pd.DataFrame]:
        """What a step of the run that was timed costs: cost/metrics.json, and a row a round and way."""
        table: pd.DataFrame = self._load("cost/rounds.csv", "cost", partial(reading.whole, columns=files.COSTS))
        content = self._mapping("cost/metrics.json")
        if not {"run", "batch", "seconds", "devices", "memory_of_the_paper", "exchange"} <= set(content):
            raise self._cut_off("cost", "cost")
        if content.get("rounds") != table["round"].nunique() or table.groupby("way").size().nunique() != 1:
            raise self._cut_off("cost", "cost")
        return content, table

    def provenance(self, stage: str) -> dict[str, Any]:
        """What made a stage's results; empty where nothing says."""
        return self._mapping(f"provenance/{stage}.json")

    def made(self) -> dict[str, dict[str, Any]]:
        """What made the results, by stage, of all that say it."""
        names = sorted(path.stem for path in (self.folder / "provenance").glob("*.json"))
        return {name: content for name in names if (content := self.provenance(name))}

    def changed_outputs(self, stage: str) -> list[str]:
        """Files that are no longer what a stage wrote, by the checksums in its provenance; a pinned study lacks large ones."""
        outputs = self.provenance(stage).get("outputs")
        names = outputs.items() if isinstance(outputs, dict) else ()
        return [name for name, sha in names if self._changed(self.folder / name, sha)]

    def changed_inputs(self, stage: str) -> list[str]:
        """Files of this study that have changed since a stage read them, by the checksums in its provenance."""
        inputs = self.provenance(stage).get("inputs")
        inputs = inputs if isinstance(inputs, dict) else {}
        names = {path.split(f"results/{self.study}/")[-1]: sha for path, sha in inputs.items()}
        return [name for name, sha in names.items() if self._changed(self.folder / name, sha)]

    def _changed(self, path: Path, sha: str) -> bool:
        if not path.is_file():
            return False
        key = path.with_suffix(path.suffix + ".sha256")
        if key not in self._read:
            self._read[key] = storage.sha256(path)
        return bool(self._read[key] != sha)

    def hashes(self, names: tuple[str, ...]) -> dict[str, str]:
        """SHA-256 of the files a verdict rests on, by their path under the study's folder."""
        return {name: storage.sha256(self.folder / name) for name in names if (self.folder / name).is_file()}


def _reached(seeds: dict[str, Any]) -> dict[str, Any]:
    return {seed: one.get("epochs_to_threshold") for seed, one in seeds.items() if isinstance(one, dict)}
