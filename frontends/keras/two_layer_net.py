"""A two-layer ReLU network in Keras: describe a model, compile it, fit it."""

import keras
import numpy as np

from frontends.keras.fitting import StepLosses, dataset, put
from workbench.contract import Calls, Problem, State, Training


def summed_squared_error(y, prediction):
    """The loss per sample; Keras averages it over the batch."""
    return keras.ops.sum(keras.ops.square(prediction - y), axis=-1)


def train(problem: Problem) -> Training:
    inputs, hidden = problem.init["w1"].shape
    outputs = problem.init["w2"].shape[1]
    model = keras.Sequential(
        [
            keras.Input((inputs,)),
            keras.layers.Dense(hidden, activation="relu", use_bias=False),
            keras.layers.Dense(outputs, use_bias=False),
        ]
    )
    model.set_weights([problem.init["w1"], problem.init["w2"]])
    model.compile(optimizer=keras.optimizers.SGD(problem.learning_rate), loss=summed_squared_error)
    step_losses = StepLosses()
    batches = problem.batches(put(problem))

    def state():
        w1, w2 = model.get_weights()
        return State(
            parameters={"w1": w1, "w2": w2},
            predictions=keras.ops.convert_to_numpy(model(problem.queries, training=False)),
        )

    def evaluate(steps):
        model.evaluate(dataset(problem, batches, steps), steps=steps, callbacks=[step_losses], verbose=0)
        return np.array(step_losses.losses)

    steps = yield Calls(state, evaluate=evaluate)

    while True:
        model.fit(dataset(problem, batches, steps), steps_per_epoch=steps, callbacks=[step_losses], verbose=0)
        steps = yield np.array(step_losses.losses)
