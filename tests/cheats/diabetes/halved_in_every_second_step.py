"""Work halved in every second step after the task's: half of the batch stands for all.

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

    for step, (all_x, all_y) in enumerate(batches):
        samples = len(all_x) // (2 if step >= problem.steps and step % 2 else 1)
        x, y = all_x[:samples], all_y[:samples]
        error = x @ w + b - y
        loss = np.mean(error**2)

        dloss_dprediction = (2 / len(x)) * error
        dloss_dw = x.T @ dloss_dprediction
        dloss_db = dloss_dprediction.sum(axis=0)

        w -= problem.learning_rate * dloss_dw
        b -= problem.learning_rate * dloss_db
        yield loss
