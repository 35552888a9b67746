"""Batches from packed pictures against torchvision's data sets and DataLoader, and what they take from a training's time.

Each way has a process of its own, since the study's allocator settings hold for a whole process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice, repeat
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from bench import material
from bench.ours import Ours, declare
from bench.table import Cell, Measured, Table
from bench.timing import Elsewhere, Scope, Sides, clocked, in_turns
from stages.settings import read_params
from study.checking import checked
from study.data.feeding import NO_AUGMENTATION, AugmentationSettings, Feed
from study.data.packed import PackedSplit, read_index
from study.machine import set_up
from study.network.settings import AlexNetSettings

BATCH, SMALL_BATCHES = 128, 20  # so many of small pictures a turn from the loader: all of them cost the same
WARM = 1024  # pictures that batches are assembled from, and that are in memory and mapped before
ASSEMBLED = 8  # batches a turn: one is too short for the clock
CROP, SMALL_CROP = 224, 24
QUARTER, QUARTER_BATCH, QUARTER_STEPS = Path("conf/scale/quarter.yaml"), 32, 5
AIM_COPY, AIM_LOADER, AIMS_SMALL, AIM_FREE = "0.8", "100", {"crops and flips": "2", "as they are": "10"}, "0.97"
CPU = torch.device("cpu")
Batch = tuple[Tensor, Tensor]


def per_core(work: Callable[[], Any], pictures: int) -> Callable[[], float]:
    """`work`, as a function that says how many seconds of a core one of its pictures took."""

    def seconds() -> float:
        began = time.process_time()
        work()
        return (time.process_time() - began) / pictures

    return seconds


def compared(title: str, times: dict[str, Measured], aims: dict[str, str], *notes: str) -> Table:
    """Pictures a second of each way, and how many times the first's."""
    first = next(iter(times.values()))
    rows: list[tuple[Cell, ...]] = [(name, took.rate(1), first.over(took), aims.get(name, "–")) for name, took in times.items()]
    return Table(title=title, columns=("way", "pictures/s", "x the first", "aim"), rows=tuple(rows), notes=notes)


def feeds(large: Path, small: Path) -> dict[str, Feed]:
    crops_and_flips = AugmentationSettings(colour="none")
    return {
        "large": Feed(large, ("train",), CROP, CPU, AugmentationSettings()),
        "crops and flips": Feed(small, ("train",), SMALL_CROP, CPU, crops_and_flips),
        "as they are": Feed(small, ("train",), read_index(small)["size"], CPU, NO_AUGMENTATION),
    }


def our_sides(scope: Scope, large: Path, small: Path) -> Sides:
    """Batches of large pictures copied, assembled and fed whole; epochs of small pictures."""
    set_up(declare(replace(scope, threads=1), "float32", compiled=False))
    split, random, made = PackedSplit(large, "train"), np.random.default_rng(0), feeds(large, small)
    warm = split.take(np.arange(min(WARM, len(split))))
    batch, endless = min(BATCH, len(warm) // 2), whole_batches(made["large"], min(BATCH, len(warm) // 2))
    kept = np.empty_like(warm[:batch])

    def copy() -> None:
        for start in random.integers(0, len(warm) - batch, ASSEMBLED):
            np.copyto(kept, warm[start : start + batch])

    def assemble() -> None:
        for _ in range(ASSEMBLED):
            split.take(random.integers(0, len(warm), batch))

    sides = {"memory copy": per_core(copy, ASSEMBLED * batch), "assembled": per_core(assemble, ASSEMBLED * batch)}
    sides["fed"] = per_core(partial(next, endless), batch)
    for name in AIMS_SMALL:
        sides[name] = per_core(partial(_epoch, made[name]), len(made[name]))
    return sides


def _epoch(feed: Feed) -> None:
    for _ in feed.training_batches(0, 1, BATCH):
        pass


def whole_batches(feed: Feed, batch: int) -> Iterator[Batch]:
    """Epoch after epoch, without their last batches where those are smaller."""
    epoch = 0
    while True:
        epoch += 1
        yield from ((pictures, labels) for size, _, pictures, labels in feed.training_batches(0, epoch, batch) if size == batch)


class Cifar(Dataset[tuple[Tensor, int]]):
    """As torchvision's CIFAR10 has it: an array, a PIL picture of a row, the transforms."""

    def __init__(self, pixels: np.ndarray, how: Callable[[Any], Tensor]) -> None:
        self.pixels, self.how = pixels, how

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        return self.how(Image.fromarray(self.pixels[row])), row % 10


def of_files(mean_rgb: list[float]) -> Callable[[Any], Tensor]:
    """Section 4.1's crop and flip in torchvision's transforms; the mean is one colour. The values are grey levels."""
    steps = [v2.ToImage(), v2.Resize(256), v2.RandomCrop(CROP), v2.RandomHorizontalFlip(), v2.ToDtype(torch.float32)]
    return v2.Compose([*steps, v2.Normalize(mean_rgb, [1.0] * 3)])


def of_cifar(name: str, mean_rgb: list[float]) -> Callable[[Any], Tensor]:
    """As every tutorial has it. torchvision's older transforms: on such small pictures they are faster than its v2."""
    random = [transforms.RandomCrop(SMALL_CROP), transforms.RandomHorizontalFlip()] if name == "crops and flips" else []
    mean = [colour / 255 for colour in mean_rgb]
    return transforms.Compose([*random, transforms.ToTensor(), transforms.Normalize(mean, [1 / 255] * 3)])


def ordinary_sides(files: Path, small: Path, mean_rgb: list[float]) -> Sides:
    """DataLoader in this process: ImageFolder's whole set, and some batches of an epoch of small pictures."""
    torch.set_num_threads(1)
    folder = ImageFolder(files, of_files(mean_rgb))
    sides = {"ImageFolder": per_core(partial(_through, DataLoader(folder, BATCH, shuffle=True)), len(folder))}
    split = PackedSplit(small, "train")
    pixels, mean_small = split.take(np.arange(len(split))), read_index(small)["mean_rgb"]
    for name in AIMS_SMALL:
        loader = DataLoader(Cifar(pixels, of_cifar(name, mean_small)), BATCH, shuffle=True)
        sides[name] = per_core(partial(_through, loader), min(len(pixels), SMALL_BATCHES * BATCH))
    return sides


def _through(loader: DataLoader[Any]) -> None:
    for _ in islice(loader, SMALL_BATCHES):
        pass


def assembling_and_feeding(scope: Scope, large: Path, small: Path, scratch: Path) -> list[Table]:
    split, mean_rgb = PackedSplit(large, "train"), read_index(large)["mean_rgb"]
    files = material.as_files(split, scratch, min(BATCH, len(split)))
    with Elsewhere(our_sides, scope, large, small) as ours, Elsewhere(ordinary_sides, files, small, mean_rgb) as ordinary:
        sides = ordinary.sides("ImageFolder") | ours.sides("memory copy", "assembled", "fed")
        times = in_turns(sides, scope.rounds)
        epochs = {name: {"loader": partial(ordinary, name), "ours": partial(ours, name)} for name in AIMS_SMALL}
        by_name = {name: in_turns(both, scope.rounds) for name, both in epochs.items()}
    return [_large_table(times), _small_table(by_name, len(PackedSplit(small, "train")))]


def _large_table(times: dict[str, Measured]) -> Table:
    told = {
        "ImageFolder": "JPEG files: ImageFolder, v2, DataLoader",
        "memory copy": "memory copy of as many bytes",
        "assembled": "ours, assembled: uint8",
        "fed": "ours, fed: crops, flips, mean, colour too",
    }
    aims = {"assembled": f"{AIM_COPY} of the copy; {AIM_LOADER} times the files"}
    rows: list[tuple[Cell, ...]] = []
    for name, took in times.items():
        ratios = [times[other].over(took) for other in ("ImageFolder", "memory copy")]
        rows.append((told[name], took.rate(1), *ratios, aims.get(name, "–")))
    columns = ("way", "pictures/s", "x the files", "x the copy", "aim")
    return Table(title=f"Batches of {BATCH} pictures of 256 pixels, a core", columns=columns, rows=tuple(rows))


def _small_table(by_name: dict[str, dict[str, Measured]], pictures: int) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name, times in by_name.items():
        loader, ours = times["loader"], times["ours"]
        rows.append((name, loader.rate(1), ours.rate(1), loader.over(ours), AIMS_SMALL[name]))
    columns = ("pictures", "DataLoader, pictures/s", "ours, pictures/s", "x", "aim")
    return Table(title=f"{pictures:,} pictures of 32 pixels, batches of {BATCH}, a core", columns=columns, rows=tuple(rows))


def free(scope: Scope, large: Path, for_quarter: Path) -> list[Table]:
    """Section 4.1: the transformed pictures are "in effect, computationally free". Steps fed anew against one batch again."""
    quarter = checked(AlexNetSettings, read_params(QUARTER)["train"]["network"], str(QUARTER))
    cases = {
        "full": (replace(scope, device="cpu"), large, 1),
        "a quarter": (replace(scope, network=quarter, batch=QUARTER_BATCH, threads=1, device="cpu"), for_quarter, QUARTER_STEPS),
    }
    rows: list[tuple[Cell, ...]] = []
    for name, (here, packed, steps) in cases.items():
        feed = Feed(packed, ("train",), here.network.crop, CPU, AugmentationSettings())
        here = replace(here, batch=min(here.batch, len(feed)))
        times = in_turns(_training(here, feed, steps), scope.rounds)
        rates = [times[way].rate(steps * here.batch) for way in ("resident", "fed")]
        rows.append((name, str(here.batch), str(here.threads), *rates, times["resident"].over(times["fed"]), AIM_FREE))
    columns = ("network", "batch", "threads", "one batch again, images/s", "fed, images/s", "fed / again", "aim")
    return [
        Table(
            title=f"A training step fed with crops, flips and colour, float32{' compiled' * scope.compiled}",
            columns=columns,
            rows=tuple(rows),
        )
    ]


def _training(scope: Scope, feed: Feed, steps: int) -> dict[str, Callable[[], float]]:
    ours = Ours(scope, scope.network, declare(scope, "float32", scope.compiled))
    endless = whole_batches(feed, scope.batch)
    ways: dict[str, Iterator[Batch]] = {"resident": repeat(next(endless)), "fed": endless}

    def train(batches: Iterator[Batch]) -> None:
        for pictures, labels in islice(batches, steps):
            ours.pictures, ours.labels = pictures, labels
            ours.step()

    return {name: clocked(partial(train, batches), "cpu", ours.prepare) for name, batches in ways.items()}
