"""A convolutional network in NumPy: every layer's gradient by hand, SGD with momentum from its formula."""

import numpy as np

from frontends.numpy.layers import convolution, convolution_gradients, cross_entropy, max_pool, max_pool_gradient
from frontends.numpy.optimizers import optimizer_of
from workbench.contract import Problem, State, Training


def train(problem: Problem) -> Training:
    parameters = {name: array.copy() for name, array in problem.init.items()}
    layers = [name[1:] for name in parameters if name.startswith("k")]  # such as "1_1", "1_2", "2_1"
    optimizer = optimizer_of(problem, parameters)
    batches = problem.batches()

    def forward(a):
        """The logits, and what came into and out of every layer; the name of pooling is empty."""
        passed = []
        for name in layers:
            if name.endswith("_1") and passed:
                passed.append(("", a, max_pool(a)))
                a = passed[-1][2]
            hidden = convolution(a, parameters[f"k{name}"]) + parameters[f"b{name}"]
            passed.append((name, a, hidden))
            a = np.maximum(hidden, 0)
        passed.append(("", a, max_pool(a)))
        flat = passed[-1][2].reshape(len(a), -1)
        return flat @ parameters["w"] + parameters["b"], flat, passed

    def state():
        predictions, _, _ = forward(problem.queries)
        return State(parameters=parameters, predictions=predictions, carried=optimizer.carried)

    yield state

    for x, labels in batches:
        logits, flat, passed = forward(x)
        loss, dlogits = cross_entropy(logits, labels)

        gradients = {"w": flat.T @ dlogits, "b": dlogits.sum(axis=0)}
        d = (dlogits @ parameters["w"].T).reshape(passed[-1][2].shape)
        for name, before, after in reversed(passed):
            if name:
                d = d * (after > 0)
                gradients[f"b{name}"] = d.sum(axis=(0, 1, 2))
                d, gradients[f"k{name}"] = convolution_gradients(before, parameters[f"k{name}"], d)
            else:
                d = max_pool_gradient(before, d)

        optimizer.update(gradients)
        yield loss
