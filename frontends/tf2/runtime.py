"""What the harness needs of TensorFlow 2 with eager execution."""

import tensorflow as tf

from frontends.tf1.runtime import configure, observe, peak_device_bytes, versions
from workbench.contract import Problem

__all__ = ["configure", "in_mode", "observe", "peak_device_bytes", "versions", "wait"]


def in_mode(problem: Problem, step):
    """A step, traced into a graph by tf.function if that is the mode."""
    return tf.function(step) if problem.mode == "tf2_function" else step


def wait() -> None:
    """Wait until every operation started so far has finished, on the GPU as well."""
    tf.test.experimental.sync_devices()
