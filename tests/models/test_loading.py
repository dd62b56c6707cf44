"""How a model is read, and what batches of rows may hold (what a folder must hold: test_text_classification.py, test_writers.py)."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from errors import ModelError, UnsafeModel
from models.contracts import ModelKind
from models.loading import load_parts, read_config, token_batches
from tests.tiny import tiny_model


@pytest.mark.parametrize(
    ("lengths", "batches"),
    [
        ([], []),
        ([3], [[0]]),
        ([4, 6, 4, 2], [[1], [0, 2], [3]]),
        ([5, 5, 5], [[0, 1], [2]]),
        ([1, 99, 1], [[1], [0, 2]]),
    ],
)
def test_a_padded_batch_fills_its_budget_at_most_and_a_row_that_is_longer_goes_alone(
    lengths: list[int], batches: list[list[int]]
) -> None:
    assert list(token_batches(lengths, tokens=10)) == batches


def test_a_folder_is_looked_at_as_a_whole_before_anything_of_it_is_read(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "model")
    (folder / "more.pkl").write_bytes(b"")
    (folder / "config.json").write_text("no configuration")
    with pytest.raises(UnsafeModel, match=r"more\.pkl"):
        read_config(folder, ModelKind(task="text-classification", labels=("a", "b"), max_tokens=16, seed=1))


def test_weights_of_half_precision_are_read_in_single(tmp_path: Path) -> None:
    """transformers would leave them as they are, and a configuration names their precision."""
    folder = tiny_model(tmp_path / "model")
    kind = ModelKind(task="text-classification", labels=("negative", "positive"), max_tokens=16, seed=1)
    AutoModelForSequenceClassification.from_pretrained(folder).to(torch.bfloat16).save_pretrained(folder)
    read_config(folder, kind)
    model, _ = load_parts(AutoModelForSequenceClassification, folder, kind, wanted="a classifier", new_head=True)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


@pytest.mark.parametrize("seeds", [(1, 1), (1, 2)])
def test_a_new_head_is_drawn_by_the_spec_s_seed(seeds: tuple[int, int], tmp_path: Path) -> None:
    folder, heads = tiny_model(tmp_path / "model"), list[torch.Tensor]()
    for seed in seeds:
        kind = ModelKind(task="text-classification", labels=("negative", "positive"), max_tokens=16, seed=seed)
        read_config(folder, kind)
        model, _ = load_parts(AutoModelForSequenceClassification, folder, kind, wanted="a classifier", new_head=True,
                              num_labels=3, ignore_mismatched_sizes=True)  # fmt: skip
        heads.append(model.classifier.weight.detach())
    assert torch.equal(*heads) is (seeds[0] == seeds[1])


def test_a_tokenizer_with_no_token_to_pad_by_is_refused_and_one_with_an_end_pads_by_it_as_its_model_knows(
    tmp_path: Path,
) -> None:
    folder = tiny_model(tmp_path / "model", "gpt2")
    kind = ModelKind(task="text-classification", labels=("negative", "positive"), max_tokens=16, seed=1)
    model, tokenizer = load_parts(AutoModelForSequenceClassification, folder, kind, wanted="a classifier")
    assert tokenizer.pad_token == "[EOS]" and model.config.pad_token_id == tokenizer.eos_token_id
    tokenizer.pad_token = tokenizer.eos_token = None
    tokenizer.save_pretrained(folder)
    with pytest.raises(ModelError, match="neither a pad nor an end-of-sequence token; add one"):
        load_parts(AutoModelForSequenceClassification, folder, kind, wanted="a classifier")
