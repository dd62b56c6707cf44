"""How a candidate is trained: the `training` section of a spec."""

from typing import Literal

from pydantic import Field, model_validator

from models.part import Part, Share

ADOPTED = "adopted as it is"
"""The recipe of what was not trained."""


class Lora(Part):
    rank: int = Field(8, ge=1, description="Of the low-rank matrices.")
    alpha: int = Field(16, ge=1, description="Scale; alpha / rank multiplies the adapter.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Before the adapter.")
    targets: tuple[str, ...] | Literal["all-linear"] = Field("all-linear", description="Module names to adapt.")


class Training(Part):
    method: Literal["full", "lora", "head"] = Field("full", description="head: the encoder stays frozen.")
    frozen_layers: int = Field(0, ge=0, description="Lowest layers that stay as they are; only with method: full. Half "
                               "of them make a step a third cheaper.")  # fmt: skip
    learn_embeddings: bool = Field(False, description="True: a classifier's input embeddings learn, too, for a model that "
                                   "starts from random weights; only with method: full. One that writes always learns "
                                   "them.")  # fmt: skip
    epochs: float = Field(3, gt=0, le=100, description="Passes over the training rows, at most.")
    learning_rate: float = Field(5e-5, gt=0, lt=1, description="At its highest; it falls linearly to 0.")
    batch_size: int = Field(16, ge=1, description="Rows a step.")
    weight_decay: float = Field(0.01, ge=0, description="Of AdamW.")
    warmup: Share = Field(0.1, description="Share of the steps over which the learning rate rises.")
    patience: int = Field(3, ge=1, description="Evaluations without a better validation loss before stopping.")
    evaluations: int = Field(6, ge=1, description="How often a training is evaluated and checkpointed.")
    replay: float = Field(1.5, ge=0, description="Reference rows mixed in, per new training row.")
    validation_share: float = Field(0.1, gt=0, lt=0.5, description="Rows that choose the checkpoint.")
    test_share: float = Field(0.25, gt=0, lt=0.8, description="Sealed rows: they never train. It cannot be raised once a "
                              "champion learned from what it would seal.")  # fmt: skip
    class_weights: Literal["none", "balanced"] = Field("none", description="balanced: each class weighs alike in the loss, "
                                                       "however few its rows (with several labels a row: having each one and "
                                                       "lacking it); only of a classifier.")  # fmt: skip
    sampling: Literal["natural", "balanced"] = Field("natural", description="balanced: each class is drawn equally often an "
                                                     "epoch; only of a classifier.")  # fmt: skip
    min_rows: int = Field(50, ge=2, description="Fewer new labelled training rows are not trained on.")
    threads: int | None = Field(None, ge=1, description="CPU threads; null: as many as are fastest at the time, "
                                "and the last bits of the weights with them.")  # fmt: skip
    processes: int = Field(1, ge=1, le=64, description="That share each batch, on one machine; with GPUs, one GPU each. "
                           "Data-parallel (DDP): each holds the whole model.")  # fmt: skip
    lora: Lora | None = Field(None, description="Only with method: lora.")

    @property
    def is_balanced(self) -> bool:
        return "balanced" in (self.class_weights, self.sampling)

    @model_validator(mode="after")
    def _fits(self) -> "Training":
        if self.lora and self.method != "lora":
            raise ValueError(f"lora is given, but method is {self.method!r}; write method: lora or drop it")
        if self.frozen_layers and self.method != "full":
            raise ValueError(f"frozen_layers is {self.frozen_layers}, but method is {self.method!r}; only method: full "
                             "trains layers that could be frozen")  # fmt: skip
        if self.learn_embeddings and (self.method != "full" or self.frozen_layers):
            raise ValueError(f"learn_embeddings is true, but method is {self.method!r} with {self.frozen_layers} frozen layers, "
                             "which leave the embeddings as they are; write method: full without frozen_layers, or drop "
                             "it")  # fmt: skip
        if self.class_weights == self.sampling == "balanced":
            raise ValueError("class_weights and sampling are both balanced, and rare classes would count twice; one of them "
                             "is enough")  # fmt: skip
        if self.batch_size % self.processes:
            raise ValueError(f"batch_size {self.batch_size} cannot be shared evenly by {self.processes} processes; "
                             f"write a multiple of {self.processes}")  # fmt: skip
        if self.validation_share + self.test_share >= 0.9:
            raise ValueError("validation_share + test_share leave less than 10 % of the rows for training")
        return self
