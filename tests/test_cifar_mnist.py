"""The data sets that come as arrays: the real CIFAR-10 where it lies at hand, and all three in miniature made here."""

import gzip
import hashlib
import io
import lzma
import os
import pickle
import tarfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from study.sources import cifar, fetching, mnist
from study.sources.cifar import OFFICIAL, CifarFiles, CifarSettings, obtain_cifar
from study.sources.fetching import VARIABLE, RawFile
from study.sources.items import Item
from study.sources.mnist import MnistSettings, obtain_mnist

NEARBY = Path(__file__).parents[2] / "shared" / "data"
SETTINGS = CifarSettings(source="cifar10")
FEW = CifarSettings(source="cifar10", validation=30)
RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 256, (6, 20, 3, 32, 32), dtype=np.uint8)
GREY = RANDOM.integers(0, 256, (60, 28, 28), dtype=np.uint8)


@pytest.fixture
def mine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """One's own directory of raw files, still empty. Nothing is fetched: there is no server."""
    monkeypatch.setattr(fetching, "RAW", tmp_path / "raw")
    monkeypatch.setattr(fetching, "WAIT", 0)
    monkeypatch.setattr(mnist, "MNIST_URL", "http://127.0.0.1:9/")
    folder = tmp_path / "mine"
    folder.mkdir()
    monkeypatch.setenv(VARIABLE, str(folder))
    return folder


def in_miniature(official: CifarFiles, contents: dict[str, dict[bytes, object]], archive: Path) -> CifarFiles:
    """An archive in the format of an official one, and what `official` is for it: fewer pictures, checksums to match."""
    pickled = {name: pickle.dumps(content, protocol=3) for name, content in contents.items()}
    with tarfile.open(archive, "w:" + archive.suffix[1:]) as tar:
        for name, content in {**pickled, "../evil": b"x", "readme.html": b"x"}.items():
            member = tarfile.TarInfo(f"{official.folder}/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    md5 = {name: hashlib.md5(content).hexdigest() for name, content in pickled.items()}
    raw = replace(official.raw, url="http://127.0.0.1:9/" + official.raw.name)
    return replace(official, md5=md5, raw=raw, each=20, tested=20)


@pytest.fixture
def made_cifar(monkeypatch: pytest.MonkeyPatch, mine: Path) -> Path:
    """CIFAR-10 with 20 pictures a batch, as an archive in one's own directory."""
    batches = [*OFFICIAL["cifar10"].training, OFFICIAL["cifar10"].test]
    contents: dict[str, dict[bytes, object]] = {"batches.meta": {b"label_names": [b"cat", b"dog"]}}
    contents |= {
        name: {b"data": PIXELS[number].reshape(20, -1), b"labels": [0, 1] * 9 + [number % 2] * 2}
        for number, name in enumerate(batches)
    }
    made = in_miniature(OFFICIAL["cifar10"], contents, mine / "cifar-10-python.tar.gz")
    monkeypatch.setitem(OFFICIAL, "cifar10", made)
    return mine


def split_of(source: cifar.Cifar | mnist.Mnist, split: str) -> list[Item]:
    part: Iterable[Item] = pickle.loads(pickle.dumps(source.part(split, 0, source.counts[split])))
    return list(part)


def test_an_archive_is_found_verified_and_unpacked(made_cifar: Path, tmp_path: Path) -> None:
    source = obtain_cifar(FEW)
    assert source.classes == ("cat", "dog")
    unpacked = tmp_path / "raw" / "cifar10" / "cifar-10-batches-py"
    assert sorted(path.name for path in unpacked.iterdir()) == sorted(OFFICIAL["cifar10"].md5), "nothing else leaves the archive"
    assert not list(tmp_path.rglob("evil"))


def test_the_splits_of_cifar10(made_cifar: Path) -> None:
    source = obtain_cifar(FEW)
    assert source.counts == {"train": 70, "validation": 30, "test": 20}
    assert split_of(source, "train")[42].name == "data_batch_3/2"
    held_out = split_of(source, "validation")
    assert [held_out[0].name, held_out[-1].name] == ["data_batch_4/10", "data_batch_5/19"]
    assert [item.name for item in source.load("validation", 9, 11)] == ["data_batch_4/19", "data_batch_5/0"]
    tested = split_of(source, "test")
    assert [item.label for item in tested] == [0, 1] * 9 + [1, 1] and tested[19].name == "test_batch/19"
    for item, pixels in [(held_out[0], PIXELS[3, 10]), (tested[7], PIXELS[5, 7])]:
        np.testing.assert_array_equal(item.content, pixels.transpose(1, 2, 0))
    assert source.receipt() == {
        "source": "cifar10",
        "title": "CIFAR-10 (Krizhevsky 2009)",
        "synthetic": False,
        "validation": 30,
        "files": [{"file": name, "md5": md5} for name, md5 in OFFICIAL["cifar10"].md5.items()],
    }


def test_an_archive_of_another_compression_is_taken(made_cifar: Path, tmp_path: Path) -> None:
    archive = made_cifar / "cifar-10-python.tar.gz"
    with gzip.open(archive) as plain:
        (made_cifar / "cifar-10-batches-py.tar.xz").write_bytes(lzma.compress(plain.read(), preset=0))
    archive.unlink()
    assert obtain_cifar(FEW).folder == tmp_path / "raw" / "cifar10" / "cifar-10-batches-py"


def test_an_unpacked_folder_is_taken_as_it_lies(made_cifar: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = obtain_cifar(FEW).folder.rename(tmp_path / "cifar-10-batches-py")
    for place in (tmp_path, there):
        monkeypatch.setenv(VARIABLE, str(place))
        assert obtain_cifar(FEW).folder == there
    (there / "data_batch_2").unlink()
    with pytest.raises(ValueError, match="data_batch_2 is missing, expected md5 .*; move"):
        obtain_cifar(FEW)


def test_a_changed_batch_is_refused(made_cifar: Path) -> None:
    batch = obtain_cifar(FEW).folder / "data_batch_3"
    (made_cifar / "cifar-10-python.tar.gz").unlink()
    batch.write_bytes(batch.read_bytes()[:-1] + b"x")
    with pytest.raises(ValueError, match="data_batch_3 is .*, expected md5 .*; move"):
        obtain_cifar(FEW)


def test_an_interrupted_extraction_is_done_again(made_cifar: Path) -> None:
    folder = obtain_cifar(FEW).folder
    (made_cifar / "cifar-10-python.tar.gz").rename(folder.parent / "cifar-10-python.tar.gz")
    (folder / "data_batch_3").unlink()
    assert obtain_cifar(FEW).folder == folder and (folder / "data_batch_3").exists()


def test_a_cut_archive_is_refused(made_cifar: Path) -> None:
    archive = made_cifar / "cifar-10-python.tar.gz"
    archive.write_bytes(archive.read_bytes()[:2000])
    with pytest.raises(ValueError, match="cannot be read as an archive"):
        obtain_cifar(FEW)


def test_an_archive_of_other_batches_is_refused(made_cifar: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    md5 = OFFICIAL["cifar10"].md5 | {"data_batch_3": "0" * 32}
    monkeypatch.setitem(OFFICIAL, "cifar10", replace(OFFICIAL["cifar10"], md5=md5))
    with pytest.raises(ValueError, match="tar.gz holds no data_batch_3 of md5 0000.*; move it elsewhere and run again"):
        obtain_cifar(FEW)
    assert not list(tmp_path.rglob("data_batch_3"))


def test_an_unreachable_archive_says_what_to_do(made_cifar: Path) -> None:
    (made_cifar / "cifar-10-python.tar.gz").unlink()
    with pytest.raises(ValueError, match="put cifar-10-python.tar.gz into a directory and set STUDY_DATA to it"):
        obtain_cifar(FEW)


class _Touches:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_a_batch_that_runs_code_is_refused(tmp_path: Path) -> None:
    (tmp_path / "batch").write_bytes(pickle.dumps({b"data": _Touches(str(tmp_path / "touched"))}))
    with pytest.raises(pickle.UnpicklingError, match="which it has no need of"):
        cifar._unpickle(tmp_path / "batch")
    assert not (tmp_path / "touched").exists()


def test_cifar100_has_its_fine_classes(mine: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fine = [b"fine %d" % number for number in range(100)]
    contents: dict[str, dict[bytes, object]] = {
        "meta": {b"fine_label_names": fine, b"coarse_label_names": [b"coarse"]},
        "train": {b"data": PIXELS.reshape(120, -1), b"fine_labels": list(range(100)) + [7] * 20, b"coarse_labels": [0] * 120},
        "test": {b"data": PIXELS[0].reshape(20, -1), b"fine_labels": list(range(80, 100)), b"coarse_labels": [0] * 20},
    }
    made = in_miniature(OFFICIAL["cifar100"], contents, mine / "cifar-100-python.tar.gz")
    monkeypatch.setitem(OFFICIAL, "cifar100", replace(made, each=120))
    source = obtain_cifar(CifarSettings(source="cifar100", validation=100))
    assert source.counts == {"train": 20, "validation": 100, "test": 20} and source.folder.parent == tmp_path / "raw" / "cifar100"
    assert len(source.classes) == 100 and source.classes[99] == "fine 99"
    held_out, tested = split_of(source, "validation"), split_of(source, "test")
    assert (held_out[0].name, held_out[0].label, held_out[99].label) == ("train/20", 20, 7)
    assert (tested[3].name, tested[3].label) == ("test/3", 83)
    np.testing.assert_array_equal(held_out[0].content, PIXELS[1, 0].transpose(1, 2, 0))
    assert [row["file"] for row in source.receipt()["files"]] == ["meta", "train", "test"]


def test_other_files_of_cifar100s_names_are_not_taken_for_it(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (mine / "meta").touch()
    for name in ("train", "test"):
        (mine / name).mkdir()
    raw = RawFile(name="cifar-100-python.tar.gz", url="http://127.0.0.1:9/", known_hash="md5:0")
    monkeypatch.setitem(OFFICIAL, "cifar100", replace(OFFICIAL["cifar100"], raw=raw))
    with pytest.raises(ValueError, match="could not be fetched"):
        obtain_cifar(CifarSettings(source="cifar100"))


def idx(array: np.ndarray) -> bytes:
    return gzip.compress(bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes())


@pytest.fixture
def made_mnist(mine: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """MNIST with 40 training and 20 test pictures, in one's own directory."""
    digits = np.arange(60, dtype=np.uint8) % 10
    contents = [idx(GREY[:40]), idx(digits[:40]), idx(GREY[40:]), idx(digits[40:])]
    made = dict(zip(mnist.MNIST_MD5, contents, strict=True))
    for name, content in made.items():
        (mine / name).write_bytes(content)
    monkeypatch.setattr(mnist, "MNIST_MD5", {name: hashlib.md5(content).hexdigest() for name, content in made.items()})
    return mine


def test_mnists_grey_becomes_three_colours(made_mnist: Path) -> None:
    source = obtain_mnist(MnistSettings(source="mnist", validation=15))
    assert source.counts == {"train": 25, "validation": 15, "test": 20} and source.classes[9] == "9"
    held_out, tested = split_of(source, "validation"), split_of(source, "test")
    assert (held_out[0].name, held_out[0].label) == ("train/25", 5) and (tested[3].name, tested[3].label) == ("t10k/3", 3)
    for item, grey in [(held_out[0], GREY[25]), (tested[3], GREY[43])]:
        assert isinstance(item.content, np.ndarray) and item.content.dtype == np.uint8 and item.content.shape == (28, 28, 3)
        assert all((item.content[:, :, colour] == grey).all() for colour in range(3))
    assert source.receipt()["files"][0] == {
        "file": "train-images-idx3-ubyte.gz",
        "md5": mnist.MNIST_MD5["train-images-idx3-ubyte.gz"],
    }


def test_a_changed_or_missing_file_of_mnist_is_refused(made_mnist: Path) -> None:
    path = made_mnist / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(
        ValueError, match="t10k-labels-idx1-ubyte.gz has the md5 .*, expected .*; move it elsewhere and run again"
    ):
        obtain_mnist(MnistSettings(source="mnist", validation=15))
    path.unlink()
    with pytest.raises(ValueError, match="put t10k-labels-idx1-ubyte.gz into a directory and set STUDY_DATA to it"):
        obtain_mnist(MnistSettings(source="mnist", validation=15))


@pytest.mark.parametrize(
    "content", [b"", b"\0\0\x08", b"\0\0\x08\1\0\0\0\5abcd", b"\0\0\x0d\1\0\0\0\4abcd", b"\0\0\x08\2\0\0\0\4"]
)
def test_what_is_no_idx_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "labels.gz").write_bytes(gzip.compress(content))
    with pytest.raises(ValueError, match="labels.gz is no idx file of bytes"):
        mnist._idx(tmp_path / "labels.gz")


@pytest.mark.parametrize(
    ("made", "source", "values"),
    [
        (CifarSettings, "cifar10", (9, 40_001)),
        (CifarSettings, "cifar100", (99, 40_001)),
        (MnistSettings, "mnist", (9, 50_001)),
    ],
)
def test_a_validation_set_out_of_range_is_refused(made, source: str, values: tuple[int, int]) -> None:
    for validation in values:
        with pytest.raises(ValueError, match=rf"validation is {validation}, .* choose {values[0] + 1} to {values[1] - 1:,}"):
            made(source=source, validation=validation)
        made(source=source, validation=validation + (1 if validation == values[0] else -1))


def test_the_addresses_and_checksums_are_torchvisions() -> None:
    from torchvision.datasets import CIFAR10, CIFAR100, MNIST

    for ours, theirs in [(OFFICIAL["cifar10"], CIFAR10), (OFFICIAL["cifar100"], CIFAR100)]:
        pairs = [*theirs.train_list, *theirs.test_list, [theirs.meta["filename"], theirs.meta["md5"]]]
        assert ours.md5 == dict(pairs) and ours.folder == theirs.base_folder
        assert ours.raw == RawFile(name=theirs.filename, url=theirs.url, known_hash=f"md5:{theirs.tgz_md5}")
        assert ours.names_key.decode() == theirs.meta["key"]
    assert dict(MNIST.resources) == mnist.MNIST_MD5 and MNIST.mirrors[0] == mnist.MNIST_URL


@pytest.mark.slow
@pytest.mark.skipif(not (os.environ.get(VARIABLE) or NEARBY.exists()), reason="CIFAR-10 is not at hand: set STUDY_DATA")
def test_the_real_cifar10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "RAW", tmp_path)
    monkeypatch.setenv(VARIABLE, os.environ.get(VARIABLE) or str(NEARBY))
    source = obtain_cifar(SETTINGS)
    assert source.counts == {"train": 45000, "validation": 5000, "test": 10000}
    assert source.classes[0] == "airplane" and source.classes[9] == "truck"
    labels = [item.label for split in ("train", "validation") for item in source.load(split, 0, source.counts[split])]
    assert np.bincount(labels).tolist() == [5000] * 10
    first = next(source.load("test", 0, 1))
    assert isinstance(first.content, np.ndarray) and first.content.shape == (32, 32, 3) and first.content.dtype == np.uint8
    assert source.classes[first.label] == "cat"
    loaded = np.stack([np.asarray(item.content) for item in source.load("train", 0, 10000)]) / 255
    np.testing.assert_allclose(loaded.mean(axis=(0, 1, 2)), [0.491, 0.482, 0.447], atol=0.005)
    cifar._batch.cache_clear()
