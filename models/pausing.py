"""Stops a training at its cap such that going on later gives the weights of one that was never stopped.

The cap is looked at after each step and each batch of an evaluation. A checkpoint is written wherever that is; if it is
in the middle of an evaluation, that evaluation is owed, and made first when the training goes on.
"""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from transformers import Trainer, TrainerCallback
from transformers.trainer_pt_utils import LengthGroupedSampler, get_length_grouped_indices

from models.balancing import draw_evenly
from models.checkpoints import step_of


class CapReached(Exception):
    """Leaves the Trainer's loops; never seen outside of models/training.py."""


class _AllDone(Exception):
    """Leaves them where a training that goes on has nothing left to do."""


class _StopEarly(TrainerCallback):
    """Counts in the log, which a checkpoint holds. The Trainer's own callback counts anew in each part of a training."""

    def __init__(self, patience: int) -> None:
        self.patience = patience

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        control.should_training_stop = control.should_training_stop or self.is_over(state.log_history)

    def is_over(self, log: list[dict[str, float]]) -> bool:
        """After so many evaluations without a better validation loss; one that is no number is never better."""
        losses = [entry["eval_loss"] for entry in log if "eval_loss" in entry]
        losses = [math.inf if math.isnan(loss) else loss for loss in losses]
        return bool(losses) and len(losses) - 1 - losses.index(min(losses)) >= self.patience


class StopAtCap(TrainerCallback):
    def __init__(self, over: Callable[[], bool]) -> None:
        self.over = over

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Where an evaluation follows, it is begun: it draws a random number, and the checkpoint must hold the state
        after that."""
        if not control.should_evaluate:
            self._look()

    def on_prediction_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._look()

    def _look(self) -> None:
        if self.over():
            raise CapReached


class PausableTrainer(Trainer):
    """Trainer that can be left between any two steps, and inside an evaluation. The training set has a `length`."""

    resumed_from: Path | None = None
    draws_evenly: bool = False
    """Whether an epoch has each of the rows' `labels` equally often."""

    def _get_train_sampler(self, train_dataset: Any = None) -> "_EpochSampler":
        rows: Any = self.train_dataset
        return _EpochSampler(self, rows["length"], list(rows["labels"]) if self.draws_evenly else None)

    def train_from(self, checkpoint: Path | None, *, patience: int) -> None:
        self.resumed_from, early = checkpoint, _StopEarly(patience)
        self.add_callback(early)
        self.add_callback(_CatchUp(self, early))
        try:
            self.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        except _AllDone:
            self._take_the_best()

    def pause(self) -> None:
        """Writes the checkpoint; one that was resumed from and not trained on since is there already."""
        if self.resumed_from is None or self.state.global_step > step_of(self.resumed_from):
            self._write()

    def catch_up(self) -> None:
        """The evaluation that was owed, and what the Trainer does after one. The random state is the checkpoint's: it
        was written when the evaluation had begun."""
        self._determine_best_metric(metrics=self._evaluate(None, None), trial=None)
        self._load_rng_state(str(self.resumed_from))
        self._write()

    def _take_the_best(self) -> None:
        """The state names it by where it lay when it was written, and folders are moved."""
        if self.state.best_global_step is None:
            return
        best = Path(self.args.output_dir or "") / f"checkpoint-{self.state.best_global_step}"
        self.state.best_model_checkpoint = str(best)
        self._load_best_model()

    def _write(self) -> None:
        model: Any = self.model
        self._save_checkpoint(model, trial=None)


class _EpochSampler(LengthGroupedSampler):
    """Rows of like lengths together, in an order that the seed and the epoch's number decide. The Trainer's own sampler
    draws from the global random state, and gives an epoch that is resumed in its middle another order."""

    def __init__(self, trainer: Trainer, lengths: list[int], labels: list[int] | None) -> None:
        super().__init__(trainer.args.train_batch_size * trainer.args.world_size, lengths=list(lengths))
        self.trainer, self.labels = trainer, labels

    def __iter__(self) -> Iterator[int]:
        epoch = self.trainer.state.global_step // -(-len(self.lengths) // self.batch_size)
        self.generator = torch.Generator().manual_seed((self.trainer.args.data_seed or 0) + epoch)
        if self.labels is None:
            return super().__iter__()
        rows = draw_evenly(self.labels, generator=self.generator)
        order = get_length_grouped_indices(
            [self.lengths[row] for row in rows], self.batch_size, generator=self.generator
        )
        return iter([rows[place] for place in order])


class _CatchUp(TrainerCallback):
    def __init__(self, trainer: PausableTrainer, early: _StopEarly) -> None:
        self.trainer, self.early = trainer, early

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        step = state.global_step
        due = step and (step % state.eval_steps == 0 or step >= state.max_steps)
        if due and not any(entry["step"] == step and "eval_loss" in entry for entry in state.log_history):
            self.trainer.catch_up()
        if step >= state.max_steps or self.early.is_over(state.log_history):
            raise _AllDone  # the Trainer would do a step before it looks
