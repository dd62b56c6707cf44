"""The run as a person reads it: one page of HTML and of Markdown, the same as JSON, and Prefect artifacts."""

import os
from pathlib import Path

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.context import FlowRunContext, TaskRunContext

from infra.object_store import ObjectStore, partial
from models.contracts import Artifact, BootstrapReport, Pages, RunReport
from tasks.pages import render_html, render_markdown


@task(name="write report", cache_policy=NO_CACHE)
def write_report(report: RunReport | BootstrapReport, *, home: Path, store: ObjectStore) -> Pages:
    """Files under `home/reports/<run>/`, the same in the store, and an artifact on the run's page."""
    folder = home / "reports" / report.start.run_id
    markdown = render_markdown(report)
    contents = {
        "report.html": render_html(report),
        "report.md": markdown,
        "report.json": report.model_dump_json(indent=1),
    }
    for name, content in contents.items():
        with partial(folder / name) as part:
            part.write_text(content, encoding="utf-8")
            os.chmod(part, 0o644)
    if isinstance(report, RunReport) and report.observation:
        store.download(report.observation.drift.evidently_html, folder / "evidently.html")
    keys = {name: store.keys.run(report.start.run_id, name) for name in contents}
    html, text, json_ = (Artifact.model_validate(store.put_file(keys[name], folder / name)) for name in contents)
    if FlowRunContext.get() or TaskRunContext.get():
        create_markdown_artifact(key=f"{report.start.model}-report", markdown=markdown, description=report.headline)
    return Pages(html=html, markdown=text, json_=json_, local_html=str(folder / "report.html"))
