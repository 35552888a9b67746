"""A training that is killed, resumed, damaged, doubled or diverging; and that the network learns at all."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import safetensors.torch
import torch

from study import storage
from study.machine import Machine, MachineSettings, set_up
from study.measuring.convergence import epochs_to, fastest, mean_curve
from study.network.alexnet import AlexNet
from study.training import loop
from study.training import run as training_run
from study.training.checkpoint import Checkpoints
from study.training.run import RunSettings, load_network, train_seed
from study.training.update import LearningSettings, Momentum, RateSettings
from tests.conftest import MACHINE, TINY


@pytest.fixture(autouse=True)
def own_work_area(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "WORK", tmp_path / "work")


def _train(run: RunSettings, packed: Path, folder: Path, tell=lambda _: None) -> dict:
    return train_seed(run, MACHINE, packed, folder, "tiny", 0, tell)


class _Interruption(Exception):
    pass


def _interrupted_after(batches: int):
    told = []

    def tell(news: int | str) -> None:
        told.append(news)
        if sum(isinstance(one, int) for one in told) == batches:
            raise _Interruption

    return tell


@pytest.fixture(scope="module")
def whole(tiny_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The outcome of an uninterrupted training of the tiny run."""
    from tests.conftest import LEARNING

    folder = tmp_path_factory.mktemp("whole")
    run = RunSettings(network=TINY, learning=LEARNING, seeds=(0,))
    work, storage.WORK = storage.WORK, folder / "work"
    _train(run, tiny_set, folder)
    storage.WORK = work
    return folder


def _same(one: Path, other: Path) -> bool:
    names = ("weights.safetensors", "curve.csv", "kernels.npy", "kernels.png")
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in names)


@pytest.mark.parametrize("batches", [1, 5, 6, 7, 17])
def test_resume_is_bit_identical(
    batches: int, tiny_run: RunSettings, tiny_set: Path, tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "SAVE_EVERY", 0.0)
    with pytest.raises(_Interruption):
        _train(tiny_run, tiny_set, tmp_path, _interrupted_after(batches))
    assert not (tmp_path / "weights.safetensors").exists()
    done = []
    _train(tiny_run, tiny_set, tmp_path, done.append)
    assert sum(isinstance(one, int) for one in done) == 18 - (batches - 1), "it went on from the last batch that was saved"
    assert _same(tmp_path, whole)
    assert not any(storage.WORK.iterdir()), "the state of a finished run is discarded"


def test_resume_would_differ_without_the_velocity(
    tiny_run: RunSettings, tiny_set: Path, tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: the test above can fail."""
    monkeypatch.setattr(loop, "SAVE_EVERY", 0.0)
    with pytest.raises(_Interruption):
        _train(tiny_run, tiny_set, tmp_path, _interrupted_after(5))
    resume = loop._resume

    def forgetful(checkpoints, network, rule, replicas):
        progress = resume(checkpoints, network, rule, replicas)
        for velocity in rule.velocities:
            velocity.zero_()
        return progress

    monkeypatch.setattr(loop, "_resume", forgetful)
    _train(tiny_run, tiny_set, tmp_path)
    assert not _same(tmp_path, whole)


def test_a_training_asked_to_end_saves_its_last_step_and_goes_on_from_it(
    tiny_run: RunSettings, tiny_set: Path, tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a cluster that takes back its place: nothing of the seven batches is lost, though none was due for saving."""
    told: list[int | str] = []
    monkeypatch.setattr(training_run, "asked_to_end", lambda: sum(isinstance(one, int) for one in told) == 6)
    with pytest.raises(loop.Interrupted):
        _train(tiny_run, tiny_set, tmp_path, told.append)
    done: list[int | str] = []
    monkeypatch.setattr(training_run, "asked_to_end", lambda: False)
    _train(tiny_run, tiny_set, tmp_path, done.append)
    assert [sum(isinstance(one, int) for one in news) for news in (told, done)] == [7, 11]
    assert _same(tmp_path, whole)


KILLED = """
import sys
from pathlib import Path
from study import storage
from study.data.feeding import AugmentationSettings
from study.training import loop
from study.training.run import RunSettings, train_seed
from tests.conftest import LEARNING, MACHINE, TINY
storage.WORK, loop.SAVE_EVERY = Path(sys.argv[3]), 0.0
run = RunSettings(network=TINY, learning=LEARNING, augmentation=AugmentationSettings(), seeds=(0,))
train_seed(run, MACHINE, Path(sys.argv[1]), Path(sys.argv[2]), "tiny", 0, lambda news: print(news, flush=True))
"""


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.0, 0.03, 0.11])
def test_sigkill_then_resume_is_bit_identical(delay: float, tiny_set: Path, tmp_path: Path, whole: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tiny_set), str(tmp_path / "out"), str(tmp_path / "work")]
    killed = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    for _ in range(4):
        assert killed.stdout is not None and killed.stdout.readline()
    time.sleep(delay)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL and not (tmp_path / "out" / "weights.safetensors").exists()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    assert _same(tmp_path / "out", whole)


def test_a_damaged_checkpoint_is_refused_and_the_one_before_used(capsys: pytest.CaptureFixture) -> None:
    checkpoints = Checkpoints("run")
    with checkpoints.held():
        for iteration in (1, 2, 3):
            checkpoints.save(iteration, {"w": torch.full((100,), float(iteration))}, {"iteration": iteration})
        newest = max(checkpoints.folder.glob("*.state"))
        content = bytearray(newest.read_bytes())
        content[-7] ^= 16
        newest.write_bytes(content)
        tensors, progress = checkpoints.latest()  # type: ignore[misc]
    assert progress == {"iteration": 2} and (tensors["w"] == 2).all()
    assert "000000003 is damaged and is not used" in capsys.readouterr().out


def test_two_trainers_of_one_run(tmp_path: Path) -> None:
    with (
        Checkpoints("run").held(),
        pytest.raises(ValueError, match=f"trained by process {os.getpid()}"),
        Checkpoints("run").held(),
    ):
        pass
    with Checkpoints("run").held():
        pass


def test_a_full_disk_keeps_the_previous_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = Checkpoints("run")
    with checkpoints.held():
        checkpoints.save(1, {"w": torch.ones(10)}, {"iteration": 1})

        def full(path: Path, content: bytes) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(storage, "write_bytes", full)
        with pytest.raises(OSError, match=r"a checkpoint of [\d,]+ bytes: No space left"):
            checkpoints.save(2, {"w": torch.ones(10)}, {"iteration": 2})
        assert checkpoints.latest()[1] == {"iteration": 1}  # type: ignore[index]


def test_a_diverging_run_is_recorded_and_its_last_finite_state_kept(
    tiny_set: Path, tmp_path: Path, tiny_run: RunSettings
) -> None:
    learning = dataclasses.replace(tiny_run.learning, rate=dataclasses.replace(tiny_run.learning.rate, initial=1e18))
    wild = dataclasses.replace(tiny_run, learning=learning)
    outcome = _train(wild, tiny_set, tmp_path)
    assert outcome["summary"]["status"] == "diverged"
    network = load_network(wild, 24, tmp_path, Machine())
    assert all(torch.isfinite(weight).all() for weight in network.parameters())


def test_it_learns(tiny_set: Path, tmp_path: Path) -> None:
    """Twelve pictures by heart: a wider network than the tiny one, without dropout or augmentation."""
    from study.data.feeding import NO_AUGMENTATION, Feed

    settings = dataclasses.replace(TINY, kernels=(24, 64, 96, 96, 64), neurons=(128, 128), dropout=0.0, bias=0.0)
    network = AlexNet(settings, 24)
    network.initialise(1)
    x, y = next(Feed(tiny_set, ("train",), 55, torch.device("cpu"), NO_AUGMENTATION).test_batches(12))
    rule = Momentum(network, LearningSettings(rate=RateSettings(initial=0.003)))
    rule.start_epoch(1, 0)
    losses = []
    for _ in range(150):
        loss = torch.nn.functional.cross_entropy(network(x), y)
        loss.backward()
        rule.update()
        network.zero_grad()
        losses.append(loss.item())
    assert losses[0] > 2 and losses[-1] < 0.1


@pytest.mark.parametrize(
    ("machine", "sentence"),
    [({"devices": ("cuda:7",)}, "which this machine lacks"), ({"devices": ("gpu",)}, "which is no device")],
)
def test_a_machine_that_is_not_there(machine: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        set_up(dataclasses.replace(MACHINE, **machine))


def test_compiling_without_a_compiler_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("study.machine.shutil.which", lambda name: None)
    with pytest.raises(ValueError, match=r"machine.compiled needs a C\+\+ compiler .* or set machine.compiled to false"):
        set_up(dataclasses.replace(MACHINE, compiled=True))


def test_bfloat16_rounds_the_layers_and_not_the_weights(
    tiny_run: RunSettings, tiny_set: Path, tmp_path: Path, whole: Path
) -> None:
    machine = dataclasses.replace(MACHINE, precision="bfloat16")
    train_seed(tiny_run, machine, tiny_set, tmp_path, "tiny", 0, lambda _: None)
    rounded, exact = (safetensors.torch.load((f / "weights.safetensors").read_bytes()) for f in (tmp_path, whole))
    assert {weight.dtype for weight in rounded.values()} == {torch.float32}
    apart = [((rounded[name] - exact[name]).norm() / exact[name].norm()).item() for name in exact if name.endswith("weight")]
    assert 0 < max(apart) < 0.2 and sorted(apart)[len(apart) // 2] < 0.01


def test_no_device_or_three() -> None:
    with pytest.raises(ValueError, match="name one, or two"):
        MachineSettings(devices=(), threads=1, precision="float32", deterministic=True)


def test_epochs_to_a_threshold() -> None:
    """An epoch's error stands for its middle; between epochs by straight line; never is None."""
    assert epochs_to(0.25, [0.5, 0.2]) == pytest.approx(0.5 + 0.25 / 0.3)
    assert epochs_to(0.25, [0.1]) == 0.5
    assert epochs_to(0.25, [0.9, 0.8]) is None
    assert fastest({0.1: [0.5, 0.4], 0.2: [0.5, 0.24]}, 0.25) == 0.2
    assert fastest({0.1: [0.5, 0.4], 0.2: [0.5, 0.45]}, 0.25) == 0.1, "none crosses: the lowest end"
    assert mean_curve({0: [0.4, 0.2], 1: [0.6]}) == [[1, 0.5], [2, 0.2]]
