"""Small reports, one for each way in which a run can end, made of the records that the steps would have made."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from models.contracts import (
    AliasEntry,
    ApprovalRequest,
    Artifact,
    Asked,
    Attempt,
    BootstrapReport,
    Candidate,
    Comparison,
    Confusion,
    Cost,
    Cursor,
    CurvePoint,
    DriftReport,
    DriftSignal,
    Estimate,
    EvidentlyVerdict,
    FileEntry,
    Latency,
    LeakReport,
    Lineage,
    Manifest,
    Measurement,
    MonitoringReport,
    Observation,
    Outcome,
    Percentiles,
    QualityCheck,
    ReasonCount,
    Reference,
    Release,
    RetrainDecision,
    RunReport,
    RunStart,
    Samples,
    Scorecard,
    Scores,
    Share,
    SideBySide,
    SourcePosition,
    Table,
    TellingWord,
    TrainingSet,
    UnlikeRow,
    ValidationReport,
    Window,
)
from models.gate_kinds import Gate, default_gates
from models.sections import Policy
from tasks.conclusion import bootstrap_headline, conclude, stage_times
from tasks.decision import decide
from tasks.gates import judge
from tasks.metrics.confusion import confuse
from tests import judged

AT = datetime(2026, 11, 25, 15, 0, tzinfo=UTC)
LABELS = ("negative", "positive")
TIMINGS = [("ingest", 0.4, False), ("score", 0.1, True), ("drift", 4.5, False), ("candidate", 95.0, False)]
OUTCOMES = (
    Outcome.WAITING, Outcome.HELD, Outcome.ALERTED, Outcome.WOULD_RETRAIN, Outcome.PUBLISHED, Outcome.RELEASED,
    Outcome.REJECTED, Outcome.INSUFFICIENT, Outcome.BOOTSTRAPPED,
)  # fmt: skip
EVIDENTLY = Artifact(uri="s3://bucket/models/test/blobs/evidently/e.html", sha256="e" * 64, bytes=3)


def report_of(outcome: Outcome) -> RunReport | BootstrapReport:
    """An unremarkable report that ends so."""
    if outcome is Outcome.BOOTSTRAPPED:
        return bootstrapped()
    quiet, moved = observation(), observation(accuracy=0.70, gap=0.4)
    return {
        Outcome.WAITING: lambda: run(None),
        Outcome.HELD: lambda: run(quiet),
        Outcome.ALERTED: lambda: run(observation(gap=0.4, labelled=0)),
        Outcome.WOULD_RETRAIN: lambda: run(moved),
        Outcome.PUBLISHED: lambda: run(moved, attempt(), promote=False),
        Outcome.RELEASED: lambda: run(moved, attempt()),
        Outcome.REJECTED: lambda: run(moved, attempt(gain=-0.1)),
        Outcome.INSUFFICIENT: lambda: run(moved, attempt(gain=0.01)),
    }[outcome]()


def run(seen: Observation | None, tried: Attempt | None = None, *, force: bool = False, promote: bool = True,
        policy: Policy | None = None, asking: Asked | None = None) -> RunReport:  # fmt: skip
    """What `maintain` makes of an observation and, where it trained, of an attempt."""
    start = started(release(1))
    decision: RetrainDecision | None = None
    if seen:
        decision = decide.fn(
            seen.monitoring,
            seen.drift,
            (judged.bootstrapped(7),),
            policy=policy or Policy(),
            window_digest="w",
            force=force,
            now=AT,
        )
    blessed = tried is not None and tried.blessing.verdict == "blessed"
    return conclude(
        start.model_copy(update={"force": force}), decision, window=window(0 if seen is None else 200), observation=seen,
        attempt=tried, release=release(2) if blessed and promote and not asking else None, asked=asking, timings=TIMINGS,
        finished_at=AT,
    )  # fmt: skip


def asked(
    *, text: str = "the film was fine", label: str | None = "positive", ratings: int = 0, samples: int = 2
) -> Asked:
    """Version 2 waits for a week."""
    shown = (SideBySide(text=text, label=label, champion="negative", champion_confidence=0.61, candidate="positive",
                        candidate_confidence=0.92, content="c" * 32),
             SideBySide(text="dull", label=None, champion="negative", champion_confidence=0.8, candidate="negative",
                        candidate_confidence=0.99, content="d" * 32))  # fmt: skip
    request = ApprovalRequest(
        version=2, run_id="20261125-150000-abcdef", champion_version=1, manifest_sha256="m" * 64, asked_at=AT,
        expires_at=AT + timedelta(days=7), samples=table(samples), ratings=ratings, win_rate=0.5, differing=samples,
    )  # fmt: skip
    return Asked(request=request, samples=Samples(sheet=request.samples, shown=shown, differing=17, rows=1200))


def started(champion: Release | None) -> RunStart:
    return RunStart(run_id="20261125-150000-abcdef", kind="maintain" if champion else "bootstrap", model="test",
                    spec_digest="s" * 64, started_at=AT, sequence=3, force=False, champion=champion,
                    cursor=Cursor(positions=(position("incoming/day-0.csv", 600),)), flow_run="", spec="")  # fmt: skip


def position(uri: str, rows: int) -> SourcePosition:
    return SourcePosition(uri=uri, head="h", size=1000, offset=1000, rows=rows)


def window(rows: int) -> Window:
    read = Cursor(positions=(position("incoming/day-0.csv", 600), position("incoming/day-1.csv", rows)))
    return Window(table=table(rows), first_at=AT, last_at=AT, cursor=read, waiting=False, read_at=AT)


def table(rows: int) -> Table:
    return Table(uri=f"s3://bucket/models/test/blobs/t/{rows}.parquet", sha256="t" * 64, bytes=100, rows=rows)


def estimate(value: float, half: float = 0.04, n: int = 400) -> Estimate:
    return Estimate(value=value, low=value - half, high=value + half, n=n, method="test")


def validation(*, reasons: Sequence[ReasonCount] = (), labelled: int = 200) -> ValidationReport:
    bad = sum(r.rows for r in reasons)
    return ValidationReport(kept=table(200 - bad), quarantined=table(bad), reasons=tuple(reasons),
                            labelled=min(labelled, 200 - bad), notes=())  # fmt: skip


def signal(name: str, *, p: float, effect: float, effect_name: str = "largest gap", floor: float = 0.06) -> DriftSignal:
    return DriftSignal.model_validate({
        "name": name, "family": "text", "method": "Kolmogorov-Smirnov", "statistic": effect, "p_value": p,
        "threshold": 0.001, "effect": effect, "effect_name": effect_name, "floor": floor,
        "detail": "median 12 → 19, mean 14.1 → 19.5",
    })  # fmt: skip


def signals(gap: float) -> tuple[DriftSignal, ...]:
    p = 1e-30 if gap > 0.2 else 0.4
    return (signal("words", p=p, effect=gap), signal("confidence", p=0.3, effect=0.05),
            signal("embeddings", p=min(p * 1e27, 0.5), effect=0.5 + gap / 2, effect_name="AUC", floor=0.54))  # fmt: skip


def observation(
    *, accuracy: float = 0.95, gap: float = 0.03, labelled: int = 200, labels: Sequence[str] = LABELS,
    reasons: Sequence[ReasonCount] = (),
) -> Observation:  # fmt: skip
    fallen = accuracy < 0.9
    checks = [QualityCheck(metric=m, now=estimate(accuracy, n=labelled), at_release=estimate(0.95, 0.02),
                           p_value=1e-20 if fallen else 0.48, test="Fisher's exact test, one-sided")
              for m in ("accuracy", "macro_f1")] if labelled else []  # fmt: skip
    shares = tuple(Share(label=name, predicted=1 / len(labels), predicted_at_release=(i + 1) / sum(range(len(labels) + 1)),
                         labelled=1 / len(labels) if labelled else None) for i, name in enumerate(labels))  # fmt: skip
    monitoring = MonitoringReport(
        rows=200, labelled=labelled, quality=tuple(checks), confidence=0.93, confidence_at_release=0.97, shares=shares,
        latency_ms=Percentiles(p50=12, p95=20, p99=31, n=200), served_agreement=0.99,
    )  # fmt: skip
    drift = DriftReport(
        signals=signals(gap), alpha=0.01, correction="Bonferroni", reference_rows=500, current_rows=200, compared_rows=200,
        evidently_html=EVIDENTLY, evidently_share=0.4, notes=("a sample was compared",),
        evidently_default=EvidentlyVerdict(drifted=False, share=0.1, method="K-S p_value at 0.05",
                                           because="it asks for half of its 8 columns to drift" if gap > 0.1 else ""),
        evidently_snapshot=EVIDENTLY,
        words=(TellingWord(word="<plot>", z=9.5, reference_rows=1, current_rows=90),) if gap > 0.1 else (),
        unlike=(UnlikeRow(row=7, text="a | <b>film</b>", distance=0.8, beyond=1.0),) if gap > 0.1 else (),
    )  # fmt: skip
    scores = Scores(model_digest="m", arrays=EVIDENTLY, rows=200, seconds=1, device="cpu")
    return Observation(window=window(200), validation=validation(reasons=reasons, labelled=labelled), scores=scores,
                       baseline_scores=scores, monitoring=monitoring, drift=drift)  # fmt: skip


def comparison(on: str, gain: float, *, half: float = 0.04, n: int = 400, metric: str = "accuracy") -> Comparison:
    return Comparison(on=on, metric=metric, champion=estimate(0.7, n=n), candidate=estimate(0.7 + gain, n=n),
                      difference=estimate(gain, half, n))  # fmt: skip


def attempt(
    *, gain: float = 0.12, slices: Sequence[Comparison] | None = None, gates: Sequence[Gate] | None = None,
    agreement: float = 0.7, leaked: Sequence[str] = (), curve: Sequence[CurvePoint] | None = None,
    labels: Sequence[str] = LABELS,
) -> Attempt:  # fmt: skip
    """A candidate that gained so much on the new rows and lost a point on the earlier ones."""
    sliced = [comparison("slice:label=positive", -0.02, half=0.03)] if slices is None else slices
    base = Percentiles(p50=20, p95=30, p99=40, n=40)
    scorecard = Scorecard(
        comparisons=(comparison("current", gain), comparison("current", gain, metric="macro_f1"),
                     comparison("reference", -0.01, half=0.015), *sliced),
        latency=Latency(champion=base, candidate=base), label_agreement=agreement,
        confusion=confusion(labels),
    )  # fmt: skip
    return Attempt(training_set=training_set(leaked), candidate=candidate(curve), scorecard=scorecard,
                   blessing=judge.fn(scorecard, gates=default_gates() if gates is None else gates))  # fmt: skip


def confusion(labels: Sequence[str] = LABELS, models: Sequence[str] = ("champion", "candidate")) -> Confusion:
    """Of 20 rows a label each model gives the next label to two more than the one before."""
    truth = np.repeat(np.arange(len(labels)), 20)
    wrong = np.arange(len(truth)) % 20
    answers = {model: np.where(wrong < 2 * (i + 1), (truth + 1) % len(labels), truth) for i, model in enumerate(models)}
    return confuse(truth, answers, tuple(labels))


def training_set(leaked: Sequence[str] = ()) -> TrainingSet:
    leaks = LeakReport(near=len(leaked), examples=tuple(leaked))
    return TrainingSet(train=table(300), validation=table(40), test=table(50), reference_test=table(150), new_rows=120,
                       replayed_rows=180, leaks=leaks)  # fmt: skip


def candidate(curve: Sequence[CurvePoint] | None = None, *, steps: int = 300) -> Candidate:
    losses = ((100, 0.6, 0.5), (200, 0.4, 0.3), (300, 0.2, 0.35))
    known = [CurvePoint(step=s, train_loss=t, validation_loss=v, validation_accuracy=0.9) for s, t, v in losses]
    cost = Cost(seconds=95 if steps else 0, cpu_seconds=180, peak_memory_mb=1300, device="cpu, 2 threads", steps=steps, epochs=2,
                stopped="all steps done", resumed_from_step=100)  # fmt: skip
    return Candidate(prefix="candidates/c/", files=files("new"), content_digest="c" * 64, parent=1,
                     recipe="full, learning rate 5e-05", cost=cost, curve=tuple(known if curve is None else curve))  # fmt: skip


def files(weights: str) -> tuple[FileEntry, ...]:
    return (FileEntry(path="config.json", sha256="5" * 64, bytes=935),
            FileEntry(path="model.safetensors", sha256=f"{weights:0<64}", bytes=90_900_000))  # fmt: skip


def release(version: int) -> Release:
    lineage = Lineage(run_id="20261125-150000-abcdef", spec="spec.yaml", spec_digest="s" * 64, source=f"version {version - 1}" if version > 1 else "model",
                      window_digest="w" * 64, training_digest="d" * 64, recipe="full, learning rate 5e-05",
                      packages={"torch": "2.13.0"}, git_commit="abc123", seed=13)  # fmt: skip
    measured = tuple(
        Measurement(on="current", metric=m, estimate=estimate(0.95, 0.02)) for m in ("accuracy", "macro_f1")
    )
    manifest = Manifest(
        model="test", version=version, parent=version - 1 or None, task="text-classification", labels=LABELS, created_at=AT,
        files=files(f"version-{version}"), content_digest="c" * 64, measured=measured, lineage=lineage,
        reference=Reference(table=table(600 * version), newest_origin="w" * 64),
    )  # fmt: skip
    entry = AliasEntry(
        alias="champion", generation=version, version=version, previous_version=version - 1 or None, manifest_sha256="m" * 64,
        evidence_sha256="e" * 64,
        previous_entry_sha256=None, token="t", run_id="20261125-150000-abcdef", who="ops", at=AT, why="all gates passed",
    )  # fmt: skip
    return Release(manifest=manifest, entry=entry)


def bootstrapped(made: Candidate | None = None) -> BootstrapReport:
    first = release(1)
    return BootstrapReport(
        start=started(None), headline=bootstrap_headline(first, first.manifest.measured), window=window(200),
        validation=validation(), training_set=training_set(), candidate=made or candidate(),
        measured=first.manifest.measured, confusion=confusion(models=("champion",)), release=first, stages=stage_times(TIMINGS), finished_at=AT,
    )  # fmt: skip
