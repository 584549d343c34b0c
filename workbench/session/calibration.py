"""How a training is traced and how its blocks are sized: measuring policy, over the primitives of the protocol."""

from __future__ import annotations

import math
import statistics
import time
from typing import TYPE_CHECKING

import numpy as np

from workbench.session.training import Training

if TYPE_CHECKING:
    from workbench.contract import Array

BLOCK_S = 0.02
WAITS_PER_BLOCK = 1000
LONGEST_BLOCK_S = 0.5
CALIBRATIONS = 5  # the quickest counts: other load on the machine can only make a run longer
MARGIN = 1.25  # in case all of them were slow
TRACE_S = 0.3
TRACE_PIECES = 200
TRACE_PIECE_S = 0.001
WAITS = 5
MOST_STEPS = 1 << 24
KEPT_AT_ENDS = 2
KEPT_AT_RANDOM = 14
FETCHED = 16
MOST_WAITING = 64  # losses that are kept while a warm-up is traced: JAX's wait takes longer the more arrays are alive
IDLE_S = 0.01


def trace(training: Training, most: int | None = None) -> tuple[list[float], Array]:
    """Seconds per step of the coming steps, in pieces of about TRACE_PIECE_S or of one unit, and their losses.

    Args:
        training: has taken its first step.
        most: at most so many steps, whose losses are fetched between the pieces; None: no limit, and no losses.
    """
    piece, left, kept = training.unit, most, 0
    pieces: list[float] = []
    losses = [np.empty(0)]
    deadline = time.perf_counter() + TRACE_S
    while time.perf_counter() < deadline and len(pieces) < TRACE_PIECES and (left is None or left >= training.unit):
        steps = piece if left is None else min(piece, left // training.unit * training.unit)
        seconds = training.run(steps, keep=() if left is None else range(steps))
        pieces.append(seconds / steps)
        if left is not None:
            left, kept = left - steps, kept + steps
            if kept >= MOST_WAITING:
                losses.append(training.losses(kept)[0])
                kept = 0
        if seconds < TRACE_PIECE_S / 2 and not training.per_call:
            piece *= 2
    if kept:
        losses.append(training.losses(kept)[0])
    return pieces, np.concatenate(losses)


def block_steps(training: Training, wait_s: float, task_steps: int, affordable: int = MOST_STEPS) -> int:
    """How many steps make a block of at least 20 ms and 1000 times the cost of waiting; a multiple of the unit.

    A style that runs many steps per call has a cost per call, too, so its block is one call of the task's own
    length: as many steps as the task has, or as last half of LONGEST_BLOCK_S.

    Args:
        training: whose blocks these are.
        wait_s: the cost of waiting.
        task_steps: of the task.
        affordable: steps that the reference can repeat in a reasonable time; a block has more only where it would
            otherwise be shorter than a quarter of its proper length.
    """
    target = min(max(BLOCK_S, WAITS_PER_BLOCK * wait_s), LONGEST_BLOCK_S)
    unit, run = training.unit, training.run
    steps = unit  # run twice: one preempted run would look long and make all blocks too short
    while ((elapsed := run(steps)) < target or (elapsed := run(steps)) < target) and steps < MOST_STEPS:
        wanted = max(2 * steps, min(int(1.2 * steps * target / elapsed), 8 * steps))
        steps = math.ceil(wanted / unit) * unit
    if training.per_call:  # a few steps may not show the cost of a step behind that of the call
        whole = math.ceil(task_steps / unit) * unit
        while steps < whole and min(run(steps), run(steps)) < LONGEST_BLOCK_S / 2:
            steps = min(math.ceil(2 * steps / unit) * unit, whole)
        return steps
    if steps == unit:
        return unit
    quickest = min(run(steps) for _ in range(CALIBRATIONS))
    proper = MARGIN * steps * target / quickest  # doubling overshoots by up to twice
    return math.ceil(max(min(proper, affordable), proper / 4) / unit) * unit


def wait_cost(training: Training) -> float:
    """Seconds that waiting for an idle device takes."""
    return min(training.wait() for _ in range(WAITS))


def positions(steps: int, rng: np.random.Generator) -> list[int]:
    """The steps of a block whose losses are kept: the first and the last ones, and others that nobody can guess."""
    ends = {*range(min(KEPT_AT_ENDS, steps)), *range(max(steps - KEPT_AT_ENDS, 0), steps)}
    return sorted(ends | {int(step) for step in rng.integers(0, steps, KEPT_AT_RANDOM)})


def scalar_cost(training: Training) -> float:
    """Seconds that fetching one finished scalar takes in this framework."""
    return statistics.median(training.scalars(FETCHED))


def fetch_cost(training: Training) -> float:
    """Seconds that fetching one finished loss takes: after a block, its wait, and a while of doing nothing else."""
    best = math.inf
    for _ in range(3):
        steps = math.ceil(FETCHED / training.unit) * training.unit
        training.run(steps, keep=range(steps))
        time.sleep(IDLE_S)
        _, seconds = training.losses(steps)
        best = min(best, sum(seconds) / steps)
    return best
