"""What a study is, as its records and its packed set say: its pictures in words, its runs, how far each is from the paper's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study import storage
from study.judging.protocol import Block, PaperScale, Protocol
from study.paper.numbers import KERNELS

NO_SCALE = "the protocol names no scale at which it would stand beside the paper's"


@dataclass(frozen=True, kw_only=True, slots=True)
class Study:
    """`records`: what made the results, by stage (`train-base`). `pictures`: the data in words, `packed`: their hash.

    `reduced`: by claim, what keeps it from the paper's scale, a phrase each. `networks`: by claim, the size of its network in
    words. `seconds`:
    by run or curve, what a seed took.
    """

    folder: Path
    name: str
    pictures: str
    packed: str
    records: Mapping[str, Mapping[str, Any]]
    reduced: Mapping[str, tuple[str, ...]]
    networks: Mapping[str, str]
    seconds: Mapping[str, float]


def study_of(folder: Path, name: str, protocol: Protocol) -> Study:
    """What is there of a study; nothing is raised for what is missing or broken."""
    records = {
        path.stem: content for path in sorted((folder / "provenance").glob("*.json")) if (content := storage.mapping(path))
    }
    packed = storage.mapping(folder / "prepare/packed.json")
    counts = packed.get("pictures")
    training = counts.get("train") if isinstance(counts, dict) else None
    training = training if isinstance(training, int) else 0
    runs = {stage.split("-", 1)[1]: record for stage, record in records.items() if stage.startswith(("train-", "converge-"))}
    parameters = {run: storage.mapping(folder / f"train/{run}/metrics.json").get("parameters") for run in runs}
    reduced, networks = {}, {}
    for claim, block in protocol.claims.items():
        run = _of_the_papers_size(block, protocol)
        networks[claim] = _network(parameters.get(run), runs.get(run, {}))
        facts = _facts(name, training, parameters.get(run), runs.get(run, {}))
        reduced[claim] = (*_below(block.paper_scale, facts), *_of_another_number(block, runs.get(run, {})))
    return Study(
        folder=folder,
        name=name,
        pictures=_pictures(storage.mapping(folder / "download/source.json"), packed, training, name),
        packed=str(packed.get("sha256", "")),
        records=records,
        reduced=reduced,
        networks=networks,
        seconds={run: seconds for run, record in runs.items() if (seconds := _seconds_a_seed(record))},
    )


def _of_the_papers_size(block: Block, protocol: Protocol) -> str:
    """The run that must have the paper's size: a control where the claim names it, since the others may be variants of it."""
    named = (*block.against.split(), *block.run.split(), "")
    controls = {family.control for family in protocol.head.families.values()}
    return next((run for run in named if run and run in controls), named[0])


def _of_another_number(block: Block, record: Mapping[str, Any]) -> tuple[str, ...]:
    """Of an average: that it is of another number of networks than the paper's."""
    seeds = _mapping(record.get("run")).get("seeds")
    number = len(seeds) if isinstance(seeds, list) else None
    return () if block.models in (1, number) else (f"an average of {_said(number)} networks, not of {block.models}",)


def _facts(name: str, training: int, parameters: Any, record: Mapping[str, Any]) -> dict[str, Any]:
    run, machine = _mapping(record.get("run")), _mapping(_mapping(record.get("settings")).get("machine"))
    facts = {"study": name, "training_pictures": training, "parameters": parameters}
    return facts | {
        "epochs": _mapping(run.get("learning")).get("epochs"),
        "recipes": run.get("recipe"),
        "precisions": machine.get("precision"),
    }


def _below(scale: PaperScale | None, ours: Mapping[str, Any]) -> tuple[str, ...]:
    """What keeps ours from standing beside the paper's, a phrase each; empty where nothing does."""
    if scale is None:
        return (NO_SCALE,)
    found = [] if ours["study"] == scale.study else [f"data of {ours['study']}, not of {scale.study}"]
    for name in ("training_pictures", "epochs"):
        mine, theirs = ours[name], getattr(scale, name)
        if theirs is not None and (not isinstance(mine, int) or mine < theirs):
            found.append(f"{_said(mine)} of {theirs:,} {name.replace('_', ' ')}")
    if scale.parameters is not None and ours["parameters"] != scale.parameters:
        found.append(f"{_said(ours['parameters'])} parameters in place of {scale.parameters:,}")
    for name in ("recipes", "precisions"):
        mine, theirs = ours[name], getattr(scale, name)
        if theirs and mine not in theirs:
            found.append(f"{name.removesuffix('s')} {mine or 'not known'} in place of {' or '.join(theirs)}")
    return tuple(found)


def _said(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value) if value else "an unknown number"


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


def _seconds_a_seed(record: Mapping[str, Any]) -> float:
    seeds = _mapping(record.get("run", record.get("curve"))).get("seeds")
    seconds = record.get("seconds")
    return float(seconds) / len(seeds) if isinstance(seconds, int | float) and isinstance(seeds, list) and seeds else 0.0


def headline(folder: Path, runs: tuple[str, ...], curves: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Ten-patch errors by run and epochs to the threshold by curve and seed, of what is there: for `dvc metrics show`."""
    errors = {run: storage.mapping(folder / f"evaluate/{run}/metrics.json").get("ten_patches") for run in runs}
    seeds = {curve: _mapping(storage.mapping(folder / f"converge/{curve}/metrics.json").get("seeds")) for curve in curves}
    epochs = {
        curve: {seed: _mapping(one).get("epochs_to_threshold") for seed, one in of.items()} for curve, of in seeds.items() if of
    }
    return {"errors": {run: error for run, error in errors.items() if error}, "epochs_to_threshold": epochs}
