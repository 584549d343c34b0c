"""What the harness needs of TensorFlow's graph mode."""

import tensorflow as tf
from tensorflow.python.eager import context

from workbench.contract import DeviceUnavailableError, Settings


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
    """The most memory that tensors have used on the GPU; TensorFlow's allocator reserves more."""
    if not tf.config.list_physical_devices("GPU"):
        return None
    return tf.config.experimental.get_memory_info("GPU:0")["peak"]


def traced() -> dict[str, int]:
    """How many graphs tf.function has traced, except those of tf.data's pipelines: the counter of TF2 and Keras."""
    names = context.context().list_function_names()
    return {"traced": sum(name.startswith("__inference_") and "_Dataset_" not in name for name in names)}
