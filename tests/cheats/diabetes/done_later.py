"""Work done later: after the task's steps, gradients are summed up and ten of them applied at once.

Caught by check_block_rounding.
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

    sum_dw, sum_db = np.zeros_like(w), np.zeros_like(b)
    for step, (x, y) in enumerate(batches):
        error = x @ w + b - y
        loss = np.mean(error**2)

        dloss_dprediction = (2 / len(x)) * error
        dloss_dw = x.T @ dloss_dprediction
        dloss_db = dloss_dprediction.sum(axis=0)

        sum_dw += dloss_dw
        sum_db += dloss_db
        if step < problem.steps or step % 10 == 0:
            w -= problem.learning_rate * sum_dw
            b -= problem.learning_rate * sum_db
            sum_dw[:] = sum_db[:] = 0
        yield loss
