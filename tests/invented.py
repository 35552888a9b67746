"""Invented results in the real formats, for the tests of the judgement: with or without the effects of the paper, or untrained.

Everything is in order: a provenance record for each stage, with the hashes of what it wrote. Who changes a file for a test calls
`seal` for a stage that is to have written it so.
"""

import atexit
import json
import shutil
import tempfile
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from stages import versions
from study import files, predictions, storage
from study.judging.about import study_of
from study.judging.chain import Chain, Conditions
from study.judging.evidence import Evidence
from study.judging.judgement import judge
from study.judging.protocol import Protocol, read_protocol
from study.judging.row import Row
from study.training import outputs

SHARED = {
    "recipe": "paper",
    "network": {
        "architecture": "alexnet",
        "kernels": [24, 64, 96, 96, 64],
        "columns": 2,
        "dropout": 0.5,
        "pooling": "overlapping",
    },
    "learning": {"epochs": 12, "batch": 32, "rate": {"initial": 0.01, "rule": "validation", "patience": 3, "divisions": 1}},
    "share": 1.0,
    "seeds": [0, 1, 2, 3, 4],
}
RUNS: dict[str, dict[str, Any]] = {
    "base": {"seeds": list(range(10))},
    "no_normalisation": {"network": {"normalisation": "none"}},
    "local_pooling": {"network": {"pooling": "local"}},
    "one_column": {"network": {"columns": 1, "kernels": [12, 32, 48, 48, 64]}},
    "no_dropout": {"network": {"dropout": 0.0}},
    "one_large_gpu": {"network": {"columns": 1}},
}
CURVES: dict[str, dict[str, Any]] = {"relu": {"network": {"activation": "relu"}}, "tanh": {"network": {"activation": "tanh"}}}
FOUR_LAYER = {"architecture": "four_layer", "kernels": [64, 64, 32, 32]}  # of footnote 3
CURVE = {"network": FOUR_LAYER, "epochs": 60, "seeds": [0, 1, 2, 3, 4]}
MACHINE = {"devices": ["cpu"], "threads": 1, "precision": "float32", "deterministic": True, "compiled": False, "replicas": 1}
SEEDS = (0, 1, 2, 3, 4)
CLASSES = 24
COMMIT = "0" * 40
PICTURES_SHA = "5" * 64
TEMPLATES = Path(tempfile.mkdtemp(prefix="invented-"))
atexit.register(shutil.rmtree, TEMPLATES, ignore_errors=True)


@dataclass(frozen=True, kw_only=True)
class Invented:
    """A study that never ran: its folder, what params.yaml would say of it, and the pictures it is tested on."""

    folder: Path
    study: str
    runs: dict[str, dict[str, Any]]
    curves: dict[str, dict[str, Any]]
    conditions: Conditions = field(default_factory=Conditions)

    def evidence(self) -> Evidence:
        return Evidence(folder=self.folder, study=self.study, runs=tuple(self.runs), curves=tuple(self.curves))


_MADE: dict[Path, Invented] = {}


@cache
def protocol_of(study: str) -> Protocol:
    return read_protocol(versions.as_it_stands().protocol).of_study(study)


def judged(
    invented: Invented, *, protocol: Protocol | None = None, registered=lambda claim, commits: "pre-registered", **what
) -> dict[str, Row]:
    """By claim, the rows that the judgement gives."""
    protocol = protocol or protocol_of(invented.study)
    study = study_of(invented.folder, invented.study, protocol)
    chain = Chain(
        folder=invented.folder, study=invented.study, pictures=study.packed, records=study.records, conditions=invented.conditions
    )
    rows = judge(invented.evidence(), protocol, study, chain, registered, **what)
    return {row.claim.id: row for row in rows}


def merged(shared: Any, own: Any) -> Any:
    if isinstance(shared, dict) and isinstance(own, dict):
        return {key: merged(shared.get(key), own[key]) if key in own else shared[key] for key in {**shared, **own}}
    return own


def invent(folder: Path, **what: Any) -> Invented:
    """Results in a folder, as `_invent` makes them; the same ones are made once and then copied."""
    kept = TEMPLATES / "-".join(f"{key}={value}" for key, value in what.items() or {"as": "usual"}.items())
    if kept not in _MADE:
        _MADE[kept] = _invent(kept, **what)
    shutil.copytree(kept, folder, dirs_exist_ok=True)
    return replace(_MADE[kept], folder=folder)


def _invent(
    folder: Path,
    *,
    planted: bool = True,
    untrained: bool = False,
    pictures: int = 1000,
    study: str = "sketch",
    training: int = 8000,
    slow_epochs: float | None = None,
    seeds: int | None = None,
) -> Invented:
    """Write results in the real formats: `planted` with all of the paper's effects, otherwise with none of them.

    `untrained`: of networks that guess, with the small effects that a network shows before it has learned anything. `seeds`: so
    many for every run, in place of ten of base and five of the others.
    """
    random = np.random.default_rng(0)
    source, shared = {"title": "built-in synthetic pictures", "synthetic": True}, SHARED
    if study == "cifar10":
        source |= {"source": study}
        shared = merged(SHARED, {"network": FOUR_LAYER, "learning": {"batch": 128, "rate": {"initial": 0.001}}})
    storage.write_json(folder / "download/source.json", source)
    about = {
        "size": 32 if study == "cifar10" else 64,
        "classes": [f"class {c}" for c in range(CLASSES)],
        "pictures": {"train": training, "test": pictures},
    }
    storage.write_json(folder / "prepare/packed.json", about | {"sha256": PICTURES_SHA})
    runs = {run: merged(lines, {"seeds": list(range(seeds))}) if seeds else lines for run, lines in RUNS.items()}
    for stage in ("download", "prepare"):
        seal(folder, stage, seconds=1)
    for run, lines in runs.items():
        whole = merged(shared, lines)
        _trained(folder / "train" / run, random, run, whole["seeds"], planted, untrained)
        worse = 1.0 if planted and run not in ("base", "one_large_gpu") else 0.0
        _evaluated(folder / "evaluate" / run, random, whole["seeds"], pictures, worse, planted, untrained)
        seconds = {str(seed): [10.0] * 12 for seed in whole["seeds"]}
        seal(folder, f"train-{run}", seconds=180, run=whole, training_code="c" * 64, epoch_processor_seconds=seconds)
        weights = {f"train/{run}/{outputs.seed_folder(seed)}/weights.safetensors" for seed in whole["seeds"]}
        inputs = {f"results/{study}/{name}": storage.sha256(folder / name) for name in weights}
        seal(folder, f"evaluate-{run}", seconds=20, inputs=inputs)
    for curve, epochs in (("relu", 6.0), ("tanh", slow_epochs if slow_epochs else 36.0 if planted else 6.1)):
        _converged(folder, curve, None if untrained else epochs)
    _retrieved(folder, random, pictures, planted and not untrained)
    _halved(folder, random, planted)
    read = f"train/base/{outputs.seed_folder(SHARED['seeds'][0])}/weights.safetensors"
    for stage in ("retrieve", "halve"):
        seal(folder, stage, inputs={f"results/{study}/{read}": storage.sha256(folder / read)})
    _timed(folder, random, planted)
    _hand_made(folder, random, pictures, planted)
    lines = {"train": runs, "converge": CURVES}
    return Invented(folder=folder, study=study, runs=runs, curves=CURVES, conditions=Conditions(lines=lines, pinned=True))


def seal(folder: Path, stage: str, **facts: Any) -> None:
    """A stage's provenance record: what it wrote is what is there now; what else it said stays as it was."""
    name, _, of = stage.partition("-")
    place = folder / name / of if of else folder / name
    written = {path.relative_to(folder).as_posix(): storage.sha256(path) for path in sorted(place.rglob("*")) if path.is_file()}
    path = folder / "provenance" / f"{stage}.json"
    before = storage.mapping(path)
    fixed = {"stage": stage, "commit": COMMIT, "dirty": False, "settings": {"machine": MACHINE}}
    pictures = {} if name in ("download", "prepare") else {"data_sha256": PICTURES_SHA}
    storage.write_json(path, fixed | pictures | before | {"outputs": written} | facts)


def _trained(folder, random, run, seeds, planted, untrained):
    """Curves that have converged after six of twelve epochs; without dropout, where planted, after three, and then overfit."""
    ends = {str(seed): {"epochs": 12, "status": "finished"} for seed in seeds}
    storage.write_json(folder / "metrics.json", {"run": run, "parameters": 1_234_567, "seeds": ends})
    quick = planted and run == "no_dropout"
    for seed in seeds:
        place = folder / outputs.seed_folder(seed)
        place.mkdir(parents=True, exist_ok=True)
        rows = _curve(random, quick, untrained)
        storage.write_csv(place / "curve.csv", outputs.CURVE, rows)
        _kernels(place, random, columns=planted and run != "one_large_gpu", untrained=untrained)
        storage.write_bytes(place / "weights.safetensors", f"{run} {seed}".encode())


def _curve(random, quick, untrained):
    level = 0.3 + 0.01 * random.random()
    if untrained:
        return [(e + 1, 250 * (e + 1), 1e-9, 3.178, 0.958, 3.178, 0.958, 0.79) for e in range(12)]
    falls = 3 if quick else 6
    rise = (0.4 if quick else 0.0) + 0.01 * random.random()
    loss = np.concatenate([np.linspace(3, 1, falls), np.linspace(1, 1 + rise, 13 - falls)[1:]])
    error = np.concatenate([np.linspace(0.9, level, falls), np.full(12 - falls, level + 0.001)])
    trained = 0.05 if quick else 0.25
    return [(e + 1, 250 * (e + 1), 0.01, loss[e], trained, loss[e], error[e], error[e] / 3) for e in range(12)]


def _kernels(place, random, *, columns, untrained):
    """Kernels at the start and at the end; with columns, one learns grey kernels and the other coloured ones."""
    start = random.normal(size=(24, 11, 11, 3)).astype(np.float32)
    grey = random.normal(size=(24, 11, 11, 1)).repeat(3, axis=3)
    colour = random.normal(size=(24, 11, 11, 3))
    coloured = np.arange(24) >= 12 if columns else random.permutation(24) >= 12
    learned = np.where(coloured[:, None, None, None], colour - colour.mean(axis=3, keepdims=True), grey)
    end = (start if untrained else 0.2 * start + learned).astype(np.float32)
    np.save(place / "kernels.npy", end)
    kept = np.stack([start, end]).astype(np.float16)
    np.savez(place / "kernels-by-epoch.npz", epochs=np.array([0, 12]), kernels=kept)


def _evaluated(folder, random, seeds, pictures, worse, planted, untrained):
    """Errors of about 20%, in part common to all networks; ten patches and averaging help where they are planted."""
    common = np.random.default_rng(7).normal(size=pictures)
    labels = np.arange(pictures) % CLASSES
    best = {view: {} for view in predictions.VIEWS}
    for model in (*(outputs.seed_folder(seed) for seed in seeds), files.AVERAGED):
        own = common + 0.4 * random.normal(size=pictures) + 0.8 * worse
        ten = own - (0.5 if planted and model == files.AVERAGED else 0) > 0.9
        centre = own + (0.5 if planted else 0.05 * random.normal(size=pictures)) > 0.9
        for view, wrong in zip(predictions.VIEWS, (ten, centre), strict=True):
            guessed = random.random(pictures) > 1 / CLASSES if untrained else wrong
            best[view][model] = _five(labels, guessed, own > 1.9)
    for view, models in best.items():
        predictions.write(folder, view, predictions.Predictions(labels=labels, best=models), CLASSES)
    wrongs = predictions.read(folder, "ten_patches").wrong("top1")
    single = np.mean([wrong.mean() for model, wrong in wrongs.items() if model != files.AVERAGED])
    content = {"run": folder.name, "pictures": pictures, "ten_patches": {"top1_error": float(single)}}
    storage.write_json(folder / "metrics.json", content)


def _five(labels, wrong, far_off):
    """The five likeliest labels: the right one first, second where a picture is misjudged, or not at all."""
    others = (labels[:, None] + np.arange(1, 6)) % CLASSES
    right = np.concatenate([labels[:, None], others[:, :4]], axis=1)
    missed = np.concatenate([others[:, :1], labels[:, None], others[:, 1:4]], axis=1)
    return np.where(wrong[:, None], np.where(far_off[:, None], others, missed), right)


def _converged(folder, curve, epochs):
    times = {
        str(seed): {
            "epochs_to_threshold": None if epochs is None else epochs * (1 + 0.01 * seed),
            "epochs": 60,
            "status": "finished",
        }
        for seed in SEEDS
    }
    tried = [{"rate": rate, "epochs_to_threshold": epochs} for rate in (0.001, 0.003, 0.01)]
    content = {"activation": curve, "threshold": 0.25, "chosen_rate": 0.003, "tried": tried, "race_seed": 99, "at_edge": False}
    storage.write_json(folder / "converge" / curve / "metrics.json", content | {"seeds": times})
    seal(folder, f"converge-{curve}", seconds=60, curve=merged(CURVE, CURVES[curve]), training_code="c" * 64)


def _retrieved(folder, random, pictures, planted):
    """Shares of the six neighbours that have the query's class, and their percentile in pixels, of five seeds and 400 queries."""
    rows = []
    for seed in SEEDS:
        for query in range(400):
            trained = random.binomial(6, 0.8 if planted else 0.3) / 6
            shares = [trained, random.binomial(6, 0.3) / 6, random.binomial(6, 0.3) / 6]
            far = [0.43 if planted else 0.16, 0.16] + 0.05 * random.normal(size=2)
            rows.append([seed, query, query % CLASSES, *shares, *map(float, far)])
    columns = (
        "seed", "query", "label", "features_match", "untrained_match", "pixels_match", "features_percentile",
        "untrained_percentile",
    )  # fmt: skip
    storage.write_csv(folder / "retrieve/matches.csv", columns, rows)
    storage.write_json(folder / "retrieve/metrics.json", {"run": "base", "queries": 400, "neighbours": 6, "pictures": pictures})
    seal(folder, "retrieve", seconds=5)


def _halved(folder, random, planted):
    """Divergences of 200 pictures; planted: halved outputs are ten times nearer to the mean of many masks than one mask is."""
    means = [f"{kind}_{n}" for kind in ("geometric", "arithmetic") for n in (1, 3, 10, 30, 100)]
    rows = []
    for picture in range(200):
        one = float(random.uniform(0.1, 0.3))
        halved = one / 10 if planted else one + float(random.normal(0, 0.001))
        rows.append([picture, picture % CLASSES, halved, *(one / int(name.split("_")[1]) for name in means)])
    storage.write_csv(folder / "halve/divergences.csv", (*files.DIVERGENCES, *means), rows)
    storage.write_json(folder / "halve/metrics.json", {"run": "base", "pictures": len(rows)})
    seal(folder, "halve", seconds=5)


def _timed(folder, random, planted):
    """Thirty rounds of steps; planted: augmentation costs 1%, otherwise 20%."""
    cost = {"one batch again": 1.0, "read": 1.005, "augmented": 1.01 if planted else 1.25}
    rows = [[n, way, 0.03 * each * (1 + 0.001 * random.random())] for n in range(30) for way, each in cost.items()]
    storage.write_csv(folder / "cost/rounds.csv", files.COSTS, rows)
    memory = {"1": [1866172780], "2": [1010545532, 933474160]}
    seconds = {way: 0.03 * each for way, each in cost.items()}
    content = {"run": "base", "batch": 32, "rounds": 30, "seconds": seconds, "devices": ["cpu"]}
    storage.write_json(folder / "cost/metrics.json", content | {"memory_of_the_paper": memory, "exchange": None})
    seal(folder, "cost", seconds=5)


def _hand_made(folder, random, pictures, planted):
    """A classifier that errs by 70% where it is planted, else as often as the networks, on pictures of its own."""
    labels = np.arange(pictures) % CLASSES
    five = _five(labels, random.random(pictures) < (0.7 if planted else 0.2), random.random(pictures) < 0.3)
    rows = [[picture, int(label), *map(int, given)] for picture, (label, given) in enumerate(zip(labels, five, strict=True))]
    storage.write_csv(folder / "hand_made/predictions.csv", files.HAND_MADE, rows)
    storage.write_json(folder / "hand_made/metrics.json", {"pictures": pictures})
    seal(folder, "hand_made", seconds=5)


def edit(path: Path, change) -> None:
    """Change what a JSON file holds, in place."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
