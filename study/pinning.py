"""What a pinned study holds: which files of a finished study Git keeps, its manifest of SHA-256, its card and the model's card.

    pinned/<name>/                       the tree of results/<study>/ (study/files.py), without what is too large for Git
      README.md, MODEL_CARD.md           the cards
      manifest.json                      the SHA-256 of every other file
      params.yaml, dvc.lock              copied into a clone they make the study that is pinned the one that is chosen
      mean.npy                           the mean training picture, without which the network can be shown no other picture

Weights and features stay in DVC's cache and remotes; dvc.lock has their hashes. The weights of one network are in Git, and the
training pictures' features where they are few, so that a fresh clone finds the neighbours of any picture.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path, PurePosixPath
from statistics import fmean, stdev
from typing import Any

from study import predictions, storage
from study.judging.registration import EXPLORATORY
from study.judging.verdicts import CONFIRMED, CONSISTENT, NOT_JUDGED, REFUTED
from study.training import outputs

MANIFEST, CARD, MODEL_CARD, MEAN = "manifest.json", "README.md", "MODEL_CARD.md", "mean.npy"
MOST = 24_500_000  # bytes of a pin without manifest, dvc.lock and cards, with which it has 25 MB: more does not belong into Git
WEIGHTS = "weights.safetensors"
SEARCHED = tuple(f"retrieve/features-train{part}.npy" for part in ("", "-codes", "-facts"))  # what a search reads
MOST_SEARCHED = 5_000_000  # bytes of these: more stays in DVC's remotes
COMPUTED = (CONFIRMED, CONSISTENT, REFUTED)  # words for what follows from the paper's own numbers
TABLES = (".json", ".csv", ".md", ".tex")
KERNELS, FEW_SEEDS = "kernels.npy", 3  # where a pin is too large, so many seeds of a run keep their kernels
OF_EVERY_RUN = (KERNELS, predictions.file_of("ten_patches"))
OF_ONE_RUN = ("kernels-by-epoch.npz", *map(predictions.file_of, ("centre_patch", predictions.PROBABILITIES)))

LICENCES = {  # of the pictures, by what download/source.json says
    "sketch": "Drawn by this project's own program, so under its licence, MIT.",
    "cifar10": "CIFAR-10's page names no licence and asks for a citation (Krizhevsky 2009). Its pictures are from the web.",
    "cifar100": "CIFAR-100's page names no licence and asks for a citation (Krizhevsky 2009). Its pictures are from the web.",
    "mnist": "MNIST is commonly given as CC BY-SA 3.0 (LeCun, Cortes and Burges).",
    "imagenette": "A selection of ImageNet's photographs: ImageNet's terms, for research and teaching that is not commercial.",
    "ilsvrc": "ImageNet's photographs: its terms, for research and teaching that is not commercial. They may not be passed on.",
    "Tiny-ImageNet": "ImageNet's photographs: its terms, for research and teaching that is not commercial.",
    "Imagewoof": "A selection of ImageNet's photographs: ImageNet's terms, for research and teaching that is not commercial.",
}
UNKNOWN = "Nothing here says under which licence these pictures are; ask whoever owns them before you pass them on."


def network_of(params: Mapping[str, Any]) -> str:
    """The folder, below the study's, of the network that is pinned with its weights: the one whose neighbours are shown."""
    return f"train/{params['retrieve']['run']}/{outputs.seed_folder(params['retrieve']['seed'])}"


def stage_of(name: str) -> str:
    """The stage that wrote a file: `train-base` of `train/base/metrics.json`, `retrieve` of `retrieve/metrics.json`."""
    parts = PurePosixPath(name).parts
    return "-".join(parts[:2]) if parts[0] in ("train", "evaluate", "converge") and len(parts) > 2 else parts[0]


def is_kept(name: str, network: str, rests_on: Collection[str]) -> bool:
    """Whether a pin keeps the file of this name below the study's folder; `rests_on` are the files that its verdicts rest on.

    Five labels of ten patches and the last kernels of every network; both views, probabilities and the kernels over epochs of
    the run that `network` is of; the weights of `network` and its kernels as a picture, the only picture that is kept.
    """
    path = PurePosixPath(name)
    if name in rests_on or path.suffix in TABLES or path.name in OF_EVERY_RUN:
        return True
    of_the_run = path.parts[1:2] == PurePosixPath(network).parts[1:2]
    return (of_the_run and path.name in OF_ONE_RUN) or name in (f"{network}/{WEIGHTS}", f"{network}/kernels.png")


def of_later_seeds(names: Iterable[str]) -> list[str]:
    """Of the files of these names, first-layer kernels of a run's seeds after its first `FEW_SEEDS`: what a pin misses least."""
    by_run: dict[PurePosixPath, list[str]] = {}
    for name in names:
        if PurePosixPath(name).name == KERNELS:
            by_run.setdefault(PurePosixPath(name).parent.parent, []).append(name)
    in_order = (sorted(of_run, key=lambda name: int(PurePosixPath(name).parent.name.split("-")[1])) for of_run in by_run.values())
    return [name for of_run in in_order for name in of_run[FEW_SEEDS:]]


def is_measured(row: Mapping[str, Any]) -> bool:
    """Whether a study measured a claim, of which claims.json has `row`."""
    return row.get("group", NOT_JUDGED) != NOT_JUDGED and row.get("verdict") not in COMPUTED


def place(study: Path) -> tuple[bool, bool, int, str]:
    """Where a study stands among others, wherever they are listed: drawn pictures last, before them studies of which every
    verdict is exploratory; first which measured most."""
    claims = storage.mapping(study / "judge/claims.json").get("claims")
    rows = [row for row in claims if isinstance(row, dict)] if isinstance(claims, list) else []  # damaged ones are listed too
    measured = [row for row in rows if is_measured(row)]
    exploratory = bool(measured) and all(str(row.get("registered")).startswith(EXPLORATORY) for row in measured)
    drawn = storage.mapping(study / "download/source.json").get("source") == "sketch"
    return drawn, exploratory, -len(measured), study.name


def own(pinned: Path) -> list[Path]:
    """The folders of the pins in `pinned` that are this project's: beside one that `dvc import` took lies a .dvc file."""
    return [path.parent for path in sorted(pinned.glob(f"*/{MANIFEST}")) if not path.parent.with_suffix(".dvc").exists()]


def sha256_of_all(paths: Iterable[Path], tell: Callable[[int], None] = lambda read: None) -> dict[Path, str]:
    """The SHA-256 of each file, read by several threads; `tell` is called with the bytes of each."""

    def one(path: Path) -> tuple[Path, str]:
        made = storage.sha256(path)
        tell(path.stat().st_size)
        return path, made

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return dict(pool.map(one, paths))


def manifest(folder: Path) -> dict[str, str]:
    """By path below a pin's folder, the SHA-256 of every file but the manifest itself."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / MANIFEST)
    return {path.relative_to(folder).as_posix(): made for path, made in sha256_of_all(found).items()}


def licence(source: Mapping[str, Any]) -> str:
    """Under which terms the pictures of a study are, as far as this project knows."""
    kind, title = str(source.get("source", "")), str(source.get("title", ""))
    return next((said for known, said in LICENCES.items() if kind.startswith(known) or title == known), UNKNOWN)


def card(name: str, results: Path, summary: str, to_go_on: str, weights: bool) -> str:
    """The card of a pin, in Markdown: what, how, on what, the licence of its pictures, its limits. `summary` is what came out,
    `to_go_on` a command, `weights` whether the pin holds those of one network."""
    judged = storage.mapping(results / "judge/provenance.json")
    source, packed = (storage.mapping(results / name) for name in ("download/source.json", "prepare/packed.json"))
    runs, machines, commits, seeds = _trained(results)
    opening = (
        f"The study `{results.name}` of *ImageNet Classification with Deep Convolutional Neural Networks* (Krizhevsky, Sutskever "
        f"and Hinton, NIPS 2012), with the runs that it names below. {summary}"
    )
    points = {
        "What": "[the report on one page](judge/report.md), [all claims](judge/claims.md), [what would decide the open "
        "ones](judge/open.md). Tables are CSV, numbers JSON, arrays `.npy` and `.npz`; `study/files.py` lists them.",
        "How": f"{runs}. Trained at commit {commits}, judged at {str(judged.get('commit'))[:10]}; how each claim was tested is "
        "in `judge/protocol.json`. Settings are in `params.yaml`, what was read and written in `dvc.lock`, what ran where and "
        "when in `provenance/`.",
        "On what": f"{pictures_of(results)}. Machine: {machines}.",
        "Licence": f"of the pictures: {licence(source)} No picture is kept here; neighbours are numbers of pictures. Everything "
        "else is under the project's licence, MIT.",
        "Limits": _limits(source, packed, seeds, weights),
    }
    end = (
        "To look at it: `uv run --only-group dashboard python -m streamlit run dashboard/app.py`, study "
        f"`pinned/{name}`. To check it: `uv run python -m stages.verify {name}`. To go on with it, with its "
        f"{'other ' * weights}weights from a DVC remote that is set up and holds them (`docs/sharing.md`); without one leave out "
        "`uv run dvc pull`, and `uv run dvc repro` trains again what is missing:"
    )
    return _written(name, opening, points, end, to_go_on)


def model_card(name: str, results: Path, network: str) -> str:
    """The card of the network whose weights are pinned, in Markdown."""
    run, model = PurePosixPath(network).parts[1:3]
    record, source = (storage.mapping(results / path) for path in (f"provenance/train-{run}.json", "download/source.json"))
    packed, evaluated = (storage.mapping(results / path) for path in ("prepare/packed.json", f"evaluate/{run}/metrics.json"))
    counts, pictures = evaluated.get("models", {}).get(model, {}).get("ten_patches", {}), evaluated.get("pictures", 0)
    errors = ", ".join(
        f"{top} {counts[f'top{top[-1]}_wrong'] / pictures:.1%}" for top in ("top-1", "top-5") if counts and pictures
    )
    parameters = storage.mapping(results / f"train/{run}/metrics.json").get("parameters", 0)
    settings, classes = record.get("run", {}), packed.get("class_names") or packed.get("classes") or []
    layers = settings.get("network", {})
    named = "; ".join(map(str, classes[:200])) + "; ..." * (len(classes) > 200)
    opening = f"The network of run `{run}`, {model.replace('-', ' ')}, of the pinned study `{name}`: `{network}/{WEIGHTS}`."
    points = {
        "Model": f"{layers.get('architecture', 'alexnet')}, {parameters:,} parameters, float32, in safetensors. "
        "`study/training/run.py` and, in numpy alone, `study/in_numpy.py` load it.",
        "Input": f"the RGB bytes of a picture rescaled and cropped to {packed.get('size')} pixels, of that the central "
        f"{layers.get('crop')}, minus `mean.npy` at the same place.",
        "Output": f"logits of {len(classes)} classes: {named}.",
        "Trained on": f"{pictures_of(results)}; recipe `{settings.get('recipe')}`, "
        f"{settings.get('learning', {}).get('epochs')} epochs. SHA-256 of the packed set: {record.get('data_sha256')}.",
        "Errors": f"on its {pictures:,} test pictures, ten patches: {errors or 'not evaluated'}. Other pictures are another "
        "question.",
        "Meant for": "showing what the study found, and being evaluated again: "
        f"`uv run python -m stages.verify {name} --evaluate {run}`.",
        "Not meant for": "decisions about people, or anything that matters. It answers one of its classes whatever it is shown, "
        "and what its pictures lack or have too much of, it has learned.",
        "Licence": f"of the pictures: {licence(source)}",
    }
    return _written(f"Model card: {name}", opening, points)


def result(folder: Path) -> str:
    """What came out of a study in one line, with its spread over seeds: of `base` alone where it has several others, else of all
    runs. For the file of settings that the study is chosen by."""
    found = []
    base, runs = folder / "evaluate/base/metrics.json", sorted((folder / "evaluate").glob("*/metrics.json"))
    for path in [base] if base in runs and len(runs) > 2 else runs:
        evaluated = storage.mapping(path)
        wrong = [
            100 * one["ten_patches"]["top1_wrong"] / evaluated["pictures"]
            for name, one in evaluated.get("models", {}).items()
            if "seed" in name
        ]
        if wrong:
            found.append(f"{path.parent.name} errs by {fmean(wrong):.1f}% from ten patches{_spread(wrong)}")
    for curve in sorted((folder / "converge").glob("*/metrics.json")):
        measured = storage.mapping(curve)
        epochs = [one["epochs_to_threshold"] for one in measured.get("seeds", {}).values()]
        reached = f"{measured.get('threshold', 0.25):.0%} training error"
        if None in epochs:
            found.append(f"{curve.parent.name} did not reach {reached} in {epochs.count(None)} of {len(epochs)} seeds")
        elif epochs:
            found.append(f"{curve.parent.name} needs {fmean(epochs):.1f} epochs to {reached}{_spread(epochs)}")
    return "; ".join(found)


def _spread(values: Sequence[float]) -> str:
    return f" ({len(values)} seeds, standard deviation {stdev(values):.1f})" if len(values) > 1 else " (one seed)"


def _written(title: str, opening: str, points: Mapping[str, str], end: str = "", command: str = "") -> str:
    """A card in Markdown, in lines that a terminal holds."""
    fill = partial(textwrap.fill, width=110, break_long_words=False, break_on_hyphens=False)
    lines = [f"# {title}", "", fill(opening), ""]
    lines += [fill(f"- **{what}**: {said}", subsequent_indent="  ") for what, said in points.items()]
    return "\n".join([*lines, *(["", fill(end), "", f"    {command}"] if end else [])]) + "\n"


def _trained(results: Path) -> tuple[str, str, str, int]:
    """In words: the runs and curves with their seeds, the machines, the commits; and the most seeds that one of them has."""
    runs, machines, commits, most = [], dict[str, None](), dict[str, None](), 0
    for path in sorted((results / "provenance").glob("*.json")):
        record = storage.mapping(path)
        kind, _, run = path.stem.partition("-")
        if kind in ("train", "converge"):
            seeds = (record.get("run") or record.get("curve") or {}).get("seeds", [])
            most = max(most, len(seeds))
            gone = [seed for seed, end in _ends(results / kind / run).items() if end.get("status") == "diverged"]
            lost = f" (diverged from seed {' and '.join(gone)})" if gone else ""
            runs.append(f"`{run}`{' (Figure 1)' * (kind == 'converge')} from {len(seeds)} seed{'s' * (len(seeds) != 1)}{lost}")
            machines[f"{record.get('processor')}, torch {record.get('versions', {}).get('torch')}"] = None
            commits[str(record.get("commit"))[:10]] = None
    return ", ".join(runs), "; ".join(machines), ", ".join(commits), most


def _ends(trained: Path) -> Mapping[str, Mapping[str, Any]]:
    """By seed, how each training of a run or curve ended."""
    ends: Mapping[str, Mapping[str, Any]] = storage.mapping(trained / "metrics.json").get("seeds", {})
    return ends


def pictures_of(study: Path) -> str:
    """On what a study was measured: its data set, and how many classes, pixels and pictures of each split."""
    source, packed = (storage.mapping(study / name) for name in ("download/source.json", "prepare/packed.json"))
    counts = packed.get("pictures") or {}
    kind = ", drawn by a program" if source.get("synthetic") else ""
    several = ", ".join(f"{count:,} for {split.replace('train', 'training')}" for split, count in counts.items())
    classes = len(packed.get("classes") or [])
    return (
        f"{source.get('title', 'pictures')}{kind}: {classes} classes, {packed.get('size')} pixels; {several}"
        f"{_of_figure_1(study, counts)}"
    )


def _of_figure_1(study: Path, counts: Mapping[str, int]) -> str:
    """Which pictures the curves of Figure 1 learn, in brackets: the first ones for training, then the first for validation."""
    records = [storage.mapping(path).get("curve") or {} for path in sorted(study.glob("provenance/converge-*.json"))]
    if not records or "validation" not in counts:
        return ""
    train, pictures = counts.get("train", 0), records[0].get("pictures")
    if pictures is None or pictures >= train + counts["validation"]:
        return " (Figure 1 learns those for validation too)"
    which = f"{pictures:,} of those for training" if pictures <= train else f"{pictures - train:,} of those for validation too"
    return f" (Figure 1 learns {which})"


def _limits(source: Mapping[str, Any], packed: Mapping[str, Any], seeds: int, weights: bool) -> str:
    drawn = "Drawn pictures say nothing of photographs. " if source.get("synthetic") else ""
    new_seeds = "Intervals speak of new seeds and of new test pictures like these."
    one_seed = "Each run has one seed, so intervals speak of other test pictures for the same network, not of other seeds."
    of_the_paper = "The paper's network saw 1.2 million photographs of 1,000 classes at 256 pixels, in crops of 224"
    if str(source.get("source", "")).startswith("cifar10"):
        of_the_paper = "The paper's Figure 1 and section 3.3 speak of these pictures, all its other errors of ImageNet's"
    learned, classes = (packed.get("pictures") or {}).get("train", 0), len(packed.get("classes") or [])
    return (
        f"{drawn}{of_the_paper}; this study has {learned:,} of {classes} classes at {packed.get('size')} pixels. "
        "Each verdict says whether that is the scale at which the paper states its claim; where it is less, a study can show a "
        "direction and no size. "
        f"{new_seeds if seeds > 1 else one_seed} {'Other weights' if weights else 'Weights'} and features are not in Git."
    )
