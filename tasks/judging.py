"""Champion's and candidate's answers to the same sealed rows, compared by the spec's judge.

What was judged is kept a portion at a time, so that a run that was killed pays for a portion twice at most. Only names
of rows are kept, no texts.
"""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE

from errors import ModelError
from infra.object_store import ObjectStore
from infra.progress import bar
from infra.stages import once
from models.contracts import JudgedPair, Judgement, ModelKind, Record, Scorecard, Scores, Table, Weights
from models.judging import Judge
from tasks.metrics.judged_wins import compare_by_wins
from tasks.outputs import answers_of, outputs_of
from tasks.tables import store_rows

if TYPE_CHECKING:
    from models.judges import AnyJudge

AT_ONCE = 50
"""Pairs of a portion."""
OF_THE_CANDIDATE = {"first": "champion", "second": "candidate"}
WORTH = {"champion": 0.0, "candidate": 1.0, "same": 0.5, "flipped": 0.5}
"""Of a pair to the candidate; others were not judged."""


class Pair(Record):
    """A sealed row and both answers to it."""

    content: str
    text: str
    label: str
    champion: str
    candidate: str


class Portion(Record):
    """What came of some pairs."""

    pairs: tuple[JudgedPair, ...]
    asked: int
    failed: int
    sent: float
    written: float


@task(name="draw rows to judge", cache_policy=NO_CACHE)
def draw_rows(sealed: Table, *, most: int, seed: int, store: ObjectStore) -> Table:
    """All sealed rows, or a seeded sample of so many, each with the same chance; in their order."""
    import pandas as pd

    if sealed.rows <= most:
        return sealed
    chosen = np.sort(np.random.default_rng(seed).choice(sealed.rows, most, replace=False))
    return store_rows(pd.read_parquet(store.get_file(sealed)).iloc[chosen], "judged", store)


@task(name="compare answers", cache_policy=NO_CACHE)
@once("judgement")
def compare_answers(
    rows: Table, champion: Scores, candidate: Scores, *, judge: Judge, reward: Weights | None, kind: ModelKind, of_rows: int,
    own_url: str | None, store: ObjectStore,
) -> Judgement:  # fmt: skip
    """Which answer is better, row by row. `own_url`: the server that the model's own key belongs to; None: the judge's.

    Raises ModelError where the judge cannot be reached, or answers with too much that is no verdict."""
    pairs, who = _pairs(rows, champion, candidate, kind, store), _what_decides(judge, reward, kind)
    opened = _opener(judge, reward, kind, own_url, store)
    with bar("judging", total=len(pairs), unit="pairs") as advance:
        found = [
            _judge_portion(pairs[i : i + AT_ONCE], who=who, opened=opened, advance=advance, store=store)
            for i in range(0, len(pairs), AT_ONCE)
        ]  # fmt: skip
    sent, written = sum(p.sent for p in found), sum(p.written for p in found)
    prices = judge.api.prices if judge.api else None
    return Judgement(
        judge=judge.described, of_rows=of_rows, pairs=tuple(pair for portion in found for pair in portion.pairs),
        asked=sum(p.asked for p in found), failed=sum(p.failed for p in found), sent=sent, written=written,
        cost=float(prices.of(sent, written)) if prices else None,
    )  # fmt: skip


def with_judgement(scorecard: Scorecard, judgement: Judgement) -> Scorecard:
    """The win rate comes last, since the kind's own first metric decides. Without a judged pair there is none, and a gate
    that asks for it fails closed."""
    won = [WORTH[pair.said] for pair in judgement.pairs if pair.said in WORTH]
    compared = (compare_by_wins(won, flipped=judgement.count("flipped")),) if won else ()
    return scorecard.model_copy(update={"comparisons": (*scorecard.comparisons, *compared), "judgement": judgement})


def _pairs(table: Table, champion: Scores, candidate: Scores, kind: ModelKind, store: ObjectStore) -> tuple[Pair, ...]:
    import pandas as pd

    rows = pd.read_parquet(store.get_file(table), columns=["content", "text", "label"])
    for who, scores in (("champion", champion), ("candidate", candidate)):
        rows[who] = answers_of(outputs_of(scores, store=store), kind)
    return tuple(Pair.model_validate(row) for row in rows.to_dict("records"))


def _what_decides(judge: Judge, reward: Weights | None, kind: ModelKind) -> tuple[str, ...]:
    """Without how patiently it is asked: who becomes more patient pays for nothing twice."""
    if judge.api:
        api = judge.api
        return api.url, api.model, api.prompt or kind.task, str(api.max_new_tokens)
    return (reward.content_digest if reward else "", kind.generation.prompt)


@once("judged-pairs", besides=frozenset({"opened", "advance"}))
def _judge_portion(
    pairs: tuple[Pair, ...], *, who: tuple[str, ...], opened: Callable[[], Any], advance: Callable[[int], None],
    store: ObjectStore,
) -> Portion:  # fmt: skip
    """`who` is what decides the verdicts, `opened` loads the judge. Of answers that are alike nobody is asked."""
    from models import judges

    asked = [pair for pair in pairs if pair.champion != pair.candidate]
    advance(len(pairs) - len(asked))
    blind = [judges.Pair(p.text, p.label, p.champion, p.candidate) for p in asked]
    found = opened().compare(blind, advance=advance) if asked else judges.Opinions(())
    said = {p.content: OF_THE_CANDIDATE.get(o, o) for p, o in zip(asked, found.given, strict=True)}
    judged = [{"content": pair.content, "said": said.get(pair.content, "same")} for pair in pairs]
    return Portion(pairs=tuple(map(JudgedPair.model_validate, judged)), asked=found.requests, failed=found.failed,
                   sent=found.sent, written=found.written)  # fmt: skip


def _opener(
    judge: Judge, reward: Weights | None, kind: ModelKind, own_url: str | None, store: ObjectStore
) -> "Callable[[], AnyJudge]":
    """Loads it when the first portion needs it, and once."""

    @cache
    def opened() -> "AnyJudge":
        from models.judges import ApiJudge, RewardJudge

        if judge.api:
            return ApiJudge(judge.api, kind.task, keys=store.api_keys, own_url=own_url or judge.api.url)
        if reward is None:
            raise ModelError("evaluation.judge.reward_model was not copied into the store; run again")
        return RewardJudge(store.get_folder(reward.prefix, reward.files), kind.generation)

    return opened
