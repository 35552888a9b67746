"""What a chosen study will run, and about how long that takes: estimated from rates that were measured, and said as that."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import accumulate, groupby
from pathlib import Path
from typing import Any

from stages.settings import StudySettings
from study import amounts, storage
from study.cores import allotted_cores
from study.machine import MachineSettings
from study.network.building import NetworkSettings
from study.sources import folders
from study.sources.choosing import BuiltInSettings
from study.sources.folders import FolderSettings

CORES = 2
RATES = {  # training pictures a second on CORES cores of an AMD EPYC with AVX-512, in float32, by architecture and crop in pixels
    ("alexnet", 39): 3300,
    ("alexnet", 55): 1500,
    ("alexnet", 224): 37,
    ("four_layer", 24): 1300,  # 1,700 without response normalisation, 1,050 with it
    ("four_layer", 32): 850,
}
COMPILED_BFLOAT16 = {("alexnet", 224): 80}
KNOWN = {  # training and test pictures of a source before anything is packed
    "cifar10": (45_000, 10_000),
    "cifar100": (45_000, 10_000),
    "mnist": (55_000, 10_000),
    "imagenette": (8_469, 3_925),
    "ilsvrc2010": (1_261_406, 150_000),
    "ilsvrc2012": (1_281_167, 45_000),
}
KNOWN_FOLDERS = {"imagewoof2-320": (10, 9_025, 3_929), "tiny-imagenet-200": (200, 100_000, 10_000)}  # classes, training, others
PATCH_FACTOR = 3  # ten patches of a picture take as long as training on three
STARTUP_SECONDS = 12  # of a stage, before it works
MOST_FILES = 200_000  # pictures of a folder that are counted, at most: more would take longer than choosing should


def plan(settings: StudySettings) -> list[str]:
    """Lines that say what `dvc repro` runs for a study, what is there of it already, and about how long all of it takes."""
    seeds = sorted(settings.runs.items(), key=lambda pair: -len(pair[1].seeds))
    groups = [(count, [name for name, _ in same]) for count, same in groupby(seeds, key=lambda pair: len(pair[1].seeds))]
    runs = [f"{', '.join(names)} ({_counted(count, 'seed')}{' each' if len(names) > 1 else ''})" for count, names in groups]
    curves = [
        f"{name} ({_counted(len(curve.rates), 'rate')}, {_counted(len(curve.seeds), 'seed')})"
        for name, curve in settings.curves.items()
    ]
    there = [name for name in settings.runs if _is_trained(settings, name)]
    counts, lacking = _listed(settings.download)
    return [
        "`uv run dvc repro` will run:",
        "  download, prepare",
        f"  train, evaluate: {'; '.join(runs)}",
        *([f"  converge: {', '.join(curves)}"] if curves else []),
        "  retrieve, halve, cost, hand_made, judge",
        *([f"there already, and not run again where nothing has changed: {', '.join(there)}"] if there else []),
        *_how_long(settings, counts or _pictures(settings)),
        *(f"note: {told}" for told in (lacking, _slow(settings.machine)) if told),
    ]


def _is_trained(settings: StudySettings, name: str) -> bool:
    """Whether a run is there with the settings that are chosen now; whether its code and pictures are the same, DVC says."""
    made = storage.mapping(settings.results / "provenance" / f"train-{name}.json")
    there = (settings.results / "train" / name / "metrics.json").exists()
    return there and made.get("run") == json.loads(json.dumps(asdict(settings.runs[name])))


def missing(settings: StudySettings) -> str:
    """A sentence where the pictures of a folder are not where they are said to be, or are not as `download` needs them."""
    return _listed(settings.download)[1]


def _listed(source: Any) -> tuple[tuple[int, int] | None, str]:
    """Training and test pictures of a folder, counted as `download` does, and what it would refuse, in a sentence.

    Not counted are an archive, what is known, and what would take longer than choosing should.
    """
    if not isinstance(source, FolderSettings):
        return None, ""
    try:
        place = folders.find(source.place)
        if source.place in KNOWN_FOLDERS or not place.is_dir():
            return None, ""
        if any(files > MOST_FILES for files in accumulate(len(names) for _, _, names in os.walk(place))):
            return None, ""
        counts = folders.obtain_folder(source).counts
    except ValueError as problem:
        return None, str(problem)
    return (counts["train"], counts["test"]), ""


def _slow(machine: MachineSettings) -> str:
    """A sentence where a study asks a processor for a precision in which it is slower than in float32."""
    lacking = bfloat16_lacks() if machine.precision == "bfloat16" and "cpu" in machine.devices else ""
    if not lacking:
        return ""
    measured = {
        "bf16": "this processor has no instructions for bfloat16, and on one without, a step of the paper's network took 14 "
        "times as long as in float32",
        "amx_bf16": "this processor has Intel's vector instructions for bfloat16 and not its matrix unit (AMX), and on one like "
        "it products of matrices and convolutions took 1.6 times as long as in float32, a step of the paper's network 3 times "
        "as long as the estimate above says",
    }
    return f"{measured[lacking]}; machine.precision=float32 chooses that, and results of the two are not compared"


def bfloat16_lacks(told: Path = Path("/proc/cpuinfo")) -> str:
    """Which instructions for bfloat16 the processor lacks, so that float32 is faster: "bf16", all of them, as one with AVX2
    alone; "amx_bf16", Intel's matrix unit, where one of Intel's has the vector ones only; "" where it lacks none, or tells
    none."""
    try:
        said = told.read_text()
    except OSError:  # no Linux
        return ""
    if "bf16" not in said:  # avx512_bf16, amx_bf16, and bf16 of ARM's
        return "bf16"
    return "amx_bf16" if "GenuineIntel" in said and "amx_bf16" not in said else ""


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _how_long(settings: StudySettings, counts: tuple[int, int] | None) -> list[str]:
    """Lines: everything, and the run that is looked into alone, which is where people begin."""
    if counts is None:
        return ["how long: not known before the pictures are counted; `uv run dvc repro prepare`, then choose again"]
    first = settings.retrieve.run
    alone = replace(settings, runs={first: settings.runs[first]}, curves={})
    whole, begun = _seconds(replace(settings, curves={}), *counts, others=7), _seconds(alone, *counts, others=2)
    drawn = _seconds(replace(settings, runs={}), *counts, others=0) if settings.curves else 0.0
    if whole is None or drawn is None:
        return ["how long: no rate was measured for such a network on such a machine"]
    curves = f", and at most {amounts.lasting(drawn)} for the curves, which end at their threshold" if drawn else ""
    cores, (training, test) = allotted_cores(), counts
    begin = (
        f"  `uv run dvc repro evaluate@{first}` alone: about {amounts.lasting(begun)}" if begun and begun < 0.9 * whole else None
    )
    return [
        f"about {amounts.lasting(whole)} on the {_counted(cores, 'core')} here{curves}: estimated for {training:,} training and "
        f"{test:,} test pictures from rates measured on {CORES} cores of an AMD EPYC with AVX-512, so other processors differ",
        *([begin] if begin else []),
    ]


def _seconds(settings: StudySettings, training: int, test: int, others: int) -> float | None:
    """How long a study's runs, curves and `others`, stages that soon end, take on the cores here for so many training and test
    pictures; None where no rate was measured."""
    rates = [(pictures, _rate(network, settings.machine)) for network, pictures in _workload(settings, training, test)]
    if any(rate is None for _, rate in rates):
        return None
    stages = others + 2 * len(settings.runs) + len(settings.curves)
    return STARTUP_SECONDS * stages + sum(pictures / rate for pictures, rate in rates if rate) * CORES / allotted_cores()


def _workload(settings: StudySettings, training: int, test: int) -> Iterator[tuple[NetworkSettings, float]]:
    """Networks, and the pictures that each is trained on, an evaluation counted as training on so many."""
    for run in settings.runs.values():
        yield run.network, len(run.seeds) * (run.learning.epochs * run.share * training + PATCH_FACTOR * test)
    for curve in settings.curves.values():
        trainings = len(curve.seeds) + (len(curve.rates) if len(curve.rates) > 1 else 0)
        yield curve.network, trainings * curve.epochs * min(curve.pictures or training, training)


def _rate(network: NetworkSettings, machine: MachineSettings) -> int | None:
    """Training pictures a second on CORES cores, where it was measured."""
    size = (network.architecture, network.crop)
    if machine.devices != ("cpu",):
        return None
    return COMPILED_BFLOAT16.get(size) if (machine.compiled, machine.precision) == (True, "bfloat16") else RATES.get(size)


def _pictures(settings: StudySettings) -> tuple[int, int] | None:
    """Training and test pictures: as drawn, packed, or known of the source; None if nobody knows."""
    source = settings.download
    if isinstance(source, BuiltInSettings):  # whatever was packed before for other numbers
        return source.pictures.train, source.pictures.test
    try:
        packed = storage.read_json(settings.packed / "index.json")["pictures"]
        return packed["train"], packed["test"]
    except (OSError, ValueError, KeyError):
        pass
    if isinstance(source, FolderSettings):
        return _split_counts(source, *KNOWN_FOLDERS[source.place]) if source.place in KNOWN_FOLDERS else None
    return KNOWN.get(source.source)


def _split_counts(source: FolderSettings, classes: int, training: int, others: int) -> tuple[int, int]:
    """Training and test pictures that a source makes of so many classes and pictures."""
    chosen = min(source.classes_drawn or len(source.classes) or classes, classes)
    training, others, moved = training * chosen // classes, others * chosen // classes, source.test_per_class * chosen
    validation = source.validation_per_class * chosen or source.validation
    return max(training - moved - validation, 1), others + moved
