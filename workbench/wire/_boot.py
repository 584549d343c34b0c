"""Where a worker process starts: ``python -P _boot.py JOB.json READ_FD WRITE_FD``.

Before anything else is imported it moves to its CPUs, finds workbench by path (so that the worker's interpreter
needs no workbench installed) and imports content only from the job's folders (so that no user folder and no installed
package called ``tasks`` or ``frontends`` can shadow it).
It dies with the harness, even when stopped: otherwise it would hold its memory for ever. Whatever it starts stays its
descendant, so that the harness sees the CPU time of all that works for it.

A worker in another language (PROTOCOL.md) is started here, too, and then takes the place of this process: all of that
holds for it as well, except for the denormals, since a new program starts with the processor's default.
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

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
FLUSH_TO_ZERO, DENORMALS_ARE_ZERO = 0x8000, 0x0040


def flush_denormals() -> None:
    """Treat denormal numbers as zero in this thread and, since they inherit it, in all threads it starts.

    TensorFlow and XLA do so on the CPU, NumPy and PyTorch do not, which can make a converged training 40 times
    slower. On x86-64 with glibc, fenv_t ends with the MXCSR register; elsewhere nothing is changed.
    The effect is observed in every framework, not assumed.
    """
    if platform.machine() != "x86_64" or sys.platform != "linux":
        return
    environment = (ctypes.c_uint32 * 8)()
    libm = ctypes.CDLL("libm.so.6")
    libm.fegetenv(environment)
    environment[7] |= FLUSH_TO_ZERO | DENORMALS_ARE_ZERO
    libm.fesetenv(environment)


def main() -> None:
    """Start the worker of one job."""
    job = json.loads(Path(sys.argv[1]).read_text())
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    if job["cpus"]:
        os.sched_setaffinity(0, job["cpus"])
    if job["command"]:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and a new program would, too
        os.execv(job["command"][0], [*job["command"], *sys.argv[1:]])  # noqa: S606 - as the frontend says
    if job["flush_to_zero"]:
        flush_denormals()
    commands, answers = int(sys.argv[2]), int(sys.argv[3])
    for descriptor in (commands, answers):
        os.set_inheritable(descriptor, False)  # a grandchild must not hold the harness's pipe open
    faulthandler.register(signal.SIGUSR1, all_threads=True)  # lets the harness ask a hung worker for its stack

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
