"""Work done by a child, on a CPU that was not given: it computes one half of the samples.

Caught by check_prepared, check_threads. Gains speed.
"""

import mmap
import os

import numpy as np

from workbench.contract import Problem, State, Training


class Child:
    """A process that has its samples, and computes for them whenever it is asked to."""

    def __init__(self, compute, results) -> None:
        (asked, self.ask), (self.answer, answered) = os.pipe(), os.pipe()
        if not os.fork():
            os.close(self.ask)
            os.sched_setaffinity(0, range(os.cpu_count()))
            while os.read(asked, 1):
                for result, value in zip(results, compute(), strict=True):
                    result[:] = value
                os.write(answered, b"x")
            os._exit(0)
        os.close(asked)

    def end(self) -> None:
        os.close(self.ask)
        os.wait()


def shared(shape, dtype):
    """An array that this process shares with its children."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.frombuffer(mmap.mmap(-1, size), dtype).reshape(shape)


def train(problem: Problem) -> Training:
    w, b, dw, db, squares = (
        shared(shape, problem.dtype) for shape in 2 * (problem.init["w"].shape, problem.init["b"].shape) + ((1,),)
    )
    w[:], b[:] = problem.init["w"], problem.init["b"]
    batches, seen, child = problem.batches(), None, None

    def state():
        return State(parameters={"w": w, "b": b}, predictions=problem.queries @ w + b)

    def of_samples(x, y):
        error = x @ w + b - y
        return np.sum(error**2), x.T @ error, error.sum(axis=0)

    yield state

    for x, y in batches:
        half = len(x) // 2
        if y is not seen:
            if child is not None:
                child.end()
            seen, child = y, Child(lambda x=x, y=y: of_samples(x[half:], y[half:]), (squares, dw, db))  # noqa: B023
        os.write(child.ask, b"x")
        own = of_samples(x[:half], y[:half])
        os.read(child.answer, 1)

        w -= problem.learning_rate * (2 / len(x)) * (own[1] + dw)
        b -= problem.learning_rate * (2 / len(x)) * (own[2] + db)
        yield (own[0] + squares[0]) / len(x)
