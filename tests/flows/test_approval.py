"""A person answers for a version that waits: by the flow's form or by the command, in time or too late, once."""

import contextlib
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.utilities.callables import parameter_schema

from errors import CorruptObject, DataError, NotApproved, SpecError, StoreError
from flows.bootstrap import bootstrap
from flows.inspect import read_all_history, read_status
from flows.maintain import maintain
from flows.moving import move_champion
from flows.promote import promote
from flows.registry import audit_registry, versions
from flows.rollback import rollback
from flows.waiting import describe_none, describe_waiting, find_waiting
from infra.object_store import ObjectStore
from infra.sealed import sealed
from models.contracts import ApprovalAnswer, Outcome, RunReport
from models.spec import read_spec
from tasks.opened import store_opened
from tasks.registry.approvals import Question, find_question
from tasks.registry.asking import give_answer
from tasks.registry.versions import read_version
from tasks.written_specs import written
from tests.flows.conftest import Home, moved
from tests.flows.test_cli import upkeep
from tests.flows.test_promote import Registry, promoted
from tests.killed import Killed
from tests.questions import asked, filled, sample
from tests.tasks.reports import attempt
from tests.tiny import sentences

pytestmark = pytest.mark.filterwarnings("ignore:Logger 'prefect")  # tasks outside of a flow: a second less each
LONG_AGO = datetime.now(UTC) - timedelta(days=8)


class Asking(Registry):
    """Version 1 is champion; further versions are asked about."""

    def ask(
        self, *, now: datetime | None = None, ratings: int = 0, samples: int = 10, differing: int | None = None
    ) -> int:
        manifest = self.publish(judged_against=1, evidence=attempt().evidence)
        asked(manifest, self.store, now=now, ratings=ratings, samples=samples, differing=differing)
        return manifest.version

    @property
    def champion(self) -> int:
        found = read_status(self.spec).champion
        assert found is not None
        return found.version

    def answer(self, version: int) -> ApprovalAnswer | None:
        question = find_question(version, store=self.store)
        assert question is not None
        return question.answer


@pytest.fixture
def registry(home: Home, store: ObjectStore) -> Asking:
    return Asking(home, store)


def test_a_version_that_waits_although_nobody_is_asked_about_it_is_told_where_nothing_waits_for_an_answer(
    registry: Asking,
) -> None:
    assert describe_none(registry.spec) == "nothing waits for an answer"
    registry.publish(judged_against=1)
    assert (
        f"version 2 waits to be promoted, which nobody is asked about: upkeep promote {registry.spec} "
        in describe_none(registry.spec)
    )
    promoted(registry)
    registry.ask(now=LONG_AGO)
    registry.publish(judged_against=1)  # and would be refused
    assert describe_none(registry.spec) == "nothing waits for an answer"


# --- yes ---


def test_a_yes_is_recorded_and_makes_the_version_champion_for_that_reason(registry: Asking) -> None:
    registry.ask()
    entry = promoted(registry, why="reads well").entry
    answer = registry.answer(2)
    assert answer is not None
    assert (answer.verdict, answer.why, answer.forced) == ("approve", "reads well", False)
    assert (entry.version, entry.why) == (2, f"approved by {answer.who}: reads well")
    assert read_all_history(registry.spec)[0].outcome is Outcome.PROMOTED
    assert audit_registry(registry.spec, deep=True).misfits == ()


def test_a_promotion_that_was_killed_after_the_answer_is_finished_by_asking_again(
    registry: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.ask()

    def dying(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr("flows.promote.move_champion", dying)
        promote.fn(registry.spec, why="reads well")
    first = registry.answer(2)
    assert first is not None and registry.champion == 1
    assert promoted(registry, why="reads well").entry.why == f"approved by {first.who}: reads well"
    assert registry.answer(2) == first


@pytest.mark.slow
def test_why_a_version_with_a_yes_becomes_champion_once_more_is_kept_beside_the_yes(registry: Asking) -> None:
    registry.ask()
    first = promoted(registry, why="reads well").entry
    rollback.fn(registry.spec, why="an outage")
    entry = promoted(registry, version=2, why="it was the network").entry
    assert entry.why == f"{first.why}; asked for again: it was the network"
    rollback.fn(registry.spec)
    assert promoted(registry, version=2).entry.why == first.why


def test_who_said_yes_while_somebody_else_moved_the_champion_is_not_told_that_nothing_was_changed(
    registry: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        registry.ask()

    def behind_another(*given: Any, **named: Any) -> Any:
        with monkeypatch.context() as undone:
            undone.setattr("flows.promote.move_champion", move_champion)
            promote.fn(registry.spec, version=3, why="reads better")
        return move_champion(*given, **named)

    with monkeypatch.context() as patched, pytest.raises(StoreError, match="somebody else moved it") as told:
        patched.setattr("flows.promote.move_champion", behind_another)
        promote.fn(registry.spec, version=2, why="reads well")
    said = registry.answer(2)
    assert said is not None and said.why == "reads well"
    assert "It was not moved again" in str(told.value) and "an answer that was given stands" in str(told.value)
    assert "hing was changed" not in str(told.value)


# --- no ---


def test_a_yes_is_to_the_manifest_that_was_asked_about_and_to_no_other(registry: Asking, store: ObjectStore) -> None:
    version = registry.ask()
    manifest = read_version(version, store=store)
    other = manifest.model_copy(update={"content_digest": "of other weights"})
    store.put_bytes(store.keys.manifest(version), sealed(other))
    with pytest.raises(CorruptObject, match="is not the one that people were asked about"):
        promote.fn(registry.spec, version=version, why="reads well", force=True)
    assert (registry.champion, registry.answer(version)) == (1, None)
    store.put_bytes(store.keys.manifest(version), sealed(manifest))
    give_answer.fn(find_question(version, store=store), "approve", why="", forced=False, rated=None, sheets=(),
                   now=datetime.now(UTC), store=store)  # fmt: skip
    store.put_bytes(store.keys.manifest(version), sealed(other))
    for way in (promote.fn, rollback.fn):
        named = {"to": version} if way is rollback.fn else {"version": version}
        with pytest.raises(CorruptObject, match="is not the one that people were asked about"):
            way(registry.spec, why="reads well", **named)
    assert registry.champion == 1


@pytest.mark.slow
def test_a_yes_to_another_question_makes_no_champion(registry: Asking, store: ObjectStore) -> None:
    """As where an answer was copied from another version, or its question was lost and asked anew."""
    for _ in range(2):
        registry.ask()
    promote.fn(registry.spec, version=3, answer="reject", why="it is rude")
    said = registry.answer(3)
    assert said is not None
    store.put_bytes(store.keys.answer(2), sealed(said.model_copy(update={"verdict": "approve"})))
    for way, named in ((promote.fn, {"version": 2}), (rollback.fn, {"to": 2})):
        with pytest.raises(CorruptObject, match=r"answer\.json is to another question than the one that is there"):
            way(registry.spec, why="reads well", **named)
    assert registry.champion == 1


def test_a_no_keeps_a_version_from_becoming_champion_unless_it_is_forced(registry: Asking) -> None:
    registry.ask()
    said = promote.fn(registry.spec, answer="reject", why="it is rude")
    assert isinstance(said, ApprovalAnswer)
    assert registry.champion == 1
    with pytest.raises(
        NotApproved, match=r"version 2 was rejected by .*: it is rude\. The first answer stands.* --version 2 --force"
    ):
        promote.fn(registry.spec, version=2)
    with pytest.raises(SpecError, match=r"each newer one was rejected or champion before \(\[2\]\)"):
        promote.fn(registry.spec)
    with pytest.raises(NotApproved, match=r"version 2 was never champion, and rejected by.* --version 2 --force`"):
        rollback.fn(registry.spec, to=2)
    assert registry.champion == 1
    entry = promoted(registry, version=2, force=True, why="the old one is down").entry
    assert (
        entry.why
        == f"the old one is down; forced, although rejected by {said.who} on {said.at:%Y-%m-%d %H:%M} UTC: it is rude"
    )
    assert audit_registry(registry.spec, deep=False).misfits == ()


@pytest.mark.slow
def test_a_rejected_version_does_not_hide_an_older_one_that_waits(registry: Asking) -> None:
    registry.ask()
    registry.ask()
    promote.fn(registry.spec, answer="reject", why="it is rude")
    assert [found.request.version for found in find_waiting(registry.spec)] == [2]
    assert promoted(registry).version == 2


def test_a_no_needs_a_reason_and_a_question(registry: Asking) -> None:
    registry.publish(judged_against=1)
    with pytest.raises(SpecError, match="nobody asked about version 2"):
        promote.fn(registry.spec, answer="reject", why="it is rude")
    registry.ask()
    with pytest.raises(SpecError, match="a rejection needs its reason"):
        promote.fn(registry.spec, answer="reject", why=" ")
    assert registry.answer(3) is None


# --- too late, and never asked ---


def test_an_answer_that_comes_too_late_is_refused_unless_it_is_forced(registry: Asking) -> None:
    registry.ask(now=LONG_AGO)
    for answer in ("approve", "reject"):
        with pytest.raises(
            NotApproved, match=r"the question about version 2 expired .* unanswered\. `upkeep run SPEC`"
        ):
            promote.fn(registry.spec, answer=answer, why="late")
    with pytest.raises(NotApproved, match=r"version 2 was never champion, and expired.* --version 2 --force`"):
        rollback.fn(registry.spec, to=2)
    assert (registry.champion, registry.answer(2), find_waiting(registry.spec)) == (1, None, ())
    entry = promoted(registry, force=True, why="late").entry
    assert entry.why.endswith("(forced): late")
    assert audit_registry(registry.spec, deep=False).misfits == ()


def test_where_the_spec_wants_an_answer_a_version_that_nobody_was_asked_about_is_not_promoted(
    registry: Asking, home: Home
) -> None:
    registry.publish(judged_against=1)
    home.write_spec(model={"source": "model", "max_tokens": 16, "adopt": True}, release={"approval": {}})
    with pytest.raises(NotApproved, match="nobody was asked about version 2"):
        promote.fn(registry.spec)
    with pytest.raises(NotApproved, match="nobody was asked about version 2"):
        rollback.fn(registry.spec, to=2)
    with pytest.raises(SpecError, match=r"version 99 does not exist; there are: \[1, 2\]"):
        rollback.fn(registry.spec, to=99)
    assert registry.champion == 1
    assert promoted(registry, force=True).version == 2
    rollback.fn(registry.spec)
    assert rollback.fn(registry.spec, to=2).version == 2  # where it was already


def test_a_version_about_which_its_run_is_about_to_ask_becomes_champion_by_no_force_before(
    registry: Asking, home: Home, store: ObjectStore
) -> None:
    """Between publishing and asking the run lets both models answer: a question that came behind the move would have no answer."""
    manifest = registry.publish(judged_against=1, evidence=attempt().evidence)
    own = {"model": {"source": "model", "max_tokens": 16, "adopt": True}}
    home.write_spec(**own, release={"approval": {}})
    asking, run_id = read_spec(home.spec), manifest.lineage.run_id
    left = {"run_id": run_id, "kind": "maintain", "sequence": 2, "spec_digest": asking.digest, "spec": written(asking)}
    store_opened(registry.first.start.model_copy(update=left), store)
    told = rf"run {run_id}, which published version 2, has not ended and is about to ask about it.*`upkeep run SPEC`"
    for release in ({"approval": {}}, {}):  # the run asks by the spec by which it began
        home.write_spec(**own, release=release)
        with pytest.raises(NotApproved, match=told):
            promote.fn(registry.spec, version=2, force=True)
        with pytest.raises(NotApproved, match=told):
            rollback.fn(registry.spec, to=2)
    assert registry.champion == 1
    asked(manifest, store)
    assert promoted(registry, force=True, why="reads well").version == 2
    assert audit_registry(registry.spec, deep=True).misfits == ()


def test_a_version_that_is_published_and_asked_about_while_somebody_forces_it_is_not_promoted_as_if_nobody_had_asked(
    registry: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    def before_it_was_asked(version: int, **named: Any) -> Question | None:
        found = find_question(version, **named)
        registry.ask()
        return found

    with monkeypatch.context() as patched, pytest.raises(SpecError, match="version 2 does not exist"):
        patched.setattr("flows.approve.find_question", before_it_was_asked)
        promote.fn(registry.spec, version=2, force=True)
    assert registry.champion == 1


# --- the form and the command ---


def test_the_form_describes_each_of_its_fields() -> None:
    fields = parameter_schema(promote).properties
    assert set(fields) == {"spec_path", "version", "answer", "why", "ratings", "force"}
    assert all(len(field.get("description", "")) > 20 for field in fields.values())
    assert fields["answer"]["enum"] == ["approve", "reject"]


@pytest.mark.slow
def test_the_command_and_the_form_end_the_same(registry: Asking, store: ObjectStore) -> None:
    """Versions 2 and 3 are rejected, 4 and 5 approved: one by the form, one by the command each."""
    spec = str(registry.spec)
    for _ in range(2):
        registry.ask()
    promote.fn(registry.spec, version=2, answer="reject", why="it is rude")
    done = upkeep("reject", spec, "--reason", "it is rude", "--version", "3")
    assert (done.returncode, "version 3 was rejected by" in done.stdout) == (0, True)
    by_form, by_command = (registry.answer(version) for version in (2, 3))
    assert by_form is not None and by_command is not None
    own = {"version", "at", "request_sha256", "flow_run"}
    assert by_form.model_dump(exclude=own) == by_command.model_dump(exclude=own)
    again = upkeep("approve", spec, "--reason", "please", "--version", "3", "--json")
    assert again.returncode == 4
    assert "it is rude" in json.loads(again.stdout)["message"]

    registry.ask()
    by_hand = promoted(registry, why="reads well").entry
    registry.ask()
    shown = upkeep("waiting", spec, "--sheet", registry.spec.with_name("rate.csv"))
    assert (
        "the samples of version 5 are in " in shown.stderr and f"approve {spec} --reason … --ratings " in shown.stderr
    )
    assert shown.stdout.startswith("version 5 waits until ") and "gate ✓" in shown.stdout
    assert "   ≠ champion negative 60%, candidate positive 90%, label positive: =film 0" in shown.stdout
    assert "waits until" in upkeep("versions", spec).stdout
    done = upkeep("approve", spec, "--reason", "reads well", "--force")
    assert done.stdout == "version 5 is champion, version 4 was before\n"
    entry = read_status(registry.spec).log[0]
    assert entry.why == by_hand.why.replace(": ", " (forced): ")
    assert upkeep("waiting", spec).stdout == "nothing waits for an answer\n"
    assert "8 of approvals" in upkeep("audit", spec).stdout
    assert upkeep("approve", spec).returncode == 2


def test_what_waits_is_shown_also_where_a_model_does_not_say_how_sure_it_is(
    registry: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    unsure = sample(0).model_copy(
        update={"champion": "nega\x1b[2Jtive", "champion_confidence": None, "candidate_confidence": None}
    )  # fmt: skip
    monkeypatch.setattr("tests.questions.sample", lambda number: unsure)
    registry.ask()
    (found,) = find_waiting(registry.spec)
    assert "   ≠ champion nega?[2Jtive, candidate positive, label positive: =film 0" in describe_waiting(found)
    of_a_language_model = found.samples[0].model_copy(update={"label": None})
    shown = describe_waiting(found.model_copy(update={"samples": (of_a_language_model,)}))
    assert "   ≠ champion nega?[2Jtive, candidate positive: =film 0" in shown, "its rows have no label"


# --- ratings ---


def test_an_approval_that_needs_ratings_waits_for_enough_of_them(registry: Asking, tmp_path: Path) -> None:
    registry.ask(ratings=5)
    sheet = tmp_path / "a new folder" / "sheet.csv"
    (found,) = find_waiting(registry.spec, sheet=sheet)
    assert "ratings   insufficient evidence: 0 of 10 samples rated" in "\n".join(describe_waiting(found))
    with pytest.raises(SpecError, match="exists and is not overwritten"):
        find_waiting(registry.spec, sheet=sheet)
    for given, because in (([], "0 of 10"), (["candidate"] * 4, "4 of 10 samples rated.* 5 must be rated"),
                           (["candidate"] * 4 + ["champion"], ".*wins 80% of 5 decided .* too few to show 50%")):  # fmt: skip
        ratings = filled(found.request, given, registry.store, tmp_path / "filled.csv") if given else None
        with pytest.raises(NotApproved, match=f"do not bear out version 2 .insufficient evidence.: {because}"):
            promote.fn(registry.spec, ratings=ratings)
    assert (registry.champion, registry.answer(2)) == (1, None)
    more = filled(
        found.request, [*["candidate"] * 4, "same", *["candidate"] * 4], registry.store, tmp_path / "more.csv"
    )
    assert promoted(registry, ratings=more).version == 2
    answer = registry.answer(2)
    assert answer is not None and answer.rated is not None
    assert (answer.rated.measured.value, answer.rated.measured.n, len(answer.ratings_sha256)) == (1.0, 8, 3)
    assert audit_registry(registry.spec, deep=False).misfits == ()


def test_ratings_that_nothing_would_become_of_are_refused_and_not_left_unread(registry: Asking, tmp_path: Path) -> None:
    sheet = tmp_path / "filled.csv"
    registry.publish(judged_against=1)
    with pytest.raises(SpecError, match=r"nobody was asked about version 2, .*filled\.csv could rate"):
        promote.fn(registry.spec, ratings=sheet)
    registry.ask()
    with pytest.raises(SpecError, match=r"a rejection takes no ratings.*filled\.csv"):
        promote.fn(registry.spec, answer="reject", why="it is rude", ratings=sheet)
    assert registry.champion == 1 and registry.answer(3) is None


def test_ratings_that_speak_against_the_candidate_reject_it_and_force_goes_past_them(
    registry: Asking, tmp_path: Path
) -> None:
    registry.ask(ratings=5)
    (found,) = find_waiting(registry.spec)
    against = filled(found.request, ["champion"] * 8, registry.store, tmp_path / "filled.csv")
    with pytest.raises(NotApproved, match=r"\(rejected\): 8 of 10 samples rated.* shown to be below 50%"):
        promote.fn(registry.spec, ratings=against)
    assert promoted(registry, force=True).entry.why.endswith("(forced): no reason given")
    answer = registry.answer(2)
    assert answer is not None and answer.rated is not None and answer.rated.verdict == "rejected"


def test_a_sheet_of_another_version_is_refused_and_not_kept(registry: Asking, tmp_path: Path) -> None:
    registry.ask(ratings=5)
    strange = tmp_path / "strange.csv"
    strange.write_text(f"better,rater,content\nsame,ann,{'f' * 32}\n")
    with pytest.raises(DataError, match=r"line 2: 'f+' is no sample of version 2"):
        promote.fn(registry.spec, ratings=strange)
    assert registry.store.list_keys(registry.store.keys.ratings(2)) == []
    promote.fn(registry.spec, answer="reject", why="it is rude")  # a no needs no ratings
    with pytest.raises(SpecError, match="nothing waits for an answer, so there is no sheet to fill"):
        find_waiting(registry.spec, sheet=tmp_path / "sheet.csv")


@pytest.mark.slow
def test_a_sheet_of_another_version_is_refused_also_where_it_holds_the_same_texts(
    registry: Asking, tmp_path: Path
) -> None:
    """What its candidate wrote is not what this one did."""
    registry.ask(ratings=5)
    sheet = tmp_path / "sheet.csv"
    find_waiting(registry.spec, sheet=sheet)
    sheet.write_text(re.sub("^,,", "candidate,ann,", sheet.read_text("utf-8-sig"), flags=re.M), "utf-8")
    registry.ask(ratings=5)
    assert [found.request.version for found in find_waiting(registry.spec)] == [3, 2]  # newest first
    with pytest.raises(DataError, match="line 2: the sheet is of version 2, and its ratings say nothing of version 3"):
        promote.fn(registry.spec, ratings=sheet)
    assert registry.store.list_keys(registry.store.keys.ratings(3)) == []
    assert promoted(registry, version=2, ratings=sheet).version == 2


# --- a run asks ---


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_that_was_killed_before_behind_or_after_the_question_asks_once_and_tells_of_it_with_one_id(
    home: Home, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.write_spec(name="asking", release={"approval": {"samples": 8}})
    store.prefix = "models/asking/"
    home.receive("day-0", sentences(600))
    bootstrap(home.spec)
    home.receive("day-1", moved(600, start=2000))
    told: list[dict[str, Any]] = []
    monkeypatch.setattr("tasks.events.emit_event", lambda name, **rest: told.append({"name": name, **rest}))
    original = ObjectStore.put_bytes

    def dies_behind(target: str) -> None:
        def write_and_die(self: ObjectStore, key: str, *args: Any, **options: Any) -> None:
            original(self, key, *args, **options)
            if target in key:
                raise Killed(key)

        with monkeypatch.context() as patched, contextlib.suppress(Killed):
            patched.setattr(ObjectStore, "put_bytes", write_and_die)
            maintain(home.spec)
            pytest.fail(f"the run wrote no {target}")

    dies_behind("versions/000002/manifest.json")
    assert store.list_keys("approvals/") == []
    dies_behind("approvals/000002/request.json")
    first = store.get_bytes("approvals/000002/request.json")
    with monkeypatch.context() as patched, contextlib.suppress(Killed):
        patched.setattr("flows.maintain.close", lambda *_, **__: (_ for _ in ()).throw(Killed()))
        maintain(home.spec)
    report = maintain(home.spec).report
    assert isinstance(report, RunReport) and report.asked is not None
    assert report.outcome is Outcome.PUBLISHED
    assert store.get_bytes("approvals/000002/request.json") == first
    assert store.list_keys("versions/000003") == []
    questions = [event for event in told if event["name"] == "upkeep.approval.requested"]
    assert len(questions) == 2 and len({event["id"] for event in questions}) == 1
    assert questions[0]["payload"]["version"] == 2
    assert questions[0]["payload"]["samples"] == report.asked.request.samples.uri
    assert [sample.differs for sample in report.asked.samples.shown] == [True] * 8
    assert report.asked.request.differing == 8
    (found,) = find_waiting(home.spec)
    assert [(s.content, s.candidate) for s in found.samples] == [
        (s.content, s.candidate) for s in report.asked.samples.shown
    ]
    assert [line.approval.split(" 2")[0] for line in versions(home.spec)] == ["waits until", ""]
    home.receive("day-2", sentences(120, start=9000))
    came = promote(home.spec, why="reads well")  # while nothing runs; the window that waits is looked at afterwards
    assert not isinstance(came, ApprovalAnswer) and came.version == 2
    assert audit_registry(home.spec, deep=True).misfits == ()
