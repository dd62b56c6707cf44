"""Writes docs/error-rates.md from the results that the benchmarks left: no number in it is typed by hand."""

import sys
from pathlib import Path

from benchmarks.results import FOLDER, Result, render

PAGE = Path(__file__).resolve().parents[1] / "docs" / "error-rates.md"
ORDER = {
    "drift_false_alarms": "Drift: false alarms",
    "drift_year": "Drift: a quiet year",
    "drift_power": "Drift: what is found",
    "estimators": "Quality without labels",
    "gates": "Gates",
    "release_luck": "Luck at a release",
    "leakage": "Leakage",
    "drift_cost": "Drift: time and memory",
}
INTRODUCTION = """# Error rates, measured

Every table here is written by `python -m benchmarks.write_docs` from the results under `benchmarks/results/`, and those
by the scripts of `benchmarks/`: real text, a really fine-tuned champion, fixed seeds. Run them again with

```
make bench                                          # all of them, and then this page
python -m benchmarks.drift_power --quick            # one of them, small, to see that it works
python -m benchmarks.drift_power --runs 200         # one of them, larger
```

A bar is a promise that could be broken; it is printed as **met** or **MISSED** with the number that was measured.
Shares come with their exact 95 % interval (Clopper and Pearson) in brackets. The text is downloaded by the package
client with a pinned hash (see the [data card](../examples/sentiment/README.md)); the champions are MiniLM, fine-tuned on
2,000 film sentences and on 1,500 tweets. What needs the Chinese reviews or the assistant's requests is left out where
`../shared/data` is not beside the checkout.
"""


def page(folder: Path) -> str:
    results = [
        Result.model_validate_json((folder / f"{name}.json").read_text()) for name in ORDER if _there(folder, name)
    ]
    parts = [INTRODUCTION.strip(), _summary(results)]
    for name, title in ORDER.items():
        found = next((r for r in results if r.benchmark == name), None)
        parts.append(f"## {title}\n\n{render(found) if found else 'Not measured yet.'}")
    return "\n\n".join([*parts, _measured_with(results)]) + "\n"


def _there(folder: Path, name: str) -> bool:
    return (folder / f"{name}.json").exists()


def _summary(results: list[Result]) -> str:
    bars = [(ORDER[r.benchmark], bar) for r in results for bar in r.findings.bars]
    lines = [f"| {title} | {b.promise} | {b.measured} | {'met' if b.met else '**MISSED**'} |" for title, b in bars]
    missed = sum(not b.met for _, b in bars)
    head = "| | promised | measured | |\n| --- | --- | --- | --- |"
    return f"## In short\n\n{len(bars)} bars, {missed} missed.\n\n{head}\n" + "\n".join(lines)


def _measured_with(results: list[Result]) -> str:
    packages = dict(sorted({p: v for r in results for p, v in r.packages.items()}.items()))
    spent = sum(r.cpu_seconds for r in results) / 60
    return (f"## Measured with\n\n{', '.join(f'{name} {number}' for name, number in packages.items())}. "
            f"All benchmarks together took {spent:.0f} CPU-minutes.")  # fmt: skip


def main() -> None:
    PAGE.write_text(page(FOLDER), encoding="utf-8")
    sys.stdout.write(f"{PAGE.name} is written anew\n")


if __name__ == "__main__":
    main()
