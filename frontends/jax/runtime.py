"""What the harness needs of JAX: the device, the precision, and how to wait."""

from pathlib import Path

import jax
import jaxlib

from workbench.contract import DeviceUnavailableError, Settings

PRECISIONS = {"float32": "float32", "tf32": "tensorfloat32"}
COMPILE_EVENT = "/jax/core/compile/backend_compile_duration"

compiled: list[str] = []  # what XLA has compiled in this process, by name


def configure(settings: Settings) -> None:
    """Set data type and precision, once per process; the number of threads comes from the environment."""
    platforms = {device.platform for device in jax.devices()}
    if settings.device == "gpu" and "gpu" not in platforms:
        raise DeviceUnavailableError(f"jax {jax.__version__} sees no GPU, only {', '.join(sorted(platforms))}")
    jax.config.update("jax_enable_x64", settings.dtype == "float64")
    if settings.matmul_precision is not None:
        jax.config.update("jax_default_matmul_precision", PRECISIONS[settings.matmul_precision])
    jax.monitoring.register_event_duration_secs_listener(note_compilation)


def note_compilation(event: str, _seconds: float, **about: str) -> None:
    """Called by JAX after whatever it measures."""
    if event == COMPILE_EVENT:
        compiled.append(about.get("fun_name", ""))


def wait() -> None:
    """Wait until every live array has been computed; JAX dispatches asynchronously, even on the CPU."""
    jax.block_until_ready(jax.live_arrays())


def scalar():
    """A number that has been computed, as a loss is kept."""
    return jax.numpy.float32(1) + 1


def versions() -> dict:
    """Versions of the installed packages."""
    return {"jax": jax.__version__, "jaxlib": jaxlib.__version__}


def observe() -> dict:
    """Device and precision as JAX itself reports them; its threads are counted, because it does not report them."""
    precision = jax.config.jax_default_matmul_precision or "default"
    return {
        "device": jax.devices()[0].device_kind,
        "threads": pool_threads(),
        "xla": True,
        "flush_to_zero": bool((jax.numpy.full(1000, 1e-38, "float32") * 0.1 == 0).all()),
        "matmul_precision": next((name for name, jax_name in PRECISIONS.items() if jax_name == precision), precision),
    }


def pool_threads() -> int | None:
    """The number of threads in XLA's pool, according to the operating system; None if unknown."""
    tasks = Path("/proc/self/task")
    if not tasks.is_dir():
        return None
    return sum("XLAEigen" in (task / "comm").read_text() for task in tasks.iterdir()) or None


def peak_device_bytes() -> int | None:
    """The most memory that arrays have used on the GPU; JAX's allocator reserves more."""
    statistics = jax.devices()[0].memory_stats() or {}
    return statistics.get("peak_bytes_in_use")


def compilations() -> dict[str, int]:
    """How many programs XLA has compiled, according to JAX; operations outside of jit count, too, each as a program."""
    return {"compiled": len(compiled)}
