"""Environments of their own, for versions and for frameworks that cannot live with ours: built once and kept.

Each lies in the user's cache folder under a name made of everything that went in. It is built beside its place and
renamed when complete, under a lock of its own: a build that fails or is interrupted leaves nothing, and two sessions
that want the same one build it once. uv builds where it is on the PATH, else venv and pip.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import platform
import re
import secrets
import shutil
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from workbench.catalog.roots import package_root
from workbench.errors import WorkbenchError, one_line
from workbench.host import locks
from workbench.model.content import Frontend
from workbench.model.contestant import Contestant
from workbench.model.outcomes import Outcome, WorkerFailedError
from workbench.model.progress import Progress, Silence

Say = Callable[[str], None]

ABOUT = "environment.json"
BUILDING = ".building-"
NEEDED = ("numpy", "threadpoolctl")  # by a worker and its frontends, whatever the framework
CLEAN = {"PYTHONPATH": ""}  # what the user has put there belongs to our own interpreter
KEPT_LINES = 2000
_NOT_FOR_OTHERS = (
    "CONDA_PREFIX",
    "PIP_CONSTRAINT",
    "PIP_PREFIX",
    "PIP_REQUIRE_VIRTUALENV",
    "PIP_TARGET",
    "PIP_USER",
    "PYTHONHOME",
    "PYTHONPATH",
    "VIRTUAL_ENV",
)
_FOR_UV = {
    "PIP_INDEX_URL": "UV_INDEX_URL",
    "PIP_EXTRA_INDEX_URL": "UV_EXTRA_INDEX_URL",
    "PIP_FIND_LINKS": "UV_FIND_LINKS",
    "PIP_CERT": "SSL_CERT_FILE",
}
_TOLD = re.compile(r"(Collecting|Downloading|Building|Installing|Resolved|Prepared|Installed)\b.*")
_CONFLICT = re.compile(r"ResolutionImpossible|conflict|unsatisfiable|No solution found", re.IGNORECASE)
_SAYS_NOTHING = re.compile(r"\[notice\]|hint:|note:|For help visit|To fix this|╰|ERROR: ResolutionImpossible|^[\W_]*$")


class BuildFailedError(Exception):
    """An environment that could not be built; the reason in one line, and all that the installer printed."""

    def __init__(self, reason: str, printed: Sequence[str] = ()) -> None:
        super().__init__(reason)
        self.printed = tuple(printed)

    @property
    def conflict(self) -> bool:
        """Whether requirements and constraints contradicted each other."""
        return any(_CONFLICT.search(line) for line in self.printed)


@dataclass(frozen=True)
class Spec:
    """All that goes into an environment."""

    requirements: tuple[str, ...]
    constraints: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """A name that changes with anything that goes in: requirements, constraints, the Python it is made with."""
        parts = {
            "requirements": sorted(self.requirements),
            "constraints": sorted(self.constraints),
            "python": [platform.python_implementation(), platform.python_version(), platform.machine()],
            "interpreter": os.path.realpath(sys.executable),
        }
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:20]


@dataclass(frozen=True)
class About:
    """What an environment's folder says of it: what was asked for, and what is installed."""

    requirements: tuple[str, ...]
    constraints: tuple[str, ...]
    packages: dict[str, str]


@dataclass(frozen=True)
class Environment:
    """A finished environment: its Python, what is installed in it, and what it was held to."""

    interpreter: str
    packages: Mapping[str, str]
    constraints: tuple[str, ...]


def default_root() -> Path:
    """Where environments are kept: in the user's cache folder."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "framework-workbench" / "environments"


def name_of(requirement: str) -> str:
    """The normalised name of the distribution that a requirement is about.

    Raises:
        WorkbenchError: when it is not a requirement.
    """
    try:
        return canonicalize_name(Requirement(requirement).name)
    except InvalidRequirement:
        raise WorkbenchError(
            f"{requirement!r} is not a requirement: write NAME==VERSION, such as numpy==2.4.6, or NAME @ URL"
        ) from None


def tested_versions() -> tuple[str, ...]:
    """The lines of the checkout's constraints.txt; none where there is no checkout."""
    try:
        text = (package_root().parent / "constraints.txt").read_text(encoding="utf-8")
    except OSError:
        return ()
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return tuple(line for line in lines if line)


def without(constraints: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    """Constraints but for those about some distributions."""
    left_out = {name_of(name) for name in names}
    return tuple(line for line in constraints if name_of(line) not in left_out)


def provide(
    requirements: Sequence[str], constraints: Sequence[Sequence[str]], say: Say, root: Path | None = None
) -> Environment:
    """The environment with these requirements, built if it is not there yet.

    Args:
        requirements: as pip takes them.
        constraints: what all else is held to; where that contradicts the requirements, the next is tried.
        say: told what is going on, in a few words.
        root: where environments are kept; :func:`default_root` when None.

    Raises:
        BuildFailedError: when it cannot be built.
    """
    place = root or default_root()
    specs = [Spec(tuple(requirements), lines) for lines in dict.fromkeys(tuple(lines) for lines in constraints)]
    for spec in specs:
        if (found := _finished(place / spec.key)) is not None:
            return found
    for spec in specs[:-1]:
        try:
            return build(spec, place, say)
        except BuildFailedError as failure:
            if not failure.conflict:
                raise
            say("the tested versions of other packages rule that out: trying with fewer")
    return build(specs[-1], place, say)


def build(spec: Spec, root: Path, say: Say) -> Environment:
    """Build an environment in its place, or wait for who is building it.

    Raises:
        BuildFailedError: when it cannot be built; nothing is left of it then.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        with locks.exclusive(root / f"{spec.key}.lock", lambda: say("another session is building it: waiting")):
            if (found := _finished(root / spec.key)) is not None:
                return found
            for left in [root / spec.key, *root.glob(f"{BUILDING}{spec.key}-*")]:  # of a build that was killed
                shutil.rmtree(left, ignore_errors=True)
            return _build(spec, root, say)
    except OSError as error:
        raise BuildFailedError(f"cannot build an environment in {root}: {error.strerror}") from None


def _build(spec: Spec, root: Path, say: Say) -> Environment:
    folder = root / f"{BUILDING}{spec.key}-{secrets.token_hex(4)}"
    try:
        _install(folder, spec, say)
        about = About(spec.requirements, spec.constraints, _installed(folder))
        (folder / ABOUT).write_bytes(msgspec.json.encode(about))
        folder.rename(root / spec.key)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    found = _finished(root / spec.key)
    if found is None:
        raise BuildFailedError(f"{root / spec.key} was removed as soon as it was built")
    return found


def _install(folder: Path, spec: Spec, say: Say) -> None:
    python, constraints = folder / "bin" / "python", folder / "constraints.txt"
    uv = shutil.which("uv")
    say(f"installing {', '.join(spec.requirements)}")
    maker = [uv, "venv", "--python", sys.executable] if uv else [sys.executable, "-m", "venv"]
    _run([*maker, str(folder)], say)
    constraints.write_text("".join(f"{line}\n" for line in spec.constraints), encoding="utf-8")
    if uv:
        installer = [uv, "pip", "install", "--python", str(python), "--compile-bytecode"]
    else:
        options = ["--no-input", "--disable-pip-version-check", "--progress-bar=off", "--no-color"]
        installer = [str(python), "-m", "pip", "install", *options]
    _run([*installer, "--constraint", str(constraints), "--", *spec.requirements], say)


def _run(command: Sequence[str], say: Say) -> None:
    """Run an installer to its end, telling what it tells; it is ended with us.

    Raises:
        BuildFailedError: when it fails.
    """
    printed: deque[str] = deque(maxlen=KEPT_LINES)
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=_installers_environment(),
        start_new_session=True,
        encoding="utf-8",
        errors="replace",
    ) as process:
        try:
            for line in process.stdout or ():
                printed.append(one_line(line))
                if told := _TOLD.match(printed[-1]):
                    say(_brief(told[0]))
            failed = process.wait() != 0
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    if failed:
        raise BuildFailedError(reason_of(printed), printed)


def _installers_environment() -> dict[str, str]:
    """Our variables without what belongs to our own interpreter; uv is told what pip is told."""
    variables = {name: value for name, value in os.environ.items() if name not in _NOT_FOR_OTHERS}
    for ours, uvs in _FOR_UV.items():
        if ours in variables:
            separator = "," if uvs == "UV_FIND_LINKS" else " "
            variables.setdefault(uvs, separator.join(variables[ours].split()))
    return variables


def reason_of(printed: Sequence[str]) -> str:
    """The last line of an installer's output that says something, without passwords; uv's goes on over lines."""
    lines = [re.sub(r"//[^/@\s]+@", "//***@", one_line(line)) for line in printed]
    places = [place for place, line in enumerate(lines) if re.search(r"(?i)\berror\b|Because ", line)]
    said = [line for line in lines if line and not _SAYS_NOTHING.search(line)]
    for place in reversed(places):
        if (because := lines[place].partition("Because ")[2]) and "╰" in lines[place]:
            return f"because {' '.join([because, *lines[place + 1 :]])}"[:500]
    errors = [line for line in said if re.match(r"(?i)error\b", line)]
    last = (errors or said or ["the installer failed without a word"])[-1]
    return re.sub(r"^(?i:error):\s*", "", last)[:500]


def _brief(line: str) -> str:
    """The beginning of an installer's line, without addresses."""
    return re.sub(r"\S*(?:/\S*){2,}", "…", line)[:60]


def _installed(folder: Path) -> dict[str, str]:
    from importlib.metadata import distributions

    places = [str(path) for path in folder.glob("lib/python*/site-packages")]
    found = {canonicalize_name(entry.name): entry.version for entry in distributions(path=places)}
    return dict(sorted(found.items()))


def _finished(folder: Path) -> Environment | None:
    """The environment in a folder, if it is whole and its Python is still there."""
    python = folder / "bin" / "python"
    try:
        about = msgspec.json.decode((folder / ABOUT).read_bytes(), type=About)
    except (OSError, ValueError):
        return None
    return Environment(str(python), about.packages, about.constraints) if python.exists() else None


def needs_own(frontend: Frontend) -> bool:
    """Whether a frontend names requirements of its own and cannot be imported here."""
    return bool(frontend.requirements) and any(importlib.util.find_spec(name) is None for name in frontend.packages)


def settle(
    contestants: Sequence[Contestant],
    *,
    build: bool,
    progress: Progress | None = None,
    if_busy: str = "wait",
    root: Path | None = None,
) -> None:
    """Give contestants that need it an interpreter of their own; one that gets none is *unavailable*, with the reason.

    Args:
        contestants: those of a session to come; changed in place.
        build: whether environments may be built.
        progress: who is told how it gets on.
        if_busy: "wait" when a session measures on this host, whom building would disturb, or "refuse".
        root: where environments are kept.
    """
    needing = [contestant for contestant in contestants if needs_own(contestant.frontend)]
    if not build:
        for contestant in needing:
            wanted = ", ".join(contestant.frontend.requirements)
            reason = f"needs an environment of its own ({wanted}), to be built when asked for (build_environments)"
            contestant.fail(WorkerFailedError(Outcome.UNAVAILABLE, reason))
    elif needing:
        with undisturbed(if_busy, progress):
            for contestant in needing:
                requirements = contestant.frontend.requirements
                others = without(tested_versions(), requirements)
                equip(contestant, [*requirements, *NEEDED], [others, ()], progress, root)


def undisturbed(if_busy: str, progress: Progress | None) -> contextlib.AbstractContextManager[None]:
    """Hold the host's lock: building takes all CPUs, and would disturb who measures."""
    return locks.measuring(if_busy, lambda text: (progress or Silence()).phase("lock", text))


def equip(
    contestant: Contestant,
    requirements: Sequence[str],
    constraints: Sequence[Sequence[str]],
    progress: Progress | None = None,
    root: Path | None = None,
) -> Environment | None:
    """Let a contestant run in the environment with these requirements; None, and *unavailable*, where there is none."""
    told = progress or Silence()
    try:
        found = provide(requirements, constraints, lambda text: told.phase(contestant.id, text), root)
    except BuildFailedError as failure:
        contestant.fail(WorkerFailedError(Outcome.UNAVAILABLE, f"cannot be installed: {failure}"))
        told.phase(contestant.id, "unavailable")
        return None
    told.phase(contestant.id, "environment ready")
    contestant.interpreter, contestant.environment = found.interpreter, {**contestant.environment, **CLEAN}
    return found
