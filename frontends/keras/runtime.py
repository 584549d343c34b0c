"""What the harness needs of Keras on TensorFlow."""

import keras

from frontends.tf1 import runtime as tensorflow_runtime
from workbench.contract import Settings

wait = tensorflow_runtime.wait  # fit returns only after the callback has received the last loss
observe = tensorflow_runtime.observe
peak_device_bytes = tensorflow_runtime.peak_device_bytes
compilations = tensorflow_runtime.traced


def configure(settings: Settings) -> None:
    """Set data type and precision, once per process; the number of threads comes from the environment."""
    tensorflow_runtime.configure(settings)
    keras.config.set_floatx(settings.dtype)


def versions() -> dict:
    """Versions of the installed packages."""
    return {**tensorflow_runtime.versions(), "keras": keras.__version__}
