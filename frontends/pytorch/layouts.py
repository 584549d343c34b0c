"""Weights in PyTorch's layout and back: nn.Linear keeps (outputs, inputs), the tasks (inputs, outputs)."""

import torch
from torch import nn

from workbench.contract import Array


def set_linear(linear: nn.Linear, w: Array, b: Array | None = None) -> None:
    """Start a layer from weights of shape (inputs, outputs) and, if it has any, biases of shape (outputs,)."""
    linear.weight = nn.Parameter(torch.from_numpy(w.T.copy()))
    if b is not None:
        linear.bias = nn.Parameter(torch.from_numpy(b.copy()))


def to_numpy(tensor: torch.Tensor) -> Array:
    """A weight, or what belongs to it, in the task's layout; biases have one axis only and stay as they are."""
    return tensor.detach().cpu().numpy().T
