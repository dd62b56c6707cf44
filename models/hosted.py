"""Models that write for us on somebody else's server, behind an OpenAI-compatible API.

A version is the file `hosted.json`: whom to ask, with which prompt, at temperature 0. The same version may answer
otherwise tomorrow: nobody can pin what a server runs. That is what drift of its outputs is watched for.
"""

import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import numpy as np

from errors import ModelError
from models.adapter import UNLIMITED, Advance, Examples, KeyRing, Predictions, Trained
from models.api import Api, Reply
from models.completions import choice, confidence, numbers_of, said, tokens
from models.contracts import Budget, Cost, ModelKind
from models.hashed_words import hashed_words
from models.hosted_tuning import Tuning
from models.hosting import Hosted, Pinned, at_most, read_pinned, write_pinned
from models.outputs import columns_of
from models.recipe import Training

CHAT, EMBEDDINGS = "/chat/completions", "/embeddings"
EMBEDDED_AT_ONCE = 64
IN_A_ROW = 8
"""So many requests that failed for good, one after the other: nobody is there to answer."""
GREETING = "Hello."
WITHHELD = "content_filter"
"""How a completion ends that its API cut off, or left out, for what it says."""


class HostedModel:
    """A version's server and prompt; asks a few requests at a time."""

    def __init__(self, pinned: Pinned, kind: ModelKind, keys: KeyRing | None, *, section: str = "model.hosted") -> None:
        """`section`: of the spec that names it, for what is said of failures."""
        self.kind, self.hosted, self.section = kind, _hosted_of(kind), section
        self.pinned, self.device = pinned, f"{pinned.model} at {urlsplit(pinned.url).netloc}"
        key = keys.of(pinned.url, own_url=self.hosted.url) if keys else None
        self.api = Api(pinned.url, self.hosted, key, section=section)
        self.asked, self.failed, self.in_a_row = 0, 0, 0

    @classmethod
    def load(cls, folder: Path, kind: ModelKind, *, new_head: bool, keys: KeyRing | None = None) -> Self:
        """Asks one request, so that a wrong key, or a model that is gone, is told before anything is done."""
        model = cls(read_pinned(folder), kind, keys)
        model.greet()
        return model

    def predict(
        self, texts: Sequence[str], *, labels: Sequence[str | None] | None = None, advance: Advance
    ) -> Predictions:
        """What was written; `models/outputs.py` names the numbers. Raises ModelError where too many requests failed."""
        replies = self._each(self._ask, texts, advance)
        numbers = np.array([numbers_of(reply) for reply in replies], np.float32).reshape(-1, len(columns_of(self.kind)))
        return Predictions(numbers, self._embed(texts), [said(reply) for reply in replies])

    def fine_tune(
        self, train: Examples, validation: Examples, *, training: Training, seed: int, work: Path, advance: Advance,
        budget: Budget = UNLIMITED,
    ) -> Trained:  # fmt: skip
        """By the API's own jobs where it has them; else the model id and prompt that the spec names now."""
        wanted = Pinned.by_the_spec(self.hosted, self.kind.generation)
        if not self.hosted.fine_tunes:
            self.pinned = wanted
            return Trained(NOT_TRAINED, (), f"{wanted.model} with the prompt of the spec, not trained")
        if (wanted.base, wanted.url) != (self.pinned.base, self.pinned.url):
            raise ModelError(f"model.hosted names {wanted.base} at {wanted.url}, and the champion comes from {self.pinned.base} "
                             f"at {self.pinned.url}: run once with fine_tunes: false, which makes it a candidate")  # fmt: skip
        begun = wanted.model_copy(update={"model": self.pinned.model})
        tuning = Tuning(self.api, begun, training=training, seed=seed, work=work, budget=budget)
        model, trained = tuning.run(train, validation, advance=advance)
        self.pinned = begun.model_copy(update={"model": model})
        return trained

    def save(self, folder: Path) -> None:
        write_pinned(self.pinned, folder)

    # --- what is asked ---

    def greet(self) -> None:
        reply = self._ask(GREETING)
        if reply.problem:
            raise self.api.failed(CHAT, reply.problem, f"Nothing was done. Look at {self.section}.url and {self.section}.model, or "
                                  "run again once it answers")  # fmt: skip
        if self.hosted.logprobs and math.isnan(confidence(reply.body)) and said(reply):
            raise self.api.failed(CHAT, "it gives no logprobs", f"Write {self.section}.logprobs: false")
        if self.hosted.prices and not tokens(reply.body, "prompt_tokens"):
            raise self.api.failed(CHAT, "it does not count tokens (usage)", f"Drop {self.section}.prices")

    def _ask(self, text: str) -> Reply:
        body: dict[str, Any] = {
            "model": self.pinned.model, "messages": [{"role": "user", "content": self.pinned.ask(text)}],
            "temperature": self.pinned.temperature, "max_tokens": self.pinned.max_new_tokens,
        }  # fmt: skip
        if self.hosted.logprobs:
            body["logprobs"] = True
        reply = self.api.request("POST", CHAT, json=body)
        problem = reply.problem or self._no_answer(reply.body)
        return replace(reply, problem=problem)

    def _no_answer(self, body: Mapping[str, Any]) -> str:
        """Why what came with status 200 is none; empty where it is one."""
        if not isinstance(choice(body).get("message"), dict):
            return f"what came holds no choices[0].message{self.api.told(body)}"
        content = choice(body)["message"].get("content")
        if not isinstance(content, str | None):
            return f"choices[0].message.content is {type(content).__name__} and no text"
        if choice(body).get("finish_reason") == WITHHELD:
            return f"the API's content filter withheld the answer (finish_reason: {WITHHELD})"
        return ""

    def _each(self, ask: Callable[[str], Reply], texts: Sequence[str], advance: Advance) -> list[Reply]:
        """In the texts' order, `at_once` at a time."""
        replies = []
        with ThreadPoolExecutor(self.hosted.at_once) as pool:
            waiting = [pool.submit(ask, text) for text in texts]
            try:
                for answer in waiting:
                    replies.append(answer.result())
                    self._count(replies[-1])
                    advance(1)
            except BaseException:
                self.api.stop()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        self._refuse_failures(replies)
        return replies

    def _count(self, reply: Reply) -> None:
        self.asked, self.failed = self.asked + 1, self.failed + bool(reply.problem)
        self.in_a_row = self.in_a_row + 1 if reply.problem and not choice(reply.body) else 0
        if self.in_a_row >= IN_A_ROW:
            raise self.api.failed(CHAT, f"{IN_A_ROW} requests in a row failed, the last with: {reply.problem}",
                                  f"Run again once it answers; {self.section}.timeout and retries say how patient to be")  # fmt: skip

    def _refuse_failures(self, replies: Sequence[Reply]) -> None:
        if self.failed > at_most(self.hosted.max_failed, of=self.asked):
            last = next((reply.problem for reply in reversed(replies) if reply.problem), "")
            raise self.api.failed(CHAT, f"{self.failed:,} of {self.asked:,} requests failed for good, the last with: {last}",
                                  f"At most {self.section}.max_failed = {self.hosted.max_failed:g} may; run again, or allow "
                                  "more")  # fmt: skip

    def _embed(self, texts: Sequence[str]) -> np.ndarray:
        """Of what came in, so that no answer shines through."""
        if self.hosted.embeddings is None:
            return hashed_words(texts)
        parts = [texts[i : i + EMBEDDED_AT_ONCE] for i in range(0, len(texts), EMBEDDED_AT_ONCE)]
        found = [self._embedded(self.hosted.embeddings, part) for part in parts]
        return np.concatenate(found) if found else np.zeros((0, 1), np.float32)

    def _embedded(self, model: str, texts: Sequence[str]) -> np.ndarray:
        reply = self.api.request("POST", EMBEDDINGS, json={"model": model, "input": list(texts)})
        rows = reply.body.get("data")
        try:
            by_text = {row["index"]: row["embedding"] for row in rows or ()}
            found = np.array([by_text[i] for i in range(len(texts))], np.float32).reshape(len(texts), -1)
        except (KeyError, TypeError, ValueError):
            found = np.zeros((0, 0), np.float32)
        if not found.size or not np.isfinite(found).all():
            raise self.api.failed(EMBEDDINGS, reply.problem or "what came is no embedding of each text",
                                  f"Drop {self.section}.embeddings, and words are compared instead")  # fmt: skip
        return found


NOT_TRAINED = Cost(seconds=0, cpu_seconds=0, peak_memory_mb=0, device="none", steps=0, epochs=0,
                   stopped="chosen by the spec, not trained", resumed_from_step=0)  # fmt: skip


def pin(kind: ModelKind, folder: Path) -> Path:
    """The spec's model id and prompt as the folder of a version."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_pinned(Pinned.by_the_spec(_hosted_of(kind), kind.generation), folder)
    return folder


def _hosted_of(kind: ModelKind) -> Hosted:
    if kind.hosted is None:
        raise ModelError("this version is a model behind an API, and the spec has no model.hosted; write it as it was, or give "
                         "the spec another name")  # fmt: skip
    return kind.hosted
