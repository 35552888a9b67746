"""A study that never ran, with or without what the paper claims, as files in the real formats: the planted truth of measures.

`write(folder, truth)`: "true" has every effect of the paper, "false" none, in "untrained" no network has learned.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from study import files, predictions, storage
from study.judging.evidence import Evidence
from study.training import outputs

PICTURES, CLASSES, EPOCHS, QUERIES = 2000, 24, 30, 100
SEEDS = {"base": 15}  # of the other runs five
UPDATES = 6000

# Test error of each run where the paper is right; of base 0.3, and where it is wrong all have that.
ERRORS = {
    "base": 0.3, "no_normalisation": 0.4, "batch_normalisation": 0.2, "local_pooling": 0.4, "one_column": 0.4,
    "one_large_gpu": 0.2, "no_communication": 0.4, "no_crops": 0.5, "half_width_no_crops": 0.4,
    "no_colour": 0.4,
    "no_dropout": 0.4, "no_weight_decay": 0.4, "zero_biases": 0.3, "half_width": 0.4, "half_data": 0.4,
    "without_conv1": 0.4, "without_conv2": 0.4, "without_conv3": 0.4, "without_conv4": 0.4, "without_conv5": 0.4,
    "tanh": 0.5, "small_input": 0.3, "tanh_small_input": 0.4,
}  # fmt: skip
CURVES = {"relu": 6.0, "tanh": 36.0, "relu_shallow": 8.0, "tanh_shallow": 16.0}  # epochs; where the paper is wrong 8 for all


def write(folder: Path, truth: str) -> Evidence:
    random = np.random.default_rng(4)
    distances = random.random(PICTURES)
    packed = {"classes": CLASSES, "size": 64, "pictures": {"train": 8000, "test": PICTURES}}
    storage.write_json(folder / "prepare/packed.json", packed)
    objects = [(picture, picture % CLASSES, float(distance)) for picture, distance in enumerate(distances)]
    storage.write_csv(folder / "prepare/objects.csv", files.OBJECTS, objects)
    hard = random.random(PICTURES)
    if truth == "false":  # far objects are named right half as often as the others
        hard *= np.where(distances > np.quantile(distances, 0.75), 1.75, 0.875)
    for run, error in ERRORS.items():
        _train(folder, run, truth, random)
        _evaluate(folder, run, error if truth == "true" else 0.3, hard, truth, random)
    for curve, epochs in CURVES.items():
        _converge(folder, curve, {"true": epochs, "false": 8.0, "untrained": None}[truth])
    _retrieve(folder, truth, random)
    _halve(folder, truth, random)
    _cost(folder, truth, random)
    _hand_made(folder, 0.8 if truth == "true" else 0.3, hard, random)
    return Evidence(folder=folder, study="invented", runs=tuple(ERRORS), curves=tuple(CURVES))


def seeds_of(run: str) -> range:
    return range(SEEDS.get(run, 5))


def _train(folder: Path, run: str, truth: str, random: np.random.Generator) -> None:
    seeds = {str(seed): {"status": "finished", "epochs": EPOCHS} for seed in seeds_of(run)}
    parameters = 1_300_000 if run == "without_conv5" else 1_000_000
    storage.write_json(folder / f"train/{run}/metrics.json", {"run": run, "parameters": parameters, "seeds": seeds})
    rate = {"rule": "validation", "patience": 3, "divisions": 1, "initial": 0.01}
    seconds = {seed: [2.0] * EPOCHS for seed in seeds}
    record = {"run": {"learning": {"rate": rate}, "seeds": list(seeds_of(run))}, "epoch_processor_seconds": seconds}
    storage.write_json(folder / f"provenance/train-{run}.json", record)
    for seed in seeds_of(run):
        where = folder / f"train/{run}/{outputs.seed_folder(seed)}"
        storage.write_csv(where / "curve.csv", outputs.CURVE, _curve(run, truth, random))
        start, end = _kernels(run, truth, random)
        np.save(where / "kernels.npy", end.astype(np.float32))
        np.savez(where / "kernels-by-epoch.npz", epochs=np.array([0, EPOCHS]), kernels=np.float16([start, end]))


def _curve(run: str, truth: str, random: np.random.Generator) -> list[tuple[float, ...]]:
    """Errors fall until an epoch and stay; the rate is divided three epochs later, as patience and divisions say."""
    true = truth == "true"
    last = {"base": 20, "no_dropout": 10}.get(run, 15) + int(random.integers(2)) if true else 1
    rise = 0.5 if true and run in ("no_dropout", "no_crops") else 0.3 if not true else 0.0
    gap = 0.3 if true and run in ("no_normalisation", "local_pooling") else 0.15
    training = 0.35 if true and run == "no_weight_decay" else 0.25
    first = 3.1 if true and run == "zero_biases" else 2.5
    if truth == "untrained":
        rise, gap, training, first = 0.0, 0.0, 1 - 1 / CLASSES, float(np.log(CLASSES))
    noise = 0.0 if truth == "untrained" else 0.005 * random.normal()
    rows = []
    for epoch in range(1, EPOCHS + 1):
        left = max(0, last - epoch) / EPOCHS
        error = training + left + noise
        loss = first if epoch == 1 else 1.5 + left
        validation = 1.0 + left + rise * max(0, epoch - last) / (EPOCHS - last)
        rate = 0.01 if epoch <= last + 3 else 0.001
        rows.append((epoch, UPDATES * epoch // EPOCHS, rate, loss + noise, error, validation + noise, error + gap, error / 3))
    return rows


def _kernels(run: str, truth: str, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Grey and coloured kernels over the noise that they started from; where the paper is right, in columns."""
    start = 0.1 * random.normal(size=(24, 11, 11, 3))
    if truth == "untrained":
        return start, 0.9 * start
    in_columns = truth == "true" and run == "base"
    coloured = np.arange(24) < 12 if in_columns else random.permutation(24) < 12
    coloured = coloured[::-1] if random.random() < 0.5 else coloured  # columns are renumbered from seed to seed
    colours = np.where(coloured[:, None], random.normal(size=(24, 3)), 1.0)
    patterns = random.normal(size=(24, 11, 11, 1)) * (colours / np.linalg.norm(colours, axis=1, keepdims=True))[:, None, None]
    return start, 0.9 * start + 0.3 * patterns


def _evaluate(folder: Path, run: str, error: float, hard: np.ndarray, truth: str, random: np.random.Generator) -> None:
    labels = np.arange(PICTURES) % CLASSES
    untrained, true = truth == "untrained", truth == "true"
    best: dict[str, dict[str, np.ndarray]] = {view: {} for view in predictions.VIEWS}
    for seed in seeds_of(run):
        ease = hard + 0.15 * random.normal(size=PICTURES)
        for view, worse in (("ten_patches", 0.0), ("centre_patch", 0.1 if true else 0.0)):
            shaken = ease + (0.02 * random.normal(size=PICTURES) if view == "centre_patch" else 0)
            best[view][outputs.seed_folder(seed)] = _five(labels, shaken > 1 - error - worse, untrained)
    for view, of_view in best.items():
        averaged = hard + 0.15 * random.normal(size=PICTURES) > 1 - error + (0.1 if true else 0.0)
        of_view[files.AVERAGED] = _five(labels, averaged, untrained)
        predictions.write(folder / f"evaluate/{run}", view, predictions.Predictions(labels=labels, best=of_view), CLASSES)
    storage.write_json(folder / f"evaluate/{run}/metrics.json", {"run": run, "pictures": PICTURES})


def _five(labels: np.ndarray, wrong: np.ndarray, untrained: bool) -> np.ndarray:
    if untrained:
        return np.tile(np.arange(5), (len(labels), 1))
    return (labels[:, None] + wrong[:, None] + np.arange(5)) % CLASSES


def _converge(folder: Path, curve: str, epochs: float | None) -> None:
    times = {str(seed): epochs * (1 + 0.01 * seed) if epochs else None for seed in range(5)}
    seeds = {seed: {"status": "finished", "epochs_to_threshold": time, "epochs": 40} for seed, time in times.items()}
    race = {"tried": [{"rate": rate} for rate in (0.001, 0.003, 0.01)], "race_seed": 1000, "at_edge": False}
    storage.write_json(folder / f"converge/{curve}/metrics.json", {"chosen_rate": 0.003, **race, "seeds": seeds})
    seconds = {seed: 20 * time if time else None for seed, time in times.items()}
    storage.write_json(folder / f"provenance/converge-{curve}.json", {"processor_seconds_to_threshold": seconds})


def _retrieve(folder: Path, truth: str, random: np.random.Generator) -> None:
    rows = []
    for seed in range(5):
        for query in range(QUERIES):
            untrained, far = random.binomial(6, 0.2) / 6, 0.16 + 0.05 * random.normal()
            features, percentile = untrained, far
            if truth == "true":
                features, percentile = random.binomial(6, 0.7) / 6, 0.43 + 0.05 * random.normal()
            elif truth == "false":
                features, percentile = random.binomial(6, 0.2) / 6, 0.16 + 0.05 * random.normal()
            rows.append((seed, query, query % CLASSES, features, untrained, 0.15, percentile, far))
    columns = (
        "seed", "query", "label", "features_match", "untrained_match", "pixels_match", "features_percentile",
        "untrained_percentile",
    )  # fmt: skip
    storage.write_csv(folder / "retrieve/matches.csv", columns, rows)
    storage.write_json(folder / "retrieve/metrics.json", {"run": "base", "queries": QUERIES})


def _halve(folder: Path, truth: str, random: np.random.Generator) -> None:
    """Where the paper is right halved outputs are ten times nearer to the mean of many masks than one mask is."""
    means = [f"{kind}_{n}" for kind in ("geometric", "arithmetic") for n in (1, 3, 10, 30, 100)]
    rows = []
    for picture in range(200):
        one = float(random.uniform(0.1, 0.3)) * (0.01 if truth == "untrained" else 1)
        halved = one + 0.001 * float(random.normal()) if truth == "false" else one / 10
        rows.append([picture, picture % CLASSES, halved, *(one / int(name.split("_")[1]) for name in means)])
    storage.write_csv(folder / "halve/divergences.csv", (*files.DIVERGENCES, *means), rows)
    storage.write_json(folder / "halve/metrics.json", {"run": "base", "seed": 0, "pictures": len(rows)})


def _cost(folder: Path, truth: str, random: np.random.Generator) -> None:
    """Augmentation costs 1% of a step where the paper is right, otherwise 20%."""
    ways = {"one batch again": 1.0, "read": 1.005, "augmented": 1.25 if truth == "false" else 1.01}
    rows = [[n, way, 0.03 * each * (1 + 0.001 * random.random())] for n in range(30) for way, each in ways.items()]
    storage.write_csv(folder / "cost/rounds.csv", files.COSTS, rows)
    exchange = {"devices": ["cpu", "cpu"], "numbers": 1_000_000, "seconds": 0.003, "share": 0.1}
    memory = {"1": [2 * 2**30], "2": [2**30, 2**30]}
    facts = {"run": "base", "batch": 32, "rounds": 30, "devices": ["cpu", "cpu"], "exchange": exchange}
    seconds = {way: 0.03 * each for way, each in ways.items()}
    storage.write_json(folder / "cost/metrics.json", {**facts, "seconds": seconds, "memory_of_the_paper": memory})


def _hand_made(folder: Path, error: float, hard: np.ndarray, random: np.random.Generator) -> None:
    labels = np.arange(PICTURES) % CLASSES
    five = _five(labels, hard + 0.15 * random.normal(size=PICTURES) > 1 - error, untrained=False)
    rows = [[picture, int(label), *given] for picture, (label, given) in enumerate(zip(labels, five.tolist(), strict=True))]
    storage.write_csv(folder / "hand_made/predictions.csv", files.HAND_MADE, rows)
    storage.write_json(folder / "hand_made/metrics.json", {"pictures": PICTURES})
