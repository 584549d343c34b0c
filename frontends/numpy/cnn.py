"""A convolutional network in NumPy: every layer's gradient by hand, SGD with momentum from its formula."""

import numpy as np

from frontends.numpy.layers import (
    batch_norm,
    batch_norm_gradients,
    convolution,
    convolution_gradients,
    cross_entropy,
    max_pool,
    max_pool_gradient,
    running_statistics,
)
from frontends.numpy.optimizers import optimizer_of
from workbench.contract import Problem, State, Training


def forward(a, p, statistics):
    """The logits, and what came into and out of every layer; the name of pooling is empty."""
    passed = []
    for name in [name[1:] for name in p if name.startswith("k")]:  # such as "1_1", "1_2", "2_1"
        if name.endswith("_1") and passed:
            passed.append(("", a, max_pool(a), None))
            a = passed[-1][2]
        h, normal = convolution(a, p[f"k{name}"]), None
        if f"g{name}" in p:
            mean, variance = statistics(name, h)
            hidden, normal = batch_norm(h, p[f"g{name}"], p[f"b{name}"], mean, variance)
            normal = normal, variance
        else:
            hidden = h + p[f"b{name}"]
        passed.append((name, a, hidden, normal))
        a = np.maximum(hidden, 0)
    passed.append(("", a, max_pool(a), None))
    flat = passed[-1][2].reshape(len(a), -1)
    return flat @ p["w"] + p["b"], flat, passed


def backward(dlogits, flat, passed, p):
    """The gradients of all parameters, from that of the logits."""
    gradients = {"w": flat.T @ dlogits, "b": dlogits.sum(axis=0)}
    d = (dlogits @ p["w"].T).reshape(passed[-1][2].shape)
    for name, before, after, normal in reversed(passed):
        if not name:
            d = max_pool_gradient(before, d)
            continue
        d = d * (after > 0)
        gradients[f"b{name}"] = d.sum(axis=(0, 1, 2))
        if normal:
            d, gradients[f"g{name}"], _ = batch_norm_gradients(normal[0], p[f"g{name}"], normal[1], d)
        d, gradients[f"k{name}"] = convolution_gradients(before, p[f"k{name}"], d)
    return gradients


def train(problem: Problem) -> Training:
    p = {name: array.copy() for name, array in problem.init.items()}
    running = running_statistics(problem)
    optimizer = optimizer_of(problem, p)
    batches = problem.batches()

    def of_the_batch(name, h):
        found = {"mean": h.mean(axis=(0, 1, 2)), "variance": h.var(axis=(0, 1, 2))}
        for kind, value in found.items():
            running[f"{kind}/{name}"] = 0.9 * running[f"{kind}/{name}"] + 0.1 * value
        return found.values()

    def state():
        predictions, _, _ = forward(
            problem.queries, p, lambda name, _: (running[f"mean/{name}"], running[f"variance/{name}"])
        )
        return State(parameters=p, predictions=predictions, carried={**optimizer.carried, **running})

    yield state

    for x, labels in batches:
        logits, flat, passed = forward(x, p, of_the_batch)
        loss, dlogits = cross_entropy(logits, labels)
        optimizer.update(backward(dlogits, flat, passed, p))
        yield loss
