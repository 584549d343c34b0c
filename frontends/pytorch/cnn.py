"""A convolutional network in PyTorch: nn.Conv2d in channels-last memory, autograd, momentum from torch.optim."""

import torch
from torch import nn

from frontends.pytorch.layouts import convolution, set_linear, to_numpy
from frontends.pytorch.optimizers import carried_by, optimizer_of
from frontends.pytorch.runtime import device_of
from workbench.contract import Problem, State, Training


class Net(nn.Module):
    """Convolutions in blocks, each followed by pooling; images have the axes (batch, height, width, channels)."""

    def __init__(self, init):
        super().__init__()
        self.names = [name[1:] for name in init if name.startswith("k")]  # such as "1_1", "1_2", "2_1"
        self.layers = nn.ModuleList(convolution(init[f"k{name}"], init[f"b{name}"]) for name in self.names)
        self.last = nn.Linear(*init["w"].shape)
        set_linear(self.last, init["w"], init["b"])

    def forward(self, x):
        a = x.permute(0, 3, 1, 2)  # torch's order of axes, in the memory layout that it calls channels last
        for name, layer in zip(self.names, self.layers, strict=True):
            if name.endswith("_1") and name != "1_1":
                a = nn.functional.max_pool2d(a, 2)
            a = nn.functional.relu(layer(a))
        return self.last(nn.functional.max_pool2d(a, 2).permute(0, 2, 3, 1).flatten(1))


def train(problem: Problem) -> Training:
    device = device_of(problem)
    net = Net(problem.init).to(device, memory_format=torch.channels_last)
    model = torch.compile(net) if problem.mode == "pytorch_compiled" else net
    parameters = dict(zip(problem.init, net.parameters(), strict=True))  # kernel and bias of each layer, in this order
    optimizer = optimizer_of(problem, parameters)
    batches = problem.batches(lambda array: torch.from_numpy(array).to(device))

    def state():
        with torch.no_grad():
            predictions = net(torch.from_numpy(problem.queries).to(device))
        return State(
            parameters={name: to_numpy(parameter) for name, parameter in parameters.items()},
            predictions=predictions.cpu().numpy(),
            carried=carried_by(optimizer, problem, parameters),
        )

    yield state

    for x, labels in batches:
        logits = model(x)
        loss = nn.functional.cross_entropy(logits, labels)

        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.detach()
