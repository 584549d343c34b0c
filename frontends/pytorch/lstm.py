"""A long short-term memory in PyTorch: nn.LSTM, whose state is detached after every step, and Adam from torch.optim."""

import torch
from torch import nn

from frontends.pytorch.layouts import long_short_term_memory, set_linear, to_numpy
from frontends.pytorch.optimizers import carried_by, optimizer_of
from frontends.pytorch.runtime import device_of
from workbench.contract import Problem, State, Steps, Training


class Net(nn.Module):
    """Reads images row by row and classifies by the last output."""

    def __init__(self, init):
        super().__init__()
        self.lstm = long_short_term_memory(init["wx"], init["wh"], init["b"])
        self.last = nn.Linear(*init["wy"].shape)
        set_linear(self.last, init["wy"], init["by"])

    def forward(self, x, memory):
        outputs, memory = self.lstm(x, memory)
        return self.last(outputs[:, -1]), memory


def train(problem: Problem) -> Training:
    device = device_of(problem)
    net = Net(problem.init).to(device)
    # nn.LSTM stays with the interpreter: torch.compile would leave the whole net to it
    head = torch.compile(net.last) if problem.mode == "pytorch_compiled" else net.last
    lstm, last = net.lstm, net.last
    trained = (lstm.weight_ih_l0, lstm.weight_hh_l0, lstm.bias_ih_l0, last.weight, last.bias)
    parameters = dict(zip(problem.init, trained, strict=True))
    optimizer = optimizer_of(problem, parameters)
    batches = problem.batches(lambda array: torch.from_numpy(array).to(device))
    h, c = torch.zeros(2, 1, problem.rows.shape[1], lstm.hidden_size, dtype=last.weight.dtype, device=device)

    def loss_of(x, labels):
        outputs, memory = lstm(x, (h, c))
        return nn.functional.cross_entropy(head(outputs[:, -1]), labels), memory

    def state():
        with torch.no_grad():
            predictions, _ = net(torch.from_numpy(problem.queries).to(device), None)
        return State(
            parameters={name: to_numpy(parameter) for name, parameter in parameters.items()},
            predictions=predictions.cpu().numpy(),
            carried=carried_by(optimizer, problem, parameters) | {"h": h[0].cpu().numpy(), "c": c[0].cpu().numpy()},
        )

    yield Steps(state, evaluate=torch.no_grad()(lambda: loss_of(*next(batches))[0]))

    for x, labels in batches:
        loss, (h, c) = loss_of(x, labels)
        h, c = h.detach(), c.detach()  # back-propagation ends here

        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.detach()
