"""A worker in another language, tests/workers/node: measured beside NumPy, proven as strictly, started as safely."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import signal
import sys
from pathlib import Path

import pytest

import workbench
from workbench.catalog import Catalog, catalog
from workbench.catalog.checks import check_pair, check_task
from workbench.catalog.roots import content_root, module_folders, package_root
from workbench.errors import WorkbenchError
from workbench.model.outcomes import Outcome, WorkerFailedError
from workbench.model.records import ContestantRecord
from workbench.session.launcher import WorkerProcess
from workbench.session.runner import content_hash
from workbench.show import sidebyside
from workbench.show.listing import diagnosis
from workbench.show.run import Run
from workbench.show.sidebyside.highlight import pieces
from workbench.wire import exchange
from workbench.wire.answers import Imported
from workbench.wire.exchange import Job

NODE = Path(__file__).resolve().parents[1] / "workers" / "node"
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")


@pytest.fixture
def folder(tmp_path) -> Path:
    """A copy of the frontend's folder, in a content root of its own."""
    root = tmp_path / "content"
    shutil.copytree(NODE, root)
    return root / "frontends" / "node"


@pytest.fixture
def root(folder) -> Path:
    return folder.parents[1]


def change(file: Path, old: str, new: str) -> None:
    source = file.read_text(encoding="utf-8")
    assert source.count(old) == 1
    file.write_text(source.replace(old, new), encoding="utf-8")


def contestant_of(run: Run, frontend: str = "node_manual") -> ContestantRecord:
    return next(contestant for contestant in run.record.contestants if contestant.id == frontend)


@pytest.fixture(scope="module")
def measured(tmp_path_factory, quick) -> Run:
    store = tmp_path_factory.mktemp("store")
    return workbench.run("linreg", "numpy,node", preset="diabetes", content=NODE, output=store, **quick)


@needs_node
def test_it_is_measured_beside_numpy(measured):
    rows = {row.frontend: row for row in measured.rows}
    assert {name: (row.outcome, row.reason) for name, row in rows.items()} == {
        "numpy_manual": ("ok", ""),
        "node_manual": ("ok", ""),
    }
    row = rows["node_manual"]
    assert min(row.import_s, row.setup_s, row.first_s, row.unit_s, row.peak_bytes) > 0
    assert (row.verdict, row.threads, row.matmul_precision, row.flush_to_zero) == ("agrees", 1, "float32", False)


@needs_node
def test_it_is_proven_in_float64_and_by_its_clocked_blocks(measured):
    proof = contestant_of(measured).proof
    assert (proof.exact.steps, proof.exact.reason) == (proof.exact.of, "")
    assert proof.exact.difference < 1e-13
    assert proof.judged >= proof.proving >= 1


@needs_node
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_resident_data_is_reordered_too(dtype, tmp_path, quick):
    run = workbench.run("linreg", "node", steps=30, dtype=dtype, content=NODE, output=tmp_path, **quick)
    assert [(row.outcome, row.reason) for row in run.rows] == [("ok", "")]
    assert contestant_of(run).proof.judged == 1


@needs_node
def test_the_threads_move_and_another_size_is_set_up_in_the_same_process(tmp_path):
    options = {"launches": 2, "rounds": 1, "sweep": "size", "content": NODE, "output": tmp_path}
    run = workbench.run("linreg", "node", steps=30, **options)
    assert [(row.outcome, row.reason) for row in run.rows] == [("ok", "")]
    assert len(contestant_of(run).sweep) >= 3


MISTAKES = {
    "wrong factor": ("linreg.js", "(2 / batch) * error", "(1 / batch) * error", "in float64, check_first_update"),
    "lower precision": (
        "linreg.js",
        "sum += x.data[i * inputs + j] * w[j]",
        "sum = Math.fround(sum + x.data[i * inputs + j] * w[j])",
        "in float64, check_first_loss",
    ),
    "data is not reordered": ("problem.js", "this.data[name] = take", "const ignored = take", "check_block"),
    "rows are not replaced": ("problem.js", "if (rows) [", "if (false) [", "check_block"),
    "skips steps while it is timed": (
        "worker.js",
        "const loss = training.next().value",
        "const loss = problem.origin && step % 2 ? last : (globalThis.last = training.next().value)",
        ("check_block", "check_prepared"),  # a block of half its length is short beside the command that runs it
    ),
}


@needs_node
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_it_is_found(mistake, folder, root, tmp_path, quick):
    file, old, new, said = MISTAKES[mistake]
    change(folder / file, old, new)
    run = workbench.run("linreg", "node", preset="diabetes", content=root, output=tmp_path / "store", **quick)
    assert [row.outcome for row in run.rows] == ["invalid"]
    assert run.rows[0].reason.startswith(said)


@needs_node
def test_an_error_is_one_line_with_its_place(folder, root, tmp_path, quick):
    change(folder / "linreg.js", "const inputs = w.length;", "const inputs = w.length;\n  throw new Error('planted');")
    run = workbench.run("linreg", "node", steps=3, content=root, output=tmp_path / "store", **quick)
    (row,) = run.rows
    assert (row.outcome, row.reason) == ("error", "Error in 'set_up': planted (linreg.js, line 10)")
    assert "linreg.js:10" in (run.path / row.log).read_text()


@needs_node
def test_an_error_at_the_import_does_not_advise_to_install_python_packages(folder, root, tmp_path, quick):
    change(folder / "linreg.js", "'use strict';", "'use strict';\nrequire('no-such-module');")
    run = workbench.run("linreg", "node", steps=3, content=root, output=tmp_path / "store", **quick)
    (row,) = run.rows
    assert row.outcome == "error"
    assert row.reason.startswith("import fails: Error: Cannot find module 'no-such-module'")
    assert "pip" not in row.reason


def test_a_program_that_does_not_exist_is_unavailable_and_named(folder, root, tmp_path, quick):
    change(folder / "frontend.toml", '"node", "--single-threaded"', '"no-such-node"')
    run = workbench.run("linreg", "numpy,node", steps=3, content=root, output=tmp_path / "store", **quick)
    rows = {row.frontend: row for row in run.rows}
    assert rows["numpy_manual"].outcome == "ok"
    assert (rows["node_manual"].outcome, rows["node_manual"].reason) == (
        "unavailable",
        "cannot find the program 'no-such-node', which starts its worker: no-such-node worker.js",
    )
    diagnosed = {entry.frontend: entry for entry in diagnosis(catalog(root)).frontends}
    assert not diagnosed["node"].installed
    assert diagnosed["node"].install == "install a program 'no-such-node' on the PATH"


# A worker that answers with what it finds itself to be; it uses neither a framework nor the workbench.
PROBE = f"""#!{sys.executable}
import ctypes, json, os, sys
job, commands, answers = sys.argv[-3], int(sys.argv[-2]), int(sys.argv[-1])
def prctl(option):
    value = ctypes.c_int()
    ctypes.CDLL(None).prctl(option, ctypes.byref(value))
    return value.value
for line in os.fdopen(commands, "rb"):
    found = {{
        "signal of its parent's death": prctl(2),
        "keeps its descendants": prctl(37),
        "cpus": sorted(os.sched_getaffinity(0)),
        "started as": [*sys.argv[:-3], *json.load(open(job))["command"]],
    }}
    versions = {{name: json.dumps(value) for name, value in found.items()}}
    answer = {{"v": {exchange.VERSION}, "did": json.loads(line)["do"], "import_s": 0.0, "versions": versions}}
    os.write(answers, (json.dumps(answer) + chr(10)).encode())
"""
CPU = min(os.sched_getaffinity(0))


@pytest.fixture
def probe(folder) -> Path:
    """A program in the frontend's folder."""
    file = folder / "probe"
    file.write_text(PROBE, encoding="utf-8")
    file.chmod(0o755)
    return file


def start(root: Path, command: tuple[str, ...], log: Path, **environment: str) -> WorkerProcess:
    content = catalog(root)
    frontend = content.frontends["node_manual"]
    job = Job(
        content=module_folders(content.roots, frontend.folder, frontend.root),
        package=str(package_root()),
        task="linreg",
        preset="points",
        seed=0,
        dtype="float32",
        steps=None,
        folder=frontend.folder,
        mode=frontend.id,
        device="cpu",
        threads=1,
        matmul_precision=None,
        cpus=(CPU,),
        command=command,
    )
    own = dataclasses.replace(frontend, command=command)
    return WorkerProcess(job, own, {**os.environ, **environment}, log)


@pytest.mark.parametrize("command", [("probe",), ("./probe", "-x"), (sys.executable, "probe")])
def test_whatever_is_started_stays_on_its_cpus_and_dies_with_the_harness(command, probe, root, tmp_path):
    worker = start(root, command, tmp_path / "log.txt")
    try:
        found = {name: json.loads(text) for name, text in worker.ask("import", Imported, 10).versions.items()}
    finally:
        worker.close()
    full = [str(probe) if word.endswith("probe") else word for word in command]
    assert found == {
        "signal of its parent's death": signal.SIGKILL,
        "keeps its descendants": 1,
        "cpus": [CPU],
        "started as": [*full[full.index(str(probe)) :], *full],
    }


def test_one_that_does_not_answer_has_its_deadline(probe, root, tmp_path):
    change(probe, "    found = {", "    import time; time.sleep(60)\n    found = {")
    worker = start(root, ("probe",), tmp_path / "log.txt")
    with pytest.raises(WorkerFailedError) as failed:
        worker.ask("import", Imported, 1)
    worker.close()
    assert (failed.value.outcome, failed.value.reason) == (
        Outcome.TIMEOUT,
        "no answer to 'import' within the timeout of 1 s",
    )


@pytest.mark.parametrize("command", [("./stray",), ("stray",), ("deeper/stray",), ("",)])
def test_a_program_where_one_stands_is_never_started(command, folder, root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for file in (tmp_path / "stray", tmp_path / "deeper" / "stray"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(PROBE, encoding="utf-8")
        file.chmod(0o755)
    with pytest.raises(WorkerFailedError) as failed:
        start(root, command, tmp_path / "log.txt", PATH="/usr/bin:/bin")
    assert failed.value.outcome == Outcome.UNAVAILABLE


def test_what_is_no_program_is_an_error_with_its_reason_in_the_log(folder, root, tmp_path):
    (folder / "probe").write_bytes(b"\x7fELF is all there is")
    (folder / "probe").chmod(0o755)
    worker = start(root, ("probe",), tmp_path / "log.txt")
    with pytest.raises(WorkerFailedError, match="exited in 'import' with exit code 1"):
        worker.ask("import", Imported, 10)
    worker.close()
    assert "Exec format error" in (tmp_path / "log.txt").read_text()


def test_a_pair_is_a_file_of_the_tasks_name_with_any_one_suffix(folder, root):
    content = catalog(root)
    frontend = content.frontends["node_manual"]
    assert content.file("linreg", frontend) == folder / "linreg.js"
    check_pair(content, "linreg", frontend)
    assert content.hole("mlp", frontend) == "frontends/node/mlp.* does not exist"
    (folder / "linreg.test.js").write_text("")
    (folder / "linreg").mkdir()
    assert content.file("linreg", frontend) == folder / "linreg.js"
    (folder / "linreg.ts").write_text("")
    with pytest.raises(WorkbenchError, match=r"linreg\.js and linreg\.ts exist, expected one file for linreg"):
        content.file("linreg", frontend)


def test_another_root_adds_files_to_it_and_replaces_them(folder, root, tmp_path):
    added = tmp_path / "another" / "frontends" / "node"
    added.mkdir(parents=True)
    for name in ("linreg.js", "mlp.js"):
        shutil.copy(folder / "linreg.js", added / name)
    content = Catalog((*catalog(root).roots, tmp_path / "another"))
    frontend = content.frontends["node_manual"]
    assert [content.file(task, frontend) for task in ("linreg", "mlp")] == [added / "linreg.js", added / "mlp.js"]
    assert [names for entry in content.replaced for names in entry.names] == ["frontends/node/linreg.js"]


def test_a_change_of_its_source_is_a_change_of_the_content(folder, root):
    before = content_hash([root])
    (folder / "node_modules").mkdir()
    for name in (".linreg.js.swp", "node_modules/package.json"):
        (folder / name).write_text("{}")
    assert content_hash([root]) == before
    change(folder / "npz.js", "Reads and writes npz", "Reads npz")
    assert content_hash([root]) != before


def test_its_code_is_shown_whole_beside_the_parts_of_python(root):
    compared = sidebyside.compare("linreg", "numpy,node", catalog(root))
    python, other = compared.sources
    numbers = {part: list(numbers) for part, numbers in other.parts.items() if numbers}
    assert numbers == {"whole": list(range(1, len(other.lines) + 1))}
    assert not python.parts["whole"]
    code = [other.lines[number - 1] for number in sorted(other.code)]
    assert "exports.train = function* train(problem) {" in code
    assert not [line for line in code if line.startswith(("//", "/*")) or not line.strip()]
    assert ["".join(piece.text for piece in line) for line in pieces(other)] == other.text.split("\n")
    shown = workbench.source("linreg", "node", content=root)
    assert shown.snippets[0].file == "frontends/node/linreg.js"
    assert "yield loss;" in str(shown)
    assert "yield loss;" in re.sub("<[^>]*>", "", shown._repr_html_())


def test_the_reference_is_never_in_another_language(root):
    folder = root / "frontends" / "numpy"
    shutil.copytree(content_root() / "frontends" / "numpy", folder)
    (folder / "frontend.toml").write_text('command = ["node"]\n' + (folder / "frontend.toml").read_text())
    with pytest.raises(WorkbenchError, match="numpy_manual has a command"):
        check_task(catalog(root), "linreg")
