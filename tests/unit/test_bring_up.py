"""Bringing a worker up: a training in phases is timed in its last one, in every launch."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from workbench.session import bring_up, calibration
from workbench.session.bring_up import BringUp


class Counting:
    """A training that only counts its steps."""

    def __init__(self, unit: int) -> None:
        self.step, self.unit = unit, unit

    def run(self, steps: int, keep=()) -> float:
        self.step += steps
        return 1e-3 * steps

    def curve(self, steps: int) -> np.ndarray:
        self.run(steps)
        return np.zeros(steps)

    def losses(self, count: int):
        return np.zeros(count), [0.0] * count

    def state(self) -> dict:
        return {}

    def whole(self, steps: int) -> int:
        return max(steps // self.unit, 1) * self.unit


@pytest.fixture
def first_steps(monkeypatch):
    """Runs the first steps of a launch, none of which takes long; the training and its trace."""
    monkeypatch.setattr(BringUp, "_check", lambda *_: None)
    monkeypatch.setattr(BringUp, "_beginning", lambda *_: [])
    monkeypatch.setattr(BringUp, "_curve", lambda *_: [])

    def traced(training, most=None):
        steps = min(5, 5 if most is None else most) // training.unit * training.unit
        training.run(steps)
        return [1e-3 if most is None else 1.0] * bool(steps), np.zeros(steps)

    monkeypatch.setattr(calibration, "trace", traced)

    def run(last_phase: int, *, whole: bool, unit: int = 1):
        problem = SimpleNamespace(steps=40, last_phase=last_phase)
        context = SimpleNamespace(reference=SimpleNamespace(problem=problem))
        training = Counting(unit)
        trace = bring_up.BringUp(context, {})._first_steps(SimpleNamespace(), training, whole=whole)
        return training, trace

    return run


@pytest.mark.parametrize("unit", [1, 4])
@pytest.mark.parametrize("whole", [True, False])
def test_the_phases_before_the_last_are_over_when_blocks_begin(first_steps, whole, unit):
    training, trace = first_steps(30, whole=whole, unit=unit)
    assert training.step >= 30
    assert training.step % unit == 0
    assert trace == [1e-3], "traced is the phase that is timed"


def test_a_training_of_one_phase_goes_no_further_than_it_must(first_steps):
    training, trace = first_steps(0, whole=False)
    assert training.step < 30
    assert 1.0 in trace
