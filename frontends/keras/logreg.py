"""Softmax regression in Keras: describe a model, compile it with a loss and an optimiser, fit it."""

import keras
import numpy as np

from frontends.keras.fitting import StepLosses, dataset, put
from workbench.contract import Calls, Problem, State, Training


def train(problem: Problem) -> Training:
    inputs, classes = problem.init["w"].shape
    model = keras.Sequential([keras.Input((inputs,)), keras.layers.Dense(classes)])
    model.set_weights([problem.init["w"], problem.init["b"]])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.SGD(problem.learning_rate), loss=loss)
    step_losses = StepLosses()
    batches = problem.batches(put(problem))

    def state():
        w, b = model.get_weights()
        return State(
            parameters={"w": w, "b": b}, predictions=keras.ops.convert_to_numpy(model(problem.queries, training=False))
        )

    def evaluate(steps):
        model.evaluate(dataset(problem, batches, steps), steps=steps, callbacks=[step_losses], verbose=0)
        return np.array(step_losses.losses)

    steps = yield Calls(state, evaluate=evaluate)

    while True:
        model.fit(dataset(problem, batches, steps), steps_per_epoch=steps, callbacks=[step_losses], verbose=0)
        steps = yield np.array(step_losses.losses)
