"""Tells by its bytes whether a file could run code when it is read as a model, whatever its name says.

Nothing is unpickled: `pickletools` only reads what a pickle would do.
"""

import io
import itertools
import json
import pickletools
import re
import struct
import zipfile
from pathlib import Path
from typing import BinaryIO

HEAD = 1 << 16
RUNS_CODE = {"REDUCE", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "BUILD"}
_LISTED = re.compile(r"^ *\d+: \S+ +([A-Z][A-Z0-9_]*) *(.*)$", re.MULTILINE)
_IMPORTED = re.compile(r"""^['"][^\s\\]+ [^\s\\]+['"]$""")
_MAGICS = {
    b"\x1f\x8b": "a gzip archive", b"BZh": "a bzip2 archive", b"\xfd7zXZ": "an xz archive",
    b"7z\xbc\xaf": "a 7z archive", b"\x28\xb5\x2f\xfd": "a zstd archive", b"Rar!": "a rar archive",
    b"\x89HDF\r\n": "an HDF5 file, whose layers may hold pickled code",
}  # fmt: skip
_TAR = slice(257, 262)


def danger_in(path: Path) -> str | None:
    """What the file really is ("a pickle"), where that is nothing to load a model from; None where it is harmless."""
    if path.suffix == ".safetensors":
        return None if is_safetensors(path) else "no whole safetensors file"
    with path.open("rb") as file:
        head = file.read(HEAD)
    if zipfile.is_zipfile(path):
        return _danger_in_zip(path)
    if head.startswith(b"\x93NUMPY"):
        return "a numpy file with pickled objects" if _holds_objects(io.BytesIO(head)) else None
    if head[_TAR] == b"ustar":
        return "a tar archive"
    found = next((what for magic, what in _MAGICS.items() if head.startswith(magic)), None)
    return found or ("a pickle" if is_pickle(head) else None)


def is_pickle(head: bytes) -> bool:
    """Whether these first bytes of a file are those of a pickle.

    From protocol 2 on a pickle says so itself. An older one is plain text, and some texts read like one: such a file
    counts when it would call something with its stack in order. It need not be whole: what comes before the damage runs.
    """
    listing, whole = io.StringIO(), True
    try:
        pickletools.dis(head, out=listing)
    except (ValueError, IndexError, KeyError, OverflowError, struct.error) as problem:
        whole = "exhausted" in str(problem) or "not enough data" in str(problem) or "no newline" in str(problem)
    steps = _LISTED.findall(listing.getvalue())
    if not whole:
        steps = steps[:-1]  # the last one listed is the one that could not be done
    done = list(itertools.takewhile(_can_be_done, steps))
    if head[:1] == b"\x80" and len(done) > 1 and whole:
        return True
    return any(name in RUNS_CODE for name, _ in done)


def _can_be_done(step: tuple[str, str]) -> bool:
    """Nothing is called " abc def": what imports such a name is text, or stops there."""
    name, argument = step
    return name not in {"GLOBAL", "INST"} or bool(_IMPORTED.match(argument))


def is_safetensors(path: Path) -> bool:
    """Whether the header is right and the tensors end exactly where the file does, so that nothing hides behind."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        total = path.stat().st_size
        if not 2 <= size <= total - 8:
            return False
        try:
            header = json.loads(file.read(size))
            ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
        except (ValueError, KeyError, TypeError, IndexError, AttributeError):
            return False
    return bool(8 + size + max(ends, default=0) == total)


def _danger_in_zip(path: Path) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            pickled = next((name for name in names if name.endswith((".pkl", ".pickle"))), None)
            if pickled:
                return f"an archive with a pickle ({pickled})"
            if names and all(name.endswith(".npy") for name in names):
                return next((f"a numpy archive with pickled objects ({n})" for n in names
                             if _member_holds_objects(archive, n)), None)  # fmt: skip
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError):
        return "a broken zip archive"
    return "a zip archive"


def _member_holds_objects(archive: zipfile.ZipFile, name: str) -> bool:
    with archive.open(name) as member:
        return _holds_objects(io.BytesIO(member.read(HEAD)))


def _holds_objects(file: BinaryIO) -> bool:
    import numpy as np

    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        return bool(read(file)[2].hasobject)
    except ValueError:
        return True
