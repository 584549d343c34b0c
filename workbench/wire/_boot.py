"""Where a worker process starts: ``python -P _boot.py JOB.json READ_FD WRITE_FD``.

Before anything else is imported it goes to its CPUs, finds workbench by path (so that the worker's interpreter
needs no workbench installed) and lets the content's packages come from the job's folders alone (so that no folder of
the user's and no package that is called ``tasks`` or ``frontends`` can shadow ours).
It dies with the harness, even stopped: a worker that outlives a killed harness would keep its memory for ever.
"""

import ctypes
import faulthandler
import importlib.util
import json
import os
import platform
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
FLUSH_TO_ZERO, DENORMALS_ARE_ZERO = 0x8000, 0x0040


def flush_denormals() -> None:
    """Treat denormal numbers as zero in this thread and, since they inherit it, in all threads it starts.

    TensorFlow and XLA do so on the CPU, NumPy and PyTorch do not, and a converged training can be 40 times
    slower for it. On x86-64 with glibc, fenv_t ends with the MXCSR register; elsewhere nothing is changed.
    What comes of it is observed in every framework, not assumed.
    """
    if platform.machine() != "x86_64" or sys.platform != "linux":
        return
    environment = (ctypes.c_uint32 * 8)()
    mathematics = ctypes.CDLL("libm.so.6")
    mathematics.fegetenv(environment)
    environment[7] |= FLUSH_TO_ZERO | DENORMALS_ARE_ZERO
    mathematics.fesetenv(environment)


def main() -> None:
    """Start the worker of one job."""
    job = json.loads(Path(sys.argv[1]).read_text())
    commands, answers = int(sys.argv[2]), int(sys.argv[3])
    for descriptor in (commands, answers):
        os.set_inheritable(descriptor, False)  # a grandchild must not hold the harness's pipe open
    faulthandler.register(signal.SIGUSR1, all_threads=True)  # the harness asks a hung worker where it hangs
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if job["flush_to_zero"]:
        flush_denormals()
    if job["cpus"]:
        os.sched_setaffinity(0, job["cpus"])

    home = Path(job["package"])
    spec = importlib.util.spec_from_file_location(
        "workbench", home / "__init__.py", submodule_search_locations=[str(home)]
    )
    assert spec is not None
    assert spec.loader is not None
    sys.modules["workbench"] = package = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(package)

    from workbench.wire import content
    from workbench.wire.worker import serve

    content.install(job["content"])
    serve(job, commands, answers)


main()
