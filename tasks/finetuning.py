"""Trains a candidate from the champion's weights (at a bootstrap: from the spec's source)."""

import hashlib
import shutil
from pathlib import Path
from tempfile import mkdtemp

from prefect import task
from prefect.cache_policies import NO_CACHE

from errors import DataError, ModelError
from infra.object_store import ObjectStore, sha256_of
from infra.progress import bar
from infra.stages import once
from models.adapter import Examples, adapter_for
from models.contracts import Candidate, Cost, FileEntry, ModelKind, Table, TrainingSet, Weights
from models.sections import ModelSource, Training

MODEL_FILES = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja")
"""What a model may consist of: safetensors, and text. Pickles are never copied, loaded or written."""


@task(name="fine-tune", cache_policy=NO_CACHE)
@once("candidate")
def fine_tune(
    training_set: TrainingSet, parent: Weights, *, parent_version: int | None, kind: ModelKind, training: Training, store: ObjectStore,
) -> Candidate:  # fmt: skip
    """The trained files, stored under their content. A killed training resumes from its last whole checkpoint."""
    folder = store.get_folder(parent.prefix, parent.files, parent.content_digest)
    adapter = adapter_for(kind.task)
    model = adapter.load(folder, kind, new_head=parent_version is None)
    train, validation = (_examples(t, kind.labels, store) for t in (training_set.train, training_set.validation))
    inputs = f"{training_set.digest}{parent.content_digest}{training.digest}{kind.seed}"
    work = store.work / f"training-{hashlib.sha256(inputs.encode()).hexdigest()[:24]}"
    with bar("training", total=1000, unit="‰ of the steps") as advance:
        trained = model.fine_tune(train, validation, training=training, seed=kind.seed, work=work, advance=advance)
    saved = Path(mkdtemp(dir=store.work, prefix="saved-"))
    try:
        model.save(saved)
        weights = store_folder(saved, store)
    finally:
        shutil.rmtree(saved, ignore_errors=True)
    shutil.rmtree(work, ignore_errors=True)
    return Candidate(**_files(weights), parent=parent_version, recipe=trained.recipe, cost=trained.cost,
                     curve=trained.curve)  # fmt: skip


@task(name="adopt", cache_policy=NO_CACHE)
@once("adopt")
def adopt(source: Weights, *, kind: ModelKind, store: ObjectStore) -> Candidate:
    """The source as it is, once it has been loaded and its labels are the spec's."""
    folder = store.get_folder(source.prefix, source.files, source.content_digest)
    model = adapter_for(kind.task).load(folder, kind, new_head=False)
    cost = Cost(seconds=0, cpu_seconds=0, peak_memory_mb=0, device=model.device, steps=0, epochs=0,
                stopped="adopted, not trained", resumed_from_step=0)  # fmt: skip
    return Candidate(**_files(source), parent=None, recipe="adopted as it is", cost=cost, curve=())


@task(name="import source model", cache_policy=NO_CACHE, retries=2, retry_delay_seconds=5)
def import_source(source: ModelSource, *, base: str, store: ObjectStore) -> Weights:
    """The spec's model, from a folder, an s3:// prefix or the hub, copied into the store."""
    if source.source.startswith("s3://"):
        with_slash = source.source.rstrip("/") + "/"
        draft = Path(mkdtemp(dir=store.work, prefix="source-"))
        try:
            for found in store.list_objects(with_slash):
                if any(Path(found.uri).match(pattern) for pattern in MODEL_FILES):
                    store.fetch_uri(found.uri, draft / found.uri.removeprefix(with_slash))
            return store_folder(draft, store)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    folder = Path(base) / source.source
    return store_folder(folder if folder.is_dir() else _from_hub(source, folder), store)


def _from_hub(source: ModelSource, looked_at: Path) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(source.source, revision=source.revision, allow_patterns=list(MODEL_FILES)))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as problem:
        reason = str(problem).splitlines()[0]
        raise ModelError(
            f"model.source {source.source!r} is neither a folder ({looked_at}) nor can the hub give it: {reason}. "
            "Write a folder relative to the spec, an s3:// prefix, or a hub id that this machine can reach."
        ) from problem


def store_folder(folder: Path, store: ObjectStore) -> Weights:
    """Uploads a model's files (safetensors and text only) under the digest of them all."""
    paths = sorted({p for pattern in MODEL_FILES for p in folder.glob(pattern) if p.is_file()})
    paths = [p for p in paths if p.name != "manifest.json"]
    if not any(p.suffix == ".safetensors" for p in paths):
        found = sorted(p.name for p in folder.iterdir()) or "nothing"
        raise ModelError(f"no *.safetensors in the model folder (found {found}); Upkeep never loads pickles: "
                         "convert the model once with `save_pretrained`")  # fmt: skip
    files = tuple(FileEntry(path=p.name, sha256=sha256_of(p), bytes=p.stat().st_size) for p in paths)
    digest = hashlib.sha256("".join(f"{f.sha256}  {f.path}\n" for f in files).encode()).hexdigest()
    prefix = store.keys.candidate(digest)
    present = set(store.list_keys(prefix))
    for path in paths:
        if prefix + path.name not in present:
            store.put_file(prefix + path.name, path)
    return Weights(prefix=prefix, files=files, content_digest=digest)


def _files(weights: Weights) -> dict[str, object]:
    return {"prefix": weights.prefix, "files": weights.files, "content_digest": weights.content_digest}


def _examples(table: Table, labels: tuple[str, ...], store: ObjectStore) -> Examples:
    import pyarrow.parquet as pq

    columns = pq.read_table(store.get_file(table), columns=["text", "label"]).to_pydict()
    if not columns["text"]:
        raise DataError("there are no labelled rows to train or validate on; the split is by content, so more "
                        "labelled rows are needed (or a smaller training.test_share)")  # fmt: skip
    index = {label: i for i, label in enumerate(labels)}
    return Examples(columns["text"], [index[label] for label in columns["label"]])
