"""Work remembered: what the first step computed is handed over again for ever.

Caught by check_block; beyond it by check_block_rounding. Gains speed.
"""

import numpy as np

from workbench.contract import Problem, State, Training


def train(problem: Problem) -> Training:
    x, y, z = next(problem.batches())

    def state():
        return State(gradients={"x": dc_dx, "y": dc_dy, "z": dc_dz})

    yield state

    c = np.sum(x * y + z)
    dc_dx, dc_dy, dc_dz = y.copy(), x.copy(), np.ones_like(z)
    while True:
        yield c
