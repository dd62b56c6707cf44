"""The samples as one HTML file that a person fills in any browser, without a server; and the file that it saves."""

from collections.abc import Container, Sequence
from pathlib import Path
from typing import cast, get_args

from errors import DataError
from models.contracts import Rating
from tasks.blinding import Blind, Choice, unblind
from tasks.label_sheets import read_cells
from tasks.pages import environment

CHOICES = get_args(Choice)


def write_page(samples: Sequence[Blind], path: Path, *, model: str, version: int) -> None:
    page = environment(html=True).get_template("rate.html.j2").render(samples=samples, model=model, version=version)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")


def read_page_ratings(path: Path, *, asked: Container[str], question: str) -> tuple[Rating, ...]:
    """What a page saved. `asked`: the contents that were shown; `question`: the SHA-256 of the request."""
    found = tuple(
        _rating(cells.content, cells.plain("choice").casefold(), cells.plain("rater"), f"{path}, line {cells.line}", asked, question)
        for cells in read_cells(path, ("content", "choice", "rater"))
    )  # fmt: skip
    if not found:
        raise DataError(f"{path} rates nothing; judge at least one text on the page and save again")
    return found


def _rating(
    content: str, choice: str, rater: str, where: str, asked: Container[str], question: str
) -> Rating:  # fmt: skip
    if choice not in CHOICES:
        raise DataError(f"{where}: choice is {choice!r}; the page writes {', '.join(CHOICES)}")
    if not rater:
        raise DataError(f"{where}: rated by nobody; write a name on the page and save again")
    if content not in asked:
        raise DataError(f"{where}: {content[:40]!r} is no sample of this version; the page is of another one")
    return Rating(content=content, better=unblind(content, cast(Choice, choice), question=question), rater=rater)
