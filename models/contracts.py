"""Every record of a run, in the order in which the run makes them: read this file and you know the system.

Records are frozen. Large data travels as an `Artifact` (URI + SHA-256), never by value. A stored record that
carries fields which this version does not know is still read; one of a newer `schema_version` is too.
"""

import hashlib
from datetime import datetime
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, field_validator

from models.generation import Generation
from models.hosting import Hosted
from models.measures import CLASSIFICATION, MEASURED, SEVERAL, can_show, improvement, measured_of_hosted

SCHEMA_VERSION = 1
EVIDENCE = "evidence.json"


class Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", from_attributes=True)
    schema_version: int = SCHEMA_VERSION

    @property
    def digest(self) -> str:
        """SHA-256 of the record's canonical JSON."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


# --- what records are made of -------------------------------------------------------------------------------


class Artifact(Record):
    """A file in the object store, named by its address and its content."""

    uri: str
    sha256: str
    bytes: int


class Table(Artifact):
    """A Parquet file; `rows` says how many."""

    rows: int

    @classmethod
    def of(cls, stored: object, *, rows: int) -> Self:
        return cls.model_validate({**Artifact.model_validate(stored).model_dump(), "rows": rows})


class Estimate(Record):
    """A number with its 95 % interval; `n` is the rows it rests on, `method` where the interval comes from."""

    value: float
    low: float
    high: float
    n: int
    method: str

    @property
    def tells_nothing(self) -> bool:
        """Of a share: it may be anything, as from a handful of rows."""
        return self.low <= 0 and self.high >= 1


# --- the run's start ----------------------------------------------------------------------------------------


class FileEntry(Record):
    """One file of a version, relative to the version's prefix."""

    path: str
    sha256: str
    bytes: int

    @field_validator("path")
    @classmethod
    def _stays_inside(cls, path: str) -> str:
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise ValueError(f"{path!r} leads out of the version's folder; somebody changed the record")
        return path


class ModelKind(Record):
    """How a model's files are to be read and its answers to be judged: which adapter, which outputs, where texts are
    cut, what the truth of a row is."""

    task: str
    labels: tuple[str, ...]
    """Empty where the model writes its answers."""
    max_tokens: int
    seed: int
    code: dict[str, str] = {}
    """Python files that loading may run: name -> SHA-256."""
    truth: Literal["label", "labels", "answer", "text"] = "label"
    """One of the labels, any number of them (`models/label_sets.py`), a text that was to be written, or the row's own text (a language model predicts it)."""
    generation: Generation = Generation(max_new_tokens=0)
    hosted: Hosted | None = None
    """Where the model is behind an API: how it is asked there. What it is asked is pinned in a version's file."""

    @property
    def of_versions(self) -> Self:
        """Without what each version of a hosted model pins by itself, and how patiently it is asked: a change of these in
        the spec changes no answer, and what was paid for is not asked again."""
        if self.hosted is None:
            return self
        kept = self.hosted.model_dump(include={"logprobs", "embeddings", "at_once"})
        hosted = Hosted.model_construct(url="", model="", **kept)
        return self.model_copy(update={"hosted": hosted, "generation": Generation(max_new_tokens=0)})

    @property
    def without_embeddings(self) -> Self:
        """Asks no API for what nobody will look at: it would be paid for, and be part of the time that an answer takes."""
        if self.hosted is None:
            return self
        return self.model_copy(update={"hosted": self.hosted.model_copy(update={"embeddings": None})})

    @property
    def writes(self) -> bool:
        return bool(self.generation.max_new_tokens)

    @property
    def metrics(self) -> tuple[str, ...]:
        """What is measured of it; the first decides where nobody names another."""
        if self.hosted:
            return measured_of_hosted(self.task, priced=self.hosted.prices is not None)
        written = {"repetition", "distinct_2"}
        named = SEVERAL if self.truth == "labels" else self.task
        return tuple(m for m in MEASURED.get(named, MEASURED[CLASSIFICATION]) if self.writes or m not in written)

    @property
    def classifies(self) -> bool:
        return self.truth in {"label", "labels"}


class Weights(Record):
    """A model's plain `save_pretrained` files below `prefix`, a key of the store; named by their content."""

    prefix: str
    files: tuple[FileEntry, ...]
    content_digest: str


class SourcePosition(Record):
    """How far one source file was read. `head` fingerprints its first bytes, so that a replaced file is new."""

    uri: str
    head: str
    size: int
    offset: int
    rows: int
    state: str | None = None
    """What the store or file system said of the file when all of it had been read: while it says the same, there is
    nothing to look for. None where something was left to read, or where it could not be relied on."""


class Cursor(Record):
    """What earlier runs have read, file by file."""

    positions: tuple[SourcePosition, ...] = ()
    ended: tuple[str, ...] = ()
    """Of a window by count: the file in which it ended, and those that were there and it did not come to."""


class Reference(Record):
    """What the champion is compared against: every window that it was adapted to, frozen.

    The table has the columns of a kept window plus `origin` (the digest of the window that a row came from).
    Drift looks at the held-out rows of `newest_origin`; forgetting is judged on the sealed test rows of all.
    """

    table: Table
    newest_origin: str


class Lineage(Record):
    run_id: str
    spec: str
    spec_digest: str
    source: str
    window_digest: str
    training_digest: str
    recipe: str
    packages: dict[str, str]
    git_commit: str
    seed: int


class Measurement(Record):
    """A metric of one model on one set of rows (`on`: "current", "reference", "slice:label=positive")."""

    on: str
    metric: str
    estimate: Estimate


class LabelCount(Record):
    label: str
    rows: int


class ConfusedPair(Record):
    """`counts`: on how many rows with the label `truth` each of the models answered `said`."""

    truth: str
    said: str
    counts: tuple[int, ...]

    @property
    def is_right(self) -> bool:
        return self.truth == self.said


class Confusion(Record):
    """What models answered to the current sealed rows of each label: all pairs of labels, or the most confused ones."""

    models: tuple[str, ...]
    labels: tuple[LabelCount, ...]
    """In the spec's order, with the rows that have them."""
    pairs: tuple[ConfusedPair, ...]

    @property
    def is_whole(self) -> bool:
        return len(self.pairs) == len(self.labels) ** 2

    def of(self, truth: str) -> tuple[ConfusedPair, ...]:
        return tuple(pair for pair in self.pairs if pair.truth == truth)

    def rows_of(self, pair: ConfusedPair) -> int:
        return next(found.rows for found in self.labels if found.label == pair.truth)

    def shares(self, pair: ConfusedPair) -> tuple[float, ...]:
        """Of the rows with the pair's label, by each of the models."""
        return tuple(count / max(1, self.rows_of(pair)) for count in pair.counts)


class LabelDecisions(Record):
    """Of the current sealed rows, those that have a label and those that have it not; `found` and `added`: on how many of
    either each of the models answered it."""

    label: str
    rows: int
    others: int
    found: tuple[int, ...]
    added: tuple[int, ...]

    @property
    def missed(self) -> tuple[int, ...]:
        return tuple(self.rows - count for count in self.found)

    @property
    def left_out(self) -> tuple[int, ...]:
        """Rightly."""
        return tuple(self.others - count for count in self.added)

    @property
    def most_wrong(self) -> int:
        """By the model that is wrong most often."""
        return max(map(sum, zip(self.missed, self.added, strict=True)))


class Decisions(Record):
    """What models decided of each label where a row may have several: a table of two by two a label."""

    models: tuple[str, ...]
    labels: tuple[LabelDecisions, ...]
    """In the spec's order."""


class Percentiles(Record):
    p50: float
    p95: float
    p99: float
    n: int


class VariantCheck(Record):
    """A variant beside the full weights: the same sealed rows, then one text at a time in turn on the same machine."""

    variant: str
    bytes: int
    """Of its graph, on disk, with the weights of a large one, which lie beside it."""
    agreement: Estimate
    """Share of the rows with the same answer."""
    largest_gap: float
    """Between the two probabilities of any label of any row."""
    full_ms: Percentiles
    variant_ms: Percentiles
    device: str
    """That the full weights were on; a variant is always on the CPU, with as many threads."""

    @property
    def factor(self) -> float:
        """Of the full weights' median time."""
        return self.variant_ms.p50 / self.full_ms.p50


class Measured(Record):
    """What a first champion can do, and what the least that it must beat would score."""

    measurements: tuple[Measurement, ...]
    to_beat: float | None
    """By the first of the metrics; None where nothing so simple is known."""
    simplest: str = ""
    """What scores that, in words."""
    confusion: Confusion | None = None
    """Of a kind whose rows have one label."""
    decisions: Decisions | None = None
    """The same of a kind whose rows may have several."""
    variants: tuple[VariantCheck, ...] = ()


class Manifest(Record):
    """What an immutable version consists of; written last, so that a version without one does not exist."""

    model: str
    version: int
    parent: int | None
    task: str
    labels: tuple[str, ...]
    created_at: datetime
    files: tuple[FileEntry, ...]
    content_digest: str
    reference: Reference
    measured: tuple[Measurement, ...]
    lineage: Lineage

    @property
    def deciding(self) -> Measurement | None:
        """The kind's first metric on the newest window's sealed rows."""
        return next((m for m in self.measured if m.on == "current"), None)

    @property
    def evidence_sha256(self) -> str | None:
        """Of the version's file that says why it was released."""
        return next((file.sha256 for file in self.files if file.path == EVIDENCE), None)


class AliasEntry(Record):
    """One generation of an alias: an append-only log that is the pointer and its own audit trail."""

    alias: str
    generation: int
    version: int
    previous_version: int | None
    manifest_sha256: str
    evidence_sha256: str | None
    previous_entry_sha256: str | None
    token: str
    run_id: str
    who: str
    at: datetime
    why: str


class Release(Record):
    """A version that an alias names."""

    manifest: Manifest
    entry: AliasEntry

    @property
    def version(self) -> int:
        return self.manifest.version


class RunStart(Record):
    """What a run is pinned to. It is stored before anything else, so that a killed run resumes as it began."""

    run_id: str
    kind: Literal["bootstrap", "maintain", "promote", "rollback"]
    model: str
    spec_digest: str
    started_at: datetime
    sequence: int
    force: bool
    cursor: Cursor
    champion: Release | None
    """The champion when the run began; None only while a model is bootstrapped."""
    flow_run: str
    """The Prefect run that opened it."""
    spec: str
    """The spec as JSON: a run that has released ends by the spec by which it began."""


# --- looking ------------------------------------------------------------------------------------------------


class Window(Record):
    """The rows under watch, as they were read: `raw_schema` of `models/rows.py`."""

    table: Table
    first_at: datetime | None
    last_at: datetime | None
    cursor: Cursor
    waiting: bool
    """True when windows are by count or by time and the next one is not full yet: nothing was consumed."""
    unfinished: tuple[str, ...] = ()
    """The sources whose last line is still being written; it was left for the next run."""
    read_at: datetime
    """When the reading began, long after the run's start where that was taken up."""

    @property
    def rows(self) -> int:
        return self.table.rows


class ReasonCount(Record):
    reason: str
    rows: int
    example: str


class ValidationReport(Record):
    """Every row that was read is in exactly one of `kept` and `quarantined`."""

    kept: Table
    quarantined: Table
    reasons: tuple[ReasonCount, ...]
    labelled: int
    notes: tuple[str, ...]
    new_classes: tuple[LabelCount, ...] = ()
    """Labels that the spec does not list, each on enough rows to be no slip; the rows are quarantined."""

    @property
    def read(self) -> int:
        return self.kept.rows + self.quarantined.rows


class Scores(Record):
    """A model's outputs for the kept rows, in their order: an Arrow file with a fixed-size list a row in each of
    `numbers` (float32; a classifier's are the labels' probabilities) and `embeddings` (width, float16), and `texts`
    where the model writes. `tasks/score_files.py` reads and writes it."""

    model_digest: str
    arrays: Artifact
    rows: int
    seconds: float
    device: str


class Scored(Record):
    """Rows together with one model's outputs for them."""

    rows: Table
    scores: Scores


class QualityCheck(Record):
    """Now against the release: a one-sided test that the metric fell."""

    metric: str
    now: Estimate
    at_release: Estimate
    p_value: float
    test: str

    @property
    def drop(self) -> float:
        """By how much it is worse now: points of a share, else a share of what it was at release."""
        return -improvement(self.metric, self.at_release.value, self.now.value)


class Share(Record):
    label: str
    predicted: float
    predicted_at_release: float
    labelled: float | None


class LabelFreeEstimate(Record):
    """What a method makes of the accuracy (where rows may have several labels: of exact match) without looking at a label;
    an extra alarm, never evidence of safety."""

    method: Literal["CBPE", "ATC", "DoC"]
    metric: str
    estimate: Estimate
    truth: Estimate | None
    """By the labels of the very rows that were estimated, where enough of the window's are labelled (the estimate is
    then of those alone); None: the estimate is of all rows, and nothing scores it yet."""

    @property
    def error(self) -> float | None:
        return None if self.truth is None else self.estimate.value - self.truth.value


class MonitoringReport(Record):
    rows: int
    """Rows that may measure: not those that were chosen for being unlike the reference."""
    labelled: int
    quality: tuple[QualityCheck, ...]
    """The kind's metrics on the labelled rows, the deciding one first; empty where there are none."""
    confidence: float | None
    """Mean of the model's own; None where it says none."""
    confidence_at_release: float | None
    shares: tuple[Share, ...]
    latency_ms: Percentiles | None
    """From the log's latency column, where the spec names one; else of a hosted model's own requests."""
    served_agreement: float | None
    """Share of rows whose logged prediction is the champion's own, where the spec names the column."""
    asked_for: int = 0
    """How many of the labelled rows came back because Upkeep had asked for their labels."""
    estimates: tuple[LabelFreeEstimate, ...] = ()
    """Calibrated on the labelled held-out rows of the reference; empty where those have no labels."""
    faithfulness: QualityCheck | None = None
    """Of summaries, by the spec's model of entailment, on some rows with or without a reference; an extra alarm. `at_release`
    is of the champion's summaries of the baseline, by the same model."""

    @property
    def deciding(self) -> QualityCheck | None:
        return self.quality[0] if self.quality else None


class DriftSignal(Record):
    """One question asked of the window. `p_value` is valid at any size; `effect` says how much, and must reach
    `floor` as well, so that a huge window does not alarm on dust."""

    name: str
    family: Literal["embedding", "prediction", "text", "vocabulary", "label", "metadata", "slice"]
    method: str
    statistic: float
    p_value: float
    threshold: float
    effect: float
    effect_name: str
    floor: float
    detail: str
    doubt: float = 0.0
    """How far chance moves the effect at these sizes (1.96 standard errors): so much below its floor is not shown to
    be dust, and a small window is not kept quiet by an effect that it is too small to measure."""

    @property
    def drifted(self) -> bool:
        return self.threshold > 0 and self.p_value <= self.threshold and self.effect + self.doubt >= self.floor

    @property
    def unmoved(self) -> float:
        """What the effect is where nothing moved; it is 1 at most."""
        return 0.5 if self.effect_name == "AUC" else 0.0


class TellingWord(Record):
    """A word that tells the two sides apart; `z` above 0: a larger share of the rows holds it now."""

    word: str
    z: float
    reference_rows: int
    current_rows: int


class UnlikeRow(Record):
    """A row of the window that is most unlike the reference; `row` numbers the window."""

    row: int
    text: str
    distance: float
    """1 - cosine similarity to the reference: 0 the same, 1 at right angles."""
    beyond: float
    """Share of the reference's own rows that are nearer to the reference than this row is."""


class EvidentlyVerdict(Record):
    """What Evidently says of the same columns by its own default methods and thresholds, and why ours may differ."""

    drifted: bool
    share: float
    method: str
    because: str
    """Why the two verdicts differ; empty where they agree."""


class DriftBaseline(Record):
    """What every window of one champion is compared with: a sample of its baseline, made ready once."""

    sampled: Scored
    reading: Artifact
    """Each sampled text's descriptors and words, an Arrow file."""
    vocabulary: Artifact
    """The words of the texts that the champion trained on, one a line."""


class DriftReport(Record):
    signals: tuple[DriftSignal, ...]
    alpha: float
    """The false-alarm rate of this run over all signals: `drift.alpha`, or less where the year's budget asks for it."""
    correction: str
    reference_rows: int
    current_rows: int
    compared_rows: int
    """At most this many rows a side were compared; fewer than `current_rows` means a seeded sample."""
    evidently_html: Artifact
    evidently_share: float
    """The share of columns that Evidently's own dataset verdict calls drifted, for comparison."""
    notes: tuple[str, ...]
    evidently_default: EvidentlyVerdict
    evidently_snapshot: Artifact
    """The report as Evidently loads it again: for its dashboard over time."""
    words: tuple[TellingWord, ...] = ()
    unlike: tuple[UnlikeRow, ...] = ()

    @property
    def drifted(self) -> bool:
        return any(signal.drifted for signal in self.signals)


class Action(StrEnum):
    HOLD = "hold"
    ALERT = "alert"
    RETRAIN = "retrain"


class RetrainDecision(Record):
    action: Action
    reasons: tuple[str, ...]
    degraded: bool
    drifted: bool
    asks_for_labels: bool = False
    """Drift was found and there are too few labels to tell whether it does harm."""
    quality_alpha: float
    """The level of the test that quality fell: `policy.p_value`, or less where the year's budget asks for it; 0 where
    no test was made."""


class LabelRequest(Record):
    """A batch of rows for people to label: as CSV and as JSONL, and what its labels would tell."""

    csv: Table
    jsonl: Table
    local_csv: str
    random_rows: int
    """Drawn from all rows, in proportion to the predicted labels: these measure."""
    unlike_rows: int
    """Most unlike the reference: these teach."""
    power: float
    """The chance that a drop of `drop` is found with these labels, at level `p_value`."""
    drop: float
    p_value: float
    metric: str
    """What the drop is of."""

    @property
    def rows(self) -> int:
        return self.random_rows + self.unlike_rows


class BatchProgress(Record):
    """How far a batch that was asked for has been labelled."""

    run_id: str
    rows: int
    labelled: int

    @property
    def open(self) -> int:
        return self.rows - self.labelled


class LabelsTaken(Record):
    """What `upkeep label` made of a filled file."""

    uri: str | None
    """Where the labels wait for the next run; None where the file said nothing new."""
    new: int
    corrected: int
    unchanged: int
    edited: int
    """Rows whose text was edited in the file: the text that was sent out holds."""
    by_label: tuple[LabelCount, ...]
    """Of all labels in the file."""
    batches: tuple[BatchProgress, ...]
    """The batches that rows of the file belong to."""
    waiting: int
    """Labels, of this file and earlier ones, that no run has read yet and that measure."""


class Observation(Record):
    """What a run saw and made of it."""

    window: Window
    validation: ValidationReport
    scores: Scores
    monitoring: MonitoringReport
    drift: DriftReport
    baseline_scores: Scores
    """The champion's outputs for its baseline."""

    @property
    def unlabelled(self) -> int:
        return self.validation.kept.rows - self.validation.labelled


# --- retraining ---------------------------------------------------------------------------------------------


class LeakReport(Record):
    """Training rows that were removed because a sealed test row says nearly the same; the same text is never on both sides."""

    near: int
    examples: tuple[str, ...]


class TrainingSet(Record):
    """All tables have the columns of a kept window; rows never cross over, in this run or any later one."""

    train: Table
    validation: Table
    test: Table
    """Sealed rows of the current window."""
    reference_test: Table
    """Sealed rows of every window that the champion was adapted to (the current ones at a bootstrap)."""
    new_rows: int
    replayed_rows: int
    leaks: LeakReport


class Budget(Record):
    """What one training may use of the device that trains, all its resumed parts together: wall-clock minutes."""

    cap: float | None = None
    """None: no limit."""
    limit: str = ""
    """The field of the spec that sets the cap."""
    spent: float = 0.0
    """What the history accounts for already, of earlier parts that were stopped."""

    @property
    def used_up(self) -> bool:
        return self.cap is not None and self.spent >= self.cap


class Stopped(Record):
    """A training that reached its cap. Its checkpoint waits for a larger one, on the machine that trained."""

    settings: str
    """Digest of the spec's `training`."""
    step: int
    steps: int
    minutes: float
    """Of all its parts so far."""
    cap: float
    limit: str
    checkpoint: str

    @property
    def place(self) -> str:
        """Empty of an API's job, whose steps nobody knows."""
        return f"at step {self.step:,} of {self.steps:,}" if self.steps else ""

    @property
    def sentence(self) -> str:
        cap, minutes = (f"{m:.3g}" if m < 100 else f"{m:,.0f}" for m in (self.cap, self.minutes))
        place = f"{self.place} " if self.place else ""
        return (f"the training stopped at its cap of {cap} minutes ({self.limit}), {place}after {minutes} minutes; once more "
                f"minutes are allowed, the next run goes on from {self.checkpoint}")  # fmt: skip

    @property
    def message(self) -> str:
        return f"{self.sentence}. Raise {self.limit} and run again."


class Cost(Record):
    seconds: float
    """Wall-clock, of all parts of a training that was killed or stopped and resumed."""
    cpu_seconds: float
    """0: not known, as of a training in several parts or processes."""
    peak_memory_mb: float
    """In millions of bytes."""
    device: str
    steps: int
    epochs: float
    stopped: str
    resumed_from_step: int

    @property
    def trained(self) -> bool:
        """False of what was adopted, or named by the spec. An API that trains tells no steps."""
        return self.seconds > 0


class CurvePoint(Record):
    step: int
    train_loss: float | None
    validation_loss: float | None
    validation_accuracy: float | None


class Variant(Record):
    """Another form of a candidate's weights, `path` among its files."""

    name: str
    path: str
    recipe: str


class Candidate(Record):
    """Trained weights as plain `save_pretrained` files under `prefix`, and the other forms of them that the spec asks for."""

    prefix: str
    files: tuple[FileEntry, ...]
    content_digest: str
    parent: int | None
    recipe: str
    cost: Cost
    curve: tuple[CurvePoint, ...]
    variants: tuple[Variant, ...] = ()

    @property
    def weights(self) -> Weights:
        return Weights(prefix=self.prefix, files=self.files, content_digest=self.content_digest)


class Comparison(Record):
    """Champion and candidate on the same rows; `difference` is by how much the candidate is better, paired: points of a
    share, else a share of the champion's value."""

    on: str
    metric: str
    champion: Estimate
    candidate: Estimate
    difference: Estimate

    @property
    def is_slice(self) -> bool:
        return self.on.startswith("slice:")


class Latency(Record):
    """Milliseconds for one request of one text, both models in turn on the same texts, on this machine."""

    champion: Percentiles
    candidate: Percentiles

    @property
    def factor(self) -> float:
        return self.candidate.p50 / self.champion.p50


class JudgedPair(Record):
    """What a judge says of both models' answers to one sealed row, named by its content. `flipped`: its verdict went with
    the order in which it saw them; `unread`: it gave none; `failed`: it was not reached."""

    content: str
    said: Literal["champion", "candidate", "same", "flipped", "unread", "failed"]


class Judgement(Record):
    """Champion's and candidate's answers, compared by a judge that the spec names."""

    judge: str
    of_rows: int
    """The sealed rows that the judged ones were drawn from."""
    pairs: tuple[JudgedPair, ...]
    asked: int
    """Requests: an API is asked twice for each pair whose answers differ."""
    failed: int
    """Requests that were not answered."""
    sent: float
    """Tokens, as the API counts them."""
    written: float
    cost: float | None
    """By the spec's prices; None where it has none."""

    def count(self, said: str) -> int:
        return sum(pair.said == said for pair in self.pairs)

    @property
    def unjudged(self) -> int:
        return self.count("unread") + self.count("failed")


class Scorecard(Record):
    comparisons: tuple[Comparison, ...]
    latency: Latency
    label_agreement: float | None
    """Share of the current sealed rows whose label the champion agrees with, a hint at bad labels; None where answers
    are written."""
    confusion: Confusion | None = None
    """Of a kind whose rows have one label."""
    decisions: Decisions | None = None
    """The same of a kind whose rows may have several."""
    judgement: Judgement | None = None
    """None where the spec names no judge."""
    variants: tuple[VariantCheck, ...] = ()
    """Of the candidate."""

    def of(self, on: str, metric: str) -> Comparison | None:
        return next((c for c in self.comparisons if c.on == on and c.metric == metric), None)

    def deciding(self, on: str) -> Comparison | None:
        """Of the kind's first metric."""
        return next((c for c in self.comparisons if c.on == on), None)


class Verdict(StrEnum):
    BLESSED = "blessed"
    REJECTED = "rejected"
    INSUFFICIENT = "insufficient_evidence"


class GateResult(Record):
    gate: str
    verdict: Verdict
    metric: str
    on: str
    measured: Estimate
    limit: float
    because: str
    mode: Literal["enforce", "warn"] = "enforce"
    side: Literal["", "at least", "at most"] = ""
    """Of `limit`, where the candidate is held against a number; empty for other gates."""

    @property
    def called(self) -> str:
        return f"{self.gate} (only warns)" if self.mode == "warn" else self.gate


class Blessing(Record):
    """The verdict over all enforced gates. Where a gate in mode `warn` fails, a person decides on the promotion."""

    verdict: Verdict
    gates: tuple[GateResult, ...]
    off: tuple[str, ...]
    """Names of the gates that the spec has switched off."""

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(g.gate for g in self.gates if g.mode == "warn" and g.verdict is not Verdict.BLESSED)

    @property
    def promotes_by_itself(self) -> bool:
        return self.verdict is Verdict.BLESSED and not self.warnings


class Evidence(Record):
    """Why a candidate was released; it is a file of its version."""

    scorecard: Scorecard
    blessing: Blessing

    @property
    def variants(self) -> tuple[VariantCheck, ...]:
        return self.scorecard.variants


class Attempt(Record):
    """A retraining and what was made of it."""

    training_set: TrainingSet
    candidate: Candidate
    scorecard: Scorecard
    blessing: Blessing

    @property
    def evidence(self) -> Evidence:
        return Evidence(scorecard=self.scorecard, blessing=self.blessing)


class Instruments(Record):
    """Models that measure others: those of the spec, copied into the store."""

    entailment: Weights | None = None
    reward: Weights | None = None


class Trial(Record):
    """What a retraining came to: an attempt to be judged by its gates, or a training that waits at its cap."""

    came_to: Attempt | Stopped


class TrainingJob(Record):
    """What a worker of the GPU pool is asked for: a `Trial`."""

    spec: str
    """The whole spec as JSON."""
    champion: Release
    training_set: TrainingSet
    budget: Budget
    instruments: Instruments = Instruments()


class ScoringJob(Record):
    """What a worker of the GPU pool is asked for: `Scores`, kept under the digest of these."""

    spec: str
    rows: Table
    weights: Weights


# --- asking a person ----------------------------------------------------------------------------------------


class SideBySide(Record):
    """A sealed row with both models' answers; texts may be cut, `content` names the row."""

    text: str
    label: str | None
    champion: str
    champion_confidence: float | None
    candidate: str
    candidate_confidence: float | None
    content: str

    @property
    def differs(self) -> bool:
        return self.champion != self.candidate


class Samples(Record):
    """What a person sees before answering: first rows on which the two models differ, then others."""

    sheet: Table
    """The same as CSV with whole texts, and with the columns `better` and `rater` to be filled."""
    shown: tuple[SideBySide, ...]
    differing: int
    """How many of all sealed rows the two answer differently."""
    rows: int


class ApprovalRequest(Record):
    """The question whether a version shall become champion, by the spec of the run that asked. It holds no text of
    any row, so that whoever may read releases may read it."""

    version: int
    run_id: str
    champion_version: int
    """The champion that the version was judged against."""
    manifest_sha256: str
    asked_at: datetime
    expires_at: datetime
    samples: Table
    ratings: int
    """So many samples must have been rated by people before it can be approved."""
    win_rate: float
    differing: int
    """On how many of the samples the two models differ."""

    @property
    def lack(self) -> str:
        """Why no ratings can suffice, where the run drew fewer samples than must be rated, or fewer on which there is something
        to choose than can show the win rate; else empty."""
        if self.ratings > self.samples.rows:
            return f"{self.ratings:,} must be rated, and there are only {self.samples.rows:,}: a yes needs --force"
        if not self.ratings or can_show(self.win_rate, self.differing):
            return ""
        return f"only {self.differing:,} can be decided, too few to show a win_rate of {self.win_rate:g}: a yes needs --force"


class Rating(Record):
    """What one person says of one sample, named by its content."""

    content: str
    better: Literal["champion", "candidate", "same"]
    rater: str


class Ratings(Record):
    """One filled sheet, as it was handed in."""

    version: int
    request_sha256: str
    given: tuple[Rating, ...]
    who: str
    at: datetime


class ApprovalAnswer(Record):
    """What a person said; the first answer stands."""

    version: int
    verdict: Literal["approve", "reject"]
    who: str
    at: datetime
    why: str
    request_sha256: str
    """Of the request's bytes: the answer is to this question and no other."""
    forced: bool
    """Whether it was given in spite of the request's end or of the ratings."""
    rated: GateResult | None
    """What people's ratings showed; None where none were asked for and none were handed in."""
    ratings_sha256: tuple[str, ...]
    """Of the sheets behind that."""
    flow_run: str = ""
    """The Prefect run that gave it."""


class Asked(Record):
    """A question as it was put: what is stored of it, and what the person is shown."""

    request: ApprovalRequest
    samples: Samples


# --- the registry as a whole ---------------------------------------------------------------------------------


class Misfit(Record):
    """An object of the registry that is not what it should be."""

    uri: str
    problem: str


class Audit(Record):
    """What was looked at, and what did not fit."""

    entries: int
    versions: int
    files: int
    deep: bool
    """Whether every byte was read, or sizes only."""
    misfits: tuple[Misfit, ...]
    approvals: int
    """Questions, answers and sheets of ratings."""
    runs: int
    """Finished runs in the history."""


class Removal(Record):
    """What `upkeep gc` did, or in a dry run would do, with one version, candidate or unfinished upload, or with blobs
    of one kind."""

    what: str
    bytes: int
    removed: bool
    because: str


class VersionLine(Record):
    """A version as a list shows it."""

    version: int
    aliases: tuple[str, ...]
    parent: int | None
    created_at: datetime
    run_id: str
    bytes: int
    measured: Measurement | None
    """The deciding metric on the newest window's sealed rows, at release."""
    recipe: str
    approval: str = ""
    """What a person was asked and said, in words; empty where nothing was asked."""
    entombed: bool = False
    """`upkeep gc` began to delete it: it can be read as long as it is there, and not released."""


class BrokenVersion(Record):
    """A version as a list shows it where its manifest is not what was written there."""

    version: int
    aliases: tuple[str, ...]
    problem: str


class Difference(Record):
    """Something that two versions do not share; `part`: recipe, data, files or metrics."""

    part: str
    name: str
    first: str
    second: str


# --- the run's end ------------------------------------------------------------------------------------------


class Outcome(StrEnum):
    WAITING = "waiting"
    HELD = "held"
    ALERTED = "alerted"
    WOULD_RETRAIN = "would-retrain"
    PUBLISHED = "published"
    RELEASED = "released"
    REJECTED = "rejected"
    INSUFFICIENT = "insufficient_evidence"
    BOOTSTRAPPED = "bootstrapped"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled-back"


class StageTime(Record):
    stage: str
    seconds: float
    reused: bool
    """True when an earlier, interrupted run had already finished this stage."""


class RunReport(Record):
    """The whole run. None means that the run did not call for it, never that it is still to come."""

    start: RunStart
    outcome: Outcome
    headline: str
    observation: Observation | None
    decision: RetrainDecision | None
    attempt: Attempt | None
    release: Release | None
    stages: tuple[StageTime, ...]
    finished_at: datetime
    label_request: LabelRequest | None = None
    stopped: Stopped | None = None
    """The training that this run left at its cap."""
    went_on_from: Stopped | None = None
    """The training that an earlier run had left, where this run went on with it and looked at no rows of its own."""
    asked: Asked | None = None
    """The approval that was asked for."""


class BootstrapReport(Record):
    start: RunStart
    headline: str
    window: Window
    validation: ValidationReport
    training_set: TrainingSet
    candidate: Candidate
    measured: tuple[Measurement, ...]
    confusion: Confusion | None = None
    decisions: Decisions | None = None
    variants: tuple[VariantCheck, ...] = ()
    release: Release
    stages: tuple[StageTime, ...]
    finished_at: datetime


class Pages(Record):
    """A report as a person reads it."""

    html: Artifact
    markdown: Artifact
    json_: Artifact
    local_html: str


class Handled(Record):
    """What a run says of a window that was looked at already, by an earlier run or by itself before it was started
    again: nothing is done twice."""

    model: str
    window_digest: str
    run_id: str
    outcome: Outcome
    headline: str
    """Of that run, as its outcome."""


class Ended(Record):
    """What a flow hands back. Who writes nothing has no pages: a dry run, a look at nothing new."""

    report: RunReport | BootstrapReport | Handled
    pages: Pages | None


class HistoryEntry(Record):
    """One finished run: the commit of its cursor, and all that later decisions know of it."""

    sequence: int
    run_id: str
    kind: Literal["bootstrap", "maintain", "promote", "rollback"]
    outcome: Outcome
    headline: str
    started_at: datetime
    finished_at: datetime
    window_digest: str
    rows: int
    degraded: bool
    drifted: bool
    retrained: bool
    quality: Estimate | None
    """Of the deciding metric, on the rows that have a label."""
    champion_version: int
    cursor: Cursor
    report: Pages | None
    drift_alpha: float = 0.0
    """The false-alarm rate that this run's drift verdict spent; 0 where none was made."""
    quality_alpha: float = 0.0
    training_minutes: float
    asked_for_labels: bool = False
    stopped: Stopped | None = None
    metric: str
    """What `quality` is of."""
    went_on: bool = False
    """The run looked at no rows: it went on with a training that an earlier one had left at its cap."""
    flow_runs: tuple[str, ...]
    """The Prefect runs that opened and closed it: started again, they find that they are done."""
    unread: bool = False
    """It told what it saw, and another took its place, by another spec or with `--force`: what its tests spent counts, and its
    rows are read again."""
    previous_entry_sha256: str | None = None
    """Of the run before, as it lies in the store; None of the first."""
