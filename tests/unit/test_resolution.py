"""What a run can resolve: one interval for each contestant, by which it is shown, ranked, and told from others."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from workbench.statistics import shared_ranks, without_rounds
from workbench.statistics.resolution import arms, half_widths, smallest_difference


def measured(rng, launches, rounds, scatter, *, ratios=None, luck=0.0, shared=0.2):
    """Blocks of contestants, (rounds, contestants) for each launch: slow rounds for all, luck of launches, scatter."""
    count = len(scatter)
    levels = np.log(np.ones(count) if ratios is None else ratios)
    found = []
    for _ in range(launches):
        own = levels + luck * rng.standard_normal(count)
        slow = shared * rng.standard_normal((rounds, 1))
        found.append(np.exp(own + slow + np.asarray(scatter) * rng.standard_normal((rounds, count))))
    return found


def ranked(blocks):
    """Ranks, as a table has them."""
    times = without_rounds([without_rounds(part) for part in blocks])
    found = arms(half_widths(blocks))
    return shared_ranks(times * np.exp(-found), times * np.exp(found))


@pytest.mark.parametrize("launches", [1, 2, 5, 6, 24])
def test_intervals_that_do_not_overlap_are_intervals_of_a_ratio_that_exclude_one(launches):
    rng = np.random.default_rng(launches)
    for _ in range(20):
        scatter = rng.choice([0.002, 0.01, 0.1], size=5)
        widths = half_widths(measured(rng, launches, 12, scatter, luck=0.01))
        found = arms(widths)
        for i, j in itertools.combinations(range(5), 2):
            assert found[i] + found[j] >= widths[i, j] - 1e-9
        assert (found >= 0).all()


def test_one_restless_contestant_has_the_long_arm_and_the_others_keep_short_ones():
    found = arms(half_widths(measured(np.random.default_rng(1), 4, 30, [0.005, 0.005, 0.2])))
    assert found[2] > 5 * max(found[:2])
    assert max(found[:2]) < 0.01


def test_what_slows_all_alike_widens_nothing():
    """Rounds in which the machine is half as fast: times scatter by half, and ratios do not."""
    quiet, loud = (
        arms(half_widths(measured(np.random.default_rng(2), 8, 20, [0.01] * 4, shared=shared))) for shared in (0, 0.5)
    )
    assert loud == pytest.approx(quiet, rel=1e-6)


@pytest.mark.parametrize(("launches", "luck"), [(1, 0.0), (2, 0.005), (6, 0.01), (8, 0.01), (16, 0.02)])
def test_identical_contestants_are_seldom_told_apart(launches, luck):
    rng = np.random.default_rng(3)
    tables = [ranked(measured(rng, launches, 12, [0.03] * 4, luck=luck)) for _ in range(300)]
    assert sum(set(table) != {1} for table in tables) <= 15


@pytest.mark.parametrize("launches", [2, 8])
def test_five_percent_between_quiet_contestants_are_told_apart(launches):
    rng = np.random.default_rng(4)
    blocks = [measured(rng, launches, 16, [0.01] * 3, ratios=[1.05, 1.0, 1.1], luck=0.003) for _ in range(50)]
    assert [ranked(each) for each in blocks].count([2, 1, 3]) >= 48


def test_a_factor_of_two_without_any_noise_is_no_tie():
    blocks = [[[1.0, 2.0]] * 3] * 8
    assert arms(half_widths(blocks)) == pytest.approx([0, 0])
    assert ranked(blocks) == [1, 2]


def test_two_that_never_differ_tie():
    assert ranked([[[1.0, 1.0]] * 3] * 8) == [1, 1]


def test_absurd_times_have_an_answer():
    blocks = [[[1e-300, 1e300]] * 3, [[2e-300, 1e300]] * 3]
    assert np.isfinite(arms(half_widths(blocks))).all()
    assert ranked(blocks) == [1, 2]


def test_of_two_each_has_half_and_a_single_one_has_nothing_to_be_compared_with():
    assert arms(np.array([[0.0, 0.06], [0.06, 0.0]])) == pytest.approx([0.03, 0.03])
    assert arms(np.zeros((1, 1))) == pytest.approx([0.0])


def test_absurd_arms_have_a_smallest_difference():
    assert smallest_difference([700.0, 700.0]) > 1e300


def test_the_smallest_difference_is_that_of_the_two_that_are_known_best():
    assert smallest_difference([0.5, 0.01, 0.02]) == pytest.approx(math.expm1(0.03))
    with pytest.raises(ValueError, match="two contestants"):
        smallest_difference([0.1])
