"""Names and columns of the files that a training writes, apart from those of other results (study/files.py).

`train` and `converge` depend on this module and not on study/files.py, so that a new result elsewhere trains nothing again.
"""

from __future__ import annotations

from pathlib import Path

from study import storage

CURVE = (
    "epoch",
    "iteration",
    "rate",
    "training_loss",
    "training_error",
    "validation_loss",
    "validation_error",
    "validation_top5_error",
)
CONVERGENCE = ("seed", "rate", "epoch", "iteration", "training_loss", "training_error")


def seed_folder(seed: int) -> str:
    """The folder of one seed's results below its run's: `seed-0`."""
    return f"seed-{seed}"


def diverged_seeds(run_folder: Path) -> list[int]:
    """Seeds of a run (results/<study>/train/<run>) whose training diverged: nothing may be computed from them.

    Raises OSError or ValueError where the run's metrics.json is missing or damaged.
    """
    seeds = storage.read_json(run_folder / "metrics.json")["seeds"]
    return [int(seed) for seed, end in seeds.items() if end["status"] == "diverged"]
