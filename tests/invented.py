"""Invented results in the real formats, for the tests of the judgement: with or without the effects of the paper."""

import numpy as np

from study import files, predictions, storage
from study.judging.evidence import Evidence
from study.predictions import Predictions
from study.training import outputs

RUNS = ("base", "no_normalisation", "local_pooling", "one_column", "no_dropout")
SEEDS = (0, 1, 2)
CLASSES = 24
COMMIT = "0" * 40


def invent(folder, *, planted, pictures=1000, study="sketch", training=8000, slow_epochs=None):
    """Write results in the real formats: `planted` with all of the paper's effects, otherwise with none of them."""
    random = np.random.default_rng(0)
    storage.write_json(folder / "download/source.json", {"title": "built-in synthetic pictures", "synthetic": True})
    about = {
        "size": 64,
        "classes": [f"class {c}" for c in range(CLASSES)],
        "pictures": {"train": training, "test": pictures},
    }
    storage.write_json(folder / "prepare/packed.json", about)
    for run in RUNS:
        worse = 1.0 if planted and run != "base" else 0.0
        _trained(folder / "train" / run, random, planted, without_dropout=planted and run == "no_dropout")
        _evaluated(folder / "evaluate" / run, run, random, pictures, worse, planted)
        provenance(folder, f"train-{run}", seconds=180)
        provenance(folder, f"evaluate-{run}", seconds=20)
    for curve, epochs in (("relu", 6.0), ("tanh", slow_epochs if slow_epochs else 36.0 if planted else 6.1)):
        times = {str(seed): {"epochs_to_threshold": epochs * (1 + 0.01 * seed), "epochs": 60} for seed in SEEDS}
        content = {"activation": curve, "threshold": 0.25, "chosen_rate": 0.01, "tried": [], "seeds": times}
        storage.write_json(folder / "converge" / curve / "metrics.json", content)
        provenance(folder, f"converge-{curve}", seconds=60)
    _retrieved(folder / "retrieve", random, planted)
    provenance(folder, "retrieve", seconds=5)
    _halved(folder / "halve", random, planted)
    _timed(folder / "cost", random, planted)
    _hand_made(folder / "hand_made", random, pictures, planted)
    for stage in ("halve", "cost", "hand_made"):
        provenance(folder, stage, seconds=5)
    return Evidence(folder=folder, study=study, runs=RUNS, curves=("relu", "tanh"))


def provenance(folder, name, **facts):
    storage.write_json(folder / "provenance" / f"{name}.json", {"stage": name, "commit": COMMIT, "dirty": False} | facts)


def _trained(folder, random, planted, *, without_dropout):
    seeds = {str(seed): {"epochs": 12, "status": "finished"} for seed in SEEDS}
    storage.write_json(folder / "metrics.json", {"run": folder.name, "parameters": 1_234_567, "seeds": seeds})
    for seed in SEEDS:
        rise = (0.4 if without_dropout else 0.0) + 0.01 * random.random()
        loss = np.concatenate([np.linspace(3, 1, 6), np.linspace(1, 1 + rise, 7)[1:]])
        error = np.concatenate([np.linspace(0.9, 0.3, 3 if without_dropout else 6), np.full(9 if without_dropout else 6, 0.3)])
        rows = [(e + 1, 250 * (e + 1), 0.01, loss[e], 0.25, loss[e], error[e], error[e] / 3) for e in range(12)]
        storage.write_csv(folder / f"seed-{seed}" / "curve.csv", outputs.CURVE, rows)
        grey = random.normal(size=(24, 11, 11, 1)).repeat(3, axis=3)
        colour = random.normal(size=(24, 11, 11, 3))
        share = np.where(np.arange(24) < 12, 0.1, 0.9) if planted else np.full(24, 0.5)
        mixed = grey + colour * share[:, None, None, None]
        (folder / f"seed-{seed}").mkdir(exist_ok=True)
        np.save(folder / f"seed-{seed}" / "kernels.npy", mixed.astype(np.float32))


def _evaluated(folder, run, random, pictures, worse, planted):
    """Errors of about 20%, in part common to all networks; ten patches and averaging help where they are planted."""
    common = np.random.default_rng(7).normal(size=pictures)
    labels = np.arange(pictures) % CLASSES
    ten, centre = {}, {}
    for model in (*(outputs.seed_folder(seed) for seed in SEEDS), files.AVERAGED):
        own = common + 0.4 * random.normal(size=pictures) + worse
        ten_wrong = own - (0.5 if planted and model == files.AVERAGED else 0) > 0.9
        centre_wrong = own + (0.5 if planted else 0.05 * random.normal(size=pictures)) > 0.9
        far_off = own > 1.9
        for found, wrong in ((ten, ten_wrong), (centre, centre_wrong)):
            found[model] = np.array([_five(*row) for row in zip(labels, wrong, far_off, strict=True)])
    for view, best in (("ten_patches", ten), ("centre_patch", centre)):
        predictions.write(folder, view, Predictions(labels=labels, best=best), CLASSES)
    single = [best[:, 0] != labels for model, best in ten.items() if model != files.AVERAGED]
    errors = {"top1_error": float(np.mean(single))}
    storage.write_json(folder / "metrics.json", {"run": run, "pictures": pictures, "ten_patches": errors})


def _five(label, wrong, far_off):
    others = [(label + step) % CLASSES for step in range(1, 6)]
    if not wrong:
        return [label, *others[:4]]
    return others if far_off else [others[0], label, *others[1:4]]


def _retrieved(folder, random, planted):
    rows = []
    for query in range(200):
        label = query % CLASSES
        for rank in range(1, 7):
            same, same_pixels = random.random() < (0.8 if planted else 0.3), random.random() < 0.3
            near, near_pixels = 6 * query + rank, (6 * query + rank if not planted and rank % 2 else 5000 + rank)
            found = [label if same else label + 1, near_pixels, label if same_pixels else label + 1]
            rows.append([query, label, rank, near, found[0], 1.5, found[1], found[2]])
    storage.write_csv(folder / "neighbours.csv", files.NEIGHBOURS, rows)
    storage.write_json(folder / "metrics.json", {"run": "base", "queries": 200, "neighbours": 6})


def _halved(folder, random, planted):
    """Divergences of 200 pictures; planted: halved outputs are ten times nearer to the mean of many masks than one mask is."""
    means = [f"{kind}_{n}" for kind in ("geometric", "arithmetic") for n in (1, 3, 10, 30, 100)]
    rows = []
    for picture in range(200):
        one = float(random.uniform(0.1, 0.3))
        halved = one / 10 if planted else one + float(random.normal(0, 0.001))
        rows.append([picture, picture % CLASSES, halved, *(one / int(name.split("_")[1]) for name in means)])
    storage.write_csv(folder / "divergences.csv", (*files.DIVERGENCES, *means), rows)
    storage.write_json(folder / "metrics.json", {"run": "base", "pictures": len(rows)})


def _timed(folder, random, planted):
    """Thirty rounds of steps; planted: augmentation costs 1%, otherwise 20%."""
    cost = {"one batch again": 1.0, "read": 1.005, "augmented": 1.01 if planted else 1.25}
    rows = [[n, way, 0.03 * each * (1 + 0.001 * random.random())] for n in range(30) for way, each in cost.items()]
    storage.write_csv(folder / "rounds.csv", files.COSTS, rows)
    memory = {"1": [1866172780], "2": [1010545532, 933474160]}
    seconds = {way: 0.03 * each for way, each in cost.items()}
    content = {"run": "base", "batch": 32, "rounds": 30, "seconds": seconds, "devices": ["cpu"]}
    storage.write_json(folder / "metrics.json", content | {"memory_of_the_paper": memory, "exchange": None})


def _hand_made(folder, random, pictures, planted):
    """A classifier that errs by 70% where it is planted, else as often as the networks, on pictures of its own."""
    rows = []
    for picture in range(pictures):
        label = picture % CLASSES
        wrong = random.random() < (0.7 if planted else 0.2)
        rows.append([picture, label, *_five(label, wrong, far_off=random.random() < 0.3)])
    storage.write_csv(folder / "predictions.csv", files.HAND_MADE, rows)
    storage.write_json(folder / "metrics.json", {"pictures": pictures})
