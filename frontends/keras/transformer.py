"""A transformer in Keras: a functional model, in which dropout's bytes are a second input, compiled and fit."""

import keras
import numpy as np

from frontends.keras.attention import (
    CausalAttention,
    GivenDropout,
    Positions,
    gelu,
    into_heads,
    layer_norm,
    out_of_heads,
)
from frontends.keras.fitting import StepLosses, dataset, put
from frontends.keras.optimizers import carried_of, optimizer_of
from workbench.contract import Calls, Problem, State, Training


def train(problem: Problem) -> Training:
    init, answers = problem.init, problem.answers.shape[1]
    (digits, width), length = init["token"].shape, problem.queries.shape[1]
    blocks = [name.removeprefix("wq_") for name in init if name.startswith("wq_")]
    layers = []  # in the order in which their weights stand in the task

    def apply(layer, *inputs):
        layers.append(layer)
        return layer(*inputs)

    x = keras.Input((length,), dtype="int64")
    keep = keras.Input((2 * len(blocks), length, width), dtype="uint8")
    a = apply(Positions(), apply(keras.layers.Embedding(digits, width), x))
    for place, block in enumerate(blocks):
        normal = apply(layer_norm(), a)
        q, k, v = (apply(into_heads(length, init[f"w{name}_{block}"], biased=name != "k"), normal) for name in "qkv")
        attended = apply(out_of_heads(length, init[f"wo_{block}"]), CausalAttention()(q, k, v))
        a = a + GivenDropout()(attended, keep[:, 2 * place])
        normal = apply(layer_norm(), a)
        up = apply(keras.layers.Dense(init[f"wu_{block}"].shape[1], activation=gelu), normal)
        a = a + GivenDropout()(apply(keras.layers.Dense(width), up), keep[:, 2 * place + 1])
    normal = apply(layer_norm(), a)[:, -answers:]
    model = keras.Model([x, keep], apply(keras.layers.Dense(digits, use_bias=False), normal))

    variables = [variable for layer in layers for variable in layer.weights]
    for variable, array in zip(variables, init.values(), strict=True):
        variable.assign(array)
    optimizer = optimizer_of(problem, variables)
    model.compile(optimizer=optimizer, loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    step_losses = StepLosses()
    batches = problem.batches(put(problem))

    def state():
        unused = np.zeros((len(problem.queries), *keep.shape[1:]), "uint8")
        return State(
            parameters={name: variable.numpy() for name, variable in zip(init, variables, strict=True)},
            predictions=keras.ops.convert_to_numpy(model([problem.queries, unused], training=False)),
            carried=carried_of(problem, optimizer),
        )

    steps = yield Calls(state)

    while True:
        model.fit(dataset(problem, batches, steps), steps_per_epoch=steps, callbacks=[step_losses], verbose=0)
        steps = yield np.array(step_losses.losses)
