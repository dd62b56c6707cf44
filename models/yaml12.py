"""Reads YAML with the booleans of YAML 1.2, as people who write a spec expect."""

import re
from typing import Any

import yaml


def load_yaml(text: str) -> Any:
    """A YAML document; `on`, `yes`, `no` and dates are strings, as people who write a gate's `on:` expect."""
    return yaml.load(text, Loader=_SpecLoader)


class _SpecLoader(yaml.SafeLoader):
    """YAML 1.2's booleans: 1.1, which PyYAML reads, makes `on: current` a key True and labels [yes, no] booleans."""


_SpecLoader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in known if not tag.endswith((":bool", ":timestamp"))]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_SpecLoader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
