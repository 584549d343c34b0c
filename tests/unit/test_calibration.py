"""How a training is traced and how its blocks are sized and looked into: on a clock of our own."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from workbench.session import calibration


@dataclass
class Clocked:
    """A training whose calls take as long as they are told to, and that refuses what a worker would refuse."""

    call_s: float = 0.0
    step_s: float = 1e-5
    per_call: bool = False
    unit: int = 1
    slow: tuple[int, ...] = ()  # which runs take ten times as long, as if preempted
    runs: list[int] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)
    most_waiting: int = 0
    step: int = 0

    def cost(self, steps: int) -> float:
        return self.call_s + steps * self.step_s if self.per_call else steps * (self.call_s + self.step_s)

    def run(self, steps, warm=0, keep=()):
        assert steps > 0
        assert steps % self.unit == 0, f"{steps} steps are no multiple of {self.unit}"
        self.waiting += [self.step + position for position in keep]
        self.most_waiting = max(self.most_waiting, len(self.waiting))
        self.step += warm + steps
        self.runs.append(steps)
        return self.cost(steps) * (10 if len(self.runs) in self.slow else 1)

    def losses(self, count):
        """Each loss is the number of its step, so that none can be lost, doubled or swapped unnoticed."""
        found, self.waiting = self.waiting, []
        assert len(found) == count
        return np.array(found, dtype=float), [2e-6] * count

    def scalars(self, count):
        return [1e-3, *[3e-6] * (count - 1)]

    def wait(self):
        self.runs.append(0)
        return 1e-6 * (10 - len(self.runs))


@pytest.fixture(autouse=True)
def no_deadline(monkeypatch):
    """A trace ends where its numbers say so, however long this machine pauses."""
    monkeypatch.setattr(calibration, "TRACE_S", 60.0)


def sized(training: Clocked, task_steps: int = 1000, waiting: float = 1e-6) -> tuple[int, float]:
    """Steps of a block, and the seconds that it lasts."""
    steps = calibration.block_steps(training, waiting, task_steps)
    return steps, training.cost(steps)


@pytest.mark.parametrize("step_s", [1e-6, 13e-6, 19e-6, 1.1e-3, 6.5e-3, 0.0199, 0.0201, 0.3, 2.0])
def test_a_block_lasts_20_ms_or_one_step_and_not_much_longer(step_s):
    steps, seconds = sized(Clocked(step_s=step_s))
    assert seconds >= calibration.BLOCK_S
    assert seconds <= calibration.MARGIN * calibration.BLOCK_S + step_s or steps == 1


def test_a_block_is_a_thousand_times_as_long_as_the_wait():
    _, seconds = sized(Clocked(step_s=1e-5), waiting=1e-4)
    assert 0.1 <= seconds <= 0.13


def test_a_wait_of_any_length_makes_no_block_longer_than_half_a_second():
    _, seconds = sized(Clocked(step_s=1e-4), waiting=1.0)
    assert calibration.LONGEST_BLOCK_S <= seconds <= calibration.MARGIN * calibration.LONGEST_BLOCK_S * 1.01


@pytest.mark.parametrize("run", range(1, 8))
def test_one_preempted_run_does_not_make_the_blocks_too_short(run):
    _, seconds = sized(Clocked(step_s=1e-4, slow=(run,)))
    assert seconds >= calibration.BLOCK_S


@pytest.mark.parametrize("call_s", [0.0, 0.002, 0.03])
@pytest.mark.parametrize("step_s", [1e-5, 1e-4, 1e-3])
def test_what_a_call_costs_is_not_taken_for_what_a_step_costs(call_s, step_s):
    """Sized by its first call of 30 ms, a style of 0.1 ms a step read as 2 ms a step."""
    steps, seconds = sized(Clocked(call_s, step_s, per_call=True), task_steps=1000)
    assert steps >= 1000 or seconds >= calibration.LONGEST_BLOCK_S / 2
    assert seconds <= 2 * calibration.LONGEST_BLOCK_S
    of_the_task = (call_s + 1000 * step_s) / 1000
    assert seconds / steps == pytest.approx(of_the_task, rel=0.12)


def test_a_call_has_no_more_steps_than_the_task():
    assert sized(Clocked(0.03, 1e-7, per_call=True), task_steps=7)[0] == 7


@pytest.mark.parametrize("per_call", [False, True])
@pytest.mark.parametrize("unit", [1, 2, 3, 50, 64])
@pytest.mark.parametrize("step_s", [1e-6, 1e-4, 3e-3, 0.7])
def test_a_block_is_whole_units(unit, step_s, per_call):
    """Those of a period whose steps differ in work, or of calls that always run as many steps."""
    steps, seconds = sized(Clocked(1e-4 if per_call else 0.0, step_s, per_call, unit), task_steps=130)
    assert steps % unit == 0
    assert seconds >= calibration.BLOCK_S or (per_call and steps >= 130)


@pytest.mark.parametrize("unit", [1, 30])
def test_a_block_has_no_more_steps_than_the_reference_can_repeat(unit):
    """But never less than a quarter of its proper length: below that, what surrounds it would count for too much."""
    proper, _ = sized(Clocked(step_s=1e-5, unit=unit))
    affordable = [calibration.block_steps(Clocked(step_s=1e-5, unit=unit), 1e-6, 1000, most) for most in (900, 10)]
    assert affordable == [900, pytest.approx(proper / 4, abs=unit)]
    assert affordable[1] % unit == 0


def test_a_step_that_takes_no_time_ends_the_search():
    assert sized(Clocked(step_s=1e-300))[0] >= calibration.MOST_STEPS


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 10, 100, 100_000])
def test_losses_are_looked_at_at_both_ends_and_in_between_in_the_order_of_the_steps(steps):
    for seed in range(50):
        found = calibration.positions(steps, np.random.default_rng(seed))
        assert found == sorted(set(found))
        assert set(found) >= {0, min(1, steps - 1), max(steps - 2, 0), steps - 1}
        assert found[-1] < steps
        assert all(type(position) is int for position in found)  # they cross the border as JSON
        assert len(found) <= 2 * calibration.KEPT_AT_ENDS + calibration.KEPT_AT_RANDOM


def test_nobody_can_guess_which_steps_in_between_are_looked_at():
    """Every step is looked at as often as any other, and another block at others."""
    steps, draws = 40, 4000
    found = [calibration.positions(steps, np.random.default_rng(seed)) for seed in range(draws)]
    assert len(set(map(tuple, found))) > 0.99 * draws
    counts = np.bincount(np.concatenate(found), minlength=steps)[2:-2]
    expected = draws * (1 - (1 - 1 / steps) ** calibration.KEPT_AT_RANDOM)
    assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)


@pytest.mark.parametrize("unit", [1, 7])
@pytest.mark.parametrize("most", [0, 1, 9, 100, 1000])
def test_a_trace_hands_over_the_losses_of_all_its_steps_in_order(unit, most):
    training = Clocked(step_s=1e-4, unit=unit, step=unit)
    pieces, losses = calibration.trace(training, most)
    assert losses.tolist() == list(range(unit, training.step))
    assert training.step - unit == most // unit * unit or len(pieces) == calibration.TRACE_PIECES
    assert training.waiting == []
    assert training.most_waiting < calibration.MOST_WAITING + max(unit, 16)
    assert all(seconds == pytest.approx(1e-4) for seconds in pieces)


def test_a_trace_without_a_limit_keeps_no_losses():
    training = Clocked(step_s=1e-5)
    pieces, losses = calibration.trace(training)
    assert (losses.size, training.most_waiting) == (0, 0)
    assert 0 < len(pieces) <= calibration.TRACE_PIECES


def test_the_pieces_of_a_trace_last_about_a_millisecond():
    training = Clocked(step_s=1e-5)
    calibration.trace(training)
    assert training.runs[:7] == [1, 2, 4, 8, 16, 32, 64]
    assert set(training.runs[7:]) == {64}


@pytest.mark.parametrize("training", [Clocked(per_call=True, unit=5), Clocked(step_s=2e-3)])
def test_the_pieces_of_a_trace_are_one_call_or_one_step_where_that_is_long_enough(training):
    calibration.trace(training)
    assert set(training.runs) == {training.unit}


def test_what_waiting_costs_is_the_quickest_of_some():
    assert calibration.wait_cost(Clocked()) == pytest.approx(1e-6 * (10 - calibration.WAITS))


def test_what_a_scalar_costs_is_the_median_of_some():
    assert calibration.scalar_cost(Clocked()) == 3e-6


@pytest.mark.parametrize("unit", [1, 5, 100])
def test_what_a_loss_costs_is_measured_on_whole_units(unit):
    training = Clocked(unit=unit)
    assert calibration.fetch_cost(training) == pytest.approx(2e-6)
    assert set(training.runs) == {-(-calibration.FETCHED // unit) * unit}
