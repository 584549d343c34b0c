"""What is shown: numbers with units, a table for 80 columns, and texts that drive neither terminal nor page."""

from __future__ import annotations

import dataclasses
import io
import math

import pytest
from rich.console import Console

from workbench.catalog import catalog
from workbench.model.option import parse_seconds, parse_share
from workbench.model.outcomes import Outcome
from workbench.model.rows import Row
from workbench.show import tables
from workbench.show.columns import View
from workbench.show.renderers import escape_markdown
from workbench.show.run import Run
from workbench.show.units import (
    format_bytes,
    format_error,
    format_range,
    format_ratio,
    format_seconds,
    three_digits,
)
from workbench.statistics.rows import rows as rows_of
from workbench.testing import contestant, launch, record

GIB = 1 << 30
HOSTILE = (
    "\x1b[31mred\x1b[0m \x9b31m [bold]b[/bold] <script>alert(1)</script> | `code` **b** [a](javascript:x) \x07\r\nnext"
)


def slowed(launch, factor: float):
    """A launch with all its times scaled."""
    blocks = launch.of()
    return dataclasses.replace(
        launch,
        import_s=launch.import_s * factor,
        setup_s=launch.setup_s * factor,
        first_s=launch.first_s * factor,
        blocks={"train": dataclasses.replace(blocks, seconds=[seconds * factor for seconds in blocks.seconds])},
        peak_bytes=int(0.745 * GIB),
    )


def contestant_like(contestant, name: str, factor: float):
    """A contestant under another name, with all its times scaled."""
    launches = [slowed(launch, factor) for launch in contestant.launches]
    return dataclasses.replace(contestant, id=name, frontend=name, title=name, launches=launches)


@pytest.fixture
def full(numpy_run) -> Run:
    """A run of every frontend there is, the slowest fifty thousand times slower than the fastest."""
    (measured,), names = numpy_run.contestants, list(catalog().frontends)
    powers = [place / (len(names) - 1) for place in range(len(names))]
    several = [contestant_like(measured, name, 5e4**power) for name, power in zip(names, powers, strict=True)]
    return Run(numpy_run.path, dataclasses.replace(numpy_run.record, contestants=several))


@pytest.fixture
def hostile(full) -> Run:
    """A run in which one contestant failed with a reason made to break out of where it is shown."""
    first, second, *others = full.contestants
    log = full.path / second.log
    log.parent.mkdir(parents=True, exist_ok=True)
    log.touch()
    failed = dataclasses.replace(second, outcome=Outcome.ERROR, reason=HOSTILE)
    return Run(full.path, dataclasses.replace(full.record, contestants=[first, failed, *others]))


def rendered(run: Run, width: int = 80, **options) -> str:
    console = Console(width=width, file=io.StringIO(), force_terminal=False)
    console.print(*tables.terminal(run, **options), sep="\n")
    return console.file.getvalue()


@pytest.mark.parametrize("more", [False, True])
def test_eighty_columns_are_enough(full, more):
    lines = rendered(full, more=more).splitlines()
    assert [line for line in lines if len(line) > 80] == []
    assert [line for line in lines if "…" in line] == []


@pytest.mark.parametrize("more", [False, True])
def test_every_frontend_has_its_whole_name_in_eighty_columns(full, more):
    shown = rendered(full, more=more).split()
    assert [name for name in catalog().frontends if name not in shown] == []


def test_nothing_that_is_shown_wide_is_lost_when_narrow(full):
    def words(text: str) -> set[str]:
        return set(text.replace("│", " ").split())

    assert words(rendered(full, width=250)) <= words(rendered(full, width=80))


def test_the_fastest_comes_first(full):
    shown = tables.markdown(full)
    places = [shown.index(escape_markdown(name)) for name in catalog().frontends]
    assert places == sorted(places)


def test_those_without_a_rank_come_last_and_those_without_a_time_apart(full):
    """However fast they seem: their clocked blocks prove nothing."""
    fastest, second, *others = full.contestants
    proof = dataclasses.replace(fastest.proof, judged=3, proving=0)
    failed = dataclasses.replace(others.pop(), outcome=Outcome.ERROR)
    unproven = dataclasses.replace(fastest, proof=proof)
    rows = Run(full.path, dataclasses.replace(full.record, contestants=[unproven, second, *others, failed])).rows
    timed, untimed = tables.split(rows)
    assert [row.id for row in timed] == [entry.id for entry in (second, *others, unproven)]
    assert (timed[0].rank, timed[0].relative, timed[-1].rank, timed[-1].relative) == (1, 1, None, None)
    assert timed[-1].unit_s < timed[0].unit_s
    assert [row.id for row in untimed] == [failed.id]


def test_of_a_row_without_a_rank_no_rank_and_no_ratio_is_shown(full):
    first, *others = full.contestants
    unproven = dataclasses.replace(first, proof=dataclasses.replace(first.proof, judged=3, proving=0))
    run = Run(full.path, dataclasses.replace(full.record, contestants=[unproven, *others]))
    lines = [line for line in tables.markdown(run).splitlines() if line.startswith("|")]
    assert escape_markdown(first.id) in lines[-1]
    assert "×" in lines[-2]
    assert "×" not in lines[-1]
    assert "no rank: its clocked blocks change too little for skipped updates to be seen" in rendered(run, width=400)


def test_a_reason_cannot_drive_the_terminal(hostile):
    shown = rendered(hostile, width=300)
    assert not any(character in shown for character in "\x1b\x9b\x07\r")
    assert "[bold]b[/bold]" in shown, "markup is shown as it was written"
    console = Console(width=300, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(*tables.terminal(hostile), sep="\n")
    assert "\x1b[1mb\x1b" not in console.file.getvalue()


def test_a_reason_stays_in_its_line(hostile):
    line = next(line for line in rendered(hostile, width=400).splitlines() if "script" in line)
    assert "next" in line


def test_a_reason_is_no_html(hostile):
    shown = hostile._repr_html_()
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown
    assert not any(character in shown for character in "\x1b\x9b\x07\r")


def test_a_reason_is_no_markdown(hostile):
    line = next(line for line in tables.markdown(hostile).splitlines() if "script" in line)
    assert "<script" not in line.replace("\\<", "")
    for character in ("|", "`code", "**b", "[a"):
        assert character not in line.split(": ", 1)[1].replace(f"\\{character}", "").replace("\\*\\*b", "")
    assert "next" in line


def test_a_failed_one_shows_its_log_and_no_time(hostile):
    name = hostile.contestants[1].id
    shown = rendered(hostile, width=300)
    assert f"contestants/{name}/log.txt" in shown
    assert not any(line.startswith("| ") and name in line for line in tables.markdown(hostile).splitlines())


def test_one_that_was_never_started_names_no_log(hostile):
    second = hostile.contestants[1]
    (hostile.path / second.log).unlink()
    assert "log.txt" not in rendered(hostile, width=300)
    assert [row.log for row in Run(hostile.path, hostile.record).rows if row.id == second.id] == [""]


def test_markdown_rows_have_as_many_cells_as_headings(full):
    lines = [line for line in tables.markdown(full).splitlines() if line.startswith("|")]
    (table,) = tables.stage_tables(full)
    assert {line.replace("\\|", "").count("|") for line in lines} == {len(table.seen(View.TABLE)) + 1}
    assert len(lines) == 2 + len(full.contestants)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (math.nan, "–"),
        (math.inf, "–"),
        (0, "0 ns"),
        (1.234e-9, "1.23 ns"),
        (12.34e-6, "12.3 µs"),
        (999.4e-6, "999 µs"),
        (999.96e-6, "1.00 ms"),
        (0.1, "100 ms"),
        (59.96, "60.0 s"),
        (1234.5, "1230 s"),
        (-0.002, "-2.00 ms"),
    ],
)
def test_seconds(seconds, text):
    assert format_seconds(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, "–"),
        (math.nan, "–"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KiB"),
        (32 << 20, "32 MiB"),
        (1000 << 20, "1.0 GiB"),
        (GIB * 9.9, "9.9 GiB"),
        (GIB * 80, "80 GiB"),
        (GIB << 20, "1048576 GiB"),
    ],
)
def test_bytes(count, text):
    assert format_bytes(count) == text.replace("1048576 GiB", "1024 TiB")


@pytest.mark.parametrize(
    ("ratio", "text"), [(None, "–"), (math.nan, "–"), (1, "1.00×"), (10.46, "10.5×"), (12345, "12300×")]
)
def test_ratios(ratio, text):
    assert format_ratio(ratio) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.00123, "0.00123"), (9.996, "10.0"), (99.96, "100"), (-1.5, "-1.50")]
)
def test_three_digits(value, text):
    assert three_digits(value) == text


@pytest.mark.parametrize(
    ("error", "text"), [(None, "–"), (0, "exact"), (0.0, "exact"), (1.04e-7, "1.0e-7"), (1.04e-12, "1.0e-12")]
)
def test_differences(error, text):
    assert format_error(error) == text


@pytest.mark.parametrize(
    ("time", "low", "high", "text"),
    [
        (1, 1 / 1.03, 1.03, "±3 %"),
        (1, 0.975, 1.027, "±3 %"),
        (1, 0.97, 1.01, "−3 +1 %"),
        (1, 1, 1.004, "±0.4 %"),
        (1, 0.99, 1.09, "−1 +9 %"),
        (1, 0.998, 1.09, "−0.2 +9 %"),
        (1, 0.0, 1.5, "−100 +50 %"),
        (2, 1, 4, "−50 +100 %"),
        (1, 1 / 1.1, 1.1, "±10 %"),
        (1, 1 / 1.49, 1.49, "−33 +49 %"),
        (None, None, None, "–"),
        (1, None, 1, "–"),
    ],
)
def test_ranges(time, low, high, text):
    assert format_range(time, low, high) == text


@pytest.mark.parametrize(("text", "seconds"), [("60", 60), ("60s", 60), (" 1.5 m ", 90), ("2min", 120), ("1h", 3600)])
def test_durations_are_read(text, seconds):
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "-5s", "5d", "1e3", "nan", "5 5"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match="such as 60s"):
        parse_seconds(text)


@pytest.mark.parametrize(("text", "share"), [("2%", 0.02), ("0.02", 0.02), ("12.5 %", 0.125)])
def test_shares_are_read(text, share):
    assert parse_share(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["", "%", "-2%", "two", "inf"])
def test_what_is_no_share_is_refused(text):
    with pytest.raises(ValueError, match="such as 2%"):
        parse_share(text)


def sentence(*errors, proving=3):
    """What is said of timed rows with such deviations in float64; None: of an older version, or without float64."""
    rows = [
        Row(id=str(number), frontend="f", title="", color=None, outcome=Outcome.OK, reason="", log="", verdict="agrees")
        for number, _ in enumerate(errors)
    ]
    rows = [
        dataclasses.replace(row, float64_error=error, blocks_proving=None if error is None else proving)
        for row, error in zip(rows, errors, strict=True)
    ]
    return tables.proof_sentence(record(), rows)


def test_what_is_proven_is_told_with_the_largest_deviation_and_all_blocks_that_prove_it():
    assert sentence(1e-15, 3e-14) == (
        "Every timed row, trained in float64, agrees with NumPy to within 3.0e-14; NumPy repeated 6 clocked blocks."
    )
    assert sentence(1e-15, proving=1).endswith("NumPy repeated 1 clocked block.")
    assert sentence(1e-15, None).startswith("1 of 2 timed rows, trained in float64, agrees with NumPy")


@pytest.mark.parametrize(("others", "doubted"), [(2, True), (1, False)])
def test_if_all_others_disagree_the_reference_is_doubted(others, doubted):
    wrong = [contestant(f"other_{number}", outcome=Outcome.INVALID) for number in range(others)]
    right = contestant("numpy_manual", [launch(0, [1e-3])])
    made = record(right, *wrong)
    (row,) = (dataclasses.replace(row, float64_error=0.0) for row in rows_of(made) if row.id == right.id)
    said = tables.proof_sentence(made, [row])
    assert ("see whether its own gradients are right" in said) == doubted


def test_of_an_older_run_it_is_told_what_was_proven_then():
    assert sentence(None, None) == "Every timed row's losses and result agree with float64 NumPy to within 1.0e-05."
    assert sentence() == ""
