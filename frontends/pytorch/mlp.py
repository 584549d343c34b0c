"""A multilayer perceptron in PyTorch: nn.Sequential, cross_entropy, autograd, Adam from torch.optim."""

import torch
from torch import nn

from frontends.pytorch.layouts import set_linear, to_numpy
from frontends.pytorch.optimizers import carried_by, optimizer_of
from frontends.pytorch.runtime import device_of
from workbench.contract import Problem, State, Steps, Training


def train(problem: Problem) -> Training:
    device = device_of(problem)
    inputs, hidden = problem.init["w1"].shape
    classes = problem.init["w2"].shape[1]
    first = nn.Linear(inputs, hidden)
    second = nn.Linear(hidden, classes)
    set_linear(first, problem.init["w1"], problem.init["b1"])  # transposed: torch keeps (outputs, inputs)
    set_linear(second, problem.init["w2"], problem.init["b2"])
    net = nn.Sequential(first, nn.ReLU(), second).to(device)
    model = torch.compile(net) if problem.mode == "pytorch_compiled" else net
    parameters = {"w1": first.weight, "b1": first.bias, "w2": second.weight, "b2": second.bias}
    optimizer = optimizer_of(problem, parameters)
    batches = problem.batches(lambda array: torch.from_numpy(array).to(device))

    def loss_of(x, labels):
        return nn.functional.cross_entropy(model(x), labels)

    def state():
        with torch.no_grad():
            predictions = net(torch.from_numpy(problem.queries).to(device))
        return State(
            parameters={name: to_numpy(parameter) for name, parameter in parameters.items()},
            predictions=predictions.cpu().numpy(),
            carried=carried_by(optimizer, problem, parameters),
        )

    yield Steps(state, evaluate=torch.no_grad()(lambda: loss_of(*next(batches))))

    for x, labels in batches:
        loss = loss_of(x, labels)

        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.detach()
