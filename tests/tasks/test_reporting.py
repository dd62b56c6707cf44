import stat
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from infra.files import sha256_of
from infra.object_store import ObjectStore
from models.contracts import Artifact, BootstrapReport, Outcome, Pages, RunReport
from tasks import artifacts
from tasks.reporting import write_report
from tests.tasks.reports import OUTCOMES, asked, attempt, observation, report_of, run


def with_evidently(report: RunReport, store: ObjectStore, folder: Path) -> RunReport:
    """The report, with Evidently's in the store."""
    assert report.observation is not None
    html = folder / "made.html"
    html.write_text("<html>Evidently</html>")
    stored = Artifact.model_validate(store.put_blob("evidently", html))
    drift = report.observation.drift.model_copy(update={"evidently_html": stored})
    return report.model_copy(update={"observation": report.observation.model_copy(update={"drift": drift})})


def released(store: ObjectStore, folder: Path) -> RunReport:
    report = report_of(Outcome.RELEASED)
    assert isinstance(report, RunReport)
    return with_evidently(report, store, folder)


def test_a_report_is_kept_on_disk_and_in_the_store_with_evidently_s_beside_it(
    store: ObjectStore, tmp_path: Path
) -> None:
    report = released(store, tmp_path)
    pages = write_report.fn(report, home=tmp_path / "home", store=store)
    folder = tmp_path / "home" / "reports" / report.start.run_id
    assert pages.local_html == str(folder / "report.html")
    names = {"report.html": pages.html, "report.md": pages.markdown, "report.json": pages.json_}
    assert {p.name for p in folder.iterdir()} == {*names, "evidently.html"}
    assert (folder / "evidently.html").read_text() == "<html>Evidently</html>"
    for name, artifact in names.items():
        assert store.get_file(artifact).read_bytes() == (folder / name).read_bytes()
        assert artifact.sha256 == sha256_of(folder / name)
    assert {stat.S_IMODE(p.stat().st_mode) for p in folder.iterdir()} == {0o644}
    assert RunReport.model_validate_json((folder / "report.json").read_text()) == report


def test_writing_a_report_twice_is_writing_it_once(store: ObjectStore, tmp_path: Path) -> None:
    report = released(store, tmp_path)
    first = write_report.fn(report, home=tmp_path / "home", store=store)
    keys = store.list_keys("")
    assert write_report.fn(report, home=tmp_path / "home", store=store) == first
    assert store.list_keys("") == keys
    assert [p.name for p in (tmp_path / "home" / "reports").iterdir()] == [report.start.run_id]


def test_a_twin_s_report_of_a_run_lies_beside_the_one_that_the_history_names_and_only_an_open_run_s_gives_way(
    store: ObjectStore, tmp_path: Path
) -> None:
    first = released(store, tmp_path)
    later = first.model_copy(update={"finished_at": first.finished_at + timedelta(hours=1)})
    left_open = first.model_copy(update={"outcome": Outcome.WOULD_RETRAIN})
    looked, mine, its = (
        write_report.fn(report, home=tmp_path / "home", store=store) for report in (left_open, first, later)
    )
    assert [store.key_of(pages.html.uri).rpartition("/")[2] for pages in (looked, mine, its)] == [
        "look.html", "report.html", "report-1.html",
    ]  # fmt: skip
    for report, pages in ((first, mine), (later, its)):
        assert RunReport.model_validate_json(store.get_file(pages.json_).read_text()) == report
        assert store.is_whole(pages.html) and store.is_whole(pages.markdown)
    keys = store.list_keys("runs/")
    next_look = left_open.model_copy(update={"finished_at": later.finished_at})
    pages = write_report.fn(next_look, home=tmp_path / "home", store=store)
    assert (pages.html.uri, store.list_keys("runs/")) == (looked.html.uri, keys)
    assert RunReport.model_validate_json(store.get_file(pages.json_).read_text()) == next_look


def test_a_first_release_and_a_run_without_rows_have_no_evidently_report(store: ObjectStore, tmp_path: Path) -> None:
    for outcome in (Outcome.BOOTSTRAPPED, Outcome.WAITING):
        report = report_of(outcome)
        pages = write_report.fn(report, home=tmp_path / outcome, store=store)
        assert not (Path(pages.local_html).parent / "evidently.html").exists()
        kind = BootstrapReport if outcome is Outcome.BOOTSTRAPPED else RunReport
        assert kind.model_validate_json(store.get_file(pages.json_).read_text()) == report


def test_outside_a_run_no_artifact_is_made(store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[dict[str, Any]] = []
    for name in ("create_markdown_artifact", "create_link_artifact", "create_table_artifact"):
        monkeypatch.setattr(artifacts, name, lambda **options: made.append(options))
    write_report.fn(report_of(Outcome.BOOTSTRAPPED), home=tmp_path, store=store)
    assert made == []


def test_a_run_s_prefect_page_shows_the_report_its_tables_and_a_link(
    store: ObjectStore, tmp_path: Path, prefect_server: None
) -> None:
    from prefect import flow
    from prefect.client.orchestration import get_client

    report = released(store, tmp_path)

    @flow
    def write() -> Pages:
        return write_report(report, home=tmp_path / "home", store=store)

    pages = write()
    with get_client(sync_client=True) as client:
        answer = client.request("POST", "/artifacts/latest/filter", json={})
        found = {a["key"]: a for a in answer.json() if (a["key"] or "").startswith("test-")}
    assert {key: a["type"] for key, a in found.items()} == {
        "test-report": "markdown", "test-page": "markdown", "test-picture": "markdown", "test-gates": "table", "test-comparisons": "table",
        "test-drift": "table",
    }  # fmt: skip
    assert found["test-report"]["description"] == report.headline
    assert found["test-report"]["data"].startswith("# Version 2 is the new champion")
    assert Path(pages.local_html).as_uri() in found["test-page"]["data"]
    assert pages.html.uri in found["test-page"]["description"]
    assert "better-on-current" in found["test-gates"]["data"]
    assert "+12.0 [+8.0, +16.0]" in found["test-comparisons"]["data"]


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_the_tables_of_every_outcome_hold_what_its_records_hold(outcome: Outcome) -> None:
    report = report_of(outcome)
    tables = {name: rows for name, (rows, _) in artifacts.list_tables(report).items()}
    run = report if isinstance(report, RunReport) else None
    tried, seen = (run.attempt, run.observation) if run else (None, None)
    compared = len(tried.scorecard.comparisons) if tried else 0
    assert [row["because"] for row in tables["gates"]] == [g.because for g in tried.blessing.gates] if tried else True
    told = artifacts.list_tables(report)["comparisons"][1]
    assert ("Champion and candidate" in told) == (outcome is not Outcome.BOOTSTRAPPED)
    assert len(tables["comparisons"]) == (2 if outcome is Outcome.BOOTSTRAPPED else compared)
    assert {row["signal"] for row in tables["drift"]} == ({s.name for s in seen.drift.signals} if seen else set())
    for rows in tables.values():
        assert len({tuple(row) for row in rows}) <= 1  # the columns are the same in every row


def test_in_the_tables_each_model_has_its_own_numbers_and_each_gate_and_signal_its_own_verdict() -> None:
    tried = attempt(gain=0.12)
    tables = artifacts.list_tables(run(observation(accuracy=0.7, gap=0.4), tried))
    assert [row["verdict"] for row in tables["gates"][0]] == ["blessed"] * len(tried.blessing.gates)
    first = tables["comparisons"][0][0]
    assert (first["champion"], first["candidate"]) == ("70.0% [66.0%, 74.0%]", "82.0% [78.0%, 86.0%]")
    assert "those of slices' differences corrected for their number" in tables["comparisons"][1]
    signals = {row["signal"]: (row["drifted"], row["p"], row["threshold"]) for row in tables["drift"][0]}
    assert signals == {
        "words": ("yes", "< 1e-16", "0.0010"), "embeddings": ("yes", "0.0010", "0.0010"), "confidence": ("no", "0.30", "0.0010")
    }  # fmt: skip
    assert tables["drift"][1] == "Drift: found, at alpha 0.01"


def test_the_link_leads_to_the_file_where_the_store_is_on_this_machine_and_else_to_the_store(tmp_path: Path) -> None:
    nowhere = Artifact(uri="s3://bucket/report.html", sha256="", bytes=0)
    pages = Pages(html=nowhere, markdown=nowhere, json_=nowhere, local_html=str(tmp_path / "report.html"))
    for here in ("127.0.0.1", "[::1]", "localhost"):
        assert artifacts.address_of(pages, endpoint=f"http://{here}:8333") == (tmp_path / "report.html").as_uri()
    assert artifacts.address_of(pages, endpoint="https://s3.eu-central-1.amazonaws.com") == nowhere.uri


def test_what_waits_for_an_answer_is_a_table_on_the_run_s_page() -> None:
    report = run(observation(accuracy=0.7), attempt(), asking=asked())
    assert artifacts.list_tables(report)["samples"][0] == [
        {
            "text": "the film was fine",
            "label": "positive",
            "champion": "negative (61.0%)",
            "candidate": "positive (92.0%)",
        },
        {"text": "dull", "label": "", "champion": "negative (80.0%)", "candidate": "negative (99.0%)"},
    ]
