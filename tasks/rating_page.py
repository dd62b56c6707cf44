"""The samples as one HTML file that a person fills in any browser, without a server; and the file that it saves."""

from collections.abc import Container, Sequence
from pathlib import Path
from typing import cast, get_args

from errors import DataError
from models.contracts import Rating
from tasks.blinding import Blind, Choice, mark_of, unblind
from tasks.label_sheets import Cells, read_cells
from tasks.pages import environment

CHOICES = get_args(Choice)


def write_page(samples: Sequence[Blind], path: Path, *, model: str, version: int, question: str) -> None:
    """`question`: the SHA-256 of the request."""
    template = environment(html=True).get_template("rate.html.j2")
    page = template.render(samples=samples, model=model, version=version, mark=mark_of(question))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")


def read_page_ratings(path: Path, *, asked: Container[str], question: str) -> tuple[Rating, ...]:
    """What a page saved. `asked`: the contents that were shown; `question`: the SHA-256 of the request."""
    found = tuple(
        _rating(cells, f"{path}, line {cells.line}", asked, question)
        for cells in read_cells(path, ("content", "choice", "rater", "question"))
    )
    if not found:
        raise DataError(f"{path} rates nothing; judge at least one text on the page and save again")
    return found


def _rating(cells: Cells, where: str, asked: Container[str], question: str) -> Rating:
    choice, rater, mark = cells.plain("choice").casefold(), cells.plain("rater"), cells.plain("question")
    if mark != mark_of(question):
        raise DataError(f"{where}: the page asks about another version, whose A and B are others. Its heading names that "
                        "version: hand the file in with --version")  # fmt: skip
    if choice not in CHOICES:
        raise DataError(f"{where}: choice is {choice!r}; the page writes {', '.join(CHOICES)}")
    if not rater:
        raise DataError(f"{where}: rated by nobody; write a name on the page and save again")
    if cells.content not in asked:
        raise DataError(f"{where}: {cells.content[:40]!r} is no sample of this version; the page is of another one")
    better = unblind(cells.content, cast(Choice, choice), question=question)
    return Rating(content=cells.content, better=better, rater=rater)
