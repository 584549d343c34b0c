"""What disturbs a measurement, played by made-up machines."""

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, replace
from types import ModuleType

import pytest

from workbench.host import noise
from workbench.host.noise import GpuState, Sampler, Snapshot
from workbench.model.records import Covariates, Round
from workbench.statistics import disturbance
from workbench.wire import canary

MS = 1_000_000
START = Snapshot(monotonic_ns=3_000 * MS, boottime_ns=5_000 * MS)
END = Snapshot(monotonic_ns=4_000 * MS, boottime_ns=6_000 * MS)
QUIET = Covariates(span_ns=1_000 * MS)
ALL_BITS = (1 << 11) - 1


def write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


class NvmlError(Exception):
    pass


def refuse(*_):
    raise NvmlError("Not Supported")


def fake_nvml(**functions):
    nvml = ModuleType("fake_nvml")
    nvml.NVMLError = NvmlError
    known = {
        "NVML_CLOCK_SM": 1,
        "NVML_TEMPERATURE_GPU": 0,
        "nvmlDeviceGetHandleByIndex": lambda index: f"handle {index}",
        "nvmlDeviceGetClockInfo": lambda *_: 1980,
        "nvmlDeviceGetCurrentClocksEventReasons": lambda *_: 0b101,
        "nvmlDeviceGetCurrentClocksThrottleReasons": lambda *_: 0b1000,
        "nvmlDeviceGetTemperature": lambda *_: 41,
        "nvmlDeviceGetPowerUsage": lambda *_: 120_000,
        "nvmlDeviceGetTotalEnergyConsumption": lambda *_: 7_000_000,
    }
    for name, value in (known | functions).items():
        setattr(nvml, name, value)
    return nvml


def test_the_fake_nvml_offers_only_what_the_real_one_has():
    pynvml = pytest.importorskip("pynvml")
    assert {name for name in dir(fake_nvml()) if name.lower().startswith("nvml")} <= set(dir(pynvml))
    assert (pynvml.NVML_CLOCK_SM, pynvml.NVML_TEMPERATURE_GPU) == (1, 0)


def test_the_reasons_have_the_real_library_s_bits():
    pynvml = pytest.importorskip("pynvml")
    bits = {noise.GPU_REASONS[1 << 2]: pynvml.nvmlClocksThrottleReasonSwPowerCap}
    bits |= {noise.GPU_REASONS[1 << 6]: pynvml.nvmlClocksThrottleReasonHwThermalSlowdown}
    assert bits == {"power cap": 4, "hardware thermal slowdown": 64}
    assert sum(noise.GPU_REASONS) == pynvml.nvmlClocksThrottleReasonAll == ALL_BITS


@pytest.fixture
def host(tmp_path):
    cpu = "sys/devices/system/cpu/cpu{}/"
    rapl = "sys/class/powercap/intel-rapl:"
    pressure = "some avg10=0.00 avg60=0.00 avg300=0.00 total={}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total={}"
    return write(
        tmp_path,
        {
            "proc/stat": "cpu  9 9 9 9 9 9 9 9 9 9\n"
            "cpu0 1 1 1 1 1 1 1 1 0 0\ncpu1 10 1 5 80 2 1 1 3 4 0\ncpu10 7 7 7 7 7 7 7 7 7 7\nintr 5",
            "proc/loadavg": "1.25 0.50 0.10 1/99 1234",
            "proc/pressure/cpu": pressure.format(100, 0),
            "proc/pressure/memory": pressure.format(20, 10),
            "proc/self/cgroup": "0::/box\n1:name=systemd:/",
            "sys/fs/cgroup/box/cpu.stat": "usage_usec 5\nnr_throttled 2\nthrottled_usec 300",
            "sys/fs/cgroup/cpu.stat": "usage_usec 5",
            cpu.format(1) + "cpufreq/scaling_cur_freq": "3000000",
            cpu.format(1) + "thermal_throttle/core_throttle_count": "2",
            cpu.format(1) + "thermal_throttle/package_throttle_count": "3",
            rapl + "0/name": "package-0",
            rapl + "0/energy_uj": "1000",
            rapl + "0/max_energy_range_uj": "9000",
            rapl + "0:0/name": "core",
            rapl + "0:0/energy_uj": "500",
            rapl + "1/name": "psys",
            rapl + "1/energy_uj": "2000",
            rapl + "2/name": "package-1",
        },
    )


def test_a_snapshot_of_a_described_host(host):
    seen = Sampler((1,), root=host).snapshot()
    assert (seen.total_ns, seen.busy_ns, seen.steal_ns) == (1030 * MS, 180 * MS, 30 * MS)
    assert seen.psi_us == {"cpu some": 100, "cpu full": 0, "memory some": 20, "memory full": 10}
    assert seen.load == 1.25
    assert seen.frequency_khz == {1: 3_000_000}
    assert seen.thermal_events == 5
    assert seen.quota_throttled_us == 300
    assert seen.cpu_energy_uj == {"intel-rapl:0": (1000, 9000)}
    assert seen.gpu is None


def test_several_cpus_are_summed_and_none_means_all(host):
    assert Sampler((0, 1), root=host).snapshot().steal_ns == 40 * MS
    assert Sampler((), root=host).snapshot().steal_ns == 90 * MS


def test_the_older_cgroup_counts_in_nanoseconds(tmp_path):
    write(
        tmp_path,
        {
            "proc/self/cgroup": "4:cpu,cpuacct:/",
            "sys/fs/cgroup/cpu/cpu.stat": "nr_throttled 1\nthrottled_time 9000",
        },
    )
    assert Sampler((0,), root=tmp_path).snapshot().quota_throttled_us == 9


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"proc/stat": "cpu0 1 2 3", "proc/loadavg": ""},
        {"proc/stat": "cpu0 a b c d e f g h", "proc/loadavg": "x"},
    ],
)
def test_what_cannot_be_read_is_none(tmp_path, files):
    sampler = Sampler((0,), root=write(tmp_path, files))
    first, second = sampler.snapshot(), sampler.snapshot()
    assert replace(first, monotonic_ns=0, boottime_ns=None) == Snapshot(monotonic_ns=0)
    seen = noise.between(first, second, own_cpu_ns=1)
    assert seen == Covariates(span_ns=second.monotonic_ns - first.monotonic_ns)
    assert disturbance.flag(seen, None, None) == ()


def test_a_cpu_that_is_not_listed_makes_the_times_unknown(host):
    assert Sampler((1, 77), root=host).snapshot().total_ns is None


def test_no_boot_clock_on_other_systems(host, monkeypatch):
    monkeypatch.delattr(time, "CLOCK_BOOTTIME", raising=False)
    seen = Sampler((1,), root=host).snapshot()
    assert seen.boottime_ns is None
    assert not noise.between(seen, seen).suspended


def test_a_snapshot_of_this_very_host():
    sampler = Sampler(sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else ())
    seen = noise.between(sampler.snapshot(), sampler.snapshot(), own_cpu_ns=0)
    assert seen.span_ns > 0
    assert json.dumps(asdict(seen))


def test_the_state_of_a_gpu(host):
    seen = Sampler((1,), root=host, nvml=fake_nvml()).snapshot()
    assert seen.gpu == GpuState(1980, ("idle", "power cap"), 41, 120_000, 7_000_000)


def test_an_older_driver_is_asked_by_the_older_name(host):
    old = fake_nvml(nvmlDeviceGetCurrentClocksEventReasons=refuse)
    assert Sampler((1,), root=host, nvml=old).snapshot().gpu.reasons == ("hardware slowdown",)


def test_a_gpu_that_answers_nothing(host):
    names = [name for name in dir(fake_nvml()) if name.startswith("nvmlDeviceGet") and "Handle" not in name]
    mute = fake_nvml(**dict.fromkeys(names, refuse))
    assert Sampler((1,), root=host, nvml=mute).snapshot().gpu == GpuState()
    lost = fake_nvml(nvmlDeviceGetHandleByIndex=refuse)
    assert Sampler((1,), root=host, nvml=lost, gpu=3).snapshot().gpu is None


def test_shares_of_the_chosen_cpus():
    before = replace(START, total_ns=0, busy_ns=0, steal_ns=0)
    after = replace(END, total_ns=1000 * MS, busy_ns=700 * MS, steal_ns=30 * MS)
    seen = noise.between(before, after, own_cpu_ns=500 * MS)
    assert (seen.steal_share, seen.other_busy_share) == (0.03, 0.2)
    assert noise.between(before, after).other_busy_share is None
    assert noise.between(before, after, own_cpu_ns=900 * MS).other_busy_share == 0


def test_counters_that_stand_still_or_go_back_tell_nothing():
    some = replace(END, total_ns=100, busy_ns=100, steal_ns=100, psi_us={"cpu some": 5})
    seen = noise.between(some, some, own_cpu_ns=0)
    assert (seen.steal_share, seen.psi_cpu_share) == (None, None)
    less = replace(END, total_ns=200, busy_ns=50, steal_ns=50)
    assert noise.between(some, less).steal_share is None


def test_pressure_as_a_share_of_the_time():
    before = replace(START, psi_us={"cpu some": 0, "memory some": 7, "io some": 1_000})
    after = replace(END, psi_us={"cpu some": 250_000, "memory some": 7})
    seen = noise.between(before, after)
    assert (seen.psi_cpu_share, seen.psi_memory_share, seen.psi_io_share) == (0.25, 0.0, None)


def test_the_lowest_frequency_ratio_counts():
    before = replace(START, frequency_khz={0: 1000, 1: 2000, 2: 5})
    after = replace(END, frequency_khz={0: 1100, 1: 1500})
    assert noise.between(before, after).frequency_ratio == 0.75


def test_a_suspended_machine_is_seen_by_its_clocks():
    asleep = replace(END, boottime_ns=END.boottime_ns + 200 * MS)
    assert noise.between(START, asleep).suspended
    assert not noise.between(START, replace(asleep, boottime_ns=END.boottime_ns + 50 * MS)).suspended


def test_everything_that_throttles_is_named_once_and_harmless_reasons_are_not():
    before = replace(START, thermal_events=1, quota_throttled_us=5, gpu=GpuState(reasons=("idle", "power cap")))
    every = tuple(name for bit, name in noise.GPU_REASONS.items() if bit & ALL_BITS)
    after = replace(END, thermal_events=2, quota_throttled_us=6, gpu=GpuState(reasons=every))
    throttled = noise.between(before, after).throttled
    assert throttled[:3] == ("CPU heat", "the container's CPU quota", "GPU power cap")
    assert len(throttled) == len(set(throttled)) == 2 + len(noise.GPU_REASONS) - len(noise.HARMLESS)
    assert not {f"GPU {name}" for name in noise.HARMLESS} & set(throttled)
    assert noise.between(after, replace(after, gpu=None)).throttled[:1] == ("GPU power cap",)


@pytest.mark.parametrize(
    ("before", "after", "joules"),
    [
        ({"a": (0, 9), "b": (1_000_000, None)}, {"a": (2_000_000, 9), "b": (1_500_000, None)}, 2.5),
        ({"a": (9_000_000, 10_000_000)}, {"a": (1_000_000, 10_000_000)}, 2.0),
        ({"a": (9_000_000, None)}, {"a": (1_000_000, None)}, None),
        ({"a": (1, 9), "b": (1, 9)}, {"a": (2, 9)}, None),
        ({}, {"a": (2, 9)}, None),
    ],
)
def test_cpu_energy_survives_a_counter_that_wraps(before, after, joules):
    seen = noise.between(replace(START, cpu_energy_uj=before), replace(END, cpu_energy_uj=after))
    assert seen.cpu_joules == joules


def test_gpu_energy_and_clock():
    before = replace(START, gpu=GpuState(sm_clock_mhz=2000, energy_mj=1_000))
    after = replace(END, gpu=GpuState(sm_clock_mhz=1500, energy_mj=3_500))
    seen = noise.between(before, after)
    assert (seen.gpu_clock_ratio, seen.gpu_joules) == (0.75, 2.5)
    assert noise.between(before, replace(after, gpu=None)).gpu_joules is None


def test_the_canary_is_the_fastest_of_its_runs(monkeypatch):
    ticks = iter([1_000, 1_900, 5_000, 5_700, 9_000, 9_800])
    monkeypatch.setattr(time, "perf_counter_ns", lambda: next(ticks))
    assert canary.canary_ns(3) == 700


def test_the_canary_runs_and_wants_a_repeat():
    assert canary.canary_ns(1) > 0
    with pytest.raises(ValueError, match="at least 1"):
        canary.canary_ns(0)


@pytest.mark.parametrize(
    ("canary", "phrases"),
    [(112, ("canary 12 % slow",)), (90, ("canary 10 % fast",)), (104, ()), (105, ()), (None, ()), (0, ())],
)
def test_the_canary_is_judged_against_its_median(canary, phrases):
    assert disturbance.flag(QUIET, canary, 100) == phrases


def test_no_median_yet_is_no_judgement():
    assert disturbance.flag(QUIET, 100, None) == disturbance.flag(QUIET, 100, 0) == ()


@pytest.mark.parametrize(
    ("changes", "phrases"),
    [
        ({"steal_share": 0.03, "steal_ns": 30 * MS}, ("steal 3 %",)),
        ({"steal_share": 0.012, "steal_ns": 30 * MS}, ("steal 1.2 %",)),
        ({"steal_share": 0.01, "steal_ns": 30 * MS}, ()),
        ({"steal_share": 0.33, "steal_ns": 20 * MS}, ("steal 33 %",)),
        ({"steal_share": 0.33, "steal_ns": 10 * MS}, ()),
        ({"steal_share": 0.33}, ()),
        (
            {"throttled": ("CPU heat", "GPU power cap")},
            ("throttled by CPU heat", "throttled by GPU power cap"),
        ),
        ({"frequency_ratio": 0.9}, ("CPU frequency 10 % down",)),
        ({"frequency_ratio": 0.96}, ()),
        ({"gpu_clock_ratio": 0.75}, ("GPU clock 25 % down",)),
        ({"suspended": True}, ("suspended",)),
        ({"psi_cpu_share": 0.5}, ("CPU pressure 50 %",)),
        ({"psi_memory_share": 0.5, "psi_io_share": 0.9}, ("memory pressure 50 %", "IO pressure 90 %")),
        ({"other_busy_share": 0.9, "load": 40.0}, ()),
        ({"canary_waited_share": 0.5}, ("CPU shared 50 %",)),
        ({"canary_waited_share": 0.08}, ()),
    ],
)
def test_why_a_round_is_dirty(changes, phrases):
    assert disturbance.flag(replace(QUIET, **changes), None, None) == phrases


def test_limits_can_be_set():
    strict = disturbance.Limits(canary=0.001, psi_cpu_share=0.0)
    seen = replace(QUIET, psi_cpu_share=0.005)
    assert disturbance.flag(seen, 101, 100, limits=strict) == ("canary 1.0 % slow", "CPU pressure 0.5 %")


def test_a_quiet_session_needs_no_sentence():
    assert disturbance.sentence([]) is None
    assert disturbance.sentence([()] * 20) is None
    assert disturbance.sentence([("suspended",)] * 4 + [()] * 16) is None


def test_a_noisy_session_says_how_often_and_mostly_why():
    rounds = [
        ("steal 3 %", "canary 12 % slow"),
        ("steal 9 %",),
        ("canary 7.5 % fast",),
        ("steal 1.2 %",),
        ("suspended",),
    ]
    sentence = disturbance.sentence(rounds + [()] * 7)
    assert sentence is not None
    assert "not quiet in 5 of 12 rounds (mostly CPU time stolen by the hypervisor)" in sentence
    assert sentence.endswith("by the hypervisor).")


def test_a_noisy_session_says_which_differences_are_noise_if_that_is_known():
    sentence = disturbance.sentence([("suspended",)], 0.034)
    assert sentence.endswith("; even between the two rows that are known best, differences under about 3 % are noise.")


@pytest.mark.parametrize(
    ("phrase", "cause"),
    [
        ("canary 12 % slow", "changes in our control job's speed"),
        ("CPU frequency 10 % down", "drops in CPU frequency"),
        ("throttled by GPU power cap", "throttled by GPU power cap"),
        ("IO pressure 60 %", "IO pressure"),
    ],
)
def test_one_cause_is_named_without_its_amount(phrase, cause):
    assert f"not quiet in 2 of 2 rounds ({cause})." in disturbance.sentence([(phrase,), (phrase,)])


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="CPUs cannot be chosen here")
def test_a_job_on_the_same_cpu_is_seen_by_what_the_canary_waited():
    """A steady hog: a canary that is only compared with its own median cannot see it."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        start, started = canary.waited_ns(), time.perf_counter_ns()
        if start is None:
            pytest.skip("the kernel does not tell who waited")
        hog = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        try:
            while canary.waited_ns() - start < 20 * MS:
                canary.canary_ns(3)
                assert time.perf_counter_ns() - started < 60e9, "a hog on this CPU, and nothing waited"
        finally:
            hog.kill()
            hog.wait()
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(
    ("busy", "share"), [([], 0.0), ([None, None], 0.0), ([0.0, 0.19, 0.21, 0.5], 0.5), ([None, 0.5], 1.0)]
)
def test_others_on_the_measured_cpu_are_seen_by_its_busy_time(busy, share):
    rounds = [
        Round(0, number, False, 0.01, None, Covariates(1, other_busy_share=each)) for number, each in enumerate(busy)
    ]
    assert disturbance.shared_cpu(rounds) == share
