"""Lower precision: after the task's steps, the products are computed in float32, though float64 was asked for.

Caught by check_block_rounding. Gains speed.
"""

import numpy as np

from workbench.contract import Problem, State, Training


def train(problem: Problem) -> Training:
    w = problem.init["w"].copy()
    b = problem.init["b"].copy()
    batches, precision, seen = problem.batches(), problem.dtype, None

    def state():
        return State(parameters={"w": w, "b": b}, predictions=problem.queries @ w + b)

    yield state

    for step, (x, y) in enumerate(batches):
        if step == problem.steps:
            precision, seen = "float32", None
        if x is not seen:
            seen, rounded = x, x.astype(precision)
        error = rounded @ w.astype(precision) + b - y
        loss = np.mean(error**2)

        dloss_dprediction = (2 / len(x)) * error
        dloss_dw = rounded.T @ dloss_dprediction.astype(precision)
        dloss_db = dloss_dprediction.sum(axis=0)

        w -= problem.learning_rate * dloss_dw
        b -= problem.learning_rate * dloss_db
        yield loss
