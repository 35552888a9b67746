"""A hundred losses of tiny fixed trainings in float64, of both recipes and of the four-layer network: kept in tests/golden.json,
renewed by a named command.

    uv run python -m tests.golden

Bit-equal where versions, processor and threads are those of the file, within 1e-9 elsewhere.
"""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from stages.settings import merged
from study.checking import checked
from study.machine import Machine, derived_seed
from study.network.building import build
from study.training.recipes import RECIPES
from study.training.run import RunSettings
from study.training.update import Momentum

GOLDEN = Path(__file__).parent / "golden.json"
STEPS, BATCH, CLASSES = 100, 6, 4
TINY = {
    "network": {
        "architecture": "alexnet",
        "crop": 55,
        "stride": 2,
        "kernels": [4, 8, 8, 8, 8],
        "neurons": [16, 16],
        "fan_in_scaling": True,
    },
    "learning": {"rate": {"initial": 0.001, "rule": "epochs", "at": [4]}, "conv1_slowed": 3, "conv1_frozen": 5},
    "seeds": [0],
}
FASTER = {"rate": {"initial": 0.004, "rule": "epochs", "at": [8]}, "conv1_slowed": 9}
FOUR_LAYER = {"architecture": "four_layer", "crop": 24, "kernels": [8, 8, 4, 4]}
CASES: dict[str, dict[str, Any]] = {recipe: merged(lines, TINY) for recipe, lines in RECIPES.items()} | {
    "four_layer": {"network": FOUR_LAYER, "learning": FASTER, "seeds": [0]},
    "four_layer_tanh": {
        "network": FOUR_LAYER | {"activation": "tanh", "normalisation": "response"},
        "learning": FASTER,
        "seeds": [0],
    },
}


def losses(case: str) -> list[float]:
    """Ten steps an epoch on 24 made-up pictures; from the sixth on conv1 is frozen, from the fourth the rate is a tenth."""
    run = checked(RunSettings, CASES[case], case)
    torch.set_default_dtype(torch.float64)
    try:
        network = build(run.network, CLASSES, Machine(precision="float64"))
    finally:
        torch.set_default_dtype(torch.float32)
    network.initialise(1)
    rule, found = Momentum(network, run.learning), []
    for step in range(STEPS):
        if step % 10 == 0:
            epoch = step // 10 + 1
            rule.start_epoch(epoch, sum(epoch >= at for at in run.learning.rate.at))
        network.draw_dropout_from(derived_seed(1, "dropout", step))
        pictures, labels = _batch(step, run.network.crop)
        loss = F.cross_entropy(network(pictures), labels)
        loss.backward()
        rule.update()
        network.zero_grad()
        found.append(loss.item())
    return found


def _batch(step: int, side: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Waves of four directions on the 0-255 scale minus the mean; numpy draws them, whose streams are frozen."""
    random = np.random.Generator(np.random.PCG64(step % 4))
    labels = np.arange(BATCH) % CLASSES
    y, x = np.mgrid[:side, :side] / 4
    angles = labels[:, None, None] * np.pi / CLASSES
    waves = np.sin(x * np.cos(angles) + y * np.sin(angles))[:, None] * 60 + random.normal(0, 30, (BATCH, 3, side, side))
    return torch.from_numpy(waves), torch.from_numpy(labels)


def here() -> dict[str, Any]:
    """What bits depend on."""
    return {
        "torch": torch.__version__,
        "numpy": np.__version__,
        "capability": torch.backends.cpu.get_cpu_capability(),
        "processor": _processor(),
        "threads": torch.get_num_threads(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        parts = [line.split(":")[1].strip() for line in lines if line.startswith(("vendor_id", "cpu family", "model\t"))]
        return " ".join(parts[:3])
    except OSError:
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    torch.set_num_threads(1)
    content = {"made on": here(), "losses": {case: losses(case) for case in CASES}}
    GOLDEN.write_text(json.dumps(content, indent=1) + "\n")
