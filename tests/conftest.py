"""A tiny packed set and a tiny run, shared by the tests that train."""

import shutil
import sys
from pathlib import Path

import pytest
import torch

from study.data.feeding import AugmentationSettings
from study.data.packing import PackingSettings, pack
from study.machine import MachineSettings
from study.network.settings import AlexNetSettings
from study.sources.choosing import BuiltIn, BuiltInSettings
from study.sources.pictures import PictureSettings
from study.training.run import RunSettings
from study.training.update import LearningSettings, RateSettings
from tests.project import dvc, make_miniature, make_own_pictures, run

MACHINE = MachineSettings(devices=("cpu",), threads=1, precision="float32", deterministic=True)
TINY = AlexNetSettings(
    crop=55,
    stride=2,
    kernels=(4, 8, 8, 8, 8),
    neurons=(16, 16),
    deviation_conv345=0.03,
    fan_in_scaling=True,
    response=AlexNetSettings().response,
)
LEARNING = LearningSettings(epochs=3, batch=16, rate=RateSettings(initial=0.001, patience=1))
LONGEST = ("test_scale.py", "test_untrained.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of several minutes come first: at the end one process would wait for the other's."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.fixture(scope="session")
def tiny_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """96 + 24 + 24 built-in pictures of 64 pixels, packed."""
    folder = tmp_path_factory.mktemp("tiny")
    pictures = PictureSettings(seed=3, size=64, train=96, validation=24, test=24)
    pack(
        BuiltIn(BuiltInSettings(source="sketch", pictures=pictures)),
        PackingSettings(size=64),
        folder,
        2,
        lambda _: None,
    )
    return folder


@pytest.fixture
def tiny_run() -> RunSettings:
    return RunSettings(network=TINY, learning=LEARNING, augmentation=AugmentationSettings(), seeds=(0,))


@pytest.fixture(scope="session")
def miniature(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh project whose study has just run and is committed."""
    folder = tmp_path_factory.mktemp("project with spaces")
    make_miniature(folder)
    return folder


@pytest.fixture(scope="session")
def kept(miniature: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the miniature whose study is pinned as `kept` and committed, with a directory, `lab`, that it was pushed to."""
    folder = tmp_path_factory.mktemp("pinned") / "project"
    shutil.copytree(miniature, folder, symlinks=True)
    made = run(sys.executable, "-m", "stages.pin", "kept", cwd=folder)
    assert "pinned/kept holds" in made.stdout and "keep it with: git add pinned/kept dvc.lock" in made.stdout
    run("git", "add", "-A", cwd=folder)
    run("git", "commit", "-qm", "its pin", cwd=folder)
    dvc("remote", "add", "--local", "lab", str(folder.with_name("lab")), cwd=folder)
    dvc("remote", "modify", "--local", "lab", "verify", "true", cwd=folder)
    dvc("push", "-r", "lab", cwd=folder)
    return folder


@pytest.fixture(scope="session")
def own_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh project that has evaluated the first network of a study of one's own; four stages, where `miniature` has 13."""
    folder = tmp_path_factory.mktemp("own") / "project"
    folder.mkdir()
    make_own_pictures(folder)
    return folder


@pytest.fixture(autouse=True)
def main_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put `__main__` back after a test: a page that is tested takes its place, and later processes would begin with that page."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


@pytest.fixture(autouse=True)
def one_thread_and_one_seed() -> None:
    """The same random tensors in every run of a test, on one thread."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float32)
