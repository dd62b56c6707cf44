"""A model behind an API goes through every stage, against a server that nobody here wrote."""

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import yaml

from flows.bootstrap import bootstrap
from flows.inspect import pull_version, read_status
from flows.maintain import maintain
from flows.promote import promote
from flows.rollback import rollback
from flows.story import tell
from infra.object_store import ObjectStore
from models.contracts import BootstrapReport, Outcome, Release, RunReport
from models.hosting import HOSTED_FILE
from models.spec import read_spec
from tests.apis import KEY, Answer, Asked, completion, faulty_api
from tests.flows.champions import run
from tests.flows.conftest import Home
from tests.serving import WORDS, chat_model, transformers_serve
from tests.tiny import stories

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    pytest.importorskip("openai", reason="`transformers serve` imports it")
    with transformers_serve(tmp_path / "serve.log") as found:
        yield found


def write_spec(home: Home, url: str, model: Path) -> None:
    hosted = {"url": url, "model": str(model), "at_once": 2, "prices": {"input": 150, "output": 600}}
    gates = [{"kind": "better"}, {"kind": "not_worse", "tolerance": 0.3}, {"kind": "latency", "factor": 50},
             {"kind": "at_most", "metric": "error_rate", "value": 0.1}]  # fmt: skip
    home.write_spec(
        task="translation", labels=[], model={"hosted": hosted}, generation={"max_new_tokens": WORDS}, gates=gates,
        validation={"near_duplicates": None, "max_duplicate_share": 1}, drift={"latency_factor": 50}, training={},
    )  # fmt: skip


def test_a_hosted_model_is_watched_replaced_by_another_one_and_rolled_back(
    home: Home, url: str, store: ObjectStore, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("UPKEEP_API_KEY", KEY)
    for name in ("httpx", "httpcore", "flows", "tasks", "models", "infra"):
        caplog.set_level("DEBUG", logger=name)
    first, second = (chat_model(home.folder / name, trained=name == "b") for name in ("a", "b"))
    write_spec(home, url, first)
    home.receive("day-0", stories(240))
    started = bootstrap(home.spec, force=True).report
    assert isinstance(started, BootstrapReport)
    kind = read_spec(home.spec).kind
    assert [m.metric for m in started.measured] == list(kind.metrics)
    measured = {m.metric: m.estimate for m in started.measured}
    assert measured["error_rate"].value == 0
    assert 1 < measured["cost_per_1000"].value < 10

    home.receive("day-1", stories(60, start=600))
    quiet = run(home)
    assert quiet.outcome is Outcome.HELD, quiet.headline
    assert quiet.observation is not None and quiet.observation.monitoring.latency_ms is not None
    assert {"latency of a request", "failed requests", "output words"} <= {
        s.name for s in quiet.observation.drift.signals
    }

    home.receive("day-2", stories(120, start=1200, moved=True))
    moved = run(home)
    assert moved.outcome is Outcome.ALERTED, moved.headline

    home.receive("day-3", stories(200, start=2000))
    asked = run(home, force=True)
    assert asked.outcome is Outcome.ALERTED
    assert "names what is champion already" in asked.headline

    write_spec(home, url, second)
    home.receive("day-4", stories(240, start=3000))
    ended = maintain(home.spec, force=True)
    released = ended.report
    assert isinstance(released, RunReport)
    assert released.outcome is Outcome.RELEASED, released.headline
    assert [s.reused for s in released.stages if s.stage.startswith("scores")] == [True, False], (
        "the baseline was asked again"
    )
    said = "\n".join(tell(ended))
    assert all(f"current   {metric}" in said for metric in kind.metrics), said
    assert "training  chosen by the spec, not trained" in said
    assert read_status(home.spec).champion.version == 2  # type: ignore[union-attr]

    pull_version(home.spec, "champion", home.folder / "pulled")
    assert json.loads((home.folder / "pulled" / HOSTED_FILE).read_text())["model"] == str(second)
    assert not list((home.folder / "pulled").glob("*.safetensors"))
    assert rollback(home.spec).version == 1

    written = {str(p): p.read_bytes() for p in home.folder.rglob("*") if p.is_file()}
    written |= {key: store.get_bytes(key) for key in store.list_keys("")}
    shown = {"log": caplog.text.encode(), "terminal": "".join(capfd.readouterr()).encode()}
    assert [name for name, data in {**written, **shown}.items() if KEY.encode() in data] == []


class Provider:
    """A server of ours, for what the real one does not do: to change unasked, to slow down, to fail, to train."""

    def __init__(self) -> None:
        self.changed, self.seconds, self.failing = False, 0.05, False
        self.known = {row.text: row.label for row in stories(6000).itertuples()}

    def __call__(self, asked: Asked) -> Answer:
        if asked.path.endswith("/files"):
            return Answer(body={"id": "file-1"})
        if "/fine_tuning/jobs" in asked.path:
            return Answer(body={"id": "job-1", "status": "succeeded", "fine_tuned_model": "ft:a:1"})
        time.sleep(self.seconds)
        if self.failing and int(hashlib.sha256(asked.text.encode()).hexdigest(), 16) % 14 == 0:
            return Answer(422, {"error": {"message": "no"}})
        right = self.known.get(asked.text, "Film")
        if asked.json["model"] in {"ft:a:1", "b"}:
            return completion(right)
        return completion("I am not able to" if self.changed else right.split()[0])


@pytest.fixture
def provider() -> Iterator[tuple[Provider, str]]:
    found = Provider()
    with faulty_api(found) as server:
        yield found, server.url


def begin(home: Home, url: str, **hosted: object) -> None:
    home.write_spec(
        task="translation", labels=[], model={"hosted": {"url": url, "model": "a", **hosted}}, training={},
        gates=[{"kind": "better"}, {"kind": "latency", "factor": 50}], drift={"latency_factor": 3},
        validation={"near_duplicates": None, "max_duplicate_share": 1},
    )  # fmt: skip
    home.receive("day-0", stories(400))


def test_a_provider_that_changes_slows_down_or_fails_behind_the_same_version_is_drift(
    home: Home, provider: tuple[Provider, str]
) -> None:
    server, url = provider
    begin(home, url)
    bootstrap(home.spec, force=True)
    home.receive("day-1", stories(150, start=600))
    assert run(home).outcome is Outcome.HELD
    server.changed, server.seconds, server.failing = True, 0.35, True
    home.receive("day-2", stories(150, start=1200))
    found = run(home)
    assert found.outcome is Outcome.ALERTED and found.observation is not None
    assert "chrF fell" in found.headline and "this API trains nothing" in found.headline
    drifted = {s.name for s in found.observation.drift.signals if s.drifted}
    assert {"output words", "latency of a request"} <= drifted
    assert not {"embeddings", "words", "characters"} & drifted
    quality = {check.metric: check for check in found.observation.monitoring.quality}
    assert 0.03 < quality["error_rate"].now.value < 0.1


def test_where_the_api_trains_a_drop_makes_it_train_and_the_better_model_is_released(
    home: Home, provider: tuple[Provider, str]
) -> None:
    server, url = provider
    begin(home, url, fine_tunes=True)
    spec = yaml.safe_load(home.spec.read_text())
    spec["model"]["adopt"] = True
    home.spec.write_text(yaml.safe_dump(spec))
    bootstrap(home.spec, force=True)
    home.receive("day-1", stories(400, start=600))
    server.changed = True
    ended = maintain(home.spec)
    released = ended.report
    assert isinstance(released, RunReport) and released.outcome is Outcome.RELEASED, released
    assert released.attempt is not None and released.attempt.candidate.recipe == "fine-tuned by the API from a"
    assert "replayed rows, 0 leaking removed, job job-1 of the API succeeded, " in "\n".join(tell(ended))
    pull_version(home.spec, "champion", home.folder / "pulled")
    pinned = json.loads((home.folder / "pulled" / HOSTED_FILE).read_text())
    assert (pinned["model"], pinned["base"]) == ("ft:a:1", "a")


def test_people_are_asked_without_a_confidence_that_the_api_does_not_give(
    home: Home, provider: tuple[Provider, str]
) -> None:
    begin(home, provider[1])
    bootstrap(home.spec, force=True)
    home.receive("day-1", stories(120, start=600, moved=True).assign(label=None))
    request = run(home).label_request
    assert request is not None
    assert pd.read_csv(request.local_csv)["confidence"].isna().all()

    begin(home, provider[1], model="b")
    spec = yaml.safe_load(home.spec.read_text())
    home.spec.write_text(yaml.safe_dump({**spec, "release": {"approval": {"samples": 5}}}))
    home.receive("day-2", stories(300, start=1200))
    published = run(home, force=True)
    assert published.outcome is Outcome.PUBLISHED, published.headline
    assert published.asked is not None
    assert {s.champion_confidence for s in published.asked.samples.shown} == {None}
    promoted = promote(home.spec, why="seen")
    assert isinstance(promoted, Release) and promoted.version == 2
