"""Work done in the untimed steps: once the feed has changed, thousands of coming steps are computed, to be handed out.

Caught by check_prepared. Gains speed.
"""

import numpy as np

from workbench.contract import Problem, State, Training


def train(problem: Problem) -> Training:
    w = problem.init["w"].copy()
    b = problem.init["b"].copy()
    batches = problem.batches()
    feed = problem.feed

    def state():
        return State(parameters={"w": w, "b": b}, predictions=problem.queries @ w + b)

    yield state

    changes, known = 0, []
    while True:
        if feed.changes != changes:
            changes, known, at = feed.changes, [], 0
            ww, bb = w.copy(), b.copy()
            for _ in range(6000):
                x, y = next(batches)
                error = x @ ww + bb - y
                loss = np.mean(error**2)
                d = (2 / len(x)) * error
                ww = ww - problem.learning_rate * (x.T @ d)
                bb = bb - problem.learning_rate * d.sum(axis=0)
                known.append((loss, ww, bb))
        if known and at < len(known):
            loss, w, b = known[at]
            at += 1
            yield loss
            continue
        w, b = w.copy(), b.copy()
        x, y = next(batches)
        error = x @ w + b - y
        loss = np.mean(error**2)

        dloss_dprediction = (2 / len(x)) * error
        dloss_dw = x.T @ dloss_dprediction
        dloss_db = dloss_dprediction.sum(axis=0)

        w -= problem.learning_rate * dloss_dw
        b -= problem.learning_rate * dloss_db
        yield loss
