"""Names and columns of the files that a training writes, apart from those of other results (study/files.py).

`train` and `converge` depend on this module and not on study/files.py, so that a new result elsewhere trains nothing again.

    train/<run>/metrics.json                 one entry a seed: how it ended (finished or diverged), epochs, last errors
    train/<run>/seed-<s>/curve.csv           CURVE, a row an epoch
    train/<run>/seed-<s>/layers.csv          LAYERS, a row an epoch and layer; epoch 0 is the initialisation
    train/<run>/seed-<s>/weights.safetensors
    train/<run>/seed-<s>/kernels.npy         first-layer kernels, float32 (kernels, height, width, RGB); column 1 first
    train/<run>/seed-<s>/kernels.png         the same as a picture (Figure 3)
    train/<run>/seed-<s>/kernels-by-epoch.npz    `epochs` (n,) and `kernels` float16 (n, kernels, height, width, RGB)
    converge/<curve>/metrics.json            rates tried, rate chosen, epochs to the threshold by seed (null: not reached)
    converge/<curve>/curves.csv              CONVERGENCE, a row a seed, rate and epoch: the race's first, then the judged seeds'
    converge/<curve>/figure1.csv             epoch, training_error: the mean over the judged seeds, for DVC's plot of Figure 1
    converge/<curve>/seed-<s>/layers.csv, kernels-by-epoch.npz    of the judged seeds, as in train

A diverged seed leaves its curve and layers up to the epoch before, and neither weights nor kernels. Errors are fractions.
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
LAYERS = (  # measured on one batch, as study/training/diagnostics.py says
    "epoch",
    "layer",
    "dead",  # share of the units (kernels, or neurons) that are saturated everywhere on the batch: ReLUs that are never active
    "saturated",  # share of the outputs at which the activation is flat: below 0 for a ReLU, near -1 and 1 for tanh
    "deviation",  # of the weighted sums that go into the activation
    "gradient",  # norm of the loss's gradient by the layer's weights and biases
    "divisor",  # of the response normalisation that follows the layer: the mean
    "divisor_99",  # and its 99th percentile
)
KERNEL_EPOCHS = (0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610)  # and the last one, whichever it is


def seed_folder(seed: int) -> str:
    """The folder of one seed's results below its run's: `seed-0`."""
    return f"seed-{seed}"


def diverged_seeds(run_folder: Path) -> list[int]:
    """Seeds of a run (results/<study>/train/<run>) whose training diverged: nothing may be computed from them.

    Raises OSError or ValueError where the run's metrics.json is missing or damaged.
    """
    seeds = storage.read_json(run_folder / "metrics.json")["seeds"]
    return [int(seed) for seed, end in seeds.items() if end["status"] == "diverged"]
