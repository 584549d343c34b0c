"""Lower precision in the timed process, from the first step on: the first product has TF32's 10 bits of mantissa.

Caught by check_first_losses; beyond it by check_first_step and check_block_rounding.
"""

import numpy as np

from workbench.contract import Problem, State, Training


def rounded(array):
    """With 10 bits of mantissa instead of 23."""
    if array.dtype != np.float32:
        return array
    return (array.view(np.uint32) & np.uint32(0xFFFFE000)).view(np.float32)


def train(problem: Problem) -> Training:
    w = problem.init["w"].copy()
    b = problem.init["b"].copy()
    batches = problem.batches()

    def state():
        return State(parameters={"w": w, "b": b}, predictions=problem.queries @ w + b)

    yield state

    for x, y in batches:
        error = rounded(x) @ rounded(w) + b - y
        loss = np.mean(error**2)

        dloss_dprediction = (2 / len(x)) * error
        dloss_dw = x.T @ dloss_dprediction
        dloss_db = dloss_dprediction.sum(axis=0)

        w -= problem.learning_rate * dloss_dw
        b -= problem.learning_rate * dloss_db
        yield loss
