"""Which CPUs are measured on: of one kind, of separate cores, not busy, and not more than the container may use."""

from __future__ import annotations

import pytest

from workbench.host import cgroups, cpus, machine
from workbench.host.cpus import measuring_cpus
from workbench.model.records import Settings
from workbench.session import bring_up, runner


def write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


CPU = "sys/devices/system/cpu/cpu{}"


def topology(root, *cores):
    """Cores as groups of sibling CPUs, such as (0, 2), (1, 3)."""
    folder = f"{CPU}/topology/thread_siblings_list"
    return write(root, {folder.format(cpu): ",".join(map(str, core)) for core in cores for cpu in core})


# Of one kind

PERFORMANCE = [(2 * core, 2 * core + 1) for core in range(8)]
EFFICIENCY = [(cpu,) for cpu in range(16, 24)]
INTEL = {"sys/devices/cpu_core/cpus": "0-15", "sys/devices/cpu_atom/cpus": "16-23"}
FREQUENCIES = {f"{CPU}/cpufreq/cpuinfo_max_freq".format(cpu): "5500000" for cpu in range(16)} | {
    f"{CPU}/cpufreq/cpuinfo_max_freq".format(cpu): "4300000" for cpu in range(16, 24)
}


@pytest.mark.parametrize("told", [INTEL, FREQUENCIES, {}], ids=["by Intel", "by frequency", "by siblings alone"])
@pytest.mark.parametrize(("threads", "chosen"), [(1, {2}), (4, {2, 4, 6, 8}), (8, {1, 2, 4, 6, 8, 10, 12, 14})])
def test_performance_cores_are_taken_first_one_cpu_of_each(tmp_path, usable, told, threads, chosen):
    usable(*range(24))
    workers, harness = measuring_cpus(threads, root=write(topology(tmp_path, *PERFORMANCE, *EFFICIENCY), told))
    assert set(workers) == chosen
    assert not set(harness) & set(workers)


@pytest.mark.parametrize("told", [INTEL, FREQUENCIES, {}], ids=["by Intel", "by frequency", "by siblings alone"])
def test_no_contestant_gets_a_mixture_of_fast_and_slow_cores(tmp_path, usable, told):
    """Ten threads take ten of the sixteen CPUs of performance cores; seventeen are refused."""
    usable(*range(24))
    root = write(topology(tmp_path, *PERFORMANCE, *EFFICIENCY), told)
    assert set(measuring_cpus(10, root=root)[0]) < set(range(16))
    with pytest.raises(
        ValueError, match="17 threads requested, but this machine has 16 and 8 CPUs of different speeds"
    ):
        measuring_cpus(17, root=root)


def test_where_there_are_too_few_fast_cores_all_are_slow_ones(tmp_path, usable):
    usable(0, 1, *range(16, 24))
    root = write(topology(tmp_path, *PERFORMANCE, *EFFICIENCY), INTEL)
    assert measuring_cpus(2, root=root)[0] == (0, 1)
    assert set(measuring_cpus(4, root=root)[0]) <= set(range(16, 24))


@pytest.mark.parametrize("name", ["cpu_capacity", "cpufreq/cpuinfo_max_freq"])
def test_big_cores_of_arm_come_before_little_ones(tmp_path, usable, name):
    """As on a board whose CPUs 0 to 3 are little."""
    usable(*range(8))
    speeds = {f"{CPU}/{name}".format(cpu): "1024" if cpu > 3 else "414" for cpu in range(8)}
    root = write(topology(tmp_path, *((cpu,) for cpu in range(8))), speeds)
    assert measuring_cpus(1, root=root)[0] == (4,)
    assert measuring_cpus(4, root=root)[0] == (4, 5, 6, 7)
    with pytest.raises(ValueError, match="4 and 4 CPUs of different speeds"):
        measuring_cpus(5, root=root)


def test_cores_of_about_one_capacity_are_of_one_kind(tmp_path, usable):
    """A board with two clusters of big cores, one of them a little faster."""
    usable(*range(8))
    speeds = {
        f"{CPU}/cpu_capacity".format(cpu): str(speed) for cpu, speed in enumerate([414] * 4 + [1018] * 2 + [1024] * 2)
    }
    root = write(topology(tmp_path, *((cpu,) for cpu in range(8))), speeds)
    assert measuring_cpus(3, root=root)[0] == (4, 5, 6)
    assert measuring_cpus(4, root=root)[0] == (4, 5, 6, 7)


def test_a_core_with_a_sibling_offline_is_of_the_same_kind(tmp_path, usable):
    usable(0, 1, 2)
    root = topology(tmp_path, (0, 1), (2,))
    assert set(measuring_cpus(2, root=root)[0]) == {1, 2}
    assert measuring_cpus(3, root=root)[0] == (0, 1, 2)


def test_three_kinds_are_three_kinds(tmp_path):
    speeds = {f"{CPU}/cpu_capacity".format(cpu): str(speed) for cpu, speed in enumerate([300, 300, 800, 800, 1024])}
    cores = {cpu: (cpu,) for cpu in range(5)}
    assert cpus.fastest_first(cores, write(tmp_path, speeds)) == [[4], [2, 3], [0, 1]]


@pytest.mark.parametrize("highest", [None, {0: 5_700_000, 1: 5_500_000, 2: 5_050_000, 3: 5_000_000}])
def test_cores_of_about_one_speed_are_of_one_kind(tmp_path, highest):
    """A processor's favoured cores reach a little more than the others."""
    files = {f"{CPU}/cpufreq/cpuinfo_max_freq".format(cpu): str(khz) for cpu, khz in (highest or {}).items()}
    assert cpus.fastest_first({cpu: (cpu,) for cpu in range(4)}, write(tmp_path, files)) == [[0, 1, 2, 3]]


# Not busy


def ticks(**busy):
    """/proc/stat with so many busy ticks of 100 per CPU."""
    lines = [f"{name} {used} 0 0 {100 - used} 0 0 0 0 0 0" for name, used in busy.items()]
    return "cpu  1 2 3 4 5 6 7 8 9 10\n" + "\n".join(lines) + "\nintr 12 3"


@pytest.mark.parametrize(
    ("after", "busy"),
    [
        ({"cpu0": (0, 10), "cpu1": (10, 0)}, {1}),
        ({"cpu0": (5, 5), "cpu1": (6, 4)}, {1}),
        ({"cpu0": (0, 0), "cpu1": (0, 0)}, set()),  # no tick has passed
        ({"cpu0": (1, 0), "cpu1": (4, 0)}, set()),  # too few to tell
    ],
)
def test_a_cpu_is_busy_if_others_use_most_of_it(tmp_path, after, busy):
    root = write(tmp_path, {"proc/stat": ticks(cpu0=40, cpu1=40)})

    def passes(seconds):
        assert 0 < seconds < 1
        lines = [f"{name} {40 + used} 0 0 {60 + rested} 0 0 0 0 0 0" for name, (used, rested) in after.items()]
        write(tmp_path, {"proc/stat": "\n".join(lines)})

    assert cpus.busy_cpus(root=root, pause=passes) == busy


@pytest.mark.parametrize("text", ["", "cpu0 a b c d e f g h", "cpux 1 2 3 4 5 6 7 8", "cpu0", "cpu0 1 2\n\ncpu1"])
def test_a_kernel_that_does_not_tell_has_no_busy_cpu(tmp_path, text):
    assert cpus.busy_cpus(root=write(tmp_path, {"proc/stat": text}), pause=lambda _: None) == set()


def test_busy_cpus_and_their_siblings_are_avoided(tmp_path, usable):
    usable(*range(8))
    root = topology(tmp_path, (0, 4), (1, 5), (2, 6), (3, 7))
    assert measuring_cpus(1, root=root)[0] == (1,)
    assert measuring_cpus(1, busy={1}, root=root)[0] == (2,)
    assert measuring_cpus(1, busy={5, 2}, root=root)[0] == (3,)
    assert measuring_cpus(2, busy={1, 2, 3}, root=root)[0] == (0, 4)
    assert measuring_cpus(1, busy=set(range(8)), root=root)[0] == (1,)


class Told:
    """Notes what is reported."""

    def __init__(self):
        self.lines = []

    def phase(self, _, text):
        self.lines.append(text)


@pytest.mark.parametrize(
    ("seen", "chosen", "told"),
    [
        ([set()], (1,), []),
        ([{0}], (1,), []),
        ([{1}, set()], (1,), []),  # for a moment only
        ([{1}, {1}], (2,), []),
        (
            [{0, 1, 2}, {0, 1, 2}],
            (1,),
            ["other processes keep CPU 1 busy, and no other one of its kind is idle: measuring there"],
        ),
    ],
)
def test_a_session_moves_away_from_whom_it_cannot_wait_for(monkeypatch, usable, seen, chosen, told):
    """Another container's sessions use another lock."""
    usable(0, 1, 2)
    monkeypatch.setattr(cpus, "siblings", lambda _: {})
    monkeypatch.setattr(cpus, "fastest_first", lambda cores, _: [sorted(cores)])
    monkeypatch.setattr(runner, "siblings", dict)
    seen = list(seen)
    monkeypatch.setattr(runner, "busy_cpus", lambda: seen.pop(0))
    progress = Told()
    settings = runner._beside_others(Settings("linreg", "points", cpus=(1,), harness_cpus=(0, 2)), progress)
    assert (settings.cpus, progress.lines, seen) == (chosen, told, [])
    assert not set(settings.harness_cpus) & set(chosen)


def test_a_busy_sibling_of_the_core_is_a_reason_to_move(monkeypatch, usable):
    usable(0, 1, 2, 3)
    cores = {cpu: (cpu % 2, cpu % 2 + 2) for cpu in range(4)}
    for module in (cpus, runner):
        monkeypatch.setattr(module, "siblings", lambda *_: cores)
    monkeypatch.setattr(cpus, "fastest_first", lambda cores, _: [sorted(cores)])
    monkeypatch.setattr(runner, "busy_cpus", lambda: {3})
    settings = Settings("linreg", "points", cpus=(1,), harness_cpus=(0, 2))
    assert runner._beside_others(settings, Told()).cpus == (2,)


@pytest.mark.parametrize("changes", [{"profile": "stock", "cpus": (0, 1)}, {"cpus": ()}])
def test_who_is_not_pinned_does_not_move(monkeypatch, changes):
    monkeypatch.setattr(runner, "busy_cpus", pytest.fail)
    settings = Settings("linreg", "points", **changes)
    assert runner._beside_others(settings, Told()) is settings


# What a container may use

V2 = {"proc/self/cgroup": "0::/box"}


@pytest.mark.parametrize(
    ("threads", "quota", "refused"), [(2, 200, False), (2, 150, True), (1, 50, False), (2, 50, True), (3, 350, False)]
)
def test_more_threads_than_a_container_s_quota_are_refused(tmp_path, usable, threads, quota, refused):
    usable(*range(4))
    root = write(tmp_path, {**V2, "sys/fs/cgroup/box/cpu.max": f"{quota}000 100000"})
    if refused:
        with pytest.raises(ValueError, match=f"only {quota / 100:g} CPUs' worth of time: request at most 1"):
            measuring_cpus(threads, root=root)
    else:
        assert len(measuring_cpus(threads, root=root)[0]) == threads


@pytest.mark.parametrize(
    ("quota", "threads", "most"), [(1.5, 1, 1), (0.2, 1, 1), (4.0, 1, 4), (4.0, 2, 2), (4.0, 0, 4)]
)
def test_workers_are_brought_up_together_as_far_as_the_quota_goes(monkeypatch, quota, threads, most):
    monkeypatch.setattr(bring_up, "cpu_quota", lambda: quota)
    assert bring_up.at_once(threads) == most
    monkeypatch.setattr(bring_up, "cpu_quota", lambda: None)
    assert bring_up.at_once(threads) > 1000


MIB = 1 << 20


@pytest.mark.parametrize(
    ("files", "left"),
    [
        ({}, None),
        ({**V2, "sys/fs/cgroup/box/memory.max": "max", "sys/fs/cgroup/box/memory.current": "5"}, None),
        ({**V2, "sys/fs/cgroup/box/memory.max": str(100 * MIB)}, None),  # what is used is not told
        (
            {
                **V2,
                "sys/fs/cgroup/box/memory.max": str(100 * MIB),
                "sys/fs/cgroup/box/memory.current": str(90 * MIB),
                "sys/fs/cgroup/box/memory.stat": f"anon 3\nfile x y\ninactive_file {50 * MIB}\n",
                "sys/fs/cgroup/memory.max": str(70 * MIB),
                "sys/fs/cgroup/memory.current": str(30 * MIB),
            },
            40 * MIB,
        ),
        (
            {
                "proc/self/cgroup": "5:memory:/m\n4:cpu,cpuacct:/c",
                "sys/fs/cgroup/memory/m/memory.limit_in_bytes": str(100 * MIB),
                "sys/fs/cgroup/memory/m/memory.usage_in_bytes": str(120 * MIB),
                "sys/fs/cgroup/memory/c/memory.limit_in_bytes": "1",
                "sys/fs/cgroup/memory/c/memory.usage_in_bytes": "0",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": str((1 << 63) - 4096),
                "sys/fs/cgroup/memory/memory.usage_in_bytes": "0",
            },
            0,
        ),
    ],
)
def test_memory_is_what_the_container_still_allows(tmp_path, files, left):
    root = write(tmp_path, files)
    assert cgroups.available_bytes(root) == left
    assert machine.available_bytes(root) == left if left is not None else machine.available_bytes(root) > MIB
