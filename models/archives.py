"""Tells by its bytes whether a file is an archive, or arrays with objects: what such a one holds may be a pickle."""

import io
import lzma
import tarfile
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

HEAD = 1 << 16
_MAGICS = {
    b"\x1f\x8b": "a gzip archive", b"BZh": "a bzip2 archive", b"\xfd7zXZ": "an xz archive",
    b"7z\xbc\xaf": "a 7z archive", b"\x28\xb5\x2f\xfd": "a zstd archive", b"Rar!": "a rar archive",
    b"\x5d\0\0": "an lzma archive", b"\x04\x22\x4d\x18": "an lz4 archive", b"PK\x03\x04": "a zip archive",
    b"\x89HDF\r\n": "an HDF5 file, whose layers may hold pickled code",
}  # fmt: skip
_UNPACKABLE = (zipfile.BadZipFile, RuntimeError, OSError, EOFError, ValueError, zlib.error, lzma.LZMAError)
_NO_HEADER = (ValueError, TypeError, IndexError, SyntaxError, tokenize.TokenError, MemoryError, RecursionError)
"""What `zipfile` and numpy raise of what is damaged, or was never whole."""


def archive_in(path: Path) -> str | None:
    """What the file really is ("a gzip archive"); None where it is none, or holds nothing but arrays of numbers."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    if zipfile.is_zipfile(path):
        return _danger_in_zip(path)
    if head.startswith(b"\x93NUMPY"):
        return "a numpy file with pickled objects" if _holds_objects(io.BytesIO(head)) else None
    if _is_tar(head):
        return "a tar archive"
    if _is_zlib(head):
        return "a zlib archive"
    return next((what for magic, what in _MAGICS.items() if head.startswith(magic)), None)


def _is_tar(head: bytes) -> bool:
    """Old ones are known by nothing but the sum of their first header."""
    try:
        tarfile.TarInfo.frombuf(head[: tarfile.BLOCKSIZE], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _is_zlib(head: bytes) -> bool:
    """As joblib packs pickles. By its first two bytes x^2 + 1 is one as well."""
    packed = zlib.decompressobj()
    try:
        return len(packed.decompress(head, HEAD // 2)) == HEAD // 2 or packed.eof
    except zlib.error:
        return False


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
    except _UNPACKABLE:
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
    except _NO_HEADER:
        return True
