"""Softmax regression in NumPy: softmax cross-entropy and its gradients by hand."""

import numpy as np

from workbench.contract import Problem, State, Steps, Training


def train(problem: Problem) -> Training:
    w = problem.init["w"].copy()
    b = problem.init["b"].copy()
    batches = problem.batches()

    def forward(x, labels):
        logits = x @ w + b
        shifted = logits - logits.max(axis=1, keepdims=True)  # so that exp cannot overflow
        exponentials = np.exp(shifted)
        sums = exponentials.sum(axis=1, keepdims=True)
        loss = np.mean(np.log(sums[:, 0]) - shifted[np.arange(len(x)), labels])
        return exponentials, sums, loss

    def state():
        return State(parameters={"w": w, "b": b}, predictions=problem.queries @ w + b)

    yield Steps(state, evaluate=lambda: forward(*next(batches))[-1])

    for x, labels in batches:
        exponentials, sums, loss = forward(x, labels)

        dloss_dlogits = exponentials / sums
        dloss_dlogits[np.arange(len(x)), labels] -= 1
        dloss_dlogits /= len(x)
        dloss_dw = x.T @ dloss_dlogits
        dloss_db = dloss_dlogits.sum(axis=0)

        w -= problem.learning_rate * dloss_dw
        b -= problem.learning_rate * dloss_db
        yield loss
