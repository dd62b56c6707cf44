from datetime import UTC, datetime

import pytest

from models.contracts import Cursor, SourcePosition
from tasks.sources import SourceFile
from tasks.turns import in_turn

NOW = datetime(2026, 5, 1, tzinfo=UTC)
READ = SourcePosition(uri="b", head="", size=100, offset=100, rows=10)


def turns(cursor: Cursor, **sizes: int) -> list[str]:
    files = [
        SourceFile(uri=name, path=None, format="csv", changed_at=NOW, size=size, state=None, real=name)
        for name, size in sizes.items()
    ]
    return [source.uri for source in in_turn(files, cursor)]


def test_those_that_a_window_did_not_come_to_go_first_and_none_is_read_twice() -> None:
    cursor = Cursor(positions=(READ,), ended=("b", "c", "d"))
    assert turns(cursor, a=1, b=101, c=1, d=1, e=1) == ["c", "d", "a", "b", "e"]
    assert turns(cursor, a=1, b=100, c=1, d=1, e=1) == ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize(("gone", "order"), [("b", ["a", "c", "d"]), ("c", ["d", "a", "b"]), ("d", ["c", "a", "b"])])
def test_a_file_that_is_gone_since_leaves_the_others_their_turn(gone: str, order: list[str]) -> None:
    left = {name: size for name, size in (("a", 1), ("b", 101), ("c", 1), ("d", 1)) if name != gone}
    assert turns(Cursor(positions=(READ,), ended=("b", "c", "d")), **left) == order


def test_without_a_window_before_files_go_in_their_order() -> None:
    assert turns(Cursor(), a=1, b=101) == ["a", "b"]
    assert turns(Cursor(ended=("b", "a")), a=1, b=101) == ["a", "b"]
