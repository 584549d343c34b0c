"""Holes that are an error of the framework's: each is seen here, so a framework that has mended it fails its test."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from workbench.catalog import catalog
from workbench.catalog.roots import content_root

BEGIN = """
import dataclasses
import importlib
from workbench.contract import Settings

runtime = importlib.import_module("frontends.{folder}.runtime")
runtime.configure(Settings())
problem = importlib.import_module("tasks.{task}").make("{preset}", 0).astype("float32")
problem = dataclasses.replace(problem, mode="{mode}")
training = importlib.import_module("frontends.{folder}.{task}").train(problem)
begun = next(training)
training.send(1)
"""
STATE = "print('state', abs(begun.state().carried['h']).max())"
COMPILED = "before = len(runtime.compiled); training.send(1); training.send(1); print(len(runtime.compiled) - before)"
SEEN = {  # by frontend and task: what is done after one step, and what it prints or how it fails
    ("jax_op_by_op", "lstm"): (COMPILED, r"^[1-9]"),
    ("keras_jax", "lstm"): (STATE, r"^state 0\.0$"),
    ("keras_torch", "lstm"): ("", "modified by an inplace operation"),
}
BY_DESIGN = {("jax_scan", task) for task in ("dynamic_net", "graph_gradients", "transfer")}  # no error to be seen
RIGHT = {  # the same content, where it does not fail
    ("jax_jit", "lstm"): (COMPILED, r"^0$"),
    ("tf2_keras", "lstm"): (STATE, r"^state 0\.\d*[1-9]"),
}

FOUND = catalog()


def output_of(frontend: str, task: str, then: str) -> str:
    """What one step of a pair's content prints, in a process of its own."""
    mode = FOUND.frontends[frontend]
    pytest.importorskip(mode.packages[-1], reason=f"{mode.packages[-1]} is not installed")
    source = BEGIN.format(task=task, preset=FOUND.tasks[task].default_preset, folder=mode.folder, mode=frontend) + then
    environment = {**os.environ, **mode.environment, "PYTHONPATH": str(content_root())}
    done = subprocess.run([sys.executable, "-c", source], env=environment, capture_output=True, text=True)
    return done.stdout + done.stderr


@pytest.mark.parametrize(("frontend", "task"), [*SEEN, *RIGHT], ids="-".join)
def test_the_framework_does_what_the_hole_says_and_the_others_do_not(frontend, task):
    then, expected = {**SEEN, **RIGHT}[frontend, task]
    assert re.search(expected, output_of(frontend, task, then), re.MULTILINE)


def test_every_hole_of_a_single_mode_is_seen():
    own = {
        (mode.id, task)
        for mode in FOUND.frontends.values()
        for task in mode.holes
        if any(task not in other.holes for other in FOUND.frontends.values() if other.folder == mode.folder)
    }
    assert own == set(SEEN) | BY_DESIGN
