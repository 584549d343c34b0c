"""Synthetic records for tests: a launch, a contestant, a whole run, each with defaults."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

from workbench.model.outcomes import Outcome
from workbench.model.proof import Check, Exact, Proof
from workbench.model.records import (
    Blocks,
    ContestantRecord,
    Covariates,
    Knob,
    Launch,
    MachineFacts,
    ProblemFacts,
    Round,
    RunRecord,
    Settings,
)
from workbench.model.stage import TRAIN

if TYPE_CHECKING:
    from workbench.show.run import Run

OBSERVED: dict[str, Knob] = {"threads": 1, "device": "cpu", "matmul_precision": "float32", "flush_to_zero": True}


def launch(
    number: int,
    seconds: Sequence[float],
    *,
    stage: str = TRAIN.name,
    rounds: Sequence[int] | None = None,
    purpose: str = "",
) -> Launch:
    """A launch whose blocks took the given times.

    Args:
        number: of the launch; the first one is timed with cold caches.
        seconds: per unit, one entry per block.
        stage: what was measured.
        rounds: the round of each block; 0, 1, 2, ... when None.
        purpose: why the plan asked for the launch.
    """
    blocks = Blocks(
        units=100,
        trace_s=[0.01] * 20,
        seconds=list(seconds),
        rounds=list(range(len(seconds)) if rounds is None else rounds),
        cpu_per_wall=1.0,
    )
    return Launch(
        number,
        timed=number == 0,
        import_s=1.0 if number == 0 else 9.0,
        setup_s=0.5,
        first_s=0.25,
        purpose=purpose,
        blocks={stage: blocks},
        import_bytes=100,
        peak_bytes=150 + number,
        versions={"numpy": "2"},
        observed=dict(OBSERVED),
    )


def proof(
    *,
    passed: bool = True,
    difference: float = 1e-7,
    tolerance: float = 1e-5,
    exact: Exact | None = None,
    judged: int = 0,
    proving: int = 0,
) -> Proof:
    """A proof that consists of one check.

    Args:
        passed: whether the check passed.
        difference: the largest deviation that it found.
        tolerance: of the whole curve.
        exact: the training in float64; without it the proof is one that an older version recorded.
        judged: clocked blocks that were repeated.
        proving: those of them that prove something.
    """
    detail = "" if passed else "the loss of step 3 is 7"
    return Proof((Check("check_every_loss", passed, difference, detail),), tolerance, exact, judged, proving)


def contestant(
    identifier: str, launches: Sequence[Launch] = (), *, outcome: Outcome = Outcome.OK, **fields: object
) -> ContestantRecord:
    """A contestant with these launches; ``fields`` are those of its record, such as ``compiles`` or ``group``."""
    defaults: dict[str, object] = {
        "frontend": identifier,
        "title": identifier,
        "framework": identifier,
        "folder": identifier,
        "reason": "" if outcome is Outcome.OK else "why",
        "proof": proof(passed=outcome is not Outcome.INVALID),
    }
    return ContestantRecord(id=identifier, outcome=outcome, launches=list(launches), **{**defaults, **fields})  # type: ignore[arg-type]


def rounds(launches: int, count: int, *, flags: Sequence[str] = ()) -> list[Round]:
    """``count`` rounds in each of ``launches`` launches, numbered within their launch, all with the same flags."""
    return [
        Round(number, index, False, 1e-3, 1e9, Covariates(span_ns=1), tuple(flags))
        for number in range(launches)
        for index in range(count)
    ]


class RecordFields(TypedDict, total=False):
    """Fields of a run's record that a test may set."""

    settings: Settings
    problem: ProblemFacts
    rounds: list[Round]
    interrupted: bool
    machine_key: str
    machine: MachineFacts
    command: list[str]
    workbench: str
    content_hash: str
    started: str
    finished: str
    tolerance: float


def record(*contestants: ContestantRecord, **fields: Unpack[RecordFields]) -> RunRecord:
    """A run of these contestants."""
    default = RunRecord(
        workbench="0",
        command=["workbench", "run", "linreg"],
        started="2026-01-01T00:00:00+00:00",
        finished="2026-01-01T00:01:00+00:00",
        machine=MachineFacts(cpu_model="a CPU"),
        machine_key="0123456789ab",
        settings=Settings("linreg", "points", cpus=(1,)),
        problem=ProblemFacts("ab" * 32, 101, 0.1, 10, 1e6, 2e6, True),
        tolerance=1e-5,
        interrupted=False,
        contestants=list(contestants),
    )
    return dataclasses.replace(default, **fields)


def run(folder: Path, *contestants: ContestantRecord, **fields: Unpack[RecordFields]) -> Run:
    """The same as a run in a folder, which need not exist unless its arrays are read."""
    from workbench.show.run import Run

    return Run(folder, record(*contestants, **fields))
