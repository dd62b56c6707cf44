"""Where the first model comes from, and what is refused there."""

import hashlib
from pathlib import Path

import pytest

from errors import UnsafeModel
from infra.object_store import ObjectStore
from models.sections import ModelSource
from tasks.finetuning import import_source
from tests.tiny import tiny_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_model(tmp_path / "model")


def uploaded(folder: Path, store: ObjectStore) -> str:
    for path in folder.iterdir():
        store.client.upload_file(str(path), store.bucket, f"theirs/{path.name}")
    return f"s3://{store.bucket}/theirs"


@pytest.mark.parametrize("place", ["folder", "prefix"])
def test_a_pickle_in_a_source_is_refused_by_its_name_and_nothing_is_stored(
    place: str, folder: Path, store: ObjectStore
) -> None:
    (folder / "training_args.bin").write_bytes(b"\x80\x04K\x01.")
    source = str(folder) if place == "folder" else uploaded(folder, store)
    with pytest.raises(UnsafeModel, match=r"training_args\.bin.*save_pretrained"):
        import_source.fn(ModelSource(source=source), base="", store=store)
    assert store.list_keys("") == []


@pytest.mark.parametrize("place", ["folder", "prefix"])
def test_code_in_a_source_comes_along_only_where_the_spec_trusts_it(
    place: str, folder: Path, store: ObjectStore
) -> None:
    (folder / "modeling_mine.py").write_text("x = 1\n")
    source = str(folder) if place == "folder" else uploaded(folder, store)
    with pytest.raises(UnsafeModel, match=r"modeling_mine\.py"):
        import_source.fn(ModelSource(source=source), base="", store=store)
    trusted = {"modeling_mine.py": hashlib.sha256(b"x = 1\n").hexdigest()}
    weights = import_source.fn(ModelSource(source=source, trust_remote_code=trusted), base="", store=store)
    assert "modeling_mine.py" in {file.path for file in weights.files}


def test_a_source_of_safetensors_and_text_is_taken(folder: Path, store: ObjectStore) -> None:
    (folder / "README.md").write_text("mine")
    weights = import_source.fn(ModelSource(source=uploaded(folder, store)), base="", store=store)
    assert {file.path for file in weights.files} == {path.name for path in folder.iterdir()} - {"README.md"}


@pytest.mark.parametrize("place", ["folder", "prefix"])
def test_the_tokenizers_files_of_marian_and_phobert_come_along(
    place: str, folder: Path, store: ObjectStore
) -> None:  # fmt: skip
    """Without them a translation model would be refused once it has been copied, since its tokenizer was left behind."""
    names = {"source.spm", "target.spm", "bpe.codes"}
    for name in names:
        (folder / name).write_bytes(b"\n\x0e\n\x05<unk>")
    source = str(folder) if place == "folder" else uploaded(folder, store)
    weights = import_source.fn(ModelSource(source=source), base="", store=store)
    assert names <= {file.path for file in weights.files}
