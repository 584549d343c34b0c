"""What the harness needs of NumPy: nothing to configure, nothing to wait for."""

import numpy as np
from threadpoolctl import threadpool_info

from workbench.contract import Settings


def configure(settings: Settings) -> None:
    """NumPy takes its threads from the environment and computes in the type of its arrays."""


def wait() -> None:
    """NumPy returns when it has computed."""


def versions() -> dict:
    """What is installed."""
    return {"numpy": np.__version__}


def observe() -> dict:
    """Threads of the BLAS library behind NumPy."""
    libraries = [library for library in threadpool_info() if library["user_api"] == "blas"]
    return {
        "device": "cpu",
        "threads": max((library["num_threads"] for library in libraries), default=1),
        "matmul_precision": "float32",
        "flush_to_zero": bool((np.full(1000, 1e-38, np.float32) * np.float32(0.1) == 0).all()),
        "blas": ", ".join(f"{library['internal_api']} {library['version']}" for library in libraries),
    }


def peak_device_bytes() -> int | None:
    """No device but the CPU."""
    return None
