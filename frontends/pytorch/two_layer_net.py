"""A two-layer ReLU network in PyTorch: nn.Sequential, autograd, torch.optim."""

import torch
from torch import nn

from frontends.pytorch.runtime import device_of, in_mode
from workbench.contract import Problem, Result, Training


def train(problem: Problem) -> Training:
    device = device_of(problem)
    inputs, hidden = problem.init["w1"].shape
    outputs = problem.init["w2"].shape[1]
    first = nn.Linear(inputs, hidden, bias=False)
    second = nn.Linear(hidden, outputs, bias=False)
    first.weight = nn.Parameter(torch.from_numpy(problem.init["w1"].T.copy()))  # torch keeps (outputs, inputs)
    second.weight = nn.Parameter(torch.from_numpy(problem.init["w2"].T.copy()))
    model = in_mode(problem, nn.Sequential(first, nn.ReLU(), second).to(device))
    optimizer = torch.optim.SGD(model.parameters(), lr=problem.learning_rate)
    batches = problem.batches(lambda array: torch.from_numpy(array).to(device))
    yield

    for x, y in batches:
        loss = nn.functional.mse_loss(model(x), y, reduction="sum") / len(x)

        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.detach()

    with torch.no_grad():
        predictions = model(torch.from_numpy(problem.queries).to(device))
    return Result(
        parameters={
            "w1": first.weight.detach().cpu().numpy().T,
            "w2": second.weight.detach().cpu().numpy().T,
        },
        predictions=predictions.cpu().numpy(),
    )
