"""Where a content was seen first, for millions of rows: an open-addressing table over flat arrays.

A row takes some 55 bytes, where a dict of strings and tuples took 330: repetitions are the one thing for which
validation has to remember every row.
"""

from array import array

DIGEST_BYTES = 16
_SMALLEST = 1024


class Seen:
    """content (a 128-bit digest as hex) -> (place, label) of the row that had it first."""

    def __init__(self) -> None:
        self._slots = array("I", [0]) * _SMALLEST
        """Number of the row, from 1; 0: free. At most half of them are taken."""
        self._contents, self._places = bytearray(), bytearray()
        self._ends, self._labels = array("q", [0]), array("I")
        self._names: list[str | None] = []
        self._numbers: dict[str | None, int] = {}

    def __len__(self) -> int:
        return len(self._labels)

    def __contains__(self, content: str) -> bool:
        return self._slots[self._slot(bytes.fromhex(content))] != 0

    def __getitem__(self, content: str) -> tuple[str, str | None]:
        row = self._slots[self._slot(bytes.fromhex(content))] - 1
        if row < 0:
            raise KeyError(content)
        return self._places[self._ends[row] : self._ends[row + 1]].decode(), self._names[self._labels[row]]

    def __setitem__(self, content: str, seen: tuple[str, str | None]) -> None:
        """Once for a content: the first row stays the first."""
        key, (place, label) = bytes.fromhex(content), seen
        slot = self._slot(key)
        if self._slots[slot]:
            raise KeyError(f"{content} was seen before")
        self._contents += key
        self._places += place.encode()
        self._ends.append(len(self._places))
        self._labels.append(self._number(label))
        self._slots[slot] = len(self)
        if 2 * len(self) > len(self._slots):
            self._grow()

    def _slot(self, key: bytes) -> int:
        """The slot of a key, or the free one where it belongs. Digests are random: their own bits are the hash."""
        last = len(self._slots) - 1
        slot = int.from_bytes(key[:8], "big") & last
        while row := self._slots[slot]:
            if self._contents[(row - 1) * DIGEST_BYTES : row * DIGEST_BYTES] == key:
                break
            slot = (slot + 1) & last
        return slot

    def _grow(self) -> None:
        self._slots = array("I", [0]) * (2 * len(self._slots))
        for row in range(len(self)):
            slot = self._slot(bytes(self._contents[row * DIGEST_BYTES : (row + 1) * DIGEST_BYTES]))
            self._slots[slot] = row + 1

    def _number(self, label: str | None) -> int:
        if label not in self._numbers:
            self._numbers[label] = len(self._names)
            self._names.append(label)
        return self._numbers[label]
