"""Worker processes: start, command, stop, wake and end them; whatever goes wrong becomes an outcome."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
import select
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from workbench.host import processes
from workbench.host.signals import ENDING
from workbench.model.content import Frontend
from workbench.model.outcomes import Outcome, WorkerFailedError, WorkerLostError
from workbench.store.codec import decoded
from workbench.wire import exchange
from workbench.wire.answers import Done, Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from workbench.wire.exchange import Job

A = TypeVar("A")
Argument: TypeAlias = "str | int | float | bool | Sequence[int] | None"

GRACE_S = 3.0
KILL_ATTEMPTS = 20  # passes over all processes, until none of a worker's is left
STACK_S = 0.5
HEAD_BYTES = TAIL_BYTES = 256 << 10
IN_THE_LOG = "; its stack is in the log"
MARK = "WORKBENCH_WORKER"  # an environment variable of a worker, inherited by everything it starts


def leave_signals_to_main() -> None:
    """Block the signals that end a session in this thread and those it starts.

    When two arrive at once the kernel may deliver both to any thread that accepts them, while the main one sleeps on.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)


class OutputLog:
    """The output of a worker, read by a thread: its head is logged at once, its tail at the end.

    So a worker that prints endlessly fills neither the disk nor the pipe; and on a full disk its output is still read,
    because a log that cannot be written must not cost a measurement.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)
        self._head_left = HEAD_BYTES
        self._tail = b""
        self._dropped = 0
        self._reader: threading.Thread | None = None

    def read(self, descriptor: int) -> None:
        """Start reading a pipe until it closes."""
        self._descriptor = descriptor
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        leave_signals_to_main()
        with os.fdopen(self._descriptor, "rb", buffering=0) as output:
            while chunk := output.read(1 << 16):
                head, rest = chunk[: self._head_left], chunk[self._head_left :]
                self._head_left -= len(head)
                if head:
                    self._write(head)
                if rest:
                    tail = self._tail + rest
                    self._dropped += max(0, len(tail) - TAIL_BYTES)
                    self._tail = tail[-TAIL_BYTES:]

    def close(self) -> None:
        """Write the tail, once every process that could still print has ended."""
        if self._reader is not None:
            self._reader.join(GRACE_S)
        if self._dropped:
            self._write(b"\n[... %d bytes left out ...]\n" % self._dropped)
        self._write(self._tail)
        self._file.close()

    def _write(self, data: bytes) -> None:
        with contextlib.suppress(OSError, ValueError):  # full disk, or closed while an escaped process still prints
            self._file.write(data)


def _write_job(job: Job) -> Path:
    handle, name = tempfile.mkstemp(prefix="workbench-job-", suffix=".json")
    os.close(handle)
    path = Path(name)
    try:
        job.write(path)
    except OSError:
        path.unlink()
        raise
    return path


def command_of(job: Job, environment: Mapping[str, str]) -> tuple[str, ...]:
    """The command that starts a worker in another language, with absolute paths; empty for a worker in Python.

    Raises:
        WorkerFailedError: *unavailable*, when there is no such program.
    """
    if not job.command:
        return ()
    folders = [Path(folder) for folder in job.content.get(f"frontends.{job.folder}", ())]
    command = processes.find_command(job.command, folders, environment.get("PATH"))
    if command is None:
        reason = f"cannot find the program {job.command[0]!r}, which starts its worker: {shlex.join(job.command)}"
        raise WorkerFailedError(Outcome.UNAVAILABLE, reason)
    return command


def boot_of(package: Path) -> Path:
    """The script that starts workers of a workbench; older versions and the self-test have it at the top level."""
    boot = package / "wire" / "_boot.py"
    return boot if boot.is_file() else package / "_boot.py"


class WorkerProcess:
    """One worker process and the two pipes to it. Its stdout and stderr go to a log file, capped."""

    def __init__(
        self, job: Job, frontend: Frontend, environment: Mapping[str, str], log: Path, interpreter: str = ""
    ) -> None:
        job = dataclasses.replace(job, command=command_of(job, environment))
        self.frontend = frontend
        self._phase = "start"
        self._buffer = b""
        self._unanswered = False
        self._mark = f"{_namespace()}-{os.getpid()}-{secrets.token_hex(8)}"
        self._log = OutputLog(log)
        command_end, self._commands = os.pipe()
        self._answers, answer_end = os.pipe()
        output, output_end = os.pipe()
        try:
            self._job_file = _write_job(job)
        except OSError:
            self._log.close()
            for descriptor in (command_end, self._commands, self._answers, answer_end, output, output_end):
                os.close(descriptor)
            raise
        boot = str(boot_of(Path(job.package)))
        arguments = [interpreter or sys.executable, "-P", boot, str(self._job_file), str(command_end), str(answer_end)]
        try:
            self._process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=output_end,
                stderr=output_end,
                env={**environment, MARK: self._mark},
                pass_fds=(command_end, answer_end),
                start_new_session=True,
            )
        except OSError as error:
            self._log.close()
            self._job_file.unlink(missing_ok=True)
            for descriptor in (self._commands, self._answers, output):
                os.close(descriptor)
            reason = f"cannot start {arguments[0]}: {error.strerror}"
            raise WorkerFailedError(Outcome.ERROR, reason) from None
        finally:
            for descriptor in (command_end, answer_end, output_end):
                os.close(descriptor)
        self._log.read(output)
        self._ended: int | None = None
        if hasattr(os, "pidfd_open"):
            with contextlib.suppress(OSError):  # an old kernel, or a container that forbids it
                self._ended = os.pidfd_open(self._process.pid)

    @property
    def pid(self) -> int:
        """The worker's process id, which is also that of its process group."""
        return self._process.pid

    @property
    def dead(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    def ask(self, do: str, answer: type[A], timeout_s: float, **arguments: Argument) -> A:
        """Send a command and wait for its answer, without polling.

        Raises:
            WorkerFailedError: as :meth:`receive`.
        """
        self.send(do, **arguments)
        return self.receive(answer, timeout_s)

    def send(self, do: str, **arguments: Argument) -> None:
        """Send a command; its answer must be received before the next one is sent."""
        self._phase = do
        self._unanswered = True
        with contextlib.suppress(BrokenPipeError):  # receive() then finds out why
            exchange.write_all(self._commands, exchange.encode({"do": do, **arguments}))

    def receive(self, answer: type[A], timeout_s: float) -> A:
        """The answer to the command sent last.

        Raises:
            WorkerFailedError: when the worker fails, dies, sends an invalid answer or takes longer than ``timeout_s``.
        """
        line = self._line(time.monotonic() + timeout_s, timeout_s)
        try:
            message = exchange.decode(line)
            if "failed" in message:
                raise explain(decoded(Failure, message), self.frontend)
            answered = message.get("did")
            if answered != self._phase:
                raise WorkerFailedError(Outcome.ERROR, f"the worker answered {answered!r} to {self._phase!r}")
            self._unanswered = False
            return decoded(answer, message)
        except ValueError as error:
            raise WorkerFailedError(Outcome.ERROR, f"invalid answer from the worker: {error}") from None

    def settle(self, timeout_s: float) -> None:
        """After an interrupt: wait for the pending answer, so that the worker accepts commands again."""
        signal.pthread_sigmask(signal.SIG_BLOCK, ())  # lets Python drop a second signal that came with the first
        if self._unanswered:
            self.receive(Done, timeout_s)

    def _line(self, deadline: float, timeout_s: float) -> bytes:
        watched = select.poll()  # select() takes no descriptor above 1023
        for descriptor in (self._answers, self._ended):
            if descriptor is not None:
                watched.register(descriptor, select.POLLIN)
        while b"\n" not in self._buffer:
            ready = [found for found, _ in watched.poll(1e3 * max(0.0, deadline - time.monotonic()))]
            if not ready:
                reason = f"no answer to {self._phase!r} within the timeout of {timeout_s:g} s"
                if not self.frontend.command:
                    self._save_stack()
                    reason += IN_THE_LOG
                raise WorkerLostError(Outcome.TIMEOUT, reason)
            if self._answers not in ready:  # the process has ended, and nothing is left to read
                raise self._death()
            chunk = os.read(self._answers, 65536)
            if not chunk:
                raise self._death()
            self._buffer += chunk
            if len(self._buffer) > exchange.LINE_LIMIT:
                raise WorkerFailedError(Outcome.ERROR, "the worker's answer is longer than 1 MiB")
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line

    def _death(self) -> WorkerLostError:
        try:
            code = self._process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            return WorkerLostError(Outcome.ERROR, f"the worker closed its channel in {self._phase!r}")
        if code == -signal.SIGKILL:
            reason = f"killed in {self._phase!r} with SIGKILL, usually by the system for lack of memory"
            return WorkerLostError(Outcome.OUT_OF_MEMORY, reason)
        if code < 0:
            reason = f"crashed in {self._phase!r} with {_signal_name(-code)}"
            return WorkerLostError(Outcome.ERROR, reason)
        return WorkerLostError(Outcome.ERROR, f"the process exited in {self._phase!r} with exit code {code}")

    def stop(self) -> None:
        """Stop the process, so that its spinning threads do not disturb measurements."""
        self._signal(signal.SIGSTOP)

    def halt(self) -> None:
        """Stop the process and wait for it: only then does its CPU time include what it used since the last tick."""
        self.stop()
        if hasattr(os, "waitid"):
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def wake(self) -> None:
        """Let a stopped process continue."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill the process and its group, stopped or not; a pending :meth:`receive` then raises."""
        self._signal(signal.SIGKILL)

    def close(self) -> None:
        """End the process and all it started: SIGTERM, a grace period, SIGKILL; then whatever carries its mark."""
        with contextlib.suppress(OSError):
            os.close(self._commands)
        self._signal(signal.SIGTERM)
        self.wake()  # a stopped process handles SIGTERM only once it continues
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE_S)
        self.kill()
        self._process.wait()
        end_marked(self._mark)
        self._log.close()
        self._job_file.unlink(missing_ok=True)
        for descriptor in (self._answers, self._ended):
            if descriptor is not None:
                with contextlib.suppress(OSError):
                    os.close(descriptor)

    def _save_stack(self) -> None:
        """Have a hung worker's faulthandler write every thread's stack to the log."""
        self.wake()
        self._signal(signal.SIGUSR1, group=False)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STACK_S)

    def _signal(self, number: signal.Signals, *, group: bool = True) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            (os.killpg if group else os.kill)(self._process.pid, number)


def _signal_name(number: int) -> str:
    """A signal's name, or its number: real-time signals have none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def end_marked(mark: str) -> None:
    """Kill every process that carries a worker's mark in its environment, whatever its process group.

    A daemon that left its process group and session is still found; one that cleared its environment is not.
    """
    _kill_all(lambda other: other == mark)


def end_orphans() -> None:
    """Kill what workers of dead harnesses have left running, such as daemons; the workers themselves died with them."""
    import psutil

    def orphaned(mark: str) -> bool:
        namespace, harness, _ = mark.split("-")
        return namespace == _namespace() and not psutil.pid_exists(int(harness))

    own = psutil.Process()
    _kill_all(orphaned, spared={own.pid, *(parent.pid for parent in own.parents())})


def _namespace() -> str:
    """The PID namespace of this process: in another container the same number may be another process."""
    try:
        return str(Path("/proc/self/ns/pid").stat().st_ino)
    except OSError:
        return "0"


def _kill_all(matches: Callable[[str], bool], spared: Collection[int] = ()) -> None:
    """Kill every process with a matching mark, until none is left: one may have started another meanwhile."""
    import psutil

    for _ in range(KILL_ATTEMPTS):
        killed = 0
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError, KeyError, ValueError, OverflowError):
                ended = process.pid in spared or process.status() == psutil.STATUS_ZOMBIE
                if not ended and matches(process.environ()[MARK]):
                    process.kill()
                    killed += 1
        if not killed:
            return


MOST_TEXT = 2000  # characters of each text that a worker reports
_MEMORY_WORDS = ("out of memory", "resource_exhausted", "cannot allocate memory", "bad_alloc")


def explain(failure: Failure, frontend: Frontend) -> WorkerFailedError:
    """The outcome of a failure that the worker reported."""
    phase, exception = failure.failed[:MOST_TEXT], failure.kind[:MOST_TEXT]
    text = failure.text[:MOST_TEXT] + (f" ({failure.where[:MOST_TEXT]})" if failure.where else "")
    missing = (failure.missing or "").split(".")[0]
    if missing and missing in frontend.packages:
        return WorkerFailedError(Outcome.UNAVAILABLE, f"{missing} is not installed: {frontend.install}")
    if exception == "DeviceUnavailableError":
        reason = f"{text}; for a build with GPU support: {frontend.gpu_install or frontend.install}"
        return WorkerFailedError(Outcome.UNAVAILABLE, reason)
    if exception == "MemoryError" or any(word in f"{exception} {text}".lower() for word in _MEMORY_WORDS):
        return WorkerFailedError(Outcome.OUT_OF_MEMORY, f"out of memory in {phase!r}: {text or exception}")
    places = (
        failure.where,
        missing in ("tasks", "frontends"),
        exception in ("SyntaxError", "SystemExit"),
        frontend.command,
    )
    own = any(places) or text.startswith("runtime.")
    if phase == "import" and own:
        return WorkerFailedError(Outcome.ERROR, f"import fails: {exception}: {text}")
    if phase == "import":
        remedy = frontend.install
        if remedy.startswith("pip install"):
            remedy = f"try {remedy.replace('install', 'install --force-reinstall')}"
        return WorkerFailedError(Outcome.ERROR, f"import fails: {exception}: {text}; {remedy}")
    return WorkerFailedError(Outcome.ERROR, f"{exception} in {phase!r}: {text}")
