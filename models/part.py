"""What every section of a spec is: frozen, without unknown fields, and digested by its values."""

import hashlib
import re
from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
_PERIOD = re.compile(r"^(\d+(?:\.\d+)?)\s*(m|h|d|w)$")
LONGEST = timedelta(days=365_000)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_period(text: str) -> timedelta:
    """'90m', '12h', '7d', '2w' as a timedelta; ValueError otherwise, and for one that no date can be moved by."""
    match = _PERIOD.match(text.strip())
    if not match:
        raise ValueError(f"{text!r} is no period; write a number and a unit: 90m, 12h, 7d or 2w")
    if float(match[1]) > LONGEST / timedelta(**{_UNITS[match[2]]: 1}):
        raise ValueError(f"{text!r} is longer than a thousand years")
    return timedelta(**{_UNITS[match[2]]: float(match[1])})


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()
