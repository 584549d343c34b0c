"""Statistics against SciPy, against brute force, by properties, and by simulation; a warning is an error."""

import itertools
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from workbench.statistics import (
    ALPHA,
    LADDER,
    Verdict,
    WarmupClass,
    alpha_at,
    asv_rule,
    break_even,
    break_even_range,
    compare,
    fit_overhead,
    hodges_lehmann,
    log_ratios,
    median_interval,
    minimum_launches,
    pyperf_rule,
    pytest_benchmark_rule,
    ratio_errors,
    shared_ranks,
    signed_rank_interval,
    signed_rank_p,
    smallest_detectable,
    warmup_class,
    without_rounds,
)

pytestmark = pytest.mark.filterwarnings("error")
quick = settings(max_examples=60, deadline=None, derandomize=True, database=None)

distinct = st.lists(st.integers(1, 10**6), min_size=1, max_size=14, unique=True)
tied = st.lists(st.integers(-3, 3), min_size=1, max_size=9)


def brute_force_p(values):
    """Two-sided p by going through all signs, zeros ranked and left out (Pratt)."""
    values = np.asarray(values, dtype=float)
    ranks = stats.rankdata(np.abs(values))[values != 0]
    observed = ranks[values[values != 0] > 0].sum()
    sums = [np.dot(ranks, signs) for signs in itertools.product((0, 1), repeat=len(ranks))]
    below, above = np.mean(np.array(sums) <= observed), np.mean(np.array(sums) >= observed)
    return min(1.0, 2 * min(below, above))


def noisy_pair(seed, launches, change=0.0, noise=0.01):
    rng = np.random.default_rng(seed)
    base = 0.02 * np.exp(noise / math.sqrt(2) * rng.standard_normal(launches))
    head = 0.02 * (1 + change) * np.exp(noise / math.sqrt(2) * rng.standard_normal(launches))
    return base, head


# The signed-rank test


@pytest.mark.parametrize("n", [1, 2, 5, 6, 8, 10, 15, 25, 50])
@pytest.mark.parametrize("shift", [0.0, 0.4, -1.0])
def test_p_is_scipys_exact_p_without_ties(n, shift):
    values = np.random.default_rng(n).standard_normal(n) + shift
    assert signed_rank_p(values) == pytest.approx(stats.wilcoxon(values, method="exact").pvalue, rel=1e-12)


@quick
@given(tied)
def test_p_is_brute_force_with_ties_and_zeros(values):
    assert signed_rank_p(values) == pytest.approx(brute_force_p(values), rel=1e-12)


@quick
@given(tied)
def test_p_does_not_depend_on_sign_or_scale(values):
    array = np.array(values, dtype=float)
    assert signed_rank_p(array) == signed_rank_p(-array) == signed_rank_p(4 * array)


@quick
@given(st.lists(st.booleans(), min_size=2, max_size=12))
def test_moving_data_with_a_zero_up_never_makes_them_less_positive(signs):
    values = np.array([0.0, *(i if up else -i for i, up in enumerate(signs, 1))])
    assume(values.sum() > len(values))
    assert signed_rank_p(values + 0.25) <= signed_rank_p(values)


def test_p_without_evidence_is_one():
    assert signed_rank_p([]) == signed_rank_p([0.0, 0.0]) == signed_rank_p([1.0]) == 1.0


def test_smallest_p_is_that_of_all_one_sign():
    for n in range(1, 30):
        assert signed_rank_p(np.arange(1, n + 1)) == 2.0 ** (1 - n)


def test_long_series_use_the_normal_approximation():
    values = np.random.default_rng(5).standard_normal(400) + 0.1
    assert signed_rank_p(values) == pytest.approx(stats.wilcoxon(values, method="exact").pvalue, rel=0.02)


@pytest.mark.parametrize("function", [signed_rank_p, hodges_lehmann, median_interval, signed_rank_interval])
@pytest.mark.parametrize("values", [[1.0, math.nan], [math.inf], [[1.0, 2.0]]])
def test_broken_numbers_are_refused(function, values):
    with pytest.raises(ValueError, match="values must be"):
        function(values)


# Estimate and interval


def test_hodges_lehmann_by_hand():
    assert hodges_lehmann([1.0, 2.0, 6.0]) == 2.75  # 1, 1.5, 2, 3.5, 4, 6
    assert hodges_lehmann([7.0]) == 7.0
    with pytest.raises(ValueError, match="at least one"):
        hodges_lehmann([])


@quick
@given(tied, st.integers(-50, 50))
def test_shifting_the_data_shifts_estimate_and_interval(values, shift):
    array = np.array(values, dtype=float)
    assert hodges_lehmann(array + shift) == pytest.approx(hodges_lehmann(array) + shift)
    moved = [limit + shift for limit in signed_rank_interval(array, 0.9)]
    assert list(signed_rank_interval(array + shift, 0.9)) == pytest.approx(moved)


@quick
@given(tied)
def test_changing_the_sign_mirrors_estimate_and_interval(values):
    array = np.array(values, dtype=float)
    low, high = signed_rank_interval(array, 0.9)
    assert hodges_lehmann(-array) == pytest.approx(-hodges_lehmann(array))
    assert signed_rank_interval(-array, 0.9) == pytest.approx((-high, -low))
    assert low <= hodges_lehmann(array) <= high


@quick
@given(distinct, st.integers(-(10**6), 0), st.sampled_from([0.5, 0.8, 0.95, 0.98, 0.99]))
def test_zero_is_outside_the_interval_exactly_when_the_test_rejects(values, shift, confidence):
    array = np.array(values, dtype=float) + shift + 0.25 + np.sqrt(np.arange(len(values))) / 1e3
    low, high = signed_rank_interval(array, confidence)
    assert (low > 0 or high < 0) == (signed_rank_p(array) < 1 - confidence)


@quick
@given(tied.filter(lambda values: len(values) > 4), st.sampled_from([0.1, 0.2]))
def test_interval_with_ties_is_all_that_the_test_does_not_reject(values, alpha):
    array = np.array(values, dtype=float)
    low, high = signed_rank_interval(array, 1 - alpha)
    shifts = np.arange(-4, 4, 0.5) + 0.25  # one inside each gap between Walsh averages
    kept = [shift for shift in shifts if signed_rank_p(array - shift) >= alpha]
    assert kept == [shift for shift in shifts if low < shift < high]


def test_interval_of_too_few_values_is_everything():
    assert signed_rank_interval([], 0.95) == (-math.inf, math.inf)
    assert signed_rank_interval([1.0, 2.0, 3.0, 4.0, 5.0], 0.95) == (-math.inf, math.inf)
    assert signed_rank_interval([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 0.95) == (1.0, 6.0)


def test_interval_of_identical_values_is_the_value():
    assert signed_rank_interval([0.3] * 10, 0.98) == pytest.approx((0.3, 0.3))


def test_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(11)
    series = rng.standard_t(3, (400, 12))
    inside = [low <= 0 <= high for low, high in (signed_rank_interval(row, 0.95) for row in series)]
    assert np.mean(inside) >= 0.95 - 3 * math.sqrt(0.05 * 0.95 / 400)


# Log ratios, the ladder and what launches can show


def test_log_ratios_are_paired_and_signed():
    assert log_ratios([1.0, 2.0], [2.0, 1.0]) == pytest.approx([math.log(2), -math.log(2)])


@pytest.mark.parametrize(
    ("base", "head", "says"),
    [
        ([1.0], [1.0, 2.0], "pairs"),
        ([0.0], [1.0], "base must be positive"),
        ([1.0], [math.nan], "head must be finite"),
    ],
)
def test_log_ratios_refuse_with_a_clear_line(base, head, says):
    with pytest.raises(ValueError, match=says):
        log_ratios(base, head)


def test_every_look_can_reject_and_all_looks_spend_no_more_than_alpha():
    alphas = [alpha_at(look) for look in range(len(LADDER))]
    assert math.fsum(alphas) <= ALPHA
    assert all(minimum_launches(alpha) <= n for alpha, n in zip(alphas, LADDER, strict=True))
    assert list(LADDER) == sorted(set(LADDER))
    for look in (-1, len(LADDER)):
        with pytest.raises(ValueError, match="ladder"):
            alpha_at(look)


def test_minimum_launches():
    assert [minimum_launches(alpha) for alpha in (0.05, 0.02, 0.0078125, 0.002)] == [6, 7, 9, 10]
    assert [2.0 ** (1 - minimum_launches(a)) < a for a in (0.5, 0.1, 1e-9)] == [True] * 3
    with pytest.raises(ValueError, match="alpha"):
        minimum_launches(0)


def rejections(series, look):
    """Which rows the signed-rank test rejects at a look; p is looked up by the rank sum (no ties)."""
    n = LADDER[look]
    part = series[:, :n]
    ranks = np.argsort(np.argsort(np.abs(part), axis=1), axis=1) + 1
    sums = (ranks * (part > 0)).sum(axis=1)
    edge = 0  # largest rank sum that is still rejected
    while signed_rank_p(signs_with_sum(n, edge + 1)) < alpha_at(look):
        edge += 1
    return np.minimum(sums, n * (n + 1) // 2 - sums) <= edge


def signs_with_sum(n, total):
    """Values of ranks 1 to n whose positive ranks sum to total."""
    values = -np.arange(1.0, n + 1)
    for rank in range(n, 0, -1):
        if rank <= total:
            values[rank - 1], total = rank, total - rank
    return values


NOISES = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "Cauchy": lambda rng, shape: rng.standard_cauchy(shape),
    "skewed": lambda rng, shape: np.log(rng.pareto(1.5, shape) + 1) - np.log(rng.pareto(1.5, shape) + 1),
    "stray launches": lambda rng, shape: rng.standard_normal(shape) * np.where(rng.random(shape) < 0.1, 30, 1),
}


@pytest.mark.parametrize("noise", NOISES)
def test_false_alarms_over_all_looks_stay_within_alpha(noise):
    runs = 8000
    series = NOISES[noise](np.random.default_rng(2), (runs, LADDER[-1]))
    alarms = np.any([rejections(series, look) for look in range(len(LADDER))], axis=0)
    assert alarms.mean() <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / runs)
    assert alarms.mean() > ALPHA / 4  # the alarm is wired up


def test_the_simulation_would_notice_a_ladder_that_spends_too_much():
    series = np.random.default_rng(3).standard_normal((8000, LADDER[-1]))
    p = [stats.wilcoxon(series[:2000, :n], axis=1, method="approx").pvalue for n in LADDER]
    assert np.any(np.array(p) < 0.05, axis=0).mean() > ALPHA + 3 * math.sqrt(ALPHA / 2000)


def test_smallest_detectable_is_found_with_its_power():
    sd, launches, alpha = 0.02, 24, alpha_at(3)
    effect = math.log1p(smallest_detectable(sd, launches, alpha))
    series = np.random.default_rng(4).normal(effect, sd, (4000, launches))
    assert rejections(series, 3).mean() == pytest.approx(0.8, abs=0.06)


def test_smallest_detectable_limits():
    assert smallest_detectable(0.01, 6, 0.02) == math.inf
    assert smallest_detectable(0.0, 12, 0.02) == 0.0
    assert smallest_detectable(0.01, 48, 0.02) < smallest_detectable(0.01, 12, 0.02)
    for arguments in ((-1.0, 10, 0.02), (math.nan, 10, 0.02), (0.1, 10, 0.02, 1.0), (0.1, 10, 1.5)):
        with pytest.raises(ValueError, match=r"sd_log|power|alpha"):
            smallest_detectable(*arguments)


# The verdict


def test_a_real_change_is_called_and_its_interval_holds_it():
    slower = compare(*noisy_pair(0, 15, change=0.05))
    assert slower.verdict is Verdict.slower
    assert slower.low < 1.05 < slower.high
    assert slower.p < ALPHA
    assert slower.more_launches == 0
    assert compare(*noisy_pair(0, 15, change=-0.08)).verdict is Verdict.faster


def test_five_percent_is_found_at_the_first_look_on_a_quiet_machine():
    found = [compare(*noisy_pair(seed, LADDER[0], 0.05), alpha=alpha_at(0)).verdict for seed in range(60)]
    assert found.count(Verdict.slower) >= 57


def test_one_percent_is_never_slower_and_often_the_same():
    verdicts = [compare(*noisy_pair(seed, 16, 0.01)).verdict for seed in range(60)]
    assert set(verdicts) <= {Verdict.same, Verdict.inconclusive}
    assert verdicts.count(Verdict.same) > 40


def test_exchanging_the_sides_exchanges_the_verdict():
    opposite = {Verdict.slower: Verdict.faster, Verdict.same: Verdict.same}
    for seed, change in itertools.product(range(5), (0.0, 0.06)):
        base, head = noisy_pair(seed, 16, change)
        there, back = compare(base, head), compare(head, base)
        assert back.verdict is opposite[there.verdict]
        assert back.ratio == pytest.approx(1 / there.ratio)
        assert (back.low, back.high) == pytest.approx((1 / there.high, 1 / there.low))


def test_noise_is_inconclusive_and_says_what_would_settle_it():
    answer = compare(*noisy_pair(1, 8, 0.04, noise=0.05))
    assert answer.verdict is Verdict.inconclusive
    assert answer.low <= 1 <= answer.high
    assert answer.smallest_detectable > 0.03
    assert answer.more_launches > 0
    assert f"about {answer.more_launches} more launch" in answer.reason


def test_the_forecast_settles_most_comparisons():
    settled = []
    for seed in range(40):
        first = compare(*noisy_pair(seed, 8, 0.06, noise=0.06))
        if first.verdict is Verdict.inconclusive and first.more_launches:
            again = compare(*noisy_pair(1000 + seed, 8 + first.more_launches, 0.06, noise=0.06))
            settled.append(again.verdict is not Verdict.inconclusive)
    assert len(settled) > 10
    assert np.mean(settled) > 0.5


def test_an_effect_on_the_bar_is_out_of_reach():
    base = np.full(60, 1.0)
    head = 1.0298 * np.exp(np.linspace(-0.05, 0.05, 60))
    answer = compare(base, head)
    assert answer.verdict is Verdict.inconclusive
    assert answer.more_launches is None
    assert "no affordable" in answer.reason


GOOD = [1.0, 1.1, 0.9, 1.05, 0.95, 1.02, 0.98, 1.01]


@pytest.mark.parametrize(
    ("base", "head", "verdict", "says"),
    [
        (None, GOOD, Verdict.not_comparable, "base was not measured"),
        (GOOD, None, Verdict.not_comparable, "head was not measured"),
        (None, None, Verdict.not_comparable, "not measured"),
        (GOOD, GOOD[:-1], Verdict.not_comparable, "in pairs"),
        (GOOD, [], Verdict.failed, "no finished launch"),
        ([], [], Verdict.failed, "no finished launch"),
        (GOOD, [*GOOD[:-1], math.nan], Verdict.failed, "not a positive number"),
        ([*GOOD[:-1], 0.0], GOOD, Verdict.failed, "base has a time"),
        (GOOD, [*GOOD[:-1], -1.0], Verdict.failed, "head has a time"),
        (GOOD, [*GOOD[:-1], math.inf], Verdict.failed, "head has a time"),
        (GOOD, [*GOOD[:-1], None], Verdict.failed, "head has a time"),
        (GOOD, "fast", Verdict.failed, "head has a time"),
        (GOOD, [[1.0, 2.0], [3.0, 4.0]], Verdict.failed, "head has a time"),
        (GOOD, GOOD, Verdict.inconclusive, "identical"),
        (GOOD, [1.02 * time for time in GOOD], Verdict.inconclusive, "identical"),
        (GOOD, [1.5 * time for time in GOOD], Verdict.slower, "+50.0% in each of 8 launches, without noise"),
        (GOOD, [time / 2 for time in GOOD], Verdict.faster, "-50.0% in each of 8 launches, without noise"),
        ([1.0] * 24, [2.0] * 24, Verdict.slower, "+100.0% in each of 24 launches, without noise"),
        ([1.0] * 24, [1.1 * (1 + 1e-14 * i) for i in range(24)], Verdict.slower, "+10.0% in each of 24 launches"),
        ([10**400] * 8, GOOD, Verdict.failed, "base has a time"),
        (np.array(GOOD) + 1j, GOOD, Verdict.failed, "base has a time"),
        (GOOD, np.array(GOOD) + 0j, Verdict.failed, "head has a time"),
        ([1.0], [9.0], Verdict.inconclusive, "too few launches to decide (1; at least 7 needed)"),
        (1.0, 9.0, Verdict.inconclusive, "too few launches to decide (1; at least 7 needed)"),
        ([1.0, 1.0], [9.0, 9.1], Verdict.inconclusive, "too few launches to decide (2; at least 7 needed)"),
        (GOOD[:6], [9.0] * 6, Verdict.inconclusive, "at least 7"),
    ],
)
def test_all_kinds_of_data_get_an_answer(base, head, verdict, says):
    answer = compare(base, head)
    assert answer.verdict is verdict
    assert says in answer.reason
    assert answer.p is None
    assert (answer.ratio is None) == (verdict in (Verdict.not_comparable, Verdict.failed))


def test_without_noise_any_difference_stands_if_none_is_too_small():
    assert compare([1.0] * 24, [1.001] * 24, delta=0).verdict is Verdict.slower
    assert compare([1.0] * 24, [1.0] * 24, delta=0).verdict is Verdict.inconclusive


def test_few_launches_give_the_range():
    answer = compare([1.0, 1.0, 1.0], [1.1, 1.4, 1.2])
    assert (answer.low, answer.high) == pytest.approx((1.1, 1.4))
    assert (answer.launches, answer.smallest_detectable) == (3, None)
    assert answer.more_launches >= 4
    assert compare([1.0], [1.1]).more_launches == 6


def test_ties_and_extremes_get_an_answer():
    ties = compare([1.0] * 10, [1.0, 1.0, 1.1, 1.1, 1.1, 1.0, 1.1, 1.1, 1.0, 1.1])
    assert ties.verdict is Verdict.inconclusive
    assert 0 < ties.p < 1
    tiny = compare([1e-308] * 8, 1e308 * np.linspace(0.5, 1, 8))
    assert tiny.verdict is Verdict.slower
    assert math.isfinite(tiny.ratio)
    mixed = compare([1e-308, 1e308] * 4, [1e308, 1e-308] * 4)
    assert mixed.verdict is Verdict.inconclusive


@quick
@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=12),
    st.lists(st.floats(min_value=1e-300, max_value=1e300), max_size=12),
)
def test_compare_never_raises(base, head):
    assert isinstance(compare(base, head).verdict, Verdict)
    positive = np.abs(np.nan_to_num(base, posinf=1.0, neginf=1.0)) + 1e-3
    answer = compare(positive[: len(head)], head[: len(positive)])
    assert len(answer.reason) > 10
    if answer.verdict in {Verdict.slower, Verdict.faster}:
        assert answer.launches >= minimum_launches(ALPHA)


@pytest.mark.parametrize("wrong", [{"delta": -0.1}, {"delta": math.nan}, {"alpha": 0}, {"confidence": 1.0}])
def test_mistakes_in_the_call_are_errors(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        compare(GOOD, GOOD, **wrong)


def test_a_higher_confidence_asks_for_more_launches_and_widens_the_interval():
    base, head = noisy_pair(7, 8, 0.05)
    assert "at least 9" in compare(base, head, confidence=0.995).reason
    base, head = noisy_pair(7, 14, 0.05)
    narrow, wide = compare(base, head, confidence=0.8), compare(base, head, confidence=0.99)
    assert wide.low < narrow.low < narrow.high < wide.high


# Intervals and ranks


def test_median_interval_takes_the_order_statistics_of_the_binomial():
    values = np.arange(1.0, 11.0)
    assert median_interval(values) == (5.5, 2.0, 9.0, True)  # 2 (1 + 10) / 1024 = 0.021
    assert median_interval(values[:6]) == (3.5, 1.0, 6.0, True)
    assert median_interval(values[:5]) == (3.0, 1.0, 5.0, False)
    assert median_interval([4.0]) == (4.0, 4.0, 4.0, False)
    with pytest.raises(ValueError, match="at least one"):
        median_interval([])


def test_median_interval_covers_a_skewed_median():
    rng = np.random.default_rng(6)
    found = [median_interval(rng.exponential(size=15)) for _ in range(600)]
    assert np.mean([f.low <= math.log(2) <= f.high for f in found]) >= 0.93


@pytest.mark.parametrize(
    ("lows", "highs", "ranks"),
    [
        ([0.9, 1.0, 1.9], [1.05, 1.2, 2.1], [1, 1, 3]),
        ([1.9, 0.9, 2.9], [2.1, 1.1, 3.1], [2, 1, 3]),
        ([0.9, 1.05, 1.15], [1.06, 1.16, 1.3], [1, 1, 2]),  # the third is certainly slower than the first alone
        ([0.9, 1.4, 1.0], [1.1, 1.6, 2.2], [1, 2, 1]),
        ([0.3, 1.2, 1.3], [2.7, 1.25, 1.35], [1, 1, 2]),  # who is restless hides no difference of others
        ([0.9, math.nan, 1.9], [1.1, math.nan, 2.1], [1, None, 2]),
        ([1.0, 1.0], [1.0, 1.0], [1, 1]),
        ([], [], []),
    ],
)
def test_shared_ranks(lows, highs, ranks):
    assert shared_ranks(lows, highs) == ranks


@quick
@given(st.lists(st.tuples(st.floats(0.1, 10), st.floats(0, 5)), max_size=8))
def test_who_shares_a_rank_overlaps_and_who_lies_above_ranks_behind(given):
    lows, highs = [low for low, _ in given], [low + width for low, width in given]
    ranks = shared_ranks(lows, highs)
    for i in range(len(given)):
        for j in range(len(given)):
            if highs[i] < lows[j]:
                assert ranks[i] < ranks[j]


def test_shared_ranks_refuse_columns_of_different_length():
    with pytest.raises(ValueError, match="one length"):
        shared_ranks([1.0, 2.0], [1.0])


# Warm-up


def blocks(levels, noise, seed):
    levels = np.asarray(levels, dtype=float)
    return levels * np.exp(noise * np.random.default_rng(seed).standard_normal(len(levels)))


@pytest.mark.parametrize(("n", "noise"), [(20, 0.01), (50, 0.03), (100, 0.1), (200, 0.02)])
def test_noise_around_a_constant_is_flat(n, noise):
    kinds = [warmup_class(blocks(np.ones(n), noise, seed)).kind for seed in range(200)]
    assert kinds.count(WarmupClass.flat) >= 190


STEPS = {
    "down": (np.repeat([1.5, 1.0], [10, 90]), WarmupClass.warming, 10),
    "two slow blocks": (np.repeat([3.0, 1.0], [2, 58]), WarmupClass.warming, 2),
    "twice down": (np.repeat([2.0, 1.3, 1.0], [8, 12, 40]), WarmupClass.warming, 20),
    "up late": (np.repeat([1.0, 1.2], [70, 30]), WarmupClass.slowing, 70),
    "down and a little up": (np.repeat([1.5, 1.0, 1.1], [10, 30, 40]), WarmupClass.slowing, 40),
    "alternating": (np.tile(np.repeat([1.0, 1.2], 12), 4), WarmupClass.unsteady, None),
    "up, down and up": (np.tile(np.repeat([1.0, 1.2], 20), 2), WarmupClass.unsteady, None),
    "a brief interlude": (np.repeat([1.0, 1.5, 1.0], [50, 4, 46]), WarmupClass.flat, 0),
    "up at the very end": (np.repeat([1.0, 1.3], [95, 5]), WarmupClass.unsteady, None),
}


@pytest.mark.parametrize("name", STEPS)
def test_steps_are_classified_and_found(name):
    levels, kind, steady = STEPS[name]
    found = [warmup_class(blocks(levels, 0.02, seed)) for seed in range(40)]
    assert sum(f.kind is kind for f in found) >= 38
    if steady is not None:
        assert np.median([f.steady_from for f in found if f.kind is kind]) == pytest.approx(steady, abs=1)
    else:
        assert {f.steady_from for f in found if f.kind is kind} == {None}


def test_outliers_alone_are_not_a_phase():
    kinds = []
    for seed in range(100):
        stray = np.random.default_rng(1000 + seed).random(100) < 0.04
        kinds.append(warmup_class(blocks(np.where(stray, 4.0, 1.0), 0.02, seed)).kind)
    assert kinds.count(WarmupClass.flat) >= 95


def test_a_change_below_the_tolerance_is_none():
    levels = np.repeat([1.0, 1.05], 50)
    assert warmup_class(blocks(levels, 0.001, 0)).kind is WarmupClass.slowing
    assert warmup_class(blocks(levels, 0.001, 0), tolerance=0.1).kind is WarmupClass.flat


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5, 50])
def test_short_and_equal_series_are_flat(n):
    assert warmup_class([0.02] * n) == (WarmupClass.flat, 0)


def test_five_hundred_blocks_and_broken_ones():
    assert warmup_class(blocks(np.repeat([2.0, 1.0], [100, 400]), 0.05, 0)).steady_from == pytest.approx(100, abs=1)
    for wrong in ([1.0, 0.0, 1.0], [1.0, math.nan]):
        with pytest.raises(ValueError, match="block times"):
            warmup_class(wrong)
    with pytest.raises(ValueError, match="tolerance"):
        warmup_class([1.0], tolerance=0.0)


# Break-even and overhead


@pytest.mark.parametrize(
    ("a", "b", "steps"),
    [
        ((1.0, 0.10), (21.0, 0.05), 400),
        ((1.0, 0.10), (21.01, 0.05), 401),
        ((0.0, 0.3), (0.3, 0.2), 3),  # 0.3 / 0.1 is not 3.0 in floating point
        ((5.0, 0.10), (1.0, 0.05), 0),
        ((1.0, 0.10), (1.0, 0.20), 0),
        ((1.0, 0.10), (2.0, 0.10), None),
        ((1.0, 0.05), (2.0, 0.10), None),
        ((1.0, math.nan), (2.0, 0.10), None),
        ((0.0, 5e-324), (1e300, 0.0), None),
    ],
)
def test_break_even(a, b, steps):
    assert break_even(*a, *b) == steps


def test_break_even_range_runs_from_best_to_worst():
    assert break_even_range(1.0, (0.09, 0.11), 21.0, (0.05, 0.06)) == (334, 667)
    assert break_even_range(1.0, (0.09, 0.11), 21.0, (0.05, 0.10)) == (334, None)
    assert break_even_range(1.0, (0.01, 0.02), 21.0, (0.05, 0.10)) == (None, None)


def test_overhead_of_exact_data_is_exact():
    work = np.array([1e3, 1e6, 1e9, 1e10])
    fit = fit_overhead(work, 2e-5 + 3e-11 * work)
    assert (fit.overhead_s, fit.seconds_per_unit) == pytest.approx((2e-5, 3e-11))
    assert fit.crossover_work == pytest.approx(2e-5 / 3e-11)
    assert fit.relative_residual < 1e-9


def test_overhead_intervals_cover_the_truth():
    rng, work, inside = np.random.default_rng(9), np.logspace(3, 9, 8), []
    for _ in range(300):
        fit = fit_overhead(work, (2e-5 + 3e-11 * work) * np.exp(0.05 * rng.standard_normal(8)))
        inside.append(fit.overhead_low <= 2e-5 <= fit.overhead_high)
        inside.append(fit.seconds_per_unit_low <= 3e-11 <= fit.seconds_per_unit_high)
    assert 0.9 <= np.mean(inside) <= 0.99


def test_points_that_do_not_tell_overhead_and_work_apart_have_endless_intervals():
    """Two of them cost nothing beside the third, in time as in work."""
    fit = fit_overhead([0, 0, 5], [1e-9, 1e-9, 1e300])
    assert (fit.overhead_low, fit.overhead_high) == (0.0, math.inf)


def test_overhead_is_never_negative():
    steep = fit_overhead([1.0, 2.0, 3.0], [0.5, 2.0, 3.5])
    assert (steep.overhead_s, steep.overhead_low, steep.crossover_work) == (0.0, 0.0, 0.0)
    falling = fit_overhead([1.0, 2.0, 3.0], [3.0, 2.0, 1.0])
    assert (falling.seconds_per_unit, falling.crossover_work) == (0.0, math.inf)
    weighted = np.array([3.0, 2.0, 1.0])
    assert falling.overhead_s == pytest.approx((1 / weighted).sum() / (1 / weighted**2).sum())


@pytest.mark.parametrize(
    ("work", "seconds", "says"),
    [
        ([1.0, 2.0], [1.0, 2.0], "three or more"),
        ([1.0, 2.0, 3.0], [1.0, 2.0], "three or more"),
        ([1.0, 1.0, 1.0], [1.0, 2.0, 3.0], "two different"),
        ([-1.0, 1.0, 2.0], [1.0, 2.0, 3.0], "work >= 0"),
        ([1.0, 2.0, 3.0], [1.0, 0.0, 3.0], "seconds must be positive"),
    ],
)
def test_overhead_refuses_with_a_clear_line(work, seconds, says):
    with pytest.raises(ValueError, match=says):
        fit_overhead(work, seconds)


# The rules of other tools

RULES = [pyperf_rule, pytest_benchmark_rule, asv_rule]


def launches_of(seed, change=0.0, between=0.0, launches=6, samples=10):
    """Launches whose means differ by more than the samples within them."""
    rng = np.random.default_rng(seed)
    levels = np.exp(between * rng.standard_normal((launches, 1)))
    return list((1 + change) * levels * np.exp(0.02 * rng.standard_normal((launches, samples))))


@pytest.mark.parametrize("rule", RULES)
def test_rules_of_other_tools_see_a_large_change_and_not_none(rule):
    assert rule(launches_of(0), launches_of(1, 0.3)) == "slower"
    assert rule(launches_of(0, 0.3), launches_of(1)) == "faster"
    assert rule(launches_of(0), launches_of(0)) == "same"


@pytest.mark.parametrize("rule", RULES)
def test_rules_of_other_tools_answer_on_tiny_and_constant_data(rule):
    assert rule([[1.0]], [[1.0]]) == "same"
    assert rule([[1.0, 1.0]], [[2.0, 2.0]]) == "slower"
    assert rule([[1.0], [1.0, 1.0]], [[1.0]]) == "same"


def test_rules_of_other_tools_as_documented():
    rng = np.random.default_rng(12)
    base, head = rng.normal(1, 0.1, 30), rng.normal(1.06, 0.1, 30)
    p = stats.ttest_ind(base, head).pvalue
    assert (pyperf_rule([base], [head]) == "slower") == (p < 0.05)
    assert pytest_benchmark_rule([[1.0]], [[1.049]]) == "same"
    assert pytest_benchmark_rule([[1.0]], [[1.051]]) == "slower"
    assert pytest_benchmark_rule([[1.0, 1.0]], [[1.0, 1.08]]) == "same"  # the mean, not the worst
    assert asv_rule([np.linspace(1, 1.01, 9)], [np.linspace(1.05, 1.06, 9)]) == "same"  # below the factor
    assert asv_rule([[1.0, 2.0]], [[1.9, 3.0]]) == "same"  # ranges overlap
    assert asv_rule([[1.0]], [[1.2]]) == "slower"  # one sample: the factor alone


def test_pooling_samples_of_noisy_launches_makes_a_test_lie_and_ours_not():
    pairs = [(launches_of(2 * s, between=0.1), launches_of(2 * s + 1, between=0.1)) for s in range(150)]
    pooled = np.mean([pyperf_rule(base, head) != "same" for base, head in pairs])
    ours = [compare(np.median(b, axis=1), np.median(h, axis=1), alpha=0.05).verdict for b, h in pairs]
    assert pooled > 0.3
    assert np.mean([verdict in {"slower", "faster"} for verdict in ours]) <= 0.05 + 3 * 0.018


def test_importing_the_module_does_not_import_scipy():
    code = "import sys, workbench.statistics; sys.exit(any(m.split('.')[0] == 'scipy' for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_change_that_may_be_a_third_of_delta_is_not_called_slower():
    """Significant, and estimated beyond delta, but from launches that scatter: a true 1 % looks like that."""
    base = np.ones(8)
    head = np.exp([0.005, 0.01, 0.02, 0.03, 0.035, 0.04, 0.06, 0.09])
    found = compare(base, head)
    assert found.p < ALPHA
    assert found.ratio > 1.03
    assert found.low < 1.01
    assert found.verdict is Verdict.inconclusive
    assert compare(head, base).verdict is Verdict.inconclusive
    assert compare(base, 1.02 * head).verdict is Verdict.slower


@pytest.mark.parametrize("contestants", [2, 3, 8])
def test_what_a_round_did_is_taken_out_without_shrinking_a_ratio(contestants):
    """5 % under blocks that scatter by 10 % and rounds by 30 %: a round's median over three would make 3 % of it."""
    random = np.random.default_rng(5)
    found = []
    for _ in range(2000):
        logs = 0.1 * random.standard_normal((5, contestants)) + 0.3 * random.standard_normal((5, 1))
        logs[:, -1] += math.log(1.05)
        times = without_rounds(np.exp(logs))
        found.append(times[-1] / times[0])
    assert np.exp(np.log(found).mean()) == pytest.approx(1.05, abs=0.006)


def test_of_two_contestants_the_ratio_is_the_median_of_the_ratios_round_by_round():
    blocks = np.array([[1.0, 1.1], [3.0, 3.6], [2.0, 2.1], [50.0, 56.0], [1.5, 9.0]])
    times = without_rounds(blocks)
    assert times[1] / times[0] == pytest.approx(np.median(blocks[:, 1] / blocks[:, 0]))


def test_a_disturbed_block_of_one_contestant_hardly_moves_the_others_ratio():
    """A fifth of all blocks are disturbed, one contestant at a time; a round's mean would pass it on to the others."""
    random = np.random.default_rng(3)
    blocks = np.exp(0.01 * random.standard_normal((2000, 5, 3)) + 0.3 * (random.random((2000, 5, 3)) < 0.2))
    found = np.array([without_rounds(launch) for launch in blocks])
    logs = np.log(blocks)
    by_mean = np.median(logs - logs.mean(axis=2, keepdims=True), axis=1)
    scatter, of_mean = (np.median(np.abs(times[:, 1] - times[:, 0])) for times in (np.log(found), by_mean))
    assert scatter < 0.85 * of_mean


def test_the_error_of_a_ratio_is_what_the_ratio_of_a_launch_scatters_by():
    random = np.random.default_rng(8)
    blocks = np.exp(0.05 * random.standard_normal((1000, 15, 2)) + 0.3 * random.standard_normal((1000, 15, 1)))
    ratios = [np.log(np.divide(*without_rounds(launch))) for launch in blocks]
    assert np.mean([ratio_errors(launch)[0, 1] for launch in blocks]) == pytest.approx(np.std(ratios), rel=0.1)


def test_the_error_of_a_ratio_does_not_look_at_the_ratio():
    """Or rounds that go on until it is small would choose among ratios."""
    blocks = np.exp(0.1 * np.random.default_rng(8).standard_normal((9, 3)))
    slower = blocks * [1.0, 1.3, 1.0]
    assert ratio_errors(slower) == pytest.approx(ratio_errors(blocks))
    assert ratio_errors(1 / blocks) == pytest.approx(ratio_errors(blocks))
    assert ratio_errors(blocks[:, ::-1]) == pytest.approx(ratio_errors(blocks)[::-1, ::-1])


def test_each_two_contestants_have_an_error_of_their_own_and_one_round_says_nothing():
    blocks = np.exp(np.random.default_rng(8).standard_normal((9, 3)) * [0.01, 0.01, 0.2])
    errors = ratio_errors(blocks)
    assert errors[2, :2].min() > 3 * errors[0, 1]
    assert (errors == errors.T).all()
    assert (np.diag(errors) == 0).all()
    assert ratio_errors(blocks[:, :1]).max() == 0
    assert ratio_errors(blocks[:1])[0, 1] == math.inf
    with pytest.raises(ValueError, match="rounds, contestants"):
        ratio_errors([1.0, 2.0])
