"""Softmax regression that classifies handwritten digits: one linear layer, trained by SGD on softmax cross-entropy.

Model, for images x of shape (batch, inputs), pixels in [0, 1], and labels of shape (batch,), integers 0..9:

    logits = x @ w + b                             w: (inputs, classes), b: (classes,)
    loss   = mean(log(sum(exp(logits))) - logits[label])           sum over classes, mean over the batch

Gradients, with probabilities = exp(logits) / sum(exp(logits)):

    dlogits  = (probabilities - onehot(labels)) / batch            (batch, classes)
    dloss/dw = x.T @ dlogits                       dloss/db = sum(dlogits)     over the batch

A step computes the loss of its batch at the current parameters, then updates both by plain SGD:
w <- w - learning_rate * dloss/dw, and likewise b. The loss of a step is the loss *before* its update. Weights and
biases start at 0, where every class is equally likely and the first loss is log(classes); the loss is convex, so
nothing is gained by starting elsewhere.

State: parameters "w" and "b"; predictions: the logits, of shape (queries, classes), for the digits that are kept from
training. ``answers`` are their labels.

Feeding: mini-batches from host memory; copying a batch to the device is part of its step. Labels stay integers.

What trips people who port this:

- Softmax and the logarithm belong together: log(softmax(logits)) overflows where the fused loss does not, and its
  gradient, probabilities minus one-hot labels, costs an extra pass where it is not fused.
- PyTorch's cross_entropy takes logits, not probabilities; so does Keras's loss, if from_logits=True says so.
- Without a hidden layer a step is so short that what is measured is a framework's cost per step, not its arithmetic.
"""

import numpy as np

from workbench.contract import Problem, shuffled_rows

TRAINED = 1500  # digits to train on; the other 297 are the queries

PRESETS = {
    "digits": {
        "about": "scikit-learn's 8 x 8 digits: 64 -> 10, in mini-batches of 50",
        "accuracy": 0.93,
        "steps": 500,
        "learning_rate": 0.5,
        "batch": 50,
        "scale": 1,
    },
    "epochs": {
        "about": "the same, 40 times over all digits in mini-batches of 250",
        "accuracy": 0.93,
        "steps": 240,
        "learning_rate": 1.0,
        "batch": 250,
        "scale": 1,
    },
    "wide": {
        "about": "each pixel enlarged to 8 x 8: 4096 -> 10, in mini-batches of 1000",
        "accuracy": 0.9,
        "steps": 100,
        "learning_rate": 0.01,
        "batch": 1000,
        "scale": 8,
    },
}


# What `--sweep size` varies.
SWEEP = {"preset": "digits", "key": "scale", "values": [1, 2, 4, 8, 16]}


def make(preset: str, seed: int, **changes: int) -> Problem:
    """The problem of one preset; ``seed`` determines which digits are trained on, and their order."""
    from sklearn.datasets import load_digits  # included in scikit-learn

    sizes = {**PRESETS[preset], **changes}
    batch, scale = sizes["batch"], sizes["scale"]
    rng = np.random.default_rng(seed)
    images, labels = load_digits(return_X_y=True)
    order = rng.permutation(len(images))
    images, labels = images[order].reshape(-1, 8, 8) / 16, labels[order].astype(np.int64)
    x = images.repeat(scale, axis=1).repeat(scale, axis=2).reshape(len(images), -1)
    inputs, classes = x.shape[1], 10
    return Problem(
        task="logreg",
        preset=preset,
        seed=seed,
        steps=sizes["steps"],
        learning_rate=sizes["learning_rate"],
        terms=max(batch, inputs),
        flops=4 * batch * inputs * classes + 2 * inputs * classes,  # logits 2, gradient of the weights 2; the update
        bytes=4 * (3 * inputs * classes + 2 * batch * inputs + 3 * batch * classes),
        init={"w": np.zeros((inputs, classes)), "b": np.zeros(classes)},
        data={"x": x[:TRAINED], "labels": labels[:TRAINED]},
        rows=shuffled_rows(rng, TRAINED, batch, sizes["steps"]),
        queries=x[TRAINED:],
        answers=labels[TRAINED:],
    )
