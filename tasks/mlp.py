"""A multilayer perceptron that classifies handwritten digits, trained by Adam on softmax cross-entropy.

Model, for images x of shape (batch, inputs), pixels in [0, 1], and labels of shape (batch,), integers 0..9:

    hidden     = x @ w1 + b1                     w1: (inputs, hidden), b1: (hidden,)
    activated  = max(hidden, 0)
    logits     = activated @ w2 + b2             w2: (hidden, classes), b2: (classes,)
    loss       = mean(log(sum(exp(logits))) - logits[label])       sum over classes, mean over the batch

Gradients, with probabilities = exp(logits) / sum(exp(logits)):

    dlogits   = (probabilities - onehot(labels)) / batch           (batch, classes)
    dloss/dw2 = activated.T @ dlogits            dloss/db2 = sum(dlogits)      over the batch
    dhidden   = (dlogits @ w2.T) * (hidden > 0)
    dloss/dw1 = x.T @ dhidden                    dloss/db1 = sum(dhidden)      over the batch

A step computes the loss of its batch at the current parameters, then updates every parameter p, with gradient g, by
Adam (Kingma and Ba 2015, Algorithm 1). In step t = 1, 2, ...:

    m <- beta_1 * m + (1 - beta_1) * g           starts at 0
    v <- beta_2 * v + (1 - beta_2) * g**2        starts at 0
    p <- p - learning_rate * (m / (1 - beta_1**t)) / (sqrt(v / (1 - beta_2**t)) + epsilon)

Epsilon is added to the square root of the *corrected* v. Nothing is decayed. The loss of a step is the loss *before*
its update. Weights start at He's scale, sqrt(2/inputs of the layer), biases at 0, the same for every frontend.

State: parameters "w1", "b1", "w2" and "b2"; carried "m/..." and "v/..." of each; predictions: the logits, of shape
(queries, classes), for the digits that are kept from training. ``answers`` are their labels.

Feeding: mini-batches from host memory; copying a batch to the device is part of its step. Labels stay integers.

What trips people who port this:

- Keras's and TensorFlow 1's Adam add epsilon to the square root of the *uncorrected* v, which the paper calls epsilon
  hat; losses differ by 2e-6 from the second step on, and by 1e-2 after some hundred. PyTorch's is the formula above.
- Adam hides a wrong factor in the gradient: m / sqrt(v) stays the same. Proofs also take one plain step, p <- p - g.
- 1 - beta_2 from a double and 1 - beta_2**t in float32 do not cancel: the first steps are off by 6e-6. Round beta_2
  once and use it in both places.
- In float32, a hidden unit whose sum is within rounding of 0 may be active in one framework and inactive in another.
  The losses then differ by 1e-3 within some hundred steps, in honest frontends, too; in float64 they do not.
- PyTorch's cross_entropy takes logits, not probabilities; so does Keras's loss, if from_logits=True says so.
"""

import numpy as np

from workbench.contract import Problem, shuffled_rows

TRAINED = 1500  # digits to train on; the other 297 are the queries

PRESETS = {
    "digits": {
        "about": "scikit-learn's 8 x 8 digits: 64 -> 128 -> 10, in mini-batches of 50",
        "accuracy": 0.95,
        "steps": 500,
        "learning_rate": 0.001,
        "batch": 50,
        "hidden": 128,
    },
    "epochs": {
        "about": "64 -> 256 -> 10, 20 times over all digits in mini-batches of 100",
        "accuracy": 0.95,
        "steps": 300,
        "learning_rate": 0.001,
        "batch": 100,
        "hidden": 256,
    },
    "wide": {
        "about": "64 -> 4096 -> 10, in mini-batches of 500: a step is arithmetic rather than calls",
        "accuracy": 0.95,
        "steps": 60,
        "learning_rate": 0.001,
        "batch": 500,
        "hidden": 4096,
    },
}


# What `--sweep size` varies.
SWEEP = {"preset": "digits", "key": "hidden", "values": [16, 64, 256, 1024, 4096]}


def make(preset: str, seed: int, **changes: int) -> Problem:
    """The problem of one preset; ``seed`` determines initial weights, which digits are trained on, and their order."""
    from sklearn.datasets import load_digits  # included in scikit-learn

    sizes = {**PRESETS[preset], **changes}
    batch, hidden = sizes["batch"], sizes["hidden"]
    rng = np.random.default_rng(seed)
    x, labels = load_digits(return_X_y=True)
    order = rng.permutation(len(x))
    x, labels = x[order] / 16, labels[order].astype(np.int64)
    inputs, classes = x.shape[1], 10
    weights = inputs * hidden + hidden * classes
    return Problem(
        task="mlp",
        preset=preset,
        seed=seed,
        steps=sizes["steps"],
        learning_rate=sizes["learning_rate"],
        optimizer={"name": "adam", "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8},
        terms=max(batch, inputs, hidden),
        # forward 2, gradient of the weights 2, gradient of the hidden layer 2; Adam
        flops=2 * batch * (2 * inputs * hidden + 3 * hidden * classes) + 12 * weights,
        bytes=4 * (10 * weights + 2 * batch * inputs + 4 * batch * hidden + 3 * batch * classes),
        init={
            "w1": np.sqrt(2 / inputs) * rng.standard_normal((inputs, hidden)),
            "b1": np.zeros(hidden),
            "w2": np.sqrt(2 / hidden) * rng.standard_normal((hidden, classes)),
            "b2": np.zeros(classes),
        },
        data={"x": x[:TRAINED], "labels": labels[:TRAINED]},
        rows=shuffled_rows(rng, TRAINED, batch, sizes["steps"]),
        queries=x[TRAINED:],
        answers=labels[TRAINED:],
    )
