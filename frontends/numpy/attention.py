"""What a transformer consists of, in NumPy: each function returns its result and what brings a gradient back.

Vectors have the axes (batch, length, width) or, in heads, (batch, length, heads, size).
"""

import math

import numpy as np

ROOT, CUBE = math.sqrt(2 / math.pi), 0.044715


def linear(x, w, b=0.0, axes=1):
    """x w + b, summed over the last ``axes`` axes of x; back to x, w and b."""

    def back(d):
        outputs = list(range(2, d.ndim)), list(range(axes, w.ndim))
        return np.tensordot(d, w, outputs), np.tensordot(x, d, ((0, 1), (0, 1))), d.sum(axis=(0, 1))

    return np.tensordot(x, w, axes) + b, back


def layer_norm(x, scale, shift):
    """Vectors of mean 0 and variance 1, scaled and shifted; back to x, scale and shift."""
    centred = x - x.mean(axis=-1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)
    normal = centred / deviation

    def back(d):
        ds = d * scale
        dx = ds - ds.mean(axis=-1, keepdims=True) - normal * (ds * normal).mean(axis=-1, keepdims=True)
        return dx / deviation, (d * normal).sum(axis=(0, 1)), d.sum(axis=(0, 1))

    return normal * scale + shift, back


def gelu(x):
    """The Gaussian error linear unit, approximated by tanh; back to x."""
    t = np.tanh(ROOT * (x + CUBE * x**3))

    def back(d):
        return d * ((1 + t) / 2 + x / 2 * (1 - t**2) * ROOT * (1 + 3 * CUBE * x**2))

    return x / 2 * (1 + t), back


def causal_attention(q, k, v):
    """What every position takes from itself and all earlier ones, head by head; back to q, k and v."""
    q, k, v = (array.swapaxes(1, 2) for array in (q, k, v))  # (batch, heads, length, size)
    root = math.sqrt(q.shape[-1])
    earlier = np.tri(q.shape[-2], dtype=bool)
    scores = np.where(earlier, q @ k.swapaxes(2, 3) / root, -np.inf)
    exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights = exponentials / exponentials.sum(axis=-1, keepdims=True)

    def back(d):
        d = d.swapaxes(1, 2)
        dweights = d @ v.swapaxes(2, 3)
        dscores = weights * (dweights - (dweights * weights).sum(axis=-1, keepdims=True)) / root
        gradients = dscores @ k, dscores.swapaxes(2, 3) @ q, weights.swapaxes(2, 3) @ d
        return tuple(array.swapaxes(1, 2) for array in gradients)

    return (weights @ v).swapaxes(1, 2), back
