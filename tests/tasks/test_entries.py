from models.contracts import AliasEntry, Outcome, RunStart
from tasks.entries import move_entry
from tests.judged import NOW, retrained


def test_a_rollback_spends_nothing_although_it_carries_the_last_entry_on() -> None:
    last = retrained(1, minutes=12, drift_alpha=0.01, quality_alpha=0.01, window_digest="rows")
    entry = AliasEntry.model_construct(version=1, run_id="back", why="it was worse")
    back = move_entry(entry, RunStart.model_construct(kind="rollback", started_at=NOW), last, at=NOW)
    assert back.outcome is Outcome.ROLLED_BACK
    assert (back.drift_alpha, back.quality_alpha, back.training_minutes) == (0, 0, 0)
    assert not back.retrained
    assert back.cursor == last.cursor
