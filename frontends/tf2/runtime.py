"""What the harness needs of TensorFlow 2 with eager execution."""

import tensorflow as tf

from frontends.tf1.runtime import configure, observe, peak_device_bytes, versions
from workbench.contract import Problem

__all__ = ["configure", "in_mode", "observe", "peak_device_bytes", "versions", "wait"]


def in_mode(problem: Problem, step):
    """A step as it is when eager, or traced into a graph by tf.function."""
    return tf.function(step) if problem.mode == "tf2_function" else step


def wait() -> None:
    """Until every operation started so far has run, on the GPU too."""
    tf.test.experimental.sync_devices()
