"""Which version waits to become champion."""

from errors import NoChampion, SpecError
from infra.object_store import ObjectStore
from models.contracts import AliasEntry
from models.spec import ModelSpec
from tasks.registry.aliases import newest_entry, read_log
from tasks.registry.approvals import list_questions
from tasks.registry.versions import list_versions, read_version


def newest_challenger(alias: str, *, store: ObjectStore) -> int:
    """The newest version that was never champion, and that nobody has rejected. SpecError where there is none."""
    asked = list_questions(store=store)
    rejected = {v for v, question in asked.items() if question.answer and question.answer.verdict == "reject"}
    log = read_log(alias, store=store)
    champion, been = log[0].version, {entry.version for entry in log}
    newer = [version for version in list_versions(store=store) if version > champion]
    waiting = [version for version in newer if version not in rejected | been]
    if not waiting:
        others = f"each newer one was rejected or champion before ({newer})" if newer else "there is no newer one"
        raise SpecError(f"no version waits: version {champion} is champion, and {others}. To go back to an "
                        "earlier one, use `upkeep rollback SPEC --to VERSION`.")  # fmt: skip
    return max(waiting)


def find_unasked(spec: ModelSpec, *, store: ObjectStore) -> int | None:
    """The version that would be promoted although nobody is asked about it; None where there is none."""
    try:
        current = newest_entry(spec.release.alias, store=store)
        target = newest_challenger(current.alias, store=store)
        refuse_stale(target, current, store=store)
    except (SpecError, NoChampion):
        return None
    asked_about = spec.release.approval or target in list_questions(store=store)
    return None if asked_about else target


def refuse_stale(target: int, current: AliasEntry, *, store: ObjectStore) -> None:
    """SpecError where a version was judged against another champion than the one there is now."""
    judged_against = read_version(target, store=store).parent
    if judged_against not in {None, current.version}:
        raise SpecError(
            f"version {target} passed its gates against version {judged_against}, and version {current.version} is "
            "champion now: that it is better than this one was never shown. Run `upkeep run SPEC` for a new "
            "challenger, or promote it all the same with --force."
        )
