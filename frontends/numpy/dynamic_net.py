"""A network of changing depth in NumPy: a loop forwards, and the same loop backwards."""

import numpy as np

from workbench.contract import Problem, State, Steps, Training


def train(problem: Problem) -> Training:
    w1, w2, w3 = (problem.init[name].copy() for name in ("w1", "w2", "w3"))
    batches = problem.batches()

    def activations(x, depth):
        """Of the first layer, then after each time that the hidden one was applied."""
        found = [np.maximum(x @ w1, 0)]
        for _ in range(depth):
            found.append(np.maximum(found[-1] @ w2, 0))
        return found

    def forward(x, y, depth):
        activated = activations(x, depth)
        error = activated[-1] @ w3 - y
        return activated, error, np.sum(error**2) / len(x)

    def state():
        predictions = activations(problem.queries, 1)[-1] @ w3
        return State(parameters={"w1": w1, "w2": w2, "w3": w3}, predictions=predictions)

    yield Steps(state, evaluate=lambda: forward(*next(batches))[-1])

    for x, y, depth in batches:
        activated, error, loss = forward(x, y, depth)

        dloss_dprediction = (2 / len(x)) * error
        dloss_dw3 = activated[-1].T @ dloss_dprediction
        dloss_dw2 = np.zeros_like(w2)
        dloss_da = dloss_dprediction @ w3.T
        for before, after in zip(activated[-2::-1], activated[:0:-1], strict=True):
            dloss_dhidden = dloss_da * (after > 0)
            dloss_dw2 += before.T @ dloss_dhidden
            dloss_da = dloss_dhidden @ w2.T
        dloss_dw1 = x.T @ (dloss_da * (activated[0] > 0))

        w1 -= problem.learning_rate * dloss_dw1
        w2 -= problem.learning_rate * dloss_dw2
        w3 -= problem.learning_rate * dloss_dw3
        yield loss
