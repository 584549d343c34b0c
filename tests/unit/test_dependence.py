"""Launches that depend on those before them are noticed, whatever the noise, and make a gate inconclusive."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.comparison.judge import DEPENDENT, Finding, Judgement, Times, judge_times
from workbench.statistics.dependence import FEWEST, order_p

NOISE = {
    "normal": lambda rng, shape: 0.01 * rng.standard_normal(shape),
    "cauchy": lambda rng, shape: 0.01 * rng.standard_cauchy(shape),
    "two speeds": lambda rng, shape: 0.1 * (rng.random(shape) < 0.3),
}


@pytest.mark.parametrize("kind", NOISE)
@pytest.mark.parametrize("launches", [8, 24])
def test_independent_launches_seem_dependent_as_seldom_as_is_said(kind, launches):
    rng = np.random.default_rng(launches)
    found = [order_p(NOISE[kind](rng, (3, launches))) for _ in range(1000)]
    assert np.mean(np.array(found) < 0.05) <= 0.07
    assert np.mean(np.array(found) < DEPENDENT) <= 0.02


def test_a_drift_that_all_sides_share_is_no_dependence():
    rng = np.random.default_rng(0)
    for _ in range(20):
        alone = 0.01 * rng.standard_normal((3, 12))
        together = alone + np.linspace(0, 0.5, 12)
        assert order_p(together) == pytest.approx(order_p(alone), abs=0.01)


@pytest.mark.parametrize("side", [0, 1, 2])
def test_a_drift_of_any_one_side_is_noticed(side):
    rng = np.random.default_rng(side)
    logs = 0.01 * rng.standard_normal((3, 16))
    logs[side] += np.linspace(0, 0.1, 16)
    assert order_p(logs) < DEPENDENT


def test_the_answer_is_the_same_every_time():
    logs = 0.01 * np.random.default_rng(1).standard_normal((3, 12))
    assert order_p(logs) == order_p(logs)


def test_launches_that_alternate_are_no_course():
    logs = np.array([[0.0] * 12, [0.0, 0.1] * 6, [0.1, 0.0] * 6])
    assert order_p(logs) > 0.5


def test_ratios_that_differ_by_rounding_alone_have_no_course():
    for seed in range(50):
        base = np.exp(np.random.default_rng(seed).standard_normal(12))
        assert order_p(np.log([base, 1.1 * base, 1.3 * base])) == 1


@pytest.mark.parametrize("logs", [np.zeros((3, 12)), np.arange(3 * (FEWEST - 1)).reshape(3, FEWEST - 1) ** 2.0])
def test_nothing_and_too_little_say_nothing(logs):
    assert order_p(logs) == 1


def judged(base, null, head) -> Judgement:
    row = Judgement("task", "frontend", Finding.NEW, "")
    return judge_times(row, Times(list(base), list(null), list(head)), Times(), delta=0.03, comparisons=1)


def test_a_gate_of_dependent_launches_is_inconclusive_and_says_why():
    """Head's machine slowly becomes slower; without a look at the order, it would be *faster* or *slower*."""
    rng = np.random.default_rng(2)
    base, null, head = np.exp(0.002 * rng.standard_normal((3, 24)))
    assert judged(base, null, 0.9 * head).finding is Finding.FASTER
    found = judged(base, null, 0.9 * head * np.linspace(0.9, 1.05, 24))
    assert found.finding is Finding.INCONCLUSIVE
    assert found.reason.startswith("launches resemble those before them (p = ")


@pytest.mark.parametrize("broken", [0.0, -1.0, np.nan, np.inf])
def test_times_that_are_none_have_no_course(broken):
    times = Times([1.0] * 8, [1.0] * 8, [*range(1, 8), broken])
    assert times.order_p() == 1
