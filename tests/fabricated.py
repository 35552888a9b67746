"""Results of a study that never ran, to test what shows them: real formats, untrained networks, invented errors.

The pictures, kernels, weights, features and neighbours are consistent with one another; no number means anything.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from study import files, storage
from study.checking import plain
from study.data.feeding import NO_AUGMENTATION, Feed
from study.data.packed import PACKED
from study.data.packing import PackingSettings, pack
from study.judging.row import Numbers, Row
from study.judging.verdicts import WORDS, Verdict
from study.machine import derived_seed
from study.measuring import pixels
from study.measuring.architecture import described
from study.measuring.convergence import CurveSettings, mean_curve, measure
from study.measuring.evaluation import Prediction, write_evaluation
from study.measuring.exciting import exciting
from study.measuring.halving import COLUMNS as HALVED
from study.measuring.halving import MEANS
from study.measuring.neighbours import (
    BY,
    Beside,
    Found,
    RetrievalSettings,
    search_colours,
    search_features,
    write_retrieval,
)
from study.measuring.race import Trained
from study.measuring.ranking import Ranking
from study.network.alexnet import AlexNet
from study.network.four_layer import FourLayerSettings
from study.network.settings import AlexNetSettings
from study.paper.claims import CLAIMS
from study.provenance import Record
from study.sources.choosing import BuiltIn, BuiltInSettings
from study.sources.pictures import CLASSES, PictureSettings
from study.training import outputs
from study.training.progress import Progress
from study.training.run import RunSettings, write_training

COUNT = len(CLASSES)
PICTURES = PictureSettings(seed=3, size=64, train=2 * COUNT, validation=COUNT, test=COUNT)
SEEDS = (1, 2)
CPU = torch.device("cpu")


def study(root: Path, name: str = "invented") -> Path:
    """Write a study under `root`/results and its packed pictures under `root`/data; returns the study's folder."""
    folder, packed = root / files.RESULTS / name, root / PACKED / "sketch"
    source = BuiltIn(BuiltInSettings(source="sketch", pictures=PICTURES))
    index = pack(source, PackingSettings(size=64), packed, 1, lambda *done: None)
    storage.write_json(folder / "download/source.json", source.receipt())
    told = ("size", "classes", "pictures", "mean_rgb", "sha256")
    facts = {"title": "built-in synthetic pictures", "synthetic": True} | {key: index[key] for key in told}
    storage.write_json(folder / "prepare/packed.json", facts)
    random = np.random.default_rng(0)
    for number, run in enumerate(("base", "one_column")):
        _train(folder, run, columns=2 - number)
        _evaluate(folder, run, random, right=8.0 - number)
        _look_into(folder, run, packed)
    far = [[row, row % COUNT, float(random.uniform(0, 0.3))] for row in range(10 * COUNT)]
    storage.write_csv(folder / "prepare/objects.csv", files.OBJECTS, far)
    _converge(folder, "relu", rate=0.01, speed=0.4)
    _converge(folder, "tanh", rate=0.003, speed=0.08)
    _retrieve(folder, packed)
    _halve(folder)
    _cost(folder, random)
    storage.write_json(folder / "hand_made/metrics.json", {"pictures": 240, "top1_error": 0.485, "top5_error": 0.212})
    storage.write_json(folder / "judge/claims.json", claims(folder))
    storage.write_bytes(folder / "judge/report.md", b"# Reproduction report: invented\n")
    return folder


def _record(folder: Path, stage: str, **facts: Any) -> None:
    record = Record(stage, {"machine": {"devices": ["cpu"], "threads": 2}})
    record.add(**facts)
    record.write(folder / f"provenance/{stage}.json", peak_memory=2**29)


def _train(folder: Path, run: str, columns: int) -> None:
    network = _network(columns)
    for seed in SEEDS:
        trained = AlexNet(network, COUNT, [CPU])
        trained.initialise(seed)
        progress = Progress(status="finished")
        for epoch in range(1, 7):
            error = 0.95 * 0.8**epoch + 0.02 * seed
            progress.curve.append([epoch, 3 * epoch, 0.01, 3 * error, error, 3 * error + 0.1, error + 0.05, error / 2])
        write_training(folder / "train" / run / outputs.seed_folder(seed), trained, progress)
    _record(folder, f"train-{run}", run=plain(RunSettings(network=network, seeds=SEEDS)))


def _evaluate(folder: Path, run: str, random: np.random.Generator, right: float) -> None:
    labels = np.arange(10 * COUNT) % COUNT
    predictions, all_softmax = {}, []
    for seed in SEEDS:
        logits = random.normal(0, 3, (2, len(labels), COUNT))
        logits[:, np.arange(len(labels)), labels] += right
        softmax = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
        predictions[outputs.seed_folder(seed)] = Prediction.of([(softmax[0], softmax[1])])
        all_softmax.append(softmax)
    ten, centre = np.mean(all_softmax, axis=0)
    predictions[files.AVERAGED] = Prediction.of([(ten, centre)])
    write_evaluation(folder / "evaluate" / run, run, predictions, labels, CLASSES)
    _record(folder, f"evaluate-{run}")


def _look_into(folder: Path, run: str, packed: Path) -> None:
    """What was fitted to the first kernels, what excites them, and how the network is built."""
    fits, patches = list[Any](), list[Any]()
    feed = Feed(packed, ("test",), 55, CPU, NO_AUGMENTATION)
    network = AlexNet(_network(columns=1 + (run == "base")), COUNT, [CPU])
    for seed in SEEDS:
        network.initialise(seed)
        patches += exciting(network, feed, seed)
        for when in ("end", "start"):
            for number in range(len(network.kernels())):
                kind = files.KINDS[number % len(files.KINDS)] if when == "end" else files.KINDS[-1]
                fits.append([seed, when, number, 0.6, 20.0 * number % 180, 0.02 * number, 1.0, 0.1, kind])
    storage.write_csv(folder / "evaluate" / run / "kernels.csv", files.KERNELS, fits)
    storage.write_csv(folder / "evaluate" / run / "patches.csv", files.PATCHES, patches)
    storage.write_json(folder / "evaluate" / run / "network.json", described(network))


def _network(columns: int) -> AlexNetSettings:
    return AlexNetSettings(crop=55, stride=2, kernels=(8 * columns, 16, 16, 16, 16), neurons=(32, 32), columns=columns)


def _converge(folder: Path, curve: str, rate: float, speed: float) -> None:
    network = FourLayerSettings(architecture="four_layer", activation="relu" if curve == "relu" else "tanh")
    settings = CurveSettings(network=network, rates=(rate, 2 * rate), seeds=SEEDS, epochs=9)

    def trained(seed: int, rate: float, errors: list[float]) -> Trained:
        return Trained([[seed, rate, epoch, 3 * epoch, 2 * error, error] for epoch, error in enumerate(errors, 1)])

    errors = {seed: [0.9 * float(np.exp(-speed * epoch)) + 0.01 * seed for epoch in range(9)] for seed in SEEDS}
    raced = {rate: errors[1], 2 * rate: [0.9] * 9}
    tried = {rate: trained(settings.race_seed, rate, each) for rate, each in raced.items()}
    judged = {seed: trained(seed, rate, each) for seed, each in errors.items()}
    rows = [row for one in (*tried.values(), *judged.values()) for row in one.rows]
    storage.write_csv(folder / "converge" / curve / "curves.csv", outputs.CONVERGENCE, rows)
    storage.write_csv(folder / "converge" / curve / "figure1.csv", ("epoch", "training_error"), mean_curve(judged))
    storage.write_json(folder / "converge" / curve / "metrics.json", measure(settings, tried, judged))
    measured = [0.1] * (len(outputs.LAYERS) - 2)
    layers = [[epoch, layer, *measured] for epoch in (0, 9) for layer in ("conv1", "conv2", "local3", "local4")]
    times = {f"{kind}seconds_to_threshold": {str(seed): 60.0 / speed for seed in SEEDS} for kind in ("", "processor_")}
    for seed in SEEDS:
        storage.write_csv(folder / "converge" / curve / outputs.seed_folder(seed) / "layers.csv", outputs.LAYERS, layers)
    _record(folder, f"converge-{curve}", **times)


def _retrieve(folder: Path, packed: Path) -> None:
    network = AlexNet(AlexNetSettings(crop=55, stride=2, kernels=(16, 16, 16, 16, 16), neurons=(32, 32)), COUNT, [CPU])
    network.initialise(1)
    train, test = (Feed(packed, (split,), 55, CPU, NO_AUGMENTATION) for split in ("train", "test"))
    untrained = AlexNet(network.settings, COUNT, [CPU])
    untrained.initialise(derived_seed(1, "weights"))
    wanted = RetrievalSettings(run="base", seed=1, queries=COUNT, seeds=1, batch=48)
    labels, known, keep = test.labels.numpy(), train.labels.numpy(), folder / "retrieve"
    rankings = {by: Ranking(labels, known, root_of(folder) / f".work/{by}") for by in BY}
    by_features, distances = search_features(network, train, test, wanted, quiet, keep, rankings["features"])
    by_untrained, _ = search_features(untrained, train, test, wanted, quiet, ranking=rankings["untrained"])
    patches, near = pixels.centre_patches(test.parts[0], np.arange(COUNT), 55), [by_features[:, :6], by_untrained[:, :6]]
    by_pixels, far = pixels.compare(patches, train.parts[0], 55, near, wanted.found, CPU, quiet, rankings["pixels"].add)
    by_colours = search_colours(patches, train.parts[0], wanted, 55, rankings["colours"])
    average = {by: ranking.average_precisions() for by, ranking in rankings.items()}
    found = Found(by_features=by_features, by_untrained=by_untrained, distances=distances, average=average)
    beside = Beside(by_pixels=by_pixels, by_colours=by_colours, average=average, far=far)
    write_retrieval(keep, wanted, {1: found}, beside, labels, known)
    weights = folder / "train/base/seed-1/weights.safetensors"
    _record(folder, "retrieve", inputs={"results/invented/train/base/seed-1/weights.safetensors": storage.sha256(weights)})


def quiet(done: int) -> None:
    """Nobody is told how far the work has come."""


def root_of(folder: Path) -> Path:
    """The project of a study in results/."""
    return folder.parent.parent


def _halve(folder: Path) -> None:
    divergence = {"halved": 0.01} | {f"{mean}_{n}": 0.1 / n for mean in ("geometric", "arithmetic") for n in (1, 3, 10, 30, 100)}
    errors = dict.fromkeys([*divergence, "many"], 0.3)
    content = {"run": "base", "seed": 1, "pictures": 24, "masks": 1000, "divergence": divergence, "top1_error": errors}
    storage.write_json(folder / "halve/metrics.json", content)
    rows = [[n, n % COUNT, *(0.01 for _ in MEANS), *((n + m) % 3 // 2 for m in range(len(MEANS) + 1)), n] for n in range(24)]
    storage.write_csv(folder / "halve/divergences.csv", HALVED, rows)
    _record(folder, "halve")


def _cost(folder: Path, random: np.random.Generator) -> None:
    ways = {"one batch again": 0.03, "read": 0.031, "augmented": 0.032}
    rows = [[n, way, each * float(random.uniform(0.99, 1.01))] for n in range(10) for way, each in ways.items()]
    storage.write_csv(folder / "cost/rounds.csv", files.COSTS, rows)
    peaks = {"1": [30528844], "2": [16372508, 15210640]}
    content = {"run": "base", "batch": 32, "rounds": 10, "seconds": ways, "devices": ["cpu"], "exchange": None}
    storage.write_json(folder / "cost/metrics.json", content | {"memory": peaks, "memory_of_the_paper": peaks})
    _record(folder, "cost")


def claims(folder: Path) -> list[dict[str, Any]]:
    """A row a claim as the judgement writes it, each verdict in turn, with invented numbers where it is measured."""
    rows, rests_on = [], "evaluate/base/ten_patches.npz"
    for number, claim in enumerate(CLAIMS):
        verdict = Verdict(word=WORDS[number % len(WORDS)], why="invented for a test")
        numbers = Numbers()
        if claim.kind == "effect":
            low, high = 0.01 * number - 0.02, 0.01 * number + 0.02
            numbers = Numbers(
                ours=0.01 * number, low=low, high=high, p=0.04, seeds=2, seeds_of_each=(2, 2), pictures=240,
                units="test pictures", scale="built-in synthetic pictures, 64 px", registered="exploratory", implemented=True,
                artifacts={rests_on: storage.sha256(folder / rests_on)},
            )  # fmt: skip
        row = Row(claim=claim, verdict=verdict, decide="7 seeds; then `uv run dvc repro`", numbers=numbers)
        rows.append(json.loads(json.dumps(row.columns())))
    return rows
