"""The samples as a sheet that people fill: `better` says which answer is, `rater` who says so; `content` names a row, and
`version` the version that was asked about, since another one's sheet may hold the same texts."""

from collections.abc import Container
from pathlib import Path
from typing import get_args

from errors import DataError
from models.contracts import Rating, SideBySide
from tasks.label_sheets import Cells, read_cells, write_csv

FILLED = ("better", "rater")
ANSWERS = ("text", "label", "champion", "champion_confidence", "candidate", "candidate_confidence")
MAY_LACK = ("label", "champion_confidence", "candidate_confidence")
"""None is written as an empty cell: nobody knows the label, or the model does not say how sure it is."""
CHOICES = get_args(Rating.model_fields["better"].annotation)


def write_sheet(samples: list[SideBySide], path: Path, *, version: int | None = None) -> None:
    """None: samples are drawn before their version is asked about."""
    columns = (*FILLED, *ANSWERS, "content", *(() if version is None else ("version",)))
    rows = ({**row.model_dump(), "version": version} for row in samples)
    write_csv([{name: row.get(name) for name in columns} for row in rows], columns, path)


def read_samples(path: Path) -> list[SideBySide]:
    """The rows of a sheet as it was written, whatever its copy is called."""
    return [
        SideBySide.model_validate(
            {**cells.values, **{name: cells.values[name] or None for name in MAY_LACK}, "content": cells.content}
        )
        for cells in read_cells(path, (*ANSWERS, "content"), suffix=".csv")
    ]


def read_ratings(path: Path, *, asked: Container[str], version: int) -> tuple[Rating, ...]:
    """What a filled sheet says; rows that nobody rated are left out. `asked`: the contents that were shown."""
    rated = [
        cells for cells in read_cells(path, ("better", "rater", "content"), also=("version",)) if cells.plain("better")
    ]
    if not rated:
        raise DataError(f"{path} rates nothing: fill the column `better` with {', '.join(CHOICES)}, and `rater` with "
                        "your name; `upkeep waiting SPEC --sheet FILE` writes an empty sheet")  # fmt: skip
    return tuple(_rating(cells, asked, version, path) for cells in rated)


def _rating(cells: Cells, asked: Container[str], version: int, path: Path) -> Rating:
    better, rater = cells.plain("better").casefold(), cells.plain("rater")
    if better not in CHOICES:
        raise DataError(f"{path}, line {cells.line}: better is {better!r}; write {', '.join(CHOICES)} or nothing")
    if not rater:
        raise DataError(f"{path}, line {cells.line}: rated by nobody; write a name into the column `rater`")
    told = cells.plain("version").removesuffix(".0")  # as a spreadsheet may write it
    if told not in {"", str(version)}:
        raise DataError(f"{path}, line {cells.line}: the sheet is of version {told}, and its ratings say nothing of version "
                        f"{version}; hand it in with --version {told}, or fill the sheet of version {version}")  # fmt: skip
    if cells.content not in asked:
        raise DataError(f"{path}, line {cells.line}: {cells.content[:40]!r} is no sample of version {version}; fill the "
                        "sheet of that version and leave its column `content` alone")  # fmt: skip
    return Rating.model_validate({"content": cells.content, "better": better, "rater": rater})
