"""A graph of three operations and its gradients: define-and-run against define-by-run.

For x, y and z of one shape (rows, columns):

    a = x * y
    b = a + z
    c = sum(b)                                   a scalar

    dc/dx = y        dc/dy = x        dc/dz = 1  each (rows, columns)

A step evaluates c and all three gradients from the current x, y and z. Nothing is updated; the "loss" of a step
is c itself, the same at each step, because what is measured is the graph and not a training.

Result: gradients "x", "y" and "z" of the last step.

Feeding: x, y and z stand in ``problem.init`` and live on the device from set-up on. A step must really compute:
in TensorFlow 1 they are variables and in JAX arguments, since a compiler folds constants away.

What trips people who port this:

- PyTorch adds to ``.grad`` on every ``backward()``: clear it, or the second step's gradients are doubled.
- What nobody asks for is not computed: in TensorFlow 1, ``tf.group(*gradients)`` lets the graph optimizer prune
  the gradients away, and a step at 3000 x 4000 reads half its time. Run the gradients' operations themselves.
- tf.gradients returns the sum of dc/dx over all of c's elements; with a scalar c that is the gradient itself.
- The sum of 12 million float32 numbers depends on the order of the additions, and so does its last digit.
"""

import numpy as np

from workbench.contract import Problem

PRESETS = {
    "small": {"about": "3 x 4, where all the time is dispatch", "steps": 100, "rows": 3, "columns": 4},
    "large": {
        "about": "3000 x 4000, where all the time is memory",
        "steps": 10,
        "rows": 3000,
        "columns": 4000,
    },
}


def make(preset: str, seed: int) -> Problem:
    """The problem of one preset; ``seed`` decides the numbers in x, y and z, uniform in [0, 1)."""
    sizes = PRESETS[preset]
    shape = sizes["rows"], sizes["columns"]
    elements = sizes["rows"] * sizes["columns"]
    rng = np.random.default_rng(seed)
    return Problem(
        task="graph_gradients",
        preset=preset,
        seed=seed,
        steps=sizes["steps"],
        learning_rate=0.0,
        terms=elements,
        flops=3 * elements,  # product, sum, reduction; the gradients are copies
        bytes=4 * 6 * elements,  # read x, y, z; write three gradients
        init={name: rng.random(shape) for name in ("x", "y", "z")},
    )
