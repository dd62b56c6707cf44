"""Reads YAML with the booleans and the unique keys of YAML 1.2, as people who write a spec expect."""

import re
from typing import Any

import yaml
from yaml.composer import ComposerError
from yaml.constructor import ConstructorError

_HALF = re.compile("[\ud800-\udfff]")


def load_yaml(text: str) -> Any:
    """A YAML document; `on`, `yes`, `no` and dates are strings, as people who write a gate's `on:` expect."""
    return yaml.load(text, Loader=_SpecLoader)


class _SpecLoader(yaml.SafeLoader):
    """YAML 1.2's booleans: 1.1, which PyYAML reads, makes `on: current` a key True and labels [yes, no] booleans.
    And its keys: PyYAML takes the later of two that are the same, and drops the first with all that it holds."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        # Before merges (`<<`), whose keys may be written again.
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        seen: dict[str, yaml.Mark] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and seen.setdefault(key.value, key.start_mark) is not key.start_mark:
                raise ComposerError("the first is", seen[key.value], f"`{key.value}` is written twice here, and only one of the "
                                    "two would count; put them together", key.start_mark)  # fmt: skip
        return node

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        half = _HALF.search(node.value) if isinstance(node, yaml.ScalarNode) else None
        if half:
            raise ConstructorError(None, None, f"\\u{ord(half[0]):x} is half a character, which can be neither stored nor shown; "
                                   "write the character itself, or \\U and its eight digits", node.start_mark)  # fmt: skip
        return super().construct_scalar(node)


_SpecLoader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in known if not tag.endswith((":bool", ":timestamp"))]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_SpecLoader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
