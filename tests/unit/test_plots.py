"""Figures are looked at by people; here stands what can be said of them without eyes."""

import base64
import math
import subprocess
import sys
from xml.etree import ElementTree as ET

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from scipy import optimize

from workbench.model.outcomes import Outcome
from workbench.model.rows import Row
from workbench.show import charts, plots
from workbench.show.plots import curves, lines, rows
from workbench.show.plots.style import never_falling
from workbench.statistics.fits import Overhead
from workbench.statistics.rows import SizeFit, SizeTime
from workbench.testing import contestant, launch, record, run

COLORS = {
    "numpy_manual": "#666666",
    "pytorch_eager": "#d55e00",
    "pytorch_compiled": "#d55e00",
    "jax_jit": "#009e73",
    "tf1": "#e69f00",
}
FEW = ["pytorch_eager", "pytorch_compiled", "jax_jit"]
LONG = [f"a_very_long_frontend_identifier_{number}_" + "x" * 80 for number in range(12)]
FALLING = 2.3 * np.exp(-np.arange(200) / 30) + 0.02
WORKS = np.logspace(4, 9, 6)


def losses(values, names=tuple(COLORS), *, noise=1e-7):
    values = np.asarray(values, dtype=float)
    rng = np.random.default_rng(0)
    columns = {name: values * (1 + noise * rng.standard_normal(len(values))) for name in names}
    return pd.DataFrame({**columns, "reference": values}, index=pd.RangeIndex(len(values), name="step"))


def row(name, step_s=None, outcome="ok", reason="", **fields):
    """A contestant's row; one that is ok has all phases."""
    times = {"import_s": 1.0, "setup_s": 0.5, "first_s": 0.25} if outcome == "ok" else {}
    steady = {} if step_s is None else {"unit_s": step_s, "unit_s_low": 0.9 * step_s, "unit_s_high": 1.2 * step_s}
    known = {"color": COLORS.get(name), "title": name, "log": "", "verdict": "agrees"}
    values = {**known, **times, **steady, **fields}
    return Row(id=name, frontend=name, outcome=Outcome(outcome), reason=reason, **values)


def summary(step_s=(4e-5, 2e-4, 9e-5), names=("numpy_manual", "tf1", "jax_jit"), **fields):
    return [row(name, step, **fields) for name, step in zip(names, step_s, strict=True)]


def time(entries, title="T"):
    return rows.dots([charts.steady(entries, record()), charts.first(entries)], title=title)


def phases(entries, steps, title="P"):
    return rows.bars(charts.phases(entries, steps), title=title)


def points(names=("jax_jit",), works=WORKS, low=0.9, high=1.1):
    steps = [(name, work, 1e-5 + 1e-11 * work) for name in names for work in works]
    return [SizeTime(name, name, 1, work, step, low * step, high * step) for name, work, step in steps]


def fits(overhead=1e-5, slope=1e-11, names=("jax_jit",)):
    balance = overhead / slope if slope > 0 else math.inf
    return [SizeFit(name, name, Overhead(overhead, 0, 0, slope, 0, 0, 0, balance)) for name in names]


def loss(frame, *, title="A title to find", tolerance=1e-4):
    return curves.figure(charts.loss(frame, COLORS), charts.deviation(frame, COLORS, tolerance), title=title)


def sweep(points, fits):
    colors = {point.contestant: COLORS.get(point.contestant) for point in [*points, *fits]}
    return lines.figure(charts.sweep(points, fits, colors), title="Sweep")


def texts(axes):
    return [text.get_text() for text in axes.texts]


def ticks(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def parts(axes, label):
    return [line for line in axes.lines if line.get_label() == label]


def curve(axes, name):
    (line,) = parts(axes, name)
    return line


def fit_the_sheet(*figures):
    for figure in figures:
        figure.get_layout_engine().execute(figure)
        box = figure.get_tightbbox()
        width, height = figure.get_size_inches()
        assert min(box.x0, box.y0, width - box.x1, height - box.y1) > -0.02


def test_every_frontend_is_a_curve_in_its_colour_with_its_name():
    figure = loss(losses(FALLING), tolerance=6.3456e-5)
    upper, lower = figure.axes
    for name, color in COLORS.items():
        assert to_hex(curve(upper, name).get_color()) == to_hex(curve(lower, name).get_color()) == color
        assert texts(upper).count(name) == 1
    assert curve(upper, "reference").get_linewidth() > 2 * curve(upper, "jax_jit").get_linewidth()
    assert (texts(lower), curve(lower, "tolerance").get_ydata()[0]) == (["tolerance 6.3e-05"], 6.3456e-5)
    assert figure.get_suptitle() == "A title to find"


def test_modes_of_one_framework_differ_in_marker_also_when_one_is_missing():
    both = [line.get_marker() for line in parts(loss(losses(FALLING, FEW)).axes[0], "_sample")]
    alone = [line.get_marker() for line in parts(loss(losses(FALLING, FEW[:1])).axes[0], "_sample")]
    assert both[2] != both[3]
    assert alone == [both[0], both[3]]


@pytest.mark.parametrize("count", [1, 5, 200])
def test_identical_curves_each_own_a_part_of_the_line(count):
    upper = loss(losses(FALLING[:count], noise=0)).axes[0]
    turns = []
    for line in parts(upper, "_turns"):
        steps = line.get_xdata()
        own = np.split(steps, np.flatnonzero(np.isnan(steps)) + 1)[:-1]
        turns += [(turn[0], turn[-2], to_hex(line.get_color())) for turn in own]
        np.testing.assert_allclose(steps[line.get_markevery()], [(turn[0] + turn[-2]) / 2 for turn in own])
    starts, stops, owners = zip(*sorted(turns), strict=True)
    assert starts[1:] == stops[:-1]
    assert list(owners) == list(COLORS.values()) * (len(owners) // len(COLORS))


def test_turns_lie_on_the_drawn_line_of_a_log_axis():
    line = curve(loss(losses([100.0, 1.0], ["jax_jit"])).axes[0], "_turns")
    np.testing.assert_allclose(line.get_ydata(), 100.0 ** (1 - line.get_xdata()), rtol=1e-5)


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        (np.linspace(31, 1, 50), "log"),
        (np.linspace(29, 1, 50), "linear"),
        (np.linspace(1, -1, 50), "linear"),
        ([1, 0.1, 1e-3, 1e-6, 0, 0], "linear"),
        (np.full(9, 8_998_123.4), "linear"),
        (np.zeros(9), "linear"),
    ],
)
def test_the_loss_axis_fits_the_values(values, scale):
    upper = loss(losses(values, FEW)).axes[0]
    low, high = upper.get_ylim()
    assert upper.get_yscale() == scale
    assert low < min(values) <= max(values) < high
    assert high - low > 0.1 * max(np.abs(values)), "a constant is a flat line and not noise"
    assert upper.yaxis.get_offset_text().get_text() == ""
    assert len(set(ticks(upper.yaxis))) == len(ticks(upper.yaxis)) >= 2


def test_a_small_real_change_is_not_taken_for_a_constant():
    upper = loss(losses(np.linspace(2.303, 2.300, 50), FEW)).axes[0]
    assert np.ptp(upper.get_ylim()) < 0.01
    assert "2.301" in ticks(upper.yaxis)


def test_one_broken_frontend_does_not_take_the_scale_from_the_others():
    frame = losses(np.linspace(2, 1, 50), FEW)
    frame["jax_jit"] = frame["reference"] * np.exp(np.arange(50.0))
    assert all(axes.get_ylim()[1] <= 1e4 for axes in loss(frame).axes)


def test_twenty_names_stand_apart_and_inside():
    names = [*LONG, *(f"frontend_{number}" for number in range(8))]
    frame = losses(FALLING, names)
    frame[names[3]] *= np.linspace(1, 2.5, 200)
    figure = loss(frame)
    fit_the_sheet(figure)
    labels = figure.axes[0].texts
    boxes = [label.get_window_extent() for label in labels]
    assert not any(one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[:place])
    assert len(set(texts(figure.axes[0]))) == len(names) + 1
    assert max(labels, key=lambda label: label.get_position()[1]).get_text().startswith("…3_")


def test_curves_that_stop_or_never_start_are_named_as_such():
    frame = losses(FALLING).assign(numpy_manual=np.inf)
    frame.loc[60:, "jax_jit"] = np.nan
    frame.loc[frame.index != 7, "tf1"] = np.nan
    upper, lower = loss(frame).axes
    assert {"jax_jit (to step 59)", "numpy_manual (no value)", "tf1 (to step 7)"} < set(texts(upper))
    assert [list(line.get_xdata()) for line in parts(upper, "_stop")] == [[59], [7]]
    assert [7] in [list(line.get_xdata()) for line in parts(upper, "_lone")]
    assert not parts(lower, "numpy_manual")


def test_exact_agreement_has_its_own_tick_beneath_all_deviations():
    frame = losses(np.linspace(2, 1, 50), FEW)
    frame["jax_jit"] = frame["reference"]
    frame["pytorch_eager"] = frame["reference"] * (1 + 1e-3)
    lower = loss(frame).axes[1]
    exact = curve(lower, "jax_jit").get_ydata()
    assert max(exact) < 0.2 * min(curve(lower, "pytorch_compiled").get_ydata())
    assert (lower.get_yticks()[0], ticks(lower.yaxis)[0]) == (pytest.approx(exact[0]), "exact")
    expected = 1e-3 * np.sqrt(frame["reference"] / 2)  # relative to the geometric mean of the loss and the largest one
    np.testing.assert_allclose(curve(lower, "pytorch_eager").get_ydata(), expected, rtol=1e-6)
    assert "exact" not in ticks(loss(frame.drop(columns="jax_jit")).axes[1].yaxis)
    to_zero = pd.DataFrame({"jax_jit": [1.0, 0.5, 1e-3], "reference": [1.0, 0.5, 0.0]})
    assert curve(loss(to_zero).axes[1], "jax_jit").get_ydata()[-1] == pytest.approx(1e-3 / np.finfo("float32").eps)


def test_over_long_runs_the_largest_deviation_of_each_stretch_is_shown():
    frame = losses(np.ones(100_000), ["jax_jit"], noise=0)
    frame.loc[54_321, "jax_jit"] = 1.5
    lower = loss(frame).axes[1]
    line = curve(lower, "jax_jit")
    assert (np.max(line.get_ydata()), len(line.get_ydata())) == (pytest.approx(0.5), 100)
    assert line.get_xdata()[np.argmax(line.get_ydata())] == 54_000
    assert lower.get_title(loc="right") == "each point: largest of 1,000 steps"


@pytest.mark.parametrize("frame", [losses(FALLING)[FEW], losses(FALLING).assign(reference=np.nan)])
def test_without_a_reference_there_is_one_panel(frame):
    (axes,) = loss(frame).axes
    assert axes.get_xlabel() == "step"
    assert "reference, float64" not in texts(axes)


def test_rows_stand_fastest_first_and_failed_ones_beneath_in_grey():
    reason = "line one\nline \x1b[31mtwo $HOME and $PATH " + "and so on " * 80
    entries = [row("numpy_manual", outcome="invalid", reason=reason), row("tf1", 2e-4), row("jax_jit", 9e-5)]
    figure = time(entries)
    fit_the_sheet(figure)
    left, right = figure.axes
    assert ticks(left.yaxis) == ["jax_jit", "tf1", "numpy_manual"]
    (note,) = [text for text in left.texts if text.get_text().startswith("invalid")]
    times = [text for text in left.texts if text is not note]
    colors = [to_hex(label.get_color()) for label in left.get_yticklabels()]
    assert colors[0] == colors[1] != colors[2] == to_hex(note.get_color())
    assert note.get_text().startswith("invalid: line one line [31mtwo $HOME and $PATH and")
    assert note.get_window_extent().x1 < figure.bbox.x1
    assert [time.get_text() for time in times] == ["90.0 µs", "200 µs"]
    assert texts(right) == ["250 ms", "250 ms"]
    assert not parts(left, "numpy_manual")
    assert list(curve(left, "tf1").get_xdata()) == [2e-4]
    assert to_hex(curve(left, "tf1").get_color()) == to_hex(curve(right, "tf1").get_color()) == COLORS["tf1"]
    assert left.collections[-1].get_segments()[0][:, 0] == pytest.approx([1.8e-4, 2.4e-4])


def test_rows_stand_in_the_order_of_what_was_compared_round_by_round():
    entries = [row("tf1", 1.01e-4, relative=1.0), row("jax_jit", 1e-4, relative=1.02)]
    assert ticks(time(entries).axes[0].yaxis) == ["tf1", "jax_jit"]


@pytest.mark.parametrize(("slowest", "scale", "low"), [(29e-6, "linear", 0), (31e-6, "log", 1e-7)])
def test_times_are_on_a_log_axis_when_they_span_much(slowest, scale, low):
    fastest = row("numpy_manual", 1e-6, unit_s_low=1e-14)
    left = time([fastest, row("tf1", 2e-6), row("jax_jit", slowest)]).axes[0]
    assert left.get_xscale() == scale
    assert low <= left.get_xlim()[0] < 1e-6


@pytest.mark.parametrize(("steps", "total"), [(1, "1.75 s"), (2, "1.95 s"), (1001, "202 s")])
def test_the_total_is_import_set_up_first_step_and_one_steady_step_less(steps, total):
    (axes,) = phases([row("jax_jit", 0.2)], steps).axes
    assert texts(axes) == [total]
    assert axes.patches[-1].get_x() + axes.patches[-1].get_width() == pytest.approx(1.75 + 0.2 * (steps - 1))
    assert {to_hex(bar.get_facecolor()) for bar in axes.patches} == {COLORS["jax_jit"]}
    assert len({bar.get_alpha() for bar in axes.patches}) == 4
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == ["import", "set-up", "first step", f"{steps - 1:,} steady step{'' if steps == 2 else 's'}"]


def test_what_is_missing_is_said_and_not_called_fast():
    partly = row("numpy_manual", 4e-5, import_s=None, first_s=None)
    entries = [partly, row("tf1", 2e-4), row("jax_jit", outcome="timeout", reason="after 60 s")]
    (axes,) = phases(entries, 10).axes
    assert ticks(axes.yaxis) == ["tf1", "numpy_manual", "jax_jit"]
    assert {"500 ms without import, first step", "timeout: after 60 s"} < set(texts(axes))
    assert "not measured" in texts(time(entries).axes[1])


def test_a_sweep_shows_points_the_fit_and_where_arithmetic_equals_overhead():
    (axes,) = sweep(points(), fits()).axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("work per step (FLOP)", "time per step")
    np.testing.assert_allclose(curve(axes, "jax_jit").get_ydata(), 1e-5 + 1e-11 * WORKS)
    line = curve(axes, "_fit")
    np.testing.assert_allclose(line.get_ydata(), 1e-5 + 1e-11 * line.get_xdata())
    assert to_hex(line.get_color()) == COLORS["jax_jit"]
    assert curve(axes, "_balance").get_xydata().ravel() == pytest.approx([1e6, 2e-5])
    assert len(axes.collections[0].get_segments()) == len(WORKS)
    assert "dispatch overhead" in axes.get_title("left")
    assert texts(axes) == ["jax_jit"]


@pytest.mark.parametrize("fit", [fits(1e-15), fits(10.0), fits(-1e-6), fits(slope=0.0), fits(slope=-1), fits(np.nan)])
def test_no_balance_is_drawn_where_none_was_measured(fit):
    (axes,) = sweep(points(), fit).axes
    assert not parts(axes, "_balance")
    assert len(parts(axes, "_fit")) == (not math.isnan(fit[0].fit.overhead_s))


ODD_NAMES = losses(FALLING, ["_hidden", "$x$ and $", "<&>", "日本", "a\nb", "", " "])
WORDS = "$x^{$ \x00 \ud800"
FIGURES = {
    "no losses": lambda: loss(pd.DataFrame()),
    "reference alone": lambda: loss(losses(FALLING, [])),
    "all NaN": lambda: loss(losses(np.full(5, np.nan), FEW)),
    "None": lambda: loss(pd.DataFrame({"jax_jit": [None, 1.0, None], "reference": [1.0, None, 2.0]})),
    "one step of NaN": lambda: loss(losses([1.0], FEW).assign(jax_jit=np.nan)),
    "twelve over 100000 steps": lambda: loss(losses(np.exp(-np.arange(100_000) / 9e3), LONG)),
    "far off": lambda: loss(losses([1e300, 1e-90, 5e-324], FEW).assign(jax_jit=1e90)),
    "odd names": lambda: loss(ODD_NAMES, title="\x00 <&> \ud800 日本"),
    "no sweep": lambda: sweep([], fits()),
    "one point, no interval": lambda: sweep(points(works=[0, 1e6, np.inf], low=np.nan), []),
    "one point of a line": lambda: sweep(points(works=[1e6]), fits()),
    "a wild fit of twelve": lambda: sweep(points(names=LONG), fits(1e300, 1e300, names=LONG)),
}
ROWS = {
    "no row ok": [row(name, outcome="unavailable", reason="No module named 'jax'") for name in FEW],
    "no rows": [],
    "twelve long names": summary(np.logspace(-7, 1, 12), LONG),
    "ok without times": [row(name, import_s=None, setup_s=None, first_s=None, color=None) for name in FEW],
    "odd times": [row("tf1", 0.0, first_s=np.inf), row("jax_jit", -1.0, first_s=1e-300), row("b", 1e-3, first_s=1e9)],
    "interval upside down": summary(unit_s_low=1.0, unit_s_high=1e-9, color="no colour"),
    "odd words": [row("$a$", outcome="error", reason=WORDS), row("<&>", 1e-4), row("日本", 2e-4), row("", 1e-4)],
}


@pytest.mark.parametrize("make", FIGURES.values(), ids=FIGURES.keys())
def test_whatever_a_run_holds_gives_a_figure(make, recwarn):
    fit_the_sheet(make())
    assert not [warning for warning in recwarn if "Glyph" not in str(warning.message)]


@pytest.mark.parametrize("entries", ROWS.values(), ids=ROWS.keys())
def test_whatever_rows_hold_gives_figures(entries, recwarn):
    fit_the_sheet(time(entries, "Odd"), phases(entries, 1, "Odd"))
    assert not [warning for warning in recwarn if "Glyph" not in str(warning.message)]


def test_odd_words_make_a_well_formed_file_without_a_warning(tmp_path, recwarn):
    ET.parse(plots.save(FIGURES["odd names"](), tmp_path / "odd")[1])
    assert not list(recwarn)


def test_the_same_frame_gives_the_same_bytes_whatever_the_users_settings(tmp_path):
    frame, copy = losses(FALLING, FEW), losses(FALLING, FEW)
    with mpl.rc_context({"text.color": "red", "axes.facecolor": "black", "font.size": 30, "axes.grid": True}):
        before = dict(mpl.rcParams)
        png, svg = (path.read_bytes() for path in plots.save(loss(frame), tmp_path / "styled"))
        assert dict(mpl.rcParams) == before
    plain = [path.read_bytes() for path in plots.save(loss(frame), tmp_path / "deep" / "v1.0")]
    assert plain == [png, svg]
    assert frame.equals(copy)
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == ["v1.0.png", "v1.0.svg"]
    assert 900 <= int.from_bytes(png[16:20], "big") <= 1300, "wide enough for a README"
    assert all(part in svg for part in (b">A title to find<", b">pytorch_compiled<"))
    assert b"<dc:date>" not in svg


def test_importing_plots_leaves_pyplot_alone():
    code = "import sys, workbench.show.plots; print('matplotlib.pyplot' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_a_run_draws_itself_and_a_figure_shows_itself(numpy_run):
    assert list(numpy_run.plot.figures) == ["loss", "time", "phases"]
    for name, draw in numpy_run.plot.figures.items():
        content, size = draw(title=f"My {name}")._repr_mimebundle_()
        image = base64.b64decode(content["image/png"])
        assert image.startswith(b"\x89PNG")
        assert int.from_bytes(image[16:20], "big") == pytest.approx(2 * size["image/png"]["width"], abs=2)
    assert numpy_run.plot.loss().get_suptitle() == numpy_run.title
    assert numpy_run.plot.loss("Mine").get_suptitle() == "Mine"
    assert "nothing was measured" in texts(numpy_run.plot.sweep().axes[0])


def test_a_further_stage_has_a_figure_of_its_own_in_its_units(tmp_path):
    launches = [launch(number, [2e-5, 3e-5, 4e-5], stage="infer") for number in range(2)]
    drawn = run(tmp_path, contestant("jax_jit", launches), contestant("tf1", launches)).plot.figures
    assert list(drawn) == ["loss", "time", "phases", "time_infer"]
    figure = drawn["time_infer"]()
    assert figure.axes[0].get_title("left") == "Steady call, with interval"
    assert texts(figure.axes[0]) == ["30.0 µs", "30.0 µs"]
    assert figure.get_suptitle() == "linreg · points · cpu · infer"


@pytest.mark.parametrize("seed", range(20))
def test_names_stand_where_an_isotonic_regression_puts_them(seed):
    values = np.random.default_rng(seed).standard_normal(1 + seed).round(seed % 3)
    np.testing.assert_allclose(never_falling(values), optimize.isotonic_regression(values).x, atol=1e-12)


def test_drawing_does_not_import_scipy():
    """It would be a fifth of the harness's memory."""
    code = (
        "import sys, pandas as pd; from workbench.show import charts; from workbench.show.plots import curves; "
        "frame = pd.DataFrame({name: [2.0, 1.0] for name in ('a', 'b', 'reference')}); "
        "curves.figure(charts.loss(frame, {}), charts.deviation(frame, {}), title='t'); print('scipy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
