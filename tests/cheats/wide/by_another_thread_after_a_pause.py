"""Work done by another thread on a CPU that was not given, after a sleep in an untimed step that hides it.

Caught by check_prepared, check_threads. Gains speed.
"""

import os
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from workbench.contract import Problem, State, Training


def train(problem: Problem) -> Training:
    w = problem.init["w"].copy()
    b = problem.init["b"].copy()
    batches = problem.batches()
    os.sched_setaffinity(0, range(os.cpu_count()))
    pool = ThreadPoolExecutor(1)

    def state():
        return State(parameters={"w": w, "b": b}, predictions=problem.queries @ w + b)

    def of_samples(x, y):
        error = x @ w + b - y
        return np.sum(error**2), x.T @ error, error.sum(axis=0)

    yield state
    changes = 0
    for x, y in batches:
        if problem.feed.changes != changes:
            changes = problem.feed.changes
            time.sleep(0.2)
        half = len(x) // 2
        other = pool.submit(of_samples, x[half:], y[half:])
        one, two = of_samples(x[:half], y[:half]), other.result()
        squares, dw, db = (a + b for a, b in zip(one, two, strict=True))

        w -= problem.learning_rate * (2 / len(x)) * dw
        b -= problem.learning_rate * (2 / len(x)) * db
        yield squares / len(x)
