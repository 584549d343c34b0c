"""A convolutional network in PyTorch: nn.Conv2d in channels-last memory, autograd, momentum from torch.optim."""

import torch
from torch import nn

from frontends.pytorch.layouts import convolution, linear, to_numpy
from frontends.pytorch.optimizers import carried_by, optimizer_of
from frontends.pytorch.runtime import device_of
from workbench.contract import Problem, State, Steps, Training


class BatchNorm(nn.BatchNorm2d):
    """PyTorch divides the running variance by one less than the number of values, and here it is that number."""

    def forward(self, a):
        before = self.running_var.clone()
        normal = super().forward(a)
        if self.training:
            values = a.numel() // a.shape[1]
            self.running_var = self.running_var - (self.running_var - 0.9 * before) / values
        return normal


class Net(nn.Module):
    """Convolutions in blocks, each followed by pooling; images have the axes (batch, height, width, channels)."""

    def __init__(self, init):
        super().__init__()
        self.names = [name[1:] for name in init if name.startswith("k")]  # such as "1_1", "1_2", "2_1"
        self.layers = nn.ModuleList()
        for name in self.names:
            if f"g{name}" not in init:
                self.layers.append(convolution(init[f"k{name}"], init[f"b{name}"]))
                continue
            norm = BatchNorm(len(init[f"g{name}"]), eps=1e-5, momentum=0.1, dtype=torch.from_numpy(init["w"]).dtype)
            norm.weight.data, norm.bias.data = (torch.from_numpy(init[f"{part}{name}"].copy()) for part in "gb")
            self.layers.append(nn.Sequential(convolution(init[f"k{name}"]), norm))
        self.last = linear(init["w"], init["b"])

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
    norms = {name: layer[1] for name, layer in zip(net.names, net.layers, strict=True) if f"g{name}" in parameters}

    def loss_of(x, labels):
        return nn.functional.cross_entropy(model(x), labels)

    def state():
        net.eval()
        with torch.no_grad():
            predictions = net(torch.from_numpy(problem.queries).to(device))
        net.train()
        carried = carried_by(optimizer, problem, parameters)
        carried |= {f"mean/{name}": to_numpy(norm.running_mean) for name, norm in norms.items()}
        carried |= {f"variance/{name}": to_numpy(norm.running_var) for name, norm in norms.items()}
        weights = {name: to_numpy(parameter) for name, parameter in parameters.items()}
        return State(parameters=weights, predictions=predictions.cpu().numpy(), carried=carried)

    yield Steps(state, None if norms else torch.no_grad()(lambda: loss_of(*next(batches))))  # statistics would move

    for x, labels in batches:
        loss = loss_of(x, labels)

        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.detach()
