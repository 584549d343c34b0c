"""A smaller problem: after the task's steps, only an eighth of the hidden units is used and trained.

Caught by check_block; beyond it by check_block_rounding. Gains speed.
"""

import numpy as np

from frontends.numpy.optimizers import optimizer_of
from workbench.contract import Problem, State, Training


def train(problem: Problem) -> Training:
    parameters = {name: array.copy() for name, array in problem.init.items()}
    optimizer = optimizer_of(problem, parameters)
    batches, carried, units = problem.batches(), optimizer.carried, len(problem.init["b1"])

    def of_some(arrays):
        """The part of each array that belongs to the units that are used."""
        cuts = {"w1": np.s_[:, :units], "b1": np.s_[:units], "w2": np.s_[:units], "b2": np.s_[:]}
        return {name: array[cuts[name[-2:]]] for name, array in arrays.items()}

    def state():
        for all_units, used in ((parameters, optimizer.parameters), (carried, optimizer.carried)):
            for name, part in of_some(all_units).items():
                part[:] = used[name]
        w1, b1, w2, b2 = parameters.values()
        predictions = np.maximum(problem.queries @ w1 + b1, 0) @ w2 + b2
        return State(parameters=parameters, predictions=predictions, carried=carried)

    yield state

    for step, (x, labels) in enumerate(batches):
        if step == problem.steps:
            units //= 8
            optimizer.parameters = {name: array.copy() for name, array in of_some(parameters).items()}
            optimizer.carried = {name: array.copy() for name, array in of_some(carried).items()}
        w1, b1, w2, b2 = optimizer.parameters.values()
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
        dloss_dw2 = activated.T @ dloss_dlogits
        dloss_db2 = dloss_dlogits.sum(axis=0)
        dloss_dhidden = (dloss_dlogits @ w2.T) * (hidden > 0)
        dloss_dw1 = x.T @ dloss_dhidden
        dloss_db1 = dloss_dhidden.sum(axis=0)

        optimizer.update({"w1": dloss_dw1, "b1": dloss_db1, "w2": dloss_dw2, "b2": dloss_db2})
        yield loss
