"""A two-layer ReLU network without biases, trained by gradient descent.

Model, for inputs x of shape (batch, inputs) and targets y of shape (batch, outputs):

    hidden     = x @ w1                          w1: (inputs, hidden)
    activated  = max(hidden, 0)
    prediction = activated @ w2                  w2: (hidden, outputs)
    loss       = sum((prediction - y)**2) / batch

The loss is the mean over the batch of each sample's *summed* squared error: divided by the batch, not by
batch * outputs. Gradients, with error = 2/batch * (prediction - y):

    dloss/dw2 = activated.T @ error              (hidden, outputs)
    dloss/dw1 = x.T @ ((error @ w2.T) * (hidden > 0))   (inputs, hidden)

A step computes the loss of its batch at the current parameters, then updates every parameter p by plain
stochastic gradient descent, p <- p - learning_rate * dloss/dp. The loss of a step is the loss *before* its
update. Weights start at He's scale, sqrt(2/inputs of the layer), the same for every frontend.

Result: parameters "w1" and "w2" after the last step; predictions (queries, outputs) for ``problem.queries``.

Feeding: `classic` and `wide` are full-batch and live on the device. `batches` feeds mini-batches from host
memory, and each batch's copy to the device is part of its step.

What trips people who port this:

- Every framework's ready-made mean squared error divides by batch * outputs: here that is 10 times too small.
- The derivative of max(h, 0) at h = 0 is taken as 0 by all five frameworks.
- The gradient of w1 needs w2 from *before* its update.
- A hidden unit whose sum lands within rounding of 0 may be on in one framework and off in another; losses then
  part by a rounding-sized amount that later steps carry along.
"""

import numpy as np

from workbench.contract import Problem, shuffled_rows

PRESETS = {
    "classic": {
        "about": "64 x 1000 -> 100 -> 10, the size of the well-known tutorial",
        "steps": 500,
        "learning_rate": 0.001,
        "samples": 64,
        "inputs": 1000,
        "hidden": 100,
        "outputs": 10,
    },
    "batches": {
        "about": "640 samples of the same net in mini-batches of 64",
        "steps": 500,
        "learning_rate": 0.001,
        "samples": 640,
        "batch": 64,
        "inputs": 1000,
        "hidden": 100,
        "outputs": 10,
    },
    "wide": {
        "about": "1024 x 1024 -> 1024 -> 10, about 4.4 GFLOP a step",
        "steps": 20,
        "learning_rate": 0.001,
        "samples": 1024,
        "inputs": 1024,
        "hidden": 1024,
        "outputs": 10,
    },
}


def make(preset: str, seed: int) -> Problem:
    """The problem of one preset; ``seed`` decides start weights, data and the order of batches."""
    sizes = PRESETS[preset]
    samples, inputs, hidden, outputs = (sizes[name] for name in ("samples", "inputs", "hidden", "outputs"))
    batch = sizes.get("batch", samples)
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((samples, inputs))
    y = rng.standard_normal((samples, outputs))
    weights = inputs * hidden + hidden * outputs
    return Problem(
        task="two_layer_net",
        preset=preset,
        seed=seed,
        steps=sizes["steps"],
        learning_rate=sizes["learning_rate"],
        terms=max(batch, inputs, hidden),
        # forward 2, gradient of the weights 2, gradient of the hidden layer 2; update
        flops=2 * batch * (2 * inputs * hidden + 3 * hidden * outputs) + 2 * weights,
        bytes=4 * (4 * weights + 2 * batch * inputs + 4 * batch * hidden + 3 * batch * outputs),
        init={
            "w1": np.sqrt(2 / inputs) * rng.standard_normal((inputs, hidden)),
            "w2": np.sqrt(2 / hidden) * rng.standard_normal((hidden, outputs)),
        },
        data={"x": x, "y": y},
        rows=shuffled_rows(rng, samples, batch, sizes["steps"]) if batch < samples else None,
        queries=x[:10],
    )
