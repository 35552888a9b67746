"""What an experiment could have seen and would need: against simulated experiments, and the two answers to an open claim."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from study.judging import advice
from study.judging import verdicts as rules
from study.judging.verdicts import Question
from study.statistics import comparisons, dunnett, power
from tests import simulated_errors

ALPHA, WANTED = 0.05, 0.8
QUESTION = Question(unit="error difference", matters=0.01, least_seeds=(5, 10), reduced=("synthetic pictures",))


@pytest.fixture(scope="module")
def study():
    """Base and eight runs: one that costs 6 points, one that costs 2, six that cost nothing."""
    effects = {"run1": 6.0, "run2": 2.0}
    wrong = simulated_errors.study(np.random.default_rng(3), effects=effects, runs=simulated_errors.RUNS[:8])
    return dunnett.family("base", wrong, comparisons=20, alpha=0.03)


def test_the_smallest_visible_effect_is_seen_as_often_as_wanted():
    known = comparisons.over_units(np.array([-0.012, 0.0, 0.01, 0.004, -0.002]), alpha=ALPHA, step=1e-6)
    effect, spread = power.smallest_visible(known, WANTED), np.sqrt(known.variances[0])
    random = np.random.default_rng(0)
    seen = [comparisons.over_units(random.normal(effect, spread, 5), alpha=ALPHA, step=1e-6).low > 0 for _ in range(1000)]
    assert np.mean(seen) == pytest.approx(WANTED, abs=0.04)


@pytest.mark.parametrize("of_pictures", [0.3, 0.8])
def test_power_holds_where_the_pictures_have_an_error_too(of_pictures):
    """Of the variance of a mean of five seeds, so much is the pictures'."""
    random, worlds = np.random.default_rng(1), 1500
    known = comparisons.over_units(random.normal(0, 0.01, (5, 100)), alpha=ALPHA, step=1.0)
    design = replace(known, error=0.01, error_of_pictures=0.01 * of_pictures**0.5, degrees=4.0, level=ALPHA)
    effect, seen = power.smallest_visible(design, WANTED), []
    for value, spread in zip(random.normal(effect, 0.01, worlds), random.chisquare(4, worlds) / 4, strict=True):
        error = 0.01 * np.sqrt((1 - of_pictures) * spread + of_pictures)
        seen.append(comparisons.two_sided(error, design.error_of_pictures, 4)(value / error) < ALPHA)
    assert np.mean(seen) == pytest.approx(WANTED, abs=0.06)
    assert np.mean(seen) >= WANTED - 0.03


def test_seeds_needed_are_the_fewest_that_do(study):
    estimate = dunnett.against_base(study, "run2")
    need = power.to_see(estimate, 0.025, WANTED, (5, 10))
    assert need.seeds is not None and need.pictures is None
    run, base = need.seeds
    assert base == 2 * run and run > 5
    assert power.power(power.planned(estimate, need.seeds), 0.025) >= WANTED
    assert power.power(power.planned(estimate, (run - 1, base - 2)), 0.025) < WANTED


def test_more_is_needed_to_see_less(study):
    estimate = dunnett.against_base(study, "run3")
    needs = [power.to_see(estimate, effect, WANTED) for effect in (0.03, 0.025, 0.02)]
    counts = [need.seeds[0] for need in needs if need.seeds]
    assert counts == sorted(counts) and counts[0] < counts[-1]


def test_where_the_test_set_forbids_it_pictures_are_asked_for(study):
    estimate = dunnett.against_base(study, "run3")
    need = power.to_see(estimate, 0.01, WANTED)
    assert need.pictures is not None and need.pictures > 4 * estimate.pictures
    assert need.seeds is not None
    assert power.power(power.planned(estimate, need.seeds, need.pictures), 0.01) >= WANTED
    assert power.power(power.planned(estimate, (100, 200)), 0.01) < WANTED


def test_what_nothing_here_would_see_is_said_so(study):
    estimate = dunnett.against_base(study, "run3")
    wild = replace(estimate, variances=(0.1, 0.1))
    assert power.to_see(wild, 0.001, WANTED).seeds is None
    assert power.to_see(wild, 0.0, WANTED).seeds is None


def test_pictures_as_units_need_pictures():
    differences = np.random.default_rng(0).choice([-1.0, 0.0, 1.0], p=[0.1, 0.78, 0.12], size=(1, 1000))
    estimate = comparisons.against_itself(differences, alpha=ALPHA)
    need = power.to_see(estimate, 0.01, WANTED)
    assert need.seeds == () and need.more(estimate) == () and need.minutes(estimate, ()) == 0
    assert need.pictures is not None and need.pictures > 1000
    assert power.power(power.planned(estimate, (), need.pictures), 0.01) == pytest.approx(WANTED, abs=0.01)


class TestWhatWouldDecide:
    def test_first_what_was_seen_then_the_smallest_of_interest(self, study):
        """Today's one answer was always for the smallest of interest: 88 seeds where 4 would do."""
        estimate = replace(dunnett.against_base(study, "run2"), value=0.025, low=-0.003, high=0.053)
        first = advice.settles(estimate, QUESTION, rules.UNDECIDED, WANTED)
        second = advice.sees_smallest(estimate, QUESTION, WANTED)
        assert first is not None and first.aim == "see" and first.amount == 0.025
        assert second.aim == "see" and second.amount == 0.01
        assert first.seeds and (second.seeds is None or sum(second.seeds) > 3 * sum(first.seeds))
        more = first.more(estimate)
        assert more == (first.seeds[0] - 5, first.seeds[1] - 10)
        assert first.minutes(estimate, (60.0, 120.0)) == pytest.approx(more[0] + 2 * more[1])

    def test_an_effect_of_about_nothing_is_settled_by_being_shown_small(self, study):
        estimate = dunnett.against_base(study, "run3")
        question = replace(QUESTION, matters=0.03)
        need = advice.settles(replace(estimate, value=0.002, low=-0.033, high=0.037), question, rules.UNDECIDED, WANTED)
        assert need is not None and need.aim == "smaller" and need.amount == 0.03 and need.seeds
        design, random = power.planned(estimate, need.seeds), np.random.default_rng(0)
        values = 0.002 + design.error * random.standard_normal(4000)
        found = design.error * np.sqrt(random.chisquare(design.degrees, 4000) / design.degrees)
        reach = stats.t.isf(design.level / 2, design.degrees) * found
        assert np.mean(np.abs(values) + reach < 0.03) >= WANTED - 0.03

    def test_too_few_seeds_are_first_of_all_made_enough(self, study):
        wrong = simulated_errors.study(np.random.default_rng(5), effects={"run1": 15.0}, seeds=3, of_base=3, runs=("run1",))
        estimate = dunnett.against_base(dunnett.family("base", wrong, comparisons=20, alpha=0.03), "run1")
        assert rules.effect(estimate, QUESTION).word == rules.TOO_FEW_SEEDS
        need = advice.settles(estimate, QUESTION, rules.TOO_FEW_SEEDS, WANTED)
        assert need is not None and need.seeds == (5, 10) and need.more(estimate) == (2, 7)

    def test_one_seed_is_advised_as_well(self):
        wrong = simulated_errors.study(np.random.default_rng(5), effects={"run1": 9.0}, seeds=1, of_base=1, runs=("run1",))
        estimate = dunnett.against_base(dunnett.family("base", wrong, comparisons=20, alpha=0.03), "run1")
        assert power.smallest_visible(estimate, WANTED) == np.inf
        need = advice.settles(estimate, QUESTION, rules.TOO_FEW_SEEDS, WANTED)
        assert need is not None and need.seeds is not None and need.seeds >= (5, 10)

    def test_an_open_size_needs_half_of_the_papers_effect(self, study):
        estimate = dunnett.against_base(study, "run1")
        question = replace(QUESTION, paper=0.04, reduced=())
        need = advice.settles(estimate, question, rules.SIZE_OPEN, WANTED)
        assert need is not None and (need.aim, need.amount) == ("size", 0.02)
        assert need.seeds and power.power_for_size(power.planned(estimate, need.seeds), 0.02) >= WANTED
        bound = advice.settles(estimate, replace(question, over=True), rules.SIZE_OPEN, WANTED)
        assert bound is not None and bound.aim == "see" and bound.amount == pytest.approx(abs(estimate.value - 0.04))

    def test_what_is_decided_needs_nothing(self, study):
        estimate = dunnett.against_base(study, "run1")
        assert advice.settles(estimate, QUESTION, rules.DIRECTION, WANTED) is None

    def test_times_that_were_not_reached_need_longer_trainings_not_seeds(self):
        estimate = comparisons.ratio_of_times([(None, 9)] * 5, [(8.0, 9), (7.0, 9), (9.0, 9), (6.0, 9), (8.0, 9)], alpha=ALPHA)
        assert advice.settles(estimate, Question(unit="times", matters=1.5), rules.UNDECIDED, WANTED) is None
        assert power.smallest_visible(estimate, WANTED) == np.inf

    def test_absences_and_values(self):
        rounds = np.random.default_rng(0).normal(0.043, 0.008, 8)
        estimate = comparisons.over_units(rounds, alpha=0.005, step=1e-4, units="rounds")
        free = Question(unit="share", matters=0.05)
        assert rules.absence(estimate, free).word == rules.UNDECIDED
        need = advice.settles_absence(estimate, free, WANTED)
        assert (need.aim, need.amount) == ("smaller", 0.05) and need.seeds and need.seeds[0] > 8
        wrong = np.random.default_rng(1).random((3, 2000)) < np.array([[0.38], [0.42], [0.40]])
        value = comparisons.value(wrong)
        question = Question(unit="error", paper=0.4, tolerance=0.02, least_seeds=(3,))
        assert rules.value(value, question).word == rules.UNDECIDED
        need = advice.settles_value(value, question, WANTED)
        assert need.aim == "size" and need.seeds and need.seeds[0] > 3


def test_a_search_over_seeds_tries_few_designs(study, monkeypatch):
    """The judgement of sixty claims is to take less than 20 seconds, so that a search may not try a hundred."""
    estimate, plan, tried = dunnett.against_base(study, "run3"), power.planned, []
    monkeypatch.setattr(power, "planned", lambda *arguments: tried.append(arguments) or plan(*arguments))
    power.to_see(estimate, 0.011, WANTED)
    assert 0 < len(tried) <= 2 * 8
