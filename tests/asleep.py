"""A process that stands still, as one of the clocks that it asks tells it."""

import time
from types import SimpleNamespace

import pytest

from tasks.registry import moving

CLOCKS = ("time", "monotonic")


def asleep(monkeypatch: pytest.MonkeyPatch, clock: str, *, hours: float) -> None:
    """From now on this clock says that so much more has passed."""
    told = {name: getattr(time, name) for name in CLOCKS}
    later = {**told, clock: lambda: told[clock]() + hours * 3600}
    monkeypatch.setattr(moving, "time", SimpleNamespace(**later))
