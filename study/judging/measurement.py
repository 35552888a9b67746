"""What a measure hands to the test of its family: samples with their seeds kept apart, and what they rest on. Data only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

OF_EACH = "the least effect decides; each"  # so begins a remark on a claim of several effects
AT_BEST = "each at the best of three rates, from one seed and by validation error"  # so begins a remark on runs that are compared


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Term:
    """The errors of one run in a contrast. `wrong`: bool (seeds, pictures), whether each test picture is misjudged."""

    run: str
    weight: int
    wrong: np.ndarray


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Contrast:
    """The sum of the terms' weights times their mean errors, positive where the paper is right.

    Two runs have the weights 1 and -1, an interaction of four has 1, -1, -1 and 1. All terms are of the same pictures.
    """

    terms: tuple[Term, ...]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Contrasts:
    """Errors of runs against those of other runs: one contrast, or several that a claim says are all positive.

    `metric` is top1 or top5. For the families `effects` and `effect_of_a_pair`.
    """

    metric: str
    parts: tuple[Contrast, ...]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Paired:
    """The effect itself, a number a seed and unit, where a network is compared with itself or with what has no seed.

    `effects`: float (seeds, units), positive where the paper is right; units are test pictures, queries, or rounds of
    steps; (seeds, 1) where there is one number a seed. `step`: by how much one number can change (1: right or wrong). For
    the families `same_network`, `looks_inside` and `timings`.
    """

    effects: np.ndarray
    step: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Arms:
    """A number of each seed of two independent arms; the effect is the mean of `first` minus that of `second`.

    float (seeds,) each, which may differ in number; of a `ratio` they are natural logarithms. `first_open` and
    `second_open`: bool (seeds,), where a time was not reached and the number is the time that was waited. `step`: by how much
    one number can change. For the families `learning_curves` and `looks_inside`.
    """

    first: np.ndarray
    second: np.ndarray
    ratio: bool = False
    first_open: np.ndarray | None = None
    second_open: np.ndarray | None = None
    step: float = 1e-4


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Level:
    """A number of single trainings, to stand beside a number of the paper: bool or float (seeds, pictures).

    Where it is that of one average of networks, `values` is (1, pictures) and `members` those of its members.
    """

    values: np.ndarray
    members: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Reported:
    """A number that is shown and never judged."""

    value: float


Sample = Contrasts | Paired | Arms | Level | Reported


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Measurement:
    """What was measured of a claim, before any test.

    `sample` is positive where the paper is right (a ratio: above 1, so its logarithm above 0); `top5` is the same in top-5
    error. `said`: what was measured in each arm, in words. `files` are those it rests on, under the study's folder;
    `stages` the provenance records that must be in order, `train-base` for example: those of all trainings, and of what was
    computed from them.
    `learned`: how far the measure is from where it stands when nothing is learned, in the arm where it is farthest, in the
    claim's unit; 0: it cannot be told from there, so no word that needs learning may be given. Infinite where learning does
    not matter, such as for times of steps. `floor` says in words where it stands when nothing is learned.
    `units` names the second index of a Paired or Level sample. `remarks` are sentences that stand beside the verdict.
    """

    sample: Sample
    said: str
    files: tuple[str, ...]
    stages: tuple[str, ...]
    top5: Sample | None = None
    learned: float = float("inf")
    floor: str = ""
    units: str = "test pictures"
    remarks: tuple[str, ...] = ()
