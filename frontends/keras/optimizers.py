"""Optimisers in Keras: its own, with each step by the formula and no number rounded to float32 on the way."""

import keras

from workbench.contract import Problem


class Momentum(keras.optimizers.SGD):
    """v <- momentum * v + g;  p <- p - learning_rate * v;  Nesterov's: p <- p - learning_rate * (g + momentum * v)."""

    def update_step(self, gradient, variable, learning_rate):
        velocity = self.momentums[self._get_variable_index(variable)]
        momentum = keras.ops.convert_to_tensor(self.momentum, variable.dtype)  # ops.cast goes through float32
        self.assign(velocity, momentum * velocity + gradient)
        self.assign_sub(variable, learning_rate * (gradient + momentum * velocity if self.nesterov else velocity))


class Adam(keras.optimizers.Adam):
    """Adam (Kingma and Ba 2015, Algorithm 1); Keras's own adds epsilon to the root of the uncorrected v.

    With a weight decay AdamW (Loshchilov and Hutter 2019), which first shrinks the parameters in ``decayed``, by index.
    """

    decay, decayed = 0.0, ()

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        if (
            type(gradient).__name__ == "IndexedSlices"
        ):  # an Embedding's is sparse in TensorFlow, and may name a row twice
            gradient = keras.ops.add(gradient, keras.ops.zeros_like(variable))
        m, v = self._momentums[index], self._velocities[index]
        beta_1, beta_2 = (keras.ops.convert_to_tensor(beta, variable.dtype) for beta in (self.beta_1, self.beta_2))
        t = keras.ops.cast(self.iterations + 1, variable.dtype)
        self.assign_add(m, (1 - beta_1) * (gradient - m))
        self.assign_add(v, (1 - beta_2) * (gradient * gradient - v))
        if index in self.decayed:
            self.assign_sub(variable, learning_rate * self.decay * variable)
        root = keras.ops.sqrt(v / (1 - beta_2**t)) + self.epsilon
        self.assign_sub(variable, learning_rate * (m / (1 - beta_1**t)) / root)


def optimizer_of(problem: Problem, variables):
    """The optimiser that a problem asks for, with its moments; the variables are in the order of ``problem.init``."""
    numbers = {**problem.optimizer}
    name = numbers.pop("name")
    if name == "sgd":
        optimizer = keras.optimizers.SGD(problem.learning_rate)
    elif name in ("momentum", "nesterov"):
        optimizer = Momentum(problem.learning_rate, numbers["momentum"], nesterov=name == "nesterov")
    else:
        optimizer = Adam(problem.learning_rate, numbers["beta_1"], numbers["beta_2"], numbers["epsilon"])
        optimizer.decay = numbers.get("weight_decay", 0.0)
        optimizer.decayed = [list(problem.init).index(parameter) for parameter in numbers.get("decayed", ())]
    optimizer.build(variables)
    return optimizer


def carried_of(problem: Problem, optimizer):
    """The moments by name, as NumPy arrays."""
    lists = {"velocity": "momentums", "m": "_momentums", "v": "_velocities"}
    return {
        f"{moment}/{name}": variable.numpy()
        for moment, attribute in lists.items()
        for name, variable in zip(problem.init, getattr(optimizer, attribute, ()), strict=False)
    }
