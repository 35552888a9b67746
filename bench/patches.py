"""Ten patches a picture as section 4.1 averages them: ours against torchvision's TenCrop loop and against the bare forward pass.

Each way has a process of its own, with the same network and weights.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import v2

from bench.material import packed
from bench.ours import Ours, declare
from bench.table import Cell, Table
from bench.timing import Elsewhere, Scope, Sides, clocked, in_turns
from study.data.feeding import NO_AUGMENTATION, Feed
from study.data.packed import PackedSplit
from study.measuring.evaluation import predict, probabilities
from study.network.alexnet import AlexNet

PICTURES, BORDER = 16, 32  # pictures of 256 pixels for patches of 224
DEVIATION = 0.02  # of all weights: with the paper's 0.01 every picture has the same probabilities, to some 5e-6
AGREEMENT, AIM_LOOP, AIM_BARE = 1e-6, "3", "0.9"
LOOP, BARE, OURS = "TenCrop loop", "bare forward pass", "ours"


def network(scope: Scope) -> AlexNet:
    """With weights that tell pictures, and patches of one picture, apart."""
    settings = replace(scope.network, deviation=DEVIATION, deviation_conv345=DEVIATION)
    made = AlexNet(settings, scope.classes)
    made.initialise(0)
    return made.eval()


def our_sides(scope: Scope, folder: Path) -> Sides:
    """Evaluation as the stage runs it, and the network alone on patches that are there."""
    ours = Ours(replace(scope, batch=1), scope.network, declare(scope, "float32", scope.compiled))
    ours.network.load_state_dict(network(scope).state_dict())
    feed = Feed(folder, ("train",), scope.network.crop, torch.device("cpu"), NO_AUGMENTATION)
    patches, _ = next(feed.test_batches(len(feed), 10))
    evaluate = partial(predict, ours.network.eval(), feed, len(feed), lambda _: None)
    return {
        "probabilities": lambda: np.concatenate([ten for ten, _ in probabilities(ours.network, feed, len(feed), lambda _: None)]),
        OURS: clocked(evaluate, "cpu", ours.prepare),
        BARE: clocked(partial(_forward, ours.network, patches), "cpu", ours.prepare),
    }


@torch.no_grad()
def _forward(network: torch.nn.Module, patches: torch.Tensor) -> None:
    network(patches)


def ordinary_sides(scope: Scope, folder: Path) -> Sides:
    torch.set_num_threads(scope.threads)
    split = PackedSplit(folder, "train")
    pictures = [Image.fromarray(picture) for picture in split.take(np.arange(len(split)))]
    loop = partial(ten_crops, network(scope), pictures, np.load(folder / "mean.npy"), scope.network.crop)
    return {"probabilities": loop, LOOP: clocked(loop, "cpu")}


@torch.no_grad()
def ten_crops(network: torch.nn.Module, pictures: list[Image.Image], mean: np.ndarray, crop: int) -> np.ndarray:
    """As torchvision's documentation has it, a picture at a time, but averaging probabilities as the paper does.

    The mean is a picture here: its ten patches, cut alike, are subtracted. The crops come in another order than ours.
    """
    ten, averaged = v2.TenCrop(crop), []
    means = torch.stack(ten(torch.from_numpy(mean).permute(2, 0, 1)))
    for picture in pictures:
        patches = torch.stack([v2.functional.pil_to_tensor(patch).float() for patch in ten(picture)]) - means
        averaged.append(network(patches).softmax(dim=1).mean(dim=0))
    return torch.stack(averaged).numpy()


def measure(scope: Scope) -> list[Table]:
    with tempfile.TemporaryDirectory() as name:
        folder = packed(Path(name) / "packed", PICTURES, scope.network.crop + BORDER)
        with Elsewhere(our_sides, scope, folder) as ours, Elsewhere(ordinary_sides, scope, folder) as ordinary:
            agreed = same_probabilities(ours("probabilities"), ordinary("probabilities"))
            times = in_turns(ordinary.sides(LOOP) | ours.sides(BARE, OURS), scope.rounds)
    rows: list[tuple[Cell, ...]] = []
    for way, took in times.items():
        ratios = [times[other].over(took) for other in (LOOP, BARE)]
        rows.append((way, took.rate(PICTURES), *ratios, f"{AIM_LOOP}; {AIM_BARE}" if way == OURS else "–"))
    how = f"{scope.threads} threads, float32{' compiled' * scope.compiled}"
    made = Table(
        title=f"Ten patches of {PICTURES} pictures, CPU, {how}, {scope.rounds} rounds",
        columns=("way", "pictures/s", "x loop", "x bare", "aims"),
        rows=tuple(rows),
        notes=(agreed,),
    )
    return [made]


def same_probabilities(ours: np.ndarray, ordinary: np.ndarray) -> str:
    """A sentence for the table. Raises RuntimeError where the two ways do not compute the same."""
    apart, between = float(np.abs(ours - ordinary).max()), float(np.ptp(ours, axis=0).max())
    if not apart <= AGREEMENT:
        raise RuntimeError(f"the two ways do not compute the same; their probabilities differ by {apart:.1e}")
    return f"The probabilities of the two ways differ by at most {apart:.1e}; those of two pictures by up to {between:.2g}."
