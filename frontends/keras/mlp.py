"""A multilayer perceptron in Keras: describe a model, compile it with a loss and an optimiser, fit it."""

import keras
import numpy as np

from frontends.keras.fitting import StepLosses, dataset, put
from frontends.keras.optimizers import carried_of, optimizer_of
from workbench.contract import Calls, Problem, State, Training


def train(problem: Problem) -> Training:
    inputs, hidden = problem.init["w1"].shape
    classes = problem.init["w2"].shape[1]
    model = keras.Sequential(
        [
            keras.Input((inputs,)),
            keras.layers.Dense(hidden, activation="relu"),
            keras.layers.Dense(classes),
        ]
    )
    model.set_weights(list(problem.init.values()))
    optimizer = optimizer_of(problem, model.trainable_variables)
    model.compile(optimizer=optimizer, loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    step_losses = StepLosses()
    batches = problem.batches(put(problem))

    def state():
        return State(
            parameters=dict(zip(problem.init, model.get_weights(), strict=True)),
            predictions=keras.ops.convert_to_numpy(model(problem.queries, training=False)),
            carried=carried_of(problem, optimizer),
        )

    def evaluate(steps):
        model.evaluate(dataset(problem, batches, steps), steps=steps, callbacks=[step_losses], verbose=0)
        return np.array(step_losses.losses)

    steps = yield Calls(state, evaluate=evaluate)

    while True:
        model.fit(dataset(problem, batches, steps), steps_per_epoch=steps, callbacks=[step_losses], verbose=0)
        steps = yield np.array(step_losses.losses)
