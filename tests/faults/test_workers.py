"""Workers that send invalid answers, print without end or leave processes behind: each costs its own row alone."""

from __future__ import annotations

import json
import os
import signal
import time
from types import SimpleNamespace

import pytest

from workbench.model.outcomes import Outcome
from workbench.session.context import Context
from workbench.store.codec import decoded
from workbench.wire import answers

MODULE = "import numpy as np\n"
START = '    w = problem.init["w"].copy()\n'
HANG = "os.read(os.pipe()[0], 1)"
MIB = 1 << 20
PROCESSES = 2  # of a contestant in one launch: in float64, and timed

# A command answered otherwise than the worker would: everywhere, or only in the process that is timed.
LIE = """from workbench.wire.worker import Worker


def lie(self, before=Worker.do_{command}, **how):
    right = before(self, **how)
    return {answer} if self.job.dtype in {where} else right


Worker.do_{command} = lie
"""
EVERYWHERE, WHERE_TIMED = ("float32", "float64"), ("float32",)
OBSERVED = {"observed": {}, "pool_threads": {}, "peak_bytes": 1, "peak_device_bytes": None}
LIES = {
    "run_negative": ("run", '{"seconds": -1.0}', "expected a time in seconds"),
    "run_zero": ("run", '{"seconds": 0}', "expected a time in seconds"),
    "run_endless": ("run", '{"seconds": 1e300}', "expected a time in seconds"),
    "run_text": ("run", '{"seconds": "fast"}', "seconds"),
    "run_truth": ("run", '{"seconds": True}', "seconds"),
    "run_nothing": ("run", "{}", "seconds"),
    "run_null": ("run", '{"seconds": None}', "seconds"),
    "run_not_a_number": ("run", '{"seconds": float("nan")}', "NaN or infinite"),
    "wait_negative": ("wait", '{"seconds": -1.0}', "expected a time in seconds"),
    "fetch_negative": ("fetch", '{"seconds": [-1.0] * len(right["seconds"])}', "expected a time in seconds"),
    "fetch_none": ("fetch", '{"seconds": []}', "0 times for"),
    "fetch_null": ("fetch", '{"seconds": None}', "invalid answer"),
    "scalars_none": ("scalars", '{"seconds": []}', "0 times for"),
    "scalars_endless": ("scalars", '{"seconds": [1e300]}', "expected a time in seconds"),
    "set_up_no_steps": ("set_up", '{**right, "steps_per_call": 0}', "expected at least 1"),
    "set_up_many_steps": ("set_up", '{**right, "steps_per_call": 10**9}', "at most 10000"),
    "set_up_text": ("set_up", '{**right, "steps_per_call": "all"}', "invalid answer"),
    "compilations_negative": ("compilations", '{"compilations": {"a": -1}}', "expected 0 or more"),
    "compilations_text": ("compilations", '{"compilations": {"a": "b"}}', "invalid answer"),
    "observe_threads": ("observe", str({**OBSERVED, "observed": {"threads": "many"}}), "expected a number"),
    "observe_nested": ("observe", str({**OBSERVED, "observed": {"device": ["a"]}}), "invalid answer"),
    "observe_no_object": ("observe", str({**OBSERVED, "observed": None}), "invalid answer"),
    "observe_huge_peak": ("observe", str({**OBSERVED, "observed": {"peak": 10**30}}), "observed peak = 1000"),
    "observe_huge_device": ("observe", str({**OBSERVED, "observed": {"device": 10**30}}), "observed device = 1000"),
    "observe_missing": ("observe", "{}", "invalid answer"),
}
# Files that are not what they should be.
FILES = {
    "state_absent": ("state", "os.unlink(how['to'])"),
    "state_garbage": ("state", "open(how['to'], 'wb').write(b'garbage')"),
    "state_empty": ("state", "open(how['to'], 'wb').close()"),
    "fetch_absent": ("fetch", "os.unlink(how['to'])"),
    "fetch_garbage": ("fetch", "open(how['to'], 'wb').write(b'PK garbage')"),
    "fetch_too_few": ("fetch", "np.savez(how['to'], losses=np.ones(1))"),
    "fetch_in_two_axes": ("fetch", "np.savez(how['to'], losses=np.ones((2, 2)))"),
    "fetch_of_objects": ("fetch", "np.savez(how['to'], losses=np.array([None], dtype=object), allow_pickle=True)"),
}
# What it does to the session around it, at the start of its training, and what its row says; "" if it stays ok.
DEEP = 'import sys; os.write(int(sys.argv[3]), b"[" * 200_000 + b"\\n"); time.sleep(60)'
RUN_FOLDER = 'own, = pathlib.Path(os.environ["STORE"]).glob(f".partial-*/contestants/{problem.mode}")'
NAMESPACE = 'ns = os.stat("/proc/self/ns/pid").st_ino'
LEFT = 'subprocess.Popen(["sleep", "5"], start_new_session=True)'
SABOTAGE = {
    "deep_answer": (DEEP, "nested too deeply"),
    "name_that_is_no_text": (r'ctypes.CDLL(None).prctl(15, b"\xff", 0, 0, 0)', ""),
    "fifo_for_its_declaration": ('toml = here / "frontend.toml"; toml.unlink(); os.mkfifo(toml)', ""),
    "no_folder": ("shutil.rmtree(here)", "import fails"),
    "file_for_its_folder": (f"{RUN_FOLDER}; shutil.rmtree(own); own.touch()", ""),
    "folder_for_its_log": (f'{RUN_FOLDER}; (own / "log.txt").unlink(); (own / "log.txt").mkdir()', ""),
    "fifo_for_its_log": (f'{RUN_FOLDER}; (own / "log.txt").unlink(); os.mkfifo(own / "log.txt")', ""),
    "folder_for_its_samples": (f'{RUN_FOLDER}; (own / "samples.json").mkdir(exist_ok=True)', ""),
    "folder_for_its_proof": (f'{RUN_FOLDER}; (own / ".proof.npz.partial").mkdir(exist_ok=True)', "Is a directory"),
    "malformed_mark": (f'{NAMESPACE}; os.environ["WORKBENCH_WORKER"] = f"{{ns}}-{{10**30}}-x"; {LEFT}', ""),
}
INJECTION = "'\\x1b]0;owned\\x07<script>alert(1)</script>[red]x[/red]|`**\\u202e'"
DAEMON = (
    "pid = os.fork()\n    if not pid:\n        os.setsid()\n        if os.fork():\n            os._exit(0)\n"
    f"        {HANG}\n    os.waitpid(pid, 0)"
)
PRINTS_FOR_EVER = "while True:\n        os.write(1, bytes(65536))"
PRINTED = 50 * MIB


@pytest.fixture(scope="module")
def nonsense(new_content, cli, tmp_path_factory):
    """One session with every contestant that sends an invalid answer; its rows by frontend, and what was printed."""
    content = new_content()
    for name, (command, answer, _) in LIES.items():
        for where, planted in ((EVERYWHERE, f"{name}_everywhere"), (WHERE_TIMED, name)):
            lie = LIE.format(command=command, answer=answer, where=where)
            content.plant(planted, content.changed((MODULE, f"{lie}\n\n{MODULE}")))
    for name, (command, spoil) in FILES.items():
        lie = LIE.format(command=command, answer=f"(right, {spoil})[0]", where=WHERE_TIMED)
        content.plant(name, content.changed((MODULE, f"import os\n\n{lie}\n\n{MODULE}")))
    content.plant("injects", content.changed((START, f"    raise RuntimeError({INJECTION})\n{START}")))
    store = tmp_path_factory.mktemp("store")
    words = ["run", "linreg", "--steps=3", "--launches=1", "--rounds=1", "--content", content.root, "--output", store]
    done = cli(*words, "-f", content.frontends, "--json", TMPDIR=str(tmp_path_factory.mktemp("temporary")))
    assert "Traceback" not in done.stderr, done.stderr
    return store, {row["frontend"]: row for row in json.loads(done.stdout)["contestants"]}


@pytest.mark.parametrize("name", [*LIES, *(f"{name}_everywhere" for name in LIES)])
def test_nonsense_on_the_result_channel_costs_its_own_row(nonsense, name):
    _, rows = nonsense
    assert (rows[name]["outcome"], rows[name]["step_s"]) == ("error", None)
    assert LIES[name.removesuffix("_everywhere")][2] in rows[name]["reason"]


@pytest.mark.parametrize("name", FILES)
def test_nonsense_in_a_file_costs_its_own_row(nonsense, name):
    _, rows = nonsense
    assert (rows[name]["outcome"], rows[name]["step_s"]) == ("error", None)
    assert len(rows[name]["reason"].splitlines()) == 1


def test_all_others_are_complete(nonsense):
    _, rows = nonsense
    assert rows["numpy_manual"]["outcome"] == "ok"


def test_what_one_does_to_the_session_around_it_costs_its_own_row(new_content, cli, tmp_path):
    content, store = new_content(), tmp_path / "store"
    for name, (act, _) in SABOTAGE.items():
        imports = "import ctypes, os, pathlib, shutil, subprocess, time"
        first = f"    {imports}\n    here = pathlib.Path(__file__).parent\n    {act}\n"
        content.plant(name, content.changed((START, first + START)))
    words = ["run", "linreg", "--steps=3", "--launches=1", "--rounds=1", "--content", content.root, "--output", store]
    own = {"TMPDIR": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"), "STORE": str(store)}
    done = cli(*words, "-f", content.frontends, "--timeout=20s", "--json", **own)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    rows = {row["frontend"]: row for row in json.loads(done.stdout)["contestants"]}
    assert rows["numpy_manual"]["outcome"] == "ok"
    for name, (_, said) in SABOTAGE.items():
        assert rows[name]["outcome"] == ("error" if said else "ok"), rows[name]["reason"]
        assert said in rows[name]["reason"]
    assert cli("rebuild", "latest", "--results", store).returncode == 0


def test_a_message_cannot_drive_a_terminal_or_a_page(nonsense, cli):
    store, rows = nonsense
    assert "owned" in rows["injects"]["reason"]
    shown = cli("show", "latest", "--results", store).stdout
    assert not {"\x1b", "\x07", "\u202e"} & set(shown)
    assert "[red]x[/red]" in shown.replace("\n", "")
    (page,) = store.glob("*/summary.md")
    assert "<script>" not in page.read_text()
    from workbench import api

    assert "<script>" not in api.load("latest", store)._repr_html_()


@pytest.mark.parametrize(
    ("kind", "message", "said"),
    [
        (answers.Imported, {"import_s": 1.0, "rss_bytes": 1, "versions": {"x": 3}}, "versions"),
        (
            answers.Imported,
            {"import_s": -1.0, "rss_bytes": 1, "versions": {}},
            "import_s = -1.0, expected a time in seconds",
        ),
        (answers.Ready, {"setup_s": 1.0, "steps_per_call": 0}, "steps_per_call = 0, expected at least 1"),
        (answers.Ready, {"steps_per_call": 1}, "setup_s"),
        (answers.Ran, {"seconds": True}, "seconds"),
        (answers.Ran, {"seconds": 0.0}, "seconds = 0.0, expected a time in seconds"),
        (answers.Took, {}, "seconds"),
        (answers.Fetched, {"seconds": [1.0, -1.0]}, "seconds = -1.0, expected a time in seconds"),
        (answers.Fetched, {"seconds": 1.0}, "seconds"),
        (answers.Copied, {"bytes_per_s": 0.0}, "bytes_per_s = 0.0, expected a positive number"),
        (answers.Compilations, {"compilations": {"a": -1}}, "number of compilations is -1"),
        (answers.Canary, {"canary_s": None, "flops": None}, "canary_s"),
        (answers.Observed, {**OBSERVED, "observed": {"threads": True}}, "observed threads = 'True'"),
        (answers.Observed, {**OBSERVED, "observed": {"device": ["a"]}}, "device|observed"),
        (answers.Observed, {**OBSERVED, "metrics": {"unheard_of": 1.0}}, "the metric 'unheard_of' is not declared"),
    ],
)
def test_an_answer_that_lacks_something_is_refused(kind, message, said):
    with pytest.raises(ValueError, match=said):
        decoded(kind, message)


def session_with(content, measure, code, *words):
    source = content.changed((MODULE, f"import os\n{MODULE}"), (START, f"    {code}\n{START}"))
    content.plant("planted", source)
    session = measure("--json", *words, launches=1)
    code = session.end()
    rows = {row["frontend"]: row for row in json.loads(session.printed)["contestants"]}
    assert rows["numpy_manual"]["outcome"] == "ok"
    return session, code, rows["planted"]


def test_what_a_worker_prints_is_capped_with_its_head_and_its_tail(content, measure):
    code = f"[os.write(1, b'%07d\\n' % n * 1024) for n in range({PRINTED // 8192})]"
    session, ended, row = session_with(content, measure, code)
    assert (ended, row["outcome"]) == (0, "ok")
    log = (session.folder / row["log"]).read_bytes()
    assert len(log) < PROCESSES * MIB
    assert log.startswith(b"0000000\n")
    assert log.count(b"bytes left out") == PROCESSES
    assert b"%07d\n" % (PRINTED // 8192 - 1) in log


def test_one_that_prints_for_ever_has_its_deadline_all_the_same(content, measure):
    session, code, row = session_with(content, measure, PRINTS_FOR_EVER, "--timeout=3")
    assert (code, row["outcome"]) == (1, "timeout")
    assert (session.folder / row["log"]).stat().st_size < PROCESSES * MIB


def test_a_hung_worker_leaves_its_stack_in_the_log(content, measure):
    session, code, row = session_with(content, measure, HANG, "--timeout=2")
    assert (code, row["outcome"]) == (1, "timeout")
    log = (session.folder / row["log"]).read_text()
    assert "most recent call first" in log
    assert "planted/linreg.py" in log


def test_a_daemon_that_left_its_group_and_holds_the_pipes_is_ended(content, measure, left_running):
    _, code, row = session_with(content, measure, DAEMON)
    assert (code, row["outcome"]) == (0, "ok")
    assert left_running() == []


def test_what_a_killed_session_left_running_is_ended_by_the_next(content, measure, gate, left_running):
    there = gate("launch", 1)
    content.plant("planted", content.changed((MODULE, f"import os\n{MODULE}"), (START, f"    {DAEMON}\n{START}")))
    session = measure("--frameworks=planted,numpy_manual", "--max-alive=2", launches=1)
    there.wait()
    session.signal(signal.SIGKILL)
    session.process.wait()
    there.remove()
    deadline = time.monotonic() + 30
    while len(left_running()) > 1:  # workers die with the harness; the daemon, if it is there yet, does not
        assert time.monotonic() < deadline
        os.sched_yield()
    assert measure("--frameworks=numpy_manual", launches=1).end() == 0
    assert left_running() == []


@pytest.mark.parametrize("error", [KeyError("w"), RecursionError("too deep"), OSError(5, "no such thing", "a/file")])
def test_what_nobody_foresaw_is_the_outcome_of_one_row(error):
    ended = []
    context = SimpleNamespace(_end_alone=lambda *how: ended.append(how))
    with Context.failing_only(context, "planted"):
        raise error
    ((contestant, outcome, reason),) = ended
    assert (contestant, outcome) == ("planted", Outcome.ERROR)
    assert str(error.args[-1] if error.args else "") in reason or error.filename in reason


def test_a_log_that_cannot_be_written_is_nobodys_outcome():
    with pytest.raises(OSError, match="full"), Context.failing_only(SimpleNamespace(), "planted"):
        raise OSError(28, "full")
