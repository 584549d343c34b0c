"""Work skipped once the parameters stay as they are: the same data would give the same loss again.

Not caught: a step that starts from the same parameters and data has the same result. Gains speed.
"""

import numpy as np

from workbench.contract import Problem, State, Training


def train(problem: Problem) -> Training:
    w = problem.init["w"].copy()
    b = problem.init["b"].copy()
    batches, seen, before, loss = problem.batches(), None, None, None

    def state():
        return State(parameters={"w": w, "b": b}, predictions=problem.queries @ w + b)

    yield state

    for x, y in batches:
        if x is seen and w == before[0] and b == before[1]:
            yield loss
            continue
        seen, before = x, (w.copy(), b.copy())
        error = x @ w + b - y
        loss = np.mean(error**2)

        dloss_dprediction = (2 / len(x)) * error
        dloss_dw = x.T @ dloss_dprediction
        dloss_db = dloss_dprediction.sum(axis=0)

        w -= problem.learning_rate * dloss_dw
        b -= problem.learning_rate * dloss_db
        yield loss
