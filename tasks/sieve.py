"""Judges the rows of a window, one after the other."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from models.contracts import ModelKind
from models.data_sections import Validation
from models.label_sets import UnknownLabel, read_labels
from models.part import parse_period
from models.rows import ITSELF, META, SLICE, content_digest
from models.timestamps import parse_timestamp
from tasks.cells import known, number
from tasks.metrics.seen import Seen
from tasks.metrics.similarity import NearDuplicates
from tasks.records import BROKEN_UTF8
from tasks.tally import EXACT, JOINED, NEAR, SUPERSEDED, UNKNOWN_LABEL, Rejected

NEAR_ROWS = 200_000
"""Near duplicates are looked for among so many."""


@dataclass
class Sieve:
    """Judges rows in their order; remembers the kept ones, so that later repetitions are found."""

    kind: ModelKind
    policy: Validation
    now: datetime
    near: NearDuplicates | None
    seen: Seen = field(default_factory=Seen)
    """content -> (source:line, label) of the row that was kept."""
    places: dict[int, str] = field(default_factory=dict)
    late: dict[str, str] = field(default_factory=dict)
    """content -> label that a later row says."""

    def sift(self, raw: dict[str, Any]) -> dict[str, Any]:
        """The kept row. Raises Rejected."""
        text = self._text(raw)
        content, said = content_digest(text), self.label(raw["label"])
        row = {
            **{name: known(value) for name, value in raw.items() if name.startswith((SLICE, META))},
            **{name: raw[name] for name in ("row", "source", "line")},
            "id": known(raw["id"]), "prediction": known(raw["prediction"]),
            "text": text, "label": self.late.get(content) if said is None else said,
            "score": number(raw["score"], "score", lambda v: 0 <= v <= 1, "0 to 1"),
            "latency": number(raw["latency"], "latency", lambda v: v >= 0, "0 or more"),
            "timestamp": self._timestamp(raw["timestamp"]), "content": content, "chosen": raw["chosen"],
        }  # fmt: skip
        self._refuse_repetition(row, said)
        return row

    def _text(self, raw: dict[str, Any]) -> str:
        if raw["problem"] == BROKEN_UTF8:
            raise Rejected(BROKEN_UTF8, repr((raw["raw"] or "").strip()[:80]))
        if raw["problem"] is not None:
            raise Rejected("unreadable", raw["problem"])
        text: str | None = raw["text"]
        if text is None:
            raise Rejected("missing text", "the row has no text")
        if not text.strip():
            raise Rejected("empty text", f"{text[:20]!r} holds nothing but white space")
        if len(text) > self.policy.max_chars:
            raise Rejected("over-long text", f"{len(text)} characters; validation.max_chars is {self.policy.max_chars}")
        return text

    def label(self, value: str | None) -> str | None:
        """As it is written in the spec; None where the cell says none. Raises Rejected."""
        label, labels = (value or "").strip(), self.kind.labels
        if self.kind.truth == "text":
            return ITSELF
        if label and self.kind.truth == "labels":
            return self._several(label)
        if not label or label in labels:
            return label or None
        if self.kind.truth == "answer":
            return self._answer(label)
        # pandas turns whole numbers into floats as soon as one label is missing.
        if label.endswith(".0") and label[:-2] in labels:
            return label[:-2]
        raise Rejected(UNKNOWN_LABEL, f"{label[:80]!r}; accepted: {', '.join(labels[:50])}", label=label)

    def _several(self, cell: str) -> str:
        try:
            return read_labels(cell, self.kind.labels)
        except UnknownLabel as unknown:
            told = (
                f"{unknown.label[:80]!r} in {cell[:80]!r}; accepted, with | between: {', '.join(self.kind.labels[:50])}"
            )
            raise Rejected(UNKNOWN_LABEL, told, label=unknown.label) from None

    def _answer(self, text: str) -> str:
        if len(text) > self.policy.max_chars:
            raise Rejected(
                "over-long answer", f"{len(text)} characters; validation.max_chars is {self.policy.max_chars}"
            )
        return text

    def _timestamp(self, value: str | None) -> datetime | None:
        if not (value or "").strip():
            return None
        moment = parse_timestamp(str(value))
        if moment is None:
            raise Rejected("unreadable timestamp", f"{str(value)[:80]!r} is neither ISO 8601 nor Unix time (digits alone are "
                           "ISO 8601 with a T between date and time)")  # fmt: skip
        earliest = parse_timestamp(self.policy.earliest or "")
        if earliest and moment < earliest:
            raise Rejected("timestamp too early", f"{moment.isoformat()} is before {self.policy.earliest}")
        if moment - self.now > parse_period(self.policy.future):
            raise Rejected("timestamp in the future", f"{moment.isoformat()} is more than {self.policy.future} ahead")
        return moment

    def _refuse_repetition(self, row: dict[str, Any], said: str | None) -> None:
        """`said`: the label of the row's own."""
        if row["content"] in self.seen:
            reason = SUPERSEDED if row["chosen"] else EXACT
            if said is not None and self.late.get(row["content"]) == said:
                del self.late[row["content"]]  # once: what says so again is a repetition
                reason = JOINED
            raise Rejected(reason, self._repeats(row["content"], said, "repeats"))
        if self.near and row["row"] < NEAR_ROWS:
            match = self.near.find_or_add(row["row"], row["text"])
            if match is not None:
                raise Rejected(NEAR, self._repeats(self.places[match], said, "nearly repeats"))
            self.places[row["row"]] = row["content"]
        if said is not None:
            self.late.pop(row["content"], None)  # it needs none
        self.seen[row["content"]] = (f"{row['source']}:{row['line']}", row["label"])

    def _repeats(self, content: str, label: str | None, verb: str) -> str:
        place, first = self.seen[content]
        differs = label is not None and first != label
        conflict = f", with another label: {first!r} there, {label!r} here" if differs else ""
        return f"{verb} {place}{conflict}"


def not_compared(rows: int, policy: Validation) -> list[str]:
    """What the report of a window of so many rows has to say of its near duplicates."""
    if policy.near_duplicates is None or rows <= NEAR_ROWS:
        return []
    return [f"near duplicates were looked for among the first {NEAR_ROWS:,} of {rows:,} rows only"]
