"""A question about a version, with a sheet of samples, and sheets that people have filled."""

import csv
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from infra.object_store import ObjectStore
from models.contracts import ApprovalRequest, Manifest, SideBySide, Table
from models.rows import content_digest
from models.sections import Approval
from tasks.label_sheets import unguarded
from tasks.rating_sheets import write_sheet
from tasks.registry.asking import ask


def sample(number: int, *, candidate: str = "positive") -> SideBySide:
    text = f"=film {number}"
    return SideBySide(text=text, label="positive", champion="negative", champion_confidence=0.6, candidate=candidate,
                      candidate_confidence=0.9, content=content_digest(text))  # fmt: skip


def asked(
    manifest: Manifest, store: ObjectStore, *, now: datetime | None = None, samples: int = 10, ratings: int = 0,
    champion: int = 1, differing: int | None = None,
) -> ApprovalRequest:  # fmt: skip
    """`now`: when it was asked; it waits for a week. `samples`: so many were drawn, all or `differing` of which differ."""
    sheet = store.work / "samples.csv"
    write_sheet([sample(n) for n in range(samples)], sheet)
    return ask.fn(
        manifest, Table.of(store.put_blob("approvals", sheet), rows=samples), run_id="run-2", champion_version=champion,
        approval=Approval(samples=max(samples, ratings), ratings=ratings), now=now or datetime.now(UTC), store=store,
        differing=samples if differing is None else differing,
    )  # fmt: skip


def filled(
    request: ApprovalRequest, better: Iterable[str], store: ObjectStore, path: Path, *, rater: str = "ann"
) -> Path:
    """A copy of the sheet with the verdicts on its first rows, as a spreadsheet would save it."""
    with store.get_file(request.samples).open(encoding="utf-8-sig", newline="") as file:
        rows = [{name: unguarded(cell) for name, cell in row.items()} for row in csv.DictReader(file)]
    for row, verdict in zip(rows, better, strict=False):
        row |= {"better": verdict, "rater": rater}
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(rows)
    return path
