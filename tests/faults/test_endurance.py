"""Long proofs, run by `pytest -m slow tests/faults`: kills at random instants, a thousand launches, a gigabyte printed.

WORKBENCH_KILLS and WORKBENCH_LAUNCHES in the environment make them shorter.
"""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time

import psutil
import pytest

import workbench
from workbench.model.progress import Silence
from workbench.store import eventlog, index, results

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("WORKBENCH_KILLS", "200"))
LAUNCHES = int(os.environ.get("WORKBENCH_LAUNCHES", "1000"))
GIB = 1 << 30


def test_kills_at_random_instants_lose_no_finished_launch(measure, harness, content, store_of_kills):
    """A launch has finished when its worker is told so, which is said on stderr: by then it must be on record."""
    chance, caught, resumed = random.Random(4), [0, 0, 0, 0], 0
    began = time.monotonic()
    measure("--frameworks=numpy_manual", store=store_of_kills / "whole", launches=3).process.communicate()
    whole_s = time.monotonic() - began
    for number in range(KILLS):
        store = store_of_kills / str(number)
        session = measure("--frameworks=numpy_manual", store=store, launches=3)
        killer = threading.Timer(chance.uniform(0, whole_s), session.process.kill)
        killer.start()
        _, said = session.process.communicate()
        killer.cancel()
        finished = said.decode().count("numpy_manual: ok")
        folders = [*results.folders(store), *results.unfinished_folders(store)]
        assert len(folders) <= 1
        index.runs(store)
        index.unfinished(store)
        launches = 0
        for folder in folders:
            events, damaged, _ = eventlog.read(folder)
            assert damaged <= 1
            launches = sum(event["event"] == "launch" for event in events)
        assert launches >= finished
        caught[launches] += 1
        if launches in (1, 2) and resumed < KILLS // 10:
            before = eventlog.read(folders[0]).events
            again = harness("run", "--resume", folders[0].name, "--content", content.root, "--json", store=store)
            assert again.end() == 0, again.said
            assert json.loads(again.printed)["contestants"][0]["launches"] == 3
            assert eventlog.read(again.folder).events[: len(before)] == before
            resumed += 1
    print(f"\n{KILLS} kills: {caught} had 0, 1, 2, 3 launches on record; {resumed} were resumed")
    assert sum(bool(count) for count in caught) >= 3, "the kills all came at the same stage"


@pytest.fixture
def store_of_kills(tmp_path):
    """A folder for a store per kill."""
    return tmp_path / "kills"


class Probe(Silence):
    """Looks at this process after each launch."""

    def __init__(self, temporary):
        self.temporary = temporary
        self.process = psutil.Process()
        self.seen = []

    def phase(self, contestant, phase):
        if (contestant, phase) == ("numpy_manual", "ok"):
            children = self.process.children(recursive=True)
            zombies = sum(child.status() == psutil.STATUS_ZOMBIE for child in children)
            files = sum(1 for _ in self.temporary.rglob("*"))
            self.seen.append(
                (self.process.num_fds(), self.process.num_threads(), len(children), zombies, files,
                 self.process.memory_info().rss)
            )  # fmt: skip


def test_a_thousand_launches_leave_nothing_behind(tmp_path, temporary, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    probe, began = Probe(temporary), time.monotonic()
    run = workbench.run(
        "linreg", "numpy_manual", steps=3, rounds=1, launches=LAUNCHES, output=tmp_path / "store", progress=probe
    )
    assert run.rows[0].launches == LAUNCHES
    early, late = probe.seen[10], probe.seen[-1]
    grown = (late[-1] - early[-1]) / (LAUNCHES - 10)
    print(f"\n{LAUNCHES} launches in {time.monotonic() - began:.0f} s: {early} -> {late}, {grown:.0f} B a launch")
    names = ("descriptors", "threads", "children", "zombies", "temporary files")
    assert dict(zip(names, late, strict=False)) == dict(zip(names, early, strict=False))
    assert grown < 100_000  # what was measured is kept in memory: some 20 kB a launch, and no more
    assert list(temporary.iterdir()) == []


def test_a_gigabyte_on_stdout_is_a_log_below_a_megabyte_per_process(content, measure):
    module, start = "import numpy as np\n", '    w = problem.init["w"].copy()\n'
    code = f"    [os.write(1, bytes(1 << 20)) for _ in range({GIB >> 20})]\n"
    content.plant("prints", content.changed((module, f"import os\n{module}"), (start, code + start)))
    session = measure("--json", launches=1)
    deadline = threading.Timer(300, session.process.send_signal, [signal.SIGTERM])
    deadline.start()
    out, _ = session.process.communicate()
    deadline.cancel()
    rows = {row["frontend"]: row for row in json.loads(out)["contestants"]}
    assert rows["prints"]["outcome"] == "ok"
    assert (session.folder / rows["prints"]["log"]).stat().st_size < 2 << 20  # in float64, and timed
