"""A smaller problem: after the task's steps, the second half of the inputs is left out.

Caught by check_block; beyond it by check_block_rounding. Gains speed.
"""

import numpy as np

from workbench.contract import Problem, State, Training


def train(problem: Problem) -> Training:
    w = problem.init["w"].copy()
    b = problem.init["b"].copy()
    batches, inputs, seen = problem.batches(), len(w), None

    def state():
        return State(parameters={"w": w, "b": b}, predictions=problem.queries @ w + b)

    yield state

    for step, (x, y) in enumerate(batches):
        if step == problem.steps:
            inputs, seen = inputs // 2, None
        if x is not seen:
            seen, part = x, np.ascontiguousarray(x[:, :inputs])
        error = part @ w[:inputs] + b - y
        loss = np.mean(error**2)

        dloss_dprediction = (2 / len(x)) * error
        dloss_dw = part.T @ dloss_dprediction
        dloss_db = dloss_dprediction.sum(axis=0)

        w[:inputs] -= problem.learning_rate * dloss_dw
        b -= problem.learning_rate * dloss_db
        yield loss
