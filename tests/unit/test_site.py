"""The static site: every task and frontend has its page, links are relative and lead somewhere, texts stay texts."""

from __future__ import annotations

import dataclasses
import json
import posixpath
import re
import shutil
from urllib.parse import unquote

import pytest

from workbench.catalog import catalog
from workbench.errors import WorkbenchError
from workbench.model.outcomes import Outcome
from workbench.show import report
from workbench.show.report.site import blocks, latest, pages
from workbench.show.run import Run


@pytest.fixture
def store(numpy_run, tmp_path):
    """A folder of runs with one in it, and one that is damaged."""
    folder = tmp_path / "results"
    shutil.copytree(numpy_run.path, folder / "20260101-000000-linreg-points-aaaaaa")
    shutil.copytree(numpy_run.path, folder / "20260102-000000-linreg-points-bbbbbb")
    (folder / "20260102-000000-linreg-points-bbbbbb" / "run.json").write_text("{")
    return folder


@pytest.fixture
def made(full_run) -> dict[str, str]:
    """The pages of a site with one run of every frontend, one of which failed."""
    reason = "<script>alert(1)</script> {{ 7*7 }}"
    full_run.contestants[2] = dataclasses.replace(full_run.contestants[2], outcome=Outcome.ERROR, reason=reason)
    return pages(catalog(), [full_run])


def links(text: str) -> list[str]:
    body = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    return re.findall(r'(?:href|src)="([^"]*)"', body)


def test_every_task_and_every_frontend_has_a_page(made):
    assert {f"tasks/{name}.html" for name in catalog().tasks} <= set(made)
    assert {f"frontends/{name}.html" for name in catalog().frontends} <= set(made)


def test_links_are_relative_and_lead_somewhere(made):
    for name, text in made.items():
        for link in links(text) if name.endswith(".html") else ():
            assert not re.match(r"[a-z]+:|/", link) or link == "data:,", (name, link)
            path, _, fragment = unquote(link).partition("#")
            target = posixpath.normpath(posixpath.join(posixpath.dirname(name), path)) if path else name
            assert link == "data:," or target in made, (name, link)
            assert not fragment or f'id="{fragment}"' in made[target], (name, link)


def test_the_matrix_shows_times_holes_failures_and_what_was_not_run(made, full_run):
    index = made["index.html"]
    assert "(points)" in index
    assert "not run yet" in index
    assert 'class="failed"' in index
    for frontend in catalog().frontends.values():
        for reason in frontend.holes.values():
            assert reason.split("'")[0] in index


def test_a_task_shows_its_specification_presets_code_notes_and_results(made):
    text = made["tasks/linreg.html"]
    for words in ("prediction = x @ w + b", "scikit-learn", "nn.Linear", 'id="notes"', "How to reproduce"):
        assert words in text
    assert "No runs yet" in made["tasks/graph_gradients.html"]


def test_a_frontend_shows_its_results_and_code(made):
    text = made["frontends/numpy_manual.html"]
    assert "Latest results" in text
    assert "20260101-000000-linreg-points-aaaaaa" in text
    assert "import numpy" in text or "numpy" in text


def test_a_frontend_in_another_version_is_not_its_result(full_run):
    others = [dataclasses.replace(contestant, id=f"{contestant.id}@old") for contestant in full_run.contestants]
    for contestant in others:
        (full_run.path / "contestants" / contestant.frontend).rename(full_run.path / "contestants" / contestant.id)
    run = Run(full_run.path, dataclasses.replace(full_run.record, contestants=others))
    assert "(points)" not in pages(catalog(), [run])["index.html"]


def test_texts_of_runs_stay_texts(made):
    for name, text in made.items():
        assert "<script>alert" not in text, name
    assert "&lt;script&gt;alert(1)&lt;/script&gt; {{ 7*7 }}" in made["index.html"]


def test_only_the_newest_of_a_task_preset_and_device_is_shown(numpy_run, tmp_path):
    older = Run(tmp_path / "older", numpy_run.record)
    settings = dataclasses.replace(numpy_run.record.settings, preset="line")
    third = Run(tmp_path / "third", dataclasses.replace(numpy_run.record, settings=settings))
    assert latest([numpy_run, older, third]) == [numpy_run, third]


def test_the_site_is_written_and_a_damaged_run_left_out(store, tmp_path):
    folder = report.write_site(store, tmp_path / "site")
    text = (folder / "tasks" / "linreg.html").read_text()
    assert "aaaaaa" in text
    assert "bbbbbb" not in text
    assert (folder / ".nojekyll").is_file()


def test_a_site_is_replaced_only_when_asked(store, tmp_path):
    report.write_site(store, tmp_path / "site")
    with pytest.raises(WorkbenchError, match=r"exists: .*force"):
        report.write_site(store, tmp_path / "site")
    report.write_site(store, tmp_path / "site", force=True)


def test_a_folder_that_is_no_site_is_never_replaced(store, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(WorkbenchError, match="mine was not written by an export"):
        report.write_site(store, tmp_path / "mine", force=True)
    assert (tmp_path / "mine" / "thesis.txt").is_file()


def test_no_runs_still_make_a_site_but_no_folder_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    folder = report.write_site(tmp_path / "empty", tmp_path / "site")
    assert "not run yet" in (folder / "index.html").read_text()
    with pytest.raises(WorkbenchError, match="no such folder of runs"):
        report.write_site(tmp_path / "nowhere", tmp_path / "other")


def test_a_specification_falls_into_text_code_and_lists():
    found = blocks("Title.\n\nText that\ngoes on:\n\n    y = x\n\n    z = y\n\n- one\n  and more\n- two")
    assert [(block.kind, list(block.lines)) for block in found] == [
        ("text", ["Title."]),
        ("text", ["Text that goes on:"]),
        ("code", ["y = x"]),
        ("code", ["z = y"]),
        ("list", ["one and more", "two"]),
    ]


def test_content_of_ones_own_is_shown(content, store, tmp_path):
    content.plant("planted", content.changed())
    folder = report.write_site(store, tmp_path / "site", content=content.root)
    assert (folder / "frontends" / "planted.html").is_file()
    assert (folder / "frontends" / "jax_jit.html").is_file()


def test_the_command_line_writes_a_site(cli, store, tmp_path):
    done = cli("site", store, "-o", tmp_path / "site")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == str(tmp_path / "site" / "index.html")
    again = cli("site", store, "-o", tmp_path / "site")
    assert again.returncode == 2
    assert json.dumps(again.stderr).count("\\n") == 1


def test_a_name_that_no_file_can_have_is_that_of_the_flag(cli):
    done = cli("site", "results", "-o", "a" * 300)
    assert done.returncode == 2
    assert done.stderr.startswith("workbench: --output aaa")
