"""Second step of a run: the champion's outputs for the rows under watch, which monitoring and drift look at."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from prefect import task
from prefect.cache_policies import NO_CACHE

from infra.object_store import ObjectStore
from infra.progress import bar
from infra.stages import once
from models.contracts import Artifact, ModelKind, Scores, Table, Weights


@task(name="score rows", cache_policy=NO_CACHE)
@once("score")
def score_rows(
    rows: Table, weights: Weights, *, kind: ModelKind, store: ObjectStore,
) -> Scores:  # fmt: skip
    """Probabilities and embeddings of every row, in order."""
    import numpy as np
    import pyarrow.parquet as pq

    from models.adapter import adapter_for

    texts = pq.read_table(store.get_file(rows), columns=["text"])["text"].to_pylist()
    folder = store.get_folder(weights.prefix, weights.files, weights.content_digest)
    model = adapter_for(kind.task).load(folder, kind, new_head=False)
    began = time.perf_counter()
    with bar("scoring", total=len(texts), unit="rows") as advance:
        outputs = model.predict(texts, advance=advance)
    seconds = time.perf_counter() - began
    with TemporaryDirectory() as folder_name:
        path = Path(folder_name) / "scores.npz"
        np.savez(path, probabilities=outputs.probabilities, embeddings=outputs.embeddings)
        arrays = Artifact.model_validate(store.put_blob("scores", path))
    return Scores(model_digest=weights.content_digest, arrays=arrays, rows=rows.rows, seconds=seconds,
                  device=model.device)  # fmt: skip
