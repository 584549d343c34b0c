"""When a session has launched enough, and how long it will still take."""

import math

import pytest

from workbench.session.forecast import Forecast
from workbench.session.stopping import MOST_LAUNCHES, another_launch, half_width, half_widths
from workbench.testing import launch

NOISY = [1.0, 1.5, 0.7, 1.2, 0.9, 1.4, 0.8, 1.1]
STEADY = [1.0, 1.001, 0.999, 1.0, 1.002, 0.998, 1.0, 1.001]


def decide(**changes):
    asked = {"done": 1, "launches": None, "budget_s": None, "precision": None, "elapsed_s": 10.0, "last_launch_s": 10.0}
    return another_launch(**{**asked, "half_widths": [0.001], **changes})


def test_there_is_always_a_first_launch():
    assert decide(done=0, budget_s=0.001, elapsed_s=99.0)


def test_the_default_is_two():
    assert decide(done=1)
    assert not decide(done=2)


def test_an_exact_number_wins():
    assert decide(done=4, launches=5, budget_s=0.001)
    assert not decide(done=5, launches=5, precision=1e-9)


def test_a_budget_is_kept_and_used():
    assert decide(done=3, budget_s=60, elapsed_s=45, last_launch_s=10)
    assert not decide(done=3, budget_s=60, elapsed_s=55, last_launch_s=10)


def test_precision_goes_on_until_it_is_reached():
    assert decide(done=8, precision=0.02, half_widths=[0.001, 0.3])
    assert not decide(done=8, precision=0.02, half_widths=[0.001, 0.02])
    assert decide(done=3, precision=0.02, half_widths=[math.inf])
    assert not decide(done=MOST_LAUNCHES, precision=0.02, half_widths=[0.3])
    assert not decide(done=2, precision=0.02, half_widths=[]), "nobody is left"


def times(seconds, blocks=3):
    """A contestant's launches, a time for each."""
    return [launch(number, [each] * blocks) for number, each in enumerate(seconds)]


def test_one_alone_is_known_as_well_as_its_own_times():
    assert half_widths([times(STEADY)], frozenset()) == [pytest.approx(0.002, rel=0.01)]
    assert half_widths([times(NOISY)], frozenset())[0] > 0.3


def test_several_are_known_as_well_as_they_compare():
    """A machine whose speed changes from launch to launch changes no ratio."""
    doubled = [2 * seconds for seconds in NOISY]
    assert half_widths([times(NOISY), times(doubled)], frozenset()) == pytest.approx([0, 0], abs=1e-9)
    apart = half_widths([times(NOISY), times(STEADY)], frozenset())
    assert apart[0] == pytest.approx(apart[1])
    assert apart[0] > 0.1


@pytest.mark.parametrize("several", [1, 2])
def test_five_launches_have_no_interval(several):
    assert half_widths([times(STEADY[:5])] * several, frozenset()) == [math.inf] * several


def test_too_few_launches_have_no_width():
    assert half_width([1.0, 1.0]) == math.inf


def test_a_forecast_counts_what_is_left():
    forecast = Forecast(["a", "b"], launches=2, rounds=10, previous={"a": 4.0, "b": 2.0})
    start = forecast.seconds_left()
    forecast.ready("a", 4.0)
    assert forecast.seconds_left() < start
    forecast.ready("b", 2.0)
    forecast.round_done(0.5, left=0)
    forecast.begin_launch(1, ["a", "b"])
    later = forecast.seconds_left()
    assert later < start
    for name in ("a", "b"):
        forecast.ready(name)
    forecast.round_done(0.5, left=0)
    assert forecast.seconds_left() == 0
