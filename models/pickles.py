"""Tells by its bytes whether a file could run code when it is read as a model, whatever its name says.

Nothing is unpickled: `pickletools` only reads what a pickle would do.
"""

import io
import json
import mmap
import pickletools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from models.archives import archive_in

HEADER = 100_000_000
"""Bytes that the header of a safetensors file may have, as its own library has it."""
RUNS_CODE = {"REDUCE", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "BUILD"}
_OPCODES = {opcode.code: opcode for opcode in pickletools.opcodes}
_IMPORTING, _NUMBERS = {"GLOBAL", "INST"}, {"INT", "LONG", "FLOAT", "GET", "PUT"}
_MODULE = re.compile(rb"\S+")
_BROKEN_OFF = ("exhausted", "not enough data", "no newline", "remain")
"""What `pickletools` says where the bytes end too early."""


def danger_in(path: Path) -> str | None:
    """What the file really is ("a pickle"), where that is nothing to load a model from; None where it is harmless."""
    if path.suffix == ".safetensors":
        return None if is_safetensors(path) else "no whole safetensors file"
    return archive_in(path) or ("a pickle" if path.stat().st_size and _holds_pickle(path) else None)


def _holds_pickle(path: Path) -> bool:
    """Of a file that is not empty. Mapped, so that a length that lies asks for no more memory than the file has."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return is_pickle(data)


def is_pickle(data: bytes | mmap.mmap) -> bool:
    """Whether these are the bytes of a pickle. They are read to the end, since what runs may stand behind a long text.

    From protocol 2 on a pickle says so itself. An older one is plain text, and some texts read like one: such a file
    counts when it would call something with its stack in order. It need not be whole: what comes before the damage runs.
    """
    done = 0
    try:
        for name in _steps(data):
            if name in RUNS_CODE:
                return True
            done += 1
    except (ValueError, IndexError) as problem:
        if not any(words in str(problem) for words in _BROKEN_OFF):
            return False
    return data[:1] == b"\x80" and done > 1


def _steps(data: bytes | mmap.mmap) -> Iterator[str]:
    """The names of what a pickle would do, as far as it could. No module is called "abc def": what imports from such a one
    is text, or stops there."""
    stack: list[bool] = []  # whether each thing on it is a mark
    memo: set[Any] = set()
    for opcode, argument in _opcodes(data if isinstance(data, mmap.mmap) else io.BytesIO(data)):
        if opcode.name in _IMPORTING and not _MODULE.fullmatch(argument):
            return
        if opcode.name.endswith("GET") and argument not in memo:
            raise ValueError(f"nothing was put under {argument}")
        _move(stack, opcode)
        if opcode.name.endswith("PUT") or opcode.name == "MEMOIZE":
            memo.add(len(memo) if argument is None else argument)
        yield opcode.name


def _opcodes(data: mmap.mmap | io.BytesIO) -> Iterator[tuple[pickletools.OpcodeInfo, Any]]:
    """As `pickletools.genops` has them, which gives up at numbers, texts and names that those who load a pickle take: I0x1,
    S'é', and any name of torch.ops."""
    while code := data.read(1):
        opcode = _OPCODES.get(code.decode("latin-1"))
        if opcode is None:
            raise ValueError(f"{code!r} is no step of a pickle")
        yield opcode, _argument(opcode, data)
        if opcode.name == "STOP":
            return
    raise ValueError("the pickle is exhausted before it stops")


def _argument(opcode: pickletools.OpcodeInfo, data: Any) -> Any:
    """Of what imports a name, its module."""
    if opcode.name == "STRING":
        return pickletools.read_stringnl(data, decode=False)
    if opcode.name in _IMPORTING:
        module = _line(data)
        _line(data)  # what it has under that name
        return module
    if opcode.name in _NUMBERS:
        digits, ended, _ = _line(data).partition(b"\0")  # where the reader in C takes it to end; nothing before it is 0
        return _number(digits or ended.replace(b"\0", b"0"), of=opcode.name)
    return opcode.arg.reader(data) if opcode.arg else None


def _line(data: Any) -> bytes:
    line: Any = pickletools.read_stringnl(data, decode=False, stripquotes=False)
    return bytes(line)


def _number(text: bytes, *, of: str) -> float:
    if of == "FLOAT":
        return float(text)
    digits = text.removesuffix(b"L")
    try:
        return int(digits)
    except ValueError:
        return int(digits, 0)


def _move(stack: list[bool], opcode: pickletools.OpcodeInfo) -> None:
    """Takes off the stack and puts on it what a step does; IndexError where it holds too little."""
    wanted, mark = list(opcode.stack_before), pickletools.markobject
    if mark in wanted:
        while not stack.pop():
            pass
        wanted = wanted[: wanted.index(mark)]
    for _ in wanted:
        stack.pop()
    stack.extend(thing is mark for thing in opcode.stack_after)


def is_safetensors(path: Path) -> bool:
    """Whether the header is right and the tensors lie end to end from there to the end of the file, so that nothing hides
    between or behind them."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        total = path.stat().st_size
        if size > min(total - 8, HEADER):
            return False
        try:
            header = json.loads(file.read(size))
            spans = sorted(entry["data_offsets"] for name, entry in header.items() if name != "__metadata__")
            ends = [0, *(end for _, end in spans)]
            return [begin for begin, _ in spans] == ends[:-1] and 8 + size + ends[-1] == total
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return False
