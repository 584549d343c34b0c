"""Trainings in float64 run side by side, and the whole waits for the last one: so the longest begin first."""

from __future__ import annotations

import queue
from types import SimpleNamespace

import pytest

from workbench.catalog import Catalog
from workbench.catalog.roots import content_root
from workbench.session.exact import ExactProofs
from workbench.session.forecast import Forecast
from workbench.session.session import contestants_of

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
    monkeypatch.setattr(exact, "_key", lambda _: None)
    monkeypatch.setattr(exact, "_computed", lambda contestant, _: began.append(contestant.id))
    computed = {}
    exact._compute(contestants, computed)
    assert began == order
    assert set(computed) == set(FRONTENDS)
