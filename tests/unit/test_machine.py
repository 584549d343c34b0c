"""The facts of a host, read from made-up hosts."""

import dataclasses
import json
import os
import subprocess
import sys
from types import ModuleType, SimpleNamespace

import pytest

from workbench.host import cgroups, cpus, machine
from workbench.model.records import Gpu, MachineFacts
from workbench.store.codec import decoded, plain


def write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


def topology(root, *cores):
    """Cores as groups of sibling CPUs, such as (0, 2), (1, 3)."""
    folder = "sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
    return write(root, {folder.format(cpu): ",".join(map(str, core)) for core in cores for cpu in core})


class NvmlError(Exception):
    pass


def fake_nvml(**functions):
    nvml = ModuleType("fake_nvml")
    nvml.NVMLError = NvmlError
    known = {
        "nvmlInit": lambda: None,
        "nvmlDeviceGetCount": lambda: 1,
        "nvmlDeviceGetHandleByIndex": lambda index: f"handle {index}",
        "nvmlDeviceGetName": lambda *_: "NVIDIA H200",
        "nvmlDeviceGetUUID": lambda *_: b"GPU-1234",
        "nvmlDeviceGetMemoryInfo": lambda *_: SimpleNamespace(total=150 * 2**30),
        "nvmlSystemGetDriverVersion": lambda: "580.65.06",
        "nvmlSystemGetCudaDriverVersion": lambda: 13010,
    }
    for name, function in (known | functions).items():
        setattr(nvml, name, function)
    return nvml


def refuse(*_):
    raise NvmlError("Not Supported")


def test_the_fake_nvml_offers_only_what_the_real_one_has():
    pynvml = pytest.importorskip("pynvml")
    assert {name for name in dir(fake_nvml()) if name.startswith("nvml")} <= set(dir(pynvml))


def test_importing_it_adds_nothing_but_the_standard_library():
    script = """
import sys, workbench
before = set(sys.modules)
import workbench.host.machine
new = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*new - sys.stdlib_module_names)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["workbench"]


def test_facts_of_this_very_host_are_json():
    facts = machine.facts()
    assert decoded(MachineFacts, json.loads(json.dumps(plain(facts)))) == facts
    assert facts.memory_bytes > 2**27
    assert facts.cpu_model


def test_facts_of_a_described_host(tmp_path, usable):
    usable(1, 3)
    root = topology(tmp_path, (0, 2), (1, 3))
    write(
        root,
        {
            "proc/cpuinfo": "model name\t: Fast 9000\nflags\t: sse hypervisor\n\nmodel name\t: no",
            "proc/meminfo": "MemTotal:       16384 kB\nMemFree: 1 kB",
            "proc/self/cgroup": "0::/box",
            "sys/fs/cgroup/box/cpu.max": "150000 100000",
            "etc/os-release": 'ID=x\nPRETTY_NAME="Some Linux 3"',
            "sys/devices/system/node/node0/cpulist": "0,2",
            "sys/devices/system/node/node1/cpulist": "1-1,3",
            "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor": "performance",
            "sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq": "3200000",
            "sys/devices/system/cpu/cpu1/cpufreq/cpuinfo_max_freq": "<unknown>",
        },
    )
    facts = machine.facts(root=root, nvml=fake_nvml())
    expected = {
        "cpu_model": "Fast 9000",
        "physical_cpus": 2,
        "logical_cpus": 4,
        "usable_cpus": [1, 3],
        "smt_siblings": [[0, 2], [1, 3]],
        "numa_nodes": {"0": [0, 2], "1": [1, 3]},
        "cpu_quota": 1.5,
        "governor": "performance",
        "frequency_khz": 3_200_000,
        "max_frequency_khz": None,
        "virtualised": True,
        "memory_bytes": 2**24,
        "os_name": "Some Linux 3",
    }
    assert {name: getattr(facts, name) for name in expected} == expected
    assert facts.gpus[0].name == "NVIDIA H200"


def test_facts_where_nothing_can_be_read(tmp_path, monkeypatch):
    psutil = pytest.importorskip("psutil")
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: (_ for _ in ()).throw(OSError))
    monkeypatch.setitem(sys.modules, "pynvml", None)
    facts = machine.facts(root=tmp_path)
    unknown = ("usable_cpus", "cpu_quota", "governor", "frequency_khz", "virtualised", "memory_bytes")
    assert [getattr(facts, name) for name in unknown] == [None] * len(unknown)
    assert facts.gpus == []
    assert facts.logical_cpus == os.cpu_count()
    assert facts.cpu_model
    assert json.dumps(plain(facts))


def test_memory_is_asked_of_psutil_where_proc_is_missing(tmp_path):
    assert machine.facts(root=tmp_path, nvml=fake_nvml()).memory_bytes > 2**27


def test_the_kernel_s_topology_counts_cores_and_lists_siblings_only_with_smt(tmp_path):
    facts = machine.facts(root=topology(tmp_path, *((cpu,) for cpu in range(77))), nvml=fake_nvml())
    assert (facts.physical_cpus, facts.logical_cpus, facts.smt_siblings) == (77, 77, [])


def test_an_arm_cpu_is_named_by_its_numbers_and_not_called_virtual(tmp_path):
    write(tmp_path, {"proc/cpuinfo": "processor : 0\nCPU implementer : 0x41\nCPU part : 0xd0c"})
    facts = machine.facts(root=tmp_path, nvml=fake_nvml())
    assert facts.cpu_model.endswith("implementer 0x41 part 0xd0c")
    assert facts.virtualised is None


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({}, None),
        ({"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "max 100000"}, None),
        ({"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "nonsense"}, None),
        ({"proc/self/cgroup": "what", "sys/fs/cgroup/cpu.max": "50000 100000"}, 0.5),
        (
            {
                "proc/self/cgroup": "0::/outer/inner",
                "sys/fs/cgroup/outer/cpu.max": "50000 100000",
                "sys/fs/cgroup/outer/inner/cpu.max": "200000 100000",
            },
            0.5,
        ),
        (
            {
                "proc/self/cgroup": "5:memory:/m\n4:cpu,cpuacct:/docker/abc",
                "sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us": "300000",
                "sys/fs/cgroup/cpu/docker/abc/cpu.cfs_period_us": "100000",
                "sys/fs/cgroup/cpu/m/cpu.cfs_quota_us": "100000",
                "sys/fs/cgroup/cpu/m/cpu.cfs_period_us": "100000",
            },
            3.0,
        ),
        (
            {
                "proc/self/cgroup": "1:cpu:/",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
            },
            None,
        ),
    ],
)
def test_the_tightest_container_quota_counts(tmp_path, files, quota):
    assert cgroups.cpu_quota(write(tmp_path, files)) == quota


CACHES = "sys/devices/system/cpu/cpu0/cache"


@pytest.mark.parametrize(
    ("sizes", "largest"),
    [
        (["48K", "32K", "2048K", "30720K"], 30720 << 10),
        (["32K", "1M", "36M"], 36 << 20),
        (["512K", "1G", "64M"], 1 << 30),
        (["36864K\n"], 36864 << 10),
        (["32K", "unknown", "K", "", "-5M", "12", "3T"], 32 << 10),
        (["garbage"], None),
        ([], None),
    ],
)
def test_the_largest_cache_is_the_last_level(tmp_path, sizes, largest):
    write(tmp_path, {f"{CACHES}/index{number}/size": size for number, size in enumerate(sizes)})
    write(tmp_path, {f"{CACHES}/index0/type": "9999G", "sys/devices/system/cpu/cpu1/cache/index0/size": "999G"})
    assert machine.last_level_cache(tmp_path) == largest


def test_a_damaged_cpu_list_is_not_known(tmp_path):
    write(tmp_path, {"sys/devices/system/cpu/cpu0/topology/thread_siblings_list": "zero"})
    assert cpus.siblings(tmp_path) == {}


def test_gpus_as_the_driver_describes_them():
    assert machine.gpus(fake_nvml()) == [machine.Gpu(0, "NVIDIA H200", "GPU-1234", 150 * 2**30, "580.65.06", "13.1")]


def test_a_gpu_that_refuses_to_answer_is_still_listed():
    silent = fake_nvml(
        nvmlDeviceGetName=refuse,
        nvmlDeviceGetUUID=refuse,
        nvmlDeviceGetMemoryInfo=refuse,
        nvmlSystemGetDriverVersion=refuse,
        nvmlSystemGetCudaDriverVersion=refuse,
    )
    assert machine.gpus(silent) == [machine.Gpu(0, "unknown GPU", None, None, None, None)]


def test_a_lost_gpu_is_left_out_and_the_others_keep_their_index():
    def handle(index):
        return refuse() if index == 0 else "handle"

    assert [
        gpu.index for gpu in machine.gpus(fake_nvml(nvmlDeviceGetCount=lambda: 2, nvmlDeviceGetHandleByIndex=handle))
    ] == [1]


def test_no_gpus_without_package_driver_or_count(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert machine.gpus() == []
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml(nvmlInit=refuse))
    assert machine.gpus() == []
    assert machine.gpus(fake_nvml(nvmlDeviceGetCount=refuse)) == []


def test_the_real_library_is_found_by_itself(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml())
    assert [gpu.name for gpu in machine.gpus()] == ["NVIDIA H200"]


def test_a_function_missing_in_an_old_library_is_not_known():
    assert machine.ask(fake_nvml(), "nvmlDeviceGetSomethingNew") is None


def test_package_versions_without_importing():
    versions = machine.package_versions(["numpy", "surely-not-installed-anywhere"])
    assert versions["numpy"]
    assert versions["surely-not-installed-anywhere"] is None


def test_the_key_is_the_same_for_the_same_machine_only():
    base = MachineFacts(
        cpu_model="Fast 9000",
        physical_cpus=2,
        logical_cpus=4,
        memory_bytes=16 * 2**30,
        os="Linux",
        gpus=[Gpu(0, "A"), Gpu(1, "B")],
    )
    key = machine.stable_key(base)
    same = {
        "kernel": "6.99",
        "usable_cpus": [1],
        "memory_bytes": 16 * 2**30 - 10**8,
        "gpus": base.gpus[::-1],
    }
    assert machine.stable_key(dataclasses.replace(base, **same)) == key
    changes = {
        "cpu_model": "Other",
        "physical_cpus": 4,
        "logical_cpus": 8,
        "memory_bytes": 2**35,
        "os": "Darwin",
    }
    others = [machine.stable_key(dataclasses.replace(base, **{name: value})) for name, value in changes.items()]
    others.append(machine.stable_key(dataclasses.replace(base, gpus=[])))
    others.append(machine.stable_key(dataclasses.replace(base, memory_bytes=17 * 2**30)))
    assert len({key, *others}) == 8
    assert len(machine.stable_key(MachineFacts())) == 12
