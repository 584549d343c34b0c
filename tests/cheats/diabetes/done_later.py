"""Work done later: after the task's steps, a step applies the gradients of the step before.

Caught by check_block or check_block_rounding.
"""

import numpy as np

from workbench.contract import Problem, State, Training


def train(problem: Problem) -> Training:
    w = problem.init["w"].copy()
    b = problem.init["b"].copy()
    batches = problem.batches()

    def state():
        return State(parameters={"w": w, "b": b}, predictions=problem.queries @ w + b)

    yield state

    before = None
    for step, (x, y) in enumerate(batches):
        error = x @ w + b - y
        loss = np.mean(error**2)

        dloss_dprediction = (2 / len(x)) * error
        dloss_dw = x.T @ dloss_dprediction
        dloss_db = dloss_dprediction.sum(axis=0)

        late_dw, late_db = (dloss_dw, dloss_db) if step < problem.steps else before
        before = dloss_dw, dloss_db
        w -= problem.learning_rate * late_dw
        b -= problem.learning_rate * late_db
        yield loss
