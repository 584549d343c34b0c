"""c = sum(x * y + z) in PyTorch: each line records the graph as it runs, and backward() walks it."""

import torch

from frontends.pytorch.runtime import device_of, in_mode
from workbench.contract import Problem, Result, Training


def train(problem: Problem) -> Training:
    device = device_of(problem)
    x, y, z = (torch.from_numpy(problem.init[name]).to(device).requires_grad_() for name in ("x", "y", "z"))
    batches = problem.batches()

    def graph(x, y, z):
        a = x * y
        b = a + z
        return b.sum()

    graph = in_mode(problem, graph)
    yield

    for () in batches:
        x.grad = y.grad = z.grad = None  # backward() adds to .grad
        c = graph(x, y, z)
        c.backward()
        yield c.detach()

    return Result(gradients={"x": x.grad.cpu().numpy(), "y": y.grad.cpu().numpy(), "z": z.grad.cpu().numpy()})
