"""Text of a row or a person, as it can stand in Markdown: in a report and in a version's card."""

import re

_MEANS = re.compile(r"[\\`*<>|]|~(?=~)|\](?=[(\[])|^\[|(?<![^\W_])_|_(?![^\W_])")
"""Characters that mean something to Markdown where they stand; a bracket alone, or a_name, does not."""


def escaped(text: object) -> str:
    """Inside a table as well: shown, never obeyed."""
    flat = " ".join(str(text).split())
    return _MEANS.sub(r"\\\g<0>", flat.replace("&", "&amp;"))
