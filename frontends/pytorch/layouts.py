"""Weights in PyTorch's layout and back.

nn.Linear keeps (outputs, inputs), the tasks (inputs, outputs); nn.Conv2d keeps (filters, channels, height, width), the
tasks (height, width, channels, filters).
"""

import torch
from torch import nn

from workbench.contract import Array


def set_linear(linear: nn.Linear, w: Array, b: Array | None = None) -> None:
    """Start a layer from weights of shape (inputs, outputs) and, if it has any, biases of shape (outputs,)."""
    linear.weight = nn.Parameter(torch.from_numpy(w.T.copy()))
    if b is not None:
        linear.bias = nn.Parameter(torch.from_numpy(b.copy()))


def convolution(kernel: Array, b: Array) -> nn.Conv2d:
    """A layer that keeps height and width, from a kernel (height, width, channels, filters) and biases (filters,)."""
    height, width, channels, filters = kernel.shape
    layer = nn.Conv2d(channels, filters, (height, width), padding=(height // 2, width // 2))
    layer.weight = nn.Parameter(torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy()))
    layer.bias = nn.Parameter(torch.from_numpy(b.copy()))
    return layer


def to_numpy(tensor: torch.Tensor) -> Array:
    """A weight, or what belongs to it, in the task's layout; biases have one axis only and stay as they are."""
    array = tensor.detach().cpu().numpy()
    return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T
