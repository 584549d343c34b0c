"""A convolutional network in Keras: describe a model, compile it with a loss and an optimiser, fit it."""

import keras
import numpy as np

from frontends.keras.fitting import StepLosses, dataset, put
from frontends.keras.optimizers import carried_of, optimizer_of
from workbench.contract import Calls, Problem, State, Training


def train(problem: Problem) -> Training:
    layers = [keras.Input(next(iter(problem.data.values())).shape[1:])]
    for name, array in problem.init.items():
        if name.endswith("_1") and name.startswith("k") and name != "k1_1":
            layers.append(keras.layers.MaxPooling2D())
        if name.startswith("k"):
            normalised = f"g{name[1:]}" in problem.init
            layers.append(keras.layers.Conv2D(array.shape[3], 3, padding="same", use_bias=not normalised))
            if normalised:  # Keras's own momentum would be 0.99, and its epsilon 1e-3
                layers.append(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=name[1:]))
            layers.append(keras.layers.ReLU())
    layers += [keras.layers.MaxPooling2D(), keras.layers.Flatten(), keras.layers.Dense(len(problem.init["b"]))]
    model = keras.Sequential(layers)
    for variable, array in zip(model.trainable_variables, problem.init.values(), strict=True):
        variable.assign(array)
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    optimizer = optimizer_of(problem, model.trainable_variables)
    model.compile(optimizer=optimizer, loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    step_losses = StepLosses()
    batches = problem.batches(put(problem))

    def state():
        return State(
            parameters={
                name: variable.numpy() for name, variable in zip(problem.init, model.trainable_variables, strict=True)
            },
            predictions=keras.ops.convert_to_numpy(model(problem.queries, training=False)),
            carried=carried_of(problem, optimizer)
            | {f"mean/{layer.name}": layer.moving_mean.numpy() for layer in norms}
            | {f"variance/{layer.name}": layer.moving_variance.numpy() for layer in norms},
        )

    def evaluate(steps):
        model.evaluate(dataset(problem, batches, steps), steps=steps, callbacks=[step_losses], verbose=0)
        return np.array(step_losses.losses)

    steps = yield Calls(state, evaluate=None if norms else evaluate)  # which takes the running statistics

    while True:
        model.fit(dataset(problem, batches, steps), steps_per_epoch=steps, callbacks=[step_losses], verbose=0)
        steps = yield np.array(step_losses.losses)
