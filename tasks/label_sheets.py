"""A sheet for people (rows to label, samples to rate) as a spreadsheet or a program sees it, and the filled file as it
comes back.

A CSV cell that begins with = + - @ (or a tab, a line break, or the wide forms of these) would be run as a formula by a
spreadsheet: it gets a leading apostrophe (OWASP, "CSV Injection"), as does a cell that has apostrophes before such a
sign, so that taking one away gives back every cell. JSON lines are written as they are. On the way back only `content`
and `label` count, so that nothing that a spreadsheet does to a text can change it. `content` begins with a letter: a
digest that happens to be all digits would become a number.
"""

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from errors import DataError, SpecError

_FORMULA = re.compile("'*[=+\\-@\t\r\n＝＋－＠]")
_MARK = "c"
_LONGEST_CELL = 8 << 20
_SEPARATORS = ",;\t"
_GUESSED = "cp1252"
"""Any bytes are letters in it, if not those that were meant."""
_TAKEN_BY = {"better": "upkeep approve SPEC --reason … --ratings FILE", "choice": "upkeep rate SPEC --take FILE"}
"""A column that only such files have -> what takes them."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Cells:
    """One row of a file; `line` is 1-based, `values` has those columns that were asked for and are there."""

    line: int
    values: Row

    @property
    def content(self) -> str:
        return _unmarked(self.plain("content"))

    @property
    def label(self) -> str:
        return self.plain("label")

    @property
    def text(self) -> str | None:
        """None where the file has no such column."""
        text = self.values.get("text")
        return None if text is None else str(text)

    def plain(self, name: str) -> str:
        return _plain(self.values.get(name))


def write_csv(rows: Sequence[Row], columns: Sequence[str], path: Path) -> None:
    """With a byte order mark, by which Excel knows UTF-8, and with Windows' line ends."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([guarded(name) for name in columns])
        writer.writerows([guarded(_marked(row)[name]) for name in columns] for row in rows)


def write_jsonl(rows: Sequence[Row], columns: Sequence[str], path: Path) -> None:
    lines = (json.dumps({name: _marked(row)[name] for name in columns}, ensure_ascii=False) + "\n" for row in rows)
    path.write_text("".join(lines), encoding="utf-8", newline="")


def guarded(value: Any) -> str:
    """A cell that no spreadsheet runs."""
    cell = "" if value is None else str(value)
    return "'" + cell if _FORMULA.match(cell) else cell


def unguarded(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def read_filled(path: Path, *, written: bool = False) -> list[Cells]:
    """The rows of a filled CSV or JSONL file, in its order, blank ones left out. DataError where it cannot be read.

    `written`: labels are texts of people's own. No list tells then whether a code page was guessed right, so that their
    letters must not be guessed.
    """
    found = read_cells(path, ("content", "label"), also=("text",))
    rows = [row for row in found if row.content or row.label]
    guessed = next((row for row in rows if written and not row.label.isascii()), None)
    if guessed and _encoding(path.read_bytes()) == _GUESSED:
        raise DataError(f"{path}, line {guessed.line}: {guessed.label[:40]!r} is not UTF-8, and what was meant could only be "
                        'guessed; nothing was stored. Save the sheet as "CSV UTF-8" (or "Unicode text").')  # fmt: skip
    return rows


def read_cells(
    path: Path, needed: Sequence[str], *, also: Sequence[str] = (), suffix: str = ""
) -> Iterator[Cells]:  # fmt: skip
    """Some columns of a CSV or JSONL file, row by row. SpecError where there is no file, DataError where it cannot be read or
    lacks a needed column. `suffix` says what the file is where its name does not."""
    if not path.is_file():
        raise SpecError(f"{path} is not a file; give the filled sheet (CSV or JSONL)")
    text = _decoded(path.read_bytes())
    suffix = suffix or path.suffix.lower()
    if suffix not in {".csv", ".tsv", ".txt", ".jsonl", ".ndjson"}:
        raise DataError(f"{path}: {suffix or 'no suffix'!r} is not read; save the sheet as CSV (UTF-8) or JSONL")
    read = _json_rows if suffix in {".jsonl", ".ndjson"} else _csv_rows
    yield from read(text, path, needed, also)


def read_batch(path: Path) -> Iterator[Row]:
    """The rows of a batch as they were sent out (JSON lines), with plain digests."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            yield {**row, "content": _unmarked(row["content"])}


def _decoded(data: bytes) -> str:
    """As spreadsheets save: UTF-8, with a mark or without, UTF-16 ("Unicode text"), or the old Windows code page,
    which may have lost letters of the texts but none of the labels' digests."""
    return data.decode(_encoding(data), "replace")


def _encoding(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    try:
        data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return _GUESSED
    return "utf-8-sig"


def _csv_rows(text: str, path: Path, needed: Sequence[str], also: Sequence[str]) -> Iterator[Cells]:
    csv.field_size_limit(_LONGEST_CELL)
    skipped = 1 if text.lower().startswith("sep=") else 0  # Excel's own hint
    lines = io.StringIO(text.split("\n", 1)[-1] if skipped else text, newline="")
    first = lines.readline()
    lines.seek(0)
    # Strict: a quote that never closes would otherwise swallow the following rows and their labels in silence.
    reader = csv.reader(lines, delimiter=max(_SEPARATORS, key=first.count), strict=True)
    begun = 0
    try:
        header = [unguarded(name).strip().lower() for name in next(reader, [])]
        _require(header, path, needed)
        places = {name: header.index(name) for name in (*needed, *also) if name in header}
        begun = reader.line_num
        for fields in reader:
            cells = {name: fields[place] for name, place in places.items() if place < len(fields)}
            yield Cells(begun + skipped + 1, {name: unguarded(cell) for name, cell in cells.items()})
            begun = reader.line_num
    except csv.Error as problem:
        raise DataError(f"{path}, line {begun + skipped + 1}: no valid CSV ({problem}); save the sheet anew") from None


def _json_rows(text: str, path: Path, needed: Sequence[str], also: Sequence[str]) -> Iterator[Cells]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            document = json.loads(line)
        except (ValueError, RecursionError) as problem:
            raise DataError(f"{path}, line {number}: no valid JSON ({problem}); write one object a line") from None
        if not isinstance(document, dict):
            raise DataError(f"{path}, line {number}: not an object; write one such as "
                            f'{{"content": "c…", "{needed[-1]}": "…"}}')  # fmt: skip
        _require(list(document), path, needed)
        yield Cells(number, {name: document[name] for name in (*needed, *also) if name in document})


def _require(columns: list[str], path: Path, needed: Sequence[str]) -> None:
    missing = [name for name in needed if name not in columns]
    if missing:
        kept = " and ".join(f"`{name}`" for name in needed)
        others = [name for name in _TAKEN_BY if name in columns and name not in needed]
        taken = [f" With its column `{name}` it is for: {_TAKEN_BY[name]}" for name in others]
        raise DataError(f"{path} has no column {missing[0]!r}; columns that are there: {', '.join(columns[:20])}. "
                        f"Keep the columns {kept} of the sheet; all others may go.{''.join(taken)}")  # fmt: skip
    twice = [name for name in needed if columns.count(name) > 1]
    if twice:
        raise DataError(f"{path} has {columns.count(twice[0])} columns named {twice[0]!r}; keep the one that counts")


def _plain(value: Any) -> str:
    """A JSON file may hold a label as a number or as true: as the spec would write it."""
    if value is None:
        return ""
    return value.strip() if isinstance(value, str) else json.dumps(value)


def _marked(row: Row) -> Row:
    return {**row, "content": _MARK + row["content"]}


def _unmarked(content: str) -> str:
    return content.removeprefix(_MARK) if len(content) == 33 else content
