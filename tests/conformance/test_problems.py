"""What every task makes at every preset: the types, shapes and numbers that its specification promises."""

from __future__ import annotations

import re

import numpy as np
import pytest

from workbench.catalog import catalog
from workbench.contract import Problem

CATALOG = catalog()
PRESETS = [(task, preset) for task in CATALOG.tasks.values() for preset in task.presets.values()]
SHAPE = re.compile(r"(\w+): \(([^)]*)\)")
LAYER = re.compile(r"_?\d+(_\d+)?$")  # in the name of an array of one of several layers

pytestmark = pytest.mark.parametrize(("task", "preset"), PRESETS, ids=lambda part: part.name)


@pytest.fixture
def made(task, preset, content_module) -> Problem:
    return content_module(f"tasks.{task.name}").make(preset.name, 0)


def same(one: Problem, other: Problem) -> bool:
    return all(np.array_equal(one.init[name], other.init[name]) for name in one.init) and all(
        np.array_equal(one.data[name], other.data[name]) for name in one.data
    )


def test_it_says_what_it_is(task, preset, made):
    assert (made.task, made.preset, made.seed) == (task.name, preset.name, 0)
    assert made.steps == preset.values["steps"]
    assert made.learning_rate == preset.values.get("learning_rate", 0)


def test_its_costs_are_counted(task, preset, made):
    assert min(made.terms, made.flops, made.bytes) > 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_array_has_the_type_asked_for_and_is_finite(task, preset, made, dtype):
    problem = made.astype(dtype)
    arrays = [*problem.init.values(), *problem.data.values()]
    arrays += [] if problem.queries is None else [problem.queries]
    assert problem.dtype == dtype
    assert {array.dtype.name for array in arrays if array.dtype.kind != "i"} == {dtype}
    assert all(np.isfinite(array).all() and array.size for array in arrays)
    integers = {name: array for name, array in made.data.items() if array.dtype.kind == "i"}
    assert all(problem.data[name] is array for name, array in integers.items()), "integers stay what they are"
    assert set(integers) - {"x"} == ({"labels"} if made.answers is not None else set())


def test_start_values_are_shaped_as_the_specification_says(task, preset, made):
    sizes = dict(preset.values)
    named = {
        name: [part.strip() for part in shape.split(",") if part.strip()] for name, shape in SHAPE.findall(task.spec)
    }
    found = {name: array.shape for name, array in made.init.items()}
    for name, shape in found.items():
        words = named.get(name) or named[LAYER.sub("", name)]
        known = sizes if name in named else {}  # the sizes of a layer are its own
        for word, size in zip(words, shape, strict=True):
            assert int(word) == size if word.isdigit() else known.setdefault(word, size) == size, (name, shape)


def test_data_and_queries_fit_together(task, preset, made):
    samples = {len(array) for array in made.data.values()}
    assert len(samples) == (1 if made.data else 0)
    assert all(array.ndim in ((2, 3, 4) if array.dtype.kind == "f" else (1, 2)) for array in made.data.values())
    if made.queries is not None:
        assert made.queries.shape[1:] == made.data["x"].shape[1:]
        assert made.queries.dtype == made.data["x"].dtype


def test_answers_are_classes_of_queries_that_are_kept_from_training(task, preset, made):
    if made.answers is None:
        assert task.name != "mlp"
        return
    labels = made.data["labels"]
    assert (made.answers.dtype.kind, len(made.answers)) == ("i", len(made.queries))
    assert made.answers.shape[1:] == labels.shape[1:]
    assert set(made.answers.flat) == set(labels.flat) == set(range(made.answers.max() + 1))
    trained = {row.tobytes() for row in made.data["x"]}
    assert not trained & {row.tobytes() for row in made.queries}


def test_the_specification_names_every_array_of_the_state(task, preset, made):
    """And the formula of what it updates by, with every number that the optimiser has."""
    paragraph = next(part for part in task.spec.split("\n\n") if part.startswith("State:"))
    names = [name if f'"{name}"' in paragraph else LAYER.sub("", name) for name in made.init or made.data]
    assert all(f'"{name}"' in paragraph for name in names)
    numbers = {name for name, value in made.optimizer.items() if isinstance(value, float)}
    assert all(name in task.spec for name in numbers)
    assert ("<-" in task.spec) == bool(made.learning_rate)
    assert ('"m/..."' in paragraph) == (made.optimizer["name"] in ("adam", "adamw"))


def test_rows_are_in_range_and_never_twice_in_an_epoch(task, preset, made):
    batch = preset.values.get("batch")
    assert made.resident == (batch is None)
    if made.rows is not None:
        assert made.rows.shape == (made.steps, batch)
        assert 0 <= made.rows.min() <= made.rows.max() < len(made.data["x"])
        first = made.rows[: made.phases[0].until] if made.phases else range(len(made.data["x"]))
        samples = len(np.unique(first))
        assert made.rows.dtype.kind in "iu"
        epoch = made.rows[: samples // batch].ravel()
        assert len(set(epoch.tolist())) == len(epoch)


def test_the_seed_decides_every_number(task, preset, made, content_module):
    make = content_module(f"tasks.{task.name}").make
    assert same(made, make(preset.name, 0))
    assert not same(made, make(preset.name, 1))


def test_the_presets_the_catalog_reads_are_those_that_make_reads(task, preset, content_module):
    assert content_module(f"tasks.{task.name}").PRESETS[preset.name] == preset.values
