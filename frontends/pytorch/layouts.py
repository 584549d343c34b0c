"""Weights in PyTorch's layout and back.

nn.Linear and nn.LSTM keep (outputs, inputs), the tasks (inputs, outputs); nn.Conv2d keeps (filters, channels, height,
width), the tasks (height, width, channels, filters).
"""

import math
from collections.abc import Callable

import torch
from torch import nn

from workbench.contract import Array, Arrays


def set_linear(linear: nn.Linear, w: Array, b: Array | None = None) -> None:
    """Start a layer from weights of shape (inputs, outputs) and, if it has any, biases of shape (outputs,)."""
    linear.weight = nn.Parameter(torch.from_numpy(w.T.copy()))
    if b is not None:
        linear.bias = nn.Parameter(torch.from_numpy(b.copy()))


def linear(w: Array, b: Array | None = None, inputs: int = 1) -> nn.Linear:
    """A layer from weights whose first ``inputs`` axes are summed over, and biases of the shape of the other axes."""
    w = w.reshape(math.prod(w.shape[:inputs]), -1)
    layer = nn.Linear(*w.shape, bias=b is not None)
    set_linear(layer, w, None if b is None else b.ravel())
    return layer


def layer_norm(scale: Array, shift: Array) -> nn.LayerNorm:
    """A layer norm from its scale and shift, each of shape (width,)."""
    layer = nn.LayerNorm(len(scale), eps=1e-5)
    layer.weight = nn.Parameter(torch.from_numpy(scale.copy()))
    layer.bias = nn.Parameter(torch.from_numpy(shift.copy()))
    return layer


def embedding(table: Array) -> nn.Embedding:
    """An embedding from its table, which torch keeps as the tasks do."""
    layer = nn.Embedding(*table.shape)
    layer.weight = nn.Parameter(torch.from_numpy(table.copy()))
    return layer


def convolution(kernel: Array, b: Array | None = None) -> nn.Conv2d:
    """A layer that keeps height and width, from a kernel (height, width, channels, filters) and biases (filters,)."""
    height, width, channels, filters = kernel.shape
    layer = nn.Conv2d(channels, filters, (height, width), padding=(height // 2, width // 2), bias=b is not None)
    layer.weight = nn.Parameter(torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy()))
    if b is not None:
        layer.bias = nn.Parameter(torch.from_numpy(b.copy()))
    return layer


def long_short_term_memory(wx: Array, wh: Array, b: Array) -> nn.LSTM:
    """A layer from weights (inputs, gates) and (hidden, gates) and one bias; torch's second one stays 0."""
    layer = nn.LSTM(wx.shape[0], wh.shape[0], batch_first=True)
    layer.weight_ih_l0 = nn.Parameter(torch.from_numpy(wx.T.copy()))
    layer.weight_hh_l0 = nn.Parameter(torch.from_numpy(wh.T.copy()))
    layer.bias_ih_l0 = nn.Parameter(torch.from_numpy(b.copy()))
    layer.bias_hh_l0 = nn.Parameter(torch.zeros_like(layer.bias_ih_l0), requires_grad=False)
    return layer


def to_numpy(tensor: torch.Tensor) -> Array:
    """A weight, or what belongs to it, in the task's layout; biases have one axis only and stay as they are."""
    array = tensor.detach().cpu().numpy()
    return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T


def task_layout(init: Arrays, as_they_are: tuple[str, ...]) -> Callable[[str, torch.Tensor], Array]:
    """A function that gives a weight, or what belongs to it, by its name, in the shape of the task's start value."""

    def layout(name: str, tensor: torch.Tensor) -> Array:
        array = tensor.detach().cpu().numpy() if name in as_they_are else to_numpy(tensor)
        return array.reshape(init[name].shape)

    return layout
