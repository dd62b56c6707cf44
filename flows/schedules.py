"""When the flows of a deployed model run, as Prefect reads it."""

from prefect.client.schemas.schedules import CronSchedule
from prefect.schedules import Cron, Schedule

from errors import SpecError
from models.spec import ModelSpec


def looks(spec: ModelSpec) -> Schedule | None:
    """Of `monitor`."""
    return _cron(spec.schedule.monitor, spec) if spec.schedule and spec.schedule.monitor else None


def nightly(spec: ModelSpec) -> Schedule | None:
    """Of `maintain`."""
    return _cron(spec.schedule.cron, spec) if spec.schedule else None


def require_schedules(spec: ModelSpec) -> None:
    """SpecError where Prefect would refuse one of them."""
    looks(spec), nightly(spec)


def _cron(expression: str, spec: ModelSpec) -> Schedule:
    zone = spec.schedule.timezone if spec.schedule else "UTC"
    try:
        CronSchedule(cron=expression, timezone=zone)
        if not zone or (len(expression.split()) != 5 and not expression.startswith("@")):
            raise ValueError("Prefect would take a sixth field for seconds, and no zone for its own")
    except ValueError as problem:
        raise SpecError(f"schedule of {spec.name!r}: {expression!r} in {zone!r} is refused: {problem}. Write five fields, "
                        "minute to day of the week, as `0 3 * * *`, and an IANA time zone") from problem  # fmt: skip
    return Cron(expression, timezone=zone)
