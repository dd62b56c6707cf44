"""The gates that a spec can ask for: one class a kind, each with what must hold before a release."""

from typing import Annotated, Literal

from pydantic import Field

from models.part import Part, Share

Metric = Annotated[Literal["accuracy", "macro_f1"], Field(description="What is compared.")]
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


class Better(GatePart):
    """The candidate beats the champion by more than `margin`, and the interval supports it."""

    kind: Literal["better"] = "better"
    name: str = "better"
    metric: Metric = "accuracy"
    on: RowsOn = "current"
    margin: Share = Field(0.0, description="0.01 is one point.")


class NotWorse(GatePart):
    """The candidate is not worse than the champion by more than `tolerance`, and the interval supports it."""

    kind: Literal["not_worse"] = "not_worse"
    name: str = "not-worse"
    metric: Metric = "accuracy"
    on: RowsOn = "reference"
    tolerance: Share = Field(0.05, description="0.01 is one point.")


class NoCollapse(GatePart):
    """No slice is shown to be worse (Bonferroni over slices) and lost more than `tolerance`."""

    kind: Literal["no_collapse"] = "no_collapse"
    name: str = "no-slice-collapses"
    metric: Metric = "accuracy"
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
    metric: Metric = "accuracy"
    on: RowsOn = "current"
    value: Share = Field(description="0.9 is 90 %.")


GATE_KINDS: tuple[type[GatePart], ...] = (Better, NotWorse, NoCollapse, LatencyWithin, AtLeast)
Gate = Annotated[Better | NotWorse | NoCollapse | LatencyWithin | AtLeast, Field(discriminator="kind")]


def default_gates() -> tuple[Gate, ...]:
    return (Better(name="better-on-current"), NotWorse(name="no-forgetting"), NoCollapse(), LatencyWithin())
