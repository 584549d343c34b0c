"""A run in other tools' formats: read back by those tools where they are installed, and nothing else is touched."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import struct
import subprocess
import sys
from collections.abc import Iterator

import pandas as pd
import pytest

from workbench.catalog.roots import package_root
from workbench.errors import WorkbenchError
from workbench.host import files
from workbench.host.files import MARKER
from workbench.model.outcomes import Outcome
from workbench.model.records import ContestantRecord
from workbench.model.stage import TRAIN
from workbench.show import exports, tables
from workbench.show.columns import View
from workbench.show.exports import frames, tensorboard
from workbench.show.renderers import LATEX, escape_latex
from workbench.show.run import Run

EVIL = r"=HYPERLINK(1) \input{/etc/passwd} 50 % $x_1$ <script> --force | `id`"


@pytest.fixture(scope="module")
def run(numpy_run) -> Run:
    """The small run with a second launch, a disturbed round, and contestants that failed or lied."""
    (measured,) = numpy_run.contestants
    launch, blocks = measured.launches[0], measured.launches[0].of()
    doubled = dataclasses.replace(blocks, rounds=[0, 1], seconds=[blocks.seconds[0], 2 * blocks.seconds[0]])
    launches = [dataclasses.replace(launch, number=number, blocks={"train": doubled}) for number in (0, 1)]
    first = dataclasses.replace(measured, launches=launches)
    quiet = dataclasses.replace(numpy_run.record.rounds[0], flags=())
    rounds = [
        dataclasses.replace(quiet, launch=n, number=m, flags=("canary",) if (n, m) == (1, 1) else ())
        for n in (0, 1)
        for m in (0, 1)
    ]
    lied = dataclasses.replace(first, id="liar", frontend="liar", outcome=Outcome.INVALID, reason=EVIL, proof=None)
    broken = dataclasses.replace(lied, id="broken", frontend="broken", outcome=Outcome.ERROR, launches=[])
    record = dataclasses.replace(numpy_run.record, rounds=rounds, contestants=[first, lied, broken])
    return Run(numpy_run.path, record)


def run_of(run: Run, *contestants: ContestantRecord) -> Run:
    """The run with other contestants."""
    return Run(run.path, dataclasses.replace(run.record, contestants=list(contestants)))


def written(folder) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("to", [name for name in exports.FORMATS if name != "parquet"])
def test_every_format_is_written_whole_and_never_over_what_exists(run, tmp_path, to):
    target = exports.export(run, to, tmp_path / "out")
    assert written(tmp_path) == {"out"}
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert any(before.values())
    with pytest.raises(WorkbenchError, match=r"out already exists: .*force"):
        exports.export(run, to, target)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    exports.export(run, to, target, force=True)
    assert written(tmp_path) == {"out"}


@pytest.mark.parametrize("to", exports.FORMATS)
def test_a_format_that_fails_leaves_nothing_behind(run, tmp_path, monkeypatch, to):
    def fail(run, target):
        (target / "half" if target.is_dir() else target).write_text("half")
        raise OSError(28, "No space left on device")

    chosen = exports.FORMATS[to]
    monkeypatch.setitem(exports.FORMATS, to, exports.Format(chosen.about, chosen.suffix, fail))
    with pytest.raises(WorkbenchError, match=r"cannot write .*out: No space left on device"):
        exports.export(run, to, tmp_path / "out")
    assert written(tmp_path) == set()


def test_what_an_earlier_export_wrote_outlives_one_that_fails(run, tmp_path, monkeypatch):
    target = exports.export(run, "csv", tmp_path / "out")
    monkeypatch.setitem(exports.FORMATS, "csv", exports.Format("", "", lambda *_: 1 / 0))
    with pytest.raises(WorkbenchError, match="damaged"):
        exports.export(run, "csv", target, force=True)
    assert "blocks.csv" in written(target)
    assert written(tmp_path) == {"out"}


@pytest.mark.parametrize("to", ["csv", "tensorboard"])
def test_force_replaces_no_folder_but_an_export(run, tmp_path, to):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter").write_text("kept")
    (tmp_path / "link").symlink_to(exports.export(run, to, tmp_path / "out"))
    (tmp_path / "file").write_text("kept")
    for name in ("thesis", "link", "file"):
        with pytest.raises(WorkbenchError, match="was not written by an export"):
            exports.export(run, to, tmp_path / name, force=True)
    assert (tmp_path / "thesis" / "chapter").read_text() == (tmp_path / "file").read_text() == "kept"
    assert written(tmp_path) == {"thesis", "link", "file", "out"}


@pytest.mark.parametrize("force", [False, True])
def test_a_file_never_takes_a_folders_place(run, tmp_path, force):
    with pytest.raises(WorkbenchError, match="is a folder"):
        exports.export(run, "latex", tmp_path, force=force)


def test_a_file_that_comes_there_in_the_meantime_is_kept(run, tmp_path, monkeypatch):
    target = tmp_path / "out.md"

    def late(run, temporary):
        temporary.write_text("ours")
        target.write_text("theirs")

    monkeypatch.setitem(exports.FORMATS, "markdown", exports.Format("", ".md", late))
    with pytest.raises(WorkbenchError, match="exists"):
        exports.export(run, "markdown", target)
    assert target.read_text() == "theirs"
    assert written(tmp_path) == {"out.md"}


@pytest.mark.parametrize("to", exports.FORMATS)
@pytest.mark.parametrize("name", ["../../..", "..", "-rf", "a b\n\x1b[31m", "run"])
def test_without_a_path_the_name_of_a_run_cannot_leave_the_working_folder(run, tmp_path, monkeypatch, to, name):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setitem(exports.FORMATS, to, exports.Format("", ".txt", lambda _, target: target.write_text("x")))
    target = exports.export(Run(tmp_path / "store" / name, run.record), to)
    assert written(tmp_path) == {"here"}
    assert written(tmp_path / "here") == {str(target)}
    assert str(target).isprintable()
    assert not str(target).startswith(("-", "."))


def test_a_contestants_name_cannot_leave_the_target(run, tmp_path):
    outside = dataclasses.replace(run.contestants[0], id="../outside", proof=None)
    with pytest.raises(WorkbenchError, match="not a valid contestant id"):
        exports.export(run_of(run, outside), "tensorboard", tmp_path / "out")
    assert written(tmp_path) == set()


def test_blocks_are_those_of_proven_contestants_with_the_disturbed_ones_marked(run):
    blocks = frames.blocks(run)
    measured = run.contestants[0].launches[0].of()
    step, steps = measured.seconds[0], measured.units
    assert list(blocks.itertuples(index=False, name=None)) == [
        ("numpy_manual", "numpy_manual", number, place, (1 + place) * step, steps, (number, place) == (1, 1))
        for number in (0, 1)
        for place in (0, 1)
    ]


def test_deviations_are_relative_to_the_reference(run, monkeypatch):
    """On the scale of the proof: the geometric mean of a loss and the largest one, at least eps times the largest."""
    monkeypatch.setattr(Run, "losses", pd.DataFrame({"reference": [4.0, 1.0, 0.0], "a": [4.0, 2.0, 1.0]}))
    fresh = Run(run.path, run.record)
    assert list(frames.deviations(fresh)["a"]) == [0.0, 0.5, 2.0**21]


def test_csv_holds_the_tables_and_no_formula(run, tmp_path):
    target = exports.export(run, "csv", tmp_path / "out")
    assert written(target) == {"summary.csv", "losses.csv", "blocks.csv", MARKER}
    pd.testing.assert_frame_equal(pd.read_csv(target / "blocks.csv"), frames.blocks(run))
    losses = pd.read_csv(target / "losses.csv", index_col="step")
    pd.testing.assert_frame_equal(losses, run.losses)
    summary = pd.read_csv(target / "summary.csv")
    assert list(summary["frontend"]) == ["numpy_manual", "liar", "broken"]
    assert summary["step_s"].notna().tolist() == [True, False, False]
    assert summary["reason"][1] == "'" + EVIL


def test_parquet_holds_the_same_tables(run, tmp_path):
    pytest.importorskip("pyarrow")
    target = exports.export(run, "parquet", tmp_path / "out")
    for name, frame in frames.tables_of(run).items():
        pd.testing.assert_frame_equal(pd.read_parquet(target / f"{name}.parquet"), frame, check_dtype=False)


def test_without_pyarrow_parquet_says_what_to_install_and_leaves_nothing(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(WorkbenchError, match=r"parquet needs pyarrow: pip install 'framework-workbench\[export\]'"):
        exports.export(run, "parquet", tmp_path / "out")
    assert written(tmp_path) == set()


def test_markdown_is_the_table_of_the_run(run, tmp_path):
    assert "numpy\\_manual" in exports.export(run, "markdown", tmp_path / "out.md").read_text()


def test_latex_has_the_table_and_sets_any_text_as_it_stands(run, tmp_path):
    text = exports.export(run, "latex", tmp_path / "out.tex").read_text()
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    [table] = tables.stage_tables(run)
    shown = table.seen(View.TABLE)
    assert [row.count(" & ") for row in rows] == [len(shown) - 1] * 2
    assert r"1 & numpy\_manual & " in rows[1]
    assert r"\textbackslash{}input\{/etc/passwd\} 50 \% \$x\_1\$ \textless{}script\textgreater{} -{}-force" in text
    assert r"\input" not in text
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")


@pytest.mark.parametrize("text", ["\\", "%", "a & b", "{", "}", "~^", "5 % ± 3 µs × –", "--", "'\"`", "\x1b[0m\n\n"])
def test_no_text_leaves_a_command_of_its_own_in_latex(text):
    allowed = {*LATEX.values(), "-{}-"}
    rest = escape_latex(text)
    for command in sorted(allowed, key=len, reverse=True):
        rest = rest.replace(command, "")
    assert not set(rest) & set("\\{}$&#_%~^\n\x1b")


# TensorBoard: an independent reader of the wire format; tensorboard itself reads the files further down.


def records(data: bytes) -> Iterator[bytes]:
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        yield data[12 : 12 + length]
        data = data[16 + length :]


def fields(message: bytes) -> list[tuple[int, int | bytes]]:
    found, place = [], 0

    def varint() -> int:
        nonlocal place
        number = shift = 0
        while True:
            byte = message[place]
            number, shift, place = number | (byte & 0x7F) << shift, shift + 7, place + 1
            if byte < 0x80:
                return number

    while place < len(message):
        key = varint()
        size = {0: 0, 1: 8, 5: 4}.get(key & 7)
        if size == 0:
            found.append((key >> 3, varint()))
            continue
        size = varint() if size is None else size
        found.append((key >> 3, message[place : place + size]))
        place += size
    return found


def curves(folder) -> dict[str, list[tuple[int, float]]]:
    """Scalars by tag, as the bytes of one run's event file say."""
    found: dict[str, list[tuple[int, float]]] = {}
    (file,) = folder.iterdir()
    for record in records(file.read_bytes()):
        event = dict(fields(record))
        value = dict(fields(dict(fields(event[5]))[1])) if 5 in event else {}
        if 2 in value:
            found.setdefault(value[1].decode(), []).append((event[2], struct.unpack("<f", value[2])[0]))
    return found


def test_event_files_hold_losses_deviations_and_times_by_step(run, tmp_path):
    target = exports.export(run, "tensorboard", tmp_path / "out")
    assert written(target) == {"reference", "numpy_manual", MARKER}
    found = curves(target / "numpy_manual")
    assert set(found) == {"loss", tensorboard.DEVIATION, tensorboard.warm_up_tag(TRAIN), tensorboard.blocks_tag(TRAIN)}
    assert found["loss"] == [(step, pytest.approx(loss)) for step, loss in run.losses["numpy_manual"].items()]
    assert [step for step, _ in found[tensorboard.blocks_tag(TRAIN)]] == [0, 1, 2, 3]
    assert set(curves(target / "reference")) == {"loss"}
    assert "liar" not in tensorboard.scalars(run)


def test_checksums_are_those_of_the_format():
    crc = 0xE3069283  # CRC-32C's published check value
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    assert tensorboard._checksum(b"123456789") == struct.pack("<I", masked)


def test_numbers_beyond_single_precision_are_infinite_and_missing_ones_left_out():
    assert tensorboard._points([(0, 1.0), (1, math.nan), (2, math.inf)]) == [(0, 1.0), (2, math.inf)]
    assert tensorboard._float(2, -1e300)[1:] == struct.pack("<f", -math.inf)


READ_BACK = """
import json, sys, types
sys.modules["tensorboard.compat.notf"] = types.ModuleType("notf")  # or it loads TensorFlow
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
found = {}
for folder in sys.argv[1:]:
    events = EventAccumulator(folder).Reload()
    tags = events.Tags()
    found[folder] = {
        "scalars": {tag: [[e.step, e.value] for e in events.Scalars(tag)] for tag in tags["scalars"]},
        "texts": {tag: events.Tensors(tag)[0].tensor_proto.string_val[0].decode() for tag in tags["tensors"]},
    }
print(json.dumps(found))
"""


def test_tensorboard_reads_the_event_files(run, tmp_path, shell_environment):
    pytest.importorskip("tensorboard")
    target = exports.export(run, "tensorboard", tmp_path / "out")
    folders = [str(target / name) for name in ("numpy_manual", "reference")]
    words = [sys.executable, "-c", READ_BACK, *folders]
    done = subprocess.run(words, env=shell_environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    numpy, reference = (json.loads(done.stdout)[folder] for folder in folders)
    assert numpy["scalars"]["loss"] == [
        [step, pytest.approx(loss)] for step, loss in run.losses["numpy_manual"].items()
    ]
    assert len(numpy["scalars"][tensorboard.blocks_tag(TRAIN)]) == 4
    assert "numpy\\_manual" in reference["texts"]["summary"]


def pyperf(environment, *words) -> str:
    pytest.importorskip("pyperf")
    done = subprocess.run(
        [sys.executable, "-m", "pyperf", *map(str, words)], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_pyperf_works_on_its_file(run, tmp_path, shell_environment):
    target = exports.export(run, "pyperf", tmp_path / "out.json")
    shown = pyperf(shell_environment, "stats", target)
    assert "Total number of values: 4" in shown
    assert "numpy_manual" in pyperf(shell_environment, "show", "--metadata", target)
    assert pyperf(shell_environment, "hist", target).strip()
    assert "no change" in pyperf(shell_environment, "compare_to", "--verbose", target, target)


def test_pyperf_holds_a_benchmark_per_proven_frontend_and_a_run_per_launch(run, tmp_path):
    suite = json.loads(exports.export(run, "pyperf", tmp_path / "out.json").read_text())
    (benchmark,) = suite["benchmarks"]
    assert benchmark["metadata"]["name"] == "numpy_manual"
    assert [entry["values"] for entry in benchmark["runs"]] == [
        launch.of().seconds for launch in run.contestants[0].launches
    ]


def test_a_run_without_times_is_no_pyperf_file(run, tmp_path):
    with pytest.raises(WorkbenchError, match="no frontend with a time"):
        exports.export(run_of(run, *run.contestants[1:]), "pyperf", tmp_path / "out.json")
    assert written(tmp_path) == set()


@pytest.mark.parametrize("to", [name for name in exports.FORMATS if name not in {"parquet", "pyperf"}])
def test_a_run_without_times_is_exported_all_the_same(run, tmp_path, to):
    exports.export(run_of(run, *run.contestants[1:]), to, tmp_path / "out")


def test_no_format_imports_a_framework(run, tmp_path, shell_environment):
    files.write_text(tmp_path / "tensorflow.py", "")
    (tmp_path / "torch.py").write_text("")
    code = (
        "import sys; from workbench import api; from workbench.show import exports; run = api.load(sys.argv[1])\n"
        "for name in exports.FORMATS:\n"
        "    try: exports.export(run, name, f'{sys.argv[2]}/out-{name}')\n"
        "    except exports.WorkbenchError: pass\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    environment = shell_environment | {"PYTHONPATH": os.pathsep.join([str(package_root().parent), str(tmp_path)])}
    words = [sys.executable, "-c", code, str(run.path), str(tmp_path)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert not {"tensorflow", "torch", "jax", "keras"} & set(done.stdout.split())


def test_the_command_says_what_it_wrote(cli, run, tmp_path):
    done = cli("export", run.path, "--format", "csv", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{run.id}-csv\n"
    assert "blocks.csv" in written(tmp_path / done.stdout.strip())
    again = cli("export", run.path, "--format", "csv", cwd=tmp_path)
    assert again.returncode == 2
    assert len(again.stderr.splitlines()) == 1
    assert "force" in again.stderr
    assert cli("export", run.path, "--format", "csv", "--force", cwd=tmp_path).returncode == 0


def test_the_command_finds_a_run_by_its_id(cli, run, tmp_path):
    done = cli("export", "latest", "-t", "markdown", "-o", tmp_path / "o.md", "--results", run.path.parent)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "o.md").is_file()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--format", "pdf"], list(exports.FORMATS)),
        (["--format", "latex", "-o", "no/such/folder.tex"], ["no/such/folder.tex", "No such file or directory"]),
        ([], ["--format"]),
    ],
)
def test_what_is_asked_for_wrongly_is_one_line_and_nothing_is_written(cli, run, tmp_path, words, said):
    done = cli("export", run.path, *words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert all(word in done.stderr for word in said)
    assert written(tmp_path) == set()


def test_help_names_every_format(cli):
    shown = cli("export", "--help").stdout
    assert all(name in shown for name in exports.FORMATS)
