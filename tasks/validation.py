"""The second step: parts the rows that can be worked with from those that cannot, and says why.

Nothing is dropped in silence: every row that was read ends up kept or quarantined, with its reason.
"""

import tempfile
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from errors import SpecError
from infra.object_store import ObjectStore
from infra.progress import bar
from infra.stages import once
from models.contracts import ModelKind, Table, ValidationReport, Window
from models.label_sets import UnknownLabel, read_labels
from models.part import parse_period
from models.rows import ITSELF, META, SLICE, content_digest, kept_schema, quarantine_schema
from models.sections import Columns, Validation
from tasks.cells import known, number
from tasks.late_labels import late_labels
from tasks.metrics.seen import Seen
from tasks.metrics.similarity import NearDuplicates
from tasks.metrics.timestamps import parse_timestamp
from tasks.tables import TableWriter, open_table
from tasks.tally import EXACT, JOINED, NEAR, SUPERSEDED, UNKNOWN_LABEL, Rejected, Tally, refuse_too_many

NEAR_ROWS = 200_000
BATCH = 2048
BROKEN_UTF8 = "broken UTF-8"


@task(name="validate rows", cache_policy=NO_CACHE)
@once("validate")
def validate_rows(
    window: Window, *, columns: Columns, kind: ModelKind, policy: Validation, now: datetime,
    store: ObjectStore,
) -> ValidationReport:  # fmt: skip
    """Kept and quarantined rows. TooManyBadRows where more are broken or repeated than `policy` allows. `now`: when the
    window was read; later timestamps are of the future."""
    tally = Tally()
    near = NearDuplicates(policy.near_duplicates) if policy.near_duplicates else None
    # Rows that came back labelled repeat rows of an earlier window, and must not cost this one the rows that say
    # the same: they are held against each other alone. Near duplicates were removed before they were sent out.
    sieves = {True: _Sieve(kind, policy, now, None), False: _Sieve(kind, policy, now, near)}
    sieves[False].late = late_labels(store.get_file(window.table), sieves[False].label)
    with tempfile.TemporaryDirectory(prefix="upkeep-") as folder:
        good, bad = Path(folder, "kept.parquet"), Path(folder, "quarantine.parquet")
        with (
            TableWriter(good, kept_schema(tuple(columns.extra))) as kept,
            TableWriter(bad, quarantine_schema(tuple(columns.extra))) as quarantined,
        ):
            _part(store.get_file(window.table), window.rows, sieves, tally, kept, quarantined)
        rejects = Table.of(store.put_blob("quarantine", bad), rows=quarantined.rows)
        refuse_too_many(tally, policy, read=kept.rows + quarantined.rows, rejects=rejects)
        return ValidationReport(
            kept=Table.of(store.put_blob("kept", good), rows=kept.rows), quarantined=rejects,
            reasons=tally.reasons(), labelled=tally.labelled, notes=_notes(window, policy),
            new_classes=tally.new_classes(policy.new_class_rows),
        )  # fmt: skip


def _part(path: Path, rows: int, sieves: dict[bool, "_Sieve"], tally: "Tally", kept: TableWriter,
          quarantined: TableWriter) -> None:  # fmt: skip
    with bar("checking", total=rows, unit="row") as advance:
        for batch in open_table(path).iter_batches(batch_size=BATCH):
            for raw in batch.to_pylist():
                try:
                    row = sieves[raw.get("chosen") is not None].sift(raw)
                except Rejected as why:
                    tally.count(why, raw)
                    quarantined.add({**raw, "reason": f"{why.reason}: {why.detail}"})
                else:
                    tally.labelled += row["label"] is not None
                    kept.add(row)
            advance(batch.num_rows)


@dataclass
class _Sieve:
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
            "timestamp": self._timestamp(raw["timestamp"]), "content": content,
            "chosen": raw.get("chosen"),
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
            raise Rejected("unreadable timestamp", f"{str(value)[:80]!r} is neither ISO 8601 nor Unix seconds")
        earliest = _earliest(self.policy)
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


def _earliest(policy: Validation) -> datetime | None:
    if policy.earliest is None:
        return None
    moment = parse_timestamp(policy.earliest)
    if moment is None:
        raise SpecError(f"validation.earliest: {policy.earliest!r} is no ISO date; write one such as 2024-01-31")
    return moment


def _notes(window: Window, policy: Validation) -> tuple[str, ...]:
    notes = [f"the last line of {source} is still being written: it was left for the next run"
             for source in window.unfinished]  # fmt: skip
    if policy.near_duplicates is not None and window.rows > NEAR_ROWS:
        notes.append(f"near duplicates were looked for among the first {NEAR_ROWS:,} of {window.rows:,} rows only")
    return tuple(notes)
