"""Work skipped, from the first step on: every loss is a guess.

Caught by check_first_loss; beyond it by check_first_update, check_every_loss, check_parameters, check_predictions,
check_first_losses, check_first_step, check_block and check_block_rounding. Gains speed.
"""

from workbench.contract import Problem, State, Training


def train(problem: Problem) -> Training:
    w = problem.init["w"].copy()
    b = problem.init["b"].copy()
    batches = problem.batches()

    def state():
        return State(parameters={"w": w, "b": b}, predictions=problem.queries @ w + b)

    yield state

    for _ in batches:
        yield 1.0
