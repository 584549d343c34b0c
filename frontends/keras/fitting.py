"""What fit is given in Keras: the coming steps as a data set, and a callback that collects their losses."""

import itertools

import keras

if keras.backend.backend() == "tensorflow":
    from frontends.keras import pipelines


class StepLosses(keras.callbacks.Callback):
    """Collects each loss of fit or evaluate; unless metrics are reset, Keras reports the mean since the start."""

    def on_train_begin(self, logs=None):
        self.losses = []

    def on_train_batch_begin(self, batch, logs=None):
        self.model.reset_metrics()

    def on_train_batch_end(self, batch, logs=None):
        self.losses.append(logs["loss"])

    on_test_begin = on_train_begin
    on_test_batch_begin = on_train_batch_begin
    on_test_batch_end = on_train_batch_end


def put(problem):
    """What moves data to where fit takes it from: resident data become tensors, all others stay arrays."""
    if not problem.resident:
        return lambda array: array
    return pipelines.host_tensor if keras.backend.backend() == "tensorflow" else keras.ops.convert_to_tensor


def dataset(problem, batches, steps):
    """The next ``steps`` batches: for TensorFlow a tf.data pipeline, for other backends a generator."""
    coming = (arranged(problem, *batch) for batch in itertools.islice(batches, steps))
    return pipelines.pipeline(problem, coming, steps) if keras.backend.backend() == "tensorflow" else coming


def arranged(problem, x, *others):
    """What changes with the step is an input, too; a third array would be taken for weights of the samples."""
    if not problem.per_step:
        return x, *others
    rest = others[: len(problem.data) - 1]
    return (x, *others[len(rest) :]), *rest
