"""Fine-tuning with the Hugging Face Trainer, with what was measured to be fast on the device at hand.

On a CPU with bf16 units: batches of like lengths, bf16 autocast with attention in fp32 (the bf16 backward is
four times slower), no attention dropout (it takes SDPA off its fast path), frozen word embeddings. Together
about eight times a plain padded Trainer run. See docs/performance.md.
"""

import json
import resource
import time
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from transformers import (
    AttentionInterface,
    DataCollatorWithPadding,
    EarlyStoppingCallback,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from errors import MissingExtra, ModelError
from models.adapter import Advance, Trained
from models.contracts import Cost, CurvePoint
from models.sections import Training
from models.threads import choose_threads

EMBEDDING_NAMES = ("embed", "wte", "wpe")
ATTENTION_DROPOUTS = ("attention_probs_dropout_prob", "attention_dropout", "attn_pdrop")


def fine_tune(
    model: Any, tokenizer: Any, train: Any, validation: Any, *,
    training: Training, seed: int, work: Path, advance: Advance,
) -> tuple[Any, Trained]:  # fmt: skip
    """Trains, keeps the weights with the lowest validation loss, and merges adapters."""
    began, cpu_began = time.perf_counter(), time.process_time()
    fast, recipe = _prepare(model, training)
    adapted = _with_lora(model, training) if training.method == "lora" else model
    _set_threads(model, training)
    arguments = _arguments(training, rows=len(train), work=work, seed=seed, bf16=fast)
    progress = _Progress(advance)
    trainer = Trainer(
        model=adapted, args=arguments, train_dataset=train, eval_dataset=validation,
        data_collator=DataCollatorWithPadding(tokenizer), compute_metrics=_accuracy,
        callbacks=[EarlyStoppingCallback(early_stopping_patience=training.patience), progress],
    )  # fmt: skip
    trainer.remove_callback(PrinterCallback)
    checkpoint = last_valid_checkpoint(work)
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    state = trainer.state
    cost = Cost(
        seconds=time.perf_counter() - began, cpu_seconds=time.process_time() - cpu_began,
        peak_memory_mb=_peak_memory_mb(), device=_device_name(), steps=state.global_step,
        epochs=round(state.epoch or 0.0, 3),
        stopped="early: no better validation loss" if state.global_step < state.max_steps else "all steps done",
        resumed_from_step=int(checkpoint.name.split("-")[1]) if checkpoint else 0,
    )  # fmt: skip
    merged = adapted.merge_and_unload() if training.method == "lora" else trainer.model
    return merged, Trained(cost, _curve(state.log_history), recipe)


def _set_threads(model: Any, training: Training) -> None:
    if training.threads:
        torch.set_num_threads(training.threads)
        return
    tokens = torch.full((8, 32), 1, device=model.device)
    mask = torch.ones_like(tokens)
    with torch.inference_mode():
        choose_threads(lambda: model(input_ids=tokens, attention_mask=mask))


def last_valid_checkpoint(work: Path) -> Path | None:
    """The newest checkpoint that is whole: they are not written atomically, and a cut one stops the Trainer."""
    checkpoints = sorted(work.glob("checkpoint-*"), key=lambda p: int(p.name.split("-")[1]), reverse=True)
    return next((c for c in checkpoints if _is_whole(c)), None)


def _is_whole(checkpoint: Path) -> bool:
    try:
        json.loads((checkpoint / "trainer_state.json").read_text())
        torch.load(checkpoint / "optimizer.pt", weights_only=True, map_location="cpu")
        torch.load(checkpoint / "scheduler.pt", weights_only=True, map_location="cpu")
        for weights in checkpoint.glob("*.safetensors"):
            with safe_open(weights, "pt") as file:
                file.keys()
        return (checkpoint / "rng_state.pth").stat().st_size > 0
    except (OSError, ValueError, RuntimeError, EOFError, SafetensorError):
        return False


def _prepare(model: Any, training: Training) -> tuple[bool, str]:
    """Sets the model up for speed; says whether to use bf16, and the recipe in words."""
    fast = _has_bf16()
    for name in ATTENTION_DROPOUTS:
        if hasattr(model.config, name):
            setattr(model.config, name, 0.0)
    for module in model.modules():
        _without_attention_dropout(module)
    if training.method == "head":
        model.base_model.requires_grad_(False)
    elif training.method == "full":
        model.get_input_embeddings().requires_grad_(False)
        _freeze_layers(model, training.frozen_layers)
    if fast and not torch.cuda.is_available() and getattr(model, "_supports_sdpa", False):
        model.set_attn_implementation("fp32_sdpa")
    frozen = (
        f"{training.method}, lowest {training.frozen_layers} layers frozen"
        if training.frozen_layers
        else training.method
    )
    words = [frozen, f"learning rate {training.learning_rate:g}", f"batch {training.batch_size}",
             "length-grouped", "bf16" if fast else "fp32"]  # fmt: skip
    return fast, ", ".join(words)


def _freeze_layers(model: Any, lowest: int) -> None:
    """The layers are the longest list of modules, by whatever name the architecture calls it."""
    lists = [m for m in model.base_model.modules() if isinstance(m, torch.nn.ModuleList)]
    layers = max(lists, key=len, default=torch.nn.ModuleList())
    if lowest and lowest >= len(layers):
        raise ModelError(f"training.frozen_layers = {lowest} leaves nothing to train: the model has {len(layers)} layers; "
                         "write less, or method: head")  # fmt: skip
    for layer in layers[:lowest]:
        layer.requires_grad_(False)
    if lowest:  # what feeds the frozen layers would be trained through them
        for name, module in model.base_model.named_children():
            if any(part in name.lower() for part in EMBEDDING_NAMES):
                module.requires_grad_(False)


def _without_attention_dropout(module: Any) -> None:
    """Models read the rate from their config when they are built, so it is set where it is used, too."""
    dropout = getattr(module, "dropout", None)
    if "Attention" in type(module).__name__ and isinstance(dropout, torch.nn.Dropout) and hasattr(module, "query"):
        dropout.p = 0.0
    if isinstance(getattr(module, "attention_dropout", None), float):
        module.attention_dropout = 0.0


def _arguments(training: Training, *, rows: int, work: Path, seed: int, bf16: bool) -> TrainingArguments:
    steps = max(1, round(training.epochs * -(-rows // training.batch_size)))
    every = max(1, steps // training.evaluations)
    return TrainingArguments(
        output_dir=str(work), max_steps=steps, per_device_train_batch_size=training.batch_size,
        per_device_eval_batch_size=64, learning_rate=training.learning_rate,
        weight_decay=training.weight_decay, warmup_steps=int(training.warmup * steps),
        lr_scheduler_type="linear", train_sampling_strategy="group_by_length", length_column_name="length",
        eval_strategy="steps", eval_steps=every, save_strategy="steps", save_steps=every,
        logging_steps=every, save_total_limit=2, load_best_model_at_end=True,
        metric_for_best_model="eval_loss", greater_is_better=False, bf16=bf16,
        use_cpu=not torch.cuda.is_available(), seed=seed, data_seed=seed, report_to=[],
        disable_tqdm=True, logging_nan_inf_filter=False, dataloader_pin_memory=False, log_level="error",
    )  # fmt: skip


def _with_lora(model: Any, training: Training) -> Any:
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as problem:
        raise MissingExtra("training.method: lora needs peft: pip install 'llm-upkeep[lora]'") from problem
    from models.sections import Lora

    lora = training.lora or Lora()
    targets = lora.targets if isinstance(lora.targets, str) else list(lora.targets)
    config = LoraConfig(task_type="SEQ_CLS", r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout,
                        target_modules=targets)  # fmt: skip
    return get_peft_model(model, config)


def _fp32_sdpa(module: Any, query: Any, key: Any, value: Any, mask: Any, **kwargs: Any) -> Any:
    with torch.autocast(query.device.type, enabled=False):
        output, weights = sdpa_attention_forward(
            module, query.float(), key.float(), value.float(),
            mask.float() if mask is not None and mask.is_floating_point() else mask, **kwargs,
        )  # fmt: skip
    return output.to(query.dtype), weights


AttentionInterface.register("fp32_sdpa", _fp32_sdpa)
AttentionMaskInterface.register("fp32_sdpa", sdpa_mask)


def _has_bf16() -> bool:
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    found = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(found.get("avx512_bf16") or found.get("amx_bf16"))


def _accuracy(prediction: Any) -> dict[str, float]:
    logits = prediction.predictions
    logits = logits[0] if isinstance(logits, tuple) else logits
    return {"accuracy": float((logits.argmax(-1) == prediction.label_ids).mean())}


class _Progress(TrainerCallback):
    def __init__(self, advance: Advance) -> None:
        self.advance, self.seen = advance, 0

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Counts in thousandths of the training, since the number of steps is the Trainer's to decide."""
        done = round(1000 * state.global_step / state.max_steps)
        self.advance(done - self.seen)
        self.seen = done


def _curve(log: list[dict[str, float]]) -> tuple[CurvePoint, ...]:
    points: dict[int, dict[str, float]] = {}
    for entry in log:
        points.setdefault(int(entry["step"]), {}).update(entry)
    return tuple(
        CurvePoint(step=step, train_loss=p.get("loss"), validation_loss=p.get("eval_loss"),
                   validation_accuracy=p.get("eval_accuracy"))
        for step, p in sorted(points.items()) if "loss" in p or "eval_loss" in p
    )  # fmt: skip


def _peak_memory_mb() -> float:
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _device_name() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    threads = torch.get_num_threads()
    return f"cpu, {threads} thread{'s' if threads > 1 else ''}"
