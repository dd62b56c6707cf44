"""What one cell of a row says."""

import math
from collections.abc import Callable

from tasks.tally import Rejected


def known(value: str | None) -> str | None:
    """CSV has no other way to say that a value is not known than a blank cell."""
    return value if (value or "").strip() else None


def number(value: str | None, name: str, fits: Callable[[float], bool], range_: str) -> float | None:
    if not (value or "").strip():
        return None
    try:
        found = float(str(value))
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise Rejected(f"{name} is no number", f"{str(value)[:80]!r}")
    if not fits(found):
        raise Rejected(f"{name} out of range", f"{found:g} is not {range_}")
    return found
