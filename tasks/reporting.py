"""The run as a person reads it: one page of HTML and of Markdown, the same as JSON, and Prefect artifacts."""

from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from infra.files import partial
from infra.object_store import ObjectStore
from models.contracts import Artifact, BootstrapReport, Pages, RunReport
from tasks.artifacts import show_in_prefect
from tasks.pages import render_html, render_markdown

READABLE = 0o644


@task(name="write report", cache_policy=NO_CACHE)
def write_report(report: RunReport | BootstrapReport, *, home: Path, store: ObjectStore) -> Pages:
    """Files under `home/reports/<run>/`, the same in the store, and artifacts on the run's Prefect page.

    Evidently's report lies beside the page that links to it; the store has it already, under its content.
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
    keys = {name: store.keys.run(report.start.run_id, name) for name in contents}
    html, text, json_ = (Artifact.model_validate(store.put_file(keys[name], folder / name)) for name in contents)
    pages = Pages(html=html, markdown=text, json_=json_, local_html=str(folder / "report.html"))
    show_in_prefect(report, pages, markdown=markdown, endpoint=store.client.meta.endpoint_url)
    return pages
