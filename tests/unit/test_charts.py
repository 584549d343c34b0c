"""Charts are prepared once, and whatever draws them draws the same."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from workbench.model.stage import EVALUATE
from workbench.show import charts
from workbench.show.charts import lines as charted
from workbench.show.charts.kinds import Chart
from workbench.show.charts.looks import FALLBACK, looks
from workbench.show.plots import RunPlots, curves, rows
from workbench.show.report import charts as report_charts
from workbench.show.report import drawing
from workbench.show.run import Run
from workbench.statistics.fits import Overhead
from workbench.statistics.rows import SizeFit, SizeTime
from workbench.statistics.rows import rows as rows_of
from workbench.testing import contestant, launch, record

COLORS = {"numpy_manual": "#666666", "pytorch_eager": "#d55e00", "pytorch_compiled": "#d55e00"}


def measured(compiled_step=1e-5, eager_step=2e-5):
    """A run of an eager style and of one that compiles it."""
    eager = contestant("pytorch_eager", [launch(0, [eager_step] * 3)], color="#d55e00")
    compiled = contestant(
        "pytorch_compiled", [launch(0, [compiled_step] * 3)], color="#d55e00", compiles="pytorch_eager"
    )
    compiled.launches[0].first_s = 1.25
    return record(eager, compiled)


def test_modes_of_a_colour_differ_and_what_is_no_colour_has_one_too():
    known = looks({**COLORS, "mine": "no colour", "other": None, "red": "red"})
    eager, compiled = known["pytorch_eager"], known["pytorch_compiled"]
    assert eager.color == compiled.color
    assert (eager.shape, eager.hollow, eager.dash) == ("square", True, "dash")
    assert (compiled.shape, compiled.hollow, compiled.dash) == ("circle", False, "solid")
    assert known["mine"].color == known["other"].color == FALLBACK.lower()
    assert known["red"].color == "#ff0000"


@pytest.mark.parametrize(("last", "kind"), [(29, "linear"), (31, "log")])
def test_both_draw_the_losses_on_the_same_axis(last, kind):
    losses = pd.DataFrame({"numpy_manual": np.linspace(last, 1, 50), "reference": np.linspace(last, 1, 50)})
    loss, deviation = charts.loss(losses, COLORS), charts.deviation(losses, COLORS, 1e-4)
    axes = curves.figure(loss, deviation, title="").axes[0]
    yaxis = drawing.figure(loss).layout.yaxis
    assert axes.get_yscale() == (yaxis.type or "linear") == kind
    ends = np.log10(axes.get_ylim()) if kind == "log" else axes.get_ylim()
    assert yaxis.range == pytest.approx(tuple(ends))


def test_a_contestant_that_diverges_does_not_stretch_the_pages_axis_either():
    losses = pd.DataFrame({"reference": np.linspace(2, 1, 50), "numpy_manual": np.exp(np.arange(50.0))})
    assert drawing.figure(charts.loss(losses, COLORS)).layout.yaxis.range[1] <= 4


def test_both_draw_rows_in_the_same_order_and_colours():
    run = measured()
    chart = charts.steady(rows_of(run), run)
    left = rows.dots([chart], title="").axes[0]
    drawn = drawing.figure(chart)
    names = [label.get_text() for label in left.get_yticklabels()]
    assert names == list(drawn.layout.yaxis.ticktext) == ["pytorch_compiled", "pytorch_eager"]
    colors = {trace.name: trace.marker.color for trace in drawn.data}
    assert colors == {line.get_label(): to_hex(line.get_color()) for line in left.lines}


def test_a_mark_is_where_the_compiled_style_catches_up():
    chart = charts.break_even(rows_of(measured()), 101)
    (line,) = [line for line in chart.lines if line.mark]
    assert (line.id, line.mark.x, line.mark.about) == ("pytorch_compiled", 100_001, "100,001 steps")
    assert line.mark.y == pytest.approx(0.75 + 100_000 * 2e-5)
    assert "pytorch_compiled catches up with pytorch_eager after 100,001 steps" in chart.about
    assert [trace.x for trace in drawing.figure(chart).data if trace.error_x.array] == [(100_001,)]
    (ahead,) = (row for row in rows_of(measured()) if row.id == "pytorch_compiled")
    ahead = dataclasses.replace(ahead, break_even=0, break_even_low=0, break_even_high=0)
    assert charted._catching_up(ahead) == "pytorch_compiled is ahead of pytorch_eager from the first step on."
    never = charts.break_even(rows_of(measured(compiled_step=3e-5)), 101)
    assert not [line for line in never.lines if line.mark]
    assert "pytorch_compiled never catches up with pytorch_eager." in never.about


def test_nothing_to_compare_is_said_and_not_drawn():
    alone = record(contestant("numpy_manual", [launch(0, [1e-5] * 3)]))
    chart = charts.break_even(rows_of(alone), 101)
    assert type(chart) is Chart
    assert (drawing.figure(chart), chart.numbers) == (None, None)


def test_memory_is_what_the_import_took_and_what_came_on_top():
    chart = charts.memory(rows_of(measured()))
    assert [entry.parts for entry in chart.rows] == [[100, 50], [100, 50]]
    assert charts.memory(rows_of(record(contestant("numpy_manual")))) is None


def test_work_and_rates_of_a_large_device_are_shown():
    points = [SizeTime("numpy_manual", "numpy_manual", 1, work, 1e-13 * work, 0, 1) for work in (1e12, 1e13, 1e14)]
    fit = SizeFit("numpy_manual", "numpy_manual", Overhead(0, 0, 0, 1e-13, 0, 0, 0, 0))
    chart = charts.sweep(points, [fit], COLORS)
    assert [len(line.points) for line in chart.lines] == [3]
    assert "then 1e+04 GFLOP/s" in chart.about


def test_what_gradients_cost_is_drawn_beside_losses_alone_in_picture_and_page():
    alone = launch(0, [1e-5] * 3, stage=EVALUATE.name)
    alone.blocks |= launch(0, [4e-5] * 3).blocks
    made = record(
        contestant("pytorch_eager", [alone], color="#d55e00"), contestant("jax_scan", [launch(0, [1e-5] * 3)])
    )
    chart = charts.step_ratio(rows_of(made, "evaluate"))
    assert [(row.id, row.value) for row in chart.rows] == [("pytorch_eager", pytest.approx(4)), ("jax_scan", None)]
    assert (chart.words(4.0), chart.axis.unit) == ("4.00×", "")
    run = Run(Path("run"), made)
    keys = [shown.key for shown in report_charts.of_run(run)]
    assert keys.count("step_ratio") == 1
    assert keys.index("step_ratio") == keys.index("time_evaluate") + 1
    panels = [axes.get_title(loc="left") for axes in RunPlots(run).time(stage="evaluate").axes]
    assert panels == ["Steady evaluation, with interval", "Training step / loss alone"]
