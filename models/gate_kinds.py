"""The gates that a spec can ask for: one class a kind, each with what must hold before a release."""

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from models.measures import MetricName
from models.part import Part, Share, refuse_nothing
from models.variants import VariantName

Metric = Annotated[
    MetricName | None, Field(description="What is compared; null: the first metric of the kind of model.")
]
RowsOn = Annotated[
    Literal["current", "reference"],
    Field(description="current: the new window's sealed rows; reference: those of every window before."),
]
Mode = Literal["enforce", "warn", "off"]
MODE = ("enforce: a failure stops the release. warn: a failure is shown, the version is published, and a person "
        "decides on its promotion. off: the gate is not judged.")  # fmt: skip


class GatePart(Part):
    kind: str
    name: str = Field(description="Names the gate in reports; no two gates share one.")
    mode: Mode = Field("enforce", description=MODE)

    @field_validator(
        "name", "margin", "tolerance", "min_rows", "factor", "value", "share", mode="before", check_fields=False
    )
    @classmethod
    def _says_something(cls, value: Any, info: ValidationInfo) -> Any:
        """Of all but `kind`, by which pydantic chooses the class before it asks any validator."""
        return refuse_nothing(value, kind=cls.model_fields[str(info.field_name)].annotation)


class Better(GatePart):
    """The candidate beats the champion by more than `margin`, and the interval supports it."""

    kind: Literal["better"] = "better"
    name: str = "better"
    metric: Metric = None
    on: RowsOn = "current"
    margin: Share = Field(0.0, description="0.01 is one point; of a perplexity one per cent.")


class NotWorse(GatePart):
    """The candidate is not worse than the champion by more than `tolerance`, and the interval supports it."""

    kind: Literal["not_worse"] = "not_worse"
    name: str = "not-worse"
    metric: Metric = None
    on: RowsOn = "reference"
    tolerance: Share = Field(0.05, description="0.01 is one point; of a perplexity one per cent.")


class NoCollapse(GatePart):
    """No slice is shown to be worse (Bonferroni over slices) and lost more than `tolerance`."""

    kind: Literal["no_collapse"] = "no_collapse"
    name: str = "no-slice-collapses"
    metric: Metric = None
    tolerance: Share = Field(0.05, description="0.01 is one point.")
    min_rows: int = Field(30, ge=1, description="Smaller slices are shown and not judged.")


class LatencyWithin(GatePart):
    """The candidate's median response time is within `factor` of the champion's."""

    kind: Literal["latency"] = "latency"
    name: str = "latency"
    factor: float = Field(1.5, gt=0, description="Of the champion's, both measured in turn on this machine.")


class AtLeast(GatePart):
    """The candidate's metric is at least `value`, and the interval supports it."""

    kind: Literal["at_least"] = "at_least"
    name: str = "at-least"
    metric: Metric = None
    on: RowsOn = "current"
    value: float = Field(ge=0, description="0.9 is 90 % of a share.")


class AtMost(GatePart):
    """The candidate's metric is at most `value`, and the interval supports it: perplexity, repetition."""

    kind: Literal["at_most"] = "at_most"
    name: str = "at-most"
    metric: Metric = None
    on: RowsOn = "current"
    value: float = Field(ge=0, description="0.1 is 10 % of a share; of a perplexity the number itself.")


class Agrees(GatePart):
    """A variant answers at least `share` of the sealed rows as the full weights do, and the interval supports it."""

    kind: Literal["agrees"] = "agrees"
    name: str = "variants-agree"
    variant: VariantName | None = Field(None, description="Which of the spec's `variants`; null: all of them.")
    share: float = Field(0.95, gt=0, lt=1, description="0.95 is 95 % of the rows. A variant is wrong only where "
                         "it differs, so that it loses no more right answers than the rest.")  # fmt: skip


GATE_KINDS: tuple[type[GatePart], ...] = (Better, NotWorse, NoCollapse, LatencyWithin, AtLeast, AtMost, Agrees)
Gate = Annotated[
    Better | NotWorse | NoCollapse | LatencyWithin | AtLeast | AtMost | Agrees, Field(discriminator="kind")
]
COMPARING = (Better, NotWorse, NoCollapse)
"""Gates that ask which of two models is better."""


def default_gates() -> tuple[Gate, ...]:
    """Of a spec without variants."""
    return (Better(name="better-on-current"), NotWorse(name="no-forgetting"), NoCollapse(), LatencyWithin())
