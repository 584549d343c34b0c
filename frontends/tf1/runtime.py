"""What the harness needs of TensorFlow's graph mode."""

import tensorflow as tf

from workbench.contract import DeviceUnavailableError, Problem, Settings

v1 = tf.compat.v1


def resident(name: str, array):
    """A variable that holds ``array`` on the device; the graph contains a call for its bytes, not the bytes."""
    with tf.device("/cpu:0"):
        value = tf.numpy_function(lambda: array, [], array.dtype)
    value.set_shape(array.shape)
    return v1.get_variable(name, initializer=value)


def inputs_of(problem: Problem):
    """A tensor for each array of a batch: a placeholder to feed at each step, or one that defaults to resident data."""
    shapes = {name: (None, *array.shape[1:]) for name, array in problem.data.items()}
    if not problem.resident:
        return [v1.placeholder(problem.dtype, shape, name) for name, shape in shapes.items()]
    with v1.variable_scope("resident"):
        return [v1.placeholder_with_default(resident(name, problem.data[name]), shapes[name]) for name in shapes]


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
