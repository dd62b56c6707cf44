"""The second step: parts the rows that can be worked with from those that cannot, and says why.

Nothing is dropped in silence: every row that was read ends up kept or quarantined, with its reason.
"""

import tempfile
from datetime import datetime
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from infra.object_store import ObjectStore
from infra.progress import bar
from infra.stages import once
from models.contracts import ModelKind, Table, ValidationReport, Window
from models.data_sections import Columns, Validation
from models.row_schemas import kept_schema, quarantine_schema
from tasks.late_labels import late_labels
from tasks.metrics.similarity import NearDuplicates
from tasks.sieve import Sieve, not_compared
from tasks.tables import TableWriter, open_table
from tasks.tally import Rejected, Tally, refuse_too_many

BATCH = 2048


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
    sieves = {True: Sieve(kind, policy, now, None), False: Sieve(kind, policy, now, near)}
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


def _part(path: Path, rows: int, sieves: dict[bool, Sieve], tally: Tally, kept: TableWriter,
          quarantined: TableWriter) -> None:  # fmt: skip
    with bar("checking", total=rows, unit="row") as advance:
        for batch in open_table(path).iter_batches(batch_size=BATCH):
            for raw in batch.to_pylist():
                try:
                    row = sieves[raw["chosen"] is not None].sift(raw)
                except Rejected as why:
                    tally.count(why, raw)
                    quarantined.add({**raw, "reason": f"{why.reason}: {why.detail}"})
                else:
                    tally.labelled += row["label"] is not None
                    kept.add(row)
            advance(batch.num_rows)


def _notes(window: Window, policy: Validation) -> tuple[str, ...]:
    notes = [f"the last line of {source} is still being written: it was left for the next run"
             for source in window.unfinished]  # fmt: skip
    return (*notes, *not_compared(window.rows, policy))
