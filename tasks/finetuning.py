"""Trains a candidate from the champion's weights (at a bootstrap: from the spec's source), and stores what a model is made of."""

import shutil
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from errors import DataError, MissingObject, ModelError
from infra.copying import Duplicate
from infra.files import alone_in, folder_digest, sha256_of_bytes
from infra.keys import MANIFEST, SIGNATURE, Keys
from infra.object_store import ObjectStore
from infra.progress import bar
from infra.sending import Outgoing
from infra.stages import once
from models.adapter import Examples, load_model
from models.contracts import Budget, Candidate, Cost, FileEntry, ModelKind, Table, TrainingSet, Weights
from models.hosting import HOSTED_FILE, Pinned, read_pinned
from models.plain_files import NO_CODE, Code, refuse_unsafe, select_files
from models.processes import Request, train_model
from models.recipe import ADOPTED, Training

OURS = {MANIFEST, SIGNATURE}
"""What a version that was pulled has beside the model's own files."""


@task(name="fine-tune", cache_policy=NO_CACHE)
def fine_tune(
    training_set: TrainingSet, parent: Weights, *, parent_version: int | None, kind: ModelKind, training: Training, budget: Budget,
    store: ObjectStore,
) -> Candidate:  # fmt: skip
    """The trained files, stored under their content. A killed training resumes from its last whole checkpoint, and so
    does one that reached the budget's cap (OverBudget) once it is given a larger one: the cap is not an input.
    Of two processes with one training the second waits, and takes what came of it."""
    inputs = f"{training_set.digest}{parent.content_digest}{training.digest}{kind.digest}"
    work = store.work / f"training-{sha256_of_bytes(inputs.encode())[:24]}"
    with alone_in(work):
        candidate = _train(training_set, parent, parent_version=parent_version, kind=kind, training=training,
                           budget=budget, work=work, store=store)  # fmt: skip
        shutil.rmtree(work, ignore_errors=True)
    return candidate


@once("candidate", besides=frozenset({"budget", "work"}))
def _train(
    training_set: TrainingSet, parent: Weights, *, parent_version: int | None, kind: ModelKind, training: Training, budget: Budget,
    work: Path, store: ObjectStore,
) -> Candidate:  # fmt: skip
    folder = store.get_folder(parent.prefix, parent.files)
    train, validation = (_examples(t, store) for t in (training_set.train, training_set.validation))
    with store.draft("saved") as saved:
        request = Request(folder=folder, kind=kind, new_head=parent_version is None, train=train, validation=validation,
                          training=training, work=work, budget=budget, saved=saved)  # fmt: skip
        with bar("training", total=1000, unit="") as advance:
            trained = train_model(request, advance=advance, keys=store.api_keys)
        weights = store_folder(saved, store, code=kind.code, parent=parent, hosted=kind.hosted is not None)
        store.keep_folder(saved, weights.files)
    return Candidate(**dict(weights), parent=parent_version, recipe=trained.recipe, cost=trained.cost,
                     curve=trained.curve)  # fmt: skip


@task(name="adopt", cache_policy=NO_CACHE)
@once("adopt")
def adopt(source: Weights, *, kind: ModelKind, store: ObjectStore) -> Candidate:
    """The source as it is, once it has been loaded and fits the spec."""
    folder = store.get_folder(source.prefix, source.files)
    model = load_model(folder, kind, keys=store.api_keys)
    cost = Cost(seconds=0, cpu_seconds=0, peak_memory_mb=0, device=model.device, steps=0, epochs=0,
                stopped="adopted, not trained", resumed_from_step=0)  # fmt: skip
    return Candidate(**dict(source), parent=None, recipe=ADOPTED, cost=cost, curve=())


def why_not_trained(kind: ModelKind, champion: Weights, *, store: ObjectStore) -> str:
    """Of a hosted model whose API trains nothing: why there is no candidate; empty where there is one."""
    if kind.hosted is None or kind.hosted.fine_tunes:
        return ""
    pinned = read_pinned(store.get_folder(champion.prefix, champion.files))
    wanted = Pinned.by_the_spec(kind.hosted, kind.generation)
    if wanted.model_copy(update={"model": pinned.model}) != pinned:
        return ""
    return (f"this API trains nothing (model.hosted.fine_tunes), and the spec names what is champion already: {pinned.model} "
            "with the same prompt. Name another model.hosted.model or generation.prompt: the next run judges it")  # fmt: skip


def store_folder(
    folder: Path, store: ObjectStore, *, code: Code = NO_CODE, parent: Weights | None = None, hosted: bool = False,
    prefix: str = Keys.candidates,
) -> Weights:  # fmt: skip
    """Uploads a model's files (safetensors, text and the code that the spec trusts; of a hosted model its one file) under
    the digest of them all.

    Files that `parent` has, byte for byte, are copied inside the store and not sent.
    """
    refuse_unsafe(folder, code=code)
    paths = [p for p in select_files(folder, code) if p.name not in OURS]
    _require_model(folder, paths, hosted=hosted)
    hashed = zip(paths, store.hashes.of_all(paths), strict=True)
    files = tuple(FileEntry(path=p.name, sha256=sha256, bytes=p.stat().st_size) for p, sha256 in hashed)
    digest = folder_digest(files)
    weights = Weights(prefix=f"{prefix}{digest}/", files=files, content_digest=digest)
    present = set(store.list_keys(weights.prefix))
    missing = [file for file in files if weights.prefix + file.path not in present]
    copied = _copy_from(parent, missing, weights.prefix, store) if parent else set()
    store.put_files([Outgoing(store.uri(weights.prefix + file.path), folder / file.path, file.sha256)
                     for file in missing if file.path not in copied])  # fmt: skip
    return weights


def _require_model(folder: Path, paths: list[Path], *, hosted: bool) -> None:
    found = sorted(p.name for p in folder.iterdir()) or "nothing"
    if hosted and [p.name for p in paths] != [HOSTED_FILE]:
        raise ModelError(f"a version of a hosted model is {HOSTED_FILE} and nothing else (found {found})")
    if not hosted and not any(p.suffix == ".safetensors" for p in paths):
        raise ModelError(f"no *.safetensors in the model folder (found {found}); Upkeep never loads pickles: "
                         "convert the model once with `save_pretrained`")  # fmt: skip


def _copy_from(parent: Weights, missing: list[FileEntry], prefix: str, store: ObjectStore) -> set[str]:
    """The paths of those that the parent has too, and that were copied; none where the parent was deleted meanwhile."""
    has = {file.sha256: store.uri(parent.prefix + file.path) for file in parent.files}
    same = {file.path: Duplicate(has[file.sha256], store.uri(prefix + file.path), file.bytes) for file in missing
            if file.sha256 in has}  # fmt: skip
    try:
        store.copy_files(list(same.values()))
    except MissingObject:
        return set()
    return set(same)


def _examples(table: Table, store: ObjectStore) -> Examples:
    import pyarrow.parquet as pq

    columns = pq.read_table(store.get_file(table), columns=["text", "label"]).to_pydict()
    if not columns["text"]:
        raise DataError("there are no labelled rows to train or validate on; the split is by content, so more "
                        "labelled rows are needed (or a smaller training.test_share)")  # fmt: skip
    return Examples(columns["text"], columns["label"])
