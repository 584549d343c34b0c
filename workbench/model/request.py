"""What is asked for: every measuring option, each declared once, here.

Flags, keyword arguments, their documentation and their checks are made from these declarations, for ``run``,
``regress``, ``versions`` and the pytest fixture alike; see :mod:`workbench.model.option`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import OptionError
from workbench.model.option import SECONDS, SHARE, Asked, option

RUN, REGRESS, VERSIONS, COMPARE = "run", "regress", "versions", "compare"

_MORE_ROUNDS = {"help": "Blocks of each contestant per launch; up to four times as many where they scatter."}


@dataclass(frozen=True)
class Request(Asked):
    """How contestants are to be measured."""

    preset: str | None = option(
        None,
        "One of the task's presets.",
        unset="its first",
        short="-p",
        variants={REGRESS: {"help": "The preset of every task.", "unset": "each task's first"}},
    )
    device: str = option("cpu", "Where to compute: cpu, gpu, auto, or an index such as gpu:1.")
    profile: str = option(
        "equal",
        "equal: threads, CPUs and precision alike for all; stock: every framework as it comes.",
        choices=("equal", "stock"),
    )
    threads: int | None = option(
        None, "CPU threads of every contestant, on as many CPUs; not in profile stock.", unset="1", least=1
    )
    steps: int | None = option(None, "Training steps, instead of the preset's number.", unset="the preset's", least=1)
    seed: int = option(0, "Seed of start weights, generated data and batch order.", least=0)
    dtype: str = option("float32", "Number format: float32 or float64.", choices=("float32", "float64"))
    matmul_precision: str = option(
        "float32",
        "Precision of float32 products on a GPU: float32 or tf32; not in profile stock.",
        choices=("float32", "tf32"),
    )
    launches: int | None = option(
        None,
        "Fresh processes per contestant, exactly.",
        unset="2, or as many as budget and precision ask for",
        least=1,
        variants={
            VERSIONS: {
                "help": "Fresh processes per contestant, exactly; seven or more allow a test.",
                "unset": "8, or as many as budget and precision ask for",
            },
            REGRESS: {
                "help": "Most fresh processes that screen a pair: 8, 12, 16 or 24; what looks slower gets more, to "
                "confirm it.",
                "unset": "24",
                "choices": (8, 12, 16, 24),
            },
        },
    )
    budget_s: float | None = option(
        None,
        "Go on with launches as long as this has room for one more, such as 60s or 5m.",
        least=0.001,
        notation=SECONDS,
        variants={REGRESS: {"help": "What all of it may take, such as 10m; what is open then is inconclusive."}},
    )
    precision: float | None = option(
        None,
        "Go on with launches until every step time is known to within this share, such as 2%.",
        least=0.0001,
        notation=SHARE,
        variants={REGRESS: {"refused": "a pair is launched until the smallest change that matters (delta) is decided"}},
    )
    rounds: int = option(
        10,
        "How often each contestant is measured per launch, one block each time, in shuffled order.",
        least=1,
        variants={REGRESS: _MORE_ROUNDS, VERSIONS: _MORE_ROUNDS},
    )
    sweep: str | None = option(
        None,
        "size: measure over the task's sizes, too: overhead against throughput.",
        choices=("size",),
        variants={REGRESS: {"refused": "commits are compared at the sizes that their presets have"}},
    )
    max_alive: int | None = option(
        None,
        "How many workers may be alive at once; what is compared pair by pair always is.",
        unset="what the memory holds",
        least=1,
    )
    warm_cache: bool = option(False, "Keep compilers' caches between runs instead of starting cold.")
    timeout_s: float = option(
        300.0, "How long one phase of one contestant may take, such as 300s.", least=0.001, notation=SECONDS
    )
    if_busy: str = option(
        "wait", "When another session measures on this host: wait or refuse.", choices=("wait", "refuse")
    )
    build_environments: bool = option(
        False,
        "Build an environment for each frontend that needs one of its own, and use it.",
        variants={VERSIONS: {"refused": "every version is measured in an environment that is built for it"}},
    )
    output: str | Path | None = option(  # noqa: RUF009 - a field, as all others
        None, "The folder that receives the folder of each run.", unset="results", short="-o"
    )
    content: str | Path | Sequence[str | Path] | None = option(  # noqa: RUF009
        None,
        "A folder with tasks/ and frontends/ of your own; may be given several times.",
        unset="workbench's own",
        variants={
            REGRESS: {
                "help": "A folder with tasks/ and frontends/ inside a git repository.",
                "unset": "the one that holds the working folder, else the workbench's own clone",
            }
        },
    )


@dataclass(frozen=True)
class Judging(Asked):
    """When a difference counts."""

    delta: float = option(0.03, "The smallest change that matters, such as 3%.", notation=SHARE, between=(0, 1))
    strict: bool = option(False, "Fail when something could not be told.")


@dataclass(frozen=True)
class GateRequest(Request, Judging):
    """How two commits are to be measured and judged."""


def patterns_of(frameworks: str | Iterable[str]) -> list[str]:
    """The single names and globs of a choice of frontends; a text may hold several with commas.

    Raises:
        OptionError: when there is none.
    """
    texts = [frameworks] if isinstance(frameworks, str) else list(frameworks)
    patterns = [part.strip() for text in texts for part in text.split(",") if part.strip()]
    if not patterns:
        raise OptionError("frameworks", ",".join(texts), "no frontend chosen: give ids, families, globs or all")
    return patterns
