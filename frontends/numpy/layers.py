"""Layers in NumPy, each with what brings its gradient back; images have the axes (batch, height, width, channels)."""

import numpy as np


def patches(x):
    """The 3 x 3 surroundings of every pixel, with zeros around the image: (batch, height, width, 9 * channels)."""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    views = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    return views.transpose(0, 1, 2, 4, 5, 3).reshape(*x.shape[:3], -1)


def convolution(x, kernel):
    """A kernel (3, 3, channels, filters) at every pixel: (batch, height, width, filters)."""
    return patches(x) @ kernel.reshape(-1, kernel.shape[3])


def convolution_gradients(x, kernel, d):
    """The gradients of the images and of the kernel, from that of the convolution."""
    dkernel = np.tensordot(patches(x), d, axes=((0, 1, 2), (0, 1, 2))).reshape(kernel.shape)
    return convolution(d, kernel[::-1, ::-1].transpose(0, 1, 3, 2)), dkernel


def max_pool(x):
    """The maximum over windows of 2 x 2: (batch, height / 2, width / 2, channels)."""
    n, height, width, channels = x.shape
    return x.reshape(n, height // 2, 2, width // 2, 2, channels).max(axis=(2, 4))


def max_pool_gradient(x, d):
    """The gradient of the images: that of a maximum, where it was found first, row by row."""
    n, height, width, channels = x.shape
    windows = x.reshape(n, height // 2, 2, width // 2, 2, channels).transpose(0, 1, 3, 5, 2, 4)
    first = windows.reshape(*d.shape, 4).argmax(axis=-1, keepdims=True)
    found = (np.arange(4) == first) * d[..., np.newaxis]
    return found.reshape(windows.shape).transpose(0, 1, 4, 2, 5, 3).reshape(x.shape)


def moments(x):
    """The mean and the variance of every channel, over batch, height and width."""
    return x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))


def running_statistics(problem):
    """The running mean and variance of every layer with a scale: 0 and 1, unless a training goes on from others."""
    running = {}
    for name, scale in problem.init.items():
        if name.startswith("g"):
            running |= {f"mean/{name[1:]}": np.zeros_like(scale), f"variance/{name[1:]}": np.ones_like(scale)}
    return {name: problem.carried.get(name, start) for name, start in running.items()}


def batch_norm(x, scale, shift, mean, variance):
    """Every channel with this mean and variance taken out, scaled and shifted; and what it is before that."""
    normal = (x - mean) / np.sqrt(variance + 1e-5)
    return normal * scale + shift, normal


def batch_norm_gradients(normal, scale, variance, d):
    """The gradients of the input, of the scale and of the shift, where mean and variance are those of the batch."""
    ds, axes = d * scale, (0, 1, 2)
    dx = (ds - ds.mean(axes) - normal * (ds * normal).mean(axes)) / np.sqrt(variance + 1e-5)
    return dx, (d * normal).sum(axes), d.sum(axes)


def cross_entropy(logits, labels):
    """The mean of -log(softmax(logits)[label]), and the gradient of the logits."""
    samples = np.arange(len(logits))
    shifted = logits - logits.max(axis=1, keepdims=True)  # so that exp cannot overflow
    exponentials = np.exp(shifted)
    sums = exponentials.sum(axis=1, keepdims=True)
    loss = np.mean(np.log(sums[:, 0]) - shifted[samples, labels])
    dlogits = exponentials / sums
    dlogits[samples, labels] -= 1
    return loss, dlogits / len(logits)


def sigmoid(x):
    """1 / (1 + exp(-x)), written so that exp cannot overflow."""
    return 0.5 * (1 + np.tanh(0.5 * x))
