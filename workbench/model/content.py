"""What content declares: tasks with their presets and sweeps, and frontends with their modes."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from packaging.specifiers import SpecifierSet

DISTRIBUTION = "framework-workbench"


@dataclass(frozen=True)
class Preset:
    """One size of a task; ``values`` are its literal settings, such as steps and learning_rate."""

    name: str
    about: str
    values: Mapping[str, object]


@dataclass(frozen=True)
class Sweep:
    """What a size sweep varies: one key of one preset, over values that mean more and more work."""

    preset: str
    key: str
    values: tuple[int, ...]


@dataclass(frozen=True)
class Task:
    """A task as its source describes it; ``root`` is the folder of content that it comes from."""

    name: str
    spec: str
    presets: Mapping[str, Preset]
    sweep: Sweep | None = None
    root: Path = field(default_factory=Path)

    @property
    def title(self) -> str:
        """The first line of the specification; the name where there is none."""
        return self.spec.strip().partition("\n")[0].rstrip(".") or self.name

    @property
    def default_preset(self) -> str:
        """The first preset of the source."""
        return next(iter(self.presets))


@dataclass(frozen=True)
class Float64:
    """Why a pair is not proven by its whole training in float64, as its frontend declares.

    Attributes:
        reason: in words.
        limit: the largest deviation that is allowed instead of the derived one; None if there is no float64 at all.
        steps: how many of the task's steps are run; None for all.
    """

    reason: str
    limit: float | None = None
    steps: int | None = None


@dataclass(frozen=True)
class Frontend:
    """One mode of one frontend folder, with its own id.

    ``requirements`` are those of a separate environment, for a framework that cannot share one with the others.
    ``python`` specifies the versions of Python for which its packages have builds; empty for any.
    ``root`` is the folder of content whose ``frontends/<folder>/frontend.toml`` declares it. ``float64`` has, by task,
    what is special about its proof in float64. ``command`` starts a worker that is not in Python (PROTOCOL.md).
    ``holes`` are the tasks that it does not have, with reasons; ``folder_holes`` those that no mode of its folder has.
    ``programs`` are those that it runs to compile, each with what to do where it is missing.
    """

    id: str
    title: str
    folder: str
    framework: str
    families: tuple[str, ...]
    packages: tuple[str, ...]
    devices: tuple[str, ...]
    extra: str | None
    color: str | None
    compiles: str | None
    gpu_install: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    holes: Mapping[str, str] = field(default_factory=dict)
    folder_holes: frozenset[str] = frozenset()
    requirements: tuple[str, ...] = ()
    python: str = ""
    float64: Mapping[str, Float64] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    programs: Mapping[str, str] = field(default_factory=dict)
    root: Path = field(default_factory=Path)

    @property
    def install(self) -> str:
        """The command that installs what this frontend needs, or what provides it instead, or why nothing can."""
        here = ".".join(map(str, sys.version_info[:3]))
        if self.python and not SpecifierSet(self.python).contains(here):
            return f"there is no build for Python {here}, only for {self.python}"
        if self.requirements:
            return "a separate environment, built on request (build_environments)"
        return f"pip install '{DISTRIBUTION}[{self.extra}]'" if self.extra else f"pip install {DISTRIBUTION}"
