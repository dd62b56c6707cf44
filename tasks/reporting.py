"""The run as a person reads it: one page of HTML and of Markdown, the same as JSON, and Prefect artifacts."""

import itertools
from contextlib import suppress
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from errors import KeyTaken
from infra.files import partial, sha256_of_bytes
from infra.object_store import ObjectStore
from models.contracts import Artifact, BootstrapReport, Outcome, Pages, RunReport
from tasks.artifacts import show_in_prefect
from tasks.pages import render_html, render_markdown

READABLE = 0o644


@task(name="write report", cache_policy=NO_CACHE)
def write_report(report: RunReport | BootstrapReport, *, home: Path, store: ObjectStore) -> Pages:
    """Files under `home/reports/<run>/`, the same in the store, and artifacts on the run's Prefect page.

    Evidently's report lies beside the page that links to it; the store has it already, under its content. There, the report
    of a run that ends is never written over, as a twin of the run on another machine would: the history holds its digest.
    """
    folder = home / "reports" / report.start.run_id
    markdown = render_markdown(report)
    contents = {
        "report.html": render_html(report), "report.md": markdown, "report.json": report.model_dump_json(indent=1),
    }  # fmt: skip
    for name, content in contents.items():
        with partial(folder / name) as part:
            part.write_text(content, encoding="utf-8")
            part.chmod(READABLE)
    if isinstance(report, RunReport) and report.observation:
        store.download(report.observation.drift.evidently_html, folder / "evidently.html")
        (folder / "evidently.html").chmod(READABLE)
    name, json_ = _store_json(report, contents["report.json"].encode(), store)
    stored = (store.put_file(name + suffix, folder / f"report{suffix}") for suffix in (".html", ".md"))
    html, text = (Artifact.model_validate(file) for file in stored)
    pages = Pages(html=html, markdown=text, json_=json_, local_html=str(folder / "report.html"))
    show_in_prefect(report, pages, markdown=markdown, endpoint=store.client.meta.endpoint_url)
    return pages


def _store_json(report: RunReport | BootstrapReport, data: bytes, store: ObjectStore) -> tuple[str, Artifact]:
    """Under which key, without its suffix: `report`; `report-1` and so on where another process has stored another one for this run;
    `look` of a look that leaves its run open, which gives way to the next one's."""
    if isinstance(report, RunReport) and report.outcome is Outcome.WOULD_RETRAIN:
        name = store.keys.run(report.start.run_id, "look")
        store.put_bytes(f"{name}.json", data)
    else:
        name = _first_free(store.keys.run(report.start.run_id, "report"), data, store)
    return name, Artifact(uri=store.uri(f"{name}.json"), sha256=sha256_of_bytes(data), bytes=len(data))


def _first_free(name: str, data: bytes, store: ObjectStore) -> str:
    for edition in itertools.count():
        key = f"{name}-{edition}" if edition else name
        with suppress(KeyTaken):
            store.put_bytes(f"{key}.json", data, if_absent=True)
            break
    return key
