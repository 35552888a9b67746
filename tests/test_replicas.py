"""Copies of the network that share each batch: the same losses and weights as one process."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors.numpy

from study import storage
from study.data.feeding import AugmentationSettings
from study.training.replicas import Replicas, join
from study.training.run import RunSettings, train_seed
from tests.conftest import LEARNING, MACHINE, TINY

TRAINING = """
import dataclasses, sys
from pathlib import Path
from study import storage
from study.training import loop
from tests.test_replicas import MACHINE, RUN, train_seed
storage.WORK = Path(sys.argv[2]) / "work"
stop = int(sys.argv[3])
told = []
machine = dataclasses.replace(MACHINE, precision="float64", replicas=2)
from study.training import run
run.asked_to_end = lambda: stop and len(told) == stop - 1
try:
    train_seed(RUN, machine, Path(sys.argv[1]), Path(sys.argv[2]) / "out", "tiny", 0, told.append)
except loop.Interrupted:
    sys.exit(0)
"""
# Batches of 15 do not divide by two, and the last of an epoch has 6. Colours are drawn in float32, and a product of other rows
# may round otherwise, so that they would hide what is compared to ten digits; test_feeding compares those of replicas.
RUN = RunSettings(
    network=TINY,
    learning=dataclasses.replace(LEARNING, batch=15),
    augmentation=AugmentationSettings(colour="none"),
    seeds=(0,),
)


def _by_torchrun(packed: Path, folder: Path, stop: int = 0) -> None:
    script = folder / "training.py"
    script.write_text(TRAINING)
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    done = subprocess.run([*start, str(packed), str(folder), str(stop)], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("stop", [0, pytest.param(10, marks=pytest.mark.slow)])
def test_two_replicas_have_the_losses_of_one_process(
    stop: int, tiny_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In float64, dropout on, uneven batches; also where the second training is stopped in its second epoch and goes on."""
    monkeypatch.setattr(storage, "WORK", tmp_path / "one" / "work")
    alone = dataclasses.replace(MACHINE, precision="float64")
    train_seed(RUN, alone, tiny_set, tmp_path / "one" / "out", "tiny", 0, lambda _: None)
    (tmp_path / "two").mkdir()
    if stop:
        _by_torchrun(tiny_set, tmp_path / "two", stop)
        assert list((tmp_path / "two/work").rglob("*.state")), "the first replica saved the state that both agreed on"
    _by_torchrun(tiny_set, tmp_path / "two")
    one, two = (pd.read_csv(tmp_path / name / "out" / "curve.csv") for name in ("one", "two"))
    pd.testing.assert_frame_equal(one, two, rtol=1e-10)
    weights, others = (safetensors.numpy.load_file(tmp_path / name / "out" / "weights.safetensors") for name in ("one", "two"))
    for name, weight in weights.items():
        np.testing.assert_allclose(others[name], weight, rtol=1e-8, atol=1e-12)


def test_rows_of_a_batch() -> None:
    """Every row once, in order, whatever the numbers."""
    for batch in range(9):
        for count in range(1, 5):
            rows = [row for rank in range(count) for row in range(batch)[Replicas(rank, count).rows(batch)]]
            assert rows == list(range(batch))


def test_as_many_processes_as_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="machine.replicas is 2, but 1 process"):
        join(dataclasses.replace(MACHINE, replicas=2))
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(ValueError, match=r"but 4 process\(es\) were started"):
        join(MACHINE)
