"""Optimisers in TensorFlow 2, each by the formula that a task's docstring gives: they update variables in place."""

import tensorflow as tf

from workbench.contract import Problem


class Optimizer(tf.Module):
    """Plain SGD; all optimisers update the variables that they were made with.

    ``carried`` are their moments by name, such as "m/w", as variables.
    """

    moments = ()

    def __init__(self, problem: Problem, parameters):
        super().__init__()
        self.learning_rate, self.numbers = problem.learning_rate, problem.optimizer
        self.t = tf.Variable(0, dtype=problem.dtype)
        self.parameters = parameters
        self.carried = {
            f"{moment}/{name}": tf.Variable(tf.zeros_like(parameter))
            for moment in self.moments
            for name, parameter in parameters.items()
        }

    def update(self, gradients):
        """Take a step with the gradients of all parameters that are not frozen."""
        self.t.assign_add(1)
        for name, gradient in gradients.items():
            self.step(name, self.parameters[name], gradient)

    def step(self, name, p, g):
        p.assign_sub(self.learning_rate * g)


class Momentum(Optimizer):
    """v <- momentum * v + g;  p <- p - learning_rate * v;  Nesterov's: p <- p - learning_rate * (g + momentum * v)."""

    moments = ("velocity",)

    def step(self, name, p, g):
        velocity, momentum = self.carried[f"velocity/{name}"], self.numbers["momentum"]
        velocity.assign(momentum * velocity + g)
        p.assign_sub(self.learning_rate * (g + momentum * velocity if self.numbers["name"] == "nesterov" else velocity))


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015, Algorithm 1) and, with a weight decay, AdamW (Loshchilov and Hutter 2019).

    AdamW first shrinks the parameters listed in "decayed": p <- p - learning_rate * weight_decay * p.
    """

    moments = ("m", "v")

    def update(self, gradients):
        self.t.assign_add(1)
        # rounded once, so that 1 - beta and 1 - beta**t belong together in float32, too
        beta_1, beta_2 = (tf.constant(self.numbers[beta], self.t.dtype) for beta in ("beta_1", "beta_2"))
        # the same for all parameters, and in eager mode each operation takes its time
        share_1, share_2 = 1 - beta_1, 1 - beta_2
        correction_1, correction_2 = 1 - beta_1**self.t, 1 - beta_2**self.t

        for name, g in gradients.items():
            p, m, v = self.parameters[name], self.carried[f"m/{name}"], self.carried[f"v/{name}"]
            m.assign_add(share_1 * (g - m))
            v.assign_add(share_2 * (g * g - v))
            if name in self.numbers.get("decayed", ()):
                p.assign_sub(self.learning_rate * self.numbers["weight_decay"] * p)
            root = tf.sqrt(v / correction_2) + self.numbers["epsilon"]
            p.assign_sub(self.learning_rate * (m / correction_1) / root)


BY_NAME = {"sgd": Optimizer, "momentum": Momentum, "nesterov": Momentum, "adam": Adam, "adamw": Adam}


def optimizer_of(problem: Problem, parameters) -> Optimizer:
    """The optimiser that a problem asks for."""
    return BY_NAME[problem.optimizer["name"]](problem, parameters)
