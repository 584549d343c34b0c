"""What the harness needs of PyTorch: the device, the threads, the precision, and how to wait."""

import sys

import torch

from workbench.contract import DeviceUnavailableError, Problem, Settings

# What a backend calls exact products of float32; the others, "tf32" and "bf16", are known by these names.
PRECISIONS = {"none": "float32", "ieee": "float32"}


def device_of(problem: Problem) -> torch.device:
    """The device to compute a problem on."""
    return torch.device("cuda" if problem.device == "gpu" else "cpu")


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


def scalar() -> torch.Tensor:
    """A number that has been computed, as a loss is kept."""
    return torch.ones((), device="cuda" if torch.cuda.is_initialized() else "cpu") + 1


def versions() -> dict:
    """Versions of the installed packages."""
    return {"torch": torch.__version__}


def observe() -> dict:
    """Device, threads and precision as PyTorch itself reports them."""
    on_gpu = torch.cuda.is_initialized()
    products = torch.backends.cuda.matmul if on_gpu else torch.backends.mkldnn.matmul
    return {
        "device": torch.cuda.get_device_name() if on_gpu else "cpu",
        "threads": torch.get_num_threads(),
        "matmul_precision": PRECISIONS.get(products.fp32_precision, products.fp32_precision),
        "flush_to_zero": bool((torch.full((1000,), 1e-38) * 0.1 == 0).all()),
        "xla": False,
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }


def peak_device_bytes() -> int | None:
    """The most memory that tensors have used on the GPU; PyTorch's allocator reserves more."""
    return torch.cuda.max_memory_allocated() if torch.cuda.is_initialized() else None


def compilations() -> dict[str, int]:
    """How many graphs torch.compile has compiled, and where it had to break one, according to its own counters."""
    dynamo = sys.modules.get("torch._dynamo.utils")  # importing it takes seconds, and changes nothing
    counters = dynamo.counters if dynamo else {}
    compiled = counters.get("stats", {}).get("unique_graphs", 0)
    return {"compiled": compiled, "graph breaks": sum(counters.get("graph_break", {}).values())}
