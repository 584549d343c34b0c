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


# The peak of the process itself: what the system counts for a child includes its own children.
WRAPPER = """
import atexit, re, sys
from pathlib import Path
sys.path.insert(0, sys.argv.pop(1))
peak = Path(sys.argv.pop(1))
status = Path("/proc/self/status")
atexit.register(lambda: peak.write_text(re.search(r"VmHWM:\\s*(\\d+)", status.read_text())[1]))
from workbench.cli import main
main()
"""


def session(task: str, frontends: str, store: str) -> tuple[float, int]:
    """Seconds of one `workbench run`, and the peak resident memory of its own process in bytes.

    The cache is empty, so that every session computes its proofs in float64.
    """
    root, peak = Path(__file__).parents[1], Path(store, "peak")
    peak.parent.mkdir(exist_ok=True)
    words = [sys.executable, "-c", WRAPPER, str(root), str(peak), "run", task, "-f", frontends, "-o", store]
    environment = {**os.environ, "XDG_CACHE_HOME": str(Path(store, "cache"))}
    started = time.monotonic()
    done = subprocess.run(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if done.returncode:
        sys.exit(f"workbench run {task} -f {frontends} ended with {done.returncode}")
    return time.monotonic() - started, int(peak.read_text()) * 1024


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
