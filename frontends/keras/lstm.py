"""A long short-term memory in Keras: a stateful layer keeps h and c from batch to batch, and fit does the rest."""

import keras
import numpy as np

from frontends.keras.fitting import StepLosses, dataset, put
from frontends.keras.optimizers import carried_of, optimizer_of
from workbench.contract import Calls, Problem, State, Training


def train(problem: Problem) -> Training:
    _, rows, inputs = problem.queries.shape
    hidden, classes = problem.init["wy"].shape

    def network(batch, *, stateful):
        """Reads digits one after another; the weights are in the order of the task's."""
        image = keras.Input((rows, inputs), batch_size=batch)
        lstm = keras.layers.LSTM(hidden, stateful=stateful)
        return keras.Model(image, keras.layers.Dense(classes)(lstm(image))), lstm

    model, lstm = network(problem.rows.shape[1], stateful=True)
    reader, _ = network(None, stateful=False)  # of queries, from a state of 0
    model.set_weights(list(problem.init.values()))
    optimizer = optimizer_of(problem, model.trainable_variables)
    model.compile(optimizer=optimizer, loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    step_losses = StepLosses()
    batches = problem.batches(put(problem))

    def state():
        weights = [variable.numpy() for variable in model.trainable_variables]
        reader.set_weights(weights)
        h, c = (variable.numpy() for variable in lstm.states)
        return State(
            parameters=dict(zip(problem.init, weights, strict=True)),
            predictions=keras.ops.convert_to_numpy(reader(problem.queries, training=False)),
            carried={**carried_of(problem, optimizer), "h": h, "c": c},
        )

    steps = yield Calls(state)

    while True:
        model.fit(dataset(problem, batches, steps), steps_per_epoch=steps, callbacks=[step_losses], verbose=0)
        steps = yield np.array(step_losses.losses)
