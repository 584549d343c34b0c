"""Linear regression in Keras: describe a model, compile it, fit it."""

import keras
import numpy as np

from frontends.keras.runtime import StepLosses, dataset
from workbench.contract import Problem, Result, Training


def train(problem: Problem) -> Training:
    inputs, outputs = problem.init["w"].shape
    model = keras.Sequential([keras.Input((inputs,)), keras.layers.Dense(outputs)])
    model.set_weights([problem.init["w"], problem.init["b"]])
    model.compile(optimizer=keras.optimizers.SGD(problem.learning_rate), loss="mean_squared_error")
    step_losses = StepLosses()
    batches = problem.batches()
    steps = yield

    while steps:
        model.fit(dataset(problem, batches, steps), callbacks=[step_losses], verbose=0)
        steps = yield np.array(step_losses.losses)

    w, b = model.get_weights()
    return Result(parameters={"w": w, "b": b}, predictions=model.predict(problem.queries, verbose=0))
