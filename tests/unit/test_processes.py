"""CPU time of a process and of all it started, seen from outside: nobody can do its work elsewhere unnoticed."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator

import pytest

from workbench.host import processes

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads Linux's /proc")

BURN_S = 0.3
CLOCK_S = 0.02  # ended children are counted in ticks of 10 ms
HELPERS = """
import ctypes, os, subprocess, sys, threading, time

def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass

def ready():
    print("ready", flush=True)
    sys.stdin.readline()
"""


@contextlib.contextmanager
def program(source: str) -> Iterator[subprocess.Popen]:
    """A program that has said that it is ready, and waits; all that it started ends with it."""
    text = HELPERS + textwrap.dedent(source) + "\n"
    with subprocess.Popen(
        [sys.executable, "-c", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            for left in processes.descendants(process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(left, 9)
            process.kill()


def used(source: str) -> float:
    """CPU seconds of a program and its family, once it is ready."""
    with program(source) as process:
        return processes.cpu_seconds(process.pid)


@pytest.fixture(scope="module")
def idle() -> float:
    """What starting an interpreter takes."""
    return min(used("ready()") for _ in range(3))


def test_what_a_process_used_itself_is_seen_to_the_millisecond():
    before, started = processes.cpu_seconds(os.getpid()), time.process_time()
    while time.process_time() < started + 0.05:
        pass
    assert processes.cpu_seconds(os.getpid()) - before == pytest.approx(0.05, abs=0.02)
    again = processes.cpu_seconds(os.getpid())
    assert 0 < processes.cpu_seconds(os.getpid()) - again < 0.01, "less than a tick is seen, too"


ELSEWHERE = {
    "a thread": "thread = threading.Thread(target=burn, args=(BURN,)); thread.start(); thread.join(); ready()",
    "a child": """
        child = os.fork()
        if child == 0:
            burn(BURN); os.write(out, b"x"); time.sleep(600); os._exit(0)
        os.read(into, 1); ready()
    """,
    "a child that has ended": """
        child = os.fork()
        if child == 0:
            burn(BURN); os._exit(0)
        os.waitpid(child, 0); ready()
    """,
    "a child that has ended and was not asked for": """
        child = os.fork()
        if child == 0:
            burn(BURN); os.close(out); os._exit(0)
        os.close(out); os.read(into, 1); time.sleep(0.05); ready()
    """,
    "a grandchild": """
        if os.fork() == 0:
            if os.fork() == 0:
                burn(BURN); os.write(out, b"x"); time.sleep(600)
            time.sleep(600); os._exit(0)
        os.read(into, 1); ready()
    """,
    "a grandchild that has ended": """
        child = os.fork()
        if child == 0:
            grandchild = os.fork()
            if grandchild == 0:
                burn(BURN); os._exit(0)
            os.waitpid(grandchild, 0); os.write(out, b"x"); time.sleep(600)
        os.read(into, 1); ready()
    """,
    "a child of a thread": """
        def work():
            if os.fork() == 0:
                burn(BURN); os.write(out, b"x"); time.sleep(600)
            time.sleep(600)
        threading.Thread(target=work, daemon=True).start()
        os.read(into, 1); ready()
    """,
    "a daemon": """
        ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER, as every worker does
        child = os.fork()
        if child == 0:
            os.setsid()
            if os.fork() == 0:
                burn(BURN); os.write(out, b"x"); time.sleep(600)
            os._exit(0)
        os.waitpid(child, 0); os.read(into, 1); ready()
    """,
}


def source_of(where: str) -> str:
    return f"BURN = {BURN_S}\ninto, out = os.pipe()\n" + textwrap.dedent(ELSEWHERE[where])


@pytest.mark.parametrize("where", ELSEWHERE)
def test_work_that_is_done_elsewhere_is_seen(where, idle):
    assert used(source_of(where)) - idle >= BURN_S - CLOCK_S


def test_a_daemon_of_who_is_no_subreaper_escapes():
    """Which is why every worker becomes one before anything else; or else the test above would prove nothing."""
    source = source_of("a daemon").replace("prctl(36, 1)", "prctl(36, 0)").replace("sleep(600)", "sleep(2)")
    with program(source) as process:
        assert processes.descendants(process.pid) == []


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two CPUs to tell them apart")
@pytest.mark.parametrize(
    ("elsewhere", "strays"),
    [
        ("", False),
        ("threading.Thread(target=moved, daemon=True).start(); os.read(into, 1)", True),
        ("if os.fork() == 0: moved()\nos.read(into, 1)", True),
        ("if os.fork() == 0:\n    if os.fork() == 0: moved()\n    time.sleep(600)\nos.read(into, 1)", True),
    ],
    ids=["itself", "a thread", "a child", "a grandchild"],
)
def test_the_cpus_on_which_any_part_of_a_process_may_run_are_seen(elsewhere, strays):
    first, second = sorted(os.sched_getaffinity(0))[:2]
    source = f"""
into, out = os.pipe()
def moved():
    os.sched_setaffinity(0, [{second}])
    os.write(out, b"x"); time.sleep(600)
os.sched_setaffinity(0, [{first}])
{elsewhere}
ready()
"""
    with program(source) as process:
        assert processes.allowed_cpus(process.pid) == ({first, second} if strays else {first})
        processes.move(process.pid, [second])
        assert processes.allowed_cpus(process.pid) == {second}


def test_descendants_are_found_whatever_thread_started_them():
    source = """
        started = []
        def work():
            started.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).pid)
            time.sleep(600)
        for _ in range(2):
            threading.Thread(target=work, daemon=True).start()
        while len(started) < 2:
            time.sleep(0.01)
        ready()
    """
    with program(source) as process:
        assert len(processes.descendants(process.pid)) == 2


def test_a_process_that_is_gone_or_was_never_there_is_not_known():
    with program("ready()") as process:
        pid = process.pid
    process.wait()
    assert processes.cpu_seconds(pid) is None
    assert processes.cpu_seconds(2**22 + 7) is None
    assert processes.descendants(pid) == []
    assert processes.allowed_cpus(pid) == set()


def test_a_name_with_parentheses_and_spaces_moves_no_field(idle):
    """Or page faults are taken for what ended children used, for instance."""
    source = """
        child = os.fork()
        if child == 0:
            burn(BURN); os._exit(0)
        os.waitpid(child, 0)
        ctypes.CDLL(None).prctl(15, b") 9 9 9 (x", 0, 0, 0)  # PR_SET_NAME
        ready()
    """
    found = used(f"BURN = {BURN_S}\n" + textwrap.dedent(source)) - idle
    assert found == pytest.approx(BURN_S, abs=0.15)
