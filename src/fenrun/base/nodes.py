"""YAML text as nodes, each of which knows its line."""

from __future__ import annotations

import yaml

from fenrun.base.words import Unreadable

_DEEPEST = 60
_MOST_ALIASES = 1000


class Overgrown(Unreadable, yaml.YAMLError):
    """A text is nested deeper, or repeats more, than any plan or book."""


class WithNul(Unreadable, yaml.YAMLError):
    """A text holds the character that ends a text in databases."""


def compose(text: str) -> yaml.Node | None:
    """Return the text's root node; None where the text is empty.

    Raises yaml.YAMLError for what is no YAML, and two kinds of it: Overgrown for what could bring
    the process down, WithNul for what no database takes.
    """
    _refuse_bombs(text)
    root: yaml.Node | None = yaml.compose(text, yaml.CSafeLoader)
    return root


def _refuse_bombs(text: str) -> None:
    depth = aliases = 0
    for event in yaml.parse(text, yaml.CSafeLoader):
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
