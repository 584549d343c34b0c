"""A state chosen so that little is left to do: with all hidden units dead, only the last bias ever changes.

Caught by check_block. Gains speed.
"""

import numpy as np

from frontends.numpy.optimizers import optimizer_of
from workbench.contract import Problem, State, Training


def train(problem: Problem) -> Training:
    parameters = {name: array.copy() for name, array in problem.init.items()}
    w1, b1, w2, b2 = parameters.values()
    optimizer = optimizer_of(problem, parameters)
    batches = problem.batches()

    def state():
        predictions = np.maximum(problem.queries @ w1 + b1, 0) @ w2 + b2
        return State(parameters=parameters, predictions=predictions, carried=optimizer.carried)

    yield state

    for step, (x, labels) in enumerate(batches):
        dead = step >= problem.steps
        if step == problem.steps:
            b1[:] = -1e3
            w1[:] = 0
            for name, moment in optimizer.carried.items():
                if not name.endswith("b2"):
                    moment[:] = 0
        if dead:
            logits = np.broadcast_to(b2, (len(x), len(b2)))
        else:
            hidden = x @ w1 + b1
            activated = np.maximum(hidden, 0)
            logits = activated @ w2 + b2

        samples = np.arange(len(x))
        shifted = logits - logits.max(axis=1, keepdims=True)
        exponentials = np.exp(shifted)
        sums = exponentials.sum(axis=1, keepdims=True)
        loss = np.mean(np.log(sums[:, 0]) - shifted[samples, labels])

        dloss_dlogits = exponentials / sums
        dloss_dlogits[samples, labels] -= 1
        dloss_dlogits /= len(x)
        dloss_db2 = dloss_dlogits.sum(axis=0)
        if dead:
            optimizer.update({"b2": dloss_db2})
            yield loss
            continue

        dloss_dw2 = activated.T @ dloss_dlogits
        dloss_dhidden = (dloss_dlogits @ w2.T) * (hidden > 0)
        dloss_dw1 = x.T @ dloss_dhidden
        dloss_db1 = dloss_dhidden.sum(axis=0)

        optimizer.update({"w1": dloss_dw1, "b1": dloss_db1, "w2": dloss_dw2, "b2": dloss_db2})
        yield loss
