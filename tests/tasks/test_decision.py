from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from models.contracts import (
    Action,
    Artifact,
    Cursor,
    DriftReport,
    DriftSignal,
    Estimate,
    HistoryEntry,
    MonitoringReport,
    Outcome,
    QualityCheck,
    RetrainDecision,
)  # fmt: skip
from models.sections import Policy
from tasks.decision import decide

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
FILE = Artifact(uri="", sha256="", bytes=0)


def estimate(value: float, n: int) -> Estimate:
    return Estimate(value=value, low=value - 0.02, high=value + 0.02, n=n, method="test")


def monitored(*, drop: float = 0.0, p: float = 0.5, labelled: int = 400, rows: int = 500) -> MonitoringReport:
    check = QualityCheck(metric="accuracy", now=estimate(0.97 - drop, labelled), at_release=estimate(0.97, 400),
                         p_value=p, test="test")  # fmt: skip
    return MonitoringReport(rows=rows, labelled=labelled, quality=(check,) if labelled else (), confidence=0.9,
                            confidence_at_release=0.9, shares=(), latency_ms=None, served_agreement=None)  # fmt: skip


def drift(*moved: str) -> DriftReport:
    signals = tuple(
        DriftSignal(name=name, family="text", method="KS", statistic=0.3, p_value=1e-9 if name in moved else 0.4,
                    threshold=0.001, effect=0.3, effect_name="largest gap", floor=0.06, detail="")
        for name in ("embeddings", "words", "characters", "confidence")
    )  # fmt: skip
    return DriftReport(signals=signals, alpha=0.01, correction="", reference_rows=1000, current_rows=500,
                       compared_rows=500, evidently_html=FILE, evidently_json=FILE, evidently_share=0.0,
                       notes=())  # fmt: skip


def entry(
    days_ago: float, *, kind: str = "maintain", outcome: Outcome = Outcome.HELD, degraded: bool = False,
    drifted: bool = False, retrained: bool = False,
) -> HistoryEntry:  # fmt: skip
    at = NOW - timedelta(days=days_ago)
    return HistoryEntry.model_validate({
        "sequence": 1, "run_id": "r", "kind": kind, "outcome": outcome, "headline": "", "started_at": at,
        "finished_at": at, "window_digest": "", "rows": 500, "degraded": degraded, "drifted": drifted,
        "retrained": retrained, "accuracy": None, "champion_version": 1, "cursor": Cursor(), "report": None,
    })  # fmt: skip


BAD, FINE, UNLABELLED = monitored(drop=0.273, p=3e-12), monitored(), monitored(labelled=0)
BOOTSTRAP = entry(30, kind="bootstrap", outcome=Outcome.BOOTSTRAPPED)


def decided(
    monitoring: MonitoringReport, found: DriftReport, *history: HistoryEntry, force: bool = False, **policy: object
) -> RetrainDecision:
    return decide.fn(monitoring, found, (*history, BOOTSTRAP), policy=Policy(**policy), force=force, now=NOW)


def said(decision: RetrainDecision) -> str:
    return "; ".join(decision.reasons)


def test_a_proven_drop_calls_for_training_and_the_reason_has_the_numbers() -> None:
    found = decided(BAD, drift())
    assert found.action is Action.RETRAIN
    assert "accuracy fell: 97.0% at release, 69.7% now (p = 3e-12, 400 labels)" in said(found)


def test_a_quiet_window_is_held() -> None:
    found = decided(FINE, drift())
    assert found.action is Action.HOLD
    assert "no drift in 4 signals at alpha 0.01" in said(found)


def test_a_significant_drop_that_is_too_small_is_held_and_so_is_a_large_one_that_is_not_significant() -> None:
    assert decided(monitored(drop=0.01, p=1e-6), drift()).action is Action.HOLD
    assert decided(monitored(drop=0.1, p=0.02), drift()).action is Action.HOLD


def test_drift_without_labels_asks_for_labels_with_the_strongest_signals() -> None:
    found = decided(UNLABELLED, drift("embeddings", "words", "characters", "confidence"))
    assert found.action is Action.ALERT
    assert "label some of these rows" in said(found)
    assert "embeddings (p = 1e-09, largest gap 0.30)" in said(found)
    assert "and 1 more" in said(found)


def test_drift_that_does_no_harm_is_an_alert() -> None:
    found = decided(FINE, drift("words"))
    assert found.action is Action.ALERT
    assert found.drifted
    assert not found.degraded


def test_the_policy_says_what_is_acted_on() -> None:
    assert decided(FINE, drift("words"), act_on="drift").action is Action.RETRAIN
    assert decided(FINE, drift("words"), act_on="either").action is Action.RETRAIN
    assert decided(BAD, drift(), act_on="either").action is Action.RETRAIN
    assert decided(BAD, drift(), act_on="drift").action is Action.ALERT


def test_k_of_n_counts_this_window_and_skips_those_that_waited() -> None:
    policy = {"k": 2, "n": 3}
    assert decided(BAD, drift(), **policy).action is Action.ALERT
    waited, bad = entry(1, outcome=Outcome.WAITING), entry(2, degraded=True)
    assert decided(BAD, drift(), waited, entry(1.5), bad, **policy).action is Action.RETRAIN
    assert decided(BAD, drift(), entry(1), entry(1.5), bad, **policy).action is Action.ALERT


def test_windows_of_an_earlier_champion_do_not_count() -> None:
    released = entry(1, outcome=Outcome.RELEASED, degraded=True, retrained=True)
    assert decided(BAD, drift(), released, entry(2, degraded=True), k=2, n=3).action is Action.ALERT


def test_a_cooldown_turns_retraining_into_an_alert_that_says_when_it_ends() -> None:
    last = entry(2, outcome=Outcome.RELEASED, retrained=True)
    found = decided(BAD, drift(), last, cooldown="7d")
    assert found.action is Action.ALERT
    assert "lasts until 2026-05-06 12:00 UTC" in said(found)
    assert decided(BAD, drift(), last, cooldown="1d").action is Action.RETRAIN


def test_a_scheduled_retraining_needs_no_evidence_but_does_need_rows() -> None:
    assert decided(FINE, drift(), retrain_every="2w").action is Action.RETRAIN
    assert decided(FINE, drift(), retrain_every="8w").action is Action.HOLD
    few = decided(monitored(rows=20, labelled=20), drift("words"), retrain_every="2w")
    assert few.action is Action.HOLD
    assert "20 rows are fewer than policy.min_rows = 50" in said(few)


monitorings = st.builds(
    monitored, drop=st.floats(-0.02, 0.9), p=st.floats(0, 1), labelled=st.integers(0, 500), rows=st.integers(1, 500)
)
drifts = st.lists(st.sampled_from(["embeddings", "words"]), unique=True).map(lambda names: drift(*names))
histories = st.lists(
    st.builds(entry, st.floats(0, 29), outcome=st.sampled_from(Outcome), degraded=st.booleans(),
              drifted=st.booleans(), retrained=st.booleans()), max_size=5,
).map(lambda entries: sorted(entries, key=lambda e: e.finished_at, reverse=True))  # fmt: skip
policies = st.fixed_dictionaries({
    "act_on": st.sampled_from(["quality", "drift", "either"]), "k": st.integers(1, 2), "n": st.integers(2, 4),
    "cooldown": st.sampled_from(["0d", "3d", "7d"]), "retrain_every": st.sampled_from([None, "7d", "4w"]),
})  # fmt: skip


@given(monitorings, drifts, histories, policies)
def test_force_always_retrains(m: MonitoringReport, d: DriftReport, h: list[HistoryEntry], p: dict) -> None:
    found = decided(m, d, *h, force=True, **p)
    assert found.action is Action.RETRAIN
    assert "forced" in said(found)


@given(monitorings, drifts, histories, policies)
def test_nothing_retrains_within_the_cooldown(
    m: MonitoringReport, d: DriftReport, h: list[HistoryEntry], p: dict
) -> None:
    last = entry(0.5, outcome=Outcome.REJECTED, retrained=True)
    assert decided(m, d, last, *h, **{**p, "cooldown": "3d"}).action is not Action.RETRAIN


@given(monitorings, drifts, histories, policies)
def test_retraining_has_a_reason_and_no_evidence_is_held(
    m: MonitoringReport, d: DriftReport, h: list[HistoryEntry], p: dict
) -> None:
    found = decided(m, d, *h, **{**p, "retrain_every": None})
    if found.action is Action.RETRAIN:
        assert {"quality": found.degraded, "drift": found.drifted, "either": True}[p["act_on"]]
    if not (found.degraded or found.drifted):
        assert found.action is Action.HOLD
    if m.rows < 50:
        assert found.action is Action.HOLD
    if m.labelled < 50:
        assert not found.degraded
    assert len(found.reasons) >= 2
