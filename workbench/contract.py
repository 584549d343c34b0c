"""What a task and a frontend share with the harness: a problem, a generator of losses, and a result.

This is the only module of workbench that content (``tasks/`` and ``frontends/``) may import.

A task makes a :class:`Problem`. A frontend's ``train(problem)`` is a generator::

    def train(problem: Problem) -> Training:
        ...                                      # build the model, put weights on the device
        batches = problem.batches(to_device)
        yield                                    # set-up ends here
        for x, y in batches:
            ...                                  # one step
            yield loss                           # still on the device; the harness decides when to synchronise
        return Result(parameters={...}, predictions=...)

A style that runs many steps per call receives the number of steps the harness wants and answers with one
1-d array of that many losses::

    steps = yield
    while steps:
        losses = ...                             # run that many steps
        steps = yield losses
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
Arrays: TypeAlias = Mapping[str, Array]


@dataclass(frozen=True)
class Result:
    """What a training run returns, as NumPy arrays with the names and shapes that the task's docstring gives.

    ``parameters`` are the weights after the last step, ``predictions`` the model's answers to
    ``problem.queries``, ``gradients`` the derivatives of a task that asks for them.
    """

    parameters: Arrays = field(default_factory=dict)
    predictions: Array | None = None
    gradients: Arrays = field(default_factory=dict)

    def arrays(self) -> dict[str, Array]:
        """All arrays under flat names: ``parameters/w``, ``predictions``, ``gradients/x``."""
        named = {f"parameters/{name}": np.asarray(value) for name, value in self.parameters.items()}
        named |= {f"gradients/{name}": np.asarray(value) for name, value in self.gradients.items()}
        if self.predictions is not None:
            named["predictions"] = np.asarray(self.predictions)
        return named


Training: TypeAlias = Generator[Any, int, Result]
"""Yields once after set-up, then a loss per step (or a 1-d array of losses per call); returns a Result."""


class DeviceUnavailableError(RuntimeError):
    """Raised by a frontend's runtime when the requested device is not available; says what to install."""


@dataclass(frozen=True)
class Problem:
    """One task at one preset and seed, as arrays, and where a frontend is to compute it.

    Attributes:
        task, preset, seed: where the problem comes from.
        steps: how many steps the task calls for.
        learning_rate: of plain SGD; 0 where the task updates nothing.
        terms: length of the longest sum of one step; rounding errors, and so the tolerance, grow with it.
        flops: floating-point operations of one step, derived from the mathematics.
        bytes: bytes that one step must at least read and write, derived from the mathematics.
        init: start values by name; the task's docstring gives their shapes.
        data: the whole dataset by name, samples along the first axis; empty for a task without data.
        rows: (steps, batch) indices of the samples each step sees, or None: each step sees all samples.
        queries: (queries, inputs) what to predict after the last step, or None.
        dtype: of all floating-point arrays: "float32" or "float64".
        device: "cpu" or "gpu". A worker sees one GPU only, so it never needs an index.
        mode: which of the frontend's modes to run in, for example "pytorch_eager".
        endless: batches never run out; ``rows`` repeat from the start for as long as the harness wants steps.
    """

    task: str
    preset: str
    seed: int
    steps: int
    learning_rate: float
    terms: int
    flops: float
    bytes: float
    init: Arrays
    data: Arrays = field(default_factory=dict)
    rows: Array | None = None
    queries: Array | None = None
    dtype: str = "float32"
    device: str = "cpu"
    mode: str = ""
    endless: bool = False

    @property
    def resident(self) -> bool:
        """Whether every step sees all samples; they are then put on the device once, during set-up."""
        return self.rows is None

    def batches(self, put: Callable[[Array], Any] = lambda array: array) -> Iterator[tuple[Any, ...]]:
        """The batch of each step, as a tuple in the order of ``data``, each array passed through ``put``.

        ``put`` moves an array from host memory to where the framework computes. A resident problem moves its
        data once, during this call; otherwise each batch is gathered and moved in its step, and the copy is
        part of the step.
        """
        counter = itertools.count() if self.endless else range(self.steps)
        if self.rows is None:
            batch = tuple(put(array) for array in self.data.values())
            return (batch for _ in counter)
        return self._fed_batches(self.rows, counter, put)

    def _fed_batches(
        self, rows: Array, steps: itertools.count[int] | range, put: Callable[[Array], Any]
    ) -> Iterator[tuple[Any, ...]]:
        arrays = tuple(self.data.values())
        for step in steps:
            chosen = rows[step % len(rows)]
            yield tuple(put(array[chosen]) for array in arrays)

    def astype(self, dtype: str) -> Problem:
        """The same numbers in another floating-point type."""
        return dataclasses.replace(
            self,
            dtype=dtype,
            init={name: array.astype(dtype) for name, array in self.init.items()},
            data={name: array.astype(dtype) for name, array in self.data.items()},
            queries=None if self.queries is None else self.queries.astype(dtype),
        )

    def with_steps(self, steps: int) -> Problem:
        """The same problem for another number of steps; rows repeat from the start as needed."""
        rows = self.rows
        if rows is not None:
            rows = rows[np.arange(steps) % len(rows)]
        return dataclasses.replace(self, steps=steps, rows=rows)


def shuffled_rows(rng: np.random.Generator, samples: int, batch: int, steps: int) -> Array:
    """Which samples each step sees: (steps, batch) indices, every epoch a new permutation.

    Samples that do not fill a last batch of an epoch are left out of that epoch.

    Raises:
        ValueError: when a batch does not fit into the samples.
    """
    if not 0 < batch <= samples:
        raise ValueError(f"a batch of {batch} does not fit into {samples} samples")
    per_epoch = samples // batch
    epochs = -(-steps // per_epoch)
    shuffled = [rng.permutation(samples)[: per_epoch * batch].reshape(per_epoch, batch) for _ in range(epochs)]
    return np.concatenate(shuffled)[:steps]


@dataclass(frozen=True)
class Settings:
    """How the harness asks a frontend's runtime to configure its framework, before anything is computed.

    ``threads`` and ``matmul_precision`` are None in the stock profile: keep the framework's defaults.
    """

    device: str = "cpu"
    threads: int | None = 1
    dtype: str = "float32"
    matmul_precision: str | None = "float32"
