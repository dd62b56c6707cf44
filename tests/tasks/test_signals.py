from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from models.contracts import DriftSignal
from models.data_sections import Columns
from models.sections import Drift
from tasks import evaluation
from tasks import signals as questions
from tasks.answers import watched_labels
from tasks.sides import UNKNOWN, Side
from tasks.signals import find_signals, share_alpha

LABELS = ("negative", "positive")
WORDS = np.array(["a", "so", "the", "film", "plot", "was", "Fine", "dull", "great", "10", "awful!", "HERE"])
VOCABULARY = frozenset(word.strip("!").casefold() for word in WORDS)
POLICY = Drift(max_rows=250, permutations=599)
"""Fewer rows and permutations than by default, for speed: the false-alarm rate holds at any number of either."""


def side(rows: int, rng: np.random.Generator, *, shifted: float = 0.0, by: float = 1.2, labelled: bool = True) -> Side:
    """Gaussian embeddings of 16 numbers; a share of the rows comes from another domain."""
    other = rng.random(rows) < shifted
    embeddings = rng.normal(size=(rows, 16)) + by * other[:, None]
    logits = 2 * rng.normal(size=rows) + by * other
    positive = 1 / (1 + np.exp(-logits))
    texts = [" ".join(WORDS[rng.integers(0, len(WORDS), count)]) for count in rng.integers(2, 9, rows)]
    labels = (rng.random(rows) < positive).astype(np.int64) if labelled else np.full(rows, UNKNOWN)
    return Side(
        texts, watched_labels(np.stack([1 - positive, positive], 1), LABELS), embeddings.astype(np.float32), labels,
        np.arange(rows),
        slices={"source": np.where(rng.random(rows) < 0.5, "web", "app").astype(object)},
        metadata={"country": rng.choice(["de", "fr", "it"], rows).astype(object),
                  "age": rng.normal(40, 10, rows).astype(object)},
    )  # fmt: skip


def signals(
    reference: Side, current: Side, policy: Drift = POLICY, seed: int = 1, alpha: float = 0.01
) -> tuple[DriftSignal, ...]:
    rng = np.random.default_rng(seed)
    return find_signals(
        reference, current, label_names=LABELS, vocabulary=VOCABULARY, policy=policy, alpha=alpha, rng=rng
    )


@pytest.mark.parametrize(("rows", "reps"), [(100, 60), (400, 30)])
def test_quiet_windows_alarm_no_more_often_than_alpha_says(rows: int, reps: int) -> None:
    rng = np.random.default_rng(rows)
    bare = POLICY.model_copy(update={"min_auc": 0.5, "min_ks": 0.0})  # the p-values alone, without the floors' help
    alarms = sum(
        any(s.drifted for s in signals(side(1000, rng), side(rows, rng), bare, seed, alpha=0.05))
        for seed in range(reps)
    )
    assert alarms <= stats.binom.ppf(0.999, reps, 0.05)


def test_a_window_with_thirty_per_cent_of_another_domain_is_found_at_two_hundred_rows() -> None:
    rng = np.random.default_rng(7)
    for seed in range(10):
        found = signals(side(1000, rng), side(200, rng, shifted=0.3), Drift(), seed)
        assert "embeddings" in {s.name for s in found if s.drifted}


def test_a_shift_of_dust_does_not_alarm_although_it_is_significant() -> None:
    rng = np.random.default_rng(8)
    current = side(10_000, rng, shifted=1.0, by=0.2)
    unmoved = rng.normal(size=current.embeddings.shape).astype(np.float32)
    found = signals(side(10_000, rng), replace(current, embeddings=unmoved), Drift())
    assert any(s.p_value <= s.threshold for s in found)
    assert not any(s.drifted for s in found)


def test_alpha_is_shared_over_all_that_was_asked_whatever_applies() -> None:
    rng = np.random.default_rng(9)
    for labelled, families in ((True, 7), (False, 6)):
        found = signals(side(400, rng), side(120, rng, labelled=labelled), alpha=0.02)
        assert sum(s.threshold for s in found) == pytest.approx(0.02)
        assert len({s.family for s in found}) == families


@given(st.dictionaries(st.sampled_from(["embedding", "text", "slice", "label"]), st.integers(1, 40), min_size=1),
       st.floats(0, 0.5))  # fmt: skip
def test_the_shares_of_all_tests_add_up_to_alpha(families: dict[str, int], alpha: float) -> None:
    shares = share_alpha(families, alpha)
    assert sum(shares[family] * tests for family, tests in families.items()) == pytest.approx(alpha)


def with_several(rows: int, shares: tuple[float, float], rng: np.random.Generator) -> Side:
    """Rows of which every fourth is not labelled; labels may come together."""
    has = (rng.random((rows, 2)) < shares).astype(np.int64)
    has[::4] = UNKNOWN
    return replace(side(rows, rng, labelled=False), several=has)


def test_where_rows_may_have_several_labels_the_one_whose_share_moved_is_found_and_named() -> None:
    rng = np.random.default_rng(12)
    found = {s.name: s for s in signals(with_several(1000, (0.2, 0.5), rng), with_several(400, (0.4, 0.5), rng))}
    moved, quiet = found["share of negative"], found["share of positive"]
    assert (moved.family, moved.drifted, quiet.drifted) == ("label", True, False)
    assert moved.effect == pytest.approx(0.2, abs=0.06)
    assert moved.detail.startswith("negative 2")
    unlabelled = replace(with_several(400, (0.4, 0.5), rng), several=np.full((400, 2), UNKNOWN))
    assert not [s for s in signals(with_several(1000, (0.2, 0.5), rng), unlabelled) if s.family == "label"]


def test_shares_of_several_labels_that_did_not_move_alarm_no_more_often_than_alpha_says() -> None:
    rng, alarms = np.random.default_rng(13), 0
    bare = POLICY.model_copy(update={"min_ks": 0.0})
    for seed in range(60):
        sides = with_several(400, (0.03, 0.5), rng), with_several(150, (0.03, 0.5), rng)
        found = [s for s in signals(*sides, bare, seed, alpha=0.2) if s.family == "label"]
        alarms += any(s.drifted for s in found)
    assert alarms <= stats.binom.ppf(0.999, 60, sum(s.threshold for s in found))


def test_labels_that_moved_are_found_and_named() -> None:
    rng = np.random.default_rng(10)
    moved = replace(side(300, rng), labels=np.ones(300, np.int64))
    found = next(s for s in signals(side(500, rng), moved) if s.family == "label")
    assert found.drifted
    assert found.effect_name == "total variation"
    assert "→ 100.0%" in found.detail


def test_a_metadata_column_that_moved_is_found_be_it_of_numbers_or_of_categories() -> None:
    rng = np.random.default_rng(13)
    current = side(300, rng)
    current = replace(current, metadata={"country": np.full(300, "es", object), "age": current.metadata["age"] + 30.0})
    found = {s.name: s for s in signals(side(500, rng), current) if s.family == "metadata"}
    assert found["country"].drifted
    assert "es 0.0% → 100.0%" in found["country"].detail
    hebrew = replace(current, metadata={**current.metadata, "country": np.full(300, "ישראל", object)})
    told = next(s.detail for s in signals(side(500, rng), hebrew) if s.name == "country")
    assert "\u2068ישראל\u2069 0.0% → 100.0%" in told  # else it is shown as 100.0% → 0.0%
    assert found["age"].drifted
    assert found["age"].method == "Kolmogorov-Smirnov"


def test_numbers_with_a_null_among_them_are_still_numbers() -> None:
    rng = np.random.default_rng(13)
    sides = [side(500, rng), side(500, rng)]
    for moved, one in enumerate(sides):
        ages = (one.metadata["age"] + 6.0 * moved).astype(str).astype(object)
        ages[7] = None
        sides[moved] = replace(one, metadata={"age": ages})
    found = {s.name: s for s in signals(*sides) if s.family == "metadata"}
    assert (found["age"].method, found["age"].drifted) == ("Kolmogorov-Smirnov", True)
    assert not found["rows without age"].drifted


def test_a_metadata_column_that_a_source_gives_no_more_is_drift() -> None:
    rng = np.random.default_rng(13)
    before, current = side(500, rng), side(300, rng)
    for with_it, share in ((0, "100.0%"), (200, "33.3%")):
        countries = np.where(np.arange(300) < with_it, current.metadata["country"], None)
        found = signals(before, replace(current, metadata={**current.metadata, "country": countries}))
        missing = next(s for s in found if s.name == "rows without country")
        assert (missing.drifted, f"without it 0.0% → {share}" in missing.detail) == (True, True)
        assert {s.name for s in found if s.drifted} == {"rows without country"}
    assert not any(s.name.startswith("rows without") for s in signals(before, current))
    never = replace(before, metadata={**before.metadata, "country": np.full(500, None)})
    assert not any("country" in s.name for s in signals(never, current))


def test_a_change_inside_one_slice_is_found_there() -> None:
    rng = np.random.default_rng(14)
    current = side(600, rng)
    web = current.slices["source"] == "web"
    embeddings = current.embeddings.copy()
    embeddings[web] += 1.2
    found = signals(side(800, rng), replace(current, embeddings=embeddings))
    drifted = {s.name for s in found if s.drifted}
    assert "embeddings, source=web" in drifted
    assert "embeddings, source=app" not in drifted


def test_slices_too_small_to_tell_are_not_asked() -> None:
    rng = np.random.default_rng(15)
    assert not [s for s in signals(side(400, rng), side(60, rng)) if s.family == "slice"]


def test_words_that_the_model_never_saw_are_a_signal_of_their_own() -> None:
    rng = np.random.default_rng(16)
    current = side(200, rng)
    found = signals(side(400, rng), replace(current, texts=["elokuva oli hyvä"] * 200))
    assert next(s for s in found if s.name == "unknown words").drifted


def test_the_most_telling_signal_comes_first() -> None:
    rng = np.random.default_rng(17)
    found = signals(side(800, rng), side(400, rng, shifted=1.0))
    assert [s.drifted for s in found] == sorted((s.drifted for s in found), reverse=True)
    assert found[0].name.startswith("embeddings")


def test_a_level_of_zero_alarms_on_nothing() -> None:
    rng = np.random.default_rng(18)
    assert not any(s.drifted for s in signals(side(400, rng), side(200, rng, shifted=1.0), alpha=0.0))


def test_the_same_seed_gives_the_same_signals() -> None:
    rng = np.random.default_rng(11)
    sides = side(400, rng), side(300, rng)
    assert signals(*sides) == signals(*sides)


def test_numbers_of_a_thousand_and_more_are_told_in_full() -> None:
    rng = np.random.default_rng(3)
    papers = replace(side(60, rng), texts=["word " * 260] * 60)
    told = {s.name: s.detail for s in signals(papers, papers)}["characters"]
    assert told == "median 1,300 → 1,300, mean 1,300 → 1,300"


def test_the_spec_says_how_many_values_of_a_slice_column_are_looked_at() -> None:
    told = Columns.model_fields["slices"].description or ""
    assert f"the {questions.MAX_SLICES} most frequent values for drift" in told
    assert f"the {evaluation.MAX_SLICES} most frequent by gates" in told
