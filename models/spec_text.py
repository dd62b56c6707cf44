"""Writes what a person reads of the spec: a commented spec for a new model, and the reference in docs/.

`python -m models.spec_text docs` writes docs/spec.md and docs/spec.schema.json anew.
"""

import json
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from models.gate_kinds import GATE_KINDS
from models.part import Part
from models.spec import ModelSpec, json_schema, part_in

_WIDTH = 118


@dataclass(frozen=True)
class Given:
    """A value for one field of a new spec. `commented`: it is only proposed, the default holds."""

    value: str | list[str]
    note: str = ""
    commented: bool = False


# --- a new spec ---------------------------------------------------------------------------------------------


def write_spec(given: Mapping[str, Given], *, head: str) -> str:
    """A spec with every field: `given` ones ("columns.text") with their values, all others with their defaults."""
    lines = ["# yaml-language-server: $schema=upkeep.schema.json", f"# {head}", "# Paths are relative to this file."]
    return "\n".join([*lines, *_part(ModelSpec, "", given)]) + "\n"


def _part(part: type[Part], path: str, given: Mapping[str, Given]) -> Iterator[str]:
    for key, field in part.model_fields.items():
        at = f"{path}{key}"
        proposal = given.get(at)
        if not path:
            yield ""
        if proposal:
            yield from _given(key, proposal, field)
        if not proposal or proposal.commented:
            yield from _default(key, field, at, given)


def _given(key: str, given: Given, field: FieldInfo) -> Iterator[str]:
    if given.note:
        yield from _comment(given.note)
    if given.commented:
        yield f"# {key}: [{', '.join(map(_quoted, given.value))}]"
    elif isinstance(given.value, str):
        yield from _described(f"{key}: {_quoted(given.value)}", field.description)
    else:
        yield from _described(f"{key}:", field.description)
        yield from (f"  - {_quoted(value)}" for value in given.value)


def _default(key: str, field: FieldInfo, at: str, given: Mapping[str, Given]) -> Iterator[str]:
    inner = part_in(field)
    optional = not field.is_required() and field.get_default(call_default_factory=True) is None
    if inner:
        within = [f"  {line}" for line in _part(inner, f"{at}.", given)]
        lines = [*_described(f"{key}:", field.description), *within]
        empty = all(line.lstrip().startswith("#") for line in within)  # YAML would read it as null
        yield from (f"# {line}" for line in lines) if optional or empty else lines
    elif field.is_required():
        yield from _described(f"{key}: …", field.description)
    elif optional:
        yield from _described(f"# {key}: null", field.description)
    else:
        yield from _plain(key, field.get_default(call_default_factory=True), field)


def _plain(key: str, value: Any, field: FieldInfo) -> Iterator[str]:
    if not (isinstance(value, tuple) and value and isinstance(value[0], Part)):
        yield from _described(f"{key}: {_flow(value)}", field.description)
        return
    yield from _described(f"{key}:", field.description)
    for part in value:
        yield from (f"  {line}" for line in _comment(part.__doc__ or ""))
        fields = [f"{name}: {_flow(held)}" for name, held in part.model_dump(exclude={"mode"}).items()]
        yield f"  - {fields[0]}"
        yield from (f"    {line}" for line in fields[1:])


def _described(line: str, description: str | None) -> Iterator[str]:
    if description and len(line) + len(description) > _WIDTH - 12:
        yield from _comment(description)
        yield line
    else:
        yield f"{line}  # {description}" if description else line


def _comment(text: str) -> Iterator[str]:
    # A column's name may hold any character: a line break in it must not end the comment.
    printable = "".join(c if c.isprintable() else "?" for c in text)
    yield from (f"# {line}" for line in textwrap.wrap(printable, _WIDTH - 10, break_on_hyphens=False))


def _quoted(text: str) -> str:
    return yaml.safe_dump(text, default_style='"', allow_unicode=True, width=10**9).strip()


def _flow(value: Any) -> str:
    dumped: str = yaml.safe_dump(to_jsonable_python(value), default_flow_style=True, width=10**9)
    return dumped.strip().removesuffix("...").strip()


# --- the reference ------------------------------------------------------------------------------------------


def schema_text() -> str:
    return json.dumps(json_schema(), indent=2, sort_keys=True) + "\n"


def write_reference() -> str:
    """docs/spec.md: every field with its type, default and meaning, taken from the schema."""
    schema = json_schema()
    intro = ("Written by `python -m models.spec_text docs` from `models/spec.py`; do not edit. Unknown fields are "
             "refused. Paths are relative to the spec. Periods are `90m`, `12h`, `7d` or `2w`. For an editor that "
             "completes and checks: `spec.schema.json`, which `upkeep init` writes beside a new spec as `upkeep.schema.json`.")  # fmt: skip
    lines = ["# The spec", "", *textwrap.wrap(intro, _WIDTH), "", *_tables("", ModelSpec, schema)]
    lines += ["## gates", "", "A list; a release needs every gate. `kind` says which gate it is.", ""]
    for gate in GATE_KINDS:
        kind = gate.model_fields["kind"].default
        lines += [f"### kind: {kind}", "", gate.__doc__ or "", "", *_table(gate, schema["$defs"][gate.__name__]), ""]
    return "\n".join(lines).rstrip() + "\n"


def _tables(path: str, part: type[Part], schema: dict[str, Any]) -> Iterator[str]:
    title = path.rstrip(".") or "The whole file"
    described = schema if not path else schema["$defs"][part.__name__]
    yield from (f"## {title}", "", *_table(part, described), "")
    for key, field in part.model_fields.items():
        inner = part_in(field)
        if inner:
            yield from _tables(f"{path}{key}.", inner, schema)


def _table(part: type[Part], described: dict[str, Any]) -> Iterator[str]:
    yield from ("| field | accepts | default | |", "| --- | --- | --- | --- |")
    for key, field in part.model_fields.items():
        yield f"| `{key}` | {_accepts(described['properties'][key])} | {_shown(field)} | {field.description or ''} |"


def _shown(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, Part):
        return "see below"
    if isinstance(value, tuple) and value and isinstance(value[0], Part):
        return ", ".join(f"`{part.kind}`" for part in value)
    return f"`{_flow(value)}`"


def _accepts(node: dict[str, Any]) -> str:
    if "$ref" in node:
        return "a section"
    if "oneOf" in node:
        return "gates"
    if "anyOf" in node:
        return " or ".join(_accepts(option) for option in node["anyOf"])
    if "enum" in node or "const" in node:
        return ", ".join(f"`{value}`" for value in node.get("enum", [node.get("const")]))
    if node.get("type") == "array":
        return f"list of {_accepts(node['items'])}"
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {node[key]:.10g}" for key, sign in signs.items() if key in node]
    pattern = [f"`{node['pattern']}`"] if "pattern" in node else []
    return " ".join([node.get("type", "any").replace("null", "`null`"), ", ".join(bounds), *pattern]).strip()


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    (folder / "spec.schema.json").write_text(schema_text(), encoding="utf-8")
    (folder / "spec.md").write_text(write_reference(), encoding="utf-8")
