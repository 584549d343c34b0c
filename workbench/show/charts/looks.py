"""How a contestant looks in every chart: the colour is its framework's; modes differ in marker and dash."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from matplotlib.colors import is_color_like, to_hex

FALLBACK = "#56B4E9"  # the Okabe-Ito hue that no built-in framework uses
SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x", "star")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")


@dataclass(frozen=True)
class Look:
    """Colour (#rrggbb), marker shape and line dash, as Plotly names them."""

    color: str
    shape: str
    hollow: bool
    dash: str


def looks(colors: Mapping[str, str | None]) -> dict[str, Look]:
    """The look of each contestant, from its framework's colour; markers of one colour are filled and hollow in turn."""
    modes, look_of = Counter[str](), {}
    for name, given in sorted(colors.items()):
        color = to_hex(given if given is not None and is_color_like(given) else FALLBACK)
        mode = modes[color]
        look_of[name] = Look(color, SHAPES[mode % len(SHAPES)], mode % 2 == 1, DASHES[mode % len(DASHES)])
        modes[color] += 1
    return look_of
