"""Whether everything that a verdict rests on is what its records say it is, from the pictures to the code that judges.

A record for each stage; the files that it wrote and no others; for trainings that are compared equal pictures, equal code and
settings that differ only in the lines of their blocks; for a working study today's settings, and what DVC knows. Who can write
results and records together can lie all the same: only what Git holds, a pin's manifest for example, is signed off.

Then whether runs are what their names say in protocol.yaml: `no_dropout` is without dropout, has it where the other has it, and
differs in nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

from study import files, storage
from study.training.recipes import RECIPES

ALWAYS = ("download", "prepare")  # the pictures, on which every measurement rests
COMPARED = {"train": "run", "converge": "curve"}  # stages that train, and where their records keep the settings
MEASURED = ("evaluate", "retrieve", "halve")  # stages that read trained weights, and whose records say which
WEIGHTS = "weights.safetensors"

ANOTHER = object()  # any value but that of the run that it is compared with
WITHOUT_CROPS = {"augmentation.crops": False, "augmentation.flips": False}
NARROW = {"network.kernels": ANOTHER, "network.neurons": ANOTHER}
# What makes a run or curve the one that protocol.yaml's claims name. The other has AS_PRINTED's value, or where none stands there
# another than this.
NAMED: Mapping[str, Mapping[str, Any]] = {
    "no_normalisation": {"network.normalisation": "none"},
    "without_normalisation": {"network.normalisation": "none"},
    "with_normalisation": {"network.normalisation": "response"},
    "batch_normalisation": {"network.normalisation": "batch"},
    "local_pooling": {"network.pooling": "local"},
    "one_column": {"network.columns": 1, "network.kernels": ANOTHER},
    "one_large_gpu": {"network.columns": 1},
    "no_communication": {"network.communication": False},
    "no_crops": WITHOUT_CROPS,
    "half_width_no_crops": {**WITHOUT_CROPS, **NARROW},
    "half_width": NARROW,
    "no_colour": {"augmentation.colour": "none"},
    "no_dropout": {"network.dropout": 0},
    "no_weight_decay": {"learning.weight_decay": 0},
    "zero_biases": {"network.bias": 0},
    "half_data": {"share": ANOTHER},
    **{f"without_conv{layer}": {"network.without": f"conv{layer}"} for layer in range(1, 6)},
    "small_input": {"network.input_scale": ANOTHER},
    "tanh_small_input": {"network.activation": "tanh", "network.input_scale": ANOTHER},
    **{name: {"network.activation": name.split("_")[0]} for name in ("relu", "tanh", "relu_shallow", "tanh_shallow")},
    "base": {},
}
AS_PRINTED = {
    "network.normalisation": "response",
    "network.pooling": "overlapping",
    "network.columns": 2,
    "network.communication": True,
    "network.without": "nothing",
    "network.activation": "relu",
    "augmentation.crops": True,
    "augmentation.flips": True,
    "share": 1,
}
BESIDES: Mapping[str, tuple[str, ...]] = {  # what may differ with it
    "no_normalisation": ("network.spatial_normalisation",),
    "local_pooling": ("network.paddings",),  # that keep the maps' sizes
    "no_communication": ("network.kernels", "network.neurons"),  # that keep the number of connections, as the author's run 150
    "half_data": (
        *("learning.epochs", "learning.rate.at", "learning.rate.patience"),  # for as many updates
        *("learning.conv1_slowed", "learning.conv1_frozen", "augmentation.colour_until"),
    ),
    **dict.fromkeys(("relu", "tanh"), ("rates", "epochs")),
    **dict.fromkeys(("relu_shallow", "tanh_shallow"), ("rates", "epochs", "network")),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Conditions:
    """What the records of a study must agree with.

    `refusal`: what is wrong with the code that judges, or with a pin as a whole, empty where nothing is; `remedy`: what mends
    it, and whatever else is not in order. `lines`: by `train` and `converge`, the blocks
    of params.yaml under `runs` and `curves`. `settings`: by stage (`train-base`), its complete settings today, and
    `machine`; None for a pinned study, whose settings are its own. `outdated`: by stage, why it would have to run again, from
    what DVC recorded. `pinned`: whether files are only those that a pin keeps.
    """

    refusal: str = ""
    remedy: str = "`uv run dvc repro`"
    lines: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    settings: Mapping[str, Any] | None = None
    outdated: Mapping[str, str] = field(default_factory=dict)
    pinned: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Withheld:
    """Why a verdict is withheld; `altered`: a file is not the one whose hash is on record."""

    why: str
    altered: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Chain:
    """The records of one study, by stage, each looked at once. `folder` is the study's, `pictures` the hash of its packed set."""

    folder: Path
    study: str
    pictures: str
    records: Mapping[str, Mapping[str, Any]]
    conditions: Conditions
    _seen: dict[str, Withheld | None] = field(default_factory=dict, repr=False)

    def withheld(self, stages: Iterable[str]) -> Withheld | None:
        """What breaks the chain below these stages; None where nothing does."""
        if self.conditions.refusal:
            return Withheld(why=self.conditions.refusal)
        named = tuple(dict.fromkeys((*ALWAYS, *stages)))
        for stage in named:
            if stage not in self._seen:
                self._seen[stage] = self._of_stage(stage)
            if broken := self._seen[stage]:
                return broken
        evaluated = [stage for stage in named if _kind(stage) == "evaluate"]
        trained = [stage for stage in named if _kind(stage) in COMPARED]
        return self._of_inputs(named) or self._of_machines(evaluated) or self._of_trainings(trained)

    def unlike(self, stages: Iterable[str]) -> str:
        """Why trainings among these stages are not those that claims compare under their names; empty where they are.

        Of names that protocol.yaml does not use only that they differ in more than their seeds is asked.
        """
        trained = [stage for stage in dict.fromkeys(stages) if _kind(stage) in COMPARED and stage in self.records]
        pairs = (pair for pair in combinations(trained, 2) if _kind(pair[0]) == _kind(pair[1]))
        return next((why for first, second in pairs if (why := self._unlike(first, second))), "")

    def unaugmented(self) -> str:
        """Why the run whose steps were timed cannot say what augmentation costs; empty where it can."""
        run = storage.mapping(self.folder / "cost/metrics.json").get("run")
        if not (record := self.records.get(f"train-{run}")):
            return f"{run}, whose steps were timed, is no run of the study"
        off = [line for line in WITHOUT_CROPS if value_at(record.get("run"), line) is False]
        return f"{run}, whose steps were timed, has {off[0]} false" if off else ""

    def processors(self, stages: Iterable[str]) -> list[str]:
        """On what the trainings among these stages ran, each kind of machine and version of torch once."""
        records = (self.records.get(stage, {}) for stage in stages if _kind(stage) in COMPARED)
        kinds = (
            f"{record.get('processor')} ({', '.join(record.get('capability') or ())}), {record.get('cores')} cores, "
            f"torch {_mapping(record.get('versions')).get('torch')}"
            for record in records
        )
        return list(dict.fromkeys(kinds))

    def _of_stage(self, stage: str) -> Withheld | None:
        record = self.records.get(stage)
        if not record:
            return Withheld(why=f"{stage} has no provenance record")
        if not record.get("commit") or record.get("dirty") is not False:
            return Withheld(why=f"the code of {stage} was not committed")
        if broken := self._of_files(stage, record) or self._of_settings(stage, record):
            return broken
        if stale := self.conditions.outdated.get(stage):
            return Withheld(why=stale)
        return self._of_pictures(stage, record)

    def _of_files(self, stage: str, record: Mapping[str, Any]) -> Withheld | None:
        """The files of a stage are those of its record, all of them and no others; what a pin keeps is in its manifest."""
        outputs, root = record.get("outputs"), self.folder
        if not isinstance(outputs, dict) or not outputs:
            return Withheld(why=f"the record of {stage} does not say what it wrote")
        there = {path.relative_to(root).as_posix(): path for path in _written(root / Path(*stage.split("-", 1)))}
        if stray := sorted(set(there) - set(outputs)):
            return Withheld(why=f"{stray[0]} was not written by {stage}", altered=True)
        needed = set() if self.conditions.pinned else set(outputs)
        if gone := sorted(needed - set(there)):
            return Withheld(why=f"{gone[0]}, which {stage} wrote, is gone", altered=True)
        for name, path in there.items():
            if files.lasts(path) and not (path.is_file() and storage.sha256(path) == outputs[name]):
                return Withheld(why=f"{name} is not what {stage} wrote", altered=True)
        return None

    def _of_settings(self, stage: str, record: Mapping[str, Any]) -> Withheld | None:
        """Of a working study: the settings on record are those of params.yaml."""
        today = self.conditions.settings
        if today is None:
            return None
        key = COMPARED.get(_kind(stage), "")
        told = {key: record.get(key), "machine": _mapping(record.get("settings")).get("machine")}
        wanted = {key: today.get(stage), "machine": today.get("machine")}
        for name in (key, "machine"):
            if name and (differing := _differing(told[name], wanted[name])):
                return Withheld(why=f"{stage} ran with another {min(differing)} than params.yaml says")
        return None

    def _of_pictures(self, stage: str, record: Mapping[str, Any]) -> Withheld | None:
        data = record.get("data_sha256")
        if stage in ALWAYS or (data and data == self.pictures):
            return None
        if not data:
            return Withheld(why=f"the record of {stage} does not say which pictures it saw")
        return Withheld(why=f"{stage} saw other pictures than those that are packed")

    def _of_inputs(self, stages: Iterable[str]) -> Withheld | None:
        """What a stage read of another is what that one wrote, record against record: weights are too large to hash again."""
        for stage in stages:
            read = _mapping(self.records.get(stage, {}).get("inputs"))
            known = {path.split(f"results/{self.study}/")[-1]: sha for path, sha in read.items()}
            if _kind(stage) in MEASURED and not (known and self._trained(stage) <= set(known)):
                return Withheld(why=f"the record of {stage} does not say which weights it read")
            for name, sha in known.items():
                writer = "-".join(Path(name).parts[:2])
                wrote = _mapping(self.records.get(writer, {}).get("outputs"))
                if wrote.get(name) != sha:
                    return Withheld(why=f"{stage} read another {name} than {writer} wrote", altered=True)
        return None

    def _trained(self, stage: str) -> set[str]:
        """The weights that an evaluation has to have read: those of all seeds of its run. Others read some seeds of a run."""
        kind, _, run = stage.partition("-")
        wrote = _mapping(self.records.get(f"train-{run}", {}).get("outputs")) if kind == "evaluate" else {}
        return {name for name in wrote if name.endswith(WEIGHTS)}

    def _of_machines(self, stages: list[str]) -> Withheld | None:
        """Evaluations that are compared: on equal devices, with equal precision."""
        for first, second in zip(stages, stages[1:], strict=False):
            one, other = (_mapping(self.records[stage].get("settings")).get("machine") for stage in (first, second))
            if differing := _differing(one, other):
                return Withheld(why=f"{first} and {second} ran with another {min(differing)}")
        return None

    def _of_trainings(self, stages: list[str]) -> Withheld | None:
        """Trainings that are compared: equal pictures, code and machine, no difference but the lines of their blocks, and each
        network a training of its own."""
        records = {stage: self.records[stage] for stage in stages}
        known: dict[str, str] = {}
        for name, sha in ((name, sha) for record in records.values() for name, sha in _mapping(record.get("outputs")).items()):
            if name.endswith(WEIGHTS) and known.setdefault(str(sha), name) != name:
                return Withheld(why=f"{name} has the weights of {known[str(sha)]}", altered=True)
        for first, second in zip(stages, stages[1:], strict=False):
            one, other = records[first], records[second]
            for what, words in (("data_sha256", "pictures"), ("training_code", "training code")):
                if not one.get(what) or one.get(what) != other.get(what):
                    return Withheld(why=f"{first} and {second} have not, or do not say that they have, equal {words}")
            mine, theirs = (_mapping(record.get("settings")).get("machine") for record in (one, other))
            if mine != theirs:
                return Withheld(why=f"{first} and {second} ran with another {min(_differing(mine, theirs))}")
            if strange := self._strange(first, one, second, other):
                return Withheld(why=f"{first} and {second} differ in {strange}, which is no line of their blocks")
        return None

    def _strange(self, first: str, one: Mapping[str, Any], second: str, other: Mapping[str, Any]) -> str:
        """A setting in which two trainings differ although neither's block in params.yaml says so; empty where none is."""
        differing = _differing(one.get(COMPARED[_kind(first)]), other.get(COMPARED[_kind(second)]))
        own = [_mapping(self.conditions.lines.get(_kind(stage))).get(stage.split("-", 1)[1]) for stage in (first, second)]
        said = {line for block in own for line in _lines(block)}
        for block in own:
            said |= _lines(RECIPES.get(_mapping(block).get("recipe", "paper"), {}))
        if "network.architecture" in said:
            said.add("network")
        return next((line for line in sorted(differing) if not any(line == s or line.startswith(f"{s}.") for s in said)), "")

    def _unlike(self, first: str, second: str) -> str:
        key = COMPARED[_kind(first)]
        settings = {name: self.records[stage].get(key) for stage in (first, second) for name in [stage.split("-", 1)[1]]}
        (one, mine), (other, theirs) = settings.items()
        if not isinstance(mine, Mapping) or not isinstance(theirs, Mapping):
            return ""
        differing = {line for line in _differing(mine, theirs) if line != "seeds"}
        if not differing:
            return f"{one} and {other} have the same settings, so that there is nothing to compare"
        if one not in NAMED or other not in NAMED:
            return ""
        lines = {*NAMED[one], *NAMED[other]}
        for line in sorted(lines):
            for name, of in settings.items():
                wanted, value = NAMED[name].get(line, AS_PRINTED.get(line, ANOTHER)), value_at(of, line)
                if wanted is not ANOTHER and value != wanted and (value is not None or line in NAMED[name]):
                    return f"{name} has {line} {value}, and the claims on it suppose {wanted}"
            both, alike = line in NAMED[one] and line in NAMED[other], value_at(mine, line) == value_at(theirs, line)
            if alike and not both:
                return f"{one} and {other} have the same {line}, {value_at(mine, line)}, so that there is nothing to compare"
            if both and not alike and ANOTHER in (NAMED[one][line], NAMED[other][line]):
                return f"{one} and {other} differ in {line}, {value_at(mine, line)} and {value_at(theirs, line)}"
        may = (*lines, *BESIDES.get(one, ()), *BESIDES.get(other, ()))
        more = (line for line in sorted(differing) if not any(line == part or line.startswith(f"{part}.") for part in may))
        return next((f"{one} and {other} differ in {line} as well" for line in more), "")


def value_at(settings: Any, line: str) -> Any:
    """The value of a setting named with dots between: `network.columns`; None where it is not there."""
    for part in line.split("."):
        settings = _mapping(settings).get(part)
    return settings


def _kind(stage: str) -> str:
    return stage.split("-", 1)[0]


def _written(folder: Path) -> list[Path]:
    """Files of a stage's folder, and links, which no stage makes; DVC's and hidden ones apart."""
    found = (path for path in folder.rglob("*") if path.is_file() or path.is_symlink())
    return sorted(path for path in found if not path.name.startswith(".") and path.suffix not in (".dvc", ".tmp"))


def _mapping(content: Any) -> Mapping[str, Any]:
    return content if isinstance(content, Mapping) else {}


def _lines(block: Any, above: str = "") -> set[str]:
    """The settings that a block names, with dots between: `network.columns`."""
    if not isinstance(block, Mapping):
        return {above} if above else set()
    return {line for key, value in block.items() for line in _lines(value, f"{above}.{key}" if above else str(key))}


def _differing(one: Any, other: Any, above: str = "") -> set[str]:
    """The settings in which two mappings differ, with dots between; a list counts as one value."""
    if not isinstance(one, Mapping) or not isinstance(other, Mapping):
        return set() if one == other else {above or "setting"}
    keys = set(one) | set(other)
    return {line for key in keys for line in _differing(one.get(key), other.get(key), f"{above}.{key}" if above else str(key))}
