"""Marks of small inline SVG drawings, placed across in per cent of the width: a drawing then fits any screen, while
its strokes and letters keep their size. Colours are the page's (its style sheet names the classes)."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal
from xml.etree.ElementTree import Element, SubElement, tostring

from markupsafe import Markup

Anchor = Literal["start", "middle", "end"]
STEPS = (1, 2, 5, 10, 20)
SCALE = 16
NARROW = 3
"""As many numbers have room beside one another on a telephone."""


@dataclass(frozen=True)
class Axis:
    """A linear scale from `low` (0 %) to `high` (100 %)."""

    low: float
    high: float

    def at(self, value: float) -> float:
        """Where a value lies, in per cent of the width; what lies beyond the axis is put on its end."""
        return 100 * min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high

    def ticks(self, most: int = 5) -> list[float]:
        """Round numbers within the axis, in the finest steps that make at most `most`."""
        power = 10 ** math.floor(math.log10((self.high - self.low) / most))
        for step in (s * power for s in STEPS):
            first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
            if last - first < most:
                break
        return [i * step for i in range(first, last + 1)]


def drawing(label: str, *marks: Element, height: int) -> Markup:
    """An image as wide as its place; `label` says in words what it shows."""
    root = Element("svg", {"role": "img", "aria-label": label, "width": "100%", "height": str(height)})
    root.extend(marks)
    return Markup(tostring(root, encoding="unicode"))


def line(x: tuple[float, float], y: tuple[float, float], kind: str) -> Element:
    return Element("line", {"class": kind, "x1": _share(x[0]), "x2": _share(x[1]), "y1": _px(y[0]), "y2": _px(y[1])})


def upright(x: float, height: float, kind: str, *, told: str = "") -> Element:
    """A line from top to bottom; `told` appears under the pointer."""
    mark = line((x, x), (0, height), kind)
    if told:
        SubElement(mark, "title").text = told
    return mark


def dot(x: float, y: float, kind: str, *, radius: float = 4.5) -> Element:
    return Element("circle", {"class": kind, "cx": _share(x), "cy": _px(y), "r": _px(radius)})


def bar(x: tuple[float, float], y: float, height: float, kind: str) -> Element:
    width = max(0.0, x[1] - x[0])
    return Element("rect", {"class": kind, "x": _share(x[0]), "width": _share(width), "y": _px(y),
                            "height": _px(height), "rx": "2"})  # fmt: skip


def text(x: float, y: float, words: str, *, anchor: Anchor = "middle", kind: str = "") -> Element:
    attributes = {"x": _share(x), "y": _px(y), "text-anchor": anchor} | ({"class": kind} if kind else {})
    mark = Element("text", attributes)
    mark.text = words
    return mark


def beyond(x: float, y: float, kind: str) -> Element:
    """An arrowhead at an end of the axis: what it belongs to goes on outside."""
    way = -1 if x < 50 else 1
    place = Element("svg", {"x": _share(x), "y": _px(y), "overflow": "visible", "width": "1", "height": "1"})
    SubElement(place, "path", {"class": f"{kind} arrow", "d": f"M{-5 * way} -4 L0 0 L{-5 * way} 4"})
    return place


def path(places: list[tuple[float, float]], kind: str) -> list[Element]:
    """A broken line through places (per cent across, pixels down)."""
    return [line((a[0], b[0]), (a[1], b[1]), kind) for a, b in pairwise(places)]


def scale(axis: Axis, label: str, *, written: dict[float, str]) -> Markup:
    """The numbers of an axis. Those at its ends stay within the width; of many, a narrow page leaves out every second."""
    marks = []
    for number, (value, words) in enumerate(written.items()):
        spare = " spare" if number % 2 and len(written) > NARROW else ""
        x = axis.at(value)
        anchor: Anchor = "start" if x < 4 else "end" if x > 96 else "middle"
        marks.append(text(x, SCALE - 5, words, anchor=anchor, kind=f"tick{spare}"))
    return drawing(label, *marks, height=SCALE)


def _share(x: float) -> str:
    return f"{x:.2f}%"


def _px(y: float) -> str:
    return f"{y:g}"
