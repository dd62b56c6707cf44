"""Checks every row of a filled labelling batch before anything of it is stored: all that is wrong is told at once."""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from errors import DataError
from models.label_sets import UnknownLabel, read_labels
from models.rows import content_digest
from tasks.label_sheets import Cells

SHOWN_PROBLEMS = 20


@dataclass(frozen=True)
class Checked:
    labels: dict[str, str]
    """content -> label, as the spec writes it."""
    edited: int


@dataclass(frozen=True)
class Accepted:
    """What may stand in a row: one of the labels, or `several` of them; where there are none, whatever was written."""

    labels: tuple[str, ...]
    several: bool

    def meant(self, cell: str) -> str | None:
        if not self.several:
            return canonical(cell, self.labels)
        try:
            return read_labels(cell.strip(), self.labels)
        except UnknownLabel:
            return None


def check_filled(filled: Sequence[Cells], asked: Container[str], accepted: Accepted, path: Path) -> Checked:
    """`asked` holds the contents of all rows that were sent out. DataError that lists every problem."""
    found: dict[str, tuple[str, int]] = {}
    problems, edited = [], 0
    for row in filled:
        told = list(_problems(row, asked, accepted))
        problems += [f"line {row.line}: {problem}" for problem in told]
        if told:
            continue
        edited += row.text is not None and content_digest(row.text) != row.content
        label = accepted.meant(row.label)
        if label is None:
            continue
        first, line = found.setdefault(row.content, (label, row.line))
        if first != label:
            problems.append(f"line {row.line}: labelled {label!r}, but {first!r} in line {line}")
    if problems:
        more = [f"and {len(problems) - SHOWN_PROBLEMS} more"] if len(problems) > SHOWN_PROBLEMS else []
        listed = "\n  ".join([*problems[:SHOWN_PROBLEMS], *more])
        raise DataError(f"{path} is refused, nothing of it was stored; mend these lines and give it again:\n  {listed}")
    return Checked({content: label for content, (label, _) in found.items()}, edited)


def _problems(row: Cells, asked: Container[str], accepted: Accepted) -> Iterator[str]:
    if not row.content:
        yield f"label {row.label[:80]!r} stands without the row's `content`"
    elif row.content not in asked:
        yield f"content {row.content[:40]!r} is in no batch that this model asked for"
    elif row.text is not None:
        # A column that was sorted on its own gives every text the label of another.
        other = content_digest(row.text)
        if other != row.content and other in asked:
            yield "the text belongs to another row; was a column sorted by itself?"
    if row.label and accepted.meant(row.label) is None:
        yield f"label {row.label[:80]!r} is none of {', '.join(accepted.labels[:50])}"


def canonical(cell: str, labels: tuple[str, ...]) -> str | None:
    """The spec's label that a cell means: as it is, or as a spreadsheet changes it (1 → 1.0, true → TRUE). Where the spec
    has none, an answer is whatever was written."""
    cell = cell.strip()
    if not labels:
        return cell or None
    for form in (cell, cell.removesuffix(".0")):
        if form in labels:
            return form
    alike = [label for label in labels if label.casefold() == cell.casefold()]
    return alike[0] if len(alike) == 1 else None
