"""A model behind an API that fails in every way that servers do."""

import gzip
import math
import os
import socket
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr

from errors import ModelError, OverBudget, SpecError
from infra.api_keys import ApiKeys
from models import api, hosted_tuning
from models.adapter import Examples, quietly
from models.api import TOLD_CHARS, Api
from models.contracts import Budget, ModelKind
from models.generation import Generation
from models.hashed_words import WIDTH, hashed_words
from models.hosted import HostedModel, pin
from models.hosting import HOSTED_FILE, Hosted, read_pinned
from models.outputs import columns_of
from models.recipe import Training
from models.spec import ModelSpec, parse_spec
from tests.apis import KEY, Answer, Asked, Decide, Serve, completion

SPEC: dict[str, Any] = {
    "name": "m", "task": "translation", "model": {"hosted": {"url": "https://api.example.com/v1", "model": "a-2026"}},
    "data": {"sources": ["d.csv"]}, "columns": {"text": "text", "label": "label"},
}  # fmt: skip
SPEC_HOSTED = Hosted(url="https://api.example.com/v1", model="a-2026")
KEYS = ApiKeys(SecretStr(KEY))


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosted_tuning, "POLL_SECONDS", 0.01)


def kind_at(url: str, **hosted: Any) -> ModelKind:
    spec = parse_spec(
        {**SPEC, "model": {"hosted": {"url": url, "model": "a-2026", "retries": 3, "timeout": 5, **hosted}},
         "generation": {"prompt": "To German: {text}", "max_new_tokens": 9}}, where="x",
    )  # fmt: skip
    return spec.kind


def load(kind: ModelKind, folder: Path) -> HostedModel:
    return HostedModel.load(pin(kind, folder / "pinned"), kind, new_head=False, keys=KEYS)


def echo(asked: Asked) -> Answer:
    return completion(asked.text.removeprefix("To German: ").upper())


def once(*first: Answer, then: Decide = echo, path: str = "row") -> Decide:
    """Answers the first requests for a text that holds `path` so, and all others by `then`."""
    left, lock = list(first), threading.Lock()

    def decide(asked: Asked) -> Answer:
        with lock:
            return left.pop(0) if left and path in asked.text else then(asked)

    return decide


def test_each_text_is_asked_with_the_prompt_at_temperature_0_and_answers_keep_their_order(
    serve: Serve, tmp_path: Path
) -> None:
    def decide(asked: Asked) -> Answer:
        time.sleep(0.01)
        return echo(asked)

    server = serve(decide)
    kind = kind_at(server.url, at_once=3)
    done: list[int] = []
    texts = [f"row {i}" for i in range(40)]
    found = load(kind, tmp_path).predict(texts, advance=done.append)
    assert found.texts == [text.upper() for text in texts]
    assert (
        sum(done) == 40 and found.numbers.shape == (40, len(columns_of(kind))) and found.embeddings.shape == (40, WIDTH)
    )
    number = dict(zip(columns_of(kind), found.numbers.T, strict=True))
    assert (number["sent tokens"] == 12).all() and (number["failed"] == 0).all() and (number["latency"] > 0).all()
    assert np.isnan(number["confidence"]).all()
    body = server.asked[-1].json
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("a-2026", 0, 9)
    assert body["messages"][0]["content"].startswith("To German: row")
    assert 1 < server.at_once <= 3
    assert server.asked[0].headers["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("fault", [
    Answer(429, {"error": {"message": "slow down"}}, {"Retry-After": "0.2"}),
    Answer(500, b"oops"), Answer(503, b"", {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}),
    Answer(200, b"{not json"), Answer(200, [1]),
], ids=["429", "500", "503", "malformed", "no object"])  # fmt: skip
def test_what_passes_by_is_asked_again_and_leaves_no_trace(fault: Answer, serve: Serve, tmp_path: Path) -> None:
    server = serve(once(fault, fault))
    found = load(kind_at(server.url), tmp_path).predict(["row"], advance=quietly)
    assert found.texts == ["ROW"] and len(server.asked) == 1 + 3
    assert found.numbers[0, 2] == 0


def test_whoever_is_told_to_wait_makes_all_wait_as_long(serve: Serve, tmp_path: Path) -> None:
    times: list[float] = []
    refused = once(Answer(429, {}, {"Retry-After": "0.6"}), path="first")

    def decide(asked: Asked) -> Answer:
        times.append(time.monotonic())
        return refused(asked)

    server = serve(decide)
    model = load(kind_at(server.url, at_once=1), tmp_path)
    times.clear()
    model.predict(["first", "second"], advance=quietly)
    assert len(times) == 3 and times[1] - times[0] >= 0.6


def test_who_asks_to_wait_for_an_hour_is_not_waited_for(serve: Serve, tmp_path: Path) -> None:
    server = serve(once(*[Answer(429, {}, {"Retry-After": "3600"})] * 9))
    began = time.monotonic()
    assert load(kind_at(server.url), tmp_path).predict(["row"], advance=quietly).texts == [""]
    assert time.monotonic() - began < 60
    with pytest.raises(ModelError, match=r"429 .*asks to wait 3600 s, of which at most 300 are waited"):
        load(kind_at(serve(lambda _: Answer(429, {}, {"Retry-After": "3600"})).url), tmp_path)


def test_a_server_that_is_too_slow_or_trickles_is_given_up_in_time(serve: Serve, tmp_path: Path) -> None:
    def decide(asked: Asked) -> Answer:
        if "slow" in asked.text:
            time.sleep(0.8)
        return echo(asked)

    server = serve(decide)
    found = load(kind_at(server.url, timeout=0.3, retries=1), tmp_path).predict(["slow", "quick"], advance=quietly)
    assert found.texts == ["", "QUICK"]
    assert found.numbers[:, 2].tolist() == [1, 0]
    assert 250 < found.numbers[0, 1] < 2000


@pytest.mark.parametrize(
    "drips",
    [b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 99, gzip.compress(b"{}" * 99, mtime=0)[:99]],
    ids=["head", "packed"],
)
def test_a_server_that_drips_its_answer_is_given_up_in_time_and_asked_again(drips: bytes) -> None:
    """Its head, or a compressed body, of which nothing can be unpacked for long."""
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    head = (
        b"" if drips.startswith(b"HTTP") else b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 99\r\n\r\n"
    )

    def serve_twice() -> None:
        first, _ = listening.accept()
        first.sendall(head)
        with suppress(OSError):  # who asked has hung up
            for byte in drips:
                first.sendall(bytes([byte]))
                time.sleep(0.05)
        second, _ = listening.accept()
        second.sendall(whole)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve_twice, daemon=True).start()
        url, began = f"http://127.0.0.1:{listening.getsockname()[1]}/v1", time.monotonic()
        reply = Api(url, SPEC_HOSTED.model_copy(update={"timeout": 0.3, "retries": 0}), None).request("POST", "/x")
        assert (reply.problem, reply.again) == ("no answer within 0.3 s", True)
        assert time.monotonic() - began < 4  # of six that the drops last
        assert Api(url, SPEC_HOSTED, None).request("POST", "/x").problem == ""


def test_an_answer_without_end_is_told_as_such_and_not_as_a_slow_one(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "LARGEST", 1 << 20)
    with pytest.raises(ModelError, match="an answer of more than 1 MiB"):
        load(kind_at(serve(lambda _: completion("x" * (2 << 20))).url, retries=0), tmp_path)


def test_a_row_that_the_api_refuses_is_an_empty_answer_and_a_failure(serve: Serve, tmp_path: Path) -> None:
    def decide(asked: Asked) -> Answer:
        return Answer(400, {"error": {"message": "too long"}}) if "row 7" in asked.text else echo(asked)

    server = serve(decide)
    found = load(kind_at(server.url), tmp_path).predict([f"row {i}" for i in range(20)], advance=quietly)
    assert found.texts is not None and found.texts[7] == "" and found.numbers[:, 2].sum() == 1
    assert len(server.asked) == 21  # it was not asked again


@pytest.mark.parametrize("odd", [
    b'{"choices": [{"message": {"content": "x"}, "logprobs": {"content": [{"logprob": 1e9}]}}], "usage": {"prompt_tokens": 1}}',
    b'{"choices": [{"message": {"content": "x"}, "logprobs": null}], "usage": {"prompt_tokens": NaN}}',
    b'{"choices": [{"message": {"content": "x"}, "logprobs": {"content": [7]}}], "usage": {"prompt_tokens": -1e999}}',
    b'{"choices": [{"message": {"content": "x"}}], "usage": [1]}',
])  # fmt: skip
def test_odd_numbers_in_an_answer_are_no_numbers(odd: bytes, serve: Serve, tmp_path: Path) -> None:
    found = load(kind_at(serve(lambda _: Answer(body=odd)).url), tmp_path).predict(["row"], advance=quietly)
    assert found.texts == ["x"] and np.isfinite(found.numbers[0, 1:]).all() and not found.numbers[0, 0] > 1


@pytest.mark.parametrize("odd", [b'{"choices": []}', b'{"choices": [{"message": "x"}]}', b"[" * 100_000, b"\xff"])
def test_what_holds_no_answer_is_a_failure(odd: bytes, serve: Serve, tmp_path: Path) -> None:
    server = serve(once(*[Answer(body=odd)] * 9))
    found = load(kind_at(server.url, retries=1), tmp_path).predict(["row"], advance=quietly)
    assert found.texts == [""] and found.numbers[0, 2] == 1


def test_what_came_instead_of_an_answer_is_told_in_the_servers_words(serve: Serve, tmp_path: Path) -> None:
    """Gateways hand on another server's error with status 200."""
    server = serve(lambda _: Answer(body={"error": {"message": "no provider has this model", "code": 404}}))
    with pytest.raises(ModelError, match=r"no choices\[0\]\.message \(no provider has this model\)"):
        load(kind_at(server.url), tmp_path)


@pytest.mark.parametrize("kept", ["", "half of"])
def test_an_answer_that_a_content_filter_withheld_is_a_failure_that_is_paid_for(
    kept: str, serve: Serve, tmp_path: Path
) -> None:
    def decide(asked: Asked) -> Answer:
        found = completion(kept) if "row 7" in asked.text else echo(asked)
        if "row 7" in asked.text:
            found.body["choices"][0] |= {
                "finish_reason": "content_filter",
                "logprobs": {"content": [{"logprob": -1.0}]},
            }
        return found

    found = load(kind_at(serve(decide).url), tmp_path).predict([f"row {i}" for i in range(20)], advance=quietly)
    number = dict(zip(columns_of(kind_at("http://x")), found.numbers[7].tolist(), strict=True))
    assert found.texts is not None and found.texts[7] == ""
    assert (number["failed"], number["sent tokens"], number["written tokens"]) == (1, 12, 3)
    assert math.isnan(number["confidence"]) and found.numbers[:, 2].sum() == 1
    texts = ["row 7"] * 9 + ["other"] * 91  # somebody is there all the same
    assert (
        load(kind_at(serve(decide).url, at_once=1), tmp_path).predict(texts, advance=quietly).numbers[:, 2].sum() == 9
    )


@pytest.mark.parametrize("said", ["", None])
def test_an_empty_answer_is_an_answer(said: str | None, serve: Serve, tmp_path: Path) -> None:
    server = serve(lambda _: completion(said))
    found = load(kind_at(server.url), tmp_path).predict(["row"], advance=quietly)
    assert found.texts == [""] and found.numbers[0, 2] == 0


@pytest.mark.parametrize("said", [[{"type": "text", "text": "x"}], {"text": "x"}, 7, False])
def test_an_answer_that_is_no_text_is_a_failure_and_none_that_is_empty(said: Any, serve: Serve, tmp_path: Path) -> None:
    """Models that reason aloud answer in parts; taken for silence, they would be measured and released as mute."""
    with pytest.raises(ModelError, match=r"choices\[0\]\.message\.content is .* and no text"):
        load(kind_at(serve(lambda _: completion(said)).url), tmp_path)


def test_half_a_surrogate_pair_in_an_answer_can_be_stored(serve: Serve, tmp_path: Path) -> None:
    server = serve(lambda _: completion("caf\ud83d"))
    assert load(kind_at(server.url), tmp_path).predict(["row"], advance=quietly).texts == ["caf?"]


def test_too_many_failures_stop_the_run_with_the_last_reason(serve: Serve, tmp_path: Path) -> None:
    def decide(asked: Asked) -> Answer:
        return Answer(422, {"detail": "bad row"}) if "bad" in asked.text else echo(asked)

    server = serve(decide)
    model = load(kind_at(server.url), tmp_path)
    texts = [f"bad {i}" if i % 5 == 0 else f"row {i}" for i in range(40)]
    with pytest.raises(
        ModelError, match=r"8 of 40 requests failed for good, the last with: 422.*bad row.*max_failed = 0.1"
    ):
        model.predict(texts, advance=quietly)


def test_where_the_spec_allows_no_failure_the_first_one_stops_the_run(serve: Serve, tmp_path: Path) -> None:
    refusing = serve(lambda asked: Answer(422, {}) if "row 7" in asked.text else echo(asked))
    texts = [f"row {i}" for i in range(30)]
    assert load(kind_at(refusing.url, max_failed=0.01), tmp_path).predict(texts, advance=quietly).texts is not None
    with pytest.raises(ModelError, match=r"1 of 30 requests failed for good.*max_failed = 0 may"):
        load(kind_at(refusing.url, max_failed=0), tmp_path).predict(texts, advance=quietly)


def test_a_server_that_dies_is_given_up_after_a_few_rows_and_not_after_all(serve: Serve, tmp_path: Path) -> None:
    server = serve(once(*[Answer(500, {})] * 10_000))
    model = load(kind_at(server.url, retries=1), tmp_path)
    with pytest.raises(ModelError, match="8 requests in a row failed, the last with: 500"):
        model.predict([f"row {i}" for i in range(2000)], advance=quietly)
    assert len(server.asked) < 60


@pytest.mark.parametrize(
    ("status", "way_out"), [(401, "UPKEEP_API_KEY"), (404, "model.hosted.model"), (307, "points elsewhere")]
)
def test_what_would_fail_for_every_row_is_told_when_the_version_is_loaded(
    status: int, way_out: str, serve: Serve, tmp_path: Path
) -> None:
    def decide(asked: Asked) -> Answer:
        return Answer(
            status, {"error": {"message": f"no: {asked.headers['Authorization']}"}}, {"Location": "http://127.0.0.2/"}
        )

    server = serve(decide)
    with pytest.raises(ModelError, match=way_out) as caught:
        load(kind_at(server.url), tmp_path)
    whole = "".join(traceback.format_exception(caught.value))
    assert f"{server.url}/chat/completions: {status}" in whole and KEY not in whole
    assert len(server.asked) == 1


def test_a_key_is_struck_out_also_where_a_servers_words_are_cut_within_it() -> None:
    api = Api("https://api.example/v1", SPEC_HOSTED, KEY)
    for room in range(len(KEY)):
        assert KEY[:4] not in api.told({"error": {"message": "x" * (TOLD_CHARS - room) + KEY}})


def test_a_key_that_no_request_can_carry_is_told_at_once_and_one_from_a_file_ends_where_its_line_does(
    serve: Serve, tmp_path: Path
) -> None:
    server = serve(echo)
    kind = kind_at(server.url)
    HostedModel.load(pin(kind, tmp_path / "one"), kind, new_head=False, keys=ApiKeys(SecretStr(f"{KEY}\n")))
    assert server.asked[0].headers["Authorization"] == f"Bearer {KEY}"
    for wrong in (f"{KEY}\n{KEY}", f"{KEY}é"):
        with pytest.raises(ModelError, match=r"UPKEEP_API_KEY.*no request can carry") as caught:
            HostedModel.load(pin(kind, tmp_path / "two"), kind, new_head=False, keys=ApiKeys(SecretStr(wrong)))
        assert KEY not in "".join(traceback.format_exception(caught.value))
    assert len(server.asked) == 1


def test_a_server_that_is_not_there_is_told_with_its_address(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"http://127.0.0.1:9/v1/chat/completions: ConnectError"):
        load(kind_at("http://127.0.0.1:9/v1", retries=1), tmp_path)


def test_a_key_goes_to_its_own_server_only() -> None:
    keys = ApiKeys(SecretStr("a"), {"https://other.example/v1": SecretStr("b")})
    assert keys.of("https://api.example/v1", own_url="https://api.example/v2") == "a"
    assert keys.of("https://other.example/v1", own_url="https://api.example/v1") == "b"
    assert keys.of("https://third.example/v1", own_url="https://api.example/v1") is None
    assert keys.of("http://api.example/v1", own_url="https://api.example/v1") is None
    for another in ("api.example:8443", "someone@api.example", "api.example.evil.example"):
        assert keys.of(f"https://{another}/v1", own_url="https://api.example/v1") is None
    assert "a" not in repr(ApiKeys(SecretStr("planted"))).replace("ApiKeys", "").replace("SecretStr", "")


@pytest.mark.parametrize(
    ("named", "url"),
    [
        ("https://API.example/v1", "https://api.example/v1"),
        ("https://api.example:443", "https://api.example/v1"),
        ("http://api.example", "http://api.example:80/v1"),
        ("https://api.example/v1", "HTTPS://Api.Example:443/v2"),
    ],
)
def test_one_server_is_known_however_its_address_is_written(named: str, url: str) -> None:
    assert ApiKeys(None, {named: SecretStr("b")}).of(url, own_url="https://third.example") == "b"
    assert ApiKeys(SecretStr("a")).of(url, own_url=named) == "a"


def test_confidence_comes_from_logprobs_where_the_api_gives_them(serve: Serve, tmp_path: Path) -> None:
    def decide(asked: Asked) -> Answer:
        assert asked.json["logprobs"] is True
        body = completion("x").body
        body["choices"][0]["logprobs"] = {"content": [{"logprob": math.log(0.5)}, {"logprob": math.log(0.125)}]}
        return Answer(body=body)

    found = load(kind_at(serve(decide).url, logprobs=True), tmp_path).predict(["row"], advance=quietly)
    assert found.numbers[0, 0] == pytest.approx(0.25)


def test_a_logprob_that_is_no_number_is_no_certainty(serve: Serve, tmp_path: Path) -> None:
    body = b'{"choices": [{"message": {"content": "x"}, "logprobs": {"content": [{"logprob": NaN}]}}]}'
    found = load(kind_at(serve(lambda _: Answer(body=body)).url), tmp_path).predict(["row"], advance=quietly)
    assert np.isnan(found.numbers[0, 0])


def test_numbers_that_a_spec_asks_for_and_the_api_does_not_give_are_told_at_once(serve: Serve, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="logprobs: false"):
        load(kind_at(serve(echo).url, logprobs=True), tmp_path)
    server = serve(lambda _: Answer(body={"choices": [{"message": {"content": "x"}}]}))
    with pytest.raises(ModelError, match="prices"):
        load(kind_at(server.url, prices={"input": 1, "output": 2}), tmp_path)


def test_embeddings_come_from_the_api_where_the_spec_names_a_model(serve: Serve, tmp_path: Path) -> None:
    def decide(asked: Asked) -> Answer:
        if asked.path.endswith("/chat/completions"):
            return echo(asked)
        rows = [{"index": i, "embedding": [len(text), 1.0]} for i, text in enumerate(asked.json["input"])]
        return Answer(body={"data": rows[::-1]})

    found = load(kind_at(serve(decide).url, embeddings="e"), tmp_path).predict(
        ["a" * n for n in range(1, 131)], advance=quietly
    )
    assert found.embeddings[:, 0].tolist() == list(range(1, 131))


@pytest.mark.parametrize("places", [[0, 1], [0, 1, 1, 3], [1, 2, 3, 4]], ids=["too few", "one twice", "from 1"])
def test_embeddings_that_are_not_one_of_each_text_are_refused_and_not_cut_up_to_fit(
    places: list[int], serve: Serve, tmp_path: Path
) -> None:
    """Two of four numbers are four of two, to whoever only counts numbers."""

    def decide(asked: Asked) -> Answer:
        if asked.path.endswith("/chat/completions"):
            return echo(asked)
        return Answer(body={"data": [{"index": i, "embedding": [0.0, 1.0, 2.0, float(i)]} for i in places]})

    model = load(kind_at(serve(decide).url, embeddings="e"), tmp_path)
    with pytest.raises(ModelError, match=r"no embedding of each text.*Drop model\.hosted\.embeddings"):
        model.predict(["a", "b", "c", "d"], advance=quietly)


def test_hashed_words_are_the_same_for_the_same_words_and_near_for_like_ones() -> None:
    one, same, like, other = hashed_words(["the film was good", "The film, was good!", "the film was bad", "冰箱坏了"])
    assert np.allclose(one, same)
    assert one @ like / np.linalg.norm(one) / np.linalg.norm(like) > 0.5
    assert abs(one @ other) / np.linalg.norm(one) / np.linalg.norm(other) < 0.4
    assert hashed_words([]).shape == (0, WIDTH)


def test_a_version_is_pinned_whatever_the_spec_says_later(serve: Serve, tmp_path: Path) -> None:
    server = serve(echo)
    kind = kind_at(server.url)
    folder = pin(kind, tmp_path / "pinned")
    later = kind_at(server.url, model="b").model_copy(
        update={"generation": Generation(prompt="Not: {text}", max_new_tokens=2)}
    )
    HostedModel.load(folder, later, new_head=False).predict(["row"], advance=quietly)
    assert server.asked[-1].json["model"] == "a-2026" and server.asked[-1].text == "To German: row"
    assert [p.name for p in folder.iterdir()] == [HOSTED_FILE]


def test_the_weights_of_another_kind_of_model_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="give the spec another name"):
        HostedModel.load(tmp_path, kind_at("http://127.0.0.1:9/v1"), new_head=False)


# --- fine-tuning: no free server offers it, so this one is ours ---

TRAIN, VALIDATION = Examples(["a", "b"], ["A", "B"]), Examples(["c"], ["C"])


class Tuner:
    """What the fine-tuning endpoints do; `states` are a job's, one a poll."""

    def __init__(self, *states: dict[str, Any]) -> None:
        self.states, self.jobs = list(states), 0

    def __call__(self, asked: Asked) -> Answer:
        if asked.path.endswith("/files"):
            return Answer(body={"id": f"file-{asked.body.count(b'messages')}"})
        if asked.path.endswith("/jobs"):
            self.jobs += 1
            return Answer(body={"id": "job-1", "status": "queued"})
        if "/jobs/" in asked.path:
            return Answer(body=self.states.pop(0) if len(self.states) > 1 else self.states[0])
        return echo(asked)


def tuned(model: HostedModel, work: Path, budget: Budget | None = None) -> str:
    model.fine_tune(
        TRAIN, VALIDATION, training=Training(epochs=2), seed=3, work=work, advance=quietly, budget=budget or Budget()
    )
    return model.pinned.model


def test_an_api_that_trains_is_given_the_rows_and_waited_for(serve: Serve, tmp_path: Path) -> None:
    server = serve(
        Tuner({"status": "running"}, {"status": "running"}, {"status": "succeeded", "fine_tuned_model": "ft:a:1"})
    )
    model = load(kind_at(server.url, fine_tunes=True), tmp_path)
    assert tuned(model, tmp_path / "work") == "ft:a:1"
    wanted = next(a.json for a in server.asked if a.path.endswith("/jobs"))
    assert (wanted["model"], wanted["training_file"], wanted["validation_file"], wanted["seed"]) == (
        "a-2026",
        "file-2",
        "file-1",
        3,
    )
    assert wanted["hyperparameters"] == {"n_epochs": 2}
    upload = next(a.body for a in server.asked if a.path.endswith("/files"))
    assert b'"content": "To German: a"}, {"role": "assistant", "content": "A"}' in upload and b"fine-tune" in upload
    (tmp_path / "saved").mkdir()
    model.save(tmp_path / "saved")
    pinned = read_pinned(tmp_path / "saved")
    assert (pinned.model, pinned.base, pinned.prompt) == ("ft:a:1", "a-2026", "To German: {text}")


def test_a_run_that_is_stopped_at_its_cap_waits_for_the_same_job_later(serve: Serve, tmp_path: Path) -> None:
    tuner = Tuner({"status": "running"})
    model = load(kind_at(serve(tuner).url, fine_tunes=True), tmp_path)
    with pytest.raises(OverBudget, match="job-1, which the API goes on with"):
        tuned(model, tmp_path / "work", Budget(cap=0.001, limit="policy.max_training_minutes"))
    tuner.states = [{"status": "succeeded", "fine_tuned_model": "ft:a:2"}]
    assert tuned(model, tmp_path / "work") == "ft:a:2" and tuner.jobs == 1


def test_a_job_that_failed_is_told_and_the_next_run_begins_another(serve: Serve, tmp_path: Path) -> None:
    tuner = Tuner({"status": "failed", "error": {"message": "too few rows"}})
    model = load(kind_at(serve(tuner).url, fine_tunes=True), tmp_path)
    with pytest.raises(ModelError, match=r"job-1 ended as 'failed' \(too few rows\)"):
        tuned(model, tmp_path / "work")
    tuner.states = [{"status": "succeeded", "fine_tuned_model": "ft:a:3"}]
    assert tuned(model, tmp_path / "work") == "ft:a:3" and tuner.jobs == 2


def test_a_job_that_the_api_forgot_is_told_and_the_next_run_begins_another_unless_it_is_new(
    serve: Serve, tmp_path: Path
) -> None:
    tuner, job = Tuner({"status": "running"}), tmp_path / "work" / "job.json"
    forgot = serve(lambda asked: Answer(404) if "/jobs/" in asked.path else tuner(asked))
    model = load(kind_at(forgot.url, fine_tunes=True), tmp_path)
    with pytest.raises(ModelError, match="404"):
        tuned(model, tmp_path / "work")
    assert job.exists()
    os.utime(job, (0, 0))
    with pytest.raises(ModelError, match=r"job job-1 is not there any more. Run again: another job is then begun"):
        tuned(model, tmp_path / "work")
    assert not job.exists()
    with pytest.raises(ModelError, match="404"):
        tuned(model, tmp_path / "work")
    assert tuner.jobs == 2


def test_a_job_is_not_begun_twice_when_the_answer_to_its_beginning_is_lost(serve: Serve, tmp_path: Path) -> None:
    tuner = Tuner({"status": "running"})

    def decide(asked: Asked) -> Answer:
        found = tuner(asked)
        return Answer(500, b"") if asked.path.endswith("/jobs") else found

    with pytest.raises(ModelError, match="500"):
        tuned(load(kind_at(serve(decide).url, fine_tunes=True), tmp_path), tmp_path / "work")
    assert tuner.jobs == 1


def test_where_the_api_does_not_train_the_candidate_is_what_the_spec_names(serve: Serve, tmp_path: Path) -> None:
    server = serve(echo)
    folder = pin(kind_at(server.url), tmp_path / "pinned")
    model = HostedModel.load(folder, kind_at(server.url, model="b-2027"), new_head=False)
    assert tuned(model, tmp_path / "work") == "b-2027"


# --- what a spec may say ---


def spec(**changes: Any) -> ModelSpec:
    return parse_spec({**SPEC, **changes}, where="x")


def test_a_hosted_model_is_measured_like_others_and_by_its_requests() -> None:
    assert spec().kind.metrics == ("chrf", "bleu", "length_ratio", "copied", "repetition", "error_rate")
    priced = {"hosted": {**SPEC["model"]["hosted"], "prices": {"input": 0.15, "output": 0.6}}}
    assert spec(model=priced, task="causal-lm").kind.metrics == (
        "chrf", "rouge_l", "length_ratio", "repetition", "distinct_2", "error_rate", "cost_per_1000")  # fmt: skip


@pytest.mark.parametrize(("changes", "says"), [
    ({"task": "text-classification", "labels": ["a", "b"]}, "a model behind an API writes"),
    ({"task": "causal-lm", "columns": {"text": "text"}}, "cannot be seen"),
    ({"generation": {"beams": 4}}, "no beam search"),
    ({"training": {"method": "lora"}}, "trained by its API"),
    ({"model": {"source": "x", "hosted": SPEC["model"]["hosted"]}}, "drop those"),
    ({"model": {"hosted": {"url": "https://u:p@h/v1", "model": "a"}}}, "UPKEEP_API_KEY"),
    ({"model": {"hosted": {"url": "h/v1", "model": "a"}}}, "no web address"),
    ({"model": {"hosted": {"url": "http://h:99999/v1", "model": "a"}}}, "Port out of range"),
    ({"model": {"hosted": {"url": "https://h/v1", "model": "a", "api_key": "x"}}}, "unknown field"),
    ({"gates": [{"kind": "better", "metric": "perplexity"}]}, "not measured"),
])  # fmt: skip
def test_what_a_hosted_model_cannot_have_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(SpecError, match=says):
        spec(**changes)
