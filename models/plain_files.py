"""What a model may consist of: safetensors and plain text. Pickles, archives and code that nobody named are refused."""

import hashlib
import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from errors import UnsafeModel
from models.pickles import danger_in

MODEL_FILES = ("*.safetensors", "*.json", "*.txt", "*.model", "*.spm", "*.codes", "*.jinja")
PICKLES = {".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".dill", ".h5", ".hdf5", ".keras"}
ARCHIVES = {".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".zst", ".rar", ".nemo", ".mar"}
CONVERT = (
    "Upkeep loads only safetensors and plain text. Convert the model once where you trust it "
    "(`save_pretrained` into a new folder), or take the file out of the source."
)
INDEX = ".safetensors.index.json"
"""How the name of a file ends that says which file holds which weights."""
POINTER = frozenset({"auto_map"})
"""The field of a configuration by which transformers finds code to run."""
KERNEL = frozenset({"attn_implementation", "_attn_implementation"})
"""By which it fetches a kernel from the hub, code as well, where the package `kernels` is installed."""

Code = Mapping[str, str]
"""Python files that the spec trusts: name -> SHA-256."""
NO_CODE: Code = MappingProxyType({})


def select_files(folder: Path, code: Code) -> list[Path]:
    """A model's own files, in the order of their names; what else lies beside them stays where it is."""
    found = {p for pattern in MODEL_FILES for p in folder.glob(pattern) if p.is_file()}
    return sorted(found | {folder / name for name in code if (folder / name).is_file()})


def refuse_unsafe(folder: Path, *, code: Code) -> None:
    """Raises UnsafeModel where anything below the folder is a pickle, an archive, code that is not in `code`, a link to
    what lies elsewhere, or no file at all, as a pipe.

    Folders whose name begins with a dot (.git, .cache) are no part of a model and are not looked at.
    """
    found = [path for path in sorted(folder.rglob("*")) if path.exists() and not _is_hidden(path, folder)]
    paths = [path for path in found if path.is_file()]
    refuse_names((str(path.relative_to(folder)) for path in paths), source=str(folder))
    for path in found:
        _refuse_link(path, folder)
        _refuse_special(path)
    for path in paths:
        danger = danger_in(path)
        if danger:
            raise UnsafeModel(f"{path} is {danger}, whatever its name says. {CONVERT}")
        name = path.name.lower()  # some disks find it however it is written
        if name.endswith(".py"):
            _require_trusted(path, folder, code)
        if name.endswith(".json") and "config" in name:
            _refuse_pointers(path, folder, code)
        if name.endswith(INDEX):
            _refuse_weights_elsewhere(path)


def refuse_names(names: Iterable[str], *, source: str) -> None:
    """The same by names alone, for files that have not been downloaded."""
    for name in names:
        suffix = Path(name).suffix.lower()
        if ".." in Path(name).parts or Path(name).is_absolute():
            raise UnsafeModel(f"{source} holds {name!r}, which leads out of the folder; rename it")
        if suffix in PICKLES:
            raise UnsafeModel(f"{source} holds {name}: a *{suffix} file is a pickle or may hold one, and reading a "
                              f"pickle runs whatever it says. {CONVERT}")  # fmt: skip
        if suffix in ARCHIVES:
            raise UnsafeModel(f"{source} holds {name}: what is in an archive cannot be seen from outside. {CONVERT}")


def _is_hidden(path: Path, folder: Path) -> bool:
    parts = path.relative_to(folder).parts
    return any(part.startswith(".") for part in (parts if path.is_dir() else parts[:-1]))


def _refuse_link(path: Path, folder: Path) -> None:
    """The hub's cache keeps each file once, beside its snapshots, which are links to them. A folder's files are looked at
    where it lies, and not by a link to it."""
    root, target = folder.resolve(), path.resolve()
    homes = [root, *([root.parent.parent / "blobs"] if root.parent.name == "snapshots" and target.is_file() else [])]
    inside = any(target.is_relative_to(home) for home in homes)
    if not inside or (target.is_dir() and _is_hidden(target, root)):
        where = "into a hidden folder, at which nobody looks" if inside else "out of the folder"
        raise UnsafeModel(f"{path} is a link to {target}, which leads {where}, and what it leads to would be released "
                          f"with the model. If it belongs there, put what it leads to in its place (`cp -RL {shlex.quote(str(folder))} new` does so "
                          "for every link); else take the link out")  # fmt: skip


def _refuse_special(path: Path) -> None:
    if not (path.is_file() or path.is_dir()):
        raise UnsafeModel(f"{path} is neither a file nor a folder, but a pipe, a socket or a device: whoever read it might wait for ever, "
                          "and read something else each time. A model consists of plain files; take it out")  # fmt: skip


def _require_trusted(path: Path, folder: Path, code: Code) -> None:
    name = str(path.relative_to(folder))
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if code.get(name) == found:
        return
    known = f"the spec trusts SHA-256 {code[name]}, this file has {found}" if name in code else "no spec trusts it"
    raise UnsafeModel(
        f"{path} is code that loading the model would run, and {known}. Read it; if you trust it, write in the spec:\n"
        f"  model:\n    trust_remote_code:\n      {name}: {found}"
    )


def _refuse_pointers(path: Path, folder: Path, code: Code) -> None:
    document = _read(path)
    for kernel in _named_below(KERNEL, document):
        if "/" in kernel:
            raise UnsafeModel(f"{path} points to code in another repository ({kernel!r}, as attention), which may change at any "
                              "time; drop that field, and transformers computes attention by its own code")  # fmt: skip
    for reference in _named_below(POINTER, document):
        module = f"{reference.split('--')[-1].split('.')[0]}.py"
        if "--" in reference:
            raise UnsafeModel(
                f"{path} points to code in another repository ({reference!r}), which may change at any time. Put "
                f"{module} beside it, write {reference.split('--')[-1]!r} instead, and trust the file by its SHA-256 "
                "in model.trust_remote_code."
            )
        if module not in code or not (folder / module).is_file():
            raise UnsafeModel(
                f"{path} makes transformers run code of its own ({reference!r}), and model.trust_remote_code does not "
                f"name {module} beside it. Use a model that transformers knows; or read that file, and name it there "
                "with its SHA-256."
            )


def _refuse_weights_elsewhere(index: Path) -> None:
    """transformers opens what an index names, wherever that lies and whatever it is; nobody looked at it, or signed it."""
    document = _read(index)
    places = document.get("weight_map") if isinstance(document, dict) else None
    for place in places.values() if isinstance(places, dict) else ():
        if not isinstance(place, str) or Path(place).name != place or not place.endswith(".safetensors"):
            raise UnsafeModel(f"{index} looks for weights in {place!r}, and they belong into *.safetensors files beside it. Save "
                              "the whole model once where you trust it (`save_pretrained` into a new folder)")  # fmt: skip


def _read(path: Path) -> Any:
    """None where it is no JSON: whoever loads it says what is wrong with it."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return None
    except RecursionError:
        raise UnsafeModel(f"{path} is nested too deeply to be read, so nobody can say what it leads to; take it "
                          "out, or save the model anew where you trust it (`save_pretrained`)") from None  # fmt: skip


def _named_below(fields: frozenset[str], document: Any) -> Iterator[str]:
    """Every text below a field of such a name."""
    waiting = [(document, False)]
    while waiting:
        node, below = waiting.pop()
        if isinstance(node, dict):
            waiting.extend((value, below or key in fields) for key, value in node.items())
        elif isinstance(node, list):
            waiting.extend((value, below) for value in node)
        elif below and isinstance(node, str):
            yield node
