"""A long short-term memory that reads digits row by row, trained by truncated back-propagation through time with Adam.

Model, for images x of shape (batch, rows, inputs), pixels in [0, 1], and labels of shape (batch,), integers 0..9. In
every row, with a = x[:, row] and the state h and c, both of shape (batch, hidden), that the row before has left:

    gates      = a @ wx + h @ wh + b             wx: (inputs, gates), wh: (hidden, gates), b: (gates,)
    i, f, g, o = the quarters of gates, in this order: input, forget, candidate, output; gates = 4 * hidden
    c         <- sigmoid(f) * c + sigmoid(i) * tanh(g)
    h         <- sigmoid(o) * tanh(c)

and after the last row

    logits     = h @ wy + by                     wy: (hidden, classes), by: (classes,)
    loss       = mean(log(sum(exp(logits))) - logits[label])       sum over classes, mean over the batch

Digits follow each other as in a stream: each of the batch's places begins its next digit with the h and c that its last
one has left, at first 0. Back-propagation is truncated between two digits: no gradient goes through what is left.

Gradients, with dlogits = (probabilities - onehot(labels)) / batch, dwy = h.T @ dlogits, dby = sum(dlogits), and from
the last row to the first, starting with dh = dlogits @ wy.T and dc = 0:

    dc        <- dc + dh * sigmoid(o) * (1 - tanh(c)**2)
    dgates     = [dc * tanh(g) * i', dc * (c before) * f', dc * sigmoid(i) * (1 - tanh(g)**2), dh * tanh(c) * o']
                 where s' = sigmoid(s) * (1 - sigmoid(s))
    dwx       += a.T @ dgates                    dwh += (h before).T @ dgates         db += sum(dgates) over the batch
    dh         = dgates @ wh.T                   dc <- dc * sigmoid(f)

A step computes the loss of its batch at the current parameters, then updates every parameter p, with gradient g, by
Adam (Kingma and Ba 2015, Algorithm 1). In step t = 1, 2, ...:

    m <- beta_1 * m + (1 - beta_1) * g           starts at 0
    v <- beta_2 * v + (1 - beta_2) * g**2        starts at 0
    p <- p - learning_rate * (m / (1 - beta_1**t)) / (sqrt(v / (1 - beta_2**t)) + epsilon)

The loss of a step is the loss *before* its update. Weights start uniformly within 1/sqrt(hidden), as PyTorch's do; the
quarter of b for the forget gate at 1, so that it remembers at first, the others at 0.

State: parameters "wx", "wh", "b", "wy" and "by"; carried "m/..." and "v/..." of each, and "h" and "c" as the latest
digits have left them; predictions: the logits, of shape (queries, classes), for digits that are kept from training,
each read with a state of 0. ``answers`` are their labels.

Feeding: mini-batches from host memory; copying a batch to the device is part of its step. Labels stay integers.

What trips people who port this:

- Gates are ordered i, f, g, o here, in PyTorch and in Keras; TensorFlow's LSTMCell had i, g, f, o, and Flax names each.
- PyTorch has two biases, bias_ih and bias_hh, which are added; two that are both trained learn twice as fast as one.
- Keras's unit_forget_bias and TensorFlow's forget_bias add 1 on their own; weights that are set must not get it twice.
- What is carried must be detached (PyTorch), or the graph grows from step to step; in Keras ``stateful=True`` wants a
  batch size that is known, and does not mean that gradients are carried.
- torch.compile leaves nn.LSTM to the interpreter, and a net that contains it entirely: nothing is compiled, without a
  word (PyTorch 2.13). With ``torch._dynamo.config.allow_rnn`` its code for the CPU fails ("expected Tensor() for op:
  torch.ops.aten.mkldnn_rnn_layer"). So pytorch_compiled compiles the last layer alone.
"""

import numpy as np

from workbench.contract import Problem, shuffled_rows

TRAINED = 1500  # digits to train on; the other 297 are the queries

PRESETS = {
    "digits": {
        "about": "8 rows of 8 pixels, 32 hidden units, in mini-batches of 50",
        "accuracy": 0.9,
        "steps": 400,
        "learning_rate": 0.01,
        "batch": 50,
        "hidden": 32,
        "scale": 1,
    },
    "epochs": {
        "about": "8 rows of 8 pixels, 128 hidden units, 10 times over all digits in mini-batches of 100",
        "accuracy": 0.9,
        "steps": 150,
        "learning_rate": 0.005,
        "batch": 100,
        "hidden": 128,
        "scale": 1,
    },
    "wide": {
        "about": "digits enlarged to 16 rows of 16 pixels, 512 hidden units: a step is arithmetic rather than calls",
        "steps": 15,
        "learning_rate": 0.002,
        "batch": 100,
        "hidden": 512,
        "scale": 2,
    },
}


# What `--sweep size` varies.
SWEEP = {"preset": "digits", "key": "hidden", "values": [8, 32, 128, 256]}


def make(preset: str, seed: int, **changes: int) -> Problem:
    """The problem of one preset; ``seed`` determines initial weights, which digits are trained on, and their order."""
    from sklearn.datasets import load_digits  # included in scikit-learn

    sizes = {**PRESETS[preset], **changes}
    batch, hidden, scale = sizes["batch"], sizes["hidden"], sizes["scale"]
    rng = np.random.default_rng(seed)
    images, labels = load_digits(return_X_y=True)
    order = rng.permutation(len(images))
    images, labels = images[order].reshape(-1, 8, 8) / 16, labels[order].astype(np.int64)
    x = images.repeat(scale, axis=1).repeat(scale, axis=2)
    _, rows, inputs = x.shape
    gates, classes = 4 * hidden, 10

    def uniform(*shape):
        return rng.uniform(-1, 1, shape) / np.sqrt(hidden)

    init = {
        "wx": uniform(inputs, gates),
        "wh": uniform(hidden, gates),
        "b": np.repeat([0.0, 1.0, 0.0, 0.0], hidden),
        "wy": uniform(hidden, classes),
        "by": np.zeros(classes),
    }
    weights = sum(array.size for array in init.values())
    products = rows * (2 * inputs + 3 * hidden) * gates + 3 * hidden * classes  # x needs no gradient
    return Problem(
        task="lstm",
        preset=preset,
        seed=seed,
        steps=sizes["steps"],
        learning_rate=sizes["learning_rate"],
        optimizer={"name": "adam", "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8},
        terms=max(batch * rows, inputs + hidden, gates),
        flops=2 * batch * products + 12 * weights,
        bytes=4 * (10 * weights + 2 * batch * x[0].size + 4 * batch * rows * gates),
        init=init,
        data={"x": x[:TRAINED], "labels": labels[:TRAINED]},
        rows=shuffled_rows(rng, TRAINED, batch, sizes["steps"]),
        queries=x[TRAINED:],
        answers=labels[TRAINED:],
    )
