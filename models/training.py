"""Fine-tuning with the Hugging Face Trainer, with what was measured to be fast on the device at hand.

On a CPU with bf16 units: batches of like lengths, bf16 autocast with attention in fp32 (the bf16 backward is
four times slower), no attention dropout (it takes SDPA off its fast path), frozen word embeddings. What that saves
is measured by `python -m benchmarks.recipe`: docs/performance.md.
"""

import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import PrinterCallback, TrainerCallback, TrainingArguments

from errors import ModelError, OverBudget
from models import ranks
from models.adapter import UNLIMITED, Advance, Trained
from models.balancing import BalancedDecisions, BalancedLoss, balanced_loss
from models.checkpoints import last_valid_checkpoint, step_of
from models.contracts import Budget, Cost, CurvePoint, Stopped
from models.metering import Meter
from models.pausing import CapReached, PausableTrainer, StopAtCap
from models.preparing import prepare, with_lora
from models.recipe import Training
from models.threads import choose_threads


@dataclass(frozen=True)
class Lesson:
    """What is learned, as the kind of model needs it; both data sets have `length`, by which rows are batched, and a
    classifier's have `labels`, the numbers of the classes, or 0 and 1 for each."""

    train: Any
    validation: Any
    collator: Callable[[list[Any]], Any]
    metrics: Callable[[Any], dict[str, float]] | None = None
    """What an evaluation measures beside the loss."""
    lora_task: str = "SEQ_CLS"
    """peft's name for the kind."""
    embeddings_learn: bool = False
    """False: with method: full the input embeddings stay as they are, which is faster and was measured to cost nothing
    where a pre-trained classifier is fine-tuned. What a model writes with is often its input embeddings, too."""
    probe: Callable[[], object] | None = None
    """A small piece of the model's work, to find out how many threads are fastest; None: as many as there are."""


def fine_tune(
    model: Any, lesson: Lesson, *, training: Training, seed: int, work: Path, advance: Advance,
    budget: Budget = UNLIMITED,
) -> tuple[Any, Trained]:  # fmt: skip
    """Trains, keeps the weights with the lowest validation loss, and merges adapters. OverBudget at the cap."""
    cpu_began, checkpoint = time.process_time(), last_valid_checkpoint(work)
    with Meter(work / "seconds", at_least=60 * budget.spent, keeps=ranks.is_first()) as meter:
        fast, recipe = prepare(model, training, embeddings_learn=lesson.embeddings_learn)
        adapted = with_lora(model, training, task=lesson.lora_task) if training.method == "lora" else model
        _set_threads(lesson, training)
        trainer = PausableTrainer(
            model=adapted, args=_arguments(training, rows=len(lesson.train), work=work, seed=seed, bf16=fast),
            train_dataset=lesson.train, eval_dataset=lesson.validation, data_collator=lesson.collator,
            compute_metrics=lesson.metrics, compute_loss_func=_loss(lesson, training, adapted),
            callbacks=[_Progress(advance), StopAtCap(lambda: _is_over(meter, budget))],
        )  # fmt: skip
        trainer.draws_evenly = training.sampling == "balanced"
        trainer.remove_callback(PrinterCallback)
        try:
            trainer.train_from(checkpoint, patience=training.patience)
        except CapReached:
            trainer.pause()
            raise _over_budget(trainer, training, budget, work=work, minutes=meter.seconds / 60) from None
        alone = training.processes == 1 and not meter.earlier
        cpu_seconds = time.process_time() - cpu_began if alone else 0.0
        cost = _cost(trainer, meter.seconds, cpu_seconds=cpu_seconds, resumed_from=checkpoint)
    _require_a_best(trainer, training)
    plain = trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False)  # or it would go on in bf16
    merged = plain.merge_and_unload() if training.method == "lora" else plain
    return merged, Trained(cost, _curve(trainer.state.log_history), recipe)


def _loss(lesson: Lesson, training: Training, model: Any) -> BalancedLoss | BalancedDecisions | None:
    """None: the model's own."""
    if not training.is_balanced:
        return None
    return balanced_loss(training, list(lesson.train["labels"]), outputs=model.config.num_labels)


def _require_a_best(trainer: PausableTrainer, training: Training) -> None:
    """Weights that are no numbers answer something all the same, and may measure well."""
    if trainer.state.best_global_step is None:
        raise ModelError(f"the training diverged: no validation loss was a number, with training.learning_rate = "
                         f"{training.learning_rate:g}. Write a smaller one; if that does not help, look at the weights that "
                         "it began with")  # fmt: skip


def _cost(trainer: PausableTrainer, seconds: float, *, cpu_seconds: float, resumed_from: Path | None) -> Cost:
    state = trainer.state
    return Cost(
        seconds=seconds, cpu_seconds=cpu_seconds, peak_memory_mb=_peak_memory_mb(), device=_device_name(),
        steps=state.global_step, epochs=round(state.epoch or 0.0, 3),
        stopped="early: no better validation loss" if state.global_step < state.max_steps else "all steps done",
        resumed_from_step=step_of(resumed_from) if resumed_from else 0,
    )  # fmt: skip


def _over_budget(
    trainer: PausableTrainer, training: Training, budget: Budget, *, work: Path, minutes: float
) -> OverBudget:
    state = trainer.state
    return OverBudget(Stopped(
        settings=training.digest, step=state.global_step, steps=state.max_steps, minutes=minutes,
        cap=budget.cap or 0.0, limit=budget.limit, checkpoint=str(work / f"checkpoint-{state.global_step}"),
    ))  # fmt: skip


def _is_over(meter: Meter, budget: Budget) -> bool:
    return budget.cap is not None and ranks.agree(meter.seconds >= 60 * budget.cap)


def _set_threads(lesson: Lesson, training: Training) -> None:
    if training.threads:
        torch.set_num_threads(training.threads)
    elif lesson.probe:
        with torch.inference_mode():
            choose_threads(lesson.probe)


def _arguments(training: Training, *, rows: int, work: Path, seed: int, bf16: bool) -> TrainingArguments:
    steps = max(1, round(training.epochs * -(-rows // training.batch_size)))
    every = max(1, steps // training.evaluations)
    return TrainingArguments(
        output_dir=str(work), max_steps=steps, per_device_train_batch_size=training.batch_size // ranks.size(),
        per_device_eval_batch_size=64, learning_rate=training.learning_rate,
        weight_decay=training.weight_decay, warmup_steps=int(training.warmup * steps),
        lr_scheduler_type="linear",
        eval_strategy="steps", eval_steps=every, save_strategy="steps", save_steps=every,
        logging_steps=every, save_total_limit=2, load_best_model_at_end=True,
        metric_for_best_model="eval_loss", greater_is_better=False, bf16=bf16,
        use_cpu=not torch.cuda.is_available(), seed=seed, data_seed=seed, report_to=[],
        disable_tqdm=True, logging_nan_inf_filter=False, dataloader_pin_memory=False, log_level="error",
    )  # fmt: skip


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
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux KiB
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def _device_name() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    threads = torch.get_num_threads()
    return f"cpu, {threads} thread{'s' if threads > 1 else ''}"
