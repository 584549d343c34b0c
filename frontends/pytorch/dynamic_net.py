"""A network of changing depth in PyTorch: an ordinary loop in forward, and autograd follows it."""

import torch
from torch import nn

from frontends.pytorch.layouts import set_linear, to_numpy
from frontends.pytorch.runtime import device_of
from workbench.contract import Problem, State, Steps, Training


class Net(nn.Module):
    """A first layer, a hidden one that is applied as often as it is asked for, and a last one."""

    def __init__(self, init):
        super().__init__()
        self.first, self.hidden, self.last = (nn.Linear(*init[name].shape, bias=False) for name in ("w1", "w2", "w3"))
        for layer, name in ((self.first, "w1"), (self.hidden, "w2"), (self.last, "w3")):
            set_linear(layer, init[name])  # transposed: torch keeps (outputs, inputs)

    def forward(self, x, depth):
        a = nn.functional.relu(self.first(x))
        for _ in range(depth):
            a = nn.functional.relu(self.hidden(a))
        return self.last(a)


def train(problem: Problem) -> Training:
    device = device_of(problem)
    net = Net(problem.init).to(device)
    model = torch.compile(net) if problem.mode == "pytorch_compiled" else net
    optimizer = torch.optim.SGD(net.parameters(), lr=problem.learning_rate)
    batches = problem.batches(lambda array: torch.from_numpy(array).to(device) if array.ndim else int(array))

    def loss_of(x, y, depth):
        return ((model(x, depth) - y) ** 2).sum() / len(x)

    def state():
        with torch.no_grad():
            predictions = net(torch.from_numpy(problem.queries).to(device), 1)
        layers = {"w1": net.first, "w2": net.hidden, "w3": net.last}
        return State(
            parameters={name: to_numpy(layer.weight) for name, layer in layers.items()},
            predictions=predictions.cpu().numpy(),
        )

    yield Steps(state, evaluate=torch.no_grad()(lambda: loss_of(*next(batches))))

    for x, y, depth in batches:
        loss = loss_of(x, y, depth)

        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.detach()
