"""The CPUs of this host: which share a core, which are of one kind, which are busy, and on which to measure."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from workbench.host.cgroups import cpu_quota
from workbench.host.kernel import ROOT, read_int, read_text

CPUS = "sys/devices/system/cpu"
WATCHED_S = 0.1
BUSY_SHARE = 0.5  # of a CPU's time: more of it belongs to somebody else who works on it
SLOWER = 0.85  # of the highest speed of a kind: a core that cannot reach it is of another kind
FEWEST_CORES = 4  # of a kind, if nothing but siblings tells kinds apart
FEWEST_TICKS = 5  # that must have passed for a CPU to be called busy


def usable_cpus() -> tuple[int, ...] | None:
    """The CPUs this process may run on; None where the OS does not say (macOS, Windows)."""
    affinity = getattr(os, "sched_getaffinity", None)
    return tuple(sorted(affinity(0))) if affinity else None


def measuring_cpus(
    threads: int, *, busy: Collection[int] = (), root: Path = ROOT
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The CPUs for the workers and the CPUs for the harness; call it before the harness pins itself.

    Workers get physical cores of one kind, the fastest of which there are enough, and separate ones as far as idle ones
    reach; they avoid busy CPUs, and CPU 0, which serves interrupts. The harness gets the remaining CPUs, on other cores
    than the workers' if possible, or the same CPUs when none remain. Both are empty (no pinning) where the OS has no
    CPU affinity.

    Args:
        threads: of each worker.
        busy: CPUs on which somebody else works.
        root: of the file system.

    Raises:
        ValueError: when threads is below 1, or above what this process may use, or than there are CPUs of one kind.
    """
    if threads < 1:
        raise ValueError(f"{threads} threads requested: request at least 1")
    usable = usable_cpus()
    if usable is None:
        return (), ()
    if threads > len(usable):
        cpus = "1 CPU" if len(usable) == 1 else f"{len(usable)} CPUs"
        raise ValueError(
            f"{threads} threads requested, but this process may use {cpus}: "
            f"request at most {len(usable)}, or allow it more (taskset, container limits)"
        )
    quota = cpu_quota(root)
    if quota is not None and threads > max(1.0, quota):
        raise ValueError(
            f"{threads} threads requested, but this container may use only {quota:g} CPUs' worth of time: "
            f"request at most {max(1, int(quota))}, or raise its limit"
        )
    topology = siblings(root)
    cores = {cpu: topology.get(cpu, (cpu,)) for cpu in usable}
    workers = sorted(_quietest_first(_of_one_kind(cores, threads, root), busy)[:threads])
    others = [cpu for cpu in usable if cpu not in workers]
    on_other_cores = [cpu for cpu in others if not set(cores[cpu]) & set(workers)]
    return tuple(workers), tuple(on_other_cores or others or workers)


def _of_one_kind(cores: Mapping[int, tuple[int, ...]], threads: int, root: Path) -> dict[int, tuple[int, ...]]:
    """The fastest of the kinds of CPU of which there are enough; a mixture would compute as fast as its slowest."""
    kinds = fastest_first(cores, root)
    for kind in kinds:
        if len(kind) >= threads:
            return {cpu: cores[cpu] for cpu in kind}
    counts = " and ".join(str(len(kind)) for kind in kinds)
    raise ValueError(
        f"{threads} threads requested, but this machine has {counts} CPUs of different speeds, which no contestant "
        f"should mix: request at most {max(map(len, kinds))}"
    )


def _quietest_first(cores: Mapping[int, tuple[int, ...]], busy: Collection[int]) -> list[int]:
    """The first CPU of every core, then every second one, ...; CPU 0 and its core last among equals; busy ones last."""
    used: Counter[tuple[int, ...]] = Counter()
    ranked: list[tuple[bool, int, int, int]] = []
    for position, cpu in enumerate(sorted(cores, key=lambda cpu: (0 in cores[cpu], cpu == 0, cpu))):
        ranked.append((bool(set(cores[cpu]) & set(busy)), used[cores[cpu]], position, cpu))
        used[cores[cpu]] += 1
    return [cpu for *_, cpu in sorted(ranked)]


def fastest_first(cores: Mapping[int, Sequence[int]], root: Path = ROOT) -> list[list[int]]:
    """CPUs by kind, big cores before little ones; a single kind where the kernel tells of no difference.

    Args:
        cores: for each CPU those that share its core.
        root: of the file system.
    """
    little = set(cpu_list(read_text(root / "sys/devices/cpu_atom/cpus")))  # Intel's hybrid processors
    if little & set(cores) and set(cores) - little:
        return _split(cores, lambda cpu: cpu not in little)
    capacity = {cpu: read_int(root / CPUS / f"cpu{cpu}" / "cpu_capacity") for cpu in cores}  # Arm's
    highest = {cpu: read_int(root / CPUS / f"cpu{cpu}" / "cpufreq/cpuinfo_max_freq") for cpu in cores}
    for told in (capacity, highest):
        speeds = {cpu: speed for cpu, speed in told.items() if speed}
        if len(speeds) == len(cores):
            return _by_speed(speeds)
    kinds = _split(cores, lambda cpu: len(cores[cpu]) == max(map(len, cores.values())))
    each = [len({tuple(cores[cpu]) for cpu in kind}) for kind in kinds]
    return kinds if min(each) >= FEWEST_CORES else [sorted(cores)]  # a sibling or two may just be offline


def _by_speed(speeds: Mapping[int, int]) -> list[list[int]]:
    """CPUs whose speed is about the highest, then of the others likewise."""
    kinds, left = [], dict(speeds)
    while left:
        kind = sorted(cpu for cpu, speed in left.items() if speed >= SLOWER * max(left.values()))
        kinds.append(kind)
        left = {cpu: speed for cpu, speed in left.items() if cpu not in kind}
    return kinds


def _split(cores: Mapping[int, object], big: Callable[[int], bool]) -> list[list[int]]:
    """The big CPUs and the others, each in order; without a group that is empty."""
    groups = [sorted(filter(big, cores)), sorted(cpu for cpu in cores if not big(cpu))]
    return [group for group in groups if group]


def busy_cpus(*, root: Path = ROOT, pause: Callable[[float], None] = time.sleep) -> set[int]:
    """The CPUs on which others work now: watched for a moment, in which this process is idle."""
    before = _times(root)
    pause(WATCHED_S)
    busy = set()
    for cpu, (total, idle) in _times(root).items():
        passed, rested = total - before.get(cpu, (total, idle))[0], idle - before.get(cpu, (total, idle))[1]
        if passed >= FEWEST_TICKS and 1 - rested / passed > BUSY_SHARE:
            busy.add(cpu)
    return busy


def _times(root: Path) -> dict[int, tuple[int, int]]:
    """For each CPU the ticks since boot, all and idle ones; {} where the kernel does not tell."""
    found = {}
    for line in (read_text(root / "proc/stat") or "").splitlines():
        name, *words = line.split() or [""]
        if name.startswith("cpu") and name != "cpu" and all(word.isdigit() for word in [name[3:], *words]):
            ticks = [int(word) for word in words[:8]]  # user nice system idle iowait irq softirq steal
            found[int(name[3:])] = (sum(ticks), sum(ticks[3:5]))
    return found


def siblings(root: Path = ROOT) -> dict[int, tuple[int, ...]]:
    """For each online CPU the CPUs that share its physical core, including itself; {} when not known."""
    cores = {}
    for path in root.glob(f"{CPUS}/cpu[0-9]*/topology/thread_siblings_list"):
        core = cpu_list(read_text(path))
        if core:
            cores[int(path.parts[-3].removeprefix("cpu"))] = core
    return dict(sorted(cores.items()))


def cpu_list(text: str | None) -> tuple[int, ...]:
    """The kernel's '0-2,5' as (0, 1, 2, 5); () when the text has another form."""
    cpus: list[int] = []
    try:
        for part in (text or "").split(","):
            first, _, last = part.partition("-")
            cpus.extend(range(int(first), int(last or first) + 1))
    except ValueError:
        return ()
    return tuple(cpus)
