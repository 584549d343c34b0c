"""What fit is given on TensorFlow: a tf.data pipeline, through which a resident batch is repeated."""

import tensorflow as tf


def host_tensor(array):
    """Resident data as a tensor in host memory, which is where tf.data works; fit moves each batch to the device."""
    with tf.device("cpu"):
        return tf.convert_to_tensor(array)


def pipeline(problem, coming, steps):
    """A data set of so many coming batches."""
    if problem.resident:
        *_, batch = coming
        data = tf.data.Dataset.from_tensors(batch).repeat(steps)
    else:
        data = tf.data.Dataset.from_generator(lambda: coming, output_signature=signature(problem))
    # without a number of steps, fit counts one too many at its end, in the t of Adam, too
    data = data.apply(tf.data.experimental.assert_cardinality(steps))
    # There is nothing to tune here, and on one CPU fit would not return until the autotuner's thread wakes up, which it
    # does after 30, 70, 150, 310, 630 ms and so on.
    options = tf.data.Options()
    options.autotune.enabled = False
    return data.with_options(options)


def signature(problem):
    """The types and shapes of a batch that is fed, in the order in which fit takes them."""
    x, *rest = (tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in problem.data.values())
    extras = [tf.TensorSpec(array.shape[1:], array.dtype) for array in problem.per_step.values()]
    return ((x, *extras) if extras else x, *rest)
