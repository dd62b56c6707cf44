"""Judges at work: which of two answers to the same text is better, without knowing whose they are.

A chat model favours a place: it sees each pair in both orders, and a verdict that goes with the place and not with the
answer is none (Zheng et al., "Judging LLM-as-a-Judge with MT-Bench and Chatbot Arena", NeurIPS 2023).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from errors import ModelError
from models.adapter import Advance, KeyRing, quietly
from models.contracts import ModelKind
from models.generation import Generation
from models.hosted import HostedModel
from models.hosting import Hosted, Pinned, at_most
from models.judging import JudgeApi, read_verdict
from models.outputs import FAILED, SENT, WRITTEN, columns_of
from models.text_pairs import Reward

SECTION = "evaluation.judge.api"
ALIKE = 1e-5
"""Scores that differ by less do so by the batch that they were computed in."""

Opinion = Literal["first", "second", "same", "flipped", "unread", "failed"]
"""flipped: the verdict went with the order; unread: an answer was no verdict; failed: a request was not answered."""


@dataclass(frozen=True)
class Pair:
    text: str
    reference: str
    first: str
    second: str


@dataclass(frozen=True)
class Opinions:
    """One a pair, in their order, and what they took: requests, tokens."""

    given: tuple[Opinion, ...]
    requests: int = 0
    failed: int = 0
    sent: float = 0.0
    written: float = 0.0


class AnyJudge(Protocol):
    def compare(self, pairs: Sequence[Pair], *, advance: Advance) -> Opinions:
        """`advance` counts pairs."""


class RewardJudge:
    """The answer with the higher score is better; `asked` makes the prompt of a row's text."""

    def __init__(self, folder: Path, asked: Generation) -> None:
        self.model, self.asked = Reward(folder), asked

    def compare(self, pairs: Sequence[Pair], *, advance: Advance) -> Opinions:
        prompts = [self.asked.ask(pair.text) for pair in pairs]
        first = self.model.scores(prompts, [pair.first for pair in pairs], advance=quietly)
        second = self.model.scores(prompts, [pair.second for pair in pairs], advance=advance)
        return Opinions(tuple(
            "same" if abs(b - a) <= ALIKE * max(1.0, abs(a)) else "second" if b > a else "first"
            for a, b in zip(first.tolist(), second.tolist(), strict=True)
        ))  # fmt: skip


class ApiJudge:
    """Asks a chat model, a few requests at a time; says at once where nobody is there."""

    def __init__(self, judge: JudgeApi, task: str, *, keys: KeyRing | None, own_url: str) -> None:
        """`own_url`: the server that UPKEEP_API_KEY belongs to."""
        self.judge, self.task = judge, task
        told = {name: getattr(judge, name) for name in Hosted.model_fields if name in JudgeApi.model_fields}
        asked = Generation(max_new_tokens=judge.max_new_tokens)
        hosted = Hosted(**told)
        kind = ModelKind(
            task="causal-lm", labels=(), max_tokens=0, seed=0, truth="answer", generation=asked, hosted=hosted
        )
        keyring = _KeyOfTheModel(keys, own_url) if keys else None
        self.model = HostedModel(Pinned.by_the_spec(hosted, asked), kind, keyring, section=SECTION)
        self.model.greet()
        self.compared, self.unread = 0, 0

    def compare(self, pairs: Sequence[Pair], *, advance: Advance) -> Opinions:
        """Raises ModelError where too many requests failed, or too many answers were no verdicts."""
        prompts = [self._prompt(pair, flipped) for pair in pairs for flipped in (False, True)]
        half = _halves(advance)
        found = self.model.predict(prompts, advance=half)
        number = dict(zip(columns_of(self.model.kind), found.numbers.T.astype(float), strict=True))
        answers = list(found.texts or ())
        lost = number[FAILED] > 0
        given = tuple(
            "failed" if lost[i] or lost[i + 1] else opinion_of(answers[i], answers[i + 1])
            for i in range(0, len(prompts), 2)
        )  # fmt: skip
        self._refuse_nonsense(given, answers)
        return Opinions(given, len(prompts), int(lost.sum()), float(number[SENT].sum()), float(number[WRITTEN].sum()))

    def _prompt(self, pair: Pair, flipped: bool) -> str:
        a, b = (pair.second, pair.first) if flipped else (pair.first, pair.second)
        return self.judge.ask(self.task, text=pair.text, reference=pair.reference, a=a, b=b)

    def _refuse_nonsense(self, given: Sequence[Opinion], answers: Sequence[str]) -> None:
        self.compared, self.unread = self.compared + len(given), self.unread + given.count("unread")
        if self.unread > at_most(self.judge.max_unread, of=self.compared):
            example = next((said for said in answers if said and read_verdict(said) is None), "")
            raise ModelError(f"{SECTION}: of {self.compared:,} pairs, {self.unread:,} got an answer that is no verdict, such as "
                             f"{example[:80]!r}; at most max_unread = {self.judge.max_unread:g} may. It has to answer with "
                             "[[A]], [[B]] or [[C]]: say so in `prompt`, allow it more max_new_tokens, or name another "
                             "model")  # fmt: skip


def opinion_of(in_order: str, flipped: str) -> Opinion:
    """Of the answers to a pair, and to the same pair the other way round."""
    verdicts = read_verdict(in_order), read_verdict(flipped)
    if None in verdicts:
        return "unread"
    told: dict[tuple[str | None, ...], Opinion] = {("A", "B"): "first", ("B", "A"): "second", ("C", "C"): "same"}
    return told.get(verdicts, "flipped")


@dataclass(frozen=True)
class _KeyOfTheModel:
    """A judge at another server than the model's is never sent the model's key."""

    keys: KeyRing
    own_url: str

    def of(self, url: str, *, own_url: str) -> str | None:
        return self.keys.of(url, own_url=self.own_url)


def _halves(advance: Advance) -> Advance:
    """Two requests are one pair."""
    asked = 0

    def count(more: int) -> None:
        nonlocal asked
        before, asked = asked // 2, asked + more
        advance(asked // 2 - before)

    return count
