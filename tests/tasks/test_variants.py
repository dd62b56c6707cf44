"""Variants in the store: made once, beside the weights, measured by their own files, and let go with them."""

import hashlib
import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from errors import CorruptObject, ModelError, UnsignedRelease
from flows.retrain import improve
from infra.files import folder_digest
from infra.object_store import ObjectStore
from models.contracts import Budget, Candidate, FileEntry, Instruments
from models.text_classification import TextClassifier
from tasks.finetuning import store_folder
from tasks.optimization.onnx import make_variants, require_exportable
from tasks.registry.audit import audit
from tasks.registry.pulling import pull
from tasks.registry.versions import weights_of
from tasks.security.signing import verify_folder
from tasks.variants import Full, check_variants, largest_gap, same_answers
from tests.infra.specs import spec_with
from tests.releases import KIND, candidate_of, flip, moved, released, stored_candidate
from tests.tasks.security.conftest import new_keys
from tests.tiny import sentences, tiny_model, tiny_writer

TEXTS = sentences(50)["text"].tolist()


@pytest.fixture
def prefix() -> str:
    """The name of the model, which a signature covers."""
    return "models/test/"


@pytest.fixture
def base(store: ObjectStore, tmp_path: Path) -> Candidate:
    return stored_candidate(store, tmp_path / "model")


@pytest.fixture
def made(base: Candidate, store: ObjectStore) -> Candidate:
    return make_variants.fn(base, wanted=("onnx", "onnx-int8"), kind=KIND, store=store)


def full_of(made: Candidate, store: ObjectStore) -> Full:
    folder = store.get_folder(made.prefix, made.files)
    model = TextClassifier.load(folder, KIND, new_head=False)
    return Full(model, made.weights, model.predict(TEXTS, advance=lambda _: None).numbers)


@pytest.mark.slow
def test_they_are_files_of_the_candidate_whose_weights_stay_as_they_were(
    base: Candidate, made: Candidate, store: ObjectStore
) -> None:
    paths = {file.path for file in made.files} - {file.path for file in base.files}
    assert paths == {f"onnx/{n}" for n in ("classifier.json", "model-int8.onnx", "model.onnx", "tokenizer.json")}
    assert set(base.files) < set(made.files)
    assert made.prefix != base.prefix
    assert made.content_digest == folder_digest(made.files) != base.content_digest
    assert [(v.name, v.path) for v in made.variants] == [
        ("onnx", "onnx/model.onnx"),
        ("onnx-int8", "onnx/model-int8.onnx"),
    ]
    before = store.list_keys("")
    assert make_variants.fn(base, wanted=("onnx", "onnx-int8"), kind=KIND, store=store) == made
    assert make_variants.fn(base, wanted=(), kind=KIND, store=store) == base
    assert store.list_keys("") == before

    found = check_variants(made.variants, full_of(made, store), TEXTS, kind=KIND, store=store)
    assert [check.variant for check in found] == ["onnx", "onnx-int8"]
    assert found[0].agreement.value == 1
    assert found[0].agreement.n == len(TEXTS)
    assert 0 < found[0].largest_gap < 1e-5 < found[1].largest_gap < 0.1
    assert all(check.variant_ms.p50 > 0 and check.full_ms.n == 40 for check in found)

    manifest = released(made, store)
    assert paths < {file.path for file in manifest.files}
    assert "onnx/model.onnx" not in {file.path for file in weights_of(manifest, store=store).files}


@pytest.mark.slow
def test_weights_beside_a_graph_are_files_of_the_candidate_and_of_the_size_that_is_told(
    base: Candidate, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.onnx_export.MOST_BYTES", 10_000)
    made = make_variants.fn(base, wanted=("onnx", "onnx-int8"), kind=KIND, store=store)
    sizes = {file.path: file.bytes for file in made.files if file.path not in {old.path for old in base.files}}
    assert {"onnx/model.onnx.data", "onnx/model-int8.onnx.data"} < set(sizes)
    found = check_variants(made.variants, full_of(made, store), TEXTS, kind=KIND, store=store)
    assert [check.bytes for check in found] == [sizes[v.path] + sizes[f"{v.path}.data"] for v in made.variants]
    assert found[0].agreement.value == 1


@pytest.mark.slow
def test_a_changed_byte_of_a_variant_breaks_the_signature_and_is_found_by_the_audit(
    base: Candidate, store: ObjectStore, tmp_path: Path
) -> None:
    graph = b"stands for a graph"
    store.put_bytes(base.prefix + "onnx/model.onnx", graph)
    entry = FileEntry(path="onnx/model.onnx", sha256=hashlib.sha256(graph).hexdigest(), bytes=len(graph))
    store.release_keys = new_keys(tmp_path / "keys")
    manifest = released(base.model_copy(update={"files": (*base.files, entry)}), store)
    pull(manifest, tmp_path / "pulled", store=store)
    assert (tmp_path / "pulled" / "onnx" / "model.onnx").read_bytes() == graph
    assert verify_folder(tmp_path / "pulled", store.release_keys)
    (tmp_path / "pulled" / "onnx" / "model.onnx").write_bytes(b"stands for a grapf")
    with pytest.raises(UnsignedRelease, match=r"onnx/model\.onnx"):
        verify_folder(tmp_path / "pulled", store.release_keys)
    looked = partial(audit, (), alias="champion", deep=True, store=store)
    assert not [misfit for misfit in looked().misfits if "onnx" in misfit.uri]
    flip(store, store.keys.version(manifest.version) + "onnx/model.onnx")
    assert [misfit.problem for misfit in looked().misfits if misfit.uri.endswith("onnx/model.onnx")]
    with pytest.raises(CorruptObject, match=r"onnx/model\.onnx"):
        pull(manifest, tmp_path / "again", store=store)


@pytest.mark.slow
def test_a_graph_that_answers_otherwise_is_found_out(base: Candidate, store: ObjectStore) -> None:
    made = make_variants.fn(base, wanted=("onnx",), kind=KIND, store=store)
    full = full_of(made, store)
    turned = Full(full.model, full.weights, full.numbers[:, ::-1])
    check = check_variants(made.variants, turned, TEXTS, kind=KIND, store=store)[0]
    assert check.agreement.value == 0
    assert check.largest_gap > 0.01


def test_a_retrain_whose_kind_of_model_torch_cannot_export_is_refused_before_it_is_trained(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(*_: object, **__: object) -> None:
        raise AssertionError("it was trained first")

    monkeypatch.setattr("flows.retrain.fine_tune", train)
    champion = moved(released(candidate_of(store_folder(tiny_writer(tmp_path / "m", "t5"), store)), store), None, store)
    nothing: Any = None
    with pytest.raises(
        ModelError, match=r"variants: of a t5 PyTorch makes no ONNX graph that answers: drop `variants`"
    ):
        improve(spec_with(variants=["onnx"]), champion, nothing, Instruments(), budget=Budget(), store=store)


@pytest.mark.parametrize("kind", ["bert", "t5", "mt5", "mbart", "longformer", "mixtral"])
def test_a_kind_of_model_whose_graph_cannot_be_made_or_read_is_known_by_its_configuration(
    kind: str, store: ObjectStore, tmp_path: Path
) -> None:
    """mBART's is made, and takes no text alone."""
    folder = tiny_model(tmp_path)
    (folder / "config.json").write_text(json.dumps({"model_type": kind}))
    weights = store_folder(folder, store)
    require_exportable(weights, wanted=(), kind=KIND, store=store)
    if kind == "bert":
        require_exportable(weights, wanted=("onnx",), kind=KIND, store=store)
        return
    with pytest.raises(
        ModelError, match=rf"variants: of a {kind} PyTorch makes no ONNX graph that answers: drop `variants`"
    ):
        require_exportable(weights, wanted=("onnx",), kind=KIND, store=store)


def test_where_no_variant_is_asked_for_nothing_is_loaded(base: Candidate, store: ObjectStore) -> None:
    nothing = Full(None, base.weights, np.zeros((0, 2), np.float32))  # type: ignore[arg-type]
    assert check_variants((), nothing, [], kind=KIND, store=store) == ()


def test_answers_without_numbers_agree_with_nothing() -> None:
    sure, none = np.array([[0.9, 0.1]], np.float32), np.array([[np.nan, np.nan]], np.float32)
    assert same_answers(sure, sure, KIND).all()
    assert not same_answers(sure, none, KIND).any()
    assert not same_answers(none, none, KIND).any()
    assert largest_gap(sure, none) == 1


def test_rows_with_several_labels_agree_where_all_their_labels_do() -> None:
    kind = KIND.model_copy(update={"truth": "labels"})
    first = np.array([[0.9, 0.6], [0.9, 0.6]], np.float32)
    second = np.array([[0.6, 0.9], [0.9, 0.4]], np.float32)
    assert same_answers(first, second, kind).tolist() == [True, False]
