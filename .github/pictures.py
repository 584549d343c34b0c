"""Make README's pictures and its table from a real run, so that nothing there is copied by hand.

    python .github/pictures.py           run linreg in every frontend and record the live display meanwhile
    python .github/pictures.py RUN       the same from a finished run; the picture of the live display stays as it is

The pictures go to .github/images, the table between README's markers <!-- run:begin --> and <!-- run:end -->.
"""

from __future__ import annotations

import argparse
import io
import re
from collections.abc import Iterable
from pathlib import Path

from rich import _export_format
from rich.console import Console, RenderableType
from rich.terminal_theme import TerminalTheme
from rich.text import Text

import workbench
from workbench.show import markers, renderers, tables
from workbench.show.columns import View
from workbench.show.plots.style import styled
from workbench.show.progress import LiveProgress, patient_console

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / ".github" / "images"
MARKERS = "<!-- run:begin -->", "<!-- run:end -->"
COMMAND = "workbench run linreg --frameworks all"
COLUMNS = 100
DPI = 150  # 1125 px wide: sharp in a README of 900 px
THEME = TerminalTheme(
    (255, 255, 255),
    (31, 35, 40),
    [
        (36, 41, 47),
        (207, 34, 46),
        (17, 99, 41),
        (154, 103, 0),
        (9, 105, 218),
        (130, 80, 223),
        (27, 124, 131),
        (110, 119, 129),
    ],
)


class RecordedProgress(LiveProgress):
    """The live display, which keeps every frame."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.frames: list[Text] = []

    def _redraw(self) -> None:
        super()._redraw()
        self.frames.append(self._picture())

    @property
    def halfway(self) -> Text:
        """The last frame of the first launch in which at most half of its rounds are done."""
        rounds = [(frame, re.search(r"launch 1 .* round (\d+) of (\d+)", frame.plain)) for frame in self.frames]
        early = [frame for frame, match in rounds if match and 2 * int(match[1]) <= int(match[2])]
        return early[-1]


def terminal(name: str, parts: Iterable[RenderableType]) -> None:
    """Write an SVG of a terminal in which README's command has printed these parts."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, highlight=False)
    console.print(Text.assemble(("$ ", "dim"), (COMMAND, "bold")))
    console.print(*parts, sep="\n")
    form = re.sub(
        r"@font-face \{\{.*?\}\}", "", _export_format.CONSOLE_SVG_FORMAT, flags=re.DOTALL
    )  # nothing is loaded
    form = form.replace("Fira Code, monospace", "ui-monospace, SFMono-Regular, Menlo, Consolas, monospace")
    svg = console.export_svg(title="", theme=THEME, code_format=form, unique_id=name)
    svg = svg.replace("rgba(255,255,255,0.35)", "#d0d7de")  # the frame, made for a dark terminal
    (IMAGES / f"{name}.svg").write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n", encoding="utf-8")


def pictures(run: workbench.Run) -> None:
    """Loss curves and times, as they are drawn into the run's folder."""
    for name in ("loss", "time"):
        with styled():
            run.plot.figures[name]().savefig(IMAGES / f"linreg-{name}.png", dpi=DPI)


def table(run: workbench.Run) -> str:
    """The terminal's table as a Markdown code block, and where it was measured."""
    (shown,) = tables.stage_tables(run)
    console = Console(width=COLUMNS, file=io.StringIO(), highlight=False)
    console.print(renderers.terminal(shown.seen(View.TABLE), shown.timed))
    rows = "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())
    facts, settings = run.record.machine, run.record.settings
    where = f"{len(facts.usable_cpus or []) or facts.logical_cpus} CPUs, {facts.cpu_model}"
    return f"```\n{rows}\n```\n\n(`{COMMAND}`, {settings.preset}, on {where}: read ratios, not times.)"


def main() -> None:
    """Measure or load a run, then make everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="?", help="a finished run's folder")
    parser.add_argument("--readme", type=Path, default=ROOT / "README.md", help="the page that receives the table")
    options = parser.parse_args()
    markers.check(options.readme, MARKERS)
    if options.run:
        run = workbench.load(options.run)
    else:
        with RecordedProgress(patient_console()) as progress:
            run = workbench.run("linreg", "all", output=ROOT / "results", progress=progress)
        terminal("linreg-live", [progress.halfway])
    IMAGES.mkdir(exist_ok=True)
    pictures(run)
    terminal("linreg-terminal", tables.terminal(run))
    markers.splice(options.readme, table(run), MARKERS)


if __name__ == "__main__":
    main()
