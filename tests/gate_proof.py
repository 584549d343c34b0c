"""What the gate makes of a planted 5 % and of nothing: the figures in METHODOLOGY.md. Takes half an hour.

    python tests/gate_proof.py [--frontends numpy_manual,jax_jit] [--planted 10] [--identical 20]

In a scratch clone of the last commit. Planted: one frontend's file gets a loop of nothing whose length is calibrated on
this machine to a twentieth of a step; `regress` must call that frontend slower and no other. Identical: HEAD against
HEAD; no gate may fail.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOOP = "    for x, y in batches:\n"
SHARE = 0.05


def regress(clone: Path, frontends: str, *words: str) -> tuple[int, dict, float]:
    """One gate on linreg in the clone: exit code, JSON, seconds."""
    began = time.monotonic()
    command = [sys.executable, "cli.py", "regress", "linreg", "--frameworks", frontends, "--rounds=5", "--json", *words]
    with tempfile.TemporaryDirectory() as runs:
        done = subprocess.run([*command, "--output", runs], cwd=clone, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1, 3):
        sys.exit(done.stderr)
    found, taken = json.loads(done.stdout), time.monotonic() - began
    print(done.returncode, [(row["frontend"], row["finding"], row["ratio"]) for row in found["rows"]], file=sys.stderr)
    return done.returncode, found, taken


def idle_turns(clone: Path) -> int:
    """Turns of an empty loop that take a twentieth of NumPy's step, both timed here in one process, in turn."""
    code = f"""
import itertools, statistics, sys, time
sys.path.insert(0, {str(clone)!r})
import tasks.linreg as task, frontends.numpy.linreg as content
import dataclasses
problem = task.make("points", 0)
training = content.train(dataclasses.replace(problem, endless=True))
next(training)
def steps(n):
    started = time.perf_counter()
    for one in itertools.repeat(1, n): training.send(one)
    return (time.perf_counter() - started) / n
def turns(n):
    def loop():
        for _ in range(1000): pass
    started = time.perf_counter()
    for _ in range(n): loop()
    return (time.perf_counter() - started) / n / 1000
pairs = [(steps(2000), turns(40)) for _ in range(50)]
print(statistics.median(step / turn for step, turn in pairs))
"""
    done = subprocess.run(
        ["taskset", "-c", "1", sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=clone
    )
    return round(SHARE * float(done.stdout))


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frontends", default="numpy_manual,jax_jit")
    parser.add_argument("--planted", type=int, default=10)
    parser.add_argument("--identical", type=int, default=20)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder, "clone")
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        turns = idle_turns(clone)
        identical = [
            regress(clone, chosen.frontends, "--base", "HEAD", "--head", "HEAD") for _ in range(chosen.identical)
        ]
        file = clone / "frontends" / "numpy" / "linreg.py"
        source = file.read_text()
        assert source.count(LOOP) == 1
        file.write_text(source.replace(LOOP, f"{LOOP}        for _ in range({turns}):\n            pass\n"))
        planted = [regress(clone, chosen.frontends, "--base", "HEAD") for _ in range(chosen.planted)]
    report(chosen.frontends, turns, identical, planted)


def report(frontends: str, turns: int, identical: list, planted: list) -> None:
    """Print what came of it."""
    table = [*_of_identical(identical), *_of_planted(planted, turns)]
    seconds = sorted(taken for _, _, taken in [*identical, *planted])
    table.append(("seconds per gate", f"{seconds[0]:.0f} to {seconds[-1]:.0f}", ""))
    print(f"`python tests/gate_proof.py --frontends {frontends} --planted {len(planted)} --identical {len(identical)}`")
    print("\n| | measured | bound |\n|---|---|---|")
    print("\n".join(f"| {' | '.join(cells)} |" for cells in table))


def _of_identical(gates: list) -> list[tuple[str, str, str]]:
    if not gates:
        return []
    findings = [row["finding"] for _, found, _ in gates for row in found["rows"]]
    told = ", ".join(f"{count} {kind}" for kind, count in Counter(findings).items())
    failing = sum(code == 1 for code, _, _ in gates)
    return [("identical code: gates that fail", f"{failing} of {len(gates)} (pairs: {told})", "0")]


def _of_planted(gates: list, turns: int) -> list[tuple[str, str, str]]:
    if not gates:
        return []
    named = [{row["frontend"] for row in found["rows"] if row["finding"] == "slower"} for _, found, _ in gates]
    ratios = sorted(row["ratio"] for _, found, _ in gates for row in found["rows"] if row["frontend"] == "numpy_manual")
    alone, others = (
        sum(names == {"numpy_manual"} for names in named),
        sum(bool(names - {"numpy_manual"}) for names in named),
    )
    return [
        (
            f"5 % planted in numpy's file ({turns} idle turns): called slower, and it alone",
            f"{alone} of {len(gates)}",
            "all",
        ),
        ("another frontend called slower", f"{others} of {len(gates)}", "0"),
        ("its change as measured", f"{ratios[0] - 1:+.1%} to {ratios[-1] - 1:+.1%}", "about +5 %"),
    ]


if __name__ == "__main__":
    main()
