"""A transformer in NumPy: every layer's gradient by hand, in attention.py and blocks.py, and AdamW from its formula."""

import numpy as np

from frontends.numpy.attention import layer_norm, linear
from frontends.numpy.blocks import attend, perceive
from frontends.numpy.layers import cross_entropy
from frontends.numpy.optimizers import optimizer_of
from workbench.contract import Problem, State, Steps, Training


def train(problem: Problem) -> Training:
    p = {name: array.copy() for name, array in problem.init.items()}
    blocks = [name.removeprefix("wq_") for name in p if name.startswith("wq_")]
    optimizer = optimizer_of(problem, p)
    batches = problem.batches()
    answers = problem.answers.shape[1]

    def forward(x, keep):
        """The logits of the answers, and what brings their gradient back to all parameters."""
        a, backs = p["token"][x] + p["position"], []
        for place, block in enumerate(blocks):
            own = {name.removesuffix(f"_{block}"): array for name, array in p.items() if name.endswith(f"_{block}")}
            for part, layer in enumerate((attend, perceive)):
                a, back = layer(a, own, keep[:, 2 * place + part])
                backs.append((block, back))
        normal, norm_back = layer_norm(a, p["scale"], p["shift"])
        logits, last_back = linear(normal[:, -answers:], p["w"])

        def back(dlogits):
            g, d = {}, np.zeros_like(a)
            d[:, -answers:], g["w"], _ = last_back(dlogits)
            d, g["scale"], g["shift"] = norm_back(d)
            for block, layer_back in reversed(backs):
                d, own = layer_back(d)
                g |= {f"{name}_{block}": gradient for name, gradient in own.items()}
            g["position"], g["token"] = d.sum(axis=0), np.zeros_like(p["token"])
            np.add.at(g["token"], x, d)  # a digit may stand in several places
            return g

        return logits, back

    def loss_of(x, labels, keep):
        logits, back = forward(x, keep.astype(problem.dtype) / 0.9)
        loss, dlogits = cross_entropy(logits.reshape(-1, logits.shape[-1]), labels.ravel())
        return loss, lambda: back(dlogits.reshape(logits.shape))

    def state():
        predictions, _ = forward(problem.queries, np.ones((1, 2 * len(blocks), 1, 1), problem.dtype))
        return State(parameters=p, predictions=predictions, carried=optimizer.carried)

    yield Steps(state, evaluate=lambda: loss_of(*next(batches))[0])

    for x, labels, keep in batches:
        loss, gradients_of = loss_of(x, labels, keep)
        optimizer.update(gradients_of())
        yield loss
