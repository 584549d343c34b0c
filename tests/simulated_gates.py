"""How the gate's whole rule answers on simulated launches: ladder, null and confirmation, over kinds of noise.

    python tests/simulated_gates.py [GATES] [--write METHODOLOGY.md]

Each gate has one comparison of base, null and head, whose launches are drawn from one kind of noise, independently for
each of the three, on top of a drift that all three share; the confirmation goes on where the screening ended. The rule
is the one that judges commits (:mod:`workbench.comparison.judge`). The table says of how many gates in a hundred which
finding came, where head is the same code and where it takes 5 % more time.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from workbench.comparison.judge import (
    CONFIRMATION,
    SCREENING,
    Finding,
    Judgement,
    Times,
    corrected,
    judge_times,
    next_purpose,
)
from workbench.show import markers
from workbench.statistics import LADDER

DELTA, SLOWER = 0.03, 0.05
MOST = 2 * LADDER[-1]
GATES = 1000
MARKERS = "<!-- simulated-gates:begin -->", "<!-- simulated-gates:end -->"


def autoregressive(rng: np.random.Generator, rho: float) -> np.ndarray:
    """Launches of which each keeps a share of the one before; as scattered as 1 % noise makes them."""
    shocks = 0.01 * rng.standard_normal(MOST)
    found = np.empty(MOST)
    found[0] = shocks[0] / np.sqrt(1 - rho**2)
    for place in range(1, MOST):
        found[place] = rho * found[place - 1] + shocks[place]
    return found


NOISE = {
    "normal, 1 %": lambda rng: 0.01 * rng.standard_normal(MOST),
    "normal, 4 %": lambda rng: 0.04 * rng.standard_normal(MOST),
    "Cauchy, 0.4 %": lambda rng: 0.004 * rng.standard_cauchy(MOST),
    "Student's t of 2 degrees, 3 %": lambda rng: 0.03 * rng.standard_t(2, MOST),
    "two speeds, 10 % apart": lambda rng: 0.1 * (rng.random(MOST) < 0.3) + 0.003 * rng.standard_normal(MOST),
    "spikes in one of ten": lambda rng: (
        np.where(rng.random(MOST) < 0.1, rng.exponential(0.5, MOST), 0) + 0.005 * rng.standard_normal(MOST)
    ),
    "each drifts by 30 % or not": lambda rng: (
        np.linspace(0, 0.3, MOST) * rng.integers(2) + 0.01 * rng.standard_normal(MOST)
    ),
    "dependent, AR(1) 0.5": lambda rng: autoregressive(rng, 0.5),
    "dependent, AR(1) 0.9": lambda rng: autoregressive(rng, 0.9),
    "dependent, AR(1) 0.99": lambda rng: autoregressive(rng, 0.99),
}


def gate(rng: np.random.Generator, kind: str, slowdown: float) -> Finding:
    """The finding of one simulated gate."""
    shared = np.cumsum(0.01 * rng.standard_normal(MOST))
    base, null, head = (np.exp(shared + NOISE[kind](rng)) for _ in range(3))
    sides = Times(list(base), list(null), list(head * (1 + slowdown)))
    screening, confirmation, taken = Times(), Times(), 0
    while (purpose := next_purpose(screening, confirmation, DELTA, 1)) is not None:
        launch = Times(*([side[taken]] for side in (sides.base, sides.null, sides.head)))
        taken += 1
        if purpose == SCREENING:
            screening = screening + launch
        elif purpose == CONFIRMATION:
            confirmation = confirmation + launch
    row = Judgement("task", "frontend", Finding.NEW, "")
    judged = judge_times(row, screening, confirmation, delta=DELTA, comparisons=1)
    return corrected([judged], 1)[0].finding


def table(gates: int) -> str:
    """The findings by kind of noise, as Markdown."""
    findings = (Finding.SLOWER, Finding.FASTER, Finding.SAME, Finding.INCONCLUSIVE)
    heads = [f"{what}: {finding}" for what in ("same code", "5 % slower") for finding in findings]
    lines = [f"| noise of a launch | {' | '.join(heads)} |", "|---" * (1 + len(heads)) + "|"]
    for number, kind in enumerate(NOISE):
        cells = []
        for slowdown in (0.0, SLOWER):
            rng = np.random.default_rng([number, round(100 * slowdown)])
            counts = Counter(gate(rng, kind, slowdown) for _ in range(gates))
            cells += [f"{100 * counts[finding] / gates:.1f}" for finding in findings]
        lines.append(f"| {kind} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    return "\n".join(lines)


def main() -> None:
    """Simulate, print, and write the table between its markers if asked to."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("gates", type=int, nargs="?", default=GATES)
    options.add_argument("--write", type=Path)
    asked = options.parse_args()
    if asked.write:
        markers.check(asked.write, MARKERS)
    found = table(asked.gates)
    if asked.write:
        command = f"`python tests/simulated_gates.py {asked.gates}`, of 100 gates:"
        markers.splice(asked.write, f"{command}\n\n{found}", MARKERS)


if __name__ == "__main__":
    main()
