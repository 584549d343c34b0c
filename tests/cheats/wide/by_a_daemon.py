"""Work done by a daemon that leaves its family and session, on a CPU that was not given: one half of the samples.

Caught by check_prepared, check_threads. Gains speed.
"""

import mmap
import os

import numpy as np

from workbench.contract import Problem, State, Training


class Daemon:
    """A process that has its samples, and computes for them whenever it is asked to."""

    def __init__(self, compute, results) -> None:
        (asked, self.ask), (self.answer, answered) = os.pipe(), os.pipe()
        if not os.fork():
            os.setsid()
            if os.fork():
                os._exit(0)
            os.close(self.ask)
            os.sched_setaffinity(0, range(os.cpu_count()))
            while os.read(asked, 1):
                for result, value in zip(results, compute(), strict=True):
                    result[:] = value
                os.write(answered, b"x")
            os._exit(0)
        os.close(asked)
        os.wait()

    def end(self) -> None:
        os.close(self.ask)


def shared(shape, dtype):
    """An array that this process shares with those that it starts."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.frombuffer(mmap.mmap(-1, size), dtype).reshape(shape)


def train(problem: Problem) -> Training:
    w, b, dw, db, squares = (
        shared(shape, problem.dtype) for shape in 2 * (problem.init["w"].shape, problem.init["b"].shape) + ((1,),)
    )
    w[:], b[:] = problem.init["w"], problem.init["b"]
    batches, seen, daemon = problem.batches(), None, None

    def state():
        return State(parameters={"w": w, "b": b}, predictions=problem.queries @ w + b)

    def of_samples(x, y):
        error = x @ w + b - y
        return np.sum(error**2), x.T @ error, error.sum(axis=0)

    yield state

    for x, y in batches:
        half = len(x) // 2
        if y is not seen:
            if daemon is not None:
                daemon.end()
            seen, daemon = y, Daemon(lambda x=x, y=y: of_samples(x[half:], y[half:]), (squares, dw, db))  # noqa: B023
        os.write(daemon.ask, b"x")
        own = of_samples(x[:half], y[:half])
        os.read(daemon.answer, 1)

        w -= problem.learning_rate * (2 / len(x)) * (own[1] + dw)
        b -= problem.learning_rate * (2 / len(x)) * (own[2] + db)
        yield (own[0] + squares[0]) / len(x)
