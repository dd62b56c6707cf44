"""Reads CSV and JSON lines record by record, so that a broken row costs one row and never the file.

Every record knows the byte at which it ends; the next run continues there.
"""

import csv
import json
from collections.abc import Iterator
from typing import IO, Any

from errors import DataError
from tasks.records import (
    BROKEN_UTF8,
    LONGEST_LINE,
    SURROGATE,
    Line,
    Lines,
    RawRow,
    Roles,
    Start,
    broken,
    checked,
    printable,
)

# --- CSV ---


def read_csv(file: IO[bytes], roles: Roles, start: Start, name: str) -> Iterator[RawRow]:
    csv.field_size_limit(LONGEST_LINE)
    header, after = _header(file, name)
    require_columns(roles, header, name)
    places = {role: header.index(column) for role, column in roles.items()}
    begin = start if start.offset > after.offset else after
    file.seek(begin.offset)
    for fields, problem, line, end, raw in _records(Lines(file, begin)):
        if problem is None and len(fields) != len(header):
            problem = f"{len(fields)} fields, the header has {len(header)}"
        if problem:
            found = BROKEN_UTF8 if SURROGATE.search(raw) else problem
            yield broken(line, end, found, raw)
        else:
            yield checked(line, end, {role: fields[place] for role, place in places.items()}, raw)


def _records(lines: Lines) -> Iterator[tuple[list[str], str | None, int, int, str]]:
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
            problem = f"no valid CSV: {error}"
            lines.hand_back()
        if lines.taken[0].cut or lines.taken[-1].cut:
            problem = f"a line is longer than {LONGEST_LINE >> 20} MiB"
        if fields or problem:
            raw = "".join(line.text for line in lines.taken)
            yield fields, problem, lines.taken[0].number, lines.taken[-1].end, raw


def _header(file: IO[bytes], name: str) -> tuple[list[str], Start]:
    """The column names and where the rows begin."""
    lines = Lines(file, Start())
    reader = csv.reader(_without_bom(lines), strict=True)
    try:
        fields = next((record for record in reader if record), [])
    except csv.Error as error:
        raise DataError(f"{name}: the header is no valid CSV ({error}); its first line must name the columns") from None
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


def read_jsonl(file: IO[bytes], roles: Roles, start: Start, name: str) -> Iterator[RawRow]:
    file.seek(start.offset)
    lines = Lines(file, start)
    keys: dict[str, None] = {}
    has_text = start.rows > 0
    for text in lines:
        line = lines.taken.pop()
        content = text.removeprefix("\ufeff") if line.number == 1 else text
        if not content.strip():
            continue
        document, problem = _document(content, line)
        if problem and not content.endswith("\n") and not line.cut:
            break  # Somebody is still writing this line: the next run reads it whole.
        if problem or document is None:
            yield broken(line.number, line.end, BROKEN_UTF8 if SURROGATE.search(content) else str(problem), content)
            continue
        has_text = has_text or roles["text"] in document
        keys.update(dict.fromkeys(list(document)[:50]) if len(keys) < 50 else {})
        yield _row_of(document, roles, line, content)
    if keys and not has_text:
        require_columns({"text": roles["text"]}, list(keys), name)


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
    values = {role: _string(document.get(column)) for role, column in roles.items()}
    return checked(line.number, line.end, values, content)


def _string(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _kind(value: Any) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", str: "a string", list: "a list",
             dict: "an object"}  # fmt: skip
    return names.get(type(value), "null")
