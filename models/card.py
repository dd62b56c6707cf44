"""The model card that every version carries as README.md."""

from collections.abc import Sequence

from models.contracts import Lineage, Measurement

PIPELINES = {"causal-lm": "text-generation"}
"""The hub's own words for kinds of models, where ours differ."""


def model_card(
    model: str,
    version: int,
    task: str,
    labels: Sequence[str],
    measured: Sequence[Measurement],
    lineage: Lineage,
    *,
    library: str = "transformers",
) -> str:
    """Markdown with the front matter that the hub's tools read; the same inputs make the same bytes."""
    rows = [
        f"| {m.metric} | {m.on} | {m.estimate.value:.4f} | [{m.estimate.low:.4f}, {m.estimate.high:.4f}] "
        f"| {m.estimate.n} |"
        for m in measured
    ]
    packages = ", ".join(f"{name} {number}" for name, number in sorted(lineage.packages.items()))
    return "\n".join([
        "---", *([f"library_name: {library}"] if library else []), f"pipeline_tag: {PIPELINES.get(task, task)}", "tags: [upkeep]", "---", "",
        f"# {model}, version {version}", "",
        *([f"Labels, in the order of the outputs: {', '.join(labels)}.", ""] if labels else []),
        "## Measured at release", "", "Sealed rows, which no run ever trained on; 95 % intervals.", "",
        "| metric | rows of | value | interval | n |", "| --- | --- | --- | --- | --- |", *rows, "",
        "## Lineage", "", f"- run `{lineage.run_id}`, spec `{lineage.spec_digest[:12]}`, commit `{lineage.git_commit}`",
        f"- started from: {lineage.source}", f"- recipe: {lineage.recipe}; seed {lineage.seed}",
        f"- window `{lineage.window_digest[:12]}`, training set `{lineage.training_digest[:12]}`",
        f"- packages: {packages}", "",
    ])  # fmt: skip
