"""Asking a model which of champion's and candidate's answers is better, where the spec names one."""

from infra.object_store import ObjectStore
from models.contracts import Instruments, Scorecard, Table, Weights
from models.spec import ModelSpec
from tasks.judging import compare_answers, draw_rows, with_judgement
from tasks.scoring import score_rows


def ask_judge(
    spec: ModelSpec, scorecard: Scorecard, sealed: Table, champion: Weights, candidate: Weights, instruments: Instruments, *,
    store: ObjectStore,
) -> Scorecard:  # fmt: skip
    """The scorecard with the candidate's win rate on new sealed rows."""
    judge = spec.evaluation.judge
    if judge is None:
        return scorecard
    rows = draw_rows(sealed, most=judge.rows, seed=spec.seed, store=store)
    old, new = (
        score_rows(rows, weights, kind=spec.kind, of=f"the {who}'s judged rows", store=store)
        for who, weights in (("champion", champion), ("candidate", candidate))
    )
    own_url = spec.model.hosted.url if spec.model.hosted else None
    judgement = compare_answers(
        rows, old, new, judge=judge, reward=instruments.reward, kind=spec.kind, of_rows=sealed.rows, own_url=own_url,
        store=store,
    )  # fmt: skip
    return with_judgement(scorecard, judgement)
