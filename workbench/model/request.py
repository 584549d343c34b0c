"""What is asked for: every measuring option, declared once, here.

Flags, keyword arguments, their documentation and their checks are derived from these declarations, for ``run``,
``regress``, ``versions`` and the pytest fixture alike; see :mod:`workbench.model.option`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import OptionError
from workbench.model.option import SECONDS, SHARE, Options, option
from workbench.model.records import DTYPES, PRECISIONS, PROFILES, SWEEPS

RUN, MATRIX, REGRESS, VERSIONS, COMPARE = "run", "matrix", "regress", "versions", "compare"
EVERY_PRESET = "all"

MONTH_S = 30 * 24 * 3600.0
MOST = 10_000  # launches, rounds and workers
MOST_STEPS = 10**9
MOST_SEED = 10**15  # that every language counts exactly

_MORE_ROUNDS = {"help": "Blocks of each contestant per launch; up to four times as many where they vary a lot."}


@dataclass(frozen=True)
class Request(Options):
    """How contestants are to be measured."""

    preset: str | None = option(
        None,
        "One of the task's presets.",
        unset="its first",
        short="-p",
        variants={
            MATRIX: {"help": "A preset, of the tasks that have it, or all.", "unset": "each task's first"},
            REGRESS: {"help": "The preset of every task.", "unset": "each task's first"},
        },
    )
    device: str = option("cpu", "Where to compute: cpu, gpu, auto, or an index such as gpu:1.")
    profile: str = option(
        "equal",
        "equal: the same threads, CPUs and precision for all; stock: every framework with its own defaults.",
        choices=PROFILES,
    )
    threads: int | None = option(
        None, "CPU threads of every contestant, on as many CPUs; not in profile stock.", unset="1", least=1
    )
    steps: int | None = option(
        None, "Training steps, instead of the preset's number.", unset="the preset's", least=1, most=MOST_STEPS
    )
    seed: int = option(0, "Seed of start weights, generated data and batch order.", least=0, most=MOST_SEED)
    dtype: str = option("float32", "Number format: float32 or float64.", choices=DTYPES)
    matmul_precision: str | None = option(
        None,
        "Precision of float32 products on a GPU: float32 or tf32; not in profile stock.",
        unset="float32, and the framework's own in profile stock",
        choices=PRECISIONS,
    )
    launches: int | None = option(
        None,
        "Exact number of fresh processes per contestant.",
        unset="2, or as many as budget and precision ask for",
        least=1,
        most=MOST,
        variants={
            VERSIONS: {
                "help": "Exact number of fresh processes per contestant; seven or more allow a test.",
                "unset": "8, or as many as budget and precision ask for",
            },
            REGRESS: {
                "help": "Most fresh processes to screen a pair with: 8, 12, 16 or 24; what looks slower gets more, to "
                "confirm it.",
                "unset": "24",
                "choices": (8, 12, 16, 24),
            },
        },
    )
    budget_s: float | None = option(
        None,
        "Launch again as long as one more launch fits into this time, such as 60s or 5m.",
        least=0.001,
        most=MONTH_S,
        notation=SECONDS,
        variants={
            MATRIX: {"help": "Start no run after this time, such as 30m; what is left out is named."},
            REGRESS: {"help": "Time for everything, such as 10m; what is undecided then is inconclusive."},
        },
    )
    precision: float | None = option(
        None,
        "Launch again until every step time is known to within this share, such as 2%.",
        least=0.0001,
        notation=SHARE,
        variants={REGRESS: {"refused": "pairs are launched until the smallest change that matters (delta) is decided"}},
    )
    rounds: int = option(
        10,
        "Blocks of each contestant per launch, one per round, in shuffled order; disturbed rounds are repeated.",
        least=1,
        most=MOST,
        variants={REGRESS: _MORE_ROUNDS, VERSIONS: _MORE_ROUNDS},
    )
    sweep: str | None = option(
        None,
        "size: also measure over the task's sizes, to tell overhead from throughput.",
        choices=SWEEPS,
        variants={REGRESS: {"refused": "commits are compared at the sizes of their presets only"}},
    )
    evaluate: bool = option(
        False,
        "Also time the loss alone, without gradients, to see what the gradients cost.",
        variants={
            REGRESS: {"refused": "commits are compared at their training steps only"},
            VERSIONS: {"refused": "versions are compared at their training steps only"},
        },
    )
    max_alive: int | None = option(
        None,
        "Most workers that may be alive at once; those compared pair by pair always are.",
        unset="as many as fit into memory",
        least=1,
        most=MOST,
    )
    warm_cache: bool = option(False, "Keep compiler caches between runs instead of starting cold.")
    timeout_s: float = option(
        300.0,
        "How long one phase of one contestant may take, such as 300s.",
        least=0.001,
        most=MONTH_S,
        notation=SECONDS,
    )
    if_busy: str = option(
        "wait", "When another session is measuring on this host: wait or refuse.", choices=("wait", "refuse")
    )
    build_environments: bool = option(
        False,
        "Build and use a separate environment for each frontend that needs one.",
        variants={VERSIONS: {"refused": "every version is measured in an environment built for it"}},
    )
    output: str | Path | None = option(  # noqa: RUF009 - a field like all others
        None, "The folder in which each run gets its own folder.", unset="results", short="-o"
    )
    content: str | Path | Sequence[str | Path] | None = option(  # noqa: RUF009
        None,
        "A folder with your own tasks/ and frontends/, or several.",
        unset="workbench's own",
        variants={
            REGRESS: {
                "help": "A folder with tasks/ and frontends/ inside a git repository.",
                "unset": "the one around the current folder, else the workbench's own clone",
            }
        },
    )


@dataclass(frozen=True)
class Judging(Options):
    """Which differences count."""

    delta: float = option(0.03, "The smallest change that matters, such as 3%.", notation=SHARE, between=(0, 1))
    strict: bool = option(False, "Also fail when something is inconclusive.")


@dataclass(frozen=True)
class GateRequest(Request, Judging):
    """How two commits are to be measured and judged."""


def patterns_of(frameworks: str | Iterable[str]) -> list[str]:
    """The names and globs of a selection of frontends; a string may hold several, separated by commas.

    Raises:
        OptionError: when there is none.
    """
    texts = [frameworks] if isinstance(frameworks, str) else list(frameworks)
    if not all(isinstance(text, str) for text in texts):
        raise OptionError("frameworks", frameworks, "must be a string or several")
    patterns = [part.strip() for text in texts for part in text.split(",") if part.strip()]
    if not patterns:
        raise OptionError("frameworks", ",".join(texts), "no frontend selected: give ids, families, globs or all")
    return patterns
