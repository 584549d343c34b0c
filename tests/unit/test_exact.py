"""Trainings in float64 run side by side, and the whole waits for the last one: so the longest begin first."""

from __future__ import annotations

import queue
from types import SimpleNamespace

import pytest

from workbench.catalog import Catalog
from workbench.catalog.roots import content_root
from workbench.host import machine
from workbench.model.records import Settings
from workbench.session.exact import ExactProofs
from workbench.session.forecast import Forecast
from workbench.session.session import contestants_of
from workbench.session.workers import WORKER_BYTES

FRONTENDS = ("numpy_manual", "pytorch_eager", "pytorch_compiled", "jax_jit")


@pytest.mark.parametrize(
    ("known", "order"),
    [
        ({}, ["jax_jit", "pytorch_compiled", "pytorch_eager", "numpy_manual"]),
        (
            {"jax_jit": 3.0, "pytorch_eager": 4.0, "pytorch_compiled": 20.0, "numpy_manual": 1.0},
            ["pytorch_compiled", "pytorch_eager", "jax_jit", "numpy_manual"],
        ),
        ({"jax_jit": 3.0, "numpy_manual": 20.0}, ["numpy_manual", "pytorch_compiled", "pytorch_eager", "jax_jit"]),
    ],
)
def test_the_longest_begin_first(monkeypatch, known, order):
    catalog = Catalog((content_root(),))
    contestants = contestants_of(catalog, [catalog.frontends[name] for name in FRONTENDS])
    context = SimpleNamespace(forecast=Forecast(FRONTENDS, 1, 1, known))
    exact, began = ExactProofs(context, None, ""), []
    slot: queue.SimpleQueue[tuple[int, ...]] = queue.SimpleQueue()
    slot.put((0,))
    monkeypatch.setattr(exact, "_slots", lambda: slot)
    monkeypatch.setattr(exact, "_computed", lambda contestant, _: began.append(contestant.id))
    computed = {}
    exact._compute([(contestant, None) for contestant in contestants], computed)
    assert began == order
    assert set(computed) == set(FRONTENDS)


@pytest.mark.parametrize(
    ("cpus", "harness", "threads", "slots"),
    [
        ((1,), (0,), 1, [(0,), (1,)]),
        ((1,), (1,), 1, [(1,)]),
        ((2, 3), (0, 1), 2, [(0, 1), (2, 3)]),
        ((1, 2), (0,), 2, [(0, 1)]),
        ((0, 1, 2), (0, 1, 2), None, [(0,), (1,), (2,)]),
        ((), (), 1, [()]),  # nothing is pinned
    ],
)
def test_they_run_on_all_cpus_because_nothing_is_timed(monkeypatch, cpus, harness, threads, slots):
    monkeypatch.setattr(machine, "available_bytes", lambda: 1 << 40)
    settings = Settings("linreg", "points", cpus=cpus, harness_cpus=harness, threads=threads)
    free = ExactProofs(SimpleNamespace(settings=settings), None, "")._slots()
    assert [free.get_nowait() for _ in range(free.qsize())] == slots


def test_memory_limits_how_many_run_at_once(monkeypatch):
    monkeypatch.setattr(machine, "available_bytes", lambda: 2 * WORKER_BYTES + 1)
    settings = Settings("linreg", "points", cpus=(1,), harness_cpus=(0, 2, 3), threads=1)
    assert ExactProofs(SimpleNamespace(settings=settings), None, "")._slots().qsize() == 2
