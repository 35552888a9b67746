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
from study.machine import MachineSettings, set_up
from study.network.alexnet import AlexNet
from study.training import loop
from study.training import run as training_run
from study.training.checkpoint import Checkpoints
from study.training.diagnostics import Diagnostics, Measured
from study.training.reporting import Skipped
from study.training.run import RunSettings, train_seed
from study.training.update import LearningSettings, Momentum, RateSettings
from tests.conftest import MACHINE, TINY


@pytest.fixture(autouse=True)
def own_work_area(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "WORK", tmp_path / "work")


def _train(run: RunSettings, packed: Path, folder: Path, report=lambda _: None, seed: int = 0) -> dict:
    return train_seed(run, MACHINE, packed, folder, "tiny", seed, report)


def _steps(news: list[int | str]) -> int:
    """How many batches were trained, by what was reported."""
    return sum(isinstance(one, int) and not isinstance(one, Skipped) for one in news)


class _Interruption(Exception):
    pass


def _interrupted_after(batches: int):
    reported = []

    def report(news: int | str) -> None:
        reported.append(news)
        if _steps(reported) == batches:
            raise _Interruption

    return report


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


FILES = ["curve.csv", "kernels-by-epoch.npz", "kernels.npy", "kernels.png", "layers.csv", "weights.safetensors"]


def _same(one: Path, other: Path) -> bool:
    names = sorted(path.name for path in one.iterdir() if path.is_file())
    assert names == FILES
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
    end = _train(tiny_run, tiny_set, tmp_path, done.append)
    assert all(len(end[name]) == 3 and min(end[name]) > 0 for name in ("epoch_seconds", "epoch_processor_seconds"))
    assert _steps(done) == 18 - (batches - 1), "it went on from the last batch that was saved"
    assert _same(tmp_path, whole)
    assert not list(storage.WORK.rglob("*.state")), "the states of a finished training are dropped"


def test_resume_would_differ_without_the_velocity(
    tiny_run: RunSettings, tiny_set: Path, tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: the test above can fail."""
    monkeypatch.setattr(loop, "SAVE_EVERY", 0.0)
    with pytest.raises(_Interruption):
        _train(tiny_run, tiny_set, tmp_path, _interrupted_after(5))
    resume = loop._resume

    def forgetful(checkpoints, network, rule, callbacks, replicas):
        progress = resume(checkpoints, network, rule, callbacks, replicas)
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
    reported: list[int | str] = []
    monkeypatch.setattr(training_run, "asked_to_end", lambda: _steps(reported) == 6)
    with pytest.raises(loop.Interrupted):
        _train(tiny_run, tiny_set, tmp_path, reported.append)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["curve.csv"], "neither weights nor kernels"
    done: list[int | str] = []
    monkeypatch.setattr(training_run, "asked_to_end", lambda: False)
    _train(tiny_run, tiny_set, tmp_path, done.append)
    assert [_steps(news) for news in (reported, done)] == [7, 11]
    assert [one for one in done if isinstance(one, Skipped)] == [Skipped(6 * 16 + 16)]
    assert "tiny seed 0 goes on after 1 epochs and 1 batches" in done
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
    with checkpoints.locked():
        for iteration in (1, 2, 3):
            checkpoints.save(iteration, {"w": torch.full((100,), float(iteration))}, {"iteration": iteration})
        newest = max(checkpoints.folder.glob("*.state"))
        content = bytearray(newest.read_bytes())
        content[-7] ^= 16
        newest.write_bytes(content)
        tensors, progress = checkpoints.latest()  # type: ignore[misc]
    assert progress == {"iteration": 2} and (tensors["w"] == 2).all()
    assert "has a damaged checkpoint, 000000003, which is not used" in capsys.readouterr().out


def test_two_trainers_of_one_run(tmp_path: Path) -> None:
    with (
        Checkpoints("run").locked(),
        pytest.raises(ValueError, match=f"trained by process {os.getpid()}"),
        Checkpoints("run").locked(),
    ):
        pass
    with Checkpoints("run").locked():
        pass


def test_a_full_disk_keeps_the_previous_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = Checkpoints("run")
    with checkpoints.locked():
        checkpoints.save(1, {"w": torch.ones(10)}, {"iteration": 1})

        def full(path: Path, content: bytes) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(storage, "write_bytes", full)
        with pytest.raises(OSError, match=r"a checkpoint of [\d,]+ bytes: No space left"):
            checkpoints.save(2, {"w": torch.ones(10)}, {"iteration": 2})
        assert checkpoints.latest()[1] == {"iteration": 1}  # type: ignore[index]


def _wild(run: RunSettings, rate: float) -> RunSettings:
    return dataclasses.replace(run, learning=dataclasses.replace(run.learning, rate=RateSettings(initial=rate)))


def test_a_diverged_training_is_said_and_leaves_its_curve_alone(tiny_set: Path, tmp_path: Path, tiny_run: RunSettings) -> None:
    reported: list[int | str] = []
    outcome = _train(_wild(tiny_run, 1e18), tiny_set, tmp_path, reported.append)
    assert outcome["summary"]["status"] == "diverged" and outcome["summary"]["epochs"] == 0
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["curve.csv", "layers.csv"]
    lines = [one for one in reported if isinstance(one, str)]
    assert lines == [
        "tiny seed 0 diverged in epoch 1, its loss or its weights are not finite: nothing is computed from it; "
        "lower the learning rate of all runs that are compared"
    ]
    again: list[int | str] = []
    assert _train(_wild(tiny_run, 1e18), tiny_set, tmp_path, again.append)["reused"]
    assert again[0] == "tiny seed 0 was trained before, for 0 epochs, and is reused" and again[1] == lines[0]


@pytest.mark.parametrize("spoiled", ["weight", "validation"])
def test_what_is_not_finite_after_an_epoch_has_diverged_too(
    spoiled: str, tiny_set: Path, tmp_path: Path, tiny_run: RunSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All losses of the training are finite: a weight is spoiled in the last step of epoch 2, or the validation loss is."""
    close = loop._close_epoch

    def spoil(progress, network, *rest):
        if progress.epoch == 2 and spoiled == "weight":
            with torch.no_grad():
                network.columns[1].conv5.weight[0, 0, 0, 0] = float("inf")
        close(progress, network, *rest)

    loss = float("nan") if spoiled == "validation" else 1.0
    monkeypatch.setattr(loop, "_close_epoch", spoil)
    monkeypatch.setattr(loop, "errors", lambda *rest: (loss, 0.5, 0.5))
    monkeypatch.setattr(Diagnostics, "measure", lambda self, epoch: Measured([], 1.0))
    summary = _train(tiny_run, tiny_set, tmp_path)["summary"]
    assert summary["status"] == "diverged" and summary["epochs"] == (1 if spoiled == "weight" else 0)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["curve.csv", "layers.csv"]


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


@pytest.mark.parametrize("seeds", [(), (1, 1), (0, -1)])
def test_seeds_are_refused_that_cannot_be(seeds: tuple[int, ...], tiny_run: RunSettings) -> None:
    with pytest.raises(ValueError, match="seeds is "):
        dataclasses.replace(tiny_run, seeds=seeds)


def test_a_share_that_leaves_nothing_is_refused(tiny_set: Path, tmp_path: Path, tiny_run: RunSettings) -> None:
    with pytest.raises(ValueError, match="share is 0.001 of 96 training pictures, which leaves none; raise it"):
        _train(dataclasses.replace(tiny_run, share=0.001), tiny_set, tmp_path)
