"""Linear regression in PyTorch: nn.Linear, autograd, torch.optim."""

import torch
from torch import nn

from frontends.pytorch.runtime import device_of, in_mode
from workbench.contract import Problem, Result, Training


def train(problem: Problem) -> Training:
    device = device_of(problem)
    inputs, outputs = problem.init["w"].shape
    linear = nn.Linear(inputs, outputs)
    linear.weight = nn.Parameter(torch.from_numpy(problem.init["w"].T.copy()))  # torch keeps (outputs, inputs)
    linear.bias = nn.Parameter(torch.from_numpy(problem.init["b"].copy()))
    model = in_mode(problem, linear.to(device))
    optimizer = torch.optim.SGD(model.parameters(), lr=problem.learning_rate)
    batches = problem.batches(lambda array: torch.from_numpy(array).to(device))
    yield

    for x, y in batches:
        loss = nn.functional.mse_loss(model(x), y)

        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.detach()

    with torch.no_grad():
        predictions = model(torch.from_numpy(problem.queries).to(device))
    return Result(
        parameters={"w": linear.weight.detach().cpu().numpy().T, "b": linear.bias.detach().cpu().numpy()},
        predictions=predictions.cpu().numpy(),
    )
