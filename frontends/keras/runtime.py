"""What the harness needs of Keras on TensorFlow, and two helpers that its tasks share."""

import itertools

import keras
import tensorflow as tf

from frontends.tf1 import runtime as tensorflow_runtime
from workbench.contract import Settings

wait = tensorflow_runtime.wait  # fit returns only after the callback has received the last loss
observe = tensorflow_runtime.observe
peak_device_bytes = tensorflow_runtime.peak_device_bytes


def configure(settings: Settings) -> None:
    """Set data type and precision, once per process; the number of threads comes from the environment."""
    tensorflow_runtime.configure(settings)
    keras.config.set_floatx(settings.dtype)


def versions() -> dict:
    """Versions of the installed packages."""
    return {**tensorflow_runtime.versions(), "keras": keras.__version__}


class StepLosses(keras.callbacks.Callback):
    """Collects the loss of each step; unless metrics are reset, Keras reports the mean since the start of the epoch."""

    def on_train_begin(self, logs=None):
        self.losses = []

    def on_train_batch_begin(self, batch, logs=None):
        self.model.reset_metrics()

    def on_train_batch_end(self, batch, logs=None):
        self.losses.append(logs["loss"])


def dataset(problem, batches, steps):
    """The next ``steps`` batches as a tf.data pipeline; a resident batch is a tensor that is repeated."""
    if problem.resident:
        pipeline = tf.data.Dataset.from_tensors(next(batches)).repeat(steps)
    else:
        shapes = tuple(tf.TensorSpec((None, *array.shape[1:]), problem.dtype) for array in problem.data.values())
        pipeline = tf.data.Dataset.from_generator(lambda: itertools.islice(batches, steps), output_signature=shapes)
    # There is nothing to tune here, and on one CPU fit would not return until the autotuner's thread wakes up, which it
    # does after 30, 70, 150, 310, 630 ms and so on.
    options = tf.data.Options()
    options.autotune.enabled = False
    return pipeline.with_options(options)
