"""Planted frontends whose process fails: each costs its own row, with a reason in one line; all others are kept."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

TIMEOUT_S = 4
ANSWERS = "int(sys.argv[3])"  # the pipe on which a worker answers
IMPORTS = "import os, resource, signal, subprocess, sys, tempfile, threading, time\n"
BLOCK = "os.read(os.pipe()[0], 1)"
NOISE = "sys.stdout.buffer.write(b'\\xff\\xfe\\x1b[31m\\x00' + 5_000_000 * b'x'); sys.stdout.flush()"
GRANDCHILD = "subprocess.Popen(['sleep', '300'], close_fds=False)"
KEPT_PIPE = f"os.set_inheritable({ANSWERS}, True); {GRANDCHILD}"

# What runs when train() starts, the outcome it must come to, and what the reason must say.
FAULTS = {
    "raises": (
        "raise RuntimeError('planted\\nin two lines')",
        "error",
        "RuntimeError in 'set_up': planted in two lines (linreg.py, line ",
    ),
    "raises_with_nowhere_to_print": (
        "os.closerange(1, 3); raise RuntimeError('planted')",
        "error",
        "RuntimeError in 'set_up': planted",
    ),
    "raises_with_no_stderr": ("sys.stderr = None; raise RuntimeError('planted')", "error", "'set_up'"),
    "raises_what_has_no_text": ("raise type('Odd', (Exception,), {'__str__': None})()", "error", "'set_up'"),
    "raises_several": (
        "raise BaseExceptionGroup('g', [KeyboardInterrupt()])",
        "error",
        "BaseExceptionGroup in 'set_up'",
    ),
    "exits": ("sys.exit(3)", "error", "'set_up'"),
    "exits_with_success": ("sys.exit(0)", "error", "'set_up'"),
    "interrupts_itself": ("raise KeyboardInterrupt", "error", "'set_up'"),
    "segfaults": ("os.kill(os.getpid(), signal.SIGSEGV)", "error", "SIGSEGV"),
    "aborts": ("os.abort()", "error", "SIGABRT"),
    "dies_of_a_real_time_signal": ("os.kill(os.getpid(), 40)", "error", "crashed in 'set_up' with signal 40"),
    "leaves_quietly": ("os._exit(0)", "error", "exit code 0"),
    "is_killed": ("os.kill(os.getpid(), signal.SIGKILL)", "out-of-memory", "SIGKILL"),
    "memory_error": ("raise MemoryError", "out-of-memory", "memory"),
    "numpy_runs_out_of_memory": ("np.ones(1 << 58)", "out-of-memory", "2.00 EiB"),
    "cuda_runs_out_of_memory": ("raise RuntimeError('CUDA out of memory.')", "out-of-memory", "CUDA"),
    "hangs": (BLOCK, "timeout", f"'set_up' within the timeout of {TIMEOUT_S} s"),
    "ignores_sigterm": (f"signal.signal(signal.SIGTERM, signal.SIG_IGN); {BLOCK}", "timeout", "'set_up'"),
    "answers_garbage": (f"os.write({ANSWERS}, b'\\xff garbage\\n'); {BLOCK}", "error", "invalid answer"),
    "answers_half_a_line": (f"os.write({ANSWERS}, b'{{\"v\": 3, '); os._exit(0)", "error", "exit code 0"),
    "answers_nan": (f'os.write({ANSWERS}, b\'{{"v": 4, "did": NaN}}\\n\'); {BLOCK}', "error", "NaN"),
    "answers_another_version": (f"os.write({ANSWERS}, b'{{\"v\": 99}}\\n'); {BLOCK}", "error", "version"),
    "answers_out_of_turn": (f'os.write({ANSWERS}, b\'{{"v": 4, "did": "block"}}\\n\'); {BLOCK}', "error", "'block'"),
    "answers_too_much": (f"[os.write({ANSWERS}, bytes(65536)) for _ in range(40)]; {BLOCK}", "error", "1 MiB"),
    "forks_and_goes_on": ("os.fork()", "error", "answered"),
    "closes_every_descriptor": ("os.closerange(3, 1000)", "error", "'set_up'"),
    "may_write_no_file": ("resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))", "error", "File too large"),
    "closes_its_channel": (f"os.close({ANSWERS}); {BLOCK}", "error", "closed its channel"),
    "dies_with_a_grandchild_on_its_pipe": (f"{KEPT_PIPE}; os._exit(0)", "error", "exit code 0"),
    "clock_runs_backwards": ("time.perf_counter = lambda: -time.monotonic()", "error", "seconds"),
}
# What a frontend may do and still be right.
HARMLESS = {
    "prints_garbage": NOISE,
    "prints_garbage_on_stderr": NOISE.replace("stdout", "stderr"),
    "closes_stdout": "sys.stdout.close()",
    "closes_what_it_prints_to": "os.closerange(1, 3)",
    "changes_folder": "os.chdir('/')",
    "changes_to_a_folder_that_is_removed": "d = tempfile.mkdtemp(); os.chdir(d); os.rmdir(d)",
    "allows_little_recursion": "sys.setrecursionlimit(60)",
    "closes_stdin": "sys.stdin.close()",
    "leaves_a_grandchild": KEPT_PIPE,
    "hangs_at_exit": "threading.Thread(target=os.read, args=(os.pipe()[0], 1)).start()",
}
# Root may read any file; a user's harness cannot read those that a worker writes with this mask.
UNREADABLE = "lets_nobody_read_its_files"
if os.geteuid():
    FAULTS[UNREADABLE] = ("os.umask(0o777)", "error", "cannot be read: PermissionError")
else:
    HARMLESS[UNREADABLE] = "os.umask(0o777)"
# The same in the timed process alone, after its first steps.
WHILE_TIMED = {
    "raises_while_timed": (
        "raise RuntimeError('planted')",
        "error",
        "RuntimeError in 'run': planted (linreg.py, line ",
    ),
    "leaves_while_timed": ("os._exit(0)", "error", "exited in 'run' with exit code 0"),
    "segfaults_while_timed": ("os.kill(os.getpid(), signal.SIGSEGV)", "error", "crashed in 'run' with SIGSEGV"),
    "is_killed_while_timed": ("os.kill(os.getpid(), signal.SIGKILL)", "out-of-memory", "killed in 'run' with SIGKILL"),
    "hangs_while_timed": (BLOCK, "timeout", "'run' within the timeout"),
    "answers_garbage_while_timed": (f"os.write({ANSWERS}, b'garbage\\n'); {BLOCK}", "error", "invalid answer"),
}
# What a runtime may answer: what is replaced in it, the outcome, and what the reason must say.
VERSIONS, DEVICE = 'return {"numpy": np.__version__}', '"device": "cpu"'
RUNTIMES = {
    "versions_that_are_numbers": (
        (VERSIONS, 'return {"numpy": 3}'),
        "error",
        "runtime.versions() returned int, expected",
    ),
    "versions_without_end": ((VERSIONS, 'return {"numpy": "9" * 2_000_000}'), "error", "longer than 1 MiB"),
    "observes_nan": ((DEVICE, f'{DEVICE}, "x": float("nan")'), "error", "NaN or infinite"),
    "observes_itself": ((DEVICE, f'{DEVICE}, "x": (lambda d: d.update(x=d) or d)({{}})'), "error", "contains itself"),
    "observes_too_much": ((DEVICE, f'{DEVICE}, "x": 10**400'), "error", "expected a number below"),
    "counts_less_than_nothing": (
        ("def wait(", "def compilations():\n    return {'a': -1}\n\n\ndef wait("),
        "error",
        "-1",
    ),
    "versions_with_a_number_for_a_name": (
        (VERSIONS, 'return {"numpy": np.__version__, 4: None}'),
        "error",
        "runtime.versions() returned int, expected a dict of names and texts",
    ),
    "device_memory_that_is_a_text": (("    return None", "    return 'much'"), "error", "invalid answer"),
    "device_memory_below_zero": (
        ("    return None", "    return -5"),
        "error",
        "peak_device_bytes = -5, expected 0 or",
    ),
    "fewer_threads_than_none": (("max((library", "-max((library"), "error", "threads = -1, expected 0 or more"),
    "versions_in_a_list": (
        (VERSIONS, 'return ["numpy"]'),
        "error",
        "runtime.versions() returned list, expected a dict",
    ),
    "metrics_that_are_texts": (
        ("def wait(", "def metrics():\n    return {'a': 'x'}\n\n\ndef wait("),
        "error",
        "metrics",
    ),
    "scalars_that_are_none": (("def wait(", "def scalar():\n    return 'x'\n\n\ndef wait("), "error", "'scalars'"),
}
HARMLESS_RUNTIMES = {
    "waits_a_while": ('computes synchronously."""', 'computes."""\n    __import__(\'time\').sleep(0.02)'),
    "device_that_drives_a_terminal": (DEVICE, '"device": "<script>alert(1)</script>\\x1b[2J"'),
}
START = '    w = problem.init["w"].copy()\n'
MODULE = "import numpy as np\n"


@pytest.fixture(scope="module")
def content(new_content):
    content = new_content()
    codes = {name: code for name, (code, _, _) in FAULTS.items()} | HARMLESS
    for name, code in codes.items():
        source = content.changed((MODULE, IMPORTS + MODULE), (START, f"    {code}\n{START}"))
        content.plant(name, source)
    content.plant("yields_no_losses", content.changed(("yield loss", "if loss < 0: yield loss")))
    library = "exec(compile(\"raise ImportError('libplanted.so')\", 'planted/library.py', 'exec'))"
    loop = "    for x, y in batches:\n"
    for name, (code, _, _) in WHILE_TIMED.items():
        late = f"{loop}        if problem.dtype == 'float32' and problem.feed.step == 300:\n            {code}\n"
        content.plant(name, content.changed((MODULE, IMPORTS + MODULE), (loop, late)))
    runtimes = {name: replacement for name, (replacement, _, _) in RUNTIMES.items()} | HARMLESS_RUNTIMES
    for name, replacement in runtimes.items():
        content.plant(name, content.changed(), runtime=content.changed(replacement, file="runtime.py"))
    content.plant("raises_on_import", content.changed((MODULE, f"{MODULE}raise ValueError('planted')\n")))
    content.plant("breaks_on_import", content.changed((MODULE, f"{MODULE}{library}\n")))
    content.plant("misspells_an_import", content.changed((MODULE, f"{MODULE}import numpyy\n")))
    content.plant("syntax_error", content.changed((MODULE, f"{MODULE}this is no Python\n")))
    content.plant("exits_on_import", content.changed((MODULE, f"import os\n\n{MODULE}os._exit(7)\n")))
    missing = "no_such_package_xyz"
    content.plant("missing", content.changed((MODULE, f"{MODULE}import {missing}.core\n")), packages=(missing,))
    return content


OTHER_FAULTS = {
    "raises_on_import": ("error", "ValueError: planted (linreg.py, line "),
    "misspells_an_import": ("error", "No module named 'numpyy' (linreg.py, line "),
    "breaks_on_import": ("error", "libplanted.so; try pip install --force-reinstall 'framework-workbench[planted]'"),
    "exits_on_import": ("error", "exit code 7"),
    "yields_no_losses": ("timeout", f"'run' within the timeout of {TIMEOUT_S} s"),
    "missing": ("unavailable", "no_such_package_xyz is not installed: pip install 'framework-workbench[planted]'"),
}
PLANTED = {**FAULTS, **WHILE_TIMED, **RUNTIMES}
EXPECTED = {name: (outcome, said) for name, (_, outcome, said) in PLANTED.items()} | OTHER_FAULTS


@pytest.fixture(scope="module")
def faulty(content, session):
    return session(content, "--steps=20", f"--timeout={TIMEOUT_S}")


@pytest.mark.parametrize("name", EXPECTED)
def test_a_fault_ends_in_its_outcome_with_a_reason(faulty, name):
    outcome, said = EXPECTED[name]
    row = faulty.rows[name]
    assert (row["outcome"], row["step_s"]) == (outcome, None)
    assert said in row["reason"]


@pytest.mark.parametrize("name", EXPECTED)
def test_the_reason_is_one_line_and_the_log_exists(faulty, name):
    row = faulty.rows[name]
    assert len(row["reason"].splitlines()) == 1
    assert (faulty.run.path / row["log"]).is_file()


@pytest.mark.parametrize("name", ["numpy_manual", *HARMLESS, *HARMLESS_RUNTIMES])
def test_all_others_are_complete(faulty, name):
    row = faulty.rows[name]
    assert (row["outcome"], row["reason"], row["verdict"]) == ("ok", "", "agrees")
    assert min(row[time] for time in ("import_s", "setup_s", "first_step_s", "step_s", "peak_bytes")) > 0


def test_a_syntax_error_is_read_and_no_process_is_started_for_it(faulty):
    row = faulty.rows["syntax_error"]
    assert (row["outcome"], row["step_s"]) == ("error", None)
    assert row["reason"].endswith("/frontends/syntax_error/linreg.py, line 4: not valid Python: invalid syntax")
    assert row["log"] == ""


def test_every_contestant_has_exactly_one_row(faulty):
    assert set(faulty.rows) == {"numpy_manual", "syntax_error", *EXPECTED, *HARMLESS, *HARMLESS_RUNTIMES}
    assert faulty.run.table["frontend"].is_unique


def test_an_observation_cannot_drive_a_terminal_or_a_page(faulty, cli):
    page = (faulty.run.path / "summary.md").read_text()
    shown = cli("show", "latest", "--details", "--results", faulty.store).stdout
    assert "\x1b" not in shown + page
    assert "<script>" not in page + faulty.run._repr_html_()


def test_a_traceback_stands_in_the_log(faulty):
    assert b"Traceback" in faulty.log("raises")
    assert b"Fatal Python error: Segmentation fault" in faulty.log("segfaults")


def test_what_a_frontend_prints_goes_to_its_log_alone(faulty):
    for name in ("prints_garbage", "prints_garbage_on_stderr"):
        assert b"\xff\xfe\x1b[31m\x00xxx" in faulty.log(name)
    assert "xxx" not in faulty.stdout + faulty.stderr
    assert "\x1b" not in faulty.stdout + faulty.stderr


def test_the_exit_code_tells(faulty):
    assert faulty.exit_code == 1


def test_nothing_is_left_behind(faulty):
    assert [path.name for path in faulty.temporary.iterdir() if path.suffix != ".lock"] == []
    assert [path.name.startswith(".") for path in faulty.store.iterdir()] == [False]
    assert list(faulty.run.path.rglob("*.partial")) == []


def test_no_process_is_left_behind(faulty, content):
    """Neither a worker nor a grandchild: each would have the run's environment."""
    mark = f"TMPDIR={faulty.temporary}"
    left = []
    for process in psutil.process_iter():
        try:
            inherited = Path(f"/proc/{process.pid}/environ").read_bytes().decode(errors="replace").split("\0")
            if mark in inherited and process.status() != psutil.STATUS_ZOMBIE:
                left.append(process.cmdline())
        except (OSError, psutil.Error):
            continue
    assert left == []


NO_GPU = "def configure(settings: Settings) -> None:\n"
RAISES_NO_GPU = f"{NO_GPU}    raise DeviceUnavailableError('planted sees no GPU')\n\n\ndef unused(settings) -> None:\n"


def test_a_device_that_is_not_there_is_no_failure(new_content, session):
    content = new_content()
    imports = ("import Settings", "import DeviceUnavailableError, Settings")
    runtime = content.changed(imports, (NO_GPU, RAISES_NO_GPU), file="runtime.py")
    content.plant("without_gpu", content.changed(), runtime=runtime, devices=("cpu", "gpu"))
    done = session(content, "--steps=5", "--device=gpu")
    numpy, planted = done.rows["numpy_manual"], done.rows["without_gpu"]
    assert (numpy["outcome"], numpy["reason"]) == ("unsupported", "NumPy runs only on cpu")
    assert planted["outcome"] == "unavailable"
    assert "planted sees no GPU" in planted["reason"]
    assert "pip install" in planted["reason"]
    assert done.exit_code == 3


def test_a_task_that_cannot_make_its_problem_is_one_sentence_and_nothing_is_written(new_content, session):
    content = new_content()
    task = content.root / "tasks" / "linreg.py"
    task.write_text(task.read_text() + "\n\ndef make(*_, **__):\n    raise OSError('planted')\n")
    done = session(content, "--steps=5")
    assert done.exit_code == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith("workbench: ")
    assert "planted" in last
    assert done.stdout == ""
    assert os.listdir(done.store) == []  # noqa: PTH208


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        ("yield np.array([loss, loss])", "TypeError in 'fetch': "),
        (
            "if loss < 0: yield loss",
            f"the reference's process hangs: no answer to 'run' within the timeout of {TIMEOUT_S} s",
        ),
    ],
)
def test_a_reference_without_a_loss_per_step_is_named_as_the_cause(new_content, session, loss, said):
    content = new_content()
    (content.numpy / "linreg.py").write_text(content.changed(("yield loss", loss)))
    done = session(content, "--steps=5", f"--timeout={TIMEOUT_S}")
    assert done.exit_code == 2
    last = done.stderr.splitlines()[-1]
    assert f"the problem could not be made: {said}" in last
    assert "in the log" not in last, "which is removed with the folder"


def test_a_mistake_in_the_reference_is_told_once_with_its_file_and_line(new_content, session):
    content = new_content()
    (content.numpy / "linreg.py").write_text(content.changed((MODULE, f"{MODULE}import numpyy\n")))
    done = session(content, "--steps=5")
    last = done.stderr.splitlines()[-1]
    assert last.count("numpyy") == 1
    assert "(linreg.py, line " in last
    assert "pip install" not in last


def test_a_message_that_is_no_text_costs_its_own_row_alone(new_content, session):
    content = new_content()
    odd = "raise ValueError('a\\udc80b\\x1b[2Jc')"
    content.plant("odd", content.changed((START, f"    {odd}\n{START}")))
    done = session(content, "--steps=5")
    assert done.rows["numpy_manual"]["outcome"] == "ok"
    assert done.rows["odd"]["reason"].startswith("ValueError in 'set_up': a")
    assert "\x1b" not in done.rows["odd"]["reason"]
