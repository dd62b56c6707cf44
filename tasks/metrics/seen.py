"""Where a content was seen first, for millions of rows: an open-addressing table over flat arrays.

A row takes some 55 bytes, where a dict of strings and tuples took 330: repetitions are the one thing for which
validation has to remember every row.
"""

from array import array

_SMALLEST = 1024


class Seen:
    """content (a 128-bit digest as hex) -> (place, label) of the row that had it first."""

    def __init__(self) -> None:
        self._slots = array("I", [0]) * _SMALLEST
        """Number of the row, from 1; 0: free. At most half of them are taken."""
        self._firsts, self._lasts = array("Q"), array("Q")
        """Both halves of every content."""
        self._places, self._ends, self._labels = bytearray(), array("q", [0]), array("I")
        self._names: list[str | None] = []
        self._numbers: dict[str | None, int] = {}

    def __len__(self) -> int:
        return len(self._labels)

    def __contains__(self, content: str) -> bool:
        return self._slots[self._slot(*_halves(content))] != 0

    def __getitem__(self, content: str) -> tuple[str, str | None]:
        row = self._slots[self._slot(*_halves(content))] - 1
        if row < 0:
            raise KeyError(content)
        return self._places[self._ends[row] : self._ends[row + 1]].decode(), self._names[self._labels[row]]

    def __setitem__(self, content: str, seen: tuple[str, str | None]) -> None:
        """Once for a content: the first row stays the first."""
        (first, last), (place, label) = _halves(content), seen
        slot = self._slot(first, last)
        if self._slots[slot]:
            raise KeyError(f"{content} was seen before")
        self._firsts.append(first)
        self._lasts.append(last)
        self._places += place.encode()
        self._ends.append(len(self._places))
        self._labels.append(self._number(label))
        self._slots[slot] = len(self)
        if 2 * len(self) > len(self._slots):
            self._grow()

    def _slot(self, first: int, last: int) -> int:
        """The slot of a content, or the free one where it belongs. Digests are random: their own bits are the hash."""
        slots, mask = self._slots, len(self._slots) - 1
        slot = first & mask
        while row := slots[slot]:
            if self._firsts[row - 1] == first and self._lasts[row - 1] == last:
                break
            slot = (slot + 1) & mask
        return slot

    def _grow(self) -> None:
        self._slots = array("I", [0]) * (4 * len(self._slots))
        for row, (first, last) in enumerate(zip(self._firsts, self._lasts, strict=True), 1):
            self._slots[self._slot(first, last)] = row

    def _number(self, label: str | None) -> int:
        if label not in self._numbers:
            self._numbers[label] = len(self._names)
            self._names.append(label)
        return self._numbers[label]


def _halves(content: str) -> tuple[int, int]:
    return divmod(int(content, 16), 1 << 64)
