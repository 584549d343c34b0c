"""A transformer that learns to add numbers written as digits, trained by AdamW on the digits of the sum.

A sample is two numbers and their sum, whose digits are written backwards, as minGPT's adder does: 85 + 50 = 135 is the
sequence 8 5 5 0 5 3 1. All but the last digit are read; from the last digit of the second number on, every position is
to predict the next digit. Model, for digits x of shape (batch, length), integers 0..9, and labels of shape
(batch, answers), integers 0..9, the digits of the sum:

    a          = token[x] + position             token: (digits, width), position: (length, width)

for each block of the network, whose number the names of its parameters end with, as in wq_1,

    n          = layer_norm(a, scale_a, shift_a)           scale_a: (width,), shift_a: (width,)
    q          = n wq + bq                       wq: (width, heads, size), bq: (heads, size)
    k          = n wk                            wk: (width, heads, size)
    v          = n wv + bv                       wv: (width, heads, size), bv: (heads, size)
    weights    = softmax(q k / sqrt(size))       in each head, over this and all earlier positions
    a         <- a + dropout((weights v) wo + bo)          wo: (heads, size, width), bo: (width,)
    n          = layer_norm(a, scale_m, shift_m)           scale_m: (width,), shift_m: (width,)
    a         <- a + dropout(gelu(n wu + bu) wd + bd)
                                                 wu: (width, inner), bu: (inner,), wd: (inner, width), bd: (width,)

and at the end, at the last ``answers`` positions,

    logits     = layer_norm(a, scale, shift) w   scale: (width,), shift: (width,), w: (width, digits)
    loss       = mean(log(sum(exp(logits))) - logits[label])       sum over digits, mean over the batch and the answers

    layer_norm(a, scale, shift) = (a - mean) / sqrt(variance + 1e-5) * scale + shift       over width, variance biased
    gelu(a)    = a / 2 * (1 + tanh(sqrt(2 / pi) * (a + 0.044715 * a**3)))
    dropout(a) = a * keep / 0.9                  keep: a byte, 0 or 1, for every element; given with each step

Predictions are made without dropout. Gradients go the same way back, with s for the normalised vector:

    softmax      dscores = weights * (dweights - sum(dweights * weights))          sum over the positions attended to
    layer_norm   da = (ds - mean(ds) - s * mean(ds * s)) / sqrt(variance + 1e-5),  ds = d * scale
    gelu         da = d * ((1 + t) / 2 + a / 2 * (1 - t**2) * sqrt(2 / pi) * (1 + 3 * 0.044715 * a**2)),  t: the tanh

A step computes the loss of its batch at the current parameters, then updates every parameter p, with gradient g, by
AdamW (Loshchilov and Hutter 2019). In step t = 1, 2, ...:

    m <- beta_1 * m + (1 - beta_1) * g           starts at 0
    v <- beta_2 * v + (1 - beta_2) * g**2        starts at 0
    p <- p - learning_rate * weight_decay * p    only matrices: wq, wk, wv, wo, wu, wd and w
    p <- p - learning_rate * (m / (1 - beta_1**t)) / (sqrt(v / (1 - beta_2**t)) + epsilon)

The loss of a step is the loss *before* its update.

State: parameters "token" and "position"; of each block, with its number, "scale_a", "shift_a", "wq", "bq", "wk", "wv",
"bv", "wo", "bo", "scale_m", "shift_m", "wu", "bu", "wd" and "bd"; then "scale", "shift" and "w"; carried "m/..." and
"v/..." of each; predictions: the logits, of shape (queries, answers, digits), for sums that are kept from training.
``answers`` are their digits; a query is right if all of them are. Who predicts every digit right from the right ones
before it also writes the whole sum right on its own, one digit after another.

Feeding: mini-batches and bytes for dropout from host memory; copying them to the device is part of their step. Digits
stay integers.

What trips people who port this:

- Keys have no bias: softmax does not see it, its exact gradient is 0, and Adam turns what rounding leaves of it into
  full steps. Losses agree, parameters do not: 2e-3 to 4e-3 between honest frontends after 300 steps.
- jax.nn.dot_product_attention computes its softmax in float32, even in float64: off by 5e-10 at the first loss.
- tf.nn.gelu and Keras's take the constants of the approximation through float32 (9e-10 in float64), and PyTorch's gelu
  is the exact one unless ``approximate="tanh"`` says otherwise.
- A layer norm's epsilon is 1e-5 in PyTorch, 1e-6 in Flax and 1e-3 in Keras, and stands under the root.
- fit takes a third array of a batch for sample weights: in Keras the bytes for dropout are a second input.
"""

import numpy as np

from workbench.contract import Problem, shuffled_rows

QUERIES, DIGITS = 500, 10
PERIOD = 16  # steps after which the bytes for dropout repeat
KEPT = 0.9

PRESETS = {
    "adder": {
        "about": "sums of two numbers below 100: one block, 64 wide, 4 heads, in mini-batches of 64",
        "accuracy": 0.6,
        "steps": 500,
        "learning_rate": 0.003,
        "batch": 64,
        "numbers": 2,
        "samples": 8000,
        "blocks": 1,
        "width": 64,
        "heads": 4,
    },
    "carry": {
        "about": "sums of two numbers below 1000: two blocks, 128 wide, 4 heads, in mini-batches of 128",
        "steps": 400,
        "learning_rate": 0.002,
        "batch": 128,
        "numbers": 3,
        "samples": 20000,
        "blocks": 2,
        "width": 128,
        "heads": 4,
    },
    "wide": {
        "about": "sums of two numbers of five digits: four blocks, 256 wide, 8 heads: arithmetic rather than calls",
        "steps": 10,
        "learning_rate": 0.001,
        "batch": 64,
        "numbers": 5,
        "samples": 5000,
        "blocks": 4,
        "width": 256,
        "heads": 8,
    },
}


# What `--sweep size` varies.
SWEEP = {"preset": "adder", "key": "width", "values": [16, 32, 64, 128, 256]}


def make(preset: str, seed: int, **changes: int) -> Problem:
    """The problem of one preset; ``seed`` determines initial weights, numbers, their order, and dropout."""
    sizes = {**PRESETS[preset], **changes}
    batch, numbers, blocks, width = (sizes[name] for name in ("batch", "numbers", "blocks", "width"))
    rng = np.random.default_rng(seed)
    x, labels = sums(rng, sizes["samples"], numbers)
    length, heads, inner = x.shape[1], sizes["heads"], 4 * width

    def weights(*shape, inputs=width):
        return rng.standard_normal(shape) / np.sqrt(inputs)

    init = {"token": rng.standard_normal((DIGITS, width)), "position": rng.standard_normal((length, width))}
    for block in range(1, blocks + 1):
        own = {
            "scale_a": np.ones(width),
            "shift_a": np.zeros(width),
            "wq": weights(width, heads, width // heads),
            "bq": np.zeros((heads, width // heads)),
            "wk": weights(width, heads, width // heads),
            "wv": weights(width, heads, width // heads),
            "bv": np.zeros((heads, width // heads)),
            "wo": weights(heads, width // heads, width),
            "bo": np.zeros(width),
            "scale_m": np.ones(width),
            "shift_m": np.zeros(width),
            "wu": weights(width, inner),
            "bu": np.zeros(inner),
            "wd": weights(inner, width, inputs=inner),
            "bd": np.zeros(width),
        }
        init |= {f"{name}_{block}": array for name, array in own.items()}
    init |= {"scale": np.ones(width), "shift": np.zeros(width), "w": weights(width, DIGITS)}
    decayed = [name for name in init if name.startswith("w")]
    size = sum(array.size for array in init.values())
    products = blocks * (12 * width * width + 2 * length * width) + width * DIGITS  # of one position
    return Problem(
        task="transformer",
        preset=preset,
        seed=seed,
        steps=sizes["steps"],
        learning_rate=sizes["learning_rate"],
        optimizer={
            "name": "adamw",
            "beta_1": 0.9,
            "beta_2": 0.99,
            "epsilon": 1e-8,
            "weight_decay": 0.1,
            "decayed": decayed,
        },
        terms=max(batch * length, inner),
        flops=6 * batch * length * products + 14 * size,  # forward 2, gradients of weights and inputs 4; AdamW
        bytes=4 * (10 * size + 2 * batch * length * blocks * (8 * width + 2 * inner)),
        init=init,
        data={"x": x[:-QUERIES], "labels": labels[:-QUERIES]},
        rows=shuffled_rows(rng, len(x) - QUERIES, batch, sizes["steps"]),
        per_step={"keep": (rng.random((PERIOD, batch, 2 * blocks, length, width)) < KEPT).astype(np.uint8)},
        queries=x[-QUERIES:],
        answers=labels[-QUERIES:],
    )


def sums(rng: np.random.Generator, samples: int, numbers: int) -> tuple[np.ndarray, np.ndarray]:
    """What is read and what is to be predicted, of different pairs of numbers with so many digits each."""
    pairs = rng.choice(DIGITS ** (2 * numbers), samples, replace=False)
    first, second = np.divmod(pairs, DIGITS**numbers)
    places = DIGITS ** np.arange(numbers + 1)
    read = [(number[:, np.newaxis] // places[:-1] % DIGITS)[:, ::-1] for number in (first, second)]
    answers = (first + second)[:, np.newaxis] // places % DIGITS
    return np.hstack([*read, answers[:, :-1]]).astype(np.int64), answers.astype(np.int64)
