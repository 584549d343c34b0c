"""How a worker sizes its blocks: on a clock of our own."""

import pytest

from workbench.wire import worker
from workbench.wire.exchange import Job


class Clocked(worker.Worker):
    """A worker whose calls take as long as they are told to."""

    def __init__(self, call_s, step_s, *, per_call):
        super().__init__(Job.__new__(Job))
        self.call_s, self.step_s, self.per_call = call_s, step_s, per_call

    def _run(self, steps):
        return self.call_s + steps * self.step_s if self.per_call else steps * (self.call_s + self.step_s)

    def sized(self, task_steps=1000, waiting=1e-6):
        """Steps of a block, and the seconds that it lasts."""
        steps = self._block_steps(waiting, task_steps)
        return steps, self._run(steps)


@pytest.mark.parametrize("step_s", [1e-6, 13e-6, 19e-6, 1.1e-3, 6.5e-3, 0.0199, 0.0201, 0.3, 2.0])
def test_a_block_lasts_20_ms_or_one_step_and_not_much_longer(step_s):
    steps, seconds = Clocked(0.0, step_s, per_call=False).sized()
    assert seconds >= worker.BLOCK_S
    assert seconds <= worker.MARGIN * worker.BLOCK_S + step_s or steps == 1


def test_a_block_is_a_thousand_times_as_long_as_the_wait():
    _, seconds = Clocked(0.0, 1e-5, per_call=False).sized(waiting=1e-4)
    assert 0.1 <= seconds <= 0.13


@pytest.mark.parametrize("call_s", [0.0, 0.002, 0.03])
@pytest.mark.parametrize("step_s", [1e-5, 1e-4, 1e-3])
def test_what_a_call_costs_is_not_taken_for_what_a_step_costs(call_s, step_s):
    """Sized by its first call of 30 ms, a style of 0.1 ms a step read as 2 ms a step."""
    steps, seconds = Clocked(call_s, step_s, per_call=True).sized(task_steps=1000)
    assert steps >= 1000 or seconds >= worker.LONGEST_BLOCK_S / 2
    assert seconds <= 2 * worker.LONGEST_BLOCK_S
    of_the_task = (call_s + 1000 * step_s) / 1000
    assert seconds / steps == pytest.approx(of_the_task, rel=0.12)


def test_a_call_has_no_more_steps_than_the_task():
    steps, _ = Clocked(0.03, 1e-7, per_call=True).sized(task_steps=7)
    assert steps == 7
