"""What makes two rows the same, where a row belongs, and why it was labelled.

Slice columns are named `slice:<column>`, metadata columns `meta:<column>`. The other columns: `models/row_schemas.py`.
"""

import hashlib
import unicodedata
from enum import StrEnum

SLICE, META = "slice:", "meta:"
ITSELF = ""
"""The label of a row whose own text is what is to be said."""


class Chosen(StrEnum):
    """Why a row was given to people to label; what came by itself has none of these."""

    RANDOM = "random"
    EARLIER = "random, judged earlier"
    """A run has tested quality by this label already; no champion has been trained on it yet."""
    UNLIKE = "unlike"
    """For being unlike the reference."""
    CORRECTED = "corrected"
    """Labelled anew after a run had judged by its first label: those are the ones that were hard."""


TEACHING = frozenset({Chosen.UNLIKE, Chosen.CORRECTED})
"""Rows that train and measure nothing: any share of right answers among them says nothing of the others."""


def normalised(text: str) -> str:
    """The form in which texts are compared: NFKC, case folded, white space squeezed."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def content_digest(text: str) -> str:
    """128 bits, as hex, that name a text up to case, white space and Unicode form."""
    return hashlib.blake2b(normalised(text).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


class Split(StrEnum):
    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


def split_of(content: str, *, validation_share: float, test_share: float) -> Split:
    """Where a row belongs, for ever: decided by its content alone, never by the run or the seed."""
    place = int(content[:13], 16) / 16**13
    if place < test_share:
        return Split.TEST
    return Split.VALIDATION if place < test_share + validation_share else Split.TRAIN
