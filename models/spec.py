"""The spec: one YAML file per model that says what to watch, when to act, how to train and what must hold.

Unknown and contradictory fields are refused with the field's path, the value and what would be accepted.
Paths in a spec are relative to the file itself.
"""

import difflib
import hashlib
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo

from errors import SpecError
from models.contracts import ModelKind

Share = Annotated[float, Field(ge=0, le=1)]
_PERIOD = re.compile(r"^(\d+(?:\.\d+)?)\s*(m|h|d|w)$")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_period(text: str) -> timedelta:
    """'90m', '12h', '7d', '2w' as a timedelta; ValueError otherwise."""
    match = _PERIOD.match(text.strip())
    if not match:
        raise ValueError(f"{text!r} is no period; write a number and a unit: 90m, 12h, 7d or 2w")
    return timedelta(**{_UNITS[match[2]]: float(match[1])})


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


class ModelSource(Part):
    source: str = Field(description="A folder (relative to this file), an s3:// prefix or a hub id.")
    revision: str | None = Field(None, description="The hub revision to pin; only for a hub id.")
    adopt: bool = Field(False, description="True: the source is already a classifier for these labels; "
                        "bootstrap registers it as it is instead of fine-tuning it.")  # fmt: skip
    max_tokens: int = Field(128, ge=4, le=8192, description="Longer texts are cut here.")


class Data(Part):
    sources: tuple[str, ...] = Field(min_length=1, description="Files, globs or s3:// prefixes; "
                                     "CSV, JSONL or Parquet, plain or gzip.")  # fmt: skip
    format: Literal["auto", "csv", "jsonl", "parquet"] = Field("auto", description="auto: by file name.")


class Columns(Part):
    text: str = Field(description="The input text.")
    label: str | None = Field(None, description="The true label, where it is known; may be empty in a row.")
    id: str | None = Field(None, description="The row's own name, kept for reference.")
    timestamp: str | None = Field(None, description="ISO 8601 or Unix seconds.")
    prediction: str | None = Field(None, description="The label that was served.")
    score: str | None = Field(None, description="The confidence that was served, 0 to 1.")
    latency: str | None = Field(None, description="Milliseconds that the request took.")
    slices: tuple[str, ...] = Field((), description="Columns that name subsets to be watched on their own.")

    @model_validator(mode="after")
    def _no_column_twice(self) -> "Columns":
        named = [v for v in (self.text, self.label, self.id, self.timestamp, self.prediction, self.score,
                             self.latency) if v]  # fmt: skip
        twice = sorted({c for c in named if named.count(c) > 1})
        if twice:
            raise ValueError(f"column {twice[0]!r} is given two roles; each role needs a column of its own")
        return self


class Windowing(Part):
    by: Literal["all", "count", "time"] = Field("all", description="all: everything new is one window.")
    rows: int | None = Field(None, ge=1, description="Rows a window; with by: count.")
    period: str | None = Field(None, description="Length of a window (12h, 1d, 1w); with by: time.")

    @model_validator(mode="after")
    def _fits(self) -> "Windowing":
        wanted = {"all": set(), "count": {"rows"}, "time": {"period"}}[self.by]
        given = {f for f in ("rows", "period") if getattr(self, f) is not None}
        if given != wanted:
            need = ", ".join(sorted(wanted)) or "neither rows nor period"
            raise ValueError(f"by: {self.by} takes {need}; given: {', '.join(sorted(given)) or 'nothing'}")
        if self.period:
            parse_period(self.period)
        return self


class Validation(Part):
    max_bad_share: Share = Field(0.1, description="A larger share of broken rows stops the run.")
    max_duplicate_share: Share = Field(0.5, description="A larger share of duplicates stops the run.")
    max_chars: int = Field(20_000, ge=1, description="Longer texts are quarantined.")
    near_duplicates: float | None = Field(0.9, gt=0, le=1, description="Jaccard similarity of word "
                                          "3-shingles from which a row repeats an earlier one; null: off.")  # fmt: skip
    earliest: str | None = Field(None, description="ISO date; earlier timestamps are quarantined.")
    future: str = Field("1d", description="Timestamps further ahead of now than this are quarantined.")

    @field_validator("future")
    @classmethod
    def _period(cls, value: str) -> str:
        parse_period(value)
        return value


class Drift(Part):
    alpha: float = Field(0.01, gt=0, lt=0.5, description="False-alarm rate per run over all signals.")
    max_rows: int = Field(1000, ge=50, le=5000, description="Rows a side in the embedding test.")
    permutations: int = Field(999, ge=199, le=99_999)
    min_auc: float = Field(0.54, ge=0.5, le=1, description="Effect floor of the embedding test.")
    min_ks: Share = Field(0.06, description="Effect floor of the distribution tests (largest gap of the CDFs).")


class Policy(Part):
    min_rows: int = Field(50, ge=1, description="A smaller window is held.")
    min_labels: int = Field(50, ge=1, description="Fewer labelled rows are no evidence of quality.")
    act_on: Literal["quality", "drift", "either"] = Field("quality", description="What calls for training: "
                                                         "quality (labels prove a drop), drift, or either.")  # fmt: skip
    p_value: float = Field(0.01, gt=0, lt=0.5, description="Of the one-sided test that accuracy fell.")
    min_drop: Share = Field(0.02, description="Smallest drop of accuracy that calls for training.")
    k: int = Field(1, ge=1, description="Act when k of the last n windows say so.")
    n: int = Field(1, ge=1)
    cooldown: str = Field("0d", description="Least time between two retrainings.")
    retrain_every: str | None = Field(None, description="Retrain at least this often, whatever was seen.")

    @model_validator(mode="after")
    def _fits(self) -> "Policy":
        if self.k > self.n:
            raise ValueError(f"k: {self.k} of n: {self.n} windows can never be reached; k must be at most n")
        for text in filter(None, (self.cooldown, self.retrain_every)):
            parse_period(text)
        if self.retrain_every and parse_period(self.retrain_every) < parse_period(self.cooldown):
            raise ValueError(f"retrain_every: {self.retrain_every} is shorter than cooldown: {self.cooldown}")
        return self


class Lora(Part):
    rank: int = Field(8, ge=1)
    alpha: int = Field(16, ge=1)
    dropout: float = Field(0.0, ge=0, lt=1)
    targets: tuple[str, ...] | Literal["all-linear"] = Field("all-linear", description="Module names to adapt.")


class Training(Part):
    method: Literal["full", "lora", "head"] = Field("full", description="head: the encoder stays frozen.")
    epochs: float = Field(3, gt=0, le=100)
    learning_rate: float = Field(5e-5, gt=0, lt=1)
    batch_size: int = Field(16, ge=1)
    weight_decay: float = Field(0.01, ge=0)
    warmup: Share = Field(0.1, description="Share of the steps over which the learning rate rises.")
    patience: int = Field(3, ge=1, description="Evaluations without a better validation loss before stopping.")
    evaluations: int = Field(6, ge=1, description="How often a training is evaluated and checkpointed.")
    replay: float = Field(1.5, ge=0, description="Reference rows mixed in, per new training row.")
    validation_share: float = Field(0.1, gt=0, lt=0.5)
    test_share: float = Field(0.25, gt=0, lt=0.8, description="Sealed rows: they never train, in any run.")
    min_rows: int = Field(50, ge=2, description="Fewer new labelled training rows are not trained on.")
    threads: int | None = Field(None, ge=1, description="CPU threads; null: as many as there are cores.")
    lora: Lora | None = Field(None, description="Only with method: lora.")

    @model_validator(mode="after")
    def _fits(self) -> "Training":
        if self.lora and self.method != "lora":
            raise ValueError(f"lora is given, but method is {self.method!r}; write method: lora or drop it")
        if self.validation_share + self.test_share >= 0.9:
            raise ValueError("validation_share + test_share leave less than 10 % of the rows for training")
        return self


Metric = Literal["accuracy", "macro_f1"]
RowsOn = Literal["current", "reference"]


class Better(Part):
    """The candidate beats the champion by more than `margin`, and the interval supports it."""

    kind: Literal["better"] = "better"
    name: str = "better"
    metric: Metric = "accuracy"
    on: RowsOn = "current"
    margin: Share = 0.0


class NotWorse(Part):
    """The candidate is not worse than the champion by more than `tolerance`, and the interval supports it."""

    kind: Literal["not_worse"] = "not_worse"
    name: str = "not-worse"
    metric: Metric = "accuracy"
    on: RowsOn = "reference"
    tolerance: Share = 0.05


class NoCollapse(Part):
    """No slice is shown to be worse (Bonferroni over slices) and lost more than `tolerance`."""

    kind: Literal["no_collapse"] = "no_collapse"
    name: str = "no-slice-collapses"
    metric: Metric = "accuracy"
    tolerance: Share = 0.05
    min_rows: int = Field(30, ge=1)


class LatencyWithin(Part):
    """The candidate's median response time is within `factor` of the champion's."""

    kind: Literal["latency"] = "latency"
    name: str = "latency"
    factor: float = Field(1.5, gt=0)


class AtLeast(Part):
    """The candidate's metric is at least `value`, and the interval supports it."""

    kind: Literal["at_least"] = "at_least"
    name: str = "at-least"
    metric: Metric = "accuracy"
    on: RowsOn = "current"
    value: Share


Gate = Annotated[Better | NotWorse | NoCollapse | LatencyWithin | AtLeast, Field(discriminator="kind")]


def default_gates() -> tuple[Gate, ...]:
    return (Better(name="better-on-current"), NotWorse(name="no-forgetting"), NoCollapse(), LatencyWithin())


class ReleasePolicy(Part):
    alias: str = Field("champion", pattern=r"^[a-z][a-z0-9-]*$")
    promote: bool = Field(True, description="False: a blessed version is published, but the alias stays.")


class Schedule(Part):
    cron: str = Field("0 3 * * *", description="When `maintain` runs.")
    timezone: str = "UTC"


class ModelSpec(Part):
    """What Upkeep does for one model."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="Names the model in the store.")
    task: Literal["text-classification"] = "text-classification"
    model: ModelSource
    labels: tuple[str, ...] = Field(min_length=2, description="All labels, in the order of the model's outputs.")
    data: Data
    columns: Columns
    window: Windowing = Windowing()
    validation: Validation = Validation()
    drift: Drift = Drift()
    policy: Policy = Policy()
    training: Training = Training()
    gates: tuple[Gate, ...] = Field(default_factory=default_gates, min_length=1)
    release: ReleasePolicy = ReleasePolicy()
    schedule: Schedule | None = None
    seed: int = Field(13, ge=0)

    @property
    def kind(self) -> ModelKind:
        return ModelKind(task=self.task, labels=self.labels, max_tokens=self.model.max_tokens, seed=self.seed)

    @model_validator(mode="after")
    def _fits(self) -> "ModelSpec":
        twice = sorted({label for label in self.labels if self.labels.count(label) > 1})
        if twice:
            raise ValueError(f"labels: {twice[0]!r} is listed twice")
        names = [gate.name for gate in self.gates]
        if len(set(names)) < len(names):
            raise ValueError(f"gates: two gates share a name: {names}; give each its own `name`")
        if self.window.by == "time" and not self.columns.timestamp:
            raise ValueError("window.by: time needs columns.timestamp")
        return self


# --- reading ------------------------------------------------------------------------------------------------


def read_spec(path: Path) -> ModelSpec:
    """The spec in a YAML file. Raises SpecError that lists every problem at once."""
    if not path.is_file():
        raise SpecError(f"{path} is not a file; `upkeep init DATA` writes a spec for your data")
    try:
        document = load_yaml(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError, RecursionError) as problem:
        raise SpecError(f"{path} is not valid YAML: {problem}") from problem
    return parse_spec(document, where=str(path))


def load_yaml(text: str) -> Any:
    """A YAML document; `on`, `yes`, `no` and dates are strings, as people who write a gate's `on:` expect."""
    return yaml.load(text, Loader=_SpecLoader)


class _SpecLoader(yaml.SafeLoader):
    """YAML 1.2's booleans: 1.1, which PyYAML reads, makes `on: current` a key True and labels [yes, no] booleans."""


_SpecLoader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in known if not tag.endswith((":bool", ":timestamp"))]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_SpecLoader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)


def parse_spec(document: Any, *, where: str) -> ModelSpec:
    if not isinstance(document, dict):
        raise SpecError(f"{where} holds a {type(document).__name__}; a spec is a mapping that begins with `name:`")
    try:
        return ModelSpec.model_validate(document)
    except ValidationError as problem:
        lines = [_explain(error) for error in problem.errors()]
        raise SpecError("\n  ".join([f"{where} is refused:", *lines])) from problem


def _explain(error: Any) -> str:
    path = [str(part) for part in error["loc"]]
    where = ".".join(path) or "spec"
    if error["type"] == "extra_forbidden":
        accepted = _fields_at(path[:-1])
        close = difflib.get_close_matches(path[-1], accepted, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        return f"{where}: unknown field (value {error['input']!r}).{hint} Accepted: {', '.join(accepted)}."
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "missing":
        return f"{where}: missing; {message.lower()}."
    value = "" if isinstance(error["input"], dict) else f" (value {error['input']!r})"
    return f"{where}: {message}{value}."


def _fields_at(path: list[str]) -> list[str]:
    """The fields that the schema accepts at a path such as ["training"] or ["gates", "0", "better"]."""
    model: type[BaseModel] = ModelSpec
    for part in path:
        field = model.model_fields.get(part)
        found = _model_in(field) if field else _tagged(part)
        model = found or model
    return sorted(model.model_fields)


def _model_in(field: FieldInfo) -> type[BaseModel] | None:
    options = [field.annotation, *get_args(field.annotation)]
    return next((o for o in options if isinstance(o, type) and issubclass(o, BaseModel)), None)


def _tagged(kind: str) -> type[BaseModel] | None:
    kinds: tuple[type[Part], ...] = (Better, NotWorse, NoCollapse, LatencyWithin, AtLeast)
    return next((k for k in kinds if k.model_fields["kind"].default == kind), None)


def json_schema() -> dict[str, Any]:
    """The JSON Schema that makes an editor complete and check a spec."""
    return TypeAdapter(ModelSpec).json_schema()
