"""What this process's control groups, usually those of a container, allow it: CPU time and memory; versions 1 and 2."""

from pathlib import Path

from workbench.host.kernel import ROOT, read_int, read_text

_UNLIMITED = 1 << 60  # version 1 writes a number near 2^63 where there is no limit


def folders(controller: str, root: Path = ROOT) -> list[Path]:
    """The folders of the groups whose limits of "cpu" or "memory" apply to this process, innermost first."""
    found: list[Path] = []
    for line in (read_text(root / "proc/self/cgroup") or "").splitlines():
        _, controllers, path = [*line.split(":", 2), "", "", ""][:3]
        if controllers and controller not in controllers.split(","):
            continue
        mount = root / "sys/fs/cgroup" / (controller if controllers else "")
        inner = mount / path.lstrip("/")
        found += [inner, *(folder for folder in inner.parents if folder.is_relative_to(mount))]
    return found


def cpu_quota(root: Path = ROOT) -> float | None:
    """How many CPUs' worth of time this process's tightest group allows; None when there is no limit."""
    return min(filter(None, map(_quota, folders("cpu", root))), default=None)


def _quota(folder: Path) -> float | None:
    v1 = [read_text(folder / "cpu.cfs_quota_us") or "", read_text(folder / "cpu.cfs_period_us") or ""]
    words = (read_text(folder / "cpu.max") or "").split() or v1
    try:
        limit, period = map(int, words)
    except ValueError:  # 'max' or nothing there
        return None
    return limit / period if limit > 0 and period > 0 else None


def available_bytes(root: Path = ROOT) -> int | None:
    """Memory that this process's groups still allow it, in bytes; None when there is no limit.

    Cached files that nobody has read lately do not count as used, because the kernel drops them where memory is short.
    """
    left = [_left(folder) for folder in folders("memory", root)]
    return min((size for size in left if size is not None), default=None)


def _left(folder: Path) -> int | None:
    for most, used, cached in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        limit, usage = read_int(folder / most), read_int(folder / used)
        if limit is not None and usage is not None:
            words = dict(
                line.split(" ", 1) for line in (read_text(folder / "memory.stat") or "").splitlines() if " " in line
            )
            droppable = int(words.get(cached, "0")) if words.get(cached, "0").isdigit() else 0
            return None if limit > _UNLIMITED else max(0, limit - max(0, usage - droppable))
    return None
