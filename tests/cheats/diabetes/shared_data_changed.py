"""Shared arrays changed: after the task's steps the data set shrinks to one sample, so no batch need be gathered.

Caught by check_block; beyond it by check_block_rounding.
"""

import numpy as np

from workbench.contract import Problem, State, Training


def train(problem: Problem) -> Training:
    w = problem.init["w"].copy()
    b = problem.init["b"].copy()
    feed, batches = problem.feed, problem.batches()

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
        if feed.step >= problem.steps:
            feed.data = {name: np.broadcast_to(array[:1], array.shape) for name, array in problem.data.items()}
            feed.rows = np.zeros((1, 1), dtype=np.int64)
        yield loss
