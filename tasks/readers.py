"""Reads CSV and JSON lines record by record, so that a broken row costs one row and never the file.

Every record knows the byte at which it ends; the next run continues there. While a file is `growing`, a record at its
end that may be in the middle of being written is left for the next run, and the reader returns True.
"""

import csv
import json
from collections.abc import Generator, Iterator
from typing import IO, Any

from errors import DataError
from models.sample import CSV_LINES
from tasks.records import (
    BROKEN_UTF8,
    LONGEST_LINE,
    NUMBERS,
    SURROGATE,
    Growing,
    Line,
    Lines,
    RawRow,
    Roles,
    Start,
    broken,
    checked,
    printable,
)

OPEN_RECORD = 64 << 10
"""A quote that is open for more characters than a writer's buffer holds is a stray one, not half a record."""

# --- CSV ---


def read_csv(
    file: IO[bytes], roles: Roles, start: Start, name: str, *, growing: Growing
) -> Generator[RawRow, None, bool]:  # fmt: skip
    csv.field_size_limit(LONGEST_LINE)
    header, after = _header(file, name, growing=growing)
    if not header:
        return growing()
    require_columns(roles, header, name)
    places = {role: header.index(column) for role, column in roles.items()}
    begin = start if start.offset > after.offset else after
    file.seek(begin.offset)
    lines = Lines(file, begin, growing=growing)
    for fields, problem, line, end, raw in _records(lines, columns=len(header), growing=growing):
        if problem is None and len(fields) != len(header):
            problem = f"{len(fields)} fields, the header has {len(header)}"
        if problem:
            found = BROKEN_UTF8 if SURROGATE.search(raw) else problem
            yield broken(line, end, found, raw)
        else:
            yield checked(line, end, {role: fields[place] for role, place in places.items()}, raw)
    return lines.left_open


def _records(lines: Lines, *, columns: int, growing: Growing) -> Iterator[tuple[list[str], str | None, int, int, str]]:
    # Strict: a quote that never closes would otherwise swallow the following rows in silence.
    reader = csv.reader(lines, strict=True)
    while True:
        lines.taken.clear()
        fields, problem = [], None
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if lines.ended and _is_half_written(lines.taken, columns) and growing():
                lines.left_open = True
                return
            problem = f"no valid CSV: {error}"
            lines.hand_back()
        if lines.taken[0].cut or lines.taken[-1].cut:
            problem = f"a line is longer than {LONGEST_LINE >> 20} MiB"
        if fields or problem:
            raw = "".join(line.text for line in lines.taken)
            yield fields, problem, lines.taken[0].number, lines.taken[-1].end, raw


def _is_half_written(taken: list[Line], columns: int) -> bool:
    """Whether a record that is open at the file's end may still be going on: behind a stray quote, whole rows follow."""
    swallowed = len(taken) > 1 and all(_is_whole_row(line.text, columns) for line in taken[1:])
    return not swallowed and sum(len(line.text) for line in taken) <= OPEN_RECORD


def _is_whole_row(text: str, columns: int) -> bool:
    try:
        return len(next(csv.reader([text]), [])) == columns
    except csv.Error:  # a carriage return in its midst
        return False


def _header(file: IO[bytes], name: str, *, growing: Growing) -> tuple[list[str], Start]:
    """The column names and where the rows begin; no names in a file that has no line yet."""
    lines = Lines(file, Start(), growing=growing)
    reader = csv.reader(_without_bom(lines), strict=True)
    try:
        fields = next((record for record in reader if record), [])
    except csv.Error as error:
        if lines.left_open:
            return [], Start()
        raise DataError(f"{name}: the header is no valid CSV ({error}); {CSV_LINES}") from None
    last = lines.taken[-1] if lines.taken else Line("", 0, 0, cut=False)
    return [field.strip() for field in fields], Start(last.end, 0, last.number + 1)


def _without_bom(lines: Lines) -> Iterator[str]:
    for text in lines:
        yield text.removeprefix("\ufeff") if len(lines.taken) == 1 else text


def require_columns(roles: Roles, present: list[str], name: str) -> None:
    for column in roles.values():
        if column not in present:
            there = ", ".join(repr(printable(c)[:60]) for c in present[:50]) or "none"
            raise DataError(f"{name} has no column {column!r}, which the spec names. Columns that are there: "
                            f"{there}. Change `columns` in the spec or the file.")  # fmt: skip
        if present.count(column) > 1:
            raise DataError(f"{name} has {present.count(column)} columns named {column!r}; rename all but one")


# --- JSON lines ---


def read_jsonl(
    file: IO[bytes], roles: Roles, start: Start, name: str, *, growing: Growing
) -> Generator[RawRow, None, bool]:  # fmt: skip
    file.seek(start.offset)
    lines = Lines(file, start)
    keys: dict[str, None] = {}
    has_text, left_open = start.rows > 0, False
    for text in lines:
        line = lines.taken.pop()
        content = text.removeprefix("\ufeff") if line.number == 1 else text
        if not content.strip():
            continue
        document, problem = _document(content, line)
        if problem and not content.endswith("\n") and not line.cut and growing():
            left_open = True  # An object that reads well without an end of line is whole: it ends with its brace.
            break
        if problem or document is None:
            yield broken(line.number, line.end, BROKEN_UTF8 if SURROGATE.search(content) else str(problem), content)
            continue
        has_text = has_text or roles["text"] in document
        keys.update(dict.fromkeys(list(document)[:50]) if len(keys) < 50 else {})
        yield _row_of(document, roles, line, content)
    if keys and not has_text:
        require_columns({"text": roles["text"]}, list(keys), name)
    return left_open


def _document(content: str, line: Line) -> tuple[dict[str, Any] | None, str | None]:
    if line.cut:
        return None, f"a line is longer than {LONGEST_LINE >> 20} MiB"
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        return None, f"no valid JSON: {error}"
    if not isinstance(document, dict):
        return None, f"the line is {_kind(document)}, not an object"
    return document, None


def _row_of(document: dict[str, Any], roles: Roles, line: Line, content: str) -> RawRow:
    text = document.get(roles["text"])
    if text is not None and not isinstance(text, str):
        return broken(line.number, line.end, f"text is {_kind(text)}, not a string", content)
    try:
        values = {role: _string(document.get(column), role) for role, column in roles.items()}
    except RecursionError as error:  # one level less than what cannot be read
        return broken(line.number, line.end, f"no valid JSON: {error}", content)
    return checked(line.number, line.end, values, content)


def _string(value: Any, role: str) -> str | None:
    if value != value and role not in NUMBERS:  # Python writes what pandas has no label for as NaN
        return None
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _kind(value: Any) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", str: "a string", list: "a list",
             dict: "an object"}  # fmt: skip
    return names.get(type(value), "null")
