"""YAML text as nodes, each of which knows its line."""

from __future__ import annotations

import yaml

_DEEPEST, _ALIASES = 60, 1000


def compose(text: str) -> yaml.Node | None:
    """The text's root node; None where it is empty. Raises yaml.YAMLError for what is no YAML, or is nested deeper or repeats more than any plan or book does: either could bring the process down."""
    depth = aliases = 0
    for event in yaml.parse(text, yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(
            event, yaml.CollectionEndEvent
        )
        aliases += isinstance(event, yaml.AliasEvent)
        if depth > _DEEPEST or aliases > _ALIASES:
            raise yaml.YAMLError(
                f"it is nested deeper than {_DEEPEST} or has more than {_ALIASES} aliases"
            )
    found: yaml.Node | None = yaml.compose(text, yaml.CSafeLoader)
    return found
