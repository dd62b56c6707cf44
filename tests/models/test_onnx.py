"""The ONNX variants of a classifier answer as it does, without torch."""

import json
import logging
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
import torch
from google.protobuf.message import EncodeError
from tokenizers.processors import TemplateProcessing
from transformers import AutoTokenizer, MBartConfig, MBartForSequenceClassification

from errors import ModelError
from models import onnx_classifier, onnx_export
from models.adapter import Examples, quietly
from models.contracts import ModelKind
from models.onnx_classifier import OnnxClassifier
from models.onnx_export import export_variants
from models.recipe import Lora, Training
from models.text_classification import TextClassifier
from tests.tiny import sentences, tiny_model

KIND = ModelKind(task="text-classification", labels=("negative", "positive"), max_tokens=8, seed=1)
BOTH = ("onnx", "onnx-int8")
TEXTS = [*sentences(60, start=900)["text"], "good", "the film was very very very good and not dull at all was it"]


def learned(folder: Path, kind: str = "bert", **changes: object) -> TextClassifier:
    model = TextClassifier.load(tiny_model(folder / "base", kind), KIND, new_head=True)
    train, validation = (
        Examples(r["text"].tolist(), r["label"].tolist()) for r in (sentences(160), sentences(40, start=160))
    )
    settings = Training.model_validate({"epochs": 6, "learning_rate": 0.005, "threads": 1, **changes})
    model.fine_tune(train, validation, training=settings, seed=1, work=folder / "work", advance=quietly)
    return model


@dataclass(frozen=True)
class Exported:
    model: TextClassifier
    folder: Path

    @property
    def probabilities(self) -> np.ndarray:
        return self.model.predict(TEXTS, advance=quietly).numbers


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder = tmp_path_factory.mktemp("exported")
    model = learned(folder)
    export_variants(model, BOTH, folder / "onnx")
    return Exported(model, folder / "onnx")


def test_probabilities_are_those_of_the_full_weights_for_texts_of_any_length(exported: Exported) -> None:
    full = exported.probabilities
    assert 0.2 < (full.argmax(1) == 0).mean() < 0.8  # or any graph would agree
    assert np.allclose(OnnxClassifier.load(exported.folder).predict(TEXTS), full, atol=1e-5)


def test_the_int8_graph_is_smaller_and_answers_the_same_within_its_rounding(exported: Exported) -> None:
    full, found = exported.probabilities, OnnxClassifier.load(exported.folder, "onnx-int8").predict(TEXTS)
    assert 0 < np.abs(found - full).max() < 0.1
    assert (found.argmax(1) == full.argmax(1)).mean() > 0.95
    sizes = [(exported.folder / name).stat().st_size for name in ("model-int8.onnx", "model.onnx")]
    assert sizes[0] < sizes[1]


def test_a_text_of_which_the_tokenizer_makes_no_token_is_answered_as_by_the_full_weights(exported: Exported) -> None:
    """The words of this one stand between spaces."""
    reader, full = OnnxClassifier.load(exported.folder), exported.model.predict(["   "], advance=quietly).numbers
    assert reader.tokenizer.encode("   ").ids == []
    assert np.allclose(reader.predict(["   "]), full, atol=1e-5)
    assert not np.allclose(full, exported.model.predict(["good"], advance=quietly).numbers, atol=1e-3)


def test_the_graph_has_two_inputs_so_that_padding_changes_nothing(exported: Exported) -> None:
    reader = OnnxClassifier.load(exported.folder)
    texts = ["the film was bad", "good"]
    tokens = [reader.tokenizer.encode(text).ids for text in texts]
    longest = max(map(len, tokens))
    padded = np.array([[*ids, *[0] * (longest - len(ids))] for ids in tokens], np.int64)
    mask = np.array([[1] * len(ids) + [0] * (longest - len(ids)) for ids in tokens], np.int64)
    together = reader.session.run(["probabilities"], {"input_ids": padded, "attention_mask": mask})[0]
    assert np.allclose(together, reader.predict(texts), atol=1e-5)
    unmasked = reader.session.run(None, {"input_ids": padded, "attention_mask": np.ones_like(mask)})[0]
    assert not np.allclose(unmasked, together, atol=1e-5)


def test_an_answer_does_not_depend_on_its_neighbours(exported: Exported) -> None:
    reader = OnnxClassifier.load(exported.folder, "onnx-int8")
    assert np.array_equal(reader.predict(TEXTS)[:5], reader.predict(TEXTS[:5]))
    assert (reader.predict([]).shape, reader.predict([]).dtype) == ((0, 2), np.float32)


def test_a_text_is_read_by_one_thread_unless_more_are_asked_for(exported: Exported) -> None:
    """onnxruntime would take every core, and a server of many requests is slower for it."""
    readers = [OnnxClassifier.load(exported.folder), OnnxClassifier.load(exported.folder, threads=2)]
    assert [reader.session.get_session_options().intra_op_num_threads for reader in readers] == [1, 2]


WITHOUT_TORCH = """
import json, sys
sys.modules["torch"] = sys.modules["transformers"] = None
try:
    import torch
except ImportError:
    pass
else:
    raise SystemExit("torch can be imported, so that nothing is shown")
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from onnx_classifier import OnnxClassifier
texts = json.loads(sys.stdin.read())
print(json.dumps([OnnxClassifier.load(Path(sys.argv[2]), name).answer(texts) for name in ("onnx", "onnx-int8")]))
assert not {"torch", "transformers", "models", "errors", "pydantic"} & {n for n, m in sys.modules.items() if m}
"""


def test_the_one_file_classifies_in_a_process_that_can_import_neither_torch_nor_upkeep(
    exported: Exported, tmp_path: Path
) -> None:
    shutil.copy(onnx_classifier.__file__, tmp_path / "onnx_classifier.py")
    command = [sys.executable, "-I", "-c", WITHOUT_TORCH, str(tmp_path), str(exported.folder)]
    done = subprocess.run(command, input=json.dumps(TEXTS), capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    full = [KIND.labels[label] for label in exported.probabilities.argmax(1)]
    plain, rounded = json.loads(done.stdout)
    assert plain == full
    assert np.mean([a == b for a, b in zip(rounded, full, strict=True)]) > 0.95


def test_the_files_say_nothing_of_the_machine_that_wrote_them(exported: Exported) -> None:
    for path in exported.folder.iterdir():
        found = path.read_bytes()
        for trace in (b"site-packages", str(Path(onnx_export.__file__).parent).encode(), b".py"):
            assert trace not in found


def test_the_same_weights_give_the_same_bytes_and_nothing_is_said_of_it(
    exported: Exported, tmp_path: Path, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    export_variants(exported.model, ["onnx-int8"], tmp_path)
    assert not [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert not [told for told in recwarn if told.category is FutureWarning]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["classifier.json", "model-int8.onnx", "tokenizer.json"]
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (exported.folder / path.name).read_bytes()


def test_weights_that_one_file_cannot_hold_lie_in_another_beside_it(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = (exported.folder / "model.onnx").stat().st_size
    for most, beside in ((size, []), (size - 1, ["model-int8.onnx.data", "model.onnx.data"])):
        monkeypatch.setattr(onnx_export, "MOST_BYTES", most)
        folder = tmp_path / str(most)
        export_variants(exported.model, BOTH, folder)
        assert sorted(path.name for path in folder.glob("*.data")) == beside
        for name in BOTH:
            whole, parted = OnnxClassifier.load(exported.folder, name), OnnxClassifier.load(folder, name)
            assert np.array_equal(parted.predict(TEXTS), whole.predict(TEXTS))
    assert (folder / "model.onnx").stat().st_size < size < (folder / "model.onnx.data").stat().st_size + size / 2


def test_weights_beside_a_graph_are_written_anew_and_not_behind_those_of_before(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_export, "MOST_BYTES", 10_000)
    export_variants(exported.model, BOTH, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    export_variants(exported.model, BOTH, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_graph_that_a_protobuf_cannot_hold_is_large_although_nothing_tells_its_size() -> None:
    """Above two gigabytes it is refused to say it."""

    def refuse() -> int:
        raise EncodeError("Failed to serialize proto")

    assert onnx_export._is_large(SimpleNamespace(ByteSize=refuse))


def test_a_tokenizer_in_python_which_no_server_could_read_without_transformers_is_refused(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exported.model, "tokenizer", SimpleNamespace())
    with pytest.raises(ModelError, match=r"variants: SimpleNamespace is a tokenizer in Python.*drop `variants`, or"):
        export_variants(exported.model, ["onnx"], tmp_path)


def test_weights_are_rounded_a_channel_at_a_time_to_seven_bits(exported: Exported) -> None:
    """With eight, processors without VNNI would saturate, and answer otherwise."""
    graph = onnx.load(exported.folder / "model-int8.onnx").graph
    found = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    rounded = {name: weights for name, weights in found.items() if weights.dtype == np.int8 and weights.ndim == 2}
    assert len(rounded) > 5 and all(np.abs(weights.astype(int)).max() <= 64 for weights in rounded.values())
    scales = [found[name.replace("_quantized", "_scale")] for name in rounded]
    assert sum(scale.size == weights.shape[1] for scale, weights in zip(scales, rounded.values(), strict=True)) > 5


def test_a_kind_of_model_that_torch_cannot_export_is_named_in_one_sentence(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise torch.onnx.OnnxExporterError(
            "Failed to decompose the FX graph\n- Create an issue in the PyTorch repository"
        )

    monkeypatch.setattr(torch.onnx, "export", refuse)
    with pytest.raises(
        ModelError, match=r"\Avariants: a BertForSequenceClassification \(bert\) [^\n]*[Dd]rop `variants`"
    ) as told:
        export_variants(exported.model, ["onnx"], tmp_path)
    assert "FX graph" not in str(told.value) and "FX graph" in str(told.value.__cause__)


def test_a_kind_of_model_whose_graph_cannot_be_run_is_named_when_the_variant_is_made(tmp_path: Path) -> None:
    """mBART's takes no text alone. A spec's is refused before it is trained, by its name; others are not known yet."""
    sizes = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2,
             "decoder_attention_heads": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32}  # fmt: skip
    tokenizer = AutoTokenizer.from_pretrained(tiny_model(tmp_path))
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="$A [EOS]", special_tokens=[("[EOS]", 2)])
    tokenizer.save_pretrained(tmp_path)
    config = MBartConfig(vocab_size=20, eos_token_id=2, pad_token_id=0, decoder_start_token_id=0, **sizes)
    MBartForSequenceClassification(config).save_pretrained(tmp_path)
    model = TextClassifier.load(tmp_path, KIND, new_head=True)
    with pytest.raises(
        ModelError,
        match=r"\Avariants: onnx of a MBartForSequenceClassification \(mbart\) [^\n]*leave it out of `variants`",
    ) as told:
        export_variants(model, ["onnx"], tmp_path / "onnx")
    assert "Non-zero status code" in str(told.value.__cause__)


@pytest.mark.parametrize("name", ["int8", "onnx-int8"])
def test_a_variant_that_is_not_there_is_told_with_those_that_are(name: str, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").touch()
    with pytest.raises(ValueError, match=rf"{tmp_path} holds no variant {name!r}, but: onnx\. Name one"):
        OnnxClassifier.load(tmp_path, name)
    with pytest.raises(ValueError, match=rf"no variant {name!r}, but: none\."):
        OnnxClassifier.load(tmp_path / "elsewhere", name)


def test_a_label_that_was_never_trained_is_never_answered(tmp_path: Path) -> None:
    model = learned(tmp_path, epochs=0.1)
    model.save(tmp_path / "two")
    grown = TextClassifier.load(
        tmp_path / "two", KIND.model_copy(update={"labels": (*KIND.labels, "new")}), new_head=False
    )
    export_variants(grown, ["onnx"], tmp_path / "onnx")
    found = OnnxClassifier.load(tmp_path / "onnx").predict(TEXTS)
    assert (found[:, 2] == 0).all()
    assert np.allclose(found, grown.predict(TEXTS, advance=quietly).numbers, atol=1e-5)


def test_of_several_labels_each_is_answered_from_one_half(tmp_path: Path) -> None:
    kind = KIND.model_copy(update={"labels": ("film", "情节", "praise"), "truth": "labels"})
    model = TextClassifier.load(tiny_model(tmp_path / "base"), kind, new_head=True)
    export_variants(model, ["onnx"], tmp_path / "onnx")
    reader, full = OnnxClassifier.load(tmp_path / "onnx"), model.predict(TEXTS, advance=quietly).numbers
    assert np.allclose(reader.predict(TEXTS), full, atol=1e-5)
    said = ["|".join(label for label, p in zip(kind.labels, row, strict=True) if p >= 0.5) or "[]" for row in full]
    assert reader.answer(TEXTS) == said


def test_of_one_label_a_row_the_most_probable_is_answered_however_probable_it_is(exported: Exported) -> None:
    reader = OnnxClassifier.load(exported.folder)
    reader.session, reader.labels = (
        SimpleNamespace(run=lambda *_: [np.array([[0.3, 0.4, 0.3]])]),
        ("film", "plot", "praise"),
    )
    assert reader.answer(["good"]) == ["plot"]


def test_a_label_is_answered_from_one_half_on_and_a_row_without_any_is_no_empty_answer() -> None:
    found = iter([[0.5, 0.4], [0.5, 0.5], [0.4, 0.4]])
    session = SimpleNamespace(run=lambda *_: [np.array([next(found)])])
    tokenizer = SimpleNamespace(encode=lambda _: SimpleNamespace(ids=[1]))
    reader = OnnxClassifier(session, tokenizer, labels=("film", "plot"), threshold=0.5, unknown=0)
    assert reader.answer(["one", "both", "none"]) == ["film", "film|plot", "[]"]


@pytest.mark.parametrize("kind", ["distilbert", "gpt2", "lora"])
def test_other_architectures_and_merged_adapters_can_be_exported_too(kind: str, tmp_path: Path) -> None:
    model = learned(tmp_path, method="lora", lora=Lora(rank=2)) if kind == "lora" else learned(tmp_path, kind)
    export_variants(model, BOTH, tmp_path / "onnx")
    full = model.predict(TEXTS, advance=quietly).numbers
    assert np.allclose(OnnxClassifier.load(tmp_path / "onnx").predict(TEXTS), full, atol=1e-5)
    assert np.abs(OnnxClassifier.load(tmp_path / "onnx", "onnx-int8").predict(TEXTS) - full).max() < 0.1
