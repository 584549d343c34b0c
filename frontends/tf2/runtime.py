"""What the harness needs of TensorFlow 2 with eager execution."""

import tensorflow as tf
from tensorflow.python.eager import context

from frontends.tf1 import runtime as graph_runtime
from frontends.tf1.runtime import configure, peak_device_bytes, versions
from frontends.tf1.runtime import traced as compilations

__all__ = ["compilations", "configure", "observe", "peak_device_bytes", "versions", "wait"]


def wait() -> None:
    """Wait until every operation started so far has finished, on the GPU as well."""
    tf.test.experimental.sync_devices()


def observe() -> dict:
    """As in graph mode; XLA is also on where a function was compiled by it."""
    functions = (context.context().get_function_def(name) for name in context.context().list_function_names())
    compiled = any(function.attr["_XlaMustCompile"].b for function in functions)
    return {**graph_runtime.observe(), "xla": compiled}
