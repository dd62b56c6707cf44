"""How a model that writes is asked and read: the part of a spec that only such kinds of models have."""

from typing import Literal

from pydantic import Field, field_validator

from models.part import Part


class Generation(Part):
    max_new_tokens: int | None = Field(None, ge=0, le=4096, description="Longest answer, in tokens. 0: nothing is written, "
                                       "only with task: causal-lm, which is then judged by its loss alone. null: 64; 0 for a "
                                       "causal-lm whose rows have no answers.")  # fmt: skip
    beams: int = Field(1, ge=1, le=16, description="Of the beam search; 1: greedy. Nothing is sampled, so that the same "
                       "weights write the same answers.")  # fmt: skip
    prompt: str = Field("{text}", description="What a model that answers is given; `{text}` stands for the row's text.")
    chat: bool = Field(False, description="True: the prompt goes through the tokenizer's chat template.")
    bleu_tokens: Literal["13a", "zh", "char", "intl", "none"] = Field("13a", description="sacreBLEU's tokenizer for BLEU; "
                                                              "zh for Chinese.")  # fmt: skip
    packing: bool = Field(True, description="Texts are trained on end to end in blocks of model.max_tokens, instead of "
                          "one by one; only where a causal-lm has no answers to learn.")  # fmt: skip

    @field_validator("prompt")
    @classmethod
    def _holds_the_text(cls, value: str) -> str:
        if "{text}" not in value:
            raise ValueError("must hold {text}, where the row's text goes; else every row asks the same")
        return value

    def ask(self, text: str) -> str:
        return self.prompt.replace("{text}", text)
