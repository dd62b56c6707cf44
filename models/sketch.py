"""Sketches a classifier's spec by looking at a data file's columns: what `upkeep init` writes, before any run."""

import os
import re
from pathlib import Path

from errors import DataError
from models.guessing import MOST_LABELS, Guess, guess_roles, is_slice
from models.sample import SAMPLE_ROWS, as_text, named_twice, read_rows, survey_columns
from models.spec import parse_spec
from models.spec_text import Given, write_spec
from models.yaml12 import load_yaml


def sketch_spec(data: Path, *, name: str | None, model: str, relative_to: Path) -> str:
    """The text of a commented spec that is to lie in the folder `relative_to`.

    Raises DataError where the file has no rows, no text column, no label column or fewer than two labels, and
    SpecError where `name` is not one that a spec may have.
    """
    columns = survey_columns(data)
    roles = guess_roles(columns, data)
    _refuse_twice(data, roles)
    labels = collect_labels(data, roles["label"].column.name)
    given = {
        "name": Given(name or _slug(data), "" if name else "made from the file's name; it stays for good"),
        "model.source": Given(_relative_model(model, relative_to)),
        "labels": Given(labels, f"all {len(labels)} that the whole file holds in {roles['label'].column.name!r}"),
        "data.sources": Given([_relative(data, relative_to)], "a glob such as data/*.csv takes in later files too"),
        **{f"columns.{role}": Given(guess.column.name, guess.note) for role, guess in roles.items()},
    }
    slices = [c.name for c in columns if is_slice(c) and c.name not in {g.column.name for g in roles.values()}]
    if slices:
        given["columns.slices"] = Given(slices, "few distinct values; uncomment those worth watching", commented=True)
    text = write_spec(
        given, head=f"Sketched from {data.name}, by its first {SAMPLE_ROWS} rows at most: read it before use."
    )
    parse_spec(load_yaml(text), where="the sketched spec")
    return text


def _refuse_twice(data: Path, roles: dict[str, Guess]) -> None:
    twice = named_twice(data)
    for role, guess in roles.items():
        if guess.column.name in twice:
            raise DataError(f"{data} has several columns named {guess.column.name!r}, and one of them would be the {role}; rename "
                            "all but one")  # fmt: skip


def collect_labels(data: Path, column: str) -> list[str]:
    """Every distinct label of the whole file, sorted. DataError where they are fewer than two or too many."""
    labels: set[str] = set()
    for row in read_rows(data):
        label = as_text(row.get(column))
        if label and "\ufffd" not in label:  # Broken UTF-8: the row will be quarantined.
            labels.add(label)
        if len(labels) > MOST_LABELS:
            raise DataError(f"{data}: column {column!r} has more than {MOST_LABELS} distinct values, so it is hardly "
                            "a label; rename the label's column to 'label'")  # fmt: skip
    if all(re.fullmatch(r"-?\d+(\.0)?", label) for label in labels):
        labels = {label.removesuffix(".0") for label in labels}  # pandas: 1.0 as soon as one label is missing
    if len(labels) < 2:
        raise DataError(f"{data}: column {column!r} holds too few distinct labels: {sorted(labels)}; 2 are needed. "
                        "Give a file with rows of every label, or rename the right column to 'label'.")  # fmt: skip
    return sorted(labels)


# --- names and paths ----------------------------------------------------------------------------------------


def _slug(data: Path) -> str:
    stem = data.name.lower().split(".")[0]
    return re.sub(r"[^a-z0-9]+", "-", stem).strip("-")[:60].strip("-") or "my-model"


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()


def _relative_model(model: str, folder: Path) -> str:
    """A folder as seen from the spec; a hub id or s3:// prefix as it is."""
    if "://" in model or not Path(model).is_dir():
        return model
    found = _relative(Path(model), folder)
    return found if found.startswith(".") else f"./{found}"
