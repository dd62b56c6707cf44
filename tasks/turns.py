"""Whose turn it is among files that grow while windows of so many rows are taken from them."""

from collections.abc import Sequence

from models.contracts import Cursor
from tasks.sources import SourceFile


def in_turn(files: Sequence[SourceFile], cursor: Cursor) -> list[SourceFile]:
    """Where the last window ended in a file that has grown since, those that it did not come to go first: a log that grows
    faster than windows are taken would keep the others waiting for ever. Else in order, as dated files want it."""
    by_name = {source.uri: source for source in files}
    size = next((p.size for p in cursor.positions if cursor.ended and p.uri == cursor.ended[0]), None)
    if size is None or cursor.ended[0] not in by_name or by_name[cursor.ended[0]].size <= size:
        return list(files)
    waiting = [by_name[name] for name in cursor.ended[1:] if name in by_name]
    return [*waiting, *(source for source in files if source not in waiting)]
