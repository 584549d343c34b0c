"""Softmax regression in PyTorch: nn.Linear, cross_entropy, autograd, SGD from torch.optim."""

import torch
from torch import nn

from frontends.pytorch.layouts import set_linear, to_numpy
from frontends.pytorch.runtime import device_of
from workbench.contract import Problem, State, Steps, Training


def train(problem: Problem) -> Training:
    device = device_of(problem)
    linear = nn.Linear(*problem.init["w"].shape)
    set_linear(linear, problem.init["w"], problem.init["b"])  # transposed: torch keeps (outputs, inputs)
    linear = linear.to(device)
    model = torch.compile(linear) if problem.mode == "pytorch_compiled" else linear
    optimizer = torch.optim.SGD(linear.parameters(), lr=problem.learning_rate)
    batches = problem.batches(lambda array: torch.from_numpy(array).to(device))

    def loss_of(x, labels):
        return nn.functional.cross_entropy(model(x), labels)

    def state():
        with torch.no_grad():
            predictions = linear(torch.from_numpy(problem.queries).to(device))
        return State(
            parameters={"w": to_numpy(linear.weight), "b": to_numpy(linear.bias)},
            predictions=predictions.cpu().numpy(),
        )

    yield Steps(state, evaluate=torch.no_grad()(lambda: loss_of(*next(batches))))

    for x, labels in batches:
        loss = loss_of(x, labels)

        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.detach()
