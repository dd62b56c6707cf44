"""Whether labels prove that the champion became worse."""

from dataclasses import dataclass
from datetime import timedelta

from models.contracts import MonitoringReport
from models.measures import metric
from models.sections import Policy
from tasks.formats import amount_is, basis, p_in_words, value


@dataclass(frozen=True)
class Quality:
    """What the labels say. `level` is 0 where no test was made."""

    fell: bool
    level: float
    sentence: str


def judge_quality(monitoring: MonitoringReport, policy: Policy, *, level: float, since: timedelta) -> Quality:
    """Whether labels prove a drop of the deciding metric at this run's level, and the sentence that says so."""
    check = monitoring.deciding
    if check is None or monitoring.labelled < policy.min_labels:
        few = f"{amount_is(monitoring.labelled, 'labelled row')} no evidence of quality (at least {policy.min_labels})"
        return Quality(False, 0.0, few)
    name, worse = metric(check.metric).words, "rose" if metric(check.metric).better == "less" else "fell"
    then, now = (
        f"{value(check.metric, e.value)} {when}" for e, when in ((check.at_release, "at release"), (check.now, "now"))
    )
    numbers = f"{then}, {now} (p = {p_in_words(check.p_value)}, {basis(check.metric, check.now.n)})"
    if not level:
        return Quality(False, 0.0, f"{name} was not judged: {numbers}, {nothing_left(policy)}")
    proven, enough = check.p_value < level, check.drop >= policy.min_drop
    found = f"{worse} by less than policy.min_drop = {policy.min_drop:g}" if proven and not enough else (
        worse if proven else "holds")  # fmt: skip
    why = "" if level == policy.p_value else (
        f", at level {level:.2g}: {_told(since)} after the last run, policy.false_alarms_a_year = "
        f"{policy.false_alarms_a_year:g} affords no more")  # fmt: skip
    return Quality(proven and enough, level, f"{name} {found}: {numbers}{why}")


def nothing_left(policy: Policy) -> str:
    return (f"since no time has passed after the last run, and policy.false_alarms_a_year = "
            f"{policy.false_alarms_a_year:g} affords no test")  # fmt: skip


def _told(period: timedelta) -> str:
    seconds = period.total_seconds()
    size, unit = next(((s, u) for s, u in ((86400, "d"), (3600, "h"), (60, "min")) if seconds >= s), (1, "s"))
    return f"{seconds / size:.3g} {unit}"
