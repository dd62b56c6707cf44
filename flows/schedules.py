"""When the flows of a deployed model run, as Prefect reads it."""

import asyncio

from prefect.client.schemas.schedules import CronSchedule
from prefect.schedules import Cron, Schedule

from errors import SpecError
from models.spec import ModelSpec

FIELDS = "minute (0–59), hour (0–23), day of the month (1–31), month (1–12) and day of the week (0–7), as `0 3 * * *`"


def looks(spec: ModelSpec) -> Schedule | None:
    """Of `monitor`."""
    return _cron("monitor", spec.schedule.monitor, spec) if spec.schedule and spec.schedule.monitor else None


def nightly(spec: ModelSpec) -> Schedule | None:
    """Of `maintain`."""
    return _cron("cron", spec.schedule.cron, spec) if spec.schedule else None


def require_schedules(spec: ModelSpec) -> None:
    """SpecError where Prefect would refuse one of them, or never run by it."""
    looks(spec), nightly(spec)


def _cron(field: str, expression: str, spec: ModelSpec) -> Schedule:
    zone = spec.schedule.timezone if spec.schedule else "UTC"
    if not zone or not _is_taken("0 3 * * *", zone):  # of none, Prefect would take its own
        raise SpecError(
            f"schedule.timezone of {spec.name!r}: {zone!r} is no IANA time zone; write UTC, or a name as Europe/Berlin"
        )
    if (len(expression.split()) != 5 and not expression.startswith("@")) or not _is_taken(expression, zone):
        raise SpecError(
            f"schedule.{field} of {spec.name!r}: {expression!r} is no cron expression; write five fields: {FIELDS}"
        )
    if not _comes(expression):
        raise SpecError(f"schedule.{field} of {spec.name!r}: {expression!r} names a day that never comes, so that nothing would "
                        f"ever run; write five fields that fit together: {FIELDS}")  # fmt: skip
    return Cron(expression, timezone=zone)


def _is_taken(expression: str, zone: str) -> bool:
    try:
        CronSchedule(cron=expression, timezone=zone)
    except ValueError:
        return False
    return True


def _comes(expression: str) -> bool:
    """Whether Prefect's scheduler would find a day; where it does not, it only logs that, and goes on."""
    from prefect.server.schemas.schedules import CronSchedule as Scheduled

    try:
        return bool(asyncio.run(Scheduled(cron=expression).get_dates(1)))
    except ValueError:
        return False
