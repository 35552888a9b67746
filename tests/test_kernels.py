"""Figure 3's scores: what a kernel has learned of colour, and how well colour tells the columns apart beyond chance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from study.judging import families
from study.judging.measurement import Arms, Measurement
from study.judging.protocol import read_protocol
from study.measuring import kernels

PROTOCOL = read_protocol(YAML(typ="safe", pure=True).load(Path("protocol.yaml")))


def _drawn(random: np.random.Generator, coloured: np.ndarray, noise: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    count = len(coloured)
    start = noise * random.normal(size=(count, 11, 11, 3))
    hues = random.normal(size=(count, 3))
    hues -= hues.mean(axis=1, keepdims=True)  # without any grey
    hues = np.where(coloured[:, None], hues, 1.0)
    hues /= np.linalg.norm(hues, axis=1, keepdims=True)
    return start, 0.8 * start + 0.3 * random.normal(size=(count, 11, 11, 1)) * hues[:, None, None]


def test_colourfulness_is_zero_for_grey_and_one_for_pure_colour() -> None:
    grey = np.ones((1, 11, 11, 3))
    opposed = np.ones((1, 11, 11, 3)) * [1.0, -1.0, 0.0]
    assert kernels.colourfulness(np.concatenate([grey, opposed, grey + opposed])) == pytest.approx([0, 1, 0.4])


def test_what_a_kernel_started_from_is_not_scored() -> None:
    """Noise in three channels has two thirds of its energy off the grey axis; unchanged or decayed it has learned none."""
    random = np.random.default_rng(0)
    start, end = _drawn(random, np.arange(24) < 12)
    assert kernels.colourfulness(start).mean() == pytest.approx(2 / 3, abs=0.02)
    assert kernels.learned_colourfulness(start, 0.7 * start) == pytest.approx(0, abs=1e-12)
    learned = kernels.learned_colourfulness(start, end)
    assert (learned[:12] > 0.6).all() and (learned[12:] < 0.05).all()
    assert kernels.colourfulness(end)[12:].mean() > 2 * learned[12:].mean()


@pytest.mark.parametrize("coloured", [4, 12, 20])
def test_a_perfect_order_scores_one_and_chance_scores_nothing(coloured: int) -> None:
    random = np.random.default_rng(1)
    scores = np.where(np.arange(24) < coloured, 0.9, 0.05)
    by_chance = [kernels.sorted_beyond_chance(random.permutation(scores)) for _ in range(4000)]
    assert np.mean(by_chance) == pytest.approx(0, abs=0.02)
    gaps = [kernels.gap_beyond_chance(random.permutation(scores)) for _ in range(4000)]
    assert np.mean(gaps) == pytest.approx(0, abs=0.01)
    perfect = kernels.sorted_beyond_chance(scores)
    assert perfect == pytest.approx(1) if coloured == 12 else 0.2 < perfect < 0.6
    assert kernels.chance_of_sorting(np.where(np.arange(24) < 12, 0.9, 0.05)) == pytest.approx(2 / 2_704_156)


def test_chance_of_sorting_is_a_probability_of_random_halves() -> None:
    random = np.random.default_rng(2)
    scores = np.where(np.arange(24) < 10, 0.9, 0.05)
    chances = np.array([kernels.chance_of_sorting(random.permutation(scores)) for _ in range(4000)])
    for level in (0.05, 0.2, 0.5):
        assert (chances <= level).mean() <= level + 0.02


def test_kernels_that_are_all_grey_or_all_coloured_are_in_no_order() -> None:
    for scores in (np.zeros(24), np.ones(24)):
        assert kernels.sorted_beyond_chance(scores) == 0 and kernels.chance_of_sorting(scores) == 1
    with pytest.raises(ValueError, match="even number"):
        kernels.halves(np.ones(5))


def test_a_common_effect_on_a_column_is_not_taken_for_specialisation() -> None:
    """All kernels of a column a little more colourful, at random: a permutation of kernels takes that for an effect in
    every fourth network; seeds as units, against halves, do not."""
    random = np.random.default_rng(3)

    def column(coloured: float) -> np.ndarray:
        scores = np.where(random.random(12) < coloured, random.beta(6, 2.5, 12), random.beta(1.2, 12, 12))
        return np.clip(scores + random.normal(0, 0.1), 0, 1)

    seen = 0
    for _ in range(200):
        runs = [np.array([kernels.gap_beyond_chance(np.r_[column(0.5), column(0.5)]) for _ in range(5)]) for _ in range(2)]
        made = families.tested({"specialisation-cause": _arms(*runs)}, PROTOCOL)["specialisation-cause"]
        seen += made.estimate.low > 0
    assert seen <= 2


def _arms(first: np.ndarray, second: np.ndarray) -> Measurement:
    return Measurement(sample=Arms(first=first, second=second), said="", files=(), stages=())
