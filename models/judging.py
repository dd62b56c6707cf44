"""What a spec says of models that measure others: one that reads whether a summary follows from its document, and a
judge that says which of two answers is better."""

import re

from pydantic import Field, field_validator, model_validator

from models.hosting import Endpoint, Prices
from models.part import Part, Place, Share

_PLACES = re.compile(r"\{(text|reference|a|b)\}")
_VERDICT = re.compile(r"\[\[([ABC])\]\]")
_BARE = re.compile(r"\W*([ABC])\W*")
_THINGS = {"translation": "translations of a text", "summarization": "summaries of a text"}
_PROMPT = """Compare two {things}, A and B: which is better? Neither their order nor their length counts.

Text:
{{text}}

A reference that a person wrote:
{{reference}}

A:
{{a}}

B:
{{b}}

Answer with [[A]] where A is better, with [[B]] where B is, with [[C]] where both are equally good, and with nothing else."""


class JudgeApi(Endpoint):
    """A chat model behind an OpenAI-compatible API. It sees each pair in both orders."""

    prompt: str | None = Field(None, description="What it is asked: `{text}`, `{a}`, `{b}` and, if wanted, `{reference}` "
                               "stand for the row's text, both answers and the label. It has to answer with [[A]], [[B]] or "
                               "[[C]] (equally good). null: a prompt for the task.")  # fmt: skip
    max_new_tokens: int = Field(
        16, ge=1, le=8192, description="Longest answer; more where it is to give reasons first."
    )
    max_unread: Share = Field(0.1, description="A larger share of pairs with an answer that is no verdict stops the run; until "
                              "then such pairs are left out. One never stops it, unless this is 0.")  # fmt: skip
    prices: Prices | None = Field(None, description="What tokens cost, in any currency; null: cost is not counted.")

    @field_validator("prompt")
    @classmethod
    def _holds_all(cls, value: str | None) -> str | None:
        missing = [place for place in ("{text}", "{a}", "{b}") if value is not None and place not in value]
        if missing:
            raise ValueError(f"must hold {', '.join(missing)}; else the judge does not see what it compares")
        return value

    def ask(self, task: str, *, text: str, reference: str, a: str, b: str) -> str:
        """In one pass: a text that holds `{a}` stays as it is."""
        told = {"text": text, "reference": reference, "a": a, "b": b}
        prompt = self.prompt or _PROMPT.format(things=_THINGS.get(task, "answers to a text"))
        return _PLACES.sub(lambda place: told[place[1]], prompt)


class Judge(Part):
    reward_model: Place | None = Field(None, description="A sequence classifier with one output that scores an answer to a "
                                     "prompt: a folder, an s3:// prefix or a hub id.")  # fmt: skip
    api: JudgeApi | None = Field(None, description="Instead: a chat model behind an OpenAI-compatible API. It is sent the rows' "
                                 "texts, labels and both answers.")  # fmt: skip
    rows: int = Field(
        200, ge=1, le=5000, description="New sealed rows that are judged, at most; of more, a seeded sample."
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> "Judge":
        if (self.reward_model is None) == (self.api is None):
            raise ValueError("a judge is a reward_model or an api; give one of both")
        return self

    @property
    def described(self) -> str:
        return f"{self.api.model} at {self.api.url}" if self.api else f"reward model {self.reward_model}"


class Evaluation(Part):
    entailment_model: Place | None = Field(None, description="Only of summaries: a sequence classifier with a label entailment, "
                                         "by which `faithfulness` is measured: a folder, an s3:// prefix or a hub id.")  # fmt: skip
    judge: Judge | None = Field(None, description="Only of models that write: what says which of champion's and candidate's "
                                "answers is better, as `win_rate`; null: nobody.")  # fmt: skip

    @property
    def metrics(self) -> tuple[str, ...]:
        """What it adds to those of the kind of model."""
        asked = {"faithfulness": self.entailment_model, "win_rate": self.judge}
        return tuple(name for name, by in asked.items() if by)


def read_verdict(said: str) -> str | None:
    """The one verdict that a judge gave; None where there is none, or where it contradicts itself."""
    found = set(_VERDICT.findall(said)) or {match[1] for match in [_BARE.fullmatch(said)] if match}
    return found.pop() if len(found) == 1 else None
