"""Nothing honest is refused: every preset of every task, in both types, for many seeds; what each check left unused.

    python tests/honest_seeds.py --seeds 12 --frontends numpy,pytorch,jax [--tasks mlp] [--presets digits]
        [--device cpu] [--part 0/4] [--output FOLDER]

With a folder for the runs it can be cut off: what that has already is not measured again.
Prints a line per task, preset and type: how many rows were ok, what was refused and why, and the largest share that any
honest deviation had of its limit, for the training in float64, the first losses, and the clocked blocks.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from workbench import api
from workbench.catalog import catalog
from workbench.model.outcomes import Outcome

ABSENT = (Outcome.UNSUPPORTED, Outcome.UNAVAILABLE)
CHECKS = ("check_first_losses", "check_first_step", "check_block_rounding", "check_block", "check_every_loss")
SETTINGS = {"launches": 1, "rounds": 4, "timeout_s": 600, "if_busy": "wait"}


@dataclass
class Tally:
    """What came of all seeds of one preset in one type."""

    ok: int = 0
    refused: list[str] = field(default_factory=list)
    float64: float = 0.0
    shares: dict[str, float] = field(default_factory=dict)
    proving: int = 0
    judged: int = 0

    def add(self, contestant) -> None:
        """Count one contestant's row."""
        if contestant.outcome in ABSENT:
            return
        if contestant.outcome is Outcome.OK:
            self.ok += 1
        else:
            self.refused.append(f"{contestant.id}: {contestant.outcome}: {contestant.reason}")
        proof = contestant.proof
        if proof is None:
            return
        if proof.exact and proof.exact.limit and proof.exact.difference is not None:
            self.float64 = max(self.float64, proof.exact.difference / proof.exact.limit)
        self.proving, self.judged = self.proving + proof.proving, self.judged + proof.judged
        for check in proof.checks:
            if check.name in CHECKS and check.difference is not None and check.limit:
                self.shares[check.name] = max(self.shares.get(check.name, 0.0), check.difference / check.limit)

    def __str__(self) -> str:
        shares = ", ".join(f"{name.removeprefix('check_')} {share:.0%}" for name, share in self.shares.items())
        blocks = f"{self.proving} of {self.judged} blocks prove"
        return f"{self.ok} ok, {len(self.refused)} refused; float64 {self.float64:.1%}, {shares}; {blocks}"


def cases(tasks: str, presets: str) -> Iterator[tuple[str, str, str]]:
    """Every task, preset (or only those named) and type."""
    for task in tasks.split(","):
        for preset in catalog().tasks[task].presets:
            if presets and preset not in presets.split(","):
                continue
            for dtype in ("float32", "float64"):
                yield task, preset, dtype


def main() -> None:
    """Run the seeds that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--frontends", default="numpy,pytorch,jax")
    parser.add_argument("--tasks", default=",".join(catalog().tasks))
    parser.add_argument("--presets", default="", help="only these presets; all of them if none is named")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--output", type=Path, help="the folder that keeps the runs; none is kept without it")
    parser.add_argument("--part", default="0/1", help="k/n: only every n-th case, from the k-th on")
    options = parser.parse_args()
    place, parts = (int(number) for number in options.part.split("/"))
    chosen = {frontend.id for frontend in catalog().select(options.frontends.split(","))}
    total = Tally()
    for number, (task, preset, dtype) in enumerate(cases(options.tasks, options.presets)):
        if number % parts != place:
            continue
        tally = Tally()
        for seed in range(options.seeds):
            with tempfile.TemporaryDirectory(prefix="workbench-honest-") as own:
                asked = {"preset": preset, "dtype": dtype, "seed": seed, "device": options.device}
                found = api.matrix(task, options.frontends, output=options.output or own, **asked, **SETTINGS)
                (part,) = found.parts
                for contestant in part.run.record.contestants if part.run else ():
                    if contestant.id in chosen:
                        tally.add(contestant)
                        total.add(contestant)
                if part.failure or part.run is None:
                    tally.refused.append(f"seed {seed}: {part.failure or 'interrupted'}")
        print(f"{task} {preset} {dtype}, {options.seeds} seeds: {tally}", flush=True)
        for reason in tally.refused:
            print(f"    {reason}", flush=True)
    print(f"in all: {total.ok} ok, {len(total.refused)} refused", flush=True)


if __name__ == "__main__":
    main()
