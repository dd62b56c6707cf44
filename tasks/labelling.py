"""A drift without labels asks for labels: which rows people are to label, and what their labels will tell.

Most are drawn at random, so that their labels measure; the rest are those most unlike the reference, so that their
labels teach. The two are never mixed up again: `chosen` goes with a row wherever it goes.
"""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE

from infra.files import partial
from infra.object_store import ObjectStore
from infra.stages import once
from models.contracts import Evidence, LabelRequest, ModelKind, Observation, Release, Table
from models.recipe import Training
from models.rows import META, SLICE, Chosen, Split, split_of
from models.sections import Policy
from tasks.chosen import flattered
from tasks.label_sheets import write_csv, write_jsonl
from tasks.metrics.drawing import draw_in_proportion
from tasks.metrics.labels import power_of_a_loss, power_of_labels, spread_of_loss
from tasks.metrics.luck import level_before
from tasks.metrics.unlike import CURRENT_ROWS, most_unlike
from tasks.outputs import answers_of, confidence_of, embeddings_of, outputs_of

if TYPE_CHECKING:
    import pandas as pd

UNLIKE_SHARE = 0.2
DROP = 0.05


@task(name="request labels", cache_policy=NO_CACHE)
@once("labelling")
def request_labels(
    seen: Observation, champion: Release, *, evidence: Evidence | None, kind: ModelKind, training: Training,
    policy: Policy, level: float, run_id: str, home: Path, store: ObjectStore,
) -> LabelRequest:  # fmt: skip
    """A batch of `policy.labels_wanted` unlabelled rows of the window, or all where there are fewer.

    It lies in `home/labelling/` and in the store. `level` is that of the test that the labels are for; `evidence`: why
    the champion was released, None of a first one.
    """
    rows = _candidates(seen, kind, store)
    batch = _drawn(rows, seen, training, policy.labels_wanted, np.random.default_rng(kind.seed), store)
    columns = ["label", "text", *_present(batch), "predicted", "confidence", "chosen", "content"]
    records = [{name: _plain(row[name]) for name in columns} for row in batch.to_dict("records")]
    random_rows = int((batch.chosen == Chosen.RANDOM).sum())
    with TemporaryDirectory() as folder:
        sheet, lines = Path(folder) / "batch.csv", Path(folder) / "batch.jsonl"
        write_csv(records, columns, sheet)
        write_jsonl(records, columns, lines)
        request = LabelRequest(
            csv=Table.of(store.put_blob("labelling", sheet), rows=len(batch)),
            jsonl=Table.of(store.put_blob("labelling", lines), rows=len(batch)),
            local_csv=str(_at_home(sheet, home, run_id)), random_rows=random_rows,
            unlike_rows=len(batch) - random_rows, power=_power(champion, evidence, random_rows, policy, level), drop=DROP,
            p_value=level, metric=found.metric if (found := champion.manifest.deciding) else kind.metrics[0],
        )  # fmt: skip
        _at_home(lines, home, run_id)
    store.put_bytes(store.keys.request(run_id), request.model_dump_json(indent=1).encode())
    return request


def _power(champion: Release, evidence: Evidence | None, rows: int, policy: Policy, level: float) -> float:
    """Of the test as it will be made: without the luck of the release."""
    found = champion.manifest.deciding
    if found is None or not level:
        return 0.0
    then, chosen = found.estimate, flattered(found.metric, evidence)
    luck = chosen.luck if chosen else 0.0
    if chosen:
        level = level_before(level, chosen, spread=spread_of_loss(rows, then, metric=found.metric))
    if found.metric != "accuracy":
        return power_of_a_loss(rows, then, metric=found.metric, drop=DROP, p_value=level, least_drop=policy.min_drop,
                               luck=luck)  # fmt: skip
    if then.value < DROP:
        return 0.0
    return power_of_labels(rows, accuracy_then=then.value, rows_then=then.n, drop=DROP, p_value=level,
                           least_drop=policy.min_drop, luck=luck)  # fmt: skip


def _at_home(written: Path, home: Path, run_id: str) -> Path:
    """A copy for people. One that is there already stays: somebody may have begun to fill it."""
    target = home / "labelling" / f"{run_id}{written.suffix}"
    if not target.exists():
        with partial(target) as part:
            shutil.copyfile(written, part)
            part.chmod(0o644)
    return target


# --- which rows ---------------------------------------------------------------------------------------------


def _candidates(seen: Observation, kind: ModelKind, store: ObjectStore) -> "pd.DataFrame":
    """Rows whose text nobody has labelled, with what the champion says of them; `at` is a row's place among the
    scores."""
    import pandas as pd
    import pyarrow.parquet as pq

    extra = [
        name for name in pq.read_schema(store.get_file(seen.validation.kept)).names if name.startswith((SLICE, META))
    ]
    columns = ["row", "text", "label", "id", "timestamp", "content", *extra]
    frame = pd.read_parquet(store.get_file(seen.validation.kept), columns=columns)
    outputs = outputs_of(seen.scores, store=store)
    told = {"at": np.arange(len(frame)), "predicted": answers_of(outputs, kind),
            "confidence": confidence_of(outputs, kind).round(4)}  # fmt: skip
    labelled = frame.content.isin(frame.content[frame.label.notna()]).to_numpy()
    return frame.assign(label=None, **told)[~labelled].reset_index(drop=True)


def _drawn(
    rows: "pd.DataFrame", seen: Observation, training: Training, wanted: int, rng: np.random.Generator,
    store: ObjectStore,
) -> "pd.DataFrame":  # fmt: skip
    """The random rows first, in random order: whoever stops half-way has labelled a random sample."""
    import pandas as pd

    most_unusual = round(UNLIKE_SHARE * wanted) if len(rows) > wanted else 0
    first = rows.iloc[draw_in_proportion(rows.predicted.to_numpy(), min(wanted, len(rows)) - most_unusual, rng)]
    rest = rows.drop(first.index)
    # What teaches must be allowed to train: a row whose content belongs to the sealed test never is.
    teachable = rest[np.array([_trains(content, training) for content in rest.content], dtype=bool)]
    second = teachable.loc[_most_unlike(teachable, seen, most_unusual, rng, store)]
    return pd.concat([first.assign(chosen=Chosen.RANDOM.value), second.assign(chosen=Chosen.UNLIKE.value)])


def _trains(content: str, training: Training) -> bool:
    split = split_of(content, validation_share=training.validation_share, test_share=training.test_share)
    return split is not Split.TEST


def _most_unlike(
    rows: "pd.DataFrame", seen: Observation, wanted: int, rng: np.random.Generator, store: ObjectStore
) -> list[Any]:
    """Index entries of the rows most unlike the reference: those that the drift report names, if they are enough."""
    named = {unlike.row: place for place, unlike in enumerate(seen.drift.unlike)}
    listed = rows[rows.row.isin(named)]
    listed = listed.iloc[np.argsort(listed.row.map(named).to_numpy(), kind="stable")]
    reference = seen.baseline_scores
    if len(listed) >= wanted or not len(rows) or reference.rows < 2:
        return list(listed.index[:wanted])
    looked_at = rows.iloc[np.sort(rng.permutation(len(rows))[:CURRENT_ROWS])]
    now = embeddings_of(seen.scores, rows=looked_at["at"].to_numpy(), store=store)
    then = embeddings_of(reference, store=store)
    return [looked_at.index[found.row] for found in most_unlike(then, now, most=wanted, rng=rng)]


def _present(batch: "pd.DataFrame") -> list[str]:
    """The columns that help a person to judge, where the window has them."""
    helpful = ["id", "timestamp", *(c for c in batch.columns if c.startswith((SLICE, META)))]
    return [name for name in helpful if batch[name].notna().any()]


def _plain(value: Any) -> Any:
    import pandas as pd

    if pd.isna(value):
        return None
    return value.isoformat() if isinstance(value, pd.Timestamp) else value
