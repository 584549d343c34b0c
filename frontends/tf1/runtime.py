"""What the harness needs of TensorFlow's graph mode, and the inputs of a graph, which its tasks share."""

import tensorflow as tf
from tensorflow.python.eager import context

from workbench.contract import DeviceUnavailableError, Problem, Settings

v1 = tf.compat.v1


class Inputs:
    """The tensors of a batch, made inside a graph: variables that hold resident data, placeholders for what is fed.

    ``initial`` is what to feed when the graph's variables are initialised; the graph contains no data.
    """

    def __init__(self, problem: Problem) -> None:
        data = problem.feed.data
        self.loaded = tuple(data.values()) if problem.resident else ()
        self.sources = [v1.placeholder(array.dtype, array.shape) for array in self.loaded]
        self.initial = dict(zip(self.sources, self.loaded, strict=True))
        with v1.variable_scope("resident"):
            variables = [
                v1.get_variable(name, initializer=source, trainable=False)
                for name, source in zip(data, self.sources, strict=False)
            ]
        self.load = [variable.initializer for variable in variables]
        resident = variables
        if problem.queries is not None:  # which take the place of x
            resident = [v1.placeholder_with_default(variable, samples(variable)) for variable in variables]
        fed = {} if problem.resident else data
        self.fed = [v1.placeholder(array.dtype, samples(array), name) for name, array in fed.items()]
        self.fed += [v1.placeholder(array.dtype, array.shape[1:], name) for name, array in problem.per_step.items()]
        self.tensors = resident + self.fed

    def feed(self, session, batch):
        """What to feed for a batch; resident data is loaded first where it is not what the variables hold."""
        changed = [place for place, (new, old) in enumerate(zip(batch, self.loaded, strict=False)) if new is not old]
        if changed:
            self.loaded = batch[: len(self.loaded)]
            session.run(
                [self.load[place] for place in changed], {self.sources[place]: batch[place] for place in changed}
            )
        return dict(zip(self.fed, batch[len(self.loaded) :], strict=True))


def samples(array):
    """The shape of any number of samples like those of an array or a variable."""
    return (None, *array.shape[1:])


def configure(settings: Settings) -> None:
    """Set threads and precision, once per process; a session takes its threads from the environment."""
    if settings.device == "gpu" and not tf.config.list_physical_devices("GPU"):
        build = "built for CUDA" if tf.test.is_built_with_cuda() else "a CPU build"
        raise DeviceUnavailableError(f"tensorflow {tf.__version__} ({build}) sees no GPU")
    if settings.threads is not None:
        tf.config.threading.set_intra_op_parallelism_threads(settings.threads)
        tf.config.threading.set_inter_op_parallelism_threads(settings.threads)
    if settings.matmul_precision is not None:
        tf.config.experimental.enable_tensor_float_32_execution(settings.matmul_precision == "tf32")


def wait() -> None:
    """Nothing to do: a session's run returns after its fetches have been computed and copied to the host."""


def versions() -> dict:
    """Versions of the installed packages."""
    return {"tensorflow": tf.__version__}


def observe() -> dict:
    """Device and precision as TensorFlow itself reports them."""
    gpus = tf.config.list_physical_devices("GPU")
    exact = not tf.config.experimental.tensor_float_32_execution_enabled()
    return {
        "device": tf.config.experimental.get_device_details(gpus[0]).get("device_name", "gpu") if gpus else "cpu",
        "threads": tf.config.threading.get_intra_op_parallelism_threads() or None,
        "matmul_precision": "float32" if exact else "tf32",
        "xla": bool(tf.config.optimizer.get_jit()),
        "flush_to_zero": bool(tf.reduce_all(tf.fill([1000], 1e-38) * 0.1 == 0)),
    }


def peak_device_bytes() -> int | None:
    """The most memory TensorFlow's allocator has held on the GPU."""
    if not tf.config.list_physical_devices("GPU"):
        return None
    return tf.config.experimental.get_memory_info("GPU:0")["peak"]


def traced() -> dict[str, int]:
    """How many graphs tf.function has traced, except those of tf.data's pipelines: the counter of TF2 and Keras."""
    names = context.context().list_function_names()
    return {"traced": sum(name.startswith("__inference_") and "_Dataset_" not in name for name in names)}
