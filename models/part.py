"""What every section of a spec is: frozen, without unknown fields, and digested by its values."""

import hashlib
import re
from contextlib import suppress
from datetime import timedelta
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from errors import redacted

Share = Annotated[float, Field(ge=0, le=1)]
_PERIOD = re.compile(r"^(\d+(?:\.\d+)?)\s*(m|h|d|w)$")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
LONGEST = timedelta(days=365_000)
"""It is added to today, and dates end with the year 9999."""


def _without_credentials(place: str) -> str:
    scheme, is_address, rest = place.partition("://")
    if is_address and (scheme != "s3" or "@" in rest.partition("/")[0]):
        raise ValueError("is an address that nothing is read from: write s3://BUCKET/PREFIX, without a user or password (a spec is "
                         "stored with each run and release; credentials are settings, UPKEEP_S3_*), or put the files beside the spec")  # fmt: skip
    query = place[len(place.partition("?")[0]) :]
    if redacted(query) != query:
        raise ValueError("carries a credential behind its ?, and a spec is stored with each run and release: write the place alone; "
                         "credentials are settings (UPKEEP_S3_*, HF_TOKEN)")  # fmt: skip
    return place


Place = Annotated[str, AfterValidator(_without_credentials)]
"""Where files are: a path or an s3:// prefix; for models also a hub id."""


def parse_period(text: str) -> timedelta:
    """'90m', '12h', '7d', '2w' as a timedelta; ValueError otherwise."""
    match = _PERIOD.match(text.strip())
    if not match:
        raise ValueError(f"{text!r} is no period; write a number and a unit: 90m, 12h, 7d or 2w")
    with suppress(OverflowError):
        period = timedelta(**{_UNITS[match[2]]: float(match[1])})
        if period <= LONGEST:
            return period
    raise ValueError(f"{text!r} is longer than a thousand years; write {LONGEST.days}d at most")


def refuse_nothing(value: Any, *, kind: Any) -> Any:
    """The value of a field of that kind; ValueError where it only looks like one."""
    if isinstance(value, bool) and {int, float} & {kind, *get_args(kind)}:
        raise ValueError("a number is wanted, and true and false are none")
    if isinstance(value, str) and not value.strip():
        raise ValueError("is empty; fill it, or drop the line")
    return value


class Part(BaseModel):
    # What is refused is not shown by pydantic: a traceback in a log would hold it, whatever it is.
    model_config = ConfigDict(
        frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False, hide_input_in_errors=True
    )

    @field_validator("*", mode="before")
    @classmethod
    def _says_something(cls, value: Any, info: ValidationInfo) -> Any:
        return refuse_nothing(value, kind=cls.model_fields[str(info.field_name)].annotation)

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()
