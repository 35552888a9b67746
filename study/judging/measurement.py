"""What a measurement of a claim is: an estimate of the claimed effect, and what it rests on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from study.judging.evidence import Evidence
from study.judging.protocol import Block
from study.judging.statistics import Estimate


@dataclass(frozen=True, kw_only=True, slots=True)
class Chance:
    """What intervals and tests share: false positives, bootstrap draws, and a stream of its own for every claim."""

    alpha: float
    draws: int
    claim: str

    def random(self) -> np.random.Generator:
        return np.random.default_rng(int.from_bytes(hashlib.sha256(self.claim.encode()).digest()[:8], "big"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurement:
    """`estimate` is positive where the paper is right; of a ratio it is the logarithm. `top5`: the same in top-5 error.

    `used` are the files it rests on, under the study's folder; `stages` those whose provenance must be in order. `units`
    says what is counted where seeds are not; `in_points`: sentences give the numbers in points of a hundred.
    """

    estimate: Estimate
    said: str
    used: tuple[str, ...]
    stages: tuple[str, ...]
    seeds: int
    pictures: int | None = None
    top5: Estimate | None = None
    ratio: bool = False
    seeds_are_units: bool = True
    units: str = "test pictures"
    in_points: bool = True


Measure = Callable[[Evidence, Block, Chance], Measurement]
