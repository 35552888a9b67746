"""Section 4.1's augmentation as batched tensor operations, from uint8, on the device that trains.

A picture's crop, flip and colour are functions of (seed, epoch, position in the epoch's order) and of nothing else:
an interrupted epoch goes on exactly where it was, and no number of workers, replicas or devices changes a picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from study.data.packed import PackedSplit, read_index
from study.machine import generator

PATCHES = 10  # section 4.1: four corners and the centre, and their reflections


@dataclass(frozen=True, kw_only=True, slots=True)
class AugmentationSettings:
    """How training pictures are changed (section 4.1); the defaults are the text's.

    `crops`: patches from random places instead of the centre. `flips`: half of them reflected horizontally. `colour` adds
    p (alpha lambda) to every pixel, with alpha ~ N(0, `colour_deviation`) and lambda the eigenvalues of the pixels' covariance
    on the 0-1 scale (assumption A5) or, as in the released code, their square roots (`deviations`). That code also divides the
    coloured patch by `colour_divisor`, adds no colour after the epoch `colour_until`, gives `alike` pictures in a row the same
    crop and flip, and subtracts from every patch the centre of the mean picture (`mean`), not its part at the patch's place
    (A11, A16).
    """

    crops: bool = True
    flips: bool = True
    colour: Literal["eigenvalues", "deviations", "none"] = "eigenvalues"
    colour_deviation: float = 0.1
    colour_divisor: float = 1.0
    colour_until: int | None = None
    alike: int = 1
    mean: Literal["patch", "centre"] = "patch"

    def __post_init__(self) -> None:
        if self.alike < 1:
            raise ValueError(f"alike is {self.alike}; it counts pictures, 1 or more; the released code has 32")
        if self.colour_divisor <= 0:
            raise ValueError(f"colour_divisor is {self.colour_divisor}; patches are divided by it; the released code has 1.1")
        if self.colour_deviation < 0 or (self.colour_until is not None and self.colour_until < 0):
            raise ValueError(
                f"colour_deviation is {self.colour_deviation} and colour_until {self.colour_until}; neither is negative"
            )


def all_rows(batch: int) -> slice:
    """All rows of a batch: what a process takes of it that shares it with no other."""
    return slice(0, batch)


NO_AUGMENTATION = AugmentationSettings(crops=False, flips=False, colour="none")


def colour_axes(folder: Path, kind: str) -> Tensor | None:
    """The colour changes, in grey levels, that alpha = 1 makes along the principal components: (RGB, components).

    `kind` is the setting `colour`; None where no colour is added.
    """
    if kind == "none":
        return None
    index = read_index(folder)
    eigenvalues = torch.tensor(index["eigenvalues"], dtype=torch.float64).clamp(min=0)  # in squared grey levels
    sizes = eigenvalues.sqrt() if kind == "deviations" else 255 * eigenvalues / 255**2
    return (torch.tensor(index["eigenvectors"], dtype=torch.float64) * sizes).float()


class Feed:
    """Batches of augmented pictures for training, and of their central or ten patches for testing.

    The pictures are those of one split of the packed set in `folder`, or of several one after the other; the `first` so many
    of them, or all. Patches have `crop` pixels a side and lie on `device`. Raises ValueError where a patch does not fit.
    """

    def __init__(
        self,
        folder: Path,
        splits: tuple[str, ...],
        crop: int,
        device: torch.device,
        augmentation: AugmentationSettings,
        first: int | None = None,
    ) -> None:
        self.parts = [PackedSplit(folder, split) for split in splits]
        self.size, self.crop, self.device, self.augmentation = self.parts[0].size, crop, device, augmentation
        if crop > self.size:
            raise ValueError(f"crop is {crop}, larger than the packed pictures' {self.size}; lower it or raise prepare.size")
        self.labels = torch.from_numpy(np.concatenate([part.labels for part in self.parts])[:first])
        self.mean = torch.from_numpy(np.load(folder / "mean.npy")).to(device)
        self.axes = colour_axes(folder, augmentation.colour)
        border = (self.size - crop) // 2
        self.central_mean = self.mean[border : border + crop, border : border + crop]
        self._starts = np.cumsum([0] + [len(part) for part in self.parts])

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: np.ndarray) -> Tensor:
        """The pictures of these numbers, as they are packed: uint8 (rows, size, size, RGB) on the feed's device."""
        if len(self.parts) == 1:
            return torch.from_numpy(self.parts[0].take(rows)).to(self.device)
        out = np.empty((len(rows), self.size, self.size, 3), dtype=np.uint8)
        for part, start, stop in zip(self.parts, self._starts, self._starts[1:], strict=False):
            within = (rows >= start) & (rows < stop)
            out[within] = part.take(rows[within] - start)
        return torch.from_numpy(out).to(self.device)

    def training_batches(
        self, seed: int, epoch: int, batch: int, start: int = 0, rows: Callable[[int], slice] = all_rows
    ) -> Iterator[tuple[int, slice, Tensor, Tensor]]:
        """The batches of an epoch in its own order, from batch `start` on.

        Each is the size of the whole batch, which `rows` of it this process takes, and these: (rows, 3, crop, crop) float32
        minus the mean, and labels (rows,).
        """
        n = len(self)
        order = torch.randperm(n, generator=generator(seed, "order", epoch)).numpy()
        corners, flips = self._crops_and_flips(seed, epoch)
        drawn = torch.randn(n, 3, generator=generator(seed, "colour", epoch), dtype=torch.float32)  # in every precision
        alphas = self.augmentation.colour_deviation * drawn
        until = self.augmentation.colour_until
        axes = self.axes if until is None or epoch <= until else None
        for first in range(start * batch, n, batch):
            size = min(batch, n - first)
            own = rows(size)
            positions = slice(first + own.start, first + own.stop)
            numbers = order[positions]
            pictures = self._patches(self.take(numbers), corners[positions], flips[positions])
            if axes is not None:
                colours = (alphas[positions] @ axes.T).to(self.device)
                pictures.permute(0, 2, 3, 1).flatten(2).add_(colours.repeat(1, self.crop)[:, None])  # rows, not pixels: 2x
                if self.augmentation.colour_divisor != 1:
                    pictures /= self.augmentation.colour_divisor
            yield size, own, pictures, self.labels[torch.from_numpy(numbers)].to(self.device)

    def _crops_and_flips(self, seed: int, epoch: int) -> tuple[Tensor, Tensor]:
        """The upper left corner (top, left) of every patch of an epoch, and whether it is reflected: (pictures, 2), (pictures,).

        `alike` pictures in a row share theirs.
        """
        n, border, alike = len(self), self.size - self.crop, self.augmentation.alike
        draws = -(-n // alike)
        corners = torch.full((draws, 2), border // 2)
        if self.augmentation.crops:
            corners = torch.randint(0, border + 1, (draws, 2), generator=generator(seed, "crops", epoch))
        flips = torch.zeros(draws, dtype=torch.bool)
        if self.augmentation.flips:
            flips = torch.rand(draws, generator=generator(seed, "flips", epoch), dtype=torch.float32) < 0.5
        return corners.repeat_interleave(alike, dim=0)[:n], flips.repeat_interleave(alike)[:n]

    def test_batches(
        self, batch: int, patches: Literal[1, 10] = 1, rows: Callable[[int], slice] = all_rows
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """All pictures in packed order: ((B * patches, 3, crop, crop) float32 minus the mean, labels (B,)).

        The patches of a picture follow one another: the central one alone, or the ten of section 4.1.
        """
        for first in range(0, len(self), batch):
            numbers = np.arange(first, min(first + batch, len(self)))
            yield self._test_batch(numbers[rows(len(numbers))], patches)

    def sample(self, count: int) -> tuple[Tensor, Tensor]:
        """So many pictures at even distances through the set, the same every time: central patches and labels, as a batch."""
        return self._test_batch(np.arange(min(count, len(self))) * len(self) // min(count, len(self)), 1)

    def _test_batch(self, numbers: np.ndarray, patches: Literal[1, 10]) -> tuple[Tensor, Tensor]:
        last, middle = self.size - self.crop, (self.size - self.crop) // 2
        five = torch.tensor([[0, 0], [0, last], [last, 0], [last, last], [middle, middle]])
        corners = torch.cat([five, five]) if patches == PATCHES else five[4:]
        flips = torch.arange(patches) >= 5
        corners, flips = corners.repeat(len(numbers), 1), flips.repeat(len(numbers))
        pictures = self._patches(self.take(numbers), corners, flips, patches)
        return pictures, self.labels[torch.from_numpy(numbers)].to(self.device)

    def _patches(self, pictures: Tensor, corners: Tensor, flips: Tensor, each: int = 1) -> Tensor:
        """Cut `each` patches out of every picture (B, size, size, 3), at `corners` (B * each, 2), reflect some and subtract the
        mean: (B * each, 3, crop, crop) float32, with channels last in memory, as the network's convolutions want them."""
        cut = self._sliced if self.device.type == "cpu" else self._gathered
        return cut(pictures, corners, flips, each).permute(0, 3, 1, 2)

    def _gathered(self, pictures: Tensor, corners: Tensor, flips: Tensor, each: int) -> Tensor:
        """`_patches` by indices: a few operations for the whole batch, as a GPU wants them."""
        along = torch.arange(self.crop)
        rows = (corners[:, :1] + along).to(self.device)
        columns = (corners[:, 1:] + torch.where(flips[:, None], along.flip(0), along)).to(self.device)
        numbers = torch.arange(len(pictures), device=self.device).repeat_interleave(each)[:, None, None]
        cut = pictures[numbers, rows[:, :, None], columns[:, None, :]].float()
        cut -= self.mean[rows[:, :, None], columns[:, None, :]] if self.augmentation.mean == "patch" else self.central_mean
        return cut

    def _sliced(self, pictures: Tensor, corners: Tensor, flips: Tensor, each: int) -> Tensor:
        """`_patches` by slices, to the same bits: on a CPU an index for every pixel costs ten times the pixels."""
        if len(corners) and each == 1 and not flips.any() and bool((corners == corners[0]).all()):
            rows, columns = self._window(*corners[0].tolist())
            return pictures[:, rows, columns] - self._mean_of(rows, columns, flip=False)
        out = torch.empty(len(corners), self.crop, self.crop, 3, dtype=torch.float32)
        for number, (corner, flip) in enumerate(zip(corners.tolist(), flips.tolist(), strict=True)):
            rows, columns = self._window(*corner)
            pixels = pictures[number // each, rows, columns]
            torch.sub(pixels.flip(1) if flip else pixels, self._mean_of(rows, columns, flip), out=out[number])
        return out

    def _window(self, top: int, left: int) -> tuple[slice, slice]:
        return slice(top, top + self.crop), slice(left, left + self.crop)

    def _mean_of(self, rows: slice, columns: slice, flip: bool) -> Tensor:
        """What is subtracted from the patch of these rows and columns: the mean there, reflected with it, or the central mean
        (A11)."""
        if self.augmentation.mean == "centre":
            return self.central_mean
        return self.mean[rows, columns].flip(1) if flip else self.mean[rows, columns]
