"""The run in one picture, for pages that show Markdown and images only: what moved, and what the candidate changed.

A whole SVG document without classes or scripts, light on dark and dark on light, since Prefect's page may be either.
"""

import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from html import escape
from itertools import accumulate
from unicodedata import east_asian_width

from models.contracts import Comparison, DriftSignal, RunReport
from models.measures import METRICS
from tasks.drift_plots import rank_signals, size_of
from tasks.formats import points, unit, words
from tasks.pages import rows_of

ROW, LEFT, WIDTH, RIGHT = 24, 190, 360, 210
GREY, BLUE, RED, GREEN = "#8a8f98", "#4a90d9", "#d9534f", "#3fa34d"
NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML may hold, not even escaped: one of them would break the whole image."""
MOST = 12
"""Rows a panel; the tables beside it hold all."""
LONGEST = 30
"""Characters of a name that the left of a panel has room for."""
MOVED = "How much moved, against its floor"
MOVED_KEY = "Red: drift. Blue: none, since it may be chance or is below its floor, the grey tick."
CHANGED = "By how much the candidate is better, on the same rows"
CHANGED_KEY = "In points, or in per cent of what it was; paired, at 95 %, slices corrected for their number. Green: better. Red: worse. Blue: either may be."


def picture_of(report: RunReport) -> str | None:
    """Markdown that shows it; None where there is nothing to draw."""
    seen, attempt = report.observation, report.attempt
    panels: list[tuple[str, str, Sequence[str]]] = []
    if seen and seen.drift.signals:
        signals = rank_signals(seen.drift.signals)[:MOST]
        panels.append((MOVED, MOVED_KEY, [_signal(s, i) for i, s in enumerate(signals)]))
    if attempt and attempt.scorecard.comparisons:
        compared = _worst_first(attempt.scorecard.comparisons)[:MOST]
        reach = max(0.02, *(abs(end) for c in compared for end in (c.difference.low, c.difference.high)))
        place = _placer(reach)
        rows = [_difference(c, i, place) for i, c in enumerate(compared)]
        panels.append((CHANGED, CHANGED_KEY, rows))
    drawn = (f"**{title}**\n\n{key}\n\n![{title}]({_image(rows)})" for title, key, rows in panels)
    return "\n\n".join(drawn) or None


def _worst_first(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """What can be better or worse: whole windows, and then the slices that lost most."""
    judged = [c for c in comparisons if METRICS[c.metric].better != "neither"]
    return sorted(judged, key=lambda c: (c.is_slice, c.difference.value if c.is_slice else 0))


def _placer(reach: float) -> Callable[[float], float]:
    return lambda value: LEFT + WIDTH / 2 * (1 + value / (1.1 * reach))


def _signal(signal: DriftSignal, row: int) -> str:
    at = [LEFT + WIDTH * size_of(signal, effect) for effect in (signal.effect, signal.floor)]
    y, colour = ROW * row + ROW / 2, RED if signal.drifted else BLUE
    told = f"{signal.effect_name} {signal.effect:.2f}, floor {signal.floor:g}"
    return _told(signal.name, told, y) + _line(LEFT, at[0], y, colour, 8) + _line(at[1], at[1] + 2, y, GREY, 16)


def _difference(compared: Comparison, row: int, place: Callable[[float], float]) -> str:
    found, y = compared.difference, ROW * row + ROW / 2
    colour = GREEN if found.low > 0 else RED if found.high < 0 else BLUE
    name = f"{rows_of(compared)}, {words(compared.metric)}"
    mark = f'<circle cx="{place(found.value):.1f}" cy="{y}" r="4.5" fill="{colour}"/>'
    zero = _line(place(0) - 0.5, place(0) + 0.5, y, GREY, ROW)
    whole = _line(place(found.low), place(found.high), y, colour, 3)
    return _told(name, f"{points(found)} {unit(compared.metric)}", y) + zero + whole + mark


def _told(name: str, numbers: str, y: float) -> str:
    text = '<text x="{x}" y="{y}" fill="{fill}" font-size="12" font-family="sans-serif"{anchor}>{told}</text>'
    first = text.format(
        x=LEFT - 8, y=y + 4, fill=GREY, anchor=' text-anchor="end"', told=escape(NO_XML.sub("\ufffd", _short(name)))
    )
    return first + text.format(x=LEFT + WIDTH + 8, y=y + 4, fill=GREY, anchor="", told=escape(numbers))


def _short(name: str) -> str:
    """Wide characters, as Chinese has, take the room of two."""
    widths = accumulate(2 if east_asian_width(letter) in "WF" else 1 for letter in name)
    fits = sum(width <= LONGEST for width in widths)
    return name if fits == len(name) else f"{name[: fits - 1]}…"


def _line(start: float, end: float, y: float, colour: str, thick: float) -> str:
    return f'<rect x="{start:.1f}" y="{y - thick / 2}" width="{max(1.0, end - start):.1f}" height="{thick}" fill="{colour}"/>'


def _image(rows: Sequence[str]) -> str:
    size = f'width="{LEFT + WIDTH + RIGHT}" height="{ROW * len(rows)}"'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{"".join(rows)}</svg>'
    return f"data:image/svg+xml;base64,{b64encode(svg.encode()).decode()}"
