"""What the harness needs of PyTorch: the device, the threads, the precision, and how to wait."""

import torch

from workbench.contract import DeviceUnavailableError, Problem, Settings


def device_of(problem: Problem) -> torch.device:
    """The device to compute a problem on."""
    return torch.device("cuda" if problem.device == "gpu" else "cpu")


def in_mode(problem: Problem, model):
    """A module or function, compiled by torch.compile if that is the mode."""
    return torch.compile(model) if problem.mode == "pytorch_compiled" else model


def configure(settings: Settings) -> None:
    """Set threads and precision, once per process."""
    if settings.device == "gpu" and not torch.cuda.is_available():
        build = "a CPU build" if torch.version.cuda is None else f"built for CUDA {torch.version.cuda}"
        raise DeviceUnavailableError(f"torch {torch.__version__} ({build}) sees no GPU")
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
        torch.set_num_interop_threads(settings.threads)
    if settings.matmul_precision is not None:
        torch.set_float32_matmul_precision("highest" if settings.matmul_precision == "float32" else "high")
        torch.backends.cudnn.allow_tf32 = settings.matmul_precision == "tf32"


def wait() -> None:
    """Wait until every kernel launched so far has finished; on the CPU PyTorch computes synchronously."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def versions() -> dict:
    """Versions of the installed packages."""
    return {"torch": torch.__version__}


def observe() -> dict:
    """Device, threads and precision as PyTorch itself reports them."""
    on_gpu = torch.cuda.is_initialized()
    exact = torch.get_float32_matmul_precision() == "highest"
    return {
        "device": torch.cuda.get_device_name() if on_gpu else "cpu",
        "threads": torch.get_num_threads(),
        "matmul_precision": "float32" if exact else "tf32",
        "flush_to_zero": bool((torch.full((1000,), 1e-38) * 0.1 == 0).all()),
        "xla": False,
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }


def peak_device_bytes() -> int | None:
    """The most memory PyTorch's allocator has held on the GPU."""
    return torch.cuda.max_memory_reserved() if torch.cuda.is_initialized() else None
