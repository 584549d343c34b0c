"""Transfer learning: a network learns five digits, then the other five from few examples, or those alone.

Model, for images x of shape (batch, inputs), pixels in [0, 1], and labels of shape (batch,), integers 0..4:

    hidden     = max(x @ w1 + b1, 0)             w1: (inputs, wide), b1: (wide,)
    features   = max(hidden @ w2 + b2, 0)        w2: (wide, features), b2: (features,)
    logits     = features @ old_w + old_b        old_w: (features, classes), old_b: (classes,)      the digits 0..4
    logits     = features @ new_w + new_b        new_w: (features, classes), new_b: (classes,)      the digits 5..9
    loss       = mean(log(sum(exp(logits))) - logits[label])       sum over classes, mean over the batch

Two heads stand on the same features, and a step uses one of them: *old* in the phase ``pretrain``, *new* in the phase
that follows. What a phase does not train is frozen:

    preset             pretrain                  then, on the new digits
    frozen             w1 b1 w2 b2 old_w old_b   new_w new_b
    fine_tuned, wide   w1 b1 w2 b2 old_w old_b   w1 b1 w2 b2 new_w new_b
    scratch            -                         w1 b1 w2 b2 new_w new_b

Gradients, with probabilities = exp(logits) / sum(exp(logits)) and head_w for the weights of the head in use:

    dlogits      = (probabilities - onehot(labels)) / batch        (batch, classes)
    dloss/dhead  = features.T @ dlogits          dloss/dbias of it = sum(dlogits)      over the batch
    dfeatures    = (dlogits @ head_w.T) * (features > 0)
    dloss/dw2    = hidden.T @ dfeatures          dloss/db2 = sum(dfeatures)      over the batch
    dhidden      = (dfeatures @ w2.T) * (hidden > 0)
    dloss/dw1    = x.T @ dhidden                 dloss/db1 = sum(dhidden)        over the batch

A step computes the loss of its batch at the current parameters, then updates every parameter p that its phase trains
by plain stochastic gradient descent, p <- p - learning_rate * dloss/dp. The loss of a step is the loss *before* its
update; that of the first step of the new phase jumps, because its head knows nothing yet. Weights start at He's scale,
biases at 0.

Timed is the last phase. Blocks are fed rows of the whole data set, which changes what is learned but not what is
computed.

State: parameters "w1", "b1", "w2", "b2", "old_w", "old_b", "new_w" and "new_b"; predictions: the logits of the new
head, of shape (queries, classes), for new digits that are kept from training. ``answers`` are their labels.

Feeding: mini-batches from host memory; copying a batch to the device is part of its step. Labels stay integers.

What trips people who port this:

- Freezing is two things: no gradient is computed, and the optimiser leaves the parameter alone. Who only zeroes the
  gradients still pays for them, and momentum or weight decay would still move the parameters.
- In Keras a change of ``trainable`` counts from the next ``compile`` on; in PyTorch ``requires_grad_(False)`` counts at
  once, but an optimiser made before still holds the parameter.
- Transfer need not pay: digits are small and easy, and features that tell 0 to 4 apart have forgotten what 5 to 9 need.
  With 100 examples, 82 % of the new digits are right with frozen features, 94 % fine-tuned and 95 % from scratch; with
  25 examples 68, 82 and 87 % (means of four seeds, 200 steps). The case for freezing is its cost per step.
- Under jit or tf.function a phase is another program: the first step of the new phase compiles again.
"""

import numpy as np

from workbench.contract import Phase, Problem, shuffled_rows

OLD = 5  # digits below are learned first
FEATURES = ("w1", "b1", "w2", "b2")
HEADS = {"old": ("old_w", "old_b"), "new": ("new_w", "new_b")}

PRESETS = {
    "frozen": {
        "about": "300 steps on the digits 0 to 4, then 200 for a new head alone, on 100 examples of 5 to 9",
        "accuracy": 0.7,
        "steps": 500,
        "learning_rate": 0.1,
        "batch": 25,
        "pretrain": 300,
        "fine_tune": 0,
        "examples": 100,
        "wide": 64,
        "features": 32,
    },
    "fine_tuned": {
        "about": "the same, but all layers go on learning",
        "accuracy": 0.9,
        "steps": 500,
        "learning_rate": 0.1,
        "batch": 25,
        "pretrain": 300,
        "fine_tune": 1,
        "examples": 100,
        "wide": 64,
        "features": 32,
    },
    "scratch": {
        "about": "the same 200 steps on 100 examples of the digits 5 to 9, from random weights",
        "accuracy": 0.9,
        "steps": 200,
        "learning_rate": 0.1,
        "batch": 25,
        "pretrain": 0,
        "fine_tune": 1,
        "examples": 100,
        "wide": 64,
        "features": 32,
    },
    "wide": {
        "about": "64 -> 2048 -> 1024 -> 5, fine-tuned in mini-batches of 200: a step is arithmetic rather than calls",
        "accuracy": 0.9,
        "steps": 50,
        "learning_rate": 0.05,
        "batch": 200,
        "pretrain": 30,
        "fine_tune": 1,
        "examples": 400,
        "wide": 2048,
        "features": 1024,
    },
}


# What `--sweep size` varies.
SWEEP = {"preset": "fine_tuned", "key": "wide", "values": [16, 64, 256, 1024]}


def make(preset: str, seed: int, **changes: int) -> Problem:
    """The problem of one preset; ``seed`` determines initial weights, which digits are trained on, and their order."""
    from sklearn.datasets import load_digits  # included in scikit-learn

    sizes = {**PRESETS[preset], **changes}
    steps, batch, pretrain, examples = (sizes[name] for name in ("steps", "batch", "pretrain", "examples"))
    wide, features, classes = sizes["wide"], sizes["features"], OLD
    rng = np.random.default_rng(seed)
    x, digits = load_digits(return_X_y=True)
    order = rng.permutation(len(x))
    x, digits = x[order] / 16, digits[order].astype(np.int64)
    old, new = np.flatnonzero(digits < OLD), np.flatnonzero(digits >= OLD)
    trained, queries = np.concatenate([old, new[:examples]]), new[examples:]
    rows = shuffled_rows(rng, examples, batch, steps - pretrain) + len(old)
    last = HEADS["old"] if sizes["fine_tune"] else (*FEATURES, *HEADS["old"])
    phases = (Phase("new digits", steps, last),)
    if pretrain:
        rows = np.concatenate([shuffled_rows(rng, len(old), batch, pretrain), rows])
        phases = (Phase("pretrain", pretrain, HEADS["new"]), *phases)

    def weights(inputs, outputs):
        return np.sqrt(2 / inputs) * rng.standard_normal((inputs, outputs))

    inputs = x.shape[1]
    body, head = inputs * wide + wide * features, features * classes
    backward = 2 * body + 2 * wide * features if sizes["fine_tune"] else 0  # gradients of weights, and of hidden
    return Problem(
        task="transfer",
        preset=preset,
        seed=seed,
        steps=steps,
        learning_rate=sizes["learning_rate"],
        terms=max(batch, inputs, wide, features),
        flops=batch * (2 * body + backward + (6 if sizes["fine_tune"] else 4) * head),  # of the last phase
        bytes=4 * ((3 if sizes["fine_tune"] else 1) * body + 3 * head + 2 * batch * (inputs + wide + features)),
        init={
            "w1": weights(inputs, wide),
            "b1": np.zeros(wide),
            "w2": weights(wide, features),
            "b2": np.zeros(features),
            "old_w": weights(features, classes),
            "old_b": np.zeros(classes),
            "new_w": weights(features, classes),
            "new_b": np.zeros(classes),
        },
        data={"x": x[trained], "labels": digits[trained] % OLD},
        rows=rows,
        queries=x[queries],
        answers=digits[queries] % OLD,
        phases=phases,
    )
