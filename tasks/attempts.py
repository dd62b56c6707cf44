"""A candidate in words: what it learned from, how it measured beside the champion, and what the gates said to that."""

from models.contracts import Attempt, Blessing, Comparison, Verdict
from tasks.formats import amount, count, duration, value, words


def describe_training(attempt: Attempt | None) -> str:
    """As the end of a sentence; empty where nothing was tried."""
    if attempt is None:
        return ""
    rows, cost = attempt.training_set, attempt.candidate.cost
    if not cost.trained:
        return f"; the candidate is {attempt.candidate.recipe}"
    return (f"; a candidate learned from {count(rows.new_rows)} new and {amount(rows.replayed_rows, 'earlier row')} "
            f"in {duration(cost.seconds)}")  # fmt: skip


def describe_gains(attempt: Attempt) -> str:
    """Both models on the same rows, new and earlier ones, as far as they were measured."""
    told = [(what, attempt.scorecard.deciding(on)) for on, what in (("current", "new"), ("reference", "earlier"))]
    found = [_against(what, compared) for what, compared in told if compared]
    return f"On rows that neither had trained on, the candidate {', and '.join(found)}." if found else ""


def _against(what: str, compared: Comparison) -> str:
    new, old = (value(compared.metric, e.value) for e in (compared.candidate, compared.champion))
    if compared.metric == "accuracy":
        return f"gets {new} of the {what} ones right (the champion {old})"
    return f"has a {words(compared.metric)} of {new} on the {what} ones (the champion {old})"


def describe_gates(blessing: Blessing) -> str:
    """Those that stopped the candidate, or those that only warn of it, by their names."""
    gates = amount(len(blessing.gates), "gate")
    if blessing.verdict is not Verdict.BLESSED:
        return f"Of {gates}, {_said(blessing, 'enforce')}"
    if blessing.warnings:
        return f"Of {gates}, {_said(blessing, 'warn')}, and only warns"
    return f"It passed {'its one gate' if len(blessing.gates) == 1 else f'all {gates}'}"


def _said(blessing: Blessing, mode: str) -> str:
    """What the gates of this mode say against the candidate."""
    told = ((Verdict.REJECTED, "rejected it"), (Verdict.INSUFFICIENT, "found too little evidence"))
    which = [(", ".join(g.gate for g in blessing.gates if g.verdict is verdict and g.mode == mode), what)
             for verdict, what in told]  # fmt: skip
    return ", and ".join(f"{names} {what}" for names, what in which if names)
