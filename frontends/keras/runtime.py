"""What the harness needs of Keras: mostly what it needs of the backend, which KERAS_BACKEND names."""

import keras
from keras.src.backend.common import dtypes

from workbench.contract import Settings

if keras.backend.backend() == "jax":
    from frontends.jax import runtime as backend
    from frontends.jax.runtime import compilations
elif keras.backend.backend() == "torch":
    from frontends.pytorch import runtime as backend
    from frontends.pytorch.runtime import compilations
else:
    from frontends.tf1 import runtime as backend
    from frontends.tf1.runtime import traced as compilations

__all__ = ["compilations", "configure", "observe", "peak_device_bytes", "versions", "wait"]

wait = backend.wait  # fit returns only after the callback has received the last loss
observe = backend.observe
peak_device_bytes = backend.peak_device_bytes


def configure(settings: Settings) -> None:
    """Set data type and precision, once per process; the number of threads comes from the environment."""
    backend.configure(settings)
    keras.config.set_floatx(settings.dtype)
    if keras.backend.backend() != "tensorflow":  # elsewhere, Keras computes float64 in float32
        dtypes.BIT64_TO_BIT32_DTYPE["float64"] = settings.dtype


def versions() -> dict:
    """Versions of the installed packages."""
    return {**backend.versions(), "keras": keras.__version__}
