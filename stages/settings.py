"""params.yaml, whole and validated, as the settings that study/ understands. The one place that reads YAML.

Unknown keys, wrong types and impossible values are refused, naming the key, the value and the remedy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from study import files
from study.checking import SettingsError, checked
from study.data.packed import PACKED
from study.data.packing import PackingSettings
from study.machine import MachineSettings
from study.measuring.convergence import CurveSettings
from study.measuring.cost import CostSettings
from study.measuring.evaluation import EvaluationSettings
from study.measuring.halving import HalvingSettings
from study.measuring.hand_made import HandMadeSettings
from study.measuring.neighbours import RetrievalSettings
from study.sources.choosing import BuiltInSettings, SourceSettings
from study.training.recipes import RECIPES
from study.training.run import RunSettings

PARAMS = Path("params.yaml")
BLOCKS = (
    "study", "machine", "download", "prepare", "train", "runs", "evaluate", "converge", "curves", "retrieve", "halve",
    "cost", "hand_made",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class StudySettings:
    """A whole study. `runs` and `curves` are complete: the shared block with their own lines put over it."""

    study: str
    machine: MachineSettings
    download: SourceSettings
    prepare: PackingSettings
    runs: dict[str, RunSettings]
    evaluate: EvaluationSettings
    curves: dict[str, CurveSettings]
    retrieve: RetrievalSettings
    halve: HalvingSettings
    cost: CostSettings
    hand_made: HandMadeSettings

    @property
    def results(self) -> Path:
        return files.RESULTS / self.study

    @property
    def packed(self) -> Path:
        return PACKED / self.study


def read_params(path: Path = PARAMS) -> dict[str, Any]:
    """The YAML as it stands. YAML 1.2, as DVC reads it: 1e-4 is a number and `no` a word."""
    try:
        content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"{path} is missing; run from the project's folder") from None
    except YAMLError as problem:
        where = getattr(problem, "problem_mark", None)
        line = f" at line {where.line + 1}" if where else ""
        raise SettingsError(f"{path} is not YAML{line}; mend it or restore it from Git") from None
    if not isinstance(content, dict):
        raise SettingsError(f"{path} holds no settings; restore it from Git")
    return content


def load(path: Path = PARAMS) -> StudySettings:
    """Read and validate everything. Raises SettingsError."""
    return resolve(read_params(path))


def resolve(params: Mapping[str, Any]) -> StudySettings:
    for name in params:
        if name not in BLOCKS:
            raise SettingsError(f"{name!r} is no block of a study; remove it, or use one of: {', '.join(BLOCKS)}")
    for name in BLOCKS:
        if name not in params:
            raise SettingsError(f"the block {name!r} is missing; copy it from conf/")
    study = checked(str, params["study"], "study")
    if not study.replace("-", "").replace("_", "").isalnum():
        raise SettingsError(f"study is {study!r}; it names a folder, so use letters, digits, - and _ only")
    settings = StudySettings(
        study=study,
        machine=checked(MachineSettings, params["machine"], "machine"),
        download=checked(SourceSettings, params["download"], "download"),
        prepare=checked(PackingSettings, params["prepare"], "prepare"),
        runs=_table(RunSettings, _with_recipes(params), "train", "runs"),
        evaluate=checked(EvaluationSettings, params["evaluate"], "evaluate"),
        curves=_table(CurveSettings, params, "converge", "curves"),
        retrieve=checked(RetrievalSettings, params["retrieve"], "retrieve"),
        halve=checked(HalvingSettings, params["halve"], "halve"),
        cost=checked(CostSettings, params["cost"], "cost"),
        hand_made=checked(HandMadeSettings, params["hand_made"], "hand_made"),
    )
    _check_across(settings)
    return settings


def merged(shared: Any, own: Any) -> Any:
    """`own` put over `shared`, mapping by mapping; lists and values replace."""
    if isinstance(shared, Mapping) and isinstance(own, Mapping):
        return {key: merged(shared.get(key), own[key]) if key in own else shared[key] for key in {**shared, **own}}
    return own


def _with_recipes(params: Mapping[str, Any]) -> dict[str, Any]:
    """`params` with every run's recipe put under it; what `train` and the run say stands over the recipe."""
    train, runs = params["train"], params["runs"]
    if not isinstance(train, Mapping) or not isinstance(runs, Mapping):
        return dict(params)
    complete = {}
    for name, lines in runs.items():
        own = merged(train, lines or {})
        recipe: Any = own.get("recipe", "paper") if isinstance(own, Mapping) else "paper"
        complete[name] = merged(RECIPES.get(recipe, {}), own)
    return {**params, "train": {}, "runs": complete}


def _table(kind: type, params: Mapping[str, Any], shared: str, own: str) -> dict[str, Any]:
    if not isinstance(params[own], Mapping) or not params[own]:
        raise SettingsError(f"{own} is empty; name at least one entry")
    for name in params[own]:
        if not str(name).replace("_", "").isalnum():
            raise SettingsError(f"{own}.{name} names a folder, so use letters, digits and _ only")
    return {name: checked(kind, merged(params[shared], lines or {}), f"{own}.{name}") for name, lines in params[own].items()}


def _check_across(settings: StudySettings) -> None:
    for block, wanted in (("retrieve", settings.retrieve), ("halve", settings.halve), ("cost", settings.cost)):
        if wanted.run not in settings.runs:
            raise SettingsError(f"{block}.run is {wanted.run!r}, which is no run; use one of: {', '.join(settings.runs)}")
    for block, trained in (("retrieve", settings.retrieve), ("halve", settings.halve)):
        if trained.seed not in settings.runs[trained.run].seeds:
            raise SettingsError(f"{block}.seed is {trained.seed}, which that run does not train; name one of its seeds")
    for name, run in settings.runs.items():
        if settings.machine.replicas > 1 and run.network.normalisation == "batch":
            raise SettingsError(
                f"runs.{name}.network.normalisation is batch, whose statistics each replica would take of its own rows alone; "
                f"set machine.replicas to 1"
            )
    networks = {f"runs.{name}": run.network for name, run in settings.runs.items()}
    networks |= {f"curves.{name}": curve.network for name, curve in settings.curves.items()}
    for name, network in networks.items():
        if network.crop > settings.prepare.size:
            raise SettingsError(
                f"{name}.network.crop is {network.crop}, larger than prepare.size {settings.prepare.size}; lower it"
            )
    if isinstance(settings.download, BuiltInSettings) and settings.download.pictures.size < settings.prepare.size:
        raise SettingsError("prepare.size is larger than download.pictures.size; lower it")
