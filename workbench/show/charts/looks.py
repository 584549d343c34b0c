"""How a contestant looks in every chart: a colour is a framework; its modes differ in marker and dash."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from matplotlib.colors import is_color_like, to_hex

FALLBACK = "#56B4E9"  # the Okabe-Ito hue that no framework of ours has
SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x", "star")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")


@dataclass(frozen=True)
class Look:
    """A colour as #rrggbb, and which of the contestants of this colour it is, counted from 0."""

    color: str
    mode: int = 0

    @property
    def shape(self) -> str:
        """The marker, as Plotly names it."""
        return SHAPES[self.mode % len(SHAPES)]

    @property
    def hollow(self) -> bool:
        """Whether the marker is an outline: that of every second mode is."""
        return self.mode % 2 == 1

    @property
    def dash(self) -> str:
        """The line's dashes, as Plotly names them."""
        return DASHES[self.mode % len(DASHES)]


def looks(colors: Mapping[str, str | None]) -> dict[str, Look]:
    """The look of each contestant, from its framework's colour; modes are counted in the order of ids."""
    seen = Counter[str]()
    by_id: dict[str, Look] = {}
    for identifier in sorted(colors):
        named = colors[identifier]
        color = to_hex(named if named is not None and is_color_like(named) else FALLBACK)
        by_id[identifier] = Look(color, seen[color])
        seen[color] += 1
    return by_id
