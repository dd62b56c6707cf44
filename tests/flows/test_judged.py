"""Whole runs whose candidates are measured by other models: a judge, a reward model, one of entailment."""

import re
from pathlib import Path
from typing import Any

import pytest

from errors import ModelError
from flows.bootstrap import bootstrap
from flows.maintain import maintain
from flows.story import tell
from infra.object_store import ObjectStore
from models.adapter import Examples
from models.causal_lm import CausalLM
from models.contracts import BootstrapReport, Outcome, RunReport
from models.judges import ApiJudge, Pair
from models.judging import JudgeApi
from models.recipe import Training
from models.spec import parse_spec
from tests.apis import Answer, Asked, completion, faulty_api
from tests.flows.champions import run
from tests.flows.conftest import Home
from tests.readers import entailing_reader, praising_reader, tiny_reader
from tests.serving import chat_model, transformers_serve
from tests.tiny import stories, tiny_writer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
PARTS = re.compile(r"person wrote:\n(.*?)\n\nA:\n(.*?)\n\nB:\n(.*?)\n\nAnswer", re.DOTALL)


def by_words(asked: Asked) -> Answer:
    """Counts the reference's words in either answer."""
    found = PARTS.search(asked.text)
    if not found:
        return completion("Hello.")
    wanted, a, b = (set(part.split()) for part in found.groups())
    lead = len(wanted & a) - len(wanted & b)
    return completion("[[C]]" if not lead else "[[A]]" if lead > 0 else "[[B]]")


def become(home: Home, task: str, evaluation: dict[str, Any], *gates: dict[str, Any], **changes: Any) -> None:
    tiny_writer(home.folder / "writer", "t5")
    home.write_spec(**{
        "task": task, "labels": [], "model": {"source": "writer", "max_tokens": 32}, "generation": {"max_new_tokens": 6},
        "training": {"epochs": 12, "learning_rate": 0.01, "threads": 1}, "evaluation": evaluation, "gates": list(gates),
        "validation": {"near_duplicates": None, "max_duplicate_share": 1}, **changes,
    })  # fmt: skip


def test_a_candidate_that_a_judge_prefers_is_released_and_the_report_says_what_that_rests_on(home: Home) -> None:
    with faulty_api(by_words) as server:
        judge = {"api": {"url": server.url, "model": "big", "prices": {"input": 1, "output": 2}}, "rows": 40}
        become(home, "translation", {"judge": judge}, {"kind": "better", "metric": "win_rate"})
        home.receive("day-0", stories(600))
        bootstrap(home.spec, force=True)
        assert server.asked == [], "a first champion has nobody to be judged against"
        home.receive("day-1", stories(600, start=1200, moved=True))
        ended = maintain(home.spec)
        released = ended.report
        assert isinstance(released, RunReport) and released.attempt is not None
        assert released.outcome is Outcome.RELEASED, released.headline
        judgement = released.attempt.scorecard.judgement
        assert judgement is not None and len(judgement.pairs) == 40 < judgement.of_rows
        asked = [found.groups()[1:] for asked in server.asked if (found := PARTS.search(asked.text))]
        assert 2 * (40 - judgement.count("same")) <= judgement.asked == len(asked) == len(server.asked) - 1
        assert all(one != other for one, other in asked), "equal answers need no judge"
        rate = released.attempt.scorecard.of("current", "win_rate")
        assert rate is not None and rate.candidate.value > 0.7 and rate.candidate.n == 40
        said = "\n".join(tell(ended))
        assert f"big at {server.url} judged 40 of {judgement.of_rows} new sealed rows, drawn at random" in said
        assert "current   win_rate" in said
        page = (home.folder / ended.pages.local_html).read_text()  # type: ignore[union-attr]
        assert "Win rate: big at" in page and "drawn at random" in page

        home.receive("day-2", stories(150, start=4000, moved=True))
        quiet = run(home)
        assert quiet.outcome is Outcome.HELD, quiet.headline
        assert quiet.observation is not None
        assert "win_rate" not in {check.metric for check in quiet.observation.monitoring.quality}


def test_summaries_are_measured_for_faithfulness_and_judged_by_a_reward_model(home: Home, store: ObjectStore) -> None:
    entailing_reader(home.folder / "nli")
    praising_reader(home.folder / "reward")
    evaluation = {"entailment_model": "nli", "judge": {"reward_model": "reward"}}
    become(
        home, "summarization", evaluation, {"kind": "better", "metric": "rouge_1"},
        {"kind": "at_least", "name": "faithful", "metric": "faithfulness", "value": 0.99, "mode": "warn"},
        {"kind": "at_least", "name": "wins", "metric": "win_rate", "value": 0.0},
    )  # fmt: skip
    home.receive("day-0", stories(600))
    first = bootstrap(home.spec, force=True).report
    assert isinstance(first, BootstrapReport)
    assert [m.metric for m in first.measured][-1] == "faithfulness"
    home.receive("day-1", stories(600, start=1200, moved=True))
    found = run(home)
    assert found.outcome is Outcome.PUBLISHED and found.attempt is not None, found.headline
    assert found.attempt.blessing.warnings == ("faithful",)
    card = found.attempt.scorecard
    for on in ("current", "reference"):
        faithful = card.of(on, "faithfulness")
        assert faithful is not None and 0 <= faithful.candidate.value <= 1 and faithful.candidate.n > 50
    assert card.judgement is not None and card.judgement.asked == 0 and card.of("current", "win_rate") is not None
    assert len({key.split("/")[1] for key in store.list_keys("instruments/")}) == 2

    home.receive("day-2", stories(150, start=4000, moved=True).assign(label=None))
    ended = maintain(home.spec)
    unlabelled = ended.report
    assert isinstance(unlabelled, RunReport) and unlabelled.observation is not None and ended.pages is not None
    seen = unlabelled.observation.monitoring
    assert seen.quality == () and seen.faithfulness is not None
    assert seen.faithfulness.now.n > 100 < seen.faithfulness.at_release.n
    assert any(line.startswith("   summaries faithfulness") for line in tell(ended))
    assert "Without references: faithfulness of summaries" in (home.folder / ended.pages.local_html).read_text()


def test_a_model_that_cannot_measure_is_refused_before_anything_is_trained(home: Home) -> None:
    tiny_reader(home.folder / "sentiment", ["negative", "positive"])
    become(home, "summarization", {"entailment_model": "sentiment"}, {"kind": "better"})
    home.receive("day-0", stories(300))
    with pytest.raises(ModelError, match="has to be named entailment"):
        bootstrap(home.spec, force=True)
    become(home, "summarization", {"judge": {"reward_model": "nowhere"}}, {"kind": "better"})
    with pytest.raises(ModelError, match=r"evaluation\.judge\.reward_model 'nowhere' is neither a folder"):
        bootstrap(home.spec, force=True)


def saying_a(folder: Path) -> Path:
    """A chat model that learned to answer A, whatever it is asked."""
    chat_model(folder, trained=False)
    words = folder / "tokenizer.json"
    words.write_text(words.read_text().replace('"fade"', '"A"'))
    kind = parse_spec({
        "name": "m", "task": "causal-lm", "model": {"source": "m", "max_tokens": 32}, "data": {"sources": ["d"]},
        "columns": {"text": "text", "label": "label"}, "generation": {"chat": True, "max_new_tokens": 4},
    }, where="x").kind  # fmt: skip
    model = CausalLM.load(folder, kind, new_head=False)
    texts = [" ".join(stories(3, start=i)["text"]) for i in range(0, 300, 3)]
    lessons = [Examples(part, ["A"] * len(part)) for part in (texts[:90], texts[90:])]
    training = Training(epochs=3, learning_rate=0.01, threads=1)
    model.fine_tune(*lessons, training=training, seed=3, work=folder.parent / "work", advance=lambda _: None)
    model.save(folder)
    return folder


def test_judges_behind_a_server_that_nobody_here_wrote(tmp_path: Path) -> None:
    pytest.importorskip("openai", reason="`transformers serve` imports it")
    biased, random = saying_a(tmp_path / "biased"), chat_model(tmp_path / "random", trained=False)
    rows = stories(12)
    pairs = [Pair(row.text, row.label, row.label, "gut") for row in rows.itertuples()]
    with transformers_serve(tmp_path / "serve.log") as url:

        def judge(model: Path) -> ApiJudge:
            asked = JudgeApi(url=url, model=str(model), prompt="{text} {a} {b}", max_new_tokens=1, at_once=2)
            return ApiJudge(asked, "translation", keys=None, own_url=url)

        found = judge(biased).compare(pairs, advance=lambda _: None)
        assert (set(found.given), found.requests, found.failed) == ({"flipped"}, 24, 0)
        assert found.sent > 24 * 6 and found.written >= 24
        with pytest.raises(ModelError, match="of 12 pairs, 12 got an answer that is no verdict"):
            judge(random).compare(pairs, advance=lambda _: None)
