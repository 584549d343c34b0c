"""Work halved in the timed process, from the first step on: half of each batch stands for all; in float64 all is used.

Caught by check_first_losses; beyond it by check_first_step, check_every_loss, check_block and check_block_rounding.
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

    share = 2 if problem.dtype == "float32" else 1
    for all_x, all_y in batches:
        samples = len(all_x) // share
        x, y = all_x[:samples], all_y[:samples]
        error = x @ w + b - y
        loss = np.mean(error**2)

        dloss_dprediction = (2 / len(x)) * error
        dloss_dw = x.T @ dloss_dprediction
        dloss_db = dloss_dprediction.sum(axis=0)

        w -= problem.learning_rate * dloss_dw
        b -= problem.learning_rate * dloss_db
        yield loss
