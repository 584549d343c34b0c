"""Virtual environments, for versions and for frameworks that cannot share ours: built once and kept.

Each is a folder in the user's cache, named by a hash of everything that goes in. It is built next to its final path and
renamed when complete, under its own lock: a build that fails or is interrupted leaves nothing, and two sessions that
need the same one build it once. uv builds it if it is on the PATH, otherwise venv and pip do.
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
NEEDED = ("numpy", "threadpoolctl")  # by workers and frontends of any framework
CLEAN = {"PYTHONPATH": ""}  # the user's is meant for our own interpreter
KEPT_LINES = 2000
_OUR_INTERPRETERS = (
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
_PROGRESS = re.compile(r"(Collecting|Downloading|Building|Installing|Resolved|Prepared|Installed)\b.*")
_CONFLICT = re.compile(r"ResolutionImpossible|conflict|unsatisfiable|No solution found", re.IGNORECASE)
_UNINFORMATIVE = re.compile(r"\[notice\]|hint:|note:|For help visit|To fix this|╰|ERROR: ResolutionImpossible|^[\W_]*$")


class BuildFailedError(Exception):
    """An environment could not be built; the reason in one line, and the last lines of the installer's output."""

    def __init__(self, reason: str, output: Sequence[str] = ()) -> None:
        super().__init__(reason)
        self.output = tuple(output)

    @property
    def conflict(self) -> bool:
        """Whether requirements and constraints contradicted each other."""
        return any(_CONFLICT.search(line) for line in self.output)


@dataclass(frozen=True)
class Spec:
    """Everything that goes into an environment."""

    requirements: tuple[str, ...]
    constraints: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """A hash of everything that goes in: requirements, constraints, the Python that builds it."""
        parts = {
            "requirements": sorted(self.requirements),
            "constraints": sorted(self.constraints),
            "python": [platform.python_implementation(), platform.python_version(), platform.machine()],
            "interpreter": os.path.realpath(sys.executable),
        }
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:20]


@dataclass(frozen=True)
class About:
    """What an environment's folder records: what was requested, and what is installed."""

    requirements: tuple[str, ...]
    constraints: tuple[str, ...]
    packages: dict[str, str]


@dataclass(frozen=True)
class Environment:
    """A finished environment: its Python, its installed packages, and the constraints it was built with."""

    interpreter: str
    packages: Mapping[str, str]
    constraints: tuple[str, ...]


def default_root() -> Path:
    """The folder in the user's cache that keeps environments."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "framework-workbench" / "environments"


def name_of(requirement: str) -> str:
    """The normalised name of the distribution that a requirement is about.

    Raises:
        WorkbenchError: when it is not a requirement.
    """
    try:
        return canonicalize_name(Requirement(requirement).name)
    except InvalidRequirement:
        raise WorkbenchError(
            f"{requirement!r} is not a valid requirement: use NAME==VERSION, such as numpy==2.4.6, or NAME @ URL"
        ) from None


def tested_versions() -> tuple[str, ...]:
    """The lines of the checkout's constraints.txt; empty where there is no checkout."""
    try:
        text = (package_root().parent / "constraints.txt").read_text(encoding="utf-8")
    except OSError:
        return ()
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return tuple(line for line in lines if line)


def without(constraints: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    """The constraints except those on some distributions."""
    excluded = {name_of(name) for name in names}
    return tuple(line for line in constraints if name_of(line) not in excluded)


def provide(
    requirements: Sequence[str], constraints: Sequence[Sequence[str]], say: Say, root: Path | None = None
) -> Environment:
    """The environment with these requirements, built if it does not exist yet.

    Args:
        requirements: as pip accepts them.
        constraints: sets of constraints on all other packages; each is tried only if those before it contradict the
            requirements.
        say: called with short progress messages.
        root: the folder that keeps environments; :func:`default_root` when None.

    Raises:
        BuildFailedError: when it cannot be built.
    """
    root = root or default_root()
    specs = [Spec(tuple(requirements), lines) for lines in dict.fromkeys(tuple(lines) for lines in constraints)]
    for spec in specs:
        if (environment := _finished(root / spec.key)) is not None:
            return environment
    for spec in specs[:-1]:
        try:
            return build(spec, root, say)
        except BuildFailedError as failure:
            if not failure.conflict:
                raise
            say("conflicts with the tested versions of other packages: retrying with fewer constraints")
    return build(specs[-1], root, say)


def build(spec: Spec, root: Path, say: Say) -> Environment:
    """Build an environment, or wait for the session that is building it.

    Raises:
        BuildFailedError: when it cannot be built; leaves nothing behind.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        with locks.exclusive(root / f"{spec.key}.lock", lambda: say("waiting for another session that is building it")):
            if (environment := _finished(root / spec.key)) is not None:
                return environment
            for leftover in [root / spec.key, *root.glob(f"{BUILDING}{spec.key}-*")]:  # of a build that was killed
                shutil.rmtree(leftover, ignore_errors=True)
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
    environment = _finished(root / spec.key)
    if environment is None:
        raise BuildFailedError(f"{root / spec.key} was removed as soon as it was built")
    return environment


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
    """Run an installer to its end and report its progress; it is killed if this process is interrupted.

    Raises:
        BuildFailedError: when it fails.
    """
    output: deque[str] = deque(maxlen=KEPT_LINES)
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
                output.append(one_line(line))
                if match := _PROGRESS.match(output[-1]):
                    say(_brief(match[0]))
            failed = process.wait() != 0
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    if failed:
        raise BuildFailedError(reason_of(output), output)


def _installers_environment() -> dict[str, str]:
    """Our variables except those of our own interpreter; pip's settings are passed on to uv."""
    variables = {name: value for name, value in os.environ.items() if name not in _OUR_INTERPRETERS}
    for ours, uvs in _FOR_UV.items():
        if ours in variables:
            separator = "," if uvs == "UV_FIND_LINKS" else " "
            variables.setdefault(uvs, separator.join(variables[ours].split()))
    return variables


def reason_of(output: Sequence[str]) -> str:
    """The last informative line of an installer's output, without passwords; uv's reason may span several lines."""
    lines = [re.sub(r"//[^/@\s]+@", "//***@", one_line(line)) for line in output]
    for index, line in reversed(list(enumerate(lines))):
        if (because := line.partition("Because ")[2]) and "╰" in line:
            return f"because {' '.join([because, *lines[index + 1 :]])}"[:500]
    informative = [line for line in lines if line and not _UNINFORMATIVE.search(line)]
    errors = [line for line in informative if re.match(r"(?i)error\b", line)]
    last = (errors or informative or ["the installer failed without any output"])[-1]
    return re.sub(r"^(?i:error):\s*", "", last)[:500]


def _brief(line: str) -> str:
    """The beginning of an installer's line, without addresses."""
    return re.sub(r"\S*(?:/\S*){2,}", "…", line)[:60]


def _installed(folder: Path) -> dict[str, str]:
    from importlib.metadata import distributions

    folders = [str(path) for path in folder.glob("lib/python*/site-packages")]
    versions = {canonicalize_name(entry.name): entry.version for entry in distributions(path=folders)}
    return dict(sorted(versions.items()))


def _finished(folder: Path) -> Environment | None:
    """The environment in a folder, if it is complete and its Python still exists."""
    python = folder / "bin" / "python"
    try:
        about = msgspec.json.decode((folder / ABOUT).read_bytes(), type=About)
    except (OSError, ValueError):
        return None
    return Environment(str(python), about.packages, about.constraints) if python.exists() else None


def needs_own(frontend: Frontend) -> bool:
    """Whether a frontend declares its own requirements and its packages cannot be imported here."""
    return bool(frontend.requirements) and any(importlib.util.find_spec(name) is None for name in frontend.packages)


def settle(
    contestants: Sequence[Contestant],
    *,
    build: bool,
    progress: Progress | None = None,
    if_busy: str = "wait",
    root: Path | None = None,
) -> None:
    """Give each contestant that needs one a separate environment; without one it is *unavailable*, with the reason.

    Args:
        contestants: those of an upcoming session; changed in place.
        build: whether environments may be built.
        progress: where progress is reported.
        if_busy: "wait" or "refuse" while a session is measuring on this host, since building would disturb it.
        root: the folder that keeps environments.
    """
    affected = [contestant for contestant in contestants if needs_own(contestant.frontend)]
    if not build:
        for contestant in affected:
            requirements = ", ".join(contestant.frontend.requirements)
            reason = f"needs a separate environment ({requirements}), built on request (build_environments)"
            contestant.fail(WorkerFailedError(Outcome.UNAVAILABLE, reason))
    elif affected:
        with undisturbed(if_busy, progress):
            for contestant in affected:
                own = contestant.frontend.requirements
                others = without(tested_versions(), own)
                equip(contestant, [*own, *NEEDED], [others, ()], progress, root)


def undisturbed(if_busy: str, progress: Progress | None) -> contextlib.AbstractContextManager[None]:
    """Hold the host's lock: building uses all CPUs and would disturb a measuring session."""
    return locks.measuring(if_busy, lambda text: (progress or Silence()).phase("lock", text))


def equip(
    contestant: Contestant,
    requirements: Sequence[str],
    constraints: Sequence[Sequence[str]],
    progress: Progress | None = None,
    root: Path | None = None,
) -> Environment | None:
    """Let a contestant run in the environment with these requirements; None and *unavailable* if it cannot be built."""
    progress = progress or Silence()
    try:
        environment = provide(requirements, constraints, lambda text: progress.phase(contestant.id, text), root)
    except BuildFailedError as failure:
        contestant.fail(WorkerFailedError(Outcome.UNAVAILABLE, f"cannot be installed: {failure}"))
        progress.phase(contestant.id, "unavailable")
        return None
    progress.phase(contestant.id, "environment ready")
    contestant.interpreter, contestant.environment = environment.interpreter, {**contestant.environment, **CLEAN}
    return environment
