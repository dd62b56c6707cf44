"""Two answers without their authors: whoever rates sees A and B, and which is the candidate's depends on the sample.

The order comes from the question and the sample's content, so that a page that was filled elsewhere can be read again
without a key that somebody would have to keep from the raters.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal

from models.contracts import SideBySide

Choice = Literal["a", "b", "same"]
Better = Literal["champion", "candidate", "same"]


@dataclass(frozen=True)
class Blind:
    """A sample as a rater sees it."""

    content: str
    text: str
    reference: str | None
    """What was to be answered, where that is known."""
    a: str
    b: str


def blind(sample: SideBySide, *, question: str) -> Blind:
    """`question`: the SHA-256 of the request."""
    answers = sample.champion, sample.candidate
    a, b = answers if _champion_first(sample.content, question) else answers[::-1]
    return Blind(sample.content, sample.text, sample.label, a, b)


def unblind(content: str, choice: Choice, *, question: str) -> Better:
    if choice == "same":
        return "same"
    return "champion" if (choice == "a") == _champion_first(content, question) else "candidate"


def mark_of(question: str) -> str:
    """Tells a question's pages from those of others, and nobody which answer is whose."""
    return "q" + hashlib.sha256(f"page of {question}".encode()).hexdigest()[:12]


def _champion_first(content: str, question: str) -> bool:
    return hashlib.sha256(f"{question}{content}".encode()).digest()[0] % 2 == 0
