"""Estimates, intervals and p of the judgement: against known answers, other implementations, and worlds whose truth is known."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from study.statistics import comparisons, dunnett
from study.statistics.estimates import arm

ALPHA, STEP = 0.05, 1e-6


def most(share, worlds):
    """What a share of false positives may come to by chance in so many simulated worlds (once in a thousand)."""
    return share + 3.1 * np.sqrt(share * (1 - share) / worlds)


def errors(random, *, runs=3, seeds=5, of_base=10, pictures=400, shift=0.0):
    """Whether networks err: of a base run and `runs` others, `shift` more likely each than the one before."""
    hard = random.normal(0, 1, pictures)

    def run(count, more):
        suits, of_seeds = random.normal(0, 0.4, pictures), random.normal(0, 0.05, (count, 1))
        return hard + suits + more + of_seeds + random.normal(0, 0.5, (count, pictures)) > 0

    return {"base": run(of_base, 0.0)} | {f"run{n}": run(seeds, n * shift) for n in range(1, runs + 1)}


class TestTheLargestOfSeveral:
    @pytest.mark.parametrize("degrees", [1, 4, 6.5, 44, 300])
    def test_of_one_comparison_it_is_the_t_distribution(self, degrees):
        for threshold in (0.0, 0.7, 2.5, 5.0):
            ours = dunnett.exceedance(threshold, np.zeros(1), degrees)
            assert ours == pytest.approx(2 * stats.t.sf(threshold, degrees), rel=1e-6 if degrees > 1 else 1e-3)
        assert dunnett.critical_value(np.zeros(1), degrees, 0.03) == pytest.approx(stats.t.isf(0.015, degrees))

    @pytest.mark.parametrize("degrees", [1, 2, 4, 9])
    @pytest.mark.parametrize("level", [0.05, 0.005, 0.00025])
    def test_it_holds_far_out_where_there_are_few_seeds(self, degrees, level):
        threshold = stats.t.isf(level / 2, degrees)
        assert dunnett.exceedance(threshold, np.zeros(1), degrees) == pytest.approx(level, rel=1e-3)

    @pytest.mark.parametrize(("groups", "each", "control"), [(1, 5, 5), (4, 5, 10), (12, 4, 8)])
    def test_with_equal_spreads_it_is_dunnetts_test(self, groups, each, control):
        random = np.random.default_rng(groups)
        base, samples = random.normal(0, 1, control), random.normal(0.8, 1, (groups, each))
        degrees = groups * (each - 1) + control - 1
        pooled = ((each - 1) * samples.var(axis=1, ddof=1).sum() + (control - 1) * base.var(ddof=1)) / degrees
        statistics = (samples.mean(axis=1) - base.mean()) / np.sqrt(pooled * (1 / each + 1 / control))
        loadings = np.full(groups, np.sqrt((1 / control) / (1 / each + 1 / control)))
        theirs = stats.dunnett(*samples, control=base, rng=np.random.default_rng(0))
        assert statistics == pytest.approx(theirs.statistic)
        ours = [dunnett.exceedance(abs(one), loadings, degrees) for one in statistics]
        assert ours == pytest.approx(theirs.pvalue, abs=5e-4)  # scipy's is quasi-random
        critical = dunnett.critical_value(loadings, degrees, ALPHA)
        half = critical * np.sqrt(pooled * (1 / each + 1 / control))
        low = theirs.confidence_interval(1 - ALPHA).low
        assert theirs.statistic * np.sqrt(pooled * (1 / each + 1 / control)) - half == pytest.approx(low, abs=3e-3)

    @pytest.mark.parametrize(("loadings", "degrees"), [([0.2, 0.5, 0.9, 0.9, 0.0], 6), ([0.58] * 19 + [0.95], 44)])
    def test_it_is_what_plain_draws_give(self, loadings, degrees):
        random, draws, loadings = np.random.default_rng(0), 200_000, np.array(loadings)
        spread = np.sqrt(random.chisquare(degrees, draws) / degrees)
        largest, shared = np.zeros(draws), random.standard_normal(draws)
        for loading in loadings:
            one = loading * shared + np.sqrt(1 - loading**2) * random.standard_normal(draws)
            largest = np.maximum(largest, np.abs(one) / spread)
        for threshold in (1.5, 2.5, 4.0):
            seen = (largest > threshold).mean()
            assert dunnett.exceedance(threshold, loadings, degrees) == pytest.approx(seen, abs=4 * np.sqrt(0.25 / draws))

    @pytest.mark.parametrize("loading", [0.3, 0.577, 0.9, 0.98])
    @pytest.mark.parametrize("degrees", [4, 7, 44, 200])
    def test_sixty_points_are_enough(self, monkeypatch, loading, degrees):
        loadings, thresholds = np.full(20, loading), (2.0, 3.0, 5.0)
        ours = [dunnett.exceedance(one, loadings, degrees) for one in thresholds]
        points = np.polynomial.legendre.leggauss(150)
        monkeypatch.setattr(dunnett, "_points", lambda: points)
        monkeypatch.setattr(dunnett, "spreads", dunnett.spreads.__wrapped__)
        monkeypatch.setattr(dunnett, "_normals", dunnett._normals.__wrapped__)
        exact = [dunnett.exceedance(one, loadings, degrees) for one in thresholds]
        assert ours == pytest.approx(exact, abs=5e-5)

    def test_a_comparison_that_was_not_run_still_counts(self):
        two, three = np.full(2, 0.5), np.array([0.5, 0.5, 0.0])
        assert dunnett.critical_value(two, 20, ALPHA) < dunnett.critical_value(three, 20, ALPHA)
        assert dunnett.critical_value(three, 20, ALPHA) < stats.t.isf(ALPHA / 6, 20)

    def test_without_degrees_of_freedom_nothing_is_excluded(self):
        assert dunnett.critical_value(np.zeros(3), 0, ALPHA) == np.inf


class TestEffectsAgainstBase:
    def test_it_is_the_formula_of_the_protocol(self):
        wrong = errors(np.random.default_rng(0), shift=0.2)
        of = dunnett.family("base", wrong, comparisons=20, alpha=0.03)
        base, run, pictures = wrong["base"].astype(float), wrong["run2"].astype(float), 400
        scaled = []
        for one in wrong.values():
            n = len(one)
            scaled.append(one.mean(axis=1).var(ddof=1) / (stats.chi2.ppf(0.5, n - 1) / (n - 1)))
        v, degrees = np.median(scaled), round((3 * 4 + 9) / 2)
        apart = (run.mean(axis=0) - base.mean(axis=0)).var(ddof=1)
        chance = run.var(axis=0, ddof=1).mean() / 5 + base.var(axis=0, ddof=1).mean() / 10
        of_run = max(run.mean(axis=1).var(ddof=1), v) / 5 + max(0, apart - chance) / pictures
        of_base = max(base.mean(axis=1).var(ddof=1), v) / 10
        ours = dunnett.against_base(of, "run2")
        assert (of.spread, of.degrees) == (pytest.approx(v), degrees)
        assert ours.value == pytest.approx(run.mean() - base.mean())
        assert ours.error == pytest.approx(np.sqrt(of_run + of_base))
        assert of.loadings[1] == pytest.approx(np.sqrt(of_base / (of_base + of_run)))
        assert (of.loadings > 0).sum() == 3 and of.loadings.size == 20
        assert ours.p == pytest.approx(dunnett.exceedance(abs(ours.value) / ours.error, of.loadings, degrees))
        assert ours.high - ours.value == pytest.approx(dunnett.critical_value(of.loadings, degrees, 0.03) * ours.error)
        assert (ours.seeds, ours.pictures, ours.alpha) == ((5, 10), pictures, 0.03)

    def test_interval_and_p_never_disagree(self):
        for seed in range(8):
            of = dunnett.family("base", errors(np.random.default_rng(seed), runs=5, shift=0.07), comparisons=9, alpha=ALPHA)
            for run in list(of.arms)[1:]:
                one = dunnett.against_base(of, run)
                assert (one.p < ALPHA) == (one.low > 0 or one.high < 0)

    def test_an_interaction_has_the_chance_of_its_four_runs(self):
        wrong = errors(np.random.default_rng(1), shift=0.3)
        of = dunnett.family("base", wrong, comparisons=20, alpha=0.03, not_compared=("run1", "run3"))
        ours = dunnett.contrast(of, {"run3": 1, "run2": -1, "run1": -1, "base": 1})
        means = {run: one.mean() for run, one in wrong.items()}
        assert ours.value == pytest.approx(means["run3"] - means["run2"] - means["run1"] + means["base"])
        of_seeds = sum(max(one.variance, of.spread) / one.seeds for one in of.arms.values())
        assert ours.error == pytest.approx(np.hypot(np.sqrt(of_seeds), ours.error_of_pictures))
        assert ours.error_of_pictures > 0
        assert (of.loadings > 0).sum() == 1  # run2 alone is compared with base

    def test_runs_of_too_few_seeds_are_shown_and_change_nothing(self):
        wrong = errors(np.random.default_rng(2))
        few = wrong | {"few": errors(np.random.default_rng(3), shift=3.0)["run3"][:4]}
        with_, without = (dunnett.family("base", one, comparisons=20, alpha=0.03) for one in (few, wrong))
        assert (with_.spread, with_.degrees, with_.critical) == (without.spread, without.degrees, without.critical)
        assert dunnett.against_base(with_, "run1") == dunnett.against_base(without, "run1")
        assert dunnett.against_base(with_, "few").seeds == (4, 10)

    def test_one_chaotic_run_does_not_hide_the_others(self):
        wrong = errors(np.random.default_rng(4), runs=9, shift=0.1)
        calm = dunnett.family("base", wrong, comparisons=20, alpha=0.03)
        chaotic = wrong | {"run9": np.random.default_rng(0).random((5, 400)) < np.array([[0.2], [0.9], [0.1], [0.5], [0.8]])}
        of = dunnett.family("base", chaotic, comparisons=20, alpha=0.03)
        assert dunnett.against_base(of, "run5").half_width < 1.2 * dunnett.against_base(calm, "run5").half_width
        assert dunnett.against_base(of, "run9").half_width > 5 * dunnett.against_base(of, "run5").half_width

    def test_one_seed_of_each_decides_nothing(self):
        wrong = {run: one[:1] for run, one in errors(np.random.default_rng(5), shift=1.0).items()}
        one = dunnett.against_base(dunnett.family("base", wrong, comparisons=20, alpha=0.03), "run3")
        assert (one.low, one.high, one.p) == (-np.inf, np.inf, 1.0)

    def test_seeds_that_agree_by_chance_are_not_certainty(self):
        same = {"base": np.zeros((10, 50), bool), "run": np.tile(np.arange(50) < 1, (5, 1))}
        one = dunnett.against_base(dunnett.family("base", same, comparisons=1, alpha=ALPHA), "run")
        assert one.error >= np.sqrt(1 / 12 / 50**2 / 5) and one.p > 0

    def test_what_cannot_be_compared_is_refused(self):
        wrong = errors(np.random.default_rng(6))
        with pytest.raises(ValueError, match="base run 'control' is not among base, run1"):
            dunnett.family("control", wrong, comparisons=20, alpha=0.03)
        with pytest.raises(ValueError, match="3 runs are compared, but the protocol counts 2"):
            dunnett.family("base", wrong, comparisons=2, alpha=0.03)
        with pytest.raises(ValueError, match="one test set"):
            dunnett.family("base", wrong | {"run1": wrong["run1"][:, :9]}, comparisons=20, alpha=0.03)
        with pytest.raises(ValueError, match="finite numbers"):
            arm(np.array([[0.1, np.nan]]))


class TestTwoRuns:
    def test_without_pictures_it_is_welchs_test(self):
        random = np.random.default_rng(0)
        first, second = random.normal(1, 1, 5), random.normal(0, 3, 7)
        ours, theirs = comparisons.welch(first, second, step=STEP, alpha=ALPHA), stats.ttest_ind(first, second, equal_var=False)
        assert ours.p == pytest.approx(theirs.pvalue)
        assert (ours.low, ours.high) == pytest.approx(tuple(theirs.confidence_interval(1 - ALPHA)))
        seven = comparisons.welch(first, second, step=STEP, alpha=ALPHA, comparisons=7)
        assert seven.p == pytest.approx(min(1, 7 * theirs.pvalue))
        assert seven.low == pytest.approx(theirs.confidence_interval(1 - ALPHA / 7).low)

    def test_the_pictures_widen_it(self):
        wrong = errors(np.random.default_rng(1), seeds=5, of_base=5)
        both = comparisons.welch(wrong["run1"], wrong["base"], step=1, alpha=0.03)
        seeds = comparisons.welch(wrong["run1"].mean(axis=1), wrong["base"].mean(axis=1), step=1 / 400, alpha=0.03)
        assert both.value == pytest.approx(seeds.value)
        assert both.half_width > seeds.half_width * 1.1
        assert (both.p < 0.03) == (both.low > 0 or both.high < 0)

    def test_other_pictures_are_refused(self):
        with pytest.raises(ValueError, match="one test set"):
            comparisons.welch(np.zeros((5, 8)), np.zeros((5, 9)), step=1, alpha=ALPHA)


class TestWithinSeeds:
    def test_without_pictures_it_is_the_paired_t_test(self):
        values = np.random.default_rng(0).normal(0.5, 1, 6)
        ours, theirs = comparisons.over_units(values, step=STEP, alpha=ALPHA), stats.ttest_1samp(values, 0)
        assert ours.p == pytest.approx(theirs.pvalue)
        assert (ours.low, ours.high) == pytest.approx(tuple(theirs.confidence_interval(1 - ALPHA)))
        margin = comparisons.over_units(values, step=STEP, alpha=ALPHA, null=0.4)
        assert margin.p == pytest.approx(stats.ttest_1samp(values, 0.4).pvalue)
        assert margin.low == ours.low

    @pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 1.0])
    def test_both_errors_together_make_no_more_false_positives_than_allowed(self, share):
        """Of `share` of the variance the pictures are the source; the rest is estimated from five seeds."""
        random, worlds = np.random.default_rng(int(100 * share)), 4000
        values, estimated = random.standard_normal(worlds), random.chisquare(4, worlds) / 4
        ps = []
        for one, spread in zip(values, estimated, strict=True):
            error = np.sqrt((1 - share) * spread + share)
            ps.append(comparisons.two_sided(error, np.sqrt(share), 4)(abs(one) / error))
        for level in (0.05, 0.005):
            assert np.mean(np.array(ps) < level) <= most(level, worlds)

    def test_the_test_set_is_a_sample_too(self):
        """On differences whose mean over all pictures is zero, a t test over seeds alone sees far too much."""
        random, worlds = np.random.default_rng(0), 300
        made = [random.normal(0, 1, 400) * 0.5 + random.normal(0, 0.3, (5, 400)) for _ in range(worlds)]
        alone = [comparisons.over_units(one.mean(axis=1), step=STEP, alpha=ALPHA).p < ALPHA for one in made]
        both = [comparisons.against_itself(one, alpha=ALPHA).p < ALPHA for one in made]
        assert np.mean(both) <= most(ALPHA, worlds) < np.mean(alone)

    def test_with_fewer_than_five_seeds_it_speaks_of_these_networks(self):
        random = np.random.default_rng(0)
        differences = random.choice([-1.0, 0.0, 1.0], p=[0.05, 0.8, 0.15], size=(5, 500))
        ours, of_five = (comparisons.against_itself(one, alpha=ALPHA) for one in (differences[:4], differences))
        assert (ours.units, of_five.units) == ("pictures", "seeds")
        assert ours.p == pytest.approx(stats.ttest_1samp(differences[:4].mean(axis=0), 0).pvalue, rel=1e-3)
        assert (ours.new_low, ours.new_high) == (-np.inf, np.inf)  # nothing is known of another network

    def test_pictures_that_all_agree_are_not_certainty(self):
        ours = comparisons.of_these_networks(np.zeros((1, 100)), alpha=ALPHA)
        assert ours.low < -0.01 and ours.high > 0.01 and ours.p > 0.999

    def test_seeds_that_agree_by_chance_are_not_certainty(self):
        ours = comparisons.over_units(np.full(3, 0.01), alpha=ALPHA, step=0.001)
        assert 0 < ours.p < ALPHA and ours.low < 0.01 < ours.high


class TestValues:
    def test_the_interval_of_a_new_training_holds_it(self):
        random, worlds = np.random.default_rng(0), 500
        inside = []
        for _ in range(worlds):
            chance = 0.3 + random.normal(0, 0.01, 4)
            wrong = random.random((4, 2000)) < chance[:, None]
            ours = comparisons.value(wrong[:3])
            inside.append(ours.new_low <= wrong[3].mean() <= ours.new_high)
        assert np.mean(inside) >= 1 - most(0.05, worlds)
        assert np.mean(inside) < 0.995

    def test_of_one_network_only_the_pictures_speak(self):
        wrong = np.random.default_rng(0).random((1, 1000)) < 0.4
        ours = comparisons.value(wrong)
        assert ours.units == "pictures" and ours.new_high == np.inf
        assert ours.error == pytest.approx(np.sqrt(wrong.mean() * (1 - wrong.mean()) / 999))

    def test_an_average_varies_as_its_members_over_their_number(self):
        random = np.random.default_rng(0)
        singles = random.random((5, 1000)) < random.normal(0.4, 0.02, (5, 1))
        ours = comparisons.value_of_average(singles.mean(axis=0) > 0.5, singles)
        assert ours.seeds == (5,) and ours.degrees == 4
        assert ours.variances[0] == pytest.approx(singles.mean(axis=1).var(ddof=1) / 5)
        assert np.isfinite([ours.low, ours.high, ours.new_low, ours.new_high]).all()


class TestTimes:
    slow, fast = (
        [(36.0, 40), (30.0, 40), (33.0, 40), (31.0, 40), (35.0, 40)],
        [(6.0, 40), (5.0, 40), (6.0, 40), (5.5, 40), (6.2, 40)],
    )

    def test_without_missing_times_it_is_welchs_test_on_logarithms(self):
        ours = comparisons.ratio_of_times(self.slow, self.fast, alpha=ALPHA)
        theirs = stats.ttest_ind(*(np.log([time for time, _ in run]) for run in (self.slow, self.fast)), equal_var=False)
        assert ours.p == pytest.approx(theirs.pvalue) and not ours.bound
        assert np.exp(ours.low) < 5.75 < np.exp(ours.high)

    def test_a_time_that_was_not_reached_makes_a_lower_bound(self):
        never = [(None, 40)] * 5
        ours = comparisons.ratio_of_times(never, self.fast, alpha=ALPHA)
        assert (ours.bound, ours.high, ours.new_high, ours.half_width) == ("at least", np.inf, np.inf, np.inf)
        assert 4 < np.exp(ours.low) < np.exp(ours.value) == pytest.approx(40 / np.exp(np.mean(np.log([t for t, _ in self.fast]))))
        assert ours.p < ALPHA

    def test_dropping_the_missing_time_would_give_a_smaller_ratio(self):
        kept = comparisons.ratio_of_times([(None, 60), *self.slow[1:]], self.fast, alpha=ALPHA)
        dropped = comparisons.ratio_of_times(self.slow[1:], self.fast, alpha=ALPHA)
        assert kept.value > dropped.value

    def test_a_run_whose_times_are_missing_shows_no_spread_of_its_own(self):
        """All at their limit look alike; they count as no less variable than the other run."""
        wild = [(4.0, 40), (9.0, 40), (5.0, 40), (8.0, 40), (6.0, 40)]
        ours = comparisons.ratio_of_times([(None, 40)] * 5, wild, alpha=ALPHA)
        assert ours.variances[0] == ours.variances[1] > 0.05

    def test_a_bound_proves_nothing_on_its_open_side(self):
        ours = comparisons.ratio_of_times(
            [(None, 5)] * 5, [(39.0, 40), (39.5, 40), (38.0, 40), (39.0, 40), (39.2, 40)], alpha=ALPHA
        )
        assert ours.value < 0 and ours.p == 1 and ours.high == np.inf

    def test_missing_on_both_sides_proves_nothing(self):
        ours = comparisons.ratio_of_times([(None, 40), *self.slow[1:]], [(None, 40), *self.fast[1:]], alpha=ALPHA)
        assert (ours.p, ours.bound, ours.low, ours.high) == (1, "unknown", -np.inf, np.inf)

    @pytest.mark.parametrize("limit", [np.inf, 9.0])
    def test_equal_activations_are_rarely_told_apart(self, limit):
        random, worlds, seen = np.random.default_rng(0), 300, []
        for _ in range(worlds):
            times = np.exp(random.normal(np.log(10), 0.3, (2, 5)))
            slow, fast = ([(time if time <= limit else None, min(limit, 99.0)) for time in row] for row in times.tolist())
            ours = comparisons.ratio_of_times(slow, fast, alpha=ALPHA)
            seen.append(ours.low > 0 or ours.high < 0)
        assert np.mean(seen) <= most(ALPHA, worlds)


class TestSeveralLayers:
    def estimates(self, *values, error=0.005):
        one = comparisons.over_units(np.array([0.0, 0.01, 0.02, 0.01, 0.005]), step=STEP, alpha=0.03)
        reach = one.critical * error
        return [
            replace(one, value=v, low=v - reach, high=v + reach, new_low=v - 2 * reach, new_high=v + 2 * reach, error=error, p=p)
            for v, p in values
        ]

    def test_the_largest_p_and_the_smallest_lower_bound_speak(self):
        all_ = comparisons.all_of(self.estimates((0.05, 0.001), (0.03, 0.02), (0.09, 0.0001)))
        assert (all_.value, all_.p) == (0.03, 0.02)
        assert all_.low == self.estimates((0.03, 0.02))[0].low

    def test_p_and_lower_bound_may_come_from_different_layers(self):
        precise, rough = self.estimates((0.02, 0.001))[0], self.estimates((0.03, 0.2), error=0.02)[0]
        all_ = comparisons.all_of([precise, rough])
        assert (all_.value, all_.p, all_.low) == (0.02, 0.2, rough.low)
        assert all_.half_width == rough.half_width

    def test_one_layer_that_surely_gains_contradicts(self):
        all_ = comparisons.all_of(self.estimates((0.05, 0.001), (-0.05, 0.002), (-0.01, 0.6)))
        assert all_.high < 0 and all_.p == 0.002

    def test_each_must_hold_the_papers_number(self):
        near, far = self.estimates((0.02, 0.001), (0.2, 0.0001))
        all_ = comparisons.all_of([near, far])
        assert not all_.new_low <= 0.02 <= all_.new_high
