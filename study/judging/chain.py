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

LESS = "less"  # than that of the run that it is compared with; of lists no entry more, and one less
WITHOUT_CROPS = {"augmentation.crops": False, "augmentation.flips": False}
NARROW = {"network.kernels": LESS, "network.neurons": LESS}
# What makes a run or curve the one that protocol.yaml's claims name; CONTRIBUTING.md says how another is added. The other one has
# AS_PRINTED's value of the same setting, or where none stands there another one.
NAMED: Mapping[str, Mapping[str, Any]] = {
    "no_normalisation": {"network.normalisation": "none"},
    "without_normalisation": {"network.normalisation": "none"},
    "with_normalisation": {"network.normalisation": "response"},
    "batch_normalisation": {"network.normalisation": "batch"},
    "local_pooling": {"network.pooling": "local"},
    "one_column": {"network.columns": 1, "network.kernels": LESS},
    "one_large_gpu": {"network.columns": 1},
    "no_communication": {"network.communication": False, "network.columns": 2},
    "no_crops": WITHOUT_CROPS,
    "half_width_no_crops": {**WITHOUT_CROPS, **NARROW},
    "half_width": NARROW,
    "no_colour": {"augmentation.colour": "none"},
    "no_dropout": {"network.dropout": 0},
    "no_weight_decay": {"learning.weight_decay": 0},
    "zero_biases": {"network.bias": 0},
    "half_data": {"share": LESS},
    **{f"without_conv{layer}": {"network.without": f"conv{layer}"} for layer in range(1, 6)},
    "small_input": {"network.input_scale": LESS},
    "tanh_small_input": {"network.activation": "tanh", "network.input_scale": LESS},
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
OTHER_NETWORK = "_shallow"  # so end the names of curves of another network than `relu` and `tanh` have
BESIDES: Mapping[str, tuple[str, ...]] = {  # what may differ with it
    "no_normalisation": ("network.spatial_normalisation",),
    "local_pooling": ("network.paddings",),  # that keep the maps' sizes
    "no_communication": ("network.kernels", "network.neurons"),  # that keep the number of connections, as the author's run 150
    "half_data": (
        *("learning.epochs", "learning.rate.at", "learning.rate.patience"),  # for as many updates
        *("learning.conv1_slowed", "learning.conv1_frozen", "augmentation.colour_until"),
    ),
    **dict.fromkeys(("relu", "tanh", "relu_shallow", "tanh_shallow"), ("rates", "epochs")),
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
        """Why trainings among these stages are not those that claims name (NAMED); empty where they are.

        Of two of which one has a name that stands in no table only that they differ in more than their seeds is asked.
        """
        trained = [stage for stage in dict.fromkeys(stages) if _kind(stage) in COMPARED and stage in self.records]
        of_each = (why for stage in trained if (why := self._misnamed(stage)))
        pairs = (pair for pair in combinations(trained, 2) if _kind(pair[0]) == _kind(pair[1]))
        return next(of_each, "") or next((why for first, second in pairs if (why := self._unlike(first, second))), "")

    def without(self, stages: Iterable[str], line: str, value: Any) -> str:
        """Which training among these stages has another value of a setting than a claim on it supposes; empty where none has."""
        found = ((stage, value_at(self.records.get(stage, {}).get("run"), line)) for stage in stages if _kind(stage) == "train")
        return next(
            (
                f"{_name(stage)} has {line} {own}, and the claim supposes {value}"
                for stage, own in found
                if own not in (None, value)
            ),
            "",
        )

    def unaugmented(self) -> str:
        """Why the run whose steps were timed cannot say what augmentation costs; empty where it can."""
        run = storage.mapping(self.folder / "cost/metrics.json").get("run")
        settings = self.records.get(f"train-{run}", {}).get("run") or (self.conditions.settings or {}).get(f"train-{run}")
        if not settings:
            return f"{run}, whose steps were timed, is no run of the study"
        off = [line for line in WITHOUT_CROPS if value_at(settings, line) is False]
        return f"{run}, whose steps were timed, has {off[0]} false" if off else ""

    def processors(self, stages: Iterable[str]) -> list[str]:
        """On what the trainings among these stages ran, each processor and version of torch once."""
        records = (self.records.get(stage, {}) for stage in stages if _kind(stage) in COMPARED)
        kinds = (
            f"{record.get('processor')} ({', '.join(record.get('capability') or ())}), "
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
        if copied := self._copied(records):
            return copied
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

    def _copied(self, records: Mapping[str, Mapping[str, Any]]) -> Withheld | None:
        """Networks that are one another's copies, but those of two runs with the same settings, which `unlike` tells of."""
        known: dict[str, tuple[str, str]] = {}
        for stage, record in records.items():
            for name, sha in _mapping(record.get("outputs")).items():
                first, other = known.setdefault(str(sha), (stage, name)) if name.endswith(WEIGHTS) else (stage, name)
                if name != other and (stage == first or self._differing(stage, first)):
                    return Withheld(why=f"{name} has the weights of {other}", altered=True)
        return None

    def _differing(self, first: str, second: str) -> set[str]:
        """The settings, but for the seeds, in which two trainings of a kind differ."""
        one, other = (self.records[stage].get(COMPARED[_kind(stage)]) for stage in (first, second))
        return _differing(one, other) - {"seeds"}

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

    def _misnamed(self, stage: str) -> str:
        """In what a training is not what its name says."""
        settings, name = self.records[stage].get(COMPARED[_kind(stage)]), _name(stage)
        for line, wanted in NAMED.get(name, {}).items():
            if wanted != LESS and (value := value_at(settings, line)) != wanted:
                return f"{name} has {line} {value}, and the claims on it suppose {wanted}"
        return ""

    def _unlike(self, first: str, second: str) -> str:
        """In what two trainings are not those whose comparison says what their names say."""
        key, one, other = COMPARED[_kind(first)], _name(first), _name(second)
        mine, theirs = self.records[first].get(key), self.records[second].get(key)
        if not isinstance(mine, Mapping) or not isinstance(theirs, Mapping):
            return ""
        if not (differing := self._differing(first, second)):
            return f"{one} and {other} have the same settings, so that there is nothing to compare"
        if one not in NAMED or other not in NAMED:
            return ""
        for line in sorted({*NAMED[one], *NAMED[other]}):
            if why := _unlike_in(line, (one, value_at(mine, line)), (other, value_at(theirs, line))):
                return why
        may = [*NAMED[one], *NAMED[other], *BESIDES.get(one, ()), *BESIDES.get(other, ())]
        if one.endswith(OTHER_NETWORK) != other.endswith(OTHER_NETWORK):
            if not any(line.startswith("network.") and line != "network.activation" for line in differing):
                return f"{one} and {other} have the same network, so that there is nothing to compare"
            may.append("network")
        more = (line for line in sorted(differing) if not any(line == part or line.startswith(f"{part}.") for part in may))
        return next((f"{one} and {other} differ in {line} as well" for line in more), "")


def _unlike_in(line: str, first: tuple[str, Any], second: tuple[str, Any]) -> str:
    """Why one setting of two runs, each a name and a value, is not as their names say; empty where it is."""
    for name, value in (first, second):
        if line not in NAMED[name] and line in AS_PRINTED and value not in (None, AS_PRINTED[line]):
            return f"{name} has {line} {value}, and the claims on it suppose {AS_PRINTED[line]}"
    for (name, value), (other, theirs) in ((first, second), (second, first)):
        if (wanted := NAMED[name].get(line)) is None:
            continue
        if wanted == LESS and line in NAMED[other] and value != theirs:
            return f"{name} and {other} differ in {line}, {value} and {theirs}"
        if wanted == LESS and line not in NAMED[other] and not _less(value, theirs):
            return f"{name} has {line} {value}, no less than {theirs} of {other}"
        if line not in NAMED[other] and value == theirs and wanted != AS_PRINTED.get(line):
            return f"{name} and {other} have the same {line}, {value}, so that there is nothing to compare"
    return ""


def _less(one: Any, other: Any) -> bool:
    """Whether a number, or a list of them, is less than another: no entry more, and one less."""
    pairs = list(zip(one, other, strict=False)) if isinstance(one, list) and isinstance(other, list) else [(one, other)]
    try:
        return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)
    except TypeError:  # one of them is not there
        return other is None


def _name(stage: str) -> str:
    return stage.split("-", 1)[1]


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
