"""Transfer learning in Keras: two models share their layers; trainable, and compile again, say what a phase trains."""

import keras
import numpy as np

from frontends.keras.fitting import StepLosses, dataset, put
from frontends.keras.optimizers import optimizer_of
from workbench.contract import Calls, Problem, State, Training


def train(problem: Problem) -> Training:
    inputs, wide = problem.init["w1"].shape
    features, classes = problem.init["new_w"].shape
    image = keras.Input((inputs,))
    body = [keras.layers.Dense(wide, activation="relu"), keras.layers.Dense(features, activation="relu")]
    heads = {"old": keras.layers.Dense(classes), "new": keras.layers.Dense(classes)}
    shared = body[1](body[0](image))
    models = {name: keras.Model(image, head(shared)) for name, head in heads.items()}
    layers = {"w1": body[0], "w2": body[1], "old_w": heads["old"], "new_w": heads["new"]}
    arrays = list(problem.init.values())
    for place, layer in enumerate(layers.values()):
        layer.set_weights(arrays[2 * place : 2 * place + 2])
    step_losses = StepLosses()

    def state():
        weights = [array for layer in layers.values() for array in layer.get_weights()]
        return State(
            parameters=dict(zip(problem.init, weights, strict=True)),
            predictions=keras.ops.convert_to_numpy(models["new"](problem.queries, training=False)),
        )

    def evaluate(steps):
        model.evaluate(dataset(problem, batches, steps), steps=steps, callbacks=[step_losses], verbose=0)
        return np.array(step_losses.losses)

    steps = yield Calls(state, evaluate=evaluate)

    losses = []
    for phase in problem.phases:
        for name, layer in layers.items():
            layer.trainable = name not in phase.frozen
        model = models["new" if "old_w" in phase.frozen else "old"]
        optimizer = optimizer_of(problem, model.trainable_variables)
        model.compile(optimizer=optimizer, loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        batches = problem.batches(put(problem), until=phase.until)
        while problem.feed.step < phase.until or phase is problem.phases[-1]:
            left = steps - len(losses)
            some = left if phase is problem.phases[-1] else min(left, phase.until - problem.feed.step)
            model.fit(dataset(problem, batches, some), steps_per_epoch=some, callbacks=[step_losses], verbose=0)
            losses += step_losses.losses
            if len(losses) == steps:
                steps = yield np.array(losses)
                losses = []
