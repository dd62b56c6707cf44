"""The sections of a spec that say what rows are: where they lie, what their columns mean, how many make a window, and which
are accepted."""

from datetime import datetime
from typing import Literal

from pydantic import Field, field_validator, model_validator

from models.part import Part, Place, Share, parse_period
from models.rows import META, SLICE


class Data(Part):
    sources: tuple[Place, ...] = Field(min_length=1, description="Files, globs or s3:// prefixes; "
                                     "CSV, JSONL or Parquet, plain or gzip. A file is known by its name: under another, as a rotated log has, its rows "
                                     "are read again as new ones.")  # fmt: skip
    format: Literal["auto", "csv", "jsonl", "parquet"] = Field("auto", description="auto: by file name.")


class Columns(Part):
    text: str = Field(description="The input text.")
    label: str | None = Field(None, description="The truth, where it is known; may be empty in a row: a label, or the text "
                              "that was to be written (summary, translation, answer).")  # fmt: skip
    id: str | None = Field(None, description="The row's own name, kept for reference.")
    timestamp: str | None = Field(None, description="ISO 8601, also with \" UTC\" at its end, or Unix time; in UTC where it "
                                  "names no zone. Unix time is in seconds; from 1e11 on it is in milli-, from 1e14 on in micro-, "
                                  "from 1e17 on in nanoseconds. A day and its time in digits alone are neither.")  # fmt: skip
    prediction: str | None = Field(None, description="The label or text that was served.")
    score: str | None = Field(None, description="The confidence that was served, 0 to 1.")
    latency: str | None = Field(None, description="Milliseconds that the request took.")
    slices: tuple[str, ...] = Field((), description="Columns that name subsets to be watched on their own: of each the 20 most "
                                    "frequent values for drift, the 50 most frequent by gates.")  # fmt: skip
    metadata: tuple[str, ...] = Field((), description="Further columns, numbers or categories, watched for drift: "
                                      "their values, and how many rows have none.")  # fmt: skip

    @property
    def extra(self) -> dict[str, str]:
        """Name in the window's table -> column, for all that has no role of its own."""
        return {SLICE + name: name for name in self.slices} | {META + name: name for name in self.metadata}

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
        if self.period and not parse_period(self.period):
            raise ValueError(f"period: {self.period} holds no row; write 1h or 1d, or by: all")
        return self


class Validation(Part):
    max_bad_share: Share = Field(0.1, description="A larger share of broken rows stops the run.")
    max_duplicate_share: Share = Field(0.5, description="A larger share of duplicates stops the run.")
    max_chars: int = Field(20_000, ge=1, description="Longer texts are quarantined.")
    new_class_rows: int = Field(20, ge=1, description="So many rows of a label that the spec does not list are a new class "
                                "and no slips: they are set apart, and a person is told to add it to `labels`.")  # fmt: skip
    near_duplicates: float | None = Field(0.9, gt=0, le=1, description="Jaccard similarity of word "
                                          "3-shingles from which a row repeats an earlier one; null: off.")  # fmt: skip
    earliest: str | None = Field(None, description="ISO date; earlier timestamps are quarantined.")
    future: str = Field("1d", description="Timestamps further ahead of now than this are quarantined.")

    @field_validator("future")
    @classmethod
    def _period(cls, value: str) -> str:
        parse_period(value)
        return value

    @field_validator("earliest")
    @classmethod
    def _date(cls, value: str | None) -> str | None:
        try:
            if value is not None:
                datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{value!r} is no ISO date; write one such as 2024-01-31") from None
        return value
