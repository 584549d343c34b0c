"""Optimisers in PyTorch: which one of torch.optim computes the formula that a task's docstring gives."""

from collections.abc import Callable

import torch
from torch import nn

from frontends.pytorch.layouts import to_numpy
from workbench.contract import Array, Problem

# torch.optim's names for the moments of each optimiser
MOMENTS = {
    "sgd": {},
    "momentum": {"velocity": "momentum_buffer"},
    "nesterov": {"velocity": "momentum_buffer"},
    "adam": {"m": "exp_avg", "v": "exp_avg_sq"},
    "adamw": {"m": "exp_avg", "v": "exp_avg_sq"},
}


def optimizer_of(problem: Problem, parameters: dict[str, nn.Parameter]) -> torch.optim.Optimizer:
    """The optimiser that a problem asks for, of parameters by name."""
    numbers, learning_rate = problem.optimizer, problem.learning_rate
    name = numbers["name"]
    if name == "sgd":
        return torch.optim.SGD(parameters.values(), lr=learning_rate)
    if name in ("momentum", "nesterov"):
        momentum, nesterov = numbers["momentum"], name == "nesterov"
        return torch.optim.SGD(parameters.values(), lr=learning_rate, momentum=momentum, nesterov=nesterov)
    settings = {"lr": learning_rate, "betas": (numbers["beta_1"], numbers["beta_2"]), "eps": numbers["epsilon"]}
    if name == "adam":
        return torch.optim.Adam(parameters.values(), **settings)
    if name == "adamw":  # first p <- p - learning_rate * weight_decay * p, then Adam's step
        decayed = [parameter for name, parameter in parameters.items() if name in numbers["decayed"]]
        others = [parameter for name, parameter in parameters.items() if name not in numbers["decayed"]]
        groups = [{"params": decayed, "weight_decay": numbers["weight_decay"]}, {"params": others, "weight_decay": 0.0}]
        return torch.optim.AdamW(groups, **settings)
    raise ValueError(f"no optimiser {name!r}")


def carried_by(
    optimizer: torch.optim.Optimizer,
    problem: Problem,
    parameters: dict[str, nn.Parameter],
    layout: Callable[[str, torch.Tensor], Array] = lambda _, tensor: to_numpy(tensor),
) -> dict[str, Array]:
    """An optimiser's moments by name, such as "m/w1", in the task's layout; 0 before the first step."""
    return {
        f"{moment}/{name}": layout(name, optimizer.state.get(parameter, {}).get(key, torch.zeros_like(parameter)))
        for moment, key in MOMENTS[problem.optimizer["name"]].items()
        for name, parameter in parameters.items()
    }
