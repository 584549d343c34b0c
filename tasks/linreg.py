"""Linear regression by gradient descent.

Model, for inputs x of shape (batch, inputs) and targets y of shape (batch, 1):

    prediction = x @ w + b                       w: (inputs, 1), b: (1,)
    loss       = mean((prediction - y)**2)       mean over the batch

Gradients, with error = prediction - y:

    dloss/dw = 2/batch * x.T @ error             (inputs, 1)
    dloss/db = 2/batch * sum(error)              (1,), summed over the batch

A step computes the loss of its batch at the current parameters, then updates every parameter p by plain
stochastic gradient descent, p <- p - learning_rate * dloss/dp. The loss of a step is the loss *before* its
update. Parameters start at small random values, the same for every frontend.

Result: parameters "w" and "b" after the last step; predictions of shape (queries, 1) for ``problem.queries``.

Feeding: `points`, `line` and `wide` are full-batch, so x and y live on the device from set-up on. `diabetes`
feeds mini-batches from host memory, and each batch's copy to the device is part of its step.

What trips people who port this:

- The 2 of the mean's derivative belongs to the loss. Drop it and everything still converges, at half the rate.
- y must be (batch, 1). With (batch,) the difference broadcasts to (batch, batch) and still "trains".
- GradientDescentOptimizer turns a learning rate that is a Python float into float32: at --dtype float64 the
  updates are then off by 1e-9, which the proof sees. Give it a constant of the parameters' type.
- PyTorch's nn.Linear keeps its weight as (outputs, inputs), the transpose of Keras's and ours.
- Keras reports the mean of the losses since the epoch began; one step's own loss takes a callback that resets it.
"""

import numpy as np

from workbench.contract import Problem, shuffled_rows

PRESETS = {
    "points": {
        "about": "x = 1..5, y = 2, 4, 5, 4, 5; then predict x = 10",
        "steps": 1000,
        "learning_rate": 0.01,
    },
    "line": {
        "about": "x = 1, 2, 3 on the line y = 2x; then predict x = 4",
        "steps": 1000,
        "learning_rate": 0.01,
    },
    "diabetes": {
        "about": "scikit-learn's 442 patients x 10 measurements, standardised, in mini-batches of 34",
        "steps": 520,
        "learning_rate": 0.05,
        "batch": 34,
    },
    "wide": {
        "about": "generated 16384 x 512, large enough that arithmetic outweighs dispatch",
        "steps": 50,
        "learning_rate": 0.1,
        "samples": 16384,
        "inputs": 512,
    },
}


def make(preset: str, seed: int) -> Problem:
    """The problem of one preset; ``seed`` decides start weights, generated data and the order of batches."""
    sizes = PRESETS[preset]
    rng = np.random.default_rng(seed)
    x, y, queries = data(preset, rng)
    samples, inputs = x.shape
    batch = sizes.get("batch", samples)
    rows = shuffled_rows(rng, samples, batch, sizes["steps"]) if batch < samples else None
    return Problem(
        task="linreg",
        preset=preset,
        seed=seed,
        steps=sizes["steps"],
        learning_rate=sizes["learning_rate"],
        terms=max(batch, inputs),
        flops=4 * batch * inputs + 5 * batch + 2 * inputs,  # x @ w and x.T @ error; loss; update
        bytes=4 * (2 * batch * inputs + 4 * batch + 2 * inputs),  # x is read twice
        init={"w": 0.1 * rng.standard_normal((inputs, 1)), "b": 0.1 * rng.standard_normal(1)},
        data={"x": x, "y": y},
        rows=rows,
        queries=queries,
    )


def data(preset: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs (samples, inputs), targets (samples, 1) and queries (queries, inputs) of one preset."""
    if preset == "points":
        x, y, queries = [1, 2, 3, 4, 5], [2, 4, 5, 4, 5], [10]
        return column(x), column(y), column(queries)
    if preset == "line":
        x, y, queries = [1, 2, 3], [2, 4, 6], [4]
        return column(x), column(y), column(queries)
    if preset == "diabetes":
        from sklearn.datasets import load_diabetes  # ships inside scikit-learn

        x, y = load_diabetes(return_X_y=True, scaled=False)
        x, y = standardised(x), standardised(y[:, np.newaxis])
        return x, y, x[:10]

    samples, inputs = PRESETS[preset]["samples"], PRESETS[preset]["inputs"]
    x = rng.standard_normal((samples, inputs))
    y = x @ rng.standard_normal((inputs, 1)) + 3.0 + 0.1 * rng.standard_normal((samples, 1))
    return x, y, x[:10]


def column(values: list[int]) -> np.ndarray:
    """A list as a column of shape (len(values), 1)."""
    return np.array(values, dtype=np.float64)[:, np.newaxis]


def standardised(columns: np.ndarray) -> np.ndarray:
    """Each column shifted and scaled to mean 0 and standard deviation 1."""
    return (columns - columns.mean(axis=0)) / columns.std(axis=0)
