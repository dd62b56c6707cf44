"""What Upkeep claims of its decisions, measured on real text: one script a claim, each of which can fail.

`make bench` runs them all and rewrites docs/error-rates.md; `python -m benchmarks.<script> [--runs N] [--quick]` runs
one alone, from the repository's root.
"""
