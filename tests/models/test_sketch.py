"""What `upkeep init` guesses from a data file, and what it refuses to guess."""

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from errors import DataError, SpecError
from models.sketch import sketch_spec
from models.spec import ModelSpec, parse_spec
from models.yaml12 import load_yaml

WORDS = ("the parcel arrived late again", "and nobody answered my three letters about it")


def _rows(count: int = 60) -> list[dict[str, Any]]:
    return [
        {
            "row_id": f"r{i}", "headline": f"Letter {i} came", "body": " ".join([f"{i}", *WORDS]),
            "sentiment": ("good", "bad", "no: way")[i % 3], "created_at": f"2026-01-{i % 28 + 1:02d}T10:00:00",
            "pred": ("good", "bad")[i % 2], "confidence": round(0.5 + i / 200, 3), "latency_ms": 10 + i,
            "country": ("DE", "FR")[i % 2],
        }
        for i in range(count)
    ]  # fmt: skip


def _csv(path: Path, rows: list[dict[str, Any]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def _sketch(data: Path, name: str | None = None) -> tuple[str, ModelSpec]:
    text = sketch_spec(data, name=name, model="some/model", relative_to=data.parent)
    return text, parse_spec(load_yaml(text), where="sketch")


def test_every_role_is_guessed_from_names_and_values(tmp_path: Path) -> None:
    _, spec = _sketch(_csv(tmp_path / "My Data.csv", _rows()))
    found = spec.columns
    assert (found.text, found.label, found.id, found.timestamp) == ("body", "sentiment", "row_id", "created_at")
    assert (found.prediction, found.score, found.latency) == ("pred", "confidence", "latency_ms")
    assert spec.labels == ("bad", "good", "no: way")
    assert spec.name == "my-data"
    assert spec.data.sources == ("My Data.csv",)


@pytest.mark.parametrize(("moment", "is_one"), [(20260105, True), (1767600000, True), ("2026-01-05T10:00:00Z", True),
                                                (1767600000123, True), ("2026-01-05 10:00:00 UTC", True),
                                                ("today", False), (17, False)])  # fmt: skip
def test_a_moment_is_known_as_a_run_will_read_it(tmp_path: Path, moment: object, is_one: bool) -> None:
    _, spec = _sketch(_csv(tmp_path / "d.csv", [row | {"created_at": moment} for row in _rows()]))
    assert spec.columns.timestamp == ("created_at" if is_one else None)


@pytest.mark.parametrize(("role", "name", "value"), [("score", "confidence", lambda i: 40 + i), ("latency", "latency_ms", lambda i: i - 5),
                                                     ("prediction", "pred", lambda i: f"answer {i % 40}"),
                                                     ("id", "row_id", lambda i: f"r{i % 50}")])  # fmt: skip
def test_a_column_whose_values_do_not_fit_is_not_taken_for_its_name(
    role: str, name: str, value: Callable[[int], object], tmp_path: Path
) -> None:
    _, spec = _sketch(_csv(tmp_path / "d.csv", [row | {name: value(i)} for i, row in enumerate(_rows())]))
    assert getattr(spec.columns, role) is None


def test_a_guess_is_sure_only_where_one_column_alone_has_the_whole_name(tmp_path: Path) -> None:
    whole, part = (
        "# guessed (sure): by its name; 3 distinct",
        "# guessed (NOT SURE, please check): by its name; 3 distinct",
    )
    told = []
    for names in (["sentiment"], ["sentiment", "label_2"], ["my_sentiment"]):
        rows = [dict.fromkeys(names, row.pop("sentiment")) | row for row in _rows()]
        told.append(_sketch(_csv(tmp_path / "d.csv", rows))[0])
    assert [(whole in text, part in text) for text in told] == [(True, False), (False, True), (False, True)]


def test_slices_are_proposed_but_not_chosen(tmp_path: Path) -> None:
    text, spec = _sketch(_csv(tmp_path / "d.csv", _rows()))
    assert '# slices: ["country"]' in text
    assert spec.columns.slices == ()


@pytest.mark.parametrize("kind", ["csv.gz", "jsonl", "jsonl.gz", "parquet"])
def test_every_format_gives_the_same_columns_and_labels(tmp_path: Path, kind: str) -> None:
    plain, path = tmp_path / "d.csv", tmp_path / f"e.{kind}"
    _csv(plain, _rows())
    lines = "\n".join(map(json.dumps, _rows()))
    if kind == "csv.gz":
        path.write_bytes(gzip.compress(plain.read_bytes()))
    elif kind == "parquet":
        pd.DataFrame(_rows()).to_parquet(path)
    else:
        path.write_bytes(gzip.compress(lines.encode()) if kind.endswith(".gz") else lines.encode())
    assert _sketch(path)[1].columns == _sketch(plain)[1].columns
    assert _sketch(path)[1].labels == _sketch(plain)[1].labels


def test_everything_but_the_guesses_stays_at_its_default(tmp_path: Path) -> None:
    text, spec = _sketch(_csv(tmp_path / "d.csv", _rows()))
    guessed = {"name", "model", "labels", "data", "columns"}
    required = {key: spec.model_dump()[key] for key in guessed}
    assert spec == ModelSpec.model_validate(required)
    assert text.startswith("# yaml-language-server: $schema=upkeep.schema.json\n")


def test_every_section_and_description_is_in_the_text(tmp_path: Path) -> None:
    text, _ = _sketch(_csv(tmp_path / "d.csv", _rows()))
    words = " ".join(text.replace("#", " ").split())
    for key, field in ModelSpec.model_fields.items():
        assert f"\n{key}:" in text or f"\n# {key}:" in text
        inner = getattr(field.annotation, "model_fields", {})
        for description in (f.description for f in [field, *inner.values()] if f.description):
            assert " ".join(description.split()) in words


def test_a_label_that_comes_after_the_sample_is_found_too(tmp_path: Path) -> None:
    rows = [{"text": f"text number {i}", "label": "a" if i < 2500 else "b"} for i in range(2600)]
    assert _sketch(_csv(tmp_path / "d.csv", rows))[1].labels == ("a", "b")


@pytest.mark.parametrize("labels", [["yes", "no"], ["on", "off"], ["1", "0"], ["null", "~"], ["1.5", "2026-01-01"],
                                    ["#x", "a: b"], ['"', "'"], ["true", "é☃"]])  # fmt: skip
def test_labels_that_yaml_would_read_as_something_else_stay_strings(tmp_path: Path, labels: list[str]) -> None:
    rows = [{"text": f"text number {i}", "label": labels[i % 2]} for i in range(20)]
    assert _sketch(_csv(tmp_path / "d.csv", rows))[1].labels == tuple(sorted(labels))


def test_numbers_that_pandas_wrote_as_floats_are_whole_labels(tmp_path: Path) -> None:
    rows = [{"text": f"text number {i}", "label": ("1.0", "0.0", "")[i % 3]} for i in range(30)]
    assert _sketch(_csv(tmp_path / "d.csv", rows))[1].labels == ("0", "1")


def test_bad_bytes_and_broken_rows_are_passed_over(tmp_path: Path) -> None:
    path = _csv(tmp_path / "d.csv", [{"text": f"text number {i}", "label": "ab"[i % 2]} for i in range(20)])
    path.write_bytes(path.read_bytes() + b"caf\xe9 text,c\xff\nonly one field\na,b,c,d\n")
    assert _sketch(path)[1].labels == ("a", "b")


def test_a_line_break_in_a_column_name_does_not_end_a_comment(tmp_path: Path) -> None:
    rows = [{"text": f"text number {i}", "label": "ab"[i % 2], "label\nseed: x": "pq"[i % 2]} for i in range(20)]
    assert _sketch(_csv(tmp_path / "d.csv", rows))[1].columns.label == "label"


def test_without_telling_names_the_longest_text_and_fewest_values_are_taken_with_a_warning(tmp_path: Path) -> None:
    rows = [
        {"d": f"letter number {i}", "a": " ".join([str(i), *WORDS]), "b": "xy"[i % 2], "c": "pqr"[i % 3]}
        for i in range(60)
    ]
    text, spec = _sketch(_csv(tmp_path / "d.csv", rows))
    assert "# guessed (sure): the longest free text, 78 characters on average; next: d, 16" in text
    assert (spec.columns.text, spec.columns.label) == ("a", "b")
    assert "NOT SURE" in text and "it could also be c" in text


def test_paths_are_relative_to_the_folder_of_the_spec(tmp_path: Path) -> None:
    data = _csv(tmp_path / "d.csv", _rows())
    (tmp_path / "specs").mkdir()
    text = sketch_spec(data, name="x", model=str(tmp_path), relative_to=tmp_path / "specs")
    spec = parse_spec(load_yaml(text), where="sketch")
    assert (spec.name, spec.data.sources, spec.model.source) == ("x", ("../d.csv",), "..")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "no row that can be read"),
        ("text,label\n", "no row that can be read"),
        ("n,label\n1,a\n2,b\n3,a\n4,b\n", "could be the text.*'n' \\(4 distinct"),
        ("text,n\nsome words,1\nother words,2\nmore words,3\n", "could be the label.*'text' \\(3 distinct"),
        ("text,label\nsome words,a\nother words,a\n", "too few distinct labels: \\['a'\\]"),
        ("text,label\rsome words,a\rother words,b\r", "header is no valid CSV.*lines end with .*Macintosh"),
        ("text,label,text\nsome words,a,x\nother words,b,y\n", "several columns named 'text', .* rename all but one"),
    ],
)
def test_a_file_that_shows_too_little_is_refused_with_what_was_seen(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "d.csv").write_text(content, newline="")
    with pytest.raises(DataError, match=says):
        _sketch(tmp_path / "d.csv")


def test_columns_without_a_name_or_a_role_may_share_one_as_they_may_in_a_run(tmp_path: Path) -> None:
    rows = "".join(f"text number {i},{'ab'[i % 2]},1,2,,\n" for i in range(20))
    (tmp_path / "d.csv").write_text(f"text,label,n,n,,\n{rows}")
    assert _sketch(tmp_path / "d.csv")[1].labels == ("a", "b")


def test_pairs_of_texts_are_sent_to_the_examples_since_only_a_classifier_is_sketched(tmp_path: Path) -> None:
    rows = [{"text": " ".join([str(i), *WORDS]), "label": " ".join([*WORDS, str(i)])} for i in range(60)]
    with pytest.raises(DataError, match=r"a model that writes begin with one of examples/\*/spec.yaml"):
        _sketch(_csv(tmp_path / "d.csv", rows))


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    (tmp_path / "d.csv.gz").write_bytes(gzip.compress(b"text,label\n" * 99)[:-9])
    (tmp_path / "d.parquet").write_bytes(b"no parquet at all")
    (tmp_path / "d.txt").write_text("x")
    for name, says in {"d.csv.gz": "gzip", "d.parquet": "Parquet", "d.txt": "format", "none.csv": "not a file"}.items():
        with pytest.raises(DataError, match=says):
            _sketch(tmp_path / name)


def test_a_name_that_no_spec_may_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="name"):
        _sketch(_csv(tmp_path / "d.csv", _rows()), name="Not A Name")


@pytest.mark.parametrize(
    ("header", "named"), [("text;label", "semicolons"), ('"text";"label"', "semicolons"), ("text\tlabel", "tabs")]
)
def test_a_csv_with_another_separator_is_refused_by_the_separator_and_not_by_its_columns(
    tmp_path: Path, header: str, named: str
) -> None:
    (tmp_path / "rows.csv").write_text(header + "\n" + "one;good\n" * 9)
    with pytest.raises(DataError, match=rf"rows.csv separates .* by {named}.* by commas; save it"):
        sketch_spec(tmp_path / "rows.csv", name=None, model="m", relative_to=tmp_path)


def test_a_file_in_utf_16_is_refused_rather_than_read_as_letters_with_nothing_between(tmp_path: Path) -> None:
    rows = "text,label\n" + "".join(f"{WORDS[i % 2]} {i},{'good' if i % 2 else 'bad'}\n" for i in range(60))
    (tmp_path / "rows.csv").write_text(rows, encoding="utf-16")
    with pytest.raises(DataError, match=r"rows.csv is UTF-16.* save it as UTF-8"):
        sketch_spec(tmp_path / "rows.csv", name=None, model="m", relative_to=tmp_path)
