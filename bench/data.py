"""What pictures cost: preparing them, assembling batches, feeding a training, verifying a packed set. CPU, one thread a side."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from bench.ours import Ours, declare
from bench.table import Cell, Measured, Table
from bench.timing import Scope, clocked, in_turns
from study.data.feeding import NO_AUGMENTATION, AugmentationSettings, Feed
from study.data.packed import PackedSplit, damage
from study.data.packing import Item, PackingSettings, Part, pack, prepare

CPU = torch.device("cpu")
PICTURES, SMALL = 1024, 10_000  # packed at 256 pixels, and at 32
MEAN = [0.48, 0.46, 0.41]


@dataclass(frozen=True, slots=True)
class Noise:
    """A source of random pictures of `side` pixels, in two classes."""

    pictures: int
    side: int
    classes: tuple[str, ...] = ("a", "b")

    @property
    def counts(self) -> dict[str, int]:
        return {"train": self.pictures, "validation": 2, "test": 2}

    def part(self, split: str, start: int, stop: int) -> Part:
        return Part(self.load, split, start, stop)

    def load(self, split: str, start: int, stop: int) -> Iterator[Item]:
        random = np.random.default_rng([start, stop])
        for row in range(start, stop):
            yield Item(f"{split}/{row}", random.integers(0, 256, (self.side, self.side, 3), dtype=np.uint8), row % 2)

    def receipt(self) -> dict[str, Any]:
        return {"source": "noise", "pictures": self.pictures, "side": self.side}


def photograph(number: int, width: int = 500, height: int = 375) -> bytes:
    """A JPEG with as much detail as a photograph: noise at every scale."""
    random, total = np.random.default_rng(number), np.zeros((height, width, 3))
    for scale in (4, 16, 64, 256):
        small = random.normal(0, 30, (scale * 3 // 4, scale, 3))
        planes = [Image.fromarray(small[:, :, c].astype(np.float32)).resize((width, height)) for c in range(3)]
        total += np.stack([np.asarray(plane) for plane in planes], axis=2)
    buffer = io.BytesIO()
    Image.fromarray(np.clip(total + 118, 0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def measure(scope: Scope) -> list[Table]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with tempfile.TemporaryDirectory() as folder:
            packed, tiny = Path(folder) / "packed", Path(folder) / "tiny"
            pack(Noise(PICTURES, 256), PackingSettings(size=256), packed, 1, lambda _: None)
            pack(Noise(SMALL, 32), PackingSettings(size=32), tiny, 1, lambda _: None)
            tables = [_preparing(scope), _batches(scope, packed, Path(folder)), _small(scope, tiny), _verifying(scope, packed)]
            torch.set_num_threads(scope.threads)
            return [*tables, _free(scope, packed)]
    finally:
        torch.set_num_threads(threads)


def _rates(scope: Scope, amount: float, sides: dict[str, Callable[[], Any]]) -> dict[str, Measured]:
    times = in_turns({name: clocked(work, CPU) for name, work in sides.items()}, scope.rounds)
    return {name: time.rate(amount) for name, time in times.items()}


def _preparing(scope: Scope) -> Table:
    jpegs, settings = [photograph(number) for number in range(8)], PackingSettings(size=256)
    plain = v2.Compose([v2.Resize(256), v2.CenterCrop(256)])
    sides: dict[str, Callable[[], Any]] = {
        "plain loop: PIL and torchvision": lambda: [plain(Image.open(io.BytesIO(j)).convert("RGB")) for j in jpegs],
        "ours": lambda: [prepare(Item("x.jpg", j, 0), "train", settings) for j in jpegs],
    }
    return _table("Preparing JPEGs of 500 x 375 at 256 pixels, a core", "pictures/s", _rates(scope, len(jpegs), sides), "2")


def _batches(scope: Scope, packed: Path, folder: Path, batch: int = 128) -> Table:
    split, random = PackedSplit(packed, "train"), np.random.default_rng(0)
    batch = min(batch, len(split) // 2)
    for number in range(batch):
        path = folder / f"files/{'ab'[number % 2]}/{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photograph(number, 256, 256))
    ordinary = _loader(folder / "files", batch)
    block = split.take(np.arange(batch))
    feed = Feed(packed, ("train",), 224, CPU, AugmentationSettings())
    epochs = cycle(range(1, 1000))
    sides: dict[str, Callable[[], Any]] = {
        "ImageFolder, v2, DataLoader": lambda: [len(labels) for _, labels in ordinary],
        "memory copy of the bytes": block.copy,
        "ours, bytes": lambda: split.take(random.integers(0, len(split), batch)),
        "ours, with crops, flips, mean and colour": lambda: next(iter(feed.training_batches(0, next(epochs), batch))),
    }
    aims = "bytes: 0.8 of the copy, 100 times the loader"
    return _table(f"Assembling a batch of {batch} at 256 pixels, a core", "pictures/s", _rates(scope, batch, sides), aims)


def _loader(folder: Path, batch: int) -> DataLoader:
    steps = [v2.ToImage(), v2.RandomCrop(224), v2.RandomHorizontalFlip(), v2.ToDtype(torch.float32, scale=True)]
    return DataLoader(ImageFolder(folder, v2.Compose([*steps, v2.Normalize(MEAN, [1.0] * 3)])), batch_size=batch, shuffle=True)


class _Pictures(torch.utils.data.Dataset):
    """CIFAR-10's way in torchvision: an array, a PIL picture of it, transforms."""

    def __init__(self, pixels: np.ndarray, transform: Callable[[Any], torch.Tensor]) -> None:
        self.pixels, self.transform = pixels, transform

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.pixels[row])), row % 10


def _small(scope: Scope, packed: Path) -> Table:
    pixels = PackedSplit(packed, "train").take(np.arange(len(PackedSplit(packed, "train"))))
    last = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, [1.0] * 3)]
    random = v2.Compose([v2.RandomCrop(24), v2.RandomHorizontalFlip(), *last])
    loaders = {
        name: DataLoader(_Pictures(pixels, how), batch_size=128, shuffle=True)
        for name, how in (("augmented", random), ("plain", v2.Compose(last)))
    }
    feeds = {
        "augmented": Feed(packed, ("train",), 24, CPU, AugmentationSettings(colour="none")),
        "plain": Feed(packed, ("train",), 32, CPU, NO_AUGMENTATION),
    }
    sides: dict[str, Callable[[], Any]] = {}
    for name in loaders:
        sides[f"DataLoader, {name}"] = partial(_through, loaders[name])
        sides[f"ours, {name}"] = partial(_through_feed, feeds[name])
    rates = _rates(replace(scope, rounds=min(scope.rounds, 5)), len(pixels), sides)
    rows = tuple(
        (
            name,
            rates[f"DataLoader, {name}"],
            rates[f"ours, {name}"],
            rates[f"ours, {name}"].over(rates[f"DataLoader, {name}"]),
            aim,
        )
        for name, aim in (("augmented", "2"), ("plain", "10"))
    )
    columns = ("32 pixels, batches of 128, a core", "DataLoader, pictures/s", "ours, pictures/s", "x", "aim")
    return Table(title=f"An epoch of {len(pixels):,} pictures as large as CIFAR-10's", columns=columns, rows=rows)


def _through(loader: DataLoader) -> int:
    return sum(len(labels) for _, labels in loader)


def _through_feed(feed: Feed) -> int:
    return sum(size for size, *_ in feed.training_batches(0, 1, 128))


def _verifying(scope: Scope, packed: Path) -> Table:
    size = sum(path.stat().st_size for path in packed.glob("*-[0-9]*.npy"))
    times = in_turns({"verify": clocked(partial(damage, packed), CPU)}, scope.rounds)["verify"]
    rows = ((f"{size / 1e6:,.0f} MB", times, times.times(1e9 / size), "10"),)
    return Table(title="Verifying packed pictures", columns=("size", "s", "s for 1 GB", "aim"), rows=rows)


def _free(scope: Scope, packed: Path) -> Table:
    """Section 4.1: "computationally free". A step fed anew against a step on a batch that is there."""
    ours = Ours(scope, scope.network, declare(scope, "float32", False))
    feed = Feed(packed, ("train",), scope.network.crop, CPU, AugmentationSettings())
    resident, batches = ours.pictures, _endless(feed, min(scope.batch, len(feed)))

    def fed() -> None:
        _, _, pictures, labels = next(batches)
        ours.pictures, ours.labels = pictures, labels
        ours.step()

    def on_the_same() -> None:
        ours.pictures = resident
        ours.step()

    rates = _rates(scope, scope.batch, {"on one resident batch": on_the_same, "fed, with augmentation": fed})
    return _table(f"A training step of the full network, batch {scope.batch}, {scope.threads} threads", "images/s", rates, "0.97")


def _endless(feed: Feed, batch: int) -> Iterator[tuple[int, slice, torch.Tensor, torch.Tensor]]:
    for epoch in range(1, 1_000_000):
        yield from (one for one in feed.training_batches(0, epoch, batch) if one[0] == batch)


def _table(title: str, unit: str, rates: dict[str, Measured], aim: str) -> Table:
    first = next(iter(rates.values()))
    rows: tuple[tuple[Cell, ...], ...] = tuple((name, rate, rate.over(first)) for name, rate in rates.items())
    return Table(title=title, columns=("way", unit, "x the first"), rows=rows, notes=(f"Aim: {aim}.",))
