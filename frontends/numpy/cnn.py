"""A convolutional network in NumPy: every layer's gradient by hand, SGD with momentum from its formula."""

import numpy as np

from frontends.numpy import layers
from frontends.numpy.optimizers import optimizer_of
from workbench.contract import Problem, State, Steps, Training


def forward(a, p, statistics):
    """The logits, and what came into and out of every layer; the name of pooling is empty."""
    passed = []
    for name in [name[1:] for name in p if name.startswith("k")]:  # such as "1_1", "1_2", "2_1"
        if name.endswith("_1") and passed:
            passed.append(("", a, layers.max_pool(a), None))
            a = passed[-1][2]
        h, normal = layers.convolution(a, p[f"k{name}"]), None
        if f"g{name}" in p:
            mean, variance = statistics(name, h)
            hidden, normal = layers.batch_norm(h, p[f"g{name}"], p[f"b{name}"], mean, variance)
            normal = normal, variance
        else:
            hidden = h + p[f"b{name}"]
        passed.append((name, a, hidden, normal))
        a = np.maximum(hidden, 0)
    passed.append(("", a, layers.max_pool(a), None))
    flat = passed[-1][2].reshape(len(a), -1)
    return flat @ p["w"] + p["b"], flat, passed


def backward(dlogits, flat, passed, p):
    """The gradients of all parameters, from that of the logits."""
    gradients = {"w": flat.T @ dlogits, "b": dlogits.sum(axis=0)}
    d = (dlogits @ p["w"].T).reshape(passed[-1][2].shape)
    for name, before, after, normal in reversed(passed):
        if not name:
            d = layers.max_pool_gradient(before, d)
            continue
        d = d * (after > 0)
        gradients[f"b{name}"] = d.sum(axis=(0, 1, 2))
        if normal:
            d, gradients[f"g{name}"], _ = layers.batch_norm_gradients(normal[0], p[f"g{name}"], normal[1], d)
        d, gradients[f"k{name}"] = layers.convolution_gradients(before, p[f"k{name}"], d)
    return gradients


def train(problem: Problem) -> Training:
    p = {name: array.copy() for name, array in problem.init.items()}
    running = layers.running_statistics(problem)
    optimizer = optimizer_of(problem, p)
    batches = problem.batches()

    def of_the_batch(name, h):
        mean, variance = layers.moments(h)
        running[f"mean/{name}"] = 0.9 * running[f"mean/{name}"] + 0.1 * mean
        running[f"variance/{name}"] = 0.9 * running[f"variance/{name}"] + 0.1 * variance
        return mean, variance

    def state():
        predictions, _, _ = forward(
            problem.queries, p, lambda name, _: (running[f"mean/{name}"], running[f"variance/{name}"])
        )
        return State(parameters=p, predictions=predictions, carried={**optimizer.carried, **running})

    def evaluate():
        x, labels = next(batches)
        logits, _, _ = forward(x, p, lambda _, h: layers.moments(h))
        return layers.cross_entropy(logits, labels)[0]

    yield Steps(state, evaluate)

    for x, labels in batches:
        logits, flat, passed = forward(x, p, of_the_batch)
        loss, dlogits = layers.cross_entropy(logits, labels)
        optimizer.update(backward(dlogits, flat, passed, p))
        yield loss
