"""The verdict of a run for somebody in a hurry: what was seen, what was decided, what came of it."""

from dataclasses import dataclass

from models.contracts import (
    Action,
    BootstrapReport,
    MonitoringReport,
    Observation,
    Outcome,
    RetrainDecision,
    RunReport,
    Verdict,
)
from models.measures import METRICS
from tasks.attempts import describe_gains, describe_gates, describe_training
from tasks.formats import amount, basis, count, duration, measurable, measured, moment, percent, value, words

BADGES = {
    Outcome.WAITING: ("nothing to look at", "calm"), Outcome.HELD: ("held", "calm"),
    Outcome.ALERTED: ("needs a person", "wait"), Outcome.WOULD_RETRAIN: ("calls for training", "wait"),
    Outcome.PUBLISHED: ("challenger waits", "wait"), Outcome.RELEASED: ("released", "good"),
    Outcome.REJECTED: ("rejected", "bad"), Outcome.INSUFFICIENT: ("too little evidence", "wait"),
    Outcome.BOOTSTRAPPED: ("first release", "good"), Outcome.ROLLED_BACK: ("rolled back", "wait"),
    Outcome.PROMOTED: ("promoted", "good"),
}  # fmt: skip


@dataclass(frozen=True)
class Summary:
    badge: str
    tone: str
    """good, bad, wait or calm: the badge's colour."""
    title: str
    sentences: tuple[str, ...]


def summarize(report: RunReport | BootstrapReport) -> Summary:
    if isinstance(report, BootstrapReport):
        return Summary(*BADGES[Outcome.BOOTSTRAPPED], f"Version {report.release.version} is the first champion",
                       _first(report))  # fmt: skip
    seen = [_seen(report, report.observation)] if report.observation else []
    decided = [_decided(report, report.decision)] if report.decision else []
    told = (*seen, *decided, _came(report), _doubt(report))
    return Summary(*BADGES[report.outcome], _title(report), tuple(sentence for sentence in told if sentence))


def champion_of(report: RunReport | BootstrapReport) -> str:
    """The version that a run found, in words."""
    return f"version {report.start.champion.version}" if report.start.champion else "no version"


def _title(report: RunReport) -> str:
    champion = champion_of(report)
    titles = {
        Outcome.WAITING: f"Nothing to look at yet; {champion} stays champion",
        Outcome.HELD: f"Nothing to do: {champion} stays champion",
        Outcome.ALERTED: f"A person should look; {champion} stays champion",
        Outcome.WOULD_RETRAIN: f"Training is called for: {champion} is to be retrained",
        Outcome.PUBLISHED: f"A better model waits {'for approval' if report.asked else 'to be promoted'}; {champion} stays champion",
        Outcome.REJECTED: f"The candidate was stopped: {champion} stays champion",
        Outcome.INSUFFICIENT: f"The candidate is not proven: {champion} stays champion",
    }
    if report.outcome is Outcome.RELEASED and report.release:
        return f"Version {report.release.version} is the new champion"
    return titles.get(report.outcome, report.headline)


def _seen(report: RunReport, seen: Observation) -> str:
    fired, asked = sum(s.drifted for s in seen.drift.signals), len(seen.drift.signals)
    when = " before the training that this run goes on with was stopped" if report.went_on_from else ""
    one = seen.validation.read == 1
    came = f"{amount(seen.validation.read, 'row')} came in{when}"
    if not seen.drift.alpha:
        looks = f"whether {'it' if one else 'they'} drifted was not judged, so soon after the last run"
    elif fired:
        looks = f"{'it differs' if one else 'they differ'} from what {champion_of(report)} was released on ({fired} of {asked} drift signals)"
    else:
        looks = f"{'it looks' if one else 'they look'} like what {champion_of(report)} was released on (none of {asked} drift signals)"
    return f"{came}; {looks}. {_quality(seen.monitoring, report.decision)}"


def _quality(monitoring: MonitoringReport, decision: RetrainDecision | None) -> str:
    check = monitoring.deciding
    if check is None:
        return "No row has a label, so nobody knows yet how good the answers are."
    now, then = (value(check.metric, e.value) for e in (check.now, check.at_release))
    name, worse = words(check.metric), ("rose", "rise") if METRICS[check.metric].better == "less" else ("fell", "drop")
    if decision and decision.degraded:
        return f"{_cased(name)} {worse[0]} from {then} at release to {now}."
    if decision and check.p_value < decision.quality_alpha:
        return f"{_cased(name)} {worse[0]} from {then} at release to {now}, by less than policy.min_drop."
    return f"{_cased(name)} is {now} on {basis(check.metric, check.now.n)}, at release it was {then}: no {worse[1]} is proven."


def _decided(report: RunReport, decision: RetrainDecision) -> str:
    """After what was seen (drift, then quality) the reasons say what follows from it."""
    follows = "; ".join(decision.reasons[2:])
    if decision.action is not Action.RETRAIN:
        default = "that calls for nothing" if decision.action is Action.HOLD else "that is for a person to judge"
        came = "The training is not finished" if report.stopped else "No model was trained"
        return f"{_sentence(follows or default)} {came}; {champion_of(report)} goes on serving."
    if report.start.force:
        because = "Retraining was forced"
    elif decision.degraded:
        because = f"{_witnesses(report)} prove it, which calls for training"
    else:
        because = _sentence(follows or "the drift calls for training").removesuffix(".")
    return f"{because}{describe_training(report.attempt)}."


def _witnesses(report: RunReport) -> str:
    check = report.observation.monitoring.deciding if report.observation else None
    return basis(check.metric, check.now.n).split()[1].capitalize() if check else "Labels"


def _came(report: RunReport) -> str:
    champion = champion_of(report).capitalize()
    if report.attempt is None:
        if report.outcome is Outcome.WAITING:
            return _sentence(report.headline.rpartition(": ")[2]) + f" {champion} goes on serving."
        if report.outcome is Outcome.WOULD_RETRAIN:
            return f"This was a look: nothing was trained. {champion} goes on serving until a run of `maintain`."
        return ""
    told = f"{describe_gains(report.attempt)} {describe_gates(report.attempt.blessing)}"
    goes_on = f"{champion_of(report)} goes on serving"
    if report.attempt.blessing.verdict is not Verdict.BLESSED:
        return f"{told}: {goes_on}."
    serves = f"version {report.release.version} serves now" if report.release else (
        f"it is published and waits {_for_what(report)}; {goes_on}")  # fmt: skip
    return f"{told}: {serves}."


def _for_what(report: RunReport) -> str:
    if report.asked:
        return f"for approval until {moment(report.asked.request.expires_at)}"
    return "to be promoted by a person"


def _doubt(report: RunReport) -> str:
    """A champion that is shown to be right less often than a guess: then the labels are more likely wrong than the world
    new. On a handful of rows chance does the same."""
    champion = report.start.champion
    if report.attempt is None or champion is None:
        return ""
    agreement, found = report.attempt.scorecard.label_agreement, report.attempt.scorecard.of("current", "accuracy")
    if agreement is None or found is None or found.champion.high >= 1 / len(champion.manifest.labels):
        return ""
    return f"{_sentence(champion_of(report))[:-1]} agrees with {percent(agreement)} of the new labels, less than guessing would: look at the labels."


def _first(report: BootstrapReport) -> tuple[str, ...]:
    rows, cost, checked, first = report.training_set, report.candidate.cost, report.validation, report.measured[0]
    came = f"{amount(checked.read, 'row')} came in: {count(checked.quarantined.rows)} quarantined, {count(checked.labelled)} {measurable(first.metric)}."
    if not cost.trained:
        made = "The model was adopted as it is, without training."
    else:
        made = f"The model learned from {amount(rows.train.rows, 'row')} in {duration(cost.seconds)}."
    judged = (f" On {amount(first.estimate.n, 'row')} that it never trained on its {words(first.metric)} is "
              f"{measured(first.estimate, first.metric)}.")  # fmt: skip
    serves = f"It serves as version {report.release.version}, and what comes in later is held against it."
    return came, made + judged, serves


def _cased(name: str) -> str:
    return name[:1].upper() + name[1:] if name.islower() else name


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:].rstrip(".") + "."
