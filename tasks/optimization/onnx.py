"""Other forms of a candidate's weights, written beside them before it is judged: what is judged is what is released."""

from pathlib import Path
from typing import cast

from prefect import task
from prefect.cache_policies import NO_CACHE

from errors import ModelError
from infra.copying import Duplicate
from infra.files import folder_digest
from infra.object_store import ObjectStore
from infra.sending import Outgoing
from infra.stages import once
from models.adapter import load_model
from models.contracts import Candidate, FileEntry, ModelKind, Variant, Weights
from models.onnx_classifier import GRAPHS
from models.variants import FOLDER

NOT_EXPORTED = {"t5", "mt5", "umt5", "longformer", "reformer", "mixtral", "qwen2_moe", "mbart", "plbart"}
"""Kinds of model whose export was seen to fail, minutes after their training (PyTorch 2.13), and mBART and PLBart, whose graph reads no
text alone; BART's was seen to work."""


def require_exportable(weights: Weights, *, wanted: tuple[str, ...], kind: ModelKind, store: ObjectStore) -> None:
    """Before anything is trained, as far as a configuration tells. Raises ModelError."""
    if not wanted:
        return
    from models.loading import read_config

    found = read_config(store.get_folder(weights.prefix, weights.files), kind).model_type
    if found in NOT_EXPORTED:
        raise ModelError(f"variants: of a {found} PyTorch makes no ONNX graph that answers: drop `variants`, or start from another kind of "
                         "model (BERT, DistilBERT and GPT-2 work)")  # fmt: skip


@task(name="make variants", cache_policy=NO_CACHE)
def make_variants(candidate: Candidate, *, wanted: tuple[str, ...], kind: ModelKind, store: ObjectStore) -> Candidate:
    """The candidate with the files of all its variants: the same as it was where none is wanted."""
    return _made(candidate, wanted=wanted, kind=kind, store=store) if wanted else candidate


@once("variants")
def _made(candidate: Candidate, *, wanted: tuple[str, ...], kind: ModelKind, store: ObjectStore) -> Candidate:
    from models.onnx_export import RECIPES, export_variants
    from models.text_classification import TextClassifier

    folder = store.get_folder(candidate.prefix, candidate.files)
    with store.draft("variants") as made:
        export_variants(cast(TextClassifier, load_model(folder, kind)), wanted, made / FOLDER)
        stored = _store_beside(candidate, made, store)
    variants = tuple(Variant(name=name, path=FOLDER + GRAPHS[name], recipe=RECIPES[name]) for name in wanted)
    return stored.model_copy(update={"variants": variants})


def _store_beside(candidate: Candidate, made: Path, store: ObjectStore) -> Candidate:
    """All files under the digest of all: the weights are copied inside the store, the others sent."""
    paths = sorted(path for path in made.rglob("*") if path.is_file())
    hashed = zip(paths, store.hashes.of_all(paths), strict=True)
    new = tuple(FileEntry(path=path.relative_to(made).as_posix(), sha256=sha256, bytes=path.stat().st_size)
                for path, sha256 in hashed)  # fmt: skip
    files = (*candidate.files, *new)
    digest = folder_digest(files)
    prefix = store.keys.candidate(digest)
    store.copy_files([Duplicate(store.uri(candidate.prefix + f.path), store.uri(prefix + f.path), f.bytes)
                      for f in candidate.files])  # fmt: skip
    store.put_files([Outgoing(store.uri(prefix + f.path), made / f.path, f.sha256) for f in new])
    return candidate.model_copy(update={"prefix": prefix, "files": files, "content_digest": digest})
