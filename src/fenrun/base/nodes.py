"""YAML text as nodes, each of which knows its line."""

from __future__ import annotations

from typing import Any

import yaml

from fenrun.base.words import Message, Unreadable, reason

_DEEPEST = 60
_MOST_ALIASES = 1000
_MOST_NODES = 1_000_000
"""Keys, values and lists of a text: some 500 MB. Larger books are CSV or Parquet files."""
_MOST_REPEATED = 100_000
"""Nodes that aliases may add to those that are written: aliases of aliases multiply."""


class Overgrown(Unreadable, yaml.YAMLError):
    """A text is nested deeper, holds more, or repeats more, than any plan or book."""


class WithNul(Unreadable, yaml.YAMLError):
    """A text holds the character that ends a text in databases."""


def compose(text: str) -> yaml.Node | None:
    """Return the text's root node; None where the text is empty.

    Raises yaml.YAMLError for what is no YAML, and two kinds of it: Overgrown for what could bring
    the process down, WithNul for what no database takes.
    """
    written = _count_written(text)
    root: yaml.Node | None = yaml.compose(text, yaml.CSafeLoader)
    if root and _Sizes().of(root) > written + _MOST_REPEATED:
        raise Overgrown("text-repeats", most=_MOST_REPEATED)
    return root


def plain(text: str) -> Any:
    """Return what a text says as lists, mappings and values; None where it is empty.

    Raises yaml.YAMLError as `compose` does, and ValueError for a value that is none of its kind.
    """
    root = compose(text)
    return yaml.SafeLoader("").construct_document(root) if root else None


def why_no_yaml(error: Exception) -> Message | str:
    """Return why a text is no YAML, in one line."""
    said = reason(error)
    return said.replace("\n", " ") if isinstance(said, str) else said


def _count_written(text: str) -> int:
    """Return how many nodes a text writes, aliases not followed. Raises Overgrown."""
    depth = aliases = nodes = 0
    for event in yaml.parse(text, yaml.CSafeLoader):
        nodes += isinstance(event, yaml.NodeEvent)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
        elif isinstance(event, yaml.ScalarEvent) and "\0" in event.value:
            mark = event.start_mark
            raise WithNul("text-with-nul", line=mark.line + 1 if mark else "?")
        if depth > _DEEPEST or aliases > _MOST_ALIASES:
            raise Overgrown("text-overgrown", depth=_DEEPEST, aliases=_MOST_ALIASES)
        if nodes > _MOST_NODES:
            raise Overgrown("text-too-long", most=_MOST_NODES)
    return nodes


class _Sizes:
    """Sizes of nodes with their aliases followed, each counted once however often it is used."""

    def __init__(self) -> None:
        self._known: dict[int, int] = {}

    def of(self, node: yaml.Node) -> int:
        """Return how many nodes there are from here down. One inside itself counts as one."""
        if isinstance(node, yaml.ScalarNode):
            return 1
        if id(node) not in self._known:
            self._known[id(node)] = 1
            parts = node.value
            if isinstance(node, yaml.MappingNode):
                parts = [part for pair in node.value for part in pair]
            self._known[id(node)] = 1 + sum(map(self.of, parts))
        return self._known[id(node)]
