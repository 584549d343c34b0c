"""A transformer in PyTorch: nn.Module, scaled_dot_product_attention, autograd, AdamW from torch.optim."""

import torch
from torch import nn

from frontends.pytorch.layouts import embedding, layer_norm, linear, task_layout
from frontends.pytorch.optimizers import carried_by, optimizer_of
from frontends.pytorch.runtime import device_of
from workbench.contract import Problem, State, Steps, Training


class Block(nn.Module):
    """Attention, then a perceptron; each takes a normalised input, and adds to it what dropout keeps."""

    def __init__(self, own):
        super().__init__()
        self.heads = own["wq"].shape[1]
        self.norm_a = layer_norm(own["scale_a"], own["shift_a"])
        self.q, self.k, self.v = linear(own["wq"], own["bq"]), linear(own["wk"]), linear(own["wv"], own["bv"])
        self.out = linear(own["wo"], own["bo"], inputs=2)
        self.norm_m = layer_norm(own["scale_m"], own["shift_m"])
        self.up, self.down = linear(own["wu"], own["bu"]), linear(own["wd"], own["bd"])

    def forward(self, a, keep):
        normal = self.norm_a(a)
        q, k, v = (layer(normal).unflatten(2, (self.heads, -1)).transpose(1, 2) for layer in (self.q, self.k, self.v))
        attended = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        a = a + self.out(attended.transpose(1, 2).flatten(2)) * keep[:, 0]
        up = nn.functional.gelu(self.up(self.norm_m(a)), approximate="tanh")
        return a + self.down(up) * keep[:, 1]


class Net(nn.Module):
    """Embeddings, blocks, and the logits of the last positions."""

    def __init__(self, init, answers):
        super().__init__()
        self.answers, self.token, self.position = answers, embedding(init["token"]), embedding(init["position"])
        ends = [name.removeprefix("wq") for name in init if name.startswith("wq_")]
        own = ({name.removesuffix(end): array for name, array in init.items() if name.endswith(end)} for end in ends)
        self.blocks = nn.ModuleList(map(Block, own))
        self.norm, self.last = layer_norm(init["scale"], init["shift"]), linear(init["w"])

    def forward(self, x, keep):
        a = self.token(x) + self.position.weight
        for place, block in enumerate(self.blocks):
            a = block(a, keep[:, 2 * place : 2 * place + 2])
        return self.last(self.norm(a)[:, -self.answers :])


def train(problem: Problem) -> Training:
    device = device_of(problem)
    net = Net(problem.init, problem.answers.shape[1]).to(device)
    model = torch.compile(net) if problem.mode == "pytorch_compiled" else net
    parameters = dict(zip(problem.init, net.parameters(), strict=True))  # modules are made in this order
    optimizer = optimizer_of(problem, parameters)
    batches = problem.batches(lambda array: torch.from_numpy(array).to(device))
    layout = task_layout(problem.init, as_they_are=("token", "position"))

    def loss_of(x, labels, keep):
        return nn.functional.cross_entropy(model(x, keep.to(net.position.weight) / 0.9).flatten(0, 1), labels.flatten())

    @torch.no_grad()
    def state():
        everything = torch.ones(1, 2 * len(net.blocks), 1, 1).to(net.position.weight)
        return State(
            parameters={name: layout(name, parameter) for name, parameter in parameters.items()},
            predictions=net(torch.from_numpy(problem.queries).to(device), everything).cpu().numpy(),
            carried=carried_by(optimizer, problem, parameters, layout),
        )

    yield Steps(state, evaluate=torch.no_grad()(lambda: loss_of(*next(batches))))

    for x, labels, keep in batches:
        loss = loss_of(x, labels, keep)

        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.detach()
