"""A ReLU network whose depth changes from step to step: one hidden layer is applied 0 to 3 times.

Model, for inputs x of shape (batch, inputs) and targets y of shape (batch, outputs), in a step of a given depth:

    a          = max(x @ w1, 0)                  w1: (inputs, hidden)
    a         <- max(a @ w2, 0)                  w2: (hidden, hidden), depth times, with the same weights each time
    prediction = a @ w3                          w3: (hidden, outputs)
    loss       = sum((prediction - y)**2) / batch

Gradients, with error = 2/batch * (prediction - y), and going back through the layers in turn:

    dloss/dw3  = a.T @ error                     d = (error @ w3.T) * (a > 0)
    dloss/dw2  = sum over the depth of (a before).T @ d,   d <- (d @ w2.T) * (a before > 0); 0 where the depth is 0
    dloss/dw1  = x.T @ d

A step computes the loss of its batch at the current parameters and its own depth, then updates every parameter p by
plain stochastic gradient descent, p <- p - learning_rate * dloss/dp. The loss of a step is the loss *before* its
update. Weights start at He's scale, sqrt(2/inputs of the layer), the same for every frontend.

The depth comes with the batch, from a schedule of 8 steps that repeats: each of 0, 1, 2, 3 twice, the deepest first
and the others in an order that the seed determines. Only whole schedules are timed, so every frontend is timed on the
same mixture of depths.

State: parameters "w1", "w2" and "w3"; predictions (queries, outputs) for ``problem.queries``, at depth 1.

Feeding: all samples reside on the device; the depth stays on the host, where the program decides by it.

What trips people who port this:

- Define-by-run (NumPy, PyTorch, TensorFlow 2 eager) writes a Python loop and is done. Define-and-run must build every
  depth into the graph (TensorFlow 1: a while loop), or compile a program for each depth (jit, tf.function,
  torch.compile), four here, each when it is first met; a depth that it has not seen costs a compilation.
- A depth that is passed as a tensor to tf.function is no loop bound of Python's; as a Python number it retraces.
- Where the depth is 0, the gradient of w2 is 0; PyTorch leaves it None, JAX and NumPy give zeros.
"""

import numpy as np

from workbench.contract import Problem

DEPTHS = (0, 1, 2, 3)

PRESETS = {
    "tutorial": {
        "about": "64 x 1000 -> 100 (-> 100, 0 to 3 times) -> 10, the size of the well-known tutorial",
        "steps": 304,
        "learning_rate": 0.001,
        "samples": 64,
        "inputs": 1000,
        "hidden": 100,
        "outputs": 10,
    },
    "wide": {
        "about": "512 x 512 -> 1024 (-> 1024, 0 to 3 times) -> 10: a step is arithmetic rather than calls",
        "steps": 24,
        "learning_rate": 0.0005,
        "samples": 512,
        "inputs": 512,
        "hidden": 1024,
        "outputs": 10,
    },
}


# What `--sweep size` varies.
SWEEP = {"preset": "tutorial", "key": "samples", "values": [4, 16, 64, 256, 1024]}


def make(preset: str, seed: int, **changes: int) -> Problem:
    """The problem of one preset; ``seed`` determines initial weights, data and the schedule of depths."""
    sizes = {**PRESETS[preset], **changes}
    samples, inputs, hidden, outputs = (sizes[name] for name in ("samples", "inputs", "hidden", "outputs"))
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((samples, inputs))
    y = rng.standard_normal((samples, outputs))
    depths = np.array([DEPTHS[-1], *rng.permutation([*DEPTHS, *DEPTHS[:-1]])])
    depth = np.mean(DEPTHS)
    weights = inputs * hidden + hidden * hidden + hidden * outputs
    return Problem(
        task="dynamic_net",
        preset=preset,
        seed=seed,
        steps=sizes["steps"],
        learning_rate=sizes["learning_rate"],
        terms=max(samples, inputs, hidden),
        # forward 2, gradient of the weights 2, gradient of the hidden layers 2; update; on average over the depths
        flops=samples * (4 * inputs * hidden + 6 * depth * hidden * hidden + 6 * hidden * outputs) + 2 * weights,
        bytes=4 * (4 * weights + 2 * samples * inputs + 4 * (1 + depth) * samples * hidden + 3 * samples * outputs),
        init={
            "w1": np.sqrt(2 / inputs) * rng.standard_normal((inputs, hidden)),
            "w2": np.sqrt(2 / hidden) * rng.standard_normal((hidden, hidden)),
            "w3": np.sqrt(2 / hidden) * rng.standard_normal((hidden, outputs)),
        },
        data={"x": x, "y": y},
        per_step={"depth": depths.astype(np.int64)},
        period=len(depths),
        queries=x[:10],
    )
