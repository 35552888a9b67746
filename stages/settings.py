"""params.yaml, whole and validated, as the settings that study/ understands. How YAML is read.

Unknown keys, wrong types and impossible values are refused, naming the key, the value and the remedy.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages.relative import TimesSettings, multiplied
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
CHOSEN = "chosen"  # an optional block: what stages/choose.py composed the file from


@dataclass(frozen=True, kw_only=True, slots=True)
class ChosenSettings:
    """The study that params.yaml was composed for, and the changes that the command line named beside it (`key=value`)."""

    study: str
    changes: tuple[str, ...] = ()


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
    """The YAML as it stands. YAML 1.2, as DVC reads it: 1e-4 is a number and `no` a word. Raises SettingsError."""
    try:
        content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"{path} is missing; run from the project's folder, or restore it from Git") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path} is not text in UTF-8; save it as UTF-8, or restore it from Git") from None
    except YAMLError as problem:
        where = getattr(problem, "problem_mark", None)
        line = f" at line {where.line + 1}" if where else ""
        what = " ".join(str(getattr(problem, "problem", None) or "").split())
        raise SettingsError(f"{path} is not YAML{line}{f' ({what})' if what else ''}; mend it or restore it from Git") from None
    if not isinstance(content, dict):
        raise SettingsError(f"{path} holds no settings; restore it from Git")
    return content


def as_yaml(content: Any) -> str:
    """In the style in which DVC writes, so that its `exp run -S` changes no more than it says."""
    writer, text = YAML(typ="safe", pure=True), io.StringIO()
    writer.default_flow_style, writer.sort_base_mapping_type_on_output = False, False  # type: ignore[assignment]
    writer.dump(json.loads(json.dumps(content)), text)  # a copy, so that what is shared within it is written out
    return text.getvalue()


def load(path: Path = PARAMS) -> StudySettings:
    """Read and validate everything. Raises SettingsError."""
    return resolve(read_params(path))


def resolve(params: Mapping[str, Any]) -> StudySettings:
    for name in params:
        if name not in (*BLOCKS, CHOSEN):
            raise SettingsError(f"{name!r} is no block of a study; remove it, or use one of: {', '.join(BLOCKS)}")
    for name in BLOCKS:
        if name not in params:
            raise SettingsError(f"the block {name!r} is missing; compose it anew with: uv run python -m stages.choose STUDY")
    settings = StudySettings(
        study=_study(params),
        machine=checked(MachineSettings, params["machine"], "machine"),
        download=checked(SourceSettings, params["download"], "download"),
        prepare=checked(PackingSettings, params["prepare"], "prepare"),
        runs=_runs(params),
        evaluate=checked(EvaluationSettings, params["evaluate"], "evaluate"),
        curves={name: checked(CurveSettings, own, f"curves.{name}") for name, own in _table(params, "converge", "curves")},
        retrieve=checked(RetrievalSettings, params["retrieve"], "retrieve"),
        halve=checked(HalvingSettings, params["halve"], "halve"),
        cost=checked(CostSettings, params["cost"], "cost"),
        hand_made=checked(HandMadeSettings, params["hand_made"], "hand_made"),
    )
    _check_across(settings)
    return settings


def _study(params: Mapping[str, Any]) -> str:
    study = checked(str, params["study"], "study")
    if not is_study_name(study):
        raise SettingsError(f"study is {study!r}; it names a folder, so use the letters a to z, digits, - and _ only")
    chosen = checked(ChosenSettings, params.get(CHOSEN, {"study": study}), CHOSEN)
    if chosen.study != study:
        raise SettingsError(
            f"study is {study!r}, but the rest of params.yaml is {chosen.study!r}; set it back, or choose another study with: "
            f"uv run python -m stages.choose {study}; `uv run dvc repro` brings back what DVC has taken out of results/ meanwhile"
        )
    return study


def is_study_name(name: str) -> bool:
    """Whether a folder under results/ can be called so on every system."""
    return re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]*", name) is not None


def merged(shared: Any, own: Any) -> Any:
    """`own` put over `shared`, mapping by mapping; lists and values replace."""
    if isinstance(shared, Mapping) and isinstance(own, Mapping):
        return {key: merged(shared.get(key), own[key]) if key in own else shared[key] for key in {**shared, **own}}
    return own


def _runs(params: Mapping[str, Any]) -> dict[str, RunSettings]:
    """Every run complete: its recipe, over it what `train` and the run say, and last what it has so many times of that."""
    runs = {}
    for name, own in _table(params, "train", "runs"):
        where = f"runs.{name}"
        times = checked(TimesSettings, own.pop("times", {}), f"{where}.times")
        recipe = next((lines for recipe, lines in RECIPES.items() if recipe == own.get("recipe", "paper")), {})
        runs[name] = multiplied(checked(RunSettings, merged(recipe, own), where), times, where)
    return runs


def _table(params: Mapping[str, Any], shared: str, table: str) -> list[tuple[str, dict[str, Any]]]:
    """The entries of a table by name, each with its own lines over the shared block."""
    for name in (shared, table):
        if not isinstance(params[name], Mapping):
            raise SettingsError(f"{name} is {params[name]!r}; give a block of settings")
    if not params[table] and table != "curves":  # a study without Figure 1 has no curves
        raise SettingsError(f"{table} is empty; name at least one entry")
    for name in params[table]:
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
            raise SettingsError(
                f"{table}.{name} names a folder, so begin with a letter (a to z), and use letters, digits and _ only"
            )
    if len({name.lower() for name in params[table]}) < len(params[table]):
        raise SettingsError(f"two entries of {table} differ in capital letters alone, which some disks ignore; rename one")
    entries = []
    for name, lines in params[table].items():
        if not isinstance(lines, Mapping | None):
            raise SettingsError(f"{table}.{name} is {lines!r}; give a block of settings, or {{}} for none")
        entries.append((name, merged(params[shared], lines or {})))
    return entries


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
