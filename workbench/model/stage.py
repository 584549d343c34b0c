"""What is measured: *units* of a *stage*, such as the steps of a training or the calls of an inference."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """One kind of work that contestants are timed at.

    Attributes:
        name: as records carry it.
        unit: what one time measures, in the singular.
        about: what one unit does, for people.
    """

    name: str
    unit: str
    about: str

    @property
    def units(self) -> str:
        """The unit in the plural."""
        return f"{self.unit}s"

    @property
    def title(self) -> str:
        """The stage and what it does, for people."""
        return f"{self.name}: {self.about}" if self.about else self.name

    @property
    def column(self) -> str:
        """The name of a unit's time in frames and files, in seconds: "step_s"."""
        return f"{self.unit}_s"


TRAIN = Stage("train", "step", "loss, gradients and update of one batch")
EVALUATE = Stage("evaluate", "evaluation", "the loss of one batch, without gradients")
INFER = Stage("infer", "call", "predictions for one batch")
SERVE = Stage("serve", "request", "one request to a server, answered")

_NAME = re.compile(r"[a-z][a-z_]{0,29}")
STAGES = (TRAIN, EVALUATE, INFER, SERVE)
_BY_NAME = {stage.name: stage for stage in STAGES}


def stage_of(name: str) -> Stage:
    """The stage of that name; an unknown one, such as a newer workbench's, has the unit "unit"."""
    return _BY_NAME.get(name) or Stage(name, "unit", "")


def check_stage(name: str) -> None:
    """Check that a name, of a newer workbench's stage perhaps, is one that files and columns may have.

    Raises:
        ValueError: when it is not.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name[:80]!r} is no name of a stage")


def in_order(names: set[str]) -> list[Stage]:
    """Stages in the order of a model's life, unknown ones last."""
    declared = [stage for stage in STAGES if stage.name in names]
    return [*declared, *(stage_of(name) for name in sorted(names - set(_BY_NAME)))]
