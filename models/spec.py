"""The spec: one YAML file per model that says what to watch, when to act, how to train and what must hold.

Unknown and contradictory fields are refused with the field's path, the value and what would be accepted.
Paths in a spec are relative to the file itself.
"""

import difflib
from pathlib import Path
from typing import Any, Literal, get_args

import yaml
from pydantic import Field, TypeAdapter, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo

from errors import SpecError
from models.contracts import ModelKind
from models.data_sections import Columns, Data, Validation, Windowing
from models.fitting import refuse_unfit
from models.gate_kinds import GATE_KINDS, Agrees, Gate, default_gates
from models.generation import Generation
from models.judging import Evaluation
from models.measures import WRITING, Task
from models.part import Part
from models.recipe import Training
from models.sections import Drift, ModelSource, Policy, ReleasePolicy, Schedule, Storage
from models.variants import VariantName
from models.yaml12 import load_yaml


class ModelSpec(Part):
    """What Upkeep does for one model."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="Names the model in the store.")
    task: Task = Field("text-classification", description="The kind of model.")
    model: ModelSource = Field(description="The model that the first champion starts from.")
    labels: tuple[str, ...] = Field((), description="All labels, in the order of the model's outputs; only of a "
                                    "classifier.")  # fmt: skip
    labels_per_row: Literal["one", "many"] = Field("one", description="many: a row has any number of the labels, written "
                                                   "`a|b` or as a JSON list (`[]`: none).")  # fmt: skip
    generation: Generation = Field(Generation(), description="How a model that writes is asked and read.")
    data: Data = Field(description="Where rows come from.")
    columns: Columns = Field(description="Which column plays which role.")
    window: Windowing = Field(Windowing(), description="Which new rows one run looks at.")
    validation: Validation = Field(Validation(), description="Which rows can be worked with.")
    drift: Drift = Field(Drift(), description="When a window counts as changed.")
    policy: Policy = Field(Policy(), description="When to retrain.")
    training: Training = Field(Training(), description="How a candidate is trained.")
    evaluation: Evaluation = Field(
        Evaluation(), description="Models that measure what a candidate writes, for its gates."
    )
    variants: tuple[VariantName, ...] = Field((), description="Further forms of each release, beside the full weights; only "
                                              "of a classifier (docs/variants.md).")  # fmt: skip
    gates: tuple[Gate, ...] = Field(
        default_factory=default_gates, min_length=1, description="What must hold before a release; all of them."
    )
    release: ReleasePolicy = Field(ReleasePolicy(), description="What becomes of a blessed candidate.")
    storage: Storage = Field(Storage(), description="How objects are kept.")
    schedule: Schedule | None = Field(None, description="When maintenance runs.")
    seed: int = Field(13, ge=0, le=2**32 - 1, description="Of everything random.")

    @property
    def kind(self) -> ModelKind:
        return ModelKind(
            task=self.task, labels=self.labels, max_tokens=self.model.max_tokens, seed=self.seed,
            code=self.model.trust_remote_code, truth=self._truth, generation=self._generation,
            hosted=self.model.hosted,
        )  # fmt: skip

    @property
    def metrics(self) -> tuple[str, ...]:
        """What is measured of a candidate."""
        return (*self.kind.metrics, *self.evaluation.metrics)

    @property
    def _truth(self) -> Literal["label", "labels", "answer", "text"]:
        if self.task not in WRITING:
            return "labels" if self.labels_per_row == "many" else "label"
        return "answer" if self.columns.label else "text"

    @property
    def _generation(self) -> Generation:
        default = 64 if self._truth == "answer" else 0
        told = self.generation.max_new_tokens
        return self.generation.model_copy(update={"max_new_tokens": default if told is None else told})

    @model_validator(mode="before")
    @classmethod
    def _judged_variants(cls, given: Any) -> Any:
        """Where nobody names gates, variants bring the one that judges them."""
        if isinstance(given, dict) and given.get("variants") and "gates" not in given:
            return {**given, "gates": (*default_gates(), Agrees())}
        return given

    @field_validator("labels")
    @classmethod
    def _two_at_least(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(value) == 1:
            raise ValueError("one label is no choice; a classifier chooses between two at least")
        return value

    @model_validator(mode="after")
    def _fits(self) -> "ModelSpec":
        refuse_unfit(self)
        names = [gate.name for gate in self.gates]
        if len(set(names)) < len(names):
            raise ValueError(f"gates: two gates share a name: {names}; give each its own `name`")
        if all(gate.mode == "off" for gate in self.gates):
            raise ValueError(f"gates: all are off ({names}), so nothing would be judged; enforce at least one")
        if self.window.by == "time" and not self.columns.timestamp:
            raise ValueError("window.by: time needs columns.timestamp")
        if self.validation.earliest and not self.columns.timestamp:
            raise ValueError(f"validation.earliest: {self.validation.earliest} needs columns.timestamp; without one no row is "
                             "too early")  # fmt: skip
        return self


# --- reading ------------------------------------------------------------------------------------------------


def read_spec(path: Path) -> ModelSpec:
    """The spec in a YAML file. Raises SpecError that lists every problem at once."""
    if not path.is_file():
        raise SpecError(
            f"{path} is not a file; `upkeep init DATA --model MODEL` writes one for a classifier of your data"
        )
    try:
        document = load_yaml(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as problem:
        raise SpecError(f"{path} is not UTF-8 ({problem}); save it as UTF-8") from problem
    except (yaml.YAMLError, ValueError, RecursionError) as problem:
        raise SpecError(f"{path} is not valid YAML: {problem}") from problem
    return parse_spec(document, where=str(path))


def parse_spec(document: Any, *, where: str) -> ModelSpec:
    if not isinstance(document, dict):
        held = {type(None): "nothing", list: "a list"}.get(type(document), "a single value")
        raise SpecError(f"{where} holds {held}; a spec is a mapping that begins with `name:`")
    try:
        return ModelSpec.model_validate(document)
    except ValidationError as problem:
        lines = [_explain(error) for error in problem.errors() if not _follows(error, problem.errors())]
        raise SpecError("\n  ".join([f"{where} is refused:", *lines])) from problem


def _follows(error: Any, errors: list[Any]) -> bool:
    """That a list is too short is no mistake of its own where one of its entries was refused."""
    at = error["loc"]
    return error["type"] == "too_short" and any(other["loc"][: len(at)] == at != other["loc"] for other in errors)


def _explain(error: Any) -> str:
    path = [str(part) for part in error["loc"]]
    where = ".".join(path) or "spec"
    if error["type"] == "extra_forbidden":
        accepted = _fields_at(path[:-1])
        close = difflib.get_close_matches(path[-1], accepted, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        # What is text may be a key that belongs into a setting, and this is shown in logs.
        value = "" if isinstance(error["input"], str | dict | list) else f" (value {error['input']!r})"
        return f"{where}: unknown field{value}.{hint} Accepted: {', '.join(accepted)}."
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "missing":
        return f"{where}: missing; {message.lower()}."
    if error["type"] == "tuple_type":
        message = "a list is wanted; write it in brackets, as [a, b], or a line each after a dash"
    elif error["type"] == "string_type" and isinstance(error["input"], int | float):
        message = "text is wanted; write it in quotes"
    value = "" if isinstance(error["input"], dict) else f" (value {error['input']!r})"
    return f"{where}: {message}{value}."


def _fields_at(path: list[str]) -> list[str]:
    """The fields that the schema accepts at a path such as ["training"] or ["gates", "0", "better"]."""
    model: type[Part] = ModelSpec
    for part in path:
        field = model.model_fields.get(part)
        found = part_in(field) if field else _tagged(part)
        model = found or model
    return sorted(model.model_fields)


def part_in(field: FieldInfo) -> type[Part] | None:
    """The section that a field holds, if it holds one."""
    options = [field.annotation, *get_args(field.annotation)]
    return next((o for o in options if isinstance(o, type) and issubclass(o, Part)), None)


def _tagged(kind: str) -> type[Part] | None:
    return next((k for k in GATE_KINDS if k.model_fields["kind"].default == kind), None)


def json_schema() -> dict[str, Any]:
    """The JSON Schema that makes an editor complete and check a spec."""
    return TypeAdapter(ModelSpec).json_schema()
