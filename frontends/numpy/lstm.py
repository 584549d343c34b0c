"""A long short-term memory in NumPy: back-propagation through time by hand, Adam from its formula."""

import numpy as np

from frontends.numpy.layers import cross_entropy, sigmoid
from frontends.numpy.optimizers import optimizer_of
from workbench.contract import Problem, State, Steps, Training


def train(problem: Problem) -> Training:
    parameters = {name: array.copy() for name, array in problem.init.items()}
    wx, wh, b, wy, by = parameters.values()
    optimizer = optimizer_of(problem, parameters)
    batches = problem.batches()
    zeros = np.zeros((problem.rows.shape[1], len(wh)), problem.dtype)
    h, c = (problem.carried.get(name, zeros) for name in ("h", "c"))

    def read(x, h, c):
        """The state after the last row, and what the way back needs of every row."""
        rows = []
        for a in x.swapaxes(0, 1):
            i, f, g, o = np.split(a @ wx + h @ wh + b, 4, axis=1)
            i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
            before = h, c
            c = f * c + i * g
            h = o * np.tanh(c)
            rows.append((a, before, (i, f, g, o), np.tanh(c)))
        return h, c, rows

    def state():
        nothing = np.zeros((len(problem.queries), len(wh)), problem.dtype)
        last, _, _ = read(problem.queries, nothing, nothing)
        return State(parameters=parameters, predictions=last @ wy + by, carried={**optimizer.carried, "h": h, "c": c})

    def evaluate():
        x, labels = next(batches)
        last, _, _ = read(x, h, c)
        return cross_entropy(last @ wy + by, labels)[0]

    yield Steps(state, evaluate)

    for x, labels in batches:
        h, c, rows = read(x, h, c)
        loss, dlogits = cross_entropy(h @ wy + by, labels)

        gradients = {"wx": 0, "wh": 0, "b": 0, "wy": h.T @ dlogits, "by": dlogits.sum(axis=0)}
        dh, dc = dlogits @ wy.T, 0
        for a, (h_before, c_before), (i, f, g, o), tanh_c in reversed(rows):
            dc = dc + dh * o * (1 - tanh_c**2)
            di, df, dg, do = dc * g, dc * c_before, dc * i, dh * tanh_c
            dgates = np.hstack([di * i * (1 - i), df * f * (1 - f), dg * (1 - g**2), do * o * (1 - o)])
            gradients["wx"] += a.T @ dgates
            gradients["wh"] += h_before.T @ dgates
            gradients["b"] += dgates.sum(axis=0)
            dh, dc = dgates @ wh.T, dc * f

        optimizer.update(gradients)
        yield loss
