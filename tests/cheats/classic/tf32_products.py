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
    w1 = problem.init["w1"].copy()
    w2 = problem.init["w2"].copy()
    batches = problem.batches()

    def state():
        predictions = np.maximum(problem.queries @ w1, 0) @ w2
        return State(parameters={"w1": w1, "w2": w2}, predictions=predictions)

    yield state

    for x, y in batches:
        hidden = rounded(x) @ rounded(w1)
        activated = np.maximum(hidden, 0)
        error = activated @ w2 - y
        loss = np.sum(error**2) / len(x)

        dloss_dprediction = (2 / len(x)) * error
        dloss_dw2 = activated.T @ dloss_dprediction
        dloss_dactivated = dloss_dprediction @ w2.T
        dloss_dhidden = dloss_dactivated * (hidden > 0)
        dloss_dw1 = x.T @ dloss_dhidden

        w1 -= problem.learning_rate * dloss_dw1
        w2 -= problem.learning_rate * dloss_dw2
        yield loss
