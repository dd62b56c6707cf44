"""A model behind an OpenAI-compatible API: what a spec says of it, and the file that is one version of it."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator

from errors import ModelError
from models.generation import Generation
from models.part import Part, Share

HOSTED_FILE = "hosted.json"
"""All that a version of a hosted model consists of."""


class Prices(Part):
    input: float = Field(ge=0, description="For a million tokens that are sent.")
    output: float = Field(ge=0, description="For a million tokens that are written.")

    def of(self, sent: Any, written: Any) -> Any:
        return (self.input * sent + self.output * written) / 1e6


class Endpoint(Part):
    """A model on somebody else's server, and how patiently it is asked."""

    url: str = Field(description="Where the API is, up to and with its version: https://api.example.com/v1. The key is no "
                     "part of a spec: it is the setting UPKEEP_API_KEY.")  # fmt: skip
    model: str = Field(min_length=1, description="The model's id there; a dated one, since others change unasked.")
    timeout: float = Field(60, gt=0, description="Seconds that one request may take.")
    retries: int = Field(5, ge=0, le=20, description="Further tries of a request that was refused for now (429, 5xx), was cut "
                         "or took too long.")  # fmt: skip
    at_once: int = Field(4, ge=1, le=256, description="Requests under way at any time.")
    max_failed: Share = Field(0.1, description="A larger share of requests that failed for good stops the run; until then "
                              "each is an empty answer. One never stops it, unless this is 0.")  # fmt: skip

    @field_validator("url")
    @classmethod
    def _plain(cls, value: str) -> str:
        parts = urlsplit(value)
        _ = parts.port  # raises where it is none
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("is no web address; write https://api.example.com/v1")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("holds a user, a password or a query; put the key into UPKEEP_API_KEY")
        return value.rstrip("/")


class Hosted(Endpoint):
    logprobs: bool = Field(
        False, description="True: the API says how likely each token was, from which confidence comes."
    )
    embeddings: str | None = Field(None, description="The id of the API's embedding model, for the drift of inputs; null: a "
                                   "projection of each text's words, made here.")  # fmt: skip
    fine_tunes: bool = Field(False, description="True: the API trains (/files and /fine_tuning/jobs), and rows are uploaded to "
                             "it. False: a candidate is another model id or prompt that this spec names.")  # fmt: skip
    prices: Prices | None = Field(None, description="What tokens cost, in any currency; null: cost is not measured.")


class Pinned(Part):
    """One version: whom it asks, and what."""

    url: str
    model: str
    prompt: str
    max_new_tokens: int
    temperature: float = 0
    base: str
    """The model id of the spec that it comes from: its own, or what it was fine-tuned from."""

    @classmethod
    def by_the_spec(cls, hosted: Hosted, generation: Generation) -> "Pinned":
        return cls(url=hosted.url, model=hosted.model, prompt=generation.prompt, base=hosted.model,
                   max_new_tokens=generation.max_new_tokens or 0)  # fmt: skip

    def ask(self, text: str) -> str:
        return self.prompt.replace("{text}", text)


def at_most(share: float, *, of: int) -> float:
    """So many may go wrong: of a few rows one, and none where the spec allows none."""
    return max(1.0, share * of) if share else 0.0


def write_pinned(pinned: Pinned, folder: Path) -> None:
    (folder / HOSTED_FILE).write_text(pinned.model_dump_json(indent=1) + "\n", encoding="utf-8")


def read_pinned(folder: Path) -> Pinned:
    file = folder / HOSTED_FILE
    if not file.is_file():
        raise ModelError(
            f"{folder} holds no {HOSTED_FILE}: this version is a model's own weights, and the spec's model.hosted names one "
            "behind an API. A model is hosted from its first version on; give the spec another name."
        )
    try:
        return Pinned.model_validate_json(file.read_bytes())
    except ValidationError as problem:
        raise ModelError(f"{file} is no hosted version: {problem.errors()[0]['msg']}") from problem
