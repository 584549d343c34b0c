"""Figures are looked at by people; here stands what can be said of them without eyes."""

import math
import subprocess
import sys
from xml.etree import ElementTree as ET

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from workbench import plots

COLORS = {
    "numpy_manual": "#666666",
    "pytorch_eager": "#D55E00",
    "pytorch_compiled": "#D55E00",
    "jax_jit": "#009E73",
    "tf1_graph": "#E69F00",
    "tf2_keras": "#CC79A7",
    "tf2_eager": "#0072B2",
    "tf2_function": "#0072B2",
}
FEW = ["tf2_eager", "tf2_function", "jax_jit"]
STEPS = np.arange(200)
FALLING = 2.3 * np.exp(-STEPS / 30) + 0.02
TIMES = ["import_s", "setup_s", "first_step_s", "step_s", "step_s_low", "step_s_high"]


def losses(values, names=tuple(COLORS), *, reference=True, noise=1e-7):
    values = np.asarray(values, dtype=float)
    rng = np.random.default_rng(0)
    columns = {name: values * (1 + noise * rng.standard_normal(len(values))) for name in names}
    if reference:
        columns["reference"] = values
    return pd.DataFrame(columns, index=pd.RangeIndex(len(values), name="step"))


def summary(step_s=(4e-5, 2e-4, 9e-5), names=("numpy_manual", "tf1_graph", "jax_jit"), **columns):
    steps = np.array(step_s)
    frame = {
        "frontend": names,
        "title": [f"{name} in words" for name in names],
        "color": [COLORS.get(name) for name in names],
        "outcome": "ok",
        "reason": None,
        "import_s": 1.0,
        "setup_s": 0.5,
        "first_step_s": 0.25,
        "step_s": steps,
        "step_s_low": 0.9 * steps,
        "step_s_high": 1.2 * steps,
        "max_relative_error": 1e-7,
        "tolerance": 1e-4,
        "peak_bytes": 1e8,
    }
    return pd.DataFrame({**frame, **columns})


def failed(frame, place, outcome, reason=None):
    frame = frame.copy()
    frame.loc[place, TIMES] = np.nan
    frame.loc[place, "outcome"] = outcome
    frame["reason"] = frame["reason"].astype(object)
    frame.loc[place, "reason"] = reason
    return frame


def draw(figure):
    figure.draw_without_rendering()
    return figure


def texts(axes):
    return [text.get_text() for text in axes.texts]


def ticks(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def curve(axes, name):
    (line,) = [line for line in axes.lines if line.get_label() == name]
    return line


def parts(axes, label):
    return [line for line in axes.lines if line.get_label() == label]


def smallest_text(figure):
    draw(figure)
    return min(text.get_fontsize() for text in figure.findobj(mpl.text.Text) if text.get_text())


def overflow(figure):
    """The texts that leave the figure."""
    draw(figure)
    shown = [text for text in figure.findobj(mpl.text.Text) if text.get_visible() and text.get_text()]
    boxes = [(text.get_text(), text.get_window_extent()) for text in shown]
    frame = figure.bbox
    return [
        text
        for text, box in boxes
        if box.x0 < frame.x0 - 1 or box.x1 > frame.x1 + 1 or box.y0 < frame.y0 - 1 or box.y1 > frame.y1 + 1
    ]


# --- seconds -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (5e-10, "0.500 ns"),
        (1e-9, "1.00 ns"),
        (12.34e-9, "12.3 ns"),
        (12.34e-6, "12.3 µs"),
        (999.4e-6, "999 µs"),
        (999.6e-6, "1.00 ms"),
        (1e-3, "1.00 ms"),
        (9.999e-3, "10.0 ms"),
        (0.1, "100 ms"),
        (1, "1.00 s"),
        (59.95, "60.0 s"),
        (1234, "1230 s"),
        (-12.34e-6, "-12.3 µs"),
        (math.nan, "\N{EN DASH}"),
        (math.inf, "\N{EN DASH}"),
    ],
)
def test_seconds_have_three_digits_and_a_unit(seconds, text):
    assert plots.format_seconds(seconds) == text


def test_every_duration_has_three_significant_digits():
    for seconds in np.logspace(-8.9, 2.9, 500):
        number, unit = plots.format_seconds(float(seconds)).split()
        factor = {"s": 1, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}[unit]
        assert len(number.replace(".", "").lstrip("0")) == 3
        assert float(number) * factor == pytest.approx(seconds, rel=0.006)


# --- loss --------------------------------------------------------------------------------------------


def test_every_frontend_is_a_curve_in_its_colour_with_its_name():
    figure = plots.loss(losses(FALLING), COLORS, title="The title", tolerance=1e-4)
    upper, lower = figure.axes
    for name, color in COLORS.items():
        for axes in (upper, lower):
            assert to_hex(curve(axes, name).get_color()) == color.lower()
        assert texts(upper).count(name) == 1
    assert curve(upper, "reference").get_linewidth() > 2 * curve(upper, "jax_jit").get_linewidth()
    assert figure.texts[0].get_text() == "The title"
    assert figure.texts[0].get_ha() == "left"


def test_modes_of_one_framework_differ_in_marker_and_dashes():
    upper, _ = plots.loss(losses(FALLING), COLORS, title="").axes
    markers = dict(zip(COLORS, parts(upper, "_markers"), strict=True))
    for one, other in (("tf2_eager", "tf2_function"), ("pytorch_eager", "pytorch_compiled")):
        assert markers[one].get_marker() != markers[other].get_marker()
        assert curve(upper, one).get_linestyle() != curve(upper, other).get_linestyle()


def test_a_mode_looks_the_same_when_the_other_is_missing():
    both, _ = plots.loss(losses(FALLING), COLORS, title="").axes
    alone, _ = plots.loss(losses(FALLING, ["tf2_function"]), COLORS, title="").axes
    marker = dict(zip(COLORS, parts(both, "_markers"), strict=True))["tf2_function"].get_marker()
    assert parts(alone, "_markers")[0].get_marker() == marker


@pytest.mark.parametrize("count", [2, 5, 200])
def test_identical_curves_each_own_a_part_of_the_line(count):
    upper, _ = plots.loss(losses(FALLING[:count], noise=0), COLORS, title="").axes
    owned = [np.isfinite(line.get_ydata()) for line in parts(upper, "_stretches")]
    assert len(owned) == len(COLORS)
    whole = curve(upper, "jax_jit")
    np.testing.assert_array_equal(whole.get_ydata()[np.isin(whole.get_xdata(), STEPS)], FALLING[:count])
    together = np.sum(owned, axis=0)
    assert (together >= 1).all(), "no stretch is left to the curve that happens to be drawn last"
    assert all(1 / 16 < own.mean() < 1 / 4 for own in owned)
    markers = [tuple(line.get_xdata()) for line in parts(upper, "_markers")]
    assert all(len(places) >= 2 for places in markers)
    assert len({place for places in markers for place in places}) == sum(map(len, markers))


def test_markers_lie_on_the_drawn_line_of_a_log_axis():
    upper, _ = plots.loss(losses([100.0, 1.0], ["jax_jit"]), COLORS, title="").axes
    assert upper.get_yscale() == "log"
    (markers,) = parts(upper, "_markers")
    expected = 100.0 ** (1 - np.asarray(markers.get_xdata()))
    np.testing.assert_allclose(markers.get_ydata(), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        (np.linspace(31, 1, 50), "log"),
        (np.linspace(29, 1, 50), "linear"),
        (np.linspace(1, -1, 50), "linear"),
        ([1, 0.1, 1e-3, 1e-6, 0, 0], "symlog"),
        ([2, 1.5, 1, 0.5, 0], "linear"),
        (np.full(9, 8_998_123.4), "linear"),
        (np.zeros(9), "linear"),
        (np.full(9, -3.0), "linear"),
    ],
)
def test_the_loss_axis_fits_the_values(values, scale):
    figure = draw(plots.loss(losses(values, FEW), COLORS, title="", tolerance=1e-4))
    upper = figure.axes[0]
    assert upper.get_yscale() == scale
    low, high = upper.get_ylim()
    assert low < min(values) <= max(values) < high
    assert upper.yaxis.get_offset_text().get_text() == ""
    labels = [label for label in ticks(upper.yaxis) if label]
    assert len(labels) >= 2
    assert len(set(labels)) == len(labels)


def test_one_broken_frontend_does_not_take_the_scale_from_the_others():
    frame = losses(np.linspace(2, 1, 50), FEW)
    frame["jax_jit"] = frame["reference"] * np.exp(np.arange(50.0))
    upper, lower = plots.loss(frame, COLORS, title="").axes
    assert upper.get_ylim()[1] < 1e4
    assert lower.get_ylim()[1] < 1e4


def test_a_constant_is_a_flat_line_and_not_noise():
    upper, _ = plots.loss(losses(np.full(10, 8_998_123.4), FEW), COLORS, title="").axes
    low, high = upper.get_ylim()
    assert high - low > 0.1 * 8_998_123
    assert "9.0\N{MULTIPLICATION SIGN}10⁶" in [label.get_text() for label in upper.get_yticklabels()]


def test_a_small_real_change_is_not_taken_for_a_constant():
    upper, _ = plots.loss(losses(np.linspace(2.303, 2.300, 50), FEW), COLORS, title="").axes
    low, high = upper.get_ylim()
    assert high - low < 0.01
    assert "2.3010" in ticks(upper.yaxis) or "2.301" in ticks(upper.yaxis)


def test_one_step_shows_markers_side_by_side():
    upper, lower = plots.loss(losses([0.7]), COLORS, title="", tolerance=1e-4).axes
    for axes in (upper, lower):
        places = [curve(axes, name).get_xdata()[0] for name in COLORS]
        assert len(set(places)) == len(COLORS)
        assert all(curve(axes, name).get_marker() not in ("", "None") for name in COLORS)
    assert ticks(lower.xaxis) == ["0"]


def test_long_runs_are_thinned_but_keep_their_spikes():
    values = np.ones(100_000)
    values[54_321] = 7.5
    values[12_345] = 0.5
    upper, lower = plots.loss(losses(values, FEW), COLORS, title="").axes
    drawn = curve(upper, "jax_jit").get_ydata()
    assert len(drawn) < 3000
    assert np.nanmax(drawn) == pytest.approx(7.5, rel=1e-5)
    assert np.nanmin(drawn) == pytest.approx(0.5, rel=1e-5)
    assert sum(len(line.get_xdata()) for line in parts(upper, "_markers")) < 60
    assert len(curve(lower, "jax_jit").get_xdata()) < 300
    assert lower.get_title(loc="right") == "largest of each 1,000 steps"
    assert lower.get_xlim() == upper.get_xlim()
    assert ticks(lower.xaxis)[0] == "0"


def test_labels_stand_apart_and_inside():
    frame = losses(FALLING)
    frame["jax_jit"] *= np.linspace(1, 2.5, 200)
    figure = draw(plots.loss(frame, COLORS, title="", tolerance=1e-4))
    upper = figure.axes[0]
    boxes = [text.get_window_extent() for text in upper.texts]
    assert not any(one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[:place])
    assert not overflow(figure)
    heights = {text.get_text(): text.get_position()[1] for text in upper.texts}
    assert heights["jax_jit"] == max(heights.values())


def test_too_many_names_go_into_a_legend():
    names = [f"frontend_{number:02}" for number in range(20)]
    figure = draw(plots.loss(losses(FALLING, names), {}, title="", tolerance=1e-4))
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [*names, "reference, float64"]
    assert not overflow(figure)
    assert not legend.get_window_extent().overlaps(figure.axes[1].get_window_extent())


def test_shortened_names_stay_different():
    for names in (LONG, [name[::-1] for name in LONG], [*LONG, "jax_jit"], ["x" * 99, "x" * 98]):
        upper, _ = plots.loss(losses(FALLING[:5], names), {}, title="").axes
        assert len(set(texts(upper))) == len(names) + 1
        left, _ = plots.time(summary(step_s=[1e-3] * len(names), names=names), title="").axes
        assert len(set(ticks(left.yaxis))) == len(names)


def test_curves_that_stop_or_never_start_are_named_as_such():
    frame = losses(FALLING)
    frame.loc[60:, "jax_jit"] = np.nan
    frame["tf1_graph"] = np.inf
    frame.loc[0, "tf2_keras"] = np.nan
    upper, lower = draw(plots.loss(frame, COLORS, title="")).axes
    assert "jax_jit (to step 59)" in texts(upper)
    assert "tf1_graph (no value)" in texts(upper)
    assert "tf2_keras" in texts(upper)
    (stop,) = parts(upper, "_stop")
    assert list(stop.get_xdata()) == [59]
    assert "tf1_graph" not in [line.get_label() for line in lower.lines]


def test_a_lone_point_between_gaps_is_seen():
    frame = losses(FALLING, FEW)
    frame.loc[frame.index != 7, "jax_jit"] = np.nan
    upper, _ = plots.loss(frame, COLORS, title="").axes
    (lone,) = parts(upper, "_lone")
    assert list(lone.get_xdata()) == [7]


# --- deviation ---------------------------------------------------------------------------------------


def test_the_lower_panel_shows_the_relative_deviation_and_the_tolerance():
    frame = losses(np.linspace(2, 1, 50), FEW, noise=0)
    frame["jax_jit"] *= 1 + 1e-3
    upper, lower = plots.loss(frame, COLORS, title="", tolerance=1e-4).axes
    assert lower.get_yscale() == "log"
    assert lower.get_xlim() == upper.get_xlim()
    np.testing.assert_allclose(curve(lower, "jax_jit").get_ydata(), 1e-3, rtol=1e-6)
    tolerance = curve(lower, "tolerance")
    assert tolerance.get_ydata()[0] == 1e-4
    assert tolerance.get_linestyle() != "-"
    assert "tolerance 10⁻⁴" in texts(lower)


def test_exact_agreement_has_its_own_tick_beneath_all_deviations():
    frame = losses(np.linspace(2, 1, 50), FEW)
    frame["jax_jit"] = frame["reference"]
    _, lower = plots.loss(frame, COLORS, title="").axes
    exact = curve(lower, "jax_jit").get_ydata()
    np.testing.assert_allclose(exact, exact[0])
    others = np.concatenate([curve(lower, name).get_ydata() for name in FEW if name != "jax_jit"])
    assert exact[0] < 0.2 * others.min()
    assert ticks(lower.yaxis)[0] == "exact"
    assert lower.get_yticks()[0] == pytest.approx(exact[0])


def test_deviations_are_clipped_where_floats_end():
    _, lower = plots.loss(losses(np.linspace(2, 1, 50), FEW, noise=0), COLORS, title="").axes
    np.testing.assert_allclose(curve(lower, "jax_jit").get_ydata(), 1e-17)
    assert ticks(lower.yaxis)[0] == "exact"


def test_without_deviation_from_exact_there_is_no_exact_tick():
    frame = losses(np.linspace(2, 1, 50), ["jax_jit"], noise=0)
    frame["jax_jit"] *= 1.001
    _, lower = plots.loss(frame, COLORS, title="").axes
    assert "exact" not in ticks(lower.yaxis)


def test_a_reference_of_zero_makes_nothing_infinite():
    frame = losses([1.0, 0.5, 0.0], ["jax_jit"], noise=0)
    frame.loc[2, "jax_jit"] = 1e-3
    _, lower = plots.loss(frame, COLORS, title="").axes
    assert curve(lower, "jax_jit").get_ydata()[-1] == pytest.approx(1e-3)


def test_the_largest_deviation_of_each_stretch_is_shown():
    frame = losses(np.ones(1000), ["jax_jit"], noise=0)
    frame.loc[777, "jax_jit"] = 1.5
    _, lower = plots.loss(frame, COLORS, title="").axes
    line = curve(lower, "jax_jit")
    assert np.nanmax(line.get_ydata()) == pytest.approx(0.5)
    assert abs(line.get_xdata()[np.nanargmax(line.get_ydata())] - 777) < 10


@pytest.mark.parametrize(
    "frame", [losses(FALLING, FEW, reference=False), losses(FALLING, FEW).assign(reference=np.nan)]
)
def test_without_a_reference_there_is_one_panel(frame):
    figure = plots.loss(frame, COLORS, title="", tolerance=1e-4)
    assert len(figure.axes) == 1
    assert figure.axes[0].get_xlabel() == "step"
    assert "reference, float64" not in texts(figure.axes[0])


# --- time --------------------------------------------------------------------------------------------


def test_rows_stand_fastest_first_and_failed_ones_beneath():
    frame = failed(summary(), 2, "invalid", "gradient of w1 deviates")
    left, right = draw(plots.time(frame, title="T")).axes
    assert ticks(left.yaxis) == ["numpy_manual", "tf1_graph", "jax_jit"]
    assert left.yaxis_inverted()
    assert left.get_ylim() == right.get_ylim()
    assert texts(left) == ["40.0 µs", "200 µs", "invalid: gradient of w1 deviates"]
    assert texts(right) == ["250 ms", "250 ms"]
    assert "jax_jit" not in [line.get_label() for line in left.lines]


def test_dots_have_the_frontends_colour_and_their_interval():
    left, right = plots.time(summary(), title="").axes
    for name in ("numpy_manual", "tf1_graph", "jax_jit"):
        assert to_hex(curve(left, name).get_color()) == COLORS[name].lower()
        assert to_hex(curve(right, name).get_color()) == COLORS[name].lower()
    assert list(curve(left, "tf1_graph").get_xdata()) == [2e-4]
    assert [tuple(line.get_xdata()) for line in parts(left, "_interval")][-1] == pytest.approx((1.8e-4, 2.4e-4))
    assert not parts(right, "_interval")


@pytest.mark.parametrize(("slowest", "scale"), [(29e-6, "linear"), (31e-6, "log")])
def test_times_are_on_a_log_axis_when_they_span_much(slowest, scale):
    left, _ = plots.time(summary(step_s=(1e-6, 2e-6, slowest)), title="").axes
    assert left.get_xscale() == scale
    assert (left.get_xlim()[0] == 0) == (scale == "linear")


@pytest.mark.parametrize(
    ("step_s", "expected"),
    [
        ((1e-6, 1e-4, 1.0), ["1 µs", "100 µs", "10 ms", "1 s"]),
        ((2e-4, 3e-4, 1.1e-3), ["0", "0.5 ms", "1.0 ms"]),
    ],
)
def test_ticks_are_plain_times(step_s, expected):
    left, _ = draw(plots.time(summary(step_s=step_s), title="")).axes
    assert set(expected) <= set(ticks(left.xaxis))


@pytest.mark.parametrize("step_s", [(1e-6, 2e-6, 3e-6), (1e-6, 1e-3, 1e2), (5.0, 5.0, 5.0)])
def test_values_beside_the_dots_stay_in_their_panel(step_s):
    figure = draw(plots.time(summary(step_s=step_s), title=""))
    left = figure.axes[0]
    for text in left.texts:
        assert text.get_window_extent().x1 <= left.get_window_extent().x1 + 1
    assert not overflow(figure)


def test_an_interval_down_to_zero_does_not_stretch_a_log_axis():
    frame = summary(step_s=(1e-6, 1e-4, 1e-3))
    frame.loc[0, "step_s_low"] = 1e-14
    left, _ = plots.time(frame, title="").axes
    assert left.get_xlim()[0] > 1e-7


def test_an_ok_row_without_a_first_step_says_so():
    frame = summary()
    frame.loc[1, "first_step_s"] = np.nan
    left, right = plots.time(frame, title="").axes
    assert "not measured" in texts(right)
    assert "not measured" not in texts(left)


def test_a_frontend_that_comes_twice_is_named_at_length():
    frame = summary(names=("jax_jit", "jax_jit", "tf1_graph"))
    frame["title"] = ["JAX on CPU", "JAX on GPU", "TensorFlow 1"]
    left, _ = plots.time(frame, title="").axes
    assert sorted(ticks(left.yaxis)) == ["JAX on CPU", "JAX on GPU", "tf1_graph"]
    frame["contestant"] = ["jax_jit@a", "jax_jit@b", "tf1_graph@a"]
    left, _ = plots.time(frame, title="").axes
    assert sorted(ticks(left.yaxis)) == ["jax_jit@a", "jax_jit@b", "tf1_graph"]


def test_reasons_are_one_line_that_fits():
    frame = failed(summary(), 1, "error", "line one\nline \x1b[31mtwo $HOME and $PATH " + "and so on " * 80)
    figure = draw(plots.time(frame, title=""))
    (note,) = [text for text in texts(figure.axes[0]) if text.startswith("error")]
    assert note.startswith("error: line one line [31mtwo $HOME and $PATH")
    assert note.endswith("…")
    assert not overflow(figure)


# --- phases ------------------------------------------------------------------------------------------


def test_bars_add_up_to_the_time_of_all_steps():
    figure = draw(plots.phases(summary(), title="P", steps=10_000))
    (axes,) = figure.axes
    assert ticks(axes.yaxis) == ["numpy_manual", "jax_jit", "tf1_graph"]
    assert texts(axes) == ["2.15 s", "2.65 s", "3.75 s"]
    ends = [patch.get_x() + patch.get_width() for patch in axes.patches]
    assert max(ends) == pytest.approx(1 + 0.5 + 0.25 + 10_000 * 2e-4)
    assert len(axes.patches) == 3 * 4
    (legend,) = figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["import", "set-up", "first step", "10,000 steady steps"]


def test_phases_are_tints_of_the_frameworks_colour():
    (axes,) = plots.phases(summary(step_s=(1e-3,), names=("jax_jit",)), title="", steps=1000).axes
    colors = [to_hex(patch.get_facecolor()) for patch in axes.patches]
    assert len(set(colors)) == 4
    assert colors[-1] == COLORS["jax_jit"].lower()


def test_a_bar_that_lacks_a_phase_says_so_and_is_not_called_fast():
    frame = summary()
    frame.loc[0, "import_s"] = np.nan
    (axes,) = draw(plots.phases(frame, title="", steps=10)).axes
    assert ticks(axes.yaxis)[-1] == "numpy_manual"
    assert any(text.endswith("without import") for text in texts(axes))


def test_failed_rows_have_no_bar():
    frame = failed(summary(), 0, "timeout", "after 60 s")
    (axes,) = plots.phases(frame, title="", steps=10).axes
    assert len(axes.patches) == 2 * 4
    assert "timeout: after 60 s" in texts(axes)


# --- never an exception ------------------------------------------------------------------------------

LONG = [f"a_very_long_frontend_identifier_{number}_" + "x" * 80 for number in range(12)]

ODD_LOSSES = {
    "nothing": pd.DataFrame(),
    "columns without rows": losses([], FEW),
    "rows without columns": pd.DataFrame(index=range(5)),
    "reference alone": losses(FALLING, []),
    "all NaN": losses(np.full(5, np.nan), FEW),
    "all infinite": losses(np.full(5, np.inf), FEW),
    "frontends NaN": losses(FALLING, FEW).assign(**dict.fromkeys(FEW, np.nan)),
    "None": pd.DataFrame({"jax_jit": [None, 1.0, None], "reference": [1.0, None, 2.0]}),
    "one frontend": losses(FALLING, ["jax_jit"]),
    "one step": losses([1.0], FEW),
    "one step of zero": losses([0.0], FEW),
    "one step of NaN": losses([1.0], FEW).assign(jax_jit=np.nan),
    "two steps": losses([1.0, 0.5], FEW),
    "twelve long names": losses(FALLING, LONG),
    "forty names": losses(FALLING, [f"f{number}" for number in range(40)]),
    "twelve over 100000 steps": losses(np.exp(-np.arange(100_000) / 9e3), LONG),
    "negative": losses(-FALLING, FEW),
    "around zero": losses(np.sin(STEPS), FEW),
    "zeros": losses(np.zeros(5), FEW),
    "tiny": losses(np.full(5, 1e-300), FEW),
    "huge": losses([1e300, 1e-300, 1.0, -1e300], FEW),
    "denormal": losses([1.0, 5e-324], FEW),
    "identical": losses(FALLING, FEW, noise=0),
    "far off": losses([1e-90, 1e-90], FEW).assign(jax_jit=1e90),
    "integers": losses([3, 2, 1], FEW).round().astype(int),
    "odd names": losses(FALLING, ["_hidden", "$x$ and $", "<&>", "日本", "a\nb", "", " "]),
    "numbers as names": pd.DataFrame({0: [1.0, 2.0], 1: [1.0, 2.0]}),
    "unordered steps": losses(FALLING, FEW).iloc[::-1],
    "steps from 100": losses(FALLING, FEW).set_index(STEPS + 100),
}


@pytest.mark.parametrize("frame", ODD_LOSSES.values(), ids=ODD_LOSSES.keys())
def test_any_losses_give_a_figure(frame, recwarn):
    assert not overflow(plots.loss(frame, COLORS, title="Odd $ losses", tolerance=1e-4))
    assert not [warning for warning in recwarn if "Glyph" not in str(warning.message)]


ODD_SUMMARIES = {
    "nothing": pd.DataFrame(),
    "columns without rows": summary().iloc[:0],
    "no row ok": failed(summary(), [0, 1, 2], "unavailable", "No module named 'jax'"),
    "one": summary(step_s=(1e-3,), names=("jax_jit",)),
    "twelve long names": summary(step_s=np.logspace(-7, 1, 12), names=LONG),
    "ok without times": summary(**dict.fromkeys(TIMES, np.nan)),
    "None": summary().assign(**dict.fromkeys(TIMES), color=None),
    "zero and negative": summary(step_s=(0.0, -1.0, 1e-3)),
    "infinite": summary(step_s=(math.inf, 1e-3, 1e-3)),
    "extreme": summary(step_s=(1e-300, 1e300, 1e-3)),
    "far apart": summary(step_s=(1e-9, 1e9, 1e-3)),
    "interval upside down": summary(step_s_low=1.0, step_s_high=1e-9),
    "interval without end": summary(step_s_high=math.inf),
    "bad colours": summary(color=["no colour", 7, ""]),
    "odd words": failed(summary(names=("$a$", "<&>", "日本")), 0, "error", "$x^{$ \x00 \ud800"),
    "nothing but names": pd.DataFrame({"frontend": ["jax_jit", None]}),
    "a repeated index": pd.concat([summary(), summary()]),
}


@pytest.mark.parametrize("frame", ODD_SUMMARIES.values(), ids=ODD_SUMMARIES.keys())
def test_any_summary_gives_figures(frame, recwarn):
    for figure in (
        plots.time(frame, title="Odd"),
        plots.phases(frame, title="Odd", steps=1000),
    ):
        assert not overflow(figure)
    plots.phases(frame, title="Odd", steps=0)
    assert not [warning for warning in recwarn if "Glyph" not in str(warning.message)]


def test_odd_words_make_well_formed_files_without_a_warning(tmp_path, recwarn):
    figures = [
        plots.loss(ODD_LOSSES["odd names"], COLORS, title="\x00 <&> \ud800 日本"),
        plots.time(ODD_SUMMARIES["odd words"], title="$x^{$"),
    ]
    for figure in figures:
        png, svg = plots.save(figure, tmp_path / "odd")
        ET.parse(svg)
        assert png.read_bytes().startswith(b"\x89PNG")
    assert not list(recwarn)


# --- files and the surroundings ----------------------------------------------------------------------


def all_figures():
    yield plots.loss(losses(FALLING, FEW), COLORS, title="Loss", tolerance=1e-4)
    yield plots.time(failed(summary(), 1, "timeout"), title="Time")
    yield plots.phases(summary(), title="Phases", steps=1000)


def test_saving_twice_gives_the_same_bytes(tmp_path):
    for figure, again in zip(all_figures(), all_figures(), strict=True):
        first = [path.read_bytes() for path in plots.save(figure, tmp_path / "deep" / "v1.0")]
        second = [path.read_bytes() for path in plots.save(again, str(tmp_path / "other"))]
        assert first == second
    assert plots.save(figure, tmp_path / "same")[1].read_bytes() == second[1]
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == ["v1.0.png", "v1.0.svg"]


def test_the_svg_has_text_as_text_and_no_date(tmp_path):
    figure = plots.loss(losses(FALLING), COLORS, title="A title to find", tolerance=1e-4)
    _, svg = plots.save(figure, tmp_path / "loss")
    text = svg.read_text(encoding="utf-8")
    assert "A title to find" in text
    assert "pytorch_compiled" in text
    assert "<dc:date>" not in text


def test_the_png_is_wide_enough_for_a_readme(tmp_path):
    png, _ = plots.save(plots.time(summary(), title=""), tmp_path / "time")
    width = int.from_bytes(png.read_bytes()[16:20], "big")
    assert 900 <= width <= 1300


def test_text_is_never_smaller_than_8_points():
    assert min(smallest_text(figure) for figure in all_figures()) >= 8


def test_a_users_settings_are_neither_changed_nor_followed(tmp_path):
    plain = [plots.save(figure, tmp_path / "a")[1].read_bytes() for figure in all_figures()]
    with mpl.rc_context({"text.color": "red", "axes.facecolor": "black", "font.size": 30, "axes.grid": True}):
        before = dict(mpl.rcParams)
        styled = [plots.save(figure, tmp_path / "b")[1].read_bytes() for figure in all_figures()]
        assert dict(mpl.rcParams) == before
    assert plain == styled


def test_frames_are_not_changed():
    frame, rows = losses(FALLING, FEW), summary()
    copies = frame.copy(), rows.copy()
    plots.loss(frame, COLORS, title="")
    plots.time(rows, title="")
    plots.phases(rows, title="", steps=5)
    pd.testing.assert_frame_equal(frame, copies[0])
    pd.testing.assert_frame_equal(rows, copies[1])


def test_importing_plots_leaves_pyplot_and_the_backend_alone():
    code = "import sys, workbench.plots; print('matplotlib.pyplot' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
