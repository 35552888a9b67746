"""What a study is, as its records and its packed set say: its pictures in words, its runs, how far each is from the paper's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study import storage
from study.judging.chain import NAMED, value_at
from study.judging.protocol import Block, PaperScale, Protocol
from study.paper.numbers import KERNELS
from study.provenance import seconds_a_seed
from study.training.recipes import RECIPES

FIGURE_1_ERROR = 0.25  # its caption: until the training error has fallen to 25%
COMPARED = {
    "training_pictures": "training pictures",
    "epochs": "epochs",
    "parameters": "parameters",
    "recipes": "recipe",
    "precisions": "precision",
}
MORE = 1.1  # so many times as many epochs are no longer as many: the recipes have 90 and 93
# Settings that stand for the paper's own where a claim is judged at its scale, by architecture: sections 3 to 5, over which the
# recipe of study/training/recipes.py stands, and the released layers-conv-local-13pct.cfg. Of Figure 1 the paper names neither
# network nor rates: footnote 3's on whole pictures is assumption A8.
SETTINGS = {
    "alexnet": {
        "network.crop": 224,
        "network.stride": 4,
        "network.columns": 2,
        "network.communication": True,
        "network.without": "nothing",
        "network.activation": "relu",
        "network.normalisation": "response",
        "network.response.k": 2.0,
        "network.response.n": 5,
        "network.response.alpha": 0.0001,
        "network.response.beta": 0.75,
        "network.spatial_normalisation": False,
        "network.pooling": "overlapping",
        "network.dropout": 0.5,
        "network.input_scale": 1.0,
        "network.bias": 1.0,
        "learning.batch": 128,
        "learning.momentum": 0.9,
        "learning.weight_decay": 0.0005,
        "learning.rate.initial": 0.01,
        "learning.rate.rule": "validation",
        "learning.rate.divisions": 3,
        "augmentation.crops": True,
        "augmentation.flips": True,
        "augmentation.colour": "eigenvalues",
        "augmentation.colour_deviation": 0.1,
    },
    "four_layer": {
        "network.crop": 24,
        "network.kernels": [64, 64, 32, 32],
        "network.activation": "relu",
        "learning.batch": 128,
        "learning.momentum": 0.9,
        "learning.weight_decay": 0.004,
        "learning.rate.initial": 0.001,
        "augmentation.crops": True,
        "augmentation.flips": True,
        "augmentation.colour": "none",
    },
}
FIGURE_1 = {
    "network.architecture": "four_layer",
    "network.crop": 32,
    "network.kernels": [64, 64, 32, 32],
    "network.normalisation": "none",
}
PACKED = {"alexnet": 256, "four_layer": 32}  # pixels
OF_ANOTHER_FILE = {"with_normalisation": ("network.kernels", "learning.weight_decay")}  # layers-conv-local-11pct.cfg (A9)
OF_CURVES = ("times.epochs_ratio", "times.ratios_apart")  # measures of Figure 1's curves; a run may have the name of a curve
NO_SCALE = "the protocol names no scale at which it would stand beside the paper's"


@dataclass(frozen=True, kw_only=True, slots=True)
class Study:
    """`records`: what made the results, by stage (`train-base`). `pictures`: the data in words, `packed`: their hash.

    `reduced`: by claim, what keeps it from the paper's scale, a phrase each. `scales`: by claim, the data
    and how many of them were learned, the size of the network. `seconds`: by stage (`train-base`), what one more seed takes.
    """

    folder: Path
    name: str
    pictures: str
    packed: str
    records: Mapping[str, Mapping[str, Any]]
    reduced: Mapping[str, tuple[str, ...]]
    scales: Mapping[str, str]
    seconds: Mapping[str, float]


def study_of(folder: Path, name: str, protocol: Protocol) -> Study:
    """What is there of a study; nothing is raised for what is missing or broken."""
    records = {
        path.stem: content for path in sorted((folder / "provenance").glob("*.json")) if (content := storage.mapping(path))
    }
    packed = storage.mapping(folder / "prepare/packed.json")
    counts = packed.get("pictures")
    trained = {stage: record for stage, record in records.items() if stage.startswith(("train-", "converge-"))}
    source = storage.mapping(folder / "download/source.json")
    reduced, scales = {}, {}
    for claim, block in protocol.claims.items():
        run = _of_the_papers_size(block, protocol)
        curves = block.measure in OF_CURVES
        record = trained.get(f"{'converge' if curves else 'train'}-{run}", {})
        parameters = None if curves else storage.mapping(folder / f"train/{run}/metrics.json").get("parameters")
        scale = (_pictures(source, packed, _learned(record, counts), name), _network(parameters, record))
        scales[claim] = ", ".join(part for part in scale if part)
        below: dict[str, None] = {}
        for one in _curves(block, trained) if curves and record else [record]:
            facts = _facts(name, _learned(one, counts), parameters, one)
            less = _below(block.paper_scale, source.get("source"), facts) or _other_settings(block, run, one, packed.get("size"))
            below |= dict.fromkeys((*less, *_to_another_error(one)))
        reduced[claim] = (*below, *_of_another_number(block, record))
    return Study(
        folder=folder,
        name=name,
        pictures=_pictures(source, packed, _count(counts, "train"), name),
        packed=str(packed.get("sha256", "")),
        records=records,
        reduced=reduced,
        scales=scales,
        seconds={stage: seconds for stage, record in trained.items() if (seconds := seconds_a_seed(record))},
    )


def _of_the_papers_size(block: Block, protocol: Protocol) -> str:
    """The run that must have the paper's size: a control where the claim names it, since the others may be variants of it."""
    named = (*block.against.split(), *block.run.split(), "")
    controls = {family.control for family in protocol.head.families.values()}
    return next((run for run in named if run and run in controls), named[0])


def _curves(block: Block, records: Mapping[str, Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The records of all curves that a claim names; each must be at the paper's scale."""
    return [records.get(f"converge-{name}", {}) for name in (*block.run.split(), *block.against.split())]


def _of_another_number(block: Block, record: Mapping[str, Any]) -> tuple[str, ...]:
    """Of an average: that it is of another number of networks than the paper's."""
    seeds = _mapping(record.get("run")).get("seeds")
    number = len(seeds) if isinstance(seeds, list) else None
    return (
        ()
        if block.models in (1, number)
        else (f"an average of {number or 'an unknown number of'} networks, not of {block.models}",)
    )


def _to_another_error(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Of a curve of Figure 1: that it ends at another training error than the figure's 25%."""
    threshold = _mapping(record.get("curve")).get("threshold", FIGURE_1_ERROR)
    return () if threshold == FIGURE_1_ERROR else (f"to a training error of {threshold}, not of {FIGURE_1_ERROR}",)


def _learned(record: Mapping[str, Any], counts: Any) -> int:
    """How many pictures a run or a curve learned: its share of the training set; a curve has no validation set of its own."""
    if curve := _mapping(record.get("curve")):
        pictures = curve.get("pictures")
        return pictures if isinstance(pictures, int) else _count(counts, "train") + _count(counts, "validation")
    share = _mapping(record.get("run")).get("share", 1)
    return round(share * _count(counts, "train")) if isinstance(share, int | float) else 0


def _count(counts: Any, split: str) -> int:
    count = _mapping(counts).get(split)
    return count if isinstance(count, int) else 0


def _facts(name: str, training: int, parameters: Any, record: Mapping[str, Any]) -> dict[str, Any]:
    run, machine = _mapping(record.get("run")), _mapping(_mapping(record.get("settings")).get("machine"))
    facts = {"study": name, "training_pictures": training, "parameters": parameters}
    return facts | {
        "epochs": _mapping(run.get("learning")).get("epochs"),
        "recipes": run.get("recipe"),
        "precisions": machine.get("precision"),
    }


def _other_settings(block: Block, run: str, record: Mapping[str, Any], size: Any) -> tuple[str, ...]:
    """Settings of a training that are neither the paper's nor what its name says of it, a phrase each, and that pictures were
    packed at another `size`. What a record lacks is passed over, and so are curves that are meant to be of another network."""
    settings: Any = record.get("run")
    theirs: Mapping[str, Any]
    architecture = str(value_at(settings, "network.architecture"))
    if block.measure in OF_CURVES:
        settings, theirs = record.get("curve"), FIGURE_1 if block.measure == OF_CURVES[0] else {}
    elif architecture == "alexnet" and (recipe := value_at(settings, "recipe")) in RECIPES:
        theirs = {**SETTINGS[architecture], **dict(_lines_of(RECIPES[recipe]))}
    else:
        theirs = SETTINGS.get(architecture, {})
    passed = {*NAMED.get(run, ()), *OF_ANOTHER_FILE.get(run, ()), "learning.epochs"}  # epochs are told of as such
    ours = {line: value_at(settings, line) for line in theirs if line not in passed}
    others = {line: value for line, value in ours.items() if value not in (None, theirs[line])}
    found = tuple(f"{line} {value} in place of {theirs[line]}" for line, value in others.items())
    pixels = PACKED.get(architecture, size)
    return found if size in (None, pixels) else (*found, f"pictures of {size} pixels in place of {pixels}")


def _lines_of(settings: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Settings by their names with dots between."""
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _lines_of(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _below(scale: PaperScale | None, source: Any, ours: Mapping[str, Any]) -> tuple[str, ...]:
    """What keeps ours from standing beside the paper's, a phrase each; empty where nothing does. `source` is where the pictures
    are from, which has the name of the study that trains on them at the paper's scale."""
    if scale is None:
        return (NO_SCALE,)
    found = [] if ours["study"] == scale.study else [f"data of {ours['study']}, not of {scale.study}"]
    if not found and source != scale.study:
        found.append(f"pictures of {source or 'an unknown source'}, not of {scale.study}")
    unknown = []
    for name, what in COMPARED.items():
        mine, theirs = ours[name], getattr(scale, name)
        if not theirs:
            continue
        if mine is None or (isinstance(theirs, int) and not isinstance(mine, int)):
            unknown.append(what)
        elif name == "parameters" and mine != theirs:
            found.append(f"{mine:,} parameters in place of {theirs:,}")
        elif name in ("training_pictures", "epochs") and mine < theirs:
            found.append(f"{mine:,} of {theirs:,} {what}")
        elif name == "epochs" and mine > MORE * theirs:
            found.append(f"{mine:,} {what} in place of {theirs:,}")
        elif name in ("recipes", "precisions") and mine not in theirs:
            found.append(f"{what} {mine} in place of {' or '.join(theirs)}")
    return (*found, f"{', '.join(unknown)} not known") if unknown else tuple(found)


def _mapping(content: Any) -> Mapping[str, Any]:
    return content if isinstance(content, Mapping) else {}


def _pictures(source: Mapping[str, Any], packed: Mapping[str, Any], training: int, name: str) -> str:
    """What they are, how many classes and pictures, how large, and whether a program drew them."""
    parts = [str(source.get("title") or packed.get("title") or f"the pictures of study {name}")]
    if (packed.get("synthetic") or source.get("synthetic")) and "synthetic" not in parts[0]:
        parts.append("synthetic")
    if isinstance(classes := packed.get("classes"), list | int):
        parts.append(f"{classes if isinstance(classes, int) else len(classes)} classes")
    if training:
        parts.append(f"{training:,} for training")
    if size := packed.get("size"):
        parts.append(f"{size} px")
    if learned := _mapping(packed.get("also_in_training")).get("test"):
        parts.append(f"{learned:,} of the test pictures are training pictures too")
    return ", ".join(parts)


def _network(parameters: Any, record: Mapping[str, Any]) -> str:
    """A network's size, such as `24 of the paper's 96 kernels in conv1, 1,234,567 parameters`; empty where nothing says."""
    network = _mapping(_mapping(record.get("run")).get("network"))
    kernels = network.get("kernels")
    parts = []
    if isinstance(kernels, list) and kernels and network.get("architecture", "alexnet") == "alexnet":
        parts.append(f"{kernels[0]} of the paper's {KERNELS[0]} kernels in conv1")
    return ", ".join(parts + ([f"{parameters:,} parameters"] if isinstance(parameters, int) else []))


def headline(folder: Path, runs: tuple[str, ...], curves: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Ten-patch errors by run and epochs to the threshold by curve and seed, of what is there: for `dvc metrics show`."""
    errors = {run: storage.mapping(folder / f"evaluate/{run}/metrics.json").get("ten_patches") for run in runs}
    seeds = {curve: _mapping(storage.mapping(folder / f"converge/{curve}/metrics.json").get("seeds")) for curve in curves}
    epochs = {
        curve: {seed: _mapping(one).get("epochs_to_threshold") for seed, one in of.items()} for curve, of in seeds.items() if of
    }
    return {"errors": {run: error for run, error in errors.items() if error}, "epochs_to_threshold": epochs}
