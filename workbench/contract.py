"""What a task and a frontend share with the harness: a problem, a generator of losses, and the state of a training.

This is the only module of workbench that content (``tasks/`` and ``frontends/``) may import.

A task makes a :class:`Problem`. A frontend's ``train(problem)`` is a generator::

    def train(problem: Problem) -> Training:
        ...                                      # build the model, put weights on the device
        batches = problem.batches(to_device)

        def state():                             # read by the harness at any moment, never timed
            return State(parameters={...}, predictions=...)

        yield state                              # set-up ends here

        for x, y in batches:
            ...                                  # one step
            yield loss                           # still on the device; the harness decides when to synchronise

Batches never run out: the harness stops asking. A style that runs many steps per call says so with :class:`Calls`. It
receives the number of steps that the harness wants and answers with one 1-d array of that many losses::

    steps = yield Calls(state)                   # or Calls(state, steps=50): always 50 at a time
    while True:
        losses = ...                             # run that many steps
        steps = yield losses

Either can also offer what a step computes before its gradients, so that both can be timed::

        def evaluate():                          # changes nothing but which batch comes next
            x, y = next(batches)
            return ...                           # the loss, still on the device

        yield Steps(state, evaluate)             # or Calls(state, evaluate=evaluate)

With :class:`Calls`, ``evaluate`` is called with a number of steps, and returns as many losses.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

CONTRACT = 2  # the version of what this module describes

Array: TypeAlias = npt.NDArray[Any]
Arrays: TypeAlias = Mapping[str, Array]
Put: TypeAlias = Callable[[Array], Any]


@dataclass(frozen=True)
class State:
    """A training at one moment, as NumPy arrays with the names and shapes that the task's docstring gives.

    Attributes:
        parameters: the weights.
        predictions: the model's answers to ``problem.queries`` with these weights.
        gradients: the derivatives that the latest step computed, for a task that asks for them.
        carried: whatever else goes from step to step: the moments of an optimiser as ``m/w`` and ``v/w``, the velocity
            of momentum as ``velocity/w``, a recurrent network's hidden state. Together with the parameters it
            determines the next step.
    """

    parameters: Arrays = field(default_factory=dict)
    predictions: Array | None = None
    gradients: Arrays = field(default_factory=dict)
    carried: Arrays = field(default_factory=dict)

    def arrays(self) -> dict[str, Array]:
        """All arrays under flat names: ``parameters/w``, ``predictions``, ``gradients/x``, ``carried/m/w``."""
        named: dict[str, Array] = {}
        for group in ("parameters", "gradients", "carried"):
            named |= {f"{group}/{name}": np.asarray(value) for name, value in getattr(self, group).items()}
        if self.predictions is not None:
            named["predictions"] = np.asarray(self.predictions)
        return named


@dataclass(frozen=True)
class Steps:
    """Ends the set-up of a style that takes step after step, and can also compute the loss alone.

    Attributes:
        state: reads the state, as in the simpler form.
        evaluate: the loss of the coming batch with the weights as they are, computed without gradients. It changes
            nothing else, and what is carried from step to step enters as it is.
    """

    state: Callable[[], State]
    evaluate: Callable[[], Any] | None = None


@dataclass(frozen=True)
class Calls:
    """Ends the set-up of a style that runs many steps per call.

    Attributes:
        state: reads the state, as in the simpler form.
        steps: how many steps every call runs; None if a call runs as many as it is asked for.
        evaluate: the losses of so many coming batches, as for :class:`Steps`.
    """

    state: Callable[[], State]
    steps: int | None = None
    evaluate: Callable[[int], Any] | None = None


Training: TypeAlias = Generator[Any, int, None]
"""Yields a function that reads the state, or :class:`Steps`, then a loss per step; or, after :class:`Calls`, an array
of losses per call."""


class DeviceUnavailableError(RuntimeError):
    """Raised by a frontend's runtime when the requested device is not available; says what to install."""


@dataclass(frozen=True)
class Phase:
    """A part of a training, up to and including the step with number ``until`` (counted from 1).

    ``frozen`` names the parameters that it leaves as they are.
    """

    name: str
    until: int
    frozen: tuple[str, ...] = ()


class Feed:
    """What the coming steps are given: data, rows, and their place in the training.

    The harness may change it between two steps, after set-up, so that nobody can know beforehand what a step will see.

    Attributes:
        data: the data set by name, as ordered at present.
        rows: (period, batch) indices of the samples that each step sees, or None: each step sees all samples.
        per_step: (period, ...) by name: data that changes with the step.
        step: how many steps have been taken.
        changes: how often the feed was changed.
    """

    def __init__(self, data: Arrays, rows: Array | None, per_step: Arrays, step: int = 0) -> None:
        self._original = data
        self.data, self.rows, self.per_step = data, rows, per_step
        self.step, self.changes = step, 0
        self._origin = 0  # the step that sees the first of the rows

    def change(self, order: Arrays, rows: Array | None = None) -> None:
        """Reorder the original data set's arrays (by name, each with its own order) and replace the rows.

        Arrays without an order stay as they are at present.
        """
        self.data = {
            name: self._original[name][order[name]] if name in order else array for name, array in self.data.items()
        }
        if rows is not None:
            self.rows, self._origin = rows, self.step
        self.changes += 1

    def next_rows(self) -> Array:
        """The rows of the coming step."""
        assert self.rows is not None
        chosen: Array = self.rows[(self.step - self._origin) % len(self.rows)]
        return chosen

    def next_extras(self) -> list[Array]:
        """What of ``per_step`` belongs to the coming step."""
        return [array[self.step % len(array)] for array in self.per_step.values()]


@dataclass(frozen=True)
class Problem:
    """One task at one preset and seed, as arrays, and where a frontend is to compute it.

    Attributes:
        task, preset, seed: where the problem comes from.
        steps: how many steps the task calls for.
        learning_rate: of the optimiser; 0 where the task updates nothing.
        terms: length of the longest sum of one step; rounding errors, and so the limits of the proof, grow with it.
        flops: floating-point operations of one step, derived from the mathematics.
        bytes: bytes that one step must at least read and write, derived from the mathematics.
        init: start values by name; the task's docstring gives their shapes.
        data: the whole data set by name, samples along the first axis; empty for a task without data.
        rows: (steps, batch) indices of the samples each step sees, or None: each step sees all samples.
        per_step: (steps or period, ...) by name: what changes with the step, such as masks; appended to the batch.
        queries: (queries, inputs) what to predict.
        answers: (queries,) the right classes of the queries, or (queries, places) of several places, all of which must
            be right; the harness computes the accuracy from the predictions.
        optimizer: its name and numbers, such as {"name": "adam", "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8}; the
            task's docstring writes its formula. {"name": "sgd"}: p <- p - learning_rate * gradient.
        phases: parts of the training, in order; empty if it has only one.
        period: the steps after which the work of a step repeats; only whole periods are timed.
        carried: what a training that does not start afresh begins with, as in :class:`State`. Only the reference is
            started from the middle.
        start: how many steps were taken before.
        dtype: of all floating-point arrays: "float32" or "float64". Integers keep their own type.
        device: "cpu" or "gpu". A worker sees one GPU only, so it never needs an index.
        mode: which of the frontend's modes to run in, for example "pytorch_eager".
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
    per_step: Arrays = field(default_factory=dict)
    queries: Array | None = None
    answers: Array | None = None
    optimizer: Mapping[str, Any] = field(default_factory=lambda: {"name": "sgd"})
    phases: tuple[Phase, ...] = ()
    period: int = 1
    carried: Arrays = field(default_factory=dict)
    start: int = 0
    dtype: str = "float32"
    device: str = "cpu"
    mode: str = ""
    feed: Feed = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "feed", Feed(self.data, self.rows, self.per_step, self.start))

    @property
    def resident(self) -> bool:
        """Whether every step sees all samples; they are then put on the device during set-up."""
        return self.rows is None

    @property
    def last_phase(self) -> int:
        """The step with which the last phase begins, which is the one that is timed; 0 if there is only one."""
        return self.phases[-2].until if len(self.phases) > 1 else 0

    @property
    def plain(self) -> bool:
        """Whether one step tells every gradient: the optimiser is plain SGD, or nothing is updated."""
        return not self.learning_rate or self.optimizer["name"] == "sgd"

    @property
    def beta_2(self) -> float | None:
        """Adam's decay of the second moment; None for other optimisers."""
        return self.optimizer.get("beta_2")

    def batches(self, put: Put = lambda array: array, until: int | None = None) -> Iterator[tuple[Any, ...]]:
        """The batch of each coming step, as a tuple in the order of ``data`` and ``per_step``, each passed to ``put``.

        ``put`` moves an array from host memory to where the framework computes. A resident problem moves its data
        during this call, and an array again only if the harness reorders it, in a step that is not timed;
        otherwise each batch is gathered and moved in its step, and the copy is part of the step.

        Args:
            put: moves an array.
            until: of a phase: the step with which the batches end. Those of the last phase never end.
        """
        end = math.inf if until is None or until >= self.steps else until
        if self.rows is None:
            arrays = tuple(self.feed.data.values())
            return self._resident(put, end, self.feed.changes, arrays, tuple(put(array) for array in arrays))
        return self._gathered(put, end)

    def _resident(
        self, put: Put, end: float, changes: int, arrays: tuple[Array, ...], batch: tuple[Any, ...]
    ) -> Iterator[tuple[Any, ...]]:
        feed = self.feed
        while feed.step < end:
            if feed.changes != changes:
                before, arrays, changes = arrays, tuple(feed.data.values()), feed.changes
                parts = zip(before, arrays, batch, strict=True)
                batch = tuple(moved if new is old else put(new) for old, new, moved in parts)
            extras = tuple(put(array) for array in feed.next_extras()) if feed.per_step else ()
            feed.step += 1
            yield batch + extras if extras else batch

    def _gathered(self, put: Put, end: float) -> Iterator[tuple[Any, ...]]:
        feed = self.feed
        while feed.step < end:
            rows, extras = feed.next_rows(), feed.next_extras()
            feed.step += 1
            yield tuple(put(array[rows]) for array in feed.data.values()) + tuple(put(array) for array in extras)

    def astype(self, dtype: str) -> Problem:
        """The same numbers in another floating-point type; integers stay as they are."""

        def cast(array: Array) -> Array:
            return array.astype(dtype) if array.dtype.kind == "f" else array

        changes: dict[str, Any] = {
            group: {name: cast(array) for name, array in getattr(self, group).items()}
            for group in ("init", "data", "per_step", "carried")
        }
        changes["queries"] = None if self.queries is None else cast(self.queries)
        return dataclasses.replace(self, dtype=dtype, **changes)

    def with_steps(self, steps: int) -> Problem:
        """The same problem for another number of steps: each phase has its share, and its rows repeat as needed."""
        rows, ends = self.rows, [0, *(phase.until for phase in self.phases[:-1]), self.steps]
        new_ends = [math.ceil(end * steps / self.steps) for end in ends]
        phases = tuple(
            dataclasses.replace(phase, until=end) for phase, end in zip(self.phases, new_ends[1:], strict=False)
        )
        if rows is not None:
            parts = zip(itertools.pairwise(ends), itertools.pairwise(new_ends), strict=True)
            chosen = [old + np.arange(end - start) % (old_end - old) for (old, old_end), (start, end) in parts]
            rows = rows[np.concatenate(chosen)]
        return dataclasses.replace(self, steps=steps, rows=rows, phases=phases)

    def with_plain_sgd(self) -> Problem:
        """The same problem with p <- p - gradient for an optimiser, so that one step tells every gradient."""
        return dataclasses.replace(self, optimizer={"name": "sgd"}, learning_rate=1.0)


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
