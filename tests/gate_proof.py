"""What the gate makes of a planted 5 % and of nothing: the figures in METHODOLOGY.md. Takes an hour.

    python tests/gate_proof.py [--frontends numpy_manual,jax_jit] [--planted 10] [--identical 20]

In a scratch clone of the last commit. Planted: one frontend's file gets a loop of nothing whose length is calibrated on
this machine to a twentieth of a step; `regress` must call that frontend slower and no other. Identical: HEAD against
HEAD; no gate may fail.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from types import ModuleType

from workbench.contract import Training

ROOT = Path(__file__).resolve().parents[1]
CONTENT = Path("frontends", "numpy", "linreg.py")
LOOP = "    for x, y in batches:\n"
SHARE = 0.05


def regress(clone: Path, frontends: str, *words: str) -> tuple[int, dict, float]:
    """One gate on linreg in the clone: exit code, JSON, seconds."""
    began = time.monotonic()
    command = [sys.executable, "cli.py", "regress", "linreg", "--frameworks", frontends, "--json", *words]
    with tempfile.TemporaryDirectory() as runs:
        done = subprocess.run([*command, "--output", runs], cwd=clone, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1, 3):
        sys.exit(done.stderr)
    found, taken = json.loads(done.stdout), time.monotonic() - began
    for row in found["rows"]:
        print(row["frontend"], row["finding"], row["reason"], sep=": ", file=sys.stderr)
    return done.returncode, found, taken


def planted(source: str, turns: int) -> str:
    """The frontend's file with a loop of nothing in every step."""
    assert source.count(LOOP) == 1
    return source.replace(LOOP, f"{LOOP}        for _ in range({turns}):\n            pass\n")


def idle_turns() -> tuple[int, float]:
    """Turns of a loop of nothing that make a step a twentieth longer, and by how much they truly do, measured here.

    The planted training and the plain one run in one process, in turn; the loop's length is corrected until it fits.
    """
    sys.path.insert(0, str(ROOT))
    from tasks.linreg import make

    source = (ROOT / CONTENT).read_text()

    def training(turns: int) -> Training:
        module = ModuleType("planted")
        exec(planted(source, turns), vars(module))
        begun = module.train(make("points", 0))
        next(begun)
        return begun

    def took(begun: Training, steps: int = 200) -> float:
        started = time.perf_counter()
        for step in itertools.repeat(1, steps):
            begun.send(step)
        return time.perf_counter() - started

    def excess(turns: int) -> float:
        plain, slower = training(0), training(turns)
        ratios = []
        for _ in range(1000):  # short blocks: a CPU's speed changes within tenths of a second
            before, between, after = took(plain), took(slower), took(plain)
            ratios.append(2 * between / (before + after))
        return statistics.median(ratios) - 1

    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    empty, turns = excess(0), 60
    for _ in range(4):
        turns = round(turns * SHARE / max(0.01, excess(turns) - empty))
    return turns, excess(turns) - empty


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frontends", default="numpy_manual,jax_jit")
    parser.add_argument("--planted", type=int, default=10)
    parser.add_argument("--identical", type=int, default=20)
    chosen = parser.parse_args()
    if chosen.planted + chosen.identical < 1:
        parser.error("nothing to do: --planted and --identical are both 0")
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder, "clone")
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        with multiprocessing.get_context("spawn").Pool(1) as process:
            turns, share = process.apply(idle_turns)
        print(f"{turns} idle turns cost {share:.1%} of a step", file=sys.stderr)
        identical = [
            regress(clone, chosen.frontends, "--base", "HEAD", "--head", "HEAD") for _ in range(chosen.identical)
        ]
        file = clone / CONTENT
        file.write_text(planted(file.read_text(), turns))
        slower = [regress(clone, chosen.frontends, "--base", "HEAD") for _ in range(chosen.planted)]
    report(chosen.frontends, share, identical, slower)


def report(frontends: str, share: float, identical: list, slower: list) -> None:
    """Print what came of it."""
    table = [*_of_identical(identical), *_of_planted(slower, share)]
    seconds = sorted(taken for _, _, taken in [*identical, *slower])
    table.append(("seconds per gate", f"{seconds[0]:.0f} to {seconds[-1]:.0f}", ""))
    print(f"`python tests/gate_proof.py --frontends {frontends} --planted {len(slower)} --identical {len(identical)}`")
    print("\n| | measured | bound |\n|---|---|---|")
    print("\n".join(f"| {' | '.join(cells)} |" for cells in table))


def _of_identical(gates: list) -> list[tuple[str, str, str]]:
    if not gates:
        return []
    findings = [row["finding"] for _, found, _ in gates for row in found["rows"]]
    told = ", ".join(f"{count} {kind}" for kind, count in Counter(findings).items())
    failing = sum(code == 1 for code, _, _ in gates)
    return [("identical code: gates that fail", f"{failing} of {len(gates)} (pairs: {told})", "0")]


def _of_planted(gates: list, share: float) -> list[tuple[str, str, str]]:
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
            f"{share:.1%} planted in numpy's file: called slower, and it alone",
            f"{alone} of {len(gates)}",
            "all",
        ),
        ("another frontend called slower", f"{others} of {len(gates)}", "0"),
        ("its change as measured", f"{ratios[0] - 1:+.1%} to {ratios[-1] - 1:+.1%}", f"about {share:+.1%}"),
    ]


if __name__ == "__main__":
    main()
