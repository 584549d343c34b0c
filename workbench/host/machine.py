"""Facts of this host: what a result was measured on.

Every reader takes the root of the file system, so that a test can pass a simulated machine; what cannot be read is
None, never an exception. Frameworks are never imported; psutil and NVML only on demand.
"""

import hashlib
import json
import os
import platform
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from types import ModuleType

from workbench.host import cgroups
from workbench.host.cpus import CPUS, cpu_list, siblings, usable_cpus
from workbench.host.kernel import ROOT, read_int, read_text
from workbench.model.records import Gpu, MachineFacts

_CACHE_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def open_nvml() -> ModuleType | None:
    """NVIDIA's management library, initialised; None when package, library or driver is missing."""
    try:
        pynvml = import_module("pynvml")
    except (ImportError, OSError):
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml


def ask(nvml: ModuleType, function: str, *arguments: object) -> object:
    """What one NVML function returns: a number, a string, a handle or a structure.

    None when this GPU, driver or library version does not support it.
    """
    try:
        answer = getattr(nvml, function)(*arguments)
    except (nvml.NVMLError, AttributeError):
        return None
    return answer.decode(errors="replace") if isinstance(answer, bytes) else answer


def ask_number(nvml: ModuleType, function: str, *arguments: object) -> int | None:
    """What an NVML function returns, if it is an integer."""
    answer = ask(nvml, function, *arguments)
    return answer if isinstance(answer, int) else None


def ask_text(nvml: ModuleType, function: str, *arguments: object) -> str | None:
    """What an NVML function returns, if it is a string."""
    answer = ask(nvml, function, *arguments)
    return answer if isinstance(answer, str) else None


def gpus(nvml: ModuleType | None = None) -> list[Gpu]:
    """The NVIDIA GPUs of this host in NVML's order; [] when there is no library, driver or GPU.

    `nvml` is an initialised pynvml module or a test double; None loads the real one.
    """
    nvml = nvml or open_nvml()
    if nvml is None:
        return []
    handles = [ask(nvml, "nvmlDeviceGetHandleByIndex", i) for i in range(ask_number(nvml, "nvmlDeviceGetCount") or 0)]
    return [_gpu(nvml, index, handle) for index, handle in enumerate(handles) if handle is not None]


def _gpu(nvml: ModuleType, index: int, handle: object) -> Gpu:
    memory = ask(nvml, "nvmlDeviceGetMemoryInfo", handle)
    total = getattr(memory, "total", None)
    cuda = ask_number(nvml, "nvmlSystemGetCudaDriverVersion")
    return Gpu(
        index=index,
        name=ask_text(nvml, "nvmlDeviceGetName", handle) or "unknown GPU",
        uuid=ask_text(nvml, "nvmlDeviceGetUUID", handle),
        memory_bytes=None if total is None else int(total),
        driver_version=ask_text(nvml, "nvmlSystemGetDriverVersion"),
        cuda_driver_version=f"{cuda // 1000}.{cuda % 1000 // 10}" if cuda else None,
    )


def package_versions(names: Iterable[str]) -> dict[str, str | None]:
    """Installed version of each distribution, read from metadata without importing; None when missing."""
    from importlib.metadata import PackageNotFoundError, version

    versions: dict[str, str | None] = {}
    for name in names:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    return versions


def facts(*, root: Path = ROOT, nvml: ModuleType | None = None) -> MachineFacts:
    """The facts of this host; what cannot be read is None."""
    cores = siblings(root)
    usable = usable_cpus()
    cpufreq = root / CPUS / f"cpu{(usable or tuple(cores) or (0,))[0]}" / "cpufreq"
    return MachineFacts(
        cpu_model=_cpu_model(root),
        physical_cpus=len(set(cores.values())) or _physical_cpus(),
        logical_cpus=len(cores) or os.cpu_count(),
        usable_cpus=None if usable is None else list(usable),
        smt_siblings=sorted(list(core) for core in set(cores.values()) if len(core) > 1),
        numa_nodes=_numa_nodes(root),
        cpu_quota=cgroups.cpu_quota(root),
        governor=read_text(cpufreq / "scaling_governor"),
        frequency_khz=read_int(cpufreq / "scaling_cur_freq"),
        max_frequency_khz=read_int(cpufreq / "cpuinfo_max_freq"),
        virtualised=_virtualised(root),
        memory_bytes=_memory_bytes(root),
        os=platform.system(),
        os_name=_os_name(root),
        kernel=platform.release(),
        libc=" ".join(platform.libc_ver()).strip() or None,
        python_version=platform.python_version(),
        python_implementation=platform.python_implementation(),
        gpus=gpus(nvml),
    )


def available_bytes(root: Path = ROOT) -> int:
    """Memory available to new processes, in bytes: that of the machine, or less if the container has less left."""
    import psutil

    free = int(psutil.virtual_memory().available)
    allowed = cgroups.available_bytes(root)
    return free if allowed is None else min(free, allowed)


def stable_key(facts: MachineFacts) -> str:
    """Twelve hex digits that stay the same on the same machine, and differ where times cannot be compared.

    A hash of CPU model, CPU counts, memory in whole GiB, OS family and GPU names; a missing one is None.
    """
    stable = {
        "cpu_model": facts.cpu_model,
        "physical_cpus": facts.physical_cpus,
        "logical_cpus": facts.logical_cpus,
        "os": facts.os,
        "memory_gib": round((facts.memory_bytes or 0) / 2**30),
        "gpus": sorted(gpu.name for gpu in facts.gpus),
    }
    return hashlib.sha256(json.dumps(stable, sort_keys=True).encode()).hexdigest()[:12]


def last_level_cache(root: Path = ROOT) -> int | None:
    """The size of the largest cache of the first CPU, in bytes; None if unknown."""
    sizes = []
    for file in sorted((root / "sys/devices/system/cpu/cpu0/cache").glob("index*/size")):
        text = read_text(file) or ""
        if text[:-1].isdigit() and text[-1:] in _CACHE_UNITS:
            sizes.append(int(text[:-1]) * _CACHE_UNITS[text[-1]])
    return max(sizes, default=None)


def _cpuinfo(root: Path) -> dict[str, str]:
    """The first processor's lines of /proc/cpuinfo."""
    first = (read_text(root / "proc/cpuinfo") or "").split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _cpu_model(root: Path) -> str:
    info = _cpuinfo(root)
    if "CPU part" in info:  # ARM reports only numbers
        part = f"implementer {info.get('CPU implementer')} part {info.get('CPU part')}"
        return info.get("model name") or f"{platform.machine()} {part}"
    return info.get("model name") or platform.processor() or platform.machine()


def _physical_cpus() -> int | None:
    """The number of physical cores where the kernel shows no topology files."""
    import psutil

    return psutil.cpu_count(logical=False)


def _virtualised(root: Path) -> bool | None:
    flags = _cpuinfo(root).get("flags")
    return None if flags is None else "hypervisor" in flags.split()


def _numa_nodes(root: Path) -> dict[str, list[int]]:
    paths = sorted(root.glob("sys/devices/system/node/node[0-9]*/cpulist"))
    return {path.parent.name.removeprefix("node"): list(cpu_list(read_text(path))) for path in paths}


def _memory_bytes(root: Path) -> int | None:
    for line in (read_text(root / "proc/meminfo") or "").splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    import psutil

    try:
        return int(psutil.virtual_memory().total)
    except (OSError, RuntimeError):  # containers may hide what psutil reads
        return None


def _os_name(root: Path) -> str:
    for line in (read_text(root / "etc/os-release") or "").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip("\"'")
    return platform.platform(terse=True)
