"""Ratio of wall times: one session of all frontends against the sum of a session for each; and the harness's memory.

    python tests/session_ratio.py [TASK]

Not a test, since it measures: prints both ratios with their bounds and exits with 1 when one is missed.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from workbench.catalog import catalog

WALL_BOUND = 0.75
MEMORY_BOUND = 200 << 20


def session(task: str, frontends: str, store: str) -> tuple[float, int]:
    """Seconds of one `workbench run`, and the peak resident memory of its own process in bytes."""
    command = Path(__file__).parents[1] / "cli.py"
    words = [sys.executable, str(command), "run", task, "-f", frontends, "-o", store]
    started = time.monotonic()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"workbench run {task} -f {frontends} ended with {os.waitstatus_to_exitcode(status)}")
    return time.monotonic() - started, usage.ru_maxrss * 1024


def main(task: str = "linreg") -> int:
    """Measure, print, judge."""
    found = catalog()
    ids = [frontend.id for frontend in found.frontends.values() if found.hole(task, frontend) is None]
    with tempfile.TemporaryDirectory() as store:
        together, memory = session(task, ",".join(ids), store)
        alone = {name: session(task, name, str(Path(store, name)))[0] for name in ids}
    ratio = together / sum(alone.values())
    for name, seconds in alone.items():
        print(f"{name:<20} alone {seconds / together:.2f} of all together")
    print(f"together / sum of each alone: {ratio:.2f} (bound {WALL_BOUND})")
    print(f"peak memory of the harness: {memory / 2**20:.0f} MiB (bound {MEMORY_BOUND >> 20} MiB)")
    return int(ratio > WALL_BOUND or memory > MEMORY_BOUND)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
