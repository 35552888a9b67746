"""Sections 2 and 4.1: packing, crops, reflections, colour, ten patches; each picture's randomness its own."""

import dataclasses
import hashlib
import os
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from study import storage
from study.data import packing
from study.data.feeding import NO_AUGMENTATION, AugmentationSettings, Feed, colour_axes
from study.data.packed import PackedSplit, damage
from study.data.packing import PackingSettings, pack
from study.data.rescaling import FilterSettings, rescale
from study.sources.choosing import BuiltIn, BuiltInSettings
from study.sources.items import Item, Part
from study.sources.pictures import CLASSES, SURFACES, PictureSettings, index_of, picture
from study.training.replicas import Replicas
from tests.ilsvrc_shaped import photograph
from tests.test_packing_faults import Here

CPU = torch.device("cpu")
PICTURES = PictureSettings(seed=1, size=32, train=50, validation=24, test=26)
SOURCE = BuiltIn(BuiltInSettings(source="sketch", pictures=PICTURES))
PACKING = PackingSettings(size=32, shard=20)
EVERYTHING = AugmentationSettings()


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packed")
    pack(SOURCE, PACKING, folder, 2, lambda _: None)
    return folder


def _feed(packed: Path, augmentation: AugmentationSettings, crop: int = 27, splits: tuple[str, ...] = ("train",)) -> Feed:
    return Feed(packed, splits, crop, CPU, augmentation)


def test_pictures_depend_on_seed_and_number_alone() -> None:
    one, label = picture(PICTURES, 30)
    picture(PICTURES, 3)
    again, _ = picture(PICTURES, 30)
    other, _ = picture(dataclasses.replace(PICTURES, seed=2), 30)
    assert label == 30 % len(CLASSES) and np.array_equal(one, again) and not np.array_equal(one, other)


def test_mean_colour_says_nothing_of_the_surface() -> None:
    """Of its six surfaces a classifier of mean colours finds one at chance, and so the class never more often than that."""
    settings = PictureSettings(seed=5, size=32, train=960, validation=24, test=24)
    drawn = [picture(settings, i) for i in range(960)]
    means = np.array([p.mean(axis=(0, 1)) for p, _ in drawn])
    labels = np.array([label for _, label in drawn])
    distances = ((means[:, None] - means[None]) ** 2).sum(axis=2)
    np.fill_diagonal(distances, np.inf)
    found = labels[distances.argmin(axis=1)]
    surfaces = len(SURFACES)
    assert (found == labels).mean() < 1 / surfaces and abs((found % surfaces == labels % surfaces).mean() - 1 / surfaces) < 0.07


def test_packing_is_the_same_with_any_number_of_workers(packed: Path, tmp_path: Path) -> None:
    pack(SOURCE, PACKING, tmp_path, 1, lambda _: None)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {path.name for path in packed.iterdir()} and "index.json" in names
    assert all((tmp_path / name).read_bytes() == (packed / name).read_bytes() for name in names)


def test_packed_pictures_are_the_pictures(packed: Path) -> None:
    split = PackedSplit(packed, "validation")
    taken = split.take(np.array([23, 0, 20]))
    for row, pixels in zip((23, 0, 20), taken, strict=True):
        drawn, label = picture(PICTURES, index_of(PICTURES, "validation", row))
        assert np.array_equal(pixels, drawn) and split.labels[row] == label


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Packing in this process: to start another takes longer than these pictures do."""
    monkeypatch.setattr(packing, "ProcessPoolExecutor", Here)


def test_a_damaged_shard_is_found_and_made_again(here: None, tmp_path: Path) -> None:
    index = pack(SOURCE, PACKING, tmp_path, 1, lambda _: None)
    shard = tmp_path / "train-00001.npy"
    content = bytearray(shard.read_bytes())
    content[-5] ^= 1
    shard.write_bytes(content)
    assert damage(tmp_path) == ["train-00001.npy"]
    said: list[int | str] = []
    assert pack(SOURCE, PACKING, tmp_path, 1, said.append) == index
    assert damage(tmp_path) == [] and "train-00001.npy is damaged" in str(said[0])


def test_an_interrupted_packing_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    monkeypatch.setattr(packing, "ProcessPoolExecutor", _Breaking)
    with pytest.raises(KeyboardInterrupt):
        pack(SOURCE, PACKING, tmp_path, 1, made.append)
    assert [one for one in made if isinstance(one, int)] == [20, 20]
    monkeypatch.setattr(packing, "ProcessPoolExecutor", Here)
    before = (tmp_path / "train-00000.npy").stat().st_mtime_ns
    assert pack(SOURCE, PACKING, tmp_path, 1, lambda _: None)["pictures"]["train"] == 50
    assert (tmp_path / "train-00000.npy").stat().st_mtime_ns == before


class _Breaking(Here):
    """Stands for a pool whose user presses Ctrl-C after two shards."""

    def map(self, work, names, parts):
        for name, part in list(zip(names, parts, strict=True))[:2]:
            yield work(name, part)
        raise KeyboardInterrupt


def test_mean_and_covariance(packed: Path) -> None:
    pixels = PackedSplit(packed, "train").take(np.arange(50)).astype(np.float64)
    index = storage.read_json(packed / "index.json")
    np.testing.assert_allclose(np.load(packed / "mean.npy"), pixels.mean(axis=0), rtol=1e-6)
    covariance = np.cov(pixels.reshape(-1, 3).T, bias=True)
    vectors, values = np.array(index["eigenvectors"]), np.array(index["eigenvalues"])
    np.testing.assert_allclose(vectors @ np.diag(values) @ vectors.T, covariance, rtol=1e-9)


def test_shorter_side_then_central_square() -> None:
    """Section 2, on a picture whose columns count themselves: the middle of the longer side remains."""
    wide = np.broadcast_to(np.arange(200, dtype=np.uint8)[None, :, None], (100, 200, 3)).copy()
    square = rescale(wide, 50, FilterSettings())
    assert square.shape == (50, 50, 3)
    np.testing.assert_allclose(square[25, :, 0], np.arange(50, 150, 2) + 0.5, atol=1.01)


@pytest.mark.parametrize("kind", ["nearest", "bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("antialias", [True, False])
def test_down_sampling_filters(kind: str, antialias: bool) -> None:
    """A slope stays a slope under every filter; a fine chequerboard turns grey where all pixels count, and only there."""
    if kind == "lanczos" and not antialias:
        with pytest.raises(ValueError, match="made for antialiasing"):
            FilterSettings(kind="lanczos", antialias=False)
        return
    how = FilterSettings(kind=kind, antialias=antialias)  # type: ignore[arg-type]
    slope = np.broadcast_to(np.linspace(0, 240, 240).astype(np.uint8)[None, :, None], (240, 240, 3)).copy()
    np.testing.assert_allclose(rescale(slope, 40, how)[20, 5:35, 1], np.arange(5, 35) * 6 + 2.5, atol=3.6)
    board = (np.indices((240, 240)).sum(axis=0) % 2 * 255).astype(np.uint8)[:, :, None].repeat(3, axis=2)
    contrast = rescale(board, 80, how).std()
    assert (contrast < 60) == how.smooths


def test_another_filter_for_the_test_pictures(here: None, tmp_path: Path) -> None:
    """Two sets stand side by side, alike but for the split with a filter of its own."""
    same, other = tmp_path / "same", tmp_path / "other"
    big = BuiltIn(BuiltInSettings(source="sketch", pictures=dataclasses.replace(PICTURES, size=40)))
    pack(big, PACKING, same, 1, lambda _: None)
    nearest = dataclasses.replace(PACKING, test_filter=FilterSettings(kind="nearest"))
    index = pack(big, nearest, other, 1, lambda _: None)
    assert (same / "train-00000.npy").read_bytes() == (other / "train-00000.npy").read_bytes()
    assert (same / "test-00000.npy").read_bytes() != (other / "test-00000.npy").read_bytes()
    assert index["filter"] == {"kind": "nearest", "antialias": True}


def test_a_disk_that_is_too_small_is_refused_before_anything_is_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = namedtuple("usage", "total used free")(2**20, 2**20, 1000)
    monkeypatch.setattr(packing.shutil, "disk_usage", lambda _: small)
    with pytest.raises(OSError, match=r"packing needs 0.0 GB and 0.0 GB are free; make room"):
        pack(SOURCE, PACKING, tmp_path, 1, lambda _: None)
    assert not list(tmp_path.glob("*.npy"))


def test_two_preparations_at_once(tmp_path: Path) -> None:
    with (
        storage.locked(tmp_path.with_name(f"{tmp_path.name}.lock"), "these pictures are being packed"),
        pytest.raises(ValueError, match=f"these pictures are being packed by process {os.getpid()}; wait for it"),
    ):
        pack(SOURCE, PACKING, tmp_path, 1, lambda _: None)


@dataclasses.dataclass(frozen=True)
class _Bytes:
    """A source of the given files, all of one class."""

    contents: tuple[bytes, ...]
    classes: tuple[str, ...] = ("one",)

    @property
    def counts(self) -> dict[str, int]:
        return {"train": len(self.contents), "validation": 1, "test": 1}

    def part(self, split: str, start: int, stop: int) -> Part:
        return Part(self.load, split, start, stop)

    def load(self, split: str, start: int, stop: int) -> Iterator[Item]:
        contents = self.contents if split == "train" else self.contents[:1]
        for number, content in enumerate(contents[start:stop], start):
            yield Item(f"{split}/{number}.jpg", content, 0)

    def receipt(self) -> dict:
        return {"sha256": [hashlib.sha256(content).hexdigest() for content in self.contents]}


def test_pictures_that_cannot_be_read_are_named_and_counted(here: None, tmp_path: Path) -> None:
    good = photograph(1, 1)
    source = _Bytes((good, b"", good[: len(good) // 2], good))
    with pytest.raises(ValueError, match=r"2 picture\(s\) cannot be read \(train/1.jpg: .*; train/2.jpg: .*prepare.rejects is 1"):
        pack(source, dataclasses.replace(PACKING, rejects=1), tmp_path, 1, lambda _: None)
    index = pack(source, dataclasses.replace(PACKING, rejects=2), tmp_path, 1, lambda _: None)
    assert index["pictures"] == {"train": 2, "validation": 1, "test": 1}
    assert [row[1] for row in index["report"] if row[3] == "refused"] == ["train/1.jpg", "train/2.jpg"]
    assert np.array_equal(*PackedSplit(tmp_path, "train").take(np.array([0, 1])))


def test_central_patch_minus_the_mean(packed: Path) -> None:
    feed = _feed(packed, NO_AUGMENTATION)
    x, labels = next(feed.test_batches(4))
    raw = PackedSplit(packed, "train").take(np.arange(4)).astype(np.float32) - np.load(packed / "mean.npy")
    np.testing.assert_array_equal(x.permute(0, 2, 3, 1).numpy(), raw[:, 2:29, 2:29])
    assert labels.tolist() == [0, 1, 2, 3]


def test_ten_patches_against_torchvision(packed: Path) -> None:
    from torchvision.transforms.v2.functional import ten_crop

    feed = _feed(packed, NO_AUGMENTATION, crop=26)
    feed.mean = torch.zeros_like(feed.mean)
    x, _ = next(feed.test_batches(2, 10))
    raw = torch.from_numpy(PackedSplit(packed, "train").take(np.arange(2))).permute(0, 3, 1, 2).float()
    theirs = torch.stack([torch.stack(list(ten_crop(one, [26, 26]))) for one in raw])
    left_for_right = [0, 1, 2, 3, 4, 6, 5, 8, 7, 9]  # torchvision reflects the picture first, and then cuts
    assert torch.equal(x, theirs[:, left_for_right].flatten(0, 1))


def test_an_epoch_resumed_gives_the_same_batches(packed: Path) -> None:
    feed = _feed(packed, EVERYTHING)
    whole = list(feed.training_batches(3, 2, 8))
    rest = list(feed.training_batches(3, 2, 8, start=4))
    assert len(whole) == 7 and len(rest) == 3
    for (_, _, one, a), (_, _, other, b) in zip(whole[4:], rest, strict=True):
        assert torch.equal(one, other) and torch.equal(a, b)


def test_replicas_take_their_rows_of_the_same_batches(packed: Path) -> None:
    """Two of them, one after the other, have what one process has: order, crops, flips and colours."""
    feed = _feed(packed, EVERYTHING)
    both = [list(feed.training_batches(3, 2, 7, rows=Replicas(rank, 2).rows)) for rank in (0, 1)]
    for (size, _, pictures, labels), one, other in zip(feed.training_batches(3, 2, 7), *both, strict=True):
        assert size == one[0] == other[0] == len(labels)
        assert torch.equal(pictures, torch.cat([one[2], other[2]])) and torch.equal(labels, torch.cat([one[3], other[3]]))


def test_every_picture_once_an_epoch_in_another_order(packed: Path) -> None:
    feed = _feed(packed, NO_AUGMENTATION, crop=32)
    raw = feed.take(np.arange(50)).float() - feed.mean
    first, second = (torch.cat([x for _, _, x, _ in feed.training_batches(0, epoch, 8)]).permute(0, 2, 3, 1) for epoch in (1, 2))
    assert not torch.equal(first, second)
    for epoch in (first, second):
        assert sorted(epoch.sum(dim=(1, 2, 3)).tolist()) == sorted(raw.sum(dim=(1, 2, 3)).tolist())


def test_crops_reach_every_corner_and_flips_are_half(packed: Path) -> None:
    feed = _feed(packed, AugmentationSettings(colour="none"), crop=30)
    raw, seen, mirrored = (feed.take(np.arange(50)).float() - feed.mean), set(), 0
    for epoch in range(30):
        order = torch.randperm(50, generator=packing_generator(0, epoch))
        for position, patch in enumerate(
            torch.cat([x for _, _, x, _ in feed.training_batches(0, epoch, 50)]).permute(0, 2, 3, 1)
        ):
            whole = raw[order[position]]
            for y in range(3):
                for x in range(3):
                    cut = whole[y : y + 30, x : x + 30]
                    straight, turned = torch.equal(cut, patch), torch.equal(cut.flip(1), patch)
                    if straight or turned:
                        seen.add((y, x))
                        mirrored += turned
    assert seen == {(y, x) for y in range(3) for x in range(3)}
    assert mirrored / 1500 == pytest.approx(0.5, abs=0.05)


def packing_generator(seed: int, epoch: int) -> torch.Generator:
    from study.machine import generator

    return generator(seed, "order", epoch)


def test_colour_changes_follow_the_covariance(packed: Path) -> None:
    """alpha of 1 along a component changes the colour by its eigenvalue on the 0-1 scale (A5), or by its root."""
    index = storage.read_json(packed / "index.json")
    vectors, values = torch.tensor(index["eigenvectors"]), torch.tensor(index["eigenvalues"])
    axes = colour_axes(packed, "eigenvalues")
    torch.testing.assert_close(axes, vectors * values / 255, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(colour_axes(packed, "deviations"), vectors * values.sqrt(), rtol=1e-5, atol=1e-5)
    plain = torch.cat([x for _, _, x, _ in _feed(packed, AugmentationSettings(colour="none")).training_batches(0, 1, 50)])
    shifted = torch.cat([x for _, _, x, _ in _feed(packed, EVERYTHING).training_batches(0, 1, 50)])
    shift = shifted - plain
    assert (shift.amax(dim=(2, 3)) - shift.amin(dim=(2, 3))).max() < 1e-3, "one change a picture, over all its pixels"
    alphas = torch.linalg.solve(axes, shift.mean(dim=(2, 3)).T)
    assert alphas.std().item() == pytest.approx(0.1, rel=0.2)


def _epoch(packed: Path, augmentation: AugmentationSettings, epoch: int = 1) -> torch.Tensor:
    return torch.cat([x for _, _, x, _ in _feed(packed, augmentation).training_batches(0, epoch, 50)])


def test_colour_of_the_released_code(packed: Path) -> None:
    """Assumption A16: the coloured patch is divided by 1.1, and after an epoch there is neither colour nor divisor."""
    code = AugmentationSettings(colour="deviations", colour_divisor=1.1, colour_until=2)
    plain = dataclasses.replace(code, colour_divisor=1.0, colour_until=None)
    torch.testing.assert_close(_epoch(packed, code, 2) * 1.1, _epoch(packed, plain, 2))
    assert torch.equal(_epoch(packed, code, 3), _epoch(packed, AugmentationSettings(colour="none"), 3))


def test_crops_and_flips_shared_by_pictures_in_a_row(packed: Path) -> None:
    feed = _feed(packed, AugmentationSettings(alike=8), crop=20)
    corners, flips = feed._crops_and_flips(0, 1)
    assert corners.shape == (50, 2) and flips.shape == (50,)
    for first in range(0, 50, 8):
        assert (corners[first : first + 8] == corners[first]).all() and (flips[first : first + 8] == flips[first]).all()
    assert len(corners.unique(dim=0)) > 4


def test_the_central_mean_for_every_patch(packed: Path) -> None:
    """Assumption A11: the released code subtracts the mean's centre wherever the patch was cut, in the test too."""
    by_patch, by_centre = (_feed(packed, AugmentationSettings(mean=m), crop=20) for m in ("patch", "centre"))
    pictures, place = by_patch.take(np.arange(3)), torch.tensor([[1, 5], [6, 6], [12, 0]])
    straight = torch.zeros(3, dtype=torch.bool)
    one, other = (feed._patches(pictures, place, straight).permute(0, 2, 3, 1) for feed in (by_patch, by_centre))
    mean = torch.from_numpy(np.load(packed / "mean.npy"))
    torch.testing.assert_close(one[0] - other[0], mean[6:26, 6:26] - mean[1:21, 5:25])
    assert torch.equal(one[1], other[1]), "the central patch"


def test_a_crop_larger_than_the_pictures_is_refused(packed: Path) -> None:
    with pytest.raises(ValueError, match="larger than the packed pictures"):
        _feed(packed, NO_AUGMENTATION, crop=33)


@pytest.mark.parametrize("mean", ["patch", "centre"])
@pytest.mark.parametrize("each", [1, 3])
def test_patches_by_slices_are_those_by_indices(packed: Path, mean: str, each: int) -> None:
    """The fast form on a CPU against the form for a GPU, bit by bit; one corner for all, and no picture, among the cases."""
    feed = _feed(packed, dataclasses.replace(EVERYTHING, mean=mean), crop=20)
    pictures = feed.take(np.arange(9))
    random = torch.Generator().manual_seed(5)
    corners = torch.randint(0, 13, (9 * each, 2), generator=random)
    flips = torch.rand(9 * each, generator=random) < 0.5
    assert 0 < flips.sum() < len(flips)
    cases = [(9, corners, flips), (9, corners[:1].expand_as(corners), torch.zeros_like(flips)), (0, corners[:0], flips[:0])]
    for count, where, reflected in cases:
        sliced = feed._sliced(pictures[:count], where, reflected, each)
        gathered = feed._gathered(pictures[:count], where, reflected, each)
        assert sliced.dtype == torch.float32 and torch.equal(sliced, gathered)
