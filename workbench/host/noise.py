"""What the machine was doing during a round: covariates that never depend on the times measured in it.

A `Sampler` reads cumulative counters before and after; `between` turns two readings into shares. What cannot be read
is None. :mod:`workbench.statistics.disturbance` decides from them which rounds were disturbed.
"""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from workbench.host import cgroups
from workbench.host.cpus import CPUS
from workbench.host.kernel import ROOT, read_int, read_text
from workbench.host.machine import ask, ask_number
from workbench.model.records import Covariates
from workbench.statistics.disturbance import TICK_NS

SUSPENDED_NS = 100_000_000  # the two clocks are not read at once: a smaller gap may be due to scheduling

# NVML's bits for why a GPU's clock is lower than it could be. Idle and clocks set by the user are not disturbances.
GPU_REASONS = {
    1 << 0: "idle",
    1 << 1: "clocks set by the user",
    1 << 2: "power cap",
    1 << 3: "hardware slowdown",
    1 << 4: "sync boost",
    1 << 5: "software thermal slowdown",
    1 << 6: "hardware thermal slowdown",
    1 << 7: "power brake",
    1 << 8: "display clock setting",
    1 << 9: "board limit",
    1 << 10: "reliability",
}
HARMLESS = frozenset({"idle", "clocks set by the user", "display clock setting"})


@dataclass(frozen=True)
class GpuState:
    """One GPU at one instant; `reasons` are names from GPU_REASONS, `energy_mj` counts up."""

    sm_clock_mhz: int | None = None
    reasons: tuple[str, ...] | None = None
    temperature_c: int | None = None
    power_mw: int | None = None
    energy_mj: int | None = None


@dataclass(frozen=True)
class Snapshot:
    """Cumulative counters at one instant; CPU times are sums over the chosen CPUs, in steps of 10 ms.

    `psi_us` has keys such as 'cpu some'; `cpu_energy_uj` holds (counter, range) of each CPU package.
    """

    monotonic_ns: int
    boottime_ns: int | None = None
    total_ns: int | None = None
    busy_ns: int | None = None
    steal_ns: int | None = None
    psi_us: Mapping[str, int] = field(default_factory=dict)
    load: float | None = None
    frequency_khz: Mapping[int, int] = field(default_factory=dict)
    thermal_events: int | None = None
    quota_throttled_us: int | None = None
    cpu_energy_uj: Mapping[str, tuple[int, int | None]] = field(default_factory=dict)
    gpu: GpuState | None = None


class Sampler:
    """Reads the counters of the chosen CPUs and, given an initialised NVML, of one GPU.

    No CPUs means the whole machine. `gpu` is NVML's index. Never raises for what cannot be read.
    """

    def __init__(self, cpus: Sequence[int], *, root: Path = ROOT, nvml: ModuleType | None = None, gpu: int = 0) -> None:
        self._cpus = tuple(cpus)
        self._root = root
        self._nvml = nvml
        self._gpu = None if nvml is None else ask(nvml, "nvmlDeviceGetHandleByIndex", gpu)
        self._cgroups = cgroups.folders("cpu", root)

    def snapshot(self) -> Snapshot:
        """All counters now; takes well under a millisecond on a typical Linux host."""
        clock = getattr(time, "CLOCK_BOOTTIME", None)
        total_ns, busy_ns, steal_ns = self._cpu_times()
        return Snapshot(
            monotonic_ns=time.monotonic_ns(),
            boottime_ns=None if clock is None else time.clock_gettime_ns(clock),
            total_ns=total_ns,
            busy_ns=busy_ns,
            steal_ns=steal_ns,
            psi_us=_pressure(self._root),
            load=_load(self._root),
            frequency_khz=self._frequencies(),
            thermal_events=self._thermal_events(),
            quota_throttled_us=_quota_throttled_us(self._cgroups),
            cpu_energy_uj=_package_energies(self._root),
            gpu=self._gpu_state(),
        )

    def _cpu_times(self) -> tuple[int, int, int] | tuple[None, None, None]:
        """(total, busy, steal) in ns of the chosen CPUs since boot."""
        wanted = {f"cpu{cpu}" for cpu in self._cpus} or {"cpu"}
        lines = [line.split() for line in (read_text(self._root / "proc/stat") or "").splitlines()]
        try:
            # user nice system idle iowait irq softirq steal; the guest times after them are included in user
            rows = [[int(word) for word in words[1:9]] for words in lines if words and words[0] in wanted]
            total = sum(map(sum, rows))
            steal = sum(row[7] for row in rows)
            idle = sum(row[3] + row[4] for row in rows)
        except (ValueError, IndexError):
            return None, None, None
        if len(rows) != len(wanted):
            return None, None, None
        return total * TICK_NS, (total - idle - steal) * TICK_NS, steal * TICK_NS

    def _frequencies(self) -> dict[int, int]:
        frequencies = {cpu: read_int(self._folder(cpu) / "cpufreq/scaling_cur_freq") for cpu in self._cpus}
        return {cpu: khz for cpu, khz in frequencies.items() if khz}

    def _thermal_events(self) -> int | None:
        names = ("core_throttle_count", "package_throttle_count")
        counts = [read_int(self._folder(cpu) / "thermal_throttle" / name) for cpu in self._cpus for name in names]
        return _sum(counts)

    def _gpu_state(self) -> GpuState | None:
        return None if self._nvml is None or self._gpu is None else _gpu_state(self._nvml, self._gpu)

    def _folder(self, cpu: int) -> Path:
        return self._root / CPUS / f"cpu{cpu}"


def between(before: Snapshot, after: Snapshot, *, own_cpu_ns: int | None = None) -> Covariates:
    """What the machine did from one snapshot to the next.

    `own_cpu_ns` is the CPU time that the measured workers themselves used in between (user and system, ns);
    without it the load of other processes on the chosen CPUs is not known.
    """
    total_ns = _delta(before.total_ns, after.total_ns)
    steal_ns = _delta(before.steal_ns, after.steal_ns)
    busy_ns = _delta(before.busy_ns, after.busy_ns)
    other_ns = None if busy_ns is None or own_cpu_ns is None else max(0, busy_ns - own_cpu_ns)
    gpu_before, gpu_after = before.gpu or GpuState(), after.gpu or GpuState()
    return Covariates(
        span_ns=after.monotonic_ns - before.monotonic_ns,
        steal_ns=steal_ns,
        steal_share=_share(steal_ns, total_ns),
        other_busy_share=_share(other_ns, total_ns),
        psi_cpu_share=_psi_share(before, after, "cpu some"),
        psi_memory_share=_psi_share(before, after, "memory some"),
        psi_io_share=_psi_share(before, after, "io some"),
        load=after.load,
        frequency_ratio=_lowest_ratio(before.frequency_khz, after.frequency_khz),
        gpu_clock_ratio=_share(gpu_after.sm_clock_mhz, gpu_before.sm_clock_mhz),
        throttled=_throttled(before, after),
        suspended=_suspended(before, after),
        cpu_joules=_cpu_joules(before.cpu_energy_uj, after.cpu_energy_uj),
        gpu_joules=_share(_delta(gpu_before.energy_mj, gpu_after.energy_mj), 1e3),
    )


def _delta(before: int | None, after: int | None) -> int | None:
    """How far a counter advanced; None when either reading is missing or the counter was reset."""
    return None if before is None or after is None or after < before else after - before


def _share(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


def _sum(counts: Sequence[int | None]) -> int | None:
    """The sum of the known counts; None when none is known."""
    readings = [count for count in counts if count is not None]
    return sum(readings) if readings else None


def _psi_share(before: Snapshot, after: Snapshot, key: str) -> float | None:
    stalled_us = _delta(before.psi_us.get(key), after.psi_us.get(key))
    return _share(stalled_us, (after.monotonic_ns - before.monotonic_ns) / 1e3)


def _lowest_ratio(before: Mapping[int, int], after: Mapping[int, int]) -> float | None:
    return min((after[cpu] / before[cpu] for cpu in before if cpu in after), default=None)


def _suspended(before: Snapshot, after: Snapshot) -> bool:
    awake_ns = after.monotonic_ns - before.monotonic_ns
    passed_ns = _delta(before.boottime_ns, after.boottime_ns)
    return passed_ns is not None and passed_ns - awake_ns > SUSPENDED_NS


def _throttled(before: Snapshot, after: Snapshot) -> tuple[str, ...]:
    """What throttled: CPU heat and the container's quota in between, the GPU at either end."""
    reasons = []
    if _delta(before.thermal_events, after.thermal_events):
        reasons.append("CPU heat")
    if _delta(before.quota_throttled_us, after.quota_throttled_us):
        reasons.append("the container's CPU quota")
    states = [state for state in (before.gpu, after.gpu) if state]
    gpu = [reason for state in states for reason in state.reasons or () if reason not in HARMLESS]
    return (*reasons, *(f"GPU {reason}" for reason in dict.fromkeys(gpu)))


def _cpu_joules(
    before: Mapping[str, tuple[int, int | None]], after: Mapping[str, tuple[int, int | None]]
) -> float | None:
    """Energy of all CPU packages; a counter that decreased has wrapped around once."""
    joules = 0.0
    for zone, (start_uj, range_uj) in before.items():
        moved_uj = after[zone][0] - start_uj if zone in after else None
        if moved_uj is not None and moved_uj < 0:
            moved_uj = None if range_uj is None else moved_uj + range_uj
        if moved_uj is None:
            return None
        joules += moved_uj / 1e6
    return joules if before else None


def _package_energies(root: Path) -> dict[str, tuple[int, int | None]]:
    """RAPL's counters of whole CPU packages; cores, DRAM and the platform would be counted twice."""
    energies = {}
    for zone in sorted(root.glob("sys/class/powercap/intel-rapl:*")):
        energy_uj = read_int(zone / "energy_uj")
        if energy_uj is not None and (read_text(zone / "name") or "").startswith("package"):
            energies[zone.name] = (energy_uj, read_int(zone / "max_energy_range_uj"))
    return energies


def _pressure(root: Path) -> dict[str, int]:
    """{'cpu some': µs, 'cpu full': µs, ...}: how long processes have stalled since boot."""
    stalled = {}
    for resource in ("cpu", "memory", "io"):
        text = read_text(root / "proc/pressure" / resource) or ""
        for row in re.finditer(r"^(some|full) .*\btotal=(\d+)$", text, re.MULTILINE):
            stalled[f"{resource} {row[1]}"] = int(row[2])
    return stalled


def _load(root: Path) -> float | None:
    """The load average over the last minute."""
    try:
        return float((read_text(root / "proc/loadavg") or "").split()[0])
    except (ValueError, IndexError):
        return None


def _quota_throttled_us(cgroups: Sequence[Path]) -> int | None:
    """How long the CPU quotas of this process's cgroups have throttled it, µs."""
    throttled_us: list[int | None] = []
    for folder in cgroups:
        text = read_text(folder / "cpu.stat") or ""
        if match := re.search(r"^throttled_(usec|time) (\d+)$", text, re.MULTILINE):
            throttled_us.append(int(match[2]) // (1 if match[1] == "usec" else 1000))  # v1 counts ns
    return _sum(throttled_us)


def _gpu_state(nvml: ModuleType, handle: object) -> GpuState:
    bits = ask_number(nvml, "nvmlDeviceGetCurrentClocksEventReasons", handle)
    if bits is None:  # a driver or library older than the renaming of the function
        bits = ask_number(nvml, "nvmlDeviceGetCurrentClocksThrottleReasons", handle)
    return GpuState(
        sm_clock_mhz=ask_number(nvml, "nvmlDeviceGetClockInfo", handle, nvml.NVML_CLOCK_SM),
        reasons=None if bits is None else tuple(name for bit, name in GPU_REASONS.items() if bits & bit),
        temperature_c=ask_number(nvml, "nvmlDeviceGetTemperature", handle, nvml.NVML_TEMPERATURE_GPU),
        power_mw=ask_number(nvml, "nvmlDeviceGetPowerUsage", handle),
        energy_mj=ask_number(nvml, "nvmlDeviceGetTotalEnergyConsumption", handle),
    )
