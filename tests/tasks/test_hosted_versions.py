"""What a version of a hosted model may be made of, and when there is a candidate."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from errors import CorruptObject, ModelError
from infra.object_store import ObjectStore
from models.contracts import Budget, Candidate, ModelKind
from models.generation import Generation
from models.hosting import HOSTED_FILE, Hosted, Pinned, write_pinned
from models.recipe import Training
from models.spec import ModelSpec
from tasks.changes import list_changes
from tasks.dataset import build_training_set
from tasks.evaluation import evaluate
from tasks.finetuning import fine_tune, store_folder, why_not_trained
from tasks.importing import pin_hosted
from tasks.lineage import trace_lineage
from tasks.timing import TEXTS
from tests.apis import Answer, Asked, Serve, completion
from tests.flows.conftest import SPEC
from tests.tasks.reports import candidate, release, started, training_set, window
from tests.tiny import kept_table, stories

HOSTED = Hosted(url="https://api.example.com/v1", model="a")


def kind(prompt: str = "{text}", **hosted: Any) -> ModelKind:
    return ModelKind(
        task="translation", labels=(), max_tokens=9, seed=1, truth="answer", hosted=HOSTED.model_copy(update=hosted),
        generation=Generation(max_new_tokens=5, prompt=prompt),
    )  # fmt: skip


def test_a_version_is_the_same_file_for_the_same_spec_whatever_the_patience(store: ObjectStore) -> None:
    first = pin_hosted.fn(kind(), store=store)
    assert [file.path for file in first.files] == [HOSTED_FILE]
    assert pin_hosted.fn(kind(timeout=3, retries=1), store=store) == first
    assert pin_hosted.fn(kind("Now: {text}"), store=store).content_digest != first.content_digest


def test_only_a_hosted_kind_goes_without_safetensors_and_it_has_nothing_else(
    store: ObjectStore, tmp_path: Path
) -> None:
    write_pinned(Pinned.by_the_spec(HOSTED, Generation(max_new_tokens=5)), tmp_path)
    with pytest.raises(ModelError, match=r"no \*\.safetensors"):
        store_folder(tmp_path, store)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match="and nothing else"):
        store_folder(tmp_path, store, hosted=True)


def test_a_version_that_the_spec_named_comes_from_there_and_not_from_the_version_before_which_nobody_trained() -> None:
    spec = ModelSpec.model_validate(
        SPEC | {"task": "translation", "labels": [], "model": {"hosted": {"url": HOSTED.url, "model": "b"}}, "training": {},
                "gates": [{"kind": "better"}]}
    )  # fmt: skip
    named, tuned = (
        trace_lineage(spec, started(None), window(200), training_set(), candidate(steps=steps)) for steps in (0, 300)
    )
    assert (named.source, tuned.source) == ("b at https://api.example.com/v1", "version 1")
    chosen = release(2).manifest.model_copy(update={"lineage": named})
    shown = release(2).model_copy(update={"manifest": chosen})
    learned = {change.what: change.after for change in list_changes(shown, release(1).manifest)}
    assert learned["learned from"] == "the spec's source"


def test_a_changed_byte_of_a_version_is_found(store: ObjectStore) -> None:
    weights = pin_hosted.fn(kind(), store=store)
    store.put_bytes(weights.prefix + HOSTED_FILE, b"x" * weights.files[0].bytes)
    with pytest.raises(CorruptObject):
        store.get_folder(weights.prefix, weights.files)


def test_there_is_a_candidate_where_the_spec_names_something_new(store: ObjectStore, tmp_path: Path) -> None:
    champion = pin_hosted.fn(kind(), store=store)
    assert "names what is champion already: a" in why_not_trained(kind(), champion, store=store)
    assert "champion already" in why_not_trained(kind(timeout=9), champion, store=store)
    for new in (kind(model="b"), kind("Now: {text}"), kind(url="https://other.example/v1"), kind(fine_tunes=True)):
        assert why_not_trained(new, champion, store=store) == ""
    tuned = Pinned.by_the_spec(HOSTED, kind().generation).model_copy(update={"model": "ft:a:1"})
    write_pinned(tuned, tmp_path)
    assert "already: ft:a:1" in why_not_trained(kind(), store_folder(tmp_path, store, hosted=True), store=store)


def test_what_a_version_pins_is_no_input_of_scoring() -> None:
    assert kind().of_versions == kind("Now: {text}", model="b", url="https://x/v1", timeout=1).of_versions
    assert kind().of_versions != kind(logprobs=True).of_versions
    local = ModelKind(task="translation", labels=(), max_tokens=9, seed=1)
    assert local.of_versions is local


def test_of_two_with_one_training_the_second_waits_and_takes_what_came_of_it(store: ObjectStore, serve: Serve) -> None:
    begun, done = threading.Event(), threading.Event()

    def answer(asked: Asked) -> Answer:
        begun.set()
        done.wait(10)
        return completion("fine")

    server = serve(answer)
    asking = kind(url=server.url)
    parent, training = pin_hosted.fn(asking, store=store), Training(test_share=0.5)
    built = build_training_set.fn(kept_table(stories(60), store), None, training=training, seed=1, store=store)

    def train() -> Candidate:
        return fine_tune.fn(
            built, parent, parent_version=1, kind=asking, training=training, budget=Budget(), store=store
        )

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(train)
        begun.wait(10)
        second = pool.submit(train)
        time.sleep(0.3)
        assert len(server.asked) == 1
        done.set()
        assert first.result() == second.result()
    assert len(server.asked) == 1 and not list(store.work.glob("training-*"))


def test_a_models_latency_is_that_of_its_answers_without_waits_and_an_evaluation_pays_for_no_embeddings(
    store: ObjectStore, serve: Serve
) -> None:
    seen: Counter[str] = Counter()

    def refuse_one(asked: Asked) -> Answer:
        """While latency is measured, behind all scoring; it is asked again half a second later."""
        seen[asked.text] += 1
        refused = seen[asked.text] == 7 and not seen["refused"]
        seen["refused"] += refused
        return Answer(503, headers={"Retry-After": "0.5"}) if refused else completion(asked.text.upper())

    server = serve(refuse_one)
    asking = kind(url=server.url, embeddings="e", retries=1)
    weights = pin_hosted.fn(asking, store=store)
    rows, training = kept_table(stories(60), store), Training(test_share=0.5)
    built = build_training_set.fn(rows, None, training=training, seed=1, store=store)
    scorecard = evaluate.fn(built, weights, weights, kind=asking, store=store)
    assert scorecard.latency.champion.n == TEXTS
    assert seen["refused"] and max(scorecard.latency.champion.p99, scorecard.latency.candidate.p99) < 200
    assert {asked.path for asked in server.asked} == {"/v1/chat/completions"}
