"""Optimisers in NumPy, each by the formula that a task's docstring gives: they update parameters in place."""

import numpy as np

from workbench.contract import Arrays, Problem


class Optimizer:
    """Plain SGD; all optimisers update the parameters that they were made with.

    ``carried`` are their moments by name, such as "m/w"; a problem that starts in the middle brings them along.
    """

    moments = ()

    def __init__(self, problem: Problem, parameters: Arrays) -> None:
        self.learning_rate, self.numbers, self.t = problem.learning_rate, problem.optimizer, problem.start
        self.parameters = parameters
        self.carried = {
            f"{moment}/{name}": problem.carried.get(f"{moment}/{name}", np.zeros_like(parameter)).copy()
            for moment in self.moments
            for name, parameter in parameters.items()
        }

    def update(self, gradients: Arrays) -> None:
        """Take a step with the gradients of all parameters that are not frozen."""
        self.t += 1
        for name, gradient in gradients.items():
            self.step(name, self.parameters[name], gradient)

    def step(self, name, p, g):
        p -= self.learning_rate * g


class Momentum(Optimizer):
    """v <- momentum * v + g;  p <- p - learning_rate * v;  Nesterov's: p <- p - learning_rate * (g + momentum * v)."""

    moments = ("velocity",)

    def step(self, name, p, g):
        velocity, momentum = self.carried[f"velocity/{name}"], self.numbers["momentum"]
        velocity *= momentum
        velocity += g
        p -= self.learning_rate * (g + momentum * velocity if self.numbers["name"] == "nesterov" else velocity)


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015, Algorithm 1) and, with a weight decay, AdamW (Loshchilov and Hutter 2019).

    AdamW first shrinks the parameters listed in "decayed": p <- p - learning_rate * weight_decay * p.
    """

    moments = ("m", "v")

    def step(self, name, p, g):
        m, v = self.carried[f"m/{name}"], self.carried[f"v/{name}"]
        # rounded once, so that 1 - beta and 1 - beta**t belong together in float32, too
        beta_1, beta_2 = (p.dtype.type(self.numbers[beta]) for beta in ("beta_1", "beta_2"))
        m += (1 - beta_1) * (g - m)
        v += (1 - beta_2) * (g * g - v)
        if name in self.numbers.get("decayed", ()):
            p -= self.learning_rate * self.numbers["weight_decay"] * p
        root = np.sqrt(v / (1 - beta_2**self.t)) + self.numbers["epsilon"]
        p -= self.learning_rate * (m / (1 - beta_1**self.t)) / root


BY_NAME = {"sgd": Optimizer, "momentum": Momentum, "nesterov": Momentum, "adam": Adam, "adamw": Adam}


def optimizer_of(problem: Problem, parameters: Arrays) -> Optimizer:
    """The optimiser that a problem asks for."""
    return BY_NAME[problem.optimizer["name"]](problem, parameters)
