"""Linear regression in PyTorch: nn.Linear, autograd, torch.optim."""

import torch
from torch import nn

from frontends.pytorch.layouts import set_linear, to_numpy
from frontends.pytorch.runtime import device_of
from workbench.contract import Problem, State, Steps, Training


def train(problem: Problem) -> Training:
    device = device_of(problem)
    inputs, outputs = problem.init["w"].shape
    net = nn.Linear(inputs, outputs)
    set_linear(net, problem.init["w"], problem.init["b"])  # transposed: torch keeps (outputs, inputs)
    net.to(device)
    model = torch.compile(net) if problem.mode == "pytorch_compiled" else net
    optimizer = torch.optim.SGD(net.parameters(), lr=problem.learning_rate)
    batches = problem.batches(lambda array: torch.from_numpy(array).to(device))

    def loss_of(x, y):
        return nn.functional.mse_loss(model(x), y)

    def state():
        with torch.no_grad():
            predictions = net(torch.from_numpy(problem.queries).to(device))
        parameters = {"w": to_numpy(net.weight), "b": to_numpy(net.bias)}
        return State(parameters=parameters, predictions=predictions.cpu().numpy())

    yield Steps(state, evaluate=torch.no_grad()(lambda: loss_of(*next(batches))))

    for x, y in batches:
        loss = loss_of(x, y)

        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.detach()
