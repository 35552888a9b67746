"""The judgement's statistics: against known answers, and on simulated experiments whose truth is known."""

import numpy as np
import pytest
from scipy import stats

from study.judging import planning, statistics

MOST_FALSE_POSITIVES, LEAST_COVERAGE = 0.06, 0.93
ALPHA = 0.05


def differences(random, *, seeds, pictures=500, effect=0.0, of_seeds=0.03, of_pictures=1.0):
    """Wrong minus wrong of two methods, (seeds, pictures): pictures differ in difficulty and in what suits them."""
    hard, suits = random.normal(-1, 1.2, pictures), random.normal(0, of_pictures, pictures)

    def wrong(side):
        chance = random.normal(0, of_seeds, (seeds, 1)) + random.normal(0, 0.7, (seeds, pictures))
        return (hard + side * (suits + effect) / 2 + chance > 0).astype(float)

    return wrong(1) - wrong(-1)


def share(simulations, seed, outcome):
    random = np.random.default_rng(seed)
    return np.mean([outcome(random) for _ in range(simulations)])


def is_seen(estimate):
    return estimate.p < ALPHA and (estimate.low > 0 or estimate.high < 0)


def test_wilson_is_the_published_interval():
    low, high = statistics.wilson(15, 148, 0.95)  # Newcombe 1998, Table I
    assert (round(low, 4), round(high, 4)) == (0.0624, 0.1605)


@pytest.mark.parametrize(("rate", "pictures"), [(0.05, 200), (0.2, 1000)])
def test_wilson_covers(rate, pictures):
    random = np.random.default_rng(0)
    intervals = [statistics.wilson(k, pictures, 0.95) for k in random.binomial(pictures, rate, 500)]
    assert np.mean([low <= rate <= high for low, high in intervals]) >= LEAST_COVERAGE


def test_mcnemar_is_the_binomial_test_of_the_pictures_they_disagree_on():
    first, second = np.zeros(100, bool), np.zeros(100, bool)
    first[:20], second[15:25] = True, True
    assert statistics.exact_mcnemar(first, second) == pytest.approx(stats.binomtest(15, 20).pvalue)


def test_crossed_draws_have_the_law_of_drawing_picture_by_picture():
    random = np.random.default_rng(0)
    sample = differences(random, seeds=3, pictures=200, effect=0.5)
    quick = statistics.crossed_draws(sample, 4000, random)
    plain = [sample[random.integers(0, 3, 3)][:, random.integers(0, 200, 200)].mean() for _ in range(4000)]
    assert stats.ks_2samp(quick, plain).pvalue > 0.001
    assert quick.std() == pytest.approx(np.std(plain), rel=0.05)


@pytest.mark.parametrize("seeds", [3, 5])
def test_over_seeds_rarely_sees_what_is_not_there(seeds):
    nulls = [statistics.over_seeds(differences(r, seeds=seeds), ALPHA, 300, r) for r in map(np.random.default_rng, range(300))]
    assert np.mean([is_seen(e) for e in nulls]) <= MOST_FALSE_POSITIVES
    assert np.mean([e.low <= 0 <= e.high for e in nulls]) >= LEAST_COVERAGE


def test_a_paired_t_alone_would_take_the_test_set_for_the_world():
    """Why pictures count as a source of chance: on the same nulls the t test over seeds is wrong far too often."""
    wrong = share(300, 0, lambda r: statistics.over_units(differences(r, seeds=5).mean(axis=1), ALPHA, 1 / 500).p < ALPHA)
    assert wrong > 2 * MOST_FALSE_POSITIVES


@pytest.mark.slow
@pytest.mark.parametrize("of_seeds", [0.0, 0.1])
@pytest.mark.parametrize("of_pictures", [0.0, 1.0])
@pytest.mark.parametrize("seeds", [2, 3, 6])
def test_over_seeds_keeps_its_promises_over_many_worlds(seeds, of_seeds, of_pictures):
    worlds = map(np.random.default_rng, range(1000))
    made = ((differences(r, seeds=seeds, of_seeds=of_seeds, of_pictures=of_pictures), r) for r in worlds)
    nulls = [statistics.over_seeds(sample, ALPHA, 400, r) for sample, r in made]
    assert np.mean([is_seen(e) for e in nulls]) <= MOST_FALSE_POSITIVES
    assert np.mean([e.low <= 0 <= e.high for e in nulls]) >= LEAST_COVERAGE


def test_over_pictures_keeps_its_promises():
    nulls = [
        statistics.over_pictures(differences(r, seeds=1, pictures=400)[0], ALPHA, 400, r)
        for r in map(np.random.default_rng, range(300))
    ]
    assert np.mean([e.p < ALPHA for e in nulls]) <= MOST_FALSE_POSITIVES
    assert np.mean([e.low <= 0 <= e.high for e in nulls]) >= LEAST_COVERAGE


def test_seeds_that_agree_by_chance_are_not_certainty():
    estimate = statistics.over_units(np.full(3, 0.01), ALPHA, resolution=0.001)
    assert 0 < estimate.p < ALPHA
    assert estimate.low < 0.01 < estimate.high


def test_holm_is_the_textbook_example():
    assert statistics.holm([0.01, 0.04, 0.03, 0.005], ALPHA) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert statistics.holm([], ALPHA) == []


def test_equivalence_is_rarely_found_at_the_edge_of_its_margin():
    found = share(400, 0, lambda r: statistics.equivalent(statistics.over_units(r.normal(0.05, 0.03, 5), ALPHA), 0.05, ALPHA))
    assert found <= MOST_FALSE_POSITIVES


def test_equivalence_is_found_where_the_effect_is_small():
    estimate = statistics.over_units(np.array([0.001, -0.002, 0.001]), ALPHA)
    assert statistics.equivalent(estimate, 0.01, ALPHA)
    assert not statistics.equivalent(estimate, 0.002, ALPHA)


def test_the_smallest_visible_effect_is_seen_as_often_as_wanted():
    known = statistics.over_units(np.array([-0.01, 0.0, 0.01, 0.0, 0.0]), ALPHA)
    effect = planning.smallest_visible(known, ALPHA, 0.8)
    spread = known.spread
    seen = share(1500, 0, lambda r: statistics.over_units(r.normal(effect, spread, 5), ALPHA).p < ALPHA)
    assert seen == pytest.approx(0.8, abs=0.03)


def test_seeds_needed_grow_as_the_effect_shrinks_and_end_where_pictures_forbid():
    known = statistics.over_units(np.array([-0.01, 0.0, 0.01]), ALPHA)
    few, many = (planning.seeds_needed(effect, known, ALPHA, 0.8) for effect in (0.03, 0.01))
    assert few is not None and many is not None and few < many
    assert planning.power(0.01, known.spread, many, 0.0, ALPHA) >= 0.8 > planning.power(0.01, known.spread, many - 1, 0.0, ALPHA)
    random = np.random.default_rng(0)
    small_test_set = statistics.over_seeds(differences(random, seeds=3, pictures=100), ALPHA, 500, random)
    assert planning.seeds_needed(0.005, small_test_set, ALPHA, 0.8) is None
    assert planning.pictures_needed(0.005, small_test_set, 100, ALPHA, 0.8) > 1000


def test_power_runs_on_smoothly_where_the_noncentral_t_is_left():
    for units in (2, 3, 10):
        below, above = (planning.power(far, units**0.5, units, 0.0, 0.001) for far in (29.99, 30.01))
        assert above == pytest.approx(below, abs=0.003)


class TestTimes:
    limits = [(40.0, 40.0)] * 3

    def test_without_missing_times_it_is_a_paired_t_on_log_ratios(self):
        slow, fast = [36.0, 30.0, 33.0], [6.0, 5.0, 6.0]
        estimate = statistics.ratio_of_times(slow, fast, self.limits, ALPHA)
        assert estimate.p == pytest.approx(stats.ttest_rel(np.log(slow), np.log(fast)).pvalue)
        assert np.exp(estimate.low) < 6 * 0.98 < np.exp(estimate.high)
        assert not estimate.censored

    def test_a_time_that_was_not_reached_makes_a_lower_bound(self):
        estimate = statistics.ratio_of_times([None, None, None], [6.0, 5.0, 6.0], self.limits, ALPHA)
        assert estimate.censored == "at least"
        assert np.isinf(estimate.high)
        assert 4 < np.exp(estimate.low) < np.exp(estimate.value) < 8
        assert estimate.p < ALPHA

    def test_dropping_the_missing_time_would_give_a_smaller_ratio(self):
        kept = statistics.ratio_of_times([None, 12.0, 12.0], [6.0, 6.0, 6.0], self.limits, ALPHA)
        dropped = statistics.ratio_of_times([12.0, 12.0], [6.0, 6.0], self.limits[:2], ALPHA)
        assert kept.value > dropped.value

    def test_a_bound_proves_nothing_on_its_open_side(self):
        estimate = statistics.ratio_of_times([None, None, None], [39.0, 39.5, 39.0], [(5.0, 40.0)] * 3, ALPHA)
        assert estimate.value < 0
        assert estimate.p == 1

    def test_missing_on_both_sides_proves_nothing(self):
        estimate = statistics.ratio_of_times([None, 30.0, 30.0], [5.0, None, 5.0], self.limits, ALPHA)
        assert (estimate.p, estimate.censored) == (1, "unknown")
        assert np.isinf([estimate.low, estimate.high]).all()

    @pytest.mark.parametrize("limit", [np.inf, 12.0])
    def test_equal_activations_are_rarely_told_apart(self, limit):
        def seen(random):
            times = np.exp(random.normal(np.log(10), 0.3, (2, 3)))
            slow, fast = [[t if t <= limit else None for t in row] for row in times.tolist()]
            return is_seen(statistics.ratio_of_times(slow, fast, [(limit, limit)] * 3, ALPHA))

        assert share(600, 0, seen) <= MOST_FALSE_POSITIVES


class TestColumns:
    def test_it_rarely_separates_columns_that_are_alike(self):
        def seen(random):
            columns = [(random.beta(1, 4, 12), random.beta(1, 4, 12))]
            return statistics.least_separated(columns, ALPHA, 200, random).p < ALPHA

        assert share(200, 0, seen) <= MOST_FALSE_POSITIVES

    def test_every_seed_must_be_separated(self):
        random = np.random.default_rng(0)
        apart, alike = (random.beta(1, 30, 12), random.beta(8, 4, 12)), (random.beta(1, 4, 12), random.beta(1, 4, 12))
        assert statistics.least_separated([apart, apart[::-1]], ALPHA, 500, random).p < 0.01
        assert statistics.least_separated([apart, alike], ALPHA, 500, random).p > ALPHA
