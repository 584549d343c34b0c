"""A convolutional network that classifies images of digits, trained by SGD with momentum on softmax cross-entropy.

Model, for images x of shape (batch, height, width, channels) and labels of shape (batch,), integers 0..9. The layers
stand in blocks, as in VGG, whose names they have: k2_1 is the kernel of the first layer of the second block. A layer is

    hidden     = convolution(a, k) + b             k: (3, 3, channels of a, filters), b: (filters,)
    a         <- max(hidden, 0)

where the convolution slides over the image with zeros around it, so that height and width stay:

    convolution(a, k)[n, y, x, f] = sum over dy, dx in 0..2 and c of a[n, y + dy - 1, x + dx - 1, c] * k[dy, dx, c, f]

or, in a preset with batch normalisation (Ioffe and Szegedy 2015),

    h          = convolution(a, k)
    hidden     = (h - mean) / sqrt(variance + 1e-5) * g + b        g: (filters,)
    a         <- max(hidden, 0)

with mean and variance of h over the batch, height and width, the variance divided by the number of values, not by one
less. Predictions are made with running ones, which every step moves on: running <- 0.9 * running + 0.1 * that of the
batch, from 0 and 1 at the start.

After each block a <- the maximum over windows of 2 x 2, so that height and width halve. At the end

    logits = flatten(a) @ w + b                    w: (inputs, classes), b: (classes,)
    loss   = mean(log(sum(exp(logits))) - logits[label])           sum over classes, mean over the batch

where flatten goes through height, width and filters in this order.

Gradients go the same way back: dloss/dlogits = (probabilities - onehot(labels)) / batch; a maximum passes its gradient
to where it was found, to the first place, row by row, if there are several; ReLU where hidden > 0; and with
d = dloss/dhidden

    dloss/dk[dy, dx, c, f] = sum over n, y, x of a[n, y + dy - 1, x + dx - 1, c] * d[n, y, x, f]
    dloss/db   = sum(d)                            over the batch, height and width
    dloss/da   = convolution(d, k turned by 180 degrees, channels and filters exchanged)

With batch normalisation, and s for the normalised h, dloss/dg = sum(d * s), and what goes on to the convolution is
(ds - mean(ds) - s * mean(ds * s)) / sqrt(variance + 1e-5) with ds = d * g.

A step computes the loss of its batch at the current parameters, then updates every parameter p, with gradient g, by
SGD with momentum (as PyTorch and Keras write it):

    velocity <- momentum * velocity + g            starts at 0
    p        <- p - learning_rate * velocity

The loss of a step is the loss *before* its update. Kernels and w start at He's scale, the biases of convolutions at
0.1, so that no ReLU over an empty background starts exactly at its kink, and b at 0.

State: parameters "k1_1", "b1_1", "k1_2", "b1_2", "k2_1", "b2_1", "k2_2" and "b2_2", as far as a preset has these
layers, with "g1_1", "g1_2", "g2_1" and "g2_2" each before its b where they are normalised, then "w" and "b"; carried
"velocity/..." of each, and the running "mean/1_1", "variance/1_1" and so on; predictions: the logits for the images
that are kept from training. ``answers`` are their labels.

Feeding: mini-batches from host memory; copying a batch to the device is part of its step. Labels stay integers.

What trips people who port this:

- PyTorch's convolutions take (batch, channels, height, width) and kernels (filters, channels, 3, 3), so that flatten
  orders the inputs of the last layer otherwise: its weights must be permuted with it. That part goes wrong.
- What frameworks call convolution is a correlation: the kernel is not flipped. The gradient's is.
- Maxima tie: over an empty background all activations of a filter are equal, but for rounding, and every framework
  finds another first one. Losses of float32 then part by 1e-4 at the second step, honestly, so pixels have some noise.
  Who passes the gradient of a tie to each of the equals counts it several times.
- Batch normalisation comes in dialects: PyTorch's momentum is the share of the new value (0.1), Keras's that of the old
  (0.99 unless told), and PyTorch divides the running variance, but not that of the batch, by one less than the number
  of values; Keras's epsilon is 1e-3.
- Momentum may stand before or after the learning rate, and be dampened; Keras's own momentum passes through float32.
"""

import numpy as np

from workbench.contract import Problem, shuffled_rows

NOISE = 0.05  # of every pixel, so that no two of them are equal
TRAINED = 1500  # images to train on; the other 297 are the queries

PRESETS = {
    "digits": {
        "about": "scikit-learn's 8 x 8 digits: blocks of 8 and of 16 filters, in mini-batches of 50",
        "accuracy": 0.95,
        "steps": 300,
        "learning_rate": 0.05,
        "batch": 50,
        "scale": 1,
        "channels": 1,
        "blocks": [[8], [16]],
    },
    "epochs": {
        "about": "blocks of 16, 16 and of 32, 32 filters, 5 times over all digits in mini-batches of 100",
        "accuracy": 0.95,
        "steps": 75,
        "learning_rate": 0.05,
        "batch": 100,
        "scale": 1,
        "channels": 1,
        "blocks": [[16, 16], [32, 32]],
    },
    "normalised": {
        "about": "blocks of 8 and of 16 filters with batch normalisation, in mini-batches of 100",
        "steps": 120,
        "accuracy": 0.95,
        "learning_rate": 0.02,
        "batch": 100,
        "scale": 1,
        "channels": 1,
        "normalised": 1,
        "blocks": [[8], [16]],
    },
    "wide": {
        "about": "digits enlarged and coloured to 32 x 32 x 3, a small VGG of 32, 32 and 64, 64 filters",
        "accuracy": 0.7,
        "steps": 20,
        "learning_rate": 0.005,
        "batch": 50,
        "scale": 4,
        "channels": 3,
        "blocks": [[32, 32], [64, 64]],
    },
}


# What `--sweep size` varies.
SWEEP = {"preset": "digits", "key": "scale", "values": [1, 2, 3, 4]}


def make(preset: str, seed: int, **changes: int) -> Problem:
    """The problem of one preset; ``seed`` determines initial weights, colours, and which digits are trained on."""
    from sklearn.datasets import load_digits  # included in scikit-learn

    sizes = {**PRESETS[preset], **changes}
    batch, scale, blocks = sizes["batch"], sizes["scale"], sizes["blocks"]
    rng = np.random.default_rng(seed)
    images, labels = load_digits(return_X_y=True)
    order = rng.permutation(len(images))
    images, labels = images[order].reshape(-1, 8, 8, 1) / 16, labels[order].astype(np.int64)
    colours = rng.uniform(0.5, 1, (len(images), 1, 1, sizes["channels"])) if sizes["channels"] > 1 else 1.0
    x = images.repeat(scale, axis=1).repeat(scale, axis=2) * colours
    x = x + NOISE * rng.standard_normal(x.shape)
    side, channels, classes = x.shape[1], x.shape[3], 10

    init, products, longest = {}, 0, 0
    for number, block in enumerate(blocks, 1):
        for layer, filters in enumerate(block, 1):
            kernel = rng.standard_normal((3, 3, channels, filters))
            init[f"k{number}_{layer}"] = np.sqrt(2 / (9 * channels)) * kernel
            if sizes.get("normalised"):
                init[f"g{number}_{layer}"] = np.ones(filters)
            init[f"b{number}_{layer}"] = np.full(filters, 0.1)
            products += side * side * 9 * channels * filters
            longest, channels = max(longest, 9 * channels), filters
        side //= 2
    inputs = side * side * channels
    init["w"] = np.sqrt(2 / inputs) * rng.standard_normal((inputs, classes))
    init["b"] = np.zeros(classes)
    weights = sum(array.size for array in init.values())
    return Problem(
        task="cnn",
        preset=preset,
        seed=seed,
        steps=sizes["steps"],
        learning_rate=sizes["learning_rate"],
        optimizer={"name": "momentum", "momentum": 0.9},
        terms=max(batch * x.shape[1] * x.shape[2], longest, inputs),
        flops=6 * batch * (products + inputs * classes) + 4 * weights,  # forward 2, kernels 2, inputs 2; momentum
        bytes=4 * (6 * weights + 2 * batch * x[0].size),
        init=init,
        data={"x": x[:TRAINED], "labels": labels[:TRAINED]},
        rows=shuffled_rows(rng, TRAINED, batch, sizes["steps"]),
        queries=x[TRAINED:],
        answers=labels[TRAINED:],
    )
