import json
import os
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing
from transformers import AutoTokenizer

from errors import ModelError
from models import onnx_export
from models.adapter import Examples, quietly
from models.checkpoints import last_valid_checkpoint
from models.contracts import Cost, ModelKind
from models.recipe import Lora, Training
from models.text_classification import TextClassifier
from models.training import _peak_memory_mb
from tests.killed import Killed
from tests.tiny import examples, tiny_model

LABELS = ("negative", "positive")
KIND = ModelKind(task="text-classification", labels=LABELS, max_tokens=16, seed=1)


def load(folder: Path, *, new_head: bool = False) -> TextClassifier:
    return TextClassifier.load(folder, KIND, new_head=new_head)


def accuracy(model: TextClassifier, data: Examples) -> float:
    found = model.predict(data.texts, advance=quietly).numbers.argmax(1)
    return float((np.array([*LABELS, "neutral"])[found] == np.array(data.labels)).mean())


def training(**changes: object) -> Training:
    return Training.model_validate({"epochs": 8, "learning_rate": 0.005, "threads": 1, **changes})


@pytest.mark.parametrize("kind", ["bert", "distilbert", "gpt2"])
def test_any_sequence_classifier_learns_and_survives_being_saved(kind: str, tmp_path: Path) -> None:
    model = load(tiny_model(tmp_path / "base", kind), new_head=True)
    model.fine_tune(examples(200), examples(40, 200), training=training(), seed=1, work=tmp_path / "w", advance=quietly)
    model.save(tmp_path / "saved")
    again = load(tmp_path / "saved")
    assert accuracy(again, examples(100, 300)) > 0.9
    assert next(again.model.parameters()).dtype.is_floating_point


@pytest.mark.parametrize(("method", "kind"), [("lora", "bert"), ("lora", "distilbert"), ("head", "bert")])
def test_lora_and_head_leave_a_plain_model_behind(method: str, kind: str, tmp_path: Path) -> None:
    model = load(tiny_model(tmp_path / "base", kind), new_head=True)
    recipe = training(method=method, epochs=2, **({"lora": Lora(rank=2)} if method == "lora" else {}))
    trained = model.fine_tune(
        examples(64), examples(16, 64), training=recipe, seed=1, work=tmp_path / "w", advance=quietly
    )
    model.save(tmp_path / "saved")
    assert trained.recipe.startswith(method)
    assert not list((tmp_path / "saved").glob("adapter*"))
    assert load(tmp_path / "saved").predict(["the film was good"], advance=quietly).numbers.shape == (1, 2)


def test_outputs_come_in_the_order_of_the_texts_whatever_their_lengths(tmp_path: Path) -> None:
    model = load(tiny_model(tmp_path / "base"))
    texts = ["good", "the film was very very good", "bad plot", "the a film plot actor scene was not very dull"]
    together = model.predict(texts, advance=quietly)
    alone = np.concatenate([model.predict([text], advance=quietly).numbers for text in texts])
    assert np.allclose(together.numbers, alone, atol=1e-5)
    assert together.embeddings.shape == (4, 16)


@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_no_answer_depends_on_its_neighbours_where_the_tokenizer_pads_at_the_beginning(
    kind: str, tmp_path: Path
) -> None:
    """As that of a decoder does that has generated in batches; places are then counted from the padding."""
    folder = tiny_model(tmp_path, kind)
    AutoTokenizer.from_pretrained(folder, padding_side="left").save_pretrained(folder)
    model, texts = load(folder), ["good", "the film was very very good and the plot was dull"]
    alone = np.concatenate([model.predict([text], advance=quietly).numbers for text in texts])
    assert np.allclose(model.predict(texts, advance=quietly).numbers, alone, atol=1e-6)


def test_a_model_that_answers_from_a_rows_last_place_is_padded_before_it_as_its_tokenizer_says(tmp_path: Path) -> None:
    """XLNet counts no places."""
    from transformers import XLNetConfig, XLNetForSequenceClassification

    folder = tiny_model(tmp_path)
    XLNetForSequenceClassification(
        XLNetConfig(vocab_size=20, d_model=16, n_layer=1, n_head=2, d_inner=32)
    ).save_pretrained(folder)
    AutoTokenizer.from_pretrained(folder, padding_side="left").save_pretrained(folder)
    model, texts = load(folder), ["good", "the film was very very good and the plot was dull"]
    alone = np.concatenate([model.predict([text], advance=quietly).numbers for text in texts])
    assert np.allclose(model.predict(texts, advance=quietly).numbers, alone, atol=1e-6)


def test_the_same_seed_trains_the_same_weights(tmp_path: Path) -> None:
    tiny_model(tmp_path / "base")
    outputs = []
    for name in ("one", "two"):
        model = load(tmp_path / "base", new_head=True)
        model.fine_tune(
            examples(64), examples(16, 64), training=training(epochs=1), seed=5, work=tmp_path / name, advance=quietly
        )
        outputs.append(model.predict(["the film was good"], advance=quietly).numbers)
    assert np.array_equal(*outputs)


@pytest.mark.parametrize("learn", [False, True])
def test_input_embeddings_learn_where_the_spec_says_so_and_stay_as_they_are_elsewhere(
    learn: bool, tmp_path: Path
) -> None:
    model = load(tiny_model(tmp_path / "base"), new_head=True)
    before = model.model.get_input_embeddings().weight.detach().clone()
    found = model.fine_tune(examples(64), examples(16, 64), training=training(epochs=1, learn_embeddings=learn), seed=5,
                            work=tmp_path / "w", advance=quietly)  # fmt: skip
    assert torch.equal(before, model.model.get_input_embeddings().weight.cpu()) is not learn
    assert ("embeddings learn" in found.recipe) is learn


@pytest.mark.parametrize("frozen", [{"method": "lora"}, {"method": "head"}, {"frozen_layers": 1}])
def test_embeddings_that_are_to_learn_and_are_frozen_are_refused(frozen: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="write method: full without frozen_layers"):
        training(learn_embeddings=True, **frozen)


def test_labels_in_another_order_are_refused(tmp_path: Path) -> None:
    model = load(tiny_model(tmp_path / "base"), new_head=True)
    model.save(tmp_path / "saved")
    with pytest.raises(ModelError, match="same order"):
        TextClassifier.load(tmp_path / "saved", KIND.model_copy(update={"labels": LABELS[::-1]}), new_head=False)


def test_a_folder_with_a_pickle_instead_of_safetensors_is_refused(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "base")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="never loads pickles"):
        load(folder)


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_a_model_that_answers_with_no_number_is_not_measured_as_if_it_said_its_first_label(
    broken: float, tmp_path: Path
) -> None:
    model = load(tiny_model(tmp_path), new_head=True)
    torch.nn.init.constant_(model.model.classifier.bias, broken)
    with pytest.raises(ModelError, match=r"no number \(NaN or infinity\)"):
        model.predict(["film"], advance=quietly)


def test_a_training_whose_loss_is_no_number_makes_no_candidate(tmp_path: Path) -> None:
    """Weights that are no numbers answer the first label to everything, and where that is frequent measure well."""
    for _ in ("at once", "from its last checkpoint"):
        model = load(tiny_model(tmp_path / "base"), new_head=True)
        torch.nn.init.constant_(model.model.classifier.weight, 3e38)
        with pytest.raises(ModelError, match=r"no validation loss was a number.*training\.learning_rate = 0\.9"):
            model.fine_tune(examples(64), examples(16, 64), training=training(learning_rate=0.9), seed=1,
                            work=tmp_path / "work", advance=quietly)  # fmt: skip


def test_a_head_that_transformers_would_make_up_is_adopted_by_nobody(tmp_path: Path) -> None:
    from transformers import AutoModel

    folder = tiny_model(tmp_path)
    AutoModel.from_pretrained(folder).save_pretrained(folder)
    with pytest.raises(ModelError, match=r"no weights for classifier\.bias, classifier\.weight.*drop `model.adopt`"):
        load(folder)
    assert load(folder, new_head=True).predict(["good film"], advance=quietly).numbers.shape == (1, 2)


def test_weights_whose_names_fit_no_part_of_the_model_are_refused_also_where_the_head_is_new(tmp_path: Path) -> None:
    """As torch.compile and DDP leave them; transformers would train on from noise."""
    folder = tiny_model(tmp_path)
    weights = load_file(folder / "model.safetensors")
    save_file({f"_orig_mod.{name}": given for name, given in weights.items()}, folder / "model.safetensors")
    with pytest.raises(ModelError, match=r"no weights for bert\.embeddings.*it holds _orig_mod\.bert"):
        load(folder, new_head=True)


@pytest.mark.parametrize("changed", [{"hidden_size": 32}, {"max_position_embeddings": 8}, {"vocab_size": 40}])
def test_a_configuration_of_another_size_than_the_weights_is_refused_also_where_the_head_is_new(
    changed: dict[str, int], tmp_path: Path
) -> None:
    """The head may differ, and transformers takes that for leave to make up all else that does."""
    config = tiny_model(tmp_path) / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | changed))
    with pytest.raises(ModelError, match=r"does not describe the weights.*bert\.embeddings"):
        load(tmp_path, new_head=True)


@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize("left", [0, 2])
@pytest.mark.parametrize(
    ("kind", "number"), [("bert", "num_hidden_layers"), ("distilbert", "n_layers"), ("gpt2", "n_layer")]
)
def test_a_configuration_with_fewer_layers_than_the_weights_is_refused_since_the_others_would_be_left_out(
    kind: str, number: str, left: int, bare: bool, tmp_path: Path
) -> None:
    """`bare`: an encoder without a head, whose weights bear shorter names."""
    from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification

    config = AutoConfig.for_model(kind, vocab_size=20, num_labels=2, **SIZES[kind])
    auto = AutoModel if bare else AutoModelForSequenceClassification
    auto.from_config(config).save_pretrained(tiny_model(tmp_path))
    load(tmp_path, new_head=True)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {number: left}))
    with pytest.raises(ModelError, match=rf"does not describe the weights .*there are {left} layers; .*left out"):
        load(tmp_path, new_head=True)


@pytest.mark.parametrize(
    ("kind", "number", "layers"),
    [("bert", "num_hidden_layers", 0), ("distilbert", "n_layers", -1), ("gpt2", "n_layer", 0)],
)
def test_a_model_without_a_layer_is_refused_as_such(kind: str, number: str, layers: int, tmp_path: Path) -> None:
    from transformers import AutoConfig, AutoModelForSequenceClassification

    config = AutoConfig.for_model(kind, vocab_size=20, num_labels=2, **SIZES[kind] | {number: layers})
    AutoModelForSequenceClassification.from_config(config).save_pretrained(tiny_model(tmp_path))
    with pytest.raises(ModelError, match=rf"config.json says {number}: {layers}, .*with one or more"):
        load(tmp_path)


def test_a_model_that_reads_letters_by_no_table_is_refused_as_such(tmp_path: Path) -> None:
    from transformers import CanineConfig, CanineForSequenceClassification

    config = CanineConfig(**SIZES["bert"], num_hash_buckets=64, num_labels=2)
    CanineForSequenceClassification(config).save_pretrained(tiny_model(tmp_path))
    with pytest.raises(ModelError, match=r"a CanineForSequenceClassification has no table .*another kind of model"):
        load(tmp_path, new_head=True)


def test_a_model_that_shortens_what_it_reads_is_refused_as_such(tmp_path: Path) -> None:
    from transformers import FunnelConfig, FunnelForSequenceClassification

    config = FunnelConfig(vocab_size=20, block_sizes=[1, 1], d_model=16, n_head=2, d_head=8, d_inner=32)
    FunnelForSequenceClassification(config).save_pretrained(tiny_model(tmp_path))
    with pytest.raises(ModelError, match=r"FunnelForSequenceClassification shortens a text.*another kind of model"):
        load(tmp_path, new_head=True)


def test_a_head_for_other_labels_gives_way_to_a_new_one(tmp_path: Path) -> None:
    config = tiny_model(tmp_path) / "config.json"
    weights = load_file(tmp_path / "model.safetensors")
    save_file(weights | {"classifier.weight": torch.zeros(3, 16), "classifier.bias": torch.zeros(3)},
              tmp_path / "model.safetensors")  # fmt: skip
    config.write_text(json.dumps(json.loads(config.read_text()) | {"id2label": {"0": "a", "1": "b", "2": "c"}}))
    assert load(tmp_path, new_head=True).model.config.num_labels == 2


@pytest.mark.parametrize("told", ["multi_label_classification", "regression"])
def test_a_source_that_was_made_for_another_problem_learns_this_one_by_a_new_head_and_is_not_adopted(
    told: str, tmp_path: Path
) -> None:
    config = tiny_model(tmp_path / "base") / "config.json"
    names = {"id2label": dict(enumerate(LABELS)), "problem_type": told}
    config.write_text(json.dumps(json.loads(config.read_text()) | names))
    with pytest.raises(ModelError, match=f"problem_type {told}.*labels_per_row: one.*drop `model.adopt`"):
        load(tmp_path / "base")
    model = load(tmp_path / "base", new_head=True)
    model.fine_tune(
        examples(64), examples(16, 64), training=training(epochs=1), seed=1, work=tmp_path / "w", advance=quietly
    )
    model.save(tmp_path / "saved")
    assert load(tmp_path / "saved").model.config.problem_type == "single_label_classification"


def test_a_pooler_is_made_anew_where_the_source_was_trained_without_one(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path)
    weights = load_file(folder / "model.safetensors")
    save_file({name: given for name, given in weights.items() if "pooler" not in name}, folder / "model.safetensors")
    load(folder, new_head=True)
    with pytest.raises(ModelError, match=r"no weights for bert\.pooler"):
        load(folder)


@pytest.mark.parametrize("new_head", [False, True])
@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_a_folder_without_a_tokenizer_is_refused_since_one_that_is_made_up_knows_no_word(
    kind: str, new_head: bool, tmp_path: Path
) -> None:
    folder = tiny_model(tmp_path, kind)
    for path in folder.glob("*token*"):
        path.unlink()
    with pytest.raises(ModelError, match=r"holds no tokenizer \(found: \['config\.json'"):
        load(folder, new_head=new_head)


def test_a_tokenizer_of_three_words_is_one(tmp_path: Path) -> None:
    """Of letters, such as those of genes, there are few."""
    file = tiny_model(tmp_path) / "tokenizer.json"
    told = json.loads(file.read_text())
    words = told["model"]["vocab"]
    told["model"]["vocab"] = {
        word: i for word, i in words.items() if word.startswith("[") or word in {"film", "good", "bad"}
    }
    file.write_text(json.dumps(told))
    assert len(load(tmp_path, new_head=True).predict(["good film"], advance=quietly).embeddings) == 1


@pytest.mark.parametrize(("file", "content", "told"), [
    ("config.json", {"model_type": "bert", "id2label": ["a", "b"]}, "is no transformers configuration: .*items"),
    ("config.json", {"model_type": "bert", "hidden_size": "16"}, "is no transformers configuration: .*hidden_size"),
    ("config.json", {"model_type": "bert", "quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True}},
     "cannot be loaded as a sequence classifier: .*bitsandbytes"),
    ("config.json", {"model_type": "no-such-kind"}, "is no transformers configuration: .*no-such-kind"),
    ("config.json", None, "is no transformers configuration: .*NoneType"),
    ("config.json", {"model_type": "bert", "vocab_size": -1}, "cannot be loaded as a sequence classifier: .*negative dimension"),
    ("config.json", {"model_type": "bert", "num_attention_heads": 0}, "cannot be loaded as a sequence classifier: .*zero"),
    ("tokenizer.json", {"added_tokens": [], "model": {"type": "of tomorrow"}}, "cannot be loaded as a sequence classifier: data did"),
    ("tokenizer_config.json", [], "cannot be loaded as a sequence classifier: .*get"),
    ("tokenizer.json", {}, "cannot be loaded as a sequence classifier: no 'added_tokens' in it"),
])  # fmt: skip
def test_a_file_that_transformers_stumbles_over_is_the_models_fault_and_no_bug(
    file: str, content: object, told: str, tmp_path: Path
) -> None:
    (tiny_model(tmp_path) / file).write_text(json.dumps(content))
    with pytest.raises(ModelError, match=f"(?s){told}"):
        load(tmp_path, new_head=True)


def test_a_configuration_that_is_no_json_and_weights_of_no_known_kind_are_the_models_fault_as_well(
    tmp_path: Path,
) -> None:
    tiny_model(tmp_path)
    header = json.dumps({"a": {"dtype": "X7", "shape": [1], "data_offsets": [0, 1]}}).encode()
    (tmp_path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"\0")
    with pytest.raises(ModelError, match=r"cannot be loaded as a sequence classifier: .*X7"):
        load(tmp_path, new_head=True)
    (tmp_path / "config.json").write_text('{"model_type": ')
    with pytest.raises(ModelError, match=r"is no transformers configuration: .*JSON"):
        load(tmp_path, new_head=True)


@pytest.mark.parametrize("whole", [False, True])
def test_an_adapter_is_refused_with_the_lines_that_merge_it(whole: bool, tmp_path: Path) -> None:
    """Beside whole weights transformers applies it, and saving the trained model would write the adapter alone."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForSequenceClassification

    base = tiny_model(tmp_path / "base")
    folder = base if whole else tmp_path / "adapter"
    config = LoraConfig(task_type="SEQ_CLS", r=2, target_modules=["query"])
    get_peft_model(AutoModelForSequenceClassification.from_pretrained(base), config).save_pretrained(folder)
    with pytest.raises(ModelError, match=r"adapter_config\.json.*merge_and_unload"):
        load(folder, new_head=True)


def test_a_truncated_newest_checkpoint_is_passed_over(tmp_path: Path) -> None:
    seen: list[int] = []

    def die_late(advanced: int) -> None:
        seen.append(advanced)
        if sum(seen) > 900:
            raise Killed

    model = load(tiny_model(tmp_path / "base"), new_head=True)
    work = tmp_path / "work"
    with pytest.raises(Killed):
        model.fine_tune(examples(64), examples(16, 64), training=training(), seed=1, work=work, advance=die_late)
    whole = last_valid_checkpoint(work)
    assert whole is not None
    newest = work / f"checkpoint-{int(whole.name.split('-')[1]) + 1}"
    newest.mkdir()
    (newest / "trainer_state.json").write_text("{")
    assert last_valid_checkpoint(work) == whole
    fresh = load(tmp_path / "base", new_head=True)
    trained = fresh.fine_tune(examples(64), examples(16, 64), training=training(), seed=1, work=work, advance=quietly)
    assert trained.cost.resumed_from_step == int(whole.name.split("-")[1])


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("training")
    model = load(tiny_model(folder / "base"), new_head=True)
    work = folder / "work"
    model.fine_tune(examples(64), examples(16, 64), training=training(), seed=1, work=work, advance=quietly)
    whole = last_valid_checkpoint(work)
    assert whole is not None
    return whole


@pytest.mark.parametrize(
    "name", ["trainer_state.json", "optimizer.pt", "scheduler.pt", "model.safetensors", "rng_state.pth"]
)
def test_a_checkpoint_of_which_a_power_cut_left_one_file_half_is_passed_over(
    name: str, checkpoint: Path, tmp_path: Path
) -> None:
    for step in (9, 10):
        shutil.copytree(checkpoint, tmp_path / f"checkpoint-{step}")
    assert last_valid_checkpoint(tmp_path) == tmp_path / "checkpoint-10"
    file = tmp_path / "checkpoint-10" / name
    os.truncate(file, file.stat().st_size // 2)
    assert last_valid_checkpoint(tmp_path) == tmp_path / "checkpoint-9"


def test_the_cpu_time_of_a_training_in_parts_is_not_told_since_the_last_part_knows_its_own_only(tmp_path: Path) -> None:
    def cost(earlier: str) -> Cost:
        work = tmp_path / f"work{earlier}"
        work.mkdir()
        (work / "seconds").write_text(earlier)
        model = load(tiny_model(tmp_path / "base"), new_head=True)
        trained = model.fine_tune(
            examples(16), examples(16, 64), training=training(), seed=1, work=work, advance=quietly
        )
        return trained.cost

    whole, resumed = cost("0"), cost("50")
    assert whole.cpu_seconds > 0
    assert resumed.seconds > 50
    assert resumed.cpu_seconds == 0


def test_memory_is_told_in_millions_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    used = SimpleNamespace(ru_maxrss=1_000_000 if sys.platform != "darwin" else 1_024_000_000)
    monkeypatch.setattr("models.training.resource.getrusage", lambda who: used)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert _peak_memory_mb() == 1024.0


SIZES = {
    "bert": {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32},
    "distilbert": {"dim": 16, "n_layers": 3, "n_heads": 2, "hidden_dim": 32},
    "gpt2": {"n_embd": 16, "n_layer": 3, "n_head": 2},
}
BART = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
        "encoder_ffn_dim": 32, "decoder_ffn_dim": 32}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "sizes", "tokens"),
    [
        ("roberta", {**SIZES["bert"], "max_position_embeddings": 66}, 64),
        ("xlm-roberta", {**SIZES["bert"], "max_position_embeddings": 66}, 64),
        ("mpnet", {**SIZES["bert"], "max_position_embeddings": 66}, 64),
        ("ibert", {**SIZES["bert"], "max_position_embeddings": 66}, 64),
        ("bert", {**SIZES["bert"], "max_position_embeddings": 64}, 64),
        ("xlnet", {"d_model": 16, "n_layer": 1, "n_head": 2, "d_inner": 32}, 1024),
    ],
)
def test_a_text_is_cut_where_the_model_has_no_more_positions(
    kind: str, sizes: dict[str, int], tokens: int, tmp_path: Path
) -> None:
    """RoBERTa's configuration says 514, and it has room for 512."""
    from transformers import AutoConfig, AutoModelForSequenceClassification

    folder = tiny_model(tmp_path)
    AutoTokenizer.from_pretrained(folder, padding_side="left").save_pretrained(folder)  # as XLNet's does
    config = AutoConfig.for_model(kind, vocab_size=20, num_labels=2, **sizes)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    model = TextClassifier.load(folder, KIND.model_copy(update={"max_tokens": 1024}), new_head=False)
    whole, longer = (model.predict(["film " * words], advance=quietly).numbers for words in (tokens, 2000))
    assert np.allclose(whole, longer, atol=1e-6)
    assert model.max_tokens == tokens


@pytest.mark.parametrize(("kind", "sizes"), [
    ("bart", BART),
    ("t5", {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2}),
])  # fmt: skip
def test_a_classifier_that_answers_from_the_end_of_a_text_learns_on_any_threads_and_reads_html(
    kind: str, sizes: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoConfig, AutoModelForSequenceClassification

    _end_with_a_tag(tiny_model(tmp_path))
    config = AutoConfig.for_model(
        kind, vocab_size=20, eos_token_id=2, pad_token_id=0, decoder_start_token_id=0, **sizes
    )
    AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path)
    monkeypatch.setattr("models.threads._at_first", lambda: 2)
    monkeypatch.setattr("torch.set_num_threads", lambda threads: None)
    model, rows = load(tmp_path, new_head=True), examples(32)
    struck = Examples([f"the [EOS] {text}" if i % 3 else text for i, text in enumerate(rows.texts)], rows.labels)
    model.fine_tune(
        struck, struck, training=training(epochs=1, threads=None), seed=1, work=tmp_path / "w", advance=quietly
    )
    assert model.predict(struck.texts, advance=quietly).numbers.shape == (32, 2)


def test_the_tokenizer_beside_an_exported_classifier_that_answers_from_the_end_of_a_text_reads_html_as_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import BartConfig, BartForSequenceClassification

    _end_with_a_tag(tiny_model(tmp_path))
    config = BartConfig(vocab_size=20, eos_token_id=2, pad_token_id=0, decoder_start_token_id=0, **BART)
    BartForSequenceClassification(config).save_pretrained(tmp_path)
    model = load(tmp_path, new_head=True)
    monkeypatch.setattr(onnx_export, "_export", lambda *_: None)
    monkeypatch.setattr(onnx_export, "_require_answer", lambda *_: None)
    onnx_export.export_variants(model, ["onnx"], tmp_path / "onnx")
    beside = Tokenizer.from_file(str(tmp_path / "onnx" / "tokenizer.json"))
    for text in ("good [EOS] film", "good film", "good film " * 20):
        assert beside.encode(text).ids == model._tokenize([text])[0]


def test_the_tokenizer_beside_an_exported_classifier_reads_and_cuts_as_its_own_was_set_to_and_pads_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """transformers keeps in tokenizer_config.json that a mark in a text is text, and tokenizer.json has no field for it."""
    folder = tiny_model(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(folder, split_special_tokens=True, truncation_side="left")
    tokenizer.add_tokens(["good"])
    tokenizer.save_pretrained(folder)
    model, texts = load(folder), ["good [EOS] film", "goodfilm", f"bad {'film ' * 20}good", "good"]
    monkeypatch.setattr(onnx_export, "_export", lambda *_: None)
    monkeypatch.setattr(onnx_export, "_require_answer", lambda *_: None)
    read = model._tokenize(texts)
    model.tokenizer.backend_tokenizer.enable_padding(length=9)
    onnx_export.export_variants(model, ["onnx"], tmp_path / "onnx")
    beside = Tokenizer.from_file(str(tmp_path / "onnx" / "tokenizer.json"))
    assert [beside.encode(text).ids for text in texts] == read
    assert len(read[1]) == 2


@pytest.mark.parametrize(("odd", "told"), [
    ({"eos_token_id": 1}, r"eos_token_id: 1 in config\.json.*the tokenizer ends none by it"),
    ({"decoder_start_token_id": None}, r"config\.json says decoder_start_token_id: None.*cannot tell where to begin"),
    ({"decoder_start_token_id": [0, 5]}, r"config\.json says decoder_start_token_id: \[0, 5\].*to one number"),
])  # fmt: skip
def test_a_classifier_that_answers_from_the_end_of_a_text_is_refused_where_it_finds_no_beginning_or_end(
    odd: dict[str, object], told: str, tmp_path: Path
) -> None:
    from transformers import T5Config, T5ForSequenceClassification

    _end_with_a_tag(tiny_model(tmp_path))
    config = T5Config(vocab_size=20, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2, eos_token_id=2, pad_token_id=0,
                      decoder_start_token_id=0)  # fmt: skip
    T5ForSequenceClassification(config).save_pretrained(tmp_path)
    load(tmp_path, new_head=True)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | odd))
    with pytest.raises(ModelError, match=told):
        load(tmp_path, new_head=True)


def _end_with_a_tag(folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="$A [EOS]", special_tokens=[("[EOS]", 2)])
    tokenizer.save_pretrained(folder)


@pytest.mark.parametrize(("kind", "sizes"), [
    ("bert", SIZES["bert"]), ("distilbert", SIZES["distilbert"]), ("gpt2", SIZES["gpt2"]), ("deberta-v2", SIZES["bert"]),
    ("bart", BART), ("xlnet", {"d_model": 16, "n_layer": 1, "n_head": 2, "d_inner": 32}),
])  # fmt: skip
def test_with_lora_all_of_the_head_learns_whatever_it_is_called(kind: str, sizes: dict[str, int]) -> None:
    from transformers import AutoConfig, AutoModelForSequenceClassification

    from models.preparing import with_lora

    config = AutoConfig.for_model(kind, vocab_size=20, num_labels=2, pad_token_id=0, eos_token_id=2, **sizes)
    model = AutoModelForSequenceClassification.from_config(config)
    head = {name for name, _ in model.named_parameters() if not name.startswith(f"{model.base_model_prefix}.")}
    adapted = with_lora(model, training(method="lora"), task="SEQ_CLS")
    whole = {name for name, p in adapted.named_parameters() if p.requires_grad and "lora_" not in name}
    learns = {name.replace(".modules_to_save.default", "").removeprefix("base_model.model.") for name in whole}
    assert head and learns == head


@pytest.mark.parametrize(("targets", "wrong"), [(["query", "q_lin"], "q_lin"), (["query", "output"], "output")])
def test_a_layer_that_the_model_has_not_is_told_with_those_that_it_has(
    targets: list[str], wrong: str, tmp_path: Path
) -> None:
    model = load(tiny_model(tmp_path / "base"), new_head=True)
    recipe = training(method="lora", lora=Lora(targets=tuple(targets)))
    with pytest.raises(
        ModelError, match=rf"'{wrong}' is no linear layer of a BertModel, which has dense, key, .*query, .*value"
    ):
        model.fine_tune(examples(8), examples(8), training=recipe, seed=1, work=tmp_path / "w", advance=quietly)
    fitting = training(method="lora", epochs=1, lora=Lora(targets=("query", "attention.output.dense")))
    model.fine_tune(examples(8), examples(8), training=fitting, seed=1, work=tmp_path / "w", advance=quietly)


@pytest.mark.parametrize("kind", SIZES)
def test_frozen_layers_are_the_lowest_and_all_below_them_whatever_the_architecture(kind: str) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification

    from models.preparing import freeze_layers

    config = AutoConfig.for_model(kind, vocab_size=20, num_labels=2, pad_token_id=0, **SIZES[kind])
    model = AutoModelForSequenceClassification.from_config(config)
    freeze_layers(model, 2)
    layers = max((m for m in model.modules() if isinstance(m, torch.nn.ModuleList)), key=len)
    assert [any(p.requires_grad for p in layer.parameters()) for layer in layers] == [False, False, True]
    model(input_ids=torch.tensor([[1, 2, 3]]), labels=torch.tensor([1])).loss.backward()
    below = [p for name, p in model.named_parameters() if "embed" in name.lower() or "wte" in name or "wpe" in name]
    assert below
    assert all(p.grad is None for p in below)
    with pytest.raises(ModelError, match="the model has 3 layers"):
        freeze_layers(model, 3)


def test_a_class_that_is_added_grows_the_head_and_keeps_what_the_others_had_learned(tmp_path: Path) -> None:
    model = load(tiny_model(tmp_path / "base"), new_head=True)
    model.fine_tune(examples(200), examples(40, 200), training=training(), seed=1, work=tmp_path / "w", advance=quietly)
    model.save(tmp_path / "two")
    grown_kind = KIND.model_copy(update={"labels": (*LABELS, "neutral")})
    grown = TextClassifier.load(tmp_path / "two", grown_kind, new_head=False)
    texts = examples(30, 300).texts
    before, after = (m.predict(texts, advance=quietly).numbers for m in (load(tmp_path / "two"), grown))
    assert np.allclose(after[:, :2], before, atol=1e-6)
    assert (after[:, 2] == 0).all()  # what was never learned is never answered

    more = examples(200)
    middling = [text.replace(text.split()[-1], "actor") for text in more.texts[:60]]
    taught = Examples([*more.texts, *middling], [*more.labels, *["neutral"] * 60])
    grown.fine_tune(taught, examples(40, 200), training=training(), seed=1, work=tmp_path / "w2", advance=quietly)
    grown.save(tmp_path / "three")
    again = TextClassifier.load(tmp_path / "three", grown_kind, new_head=False)
    held_out = [text.replace(text.split()[-1], "actor") for text in examples(30, 400).texts]
    assert (again.predict(held_out, advance=quietly).numbers.argmax(1) == 2).mean() > 0.9
    assert accuracy(again, examples(30, 500)) > 0.9
