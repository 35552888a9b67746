"""Whether a result comes out again: a training trained once more, weights evaluated once more, and how both are compared.

On the same machine and versions every bit must be the same. Elsewhere another order of the same sums rounds otherwise, and a
training magnifies that until it is as far from the first as another seed: so there losses are compared with the spread of seeds.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
from scipy import stats
from torch import Tensor

from study.data.packed import read_index
from study.machine import MachineSettings, asked_to_end, set_up
from study.measuring.convergence import CODE, CurveSettings, _train
from study.measuring.evaluation import Prediction
from study.training.checkpoint import Checkpoints, identity
from study.training.code import TRAINING_CODE
from study.training.diagnostics import Diagnostics
from study.training.loop import Callbacks, train
from study.training.progress import Progress
from study.training.reporting import Report, Reporter
from study.training.run import RunSettings, _network_and_feeds

CONFIDENCE = 0.99  # of the interval in which one more training must lie, elsewhere
TOLERANCE = 0.001  # share of the test pictures by which a count of errors may differ, elsewhere


@dataclass(frozen=True, kw_only=True, slots=True)
class Trained:
    """A training once more: rows of outputs.CURVE, kernels by epoch (float16), SHA-256 of the weights' file where it was trained
    to its end, and the processors (`capability`) that trained it."""

    curve: list[list[Any]]
    kernels: dict[int, Tensor]
    weights: str
    capability: list[str]


def pictures_an_epoch(settings: RunSettings | CurveSettings, counts: Mapping[str, int]) -> int:
    """How many pictures an epoch of a run or curve has; `counts` are those of the packed set, by split."""
    if isinstance(settings, RunSettings):
        return round(settings.share * counts["train"])
    return settings.pictures or counts["train"] + counts["validation"]


def train_again(
    settings: RunSettings | CurveSettings,
    rate: float | None,
    declared: MachineSettings,
    packed: Path,
    name: str,
    seed: int,
    epochs: int | None,
    report: Report,
) -> Trained:
    """Train one seed of a run, or of a curve at its `rate`, for its first `epochs`, or to its end where that is None.

    The functions are those that trained it. Nothing that was trained before is reused, but an interrupted verification goes on
    from its checkpoint. Raises Interrupted where the process is asked to end, and ValueError where another process verifies the
    same.
    """
    index, of_a_run = read_index(packed), isinstance(settings, RunSettings)
    learning = settings.learning if isinstance(settings, RunSettings) else settings.learning(rate or settings.rates[0])
    pictures = pictures_an_epoch(settings, index["pictures"])
    reporter = Reporter(report, f"{name} seed {seed}", epochs or learning.epochs, pictures)
    shaping = {"settings": asdict(settings), "rate": rate, "machine": asdict(declared), "epochs": epochs}
    training = identity(kind="verify", pictures=index["sha256"], seed=seed, **shaping)
    checkpoints = Checkpoints(training, TRAINING_CODE if of_a_run else CODE, reporter.line)

    def enough(progress: Progress) -> bool:
        return epochs is not None and len(progress.curve) >= epochs

    with checkpoints.locked():
        if isinstance(settings, RunSettings):
            machine = set_up(declared)
            network, feed, validation = _network_and_feeds(settings, machine, packed, pictures)
            diagnostics = Diagnostics(network, machine, validation, index["pictures"]["train"])
            callbacks = Callbacks(reporter.step, reporter.epoch, reporter.resumed, pause=enough, asked_to_end=asked_to_end)
            progress = train(network, feed, validation, learning, seed, checkpoints, callbacks, diagnostics=diagnostics)
        else:
            network, progress = _train(settings, declared, packed, seed, rate or settings.rates[0], checkpoints, reporter, enough)
    shutil.rmtree(checkpoints.folder.parent, ignore_errors=True)
    weights = {key: value.cpu().contiguous() for key, value in network.state_dict().items()}
    whole = progress.status == "finished" and of_a_run
    return Trained(
        curve=progress.curve,
        kernels=progress.kernels,
        weights=hashlib.sha256(safetensors.torch.save(weights)).hexdigest() if whole else "",
        capability=sorted(set(progress.capabilities)),
    )


def as_written(rows: Sequence[Sequence[Any]]) -> list[list[str]]:
    """Rows as a CSV file has them: six significant digits, and nothing where there is no value."""
    return [["" if v is None else f"{v:.6g}" if isinstance(v, float) else str(v) for v in row] for row in rows]


def of_the_seeds(value: float, others: Sequence[float]) -> tuple[bool, str]:
    """Whether a value lies where one more seed would, by the interval of prediction of `others` (Student's t), and that in words.

    Raises ValueError with fewer than two others, of which no spread is known.
    """
    known = np.asarray(others, dtype=np.float64)
    if len(known) < 2:
        raise ValueError("one seed alone says nothing of how far trainings differ, so no word can be given on another machine")
    reach = stats.t.ppf(0.5 + CONFIDENCE / 2, len(known) - 1) * known.std(ddof=1) * np.sqrt(1 + 1 / len(known))
    low, high = known.mean() - reach, known.mean() + reach
    said = (
        f"{value:.4g}, where one more seed would lie between {low:.4g} and {high:.4g} ({CONFIDENCE:.0%}, from {len(known)} seeds)"
    )
    return bool(low <= value <= high), said


def differences(made: Prediction, model: str, pinned: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, int]:
    """By view of `pinned` (study/predictions.py), for how many test pictures anything of what a network says differs."""
    found = {}
    for view, arrays in pinned.items():
        mine = made.probabilities.astype(np.float16) if view == "probabilities" else made.best[view]
        theirs = arrays[model]
        if theirs.shape != mine.shape:
            raise ValueError(f"{view} has {len(theirs)} pictures, and the packed test set {len(mine)}")
        found[view] = int((mine != theirs).any(axis=1).sum())
    return found


def close(counts: Mapping[str, int], pinned: Mapping[str, int], pictures: int) -> bool:
    """Whether two counts of errors agree as well as another machine lets them."""
    return all(abs(counts[name] - pinned[name]) <= max(1, TOLERANCE * pictures) for name in counts)
