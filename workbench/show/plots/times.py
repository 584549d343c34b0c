"""Step times, and the time to N steps: a row per contestant, those without a time in grey."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import EngFormatter, MaxNLocator

from workbench.show.plots import style
from workbench.show.units import format_seconds

ROW_IN = 0.27
NOTE = 80  # characters of the reason beside a row
PHASES = {"import_s": "import", "setup_s": "set-up", "first_step_s": "first step", "step_s": "steady steps"}
SHARES = {"import_s": 0.28, "setup_s": 0.48, "first_step_s": 0.70, "step_s": 1.0}  # of colour
PARTS = [*PHASES]
WORDS = ["outcome", "reason"]
INTERVAL = ["step_s_low", "step_s_high"]


def time(summary: pd.DataFrame, *, title: str) -> Figure:
    """Steady step and first step of each contestant, fastest first; those without a time beneath, in grey.

    `summary`: one row per contestant with frontend, color, outcome, reason and times in seconds
    (step_s with its interval step_s_low to step_s_high, first_step_s); columns that lack count as empty.
    """
    rows = _sorted(_rows(summary), "step_s")
    with style.styled():
        figure = style.sheet(title, ROW_IN * len(rows) + 0.5)
        steady, first = figure.subplots(1, 2, sharey=True)
        style.panel(steady, "Steady step, with its interval")
        style.panel(first, "First step")
        _name_rows(steady, rows)
        first.spines[["left", "bottom"] if rows.empty else ["left"]].set_visible(False)
        _dots(steady, rows, "step_s", *INTERVAL)
        _dots(first, rows, "first_step_s", "first_step_s", "first_step_s")
    return figure


def phases(summary: pd.DataFrame, *, title: str, steps: int) -> Figure:
    """Time to `steps` steps as a stacked bar: import, set-up, the first step and steps - 1 times step_s.

    `summary` is the frame of `time`, with import_s and setup_s. A phase without a number is left out of its
    bar, and the bar's label says so.
    """
    rows = _rows(summary)
    rows["step_s"] *= max(0, steps - 1)
    rows["total_s"] = rows[PARTS].sum(axis=1, skipna=False)
    rows = _sorted(rows, "total_s")
    with style.styled():
        figure = style.sheet(title, ROW_IN * len(rows) + 0.6)
        axes = figure.subplots()
        style.panel(axes)
        axes.grid(visible=False, axis="y")
        keys = [Patch(color="#444444", alpha=SHARES[column], label=name) for column, name in PHASES.items()]
        keys[-1].set_label(f"{max(0, steps - 1):,} steady steps")
        axes.legend(handles=keys, loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderpad=0, handlelength=1.1)
        _name_rows(axes, rows)
        _bars(axes, rows)
    return figure


def _rows(summary: pd.DataFrame) -> pd.DataFrame:
    """name, look, ok, note and the times; what cannot be one (negative, 0, infinite, not ok) is NaN."""
    frame = summary.reset_index(drop=True).reindex(columns=["frontend", "color", *WORDS, *PARTS, *INTERVAL])
    ids = [style.clean(name) for name in frame["frontend"]]
    looks = style.looks(dict(zip(ids, frame["color"], strict=True)))
    rows = pd.DataFrame({"name": style.short(ids), "look": [looks[name] for name in ids]}, index=frame.index)
    rows["ok"] = frame["outcome"] == "ok"
    rows["note"] = [": ".join(filter(None, words)) for words in frame[WORDS].map(style.clean).to_numpy()]
    times = style.numbers(frame, [*PARTS, *INTERVAL])
    times = times.where((times > 1e-15) & (times < 1e12)).where(rows["ok"])
    straight = (times["step_s_low"] <= times["step_s"]) & (times["step_s"] <= times["step_s_high"])
    for column in INTERVAL:
        times[column] = times[column].where(straight, times["step_s"])
    return rows.join(times)


def _sorted(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """Fastest first, then those that are ok without this time, then the others in their order."""
    return rows.sort_values(["ok", column], ascending=[False, True], kind="stable", ignore_index=True)


def _name_rows(axes: Axes, rows: pd.DataFrame) -> None:
    """Names left of the axes; of a row that is not ok the reason, in grey, over all panels."""
    axes.spines["left"].set_visible(False)
    if rows.empty:
        style.empty(axes, "nothing was measured")
        return
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(range(len(rows)), rows["name"], fontsize=9)
    axes.set_zorder(1)
    axes.patch.set_visible(False)
    for place, (label, ok, note) in enumerate(zip(axes.get_yticklabels(), rows["ok"], rows["note"], strict=True)):
        label.set_color(style.INK if ok else style.GREY)
        if not ok:
            _grey(axes, place, note or "no outcome")


def _grey(axes: Axes, place: int, text: str) -> None:
    text = text if len(text) <= NOTE else f"{text[:NOTE].rstrip()}…"
    at, box = axes.get_yaxis_transform(), {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
    axes.text(0.01, place, text, transform=at, color=style.GREY, bbox=box, in_layout=False, **style.SMALL)


def _value(axes: Axes, right: float, place: int, text: str) -> None:
    """What a dot or bar stands for, right of it; the layout makes room where it leaves the panel."""
    axes.annotate(text, (right, place), (6, 0), textcoords="offset points", **style.SMALL)


def _dots(axes: Axes, rows: pd.DataFrame, column: str, low: str, high: str) -> None:
    timed = rows[rows[column].notna()]
    for place, row in enumerate(rows.to_dict("records")):
        if place in timed.index:
            axes.hlines(place, row[low], row[high], color=row["look"]["color"], **style.INTERVAL)
            axes.plot([row[column]], [place], **row["look"], linestyle="none", zorder=3, label=row["name"])
            _value(axes, row[high], place, format_seconds(row[column]))
        elif row["ok"]:
            _grey(axes, place, "not measured")
    smallest, end = timed[column].min(), timed[high].max()
    if timed.empty:
        axes.set_xticks([])
    elif timed[column].max() > style.LOG_SPAN * smallest:
        # an interval that nearly reaches 0 must not stretch a log axis
        style.log_axis(axes, "x", max(timed[low].min(), smallest / 3), end, EngFormatter(unit="s"))
    else:
        axes.set_xlim(0, 1.04 * end)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.xaxis.set_major_formatter(EngFormatter(unit="s"))


def _bars(axes: Axes, rows: pd.DataFrame) -> None:
    widths = rows[PARTS].fillna(0)
    starts, totals = widths.cumsum(axis=1) - widths, widths.sum(axis=1)
    colors = [look["color"] for look in rows["look"]]
    for column, share in SHARES.items():
        axes.barh(rows.index, widths[column], 0.66, starts[column], color=colors, alpha=share, linewidth=0)
    for place, row in enumerate(rows.to_dict("records")):
        missing = [name for column, name in PHASES.items() if pd.isna(row[column])]
        if row["ok"] and len(missing) == len(PHASES):
            _grey(axes, place, "not measured")
        elif row["ok"]:
            without = f" without {', '.join(missing)}" if missing else ""
            _value(axes, totals[place], place, format_seconds(totals[place]) + without)
    axes.xaxis.set_major_formatter(EngFormatter(unit="s"))
    if totals.any():
        axes.set_xlim(0, totals.max())
    else:
        axes.set_xticks([])
