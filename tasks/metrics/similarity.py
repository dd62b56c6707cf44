"""Finds texts that say nearly the same: MinHash proposes, the true Jaccard similarity of word 3-shingles decides.

Broder, "On the resemblance and containment of documents" (1997); banding after Leskovec, Rajaraman and Ullman,
"Mining of Massive Datasets", chapter 3.
"""

from array import array

from rensa import RMinHash, RMinHashLSH

from models.rows import normalised

PERMUTATIONS = 128
MIN_WORDS = 5
"""Shorter texts have too few shingles for a similarity to mean anything: they repeat exactly or not at all."""
_HASH_SEED = 1
_MISSED = 1e-3


def shingles(text: str) -> frozenset[str]:
    """The word 3-shingles of a text; empty for a text of fewer than `MIN_WORDS` words."""
    words = normalised(text).split(" ")
    if len(words) < MIN_WORDS:
        return frozenset()
    return frozenset(" ".join(words[i : i + 3]) for i in range(len(words) - 2))


class NearDuplicates:
    """An index of texts that answers which earlier one a text nearly repeats."""

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self._index = RMinHashLSH(
            threshold=threshold, num_perm=PERMUTATIONS, num_bands=PERMUTATIONS // _rows_a_band(threshold)
        )
        self._hashes: list[array[int]] = []
        self._keys: list[int] = []

    def find_or_add(self, key: int, text: str) -> int | None:
        """The key of the first added text with a similarity of at least the threshold; a text that repeats none is added."""
        found = shingles(text)
        if not found:
            return None
        sketch = _sketch(found)
        match = self._matching(found, sketch)
        if match is None:
            self._insert(key, found, sketch)
        return match

    def _matching(self, found: frozenset[str], sketch: RMinHash) -> int | None:
        mine = {hash(shingle) for shingle in found}
        for number in sorted(self._index.query(sketch)):
            theirs = self._hashes[number]
            shared = sum(1 for value in theirs if value in mine)
            if shared >= self.threshold * (len(mine) + len(theirs) - shared):
                return self._keys[number]
        return None

    def _insert(self, key: int, found: frozenset[str], sketch: RMinHash) -> None:
        self._index.insert(len(self._keys), sketch)
        self._keys.append(key)
        # Hashes live in this process only, so Python's salted ones do; 8 bytes a shingle keep memory small.
        self._hashes.append(array("q", {hash(shingle) for shingle in found}))


def _sketch(found: frozenset[str]) -> RMinHash:
    sketch = RMinHash(num_perm=PERMUTATIONS, seed=_HASH_SEED)
    sketch.update(sorted(found))
    return sketch


def _rows_a_band(threshold: float) -> int:
    """The most selective banding that misses a pair at the threshold less than once in a thousand."""
    fitting = [r for r in (2, 4, 8, 16) if (1 - threshold**r) ** (PERMUTATIONS // r) <= _MISSED]
    return max(fitting, default=1)
