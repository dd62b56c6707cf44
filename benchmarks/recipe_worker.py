"""One training in a process of its own: `python -m benchmarks.recipe_worker ARM FOLDER`. Prints what it cost and, on
rows that no arm trains on, how many it gets right."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.champion import KIND
from benchmarks.corpus import LABELS, SEED, read
from examples.sentiment.prepare import copy_model
from models.adapter import Examples
from models.recipe import Training
from models.text_classification import TextClassifier

TRAIN, VALIDATION, TEST = 1000, 100, 2000
BATCH, EPOCHS, MAX_TOKENS = 16, 1, 128
ADVISED: dict[str, Any] = {"learning_rate": 5e-5, "weight_decay": 0.01}


def examples(begin: int, rows: int) -> Examples:
    corpus = read("films")
    if corpus is None:
        raise AssertionError("films are always there")
    part = slice(begin, begin + rows)
    return Examples(corpus.texts[part], [LABELS[i] for i in corpus.labels[part]])


def ours(model: TextClassifier, work: Path, **changes: Any) -> None:
    """Upkeep's training, its six evaluations and checkpoints included."""
    training = Training(epochs=EPOCHS, batch_size=BATCH, **ADVISED, **changes)
    train, validation = examples(0, TRAIN), examples(TRAIN, VALIDATION)
    model.fine_tune(train, validation, training=training, seed=SEED, work=work, advance=lambda _: None)


def theirs(model: TextClassifier, work: Path, *, padding: str | bool) -> None:
    """The Trainer as its documentation shows it, without evaluation."""
    from datasets import Dataset
    from transformers import DataCollatorWithPadding, Trainer, TrainingArguments

    train = examples(0, TRAIN)
    tokens = model.tokenizer(list(train.texts), truncation=True, max_length=MAX_TOKENS, padding=padding)
    numbers = [LABELS.index(label) for label in train.labels]
    arguments = TrainingArguments(
        output_dir=str(work), num_train_epochs=EPOCHS, per_device_train_batch_size=BATCH, **ADVISED,
        warmup_steps=round(0.1 * EPOCHS * TRAIN / BATCH), save_strategy="no", report_to=[], seed=SEED, disable_tqdm=True,
    )  # fmt: skip
    Trainer(
        model=model.model, args=arguments, train_dataset=Dataset.from_dict({**tokens, "labels": numbers}),
        data_collator=DataCollatorWithPadding(model.tokenizer),
    ).train()  # fmt: skip


ARMS: dict[str, Callable[[TextClassifier, Path], None]] = {
    "padded": lambda model, work: theirs(model, work, padding="max_length"),
    "plain": lambda model, work: theirs(model, work, padding=False),
    "upkeep": ours,
    "frozen": lambda model, work: ours(model, work, frozen_layers=3),
}


def measure(arm: str, folder: Path) -> None:
    copy_model(folder / "model")
    kind = KIND.model_copy(update={"max_tokens": MAX_TOKENS})
    model = TextClassifier.load(folder / "model", kind, new_head=True)
    from models import training  # noqa: F401  imports are not timed

    began, cpu_began = time.perf_counter(), time.process_time()
    ARMS[arm](model, folder / "work")
    spent = {"wall": time.perf_counter() - began, "cpu": time.process_time() - cpu_began}
    test = examples(TRAIN + VALIDATION, TEST)
    said = model.predict(test.texts, advance=lambda _: None).numbers.argmax(1)
    right = sum(LABELS[i] == label for i, label in zip(said, test.labels, strict=True))
    sys.stdout.write(json.dumps({**spent, "right": right}) + "\n")


if __name__ == "__main__":
    measure(sys.argv[1], Path(sys.argv[2]))
