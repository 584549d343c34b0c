"""Wherever a file is to be written: it is written whole, refused in one line before anything is, or left as it was."""

from __future__ import annotations

import os
import shutil
import stat
import threading
from pathlib import Path

import pytest

RUNS = ("20260101-000000-linreg-points-aaaaaa", "20260102-000000-linreg-points-bbbbbb")


@pytest.fixture
def here(tmp_path, monkeypatch, numpy_run) -> Path:
    """A working folder with a folder of two runs."""
    for name in RUNS:
        shutil.copytree(numpy_run.path, tmp_path / "results" / name, ignore=shutil.ignore_patterns("*.svg", "*.png"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(done: tuple[int, str, str]) -> str:
    """One line and exit code 2; the line."""
    code, shown, said = done
    assert (code, shown, len(said.splitlines())) == (2, "", 1), done
    return said


WRITING = {
    "summary": lambda target: ("compare", *RUNS, "--summary", target),
    "junit": lambda target: ("compare", *RUNS, "--junit", target),
    "plot": lambda target: ("history", "linreg", "numpy_manual", "-o", target),
    "report": lambda target: ("report", RUNS[0], "-o", target, "--force"),
    "export": lambda target: ("export", RUNS[0], "-t", "markdown", "-o", target, "--force"),
}


@pytest.mark.parametrize("words", WRITING.values(), ids=WRITING)
def test_a_fifo_that_nobody_reads_is_refused_at_once_and_stays(here, do, words):
    target = here / "fifo.svg"
    os.mkfifo(target)
    assert f"{target}" in refused(do(*words(target)))
    assert stat.S_ISFIFO(target.stat().st_mode)


@pytest.mark.parametrize("words", WRITING.values(), ids=WRITING)
@pytest.mark.parametrize("kind", ["folder", "link"])
def test_a_folder_is_refused_and_stays_even_behind_a_link(here, do, words, kind):
    (here / "folder.svg").mkdir()
    (here / "link.svg").symlink_to("folder.svg")
    assert "folder" in refused(do(*words(here / f"{kind}.svg")))
    assert (here / "link.svg").is_symlink()
    assert (here / "folder.svg").is_dir()


@pytest.mark.parametrize("words", WRITING.values(), ids=WRITING)
def test_a_link_to_a_file_stays_and_the_file_is_written(here, do, words):
    (here / "link.svg").symlink_to("file.svg")
    (here / "file.svg").touch()
    assert do(*words(here / "link.svg"))[0] in (0, 3)  # two runs are too few to compare
    assert (here / "link.svg").is_symlink()
    assert (here / "file.svg").stat().st_size > 100


@pytest.mark.parametrize("words", [WRITING["summary"], WRITING["junit"], WRITING["plot"]])
def test_a_device_is_written_to_and_stays(here, do, words):
    (here / "link.svg").symlink_to(os.devnull)
    assert do(*words(here / "link.svg"))[0] in (0, 3)
    assert (here / "link.svg").is_symlink()
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)


@pytest.mark.parametrize("words", [WRITING["report"], WRITING["export"]])
def test_a_device_is_not_replaced_even_by_force(here, do, words):
    (here / "link").symlink_to(os.devnull)
    assert "link is no regular file: choose another path" in refused(do(*words(here / "link")))


def test_a_fifo_that_is_read_gets_the_whole_text(here, do):
    target, read = here / "fifo", []
    os.mkfifo(target)
    reader = threading.Thread(target=lambda: read.append(target.read_text()))
    reader.start()
    while not read:  # the reader may not have opened it yet
        if do("compare", *RUNS, "--junit", target)[0] != 2:
            break
    reader.join()
    assert read[0].endswith("</testsuites>\n")


@pytest.mark.parametrize("other", ["missing/j.xml", "results", "-"])
def test_both_targets_are_checked_before_one_is_written(here, do, other):
    refused(do("compare", *RUNS, "--summary", here / "s.md", "--junit", other))
    assert not (here / "s.md").exists()


@pytest.mark.parametrize("other", ["s.md", "./s.md", "link.md"])
def test_a_summary_is_not_lost_to_another_output_of_the_same_name(here, do, other):
    (here / "s.md").write_text("what was there\n")
    (here / "link.md").symlink_to("s.md")
    assert "s.md twice: name two files" in refused(do("compare", *RUNS, "--summary", "s.md", "--junit", other))
    assert (here / "s.md").read_text() == "what was there\n"


@pytest.mark.parametrize("target", [".", "..", "/"])
def test_a_folder_in_use_is_not_replaced(here, do, target):
    said = refused(do("export", RUNS[0], "-t", "csv", "-o", target, "--force"))
    assert f"{target} is a folder in use: name a new one" in said
    assert {path.name for path in here.iterdir()} == {"results"}


@pytest.mark.parametrize(
    "words",
    [
        ("results", "-r", ""),
        ("list", "--content", ""),
        ("export", RUNS[0], "-t", "csv", "-o", ""),
        ("run", "linreg", "-f", "numpy", "--output", ""),
        ("site", ""),
        ("compare", *RUNS, "--summary", ""),
    ],
)
def test_an_empty_name_is_that_of_a_variable_that_is_not_set(here, do, words):
    assert "the name of the file or folder is empty" in refused(do(*words))
    assert {path.name for path in here.iterdir()} == {"results"}


@pytest.mark.parametrize("words", [("show", ""), ("run", "--resume", ""), ("rebuild", ""), ("report", "")])
def test_an_empty_name_is_that_of_no_run(here, do, words):
    assert refused(do(*words)) == "workbench: '': the name is empty\n"


@pytest.mark.parametrize("words", [("show", "x" * 300), ("run", "--resume", "x" * 300)])
def test_no_sentence_names_an_option_that_does_not_exist(here, do, words):
    said = refused(do(*words))
    assert said.startswith("workbench: xxx")
    assert "--path" not in said
