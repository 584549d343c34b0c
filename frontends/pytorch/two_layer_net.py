"""A two-layer ReLU network in PyTorch: nn.Sequential, autograd, torch.optim."""

import torch
from torch import nn

from frontends.pytorch.layouts import set_linear, to_numpy
from frontends.pytorch.runtime import device_of
from workbench.contract import Problem, State, Steps, Training


def train(problem: Problem) -> Training:
    device = device_of(problem)
    inputs, hidden = problem.init["w1"].shape
    outputs = problem.init["w2"].shape[1]
    first = nn.Linear(inputs, hidden, bias=False)
    second = nn.Linear(hidden, outputs, bias=False)
    set_linear(first, problem.init["w1"])  # transposed: torch keeps (outputs, inputs)
    set_linear(second, problem.init["w2"])
    net = nn.Sequential(first, nn.ReLU(), second).to(device)
    model = torch.compile(net) if problem.mode == "pytorch_compiled" else net
    optimizer = torch.optim.SGD(net.parameters(), lr=problem.learning_rate)
    batches = problem.batches(lambda array: torch.from_numpy(array).to(device))

    def loss_of(x, y):
        return nn.functional.mse_loss(model(x), y, reduction="sum") / len(x)

    def state():
        with torch.no_grad():
            predictions = net(torch.from_numpy(problem.queries).to(device))
        parameters = {"w1": to_numpy(first.weight), "w2": to_numpy(second.weight)}
        return State(parameters=parameters, predictions=predictions.cpu().numpy())

    yield Steps(state, evaluate=torch.no_grad()(lambda: loss_of(*next(batches))))

    for x, y in batches:
        loss = loss_of(x, y)

        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.detach()
