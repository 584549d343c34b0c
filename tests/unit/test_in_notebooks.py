"""What a notebook shows of a run and of the code: tables and cards, and nothing untrusted as markup."""

from __future__ import annotations

import dataclasses
from xml.etree import ElementTree as ET

import pytest

import workbench
from workbench import WorkbenchError
from workbench.model.outcomes import Outcome
from workbench.show import columns, tables
from workbench.show.columns import View
from workbench.show.run import Run

HOSTILE = "<script>alert(1)</script> & \x1b[31m red"


def page(shown):
    """What an object shows of itself, read as XML: so it is well formed."""
    return ET.fromstring(f"<div>{shown._repr_html_()}</div>")


@pytest.fixture
def run(numpy_run):
    """A run in which one of two contestants failed, with a reason and a colour made to break out of a page."""
    ok = dataclasses.replace(numpy_run.contestants[0], color="#666666")
    failed = dataclasses.replace(ok, id="broken", outcome=Outcome.ERROR, reason=HOSTILE, color="red;}</style>")
    return Run(numpy_run.path, dataclasses.replace(numpy_run.record, contestants=[ok, failed]))


def table_of(run):
    """The columns of the run's table, and its rows."""
    (table,) = tables.stage_tables(run)
    return table.seen(View.TABLE), table.timed


def test_numbers_stand_to_the_right_and_names_to_the_left(run):
    _, ok, _ = page(run).iter("tr")
    shown, (row,) = table_of(run)
    aligned = {cell.get("style", "").partition(";")[0] for cell in ok}
    assert aligned == {"text-align:left", "text-align:right"}
    assert [index for index, cell in enumerate(ok) if "left" in cell.get("style", "")] == [1]
    assert tuple("".join(cell.itertext()) for cell in ok)[2:] == columns.texts(shown, row)[2:]
    assert ok[1].find("span").get("style") == "color:#666666"


def test_a_run_has_its_title_every_heading_a_meaning_and_every_note(run):
    shown = page(run)
    assert shown.find("table/caption").text == run.title
    heads = {head.text: head.get("title") for head in shown.iter("th")}
    assert list(heads) == [column.heading for column in table_of(run)[0]]
    assert all(heads.values())
    assert [note.text for note in shown.findall("ul/li")] == tables.notes(run)


def test_what_failed_has_a_row_with_its_reason_and_no_time(run):
    *_, failed = page(run).iter("tr")
    assert [cell.get("colspan") for cell in failed] == [None, None, str(len(table_of(run)[0]) - 2)]
    assert "".join(failed.itertext()) == "brokenerror: <script>alert(1)</script> &  [31m red"
    assert failed[1].find("span") is None, "a colour that is none styles nothing"


def test_the_order_is_the_one_asked_for_and_modes_share_a_card():
    names = [snippet.frontends for snippet in workbench.source("linreg", "tf2_function, numpy, tf2_eager").snippets]
    assert names == ["tf2_eager, tf2_function", "numpy_manual"]


def test_without_parts_it_is_the_whole_file(content):
    (snippet,) = workbench.source("linreg", "numpy").snippets
    assert snippet.text == content.changed().rstrip("\n")


def test_parts_come_without_indentation_and_leave_a_mark_where_lines_are_missing():
    (snippet,) = workbench.source("linreg", "numpy", "loss", "update").snippets
    lines = snippet.text.splitlines()
    assert lines[:2] == ["def forward(x, y):", "    error = x @ w + b - y"]
    assert lines[-1].strip() == "b -= problem.learning_rate * dloss_db"
    assert "# ⋮" in lines
    assert "dloss_dw = " not in snippet.text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("linreg", "numpy", "losses"), "unknown part 'losses': choose from about, imports"),
        (("linreg", "nympy"), "nympy"),
        (("graph_gradients", "tf2_keras"), "tf2_keras: Keras trains models"),
    ],
)
def test_what_is_not_there_is_said(words, message):
    with pytest.raises(WorkbenchError, match=message):
        workbench.source(*words)


def test_code_is_shown_and_is_no_markup(content):
    planted = "<script>alert('&')</script>"
    name = content.plant("planted", content.changed(("import numpy as np", f"import numpy as np  # {planted}")))
    shown = workbench.source("linreg", [name, "numpy"], content=content.root)
    cards = page(shown)
    assert planted in "".join(cards.itertext())
    assert not list(cards.iter("script"))
    assert planted in str(shown)
    assert len(cards.findall("div/div")) == 2


def test_tab_completion_offers_what_the_package_has():
    assert set(workbench.__all__) <= set(dir(workbench))
    assert "import_module" not in dir(workbench)
