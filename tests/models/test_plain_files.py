"""What a model may consist of, and what is refused however it is dressed up."""

import bz2
import gzip
import hashlib
import io
import json
import lzma
import os
import pickle
import pickletools
import re
import stat
import tarfile
import tracemalloc
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import BertForSequenceClassification

from errors import ModelError, SpecError, UnsafeModel
from models.contracts import FileEntry, ModelKind
from models.loading import load_parts, read_config
from models.pickles import HEADER, danger_in, is_pickle, is_safetensors
from models.plain_files import refuse_names, refuse_unsafe, select_files
from models.spec import parse_spec
from models.text_classification import TextClassifier
from tests.tiny import tiny_model

NONE: dict[str, str] = {}
KIND = ModelKind(task="text-classification", labels=("negative", "positive"), max_tokens=16, seed=1)


class Evil:
    def __reduce__(self) -> object:
        return print, ("this must never be printed",)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("plain") / "model")


@pytest.fixture
def model(original: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    for path in original.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def archived(pack: str) -> bytes:
    held = io.BytesIO()
    data = pickle.dumps(Evil())
    if pack == "zip":
        with zipfile.ZipFile(held, "w") as archive:
            archive.writestr("model/data.pkl", data)
    elif pack == "gzip":
        held.write(gzip.compress(data))
    else:
        with tarfile.open(fileobj=held, mode="w") as tar:
            tar.addfile(tarfile.TarInfo("weights"), io.BytesIO(b""))
    return held.getvalue()


PICKLES = [".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".dill", ".h5", ".hdf5", ".keras"]
ARCHIVES = [".zip", ".tar", ".tgz", ".tar.gz", ".bz2", ".xz", ".7z", ".zst", ".rar", ".nemo", ".mar"]


@pytest.mark.parametrize("name", ["E.PT", "below/optimizer.pt", *(f"model{suffix}" for suffix in PICKLES + ARCHIVES)])
def test_a_file_that_is_a_pickle_or_an_archive_by_its_name_is_refused_by_that_name(name: str, model: Path) -> None:
    (model / name).parent.mkdir(exist_ok=True)
    (model / name).write_bytes(b"harmless")
    with pytest.raises(UnsafeModel, match=rf"holds {name}.*save_pretrained"):
        refuse_unsafe(model, code=NONE)


@pytest.mark.parametrize("name", ["../config.json", "below/../../config.json", "/config.json"])
def test_a_name_that_leads_out_of_the_folder_is_refused(name: str) -> None:
    with pytest.raises(UnsafeModel, match=r"s3://theirs/ holds .* which leads out of the folder"):
        refuse_names([name], source="s3://theirs/")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("value", [Evil(), OrderedDict(a=1)], ids=["evil", "plain"])
def test_a_pickle_is_known_by_its_content_in_every_protocol(protocol: int, value: object, model: Path) -> None:
    (model / "vocab.txt").write_bytes(pickle.dumps(value, protocol))
    with pytest.raises(UnsafeModel, match=r"vocab.txt is a pickle, whatever its name says"):
        refuse_unsafe(model, code=NONE)


def test_a_pickle_that_breaks_off_after_it_has_run_is_still_one() -> None:
    for protocol in (0, 2, 4):
        for damage in (b"\xff\xff broken", b"cno such\nmodule or name\n."):
            assert is_pickle(pickle.dumps(Evil(), protocol)[:-1] + damage)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_that_runs_its_code_behind_a_long_text_is_one(protocol: int, model: Path) -> None:
    (model / "vocab.txt").write_bytes(pickle.dumps(("x" * 100_000, Evil()), protocol))
    with pytest.raises(UnsafeModel, match=r"vocab.txt is a pickle"):
        refuse_unsafe(model, code=NONE)


@pytest.mark.parametrize("first", [
    b"I0x1\n", b"I-010\n", b"L0x1L\n", b"S'\xc3\xa9'\n", b"\x80\x02I0x1\n",
    b"I1\0x\n", b"I\0\n", b"L1\0x\n", b"F1.5\0x\n", b"I1\np7\0x\n0g7\0x\n",
    b"ctorch.ops\ntwo words\n", b"ctorch.ops\n\xc3\xa9\n", b"\x80\x02ctorch.ops\ntwo words\n",
])  # fmt: skip
def test_a_pickle_that_begins_with_what_only_its_reader_understands_is_one(first: bytes) -> None:
    """pickletools reads fewer numbers, texts and names than what would run the pickle: Python's own reader, in C, ends a
    number at a zero byte, and torch.ops has something by every name."""
    hidden = first + b"0cos\ngetpid\n(tR."
    assert pickle.loads(hidden, encoding="utf-8") == os.getpid()
    assert is_pickle(hidden)


def test_a_pickle_that_keeps_two_things_under_one_number_or_gives_none_is_still_one() -> None:
    for hidden in (
        b"I1\np0\np0\n0cos\ngetpid\n(tR.",
        b"K\x01\x940h\x000cos\ngetpid\n(tR.",
        b"(0cos\ngetpid\n(tR.",
        b"\x80\x02K\x01q\x00q\x000cos\ngetpid\n(tR.",
    ):
        assert is_pickle(hidden)


@contextmanager
def little_memory() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < 1 << 24
    finally:
        tracemalloc.stop()


RUNNING = {
    "INST": b"(ios\ngetpid\n.", "OBJ": b"(cos\ngetpid\no.", "NEWOBJ": b"cbuiltins\nobject\n)\x81.",
    "NEWOBJ_EX": b"cbuiltins\nobject\n)}\x92.", "BUILD": b"ctypes\nSimpleNamespace\n(dp0\nb.", "REDUCE": b"cos\ngetpid\n(tR.",
}  # fmt: skip


@pytest.mark.parametrize("step", RUNNING)
def test_each_step_that_calls_something_makes_a_pickle_of_a_text(step: str) -> None:
    assert step in {opcode.name for opcode, *_ in pickletools.genops(RUNNING[step])}
    assert is_pickle(RUNNING[step])
    assert not is_pickle(RUNNING[step][:3])


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_that_says_so_is_one_wherever_it_breaks_off(protocol: int) -> None:
    whole = pickle.dumps([1, 2.5, "text", b"x" * 300, 1 << 70, Path], protocol)
    begun = 12 if protocol >= 4 else 3  # behind the length of its frame
    assert all(is_pickle(whole[:end]) for end in range(begun, len(whole) + 1))
    assert not is_pickle(whole[:2])


def test_a_length_that_lies_asks_for_no_memory(model: Path) -> None:
    for length in (1 << 30, 1 << 60):
        (model / "vocab.txt").write_bytes(b"\x8e" + length.to_bytes(8, "little") + b"text")
        with little_memory():
            assert danger_in(model / "vocab.txt") is None
            refuse_unsafe(model, code=NONE)


def test_a_header_of_weights_that_is_longer_than_any_reader_takes_is_not_read(model: Path) -> None:
    size = HEADER + 1
    with (model / "model.safetensors").open("wb") as file:
        file.write(size.to_bytes(8, "little"))
        file.truncate(8 + size)
    with little_memory(), pytest.raises(UnsafeModel, match="no whole safetensors file"):
        refuse_unsafe(model, code=NONE)


def test_a_torch_checkpoint_an_archive_and_an_array_of_objects_are_known_by_content(model: Path) -> None:
    held = io.BytesIO()
    torch.save({"w": torch.zeros(2)}, held)
    objects, packed = io.BytesIO(), io.BytesIO()
    np.save(objects, np.array([Evil()], dtype=object))
    np.savez(packed, a=np.zeros(2), b=np.array([{}], dtype=object))
    hidden = {
        "an archive with a pickle": held.getvalue(), "a gzip archive": archived("gzip"), "a tar archive": archived("tar"),
        "an archive with a pickle (model/data.pkl)": archived("zip"), "pickled objects": objects.getvalue(),
        "pickled objects (b.npy)": packed.getvalue(), "an HDF5 file": b"\x89HDF\r\n\x1a\n",
        "a bzip2 archive": bz2.compress(b"x"), "an xz archive": lzma.compress(b"x"), "a 7z archive": b"7z\xbc\xaf\x27\x1c",
        "a zstd archive": b"\x28\xb5\x2f\xfd\x00", "a rar archive": b"Rar!\x1a\x07",
        "an lzma archive": lzma.compress(b"x", lzma.FORMAT_ALONE), "an lz4 archive": b"\x04\x22\x4d\x18\x64",
        "a zip archive": held.getvalue() + b"PK\x05\x06",  # which torch loads, and zipfile does not see
    }  # fmt: skip
    for what, data in hidden.items():
        (model / "added.txt").write_bytes(data)
        with pytest.raises(UnsafeModel) as caught:
            refuse_unsafe(model, code=NONE)
        assert what in str(caught.value)


@pytest.mark.parametrize("level", range(10))
def test_a_pickle_that_joblib_packed_is_known_and_a_formula_is_not_taken_for_one(level: int, model: Path) -> None:
    for data in (pickle.dumps(Evil()), pickle.dumps(b"".join(pickle.dumps(i) for i in range(100_000)))):
        (model / "added.txt").write_bytes(zlib.compress(data, level))
        with pytest.raises(UnsafeModel, match=r"added.txt is a zlib archive"):
            refuse_unsafe(model, code=NONE)
    for text in ("x^2 + y^2 = z^2\n", "x^", "x\n", "xylophone\n"):
        (model / "added.txt").write_text(text)
        refuse_unsafe(model, code=NONE)


def test_an_old_tar_archive_which_does_not_say_so_is_known(model: Path) -> None:
    data = bytearray(archived("tar"))
    data[257:265], data[148:156] = bytes(8), b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    with tarfile.open(fileobj=io.BytesIO(bytes(data))) as old:
        assert old.getnames() == ["weights"]
    (model / "added.txt").write_bytes(data)
    with pytest.raises(UnsafeModel, match=r"added.txt is a tar archive"):
        refuse_unsafe(model, code=NONE)
    (model / "added.txt").write_bytes(bytes(1 << 10))
    refuse_unsafe(model, code=NONE)


def zipped(*names: str, compression: int = zipfile.ZIP_STORED) -> bytes:
    """A zip of arrays of numbers under these names."""
    held, numbers = io.BytesIO(), io.BytesIO()
    np.save(numbers, np.zeros(2))
    with zipfile.ZipFile(held, "w", compression) as archive:
        for name in names:
            archive.writestr(name, numbers.getvalue())
    return held.getvalue()


def broken(data: bytes, at: bytes, by: bytes) -> bytes:
    """Of its directory, at the end."""
    place = data.rindex(at)
    return data[:place] + by + data[place + len(by) :]


@pytest.mark.parametrize(
    ("version", "dtype", "taken"), [((1, 0), float, True), ((2, 0), float, True), ((1, 0), object, False), ((2, 0), object, False)]
)  # fmt: skip
def test_of_arrays_only_those_of_numbers_are_taken_and_none_that_cannot_be_read(
    version: tuple[int, int], dtype: type, taken: bool, model: Path
) -> None:
    held = io.BytesIO()
    np.lib.format.write_array(held, np.zeros(2, dtype), version)
    for data, fits in ((held.getvalue(), taken), (held.getvalue()[:20], False)):
        (model / "array.txt").write_bytes(data)
        if fits:
            refuse_unsafe(model, code=NONE)
            continue
        with pytest.raises(UnsafeModel, match=r"array.txt is a numpy file with pickled objects"):
            refuse_unsafe(model, code=NONE)


@pytest.mark.parametrize("header", [b"{'descr': (", b"-" * 9000 + b"1", b" 1\n2\n", b"{1: 2, 'a': 3}", b"{[]: 1}",
                                    b"{'descr': ((),)}", b"{'descr': ((),), 'fortran_order': False, 'shape': ()}"])  # fmt: skip
def test_arrays_whose_header_nobody_could_read_are_refused_by_their_name(header: bytes, model: Path) -> None:
    (model / "array.txt").write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(UnsafeModel, match=r"array.txt is a numpy file with pickled objects"):
        refuse_unsafe(model, code=NONE)


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packed_arrays_that_are_damaged_are_refused_by_their_name(compression: int, model: Path) -> None:
    whole = zipped("a.npy", compression=compression)
    begun = whole.index(b"a.npy") + len(b"a.npy")
    for damaged in (b"\xff" * 40, b"\0" * 40):
        (model / "arrays.txt").write_bytes(whole[:begun] + damaged + whole[begun + 40 :])
        with pytest.raises(UnsafeModel, match=r"arrays.txt is (a broken zip archive|a numpy archive with pickled)"):
            refuse_unsafe(model, code=NONE)
    (model / "arrays.txt").write_bytes(broken(whole, whole[-6:-2], b"\xff\xff\xff\0"))
    with pytest.raises(UnsafeModel, match=r"arrays.txt is a broken zip archive"):
        refuse_unsafe(model, code=NONE)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (zipped("a.npy", "read.me"), "a zip archive"),
        (zipped(), "a zip archive"),
        (zipped("a.pickle"), r"an archive with a pickle \(a.pickle\)"),
        (broken(zipped("a.npy"), b"PK\x01\x02", b"XX"), "a broken zip archive"),
        (broken(zipped("a.npy"), b"PK\x01\x02\x14\x03\x14\x00\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01\x00"), "a broken zip archive"),
        (broken(zipped("a.npy"), b"PK\x01\x02\x14\x03\x14\x00\x00\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x00\x00\x63"), "a broken zip archive"),
    ],
    ids=["not all arrays", "empty", "pickle", "directory", "under a password", "packed by nobody knows what"],
)  # fmt: skip
def test_of_zips_only_one_of_nothing_but_arrays_of_numbers_is_taken(data: bytes, what: str, model: Path) -> None:
    (model / "arrays.txt").write_bytes(zipped("a.npy", "b.npy"))
    refuse_unsafe(model, code=NONE)
    (model / "arrays.txt").write_bytes(data)
    with pytest.raises(UnsafeModel, match=f"arrays.txt is {what}"):
        refuse_unsafe(model, code=NONE)


def test_weights_are_a_whole_safetensors_file_with_nothing_behind_it(model: Path) -> None:
    weights = model / "model.safetensors"
    right = weights.read_bytes()
    assert is_safetensors(weights)
    for wrong in (right + archived("zip"), right[:-1], pickle.dumps(Evil()), b"", b"\x80\x02" + b"\x00" * 6 + b"{}"):
        weights.write_bytes(wrong)
        with pytest.raises(UnsafeModel, match="no whole safetensors file"):
            refuse_unsafe(model, code=NONE)


def header_with(model: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Changes what the first two tensors are said to be, and leaves their bytes."""
    weights = model / "model.safetensors"
    data = weights.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    change({str(place): header[name] for place, name in enumerate(sorted(header)[1:])})
    head = json.dumps({name: entry for name, entry in header.items() if entry}).encode()
    weights.write_bytes(len(head).to_bytes(8, "little") + head + data[8 + size :])


@pytest.mark.parametrize("change", [
    lambda entries: entries["1"].update(data_offsets=entries["0"]["data_offsets"]),
    lambda entries: entries["1"].clear(),
    lambda entries: entries["1"].update(data_offsets=["a", "b"]),
    lambda entries: entries["1"].update(data_offsets=[0]),
    lambda entries: entries["1"].update(data_offsets=None),
], ids=["twice", "between", "words", "one", "none"])  # fmt: skip
def test_the_tensors_of_weights_lie_end_to_end_with_nothing_between_them(change: Any, model: Path) -> None:
    header_with(model, change)
    with pytest.raises(UnsafeModel, match="no whole safetensors file"):
        TextClassifier.load(model, KIND, new_head=False)


def test_weights_of_a_kind_or_shape_that_nobody_knows_are_no_model(model: Path) -> None:
    for wrong in ({"dtype": "X9"}, {"shape": [1, 2, 3]}):
        header_with(model, lambda entries, wrong=wrong: entries["0"].update(wrong))
        with pytest.raises(
            ModelError, match="cannot be loaded as a sequence classifier: Error while deserializing header"
        ):
            TextClassifier.load(model, KIND, new_head=False)


@pytest.mark.parametrize("index", ["[]", '{"weight_map": []}', "{", "\\xff"])
def test_an_index_that_is_none_is_told_by_who_loads_it(index: str, model: Path) -> None:
    (model / "model.safetensors").rename(model / "model-1.safetensors")
    (model / "model.safetensors.index.json").write_text(index)
    with pytest.raises(ModelError, match="cannot be loaded as a sequence classifier"):
        TextClassifier.load(model, KIND, new_head=False)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors.index.json", "model.safetensors"])
def test_what_is_nested_too_deeply_to_be_read_is_refused(name: str, model: Path) -> None:
    deep = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    (model / name).write_bytes(len(deep).to_bytes(8, "little") + deep if name == "model.safetensors" else deep)
    with pytest.raises(UnsafeModel, match=rf"{name} is (no whole safetensors|nested too deeply)"):
        refuse_unsafe(model, code=NONE)


@pytest.mark.parametrize("place", ["/tmp/elsewhere.safetensors", "../elsewhere.safetensors", ".hidden/model.safetensors",
                                   "below/model.safetensors", "weights.txt", 7])  # fmt: skip
def test_weights_are_read_from_the_files_beside_their_index_and_from_nowhere_else(place: object, model: Path) -> None:
    held = dict.fromkeys(load_file(model / "model.safetensors"), "model-1.safetensors")
    (model / "model.safetensors").rename(model / "model-1.safetensors")
    index = model / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": held}))
    TextClassifier.load(model, KIND, new_head=False)
    index.write_text(json.dumps({"metadata": {}, "weight_map": {**held, "x": place}}))
    with pytest.raises(UnsafeModel, match=rf"index.json looks for weights in {re.escape(repr(place))}"):
        TextClassifier.load(model, KIND, new_head=False)


@pytest.mark.parametrize("text", ["cat\ndog\nRabbit\n", "c\n(in memory of)\nR.", "(iabc def\nx\n", "N.", "}.", "(dp0\n.",
                                  "I1\n.", "# Title\n", '{"a": 1}', "]q\x00.", "PAD\nUNK\n.", "g1\n(tR.", "cabc def\nghi\n(tR.", "(e(tR.", "I\ncow\nL2\nR.\n"])  # fmt: skip
def test_no_text_is_taken_for_a_pickle_because_some_letters_are_opcodes(text: str, model: Path) -> None:
    (model / "vocab.txt").write_text(text)
    (model / "array.npy").write_bytes(b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little") +
                                      b"{'descr': '<f8', 'fortran_order': False, 'shape': (0,), }".ljust(117) + b"\n")  # fmt: skip
    refuse_unsafe(model, code=NONE)
    assert "vocab.txt" in {path.name for path in select_files(model, NONE)}


@pytest.mark.parametrize("name", ["vocab.txt", "README.md", "below/more.json"])
def test_a_link_that_leads_out_of_a_folder_is_refused_since_what_it_leads_to_would_be_released(
    name: str, model: Path, tmp_path: Path
) -> None:
    link, secret = model / name, tmp_path / "credentials"
    secret.write_text("key = mine")
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(secret)
    with pytest.raises(
        UnsafeModel,
        match=rf"{re.escape(str(link))} is a link to {re.escape(str(secret))}, .*would be released .*`cp -RL",
    ):
        refuse_unsafe(model, code=NONE)


def test_the_command_that_puts_files_in_the_place_of_links_can_be_copied_where_a_folder_has_a_space(
    model: Path, tmp_path: Path
) -> None:
    spaced = model.rename(tmp_path / "my model")
    (tmp_path / "credentials").write_text("key = mine")
    (spaced / "README.md").symlink_to(tmp_path / "credentials")
    with pytest.raises(UnsafeModel, match=f"`cp -RL '{re.escape(str(spaced))}' new`"):
        refuse_unsafe(spaced, code=NONE)


@pytest.mark.parametrize(
    ("place", "where"), [("elsewhere", "out of the folder"), ("model/.hidden", "into a hidden folder")]
)
def test_a_link_to_a_folder_that_nobody_looked_at_is_refused(
    place: str, where: str, model: Path, tmp_path: Path
) -> None:
    """A tokenizer reads additional_chat_templates, and a model whose code is trusted runs custom_generate/generate.py."""
    (tmp_path / place).mkdir()
    (tmp_path / place / "generate.py").write_text("print('never')")
    (model / ".cache").symlink_to(tmp_path / place)
    refuse_unsafe(model, code=NONE)
    (model / "custom_generate").symlink_to(tmp_path / place)
    with pytest.raises(UnsafeModel, match=rf"custom_generate is a link to .* leads {where}.*`cp -RL"):
        refuse_unsafe(model, code=NONE)
    (model / "custom_generate").unlink()
    (model / "below").mkdir()
    (model / "custom_generate").symlink_to("below")
    refuse_unsafe(model, code=NONE)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "below/more.txt"])
@pytest.mark.parametrize(
    "make", [os.mkfifo, lambda path: os.mknod(path, stat.S_IFSOCK | 0o600)], ids=["pipe", "socket"]
)
def test_a_pipe_or_a_socket_in_the_place_of_a_file_is_refused_and_not_waited_for(
    make: Callable[[Path], None], name: str, model: Path
) -> None:
    (model / name).parent.mkdir(exist_ok=True)
    (model / name).unlink(missing_ok=True)
    make(model / name)
    with pytest.raises(UnsafeModel, match=rf"{re.escape(name)} is neither a file nor a folder.*take it out"):
        refuse_unsafe(model, code=NONE)


def test_links_within_a_folder_and_those_of_the_hub_s_cache_are_followed(model: Path, tmp_path: Path) -> None:
    (model / "merges.txt").symlink_to("vocab.txt")
    (model / "vocab.txt").write_text("film")
    (model / "gone.txt").symlink_to("../nothing")
    refuse_unsafe(model, code=NONE)
    cached, blobs = tmp_path / "models--theirs" / "snapshots" / "main", tmp_path / "models--theirs" / "blobs"
    for folder in (cached, blobs):
        folder.mkdir(parents=True)
    (model / "vocab.txt").rename(blobs / "1f0c")
    (cached / "vocab.txt").symlink_to("../../blobs/1f0c")
    (tmp_path / "mine").symlink_to(cached)
    for folder in (cached, tmp_path / "mine"):
        refuse_unsafe(folder, code=NONE)
        assert select_files(folder, NONE) == [folder / "vocab.txt"]
    (tmp_path / "snapshot" / "mine").mkdir(parents=True)
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "1f0c").touch()
    (tmp_path / "snapshot" / "mine" / "vocab.txt").symlink_to("../../blobs/1f0c")
    with pytest.raises(UnsafeModel, match=r"vocab\.txt is a link to "):
        refuse_unsafe(tmp_path / "snapshot" / "mine", code=NONE)
    (cached / "more.txt").symlink_to("../other/more.txt")
    (cached.parent / "other").mkdir()
    (cached.parent / "other" / "more.txt").touch()
    with pytest.raises(UnsafeModel, match=r"more\.txt is a link to "):
        refuse_unsafe(cached, code=NONE)
    (cached / "more.txt").unlink()
    (cached / "below").symlink_to(blobs)
    with pytest.raises(UnsafeModel, match=r"below is a link to "):
        refuse_unsafe(cached, code=NONE)


def test_what_is_no_part_of_a_model_stays_where_it_is(model: Path) -> None:
    (model / ".git" / "lfs").mkdir(parents=True)
    (model / ".git" / "lfs" / "object").write_bytes(pickle.dumps(Evil()))
    (model / "notes.md").write_text("mine")
    (model / "folder.json").mkdir()
    (model / "empty.txt").touch()
    parts = {"tokenizer.model", "chat_template.jinja", "source.spm", "bpe.codes"}
    for name in parts:
        (model / name).write_text("x")
    refuse_unsafe(model, code=NONE)
    chosen = {path.name for path in select_files(model, {"trusted_and_gone.py": "0" * 64})}
    assert parts <= chosen
    assert select_files(model, NONE) == sorted(model / name for name in chosen)  # their digest hangs on the order
    assert not chosen & {"notes.md", "folder.json", "trusted_and_gone.py"}


def test_a_file_whose_name_begins_with_a_dot_is_looked_at_since_it_comes_along(model: Path) -> None:
    (model / ".vocab.txt").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(UnsafeModel, match=r"\.vocab.txt is a pickle"):
        refuse_unsafe(model, code=NONE)


# --- code ---


CODE = """
from transformers import BertForSequenceClassification
class Mine(BertForSequenceClassification):
    pass
"""


def with_code(model: Path, reference: str = "modeling_mine.Mine") -> str:
    """Lets the configuration point to code, and answers with that code's SHA-256."""
    config = json.loads((model / "config.json").read_text())
    config["auto_map"] = {"AutoModelForSequenceClassification": reference}
    (model / "config.json").write_text(json.dumps(config))
    (model / "modeling_mine.py").write_text(CODE)
    return hashlib.sha256(CODE.encode()).hexdigest()


def test_code_is_refused_with_the_line_that_would_trust_it(model: Path) -> None:
    digest = with_code(model)
    with pytest.raises(UnsafeModel, match=r"auto_map|code of its own"):
        TextClassifier.load(model, KIND, new_head=True)
    config, code = ((model / name).read_bytes() for name in ("config.json", "modeling_mine.py"))
    (model / "config.json").unlink()
    with pytest.raises(UnsafeModel, match=rf"modeling_mine.py: {digest}"):
        refuse_unsafe(model, code=NONE)
    (model / "modeling_mine.py").unlink()
    (model / "config.json").write_bytes(config)
    with pytest.raises(UnsafeModel, match=r"does not name modeling_mine.py beside it"):
        refuse_unsafe(model, code={"modeling_mine.py": digest})
    (model / "below").mkdir()
    (model / "below" / "modeling_mine.py").write_bytes(code)
    with pytest.raises(UnsafeModel, match=r"below/modeling_mine.py is code .* and no spec trusts it"):
        refuse_unsafe(model, code={"modeling_mine.py": digest})


def test_code_is_run_only_as_it_was_when_it_was_trusted(model: Path, tmp_path: Path) -> None:
    digest = with_code(model)
    trusting = KIND.model_copy(update={"code": {"modeling_mine.py": digest}})
    loaded = TextClassifier.load(model, trusting, new_head=True)
    assert type(loaded.model).__name__ == "Mine"
    loaded.save(tmp_path / "saved")
    assert "modeling_mine.py" in {path.name for path in select_files(tmp_path / "saved", trusting.code)}
    assert type(TextClassifier.load(tmp_path / "saved", trusting, new_head=False).model).__name__ == "Mine"
    with (model / "modeling_mine.py").open("a") as file:
        file.write("print('changed')\n")
    with pytest.raises(UnsafeModel, match=f"the spec trusts SHA-256 {digest}, this file has"):
        TextClassifier.load(model, trusting, new_head=True)


OWN_PARTS = """
from transformers import BertConfig, PreTrainedTokenizerFast
class MyConfig(BertConfig):
    model_type = "mine"
class MyTokenizer(PreTrainedTokenizerFast):
    pass
"""


def test_a_configuration_and_a_tokenizer_may_be_of_trusted_code_as_well(model: Path) -> None:
    given = {"config.json": {"model_type": "mine", "auto_map": {"AutoConfig": "mine.MyConfig"}},
             "tokenizer_config.json": {"auto_map": {"AutoTokenizer": [None, "mine.MyTokenizer"]},
                                       "tokenizer_class": "MyTokenizer"}}  # fmt: skip
    for name, told in given.items():
        (model / name).write_text(json.dumps(json.loads((model / name).read_text()) | told))
    (model / "mine.py").write_text(OWN_PARTS)
    trusting = KIND.model_copy(update={"code": {"mine.py": hashlib.sha256(OWN_PARTS.encode()).hexdigest()}})
    assert type(read_config(model, trusting)).__name__ == "MyConfig"
    _, tokenizer = load_parts(BertForSequenceClassification, model, trusting, wanted="a classifier")
    assert type(tokenizer).__name__ == "MyTokenizer"


def test_each_of_several_tokenizers_that_a_configuration_points_to_is_code(model: Path) -> None:
    (model / "tokenizer_config.json").write_text('{"auto_map": {"AutoTokenizer": [null, "theirs.Fast"]}}')
    with pytest.raises(
        UnsafeModel, match=r"tokenizer_config.json makes transformers run code of its own \('theirs.Fast'"
    ):
        refuse_unsafe(model, code=NONE)


def test_code_in_another_repository_is_never_trusted(model: Path) -> None:
    digest = with_code(model, "somebody/theirs--modeling_mine.Mine")
    with pytest.raises(UnsafeModel, match="points to code in another repository"):
        refuse_unsafe(model, code={"modeling_mine.py": digest})


@pytest.mark.parametrize("field", ["attn_implementation", "_attn_implementation"])
@pytest.mark.parametrize(
    "kernel", ["somebody/theirs", "somebody/theirs@main:attention", {"": "eager", "text": "somebody/theirs"}]
)
def test_a_kernel_of_the_hub_that_a_configuration_names_is_code_in_another_repository(
    field: str, kernel: object, model: Path
) -> None:
    config = json.loads((model / "config.json").read_text())
    for named in (config | {field: kernel}, config | {"text_config": {field: kernel}}):
        (model / "config.json").write_text(json.dumps(named))
        with pytest.raises(
            UnsafeModel, match=r"config.json points to code in another repository \('somebody/theirs.*drop"
        ):
            refuse_unsafe(model, code=NONE)
    (model / "config.json").write_text(json.dumps(config | {field: "eager"}))
    TextClassifier.load(model, KIND, new_head=False)


@pytest.mark.parametrize("name", ["modeling_mine.PY", "below/modeling_mine.Py", "Config.json", "tokenizer_CONFIG.JSON"])
def test_code_is_known_however_its_name_is_written(name: str, model: Path) -> None:
    """A disk of a Mac opens any of them by the name that transformers asks for."""
    with_code(model)
    source = model / ("config.json" if "json" in name.lower() else "modeling_mine.py")
    (model / name).parent.mkdir(exist_ok=True)
    (model / name).write_bytes(source.read_bytes())
    for path in (model / "config.json", model / "modeling_mine.py"):
        path.unlink()
    with pytest.raises(UnsafeModel, match=f"{name} (is|makes transformers run) code"):
        refuse_unsafe(model, code=NONE)


@pytest.mark.parametrize("value", [True, "main", {"modeling.py": "abc"}, {"../x.py": "0" * 64}])
def test_a_spec_trusts_code_by_name_and_content_only(value: object) -> None:
    document = {"name": "x", "model": {"source": "m", "trust_remote_code": value}, "labels": ["a", "b"],
                "data": {"sources": ["x.csv"]}, "columns": {"text": "text"}}  # fmt: skip
    with pytest.raises(SpecError, match="trust_remote_code"):
        parse_spec(document, where="spec.yaml")


def test_a_record_cannot_name_a_file_outside_of_its_version() -> None:
    for path in ("../x", "/etc/x", "a/../../x"):
        with pytest.raises(ValueError, match="leads out of the version's folder"):
            FileEntry(path=path, sha256="0" * 64, bytes=1)
