"""The environment of a worker, decided before its Python starts: threads, devices, allocators, caches.

Setting any of these after an import has no effect, so they are set here and nowhere else. Every variable that could
tune a framework is first removed, whatever the user's shell exports, then set to the same value for all.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from workbench.model.device import Device

_TUNING_PREFIXES = (
    "ATEN_",
    "AUTOGRAPH_",
    "BLIS_",
    "CUBLAS_",
    "CUDA_",
    "CUDNN_",
    "DNNL_",
    "GOMP_",
    "GOTO_",
    "JAX_",
    "KERAS_",
    "KMP_",
    "MKL_",
    "NPY_",
    "NUMEXPR_",
    "NVIDIA_TF32",
    "OMP_",
    "ONEDNN_",
    "OPENBLAS_",
    "PYTORCH_",
    "TF_",
    "TORCH",
    "TRITON_",
    "VECLIB_",
    "XLA_",
)
_TUNING_NAMES = ("NPROC", "PYTHONOPTIMIZE", "PYTHONDEVMODE", "PYTHONMALLOC", "PYTHONTRACEMALLOC")
_KEPT = ("CUDA_HOME", "CUDA_PATH")
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "NPROC",  # the size of XLA's thread pool on the CPU
)


def worker_environment(
    device: Device, threads: int | None, caches: Path, extra: Mapping[str, str], *, warm: bool = False
) -> dict[str, str]:
    """All variables of a worker.

    Args:
        device: the only device that the worker sees.
        threads: per framework, or None to keep each framework's default.
        caches: the folder of compiler caches; an empty one makes compilers start cold.
        warm: let XLA keep its compilations there, too.
        extra: the frontend's own variables.
    """
    variables = {name: value for name, value in os.environ.items() if not _tunes(name)}
    if threads is not None:
        variables |= dict.fromkeys(_THREAD_VARIABLES, str(threads))
    if device.kind == "gpu":
        variables |= {
            "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
            "CUDA_VISIBLE_DEVICES": _visible(device.index),
            "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
            "TF_FORCE_GPU_ALLOW_GROWTH": "true",
            "CUDA_CACHE_PATH": str(caches / "cuda"),  # where the driver keeps what it has compiled
        }
    else:
        variables |= {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
    variables |= {
        "TORCHINDUCTOR_CACHE_DIR": str(caches / "inductor"),
        "TRITON_CACHE_DIR": str(caches / "triton"),
        "KERAS_HOME": str(caches / "keras"),
        "PYTHONFAULTHANDLER": "1",
        "PYTHONHASHSEED": "0",
    }
    if warm:
        variables |= {
            "JAX_COMPILATION_CACHE_DIR": str(caches / "jax"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        }
    return {**variables, **extra}


def _visible(index: int) -> str:
    """The GPU with that index among those that the user has made visible."""
    allowed = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return allowed[index] if index < len(allowed) else str(index)


def _tunes(name: str) -> bool:
    return name not in _KEPT and (name in _TUNING_NAMES or name.startswith(_TUNING_PREFIXES))
