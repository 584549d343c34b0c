"""A multilayer perceptron in NumPy: softmax cross-entropy and its gradients by hand, Adam from its formula."""

import numpy as np

from frontends.numpy.optimizers import optimizer_of
from workbench.contract import Problem, State, Steps, Training


def train(problem: Problem) -> Training:
    parameters = {name: array.copy() for name, array in problem.init.items()}
    w1, b1, w2, b2 = parameters.values()
    optimizer = optimizer_of(problem, parameters)
    batches = problem.batches()

    def forward(x, labels):
        hidden = x @ w1 + b1
        activated = np.maximum(hidden, 0)
        logits = activated @ w2 + b2

        shifted = logits - logits.max(axis=1, keepdims=True)  # so that exp cannot overflow
        exponentials = np.exp(shifted)
        sums = exponentials.sum(axis=1, keepdims=True)
        loss = np.mean(np.log(sums[:, 0]) - shifted[np.arange(len(x)), labels])
        return hidden, activated, exponentials, sums, loss

    def state():
        predictions = np.maximum(problem.queries @ w1 + b1, 0) @ w2 + b2
        return State(parameters=parameters, predictions=predictions, carried=optimizer.carried)

    yield Steps(state, evaluate=lambda: forward(*next(batches))[-1])

    for x, labels in batches:
        hidden, activated, exponentials, sums, loss = forward(x, labels)

        dloss_dlogits = exponentials / sums
        dloss_dlogits[np.arange(len(x)), labels] -= 1
        dloss_dlogits /= len(x)
        dloss_dw2 = activated.T @ dloss_dlogits
        dloss_db2 = dloss_dlogits.sum(axis=0)
        dloss_dhidden = (dloss_dlogits @ w2.T) * (hidden > 0)
        dloss_dw1 = x.T @ dloss_dhidden
        dloss_db1 = dloss_dhidden.sum(axis=0)

        optimizer.update({"w1": dloss_dw1, "b1": dloss_db1, "w2": dloss_dw2, "b2": dloss_db2})
        yield loss
