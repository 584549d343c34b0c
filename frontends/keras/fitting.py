"""What fit is given in Keras: the coming steps as a data set, and a callback that collects their losses."""

import itertools

import keras
import tensorflow as tf


class StepLosses(keras.callbacks.Callback):
    """Collects the loss of each step; unless metrics are reset, Keras reports the mean since the start of the epoch."""

    def on_train_begin(self, logs=None):
        self.losses = []

    def on_train_batch_begin(self, batch, logs=None):
        self.model.reset_metrics()

    def on_train_batch_end(self, batch, logs=None):
        self.losses.append(logs["loss"])


def host_tensor(array):
    """Resident data as a tensor in host memory, which is where tf.data works; fit moves each batch to the device."""
    with tf.device("cpu"):
        return tf.convert_to_tensor(array)


def dataset(problem, batches, steps):
    """The next ``steps`` batches as a tf.data pipeline; a resident batch is repeated."""
    if problem.resident:
        *_, batch = itertools.islice(batches, steps)
        pipeline = tf.data.Dataset.from_tensors(batch).repeat(steps)
    else:
        shapes = [tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in problem.data.values()]
        shapes += [tf.TensorSpec(array.shape[1:], array.dtype) for array in problem.per_step.values()]

        def arranged(x, *others):
            """What changes with the step is an input, too; a third array would be taken for weights of the samples."""
            rest = others[: len(problem.data) - 1]
            return ((x, *others[len(rest) :]), *rest) if problem.per_step else (x, *rest)

        pipeline = tf.data.Dataset.from_generator(
            lambda: itertools.starmap(arranged, itertools.islice(batches, steps)), output_signature=arranged(*shapes)
        )
    # without a number of steps, fit counts one too many at its end, in the t of Adam, too
    pipeline = pipeline.apply(tf.data.experimental.assert_cardinality(steps))
    # There is nothing to tune here, and on one CPU fit would not return until the autotuner's thread wakes up, which it
    # does after 30, 70, 150, 310, 630 ms and so on.
    options = tf.data.Options()
    options.autotune.enabled = False
    return pipeline.with_options(options)
