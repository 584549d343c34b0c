"""What the harness needs of TensorFlow 2 with eager execution."""

import tensorflow as tf

from frontends.tf1.runtime import configure, observe, peak_device_bytes, versions
from frontends.tf1.runtime import traced as compilations

__all__ = ["compilations", "configure", "observe", "peak_device_bytes", "versions", "wait"]


def wait() -> None:
    """Wait until every operation started so far has finished, on the GPU as well."""
    tf.test.experimental.sync_devices()
