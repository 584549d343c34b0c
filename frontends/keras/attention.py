"""What a transformer consists of, as layers of Keras: those that it lacks, or whose own numbers are others."""

import math

import keras
from keras import ops


class Positions(keras.layers.Layer):
    """Adds a vector for each position."""

    def build(self, shape):
        self.table = self.add_weight(shape=shape[1:], name="table")

    def call(self, a):
        return a + self.table


class CausalAttention(keras.layers.Layer):
    """What each position takes from itself and all earlier ones; Keras's MultiHeadAttention gives keys a bias, too."""

    def call(self, q, k, v):
        scores = ops.einsum("bqhs,bkhs->bhqk", q, k) / math.sqrt(q.shape[-1])
        earlier = ops.tril(ops.ones(scores.shape[-2:], "bool"))
        weights = ops.softmax(ops.where(earlier, scores, -math.inf))
        return ops.einsum("bhqk,bkhs->bqhs", weights, v)


class GivenDropout(keras.layers.Layer):
    """While training, drops what the given bytes say, of which nine in ten are 1."""

    def call(self, a, keep, training=False):
        return a * ops.cast(keep, a.dtype) / 0.9 if training else a


def gelu(a):
    """Approximated by tanh, written out, because Keras's own takes its numbers through float32."""
    return a / 2 * (1 + ops.tanh(math.sqrt(2 / math.pi) * (a + 0.044715 * a**3)))


def into_heads(length, w, *, biased):
    """A layer from vectors to heads, for weights of shape (width, heads, size)."""
    return keras.layers.EinsumDense("btw,whs->bths", (length, *w.shape[1:]), bias_axes="hs" if biased else None)


def out_of_heads(length, w):
    """A layer from heads to vectors, for weights of shape (heads, size, width)."""
    return keras.layers.EinsumDense("bths,hsw->btw", (length, w.shape[2]), bias_axes="w")


def layer_norm():
    """Keras's own epsilon would be 1e-3."""
    return keras.layers.LayerNormalization(epsilon=1e-5)
