"""Transfer learning in PyTorch: two heads on the same features; requires_grad says what a phase trains."""

import torch
from torch import nn

from frontends.pytorch.layouts import set_linear, to_numpy
from frontends.pytorch.runtime import device_of
from workbench.contract import Problem, State, Steps, Training


class Net(nn.Module):
    """Two hidden layers and two heads, one of which is used at a time."""

    def __init__(self, init):
        super().__init__()
        self.first, self.second, self.old, self.new = (
            nn.Linear(*init[w].shape) for w in ("w1", "w2", "old_w", "new_w")
        )
        for layer, w, b in (
            (self.first, "w1", "b1"),
            (self.second, "w2", "b2"),
            (self.old, "old_w", "old_b"),
            (self.new, "new_w", "new_b"),
        ):
            set_linear(layer, init[w], init[b])  # transposed: torch keeps (outputs, inputs)

    def forward(self, x, head):
        features = nn.functional.relu(self.second(nn.functional.relu(self.first(x))))
        return self.old(features) if head == "old" else self.new(features)


def train(problem: Problem) -> Training:
    device = device_of(problem)
    net = Net(problem.init).to(device)
    model = torch.compile(net) if problem.mode == "pytorch_compiled" else net
    parameters = dict(zip(problem.init, net.parameters(), strict=True))  # weight and bias of each layer, in this order

    def loss_of(x, labels):
        return nn.functional.cross_entropy(model(x, head), labels)

    def state():
        with torch.no_grad():
            predictions = net(torch.from_numpy(problem.queries).to(device), "new")
        return State(
            parameters={name: to_numpy(parameter) for name, parameter in parameters.items()},
            predictions=predictions.cpu().numpy(),
        )

    yield Steps(state, evaluate=torch.no_grad()(lambda: loss_of(*next(batches))))

    for phase in problem.phases:
        head = "new" if "old_w" in phase.frozen else "old"
        for name, parameter in parameters.items():
            parameter.requires_grad_(name not in phase.frozen)
        trained = [parameter for parameter in net.parameters() if parameter.requires_grad]
        optimizer = torch.optim.SGD(trained, lr=problem.learning_rate)
        batches = problem.batches(lambda array: torch.from_numpy(array).to(device), until=phase.until)
        for x, labels in batches:
            loss = loss_of(x, labels)

            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            yield loss.detach()
