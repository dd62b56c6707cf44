"""A training's course, a run's hours, and what something is made of, drawn."""

import math
from collections.abc import Sequence

from markupsafe import Markup

from models.contracts import CurvePoint, StageTime
from tasks.formats import amount, duration
from tasks.svg import Anchor, Axis, Element, bar, dot, drawing, line, path, text, upright

CURVE, TOP, BOTTOM = 190, 14, 164


def kept_step(curve: Sequence[CurvePoint]) -> CurvePoint | None:
    """The evaluation whose weights a training keeps: the first with the lowest validation loss."""
    measured = [p for p in curve if _known(p.validation_loss) is not None]
    return min(measured, key=lambda p: _known(p.validation_loss) or 0.0, default=None)


def draw_curve(curve: Sequence[CurvePoint]) -> Markup:
    """Training and validation loss over the steps, and the step that was kept."""
    courses = {name: _course(curve, f"{name}_loss") for name in ("train", "validation")}
    losses = [loss for course in courses.values() for _, loss in course]
    steps = Axis(0, max([1, *(p.step for p in curve)]))
    down = Axis(*_room(losses))
    marks = _grid(down)
    for name, course in courses.items():
        places = [(_across(steps, step), _height(down, loss)) for step, loss in course]
        marks += [*path(places, f"course {name}"), *(dot(x, y, f"dot {name}", radius=3.5) for x, y in places)]
    kept = kept_step(curve)
    if kept:
        marks += _flag(_across(steps, kept.step), f"step {kept.step:,} kept")
    marks += [text(_across(steps, step), CURVE - 8, f"{step:,}", kind="tick")
              for step in sorted({0, *(p.step for p in curve[-1:])} - {kept.step if kept else -1})]  # fmt: skip
    return drawing(_curve_in_words(courses, kept), *marks, height=CURVE)


def _course(curve: Sequence[CurvePoint], field: str) -> list[tuple[int, float]]:
    found = [(p.step, _known(getattr(p, field))) for p in curve]
    return [(step, loss) for step, loss in found if loss is not None]


def _known(loss: float | None) -> float | None:
    """A loss that ran away is no place on a chart."""
    return loss if loss is not None and math.isfinite(loss) else None


def _room(losses: list[float]) -> tuple[float, float]:
    low, high = (min(losses), max(losses)) if losses else (0.0, 1.0)
    spare = max(0.01, (high - low) * 0.12)
    return max(0.0, low - spare), high + spare


def _across(steps: Axis, step: int) -> float:
    """Room for the numbers at the left, and for half a mark at the right."""
    return 7 + 0.88 * steps.at(step)


def _height(down: Axis, loss: float) -> float:
    return round(BOTTOM - (BOTTOM - TOP) * down.at(loss) / 100, 1)


def _grid(down: Axis) -> list[Element]:
    marks = []
    for tick in down.ticks(5):
        y = _height(down, tick)
        marks += [line((7, 100), (y, y), "grid"), text(0, y + 4, f"{tick:.3g}", anchor="start", kind="tick")]
    return marks


def _flag(x: float, words: str) -> list[Element]:
    anchor: Anchor = "start" if x < 25 else "end" if x > 85 else "middle"
    return [line((x, x), (TOP, BOTTOM), "limit"), text(x, CURVE - 8, words, anchor=anchor, kind="tick strong")]


def _curve_in_words(courses: dict[str, list[tuple[int, float]]], kept: CurvePoint | None) -> str:
    words = {"train": "training loss", "validation": "validation loss"}
    told = [f"{words[name]} " + ", ".join(f"{loss:.3f} at step {step}" for step, loss in course)
            for name, course in courses.items() if course]  # fmt: skip
    return "; ".join([*told, f"kept: step {kept.step}"] if kept else told) or "no losses were logged"


def draw_stage(stages: Sequence[StageTime], number: int) -> Markup:
    """Where in the run's time a stage lies: each begins where the one before it ended."""
    axis = Axis(0, max(1e-9, sum(s.seconds for s in stages)))
    before, stage = sum(s.seconds for s in stages[:number]), stages[number]
    kind = "bar reused" if stage.reused else "bar"
    marks = [bar((0, 100), 5, 8, "track"), bar((axis.at(before), axis.at(before + stage.seconds)), 5, 8, kind)]
    return drawing(f"{stage.stage}: {duration(stage.seconds)} of {duration(axis.high)}", *marks, height=18)


def draw_parts(parts: dict[str, int]) -> Markup:
    """What a whole is made of, as one bar; the page's legend has the same order."""
    whole = max(1, sum(parts.values()))
    marks, begun = [upright(0, 14, "grid")], 0
    for number, size in enumerate(parts.values()):
        if size:
            marks.append(bar((100 * begun / whole, 100 * (begun + size) / whole), 0, 14, f"part part-{number}"))
        begun += size
    told = ", ".join(f"{name} {amount(size, 'row')}" for name, size in parts.items())
    return drawing(told, *marks, height=14)
