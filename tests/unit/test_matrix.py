"""The matrix of pairs: what is measured, what the store has already, and how it is shown."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from workbench import api
from workbench import cli as cli_of
from workbench.catalog import catalog
from workbench.catalog.roots import package_root
from workbench.comparison import matrix as pairs
from workbench.errors import ProblemError, WorkbenchError
from workbench.model.outcomes import Outcome
from workbench.model.records import Settings
from workbench.model.request import MATRIX, Request
from workbench.session.settings import settings_of
from workbench.show.matrix import MARKERS, Matrix
from workbench.store import index, records, results
from workbench.store.codec import text_of
from workbench.testing import contestant, launch, record

CONTENT = catalog()
CHOSEN = CONTENT.select(["numpy", "torch"])
NOW = pairs.Now.of(CONTENT, CHOSEN)


def kept_in(store: Path, name: str, settings: Settings, **changes: object) -> None:
    """A run of the chosen frontends in a store."""
    measured = [contestant(mode.id, [launch(0, [1e-3])]) for mode in CHOSEN]
    made = record(*measured, settings=settings, content_hash=NOW.content)
    made = dataclasses.replace(made, **{"machine_key": NOW.machine, "packages": NOW.packages} | changes)
    folder = store / name
    for entry in made.contestants:
        (folder / "contestants" / entry.id).mkdir(parents=True)
        (folder / "contestants" / entry.id / "samples.json").write_text(text_of(entry))
    (folder / "run.json").write_text(text_of(records.facts_of(made)))


def asked(store: Path, **options: object) -> Request:
    return Request.of(MATRIX, {"output": store, **options})


def test_it_has_each_task_at_its_first_preset_or_at_all_or_where_it_exists():
    first = pairs.parts_of(CONTENT, [], None)
    assert [part.name for part in first] == [f"{task.name}/{task.default_preset}" for task in CONTENT.tasks.values()]
    every = pairs.parts_of(CONTENT, ["mlp", "linreg"], "all")
    assert [part.task for part in every] == ["mlp"] * 3 + ["linreg"] * 4
    wide = {part.task for part in pairs.parts_of(CONTENT, [], "wide")}
    assert {"linreg", "mlp"} <= wide
    assert "graph_gradients" not in wide


@pytest.mark.parametrize(("tasks", "preset", "said"), [(["lingre"], None, "linreg"), ([], "huge", "no task has")])
def test_what_does_not_exist_is_one_sentence(tasks, preset, said):
    with pytest.raises(WorkbenchError, match=said):
        pairs.parts_of(CONTENT, tasks, preset)


class Measured:
    """Instead of a session: notes what it was asked for."""

    def __init__(self, interrupted: bool = False) -> None:
        self.names: list[str] = []
        self.interrupted = interrupted

    def __call__(self, part, request):
        assert (request.preset, request.budget_s) == (part.preset, None)
        self.names.append(part.name)
        done = [contestant(mode.id, [launch(0, [1e-3])]) for mode in CHOSEN]
        return results.StoredRun(Path("made"), record(*done, interrupted=self.interrupted))


def all_of(store, measure, **options):
    parts = pairs.parts_of(CONTENT, ["linreg", "mlp", "cnn"], None)
    return list(pairs.measured(CONTENT, parts, CHOSEN, asked(store, **options), measure))


def test_what_the_store_has_is_not_measured_again(tmp_path):
    kept_in(tmp_path, "20260101-000000-mlp-digits-aaaaaa", settings_of(CONTENT, "mlp", asked(tmp_path)))
    measure = Measured()
    parts = all_of(tmp_path, measure)
    assert measure.names == ["linreg/points", "cnn/digits"]
    assert [part.run.path.name for part in parts] == ["made", "20260101-000000-mlp-digits-aaaaaa", "made"]


OTHERS = {
    "of another type": {"dtype": "float64"},
    "in another profile": {"profile": "stock"},
    "of fewer steps": {"steps": 7},
    "of another seed": {"seed": 1},
    "in another precision": {"matmul_precision": "tf32"},
    "in more launches": {"launches": 9},
    "over sizes, too": {"sweep": "size"},
}


@pytest.mark.parametrize("options", OTHERS.values(), ids=OTHERS)
def test_a_run_that_was_measured_otherwise_does_not_count(tmp_path, options):
    kept_in(tmp_path, "20260101-000000-mlp-digits-aaaaaa", settings_of(CONTENT, "mlp", asked(tmp_path, **options)))
    measure = Measured()
    all_of(tmp_path, measure)
    assert "mlp/digits" in measure.names


@pytest.mark.parametrize(
    "changes", [{"machine_key": "another"}, {"packages": NOW.packages | {"torch": "0.0"}}, {"packages": {}}]
)
def test_nor_does_one_of_another_machine_or_other_versions(tmp_path, changes):
    settings = settings_of(CONTENT, "mlp", asked(tmp_path))
    kept_in(tmp_path, "20260101-000000-mlp-digits-aaaaaa", settings, **changes)
    measure = Measured()
    all_of(tmp_path, measure)
    assert "mlp/digits" in measure.names


def test_nor_does_one_of_other_content_of_fewer_frontends_or_that_was_cut_off(tmp_path):
    settings = settings_of(CONTENT, "mlp", asked(tmp_path))
    done = [contestant(mode.id, [launch(0, [1e-3])]) for mode in CHOSEN]
    kept_in(tmp_path, "20260101-000000-mlp-digits-aaaaaa", settings, content_hash="other")
    kept_in(tmp_path, "20260102-000000-mlp-digits-aaaaaa", settings, contestants=done[:1])
    cut_off = contestant(CHOSEN[-1].id, outcome=Outcome.INTERRUPTED)
    kept_in(tmp_path, "20260103-000000-mlp-digits-aaaaaa", settings, contestants=[*done[:-1], cut_off])
    kept_in(tmp_path, "20260104-000000-mlp-digits-aaaaaa", settings, interrupted=True)  # after a whole launch
    measure = Measured()
    all_of(tmp_path, measure)
    assert "mlp/digits" in measure.names


def test_one_that_has_other_frontends_beside_them_counts(tmp_path):
    settings = settings_of(CONTENT, "mlp", asked(tmp_path))
    packages = NOW.packages | {"jax": "0.0"}
    kept_in(tmp_path, "20260101-000000-mlp-digits-aaaaaa", settings, packages=packages)
    measure = Measured()
    all_of(tmp_path, measure)
    assert "mlp/digits" not in measure.names


def test_a_budget_that_is_spent_leaves_out_the_rest_by_name(tmp_path, monkeypatch):
    clock = iter([0.0, 1.0, 61.0, 62.0])
    monkeypatch.setattr(pairs.time, "monotonic", lambda: next(clock))
    measure = Measured()
    found = Matrix(CHOSEN, all_of(tmp_path, measure, budget_s=60.0))
    assert measure.names == ["linreg/points"]
    assert found.left_out == ["mlp/digits", "cnn/digits"]
    said = "\n".join(str(part) for part in found.terminal())
    assert "not measured yet: mlp/digits, cnn/digits; run it again to go on" in said


def test_an_interruption_ends_it(tmp_path):
    measure = Measured(interrupted=True)
    assert [part.run is None for part in all_of(tmp_path, measure)] == [False, True, True]


@pytest.mark.parametrize("at", [0, 1])
def test_a_signal_before_anything_of_a_run_was_measured_shows_the_others(tmp_path, at):
    kept_in(tmp_path, "20260101-000000-cnn-digits-aaaaaa", settings_of(CONTENT, "cnn", asked(tmp_path)))
    measure = Measured()

    def stopped(part, request):
        if len(measure.names) == at:
            raise KeyboardInterrupt
        return measure(part, request)

    parts = all_of(tmp_path, stopped)
    assert [part.interrupted for part in parts] == [place == at for place in range(3)]
    assert [part.run is None for part in parts] == [at == 0, True, False]


def test_the_command_shows_the_table_and_ends_as_interrupted(monkeypatch):
    parts = [pairs.Part("linreg", "points", interrupted=True)]
    monkeypatch.setattr(api, "matrix_request", lambda *_: Matrix(CHOSEN, parts))
    done = CliRunner().invoke(cli_of.app, ["matrix", "linreg"], standalone_mode=False)
    assert done.return_value == 130
    assert "not measured yet: linreg/points" in done.output


def test_a_task_that_cannot_be_made_costs_its_own_column(tmp_path):
    measure = Measured()

    def failing(part, request):
        if part.task == "mlp":
            raise ProblemError("the problem could not be made: no data")
        return measure(part, request)

    found = Matrix(CHOSEN, all_of(tmp_path, failing))
    assert measure.names == ["linreg/points", "cnn/digits"]
    assert found.failures == ["mlp/digits: the problem could not be made: no data"]
    assert (found.left_out, found.cells(found.parts[1])) == ([], ["error"] * len(CHOSEN))
    assert found.as_json()["parts"][1]["failure"] == "the problem could not be made: no data"


def test_one_that_was_cut_short_says_why_and_the_others_are_measured(tmp_path):
    measure = Measured()

    def cut_short(part, request):
        run = measure(part, request)
        if part.task == "mlp":
            ended = contestant(CHOSEN[0].id, outcome=Outcome.INTERRUPTED)
            run = results.StoredRun(Path("made"), record(ended, interrupted=True, cut_short="the reference died"))
        return run

    found = Matrix(CHOSEN, all_of(tmp_path, cut_short))
    assert measure.names == ["linreg/points", "mlp/digits", "cnn/digits"]
    assert "mlp/digits: the reference died" in found.failures
    assert found.left_out == []


def test_one_that_cannot_be_written_is_shown_and_the_last(tmp_path):
    measure = Measured()

    def full(part, request):
        run = measure(part, request)
        if part.task == "mlp":
            raise results.NotWrittenError(run, "results cannot be written: the disk is full")
        return run

    parts = all_of(tmp_path, full)
    assert measure.names == ["linreg/points", "mlp/digits"]
    assert [part.unwritten for part in parts] == ["", "results cannot be written: the disk is full", ""]
    assert [part.run is None for part in parts] == [False, False, True]


def test_the_command_says_so_and_ends_with_its_code(tmp_path, monkeypatch, capsys):
    parts = [pairs.Part("linreg", "points", unwritten="results cannot be written: the disk is full")]
    monkeypatch.setattr(api, "matrix_request", lambda *_: Matrix(CHOSEN, parts))
    done = CliRunner().invoke(cli_of.app, ["matrix", "linreg"], standalone_mode=False)
    assert done.return_value == 5
    assert "the disk is full" in done.output


def test_a_kept_run_that_is_damaged_is_measured_again(tmp_path):
    name = "20260101-000000-mlp-digits-aaaaaa"
    kept_in(tmp_path, name, settings_of(CONTENT, "mlp", asked(tmp_path)))
    index.runs(tmp_path)
    (tmp_path / name / "contestants" / CHOSEN[0].id / "samples.json").write_text("{")
    measure = Measured()
    all_of(tmp_path, measure)
    assert "mlp/digits" in measure.names


def test_a_task_without_sizes_is_refused_before_anything_is_measured(cli, content, tmp_path):
    for name in ("anosweep",):
        text = (content.root / "tasks" / "linreg.py").read_text().replace("SWEEP = ", "OTHER = ")
        (content.root / "tasks" / f"{name}.py").write_text(text)
        (content.root / "frontends" / "numpy").mkdir(exist_ok=True)
        (content.root / "frontends" / "numpy" / f"{name}.py").write_text(
            (package_root().parent / "frontends" / "numpy" / "linreg.py").read_text()
        )
    words = ("matrix", "linreg", "anosweep", "-f", "numpy", "--sweep", "size", "--content", content.root)
    done = cli(*words, "-o", tmp_path / "out")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert "task anosweep declares no SWEEP" in done.stderr
    assert not (tmp_path / "out").exists()


def test_what_is_left_out_leaves_the_file_as_it_is(cli, tmp_path):
    page = tmp_path / "README.md"
    text = f"{MARKERS[0]}\n| a whole table |\n{MARKERS[1]}\n"
    page.write_text(text)
    done = cli("matrix", "linreg", "-f", "numpy", "--budget", "0.001", "--write", page, cwd=tmp_path)
    assert done.returncode == 1
    assert "is unchanged, because not all was measured" in done.stderr
    assert page.read_text() == text


def test_a_hole_that_has_a_file_is_refused_before_anything_is_measured(cli, content, tmp_path):
    content.plant("planted", content.changed())
    toml = content.root / "frontends" / "planted" / "frontend.toml"
    toml.write_text(f'{toml.read_text()}[holes]\nlinreg = "no"\n')
    done = cli("matrix", "linreg", "-f", "numpy,planted", "--content", content.root, "-o", tmp_path / "out")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert "lists linreg under [holes], but linreg.py exists" in done.stderr


def test_an_empty_preset_is_no_preset(tmp_path):
    with pytest.raises(WorkbenchError, match="no task has a preset ''"):
        pairs.parts_of(CONTENT, [], "")


@pytest.fixture
def shown():
    """Of two frontends and two tasks: one is twice as slow, one a hole, one invalid, one not measured."""
    one, other = CHOSEN[0].id, CHOSEN[1].id
    fast, slow = (contestant(name, [launch(0, [step])]) for name, step in ((one, 1e-3), (other, 2e-3)))
    hole = dataclasses.replace(contestant(other, outcome=Outcome.UNSUPPORTED), reason="it has none")
    wrong = dataclasses.replace(contestant(other, outcome=Outcome.INVALID), reason="check_block: no")
    runs = [record(fast, slow), record(fast, hole), record(fast, wrong)]
    names = ["linreg", "mlp", "cnn"]
    parts = [
        pairs.Part(name, "digits", results.StoredRun(Path(name), run)) for name, run in zip(names, runs, strict=True)
    ]
    return Matrix(CHOSEN[:2], [*parts, pairs.Part("lstm", "digits")])


def test_a_run_that_was_interrupted_is_shown_but_is_not_complete():
    (part,) = pairs.parts_of(CONTENT, ["mlp"], None)[:1]
    made = record(*(contestant(mode.id, [launch(0, [1e-3])]) for mode in CHOSEN), interrupted=True)
    unfinished = Matrix(CHOSEN, [dataclasses.replace(part, run=SimpleNamespace(record=made, id="made"))])
    assert unfinished.left_out == [part.name]
    assert unfinished.cells(unfinished.parts[0])[0] == "1.00"


def test_it_says_how_many_times_as_long_or_why_not(shown):
    assert shown.markdown().splitlines() == [
        "| | `linreg` | `mlp` | `cnn` | `lstm` |",
        "|---|---:|---:|---:|---:|",
        f"| `{CHOSEN[0].id}` | 1.00 | 1.00 | 1.00 |  |",
        f"| `{CHOSEN[1].id}` | 2.00 | – | invalid |  |",
    ]
    assert shown.holes == [f"{CHOSEN[1].id} has no mlp: it has none"]
    assert shown.failures == [f"cnn/digits {CHOSEN[1].id}: invalid: check_block: no"]
    assert shown.left_out == ["lstm/digits"]


def test_json_has_the_same(shown):
    found = json.loads(json.dumps(shown.as_json()))
    assert [part["task"] for part in found["parts"]] == ["linreg", "mlp", "cnn", "lstm"]
    assert found["parts"][1]["rows"][CHOSEN[1].id] == {
        "outcome": "unsupported",
        "relative": None,
        "reason": "it has none",
    }
    assert found["left_out"] == ["lstm/digits"]


def test_a_file_without_markers_is_refused_before_anything_is_measured(cli, tmp_path):
    (tmp_path / "README.md").write_text("nothing\n")
    done = cli("matrix", "linreg", "-f", "numpy", "--write", tmp_path / "README.md", cwd=tmp_path)
    assert done.returncode == 2
    assert "needs a line <!-- matrix:begin -->" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md"]


def test_the_function_and_the_command_ask_for_the_same():
    with pytest.raises(WorkbenchError, match="linreg"):
        api.matrix("lingre")
