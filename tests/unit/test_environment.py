"""What a worker's environment holds, whatever the user's shell holds; and which device a text means."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.errors import WorkbenchError
from workbench.host.environment import worker_environment
from workbench.model.device import Device

CPU = Device("cpu")
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "NPROC",
)
TUNING = (
    "ATEN_CPU_CAPABILITY",
    "AUTOGRAPH_VERBOSITY",
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_LAUNCH_BLOCKING",
    "DNNL_MAX_CPU_ISA",
    "GOMP_CPU_AFFINITY",
    "JAX_ENABLE_X64",
    "KMP_AFFINITY",
    "KMP_BLOCKTIME",
    "MKL_CBWR",
    "NPY_DISABLE_CPU_FEATURES",
    "NVIDIA_TF32_OVERRIDE",
    "OMP_PROC_BIND",
    "ONEDNN_MAX_CPU_ISA",
    "OPENBLAS_CORETYPE",
    "PYTHONDEVMODE",
    "PYTHONMALLOC",
    "PYTHONOPTIMIZE",
    "PYTORCH_CUDA_ALLOC_CONF",
    "TF_ENABLE_ONEDNN_OPTS",
    "TF_XLA_FLAGS",
    "TORCH_LOGS",
    "TRITON_INTERPRET",
    "XLA_FLAGS",
)


@pytest.fixture
def variables(monkeypatch, tmp_path):
    """The environment of a worker, started from a shell with the given variables."""

    def made(device: Device = CPU, threads: int | None = 1, extra=None, **shell: str) -> dict[str, str]:
        for name, value in shell.items():
            monkeypatch.setenv(name, value)
        return dict(worker_environment(device, threads, tmp_path, extra or {}))

    return made


@pytest.mark.parametrize("name", TUNING)
def test_what_tunes_a_framework_in_the_users_shell_is_taken_out(variables, name):
    assert "planted" not in variables(**{name: "planted"}).get(name, "")


def test_the_rest_of_the_users_shell_is_kept(variables):
    kept = {"HOME": "/h", "LD_LIBRARY_PATH": "/l", "CUDA_HOME": "/c", "LANG": "C", "PLANTED": "p"}
    assert kept.items() <= variables(**kept).items()


@pytest.mark.parametrize("name", THREAD_VARIABLES)
def test_threads_are_set_whatever_the_shell_says(variables, name):
    assert variables(threads=3, **{name: "64"})[name] == "3"


@pytest.mark.parametrize("name", THREAD_VARIABLES)
def test_threads_are_left_alone_in_the_stock_profile(variables, name):
    assert name not in variables(threads=None, **{name: "64"})


def test_on_the_cpu_no_gpu_is_seen(variables):
    found = variables(CUDA_VISIBLE_DEVICES="0,1", JAX_PLATFORMS="cuda")
    assert (found["CUDA_VISIBLE_DEVICES"], found["JAX_PLATFORMS"]) == ("", "cpu")


def test_on_a_gpu_that_one_alone_is_seen_and_nothing_is_allocated_ahead(variables):
    found = variables(Device("gpu", 1), CUDA_VISIBLE_DEVICES="0", JAX_PLATFORMS="cpu")
    assert (found["CUDA_VISIBLE_DEVICES"], found["CUDA_DEVICE_ORDER"]) == ("1", "PCI_BUS_ID")
    assert (found["XLA_PYTHON_CLIENT_PREALLOCATE"], found["TF_FORCE_GPU_ALLOW_GROWTH"]) == ("false", "true")
    assert "JAX_PLATFORMS" not in found


@pytest.mark.parametrize("name", ["TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "KERAS_HOME"])
def test_compilers_start_cold_in_a_folder_of_the_run(variables, tmp_path, name):
    assert tmp_path in Path(variables(**{name: "/warm"})[name]).parents


def test_a_frontends_own_variables_are_set(variables):
    assert variables(extra={"KERAS_BACKEND": "tensorflow"}, KERAS_BACKEND="jax")["KERAS_BACKEND"] == "tensorflow"


def test_hashes_are_the_same_in_every_worker(variables):
    assert variables(PYTHONHASHSEED="random")["PYTHONHASHSEED"] == "0"


@pytest.mark.parametrize(
    ("text", "gpus", "device"),
    [
        ("cpu", 0, Device("cpu")),
        ("CPU", 2, Device("cpu")),
        ("gpu", 0, Device("gpu")),
        ("gpu", 2, Device("gpu", 0)),
        ("gpu:1", 2, Device("gpu", 1)),
        ("cuda:1", 2, Device("gpu", 1)),
        ("auto", 0, Device("cpu")),
        ("auto", 1, Device("gpu")),
    ],
)
def test_a_device_is_read(text, gpus, device):
    assert Device.parse(text, gpus) == device


@pytest.mark.parametrize("text", ["", "tpu", "cpu:0", "gpu:", "gpu:-1", "gpu:one", "gpu:1:2", " gpu"])
def test_an_unknown_device_is_refused_with_what_is_known(text):
    with pytest.raises(WorkbenchError, match="use cpu, gpu, auto, or an index such as gpu:1"):
        Device.parse(text, 2)


@pytest.mark.parametrize(("text", "gpus"), [("gpu:1", 0), ("gpu:1", 1), ("cuda:7", 2)])
def test_an_index_without_a_gpu_is_refused(text, gpus):
    with pytest.raises(WorkbenchError, match=f"this machine has {gpus}"):
        Device.parse(text, gpus)


@pytest.mark.parametrize(("device", "text"), [(CPU, "cpu"), (Device("gpu"), "gpu"), (Device("gpu", 2), "gpu:2")])
def test_a_device_says_its_name(device, text):
    assert str(device) == text
