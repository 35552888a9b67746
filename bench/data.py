"""What pictures cost: preparing, packing and verifying them, the bytes of ten patches, and the batches of bench/batches.py.

"A core" counts the process's own time, so that a neighbour on the machine does not count.
"""

from __future__ import annotations

import io
import shutil
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torchvision import transforms
from torchvision.transforms import v2

from bench import batches, material
from bench.table import Measured, Table
from bench.timing import Elsewhere, Scope, Sides, clocked, in_turns
from study.cores import allotted_cores
from study.data.feeding import AugmentationSettings, Feed
from study.data.packed import PackedSplit, damage
from study.data.packing import PackingSettings, pack, prepare
from study.sources.items import Item
from study.sources.photographs import File

PICTURES, SMALL, FOR_QUARTER = 2560, 50_000, 640  # packed at 256 pixels (0.5 GB), as many as CIFAR-10's, and at 64
JPEGS, SHARDS = 480, 10  # packed by one worker and by all, in so many shards a worker
TIMED_JPEGS = 48  # prepared in a turn
PACKINGS = 3  # with each number of workers: one takes seconds
SIZE = PackingSettings(size=256)
AIM_PREPARING, AIM_VERIFYING = "2", "10"
Pictures = list[np.ndarray]


def measure(scope: Scope) -> list[Table]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        large = material.packed(folder / "256", PICTURES, 256, allotted_cores())
        tables = [*_of_photographs(scope, folder / "photographs"), _verifying(scope, large), _bytes(large)]
        small = material.packed(folder / "32", SMALL, 32, allotted_cores())
        tables += batches.assembling_and_feeding(scope, large, small, folder / "files")
        tables += batches.free(scope, large, material.packed(folder / "64", FOR_QUARTER, 64))
    return tables


def _of_photographs(scope: Scope, folder: Path) -> list[Table]:
    folder.mkdir()
    files, what = material.photographs(scope.photographs, folder, JPEGS)
    return [_preparing(scope, files, what), _packing(files, what, folder)]


def ours(contents: list[bytes]) -> Pictures:
    """As packing does it, from a file's bytes."""
    made = (prepare(Item("", content, 0), "train", SIZE)[0] for content in contents)
    return [picture for picture in made if picture is not None]


def plain(contents: list[bytes]) -> Pictures:
    """The loop that one writes: PIL's picture and torchvision's two transforms."""
    how = transforms.Compose([transforms.Resize(SIZE.size), transforms.CenterCrop(SIZE.size)])
    return [np.asarray(how(Image.open(io.BytesIO(content)).convert("RGB"))) for content in contents]


def preparing_sides(contents: list[bytes]) -> Sides:
    torch.set_num_threads(1)
    ways: dict[str, Callable[[list[bytes]], Pictures]] = {"plain loop": plain, "ours": ours}
    return {name: batches.per_core(partial(way, contents), len(contents)) for name, way in ways.items()}


def _preparing(scope: Scope, files: list[File], what: str) -> Table:
    chosen = [file.read() for file in files[:: max(1, len(files) // TIMED_JPEGS)][:TIMED_JPEGS]]
    contents = [content for content in chosen if ours([content])]  # on a broken one the plain loop ends
    with Elsewhere(preparing_sides, contents) as other:
        times = in_turns(other.sides("plain loop", "ours"), scope.rounds)
    both = zip(ours(contents[:4]), plain(contents[:4]), strict=True)
    apart = np.mean([np.abs(a.astype(int) - b.astype(int)).mean() for a, b in both])
    return batches.compared(
        f"Preparing at {SIZE.size} pixels, {what}, a core",
        times,
        {"ours": AIM_PREPARING},
        f"Files of {np.mean([len(content) for content in contents]) / 1e3:.0f} kB on average. The two ways' pixels differ by "
        f"{apart:.2g} of 255 on average: they round the longer side and the crop's place to whole pixels differently, and ours "
        "lets libjpeg decode a fraction of a large file where both sides divide by it.",
    )


def _packing(files: list[File], what: str, folder: Path) -> Table:
    """From files to shards, by one worker and by one a core, in turns."""
    cores = max(2, min(allotted_cores(), len(files) // 4))
    settings = PackingSettings(size=SIZE.size, shard=max(1, len(files) // (SHARDS * cores)), rejects=len(files))
    found: dict[int, list[float]] = {1: [], cores: []}
    for _ in range(PACKINGS):
        for workers, seconds in found.items():
            seconds.append(_seconds_a_picture(files, settings, folder / "packed", workers))
    times = {workers: Measured(tuple(seconds)) for workers, seconds in found.items()}
    rows = ((str(workers), took.rate(1), times[1].over(took)) for workers, took in times.items())
    return Table(
        title=f"Packing {len(files):,} files, {what}, wall clock, {PACKINGS} rounds",
        columns=("workers", "pictures/s", "x one worker"),
        rows=tuple(rows),
        notes=("From when each worker's first shard is done, since starting the processes counts for little in a large set.",),
    )


def _seconds_a_picture(files: list[File], settings: PackingSettings, folder: Path, workers: int) -> float:
    done: list[tuple[float, int]] = []

    def tell(news: int | str) -> None:
        if isinstance(news, int):
            done.append((time.perf_counter(), news))

    pack(material.source(files), settings, folder, workers, tell)
    shutil.rmtree(folder)
    (began, _), (ended, _) = done[workers - 1], done[-1]
    return (ended - began) / sum(pictures for _, pictures in done[workers:])


def _verifying(scope: Scope, packed: Path) -> Table:
    size = sum(path.stat().st_size for path in packed.glob("*-[0-9]*.npy"))
    times = in_turns({"verify": clocked(partial(damage, packed), "cpu")}, scope.rounds)["verify"]
    rows = ((f"{size / 1e6:,.0f} MB", times, times.times(1e9 / size), AIM_VERIFYING),)
    return Table(title="Verifying packed pictures, page cache warm", columns=("size", "s", "s for 1 GB", "aim"), rows=rows)


class Moved(TorchDispatchMode):
    """Counts the bytes of the tensors that operations take from the host to a pretended device, by their type."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes: dict[str, int] = {}

    def __torch_dispatch__(self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        given = [leaf for leaf in tree_leaves(args) if isinstance(leaf, torch.Tensor)]
        if given and not any(one.is_meta for one in given) and isinstance(result, torch.Tensor) and result.is_meta:
            kind = str(result.dtype).removeprefix("torch.")
            self.bytes[kind] = self.bytes.get(kind, 0) + result.nbytes
        return result


def _bytes(packed: Path) -> Table:
    """Of the first picture's ten patches; a tensor without values is as large as one with."""
    with Moved() as ordinary:
        picture = torch.from_numpy(PackedSplit(packed, "test").take(np.arange(1))[0]).permute(2, 0, 1)
        torch.stack(v2.TenCrop(224)(picture)).float().to("meta")
    feed = Feed(packed, ("test",), 224, torch.device("meta"), AugmentationSettings())
    with Moved() as fed:
        next(feed.test_batches(1, 10))
    rows = []
    for name, moved in (("torchvision's TenCrop", ordinary.bytes), ("ours", fed.bytes)):
        pixels = moved.get("float32", 0) + moved.get("uint8", 0)
        rows.append((name, f"{pixels:,}", f"{sum(moved.values()) - pixels:,}"))
    columns = ("way", "bytes of pixels", "bytes of places and labels")
    return Table(title="What reaches the device for ten patches of a picture", columns=columns, rows=tuple(rows))
