"""A command line that runs beside the test: signalled, starved, and watched by what it says and puts on record."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from workbench import cli as command_line
from workbench.host import locks
from workbench.store import eventlog

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 60.0
ANSWER_S = 20  # that a command may take which measures nothing
MODULE = "import numpy as np\n"
GATE = """import os
from pathlib import Path

from workbench.wire.worker import Worker


def reached(at):
    if at != {at!r}:
        return
    counter = Path({counter!r})
    counter.write_bytes(bytes(len(counter.read_bytes()) + 1 if counter.exists() else 1))
    if len(counter.read_bytes()) == {number} and os.path.exists({go!r}):
        go = os.open({go!r}, os.O_RDONLY)
        os.write(os.open({arrived!r}, os.O_WRONLY), b"x")
        os.read(go, 1)


def role_of(worker):
    if not worker.job.flush_to_zero:
        return "reference"
    return "exact" if worker.job.dtype == "float64" else "launch"


def set_up(worker, before=Worker.do_set_up, **how):
    reached(role_of(worker))
    return before(worker, **how)


def feed(worker, before=Worker.do_feed, **how):
    worker.is_clocked = role_of(worker) == "launch"
    return before(worker, **how)


def compilations(worker, before=Worker.do_compilations, **how):
    reached("compilations")
    return before(worker, **how)


def evaluate(worker, before=Worker.do_evaluate, **how):
    reached("evaluate")
    return before(worker, **how)


def run(worker, before=Worker.do_run, **how):
    if how.get("keep") and getattr(worker, "is_clocked", False):  # the steps before it are not clocked
        worker.is_clocked = False
        reached("block")
    return before(worker, **how)


Worker.do_set_up, Worker.do_feed, Worker.do_run = set_up, feed, run
Worker.do_compilations, Worker.do_evaluate = compilations, evaluate


"""


class Gate:
    """A place in numpy_manual where its worker stops until it is let through; a blocking read, no sleeping.

    ``at`` is the set-up of the "reference", the one in float64 ("exact"), that of a "launch", a clocked "block", an
    "evaluate", or where "compilations" are counted;
    ``number`` says which of them, counted from 1 over all processes.
    """

    def __init__(self, content: Any, folder: Path, at: str, number: int) -> None:
        self.go, self.arrived = folder / "go", folder / "arrived"
        for path in (self.go, self.arrived):
            os.mkfifo(path)
        names = {"go": str(self.go), "arrived": str(self.arrived), "counter": str(folder / "reached")}
        module = GATE.format(**names, at=at, number=number) + MODULE
        (content.numpy / "linreg.py").write_text(content.changed((MODULE, module)))
        self._descriptors = [os.open(path, os.O_RDWR) for path in (self.arrived, self.go)]

    def wait(self) -> None:
        """Until the worker is there."""
        ready, _, _ = select.select(self._descriptors[:1], [], [], DEADLINE_S)
        assert ready, "the worker never came to the gate"

    def open(self) -> None:
        """Let it through, and all that come after it."""
        os.write(self._descriptors[1], b"x")
        self.remove()

    def remove(self) -> None:
        """Let all that come later through."""
        self.go.unlink()

    def close(self) -> None:
        """Close what is open."""
        for descriptor in self._descriptors:
            os.close(descriptor)


class Harness:
    """A command line at work, in a process group of its own."""

    def __init__(self, words: list[str], store: Path, environment: dict[str, str], **how: Any) -> None:
        self.store = store
        self.said = self.printed = ""
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process = subprocess.Popen(words, env=environment, start_new_session=True, **{**streams, **how})

    def wait_for(self, text: str, times: int = 1) -> None:
        """Read stderr until it has said something so many times."""
        deadline = time.monotonic() + DEADLINE_S
        while self.said.count(text) < times:
            ready, _, _ = select.select([self.process.stderr], [], [], max(0.0, deadline - time.monotonic()))
            chunk = os.read(self.process.stderr.fileno(), 65536) if ready else b""
            assert chunk, f"it never said {text!r}, but: {self.said}"
            self.said += chunk.decode()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the harness alone, as `kill` does."""
        self.process.send_signal(number)

    def end(self) -> int:
        """Its exit code, once it has ended; what it printed is in ``printed`` and ``said``."""
        out, err = self.process.communicate(timeout=DEADLINE_S)
        self.printed, self.said = (out or b"").decode(), self.said + (err or b"").decode()
        assert "Traceback" not in self.said, self.said
        return self.process.returncode

    @property
    def folder(self) -> Path:
        """The one run's folder, finished or not."""
        (found,) = (path for path in self.store.iterdir() if (path / eventlog.NAME).is_file())
        return found

    def events(self, kind: str) -> list[dict[str, Any]]:
        """What is on record."""
        return [event for event in eventlog.read(self.folder).events if event["event"] == kind]


@pytest.fixture(autouse=True)
def _own_lock(tmp_path, monkeypatch) -> None:
    """What these tests measure in this process waits for no session of others."""
    monkeypatch.setattr(locks, "host_lock", lambda: tmp_path / "own.lock")


@pytest.fixture
def temporary(tmp_path) -> Path:
    """A folder for temporary files, and so for the host's lock, of the test's own."""
    (tmp_path / "temporary").mkdir()
    return tmp_path / "temporary"


# The command line as it is, but for the pictures: they take half of a short session's time.
WITHOUT_PICTURES = """
import sys
sys.path.insert(0, sys.argv.pop(1))
from workbench.session.launcher import leave_signals_to_main
leave_signals_to_main()  # as `workbench run` does before it imports numpy
from workbench.show import folder
from workbench.cli import main
folder.draw = lambda run: None
main()
"""


@pytest.fixture
def harness(shell_environment, tmp_path, temporary) -> Iterator[Callable[..., Harness]]:
    """Starts the command line; whatever still runs in the end is killed."""
    started = []

    def start(*words: object, store: Path | None = None, environment: dict[str, str] | None = None, **how) -> Harness:
        place = store or tmp_path / "store"
        line = [sys.executable, "-c", WITHOUT_PICTURES, str(ROOT), *map(str, words), "--output", str(place)]
        own = {"TMPDIR": str(temporary), "XDG_CACHE_HOME": str(tmp_path / "cache")}
        found = Harness(line, place, shell_environment | own | (environment or {}), **how)
        started.append(found)
        return found

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
        one.process.wait()
        for stream in (one.process.stdout, one.process.stderr):
            if stream is not None:
                stream.close()


@pytest.fixture
def gate(content, tmp_path) -> Iterator[Callable[..., Gate]]:
    """Plants a gate in the content's numpy_manual."""
    made = []

    def plant(at: str, number: int) -> Gate:
        made.append(Gate(content, tmp_path, at, number))
        return made[-1]

    yield plant
    for one in made:
        one.close()


@pytest.fixture
def measure(harness, content) -> Callable[..., Harness]:
    """Starts `workbench run linreg` with the planted content, as short as it can be."""

    def start(*words: object, launches: int = 2, rounds: int = 1, **how) -> Harness:
        quick = ["--steps=3", f"--launches={launches}", f"--rounds={rounds}"]
        chosen = [] if any(str(word).startswith("--frameworks") for word in words) else ["-f", content.frontends]
        return harness("run", "linreg", *quick, *chosen, "--content", content.root, *words, **how)

    return start


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Callable[..., Path]]:
    """Mounts a small file system of its own."""
    mounted = []

    def mount(size_kib: int) -> Path:
        place = tmp_path / f"disk-{len(mounted)}"
        place.mkdir()
        options = ["-t", "tmpfs", "-o", f"size={size_kib}k", "workbench-test", str(place)]
        try:
            done = subprocess.run(["mount", *options], capture_output=True, text=True)
        except FileNotFoundError:
            pytest.skip("no mount command")
        if done.returncode:
            pytest.skip(f"cannot mount a small file system here: {done.stderr.strip()}")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def marked(mark: str, value: str) -> list[int]:
    """Processes with this in their environment, but for those that have ended."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            inherited = (entry / "environ").read_bytes().split(b"\0")
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            if f"{mark}={value}".encode() in inherited and state != "Z":
                found.append(int(entry.name))
        except OSError:
            continue
    return found


@pytest.fixture
def left_running(temporary) -> Callable[[], list[int]]:
    """Whoever still runs of the sessions that used the test's temporary folder."""
    return lambda: marked("TMPDIR", str(temporary))


class Late(BaseException):
    """A command took too long."""


@pytest.fixture
def do(monkeypatch, capfd):
    """Runs a command in this process, which has a deadline; its exit code, and what it printed."""

    def late(*_: object) -> None:
        raise Late

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["workbench", *map(str, words)])
        usual = signal.signal(signal.SIGALRM, late)
        signal.alarm(ANSWER_S)
        try:
            command_line.main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, usual)
        return (code, *capfd.readouterr())

    return run
