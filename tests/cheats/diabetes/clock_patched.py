"""The clock patched: it runs at half its speed.

Caught by check_prepared. Gains speed.
"""

import time

import numpy as np

from workbench.contract import Problem, State, Training

real, began = time.perf_counter, time.perf_counter()
time.perf_counter = lambda: began + (real() - began) / 2


def train(problem: Problem) -> Training:
    w = problem.init["w"].copy()
    b = problem.init["b"].copy()
    batches = problem.batches()

    def state():
        return State(parameters={"w": w, "b": b}, predictions=problem.queries @ w + b)

    yield state

    for x, y in batches:
        error = x @ w + b - y
        loss = np.mean(error**2)

        dloss_dprediction = (2 / len(x)) * error
        dloss_dw = x.T @ dloss_dprediction
        dloss_db = dloss_dprediction.sum(axis=0)

        w -= problem.learning_rate * dloss_dw
        b -= problem.learning_rate * dloss_db
        yield loss
