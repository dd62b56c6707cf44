"""The model card that every version carries as README.md."""

from collections.abc import Sequence

from models.contracts import Lineage, Measurement, VariantCheck
from models.markdown import escaped
from models.measures import figure

PIPELINES = {"causal-lm": "text-generation"}
"""The hub's own words for kinds of models, where ours differ."""


def model_card(
    model: str, version: int, task: str, labels: Sequence[str], measured: Sequence[Measurement], lineage: Lineage, *,
    variants: Sequence[VariantCheck] = (), library: str = "transformers",
) -> str:  # fmt: skip
    """Markdown with the front matter that the hub's tools read; the same inputs make the same bytes."""
    rows = [
        f"| {m.metric} | {escaped(m.on)} | {figure(m.metric, m.estimate.value)} | [{figure(m.metric, m.estimate.low)}, "
        f"{figure(m.metric, m.estimate.high)}] | {m.estimate.n:,} |"
        for m in measured
    ]
    packages = ", ".join(f"{name} {number}" for name, number in sorted(lineage.packages.items()))
    return "\n".join([
        "---", *([f"library_name: {library}"] if library else []), f"pipeline_tag: {PIPELINES.get(task, task)}", "tags: [upkeep]", "---", "",
        f"# {model}, version {version}", "",
        *([f"Labels, in the order of the outputs: {', '.join(map(escaped, labels))}.", ""] if labels else []),
        "## Measured at release", "", "Sealed rows, which no run ever trained on; 95 % intervals.", "",
        "| metric | rows of | value | interval | n |", "| --- | --- | --- | --- | --- |", *rows, "",
        *_variants(variants), "## Lineage", "", f"- run `{lineage.run_id}`, spec `{lineage.spec_digest[:12]}`, commit `{lineage.git_commit}`",
        f"- started from: {escaped(lineage.source)}", f"- recipe: {escaped(lineage.recipe)}; seed {lineage.seed}",
        f"- window `{lineage.window_digest[:12]}`, training set `{lineage.training_digest[:12]}`",
        f"- packages: {packages}", "",
    ])  # fmt: skip


def _variants(checks: Sequence[VariantCheck]) -> list[str]:
    if not checks:
        return []
    rows = [f"| {c.variant} | {c.bytes / 1e6:.1f} MB | {c.agreement.value:.4f} | [{c.agreement.low:.4f}, {c.agreement.high:.4f}] "
            f"| {c.agreement.n:,} | {c.largest_gap:.2g} | {c.variant_ms.p50:.1f} ms | {c.full_ms.p50:.1f} ms |" for c in checks]  # fmt: skip
    return [
        "## Variants", "", "The same weights for serving without torch, in the folder `onnx` (`models/onnx_classifier.py` of "
        "Upkeep reads it). Held against the full weights on the sealed rows; times are medians of one text at a time.", "",
        "| variant | file | same answers | interval | n | largest gap of a probability | time | full weights |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |", *rows, "",
    ]  # fmt: skip
