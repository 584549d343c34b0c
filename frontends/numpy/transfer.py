"""Transfer learning in NumPy: in each phase, the gradients by hand of whatever it trains, and no others."""

import numpy as np

from frontends.numpy.layers import cross_entropy
from frontends.numpy.optimizers import optimizer_of
from workbench.contract import Problem, State, Steps, Training


def train(problem: Problem) -> Training:
    parameters = {name: array.copy() for name, array in problem.init.items()}
    w1, b1, w2, b2, old_w, old_b, new_w, new_b = parameters.values()
    optimizer = optimizer_of(problem, parameters)

    def features_of(x):
        hidden = np.maximum(x @ w1 + b1, 0)
        return hidden, np.maximum(hidden @ w2 + b2, 0)

    def state():
        _, features = features_of(problem.queries)
        return State(parameters=parameters, predictions=features @ new_w + new_b)

    def evaluate():
        x, labels = next(batches)
        return cross_entropy(features_of(x)[1] @ w + b, labels)[0]

    yield Steps(state, evaluate)

    for phase in problem.phases:
        head, w, b = ("new", new_w, new_b) if "old_w" in phase.frozen else ("old", old_w, old_b)
        batches = problem.batches(until=phase.until)
        for x, labels in batches:
            hidden, features = features_of(x)
            loss, dlogits = cross_entropy(features @ w + b, labels)

            gradients = {f"{head}_w": features.T @ dlogits, f"{head}_b": dlogits.sum(axis=0)}
            if "w1" not in phase.frozen:
                dfeatures = (dlogits @ w.T) * (features > 0)
                dhidden = (dfeatures @ w2.T) * (hidden > 0)
                gradients |= {"w2": hidden.T @ dfeatures, "b2": dfeatures.sum(axis=0)}
                gradients |= {"w1": x.T @ dhidden, "b1": dhidden.sum(axis=0)}

            optimizer.update(gradients)
            yield loss
