"""Guesses which of a data file's columns is the text, the label, the timestamp ...: by its name, then by its values."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from errors import DataError
from models.sample import Column
from models.timestamps import parse_timestamp

MOST_LABELS = 500
OLDEST_LOG = 1990
_FEW = 20
_NAMES: dict[str, tuple[str, ...]] = {
    "text": ("text", "content", "message", "body", "review", "sentence", "comment", "utterance", "document", "query",
             "question", "prompt", "input", "description", "tweet", "snippet"),
    "label": ("label", "labels", "sentiment", "class", "category", "target", "intent", "topic", "y"),
    "id": ("id", "uuid", "guid", "key"),
    "timestamp": ("timestamp", "time", "datetime", "date", "created", "ts"),
    "prediction": ("prediction", "predicted", "pred", "predictions"),
    "score": ("score", "confidence", "probability", "prob", "proba"),
    "latency": ("latency", "duration", "ms", "elapsed"),
}  # fmt: skip


@dataclass(frozen=True)
class Guess:
    column: Column
    why: str
    sure: bool

    @property
    def note(self) -> str:
        return f"guessed ({'sure' if self.sure else 'NOT SURE, please check'}): {self.why}"


def guess_roles(columns: list[Column], data: Path) -> dict[str, Guess]:
    """Role -> column, no column twice; `text` and `label` are always there."""
    found: dict[str, Guess] = {}
    for role, fits in _FITS.items():
        free = [c for c in columns if c.name not in {g.column.name for g in found.values()}]
        by_value = _BY_VALUE.get(role)
        guess = _by_name(role, [c for c in free if fits(c)]) or (by_value(free) if by_value else None)
        if guess:
            found[role] = guess
    for role, rule in (("text", "strings of several words"), ("label", "few distinct values, such as one named label")):
        if role not in found:
            seen = "; ".join(map(str, columns[:30]))
            raise DataError(f"{data} has no column that could be the {role} ({rule}). Seen: {seen}. "
                            f"Rename the column to {role!r}, or write the spec by hand: docs/spec.md. Only a classifier's is "
                            "sketched; for a model that writes begin with one of examples/*/spec.yaml.")  # fmt: skip
    return found


# --- what fits a role ---------------------------------------------------------------------------------------


def _is_text(column: Column) -> bool:
    return column.is_string and column.numbers is None and column.distinct > 1


def _is_label(column: Column) -> bool:
    few = column.distinct <= max(2, min(MOST_LABELS, len(column.values) / 2))
    return bool(column.values) and few and column.words < 6 and column.chars < 60


def _is_id(column: Column) -> bool:
    return bool(column.values) and column.distinct == len(column.values) and column.words < 2


def _is_timestamp(column: Column) -> bool:
    return bool(column.texts) and sum(map(_is_moment, column.texts)) >= 0.95 * len(column.texts)


def _is_score(column: Column) -> bool:
    numbers = column.numbers
    return numbers is not None and all(0 <= n <= 1 for n in numbers) and column.distinct > 2


def _is_latency(column: Column) -> bool:
    return column.numbers is not None and all(n >= 0 for n in column.numbers)


def is_slice(column: Column) -> bool:
    """Whether it has few distinct values, each on many rows, so that each may be watched by itself."""
    return column.is_string and 2 <= column.distinct <= min(_FEW, len(column.values) / 5) and column.words < 4


def _is_moment(text: str) -> bool:
    """Small numbers are Unix seconds, too, but hardly of a log."""
    moment = parse_timestamp(text)
    return moment is not None and moment.year >= OLDEST_LOG


# In this order: what is known by its name and values first, so that it is never taken for a text or label.
_FITS: dict[str, Callable[[Column], bool]] = {
    "timestamp": _is_timestamp, "id": _is_id, "score": _is_score, "latency": _is_latency, "prediction": _is_label,
    "text": _is_text, "label": _is_label,
}  # fmt: skip


def _by_name(role: str, columns: Iterable[Column]) -> Guess | None:
    ranked = [(rank, place, c) for place, c in enumerate(columns) if (rank := _rank(c.name, _NAMES[role])) is not None]
    if not ranked:
        return None
    (whole, _), _, column = min(ranked)
    others = f"; others: {', '.join(c.name for _, _, c in ranked if c is not column)}" if len(ranked) > 1 else ""
    detail = f"{column.chars:.0f} characters on average" if role == "text" else f"{column.distinct} distinct values"
    return Guess(column, f"by its name; {detail}{others}", sure=not whole and len(ranked) == 1)


def _rank(name: str, names: tuple[str, ...]) -> tuple[int, int] | None:
    """(0, place) where the whole name is known, (1, place) where a part of it is; less is better."""
    parts = [name.lower(), *re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower())]
    known = [(min(at, 1), names.index(part)) for at, part in enumerate(parts) if part in names]
    return min(known, default=None)


def _longest_text(columns: list[Column]) -> Guess | None:
    texts = sorted((c for c in columns if _is_text(c) and c.words >= 3), key=lambda c: -c.chars)
    if not texts:
        return None
    second = f"; next: {texts[1].name}, {texts[1].chars:.0f}" if len(texts) > 1 else ""
    clear = len(texts) == 1 or texts[0].chars > 2 * texts[1].chars
    return Guess(texts[0], f"the longest free text, {texts[0].chars:.0f} characters on average{second}", sure=clear)


def _fewest_values(columns: list[Column]) -> Guess | None:
    labels = sorted((c for c in columns if is_slice(c)), key=lambda c: c.distinct)
    if not labels:
        return None
    others = f"; it could also be {', '.join(c.name for c in labels[1:])}" if labels[1:] else ""
    return Guess(labels[0], f"few distinct values ({labels[0].distinct}){others}", sure=False)


def _iso_dates(columns: list[Column]) -> Guess | None:
    dates = [c for c in columns if _is_timestamp(c) and c.numbers is None]
    return Guess(dates[0], "its values are dates", sure=False) if dates else None


_BY_VALUE = {"text": _longest_text, "label": _fewest_values, "timestamp": _iso_dates}
