"""Workers that send invalid answers, print without end or leave processes behind: each costs its own row alone."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest

from workbench.store.codec import decoded
from workbench.wire import answers

MODULE = "import numpy as np\n"
START = '    w = problem.init["w"].copy()\n'
HANG = "os.read(os.pipe()[0], 1)"
MIB = 1 << 20

BLOCKS = "import workbench.wire.worker\n\nworkbench.wire.worker.Worker.do_block = lambda self, **_: {answer}\n"
ANSWERS = {
    "negative": '{"seconds": -1.0, "cpu_s": 0.1}',
    "zero": '{"seconds": 0, "cpu_s": 0.1}',
    "endless": '{"seconds": 1e300, "cpu_s": 0.1}',
    "text": '{"seconds": "fast", "cpu_s": 0.1}',
    "truth": '{"seconds": True, "cpu_s": 0.1}',
    "nothing": "{}",
    "null": '{"seconds": None, "cpu_s": None}',
    "not_a_number": '{"seconds": float("nan"), "cpu_s": 0.1}',
    "half": '{"seconds": 0.1}',
}
OBSERVED = "import workbench.wire.worker\n\nworkbench.wire.worker.Worker.do_observe = lambda self: {answer}\n"
OBSERVATIONS = {
    "threads": '{"observed": {"threads": "many"}, "pool_threads": {}, "peak_bytes": 1, "peak_device_bytes": None}',
    "nested": '{"observed": {"device": ["a"]}, "pool_threads": {}, "peak_bytes": 1, "peak_device_bytes": None}',
    "no_object": '{"observed": None, "pool_threads": {}, "peak_bytes": 1, "peak_device_bytes": None}',
    "missing": "{}",
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
    for name, answer in ANSWERS.items():
        content.plant(f"block_{name}", content.changed((MODULE, BLOCKS.replace("{answer}", answer) + MODULE)))
    for name, answer in OBSERVATIONS.items():
        content.plant(f"observe_{name}", content.changed((MODULE, OBSERVED.replace("{answer}", answer) + MODULE)))
    content.plant("injects", content.changed((START, f"    raise RuntimeError({INJECTION})\n{START}")))
    store = tmp_path_factory.mktemp("store")
    words = ["run", "linreg", "--steps=3", "--launches=1", "--rounds=1", "--content", content.root, "--output", store]
    done = cli(*words, "-f", content.frontends, "--json", TMPDIR=str(tmp_path_factory.mktemp("temporary")))
    assert "Traceback" not in done.stderr, done.stderr
    return store, {row["frontend"]: row for row in json.loads(done.stdout)["contestants"]}


@pytest.mark.parametrize("name", [*(f"block_{n}" for n in ANSWERS), *(f"observe_{n}" for n in OBSERVATIONS)])
def test_nonsense_on_the_result_channel_costs_its_own_row(nonsense, name):
    _, rows = nonsense
    assert rows[name]["outcome"] == "error"
    assert rows[name]["step_s"] is None
    assert any(
        said in rows[name]["reason"]
        for said in ("seconds", "invalid answer", "no time", "exit code 1", "NaN or infinite")
    )


def test_all_others_are_complete(nonsense):
    _, rows = nonsense
    assert rows["numpy_manual"]["outcome"] == "ok"


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


PREPARED = dict.fromkeys(("wait_s", "audit_block_s", "audit_fetch_s", "audit_busy"), 0.1)
REPORT = {"observed": {}, "pool_threads": {}, "peak_bytes": 1, "peak_device_bytes": None}


@pytest.mark.parametrize(
    ("kind", "message", "said"),
    [
        (answers.Imported, {"import_s": 1.0, "rss_bytes": 1, "versions": {"x": 3}}, "versions"),
        (
            answers.Imported,
            {"import_s": -1.0, "rss_bytes": 1, "versions": {}},
            "import_s = -1.0, expected a time in seconds",
        ),
        (answers.Prepared, {"trace": [], "block_steps": 1}, "wait_s"),
        (answers.Prepared, {**PREPARED, "trace": [-1.0], "block_steps": 1}, "trace"),
        (answers.Prepared, {**PREPARED, "trace": [1.0], "block_steps": 0}, "steps per block"),
        (answers.Block, {"seconds": True, "cpu_s": 0.1}, "seconds"),
        (answers.Canary, {"canary_s": None, "flops": None}, "canary_s"),
        (answers.Observed, {**REPORT, "observed": {"threads": True}}, "observed threads = 'True'"),
        (answers.Observed, {**REPORT, "observed": {"device": ["a"]}}, "device|observed"),
        (answers.Observed, {**REPORT, "metrics": {"unheard_of": 1.0}}, "the metric 'unheard_of' is not declared"),
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
    assert len(log) < MIB
    assert log.startswith(b"0000000\n")
    assert b"bytes left out" in log
    assert b"%07d\n" % (PRINTED // 8192 - 1) in log


def test_one_that_prints_for_ever_has_its_deadline_all_the_same(content, measure):
    session, code, row = session_with(content, measure, PRINTS_FOR_EVER, "--timeout=3")
    assert (code, row["outcome"]) == (1, "timeout")
    assert (session.folder / row["log"]).stat().st_size < MIB


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
