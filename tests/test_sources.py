"""Sources: found, verified, refused. The real CIFAR-10 where it lies at hand, and small archives made here."""

import hashlib
import io
import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest

from study import files
from study.data import sources
from study.data.sources import CIFAR10_FOLDER, Cifar10, Cifar10Settings, obtain

NEARBY = Path(__file__).parents[2] / "shared" / "data"
SETTINGS = Cifar10Settings(source="cifar10")


@pytest.fixture
def made_cifar(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A directory with an archive in CIFAR-10's format: 20 pictures a batch instead of 10,000, checksums to match."""
    random = np.random.default_rng(0)
    monkeypatch.setattr(files, "RAW", tmp_path / "raw")
    contents = {"batches.meta": {b"label_names": [b"cat", b"dog"]}}
    for name in [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]:
        contents[name] = {b"data": random.integers(0, 256, (20, 3072)).astype(np.uint8), b"labels": [0, 1] * 10}
    pickled = {name: pickle.dumps(content, protocol=3) for name, content in contents.items()}
    monkeypatch.setattr(sources, "CIFAR10_MD5", {name: hashlib.md5(content).hexdigest() for name, content in pickled.items()})
    folder = tmp_path / "mine"
    folder.mkdir()
    with tarfile.open(folder / "cifar-10-python.tar.gz", "w:gz") as tar:
        for name, content in {**pickled, "../evil": b"x", "readme.html": b"x"}.items():
            member = tarfile.TarInfo(f"{CIFAR10_FOLDER}/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    monkeypatch.setenv(sources.VARIABLE, str(folder))
    return folder


def test_an_archive_is_found_verified_and_unpacked(made_cifar: Path, tmp_path: Path) -> None:
    source = obtain(SETTINGS)
    assert isinstance(source, Cifar10) and source.classes == ("cat", "dog")
    unpacked = tmp_path / "raw" / "cifar10" / CIFAR10_FOLDER
    assert sorted(path.name for path in unpacked.iterdir()) == sorted(sources.CIFAR10_MD5), "nothing else leaves the archive"
    assert not list(tmp_path.rglob("evil"))


def test_an_unpacked_folder_is_taken_as_it_lies(made_cifar: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    obtain(SETTINGS)
    there = tmp_path / "raw" / "cifar10"
    monkeypatch.setenv(sources.VARIABLE, str(there))
    source = obtain(SETTINGS)
    assert isinstance(source, Cifar10) and source.folder == there / CIFAR10_FOLDER


def test_a_changed_batch_is_refused(made_cifar: Path, tmp_path: Path) -> None:
    obtain(SETTINGS)
    batch = tmp_path / "raw" / "cifar10" / CIFAR10_FOLDER / "data_batch_3"
    batch.write_bytes(batch.read_bytes()[:-1] + b"x")
    with pytest.raises(ValueError, match="data_batch_3 is .*, expected md5 .*; delete"):
        sources._verify(batch.parent)


def test_a_cut_archive_is_refused(made_cifar: Path) -> None:
    archive = made_cifar / "cifar-10-python.tar.gz"
    archive.write_bytes(archive.read_bytes()[:2000])
    with pytest.raises(ValueError, match="cannot be read as an archive|is missing, expected md5"):
        obtain(SETTINGS)


def test_an_unreachable_archive_says_what_to_do(made_cifar: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (made_cifar / "cifar-10-python.tar.gz").unlink()
    monkeypatch.setattr(sources, "CIFAR10_URL", "http://127.0.0.1:9/cifar-10-python.tar.gz")
    with pytest.raises(ValueError, match="put cifar-10-python.tar.gz into a directory and set STUDY_DATA to it"):
        obtain(SETTINGS)


class _Touches:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_a_batch_that_runs_code_is_refused(tmp_path: Path) -> None:
    (tmp_path / "batch").write_bytes(pickle.dumps({b"data": _Touches(str(tmp_path / "touched"))}))
    with pytest.raises(pickle.UnpicklingError, match="which it has no need of"):
        sources._unpickle(tmp_path / "batch")
    assert not (tmp_path / "touched").exists()


@pytest.mark.skipif(not (os.environ.get(sources.VARIABLE) or NEARBY.exists()), reason="CIFAR-10 is not at hand: set STUDY_DATA")
def test_the_real_cifar10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "RAW", tmp_path)
    monkeypatch.setenv(sources.VARIABLE, os.environ.get(sources.VARIABLE) or str(NEARBY))
    source = obtain(SETTINGS)
    assert source.counts == {"train": 45000, "validation": 5000, "test": 10000}
    assert source.classes[0] == "airplane" and source.classes[9] == "truck"
    labels = [label for split in ("train", "validation") for _, label in source.load(split, 0, source.counts[split])]
    assert np.bincount(labels).tolist() == [5000] * 10
    pixels, label = next(source.load("test", 0, 1))
    assert pixels.shape == (32, 32, 3) and pixels.dtype == np.uint8 and source.classes[label] == "cat"
    loaded = np.stack([picture for picture, _ in source.load("train", 0, 10000)]) / 255
    np.testing.assert_allclose(loaded.mean(axis=(0, 1, 2)), [0.491, 0.482, 0.447], atol=0.005)
