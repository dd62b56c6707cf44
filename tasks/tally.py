"""Why rows cannot be worked with, counted; and where they are too many."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from errors import TooManyBadRows
from models.contracts import LabelCount, ReasonCount, Table
from models.data_sections import Validation
from tasks.formats import amount, count, percent_beside, whole_percent

EXACT, NEAR = "exact duplicate", "near duplicate"
DUPLICATES = {EXACT, NEAR}
UNKNOWN_LABEL = "unknown label"
SUPERSEDED = "label corrected since"
"""Of no harm, however many: a corrected label is read before the one that it corrects."""
JOINED = "label given to an earlier row"
"""Of no harm either: the text came first, and its label later."""


class Rejected(Exception):
    def __init__(self, reason: str, detail: str, *, label: str = "") -> None:
        super().__init__(reason)
        self.reason, self.detail, self.label = reason, detail, label


@dataclass
class Tally:
    rows: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)
    labelled: int = 0
    strange: Counter[str] = field(default_factory=Counter)
    """Labels that the spec does not list, by their rows."""

    def count(self, why: Rejected, raw: dict[str, Any]) -> None:
        if why.label:
            self.strange[why.label] += 1
        self.rows[why.reason] = self.rows.get(why.reason, 0) + 1
        self.examples.setdefault(why.reason, f"{raw['source']}:{raw['line']}: {why.detail}")

    def new_classes(self, at_least: int) -> tuple[LabelCount, ...]:
        found = [LabelCount(label=label, rows=rows) for label, rows in self.strange.most_common() if rows >= at_least]
        return tuple(found)

    def reasons(self) -> tuple[ReasonCount, ...]:
        """The most frequent first."""
        ordered = sorted(self.rows.items(), key=lambda item: (-item[1], item[0]))
        return tuple(ReasonCount(reason=r, rows=n, example=self.examples[r]) for r, n in ordered)


def refuse_too_many(tally: Tally, policy: Validation, *, read: int, rejects: Table) -> None:
    reasons = tally.reasons()
    broken = [r for r in reasons if r.reason not in DUPLICATES | {SUPERSEDED, JOINED}]
    repeated = [r for r in reasons if r.reason in DUPLICATES]
    nothing_left = sum(r.rows for r in reasons) == read
    for found, what, limit, name in (
        (broken, "broken", policy.max_bad_share, "max_bad_share"),
        (repeated, "duplicates", policy.max_duplicate_share, "max_duplicate_share"),
    ):
        excused = tally.new_classes(policy.new_class_rows) if what == "broken" and not nothing_left else ()
        bad = sum(r.rows for r in found) - sum(c.rows for c in excused)
        if bad > limit * read:
            top = "; ".join(f"{r.reason} ({amount(r.rows, 'row')}, e.g. {r.example})" for r in found[:3])
            raise TooManyBadRows(
                f"{count(bad)} of {amount(read, 'row')} ({percent_beside(bad / read, limit)}) are {what}; validation.{name} allows {whole_percent(limit)}. {top}. "
                f"The quarantined rows are in {rejects.uri}. Mend the source, or raise validation.{name}."
            )
