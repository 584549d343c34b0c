"""c = sum(x * y + z) in PyTorch: each line records the graph as it runs, and backward() walks it."""

import torch

from frontends.pytorch.runtime import device_of
from workbench.contract import Problem, State, Steps, Training


def train(problem: Problem) -> Training:
    device = device_of(problem)
    batches = problem.batches(lambda array: torch.from_numpy(array).to(device).requires_grad_())

    def net(x, y, z):
        a = x * y
        b = a + z
        return b.sum()

    graph = torch.compile(net) if problem.mode == "pytorch_compiled" else net

    def state():
        return State(gradients={"x": x.grad.cpu().numpy(), "y": y.grad.cpu().numpy(), "z": z.grad.cpu().numpy()})

    yield Steps(state, evaluate=torch.no_grad()(lambda: graph(*next(batches))))

    for x, y, z in batches:
        x.grad = y.grad = z.grad = None  # backward() adds to .grad
        c = graph(x, y, z)
        c.backward()
        yield c.detach()
