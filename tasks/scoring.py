"""The champion's outputs for the rows under watch, which monitoring and drift look at."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from prefect import task
from prefect.cache_policies import NO_CACHE

from infra.object_store import ObjectStore
from infra.progress import bar
from infra.stages import once
from models.adapter import ROWS_AT_ONCE, load_model
from models.contracts import Artifact, ModelKind, Scores, Table, Weights
from tasks.score_files import write_scores
from tasks.tables import open_table


@task(name="score rows", cache_policy=NO_CACHE)
def score_rows(
    rows: Table, weights: Weights, *, kind: ModelKind, store: ObjectStore, of: str = "rows",
) -> Scores:  # fmt: skip
    """The model's outputs for every row, in order; in the memory of `ROWS_AT_ONCE` rows, however many. `of`: which rows
    they are, for those who look where the time went."""
    return _scored(rows, weights, kind=kind.of_versions, asking=kind, of=of, store=store)


@once("scores", besides=frozenset({"asking", "of"}))
def _scored(
    rows: Table, weights: Weights, *, kind: ModelKind, asking: ModelKind, of: str, store: ObjectStore
) -> Scores:
    """`kind` is what decides the outputs, `asking` how a hosted model is asked for them."""
    folder = store.get_folder(weights.prefix, weights.files)
    model = load_model(folder, asking, keys=store.api_keys)
    began = time.perf_counter()
    with TemporaryDirectory(prefix="upkeep-") as folder_name, bar("scoring", total=rows.rows, unit="rows") as advance:
        path = Path(folder_name) / "scores.arrow"
        outputs = (model.predict(p.texts, labels=p.labels, advance=advance) for p in _portions(store.get_file(rows)))
        write_scores(path, outputs)
        seconds = time.perf_counter() - began
        arrays = Artifact.model_validate(store.put_blob("scores", path))
    return Scores(model_digest=weights.content_digest, arrays=arrays, rows=rows.rows, seconds=seconds,
                  device=model.device)  # fmt: skip


@dataclass(frozen=True)
class _Portion:
    texts: list[str]
    labels: list[str | None]


def _portions(path: Path) -> Iterator[_Portion]:
    """At least one, if an empty one, so that the outputs have their columns."""
    file = open_table(path)
    if not file.metadata.num_rows:
        yield _Portion([], [])
    for batch in file.iter_batches(batch_size=ROWS_AT_ONCE, columns=["text", "label"]):
        yield _Portion(batch.column("text").to_pylist(), batch.column("label").to_pylist())
