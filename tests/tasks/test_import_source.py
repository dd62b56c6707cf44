"""Where the first model comes from, and what is refused there."""

import hashlib
import traceback
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import close_session
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
from prefect.states import Failed

from errors import ModelError, SpecError, StoreError, UnsafeModel
from infra.keys import Keys
from infra.object_store import ObjectStore
from models.plain_files import MODEL_FILES
from models.sections import ModelSource
from tasks.importing import import_source, may_pass
from tests.infra.transfers import Requests
from tests.stores import store_on
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


def test_a_key_of_a_prefix_that_reads_like_a_path_of_this_machine_is_refused_and_nothing_is_written_there(
    folder: Path, moto_url: str, prefix: str, tmp_path: Path
) -> None:
    """SeaweedFS makes one slash of two; S3 keeps both, and behind the prefix such a key begins with one."""
    store = store_on(moto_url, tmp_path, prefix=prefix)
    source, planted = uploaded(folder, store), tmp_path / "elsewhere" / "planted.py"
    planted.parent.mkdir()
    store.client.put_object(Bucket=store.bucket, Key=f"theirs/{planted}", Body=b"x = 1\n")
    with pytest.raises(UnsafeModel, match=r"planted\.py', which leads out of the folder; rename it"):
        import_source.fn(ModelSource(source=source), base="", store=store)
    assert not planted.exists()


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


@pytest.mark.parametrize("place", ["folder", "prefix"])
def test_a_revision_pins_no_folder_and_no_prefix_which_would_be_taken_as_they_are(
    place: str, folder: Path, store: ObjectStore
) -> None:
    source = folder.name if place == "folder" else uploaded(folder, store)
    with pytest.raises(ModelError, match=r"model.revision: 'abc' pins a hub id.* drop it"):
        import_source.fn(ModelSource(source=source, revision="abc"), base=str(folder.parent), store=store)


@pytest.mark.parametrize("end", ["", "/"])
def test_a_source_of_safetensors_and_text_is_taken_and_what_else_lies_there_is_not_fetched(
    end: str, folder: Path, store: ObjectStore
) -> None:
    (folder / "README.md").write_text("mine")
    source, asked = ModelSource(source=uploaded(folder, store) + end), Requests(store)
    weights = import_source.fn(source, base="", store=store)
    assert {file.path for file in weights.files} == {path.name for path in folder.iterdir()} - {"README.md"}
    assert asked.count["GetObject"] == len(weights.files)


@pytest.mark.parametrize("place", ["folder", "prefix"])
def test_a_model_that_measures_others_is_stored_where_those_are(place: str, folder: Path, store: ObjectStore) -> None:
    source = str(folder) if place == "folder" else uploaded(folder, store)
    weights = import_source.fn(ModelSource(source=source), base="", store=store, prefix=Keys.instruments)
    assert weights.prefix.startswith("instruments/") and store.list_keys("") == store.list_keys("instruments/")


def test_the_hub_is_asked_for_the_revision_and_for_what_a_model_may_consist_of(
    folder: Path, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def download(name: str, **wanted: Any) -> str:
        asked.update(wanted, name=name)
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    (folder / "modeling_mine.py").write_text("x = 1\n")
    trusted = {"modeling_mine.py": hashlib.sha256(b"x = 1\n").hexdigest()}
    source = ModelSource(source="somebody/theirs", revision="abc", trust_remote_code=trusted)
    assert len(import_source.fn(source, base="", store=store).files) == len(list(folder.iterdir()))
    wanted = [*MODEL_FILES, "modeling_mine.py"]
    assert asked == {"name": "somebody/theirs", "revision": "abc", "allow_patterns": wanted}


@pytest.mark.parametrize("name", ["somebody/theirs", "no such: name", "a/b/c"])
def test_what_the_hub_cannot_give_is_told_in_one_line_with_each_place_that_was_looked_at(
    name: str, store: ObjectStore, tmp_path: Path
) -> None:
    with pytest.raises(
        ModelError, match=rf"model.source '{name}' is neither a folder \(.*{name}\) nor .*Write"
    ) as caught:
        import_source.fn(ModelSource(source=name), base=str(tmp_path), store=store)
    assert "\n" not in str(caught.value)


def test_a_file_is_no_folder_and_what_this_machine_cannot_keep_of_the_hub_is_told_as_that(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> str:
        raise OSError("no space left\nfor this")

    (tmp_path / "theirs").touch()
    monkeypatch.setattr(huggingface_hub, "snapshot_download", full)
    with pytest.raises(ModelError, match=r"'theirs' is neither a folder .* give it: no space left. Write"):
        import_source.fn(ModelSource(source="theirs"), base=str(tmp_path), store=store)


def test_what_the_hub_repeats_of_a_request_is_shown_by_no_cause_of_the_refusal_either(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prefect logs a failed run with all of its causes, and keeps that."""

    secret = "".join(("a", "planted", "word"))  # a traceback shows the lines of this file, too

    def refuse(*_: object, **__: object) -> str:
        try:
            raise OSError(f"403 for https://me:{secret}@hub/api/models/theirs")
        except OSError as problem:
            answer: Any = SimpleNamespace(status_code=403, headers={}, request=None)
            raise HfHubHTTPError(f"you sent Authorization: Bearer {secret}", response=answer) from problem

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(ModelError, match="neither a folder") as caught:
        import_source.fn(ModelSource(source="theirs"), base=str(tmp_path), store=store)
    whole = "".join(traceback.format_exception(caught.value))
    assert "you sent Authorization: Bearer ***" in whole and "403 for https://***@hub" in whole
    assert secret not in whole


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


@pytest.mark.parametrize(
    ("name", "value"),
    [("HTTPS_PROXY", "ftp://me:secret-word@proxy:1"), ("http_proxy", "me:secret-word@proxy:80a"), ("ALL_PROXY", "http://["),
     ("HTTPS_PROXY", "http://")],
)  # fmt: skip
def test_a_proxy_by_which_no_hub_can_be_reached_is_told_by_its_setting_and_its_value_is_not_shown(
    name: str, value: str, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SpecError, match=rf"\b{name}\b.* is no address of a proxy.* write http://host:port") as caught:
        import_source.fn(ModelSource(source="somebody/theirs"), base="", store=store)
    assert "secret-word" not in str(caught.value)


@pytest.mark.parametrize("value", ["proxy:80", "http://me:word@proxy:80", "https://proxy", "socks5://proxy:1080"])
def test_any_other_proxy_is_taken_as_it_is(value: str, store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that its kind wants is named, where it is not here."""
    close_session()
    monkeypatch.setenv("HTTPS_PROXY", value)
    with pytest.raises(ModelError, match=r"'somebody/theirs' is neither a folder"):
        import_source.fn(ModelSource(source="somebody/theirs"), base="", store=store)


def failed_by(problem: Exception) -> bool:
    """Whether the task would be tried again."""
    return may_pass(import_source, None, Failed(data=problem))


def hub_said(status: int) -> Exception:
    answer: Any = SimpleNamespace(status_code=status, headers={}, request=None)
    refused = ModelError("neither a folder nor can the hub give it")
    refused.__cause__ = HfHubHTTPError("no", response=answer)
    return refused


@pytest.mark.parametrize(("status", "again"), [(401, False), (404, False), (428, False), (429, True), (500, True)])
def test_the_hub_is_asked_again_where_it_stumbled_and_not_for_what_it_does_not_know(status: int, again: bool) -> None:
    assert failed_by(hub_said(status)) == again


def test_a_hub_that_broke_off_before_it_had_answered_is_asked_again() -> None:
    broken = hub_said(404)
    broken.__cause__.response = None  # type: ignore[union-attr]
    assert failed_by(broken)


@pytest.mark.parametrize("offline", [True, False])
def test_a_hub_that_did_not_answer_is_asked_again_unless_nobody_may_ask_it(
    offline: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", offline)
    refused = ModelError("neither a folder nor can the hub give it")
    refused.__cause__ = LocalEntryNotFoundError("no answer")
    assert failed_by(refused) is not offline
    assert import_source.retries == 2 and import_source.retry_condition_fn is may_pass


def test_a_model_that_is_refused_is_not_read_again_and_a_store_that_failed_is() -> None:
    assert not failed_by(UnsafeModel("training_args.bin is a pickle"))
    assert failed_by(StoreError("503"))
