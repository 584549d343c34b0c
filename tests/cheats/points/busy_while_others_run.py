"""A child that leaves its process group and computes while the worker is stopped, which makes the others slow.

Caught by check_stopped.
"""

import os
import time
from pathlib import Path

import numpy as np

from workbench.contract import Problem, State, Training


def train(problem: Problem) -> Training:
    w = problem.init["w"].copy()
    b = problem.init["b"].copy()
    batches = problem.batches()

    def state():
        return State(parameters={"w": w, "b": b}, predictions=problem.queries @ w + b)

    worker = os.getpid()
    if problem.dtype == "float32" and not os.fork():
        os.setsid()
        while os.getppid() == worker:
            stat = Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[0]
            if stat == "T":
                until = time.perf_counter() + 0.0005
                while time.perf_counter() < until:
                    pass
            else:
                time.sleep(0.0005)
        os._exit(0)

    yield state

    for x, y in batches:
        error = x @ w + b - y
        loss = np.mean(error**2)

        dloss_dprediction = (2 / len(x)) * error
        dloss_dw = x.T @ dloss_dprediction
        dloss_db = dloss_dprediction.sum(axis=0)

        w -= problem.learning_rate * dloss_dw
        b -= problem.learning_rate * dloss_db
        yield loss
