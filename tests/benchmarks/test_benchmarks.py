"""The benchmarks' own parts: what they plant, how they count, and that the page says what was measured."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.drift_false_alarms import ANY, OURS, Tally
from benchmarks.leakage import repeats
from benchmarks.perturb import with_typos
from benchmarks.planting import EXACT, NEAR
from benchmarks.results import FOLDER, Bar, Findings, Result, Table, beyond_chance, clopper_pearson, store
from benchmarks.servers import MOTO, serving
from benchmarks.write_docs import ORDER, PAGE, page
from infra.object_store import connect
from models.rows import content_digest

TEXT = "The plot was thin, but the actors carried it to the very end"
OTHERS = ["A dull film about a refrigerator and its owner", "Great"]


def result(name: str, *, met: bool) -> Result:
    findings = Findings(
        question="Does it hold?", bars=(Bar(promise="at most 1 %", measured="3.0 %", met=met),), notes=("Only here.",),
        tables=(Table(title="Shares", says="How often.", columns=("n", "share"), rows=(("50", "3.0 %"),)),),
    )  # fmt: skip
    return Result(benchmark=name, date="2026-11-25", runs=5, cores=2, packages={"numpy": "2"}, cpu_seconds=60,
                  wall_seconds=70, findings=findings)  # fmt: skip


def test_the_page_in_the_docs_is_what_the_stored_results_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(FOLDER)


def test_no_stored_result_names_a_place_on_a_machine() -> None:
    for path in FOLDER.glob("*.json"):
        content = path.read_text(encoding="utf-8")
        assert "/tmp" not in content
        assert str(Path.home()) not in content


def test_a_missed_bar_is_called_that_and_a_benchmark_that_was_not_run_too(tmp_path: Path) -> None:
    store(result("gates", met=False), tmp_path)
    written = page(tmp_path)
    assert "1 bars, 1 missed" in written
    assert "| Gates | at most 1 % | 3.0 % | **MISSED** |" in written
    assert "| 50 | 3.0 % |" in written
    assert written.count("Not measured yet.") == len(ORDER) - 1


def test_exact_intervals_are_those_of_the_tables() -> None:
    assert clopper_pearson(0, 500) == pytest.approx((0, 0.00735), abs=1e-5)
    assert clopper_pearson(5, 100) == pytest.approx((0.01643, 0.11283), abs=1e-5)


def test_the_worst_of_many_cells_counts_only_beyond_chance() -> None:
    quiet = [(f"cell {i}", hits, 400) for i, hits in enumerate([10, 16, 8, 12])]
    assert beyond_chance(quiet, 0.025) == []
    assert beyond_chance([*quiet, ("loud", 30, 400)], 0.025) == ["loud"]


@pytest.mark.parametrize("kind", EXACT)
def test_exact_duplicates_have_the_content_of_their_original(kind: str) -> None:
    planted = EXACT[kind](TEXT, OTHERS, np.random.default_rng(1))
    assert planted != TEXT
    assert content_digest(planted) == content_digest(TEXT)


@pytest.mark.parametrize("kind", NEAR)
def test_near_duplicates_have_another_content_and_repeat_their_original_by_the_rule(kind: str) -> None:
    for seed in range(20):
        planted = NEAR[kind](TEXT, OTHERS, np.random.default_rng(seed))
        assert content_digest(planted) != content_digest(TEXT)
        assert repeats(planted, TEXT), planted


def test_typing_errors_hit_the_share_of_words_that_was_asked_for_and_no_short_word() -> None:
    text = " ".join(["strong", "of"] * 500)
    words = with_typos(text, 0.2, np.random.default_rng(2)).split(" ")
    assert 70 <= sum(word != "strong" for word in words[::2]) <= 130
    assert set(words[1::2]) == {"of"}
    assert with_typos(text, 0.2, np.random.default_rng(2)).split(" ") == words


def test_a_verdict_is_counted_as_asked_whether_it_was_an_alarm_or_not() -> None:
    tally = Tally()
    for run in range(4):
        tally.add({OURS: False, ANY: run > 0, **({"now and then": True} if run == 0 else {})})
    both = tally + tally
    assert both.asked == {OURS: 8, ANY: 8, "now and then": 2}
    assert both.alarms == {ANY: 6, "now and then": 2}


def test_transfers_are_measured_on_other_servers_than_the_demos(tmp_path: Path) -> None:
    with serving(MOTO, tmp_path / "store") as served:
        store = connect(**served, prefix="p/", cache=tmp_path / "cache")
        store.put_bytes("k", b"there")
        assert store.get_bytes("k") == b"there"
