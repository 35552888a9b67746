"""Acceptance of the test of effects on the error, on simulated studies: false positives, power, and what taking a run out does.

Twenty comparisons, five seeds a run and ten of base, a spread of one point between seeds, a pictures' error of .45 points
while two networks disagree on 22% of the pictures. "Four times as variable" is said of the variance. The fast tests have
few worlds, so that they allow for chance: what they find must be possible, once in a thousand, at the limit.
"""

import numpy as np
import pytest

from study.judging import verdicts as rules
from study.judging.verdicts import Question
from study.statistics import dunnett
from tests import simulated_errors
from tests.simulated_errors import RUNS

FIVE, LOSERS = RUNS[:5], RUNS[10:]
NOISY = 2.0  # points: four times the variance of the others
SPREADS = {
    "equal": ({}, 0.05),
    "base noisy": ({"base": NOISY}, 0.06),
    "one noisy": ({"run1": NOISY}, 0.06),
    "five noisy": (dict.fromkeys(FIVE, NOISY), 0.08),
}
QUESTION = Question(unit="error difference", matters=0.01, least_seeds=(5, 10), reduced=("simulated",))
FEW, MANY = 40, 1000


@pytest.fixture(autouse=True)
def without_p(monkeypatch):
    """Intervals and words do not need p, and it is most of the work."""
    monkeypatch.setattr(dunnett, "_p", lambda of, statistic: np.nan)


def judged(wrong, alpha=0.05):
    of = dunnett.family("base", wrong, comparisons=20, alpha=alpha)
    return {run: dunnett.against_base(of, run) for run in wrong if run != "base"}


def family_wise_error(worlds, spreads):
    def any_seen(seed):
        wrong = simulated_errors.study(np.random.default_rng(seed), spreads=spreads)
        return any(one.low > 0 or one.high < 0 for one in judged(wrong).values())

    return np.mean([any_seen(seed) for seed in range(worlds)])


def power(worlds, spreads, alpha=0.05):
    """The share of effects of 3 points that are seen, and its spread over the worlds."""
    effects, shares = dict.fromkeys(LOSERS, 3.0), []
    for seed in range(worlds):
        estimates = judged(simulated_errors.study(np.random.default_rng(seed), effects=effects, spreads=spreads), alpha)
        shares.append(np.mean([estimates[run].low > 0 for run in LOSERS]))
    return np.mean(shares), np.std(shares)


def words_changed(worlds):
    """Share of words that change when one of twenty runs is taken out; half of them have effects up to 6 points."""
    changed = total = 0
    for seed in range(worlds):
        random = np.random.default_rng(seed)
        effects = {run: random.uniform(0, 6) for run in RUNS[::2]}
        spreads = {run: float(np.exp(random.normal(0, 0.4))) for run in ("base", *RUNS)}
        wrong = simulated_errors.study(random, effects=effects, spreads=spreads)
        gone = str(random.choice(RUNS))
        before, after = (
            {run: rules.effect(one, QUESTION).word for run, one in judged(errors, 0.03).items()}
            for errors in (wrong, {run: one for run, one in wrong.items() if run != gone})
        )
        changed += sum(before[run] != word for run, word in after.items())
        total += len(after)
    return changed / total


def called_smaller(worlds, effect):
    """Share of studies in which any of twenty effects of so many points is called smaller than 3 points."""
    question = Question(unit="error difference", matters=0.03, least_seeds=(5, 10))
    effects, called = dict.fromkeys(RUNS, effect), []
    for seed in range(worlds):
        estimates = judged(simulated_errors.study(np.random.default_rng(seed), effects=effects)).values()
        called.append(any(rules.effect(one, question).word == rules.SMALLER for one in estimates))
    return np.mean(called)


def by_chance(share, worlds):
    return 3.1 * np.sqrt(share * (1 - share) / worlds)


def test_the_simulated_studies_are_what_they_are_said_to_be():
    wrong = simulated_errors.study(np.random.default_rng(0))
    of = dunnett.family("base", wrong, comparisons=20, alpha=0.05)
    between_seeds = np.sqrt(np.mean([one.variance for one in of.arms.values()]))
    of_pictures = np.sqrt(np.mean([dunnett.against_base(of, run).error_of_pictures ** 2 for run in RUNS]))
    disagree = [(wrong[run][0] != wrong["base"][0]).mean() for run in RUNS]
    assert between_seeds == pytest.approx(0.01, rel=0.15)
    assert of_pictures == pytest.approx(0.0045, rel=0.1)
    assert 0.20 < np.mean(disagree) < 0.24


@pytest.mark.parametrize("spreads", SPREADS)
def test_false_positives_are_as_rare_as_promised(spreads):
    by_run, limit = SPREADS[spreads]
    assert family_wise_error(FEW, by_run) <= limit + by_chance(limit, FEW)


@pytest.mark.parametrize(("spreads", "least"), [("equal", 0.7), ("five noisy", 0.65)])
def test_three_points_are_seen(spreads, least):
    share, spread = power(FEW // 2, SPREADS[spreads][0])
    assert share >= least - 3.1 * spread / np.sqrt(FEW // 2)


def test_taking_a_run_out_hardly_changes_the_others_words():
    worlds = FEW // 2
    assert words_changed(worlds) <= 0.01 + by_chance(0.01, 19 * worlds)


def test_an_effect_that_matters_is_as_rarely_called_small():
    """Without correction 65% of families of twenty contained a false "no effect"."""
    assert called_smaller(FEW, 3.0) <= 0.05 + by_chance(0.05, FEW)
    assert called_smaller(5, 0.0) > 0.5


@pytest.mark.slow
@pytest.mark.parametrize("spreads", SPREADS)
def test_false_positives_over_many_worlds(spreads):
    by_run, limit = SPREADS[spreads]
    assert family_wise_error(MANY, by_run) <= limit


@pytest.mark.slow
@pytest.mark.parametrize(("spreads", "least"), [("equal", 0.7), ("five noisy", 0.65)])
def test_power_over_many_worlds(spreads, least):
    assert power(MANY // 4, SPREADS[spreads][0])[0] >= least


@pytest.mark.slow
def test_taking_a_run_out_of_a_thousand_studies():
    assert words_changed(1000) <= 0.01
